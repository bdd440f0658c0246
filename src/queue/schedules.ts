// Schedules: messages that the server sends by itself, again and again. Here they are put, shown, listed and deleted; when they
// run is said in `schedule-times.ts`, and what a run does in `schedule-runs.ts`.
//
// They belong to a queue by its name: a purge leaves them, a delete takes them along.

import { isDeepStrictEqual } from "node:util";
import type { EpochMs } from "../base/brands.js";
import { instantText } from "../base/dates.js";
import { limits } from "./limits.js";
import type { Queue } from "./model.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, reject } from "./rejections.js";
import type { Schedule, ScheduleState } from "./schedule-model.js";
import { firstTime } from "./schedule-times.js";
import { refusalOf, type SendEntry } from "./send-message.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface PutSchedule {
  readonly address: QueueAddress;
  readonly schedule: Schedule;
}

export interface SchedulePut {
  readonly isNew: boolean;
  readonly state: ScheduleState;
}

/** Creates or replaces. What a schedule that is replaced has done stays with its name; when it runs next is found anew. */
export function decidePutSchedule(
  transaction: QueueTransaction,
  { address, schedule }: PutSchedule,
  { now }: Stamp,
): Decided<SchedulePut> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const refusal = refusalOf(address, queue, entryOf(queue, schedule, now));
  if (refusal !== undefined) return reject(refusal);
  const { name } = schedule;
  const before = transaction.readableScheduleState(queue, name);
  if (before !== undefined) {
    const same = transaction.readableSchedule(queue, name);
    if (isDeepStrictEqual(same, schedule)) return accept({ isNew: false, state: before });
  } else if (isFull(transaction, queue)) {
    const limit = limits.schedulesMax;
    return reject({ kind: "schedule_limit", queue: address.given, limit });
  }
  const state: ScheduleState = {
    ...(before ?? unrun),
    putAt: now,
    nextAt: firstTime(schedule, now),
  };
  transaction.putSchedule(queue, schedule);
  transaction.putScheduleState(queue, name, state, before);
  return accept({ isNew: before === undefined, state });
}

const unrun = {
  lastAt: undefined,
  lastMessageId: undefined,
  runCount: 0,
  failure: undefined,
} as const;

/** What a schedule sends when it runs at `time`. Each run is another message, whatever the queue takes for duplicates. */
export function entryOf(
  queue: Queue,
  { name, message }: Pick<Schedule, "name" | "message">,
  time: EpochMs,
): SendEntry {
  const { content, sizeBytes, timeToLiveMs, priority } = message;
  return {
    content: queue.isFifo ? { ...content, dedupId: `${name}-${instantText(time)}` } : content,
    sizeBytes,
    delayMs: undefined,
    timeToLiveMs,
    priority,
    fieldPrefix: "schedule.message.",
  };
}

function isFull(transaction: QueueTransaction, queue: Queue): boolean {
  let count = 0;
  for (const _ of transaction.schedulesAfter(queue, "")) count += 1;
  return count >= limits.schedulesMax;
}

export interface NamedSchedule {
  readonly address: QueueAddress;
  readonly name: string;
}

/** A schedule with what it has done and will do. */
export interface ScheduleReport {
  readonly schedule: Schedule;
  readonly state: ScheduleState;
}

export function decideGetSchedule(
  transaction: QueueTransaction,
  { address, name }: NamedSchedule,
): Decided<ScheduleReport> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const schedule = transaction.schedule(queue, name);
  const state = transaction.scheduleState(queue, name);
  return schedule === undefined || state === undefined
    ? scheduleNotFound(address, name)
    : accept({ schedule, state });
}

const scheduleNotFound = (address: QueueAddress, schedule: string): Decided<never> =>
  reject({ kind: "schedule_not_found", queue: address.given, schedule });

export interface ListSchedules {
  readonly address: QueueAddress;
  /** The last name of the page before; empty: from the start. */
  readonly afterName: string;
  readonly countMax: number;
  /** Of bodies and attributes; one schedule is returned whatever it takes. */
  readonly bytesMax: number;
}

export interface SchedulePage {
  readonly schedules: readonly ScheduleReport[];
  /** The name to go on after; undefined: nothing is left. */
  readonly next: string | undefined;
}

export function decideListSchedules(
  transaction: QueueTransaction,
  { address, afterName, countMax, bytesMax }: ListSchedules,
): Decided<SchedulePage> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const schedules: ScheduleReport[] = [];
  let bytes = 0;
  let last = afterName;
  for (const { name, state } of transaction.schedulesAfter(queue, afterName)) {
    if (schedules.length === countMax) return accept({ schedules, next: last });
    const schedule = transaction.readableSchedule(queue, name);
    bytes += schedule?.message.sizeBytes ?? 0;
    if (schedules.length > 0 && bytes > bytesMax) return accept({ schedules, next: last });
    last = name;
    if (schedule !== undefined) schedules.push({ schedule, state });
  }
  return accept({ schedules, next: undefined });
}

export function decideDeleteSchedule(
  transaction: QueueTransaction,
  { address, name }: NamedSchedule,
): Decided<{ readonly name: string }> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const state = transaction.readableScheduleState(queue, name);
  // One that cannot be read can still be deleted.
  if (state === undefined && transaction.readableSchedule(queue, name) === undefined) {
    return scheduleNotFound(address, name);
  }
  transaction.removeSchedule(queue, name, state);
  return accept({ name });
}

/** Those of a queue that is deleted: at most as many as a queue may have. */
export function removeSchedules(transaction: QueueTransaction, queue: Queue): void {
  for (const { name, state } of [...transaction.schedulesAfter(queue, "")]) {
    transaction.removeSchedule(queue, name, state);
  }
}
