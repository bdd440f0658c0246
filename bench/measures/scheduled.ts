// Messages for times to come: what a hundred thousand of them cost in memory, and how late those come whose time has come, to
// somebody who waits for them.

import type { ClientHandlers } from "../load/client.worker.js";
import { startLoad } from "../load/orders.js";
import { bodyBytes, type Measurement, queue, startServer } from "../measurement.js";
import type { Memory } from "../processes/process-usage.js";
import type { Row } from "../report.js";

const mebibyte = 1_048_576;
const dayMs = 86_400_000;

export const measureScheduled: Measurement = async (context) => {
  const waitingCount = context.isSmoke ? 2_000 : 100_000;
  const dueCount = context.isSmoke ? 50 : 300;
  await using server = await startServer(context);
  await using load = startLoad<ClientHandlers>("client");
  await load.order("connect", { address: server.address, queue });
  // What a server needs to take any load at all is not what scheduled messages cost.
  await load.order("send", {
    queue,
    bodyBytes,
    isBatching: true,
    inFlight: 2_000,
    until: { kind: "count", count: context.isSmoke ? 1_000 : 20_000 },
  });
  await load.order("connect", { address: server.address, queue: scheduled });
  const before = server.memory();
  await load.order("schedule", {
    queue: scheduled,
    bodyBytes,
    messageCount: waitingCount,
    firstMs: dayMs,
    stepMs: 10,
  });
  const after = server.memory();
  const receiving = load.order("lateness", { queue: scheduled, messageCount: dueCount });
  await using sender = startLoad<ClientHandlers>("client");
  await sender.order("connect", { address: server.address, queue: scheduled });
  await sender.order("schedule", {
    queue: scheduled,
    bodyBytes,
    messageCount: dueCount,
    // Light load: fifty a second, and all of them accepted before the first one's time.
    firstMs: 3_000,
    stepMs: 20,
  });
  const late = (await receiving).toSorted((left, right) => left - right);
  await server.stop();
  const at = (part: number): number =>
    late[Math.min(late.length - 1, Math.floor(late.length * part))] ?? 0;
  const latest = late.at(-1) ?? 0;
  const waiting = waitingCount.toLocaleString("en");
  const rows: Row[] = [
    ...memoryRows(`memory for ${waiting} scheduled messages`, before, after),
    { name: "a scheduled message comes late by, median", figure: at(0.5), unit: "ms" },
    {
      name: `latest of ${dueCount} scheduled messages`,
      figure: latest,
      unit: "ms",
      target: { of: "figure", below: 100 },
    },
  ];
  return { measurement: "scheduled", rows, notes: [] };
};

const scheduled = "scheduled";

function memoryRows(name: string, before: Memory | undefined, after: Memory | undefined): Row[] {
  if (before === undefined || after === undefined) return [];
  const grown = (part: keyof Memory): number => (after[part] - before[part]) / mebibyte;
  const target = { of: "figure", below: 150 } as const;
  return [
    { name, figure: grown("residentBytes"), unit: "MB", target },
    { name: "of it pages of files", figure: grown("fileBytes"), unit: "MB" },
  ];
}
