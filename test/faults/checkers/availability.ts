// Judges for how long a cluster took no writes. A probe writes all the time, so what passes between two acknowledgements is how
// long nobody was served.
//
//   unavailable   longer than one fault explains: the old leader's lease, an election, and the clients finding the new one
//   not live      after everything was mended, writes did not go on within the bound

import type { ClusterViolation, Wrote } from "./cluster-history.js";

export interface AvailabilityBounds {
  /** From when to when the cluster was watched. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Between two acknowledgements; undefined when no bound is promised, as with a majority away. */
  readonly outageMsMax: number | undefined;
  /** When everything was mended that had been broken; each is judged by itself. */
  readonly healedMs: readonly number[];
  readonly liveAgainMsMax: number;
}

export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
}

export const lengthOf = ({ fromMs, untilMs }: Outage): number => untilMs - fromMs;

/** The longest time without an acknowledgement. */
export function longestOutage(
  writes: readonly Wrote[],
  { fromMs, untilMs }: Pick<AvailabilityBounds, "fromMs" | "untilMs">,
): Outage {
  const acknowledged = writes
    .filter((write) => write.outcome === "ok")
    .map((write) => write.endedMs)
    .filter((atMs) => atMs > fromMs && atMs < untilMs)
    .sort((one, other) => one - other);
  let longest: Outage = { fromMs, untilMs: fromMs };
  let lastMs = fromMs;
  for (const atMs of [...acknowledged, untilMs]) {
    if (atMs - lastMs > lengthOf(longest)) longest = { fromMs: lastMs, untilMs: atMs };
    lastMs = atMs;
  }
  return longest;
}

export function judgeAvailability(
  writes: readonly Wrote[],
  bounds: AvailabilityBounds,
): ClusterViolation[] {
  return [...judgeOutages(writes, bounds), ...judgeHealing(writes, bounds)];
}

function judgeOutages(writes: readonly Wrote[], bounds: AvailabilityBounds): ClusterViolation[] {
  const { outageMsMax } = bounds;
  const longest = longestOutage(writes, bounds);
  if (outageMsMax === undefined || lengthOf(longest) <= outageMsMax) return [];
  const refusals = writes
    .filter(({ endedMs }) => endedMs > longest.fromMs && endedMs <= longest.untilMs)
    .map(({ node, why }) => `${node}: ${why}`);
  const answers = [...new Set(refusals)].slice(0, 6).join("; ");
  return [
    {
      kind: "unavailable",
      sentence: `no write was acknowledged for ${Math.round(lengthOf(longest))} ms, ${outageMsMax} are allowed (${answers})`,
    },
  ];
}

function judgeHealing(
  writes: readonly Wrote[],
  { healedMs, liveAgainMsMax }: AvailabilityBounds,
): ClusterViolation[] {
  return healedMs.flatMap((atMs): ClusterViolation[] => {
    const first = writes.find(
      ({ outcome, startedMs, endedMs }) =>
        outcome === "ok" && startedMs >= atMs && endedMs <= atMs + liveAgainMsMax,
    );
    if (first !== undefined) return [];
    const sentence = `everything was mended, and no write was acknowledged in the ${liveAgainMsMax} ms after it`;
    return [{ kind: "not live", sentence }];
  });
}
