// The replication protocol through two thousand schedules, the same ones every time, so that a change that breaks it is blamed
// and not the day. `npm run simulate` runs others, and as many as one likes.

import { expect, test } from "vitest";
import { noMutation } from "./mutations.js";
import { runSchedule } from "./run.js";
import { themes } from "./schedule.js";
import { report, runOptions } from "./simulate.js";

const options = runOptions(noMutation);
const scheduleCount = 2_000;
/** So that a failure is told within the time of a test. */
const partCount = 8;
/** Each takes seconds; machines that test are busy. */
const timeoutMs = 300_000;

for (let part = 0; part < partCount; part += 1) {
  const perPart = scheduleCount / partCount;
  const from = 1 + part * perPart;
  test(
    `groups keep every promise in schedules ${from} to ${from + perPart - 1}`,
    () => {
      for (let seed = from; seed < from + perPart; seed += 1) {
        const result = runSchedule(seed, options);
        if (result.kind === "violation") expect.fail(report(result, options));
      }
    },
    timeoutMs,
  );
}

test("a run can be repeated: the same seed is the same run, with its trace and without", () => {
  for (const seed of [11, 12, 13]) {
    const once = runSchedule(seed, options);
    expect(runSchedule(seed, options)).toEqual(once);
    expect(runSchedule(seed, { ...options, isTraced: true })).toEqual(once);
  }
});

test(
  "schedules get somewhere: leaders change, records are committed, groups recover",
  () => {
    for (const theme of themes) {
      const numbers = Array.from({ length: 20 }, (_, at) => {
        const result = runSchedule(at + 1, { ...options, theme });
        if (result.kind === "violation") expect.fail(report(result, { ...options, theme }));
        return result.numbers;
      });
      const sum = (of: (each: (typeof numbers)[number]) => number): number =>
        numbers.reduce((total, each) => total + of(each), 0);
      expect(
        sum(({ leaderCount }) => leaderCount),
        theme,
      ).toBeGreaterThan(30);
      expect(
        sum(({ acknowledgedCount }) => acknowledgedCount),
        theme,
      ).toBeGreaterThan(500);
      expect(
        sum(({ convergence }) => (convergence === undefined ? 0 : 1)),
        theme,
      ).toBeGreaterThan(15);
    }
  },
  timeoutMs,
);
