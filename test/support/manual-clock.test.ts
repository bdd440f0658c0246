// The hand-driven clock itself: everything that is tested with it rests on the order in which it fires.

import { expect, test } from "vitest";
import { epochMs } from "../../src/base/brands.js";
import { ManualClock } from "./manual-clock.js";

test("timers fire in the order of their time, ties in the order they were set, each at its instant", () => {
  const clock = new ManualClock({ startAt: epochMs(1_000) });
  const fired: string[] = [];
  const set = (name: string, delayMs: number) =>
    clock.setTimer(delayMs, () => fired.push(`${name}@${clock.now()}`));
  set("late", 30);
  set("first", 10);
  set("second", 10);
  set("never", 31);
  set("cancelled", 5).cancel();
  clock.advanceAtOnce(9);
  expect(fired).toEqual([]);
  clock.advanceAtOnce(21);
  expect(fired).toEqual(["first@1010", "second@1010", "late@1030"]);
  expect([clock.now(), clock.monotonicMs(), clock.timerCount]).toEqual([1_030, 30, 1]);
});

test("a timer set by a timer fires in the same move when it is due by its end", async () => {
  const clock = new ManualClock({ startAt: epochMs(0) });
  const fired: number[] = [];
  const tick = (): void => {
    fired.push(clock.now());
    clock.setTimer(10, tick);
  };
  clock.setTimer(10, tick);
  await clock.advance(35);
  expect(fired).toEqual([10, 20, 30]);
});

test("an advance lets work that a timer started settle before the next timer", async () => {
  const clock = new ManualClock();
  const order: string[] = [];
  clock.setTimer(10, () => {
    setImmediate(() => order.push("work of the first"));
  });
  clock.setTimer(20, () => order.push("second"));
  await clock.advance(20);
  expect(order).toEqual(["work of the first", "second"]);
});

test("a skip arrives first and fires afterwards, once", async () => {
  const clock = new ManualClock({ startAt: epochMs(0) });
  const fired: number[] = [];
  const tick = (): void => {
    fired.push(clock.now());
    clock.setTimer(1_000, tick);
  };
  clock.setTimer(1_000, tick);
  await clock.skip(86_400_000);
  expect(fired).toEqual([86_400_000]);
});
