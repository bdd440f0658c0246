// Everything else about the queue as a resource: settings, tags, listing, deletion, purge.
//
// Deleting and purging never walk the messages: the segment that holds them becomes garbage in one row, unreachable at once,
// and is removed in the background in small steps.

import {
  after,
  between,
  type DurationMs,
  epochMs,
  type Namespace,
  sequence,
} from "../base/brands.js";
import { newCounters } from "./counters.js";
import { conflictIn } from "./create-queue.js";
import { limits, type QueueSettings } from "./limits.js";
import type { Counters, Queue } from "./model.js";
import { removeMoves } from "./move-tasks.js";
import { OpenQueue } from "./open-queue.js";
import { etagOf, findQueue, hiddenPrefix, notFound, type QueueAddress } from "./queue-name.js";
import { linkDeadLetters, redriveRefusal, unlinkDeadLetters } from "./redrive.js";
import { accept, type Decided, reject } from "./rejections.js";
import { removeSchedules } from "./schedules.js";
import { beginQueueDelay, catchUp, reviewLimitedGroups, settleQueue } from "./settle.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export function decideFindQueue(
  transaction: QueueTransaction,
  address: QueueAddress,
): Decided<Queue> {
  const queue = findQueue(transaction, address);
  return queue === undefined ? notFound(address) : accept(queue);
}

export interface QueueReport {
  readonly queue: Queue;
  readonly counters: Counters;
  /** Since the oldest stored message came; undefined when there is none. */
  readonly oldestAgeMs: DurationMs | undefined;
  /** True when leases or messages that ended are still to be settled: ask again for exact numbers. */
  readonly hasMore: boolean;
}

/** Reads a queue and its counters, settling first what time has changed, so that the numbers are exact. */
export function decideReportQueue(
  transaction: QueueTransaction,
  address: QueueAddress,
  stamp: Stamp,
): Decided<QueueReport> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const { open, hasMore } = settleQueue(transaction, queue, stamp);
  const { counters } = open;
  let oldestAgeMs: DurationMs | undefined;
  for (const { head } of transaction.messageHeadsFrom(queue, sequence(0))) {
    oldestAgeMs = between(head.arrivedAt, stamp.now);
    break;
  }
  return accept({ queue, counters, oldestAgeMs, hasMore });
}

export interface SetQueueSettings {
  readonly address: QueueAddress;
  readonly settings: Partial<QueueSettings>;
  /** Empty: not asked for. */
  readonly etag: string;
}

export function decideSetQueueSettings(
  transaction: QueueTransaction,
  command: SetQueueSettings,
  stamp: Stamp,
): Decided<Queue> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  if (command.etag !== "" && command.etag !== etagOf(queue))
    return etagMismatch(command.address, queue);
  const { redrive } = command.settings;
  const settings = { ...queue.settings, ...command.settings };
  const refusal =
    conflictIn(command.address, settings) ??
    redriveRefusal(transaction, command.address, queue.isFifo, redrive);
  if (refusal !== undefined) return reject(refusal);
  // What the old settings have ended is over: a longer retention brings nothing back.
  settleQueue(transaction, queue, stamp);
  const changed: Queue = {
    ...queue,
    settings,
    updatedAt: stamp.now,
    revision: queue.revision + 1,
  };
  transaction.putQueue(changed);
  linkDeadLetters(transaction, changed, queue.settings);
  const open = new OpenQueue(transaction, changed, stamp);
  if (changed.settings.retentionMs !== queue.settings.retentionMs) {
    // A shorter one may have ended long ago for messages that are still stored.
    open.change({ expiryAt: epochMs(0) });
  }
  if (changed.isFifo && changed.settings.delayMs !== queue.settings.delayMs) beginQueueDelay(open);
  if (changed.settings.groupInFlightMax !== queue.settings.groupInFlightMax) {
    reviewLimitedGroups(open);
  }
  catchUp(open);
  open.close();
  // A raised in-flight limit, a shorter delay or the end of a pause may free a waiter.
  transaction.wake(queue.number);
  return accept(changed);
}

const etagMismatch = (address: QueueAddress, queue: Queue): Decided<never> =>
  reject({ kind: "etag_mismatch", queue: address.given, etag: etagOf(queue) });

export interface DeleteQueue {
  readonly address: QueueAddress;
  readonly etag: string;
  /** `sqs_timing=strict`: the name cannot be used again for 60 s, as with SQS. */
  readonly isStrict: boolean;
}

