// When schedules run: both changes of clocks in zones that differ in how far and when they are set, and what a pattern may say.

import { describe, expect, test } from "vitest";
import { type EpochMs, epochMs, seconds } from "../../src/base/brands.js";
import { readCron } from "../../src/base/cron.js";
import { findTimeZone } from "../../src/base/time-zone.js";
import type { Schedule } from "../../src/queue/schedule-model.js";
import { comesToRun, firstTime, nextTime } from "../../src/queue/schedule-times.js";

type Times = Pick<Schedule, "timing" | "startAt" | "endAt" | "isPaused">;

const instantOf = (text: string): EpochMs => epochMs(Date.parse(text));
const textOf = (instant: EpochMs | undefined): string =>
  instant === undefined ? "never" : new Date(instant).toISOString().replace(".000Z", "Z");

const cron = (pattern: string, timeZone = "", options: Partial<Times> = {}): Times => ({
  timing: { kind: "cron", pattern, timeZone },
  startAt: undefined,
  endAt: undefined,
  isPaused: false,
  ...options,
});

const every = (intervalMs: number, options: Partial<Times> = {}): Times => ({
  ...cron("", "", options),
  timing: { kind: "interval", intervalMs: seconds(intervalMs / 1_000) },
});

/** What the clocks of a zone show, with their distance from UTC. */
function shown(instant: EpochMs, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "longOffset",
  }).formatToParts(instant);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? "";
  const offset = part("timeZoneName").replace("GMT", "") || "+00:00";
  return `${part("month")}-${part("day")} ${part("hour")}:${part("minute")} ${offset}`;
}

/** The next runs after an instant, as the clocks of the zone show them. */
function runsOf(pattern: string, timeZone: string, after: string, count: number): string[] {
  const schedule = cron(pattern, timeZone);
  const found: string[] = [];
  let instant = instantOf(after);
  while (found.length < count) {
    const next = nextTime(schedule, instant, instant);
    if (next === undefined) break;
    expect(next).toBeGreaterThan(instant);
    instant = next;
    found.push(shown(instant, timeZone));
  }
  return found;
}

describe("in the spring, when clocks are put forward", () => {
  test.each([
    // Berlin: 02:00 to 03:00 at 2030-03-31T01:00Z.
    ["30 2 * * *", "Europe/Berlin", "03-30 02:30 +01:00, 03-31 03:00 +02:00, 04-01 02:30 +02:00"],
    ["0 2 * * *", "Europe/Berlin", "03-30 02:00 +01:00, 03-31 03:00 +02:00, 04-01 02:00 +02:00"],
    ["59 1 * * *", "Europe/Berlin", "03-30 01:59 +01:00, 03-31 01:59 +01:00, 04-01 01:59 +02:00"],
    ["0 3 * * *", "Europe/Berlin", "03-30 03:00 +01:00, 03-31 03:00 +02:00, 04-01 03:00 +02:00"],
    // All of the skipped ones together run once.
    ["*/15 2 31 3 *", "Europe/Berlin", "03-31 03:00 +02:00, 03-31 02:00 +02:00"],
    [
      "15,45 1-3 31 3 *",
      "Europe/Berlin",
      "03-31 01:15 +01:00, 03-31 01:45 +01:00, 03-31 03:00 +02:00, 03-31 03:15 +02:00",
    ],
    // New York: 02:00 to 03:00 at 2030-03-10T07:00Z.
    ["30 2 10 3 *", "America/New_York", "03-10 03:00 -04:00, 03-10 02:30 -04:00"],
    // Lord Howe: half an hour, 02:00 to 02:30 at 2030-10-05T15:30Z.
    ["15 2 6 10 *", "Australia/Lord_Howe", "10-06 02:30 +11:00, 10-06 02:15 +11:00"],
    ["30 2 6 10 *", "Australia/Lord_Howe", "10-06 02:30 +11:00, 10-06 02:30 +11:00"],
    // Troll: two hours, 01:00 to 03:00.
    ["30 1,2 31 3 *", "Antarctica/Troll", "03-31 03:00 +02:00, 03-31 01:30 +02:00"],
    // Havana: the day begins at 01:00.
    ["0 0 10 3 *", "America/Havana", "03-10 01:00 -04:00, 03-10 00:00 -04:00"],
    ["0 0 * 3 SUN", "America/Havana", "03-03 00:00 -05:00, 03-10 01:00 -04:00, 03-17 00:00 -04:00"],
  ])("%s in %s", (pattern, timeZone, expected) => {
    const runs = expected.split(", ");
    const isDaily = pattern.includes("* * *");
    const after = isDaily ? "2030-03-29T12:00:00Z" : "2030-03-01T12:00:00Z";
    expect(runsOf(pattern, timeZone, after, runs.length)).toEqual(runs);
  });

  test("a pattern for every hour goes by the clock, which shows no such time", () => {
    expect(runsOf("*/30 * * * *", "Europe/Berlin", "2030-03-31T00:00:00Z", 4)).toEqual([
      "03-31 01:30 +01:00",
      "03-31 03:00 +02:00",
      "03-31 03:30 +02:00",
      "03-31 04:00 +02:00",
    ]);
    expect(runsOf("30 0-23 * * *", "Europe/Berlin", "2030-03-31T00:00:00Z", 2)).toEqual([
      "03-31 01:30 +01:00",
      "03-31 03:30 +02:00",
    ]);
  });
});

