// What came of attempts to deliver: a message is done, or tried again later, or given up. A result that comes after its lease has
// ended counts only if it is a success: the message may be with somebody else by then.

import { after, type DurationMs, type EpochMs, type Sequence } from "../base/brands.js";
import { accept, type Decided } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { type Attempted, endOf, isSuccessRecorded, recordAttempt } from "./attempts.js";
import type { AttemptEnd } from "./attempts-model.js";
import { countFailing, disable, failingForTooLong, type LastFailure } from "./auto-disable.js";
import type { Unsigned } from "./fan-out.js";
import { OpenPushes } from "./open-pushes.js";
import { pushLimits } from "./push-limits.js";
import type { PendingPush } from "./push-model.js";
import { type FoundSubscription, findSubscription } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export type PushResult =
  | { readonly kind: "delivered" }
  | { readonly kind: "retry"; readonly delayMs: DurationMs; readonly error: string }
  /** For good. */
  | { readonly kind: "failed"; readonly reason: string; readonly error: string }
  /** The attempt was broken off by us, and is none. */
  | { readonly kind: "released"; readonly delayMs: DurationMs };

/** What an attempt was like, for those who ask later. */
export type PushAttempt = Pick<
  Attempted,
  "startedAt" | "durationMs" | "statusCode" | "response" | "error"
>;

export interface PushSettlement {
  readonly sequence: Sequence;
  /** Of the lease. */
  readonly until: EpochMs;
  readonly result: PushResult;
  readonly attempt: PushAttempt;
}

export interface SettlePushes {
  readonly id: Buffer;
  readonly settlements: readonly PushSettlement[];
}

export interface PushesSettled {
  /** Whether the topic may have messages that nobody needs any more. */
  readonly hasMoved: boolean;
  /** When a message is due; undefined: none waits. */
  readonly nextDueAt: EpochMs | undefined;
  /** Whether it was disabled, since it did nothing but fail. */
  readonly isDisabled: boolean;
}

/** A subscription that has ended has nothing to settle. */
export function decideSettlePushes(
  transaction: StateTransaction,
  { id, settlements }: SettlePushes,
  stamp: Stamp,
): Decided<PushesSettled, Unsigned> {
  const { topics } = transaction;
  const found = findSubscription(topics, id);
  const place = found && topics.pushes.place(found.topic, id);
  if (found === undefined || place === undefined) {
    return accept({ hasMoved: false, nextDueAt: undefined, isDisabled: false });
  }
  const open = new OpenPushes(transaction, found, place, stamp);
  const { kind } = found.subscription;
  let lastFailure: LastFailure;
  for (const settlement of settlements) {
    const row = open.pending(settlement.sequence);
    if (row === undefined) continue;
    // Before its row is gone, which may be what the message is found by.
    const message = open.messageOf(row);
    const end = settle(open, row, settlement, stamp);
    if (end === undefined) continue;
    countFailing(open, end !== "delivered", stamp);
    lastFailure = failureOf(settlement);
    if (message === undefined) continue;
    if (end === "delivered" && !isSuccessRecorded(found.topic, kind, message.messageId)) continue;
    const nextAt = end === "retried" ? open.pending(row.sequence)?.dueAt : undefined;
    const told = { ...settlement.attempt, attempt: row.failures + 1, end, nextAt, message };
    recordAttempt(topics, found.topic, found.subscription, told, stamp);
  }
  const { unsigned } = open;
  if (unsigned.length > 0) return { kind: "rejected", rejection: { kind: "unsigned", unsigned } };
  const isDisabled = closeAndJudge(topics, found, open, lastFailure, stamp);
  const [next] = topics.pushes.due(found.topic, id);
  const hasMoved = open.place.floor !== place.floor;
  return accept({ hasMoved, nextDueAt: next?.at, isDisabled });
}

const failureOf = ({ result }: PushSettlement): LastFailure =>
  "error" in result ? result.error : undefined;

/** Says whether the subscription was disabled, which makes its failures count anew when it is resumed. */
function closeAndJudge(
  topics: StateTransaction["topics"],
  found: FoundSubscription,
  open: OpenPushes,
  lastFailure: LastFailure,
  stamp: Stamp,
): boolean {
  const firstAt = failingForTooLong(open, lastFailure, stamp);
  if (firstAt !== undefined) open.failSince(undefined);
  open.close();
  if (firstAt === undefined) return false;
  disable(topics, found, { firstAt, lastError: cut(lastFailure) }, stamp);
  return true;
}

const cut = (error = ""): string => error.slice(0, pushLimits.errorCharactersMax);

/** What came of an attempt; undefined: it counts for nothing. */
function settle(
  open: OpenPushes,
  row: PendingPush,
  { until, result }: PushSettlement,
  { now }: Stamp,
): AttemptEnd | undefined {
  if (result.kind === "delivered") {
    open.remove(row);
    open.count({ delivered: 1 });
    return "delivered";
  }
  if (!row.isLeased || row.dueAt !== until) return undefined;
  const message = open.messageOf(row);
  if (message === undefined) {
    open.remove(row);
    return undefined;
  }
  if (result.kind === "released") {
    const dueAt = after(now, result.delayMs);
    open.put({ ...row, isLeased: false, dueAt, message }, row);
    return undefined;
  }
  const failures = row.failures + 1;
  const lastError = cut(result.error);
  open.count({ failedAttempts: 1 });
  if (result.kind === "retry") {
    const dueAt = after(now, result.delayMs);
    open.put({ ...row, isLeased: false, dueAt, failures, lastError, message }, row);
    return "retried";
  }
  open.remove(row);
  const failure = { reason: result.reason, error: lastError };
  return endOf(open.giveUp(message, failure, { ...row, failures }));
}
