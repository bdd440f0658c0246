// The check of schedules: each row of what was put has one of what was done, and is of a queue; the order of the next times has
// a row for each schedule that runs again, and no other.

import type { Namespace, QueueName } from "../base/brands.js";
import { type CheckWalk, isPlace } from "./check-walk.js";
import {
  queueKey,
  scheduleDueKey,
  scheduleDueNamesAt,
  scheduleKey,
  scheduleStateKey,
  u64At,
} from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

interface Context {
  readonly walk: CheckWalk;
  /** No row can tell of a later instant. */
  readonly lastInstant: number;
}

/** A schedule's row, or that of its state. */
export function checkSchedule(context: Context, scanned: ScannedRow): void {
  const { key } = scanned;
  const names = key.slice(2);
  const [namespace, queue, schedule] = splitNames(names) ?? [];
  const isState = key === scheduleStateKey(names);
  if (schedule === undefined || !(isState || key === scheduleKey(names))) {
    context.walk.layout(key);
    return;
  }
  const name = `queue ${namespace}/${queue}, schedule ${schedule}`;
  if (isState) checkState(context, scanned, names, name);
  else checkPut(context, scanned, names, name);
}

function checkPut({ walk }: Context, scanned: ScannedRow, names: string, name: string): void {
  const { row } = walk.read(scanned, tables.schedule, () => name);
  const [namespace = "", owner = ""] = splitNames(names) ?? [];
  const queue = walk.find(tables.queue, queueKey(namespace as Namespace, owner as QueueName));
  if (queue === undefined) walk.report(name, "There is no such queue.");
  if (walk.find(tables.scheduleState, scheduleStateKey(names)) === undefined) {
    walk.report(name, "No row says what it has done.");
  }
  if (row === undefined || queue === undefined || queue === "unreadable") return;
  if (queue.isFifo && row.message.content.groupId === undefined) {
    walk.report(name, "Its messages have no group, and its queue is a FIFO queue.");
  }
}

function checkState(
  { walk, lastInstant }: Context,
  scanned: ScannedRow,
  names: string,
  name: string,
): void {
  const { row: state } = walk.read(scanned, tables.scheduleState, () => name);
  if (walk.find(tables.schedule, scheduleKey(names)) === undefined) {
    walk.report(name, "No row says what it sends.");
  }
  if (state === undefined) return;
  const { putAt, nextAt, lastAt } = state;
  if (putAt > lastInstant || (lastAt ?? 0) > lastInstant) {
    walk.report(name, "It was put or has run after the last instant of the store.");
  }
  if (
    nextAt !== undefined &&
    walk.find(tables.scheduleDue, scheduleDueKey(nextAt, names)) === undefined
  ) {
    walk.report(name, `No row says that it runs next at ${nextAt}.`);
  }
}

/** A row of the order in which schedules run. */
export function checkScheduleDue({ walk }: Context, scanned: ScannedRow): void {
  const { key } = scanned;
  const names = key.slice(scheduleDueNamesAt);
  const [namespace, queue, schedule] = splitNames(names) ?? [];
  if (schedule === undefined || !isPlace(key, 1)) {
    walk.layout(key);
    return;
  }
  const name = `queue ${namespace}/${queue}, schedule ${schedule}`;
  walk.read(scanned, tables.scheduleDue, () => name);
  const state = walk.find(tables.scheduleState, scheduleStateKey(names));
  const nextAt = u64At(key, 1);
  if (state === undefined) walk.report(name, `It is to run at ${nextAt} and is not there.`);
  else if (state !== "unreadable" && state.nextAt !== nextAt) {
    walk.report(name, `It is to run at ${nextAt} and also ${state.nextAt ?? "never"}.`);
  }
}

function splitNames(names: string): readonly string[] | undefined {
  const split = names.split("\x00");
  return split.length === 3 && split.every((name) => name !== "") ? split : undefined;
}
