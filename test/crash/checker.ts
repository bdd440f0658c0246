// Judges what the clients of a crash test did and saw, once the server has stopped being killed and the queue was drained,
// so that every message that was ever stored has come to somebody.
//
//   lost          an acknowledged send never came to anybody
//   invented      a message came that nobody sent, or whose send was refused
//   altered       a message came with another body, or another id, than it was sent with
//   doubled       one send, repeated or not, became two messages
//   resurrected   a message came after its delete was acknowledged, or was removed twice
//   lease broken  a message came to somebody else while it was leased and nobody had given it back
//   receive lost  a receive was acknowledged, and a later one did not count it
//   miscounted    the queue's counters say something else
//   surprise      an answer that no crash explains
//
// What holds beside that for FIFO queues, and for a queue with its dead letters, is judged in order-checker.ts and
// dead-letter-checker.ts.

import type { QueueCounters } from "@forebay/client";
import type { Arrived, Deleted, Event, GivenBack, Sent } from "./history.js";

export type ViolationKind =
  | "lost"
  | "invented"
  | "altered"
  | "doubled"
  | "resurrected"
  | "lease broken"
  | "receive lost"
  | "miscounted"
  | "surprise"
  | "out of order"
  | "group shared"
  | "delivered too often"
  | "move failed";

export interface Violation {
  readonly kind: ViolationKind;
  readonly sentence: string;
}

/** The counters of the drained queue. */
export type FinalCounters = Pick<
  QueueCounters,
  | "storedMessageCount"
  | "visibleMessageCount"
  | "inFlightMessageCount"
  | "delayedMessageCount"
  | "sentCount"
  | "receivedCount"
  | "deletedCount"
  | "expiredCount"
  | "purgedCount"
  | "deadLetteredCount"
  | "movedCount"
  | "arrivedCount"
>;

export interface Summary {
  readonly sent: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly refused: number;
  /** Acknowledged sends that took more than one call. */
  readonly repeated: number;
  readonly arrivals: number;
  readonly deletesAcknowledged: number;
  /** Messages stored although their send was never acknowledged. */
  readonly storedUnacknowledged: number;
}

export interface Judgement {
  readonly violations: readonly Violation[];
  readonly summary: Summary;
}

/**
 * How late a message may come over a stream after another client's delete of it was acknowledged: it was leased before, and
 * was on its way through two processes of a busy machine.
 */
export const streamLagMs = 5_000;
/** The server's clock starts from the wall clock, which may be slewed against the monotonic one. */
export const clockErrorMs = 100;

export function judge(events: readonly Event[], counters: FinalCounters): Judgement {
  const sends = events.filter((event) => event.kind === "sent");
  const arrivals = events.filter((event) => event.kind === "arrived");
  const deletes = events.filter((event) => event.kind === "deleted");
  const givenBack = events.filter((event) => event.kind === "given_back");
  const surprises = events.filter((event) => event.kind === "surprise");

  const sendsByKey = new Map(sends.map((send) => [send.key, send]));
  const arrivalsByMessage = byMessage(arrivals);
  const changesByMessage = byMessage(givenBack);
  const violations: Violation[] = [
    ...surprises.map(({ what }) => violation("surprise", what)),
    ...judgeSends(sends, arrivalsByMessage),
    ...judgeBodies(arrivals, sendsByKey),
    ...judgeDeletes(deletes, arrivalsByMessage),
    ...[...arrivalsByMessage].flatMap(([messageId, ofMessage]) =>
      judgeLeases(ofMessage, changesByMessage.get(messageId) ?? []),
    ),
    ...judgeCounters(counters, {
      sentCount: arrivalsByMessage.size,
      deletedCount: arrivalsByMessage.size,
    }),
    ...judgeReceivedCount(counters, arrivals.length),
  ];
  return { violations, summary: summaryOf(events, arrivalsByMessage.size) };
}

export function summaryOf(events: readonly Event[], storedCount: number): Summary {
  const sends = events.filter((event) => event.kind === "sent");
  const deletes = events.filter((event) => event.kind === "deleted");
  const acknowledged = sends.filter(({ outcome }) => outcome === "ok");
  return {
    sent: sends.length,
    acknowledged: acknowledged.length,
    unknown: sends.filter(({ outcome }) => outcome === "unknown").length,
    refused: sends.filter(({ outcome }) => outcome === "refused").length,
    repeated: acknowledged.filter(({ attemptCount }) => attemptCount > 1).length,
    arrivals: events.filter((event) => event.kind === "arrived").length,
    deletesAcknowledged: deletes.filter(({ outcome }) => outcome === "ok").length,
    storedUnacknowledged: storedCount - acknowledged.length,
  };
}

function judgeSends(
  sends: readonly Sent[],
  arrivalsByMessage: ReadonlyMap<string, readonly Arrived[]>,
): Violation[] {
  return sends.flatMap(({ key, outcome, messageId = "" }) =>
    outcome === "ok" && !arrivalsByMessage.has(messageId)
      ? [violation("lost", `${key} was acknowledged as ${messageId} and never came`)]
      : [],
  );
}

