// What time changes by itself: leases and delays end, scheduled messages join, messages reach the end of their retention.
//
// Deadlines are inclusive: at `now >= until` a message is visible, at `now >= sent + retention` it is expired. Nothing needs
// a timer for that: whoever looks settles first, a bounded number of rows a command, and the sweeper passes by.

import { after, type EpochMs, epochMs, sequence } from "../base/brands.js";
import { never } from "./counters.js";
import { isUntouched } from "./delay.js";
import { changeGroup, isQuietByTime, reviewGroup } from "./groups.js";
import { limits } from "./limits.js";
import type { Delivery, MessageTraits, Queue } from "./model.js";
import { OpenQueue } from "./open-queue.js";
import { joinScheduled } from "./scheduled-messages.js";
import type { Stamp } from "./stamp.js";
import { backoffMs, endDelay, endLease, remove } from "./stored-messages.js";
import type { DueEntry, QueueTransaction, TimedEntry } from "./view.js";

/** Opens a queue and settles it; whoever waits for it is told. True when there is more than one command does. */
export function settleQueue(
  transaction: QueueTransaction,
  queue: Queue,
  stamp: Stamp,
): { readonly open: OpenQueue; readonly hasMore: boolean } {
  const open = new OpenQueue(transaction, queue, stamp);
  const hasMoreDue = catchUp(open);
  const hasMoreExpired = !queue.isFifo && expireAll(open);
  if (open.isChanged) {
    open.close();
    // Something may be visible again, or a lease that ended with its message may have made room.
    transaction.wake(queue.number);
  }
  return { open, hasMore: hasMoreDue || hasMoreExpired };
}

/** Does what makes messages deliverable, up to a bound; says whether there is more. */
export function catchUp(open: OpenQueue): boolean {
  const hasMoreScheduled = joinScheduled(open);
  const hasMoreDue = endLeasesAndDelays(open);
  const hasMoreDelayed = open.queue.isFifo && (delayAgain(open) || endQueueDelay(open));
  const hasMoreGroups = reviewGroups(open);
  // A message that is over holds up its group no longer. On a standard queue none waits for another.
  const hasMoreExpired = open.queue.isFifo && expireAll(open);
  return hasMoreScheduled || hasMoreDue || hasMoreDelayed || hasMoreGroups || hasMoreExpired;
}

/** Makes messages visible whose lease or delay has ended. */
function endLeasesAndDelays(open: OpenQueue): boolean {
  const { transaction, queue, now } = open;
  if (now < open.counters.dueAt) return false;
  const due: DueEntry[] = [];
  let dueAt = never;
  for (const entry of transaction.dueEntries(queue)) {
    if (entry.until > now || due.length === limits.settleMax) {
      dueAt = entry.until;
      break;
    }
    due.push(entry);
  }
  // Before they end: a backoff that begins may end earlier than what is left.
  open.change({ dueAt });
  for (const entry of due) endDue(open, entry);
  return dueAt <= now;
}

function endDue(open: OpenQueue, entry: DueEntry): void {
  const { transaction, queue } = open;
  const delivery = transaction.readableDelivery(queue, entry.sequence);
  if (delivery === undefined || delivery.state.kind === "returned") {
    // It cannot be read; left where it is, it would be due, and its message in flight, for ever.
    transaction.removeDueEntry(queue, entry);
    if (delivery === undefined) endUnread(open, entry);
  } else if (delivery.state.until !== entry.until) {
    // The row of a delivery that could not be read and was written anew.
    transaction.removeDueEntry(queue, entry);
  } else if (delivery.state.kind === "delayed") {
    endDelay(open, delivery);
  } else {
    const retryMs = backoffMs(queue, delivery.receiveCount);
    endLease(open, delivery, {
      at: entry.until,
      ending: "lease_ended",
      rejection: undefined,
      until: retryMs > 0 ? after(entry.until, retryMs) : undefined,
    });
  }
}

/**
 * A lease or delay has ended, and its row no longer says which. Were the two mistaken for each other, their sum, by which a
 * receive knows whether anything has returned, is still right. On a FIFO queue delays have no rows of their own.
 */
function endUnread(open: OpenQueue, entry: DueEntry): void {
  const { inFlight, delayed } = open.counters;
  const message = open.transaction.readableMessage(open.queue, entry.sequence);
  const wasSentDelayed = message?.isIndexed === true && message.groupId === undefined;
  if (!open.queue.isFifo && delayed > 0 && (wasSentDelayed || inFlight === 0)) {
    open.change({ delayed: -1 });
  } else if (inFlight > 0) open.change({ inFlight: -1 });
}

/**
 * FIFO: moves the mark on to the first message whose delay, the queue's as it is now, has not ended. Messages before it that
 * were never received stop counting as delayed, and their groups may have a turn.
 */
