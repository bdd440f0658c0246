// ReceiveMessage: leases the oldest visible messages.
//
// Visible messages come from two orders: those returned (received before, or their delay ended), indexed by their place,
// and those never received, from the queue's `freshFrom` on, which need no index. The two are merged by place. A receive
// costs two short range reads, however deep the queue is.

import { assert } from "../base/assert.js";
import {
  after,
  type DurationMs,
  type EpochMs,
  type QueueNumber,
  type Sequence,
  sequence,
} from "../base/brands.js";
import { type CountersChange, changeCounters } from "./counters.js";
import { backOfQueueReceiveCount, limits } from "./limits.js";
import type { Counters, Delivery, Message, MessageHead, Queue } from "./model.js";
import type { OutcomeCodec } from "./once.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, reject } from "./rejections.js";
import { endLeasesAndDelays, expireMessage, expireOldest, isExpired } from "./settle.js";
import type { Stamp } from "./stamp.js";
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
}

export interface ReceivedMessage {
  readonly message: Message;
  readonly delivery: Delivery;
  /** What undoing the receive restores. */
  readonly previous: Delivery | undefined;
}

export interface MessagesReceived {
  readonly queue: Queue;
  readonly messages: readonly ReceivedMessage[];
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
  number: QueueNumber,
): Decided<MessagesReceived> | NothingReceivable {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined || queue.number !== number) return notFound(command.address);
  const before = transaction.counters(queue);
  const settled = settleForReceive(transaction, queue, before, command.countMax, stamp.now);
  const countMax = Math.min(command.countMax, queue.settings.inFlightMax - settled.inFlight);
  if (countMax <= 0) {
    return command.isShortPoll
      ? reject({
          kind: "in_flight_limit",
          queue: command.address.given,
          limit: queue.settings.inFlightMax,
        })
      : nothingYet(transaction, queue, settled, before);
  }
  const picked = pickVisible(transaction, queue, settled, { ...command, countMax }, stamp.now);
  if (picked.messages.length === 0) {
    const nothing = nothingYet(transaction, queue, picked.counters, before);
    return picked.isCutShort ? { ...nothing, until: stamp.now } : nothing;
  }
  return accept(leaseAll(transaction, queue, picked, command, stamp));
}

/** Ends leases and delays; near the in-flight limit it also expires messages, whose leases would count otherwise. */
function settleForReceive(
  transaction: QueueTransaction,
  queue: Queue,
  before: Counters,
  countMax: number,
  now: EpochMs,
): Counters {
  const { counters } = endLeasesAndDelays(transaction, queue, before, now);
  return counters.inFlight + countMax <= queue.settings.inFlightMax
    ? counters
    : expireOldest(transaction, queue, counters, now).counters;
}

function nothingYet(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  before: Counters,
): NothingReceivable {
  if (counters !== before) transaction.putCounters(queue, counters);
  let until: EpochMs | undefined;
  if (counters.inFlight > 0 || counters.delayed > 0) {
    for (const entry of transaction.dueEntries(queue)) {
      until = entry.until;
      break;
    }
  }
  return { kind: "nothing_yet", queue: queue.number, until };
}

interface Picked {
  readonly counters: Counters;
  /** True when it passed as much as one receive may; there may be visible messages behind. */
  readonly isCutShort: boolean;
  readonly messages: readonly {
    readonly message: Message;
    readonly previous: Delivery | undefined;
  }[];
}

