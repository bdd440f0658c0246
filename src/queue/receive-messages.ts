// ReceiveMessage: leases the messages whose turn it is.
//
// Which those are is decided by `pick-visible.ts` for standard queues and by `pick-groups.ts` for FIFO queues; either reads a
// few short ranges, however deep the queue is. Messages that were delivered too often, or are expired, are cleared out of the
// way by the same receive.

import { assert } from "../base/assert.js";
import {
  after,
  type DurationMs,
  type EpochMs,
  epochMs,
  type QueueNumber,
  sequence,
  type WaitPlace,
} from "../base/brands.js";
import { never } from "./counters.js";
import { deadLetterTarget, moveToDeadLetters } from "./dead-letters.js";
import { reviewGroup } from "./groups.js";
import type { Delivery, Queue } from "./model.js";
import type { OutcomeCodec } from "./once.js";
import { OpenQueue, ownPlace } from "./open-queue.js";
import type { PickBounds, Picked } from "./pick.js";
import { pickFromGroups } from "./pick-groups.js";
import { pickVisible } from "./pick-visible.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import {
  type AttemptCommand,
  forgetAttempt,
  rememberAttempt,
  repeatAttempt,
} from "./receive-attempts.js";
import type { MessagesReceived, ReceivedMessage } from "./received.js";
import { accept, type Decided, reject } from "./rejections.js";
import { catchUp, expire, expireAll } from "./settle.js";
import type { Stamp } from "./stamp.js";
import { isExpired, lease, undoLease } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

export interface ReceiveMessages {
  readonly address: QueueAddress;
  readonly countMax: number;
  /** Bytes of messages to return at most, save that one always is. */
  readonly bytesMax: number;
  /** Undefined: the queue's. */
  readonly visibilityTimeoutMs: DurationMs | undefined;
  /** The shortest lease, where the queue's default is shorter. */
  readonly visibilityTimeoutMsMin?: DurationMs;
  /** True when a full queue (`max_in_flight`) is refused instead of waited for. */
  readonly isShortPoll: boolean;
  /** FIFO: a receive attempt id; undefined: none was given. */
  readonly attemptId?: string | undefined;
}

export interface NothingReceivable {
  readonly kind: "nothing_yet";
  readonly queue: QueueNumber;
  readonly until: EpochMs | undefined;
}

export function decideReceiveMessages(
  transaction: QueueTransaction,
  command: ReceiveMessages,
  stamp: Stamp,
  number: WaitPlace,
): Decided<MessagesReceived> | NothingReceivable {
  const { address } = command;
  const queue = findQueue(transaction, address);
  if (queue === undefined || queue.number !== number) return notFound(address);
  if (command.attemptId !== undefined && !queue.isFifo) {
    const field = "receive_attempt_id";
    return reject({
      kind: "unsupported_for_queue_type",
      queue: address.given,
      isFifo: false,
      field,
    });
  }
  const open = new OpenQueue(transaction, queue, stamp);
  catchUpFully(open);
  const timeoutMs = timeoutOf(queue, command);
  const attempt: AttemptCommand | undefined =
    command.attemptId === undefined
      ? undefined
      : { attemptId: command.attemptId, given: address.given, timeoutMs };
  const repeated = attempt && repeatAttempt(open, attempt);
  if (repeated !== undefined) return repeated;
  if (queue.settings.isPaused) return nothingYet(open, "paused");
  if (open.counters.delayBackTo !== 0) return nothingYet(open, "more");
  const countMax = countAllowed(open, command.countMax);
  if (countMax <= 0) {
    const isRefused = command.isShortPoll && !queue.isFifo;
    const limit = queue.settings.inFlightMax;
    return isRefused
      ? reject({ kind: "in_flight_limit", queue: address.given, limit })
      : nothingYet(open, "full");
  }
  const picked = pick(open, { countMax, bytesMax: command.bytesMax });
  clear(open, picked);
  if (picked.messages.length === 0) {
    // What it sent to the back of this very queue is not for this look, but for whoever looks next: for one that waits, itself.
    const hasSentBack = picked.overLimit.length > 0 && isOwnTarget(queue);
    const isMore = picked.isCutShort || (hasSentBack && !command.isShortPoll);
    return nothingYet(open, isMore ? "more" : "empty");
  }
  const messages = picked.messages.map(({ message, previous }) => ({
    message,
    delivery: lease(open, message, previous, timeoutMs),
    previous,
  }));
  open.change({ received: messages.length });
  if (attempt !== undefined) rememberAttempt(open, attempt, messages);
  open.close();
  return accept({ queue, messages });
}

