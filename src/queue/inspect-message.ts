// DescribeMessage and ExplainMessage: where one message stands, what happened to it, and why it is not delivered.
//
// A message is found by its id without an index of ids: the id holds the time it was made at (UUID version 7). A scheduled one
// stands under that time; one that came to the queue later, as a dead letter, has a row under it; all others came at that
// time, and messages stand in the order they came.

import { after, type EpochMs, epochMs, type QueueName } from "../base/brands.js";
import { deadLetterTarget, isOverLimit } from "./dead-letters.js";
import { isDelayed } from "./delay.js";
import { membersInOrder } from "./group-members.js";
import { limits } from "./limits.js";
import type { Attempt, Delivery, Message, MessageHead, Queue, ScheduledMessage } from "./model.js";
import type { OpenQueue } from "./open-queue.js";
import { type Standing, standingOf } from "./peek-messages.js";
import { countAhead } from "./pick-visible.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, reject } from "./rejections.js";
import { firstArrivedAfter, settleQueue } from "./settle.js";
import type { Stamp } from "./stamp.js";
import { expiryOf, idTime, isExpired } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

export interface InspectMessage {
  readonly address: QueueAddress;
  readonly messageId: Buffer;
}

export type FoundMessage =
  | { readonly kind: "scheduled"; readonly queue: Queue; readonly message: ScheduledMessage }
  | {
      readonly kind: "stored";
      readonly queue: Queue;
      readonly message: Message;
      readonly delivery: Delivery | undefined;
      readonly standing: Standing;
      readonly expiresAt: EpochMs;
      readonly events: readonly MessageEvent[];
    };

export type MessageEvent =
  | { readonly kind: "sent" | "lease_ended" | "released" | "moved"; readonly at: EpochMs }
  /** `until`: the end of the lease, if it still runs. */
  | { readonly kind: "received"; readonly at: EpochMs; readonly until: EpochMs | undefined }
  | { readonly kind: "rejected"; readonly at: EpochMs; readonly reason: string | undefined }
  | {
      readonly kind: "dead_lettered";
      readonly at: EpochMs;
      readonly source: QueueName;
      readonly reason: "max_receives" | "rejected";
    };

export function decideDescribeMessage(
  transaction: QueueTransaction,
  command: InspectMessage,
  stamp: Stamp,
): Decided<FoundMessage> {
  const found = find(transaction, command, stamp);
  if (found.kind === "rejected") return found;
  const { open, scheduled, head } = found.outcome;
  const { queue, now } = open;
  if (scheduled !== undefined) return accept({ kind: "scheduled", queue, message: scheduled });
  const message = head && transaction.message(queue, head.sequence);
  if (message === undefined || isExpired(message, queue.settings.retentionMs, now)) {
    return reject({ kind: "message_not_found", queue: command.address.given });
  }
  const delivery = transaction.delivery(queue, message.sequence);
  return accept({
    kind: "stored",
    queue,
    message,
    delivery,
    standing: standingOf(queue, open.counters, message, delivery, now),
    expiresAt: expiryOf(queue, message),
    events: eventsOf(message, delivery),
  });
}

/** Why a message is not delivered now. */
export type Obstacle =
  | {
      readonly kind: "scheduled" | "delayed" | "backing_off" | "in_flight";
      readonly until: EpochMs;
    }
  | {
      readonly kind: "group_blocked";
      readonly until: EpochMs;
      readonly blockingMessageId: Buffer | undefined;
    }
  | {
      readonly kind:
        | "group_limit"
        | "queue_limit"
        | "paused"
        | "noisy_group"
        | "dead_letter_due"
        | "expired";
    };

export interface Explanation {
  readonly state: Standing["state"] | "scheduled";
  readonly obstacles: readonly Obstacle[];
  readonly aheadCount: number;
}

