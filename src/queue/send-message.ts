// SendMessage and its batch: each message at the next place in the queue, or, with a time to come, beside it.

import { after, type DurationMs, type EpochMs, type Sequence } from "../base/brands.js";
import { dedupIdOf, findOriginal, remember } from "./deduplication.js";
import type { MessageContent, Queue } from "./model.js";
import { OpenQueue } from "./open-queue.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, type QueueRejection, reject } from "./rejections.js";
import { letJoin } from "./scheduled-messages.js";
import type { Stamp } from "./stamp.js";
import { admit } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

export interface SendEntry {
  readonly content: MessageContent;
  /** Body and attributes as counted for the size limit. */
  readonly sizeBytes: number;
  /** Undefined: the queue's. */
  readonly delayMs: DurationMs | undefined;
  /** Undefined, or a time that has come: at once. */
  readonly deliverAt?: EpochMs | undefined;
  readonly timeToLiveMs?: DurationMs | undefined;
  /** 0 to 9; undefined: 0. */
  readonly priority?: number | undefined;
  /** Where the entry stands in the request, for naming its fields: empty, or as `entries[3].`. */
  readonly fieldPrefix?: string;
}

/** What became of one entry. */
export type SendResult =
  | {
      readonly kind: "sent";
      readonly messageId: Buffer;
      /** FIFO queues: its place, unless its time is to come. */
      readonly sequence: Sequence | undefined;
      readonly isDuplicate: boolean;
    }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

export interface SendMessages {
  readonly address: QueueAddress;
  readonly entries: readonly SendEntry[];
  /** True when an entry that lacks what a FIFO queue needs refuses them all, as SQS does for a batch. */
  readonly isWhole?: boolean;
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
  const { address, entries } = command;
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  if (command.isWhole === true) {
    const fields = entries.flatMap((entry) => neededFields(queue, entry));
    if (fields.length > 0)
      return reject({ kind: "parameter_needed", queue: address.given, fields });
  }
  const open = new OpenQueue(transaction, queue, stamp);
  // What was sent for a time that has come stands before what is sent now.
  letJoin(open);
  const results = entries.map((entry): SendResult => {
    const rejection = refusalOf(address, queue, entry);
    return rejection === undefined ? sendEntry(open, entry) : { kind: "refused", rejection };
  });
  open.close();
  if (results.some((result) => result.kind === "sent" && !result.isDuplicate)) {
    transaction.wake(queue.number);
  }
  return accept(results);
}

/** Why a queue does not take a message. */
export function refusalOf(
  address: QueueAddress,
  queue: Queue,
  entry: SendEntry,
): QueueRejection | undefined {
  const field = unsupportedField(queue, entry);
  if (field !== undefined) {
    return {
      kind: "unsupported_for_queue_type",
      queue: address.given,
      isFifo: queue.isFifo,
      field: `${entry.fieldPrefix ?? ""}${field}`,
    };
  }
  const fields = neededFields(queue, entry);
  if (fields.length > 0) return { kind: "parameter_needed", queue: address.given, fields };
  const limitBytes = queue.settings.messageBytesMax;
  return entry.sizeBytes > limitBytes
    ? { kind: "message_too_long", queue: address.given, sizeBytes: entry.sizeBytes, limitBytes }
    : undefined;
}

/** A field given that this type of queue does not have. */
function unsupportedField(queue: Queue, entry: SendEntry): string | undefined {
  if (queue.isFifo) {
    if (entry.delayMs !== undefined && entry.delayMs > 0) return "delay";
    return (entry.priority ?? 0) > 0 ? "priority" : undefined;
  }
  const hasWindow = queue.settings.dedupWindowMs > 0;
  return entry.content.dedupId !== undefined && !hasWindow ? "dedup_id" : undefined;
}

/** Fields not given that a FIFO queue needs. */
function neededFields(queue: Queue, { content, fieldPrefix = "" }: SendEntry): readonly string[] {
  if (!queue.isFifo) return noFields;
  const fields: string[] = [];
  if (content.groupId === undefined) fields.push(`${fieldPrefix}group_id`);
  if (content.dedupId === undefined && !queue.settings.isContentDeduplicated) {
    fields.push(`${fieldPrefix}dedup_id`);
  }
  return fields;
}

const noFields: readonly string[] = [];

/** Appends a message that nothing speaks against (`refusalOf`), unless it is a duplicate. */
export function sendEntry(
  open: OpenQueue,
  entry: SendEntry,
): Extract<SendResult, { kind: "sent" }> {
  const { queue, now } = open;
  const { dedupId: given, groupId } = entry.content;
  const dedupId = queue.isFifo || given !== undefined ? dedupIdOf(queue, entry.content) : undefined;
  if (dedupId === undefined) return deliver(open, entry, entry.content);
  const original = findOriginal(open, dedupId, groupId);
  if (original !== undefined) {
    open.change({ deduplicated: 1 });
    const { messageId, sequence } = original;
    return { kind: "sent", messageId, sequence, isDuplicate: true };
  }
  const content = given === dedupId ? entry.content : { ...entry.content, dedupId };
  const sent = deliver(open, entry, content);
  const { messageId, sequence } = sent;
  // With no window nothing is remembered, and nothing is a duplicate.
  if (queue.settings.dedupWindowMs > 0) {
    remember(open, dedupId, { at: now, groupId, messageId, sequence });
  }
  return sent;
}

function deliver(
  open: OpenQueue,
  entry: SendEntry,
  content: MessageContent,
): Extract<SendResult, { kind: "sent" }> {
  const { transaction, queue, stamp, now } = open;
  const { deliverAt, timeToLiveMs, sizeBytes, priority = 0 } = entry;
  if (deliverAt !== undefined && deliverAt > now) {
    const messageId = stamp.ids.messageId(deliverAt);
    transaction.insertScheduled(queue, {
      messageId,
      deliverAt,
      acceptedAt: now,
      timeToLiveMs,
      sizeBytes,
      priority,
      content,
    });
    open.change({ scheduled: 1 });
    if (deliverAt < open.counters.joinsAt) open.change({ joinsAt: deliverAt });
    return { kind: "sent", messageId, sequence: undefined, isDuplicate: false };
  }
  const messageId = stamp.ids.messageId(now);
  const delayMs = entry.delayMs ?? queue.settings.delayMs;
  const message = admit(open, {
    messageId,
    sentAt: now,
    expiresAt: timeToLiveMs === undefined ? undefined : after(now, timeToLiveMs),
    sizeBytes,
    priority,
    content,
    dueAt: delayMs > 0 ? after(now, delayMs) : undefined,
    hasOldId: false,
    past: undefined,
  });
  open.change({ sent: 1 });
  return {
    kind: "sent",
    messageId,
    sequence: queue.isFifo ? message.sequence : undefined,
    isDuplicate: false,
  };
}
