// How a lease is kept, on a clock moved by hand and an etcd that answers as it is told.

import { expect, test } from "vitest";
import { epoch } from "../../src/base/brands.js";
import { silentLog } from "../../src/base/log.js";
import { EtcdFault } from "../../src/cluster/etcd-fault.js";
import { HeldEpoch } from "../../src/cluster/held-epoch.js";
import { ManualClock } from "../support/manual-clock.js";

const times = { renewMs: 1_000, leaseMarginMs: 1_000, gapMsMax: 500 };

/** An epoch held from now on, under a lease of 5 s; `answer` is asked for each renewal. */
function held(answer: () => Promise<{ readonly ttlMs: number }>) {
  const manual = new ManualClock();
  const clock = {
    monotonicMs: () => manual.monotonicMs(),
    wallMs: () => manual.now(),
    setTimer: manual.setTimer.bind(manual),
  };
  const renewals: number[] = [];
  const client = {
    renewLease: (): Promise<{ readonly ttlMs: number }> => {
      renewals.push(manual.monotonicMs());
      return answer();
    },
  };
  const sent = { monotonicMs: manual.monotonicMs(), wallMs: manual.now() };
  const granted = { epoch: epoch(1), lease: 7n, sent, ttlMs: 5_000 };
  const one = new HeldEpoch({ client, clock, log: silentLog, times }, granted);
  const ends: number[] = [];
  one.keep(() => ends.push(manual.monotonicMs()));
  return { manual, one, renewals, ends };
}

const answered = () => Promise.resolve({ ttlMs: 5_000 });
const unanswered = () => Promise.reject(new EtcdFault("unavailable", "no answer"));

test("the lease is renewed at once and every second, and lives as long", async () => {
  const { manual, one, renewals, ends } = held(answered);
  await manual.advance(20_000);
  expect(renewals).toEqual(Array.from({ length: 21 }, (_, at) => at * 1_000));
  expect(one.term.deadlineMs()).toBe(24_000);
  expect(ends).toEqual([]);
});

test("renewals that are not answered end it, once, at the deadline", async () => {
  const { manual, one, ends } = held(unanswered);
  await manual.advance(3_999);
  expect(ends).toEqual([]);
  expect(one.term.deadlineMs()).toBe(4_000);
  await manual.advance(10_000);
  expect(ends).toEqual([4_000]);
});

test("an answer that comes after the deadline does not revive it", async () => {
  let answerLate: (answer: { readonly ttlMs: number }) => void = () => undefined;
  const { manual, one, ends } = held(
    () =>
      new Promise((resolve) => {
        answerLate = resolve;
      }),
  );
  await manual.advance(4_100);
  answerLate({ ttlMs: 5_000 });
  await manual.advance(0);
  expect(one.term.deadlineMs()).toBe(Number.NEGATIVE_INFINITY);
  expect(ends).toEqual([4_000]);
});

test("a lease that etcd no longer has ends at once", async () => {
  const { manual, one, ends } = held(() => Promise.resolve({ ttlMs: 0 }));
  await manual.advance(0);
  expect(ends).toEqual([0]);
  expect(one.term.isOver).toBe(true);
});

test("after it stood still it renews at once, and is proven by the answer", async () => {
  const { manual, one, renewals } = held(answered);
  await manual.advance(1_500);
  // Timers stood still with the process: the next look comes 700 ms late.
  const { monotonicMs } = manual;
  let lateMs = 0;
  manual.monotonicMs = () => monotonicMs.call(manual) + lateMs;
  lateMs = 700;
  expect(one.term.isProven()).toBe(false);
  await manual.advance(100);
  expect(renewals.at(-1)).toBe(1_600 + 700);
  expect(one.term.isProven()).toBe(true);
});

test("stopped, it renews no more and tells nobody", async () => {
  const { manual, one, renewals, ends } = held(unanswered);
  await manual.advance(1_500);
  one.stop();
  await manual.advance(20_000);
  expect(renewals).toEqual([0, 1_000]);
  expect(ends).toEqual([]);
  expect(manual.timerCount).toBe(0);
});
