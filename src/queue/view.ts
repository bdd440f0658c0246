// What a queue rule may read and record.
//
// A rule ("decision") gets this one object: a view of the state, the committed rows with everything decided before it on
// top, and the place where it records absolute changes. It sees its own changes at once. The engine keeps a journal and
// drops them all when the rule rejects or throws, so a rejected command leaves no trace. A rule cannot await, read a clock
// or reach the store.

import type { EpochMs, Namespace, QueueName, QueueNumber, Sequence } from "../base/brands.js";
import type { Counters, Delivery, Message, MessageHead, Queue } from "./model.js";

/** A message met on the way; `message` is there when reading it cost nothing more. */
export interface PassedMessage {
  readonly head: MessageHead;
  readonly message: Message | undefined;
}

/** A leased or delayed message and the end of its lease or delay. */
export interface DueEntry {
  readonly until: EpochMs;
  readonly sequence: Sequence;
}

/** A message that is visible again and its place among visible messages. */
export interface ReturnedEntry {
  readonly order: Sequence;
  readonly sequence: Sequence;
}

/** A kept result of a call that carried a request id. */
export interface RequestResult {
  readonly payloadHash: Buffer;
  readonly result: Buffer;
  readonly keepUntil: EpochMs;
  /** True once somebody was given it again: from then on its effect belongs to him. */
  readonly wasReplayed: boolean;
}

/** A queue that was deleted a short while ago. */
export interface DeletedQueue {
  readonly namespace: Namespace;
  readonly name: QueueName;
  readonly deletedAt: EpochMs;
}

/** A segment nobody can reach any more, waiting to be removed row by row. */
export interface Garbage {
  readonly slot: number;
  readonly segment: Queue["segment"];
}

export interface QueueView {
  findQueue(namespace: Namespace, name: QueueName): Queue | undefined;
  /** Queues of a namespace in name order, from the first name at or after `from`. */
  queuesFrom(namespace: Namespace, from: string): Iterable<Queue>;
  /** Every queue of every namespace, in order, strictly after the one given. For sweeping. */
  queuesAfter(namespace: string, name: string): Iterable<Queue>;
  counters(queue: Queue): Counters;
  readableCounters(queue: Queue): Counters | undefined;
  /** Throws RecordCorrupt when it cannot be read; so does `delivery`. */
  message(queue: Queue, sequence: Sequence): Message | undefined;
  /** As `message`, for those who pass by many: a corrupt one is reported and skipped, not served. So is `readableDelivery`. */
  readableMessage(queue: Queue, sequence: Sequence): Message | undefined;
  /**
   * All stored messages that can be read, in send order, whatever their state, from the first at or after `from`; of long
   * ones only the head.
   */
  messageHeadsFrom(queue: Queue, from: Sequence): Iterable<PassedMessage>;
  delivery(queue: Queue, sequence: Sequence): Delivery | undefined;
  readableDelivery(queue: Queue, sequence: Sequence): Delivery | undefined;
  /** Leases and delays in the order they end. */
  dueEntries(queue: Queue): Iterable<DueEntry>;
  /** Messages visible again, in the order a receive takes them. */
  returnedEntries(queue: Queue): Iterable<ReturnedEntry>;
  /** When a queue of this name was deleted, if that is remembered. */
  deletedAt(namespace: Namespace, name: QueueName): EpochMs | undefined;
  deletedQueues(): Iterable<DeletedQueue>;
  requestResult(key: string): RequestResult | undefined;
  /** Kept results in the order they may go. */
  requestResultsDue(): Iterable<{ readonly key: string; readonly keepUntil: EpochMs }>;
  garbage(): Iterable<Garbage>;
  /** Rows of a garbage segment, at most `limit`. */
  garbageRows(garbage: Garbage, limit: number): readonly string[];
}

export interface QueueChanges {
  putQueue(queue: Queue): void;
  removeQueue(queue: Queue): void;
  putCounters(queue: Queue, counters: Counters): void;
  insertMessage(queue: Queue, message: Message): void;
  removeMessage(queue: Queue, sequence: Sequence, sizeBytes: number): void;
  /** `previous` is the delivery it replaces, whose index row goes. */
  putDelivery(queue: Queue, delivery: Delivery, previous: Delivery | undefined): void;
  removeDelivery(queue: Queue, delivery: Delivery): void;
  putDeletedQueue(deleted: DeletedQueue): void;
  removeDeletedQueue(deleted: DeletedQueue): void;
  /** For an index row whose delivery cannot be read: it would be due for ever. */
  removeDueEntry(queue: Queue, entry: DueEntry): void;
  putRequestResult(key: string, result: RequestResult): void;
  removeRequestResult(key: string, keepUntil: EpochMs): void;
  addGarbage(garbage: Garbage): void;
  removeGarbage(garbage: Garbage): void;
  removeGarbageRow(key: string): void;
  /** Something in this queue may have become receivable, or the queue is gone: those who wait for it look again. */
  wake(queue: QueueNumber): void;
}

export interface QueueTransaction extends QueueView, QueueChanges {}
