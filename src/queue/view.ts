// What a queue rule may read and record.
//
// A rule ("decision") gets this one object: a view of the state, the committed rows with everything decided before it on
// top, and the place where it records absolute changes. It sees its own changes at once. The engine keeps a journal and
// drops them all when the rule rejects or throws, so a rejected command leaves no trace. A rule cannot await, read a clock
// or reach the store.

import type { EpochMs, Namespace, QueueName, QueueNumber, Sequence } from "../base/brands.js";
import type {
  Counters,
  DedupEntry,
  Delivery,
  Group,
  GroupStanding,
  Member,
  Message,
  MessageHead,
  MessageTraits,
  Place,
  Queue,
  ReceiveAttempt,
  ScheduledMessage,
} from "./model.js";
import type { MoveOrder, MoveTask, MoveTaskId } from "./move-task.js";
import type { DueSchedule, Schedule, ScheduleState } from "./schedule-model.js";

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
export type ReturnedEntry = Member;

/** A message found by a time: the end of its time to live, or the time in its id. */
export interface TimedEntry {
  readonly at: EpochMs;
  readonly sequence: Sequence;
}

/** A scheduled message without its body. */
export type ScheduledHead = Pick<ScheduledMessage, "messageId" | "deliverAt" | "sizeBytes">;

export type ScheduledPosition = Pick<ScheduledMessage, "messageId" | "deliverAt">;

/** What a queue is found by, and all that is needed to find what goes by its name. */
export type QueueNames = Pick<Queue, "namespace" | "name">;

/** A schedule without its message. */
export interface NamedState {
  readonly name: string;
  readonly state: ScheduleState;
}

/** What an id is remembered by: printable characters and spaces. */
export type RememberedKey = string;

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
  /** Standard: visible messages that have a delivery and no group, in the order a receive takes them. */
  returnedEntries(queue: Queue): Iterable<ReturnedEntry>;
  /** One that cannot be read is reported and counts as gone. */
  group(queue: Queue, id: string): Group | undefined;
  /** As `group`, for those who begin one anew. */
  findGroup(queue: Queue, id: string): Group | "unreadable" | undefined;
  /** The groups of one standing, in the order their turns come. */
  groupsStanding(
    queue: Queue,
    kind: Exclude<GroupStanding["kind"], "idle">,
    /** FIFO: the first turn to look at. */
    from?: Sequence,
  ): Iterable<Group>;
  /** Standard: the visible messages of a group in order. FIFO: those behind its front. From the first at or after `from`. */
  members(queue: Queue, id: string, from?: Place): Iterable<Member>;
  /** Messages with a time to live of their own, in the order it ends. */
  ownExpiries(queue: Queue): Iterable<TimedEntry>;
  /** Messages that came later than the time in their ids, by that time, from the first at or after `from`. */
  lateArrivals(queue: Queue, from: EpochMs): Iterable<TimedEntry>;
  dedupEntry(queue: Queue, key: RememberedKey): DedupEntry | undefined;
  /** Committed keys of remembered deduplication ids, strictly after `after`. */
  dedupKeys(queue: Queue, after: RememberedKey, limit: number): readonly RememberedKey[];
  receiveAttempt(queue: Queue, key: RememberedKey): ReceiveAttempt | undefined;
  attemptKeys(queue: Queue, after: RememberedKey, limit: number): readonly RememberedKey[];
  /** Messages that wait for their time, earliest first, from the first at or after `from`. */
  scheduledFrom(queue: Queue, from: ScheduledPosition | undefined): Iterable<ScheduledHead>;
  scheduledMessage(queue: Queue, position: ScheduledPosition): ScheduledMessage | undefined;
  /** Queues whose redrive policy names this one, in name order, strictly after `after`. */
  deadLetterSources(namespace: Namespace, name: QueueName, after: string): Iterable<QueueName>;
  /** Throws RecordCorrupt when it cannot be read; so does `scheduleState`. */
  schedule(queue: QueueNames, name: string): Schedule | undefined;
  /** As `schedule`, for those who can do without. So is `readableScheduleState`. */
  readableSchedule(queue: QueueNames, name: string): Schedule | undefined;
  scheduleState(queue: QueueNames, name: string): ScheduleState | undefined;
  readableScheduleState(queue: QueueNames, name: string): ScheduleState | undefined;
  /** The schedules of a queue in name order, strictly after `after`. */
  schedulesAfter(queue: QueueNames, after: string): Iterable<NamedState>;
  /** Schedules of every queue in the order they run next. */
  schedulesDue(): Iterable<DueSchedule>;
  /** When a queue of this name was deleted, if that is remembered. */
  deletedAt(namespace: Namespace, name: QueueName): EpochMs | undefined;
  deletedQueues(): Iterable<DeletedQueue>;
  requestResult(key: string): RequestResult | undefined;
  /** Kept results in the order they may go. */
  requestResultsDue(): Iterable<{ readonly key: string; readonly keepUntil: EpochMs }>;
  /** A task or order that cannot be read is reported and counts as gone. */
  moveTask(id: MoveTaskId): MoveTask | undefined;
  moveOrder(id: MoveTaskId): MoveOrder | undefined;
  /** The move tasks of a source, oldest first. */
  moveTasks(source: QueueNumber): Iterable<MoveTask>;
  /** Every move task of every source, in order, strictly after the one given; undefined: from the start. */
  moveTasksAfter(after: MoveTaskId | undefined): Iterable<MoveTask>;
  garbage(): Iterable<Garbage>;
  /** Rows of a garbage segment, at most `limit`. */
  garbageRows(garbage: Garbage, limit: number): readonly string[];
}

