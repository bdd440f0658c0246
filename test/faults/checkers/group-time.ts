// Judges the time of the group by the clock of the clients, which is one clock of elapsed time: a receive says when it was by the
// group's time, and the clients know between which two moments of theirs it was. What the two clocks differ by must be the same
// all along, but for what a clock may be slewed, whoever leads.
//
//   time jumped   between two receives the group's time went further, or less far, than time did

import type { Event } from "../../crash/history.js";
import type { ClusterViolation } from "./cluster-history.js";

/** 500 ppm of the longest run, what two machines' clocks may differ at a takeover when both are right, and rounding. */
const differenceMsMax = 500;

interface Bounds {
  readonly messageId: string;
  /** Of what the group's time is ahead of the clients'. */
  readonly leastMs: number;
  readonly mostMs: number;
}

export function judgeGroupTime(events: readonly Event[]): ClusterViolation[] {
  const all = events.flatMap(boundsOf);
  const [first] = all;
  if (first === undefined) return [];
  const latest = all.reduce((one, other) => (other.leastMs > one.leastMs ? other : one), first);
  const earliest = all.reduce((one, other) => (other.mostMs < one.mostMs ? other : one), first);
  const jumpedMs = Math.round(latest.leastMs - earliest.mostMs);
  if (jumpedMs <= differenceMsMax) return [];
  const sentence = `the receives of ${earliest.messageId} and of ${latest.messageId} are ${jumpedMs} ms further apart, or less far, than they were`;
  return [{ kind: "time jumped", sentence }];
}

/** A stream may have leased what it sends long before. */
function boundsOf(event: Event): Bounds[] {
  if (event.kind !== "arrived") return [];
  const { lease, leasedUntilMs, messageId, startedMs, endedMs } = event;
  if (lease.kind !== "receive" || leasedUntilMs === undefined) return [];
  const atMs = leasedUntilMs - lease.visibilityTimeoutMs;
  return [{ messageId, leastMs: atMs - endedMs, mostMs: atMs - startedMs }];
}
