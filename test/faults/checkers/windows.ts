// Judges who held a message when, by the times of the servers and not of the clients: a receive says until when its lease lasts
// and for how long it was asked, so its window is known however late the answer came. The group's time goes on from leader to
// leader, so windows of one message never overlap, whoever handed them out.
//
//   window shared    a message was handed out again before the window of the receive before had ended
//   time went back   a later receive has an earlier window: the group's time is not that of one clock

import { byMessage } from "../../crash/checker.js";
import type { Arrived, Deleted, Event, GivenBack } from "../../crash/history.js";
import type { ClusterViolation } from "./cluster-history.js";

interface Window {
  readonly arrival: Arrived;
  /** In the group's time. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Instants are stored in whole milliseconds. */
const roundingMs = 1;

export function judgeWindows(events: readonly Event[]): ClusterViolation[] {
  const arrivals = events.filter((event) => event.kind === "arrived");
  const endings = byMessage(
    events.filter((event) => event.kind === "deleted" || event.kind === "given_back"),
  );
  return [...byMessage(arrivals)].flatMap(([messageId, ofMessage]) =>
    judgeMessage(messageId, ofMessage, endings.get(messageId) ?? []),
  );
}

function judgeMessage(
  messageId: string,
  arrivals: readonly Arrived[],
  endings: readonly (Deleted | GivenBack)[],
): ClusterViolation[] {
  const windows = arrivals
    .flatMap(windowOf)
    .sort((one, other) => one.arrival.receiveCount - other.arrival.receiveCount);
  return windows.slice(1).flatMap((later, index): ClusterViolation[] => {
    const earlier = windows[index] as Window;
    // The same receive, told once more to a client that repeated its call.
    if (earlier.arrival.receiveCount === later.arrival.receiveCount) return [];
    if (later.fromMs < earlier.fromMs - roundingMs) {
      const backMs = earlier.fromMs - later.fromMs;
      const sentence = `${messageId} was received ${backMs} ms before the receive before it`;
      return [{ kind: "time went back", sentence }];
    }
    const overlapMs = earlier.untilMs - later.fromMs;
    if (overlapMs <= roundingMs || mayHaveEnded(endings, earlier, later)) return [];
    const sentence = `${messageId} was handed out again ${overlapMs} ms before its window ended`;
    return [{ kind: "window shared", sentence }];
  });
}

/** Whether somebody asked for an end of the first window before the second came. */
const mayHaveEnded = (
  endings: readonly (Deleted | GivenBack)[],
  earlier: Window,
  later: Window,
): boolean =>
  endings.some(
    ({ startedMs, endedMs }) =>
      endedMs >= earlier.arrival.startedMs && startedMs <= later.arrival.endedMs,
  );

/** A stream extends its leases by itself, so of what came over one nothing is known. */
function windowOf(arrival: Arrived): Window[] {
  const { lease, leasedUntilMs } = arrival;
  if (lease.kind !== "receive" || leasedUntilMs === undefined) return [];
  return [{ arrival, fromMs: leasedUntilMs - lease.visibilityTimeoutMs, untilMs: leasedUntilMs }];
}
