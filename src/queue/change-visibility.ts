// ChangeMessageVisibility and its batch, and the two ways of giving a message back: the nack of a stream and the reject.
//
// A change replaces what is left of the lease and counts from the call. A lease, changes included, ends at most 12 h after
// its receive; a change past that is refused, not clamped (SQS API reference). Giving back ends the lease: the message is
// visible, or waits as long as the call or the queue's retry policy says, or goes to the dead-letter queue.

import { after, between, type DurationMs, type EpochMs, type QueueName } from "../base/brands.js";
import { deadLetterTarget, moveToDeadLetters } from "./dead-letters.js";
import { isLeased, isReceiptOf, type Leased, supersededHandle } from "./delete-messages.js";
import { limits } from "./limits.js";
import type { Queue, Rejection } from "./model.js";
import { OpenQueue } from "./open-queue.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import type { Receipt } from "./receipt.js";
import { accept, type Decided, type QueueRejection } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import { backoffMs, endLease, isExpired } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

export interface VisibilityEntry {
  /** Undefined: what was given is not a handle. */
  readonly receipt: Receipt | undefined;
  readonly timeoutMs: DurationMs;
}

export interface ChangeVisibility {
  readonly address: QueueAddress;
  readonly entries: readonly VisibilityEntry[];
  /** True for a stream, which speaks of its own leases only: a message received again since is refused, whatever the policy. */
  readonly isOwnLeaseOnly?: boolean;
}

export type VisibilityResult =
  | { readonly kind: "changed"; readonly visibleAt: EpochMs }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

/** Changes in the order given, each by itself. */
export function decideChangeVisibility(
  transaction: QueueTransaction,
  command: ChangeVisibility,
  stamp: Stamp,
): Decided<readonly VisibilityResult[]> {
  const { address } = command;
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const open = new OpenQueue(transaction, queue, stamp);
  const isNewestOnly = command.isOwnLeaseOnly === true || isStrict(queue);
  const results = command.entries.map(({ receipt, timeoutMs }): VisibilityResult => {
    const found = findLease(open, receipt, address, isNewestOnly);
    return found.kind === "refused" ? found : changeLease(open, found.lease, timeoutMs, address);
  });
  open.close();
  // A message visible at once, or earlier than the waiters' timer knows.
  transaction.wake(queue.number);
  return accept(results);
}

const isStrict = ({ isFifo, settings }: Queue): boolean =>
  isFifo || settings.receiptPolicy === "strict";

type FoundLease =
  | { readonly kind: "found"; readonly lease: Leased }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

/** The lease a handle is of, if it still runs. */
export function findLease(
  { transaction, queue, now }: OpenQueue,
  receipt: Receipt | undefined,
  { given }: QueueAddress,
  isNewestOnly: boolean,
): FoundLease {
  if (!isReceiptOf(receipt, queue.number)) {
    return refused({ kind: "receipt_handle_invalid", queue: given });
  }
  const delivery =
    receipt.segment === queue.segment ? transaction.delivery(queue, receipt.sequence) : undefined;
  if (delivery === undefined || isExpired(delivery, queue.settings.retentionMs, now)) {
    return refused({ kind: "message_not_found", queue: given });
  }
  if (isNewestOnly && receipt.ordinal !== delivery.ordinal) {
    return refused(supersededHandle(given, now));
  }
  return isLeased(delivery, now)
    ? { kind: "found", lease: delivery }
    : refused({ kind: "message_not_in_flight", queue: given });
}

function changeLease(
  open: OpenQueue,
  lease: Leased,
  timeoutMs: DurationMs,
  { given }: QueueAddress,
): VisibilityResult {
  const { now } = open;
  const remainingMs = between(now, after(lease.state.leasedAt, limits.leaseMsMax));
  if (timeoutMs > remainingMs) {
    return refused({ kind: "visibility_limit_exceeded", queue: given, remainingMs });
  }
  if (timeoutMs === 0) {
    release(open, lease);
    return { kind: "changed", visibleAt: now };
  }
  const visibleAt = after(now, timeoutMs);
  open.putDelivery({ ...lease, state: { ...lease.state, until: visibleAt } }, lease);
  return { kind: "changed", visibleAt };
}

