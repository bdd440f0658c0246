// Messages sent for a time to come. They stand apart, in the order of their times, and join the queue when theirs has come:
// whoever looks at the queue lets those join first. So they cost memory only while somebody reads them, and a message that
// waits for a year stands in nobody's way.
//
// The id of such a message holds the time it joins at, which is how it is found again, before and after.

import { after, epochMs, milliseconds } from "../base/brands.js";
import { never } from "./counters.js";
import { limits } from "./limits.js";
import type { Queue, ScheduledMessage } from "./model.js";
import { OpenQueue } from "./open-queue.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, reject } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import { admit, idTime } from "./stored-messages.js";
import type { QueueTransaction, ScheduledHead, ScheduledPosition } from "./view.js";

/** Lets those join whose time has come, for one who comes after them or looks; whoever waits for them is told. */
export function letJoin(open: OpenQueue): void {
  const { scheduled } = open.counters;
  joinScheduled(open);
  if (open.counters.scheduled !== scheduled) open.transaction.wake(open.queue.number);
}

/** Lets those join whose time has come, up to a bound; says whether there are more. */
export function joinScheduled(open: OpenQueue): boolean {
  const { transaction, queue, now } = open;
  if (now < open.counters.joinsAt) return false;
  const due: ScheduledHead[] = [];
  let bytes = 0;
  let joinsAt = never;
  for (const head of transaction.scheduledFrom(queue, undefined)) {
    const isEnough = due.length === limits.settleMax || bytes >= limits.settleBytesMax;
    if (head.deliverAt > now || isEnough) {
      joinsAt = head.deliverAt;
      break;
    }
    bytes += head.sizeBytes;
    due.push(head);
  }
  open.change({ joinsAt });
  for (const head of due) {
    const scheduled = transaction.scheduledMessage(queue, head);
    transaction.removeScheduled(queue, head);
    open.change({ scheduled: -1 });
    if (scheduled !== undefined) join(open, scheduled);
  }
  return joinsAt <= now;
}

function join(open: OpenQueue, scheduled: ScheduledMessage): void {
  const { queue, now } = open;
  const { messageId, deliverAt, timeToLiveMs, sizeBytes, priority, content } = scheduled;
  // On a FIFO queue messages age in the order they stand in.
  const sentAt = queue.isFifo ? now : deliverAt;
  const dueAt = after(deliverAt, queue.settings.delayMs);
  admit(open, {
    messageId,
    sentAt,
    expiresAt: timeToLiveMs === undefined ? undefined : after(deliverAt, timeToLiveMs),
    sizeBytes,
    priority,
    content,
    dueAt: dueAt > now ? dueAt : undefined,
    hasOldId: deliverAt !== now,
    past: undefined,
  });
  open.change({ sent: 1 });
}

export interface ListScheduled {
  readonly address: QueueAddress;
  readonly from: ScheduledPosition | undefined;
  readonly countMax: number;
  readonly bytesMax: number;
  /** Bytes of each body that will be returned; what counts toward `bytesMax`. */
  readonly bodyBytesMax: number;
}

export interface ScheduledPage {
  readonly queue: Queue;
  readonly messages: readonly ScheduledMessage[];
  /** Undefined: nothing is left. */
  readonly next: ScheduledPosition | undefined;
}

export function decideListScheduled(
  transaction: QueueTransaction,
  command: ListScheduled,
  stamp: Stamp,
): Decided<ScheduledPage> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  const messages: ScheduledMessage[] = [];
  // One whose time has come is a message of the queue, whether or not it has joined.
  const first = { deliverAt: after(stamp.now, milliseconds(1)), messageId: Buffer.alloc(0) };
  const { from = first } = command;
  const start = from.deliverAt > stamp.now ? from : first;
  let examinedBytes = 0;
  let bytes = 0;
  for (const head of transaction.scheduledFrom(queue, start)) {
    const isEnough =
      messages.length === command.countMax || examinedBytes >= limits.peekExaminedBytesMax;
    if (isEnough) return accept({ queue, messages, next: head });
    examinedBytes += head.sizeBytes;
    const message = transaction.scheduledMessage(queue, head);
    if (message === undefined) continue;
    const size = head.sizeBytes - Math.max(0, message.content.body.length - command.bodyBytesMax);
    if (messages.length > 0 && bytes + size > command.bytesMax) {
      return accept({ queue, messages, next: head });
    }
    bytes += size;
    messages.push(message);
  }
  return accept({ queue, messages, next: undefined });
}

export interface CancelScheduled {
  readonly address: QueueAddress;
  readonly messageId: Buffer;
}

export function decideCancelScheduled(
  transaction: QueueTransaction,
  command: CancelScheduled,
  stamp: Stamp,
): Decided<{ readonly deliverAt: ScheduledMessage["deliverAt"] }> {
  const { address, messageId } = command;
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const position = { messageId, deliverAt: idTime(messageId) };
  const scheduled =
    position.deliverAt > stamp.now ? transaction.scheduledMessage(queue, position) : undefined;
  if (scheduled === undefined) return reject({ kind: "message_not_found", queue: address.given });
  transaction.removeScheduled(queue, scheduled);
  const open = new OpenQueue(transaction, queue, stamp);
  open.change({ scheduled: -1 });
  open.close();
  return accept({ deliverAt: epochMs(scheduled.deliverAt) });
}
