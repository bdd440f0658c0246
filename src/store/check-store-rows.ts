// The check of rows about the whole store beside queues and garbage: one function a table, found by the byte that leads its keys.
// A table that is new gets a function and a line in `tablesByByte`; a byte without one is reported.

import type { Namespace, QueueName } from "../base/brands.js";
import type { MoveOrder, MoveTaskId } from "../queue/move-task.js";
import { runningReplayByte } from "./archive-keys.js";
import { askedHostByte, askedHostKeyLength } from "./asked-host-rows.js";
import { attemptsDueByte } from "./attempt-keys.js";
import { cacheKey, dueCacheByte, fencedCacheByte, lostCollectionByte } from "./cache-keys.js";
import { checkRunningReplay } from "./check-archives.js";
import { checkCacheLead, checkLostCollection } from "./check-caches.js";
import { checkDrainingTopic } from "./check-draining.js";
import { checkConfirmationDue, checkSigningIdentity } from "./check-pushes.js";
import { checkSchedule, checkScheduleDue } from "./check-schedules.js";
import {
  checkEndedTopic,
  checkNamespaceSubscription,
  checkSubscriptionId,
  checkTopicCount,
} from "./check-topics.js";
import { type CheckWalk, isPlace, keyAfter, keyName } from "./check-walk.js";
import { drainingTopicByte } from "./drain-rows.js";
import {
  countersKey,
  endOfPrefix,
  moveOrderKey,
  moveTaskKey,
  moveTasksFrom,
  nodeKey,
  queueKey,
  requestDueKey,
  requestKey,
  segmentPrefix,
  u64At,
} from "./keys.js";
import { moveTaskIdAt } from "./move-rows.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";
import { redriveOrderByte, undeliverableDueByte } from "./undeliverable-keys.js";

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
  "\x87": checkMoveTask,
  "\x88": checkSchedule,
  "\x89": checkScheduleDue,
  "\x8a": checkMoveOrder,
  // Topics were read before, with their segments.
  "\x8b": () => undefined,
  "\x8c": checkTopicCount,
  "\x8d": checkSubscriptionId,
  "\x8e": checkNamespaceSubscription,
  "\x8f": checkEndedTopic,
  "\x90": checkConfirmationDue,
  "\x91": checkSigningIdentity,
  [runningReplayByte]: checkRunningReplay,
  // Read with the topics: what is left of one that was deleted goes with the next clean-up.
  [attemptsDueByte]: () => undefined,
  [undeliverableDueByte]: () => undefined,
  [redriveOrderByte]: () => undefined,
  [drainingTopicByte]: checkDrainingTopic,
  [askedHostByte]: checkAskedHost,
  // Caches were read before, with their segments.
  "\xa0": () => undefined,
  "\xa1": checkCacheCount,
  [dueCacheByte]: checkCacheLead,
  [fencedCacheByte]: checkCacheLead,
  [lostCollectionByte]: checkLostCollection,
};

function checkCacheCount({ walk }: StoreRowsContext, scanned: ScannedRow): void {
  const namespace = scanned.key.slice(1);
  const name = `caches of ${namespace}`;
  const { row } = walk.read(scanned, tables.cacheCount, () => name);
  if (row === undefined) return;
  const from = cacheKey(namespace, "");
  // The one that is always there is not counted.
  const keys = walk.store.keys(from, endOfPrefix(from), row + 2);
  const count = keys.filter((key) => key !== cacheKey(namespace, "default")).length;
  if (count !== row) walk.report(name, `Their number says ${row}, and there are ${count}.`);
}

/** What it tells of may have ended. */
function checkAskedHost({ walk }: StoreRowsContext, scanned: ScannedRow): void {
  if (scanned.key.length !== askedHostKeyLength) walk.layout(scanned.key);
  else walk.read(scanned, tables.askedHost, () => "host that was asked");
}

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
  const name = (): string => `node fact ${keyName(scanned.key.slice(1))}`;
  if (scanned.key === nodeKey("secret")) walk.read(scanned, tables.secret, name);
  else walk.read(scanned, tables.node, name);
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

function checkMoveTask({ walk, lastInstant }: StoreRowsContext, scanned: ScannedRow): void {
  const { key } = scanned;
  if (!isMoveKey(key)) {
    walk.layout(key);
    return;
  }
  const id = moveTaskIdAt(key);
  const order = walk.find(tables.moveOrder, moveOrderKey(id));
  const name = moveName(id, order);
  const { row: task } = walk.read(scanned, tables.moveTask, () => name);
  if (order === undefined) walk.report(name, "No row says what it is to do.");
  if (task === undefined || order === undefined || order === "unreadable") return;
  const { cursor, passedOver } = task.pass;
  if (cursor > order.upTo) {
    walk.report(name, `It stands at place ${cursor}, after its end ${order.upTo}.`);
  }
  if (passedOver !== undefined && passedOver.sequence > cursor) {
    walk.report(name, `It passed over place ${passedOver.sequence} and stands at ${cursor}.`);
  }
  const { state } = task;
  if (state.kind !== "running") {
    if (state.endedAt > lastInstant || state.endedAt < order.startedAt) {
      walk.report(name, `It ended at ${state.endedAt} and was started at ${order.startedAt}.`);
    }
    return;
  }
  const end = moveTasksFrom((id.source + 1) as MoveTaskId["source"]);
  if (walk.store.keys(keyAfter(key), end, 1).length > 0) {
    walk.report(name, "It runs, and a later one of its queue was started.");
  }
}

/** Of the two rows of a task this one knows its queue. */
function checkMoveOrder({ walk, lastInstant }: StoreRowsContext, scanned: ScannedRow): void {
  const { key } = scanned;
  if (!isMoveKey(key)) {
    walk.layout(key);
    return;
  }
  const id = moveTaskIdAt(key);
  const { row: order } = walk.read(scanned, tables.moveOrder, () => moveName(id, undefined));
  if (order === undefined) return;
  const name = moveName(id, order);
  if (walk.find(tables.moveTask, moveTaskKey(id)) === undefined) {
    walk.report(name, "No row says how far it is.");
  }
  if (order.startedAt > lastInstant) {
    walk.report(name, `It was started at ${order.startedAt}, after the last instant of the store.`);
  }
  const queue = walk.find(tables.queue, queueKey(order.from.namespace, order.from.name));
  if (queue === "unreadable") return;
  if (queue?.number !== id.source || order.from.number !== id.source) {
    walk.report(name, "Its queue is gone.");
    return;
  }
  const counters = walk.find(
    tables.counters,
    countersKey(segmentPrefix(queue.slot, queue.segment)),
  );
  if (counters === undefined || counters === "unreadable") return;
  if (order.upTo > counters.nextSequence) {
    walk.report(
      name,
      `It goes up to place ${order.upTo}, and the next one is ${counters.nextSequence}.`,
    );
  }
}

const isMoveKey = (key: string): boolean => key.length === 17 && isPlace(key, 1) && isPlace(key, 9);

const moveName = (
  { source, number }: MoveTaskId,
  order: MoveOrder | "unreadable" | undefined,
): string =>
  order === undefined || order === "unreadable"
    ? `move task ${number} of queue number ${source}`
    : `queue ${order.from.namespace}/${order.from.name}, move task ${number}`;

/** The names in a key behind its first byte, none of them empty. */
export function namesOf(key: string, count: number): readonly string[] | undefined {
  const names = key.slice(1).split("\x00");
  return names.length === count && names.every((name) => name !== "") ? names : undefined;
}
