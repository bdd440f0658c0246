// The whole life of a message, sent, received and deleted, through the client of each system: Forebay's producer and consume
// stream beside a RabbitMQ quorum queue through amqplib with confirms and acks. One load process for each, producer and
// consumer in it at the same time, the same windows; both systems promise that what was acknowledged is on disk.

import type { ClientHandlers } from "../load/client.worker.js";
import { startLoad } from "../load/orders.js";
import type { AmqpHandlers } from "../load/rabbitmq.worker.js";
import { bodyBytes, freshDirectory, type Measurement, queue, startServer } from "../measurement.js";
import { findRabbitmq, startRabbitmq } from "../processes/rabbitmq.js";
import { type Measured, type Row, rateRow } from "../report.js";
import { compare, inTurns, median, type Round, type Side } from "../rounds.js";

const measurement = "cycle";
const name = "send, receive, delete through the client";

const windows = { sendsInFlight: 2_000, receivesInFlight: 1_000 } as const;
/** RabbitMQ's consumer acknowledges so many messages with one frame, as one that wants throughput does. */
const acksTogether = 100;

export const measureFullCycle: Measurement = async (context) => {
  const roundCount = context.isSmoke ? 2 : 7;
  await using server = await startServer(context);
  await using load = startLoad<ClientHandlers>("client");
  await load.order("connect", { address: server.address, queue });
  const order = { queue, bodyBytes, messageCount: context.isSmoke ? 5_000 : 60_000, ...windows };
  const ours: Side = timed(order.messageCount, () => load.order("cycle", order), server.cpuMicros);

  const script = findRabbitmq();
  if (script === undefined) {
    const { rounds } = await inTurns({ rounds: ours }, roundCount);
    const note = "RabbitMQ is not installed here (Debian: rabbitmq-server), so there is no peer.";
    return { measurement, rows: [aloneRow(rounds)], notes: [note] };
  }
  await using broker = await startRabbitmq(script, freshDirectory(context, "rabbitmq"));
  await using peerLoad = startLoad<AmqpHandlers>("rabbitmq");
  const { version } = await peerLoad.order("connect", { address: broker.address, queue });
  const peerOrder = { ...order, acksTogether };
  const peer = timed(
    order.messageCount,
    () => peerLoad.order("cycle", peerOrder),
    broker.cpuMicros,
  );
  const rounds = await inTurns({ ours, peer }, roundCount);
  await server.stop();
  const compared = compare(rounds.ours, rounds.peer);
  return withPeer(compared, version);
};

const withPeer = (compared: ReturnType<typeof compare>, version: string): Measured => ({
  measurement,
  rows: [rateRow(name, "messages/s", `RabbitMQ ${version}`, compared, 1)],
  notes: [],
});

function aloneRow(rounds: readonly Round[]): Row {
  return { name, figure: median(rounds.map(({ perSecond }) => perSecond)), unit: "messages/s" };
}

function timed(
  messageCount: number,
  run: () => Promise<{ readonly elapsedMs: number }>,
  cpuMicros: () => number | undefined,
): Side {
  return async () => {
    const before = cpuMicros();
    const { elapsedMs } = await run();
    const after = cpuMicros();
    return {
      perSecond: (messageCount / elapsedMs) * 1_000,
      cpuMicros:
        before === undefined || after === undefined ? undefined : (after - before) / messageCount,
    };
  };
}
