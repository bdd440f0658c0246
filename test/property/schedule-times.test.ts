// Any pattern in any zone from any instant on: the next run is later, is where the clocks of the zone show one of the pattern's
// times, and passes none by. Beside it stands what a person would do: look at the clock, minute by minute.

import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { type EpochMs, epochMs } from "../../src/base/brands.js";
import type { Schedule } from "../../src/queue/schedule-model.js";
import { nextTime } from "../../src/queue/schedule-times.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** The values of each field; undefined for all of them. */
interface Pattern {
  readonly minutes: readonly number[] | undefined;
  readonly hours: readonly number[] | undefined;
  readonly days: readonly number[] | undefined;
  readonly months: readonly number[] | undefined;
  readonly weekdays: readonly number[] | undefined;
}

interface Fields {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  readonly weekday: number;
}

const textOf = ({ minutes, hours, days, months, weekdays }: Pattern): string =>
  [minutes, hours, days, months, weekdays].map((values) => values?.join(",") ?? "*").join(" ");

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a zone show, asked in another way than the server does. */
function fieldsAt(timeZone: string, instant: number): Fields & { readonly text: string } {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
      weekday: "short",
    });
    formats.set(timeZone, format);
  }
  const parts = format.formatToParts(instant);
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? "";
  return {
    minute: Number(of("minute")),
    hour: Number(of("hour")),
    day: Number(of("day")),
    month: Number(of("month")),
    weekday: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"].indexOf(of("weekday")),
    text: format.format(instant),
  };
}

const has = (values: readonly number[] | undefined, value: number): boolean =>
  values?.includes(value) ?? true;

function matches(pattern: Pattern, { minute, hour, day, month, weekday }: Fields): boolean {
  const { days, weekdays } = pattern;
  // With both given, either will do.
  const isDay =
    days !== undefined && weekdays !== undefined
      ? has(days, day) || has(weekdays, weekday)
      : has(days, day) && has(weekdays, weekday);
  return (
    has(pattern.minutes, minute) && has(pattern.hours, hour) && has(pattern.months, month) && isDay
  );
}

/** Whether the clocks showed the same time before, within the longest hour that comes twice. */
function isSecond(timeZone: string, instant: number): boolean {
  const { text } = fieldsAt(timeZone, instant);
  for (let ago = 30 * minuteMs; ago <= 3 * hourMs; ago += 30 * minuteMs) {
    if (fieldsAt(timeZone, instant - ago).text === text) return true;
  }
  return false;
}

/** The times that a change of clocks at this very instant skips; empty when there is no such change. */
function skippedAt(timeZone: string, instant: number): Fields[] {
  const asUtc = (at: number): number =>
    Date.parse(`${fieldsAt(timeZone, at).text.replace(/^\w+, /, "")} UTC`);
  const before = asUtc(instant - minuteMs);
  const skipped: Fields[] = [];
  for (let local = before + minuteMs; local < asUtc(instant); local += minuteMs) {
    skipped.push(fieldsAt("UTC", local));
  }
  return skipped;
}

const zones = [
  "Europe/Berlin",
  "America/New_York",
  "Australia/Lord_Howe",
  "Antarctica/Troll",
  "America/Havana",
  "Africa/Cairo",
  "Pacific/Chatham",
  "Asia/Kolkata",
  "UTC",
] as const;

const some = (min: number, max: number): fc.Arbitrary<readonly number[] | undefined> =>
  fc.option(
    fc
      .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 })
      .map((values) => values.sort((left, right) => left - right)),
    { nil: undefined },
  );

const pattern: fc.Arbitrary<Pattern> = fc.record({
  minutes: some(0, 59),
  // Around the hours at which clocks are changed.
  hours: fc.oneof(fc.constant(undefined), some(0, 23), some(0, 4)),
  days: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 4 },
    { arbitrary: some(1, 31), weight: 1 },
  ),
  months: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 4 },
    { arbitrary: some(1, 12), weight: 1 },
  ),
  weekdays: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 4 },
    { arbitrary: some(0, 6), weight: 1 },
  ),
});

const anyInstant = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2040, 0, 1) });

/** The changes of 2026 to 2039, to the hour, so that half of the examples are about them. */
const changes = new Map(
  zones.map((zone) => {
    const found: number[] = [];
    const offset = (at: number): number =>
      Date.parse(`${fieldsAt(zone, at).text.replace(/^\w+, /, "")} UTC`) - at;
    let last = offset(Date.UTC(2026, 0, 1));
    for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2040, 0, 1); at += 24 * hourMs) {
      if (offset(at) === last) continue;
      last = offset(at);
      found.push(at);
    }
    return [zone, found] as const;
  }),
);