describe("in the autumn, when clocks are put back", () => {
  test.each([
    // Berlin: 03:00 to 02:00 at 2030-10-27T01:00Z.
    ["30 2 * * *", "Europe/Berlin", "10-26 02:30 +02:00, 10-27 02:30 +02:00, 10-28 02:30 +01:00"],
    ["0 2 * * *", "Europe/Berlin", "10-26 02:00 +02:00, 10-27 02:00 +02:00, 10-28 02:00 +01:00"],
    ["59 2 * * *", "Europe/Berlin", "10-26 02:59 +02:00, 10-27 02:59 +02:00, 10-28 02:59 +01:00"],
    ["0 3 * * *", "Europe/Berlin", "10-26 03:00 +02:00, 10-27 03:00 +01:00, 10-28 03:00 +01:00"],
    [
      "*/30 2-3 27 10 *",
      "Europe/Berlin",
      "10-27 02:00 +02:00, 10-27 02:30 +02:00, 10-27 03:00 +01:00, 10-27 03:30 +01:00",
    ],
    [
      "0 */2 27 10 *",
      "Europe/Berlin",
      "10-27 00:00 +02:00, 10-27 02:00 +02:00, 10-27 04:00 +01:00",
    ],
    // New York: 02:00 to 01:00 at 2030-11-03T06:00Z.
    ["30 1,2 3 11 *", "America/New_York", "11-03 01:30 -04:00, 11-03 02:30 -05:00"],
    // Lord Howe: half an hour, 02:00 to 01:30 at 2030-04-06T15:00Z.
    [
      "15,45 1-2 7 4 *",
      "Australia/Lord_Howe",
      "04-07 01:15 +11:00, 04-07 01:45 +11:00, 04-07 02:15 +10:30, 04-07 02:45 +10:30",
    ],
    // Troll: two hours, 03:00 to 01:00.
    [
      "30 1-3 27 10 *",
      "Antarctica/Troll",
      "10-27 01:30 +02:00, 10-27 02:30 +02:00, 10-27 03:30 +00:00",
    ],
    // Havana: midnight comes twice.
    ["0 0 3 11 *", "America/Havana", "11-03 00:00 -04:00, 11-03 00:00 -05:00"],
  ])("%s in %s", (pattern, timeZone, expected) => {
    const runs = expected.split(", ");
    const isDaily = pattern.includes("* * *");
    const after = isDaily ? "2030-10-25T12:00:00Z" : "2030-04-01T12:00:00Z";
    expect(runsOf(pattern, timeZone, after, runs.length)).toEqual(runs);
  });

  test("asked in the second of two equal hours, the first has run already", () => {
    // 02:10 for the second time.
    const second = "2030-10-27T01:10:00Z";
    expect(runsOf("30 2 * * *", "Europe/Berlin", second, 1)).toEqual(["10-28 02:30 +01:00"]);
    expect(runsOf("0,30 2,3 * * *", "Europe/Berlin", second, 1)).toEqual(["10-27 03:00 +01:00"]);
    expect(runsOf("* * 2 * * *", "Europe/Berlin", second, 1)).toEqual(["10-28 02:00 +01:00"]);
    // The last moment of the first, and the first of the second.
    expect(runsOf("59 59 2 * * *", "Europe/Berlin", "2030-10-27T00:59:58Z", 1)).toEqual([
      "10-27 02:59 +02:00",
    ]);
    expect(runsOf("59 59 2 * * *", "Europe/Berlin", "2030-10-27T00:59:59Z", 1)).toEqual([
      "10-28 02:59 +01:00",
    ]);
  });

  test("a pattern for every hour goes by the clock, which shows the times of one hour twice", () => {
    expect(runsOf("*/30 * * * *", "Europe/Berlin", "2030-10-26T23:45:00Z", 6)).toEqual([
      "10-27 02:00 +02:00",
      "10-27 02:30 +02:00",
      "10-27 02:00 +01:00",
      "10-27 02:30 +01:00",
      "10-27 03:00 +01:00",
      "10-27 03:30 +01:00",
    ]);
    expect(runsOf("45 * * * *", "Australia/Lord_Howe", "2030-04-06T14:00:00Z", 3)).toEqual([
      "04-07 01:45 +11:00",
      "04-07 01:45 +10:30",
      "04-07 02:45 +10:30",
    ]);
    expect(runsOf("0 * * * *", "Australia/Lord_Howe", "2030-04-06T13:30:00Z", 3)).toEqual([
      "04-07 01:00 +11:00",
      "04-07 02:00 +10:30",
      "04-07 03:00 +10:30",
    ]);
  });
});

