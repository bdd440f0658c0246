// What time changes by itself: leases and delays end, messages reach the end of their retention.
//
// Deadlines are inclusive: at `now >= until` a message is visible, at `now >= sent + retention` it is expired. Nothing needs
// a timer for that: whoever looks settles first, a bounded number of rows a command, and the sweeper passes by.

import { after, type DurationMs, type EpochMs, sequence } from "../base/brands.js";
import { changeCounters } from "./counters.js";
import { backOfQueueReceiveCount, limits } from "./limits.js";
import type { Counters, Delivery, MessageHead, Queue, Rejection } from "./model.js";
import type { DueEntry, QueueTransaction } from "./view.js";

export interface Settled {
  readonly counters: Counters;
  readonly hasMore: boolean;
}

/** Ends what has ended and expires what has expired. */
export function settleQueue(transaction: QueueTransaction, queue: Queue, now: EpochMs): Settled {
  const before = transaction.counters(queue);
  const ended = endLeasesAndDelays(transaction, queue, before, now);
  const expired = expireOldest(transaction, queue, ended.counters, now);
  if (expired.counters !== before) {
    transaction.putCounters(queue, expired.counters);
    // Something may be visible again, or a lease that ended with its message may have made room.
    transaction.wake(queue.number);
  }
  return { counters: expired.counters, hasMore: ended.hasMore || expired.hasMore };
}

/** Makes messages visible whose lease or delay has ended. The caller stores the counters. */
export function endLeasesAndDelays(
  transaction: QueueTransaction,
  queue: Queue,
  before: Counters,
  now: EpochMs,
): Settled {
  if (before.inFlight === 0 && before.delayed === 0) return { counters: before, hasMore: false };
  const due: DueEntry[] = [];
  let hasMore = false;
  for (const entry of transaction.dueEntries(queue)) {
    if (entry.until > now) break;
    if (due.length === limits.settleMax) {
      hasMore = true;
      break;
    }
    due.push(entry);
  }
  let counters = before;
  for (const entry of due) {
    const delivery = transaction.readableDelivery(queue, entry.sequence);
    if (delivery === undefined || delivery.state.kind === "returned") {
      // It cannot be read; left where it is, it would be due, and its message in flight, for ever.
      transaction.removeDueEntry(queue, entry);
      if (delivery === undefined) counters = endUnread(transaction, queue, counters, entry);
      continue;
    }
    const change = delivery.state.kind === "leased" ? { inFlight: -1 } : { delayed: -1 };
    counters = changeCounters(counters, change);
    counters = returnMessage(transaction, queue, counters, delivery);
  }
  return { counters, hasMore };
}

/**
 * A lease or delay has ended, and its row no longer says which. Only messages sent with a delay are delayed; were the two
 * mistaken for each other, their sum, by which a receive knows whether anything has returned, is still right.
 */
function endUnread(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  entry: DueEntry,
): Counters {
  const { inFlight, delayed } = counters;
  const wasSentDelayed = transaction.readableMessage(queue, entry.sequence)?.isDelayed === true;
  if (delayed > 0 && (wasSentDelayed || inFlight === 0))
    return changeCounters(counters, { delayed: -1 });
  return inFlight > 0 ? changeCounters(counters, { inFlight: -1 }) : counters;
}

/**
 * Makes a message visible. Normally it comes back to its own place, ahead of newer ones; received three times or more it
 * goes behind all others (SQS developer guide), which takes a new place.
 */
export function returnMessage(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  delivery: Delivery,
  rejection: Rejection | undefined = delivery.rejection,
): Counters {
  // A rejected message goes to the back as well: the others should not wait for it.
  const goesBack =
    delivery.receiveCount >= backOfQueueReceiveCount ||
    rejection !== delivery.rejection ||
    wasRejectedWithDelay(delivery);
  const order = goesBack ? counters.nextSequence : delivery.sequence;
  transaction.putDelivery(
    queue,
    { ...delivery, state: { kind: "returned", order }, rejection },
    delivery,
  );
  return goesBack
    ? changeCounters(counters, { nextSequence: sequence(counters.nextSequence + 1) })
    : counters;
}

/** Whether what ends is the delay of a reject: one that came during this lease, not during an earlier one. */
const wasRejectedWithDelay = ({ state, rejection }: Delivery): boolean =>
  state.kind === "leased" && rejection !== undefined && rejection.at >= state.leasedAt;

/** Of a message, or of its delivery, which knows as well when it was sent. */
export const isExpired = (
  message: Pick<MessageHead, "sentAt">,
  retentionMs: DurationMs,
  now: EpochMs,
): boolean => after(message.sentAt, retentionMs) <= now;

/** Expires messages from the oldest on. Send order is sent-time order, so the first that is young enough ends it. */
export function expireOldest(
  transaction: QueueTransaction,
  queue: Queue,
  before: Counters,
  now: EpochMs,
): Settled {
  const expired: MessageHead[] = [];
  let bytes = 0;
  let hasMore = false;
  for (const { head } of transaction.messageHeadsFrom(queue, sequence(0))) {
    if (!isExpired(head, queue.settings.retentionMs, now)) break;
    if (expired.length === limits.settleMax || bytes >= limits.settleBytesMax) {
      hasMore = true;
      break;
    }
    bytes += head.sizeBytes;
    expired.push(head);
  }
  let counters = before;
  for (const message of expired) counters = expireMessage(transaction, queue, counters, message);
  return { counters, hasMore };
}

export function expireMessage(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  message: Pick<MessageHead, "sequence" | "sizeBytes">,
): Counters {
  const delivery = transaction.readableDelivery(queue, message.sequence);
  const removed = removeMessage(transaction, queue, counters, message, delivery);
  return changeCounters(removed, { expired: 1 });
}

/** Takes a message out of the queue, with its delivery if it has one. The caller counts why. */
export function removeMessage(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  { sequence: place, sizeBytes }: Pick<MessageHead, "sequence" | "sizeBytes">,
  delivery: Delivery | undefined,
): Counters {
  transaction.removeMessage(queue, place, sizeBytes);
  if (delivery !== undefined) transaction.removeDelivery(queue, delivery);
  return changeCounters(counters, {
    stored: -1,
    storedBytes: -sizeBytes,
    inFlight: delivery?.state.kind === "leased" ? -1 : 0,
    delayed: delivery?.state.kind === "delayed" ? -1 : 0,
  });
}
