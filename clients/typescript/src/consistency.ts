// How fresh a read has to be, where several nodes keep the same queues.

import { type ReadConsistency, ReadMode } from "../gen/forebay/queue/v1/consistency.js";
import { durationOf } from "./durations.js";

/**
 * How fresh a read must be; on a server without a cluster every read is of the latest state.
 *
 * `"leader"`, the default: the latest state, from the node that leads while its lease proves it. `"quorum"`: the same, confirmed
 * by a majority. `{ atLeast }`: a state no older than a position, as `client.position` has it: so one reads what one has
 * written, from any node. `{ maxStalenessMs }`: a state that was the latest at most this long ago. `"any"`: whatever state the
 * node has.
 */
export type Consistency =
  | "leader"
  | "quorum"
  | "any"
  | { readonly atLeast: string }
  | { readonly maxStalenessMs: number };

const modes = {
  leader: ReadMode.LEADER_LEASE,
  quorum: ReadMode.LEADER_QUORUM,
  any: ReadMode.ANY,
} as const;

export function consistencyToWire(consistency: Consistency): ReadConsistency {
  if (typeof consistency === "string") {
    return { kind: { $case: "mode", value: modes[consistency] } };
  }
  if ("atLeast" in consistency) {
    return { kind: { $case: "atLeast", value: consistency.atLeast } };
  }
  return { kind: { $case: "maxStaleness", value: durationOf(consistency.maxStalenessMs) } };
}

/** Whether any node may answer, so that the nearest one is asked. */
export const isForAnyNode = (consistency: Consistency | undefined): boolean =>
  consistency !== undefined && consistency !== "leader" && consistency !== "quorum";

/** The later of two positions, `epoch/seq` each. */
export function laterPosition(one: string | undefined, other: string): string {
  if (one === undefined) return other;
  const [epoch = 0, seq = 0] = one.split("/").map(Number);
  const [otherEpoch = 0, otherSeq = 0] = other.split("/").map(Number);
  const isLater = otherEpoch > epoch || (otherEpoch === epoch && otherSeq > seq);
  return isLater ? other : one;
}