test("a zone without changes, with a distance of no whole hours", () => {
  expect(runsOf("30 2 * * *", "Asia/Kathmandu", "2030-03-30T00:00:00Z", 2)).toEqual([
    "03-31 02:30 +05:45",
    "04-01 02:30 +05:45",
  ]);
  expect(runsOf("*/20 * * * *", "Asia/Kolkata", "2030-10-27T00:00:00Z", 2)).toEqual([
    "10-27 05:40 +05:30",
    "10-27 06:00 +05:30",
  ]);
});

test("a pattern for every hour of a day that is years away is found at once", () => {
  const leapDay = cron("0 * 29 2 *", "Europe/Berlin");
  const after = instantOf("2032-02-29T22:00:00Z");
  expect(textOf(nextTime(leapDay, after, after))).toBe("2036-02-28T23:00:00Z");
  // The change is in the day itself.
  const sunday = cron("30 * 31 3 *", "Europe/Berlin");
  expect(textOf(nextTime(sunday, after, instantOf("2029-04-01T00:00:00Z")))).toBe(
    "2030-03-30T23:30:00Z",
  );
});

test.each([
  ["* * * * *", "2030-01-01T00:01:00Z"],
  ["* * * * * *", "2030-01-01T00:00:01Z"],
  ["30 */5 * * * *", "2030-01-01T00:00:30Z"],
  ["0 9-17/4 * * *", "2030-01-01T09:00:00Z"],
  ["5,10-12 0 * * *", "2030-01-01T00:05:00Z"],
  // 2030 begins on a Tuesday.
  ["0 0 * * MON-FRI", "2030-01-02T00:00:00Z"],
  ["0 0 * * sun", "2030-01-06T00:00:00Z"],
  ["0 0 * * 0", "2030-01-06T00:00:00Z"],
  ["0 0 * * 7", "2030-01-06T00:00:00Z"],
  ["0 0 1 FEB,MAR *", "2030-02-01T00:00:00Z"],
  ["0 0 1 feb-apr *", "2030-02-01T00:00:00Z"],
  ["0 0 L * *", "2030-01-31T00:00:00Z"],
  ["0 0 L 2 *", "2030-02-28T00:00:00Z"],
  ["0 0 5W * *", "2030-01-04T00:00:00Z"],
  ["0 0 6W * *", "2030-01-07T00:00:00Z"],
  ["0 0 LW 3 *", "2030-03-29T00:00:00Z"],
  ["0 0 * * FRI#2", "2030-01-11T00:00:00Z"],
  ["0 0 * * 5L", "2030-01-25T00:00:00Z"],
  ["0 0 * 2 MON#5", "2044-02-29T00:00:00Z"],
  ["0 0 29 2 *", "2032-02-29T00:00:00Z"],
  // A day of the month and a day of the week: either will do.
  ["0 0 20 * FRI", "2030-01-04T00:00:00Z"],
  ["  0   0\t1 * *", "2030-02-01T00:00:00Z"],
])("%j runs next at %s", (pattern, expected) => {
  const now = instantOf("2030-01-01T00:00:00Z");
  expect(textOf(nextTime(cron(pattern), now, now))).toBe(expected);
});