/**
 * A group of a FIFO queue gives what stands before its first lease, so of many leases that have ended one that is not settled
 * would hide what is behind it. Of a standard queue a part is as good as all.
 */
function catchUpFully(open: OpenQueue): void {
  const stepsMax = open.queue.isFifo ? fifoStepsMax : 1;
  for (let step = 0; step < stepsMax; step += 1) if (!catchUp(open)) return;
}

/** Some 50 ms when 10,000 leases end at once; what is left then comes with the next receive. */
const fifoStepsMax = 10;

const timeoutOf = ({ settings }: Queue, command: ReceiveMessages): DurationMs =>
  Math.max(
    command.visibilityTimeoutMs ?? settings.visibilityTimeoutMs,
    command.visibilityTimeoutMsMin ?? 0,
  ) as DurationMs;

/** How many the in-flight limit leaves. Near it, messages that have expired make room first: their leases would count. */
function countAllowed(open: OpenQueue, countMax: number): number {
  const { inFlightMax } = open.queue.settings;
  if (open.counters.inFlight + countMax > inFlightMax) expireAll(open);
  return Math.min(countMax, inFlightMax - open.counters.inFlight);
}

const pick = (open: OpenQueue, bounds: PickBounds): Picked => {
  const target = deadLetterTarget(open.transaction, open.queue);
  const wanted = { ...bounds, hasDeadLetterTarget: target !== undefined };
  return open.queue.isFifo ? pickFromGroups(open, wanted) : pickVisible(open, wanted);
};

/** Does away with what was met and is not to be delivered. */
function clear(open: OpenQueue, picked: Picked): void {
  const { transaction, queue } = open;
  if (picked.freshFrom > open.counters.freshFrom) open.change({ freshFrom: picked.freshFrom });
  if (picked.turnFrom > open.counters.turnFrom) open.change({ turnFrom: picked.turnFrom });
  for (const message of picked.expired) expire(open, message);
  const target = deadLetterTarget(transaction, queue);
  if (target !== undefined) {
    for (const { message, delivery } of picked.overLimit) {
      moveToDeadLetters(open, target, message, delivery, "max_receives");
    }
  }
  if (picked.targetMissingCount > 0) open.change({ targetMissing: picked.targetMissingCount });
  for (const id of picked.staleGroups) reviewGroup(open, id);
}

/** Its dead letters are at its own back, to be delivered like any other. */
const isOwnTarget = ({ name, settings }: Queue): boolean =>
  settings.redrive?.deadLetterQueue === name;

/** Leaves things as they are now, and says when to look again. */
function nothingYet(open: OpenQueue, why: "empty" | "full" | "paused" | "more"): NothingReceivable {
  open.close();
  const { number } = open.queue;
  if (why === "more") return { kind: "nothing_yet", queue: number, until: open.now };
  return { kind: "nothing_yet", queue: number, until: nextChange(open) };
}

/** When time next makes a message deliverable, or might; undefined: only somebody's call can. */
function nextChange(open: OpenQueue): EpochMs | undefined {
  const { transaction, queue, counters } = open;
  let next: number = counters.dueAt;
  if (counters.dueFrom < counters.nextSequence) {
    for (const { head } of transaction.messageHeadsFrom(queue, counters.dueFrom)) {
      next = Math.min(next, after(head.arrivedAt, queue.settings.delayMs));
      break;
    }
  }
  next = Math.min(next, counters.joinsAt);
  // A message that is over lets its group go on.
  if (queue.isFifo) next = Math.min(next, counters.expiryAt);
  return next === never ? undefined : epochMs(next);
}

