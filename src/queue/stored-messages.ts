// The ways of a message through a queue: it comes, is leased, given back, delayed, and goes. Every operation is made of these
// steps; they alone keep message, delivery, group and counters in step with each other.

import { after, between, type DurationMs, type EpochMs, epochMs } from "../base/brands.js";
import { addBusyTime } from "./counters.js";
import { isDelayed } from "./delay.js";
import { memberOf } from "./group-members.js";
import { changeGroup } from "./groups.js";
import { backOfQueueReceiveCount, limits } from "./limits.js";
import type {
  Attempt,
  Delivery,
  DeliveryState,
  Member,
  Message,
  MessageContent,
  MessageHead,
  MessageTraits,
  Place,
  Queue,
  Rejection,
} from "./model.js";
import { type OpenQueue, ownPlace } from "./open-queue.js";

/** A message on its way into a queue. */
export interface ComingMessage {
  readonly messageId: Buffer;
  readonly sentAt: EpochMs;
  readonly expiresAt: EpochMs | undefined;
  readonly sizeBytes: number;
  readonly priority: number;
  readonly content: MessageContent;
  /** Standard: when its delay ends; undefined: it has none. FIFO: the queue's delay holds for all. */
  readonly dueAt: EpochMs | undefined;
  /** True when its id was made at another time than now. */
  readonly hasOldId: boolean;
  /** What it brings with it from another queue; no delay holds for it. */
  readonly past: Past | undefined;
}

export type Past = Pick<
  Delivery,
  "earlierReceives" | "firstReceivedAt" | "rejection" | "undelivered" | "origin" | "attempts"
>;

const noPast: Past = {
  earlierReceives: 0,
  firstReceivedAt: undefined,
  rejection: undefined,
  undelivered: undefined,
  origin: undefined,
  attempts: [],
};

/** Puts a message at the end of a queue. The caller counts how it came. */
export function admit(open: OpenQueue, coming: ComingMessage): Message {
  const { queue, transaction } = open;
  const state = firstState(open, coming);
  const isIndexed = state !== undefined || queue.isFifo || coming.content.groupId !== undefined;
  const message = placed(
    open,
    coming,
    open.takeNumber(watchOver(queue, coming, isIndexed)),
    isIndexed,
  );
  transaction.insertMessage(queue, message);
  let delivery: Delivery | undefined;
  if (state !== undefined) {
    const first = state === "visible" ? returnedTo(ownPlace(queue, message)) : state;
    delivery = newDelivery(message, first, coming.past ?? noPast);
    open.putDelivery(delivery, undefined);
  }
  const waits = isDelayed(open, message, delivery);
  open.change({ stored: 1, storedBytes: message.sizeBytes, delayed: waits ? 1 : 0 });
  const expiryAt = expiryOf(queue, message);
  if (expiryAt < open.counters.expiryAt) open.change({ expiryAt });
  const { groupId } = message;
  if (groupId === undefined) return message;
  const member = memberOf(queue, message);
  // A delivery of a visible message makes it a member by itself.
  if (!queue.isFifo && delivery === undefined) transaction.putMember(queue, groupId, member);
  changeGroup(open, groupId, {
    stored: 1,
    delayed: waits ? 1 : 0,
    joined: queue.isFifo || !waits ? member : undefined,
    delivered: delivery?.sequence,
    wasSentTo: coming.past === undefined,
  });
  return message;
}

/** What the first delivery of a message says, if it needs one from the start. */
function firstState(
  { queue }: OpenQueue,
  { past, dueAt, priority }: ComingMessage,
): DeliveryState | "visible" | undefined {
  if (past !== undefined) return "visible";
  if (queue.isFifo) return undefined;
  if (dueAt !== undefined) return { kind: "delayed", until: dueAt, isBackoff: false };
  return priority > 0 ? "visible" : undefined;
}

/** Which mark is to find it: see `OpenQueue.takeNumber`. */
function watchOver(
  queue: Queue,
  { past }: ComingMessage,
  isIndexed: boolean,
): "fresh" | "delayed" | "neither" {
  if (!isIndexed) return "fresh";
  const hasQueueDelay = queue.isFifo && past === undefined && queue.settings.delayMs > 0;
  return hasQueueDelay ? "delayed" : "neither";
}

const returnedTo = (place: Place): DeliveryState => ({ kind: "returned", place });

function placed(
  open: OpenQueue,
  coming: ComingMessage,
  sequence: Message["sequence"],
  isIndexed: boolean,
): Message {
  return {
    sequence,
    messageId: coming.messageId,
    sentAt: coming.sentAt,
    arrivedAt: open.now,
    indexedAt: coming.hasOldId ? idTime(coming.messageId) : undefined,
    expiresAt: coming.expiresAt,
    sizeBytes: coming.sizeBytes,
    groupId: coming.content.groupId,
    priority: coming.priority,
    isIndexed,
    content: coming.content,
  };
}

/** The time in a message id: the first 48 bits of a UUID of version 7. */
export const idTime = (messageId: Buffer): EpochMs => epochMs(messageId.readUIntBE(0, 6));