test.each(["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31W 2 *"])("%j never comes", (pattern) => {
  const now = instantOf("2030-01-01T00:00:00Z");
  expect(readCron(pattern).kind).toBe("read");
  expect(comesToRun(cron(pattern), now)).toBe(false);
});

test("a search without an end ends soon, where the calendar of this century ends", () => {
  const now = instantOf("2030-01-01T00:00:00Z");
  const startedMs = performance.now();
  expect(comesToRun(cron("* * * 31W 2,4,6,9,11 *"), now)).toBe(false);
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect(
    comesToRun(cron("* * * * *", "", { startAt: instantOf("5000-01-01T00:00:00Z") }), now),
  ).toBe(false);
});

test.each([
  ["", "has 0 fields"],
  ["* * * *", "has 4 fields; 5 are needed (minute, hour, day of month, month, day of week), or 6"],
  ["* * * * * * *", "has 7 fields"],
  ["@daily", "has 1 fields"],
  ["60 * * * *", 'the minute "60" at character 1 must be 0 to 59'],
  ["0 25 * * *", 'the hour "25" at character 3 must be 0 to 23'],
  ["0 0 32 * *", 'the day of month "32" at character 5 must be 1 to 31'],
  ["0 0 0 * *", 'the day of month "0" at character 5 must be 1 to 31'],
  ["0 0 * 13 *", 'the month "13" at character 7 must be 1 to 12 or JAN to DEC'],
  ["0 0 * * 8", 'the day of week "8" at character 9 must be 0 to 7 or SUN to SAT'],
  ["60 0 0 * * *", 'the second "60" at character 1 must be 0 to 59'],
  ["0 0 * * MONDAY", 'the day of week "MONDAY" at character 9'],
  ["0 0 * * FRI#6", 'the day of week "FRI#6" at character 9'],
  ["0 0 ? * *", 'the day of month "?" at character 5'],
  ["0 0 * * +MON", 'the day of week "+MON" at character 9'],
  ["5/15 * * * *", 'the minute "5/15" at character 1'],
  ["*/0 * * * *", 'the minute "*/0" at character 1'],
  ["30-10 * * * *", 'the minute "30-10" at character 1'],
  ["1,,2 * * * *", 'the minute "1,,2" at character 1'],
  ["0 L * * *", 'the hour "L" at character 3'],
  ["0 0 * * L", 'the day of week "L" at character 9'],
  ["0 0 L-3 * *", 'the day of month "L-3" at character 5'],
  ["\u0660 * * * *", 'the minute "\u0660" at character 1'],
  ["2030-01-01T00:00:00", "has 1 fields"],
  [`${"0,".repeat(64)}0 * * * *`, "has 137 characters; at most 128 are allowed"],
])("%j cannot be read, and the problem says where", (pattern, problem) => {
  expect(readCron(pattern)).toEqual({
    kind: "unreadable",
    problem: expect.stringContaining(problem),
  });
});

