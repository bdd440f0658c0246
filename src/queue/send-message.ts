// SendMessage and its batch: one row a message, at the next place in the queue.

import { after, type DurationMs, sequence } from "../base/brands.js";
import { changeCounters } from "./counters.js";
import type { Counters, Message, MessageContent, Queue } from "./model.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, type QueueRejection, reject } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface SendEntry {
  readonly content: MessageContent;
  /** Body and attributes as counted for the size limit. */
  readonly sizeBytes: number;
  /** Undefined: the queue's. */
  readonly delayMs: DurationMs | undefined;
  /** A field that standard queues do not have, if one was given. */
  readonly unsupportedField?: string | undefined;
}

/** What became of one entry. */
export type SendResult =
  | { readonly kind: "sent"; readonly messageId: Buffer }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

export interface SendMessages {
  readonly address: QueueAddress;
  readonly entries: readonly SendEntry[];
}

/** Appends one message. Refused, it leaves no trace, so that its request id may be used again. */
export function decideSendMessage(
  transaction: QueueTransaction,
  command: { readonly address: QueueAddress; readonly entry: SendEntry },
  stamp: Stamp,
): Decided<readonly SendResult[]> {
  const { address, entry } = command;
  const decided = decideSendMessages(transaction, { address, entries: [entry] }, stamp);
  const [result] = decided.kind === "accepted" ? decided.outcome : [];
  return result?.kind === "refused" ? reject(result.rejection) : decided;
}

/** Appends the entries in order as one step. One that the queue does not take is refused by itself. */
export function decideSendMessages(
  transaction: QueueTransaction,
  command: SendMessages,
  stamp: Stamp,
): Decided<readonly SendResult[]> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  let counters = transaction.counters(queue);
  const results: SendResult[] = [];
  for (const entry of command.entries) {
    const rejection = refusalOf(command.address, queue, entry);
    if (rejection !== undefined) {
      results.push({ kind: "refused", rejection });
      continue;
    }
    const message = newMessage(queue, counters, entry, stamp);
    counters = appendMessage(transaction, queue, counters, message, entry, stamp);
    results.push({ kind: "sent", messageId: message.messageId });
  }
  transaction.putCounters(queue, counters);
  transaction.wake(queue.number);
  return accept(results);
}

function refusalOf(
  address: QueueAddress,
  queue: Queue,
  { sizeBytes, unsupportedField: field }: SendEntry,
): QueueRejection | undefined {
  if (field !== undefined) {
    return { kind: "unsupported_for_queue_type", queue: address.given, field };
  }
  const limitBytes = queue.settings.messageBytesMax;
  return sizeBytes > limitBytes
    ? { kind: "message_too_long", queue: address.given, sizeBytes, limitBytes }
    : undefined;
}

const delayOf = (queue: Queue, entry: SendEntry): DurationMs =>
  entry.delayMs ?? queue.settings.delayMs;

function newMessage(queue: Queue, counters: Counters, entry: SendEntry, stamp: Stamp): Message {
  return {
    sequence: counters.nextSequence,
    messageId: stamp.ids.messageId(stamp.now),
    sentAt: stamp.now,
    sizeBytes: entry.sizeBytes,
    isDelayed: delayOf(queue, entry) > 0,
    content: entry.content,
  };
}

function appendMessage(
  transaction: QueueTransaction,
  queue: Queue,
  counters: Counters,
  message: Message,
  entry: SendEntry,
  stamp: Stamp,
): Counters {
  transaction.insertMessage(queue, message);
  if (message.isDelayed) {
    transaction.putDelivery(
      queue,
      {
        sequence: message.sequence,
        state: { kind: "delayed", until: after(stamp.now, delayOf(queue, entry)) },
        receiveCount: 0,
        ordinal: 0,
        firstReceivedAt: undefined,
        sentAt: message.sentAt,
        sizeBytes: message.sizeBytes,
        rejection: undefined,
      },
      undefined,
    );
  }
  const next = sequence(message.sequence + 1);
  // With nothing fresh before it, a delayed message need not be passed by later receives.
  const isSkipped = message.isDelayed && counters.freshFrom === message.sequence;
  return changeCounters(counters, {
    nextSequence: next,
    freshFrom: isSkipped ? next : counters.freshFrom,
    stored: 1,
    storedBytes: message.sizeBytes,
    delayed: message.isDelayed ? 1 : 0,
    sent: 1,
  });
}
