// The queue's view of the rows: the only place that knows which rows a queue, a message and a delivery are made of, and
// that an index row must come and go with the delivery it points to.

import type { EpochMs, Namespace, QueueName, QueueNumber, Sequence } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { type CacheTransaction, type Evictions, noEvictions } from "../cache/view.js";
import type {
  Counters,
  DedupEntry,
  Delivery,
  Group,
  Member,
  Message,
  MessageTraits,
  Place,
  Queue,
  ReceiveAttempt,
  ScheduledMessage,
} from "../queue/model.js";
import type { MoveOrder, MoveTask, MoveTaskId } from "../queue/move-task.js";
import type { DueSchedule, Schedule, ScheduleState } from "../queue/schedule-model.js";
import type {
  DeletedQueue,
  DueEntry,
  Garbage,
  NamedState,
  PassedMessage,
  QueueNames,
  RememberedKey,
  RequestResult,
  ReturnedEntry,
  ScheduledHead,
  ScheduledPosition,
  TimedEntry,
} from "../queue/view.js";
import type { StateTransaction, TopicTransaction } from "../topic/view.js";
import { CacheState } from "./cache-state.js";
import {
  attemptKey,
  countersKey,
  deadLetterSourceKey,
  dedupKey,
  deletedQueueKey,
  deliveryKey,
  dueKey,
  endOfPrefix,
  garbageKey,
  groupKey,
  lateKey,
  lineKey,
  linePrefixLength,
  lines,
  memberKey,
  membersPrefix,
  messageKey,
  moveOrderKey,
  moveTaskKey,
  moveTasksFrom,
  ownExpiryKey,
  queueKey,
  requestDueKey,
  requestKey,
  returnedKey,
  scheduleDueKey,
  scheduleDueNamesAt,
  scheduledKey,
  scheduleKey,
  scheduleNames,
  scheduleStateKey,
  segmentPrefix,
  u64At,
  u64Text,
} from "./keys.js";
import type { RowAccess } from "./row-access.js";
import { noCounters, type Table, tables } from "./tables.js";
import { TopicState } from "./topic-state.js";

/** A message whose counted size is below this fits one value with all that surrounds it (attribute framing, ids). */
const surelyWholeBytes = 1_700;
/** A rejection's text, in characters, with which a delivery surely fits one value. */
const surelyWholeCharacters = 700;

/** Of a delivery all is short but the text of a rejection, of up to 4 KiB. */
const mayBeChunked = ({ rejection }: Delivery): boolean =>
  rejection !== undefined && rejection.error.length > surelyWholeCharacters;

/** Segments looked at in one step of the reaper. */
const garbagePage = 16;

/** Of a schedule: its keys name the queue, so that they outlive a purge. */
const namesOf = ({ namespace, name: queue }: QueueNames, name: string): string =>
  scheduleNames({ namespace, queue, name });