function pickVisible(
  transaction: QueueTransaction,
  queue: Queue,
  before: Counters,
  bounds: { readonly countMax: number; readonly bytesMax: number },
  now: EpochMs,
): Picked {
  const messages: { message: Message; previous: Delivery | undefined }[] = [];
  const expired: NonNullable<Candidate["head"]>[] = [];
  let bytes = 0;
  let expiredBytes = 0;
  let { freshFrom } = before;
  let passedCount = 0;
  let isCutShort = false;
  let isStopped = false;
  for (const { head, read, delivery, order, isFresh } of candidates(transaction, queue, before)) {
    if (head !== undefined && isExpired(head, queue.settings.retentionMs, now)) {
      expired.push(head);
      expiredBytes += head.sizeBytes;
    } else if (head !== undefined) {
      isStopped = messages.length > 0 && bytes + head.sizeBytes > bounds.bytesMax;
      if (isStopped) break;
      bytes += take(messages, read(), delivery);
    }
    if (isFresh) freshFrom = sequence(order + 1);
    passedCount += 1;
    isCutShort = isEnoughPassed(expired.length, expiredBytes, passedCount);
    isStopped = messages.length === bounds.countMax || isCutShort;
    if (isStopped) break;
  }
  if (!isStopped) freshFrom = before.nextSequence;

  let counters = freshFrom === before.freshFrom ? before : changeCounters(before, { freshFrom });
  for (const head of expired) {
    counters = expireMessage(transaction, queue, counters, head);
  }
  return { counters, messages, isCutShort };
}

/** Takes a message that can be read; returns its size. */
function take(
  messages: { message: Message; previous: Delivery | undefined }[],
  message: Message | undefined,
  previous: Delivery | undefined,
): number {
  if (message === undefined) return 0;
  messages.push({ message, previous });
  return message.sizeBytes;
}

/** Expired messages one receive removes on its way; the sweeper does the rest. */
const expiredInPassingMax = 100;
/** Places one receive looks at, delayed messages among fresh ones for the most part; some 20 ms. */
const passedMax = 10_000;

const isEnoughPassed = (expiredCount: number, expiredBytes: number, passedCount: number): boolean =>
  expiredCount === expiredInPassingMax ||
  expiredBytes >= limits.settleBytesMax ||
  passedCount === passedMax;

interface Candidate {
  /** Its place among visible messages. */
  readonly order: Sequence;
  /** Undefined: a place that need not be looked at again. */
  readonly head: Pick<MessageHead, "sequence" | "sentAt" | "sizeBytes"> | undefined;
  /** The message itself; undefined when it cannot be read. */
  readonly read: () => Message | undefined;
  readonly delivery: Delivery | undefined;
  readonly isFresh: boolean;
}

/** Fresh and returned messages merged by place. Nothing is read before it is asked for. */
function* candidates(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
): Iterable<Candidate> {
  const fresh = freshMessages(transaction, queue, counters)[Symbol.iterator]();
  const returned = returnedMessages(transaction, queue, counters)[Symbol.iterator]();
  try {
    let nextFresh = fresh.next();
    let nextReturned = returned.next();
    for (;;) {
      if (nextFresh.done !== true && !(nextReturned.value?.order < nextFresh.value.order)) {
        yield nextFresh.value;
        nextFresh = fresh.next();
      } else if (nextReturned.done !== true) {
        yield nextReturned.value;
        nextReturned = returned.next();
      } else return;
    }
  } finally {
    // Read by hand, so closed by hand: an open range holds a reader of the store, and with it every page freed since.
    fresh.return?.();
    returned.return?.();
  }
}

/** Messages not received since they were sent; a delayed one is only a place to pass, once. */
function* freshMessages(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
): Iterable<Candidate> {
  if (counters.freshFrom >= counters.nextSequence) return;
  for (const { head, message } of transaction.messageHeadsFrom(queue, counters.freshFrom)) {
    yield {
      order: head.sequence,
      head: head.isDelayed ? undefined : head,
      read: () => message ?? transaction.readableMessage(queue, head.sequence),
      delivery: undefined,
      isFresh: true,
    };
  }
}

function* returnedMessages(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
): Iterable<Candidate> {
  // Every message is fresh, in flight, delayed or returned; with none stored besides the first three there is none.
  if (counters.stored === counters.inFlight + counters.delayed) return;
  for (const { order, sequence: place } of transaction.returnedEntries(queue)) {
    // Its delivery knows what a head would say. One that cannot be read has lost its count: the message is not served.
    const delivery = transaction.readableDelivery(queue, place);
    const read = (): Message | undefined => transaction.readableMessage(queue, place);
    yield { order, head: delivery, read, delivery, isFresh: false };
  }
}

