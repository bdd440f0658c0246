// What a cluster adds to the time that one send takes while little else happens: one at a time, and eight at once, to its leader
// and to a node alone, in turn.

import type { BenchContext, WireLoad } from "../measurement.js";
import { bodyBytes, queue } from "../measurement.js";
import type { Row } from "../report.js";
import { median, quantile } from "../rounds.js";

const inFlightCounts = [1, 8];
const percentiles = [50, 99];

export interface Loads {
  readonly cluster: WireLoad;
  readonly alone: WireLoad;
}

export async function measureAddedLatency(context: BenchContext, loads: Loads): Promise<Row[]> {
  const rows: Row[] = [];
  for (const inFlight of inFlightCounts)
    rows.push(...(await latencyRows(context, loads, inFlight)));
  return rows;
}

async function latencyRows(
  { isSmoke }: BenchContext,
  { cluster, alone }: Loads,
  inFlight: number,
): Promise<Row[]> {
  const until = { kind: "time", forMs: isSmoke ? 200 : 2_000 } as const;
  const order = { service: "queue", queue, bodyBytes, inFlight, until } as const;
  const latenciesOf = async (load: WireLoad): Promise<Float64Array> =>
    (await load.order("send", order)).latenciesMs;
  await latenciesOf(cluster);
  await latenciesOf(alone);
  const rounds: { cluster: Float64Array; alone: Float64Array }[] = [];
  for (let round = 0; round < (isSmoke ? 2 : 9); round += 1) {
    rounds.push({ cluster: await latenciesOf(cluster), alone: await latenciesOf(alone) });
  }
  return percentiles.flatMap((percentile) => {
    const of = (latencies: Float64Array): number => quantile(latencies, percentile / 100);
    const ratios = rounds.map((round) => of(round.cluster) / of(round.alone));
    const what = `${inFlight} in flight, p${percentile}`;
    return [
      {
        name: `SendMessage to 3 nodes, ${what}`,
        figure: median(rounds.map((round) => of(round.cluster))),
        unit: "ms",
        peer: { name: "a node alone", figure: median(rounds.map((round) => of(round.alone))) },
        ratio: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
      },
      {
        name: `added by the cluster, ${what}`,
        figure: median(rounds.map((round) => of(round.cluster) - of(round.alone))),
        unit: "ms",
      },
    ];
  });
}