export class QueueState implements StateTransaction {
  readonly topics: TopicTransaction;
  readonly caches: CacheTransaction;
  readonly #rows: RowAccess;
  /** The queue whose prefix was made last. */
  #prefixed: { readonly queue: Queue | undefined; readonly prefix: string } = {
    queue: undefined,
    prefix: "",
  };

  constructor(rows: RowAccess, evictions: Evictions = noEvictions) {
    this.#rows = rows;
    this.topics = new TopicState(rows);
    this.caches = new CacheState(rows, evictions);
  }

  /** Every row of a segment is read and written through it, mostly many of one queue in a row. */
  #prefixOf(queue: Queue): string {
    if (queue !== this.#prefixed.queue) {
      this.#prefixed = { queue, prefix: segmentPrefix(queue.slot, queue.segment) };
    }
    return this.#prefixed.prefix;
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
    return this.#rows.get(tables.counters, countersKey(this.#prefixOf(queue))) ?? noCounters();
  }

  readableCounters(queue: Queue): Counters | undefined {
    return this.#rows.getReadable(tables.counters, countersKey(this.#prefixOf(queue)));
  }

  message(queue: Queue, sequence: Sequence): Message | undefined {
    return this.#rows.get(tables.message, messageKey(this.#prefixOf(queue), sequence));
  }

  readableMessage(queue: Queue, sequence: Sequence): Message | undefined {
    return this.#rows.getReadable(tables.message, messageKey(this.#prefixOf(queue), sequence));
  }

  *messageHeadsFrom(queue: Queue, from: Sequence): Iterable<PassedMessage> {
    const prefix = this.#prefixOf(queue);
    const start = messageKey(prefix, from);
    for (const { head, row } of this.#rows.heads(tables.message, start, `${prefix}n`)) {
      yield { head, message: row };
    }
  }

  delivery(queue: Queue, sequence: Sequence): Delivery | undefined {
    return this.#rows.get(tables.delivery, deliveryKey(this.#prefixOf(queue), sequence));
  }

  readableDelivery(queue: Queue, sequence: Sequence): Delivery | undefined {
    return this.#rows.getReadable(tables.delivery, deliveryKey(this.#prefixOf(queue), sequence));
  }

  *dueEntries(queue: Queue): Iterable<DueEntry> {
    const prefix = this.#prefixOf(queue);
    for (const { key } of this.#rows.range(tables.due, `${prefix}d`, `${prefix}e`)) {
      yield {
        until: u64At(key, key.length - 16) as EpochMs,
        sequence: u64At(key, key.length - 8) as Sequence,
      };
    }
  }

  *returnedEntries(queue: Queue): Iterable<ReturnedEntry> {
    const prefix = this.#prefixOf(queue);
    for (const { key } of this.#rows.range(tables.returned, `${prefix}r`, `${prefix}s`)) {
      yield memberAt(key);
    }
  }

  group(queue: Queue, id: string): Group | undefined {
    return this.#rows.getReadable(tables.group, groupKey(this.#prefixOf(queue), id));
  }

  findGroup(queue: Queue, id: string): Group | "unreadable" | undefined {
    const key = groupKey(this.#prefixOf(queue), id);
    try {
      return this.#rows.get(tables.group, key);
    } catch (error) {
      if (!(error instanceof RecordCorrupt)) throw error;
      // Read once more by somebody who reports it.
      this.#rows.getReadable(tables.group, key);
      return "unreadable";
    }
  }

  *groupsStanding(queue: Queue, kind: keyof typeof lines, from?: Sequence): Iterable<Group> {
    const prefix = this.#prefixOf(queue);
    const line = `${prefix}q${lines[kind]}`;
    const start = from === undefined ? line : `${line}${u64Text(0)}${u64Text(from)}`;
    for (const { key } of this.#rows.range(tables.line, start, endOfPrefix(line))) {
      const group = this.group(queue, key.slice(linePrefixLength));
      // A group that could not be read and was begun anew stands elsewhere, and its old row stays.
      if (group !== undefined && lineKey(prefix, group.id, group.standing) === key) yield group;
    }
  }

  *members(queue: Queue, id: string, from?: Place): Iterable<Member> {
    const prefix = this.#prefixOf(queue);
    const all = membersPrefix(prefix, id);
    const start = from === undefined ? all : memberKey(prefix, id, from, zero);
    for (const { key } of this.#rows.range(tables.member, start, endOfPrefix(all))) {
      yield memberAt(key);
    }
  }

  *ownExpiries(queue: Queue): Iterable<TimedEntry> {
    const prefix = this.#prefixOf(queue);
    for (const { key } of this.#rows.range(tables.ownExpiry, `${prefix}e`, `${prefix}f`)) {
      yield timedAt(key);
    }
  }

  *lateArrivals(queue: Queue, from: EpochMs): Iterable<TimedEntry> {
    const prefix = this.#prefixOf(queue);
    const start = lateKey(prefix, from, zero);
    for (const { key } of this.#rows.range(tables.late, start, `${prefix}m`)) yield timedAt(key);
  }

  dedupEntry(queue: Queue, key: RememberedKey): DedupEntry | undefined {
    return this.#rows.get(tables.dedup, dedupKey(this.#prefixOf(queue), key));
  }

  dedupKeys(queue: Queue, after: RememberedKey, limit: number): readonly RememberedKey[] {
    return this.#remembered(dedupKey(this.#prefixOf(queue), ""), after, limit);
  }

  receiveAttempt(queue: Queue, key: RememberedKey): ReceiveAttempt | undefined {
    return this.#rows.get(tables.attempt, attemptKey(this.#prefixOf(queue), key));
  }

  attemptKeys(queue: Queue, after: RememberedKey, limit: number): readonly RememberedKey[] {
    return this.#remembered(attemptKey(this.#prefixOf(queue), ""), after, limit);
  }

  #remembered(prefix: string, after: RememberedKey, limit: number): readonly RememberedKey[] {
    return this.#rows
      .committedKeys(`${prefix}${after}\x00`, endOfPrefix(prefix), limit)
      .map((key) => key.slice(prefix.length));
  }

  *scheduledFrom(queue: Queue, from: ScheduledPosition | undefined): Iterable<ScheduledHead> {
    const prefix = this.#prefixOf(queue);
    const start =
      from === undefined ? `${prefix}y` : scheduledKey(prefix, from.deliverAt, from.messageId);
    for (const { head } of this.#rows.heads(tables.scheduled, start, `${prefix}z`)) yield head;
  }

  scheduledMessage(queue: Queue, position: ScheduledPosition): ScheduledMessage | undefined {
    const { deliverAt, messageId } = position;
    const key = scheduledKey(this.#prefixOf(queue), deliverAt, messageId);
    return this.#rows.getReadable(tables.scheduled, key);
  }

  *deadLetterSources(namespace: Namespace, name: QueueName, after: string): Iterable<QueueName> {
    const all = deadLetterSourceKey(namespace, name, "");
    const start = after === "" ? all : `${all}${after}\x00`;
    for (const { key } of this.#rows.range(tables.deadLetterSource, start, endOfPrefix(all))) {
      yield key.slice(all.length) as QueueName;
    }
  }

  schedule(queue: QueueNames, name: string): Schedule | undefined {
    return this.#rows.get(tables.schedule, scheduleKey(namesOf(queue, name)));
  }

  readableSchedule(queue: QueueNames, name: string): Schedule | undefined {
    return this.#rows.getReadable(tables.schedule, scheduleKey(namesOf(queue, name)));
  }

  scheduleState(queue: QueueNames, name: string): ScheduleState | undefined {
    return this.#rows.get(tables.scheduleState, scheduleStateKey(namesOf(queue, name)));
  }

  readableScheduleState(queue: QueueNames, name: string): ScheduleState | undefined {
    return this.#rows.getReadable(tables.scheduleState, scheduleStateKey(namesOf(queue, name)));
  }

  *schedulesAfter(queue: QueueNames, after: string): Iterable<NamedState> {
    const all = scheduleStateKey(namesOf(queue, ""));
    const start = after === "" ? all : `${all}${after}\x00`;
    for (const { key, row } of this.#rows.range(tables.scheduleState, start, endOfPrefix(all))) {
      yield { name: key.slice(all.length), state: row };
    }
  }

  *schedulesDue(): Iterable<DueSchedule> {
    for (const { key } of this.#rows.range(tables.scheduleDue, "\x89", "\x8a")) {
      const [namespace = "", queue = "", name = ""] = key.slice(scheduleDueNamesAt).split("\x00");
      yield {
        nextAt: u64At(key, 1) as EpochMs,
        namespace: namespace as Namespace,
        queue: queue as QueueName,
        name,
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
  moveTask(id: MoveTaskId): MoveTask | undefined {
    return this.#rows.getReadable(tables.moveTask, moveTaskKey(id));
  }

  moveOrder(id: MoveTaskId): MoveOrder | undefined {
    return this.#rows.getReadable(tables.moveOrder, moveOrderKey(id));
  }

  *moveTasks(source: QueueNumber): Iterable<MoveTask> {
    const end = moveTasksFrom((source + 1) as QueueNumber);
    for (const { row } of this.#rows.range(tables.moveTask, moveTasksFrom(source), end)) yield row;
  }

  *moveTasksAfter(after: MoveTaskId | undefined): Iterable<MoveTask> {
    const start = after === undefined ? "\x87" : `${moveTaskKey(after)}\x00`;
    for (const { row } of this.#rows.range(tables.moveTask, start, "\x88")) yield row;
  }

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
    this.#rows.put(tables.counters, countersKey(this.#prefixOf(queue)), counters);
  }

  insertMessage(queue: Queue, message: Message): void {
    const prefix = this.#prefixOf(queue);
    const { sequence, indexedAt, expiresAt } = message;
    this.#rows.insert(tables.message, messageKey(prefix, sequence), message);
    if (indexedAt !== undefined) {
      this.#rows.put(tables.late, lateKey(prefix, indexedAt, sequence), true);
    }
    if (expiresAt !== undefined) {
      this.#rows.put(tables.ownExpiry, ownExpiryKey(prefix, expiresAt, sequence), true);
    }
  }

  removeMessage(queue: Queue, message: MessageTraits): void {
    const prefix = this.#prefixOf(queue);
    const { sequence, indexedAt, expiresAt, sizeBytes } = message;
    this.#rows.remove(tables.message, messageKey(prefix, sequence), sizeBytes >= surelyWholeBytes);
    if (indexedAt !== undefined) {
      this.#rows.remove(tables.late, lateKey(prefix, indexedAt, sequence), false);
    }
    if (expiresAt !== undefined) {
      this.#rows.remove(tables.ownExpiry, ownExpiryKey(prefix, expiresAt, sequence), false);
    }
  }

  putDelivery(queue: Queue, delivery: Delivery, previous: Delivery | undefined): void {
    const prefix = this.#prefixOf(queue);
    const key = indexOf(queue, prefix, delivery);
    const previousKey = previous && indexOf(queue, prefix, previous);
    if (previousKey !== undefined && previousKey.key !== key?.key) {
      this.#rows.remove(previousKey.table, previousKey.key, false);
    }
    const mayReplaceChunks = previous !== undefined && mayBeChunked(previous);
    this.#rows.put(
      tables.delivery,
      deliveryKey(prefix, delivery.sequence),
      delivery,
      mayReplaceChunks,
    );
    if (key !== undefined) this.#rows.put(key.table, key.key, true);
  }

  removeDelivery(queue: Queue, delivery: Delivery): void {
    const prefix = this.#prefixOf(queue);
    const index = indexOf(queue, prefix, delivery);
    if (index !== undefined) this.#rows.remove(index.table, index.key, false);
    this.#rows.remove(
      tables.delivery,
      deliveryKey(prefix, delivery.sequence),
      mayBeChunked(delivery),
    );
  }

  putMember(queue: Queue, id: string, { place, sequence }: Member): void {
    this.#rows.put(tables.member, memberKey(this.#prefixOf(queue), id, place, sequence), true);
  }

  removeMember(queue: Queue, id: string, { place, sequence }: Member): void {
    this.#rows.remove(tables.member, memberKey(this.#prefixOf(queue), id, place, sequence), false);
  }

  putGroup(queue: Queue, group: Group, previous: Group | undefined): void {
    const prefix = this.#prefixOf(queue);
    this.#rows.put(tables.group, groupKey(prefix, group.id), group);
    if (group.standing === previous?.standing) return;
    const line = lineKey(prefix, group.id, group.standing);
    const before = previous && lineKey(prefix, group.id, previous.standing);
    if (line === before) return;
    if (before !== undefined) this.#rows.remove(tables.line, before, false);
    if (line === undefined) return;
    // FIFO: no turn is given out twice.
    if (queue.isFifo && group.standing.kind === "ready") this.#rows.insert(tables.line, line, true);
    else this.#rows.put(tables.line, line, true);
  }

  removeGroup(queue: Queue, group: Group): void {
    const prefix = this.#prefixOf(queue);
    this.#rows.remove(tables.group, groupKey(prefix, group.id), false);
    const line = lineKey(prefix, group.id, group.standing);
    if (line !== undefined) this.#rows.remove(tables.line, line, false);
  }

  removeOwnExpiry(queue: Queue, { at, sequence }: TimedEntry): void {
    this.#rows.remove(tables.ownExpiry, ownExpiryKey(this.#prefixOf(queue), at, sequence), false);
  }

  removeLateArrival(queue: Queue, { at, sequence }: TimedEntry): void {
    this.#rows.remove(tables.late, lateKey(this.#prefixOf(queue), at, sequence), false);
  }

  putDedupEntry(queue: Queue, key: RememberedKey, entry: DedupEntry): void {
    this.#rows.put(tables.dedup, dedupKey(this.#prefixOf(queue), key), entry);
  }

  removeDedupEntry(queue: Queue, key: RememberedKey): void {
    this.#rows.remove(tables.dedup, dedupKey(this.#prefixOf(queue), key), false);
  }

  putReceiveAttempt(queue: Queue, key: RememberedKey, attempt: ReceiveAttempt): void {
    this.#rows.put(tables.attempt, attemptKey(this.#prefixOf(queue), key), attempt);
  }

  removeReceiveAttempt(queue: Queue, key: RememberedKey): void {
    this.#rows.remove(tables.attempt, attemptKey(this.#prefixOf(queue), key), true);
  }

  insertScheduled(queue: Queue, message: ScheduledMessage): void {
    const key = scheduledKey(this.#prefixOf(queue), message.deliverAt, message.messageId);
    this.#rows.insert(tables.scheduled, key, message);
  }

  removeScheduled(queue: Queue, { deliverAt, messageId }: ScheduledHead): void {
    this.#rows.remove(
      tables.scheduled,
      scheduledKey(this.#prefixOf(queue), deliverAt, messageId),
      true,
    );
  }

  putDeadLetterSource(namespace: Namespace, name: QueueName, source: QueueName): void {
    this.#rows.put(tables.deadLetterSource, deadLetterSourceKey(namespace, name, source), true);
  }

  removeDeadLetterSource(namespace: Namespace, name: QueueName, source: QueueName): void {
    const key = deadLetterSourceKey(namespace, name, source);
    this.#rows.remove(tables.deadLetterSource, key, false);
  }

  removeDueEntry(queue: Queue, { until, sequence }: DueEntry): void {
    this.#rows.remove(tables.due, dueKey(this.#prefixOf(queue), until, sequence), false);
  }

  putSchedule(queue: QueueNames, schedule: Schedule): void {
    this.#rows.put(tables.schedule, scheduleKey(namesOf(queue, schedule.name)), schedule);
  }

  putScheduleState(
    queue: QueueNames,
    name: string,
    state: ScheduleState,
    previous: ScheduleState | undefined,
  ): void {
    const names = namesOf(queue, name);
    this.#rows.put(tables.scheduleState, scheduleStateKey(names), state);
    const { nextAt } = state;
    if (nextAt === previous?.nextAt) return;
    if (previous?.nextAt !== undefined) {
      this.#rows.remove(tables.scheduleDue, scheduleDueKey(previous.nextAt, names), false);
    }
    if (nextAt !== undefined) {
      this.#rows.put(tables.scheduleDue, scheduleDueKey(nextAt, names), true);
    }
  }

  removeSchedule(queue: QueueNames, name: string, state: ScheduleState | undefined): void {
    const names = namesOf(queue, name);
    this.#rows.remove(tables.schedule, scheduleKey(names), true);
    this.#rows.remove(tables.scheduleState, scheduleStateKey(names), true);
    if (state?.nextAt !== undefined) {
      this.#rows.remove(tables.scheduleDue, scheduleDueKey(state.nextAt, names), false);
    }
  }

  removeDueSchedule(due: DueSchedule): void {
    this.#rows.remove(tables.scheduleDue, scheduleDueKey(due.nextAt, scheduleNames(due)), false);
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

  insertMoveTask(task: MoveTask, order: MoveOrder): void {
    this.#rows.put(tables.moveOrder, moveOrderKey(order), order);
    this.putMoveTask(task);
  }

  putMoveTask(task: MoveTask): void {
    this.#rows.put(tables.moveTask, moveTaskKey(task), task);
  }

  removeMoveTask(id: MoveTaskId): void {
    this.#rows.remove(tables.moveTask, moveTaskKey(id), true);
    this.#rows.remove(tables.moveOrder, moveOrderKey(id), true);
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

/** The row that leads to a delivery; FIFO: a visible one is found by its group alone. */
function indexOf(
  queue: Queue,
  prefix: string,
  { sequence, state, groupId }: Delivery,
): { readonly table: Table<true>; readonly key: string } | undefined {
  if (state.kind !== "returned") {
    return { table: tables.due, key: dueKey(prefix, state.until, sequence) };
  }
  if (queue.isFifo) return undefined;
  return groupId === undefined
    ? { table: tables.returned, key: returnedKey(prefix, state.place, sequence) }
    : { table: tables.member, key: memberKey(prefix, groupId, state.place, sequence) };
}

/** Of a key that ends in a place and a sequence. */
const memberAt = (key: string): Member => ({
  place: {
    at: u64At(key, key.length - 24) as EpochMs,
    order: u64At(key, key.length - 16) as Sequence,
  },
  sequence: u64At(key, key.length - 8) as Sequence,
});

const timedAt = (key: string): TimedEntry => ({
  at: u64At(key, key.length - 16) as EpochMs,
  sequence: u64At(key, key.length - 8) as Sequence,
});
