// Changing a queue's counters.

import type { EpochMs, Sequence } from "../base/brands.js";
import { sequence } from "../base/brands.js";
import { fairness } from "./limits.js";
import type { BusyTime, Counters } from "./model.js";

/** What changes: places and times are replaced, numbers are added. */
export type CountersChange = { readonly [Name in keyof Counters]?: Counters[Name] };

export const noBusyTime: BusyTime = { minute: 0, currentMs: 0, beforeMs: 0 };

const first: Sequence = sequence(1);

export const newCounters: Counters = {
  nextSequence: first,
  freshFrom: first,
  dueFrom: first,
  stored: 0,
  storedBytes: 0,
  inFlight: 0,
  delayed: 0,
  sent: 0,
  received: 0,
  deleted: 0,
  expired: 0,
  purged: 0,
  deduplicated: 0,
  deadLettered: 0,
  moved: 0,
  arrived: 0,
  targetMissing: 0,
  scheduled: 0,
  groups: 0,
  groupsInFlight: 0,
  noisyGroups: 0,
  noisyStored: 0,
  noisyInFlight: 0,
  noisyDelayed: 0,
  busy: noBusyTime,
};

/**
 * The counters after a change. Every field is written out, because spreading an object of so many numbers takes V8 0.65 us and
 * this 0.02 us, and every message sent, received and deleted comes through here.
 */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one line a number, and nothing else.
export function changeCounters(before: Counters, change: CountersChange): Counters {
  return {
    nextSequence: change.nextSequence ?? before.nextSequence,
    freshFrom: change.freshFrom ?? before.freshFrom,
    dueFrom: change.dueFrom ?? before.dueFrom,
    stored: before.stored + (change.stored ?? 0),
    storedBytes: before.storedBytes + (change.storedBytes ?? 0),
    inFlight: before.inFlight + (change.inFlight ?? 0),
    delayed: before.delayed + (change.delayed ?? 0),
    sent: before.sent + (change.sent ?? 0),
    received: before.received + (change.received ?? 0),
    deleted: before.deleted + (change.deleted ?? 0),
    expired: before.expired + (change.expired ?? 0),
    purged: before.purged + (change.purged ?? 0),
    deduplicated: before.deduplicated + (change.deduplicated ?? 0),
    deadLettered: before.deadLettered + (change.deadLettered ?? 0),
    moved: before.moved + (change.moved ?? 0),
    arrived: before.arrived + (change.arrived ?? 0),
    targetMissing: before.targetMissing + (change.targetMissing ?? 0),
    scheduled: before.scheduled + (change.scheduled ?? 0),
    groups: before.groups + (change.groups ?? 0),
    groupsInFlight: before.groupsInFlight + (change.groupsInFlight ?? 0),
    noisyGroups: before.noisyGroups + (change.noisyGroups ?? 0),
    noisyStored: before.noisyStored + (change.noisyStored ?? 0),
    noisyInFlight: before.noisyInFlight + (change.noisyInFlight ?? 0),
    noisyDelayed: before.noisyDelayed + (change.noisyDelayed ?? 0),
    busy: change.busy ?? before.busy,
  };
}

const minuteOf = (now: EpochMs): number => Math.floor(now / fairness.busyWindowMs);

/** Moves the two windows on to the minute of `now` and adds to the current one. */
export function addBusyTime(busy: BusyTime, spentMs: number, now: EpochMs): BusyTime {
  const minute = minuteOf(now);
  if (minute === busy.minute) return { ...busy, currentMs: busy.currentMs + spentMs };
  const beforeMs = minute === busy.minute + 1 ? busy.currentMs : 0;
  return { minute, currentMs: spentMs, beforeMs };
}

/** About what was spent in the last minute: the current window, and of the one before the part that is less than a minute ago. */
export function recentBusyMs(busy: BusyTime, now: EpochMs): number {
  const { currentMs, beforeMs } = addBusyTime(busy, 0, now);
  const elapsedPart = (now % fairness.busyWindowMs) / fairness.busyWindowMs;
  return currentMs + beforeMs * (1 - elapsedPart);
}
