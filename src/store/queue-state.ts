// The queue's view of the rows: the only place that knows which rows a queue, a message and a delivery are made of, and
// that an index row must come and go with the delivery it points to.

import type { EpochMs, Namespace, QueueName, QueueNumber, Sequence } from "../base/brands.js";
import type { Counters, Delivery, Message, Queue } from "../queue/model.js";
import type {
  DeletedQueue,
  DueEntry,
  Garbage,
  PassedMessage,
  QueueTransaction,
  RequestResult,
  ReturnedEntry,
} from "../queue/view.js";
import {
  countersKey,
  deletedQueueKey,
  deliveryKey,
  dueKey,
  endOfPrefix,
  garbageKey,
  messageKey,
  queueKey,
  requestDueKey,
  requestKey,
  returnedKey,
  segmentPrefix,
  u64At,
} from "./keys.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";

/** A message whose counted size is below this fits a page with all that surrounds it (attribute framing, ids). */
const surelyWholeBytes = 6_000;

/** Segments looked at in one step of the reaper. */
const garbagePage = 16;

const prefixOf = (queue: Queue): string => segmentPrefix(queue.slot, queue.segment);

export class QueueState implements QueueTransaction {
  readonly #rows: RowAccess;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  findQueue(namespace: Namespace, name: QueueName): Queue | undefined {
    return this.#rows.get(tables.queue, queueKey(namespace, name));
  }

  *queuesFrom(namespace: Namespace, from: string): Iterable<Queue> {
    const all = endOfPrefix(queueKey(namespace, ""));
    for (const { row } of this.#rows.range(tables.queue, queueKey(namespace, from), all)) yield row;
  }

  *queuesAfter(namespace: string, name: string): Iterable<Queue> {
    const last = queueKey(namespace, name);
    for (const { key, row } of this.#rows.range(tables.queue, last, "\x81")) {
      if (key !== last) yield row;
    }
  }

  counters(queue: Queue): Counters {
    return this.#rows.get(tables.counters, countersKey(prefixOf(queue))) ?? freshCounters;
  }

  readableCounters(queue: Queue): Counters | undefined {
    return this.#rows.getReadable(tables.counters, countersKey(prefixOf(queue)));
  }

  message(queue: Queue, sequence: Sequence): Message | undefined {
    return this.#rows.get(tables.message, messageKey(prefixOf(queue), sequence));
  }

  readableMessage(queue: Queue, sequence: Sequence): Message | undefined {
    return this.#rows.getReadable(tables.message, messageKey(prefixOf(queue), sequence));
  }

  *messageHeadsFrom(queue: Queue, from: Sequence): Iterable<PassedMessage> {
    const prefix = prefixOf(queue);
    const start = messageKey(prefix, from);
    for (const { head, row } of this.#rows.heads(tables.message, start, `${prefix}n`)) {
      yield { head, message: row };
    }
  }

  delivery(queue: Queue, sequence: Sequence): Delivery | undefined {
    return this.#rows.get(tables.delivery, deliveryKey(prefixOf(queue), sequence));
  }

  readableDelivery(queue: Queue, sequence: Sequence): Delivery | undefined {
    return this.#rows.getReadable(tables.delivery, deliveryKey(prefixOf(queue), sequence));
  }

  *dueEntries(queue: Queue): Iterable<DueEntry> {
    const prefix = prefixOf(queue);
    for (const { key } of this.#rows.range(tables.due, `${prefix}d`, `${prefix}e`)) {
      yield {
        until: u64At(key, key.length - 16) as EpochMs,
        sequence: u64At(key, key.length - 8) as Sequence,
      };
    }
  }

  *returnedEntries(queue: Queue): Iterable<ReturnedEntry> {
    const prefix = prefixOf(queue);
    for (const { key } of this.#rows.range(tables.returned, `${prefix}r`, `${prefix}s`)) {
      yield {
        order: u64At(key, key.length - 16) as Sequence,
        sequence: u64At(key, key.length - 8) as Sequence,
      };
    }
  }

  deletedAt(namespace: Namespace, name: QueueName): EpochMs | undefined {
    return this.#rows.get(tables.deletedQueue, deletedQueueKey(namespace, name)) as
      | EpochMs
      | undefined;
  }

  *deletedQueues(): Iterable<DeletedQueue> {
    for (const { key, row } of this.#rows.range(tables.deletedQueue, "\x85", "\x86")) {
      const split = key.indexOf("\x00");
      yield {
        namespace: key.slice(1, split) as Namespace,
        name: key.slice(split + 1) as QueueName,
        deletedAt: row as EpochMs,
      };
    }
  }

  requestResult(key: string): RequestResult | undefined {
    return this.#rows.get(tables.request, requestKey(key));
  }

  *requestResultsDue(): Iterable<{ readonly key: string; readonly keepUntil: EpochMs }> {
    for (const { key } of this.#rows.range(tables.requestDue, "\x83", "\x84")) {
      yield { key: key.slice(9), keepUntil: u64At(key, 1) as EpochMs };
    }
  }

  // Only committed garbage: records commit in order, so every row of its segment is then in the store, and the segment is
  // empty when no row is found.
  *garbage(): Iterable<Garbage> {
    for (const key of this.#rows.committedKeys("\x81", "\x82", garbagePage)) {
      yield {
        slot: key.charCodeAt(1) * 256 + key.charCodeAt(2),
        segment: u64At(key, 3) as Queue["segment"],
      };
    }
  }

  garbageRows(garbage: Garbage, limit: number): readonly string[] {
    const prefix = segmentPrefix(garbage.slot, garbage.segment);
    return this.#rows.committedKeys(prefix, `${prefix}\xff`, limit);
  }

  putQueue(queue: Queue): void {
    this.#rows.put(tables.queue, queueKey(queue.namespace, queue.name), queue);
  }

  removeQueue(queue: Queue): void {
    this.#rows.remove(tables.queue, queueKey(queue.namespace, queue.name), true);
  }

  putCounters(queue: Queue, counters: Counters): void {
    this.#rows.put(tables.counters, countersKey(prefixOf(queue)), counters);
  }

  insertMessage(queue: Queue, message: Message): void {
    this.#rows.insert(tables.message, messageKey(prefixOf(queue), message.sequence), message);
  }

  removeMessage(queue: Queue, sequence: Sequence, sizeBytes: number): void {
    const key = messageKey(prefixOf(queue), sequence);
    this.#rows.remove(tables.message, key, sizeBytes >= surelyWholeBytes);
  }

  putDelivery(queue: Queue, delivery: Delivery, previous: Delivery | undefined): void {
    const prefix = prefixOf(queue);
    if (previous !== undefined) this.#removeIndex(prefix, previous);
    const { sequence, state } = delivery;
    this.#rows.put(tables.delivery, deliveryKey(prefix, sequence), delivery);
    if (state.kind === "returned") {
      this.#rows.put(tables.returned, returnedKey(prefix, state.order, sequence), true);
    } else {
      this.#rows.put(tables.due, dueKey(prefix, state.until, sequence), true);
    }
  }

  // A delivery always fits a page: a rejection's text has at most 4 KiB and its reason 128 characters.
  removeDelivery(queue: Queue, delivery: Delivery): void {
    const prefix = prefixOf(queue);
    this.#removeIndex(prefix, delivery);
    this.#rows.remove(tables.delivery, deliveryKey(prefix, delivery.sequence), false);
  }

  #removeIndex(prefix: string, { sequence, state }: Delivery): void {
    if (state.kind === "returned") {
      this.#rows.remove(tables.returned, returnedKey(prefix, state.order, sequence), false);
    } else {
      this.#rows.remove(tables.due, dueKey(prefix, state.until, sequence), false);
    }
  }

  removeDueEntry(queue: Queue, { until, sequence }: DueEntry): void {
    this.#rows.remove(tables.due, dueKey(prefixOf(queue), until, sequence), false);
  }

  putDeletedQueue({ namespace, name, deletedAt }: DeletedQueue): void {
    this.#rows.put(tables.deletedQueue, deletedQueueKey(namespace, name), deletedAt);
  }

  removeDeletedQueue({ namespace, name }: DeletedQueue): void {
    this.#rows.remove(tables.deletedQueue, deletedQueueKey(namespace, name), false);
  }

  putRequestResult(key: string, result: RequestResult): void {
    this.#rows.put(tables.request, requestKey(key), result);
    this.#rows.put(tables.requestDue, requestDueKey(result.keepUntil, key), true);
  }

  removeRequestResult(key: string, keepUntil: EpochMs): void {
    this.#rows.remove(tables.request, requestKey(key), true);
    this.#rows.remove(tables.requestDue, requestDueKey(keepUntil, key), false);
  }

  addGarbage(garbage: Garbage): void {
    this.#rows.put(tables.garbage, garbageKey(garbage.slot, garbage.segment), true);
  }

  removeGarbage(garbage: Garbage): void {
    this.#rows.remove(tables.garbage, garbageKey(garbage.slot, garbage.segment), false);
  }

  removeGarbageRow(key: string): void {
    this.#rows.remove(tables.raw, key, false);
  }

  wake(queue: QueueNumber): void {
    this.#rows.wake(queue);
  }
}

const zero = 0 as Sequence;

const freshCounters: Counters = {
  nextSequence: zero,
  freshFrom: zero,
  stored: 0,
  storedBytes: 0,
  inFlight: 0,
  delayed: 0,
  sent: 0,
  received: 0,
  deleted: 0,
  expired: 0,
  purged: 0,
};
