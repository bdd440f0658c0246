// DeleteMessage and its batch. Idempotent: a message that is gone is ALREADY_GONE, any number of times.

import type { EpochMs, QueueNumber } from "../base/brands.js";
import type { Delivery } from "./model.js";
import { OpenQueue } from "./open-queue.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import type { Receipt } from "./receipt.js";
import { accept, type Decided, type QueueRejection } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import { isExpired, remove } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

export interface DeleteMessages {
  readonly address: QueueAddress;
  /** Undefined: what was given is not a handle. */
  readonly receipts: readonly (Receipt | undefined)[];
}

export type DeleteResult =
  | { readonly kind: "deleted" }
  | { readonly kind: "already_gone" }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

/** Deletes in the order given, each by itself. */
export function decideDeleteMessages(
  transaction: QueueTransaction,
  command: DeleteMessages,
  stamp: Stamp,
): Decided<readonly DeleteResult[]> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  const open = new OpenQueue(transaction, queue, stamp);
  const { inFlight } = open.counters;
  const results = command.receipts.map((receipt) => deleteOne(open, receipt, command.address));
  if (open.isChanged) {
    open.close();
    const { isFifo, settings } = queue;
    // A delete makes way for those behind in its group, and, at a limit of what may be in flight, for anybody.
    const makesWay = isFifo || settings.groupInFlightMax > 0 || inFlight >= settings.inFlightMax;
    if (makesWay) transaction.wake(queue.number);
  }
  return accept(results);
}

function deleteOne(
  open: OpenQueue,
  receipt: Receipt | undefined,
  { given }: QueueAddress,
): DeleteResult {
  const { transaction, queue, now } = open;
  if (!isReceiptOf(receipt, queue.number)) {
    return refused({ kind: "receipt_handle_invalid", queue: given });
  }
  // Purged since: the segment the handle points into is gone.
  if (receipt.segment !== queue.segment) return { kind: "already_gone" };
  const delivery = transaction.delivery(queue, receipt.sequence);
  // Expired, whether or not the sweeper has come by: it is counted as expired when it does.
  if (delivery === undefined || isExpired(delivery, queue.settings.retentionMs, now)) {
    return { kind: "already_gone" };
  }
  const isNewest = receipt.ordinal === delivery.ordinal;
  const isNewestOnly = queue.isFifo || queue.settings.receiptPolicy === "strict";
  if (isNewestOnly && !isNewest) return refused(supersededHandle(given, now));
  if (queue.isFifo && !isLeased(delivery, now)) return refused(endedLease(given, delivery, now));
  remove(open, delivery, delivery);
  open.change({ deleted: 1 });
  return { kind: "deleted" };
}

/** Whether its lease runs; one that has ended may not have been settled yet. */
export const isLeased = (delivery: Delivery, now: EpochMs): delivery is Leased =>
  delivery.state.kind === "leased" && delivery.state.until > now;

export type Leased = Delivery & { readonly state: { readonly kind: "leased" } };

/** The refusal of a handle whose message was received again since. */
export const supersededHandle = (queue: string, now: EpochMs): QueueRejection => ({
  kind: "receipt_handle_expired",
  queue,
  now,
  why: "received_again",
  leaseEndedAt: undefined,
});

/** FIFO: the refusal of a handle whose lease is over: somebody else may be at work on what comes behind it. */
const endedLease = (queue: string, delivery: Delivery, now: EpochMs): QueueRejection => ({
  kind: "receipt_handle_expired",
  queue,
  now,
  why: "lease_ended",
  leaseEndedAt:
    delivery.state.kind === "leased" ? delivery.state.until : delivery.attempts.at(-1)?.endedAt,
});

/** False for garbage, another queue's handle and one of an earlier queue of this name. */
export const isReceiptOf = (receipt: Receipt | undefined, queue: QueueNumber): receipt is Receipt =>
  receipt !== undefined && receipt.queue === queue;

const refused = (rejection: QueueRejection): DeleteResult => ({ kind: "refused", rejection });
