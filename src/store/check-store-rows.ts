// The check of rows about the whole store beside queues and garbage: one function a table, found by the byte that leads its keys.
// A table that is new gets a function and a line in `tablesByByte`; a byte without one is reported.

import type { Namespace, QueueName } from "../base/brands.js";
import { type CheckWalk, isPlace, keyName } from "./check-walk.js";
import { queueKey, requestDueKey, requestKey, u64At } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

/** Rows are found by key where one must go with another: `walk.find`. Queues have been read before. */
export interface StoreRowsContext {
  readonly walk: CheckWalk;
  /** No row can tell of a later instant. */
  readonly lastInstant: number;
}

type CheckRow = (context: StoreRowsContext, scanned: ScannedRow) => void;

const tablesByByte: Readonly<Record<string, CheckRow>> = {
  "\x82": checkRequest,
  "\x83": checkRequestDue,
  "\x84": checkNodeFact,
  "\x85": checkDeletedQueue,
  "\x86": checkDeadLetterSource,
};

export async function checkStoreRows(context: StoreRowsContext): Promise<void> {
  const { walk } = context;
  await walk.walk("\x82", "\xff", (scanned) => {
    const check = tablesByByte[scanned.key.charAt(0)];
    if (check === undefined) walk.report(keyName(scanned.key), "No table has this letter.");
    else check(context, scanned);
    return undefined;
  });
  await walk.walk("\xff", wholeEnd, (scanned) => {
    walk.checkChunk(scanned, scanned.key.slice(1, -2), keyName(scanned.key));
    return undefined;
  });
}

/** After every key: none may be longer than LMDB's longest. */
const wholeEnd = "\xff".repeat(64);

function checkRequest({ walk }: StoreRowsContext, scanned: ScannedRow): void {
  const hash = scanned.key.slice(1);
  const name = requestName(hash);
  const { row } = walk.read(scanned, tables.request, () => name);
  if (row === undefined) return;
  if (walk.find(tables.requestDue, requestDueKey(row.keepUntil, hash)) === undefined) {
    walk.report(name, `No row says that it may go at ${row.keepUntil}.`);
  }
}

function checkRequestDue({ walk }: StoreRowsContext, scanned: ScannedRow): void {
  const { key } = scanned;
  if (key.length <= 9 || !isPlace(key, 1)) {
    walk.layout(key);
    return;
  }
  const hash = key.slice(9);
  const name = requestName(hash);
  walk.read(scanned, tables.requestDue, () => name);
  const result = walk.find(tables.request, requestKey(hash));
  const keepUntil = u64At(key, 1);
  if (result === undefined) {
    walk.report(name, `It is to go at ${keepUntil} and is not there.`);
  } else if (result !== "unreadable" && result.keepUntil !== keepUntil) {
    walk.report(name, `It is to go at ${keepUntil} and also at ${result.keepUntil}.`);
  }
}

const requestName = (hash: string): string =>
  `request result ${Buffer.from(hash, "latin1").toString("hex")}`;

function checkNodeFact({ walk }: StoreRowsContext, scanned: ScannedRow): void {
  walk.read(scanned, tables.node, () => `node fact ${keyName(scanned.key.slice(1))}`);
}

function checkDeletedQueue({ walk, lastInstant }: StoreRowsContext, scanned: ScannedRow): void {
  const [namespace, queue] = namesOf(scanned.key, 2) ?? [];
  if (namespace === undefined || queue === undefined) {
    walk.layout(scanned.key);
    return;
  }
  const name = `deleted queue ${namespace}/${queue}`;
  const { row } = walk.read(scanned, tables.deletedQueue, () => name);
  if (row !== undefined && row > lastInstant) {
    walk.report(name, `It was deleted at ${row}, after the last instant of the store.`);
  }
}

/** The reverse, a queue whose dead letters nobody lists, is found with the queue. */
function checkDeadLetterSource({ walk }: StoreRowsContext, scanned: ScannedRow): void {
  const [namespace, target, source] = namesOf(scanned.key, 3) ?? [];
  if (namespace === undefined || target === undefined || source === undefined) {
    walk.layout(scanned.key);
    return;
  }
  const name = `queue ${namespace}/${target}`;
  walk.read(scanned, tables.deadLetterSource, () => name);
  const queue = walk.find(tables.queue, queueKey(namespace as Namespace, source as QueueName));
  const says = `A row says that ${source} sends its dead letters there`;
  if (queue === undefined) walk.report(name, `${says}, and there is no such queue.`);
  if (queue === undefined || queue === "unreadable") return;
  const named = queue.settings.redrive?.deadLetterQueue;
  if (named !== target) walk.report(name, `${says}; it names ${named ?? "none"}.`);
}

/** The names in a key behind its first byte, none of them empty. */
export function namesOf(key: string, count: number): readonly string[] | undefined {
  const names = key.slice(1).split("\x00");
  return names.length === count && names.every((name) => name !== "") ? names : undefined;
}
