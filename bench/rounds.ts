// Comparing two things on a machine that is never quiet: both sides run in turn, each round gives one ratio, and the median
// of the ratios is what counts. What disturbs the machine for longer than a round then disturbs both sides alike.

/** One side's figures of one round. */
export interface Round {
  readonly perSecond: number;
  /** CPU time of the server for each operation, in microseconds; undefined where the system does not tell. */
  readonly cpuMicros: number | undefined;
}

export type Side = () => Promise<Round>;

/** Runs every side once without counting, then all of them in turn. The orders, by default there and back, take turns too. */
export async function inTurns<Name extends string>(
  sides: Readonly<Record<Name, Side>>,
  roundCount: number,
  orders: readonly (readonly Name[])[] = thereAndBack(Object.keys(sides) as Name[]),
): Promise<Readonly<Record<Name, readonly Round[]>>> {
  const names = Object.keys(sides) as Name[];
  const rounds = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Round[]
  >;
  for (const name of orders[0] ?? []) await sides[name]();
  for (let index = 0; index < roundCount; index += 1) {
    for (const name of orders[index % orders.length] ?? []) rounds[name].push(await sides[name]());
  }
  return rounds;
}

const thereAndBack = <Name>(names: readonly Name[]): readonly (readonly Name[])[] => [
  names,
  names.toReversed(),
];

export interface Comparison {
  /** Median of the rounds. */
  readonly perSecond: number;
  readonly peerPerSecond: number;
  /** Median of the rounds' ratios, and the smallest and the largest of them. */
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  readonly cpuMicros: number | undefined;
  readonly peerCpuMicros: number | undefined;
}

export function compare(ours: readonly Round[], peers: readonly Round[]): Comparison {
  const ratios = ours.map(({ perSecond }, index) => perSecond / (peers[index]?.perSecond ?? 0));
  return {
    perSecond: median(ours.map(({ perSecond }) => perSecond)),
    peerPerSecond: median(peers.map(({ perSecond }) => perSecond)),
    ratio: median(ratios),
    ratioMin: Math.min(...ratios),
    ratioMax: Math.max(...ratios),
    cpuMicros: medianIfKnown(ours.map(({ cpuMicros }) => cpuMicros)),
    peerCpuMicros: medianIfKnown(peers.map(({ cpuMicros }) => cpuMicros)),
  };
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export function quantile(values: readonly number[] | Float64Array, share: number): number {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

function medianIfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? median(known) : undefined;
}