function endQueueDelay(open: OpenQueue): boolean {
  const { transaction, queue, now } = open;
  const { dueFrom, nextSequence } = open.counters;
  if (dueFrom >= nextSequence) return false;
  let mark = nextSequence;
  let hasMore = false;
  const passed: MessageTraits[] = [];
  for (const { head } of transaction.messageHeadsFrom(queue, dueFrom)) {
    hasMore = passed.length === limits.settleMax;
    if (hasMore || after(head.arrivedAt, queue.settings.delayMs) > now) {
      mark = head.sequence;
      break;
    }
    passed.push(head);
  }
  if (mark === dueFrom) return false;
  open.change({ dueFrom: mark });
  for (const head of passed) {
    if (!isUntouched(transaction.readableDelivery(queue, head.sequence))) continue;
    open.change({ delayed: -1 });
    if (head.groupId !== undefined) changeGroup(open, head.groupId, { delayed: -1 });
  }
  return hasMore;
}

/** FIFO, after the queue's delay was changed: raised, messages already sent and never received are to be delayed again. */
export function beginQueueDelay(open: OpenQueue): void {
  const { queue, now, counters } = open;
  const from = firstArrivedAfter(open, epochMs(now - queue.settings.delayMs));
  const isRaised = from !== undefined && from < counters.dueFrom;
  open.change({ delayBackTo: isRaised ? from : sequence(0) });
}

/** Moves the mark back by a step; says whether there is more. */
function delayAgain(open: OpenQueue): boolean {
  const { transaction, queue } = open;
  const { dueFrom, delayBackTo } = open.counters;
  if (delayBackTo === 0) return false;
  const from = sequence(Math.max(delayBackTo, dueFrom - limits.settleMax));
  const heads: MessageTraits[] = [];
  for (const { head } of transaction.messageHeadsFrom(queue, from)) {
    if (head.sequence >= dueFrom) break;
    heads.push(head);
  }
  const hasMore = from > delayBackTo;
  open.change({ dueFrom: from, delayBackTo: hasMore ? delayBackTo : sequence(0) });
  for (const head of heads) {
    if (!isUntouched(transaction.readableDelivery(queue, head.sequence))) continue;
    open.change({ delayed: 1 });
    if (head.groupId !== undefined) changeGroup(open, head.groupId, { delayed: 1 });
  }
  return hasMore;
}

/** The first message that came after an instant. Messages stand in the order they came, so halving finds it. */
export function firstArrivedAfter(
  { transaction, queue, counters }: OpenQueue,
  instant: EpochMs,
): MessageTraits["sequence"] | undefined {
  let low = 0;
  let high: number = counters.nextSequence;
  let found: MessageTraits["sequence"] | undefined;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    let head: MessageTraits | undefined;
    for (const passed of transaction.messageHeadsFrom(queue, sequence(middle))) {
      head = passed.head;
      break;
    }
    if (head === undefined || head.arrivedAt > instant) {
      high = middle;
      if (head !== undefined) found = head.sequence;
    } else low = head.sequence + 1;
  }
  return found;
}

/** Looks again at groups that wait for more than their messages: noisy ones for quiet, limited ones for a higher limit. */
function reviewGroups(open: OpenQueue): boolean {
  open.writeGroups();
  for (const id of open.counters.noisyGroups > 0 ? quietAgain(open) : []) reviewGroup(open, id);
  open.writeGroups();
  if (open.counters.limitedGroups === 0) return false;
  const raised = limitRaised(open);
  for (const id of raised) reviewGroup(open, id);
  return raised.length === limits.settleMax;
}

/** Groups in the line of noisy ones that were sent nothing for so long that they are quiet. */
function quietAgain({ transaction, queue, now }: OpenQueue): readonly string[] {
  const due: string[] = [];
  let examined = 0;
  // They stand in another order than that of their times.
  for (const group of transaction.groupsStanding(queue, "noisy")) {
    if (examined === noisyExaminedMax) break;
    examined += 1;
    if (isQuietByTime(group, now)) due.push(group.id);
  }
  return due;
}

/**
 * Noisy groups looked at in one command, some 0.3 ms. There are few, each had a tenth of what was in flight or processed in
 * the last minutes; behind so many, one stays noisy until those before it are quiet.
 */
const noisyExaminedMax = 200;

/** Groups that wait for a limit that is higher now, up to a bound. */
function limitRaised({ transaction, queue }: OpenQueue): readonly string[] {
  const { groupInFlightMax } = queue.settings;
  const due: string[] = [];
  for (const group of transaction.groupsStanding(queue, "limited")) {
    // They stand in no order, but a limit that was not raised holds for all of them.
    if (groupInFlightMax > 0 && group.inFlight >= groupInFlightMax) break;
    due.push(group.id);
    if (due.length === limits.settleMax) break;
  }
  return due;
}