/**
 * What is kept of a receive with a request id: which receives they were. A repeat finds those whose lease still runs; the
 * others have been deleted, or belong to somebody else by now.
 */
export function receiveResultCodec(
  transaction: QueueTransaction,
  address: QueueAddress,
  now: EpochMs,
): OutcomeCodec<MessagesReceived | undefined> {
  return {
    encode: (outcome) => {
      assert(outcome !== undefined, "a receive that found its queue has an outcome");
      const bytes = Buffer.alloc(8 + outcome.messages.length * 12);
      bytes.writeBigUInt64BE(BigInt(outcome.queue.segment));
      outcome.messages.forEach(({ delivery }, index) => {
        bytes.writeBigUInt64BE(BigInt(delivery.sequence), 8 + index * 12);
        bytes.writeUInt32BE(delivery.ordinal, 16 + index * 12);
      });
      return bytes;
    },
    decode: (bytes) => {
      const queue = findQueue(transaction, address);
      if (queue === undefined) return undefined;
      const messages: ReceivedMessage[] = [];
      if (bytes.readBigUInt64BE(0) === BigInt(queue.segment)) {
        for (let at = 8; at < bytes.length; at += 12) {
          const place = sequence(Number(bytes.readBigUInt64BE(at)));
          const delivery = transaction.delivery(queue, place);
          const message = transaction.message(queue, place);
          if (message === undefined || delivery?.ordinal !== bytes.readUInt32BE(at + 8)) continue;
          const isHeld = delivery.state.kind === "leased" && delivery.state.until > now;
          if (!isHeld || isExpired(message, queue.settings.retentionMs, now)) continue;
          messages.push({ message, delivery, previous: beforeReceive(queue, delivery) });
        }
      }
      return { queue, messages };
    },
  };
}

/** What a receive found, as far as its delivery tells; enough to undo it. */
function beforeReceive(queue: Queue, delivery: Delivery): Delivery | undefined {
  const { receiveCount, earlierReceives } = delivery;
  if (receiveCount === 1 && earlierReceives === 0) return undefined;
  const state = { kind: "returned", place: ownPlace(queue, delivery) } as const;
  return { ...delivery, receiveCount: receiveCount - 1, state };
}

/** A receive whose answer could not be handed over: everything is as it was before it, save that handles are used up. */
export interface UndoReceive {
  readonly address: QueueAddress;
  readonly number: QueueNumber;
  readonly messages: readonly ReceivedMessage[];
  /** The kept result of the receive, which must not be repeated. */
  readonly requestKey: string | undefined;
  /** The attempt id of the receive, which is free again. */
  readonly attemptId?: string | undefined;
}

export function decideUndoReceive(
  transaction: QueueTransaction,
  command: UndoReceive,
  stamp: Stamp,
): Decided<{ readonly undoneCount: number }> {
  const kept =
    command.requestKey === undefined ? undefined : transaction.requestResult(command.requestKey);
  // The caller came back for it with its request id: the messages are his.
  if (kept?.wasReplayed === true) return accept({ undoneCount: 0 });
  if (command.requestKey !== undefined && kept !== undefined) {
    transaction.removeRequestResult(command.requestKey, kept.keepUntil);
  }
  const queue = findQueue(transaction, command.address);
  if (queue === undefined || queue.number !== command.number) return accept({ undoneCount: 0 });
  const open = new OpenQueue(transaction, queue, stamp);
  if (command.attemptId !== undefined && !forgetAttempt(open, command.attemptId)) {
    return accept({ undoneCount: 0 });
  }
  let undoneCount = 0;
  for (const { delivery: given, previous } of command.messages) {
    const current = transaction.delivery(queue, given.sequence);
    // Gone, received again, or undone before.
    const isSameReceive =
      current?.ordinal === given.ordinal && current.receiveCount === given.receiveCount;
    if (current === undefined || !isSameReceive || current.state.kind === "delayed") continue;
    undoLease(open, current, previous);
    undoneCount += 1;
  }
  if (undoneCount > 0) {
    open.change({ received: -undoneCount });
    open.close();
    transaction.wake(queue.number);
  }
  return accept({ undoneCount });
}