export function decideExplainMessage(
  transaction: QueueTransaction,
  command: InspectMessage,
  stamp: Stamp,
): Decided<Explanation> {
  const found = find(transaction, command, stamp);
  if (found.kind === "rejected") return found;
  const { open, scheduled, head } = found.outcome;
  if (scheduled !== undefined) {
    const obstacles: Obstacle[] = [{ kind: "scheduled", until: scheduled.deliverAt }];
    if (open.queue.settings.isPaused) obstacles.push({ kind: "paused" });
    return accept({ state: "scheduled", obstacles, aheadCount: 0 });
  }
  if (head === undefined)
    return reject({ kind: "message_not_found", queue: command.address.given });
  const delivery = transaction.delivery(open.queue, head.sequence);
  const { state } = standingOf(open.queue, open.counters, head, delivery, open.now);
  const isVisible = state === "visible";
  return accept({
    state,
    obstacles: [...ownObstacles(open, head, delivery), ...queueObstacles(open, head)],
    aheadCount: isVisible ? aheadOf(open, head) : 0,
  });
}

interface Found {
  readonly open: OpenQueue;
  readonly scheduled: ScheduledMessage | undefined;
  readonly head: MessageHead | undefined;
}

/** What time has changed is settled first, so that the answer is exact. */
function find(
  transaction: QueueTransaction,
  { address, messageId }: InspectMessage,
  stamp: Stamp,
): Decided<Found> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const { open } = settleQueue(transaction, queue, stamp);
  const position = { messageId, deliverAt: idTime(messageId) };
  const scheduled = transaction.scheduledMessage(queue, position);
  const head = scheduled === undefined ? findHead(open, messageId) : undefined;
  return scheduled === undefined && head === undefined
    ? reject({ kind: "message_not_found", queue: address.given })
    : accept({ open, scheduled, head });
}

function findHead(open: OpenQueue, messageId: Buffer): MessageHead | undefined {
  const { transaction, queue } = open;
  const madeAt = idTime(messageId);
  for (const { at, sequence } of transaction.lateArrivals(queue, madeAt)) {
    if (at !== madeAt) break;
    const message = transaction.readableMessage(queue, sequence);
    if (message?.messageId.equals(messageId)) return message;
  }
  const first = firstArrivedAfter(open, epochMs(madeAt - 1));
  if (first === undefined) return undefined;
  let examined = 0;
  for (const { head } of transaction.messageHeadsFrom(queue, first)) {
    if (head.arrivedAt !== madeAt || examined === limits.peekExaminedMax) break;
    if (head.messageId.equals(messageId)) return head;
    examined += 1;
  }
  return undefined;
}

function eventsOf(message: Message, delivery: Delivery | undefined): readonly MessageEvent[] {
  const { messageId, content } = message;
  const events: MessageEvent[] = [
    { kind: "sent", at: idTime(content.originalMessageId ?? messageId) },
  ];
  if (delivery === undefined) return events;
  const { attempts, origin, receiveCount, state } = delivery;
  const isLeased = state.kind === "leased";
  // The one that runs is one of the last receives, too.
  const kept = isLeased ? attempts.slice(1 - limits.attemptsKeptMax) : attempts;
  const hereCount = Math.min(kept.length, receiveCount - (isLeased ? 1 : 0));
  const arrivedWith = kept.length - hereCount;
  events.push(...kept.slice(0, arrivedWith).flatMap((attempt) => attemptEvents(attempt, delivery)));
  if (origin !== undefined) {
    const { at, deadLetter } = origin;
    events.push(
      deadLetter === undefined
        ? { kind: "moved", at }
        : { kind: "dead_lettered", at, ...deadLetter },
    );
  }
  events.push(...kept.slice(arrivedWith).flatMap((attempt) => attemptEvents(attempt, delivery)));
  if (isLeased) events.push({ kind: "received", at: state.leasedAt, until: state.until });
  // Sorting keeps those of one instant in the order they are listed in.
  return events.sort((left, right) => left.at - right.at);
}

/** A receive that is over, and how it ended. Of rejections only the last one's reason is kept. */
function attemptEvents(
  { leasedAt, endedAt, ending }: Attempt,
  { rejection }: Delivery,
): readonly MessageEvent[] {
  const received = { kind: "received", at: leasedAt, until: undefined } as const;
  if (ending !== "rejected") return [received, { kind: ending, at: endedAt }];
  const reason = rejection?.at === endedAt ? rejection.reason : undefined;
  return [received, { kind: "rejected", at: endedAt, reason }];
}

