// DeleteMessage and its batch. Idempotent: a message that is gone is ALREADY_GONE, any number of times.

import type { EpochMs, QueueNumber } from "../base/brands.js";
import { changeCounters } from "./counters.js";
import type { Counters, Queue } from "./model.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import type { Receipt } from "./receipt.js";
import { accept, type Decided, type QueueRejection } from "./rejections.js";
import { isExpired, removeMessage } from "./settle.js";
import type { Stamp } from "./stamp.js";
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
  const before = transaction.counters(queue);
  let counters = before;
  const results: DeleteResult[] = [];
  for (const receipt of command.receipts) {
    const deleted = deleteOne(transaction, queue, counters, receipt, command.address, stamp.now);
    counters = deleted.counters;
    results.push(deleted.result);
  }
  if (counters !== before) {
    transaction.putCounters(queue, counters);
    // At the in-flight limit a delete makes room for those who wait.
    if (before.inFlight >= queue.settings.inFlightMax) transaction.wake(queue.number);
  }
  return accept(results);
}

function deleteOne(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  receipt: Receipt | undefined,
  address: QueueAddress,
  now: EpochMs,
): { readonly counters: Counters; readonly result: DeleteResult } {
  if (!isReceiptOf(receipt, queue.number)) {
    return { counters, result: refused({ kind: "receipt_handle_invalid", queue: address.given }) };
  }
  // Purged since: the segment the handle points into is gone.
  if (receipt.segment !== queue.segment) return { counters, result: { kind: "already_gone" } };
  const delivery = transaction.delivery(queue, receipt.sequence);
  // Expired, whether or not the sweeper has come by: it is counted as expired when it does.
  if (delivery === undefined || isExpired(delivery, queue.settings.retentionMs, now)) {
    return { counters, result: { kind: "already_gone" } };
  }
  if (queue.settings.receiptPolicy === "strict" && receipt.ordinal !== delivery.ordinal) {
    return {
      counters,
      result: refused({ kind: "receipt_handle_expired", queue: address.given, now }),
    };
  }
  const removed = removeMessage(transaction, queue, counters, delivery, delivery);
  return {
    counters: changeCounters(removed, { deleted: 1 }),
    result: { kind: "deleted" },
  };
}

/** False for garbage, another queue's handle and one of an earlier queue of this name. */
export const isReceiptOf = (receipt: Receipt | undefined, queue: QueueNumber): receipt is Receipt =>
  receipt !== undefined && receipt.queue === queue;

const refused = (rejection: QueueRejection): DeleteResult => ({ kind: "refused", rejection });
