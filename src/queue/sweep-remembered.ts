// Forgetting remembered ids: those of deduplication and of receive attempts whose time is over.
//
// Whoever reads such a row judges it by its time, so nothing depends on when it goes; it only takes room. The rows stand by the
// hash of their ids, in no order of time: a cursor goes round over all of them, a bounded number a step, and who calls the steps
// goes on while they find much to remove.

import type { Namespace, QueueName } from "../base/brands.js";
import { isRemembered } from "./deduplication.js";
import { limits } from "./limits.js";
import type { Queue } from "./model.js";
import { orUnreadable } from "./readable.js";
import { accept, type Decided } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction, QueueView, RememberedKey } from "./view.js";

/** How far the remembered ids of a queue have been looked through. */
export interface RememberedCursor {
  readonly namespace: Namespace;
  readonly name: QueueName;
  readonly table: "dedup" | "attempt";
  /** The last key looked at; empty: none yet. */
  readonly after: RememberedKey;
}

export const rememberedFrom = ({ namespace, name }: Queue): RememberedCursor => ({
  namespace,
  name,
  table: "dedup",
  after: "",
});

/**
 * Whether a queue can have remembered ids, as far as its own row tells. A standard queue that has no window may have had one:
 * then there may be rows left, which `mayHaveLeftOver` tells and only a look finds out.
 */
export const canRemember = ({ isFifo, settings }: Queue): boolean =>
  isFifo || settings.dedupWindowMs > 0;

export const mayHaveLeftOver = (queue: Queue): boolean => !canRemember(queue) && queue.revision > 1;

export const hasRemembered = (view: QueueView, queue: Queue): boolean =>
  view.dedupKeys(queue, "", 1).length > 0;

/** What one step did with the ids of one queue. */
export interface RememberedSwept {
  readonly lookedAt: number;
  readonly removed: number;
  /** Where to go on; undefined: the queue is gone, or remembers nothing. */
  readonly next: RememberedCursor | undefined;
}

/** Goes on at each cursor in turn, as far as one step may; the answer has a part for each it came to, from the first on. */
export function decideSweepRemembered(
  transaction: QueueTransaction,
  cursors: readonly RememberedCursor[],
  stamp: Stamp,
): Decided<readonly RememberedSwept[]> {
  const swept: RememberedSwept[] = [];
  let left: number = limits.sweptIdsMax;
  for (const cursor of cursors) {
    if (left <= 0) break;
    const queue = transaction.findQueue(cursor.namespace, cursor.name);
    const step =
      queue === undefined
        ? { lookedAt: 0, removed: 0, next: undefined }
        : sweepQueue(transaction, queue, cursor, left, stamp);
    left -= step.lookedAt;
    swept.push(step);
  }
  return accept(swept);
}

/** From the cursor to the end, or as far as is left; a purge since has only put the cursor somewhere in the middle. */
function sweepQueue(
  transaction: QueueTransaction,
  queue: Queue,
  cursor: RememberedCursor,
  left: number,
  stamp: Stamp,
): RememberedSwept {
  const start = rememberedFrom(queue);
  let lookedAt = 0;
  let removed = 0;
  for (const table of cursor.table === "dedup" ? bothTables : attemptsOnly) {
    // Standard queues have no receive attempts.
    if (table === "attempt" && !queue.isFifo) break;
    const after = table === cursor.table ? cursor.after : "";
    const keys = keysOf(transaction, queue, table, after, left - lookedAt);
    for (const key of keys) if (removeIfOver(transaction, queue, table, key, stamp)) removed += 1;
    lookedAt += keys.length;
    const last = keys.at(-1);
    if (last !== undefined && lookedAt >= left) {
      return { lookedAt, removed, next: { ...start, table, after: last } };
    }
  }
  const isEmpty = lookedAt === 0 && cursor.table === "dedup" && cursor.after === "";
  return { lookedAt, removed, next: isEmpty ? undefined : start };
}

const bothTables = ["dedup", "attempt"] as const;
const attemptsOnly = ["attempt"] as const;

const keysOf = (
  transaction: QueueTransaction,
  queue: Queue,
  table: RememberedCursor["table"],
  after: RememberedKey,
  countMax: number,
): readonly RememberedKey[] =>
  table === "dedup"
    ? transaction.dedupKeys(queue, after, countMax)
    : transaction.attemptKeys(queue, after, countMax);

function removeIfOver(
  transaction: QueueTransaction,
  queue: Queue,
  table: RememberedCursor["table"],
  key: RememberedKey,
  stamp: Stamp,
): boolean {
  const entry = orUnreadable(() =>
    table === "dedup" ? transaction.dedupEntry(queue, key) : transaction.receiveAttempt(queue, key),
  );
  // It has lost its time: it stays, for the check to name, and the others are not kept waiting for it.
  if (entry === undefined || entry === "unreadable") return false;
  const windowMs = table === "dedup" ? queue.settings.dedupWindowMs : limits.attemptWindowMs;
  if (isRemembered(entry, windowMs, stamp)) return false;
  if (table === "dedup") transaction.removeDedupEntry(queue, key);
  else transaction.removeReceiveAttempt(queue, key);
  return true;
}