function newDelivery(message: MessageTraits, state: DeliveryState, past: Past): Delivery {
  const { sequence, sentAt, arrivedAt, indexedAt, expiresAt, sizeBytes, groupId, priority } =
    message;
  const { earlierReceives, firstReceivedAt, rejection, undelivered, origin, attempts } = past;
  return {
    sequence,
    sentAt,
    arrivedAt,
    indexedAt,
    expiresAt,
    sizeBytes,
    groupId,
    priority,
    state,
    receiveCount: 0,
    earlierReceives,
    ordinal: 0,
    firstReceivedAt,
    rejection,
    undelivered,
    origin,
    attempts,
  };
}

/** Leases a visible message; for no time at all, it stays visible and has only been counted. The caller counts the receive. */
export function lease(
  open: OpenQueue,
  message: Message,
  previous: Delivery | undefined,
  timeoutMs: DurationMs,
): Delivery {
  const { queue, now, transaction } = open;
  const { groupId } = message;
  const isHeld = timeoutMs > 0;
  const before = previous ?? newDelivery(message, unreceived, noPast);
  const receiveCount = before.receiveCount + 1;
  const delivery: Delivery = {
    ...before,
    receiveCount,
    ordinal: before.ordinal + 1,
    firstReceivedAt: before.firstReceivedAt ?? now,
    state: isHeld
      ? { kind: "leased", until: after(now, timeoutMs), leasedAt: now }
      : { kind: "returned", place: returnPlace(open, before, receiveCount, false) },
    attempts: isHeld
      ? before.attempts
      : withAttempt(before.attempts, { leasedAt: now, endedAt: now, ending: "released" }),
  };
  const left =
    groupId === undefined || queue.isFifo ? undefined : visibleMember(queue, message, previous);
  if (left !== undefined && previous === undefined) {
    transaction.removeMember(queue, groupId as string, left);
  }
  open.putDelivery(delivery, previous);
  if (isHeld) open.change({ inFlight: 1 });
  if (groupId !== undefined) {
    changeGroup(open, groupId, {
      inFlight: isHeld ? 1 : 0,
      left,
      joined: joinedAgain(queue, delivery),
      delivered: previous === undefined ? delivery.sequence : undefined,
      wasServed: true,
    });
  }
  return delivery;
}

const unreceived: DeliveryState = {
  kind: "returned",
  place: { at: epochMs(0), order: 0 as Place["order"] },
};

/** The row that makes a visible message a member of its group. */
const visibleMember = (queue: Queue, message: MessageTraits, delivery: Delivery | undefined) =>
  !queue.isFifo && delivery?.state.kind === "returned"
    ? { place: delivery.state.place, sequence: message.sequence }
    : memberOf(queue, message);

/** Standard: what a visible delivery is to its group. */
const joinedAgain = (queue: Queue, { state, sequence }: Delivery): Member | undefined =>
  !queue.isFifo && state.kind === "returned" ? { place: state.place, sequence } : undefined;

/**
 * Where a message stands when it is visible again: at its own place, ahead of newer ones; received three times or more, or
 * rejected, behind all others (SQS developer guide).
 */
function returnPlace(
  open: OpenQueue,
  message: MessageTraits,
  receiveCount: number,
  isRejected: boolean,
): Place {
  const goesBack = receiveCount >= backOfQueueReceiveCount || isRejected;
  return goesBack && !open.queue.isFifo ? open.placeAtBack() : ownPlace(open.queue, message);
}

/** How a lease ends that is not ended by a delete. */
export interface LeaseEnd {
  readonly at: EpochMs;
  readonly ending: Attempt["ending"];
  readonly rejection: Rejection | undefined;
  /** When it may be delivered again; undefined: now. */
  readonly until: EpochMs | undefined;
}

/** Ends a lease: the message is visible again, or waits until `until`. */
export function endLease(open: OpenQueue, delivery: Delivery, end: LeaseEnd): Delivery {
  const { queue, now } = open;
  const { state, groupId } = delivery;
  const waits = end.until !== undefined && end.until > now;
  const isRejected = end.ending === "rejected";
  const next: Delivery = {
    ...delivery,
    rejection: end.rejection ?? delivery.rejection,
    state: waits
      ? { kind: "delayed", until: end.until, isBackoff: true }
      : {
          kind: "returned",
          place: returnPlace(open, delivery, delivery.receiveCount, isRejected),
        },
    attempts:
      state.kind === "leased"
        ? withAttempt(delivery.attempts, {
            leasedAt: state.leasedAt,
            endedAt: end.at,
            ending: end.ending,
          })
        : delivery.attempts,
  };
  open.putDelivery(next, delivery);
  open.change({ inFlight: -1, delayed: waits ? 1 : 0 });
  const busyMs = countBusyTime(open, delivery, end.at);
  if (groupId !== undefined) {
    changeGroup(open, groupId, {
      inFlight: -1,
      delayed: waits ? 1 : 0,
      joined: joinedAgain(queue, next),
      busyMs,
    });
  }
  return next;
}

const withAttempt = (attempts: readonly Attempt[], attempt: Attempt): readonly Attempt[] => [
  ...attempts.slice(-(limits.attemptsKeptMax - 1)),
  attempt,
];

