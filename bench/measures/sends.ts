// Sending beside a no-op that takes the same requests and gives the same answers, on the same server: what is left between
// the two is the queue, from parsing to the flush on disk.

import type { LoadResult } from "../load/load-run.js";
import type { Service } from "../load/wire.worker.js";
import {
  type Bench,
  type BenchContext,
  bodyBytes,
  type Measurement,
  planOf,
  queue,
  sideOf,
  withBench,
} from "../measurement.js";
import { type Measured, rateRow } from "../report.js";
import { compare, inTurns } from "../rounds.js";

/** One way to send: its name, what it should reach, and the load. */
export interface Shape {
  readonly measurement: string;
  readonly name: string;
  readonly ratioAtLeast: number;
  run(bench: Bench, service: Service, context: BenchContext): Promise<LoadResult>;
}

export const unaryShape: Shape = {
  measurement: "unary",
  name: "SendMessage, 256 in flight",
  ratioAtLeast: 0.9,
  run: ({ load }, service, context) =>
    load.order("send", { service, queue, bodyBytes, inFlight: 256, until: planOf(context).until }),
};

export const batchShape: Shape = {
  measurement: "batch",
  name: "SendMessageBatch of 10, 64 in flight",
  ratioAtLeast: 0.75,
  run: ({ load }, service, context) =>
    load.order("sendBatches", {
      service,
      queue,
      bodyBytes,
      entryCount: 10,
      inFlight: 64,
      until: planOf(context).until,
    }),
};

export const produceShape: Shape = {
  measurement: "produce",
  name: "Produce, 100 a request, 40 requests in flight",
  ratioAtLeast: 0.75,
  run: ({ load }, service, context) =>
    load.order("produce", {
      service,
      queue,
      bodyBytes,
      entryCount: 100,
      // As many as one stream may have waiting for the disk (4,096 messages): with fewer, the commits' latency is measured.
      inFlight: 40,
      until: planOf(context).until,
    }),
};

export const measureShape =
  (shape: Shape): Measurement =>
  (context) =>
    withBench(context, async (bench): Promise<Measured> => {
      let acknowledgedCount = 0;
      const rounds = await inTurns(
        {
          ours: sideOf(bench.server, async () => {
            const result = await shape.run(bench, "queue", context);
            acknowledgedCount += result.count;
            return result;
          }),
          noop: sideOf(bench.server, () => shape.run(bench, "noop", context)),
        },
        planOf(context).roundCount,
      );
      await checkStored(bench, acknowledgedCount);
      const compared = compare(rounds.ours, rounds.noop);
      return {
        measurement: shape.measurement,
        rows: [rateRow(shape.name, "messages/s", "no-op", compared, shape.ratioAtLeast)],
        notes: [],
      };
    });

/** A fast send that did not send would be the best of all. */
async function checkStored({ load }: Bench, acknowledgedCount: number): Promise<void> {
  const storedCount = await load.order("storedCount", { queue });
  if (storedCount !== acknowledgedCount) {
    throw new Error(`${acknowledgedCount} sends were acknowledged and ${storedCount} are stored.`);
  }
}
