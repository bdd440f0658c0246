// When a schedule runs. An interval is arithmetic. A cron pattern names times of the calendar, and a zone says at which
// instants its clocks show them, which is not obvious twice a year:
//
// - A pattern for certain hours, as `30 2 * * *`, runs once at each of its times. In a time that a change of clocks skips it
//   runs at the first instant after the change; in a time that comes twice it runs the first time.
// - A pattern for every hour, as `*/10 * * * *`, goes by the clock: it runs in both hours of the same name and in none that
//   is skipped. Else a heartbeat would stand still for an hour each autumn.
//
// croner finds the times of the calendar; the zones are ours, since of `*/15 2 * * *` it would make eight runs in autumn and none
// in spring.

import {
  type DurationMs,
  type EpochMs,
  epochMs,
  hours,
  type LocalMs,
  localMs,
} from "../base/brands.js";
import { type CronTimes, readCron } from "../base/cron.js";
import { findTimeZone, type TimeZone } from "../base/time-zone.js";
import { limits } from "./limits.js";
import type { Schedule, ScheduleTiming } from "./schedule-model.js";

type Times = Pick<Schedule, "timing" | "startAt" | "endAt" | "isPaused">;

/** When a schedule runs first that is put now. */
export function firstTime(schedule: Times, now: EpochMs): EpochMs | undefined {
  const { startAt } = schedule;
  // A start that was given may itself be a time it runs at.
  return startAt === undefined
    ? nextTime(schedule, now, now)
    : nextTime(schedule, now, epochMs(Math.max(startAt, now) - 1));
}

/** When it runs next, strictly after an instant. `putAt` is what an interval without a start counts from. */
export function nextTime(schedule: Times, putAt: EpochMs, instant: EpochMs): EpochMs | undefined {
  const { timing, startAt, endAt, isPaused } = schedule;
  if (isPaused) return undefined;
  const next = nextOf(timing, startAt ?? putAt, instant);
  return next === undefined || next > (endAt ?? limits.deliverAtMax) ? undefined : next;
}

/** Whether it ever comes to run, without an end or a pause. */
export const comesToRun = (schedule: Pick<Schedule, "timing" | "startAt">, now: EpochMs): boolean =>
  firstTime({ ...schedule, endAt: undefined, isPaused: false }, now) !== undefined;

function nextOf(timing: ScheduleTiming, start: EpochMs, instant: EpochMs): EpochMs | undefined {
  if (timing.kind === "interval") {
    const { intervalMs } = timing;
    const passed = Math.max(0, Math.floor((instant - start) / intervalMs) + 1);
    return epochMs(start + passed * intervalMs);
  }
  const cron = readCron(timing.pattern);
  const zone = findTimeZone(timing.timeZone === "" ? "UTC" : timing.timeZone);
  // Both were good when it was put. An older Node may know fewer zones.
  if (cron.kind === "unreadable" || zone === undefined) return undefined;
  return nextCronTime(cron.times, zone, instant);
}

/** The first time of a pattern in a zone strictly after an instant; undefined when none comes. */
const nextCronTime = (times: CronTimes, zone: TimeZone, instant: EpochMs): EpochMs | undefined =>
  times.hasEveryHour ? nextOnClock(times, zone, instant) : nextOnCalendar(times, zone, instant);

/** Of certain hours: each time of the calendar has one instant, and later ones have none that is earlier. */
function nextOnCalendar(times: CronTimes, zone: TimeZone, instant: EpochMs): EpochMs | undefined {
  const local = times.next(latestShown(zone, instant));
  return local === undefined ? undefined : firstInstantOf(zone, local);
}

/** The latest time that the clocks have shown up to an instant: while an hour is repeated, that is the end of the hour. */
function latestShown(zone: TimeZone, instant: EpochMs): LocalMs {
  const offset = zone.offsetAt(instant);
  const earlier = epochMs(instant - changeSpanMs);
  const earlierOffset = zone.offsetAt(earlier);
  const shown = instant + offset;
  if (earlierOffset <= offset) return localMs(shown);
  const change = changeBetween(zone, earlier, instant);
  return localMs(Math.max(shown, change + earlierOffset - 1));
}

/** The first instant at which the clocks show a time; if they never do, the one at which they are put past it. */
function firstInstantOf(zone: TimeZone, local: LocalMs): EpochMs {
  const from = epochMs(local - changeSpanMs);
  const to = epochMs(local + changeSpanMs);
  const before = zone.offsetAt(from);
  const behind = zone.offsetAt(to);
  const first = epochMs(local - before);
  if (before === behind || zone.offsetAt(first) === before) return first;
  const second = epochMs(local - behind);
  return zone.offsetAt(second) === behind ? second : changeBetween(zone, from, to);
}

/** Of every hour: the clocks are followed from change to change. */
function nextOnClock(times: CronTimes, zone: TimeZone, instant: EpochMs): EpochMs | undefined {
  let from = instant;
  let offset = zone.offsetAt(from);
  let shown = localMs(from + offset);
  // A change right after the instant, a leap over what has no such day, and a change right before the time found.
  for (let step = 0; step < stepsMax; step += 1) {
    const local = times.next(shown);
    if (local === undefined) return undefined;
    const found = epochMs(local - offset);
    const horizon = epochMs(Math.min(found, from + changeSpanMs));
    if (zone.offsetAt(horizon) !== offset) {
      from = changeBetween(zone, from, horizon);
      if (found < from) return found;
      offset = zone.offsetAt(from);
      shown = localMs(from + offset - 1);
    } else if (found === horizon) {
      return found;
    } else {
      from = epochMs(Math.max(horizon, found - changeSpanMs));
      offset = zone.offsetAt(from);
      shown = localMs(from + offset);
    }
  }
  return undefined;
}

/** Longer than any zone is from UTC and any change sets the clocks by, shorter than from one change to the next. */
const changeSpanMs: DurationMs = hours(26);
const stepsMax = 10;

/** The first instant after `from` at which a zone's offset is no longer that of `from`; at `to` it is not. */
function changeBetween(zone: TimeZone, from: EpochMs, to: EpochMs): EpochMs {
  const offset = zone.offsetAt(from);
  let low: number = from;
  let high: number = to;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (zone.offsetAt(epochMs(middle)) === offset) low = middle;
    else high = middle;
  }
  return epochMs(high);
}
