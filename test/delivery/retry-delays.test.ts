// When a failed delivery is tried again: the phases of a policy, the formulas of its growth, and what a target may say about it.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hours, milliseconds, seconds } from "../../src/base/brands.js";
import { internalRetryPolicy, webhookRetryPolicy } from "../../src/delivery/delivery-policy.js";
import {
  delayBeforeAttempt,
  nextAttemptDelay,
  type RetryPolicy,
  totalDelayMs,
} from "../../src/delivery/retry-delays.js";

/** All delays of a policy, in seconds, rounded to a tenth. */
function delaysOf(policy: RetryPolicy): number[] {
  const delays: number[] = [];
  for (let attempt = 2; ; attempt += 1) {
    const delayMs = delayBeforeAttempt(policy, attempt);
    if (delayMs === undefined) return delays;
    delays.push(Math.round(delayMs / 100) / 10);
  }
}

const times = (count: number, value: number): number[] =>
  Array.from({ length: count }, () => value);

const grown: Omit<RetryPolicy, "backoff"> = {
  minDelayMs: seconds(5),
  maxDelayMs: seconds(260),
  retries: 10,
  noDelayRetries: 0,
  minDelayRetries: 0,
  maxDelayRetries: 0,
};

describe("growth from the least to the greatest delay", () => {
  test.each([
    ["linear", [5, 33.3, 61.7, 90, 118.3, 146.7, 175, 203.3, 231.7, 260]],
    ["arithmetic", [5, 10.7, 22, 39, 61.7, 90, 124, 163.7, 209, 260]],
    ["geometric", [5, 7.8, 12, 18.7, 28.9, 44.9, 69.7, 108.1, 167.6, 260]],
    ["exponential", [5, 10, 20, 40, 80, 160, 260, 260, 260, 260]],
  ] as const)("%s, of ten retries from 5 s to 260 s", (backoff, expected) => {
    expect(delaysOf({ ...grown, backoff })).toEqual(expected);
  });

  test("exponential ends at the greatest delay though doubling would not reach it", () => {
    const policy = { ...grown, retries: 3, backoff: "exponential" as const };
    expect(delaysOf(policy)).toEqual([5, 10, 260]);
  });

  test.each(["linear", "arithmetic", "geometric", "exponential"] as const)(
    "%s, of one retry is the least delay, of two the least and the greatest",
    (backoff) => {
      expect(delaysOf({ ...grown, retries: 1, backoff })).toEqual([5]);
      expect(delaysOf({ ...grown, retries: 2, backoff })).toEqual([5, 260]);
    },
  );
});

test("three at once, two after the least delay, ten that grow and 35 after the greatest, of 50 in all", () => {
  const policy: RetryPolicy = {
    minDelayMs: seconds(1),
    maxDelayMs: seconds(60),
    retries: 50,
    noDelayRetries: 3,
    minDelayRetries: 2,
    maxDelayRetries: 35,
    backoff: "exponential",
  };
  const growing = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60];
  expect(delaysOf(policy)).toEqual([0, 0, 0, 1, 1, ...growing, ...times(35, 60)]);
  expect(delayBeforeAttempt(policy, 1)).toBe(0);
  expect(delayBeforeAttempt(policy, 51)).toBe(60_000);
  expect(delayBeforeAttempt(policy, 52)).toBeUndefined();
});

test("a webhook's default is four attempts, 20 s apart", () => {
  expect(delaysOf(webhookRetryPolicy)).toEqual([20, 20, 20]);
});

test("the default of other kinds is 100,015 retries in 23 days", () => {
  const expected = [0, 0, 0, 1, 1, 1, 2, 4, 8, 16, 20, 20, 20, 20, 20];
  expect(delaysOf(internalRetryPolicy).slice(0, 16)).toEqual([...expected, 20]);
  expect(delayBeforeAttempt(internalRetryPolicy, 100_016)).toBe(20_000);
  expect(delayBeforeAttempt(internalRetryPolicy, 100_017)).toBeUndefined();
  expect(totalDelayMs(internalRetryPolicy) / hours(24)).toBeCloseTo(23.15, 2);
});

