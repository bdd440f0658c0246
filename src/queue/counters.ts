// Changing a queue's counters.

import { type EpochMs, epochMs, type Sequence, sequence } from "../base/brands.js";
import { fairness } from "./limits.js";
import type { BusyTime, Counters } from "./model.js";

/** What changes: places and times are replaced, numbers are added. */
export type CountersChange = { readonly [Name in keyof Counters]?: Counters[Name] };

export const noBusyTime: BusyTime = { minute: 0, currentMs: 0, beforeMs: 0 };

const first: Sequence = sequence(1);

/** Later than any instant: nothing is due. */
export const never: EpochMs = epochMs(Number.MAX_SAFE_INTEGER);

export const newCounters: Counters = {
  nextSequence: first,
  freshFrom: first,
  dueFrom: first,
  delayBackTo: sequence(0),
  turnFrom: first,
  dueAt: never,
  joinsAt: never,
  expiryAt: never,
  returned: 0,
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
  limitedGroups: 0,
  noisyGroups: 0,
  noisyStored: 0,
  noisyInFlight: 0,
  noisyDelayed: 0,
  busy: noBusyTime,
};

/** Counters while one command changes them. */
export type CountersDraft = { -readonly [Name in keyof Counters]: Counters[Name] };

/** What is replaced; the rest are numbers that a change is added to. */
const marks: ReadonlySet<string> = new Set<keyof Counters>([
  "nextSequence",
  "freshFrom",
  "dueFrom",
  "delayBackTo",
  "turnFrom",
  "dueAt",
  "joinsAt",
  "expiryAt",
  "busy",
]);

/**
 * In place: every message sent, received and deleted comes through here, and a new object of so many numbers takes 0.1 us.
 * No number falls below nothing: what a row that cannot be read had counted is not known, and a negative one cannot be stored.
 */
export function changeCounters(draft: CountersDraft, change: CountersChange): void {
  // Every name is one of the draft's; what is added is a number.
  const numbers = draft as unknown as Record<string, number>;
  const changes = change as unknown as Record<string, number>;
  for (const name of Object.keys(changes)) {
    const value = changes[name] ?? 0;
    numbers[name] = marks.has(name) ? value : Math.max(0, (numbers[name] ?? 0) + value);
  }
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