test("a pattern of 128 characters can be read", () => {
  const pattern = `${"0,".repeat(59)}0 * * * *`;
  expect(pattern).toHaveLength(127);
  expect(readCron(`${pattern} `).kind).toBe("read");
});

test.each(["Europe/Nowhere", "", "+01:00", "-05:00", "local", "Europe/Berlin "])(
  "%j is no zone",
  (name) => {
    expect(findTimeZone(name)).toBeUndefined();
  },
);

test("zones are kept open within bounds, and asked again give the same", () => {
  const names = Intl.supportedValuesOf("timeZone");
  const now = instantOf("2030-07-01T00:00:00Z");
  const offsets = names.map((name) => findTimeZone(name)?.offsetAt(now));
  expect(names.map((name) => findTimeZone(name)?.offsetAt(now))).toEqual(offsets);
  expect(new Set(offsets).size).toBeGreaterThan(30);
});

describe("an interval", () => {
  const put = instantOf("2030-01-01T00:00:00Z");

  test("without a start is counted from when it was put, and first runs after one", () => {
    expect(firstTime(every(90_000), put)).toBe(put + 90_000);
    expect(nextTime(every(90_000), put, epochMs(put + 90_000))).toBe(put + 180_000);
    expect(nextTime(every(90_000), put, epochMs(put + 89_999))).toBe(put + 90_000);
  });

  test("with a start runs at the start, also when that is now", () => {
    expect(firstTime(every(60_000, { startAt: epochMs(put + 5) }), put)).toBe(put + 5);
    expect(firstTime(every(60_000, { startAt: put }), put)).toBe(put);
    expect(nextTime(every(60_000, { startAt: put }), put, put)).toBe(put + 60_000);
  });

  test("with a start that has passed keeps its beat", () => {
    const startAt = epochMs(put - 100_000);
    expect(firstTime(every(60_000, { startAt }), put)).toBe(put + 20_000);
    expect(firstTime(every(50_000, { startAt }), put)).toBe(put);
  });

  test("runs at its end and not after it", () => {
    const endAt = epochMs(put + 120_000);
    expect(nextTime(every(60_000, { endAt }), put, epochMs(put + 60_000))).toBe(endAt);
    expect(nextTime(every(60_000, { endAt }), put, endAt)).toBeUndefined();
    expect(nextTime(every(60_000, { endAt: epochMs(endAt - 1) }), put, epochMs(put + 60_000))).toBe(
      undefined,
    );
  });

  test("does not run while it is paused", () => {
    expect(firstTime(every(60_000, { isPaused: true, startAt: put }), put)).toBeUndefined();
  });

  test("does not run after the year 9999", () => {
    const last = instantOf("9999-12-31T23:59:59.999Z");
    expect(nextTime(every(1_000), put, epochMs(last - 999))).toBeUndefined();
  });
});

test("a cron pattern may run at its start, and without one not at the instant it is put", () => {
  const midnight = instantOf("2030-01-02T00:00:00Z");
  const daily = (options: Partial<Times>) => cron("0 0 * * *", "", options);
  expect(textOf(firstTime(daily({ startAt: midnight }), midnight))).toBe("2030-01-02T00:00:00Z");
  expect(textOf(firstTime(daily({}), midnight))).toBe("2030-01-03T00:00:00Z");
  expect(textOf(firstTime(daily({ startAt: epochMs(midnight + 1) }), midnight))).toBe(
    "2030-01-03T00:00:00Z",
  );
  expect(textOf(firstTime(daily({ startAt: epochMs(0) }), midnight))).toBe("2030-01-02T00:00:00Z");
});