test("no retries is one attempt", () => {
  expect(delaysOf({ ...webhookRetryPolicy, retries: 0 })).toEqual([]);
});

const policies = fc
  .record({
    least: fc.integer({ min: 1, max: 3_600 }),
    more: fc.integer({ min: 0, max: 3_600 }),
    noDelayRetries: fc.integer({ min: 0, max: 5 }),
    minDelayRetries: fc.integer({ min: 0, max: 5 }),
    growing: fc.integer({ min: 0, max: 20 }),
    maxDelayRetries: fc.integer({ min: 0, max: 5 }),
    backoff: fc.constantFrom("linear", "arithmetic", "geometric", "exponential"),
  })
  .map(({ least, more, growing, ...rest }): RetryPolicy => {
    const { noDelayRetries, minDelayRetries, maxDelayRetries } = rest;
    const retries = noDelayRetries + minDelayRetries + maxDelayRetries + growing;
    return { ...rest, minDelayMs: seconds(least), maxDelayMs: seconds(least + more), retries };
  });

test("delays never shrink, stay within their bounds and sum to the window of the policy", () => {
  fc.assert(
    fc.property(policies, (policy) => {
      let sum = 0;
      let before = 0;
      for (let attempt = 2; attempt <= policy.retries + 1; attempt += 1) {
        const delayMs = delayBeforeAttempt(policy, attempt) ?? Number.NaN;
        expect(delayMs).toBeGreaterThanOrEqual(before);
        expect(delayMs).toBeLessThanOrEqual(policy.maxDelayMs);
        expect(delayMs === 0 || delayMs >= policy.minDelayMs).toBe(true);
        sum += delayMs;
        before = delayMs;
      }
      expect(totalDelayMs(policy)).toBe(sum);
    }),
  );
});

describe("what decides beside the policy", () => {
  const policy: RetryPolicy = {
    ...webhookRetryPolicy,
    maxDelayMs: seconds(60),
    minDelayRetries: 3,
  };
  const next = { attempt: 2, hint: undefined, chance: undefined };

  test.each([
    [0, 18_000],
    [0.5, 20_000],
    [0.999_999, 22_000],
  ])("chance %d makes 20 s %d ms", (chance, expected) => {
    expect(nextAttemptDelay(policy, { ...next, chance })).toBe(expected);
  });

  test("a retry at once stays at once, whatever the chance", () => {
    const immediate = { ...policy, noDelayRetries: 1, minDelayRetries: 0 };
    expect(nextAttemptDelay(immediate, { ...next, chance: 0.999 })).toBe(0);
  });

  test.each([
    [5, 20_000],
    [20, 20_000],
    [21, 21_000],
    [60, 60_000],
    [61, 60_000],
  ])("a target that wants %d s is asked after %d ms", (wanted, expected) => {
    const hint = { kind: "not_before", delayMs: seconds(wanted) } as const;
    expect(nextAttemptDelay(policy, { ...next, hint })).toBe(expected);
  });

  test("jitter does not come before what the target wants", () => {
    const hint = { kind: "not_before", delayMs: seconds(20) } as const;
    expect(nextAttemptDelay(policy, { ...next, hint, chance: 0 })).toBe(20_000);
  });

  test.each([
    [0, 0],
    [5_000, 5_000],
    [hours(12), hours(12)],
    [hours(12) + 1, hours(12)],
  ])("a receiver that asks for a message after %d ms gets it after %d ms", (delayMs, expected) => {
    const hint = { kind: "asked", delayMs: milliseconds(delayMs) } as const;
    expect(nextAttemptDelay(policy, { ...next, hint, chance: 0.9 })).toBe(expected);
  });

  test("no hint makes an attempt that the policy does not have", () => {
    const hint = { kind: "asked", delayMs: seconds(1) } as const;
    expect(nextAttemptDelay(policy, { ...next, attempt: 5, hint })).toBeUndefined();
  });
});