function leaseAll(
  transaction: QueueTransaction,
  queue: Queue,
  picked: Picked,
  command: ReceiveMessages,
  stamp: Stamp,
): MessagesReceived {
  const timeoutMs = Math.max(
    command.visibilityTimeoutMs ?? queue.settings.visibilityTimeoutMs,
    command.visibilityTimeoutMsMin ?? 0,
  ) as DurationMs;
  const { now } = stamp;
  let { nextSequence } = picked.counters;
  const messages: ReceivedMessage[] = [];
  for (const { message, previous } of picked.messages) {
    const receiveCount = (previous?.receiveCount ?? 0) + 1;
    let state: Delivery["state"];
    if (timeoutMs > 0) {
      state = { kind: "leased", until: after(now, timeoutMs), leasedAt: now };
    } else if (receiveCount >= backOfQueueReceiveCount) {
      state = { kind: "returned", order: nextSequence };
      nextSequence = sequence(nextSequence + 1);
    } else {
      state = { kind: "returned", order: message.sequence };
    }
    const delivery: Delivery = {
      sequence: message.sequence,
      state,
      receiveCount,
      ordinal: (previous?.ordinal ?? 0) + 1,
      firstReceivedAt: previous?.firstReceivedAt ?? now,
      sentAt: message.sentAt,
      sizeBytes: message.sizeBytes,
      rejection: previous?.rejection,
    };
    transaction.putDelivery(queue, delivery, previous);
    messages.push({ message, delivery, previous });
  }
  const change: CountersChange = {
    nextSequence,
    inFlight: timeoutMs > 0 ? messages.length : 0,
    received: messages.length,
  };
  transaction.putCounters(queue, changeCounters(picked.counters, change));
  return { queue, messages };
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
          messages.push({ message, delivery, previous: beforeReceive(delivery) });
        }
      }
      return { queue, messages };
    },
  };
}

/** What a receive found, as far as its delivery tells; enough to undo it. */
function beforeReceive(delivery: Delivery): Delivery | undefined {
  const { receiveCount, sequence: order } = delivery;
  return receiveCount === 1
    ? undefined
    : { ...delivery, receiveCount: receiveCount - 1, state: { kind: "returned", order } };
}

/** A receive whose answer could not be handed over: everything is as it was before it, save that handles are used up. */
export interface UndoReceive {
  readonly address: QueueAddress;
  readonly number: QueueNumber;
  readonly messages: readonly ReceivedMessage[];
  /** The kept result of the receive, which must not be repeated. */
  readonly requestKey: string | undefined;
}

export function decideUndoReceive(
  transaction: QueueTransaction,
  command: UndoReceive,
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
  let counters = transaction.counters(queue);
  let undoneCount = 0;
  for (const { delivery: given, previous } of command.messages) {
    const current = transaction.delivery(queue, given.sequence);
    // Gone, received again, or undone before.
    const isSameReceive =
      current?.ordinal === given.ordinal && current.receiveCount === given.receiveCount;
    if (current === undefined || !isSameReceive) continue;
    transaction.putDelivery(
      queue,
      {
        ...current,
        state:
          previous?.state.kind === "returned"
            ? previous.state
            : { kind: "returned", order: given.sequence },
        receiveCount: previous?.receiveCount ?? 0,
        firstReceivedAt: previous?.firstReceivedAt,
      },
      current,
    );
    counters = changeCounters(counters, {
      inFlight: current.state.kind === "leased" ? -1 : 0,
      received: -1,
    });
    undoneCount += 1;
  }
  if (undoneCount > 0) {
    transaction.putCounters(queue, counters);
    transaction.wake(queue.number);
  }
  return accept({ undoneCount });
}