export interface QueueChanges {
  putQueue(queue: Queue): void;
  removeQueue(queue: Queue): void;
  putCounters(queue: Queue, counters: Counters): void;
  /** The message's row and those that find it by its times; a place in its group is `putMember`'s. */
  insertMessage(queue: Queue, message: Message): void;
  removeMessage(queue: Queue, message: MessageTraits): void;
  /** `previous` is the delivery it replaces, whose index row goes. */
  putDelivery(queue: Queue, delivery: Delivery, previous: Delivery | undefined): void;
  removeDelivery(queue: Queue, delivery: Delivery): void;
  putMember(queue: Queue, id: string, member: Member): void;
  removeMember(queue: Queue, id: string, member: Member): void;
  /** `previous` is the group it replaces, whose index row goes. */
  putGroup(queue: Queue, group: Group, previous: Group | undefined): void;
  removeGroup(queue: Queue, group: Group): void;
  /** For an index row whose message is gone or cannot be read. */
  removeOwnExpiry(queue: Queue, entry: TimedEntry): void;
  removeLateArrival(queue: Queue, entry: TimedEntry): void;
  putDedupEntry(queue: Queue, key: RememberedKey, entry: DedupEntry): void;
  removeDedupEntry(queue: Queue, key: RememberedKey): void;
  putReceiveAttempt(queue: Queue, key: RememberedKey, attempt: ReceiveAttempt): void;
  removeReceiveAttempt(queue: Queue, key: RememberedKey): void;
  insertScheduled(queue: Queue, message: ScheduledMessage): void;
  removeScheduled(queue: Queue, message: ScheduledHead): void;
  putDeadLetterSource(namespace: Namespace, name: QueueName, source: QueueName): void;
  removeDeadLetterSource(namespace: Namespace, name: QueueName, source: QueueName): void;
  putSchedule(queue: QueueNames, schedule: Schedule): void;
  /** `previous` is the state it replaces, whose index row goes. */
  putScheduleState(
    queue: QueueNames,
    name: string,
    state: ScheduleState,
    previous: ScheduleState | undefined,
  ): void;
  removeSchedule(queue: QueueNames, name: string, state: ScheduleState | undefined): void;
  /** For an index row whose schedule is gone or cannot be read: it would be due for ever. */
  removeDueSchedule(due: DueSchedule): void;
  putDeletedQueue(deleted: DeletedQueue): void;
  removeDeletedQueue(deleted: DeletedQueue): void;
  /** For an index row whose delivery cannot be read: it would be due for ever. */
  removeDueEntry(queue: Queue, entry: DueEntry): void;
  putRequestResult(key: string, result: RequestResult): void;
  removeRequestResult(key: string, keepUntil: EpochMs): void;
  insertMoveTask(task: MoveTask, order: MoveOrder): void;
  putMoveTask(task: MoveTask): void;
  /** With its order. */
  removeMoveTask(id: MoveTaskId): void;
  addGarbage(garbage: Garbage): void;
  removeGarbage(garbage: Garbage): void;
  removeGarbageRow(key: string): void;
  /** Something in this queue may have become receivable, or the queue is gone: those who wait for it look again. */
  wake(queue: QueueNumber): void;
}

export interface QueueTransaction extends QueueView, QueueChanges {}