const zoneAndInstant = fc.constantFrom(...zones).chain((zone) => {
  const near = changes.get(zone) ?? [];
  return fc.record({
    zone: fc.constant(zone),
    instant:
      near.length === 0
        ? anyInstant
        : fc.oneof(
            anyInstant,
            fc
              .tuple(fc.constantFrom(...near), fc.integer({ min: -30 * 60, max: 4 * 60 }))
              .map(([at, offsetMinutes]) => at + offsetMinutes * minuteMs),
          ),
  });
});

const scheduleOf = (
  of: Pattern,
  timeZone: string,
): Pick<Schedule, "timing" | "startAt" | "endAt" | "isPaused"> => ({
  timing: { kind: "cron", pattern: textOf(of), timeZone },
  startAt: undefined,
  endAt: undefined,
  isPaused: false,
});

/** Minutes looked at one by one: three days, so that a change is passed. */
const minutesSeenMax = 3 * 24 * 60;

test(
  "the next run is the first that a person at the clock would see",
  () => {
    const property = fc.property(pattern, zoneAndInstant, (of, { zone, instant }) => {
      const next = nextTime(scheduleOf(of, zone), epochMs(0), epochMs(instant)) ?? Infinity;
      expect(next).toBeGreaterThan(instant);
      const isEveryHour = of.hours === undefined;
      const first = Math.floor(instant / minuteMs + 1) * minuteMs;
      for (let seen = 0; seen < minutesSeenMax; seen += 1) {
        const at = first + seen * minuteMs;
        const shows = matches(of, fieldsAt(zone, at));
        const isRun = isEveryHour
          ? shows
          : (shows && !isSecond(zone, at)) ||
            skippedAt(zone, at).some((skipped) => matches(of, skipped));
        if (isRun || at >= next) {
          expect(new Date(at).toISOString()).toBe(new Date(next).toISOString());
          return;
        }
      }
    });
    fc.assert(property, runs(150));
  },
  propertyTimeoutMs,
);

test(
  "runs follow each other, each strictly later, wherever the server stands",
  () => {
    const property = fc.property(
      pattern,
      zoneAndInstant,
      fc.constantFrom("UTC", "Australia/Sydney", "America/New_York", "Europe/Berlin"),
      (of, { zone, instant }, serverZone) => {
        const runsIn = (timeZone: string): EpochMs[] => {
          vi.stubEnv("TZ", timeZone);
          const found: EpochMs[] = [];
          let last = epochMs(instant);
          while (found.length < 20) {
            const next = nextTime(scheduleOf(of, zone), epochMs(0), last);
            if (next === undefined) break;
            expect(next).toBeGreaterThan(last);
            expect(next % 1_000).toBe(0);
            found.push(next);
            last = next;
          }
          return found;
        };
        const found = runsIn(serverZone);
        expect(runsIn("UTC")).toEqual(found);
        // Asked from any instant between two runs, the answer is the later one.
        for (const [index, next] of found.entries()) {
          const before = found[index - 1] ?? instant;
          const between = epochMs(Math.floor((before + next) / 2));
          expect(nextTime(scheduleOf(of, zone), epochMs(0), between)).toBe(next);
          expect(nextTime(scheduleOf(of, zone), epochMs(0), epochMs(next - 1))).toBe(next);
        }
      },
    );
    fc.assert(property, runs(150));
    vi.unstubAllEnvs();
  },
  propertyTimeoutMs,
);

test("an interval's runs are its start and a whole number of intervals", () => {
  const property = fc.property(
    fc.integer({ min: 1_000, max: 31_536_000_000 }),
    fc.integer({ min: 0, max: 4e12 }),
    fc.integer({ min: 0, max: 4e12 }),
    (intervalMs, startAt, instant) => {
      const schedule = {
        timing: { kind: "interval" as const, intervalMs: intervalMs as never },
        startAt: epochMs(startAt),
        endAt: undefined,
        isPaused: false,
      };
      const next = nextTime(schedule, epochMs(0), epochMs(instant)) as number;
      expect(next).toBeGreaterThan(instant);
      expect(next).toBeGreaterThanOrEqual(startAt);
      expect((next - startAt) % intervalMs).toBe(0);
      expect(next === startAt || next - intervalMs <= instant).toBe(true);
    },
  );
  fc.assert(property, runs(1_000));
});