export function decideDeleteQueue(
  transaction: QueueTransaction,
  command: DeleteQueue,
  stamp: Stamp,
): Decided<{ readonly number: Queue["number"] }> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  if (command.etag !== "" && command.etag !== etagOf(queue))
    return etagMismatch(command.address, queue);
  transaction.removeQueue(queue);
  unlinkDeadLetters(transaction, queue);
  removeSchedules(transaction, queue);
  removeMoves(transaction, queue);
  const { namespace, name } = queue;
  if (command.isStrict) transaction.putDeletedQueue({ namespace, name, deletedAt: stamp.now });
  transaction.addGarbage({ slot: queue.slot, segment: queue.segment });
  transaction.wake(queue.number);
  return accept({ number: queue.number });
}

export interface PurgeQueue {
  readonly address: QueueAddress;
  /** `sqs_timing=strict`: a second purge within 60 s is refused, as SQS does. */
  readonly isStrict: boolean;
}

export function decidePurgeQueue(
  transaction: QueueTransaction,
  command: PurgeQueue,
  stamp: Stamp,
): Decided<{ readonly purgedCount: number }> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  if (command.isStrict && queue.purgedAt !== undefined) {
    const retryAfterMs = between(stamp.now, after(queue.purgedAt, limits.strictWaitMs));
    if (retryAfterMs > 0) {
      return reject({ kind: "purge_in_progress", queue: command.address.given, retryAfterMs });
    }
  }
  const counters = transaction.counters(queue);
  const purged: Queue = {
    ...queue,
    segment: stamp.ids.segmentNumber(stamp.now),
    purgedAt: stamp.now,
  };
  transaction.putQueue(purged);
  const { nextSequence, sent, received, deleted, expired } = counters;
  const { deduplicated, deadLettered, moved, arrived, targetMissing } = counters;
  transaction.putCounters(purged, {
    ...newCounters,
    nextSequence,
    freshFrom: nextSequence,
    dueFrom: nextSequence,
    turnFrom: nextSequence,
    sent,
    received,
    deleted,
    expired,
    deduplicated,
    deadLettered,
    moved,
    arrived,
    targetMissing,
    purged: counters.purged + counters.stored,
  });
  transaction.addGarbage({ slot: queue.slot, segment: queue.segment });
  // Nothing came, but a waiter held back by the in-flight limit would now be free, and due timers are stale.
  transaction.wake(queue.number);
  return accept({ purgedCount: counters.stored });
}

export function decideTagQueue(
  transaction: QueueTransaction,
  address: QueueAddress,
  tags: ReadonlyMap<string, string>,
): Decided<Queue> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const all = new Map([...queue.tags, ...tags]);
  if (all.size > limits.tagsMax) {
    return reject({
      kind: "tag_limit",
      queue: address.given,
      count: all.size,
      limit: limits.tagsMax,
    });
  }
  const tagged: Queue = { ...queue, tags: all };
  transaction.putQueue(tagged);
  return accept(tagged);
}

export function decideUntagQueue(
  transaction: QueueTransaction,
  address: QueueAddress,
  keys: readonly string[],
): Decided<Queue> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const left = new Map(queue.tags);
  for (const key of keys) left.delete(key);
  const untagged: Queue = { ...queue, tags: left };
  transaction.putQueue(untagged);
  return accept(untagged);
}

export interface ListQueues {
  readonly namespace: Namespace;
  readonly prefix: string;
  /** The last name of the page before; empty: from the start. */
  readonly afterName: string;
  readonly countMax: number;
}

export interface QueuePage {
  readonly names: readonly string[];
  readonly hasMore: boolean;
}

const namePrefix = new RegExp(`^[A-Za-z0-9_.-]{0,${limits.queueNameCharactersMax}}$`);

/** A page resumes after its last name, so queues created or deleted meanwhile neither hide nor repeat others. */
export function decideListQueues(
  transaction: QueueTransaction,
  command: ListQueues,
): Decided<QueuePage> {
  const { namespace, prefix, afterName, countMax } = command;
  const names: string[] = [];
  // No queue's name starts with what no queue's name may hold.
  if (!namePrefix.test(prefix)) return accept({ names, hasMore: false });
  let from = prefix;
  if (afterName > prefix) from = afterName;
  for (const { name } of transaction.queuesFrom(namespace, from)) {
    if (!name.startsWith(prefix) || name.startsWith(hiddenPrefix)) break;
    if (name === afterName) continue;
    if (names.length === countMax) return accept({ names, hasMore: true });
    names.push(name);
  }
  return accept({ names, hasMore: false });
}