/** Ends a delay or backoff. */
export function endDelay(open: OpenQueue, delivery: Delivery): void {
  const { queue } = open;
  const { groupId } = delivery;
  const wasRejected = delivery.attempts.at(-1)?.ending === "rejected";
  const next: Delivery = {
    ...delivery,
    state: {
      kind: "returned",
      place: returnPlace(open, delivery, delivery.receiveCount, wasRejected),
    },
  };
  open.putDelivery(next, delivery);
  open.change({ delayed: -1 });
  if (groupId !== undefined) {
    changeGroup(open, groupId, { delayed: -1, joined: joinedAgain(queue, next) });
  }
}

/** Makes a receive as if it had not been, save that its handle is used up. The caller counts it. */
export function undoLease(
  open: OpenQueue,
  delivery: Delivery,
  previous: Delivery | undefined,
): void {
  const { queue } = open;
  const { groupId, state } = delivery;
  const wasHeld = state.kind === "leased";
  const place =
    previous?.state.kind === "returned" ? previous.state.place : ownPlace(queue, delivery);
  const next: Delivery = {
    ...delivery,
    state: { kind: "returned", place },
    receiveCount: previous?.receiveCount ?? 0,
    firstReceivedAt: previous?.firstReceivedAt,
    attempts: previous?.attempts ?? [],
  };
  open.putDelivery(next, delivery);
  // The queue's delay may have been raised meanwhile.
  const waits = isDelayed(open, next, next);
  open.change({ inFlight: wasHeld ? -1 : 0, delayed: waits ? 1 : 0 });
  if (groupId === undefined) return;
  changeGroup(open, groupId, {
    inFlight: wasHeld ? -1 : 0,
    delayed: waits ? 1 : 0,
    left: joinedAgain(queue, delivery),
    joined: joinedAgain(queue, next),
  });
}

/** Takes a message out of the queue, with its delivery if it has one. The caller counts why. */
export function remove(
  open: OpenQueue,
  message: MessageTraits,
  delivery: Delivery | undefined,
): void {
  const { queue, transaction, now } = open;
  const { groupId } = message;
  transaction.removeMessage(queue, message);
  if (delivery !== undefined) open.removeDelivery(delivery);
  const wasLeased = delivery?.state.kind === "leased";
  const wasDelayed = isDelayed(open, message, delivery);
  open.change({
    stored: -1,
    storedBytes: -message.sizeBytes,
    inFlight: wasLeased ? -1 : 0,
    delayed: wasDelayed ? -1 : 0,
  });
  const busyMs = countBusyTime(open, delivery, now);
  if (groupId === undefined) return;
  const member = visibleMember(queue, message, delivery);
  // A delivery of a standard queue takes the member row with it.
  if (!queue.isFifo && delivery === undefined) transaction.removeMember(queue, groupId, member);
  changeGroup(open, groupId, {
    stored: -1,
    inFlight: wasLeased ? -1 : 0,
    delayed: wasDelayed ? -1 : 0,
    left: queue.isFifo || !(wasLeased || wasDelayed) ? member : undefined,
    busyMs,
  });
}

/** Fair queues: how long a lease took, for the queue and, as returned, for its group. */
function countBusyTime(
  open: OpenQueue,
  delivery: Delivery | undefined,
  endedAt: EpochMs,
): number | undefined {
  if (open.queue.isFifo || delivery?.state.kind !== "leased") return undefined;
  const { busy, groups } = open.counters;
  // Without groups nobody asks.
  if (delivery.groupId === undefined && groups === 0 && busy.minute === 0) return undefined;
  // A lease that had ended before it was looked at took no longer than it lasted.
  const { leasedAt, until } = delivery.state;
  const busyMs = Math.max(0, between(leasedAt, epochMs(Math.min(endedAt, until))));
  open.change({ busy: addBusyTime(busy, busyMs, open.now) });
  return busyMs;
}

/** How long a message waits by the queue's retry policy before it is delivered again. */
export function backoffMs(queue: Queue, receiveCount: number): DurationMs {
  const { retry } = queue.settings;
  if (retry === undefined) return 0 as DurationMs;
  // 10^1000 is Infinity, which the minimum takes care of.
  const grown = retry.minimumMs * retry.factor ** Math.max(0, receiveCount - 1);
  return Math.round(Math.min(retry.maximumMs, grown)) as DurationMs;
}

/** Of a message, or of its delivery, which knows as well when it was sent. */
export const isExpired = (
  message: Pick<MessageTraits, "sentAt" | "expiresAt">,
  retentionMs: DurationMs,
  now: EpochMs,
): boolean =>
  after(message.sentAt, retentionMs) <= now ||
  (message.expiresAt !== undefined && message.expiresAt <= now);

/** When a message expires if nothing is changed. */
export function expiryOf(
  queue: Queue,
  message: Pick<MessageHead, "sentAt" | "expiresAt">,
): EpochMs {
  const end = after(message.sentAt, queue.settings.retentionMs);
  return message.expiresAt === undefined ? end : epochMs(Math.min(end, message.expiresAt));
}