function judgeBodies(
  arrivals: readonly Arrived[],
  sendsByKey: ReadonlyMap<string, Sent>,
): Violation[] {
  const violations: Violation[] = [];
  const messageOfKey = new Map<string, string>();
  for (const { key, messageId, bodyHash } of arrivals) {
    const send = sendsByKey.get(key);
    if (send === undefined) {
      violations.push(violation("invented", `${messageId} has the key ${key}, which nobody sent`));
      continue;
    }
    if (send.outcome === "refused") {
      violations.push(violation("invented", `${key} was refused, and came as ${messageId}`));
    }
    if (send.bodyHash !== bodyHash) {
      violations.push(violation("altered", `${key} came as ${messageId} with another body`));
    }
    const known = messageOfKey.get(key) ?? messageId;
    if (known !== messageId) {
      violations.push(violation("doubled", `${key} came as ${known} and as ${messageId}`));
    } else if (send.messageId !== undefined && send.messageId !== messageId) {
      violations.push(
        violation(
          "altered",
          `${key} was acknowledged as ${send.messageId} and came as ${messageId}`,
        ),
      );
    }
    messageOfKey.set(key, known);
  }
  return violations;
}

function judgeDeletes(
  deletes: readonly Deleted[],
  arrivalsByMessage: ReadonlyMap<string, readonly Arrived[]>,
): Violation[] {
  const violations: Violation[] = [];
  const removed = new Set<string>();
  for (const { messageId, outcome, hasRemoved, endedMs } of deletes) {
    if (outcome !== "ok") continue;
    const later = (arrivalsByMessage.get(messageId) ?? []).find((arrival) =>
      arrival.lease.kind === "receive"
        ? arrival.startedMs > endedMs
        : arrival.endedMs > endedMs + streamLagMs,
    );
    if (later !== undefined) {
      const afterMs = Math.round(later.endedMs - endedMs);
      violations.push(
        violation(
          "resurrected",
          `${messageId} came ${afterMs} ms after its delete was acknowledged`,
        ),
      );
    }
    if (!hasRemoved) continue;
    if (removed.has(messageId)) {
      violations.push(violation("resurrected", `${messageId} was removed twice`));
    }
    removed.add(messageId);
  }
  return violations;
}

/** Judges what came of one message under one id. A higher receive count is a later lease, whatever the times say. */
export function judgeLeases(
  arrivals: readonly Arrived[],
  changes: readonly GivenBack[],
): Violation[] {
  const violations: Violation[] = [];
  for (const holder of arrivals) {
    if (holder.lease.kind !== "receive") continue;
    const { messageId, receiveCount, startedMs } = holder;
    // The lease began after the call did, so it lasts at least until then.
    const leasedUntilMs = startedMs + holder.lease.visibilityTimeoutMs - clockErrorMs;
    const wasChanged = changes.some(
      (change) => change.endedMs >= startedMs && change.startedMs <= leasedUntilMs,
    );
    const intruder = arrivals.find(
      (other) => other.receiveCount > receiveCount && other.endedMs < leasedUntilMs,
    );
    if (intruder !== undefined && !wasChanged) {
      const earlyMs = Math.round(leasedUntilMs - intruder.endedMs);
      violations.push(
        violation("lease broken", `${messageId} came again ${earlyMs} ms before its lease ended`),
      );
    }
    const earlier = arrivals.find(
      (other) => other.endedMs < startedMs && other.receiveCount >= receiveCount,
    );
    if (earlier !== undefined) {
      violations.push(
        violation(
          "receive lost",
          `${messageId} came with count ${earlier.receiveCount}, and later with ${receiveCount}`,
        ),
      );
    }
  }
  return violations;
}

/** The queue is drained, so all but what is given here is zero. */
export function judgeCounters(
  counters: FinalCounters,
  given: Partial<FinalCounters>,
  queue = "",
): Violation[] {
  const expected: Omit<FinalCounters, "receivedCount"> = {
    storedMessageCount: 0,
    visibleMessageCount: 0,
    inFlightMessageCount: 0,
    delayedMessageCount: 0,
    sentCount: 0,
    deletedCount: 0,
    expiredCount: 0,
    purgedCount: 0,
    deadLetteredCount: 0,
    movedCount: 0,
    arrivedCount: 0,
    ...given,
  };
  return Object.entries(expected).flatMap(([name, value]) => {
    const actual = counters[name as keyof FinalCounters];
    const of = queue === "" ? "" : ` of ${queue}`;
    return actual === value
      ? []
      : [violation("miscounted", `${name}${of} is ${actual} and should be ${value}`)];
  });
}

/** Receives whose answer was lost are counted and came to nobody, so there may be more than arrivals. */
export const judgeReceivedCount = (
  { receivedCount }: FinalCounters,
  arrivalCount: number,
): Violation[] =>
  receivedCount < arrivalCount
    ? [violation("miscounted", `${arrivalCount} came, receivedCount is ${receivedCount}`)]
    : [];

export function byMessage<Item extends { readonly messageId: string }>(
  items: readonly Item[],
): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(item.messageId);
    if (group === undefined) groups.set(item.messageId, [item]);
    else group.push(item);
  }
  return groups;
}

export function violation(kind: ViolationKind, sentence: string): Violation {
  return { kind, sentence };
}