/**
 * After the limit was changed: looks at every group that waits for it, up to a bound. A limit that was lowered and raised again
 * leaves groups with room under it among others that have none.
 */
export function reviewLimitedGroups(open: OpenQueue): void {
  const { transaction, queue } = open;
  const { groupInFlightMax } = queue.settings;
  open.writeGroups();
  const due: string[] = [];
  let examined = 0;
  for (const group of transaction.groupsStanding(queue, "limited")) {
    if (examined === limits.peekExaminedMax || due.length === limits.settleMax) break;
    examined += 1;
    const hasRoom = groupInFlightMax === 0 || group.inFlight < groupInFlightMax;
    if (hasRoom) due.push(group.id);
  }
  for (const id of due) reviewGroup(open, id);
}

/** Expires what has expired, up to a bound; says whether there is more. */
export function expireAll(open: OpenQueue): boolean {
  if (open.now < open.counters.expiryAt) return false;
  const hasMoreOld = expireOldest(open);
  const hasMoreLate = !open.queue.isFifo && expireLateArrivals(open);
  const hasMore = expireOwnTimes(open) || hasMoreOld || hasMoreLate;
  if (!hasMore) open.change({ expiryAt: nextExpiry(open) });
  return hasMore;
}

/**
 * From the oldest on. Messages stand in the order they came, and none was sent after it came: the first that is young enough
 * ends it. Those that came later than they were sent, and those with a time to live, are found by their own rows.
 */
function expireOldest(open: OpenQueue): boolean {
  const { queue, now } = open;
  const expired: MessageTraits[] = [];
  let bytes = 0;
  let hasMore = false;
  for (const { head } of open.transaction.messageHeadsFrom(queue, sequence(0))) {
    if (after(head.sentAt, queue.settings.retentionMs) > now) break;
    if (expired.length === limits.settleMax || bytes >= limits.settleBytesMax) {
      hasMore = true;
      break;
    }
    bytes += head.sizeBytes;
    expired.push(head);
  }
  for (const message of expired) expire(open, message);
  return hasMore;
}

function expireLateArrivals(open: OpenQueue): boolean {
  const { transaction, queue, now } = open;
  const isDue = ({ at }: TimedEntry): boolean => after(at, queue.settings.retentionMs) <= now;
  return expireTimed(open, transaction.lateArrivals(queue, epochMs(0)), isDue, (entry) =>
    transaction.removeLateArrival(queue, entry),
  );
}

function expireOwnTimes(open: OpenQueue): boolean {
  const { transaction, queue, now } = open;
  return expireTimed(
    open,
    transaction.ownExpiries(queue),
    ({ at }) => at <= now,
    (entry) => transaction.removeOwnExpiry(queue, entry),
  );
}

/** When the next message expires. */
function nextExpiry({ transaction, queue }: OpenQueue): EpochMs {
  const { retentionMs } = queue.settings;
  let next: number = never;
  for (const { head } of transaction.messageHeadsFrom(queue, sequence(0))) {
    next = after(head.sentAt, retentionMs);
    break;
  }
  if (!queue.isFifo) {
    for (const { at } of transaction.lateArrivals(queue, epochMs(0))) {
      next = Math.min(next, after(at, retentionMs));
      break;
    }
  }
  for (const { at } of transaction.ownExpiries(queue)) {
    next = Math.min(next, at);
    break;
  }
  return epochMs(next);
}

function expireTimed(
  open: OpenQueue,
  entries: Iterable<TimedEntry>,
  isDue: (entry: TimedEntry) => boolean,
  drop: (entry: TimedEntry) => void,
): boolean {
  const due: TimedEntry[] = [];
  let hasMore = false;
  for (const entry of entries) {
    if (!isDue(entry)) break;
    hasMore = due.length === limits.settleMax;
    if (hasMore) break;
    due.push(entry);
  }
  let bytes = 0;
  for (const entry of due) {
    if (bytes >= limits.settleBytesMax) return true;
    const message = headAt(open, entry.sequence);
    if (message === undefined) drop(entry);
    else {
      bytes += message.sizeBytes;
      expire(open, message);
    }
  }
  return hasMore;
}

/** What is known of the message at a place, if one that can be read is there. */
export function headAt(
  { transaction, queue }: OpenQueue,
  place: MessageTraits["sequence"],
): MessageTraits | undefined {
  for (const { head } of transaction.messageHeadsFrom(queue, place)) {
    return head.sequence === place ? head : undefined;
  }
  return undefined;
}

export function expire(
  open: OpenQueue,
  message: MessageTraits,
  delivery: Delivery | undefined = open.transaction.readableDelivery(open.queue, message.sequence),
): void {
  remove(open, message, delivery);
  open.change({ expired: 1 });
}
