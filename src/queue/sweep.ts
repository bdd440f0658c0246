// Clean-up in small steps: what time has ended, results kept for request ids, and the rows of purged and deleted queues.
// Nothing depends on it for being right, only for giving the space back and for numbers nobody asks for to be current.

import {
  after,
  between,
  type EpochMs,
  type Namespace,
  type QueueName,
  sequence,
} from "../base/brands.js";
import { limits } from "./limits.js";
import type { Counters, Queue } from "./model.js";
import { accept, type Decided } from "./rejections.js";
import { settleQueue } from "./settle.js";
import type { Stamp } from "./stamp.js";
import {
  canRemember,
  hasRemembered,
  mayHaveLeftOver,
  type RememberedCursor,
  rememberedFrom,
} from "./sweep-remembered.js";
import type { DeletedQueue, QueueTransaction, QueueView } from "./view.js";

export interface SweepQueues {
  /** The last queue swept; empty names start over. */
  readonly after: { readonly namespace: string; readonly name: string };
  readonly countMax: number;
  /** Whether to look for remembered ids that queues have left from settings they had before. */
  readonly isThorough?: boolean;
}

export interface QueuesSwept {
  /** Where to go on; undefined: the end was reached. */
  readonly last: { readonly namespace: Namespace; readonly name: QueueName } | undefined;
  /** True when there was more to settle than one step does. */
  readonly hasMore: boolean;
  /** Those among the swept that may have remembered ids. */
  readonly remembering: readonly RememberedCursor[];
}

export function decideSweepQueues(
  transaction: QueueTransaction,
  command: SweepQueues,
  stamp: Stamp,
): Decided<QueuesSwept> {
  const queues: Queue[] = [];
  let isEnd = true;
  for (const queue of transaction.queuesAfter(command.after.namespace, command.after.name)) {
    if (queues.length === command.countMax) {
      isEnd = false;
      break;
    }
    queues.push(queue);
  }
  const remembering: RememberedCursor[] = [];
  let last: QueuesSwept["last"];
  let rows = 0;
  let bytes = 0;
  for (const queue of queues) {
    const before = transaction.readableCounters(queue);
    // A queue whose numbers cannot be read is left alone; the others are not kept waiting for it.
    if (before !== undefined) {
      const { open, hasMore } = settleQueue(transaction, queue, stamp);
      const { counters } = open;
      // The rest of this queue first: the same step again.
      if (hasMore) return accept({ last: last ?? previous(command), hasMore: true, remembering });
      rows += rowsToSettle(before) - rowsToSettle(counters);
      bytes += before.storedBytes - counters.storedBytes;
    }
    if (isRemembering(transaction, queue, command)) remembering.push(rememberedFrom(queue));
    last = { namespace: queue.namespace, name: queue.name };
    // Many queues with a little each are as much as one with a lot.
    if (rows >= limits.settleMax || bytes >= limits.settleBytesMax)
      return accept({ last, hasMore: true, remembering });
  }
  return accept({ last: isEnd ? undefined : last, hasMore: false, remembering });
}

const isRemembering = (view: QueueView, queue: Queue, { isThorough }: SweepQueues): boolean =>
  canRemember(queue) ||
  (isThorough === true && mayHaveLeftOver(queue) && hasRemembered(view, queue));

/** Falls with each lease or delay that ends, each message that expires and each scheduled one that joins. */
const rowsToSettle = ({ stored, inFlight, delayed, scheduled }: Counters): number =>
  stored + inFlight + delayed + 2 * scheduled;

const previous = (command: SweepQueues): QueuesSwept["last"] => ({
  namespace: command.after.namespace as Namespace,
  name: command.after.name as QueueName,
});

/** Forgets what was remembered for a while: results of request ids, names of deleted queues. */
export function decideSweepRequests(
  transaction: QueueTransaction,
  stamp: Stamp,
): Decided<{ readonly hasMore: boolean }> {
  const due: { readonly key: string; readonly keepUntil: EpochMs }[] = [];
  let hasMore = false;
  for (const entry of transaction.requestResultsDue()) {
    if (entry.keepUntil > stamp.now) break;
    if (due.length === limits.settleMax) {
      hasMore = true;
      break;
    }
    due.push(entry);
  }
  for (const { key, keepUntil } of due) transaction.removeRequestResult(key, keepUntil);
  const forgotten: DeletedQueue[] = [];
  for (const deleted of transaction.deletedQueues()) {
    if (forgotten.length === limits.settleMax) break;
    if (after(deleted.deletedAt, limits.strictWaitMs) <= stamp.now) forgotten.push(deleted);
  }
  for (const deleted of forgotten) transaction.removeDeletedQueue(deleted);
  return accept({ hasMore });
}

/** Removes rows of one segment that nobody can reach any more. */
export function decideReap(transaction: QueueTransaction): Decided<{ readonly hasMore: boolean }> {
  for (const garbage of transaction.garbage()) {
    const rows = transaction.garbageRows(garbage, limits.reapMax);
    for (const row of rows) transaction.removeGarbageRow(row);
    if (rows.length === 0) transaction.removeGarbage(garbage);
    return accept({ hasMore: true });
  }
  return accept({ hasMore: false });
}

/** A queue's numbers as metrics show them: settled up to the last command or sweep, not for this instant. */
export interface ObservedQueue {
  readonly queue: string;
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** Deliveries of messages that had no dead-letter queue to go to. */
  readonly targetMissing: number;
  readonly oldestAgeMs?: number;
}

export function decideObserveQueues(
  transaction: QueueTransaction,
  countMax: number,
  stamp: Stamp,
): Decided<readonly ObservedQueue[]> {
  const observed: ObservedQueue[] = [];
  for (const queue of transaction.queuesAfter("", "")) {
    if (observed.length === countMax) break;
    const counters = transaction.readableCounters(queue);
    if (counters === undefined) continue;
    const { stored, inFlight, delayed } = counters;
    const numbers = {
      queue: `${queue.namespace}/${queue.name}`,
      visible: stored - inFlight - delayed,
      inFlight,
      delayed,
      targetMissing: counters.targetMissing,
    };
    let oldestAgeMs: number | undefined;
    if (stored > 0) {
      for (const { head } of transaction.messageHeadsFrom(queue, sequence(0))) {
        oldestAgeMs = between(head.arrivedAt, stamp.now);
        break;
      }
    }
    observed.push(oldestAgeMs === undefined ? numbers : { ...numbers, oldestAgeMs });
  }
  return accept(observed);
}
