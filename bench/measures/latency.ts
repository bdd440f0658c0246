// How long one unary send takes, alone and among others, beside the no-op; and how long commits take, as the server itself
// counts them.

import type { Service } from "../load/wire.worker.js";
import {
  type Bench,
  type BenchContext,
  bodyBytes,
  type Measurement,
  queue,
  withBench,
} from "../measurement.js";
import { type CommitTimes, commitTimesOf, differenceOf } from "../processes/commit-times.js";
import type { Measured, Row } from "../report.js";
import { median, quantile } from "../rounds.js";

const inFlightCounts = [1, 16, 256];
const percentiles = [50, 99];

export const measureLatency: Measurement = (context) =>
  withBench(context, async (bench): Promise<Measured> => {
    const rows: Row[] = [];
    for (const inFlight of inFlightCounts) {
      const before = commitTimesOf(await bench.server.metrics());
      rows.push(...(await latencyRows(bench, inFlight, context)));
      const after = commitTimesOf(await bench.server.metrics());
      rows.push(...commitRows(differenceOf(after, before), inFlight));
    }
    return { measurement: "latency", rows, notes: [] };
  });

async function latencyRows(
  bench: Bench,
  inFlight: number,
  { isSmoke }: BenchContext,
): Promise<Row[]> {
  const until = { kind: "time", forMs: isSmoke ? 200 : 1_000 } as const;
  const latenciesOf = async (service: Service): Promise<Float64Array> => {
    const order = { service, queue, bodyBytes, inFlight, until };
    return (await bench.load.order("send", order)).latenciesMs;
  };
  await latenciesOf("queue");
  await latenciesOf("noop");
  const rounds: { ours: Float64Array; noop: Float64Array }[] = [];
  for (let round = 0; round < (isSmoke ? 2 : 7); round += 1) {
    rounds.push({ ours: await latenciesOf("queue"), noop: await latenciesOf("noop") });
  }
  return percentiles.map((percentile) => {
    const of = (latencies: Float64Array): number => quantile(latencies, percentile / 100);
    const ratios = rounds.map(({ ours, noop }) => of(ours) / of(noop));
    return {
      name: `SendMessage, ${inFlight} in flight, p${percentile}`,
      figure: median(rounds.map(({ ours }) => of(ours))),
      unit: "ms",
      peer: { name: "no-op", figure: median(rounds.map(({ noop }) => of(noop))) },
      ratio: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
    };
  });
}

const commitRows = (times: CommitTimes, inFlight: number): Row[] => [
  {
    name: `commit, ${inFlight} sends in flight, mean`,
    figure: (times.sumSeconds / times.count) * 1_000,
    unit: "ms",
  },
  {
    name: `commit, ${inFlight} sends in flight, changes of one`,
    figure: times.changeCount / times.count,
    unit: "rows",
  },
];
