// FIFO queues: the whole life of a message with a thousand groups beside that on a standard queue of the same server, and what a
// receive costs with a million messages waiting in a hundred thousand groups beside one with a thousand messages.

import type { ClientHandlers } from "../load/client.worker.js";
import { startLoad } from "../load/orders.js";
import type { WireHandlers } from "../load/wire.worker.js";
import { bodyBytes, type Measurement, queue, sideOf, startServer } from "../measurement.js";
import { rateRow } from "../report.js";
import { compare, inTurns } from "../rounds.js";

const fifo = "cycle.fifo";
const windows = { sendsInFlight: 2_000, receivesInFlight: 1_000 } as const;

export const measureFifoCycle: Measurement = async (context) => {
  await using server = await startServer(context);
  await using load = startLoad<ClientHandlers>("client");
  await load.order("connect", { address: server.address, queue });
  await load.order("createFifoQueue", { queue: fifo });
  const messageCount = context.isSmoke ? 3_000 : 40_000;
  const order = { bodyBytes, messageCount, ...windows };
  const run = async (work: () => Promise<{ readonly elapsedMs: number }>) => ({
    count: messageCount,
    ...(await work()),
  });
  const groupCount = 1_000;
  const rounds = await inTurns(
    {
      fifo: sideOf(server, () =>
        run(() => load.order("cycle", { ...order, queue: fifo, groupCount })),
      ),
      standard: sideOf(server, () => run(() => load.order("cycle", { ...order, queue }))),
    },
    context.isSmoke ? 2 : 7,
  );
  await server.stop();
  const compared = compare(rounds.fifo, rounds.standard);
  const name = "FIFO: send, receive, delete through the client, 1,000 groups";
  const rows = [rateRow(name, "messages/s", "standard", compared, 0.7)];
  return { measurement: "fifo", rows, notes: [] };
};

const messagesPerReceive = 10;
const inFlight = 16;
const deep = "deep.fifo";
const shallow = "shallow.fifo";

export const measureGroups: Measurement = async (context) => {
  const size = context.isSmoke
    ? { waitingCount: 20_000, groupCount: 2_000, roundCount: 3, roundMessages: 500 }
    : { waitingCount: 1_000_000, groupCount: 100_000, roundCount: 9, roundMessages: 1_000 };
  await using server = await startServer(context);
  await using load = startLoad<WireHandlers>("wire");
  await load.order("connect", { address: server.address });
  for (const name of [deep, shallow]) await load.order("createQueue", { queue: name });
  const fill = (name: string, count: number, groupCount: number) =>
    load.order("produce", {
      service: "queue",
      queue: name,
      bodyBytes: 256,
      entryCount: 100,
      inFlight: 8,
      groupCount,
      until: { kind: "count", count: count / 100 },
    });
  await fill(deep, size.waitingCount, size.groupCount);
  context.say(`${size.waitingCount} messages wait in ${size.groupCount} groups`);
  const callCount = size.roundMessages / messagesPerReceive;
  const receive = (name: string, groupCount: number) => async () => {
    const round = await sideOf(server, () =>
      load.order("receive", { queue: name, inFlight, callCount }),
    )();
    await load.order("deleteReceived", { queue: name, inFlight });
    await fill(name, size.roundMessages, groupCount);
    return round;
  };
  await fill(shallow, size.roundMessages, size.roundMessages / messagesPerReceive);
  const rounds = await inTurns(
    {
      deep: receive(deep, size.groupCount),
      shallow: receive(shallow, size.roundMessages / messagesPerReceive),
    },
    size.roundCount,
  );
  await server.stop();
  const compared = compare(rounds.deep, rounds.shallow);
  const waiting = size.waitingCount.toLocaleString("en");
  const groups = size.groupCount.toLocaleString("en");
  const name = `FIFO receive (tens), ${waiting} waiting in ${groups} groups`;
  const peer = `${size.roundMessages.toLocaleString("en")} waiting`;
  // A cost of 1.3 times as much is a rate of 0.77.
  const rows = [rateRow(name, "messages/s", peer, compared, 0.77)];
  return { measurement: "groups", rows, notes: [] };
};