/** What is in the message's own way. */
function ownObstacles(
  open: OpenQueue,
  head: MessageHead,
  delivery: Delivery | undefined,
): readonly Obstacle[] {
  const { transaction, queue, now } = open;
  const obstacles: Obstacle[] = [];
  if (isExpired(head, queue.settings.retentionMs, now)) obstacles.push({ kind: "expired" });
  if (delivery?.state.kind === "leased") {
    obstacles.push({ kind: "in_flight", until: delivery.state.until });
  } else if (delivery?.state.kind === "delayed") {
    const { until, isBackoff } = delivery.state;
    obstacles.push({ kind: isBackoff ? "backing_off" : "delayed", until });
  } else if (isDelayed(open, head, delivery)) {
    obstacles.push({ kind: "delayed", until: after(head.arrivedAt, queue.settings.delayMs) });
  }
  const isOver = isOverLimit(queue, delivery);
  if (isOver && deadLetterTarget(transaction, queue) !== undefined) {
    obstacles.push({ kind: "dead_letter_due" });
  }
  return obstacles;
}

/** What is in the way of its group or of the whole queue. */
function queueObstacles(open: OpenQueue, head: MessageHead): readonly Obstacle[] {
  const { transaction, queue, counters } = open;
  const { settings } = queue;
  const obstacles: Obstacle[] = [];
  const group = head.groupId === undefined ? undefined : transaction.group(queue, head.groupId);
  if (queue.isFifo) {
    const blocked = blockerOf(open, head);
    if (blocked !== undefined) obstacles.push(blocked);
  }
  const isFull =
    settings.groupInFlightMax > 0 && (group?.inFlight ?? 0) >= settings.groupInFlightMax;
  if (isFull) obstacles.push({ kind: "group_limit" });
  if (counters.inFlight >= settings.inFlightMax) obstacles.push({ kind: "queue_limit" });
  if (settings.isPaused) obstacles.push({ kind: "paused" });
  const { stored, inFlight, delayed, noisyStored, noisyInFlight, noisyDelayed } = counters;
  const quietVisible = stored - inFlight - delayed - (noisyStored - noisyInFlight - noisyDelayed);
  if (group?.isNoisy === true && quietVisible > 0) obstacles.push({ kind: "noisy_group" });
  return obstacles;
}

/** FIFO: the first message of its group before it that is leased or delayed. */
function blockerOf(open: OpenQueue, head: MessageHead): Obstacle | undefined {
  const { transaction, queue } = open;
  const group = transaction.group(queue, head.groupId ?? "");
  if (group === undefined || group.inFlight + group.delayed === 0) return undefined;
  let examined = 0;
  for (const { sequence } of membersInOrder(transaction, queue, group)) {
    if (sequence >= head.sequence || examined === limits.peekExaminedMax) return undefined;
    examined += 1;
    const delivery = transaction.readableDelivery(queue, sequence);
    const isHeld = delivery?.state.kind === "leased" || isDelayed(open, { sequence }, delivery);
    if (!isHeld) continue;
    const message = transaction.readableMessage(queue, sequence);
    const until =
      delivery !== undefined && delivery.state.kind !== "returned"
        ? delivery.state.until
        : after(message?.arrivedAt ?? open.now, queue.settings.delayMs);
    return { kind: "group_blocked", until, blockingMessageId: message?.messageId };
  }
  return undefined;
}

const aheadCountMax = 1_000;

/** How many messages a receive would take before it. FIFO: those of its group; groups take turns. */
function aheadOf(open: OpenQueue, head: MessageHead): number {
  if (!open.queue.isFifo) return countAhead(open, head.sequence, aheadCountMax);
  const { transaction, queue } = open;
  const group = transaction.group(queue, head.groupId ?? "");
  if (group === undefined) return 0;
  let count = 0;
  for (const { sequence } of membersInOrder(transaction, queue, group)) {
    if (sequence >= head.sequence || count === aheadCountMax) break;
    count += 1;
  }
  return count;
}
