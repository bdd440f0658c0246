// A million messages that wait: sending to and receiving from that queue beside an empty one on the same server, the memory
// the server holds meanwhile, and how long it takes to serve again after it was killed.

import { startLoad } from "../load/orders.js";
import type { WireHandlers } from "../load/wire.worker.js";
import {
  type BenchContext,
  freshDirectory,
  type Measurement,
  sideOf,
  startServer,
  type WireLoad,
} from "../measurement.js";
import type { ForebayServer } from "../processes/forebay.js";
import type { Memory } from "../processes/process-usage.js";
import { type Measured, type Row, rateRow } from "../report.js";
import { compare, inTurns, median } from "../rounds.js";

const deep = "deep";
const shallow = "shallow";
const bodyBytes = 256;
const mebibyte = 1_048_576;

interface Size {
  readonly waitingCount: number;
  /** Messages sent, and messages received, in one round. */
  readonly roundMessages: number;
  readonly roundCount: number;
}

const sizeOf = ({ isSmoke }: BenchContext): Size =>
  isSmoke
    ? { waitingCount: 20_000, roundMessages: 1_000, roundCount: 3 }
    : { waitingCount: 1_000_000, roundMessages: 20_000, roundCount: 7 };

const inFlight = 64;
const messagesPerReceive = 10;

export const measureDeepQueue: Measurement = async (context): Promise<Measured> => {
  const size = sizeOf(context);
  const dataDir = freshDirectory(context, "data");
  await using server = await startServer(context, dataDir);
  await using load = startLoad<WireHandlers>("wire");
  await load.order("connect", { address: server.address });
  for (const queue of [deep, shallow]) await load.order("createQueue", { queue });
  await fill(load, size.waitingCount);
  context.say(`${size.waitingCount} messages wait`);
  const rates = await rateRows(server, load, size);
  const storedCount = await load.order("storedCount", { queue: deep });
  if (storedCount !== size.waitingCount) {
    throw new Error(`${storedCount} messages are stored instead of ${size.waitingCount}.`);
  }
  const memory = memoryRows(server.memory());
  await server.kill();
  const restarts = await restartRow(context, load, dataDir, storedCount);
  const notes = context.isSmoke
    ? [`small run: ${size.waitingCount} messages instead of a million`]
    : [];
  return { measurement: "deep", rows: [...rates, ...memory, restarts], notes };
};

async function fill(load: WireLoad, messageCount: number): Promise<void> {
  const entryCount = 500;
  await load.order("produce", {
    service: "queue",
    queue: deep,
    bodyBytes,
    entryCount,
    inFlight: 8,
    until: { kind: "count", count: messageCount / entryCount },
  });
}

/** Each round sends to both queues and then receives from both, so that the shallow one is empty before and after. */
async function rateRows(server: ForebayServer, load: WireLoad, size: Size): Promise<Row[]> {
  const callCount = size.roundMessages / messagesPerReceive;
  const send = (queue: string) =>
    sideOf(server, () =>
      load.order("sendBatches", {
        service: "queue",
        queue,
        bodyBytes,
        entryCount: messagesPerReceive,
        inFlight,
        until: { kind: "count", count: callCount },
      }),
    );
  const receive = (queue: string) => {
    const side = sideOf(server, () => load.order("receive", { queue, inFlight, callCount }));
    return async () => {
      const round = await side();
      await load.order("deleteReceived", { queue, inFlight });
      return round;
    };
  };
  const rounds = await inTurns(
    {
      sendShallow: send(shallow),
      sendDeep: send(deep),
      receiveDeep: receive(deep),
      receiveShallow: receive(shallow),
    },
    size.roundCount,
    [
      ["sendShallow", "sendDeep", "receiveDeep", "receiveShallow"],
      ["sendDeep", "sendShallow", "receiveShallow", "receiveDeep"],
    ],
  );
  const sends = compare(rounds.sendDeep, rounds.sendShallow);
  const receives = compare(rounds.receiveDeep, rounds.receiveShallow);
  const depth = `${size.waitingCount.toLocaleString("en")} waiting`;
  return [
    rateRow(`send (batches of 10), ${depth}`, "messages/s", "empty", sends, 0.8),
    rateRow(`receive (tens), ${depth}`, "messages/s", "empty", receives, 0.8),
  ];
}

function memoryRows(memory: Memory | undefined): Row[] {
  if (memory === undefined) return [];
  const unit = "MB";
  return [
    {
      name: "resident memory",
      figure: memory.residentBytes / mebibyte,
      unit,
      target: { of: "figure", below: 350 },
    },
    { name: "of it pages of files", figure: memory.fileBytes / mebibyte, unit },
    { name: "highest resident memory", figure: memory.peakResidentBytes / mebibyte, unit },
  ];
}

/** From the start of the process to its first answer, after a SIGKILL. */
async function restartRow(
  context: BenchContext,
  load: WireLoad,
  dataDir: string,
  storedCount: number,
): Promise<Row> {
  const seconds: number[] = [];
  for (let round = 0; round < (context.isSmoke ? 1 : 5); round += 1) {
    const startedMs = performance.now();
    await using server = await startServer(context, dataDir);
    await load.order("connect", { address: server.address });
    const found = await load.order("storedCount", { queue: deep });
    seconds.push((performance.now() - startedMs) / 1_000);
    if (found !== storedCount) throw new Error(`${found} messages are left of ${storedCount}.`);
    await server.kill();
  }
  return {
    name: "restart after SIGKILL, to the first answer",
    figure: median(seconds),
    unit: "s",
    target: { of: "figure", below: 2 },
  };
}
