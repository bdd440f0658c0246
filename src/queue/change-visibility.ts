// ChangeMessageVisibility and its batch; the nack and reject of a stream are the same rule.
//
// A change replaces what is left of the lease and counts from the call. A lease, changes included, ends at most 12 h after
// its receive; a change past that is refused, not clamped (SQS API reference).

import { after, between, type DurationMs, type EpochMs } from "../base/brands.js";
import { changeCounters } from "./counters.js";
import { isReceiptOf } from "./delete-messages.js";
import { limits } from "./limits.js";
import type { Counters, Queue } from "./model.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import type { Receipt } from "./receipt.js";
import { accept, type Decided, type QueueRejection } from "./rejections.js";
import { isExpired, returnMessage } from "./settle.js";
import type { Stamp } from "./stamp.js";
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
  /** Set by a reject: kept with the messages, which go behind all others. */
  readonly rejected?: { readonly reason: string; readonly error: string };
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
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  const before = transaction.counters(queue);
  let counters = before;
  const results: VisibilityResult[] = [];
  for (const entry of command.entries) {
    const changed = changeOne(transaction, queue, counters, entry, command, stamp.now);
    if (changed.kind === "changed") counters = changed.counters;
    results.push(
      changed.kind === "changed" ? { kind: "changed", visibleAt: changed.visibleAt } : changed,
    );
  }
  if (counters !== before) transaction.putCounters(queue, counters);
  // A message visible at once, or earlier than the waiters' timer knows.
  transaction.wake(queue.number);
  return accept(results);
}

type Changed =
  | { readonly kind: "changed"; readonly visibleAt: EpochMs; readonly counters: Counters }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

function changeOne(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  entry: VisibilityEntry,
  command: ChangeVisibility,
  now: EpochMs,
): Changed {
  const { receipt, timeoutMs } = entry;
  const given = command.address.given;
  if (!isReceiptOf(receipt, queue.number))
    return refused({ kind: "receipt_handle_invalid", queue: given });
  const delivery =
    receipt.segment === queue.segment ? transaction.delivery(queue, receipt.sequence) : undefined;
  if (delivery === undefined || isExpired(delivery, queue.settings.retentionMs, now)) {
    return refused({ kind: "message_not_found", queue: given });
  }
  const { state } = delivery;
  const isNewestOnly = command.isOwnLeaseOnly === true || queue.settings.receiptPolicy === "strict";
  if (isNewestOnly && receipt.ordinal !== delivery.ordinal) {
    return refused({ kind: "receipt_handle_expired", queue: given, now });
  }
  if (state.kind !== "leased" || state.until <= now) {
    return refused({ kind: "message_not_in_flight", queue: given });
  }
  const remainingMs = between(now, after(state.leasedAt, limits.leaseMsMax));
  if (timeoutMs > remainingMs) {
    return refused({ kind: "visibility_limit_exceeded", queue: given, remainingMs });
  }
  const rejection =
    command.rejected === undefined ? delivery.rejection : { ...command.rejected, at: now };
  if (timeoutMs === 0) {
    const left = changeCounters(counters, { inFlight: -1 });
    return {
      kind: "changed",
      visibleAt: now,
      counters: returnMessage(transaction, queue, left, delivery, rejection),
    };
  }
  const visibleAt = after(now, timeoutMs);
  transaction.putDelivery(
    queue,
    { ...delivery, state: { ...state, until: visibleAt }, rejection },
    delivery,
  );
  return { kind: "changed", visibleAt, counters };
}

const refused = (rejection: QueueRejection): Changed => ({ kind: "refused", rejection });