/** Makes it visible at once. */
const release = (open: OpenQueue, lease: Leased): void =>
  void endLease(open, lease, {
    at: open.now,
    ending: "released",
    rejection: undefined,
    until: undefined,
  });

export interface GiveBack {
  readonly address: QueueAddress;
  readonly receipts: readonly (Receipt | undefined)[];
  /** How long it stays invisible; undefined: as the queue's retry policy says, without one not at all. */
  readonly delayMs: DurationMs | undefined;
  /** Undefined: a nack, which gives no reason. */
  readonly rejected: { readonly reason: string; readonly error: string } | undefined;
  /** Whether it goes to the dead-letter queue at once. */
  readonly isDeadLetter: boolean;
  /**
   * FIFO: other leases of the same holder, each behind a message of its group that is given back here. They go back with it,
   * since their order would be lost; if it is refused, they stay.
   */
  readonly followers?: readonly Follower[];
}

export interface Follower {
  readonly receipt: Receipt;
  /** Which of `receipts` it follows. */
  readonly index: number;
}

export type GiveBackResult =
  | { readonly kind: "changed"; readonly visibleAt: EpochMs }
  | { readonly kind: "dead_lettered"; readonly deadLetterQueue: QueueName }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

/** Gives messages back in the order given, each by itself; only the newest handle of a message may. */
export function decideGiveBack(
  transaction: QueueTransaction,
  command: GiveBack,
  stamp: Stamp,
): Decided<readonly GiveBackResult[]> {
  const { address } = command;
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const open = new OpenQueue(transaction, queue, stamp);
  const results = command.receipts.map((receipt): GiveBackResult => {
    const found = findLease(open, receipt, address, true);
    return found.kind === "refused" ? found : giveBack(open, found.lease, command);
  });
  for (const { receipt, index } of command.followers ?? []) {
    // A dead letter is out of their way.
    if (results[index]?.kind !== "changed") continue;
    const found = findLease(open, receipt, address, true);
    if (found.kind === "found") release(open, found.lease);
  }
  open.close();
  transaction.wake(queue.number);
  return accept(results);
}

function giveBack(open: OpenQueue, lease: Leased, command: GiveBack): GiveBackResult {
  const { queue, now } = open;
  const rejection = command.rejected && { ...command.rejected, at: now };
  if (command.isDeadLetter) return deadLetter(open, lease, rejection, command.address);
  const delayMs = command.delayMs ?? backoffMs(queue, lease.receiveCount);
  const visibleAt = after(now, delayMs);
  const ending = rejection === undefined ? "released" : "rejected";
  endLease(open, lease, { at: now, ending, rejection, until: visibleAt });
  return { kind: "changed", visibleAt };
}

function deadLetter(
  open: OpenQueue,
  lease: Leased,
  rejection: Rejection | undefined,
  { given }: QueueAddress,
): GiveBackResult {
  const { transaction, queue, now } = open;
  const target = deadLetterTarget(transaction, queue);
  if (target === undefined) {
    const deadLetterQueue = queue.settings.redrive?.deadLetterQueue;
    return refused({ kind: "dead_letter_queue_not_found", queue: given, deadLetterQueue });
  }
  const message = transaction.message(queue, lease.sequence);
  if (message === undefined) return refused({ kind: "message_not_found", queue: given });
  const ended = endLease(open, lease, { at: now, ending: "rejected", rejection, until: undefined });
  moveToDeadLetters(open, target, message, ended, "rejected");
  return { kind: "dead_lettered", deadLetterQueue: target.name };
}

const refused = (
  rejection: QueueRejection,
): { readonly kind: "refused"; readonly rejection: QueueRejection } => ({
  kind: "refused",
  rejection,
});
