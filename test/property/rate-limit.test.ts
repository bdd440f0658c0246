// Limits of rates beside slow ones that remember every single take: a list of instants, or a bucket that fills up a millisecond at a
// time. What is kept is written and read between any two calls.

import fc from "fast-check";
import { expect, test } from "vitest";
import { type DurationMs, type EpochMs, epochMs, milliseconds } from "../../src/base/brands.js";
import { decodeTaken, encodeTaken } from "../../src/cache/rate-limit.js";
import {
  type RateAlgorithm,
  type RateLimit,
  rateLimits,
  retryAfter,
  settle,
  standingOf,
  type Taken,
  take,
} from "../../src/cache/rate-limiters.js";
import { runs } from "../support/property.js";

/** A limit with what is kept for it, as a cache keeps it. */
class Kept {
  readonly limit: RateLimit;
  #bytes: Buffer | undefined;
  #endsAt = 0;

  constructor(limit: RateLimit) {
    this.limit = limit;
  }

  takenAt(now: EpochMs): Taken | undefined {
    const isThere = this.#bytes !== undefined && now < this.#endsAt;
    return settle(this.limit, isThere ? decodeTaken(this.#bytes as Buffer) : undefined, now);
  }

  remaining(now: EpochMs): number {
    return standingOf(this.limit, this.takenAt(now), now).remaining;
  }

  retryAfter(cost: number, now: EpochMs): DurationMs | undefined {
    return retryAfter(this.limit, this.takenAt(now), cost, now);
  }

  acquire(cost: number, now: EpochMs): boolean {
    if (this.retryAfter(cost, now) !== 0) return false;
    const taken = take(this.limit, this.takenAt(now), cost, now);
    this.#bytes = encodeTaken(taken);
    this.#endsAt = now + standingOf(this.limit, taken, now).resetAfterMs;
    return true;
  }
}

interface Step {
  readonly waitMs: number;
  /** Whether so much less than a window is waited, instead: what happens there is decided by single milliseconds. */
  readonly isBeforeWindow: boolean;
  readonly cost: number;
}

const windowMs = fc.oneof(
  fc.integer({ min: 1, max: 64 }),
  fc.constantFrom(65, 128, 640, 1_000, 1_001),
);
const limits = (algorithm: RateAlgorithm): fc.Arbitrary<RateLimit> =>
  fc.record({
    algorithm: fc.constant(algorithm),
    limit: fc.integer({ min: 1, max: 12 }),
    windowMs: windowMs.map(milliseconds),
  });
const steps = fc.array(
  fc.record<Step>({
    waitMs: fc.oneof(
      fc.constantFrom(0, 0, 1),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 300 }),
    ),
    isBeforeWindow: fc.boolean(),
    cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 13 })),
  }),
  { maxLength: 60 },
);
/** Not at a place where slices or windows begin. */
const start = fc.integer({ min: 1_900_000_000_000, max: 1_900_000_100_000 });

/** What is promised of every algorithm: what it says of later is what comes. */
function expectForesight(kept: Kept, cost: number, now: EpochMs): void {
  const waitMs = kept.retryAfter(cost, now);
  if (waitMs === undefined) expect(cost).toBeGreaterThan(kept.limit.limit);
  else {
    expect(kept.retryAfter(cost, epochMs(now + waitMs))).toBe(0);
    if (waitMs > 0) expect(kept.retryAfter(cost, epochMs(now + waitMs - 1))).toBe(1);
  }
  const { remaining, resetAfterMs } = standingOf(kept.limit, kept.takenAt(now), now);
  expect(remaining).toBeGreaterThanOrEqual(0);
  if (remaining > 0) expect(kept.retryAfter(remaining, now)).toBe(0);
  expect(kept.retryAfter(remaining + 1, now)).not.toBe(0);
  expect(kept.remaining(epochMs(now + resetAfterMs))).toBe(kept.limit.limit);
  if (resetAfterMs > 0) {
    expect(kept.remaining(epochMs(now + resetAfterMs - 1))).toBeLessThan(kept.limit.limit);
  }
}

/** Takes step by step; `judge` is told of each before it is remembered. */
function play(
  limit: RateLimit,
  from: number,
  taken: readonly Step[],
  judge: (isAllowed: boolean, cost: number, now: EpochMs, kept: Kept) => void,
): void {
  const kept = new Kept(limit);
  let now = epochMs(from);
  for (const { waitMs, isBeforeWindow, cost } of taken) {
    now = epochMs(now + (isBeforeWindow ? Math.max(0, limit.windowMs - waitMs) : waitMs));
    expectForesight(kept, cost, now);
    judge(kept.acquire(cost, now), cost, now, kept);
  }
}

interface Take {
  readonly at: number;
  readonly cost: number;
}

const costOf = (takes: readonly Take[]): number => takes.reduce((sum, { cost }) => sum + cost, 0);

test("a sliding limit is never exceeded in any window, and gives back at most a slice late", () => {
  fc.assert(
    fc.property(limits("sliding"), start, steps, (limit, from, taken) => {
      const takes: Take[] = [];
      const sliceMs = Math.ceil(limit.windowMs / rateLimits.slices);
      play(limit, from, taken, (isAllowed, cost, now, kept) => {
        const within = (spanMs: number): number =>
          costOf(takes.filter(({ at }) => now - at < spanMs));
        if (isAllowed) {
          expect(within(limit.windowMs) + cost).toBeLessThanOrEqual(limit.limit);
          takes.push({ at: now, cost });
        } else {
          expect(within(limit.windowMs + sliceMs - 1) + cost).toBeGreaterThan(limit.limit);
        }
        const left = limit.limit - within(limit.windowMs);
        // A window of up to 64 ms is counted to the millisecond.
        if (sliceMs === 1) expect(kept.remaining(now)).toBe(left);
        else expect(kept.remaining(now)).toBeLessThanOrEqual(left);
      });
    }),
    runs(400),
  );
});

test("a fixed limit allows what a list of its windows allows", () => {
  fc.assert(
    fc.property(limits("fixed"), start, steps, (limit, from, taken) => {
      const windows: Take[][] = [];
      play(limit, from, taken, (isAllowed, cost, now) => {
        const last = windows.at(-1);
        const isOpen = last?.[0] !== undefined && now - last[0].at < limit.windowMs;
        const used = isOpen ? costOf(last) : 0;
        expect(isAllowed).toBe(used + cost <= limit.limit);
        if (!isAllowed) return;
        if (isOpen) last.push({ at: now, cost });
        else windows.push([{ at: now, cost }]);
      });
    }),
    runs(400),
  );
});

test("a bucket allows what one that is filled up every millisecond allows", () => {
  fc.assert(
    fc.property(limits("token_bucket"), start, steps, (limit, from, taken) => {
      // In parts of which a whole has as many as the window has milliseconds: each brings as many parts as the limit.
      const full = limit.limit * limit.windowMs;
      let level = full;
      let at = from;
      play(limit, from, taken, (isAllowed, cost, now, kept) => {
        for (; at < now; at += 1) level = Math.min(full, level + limit.limit);
        expect(isAllowed).toBe(level >= cost * limit.windowMs);
        if (isAllowed) level -= cost * limit.windowMs;
        expect(kept.remaining(now)).toBe(Math.floor(level / limit.windowMs));
      });
    }),
    runs(300),
  );
});

test("what is kept stays short, however often the window is changed", () => {
  const changes = fc.array(
    fc.record({
      windowMs: fc.constantFrom(1, 64, 1_000, 60_000, 3_600_000).map(milliseconds),
      waitMs: fc.integer({ min: 0, max: 30_000 }),
    }),
    { minLength: 200, maxLength: 300 },
  );
  fc.assert(
    fc.property(start, changes, (from, changed) => {
      let taken: Taken | undefined;
      let now = epochMs(from);
      for (const { windowMs: span, waitMs } of changed) {
        now = epochMs(now + waitMs);
        const limit: RateLimit = { algorithm: "sliding", limit: 1_000_000, windowMs: span };
        taken = take(limit, settle(limit, taken, now), 1, now);
        // One amount for each slice that the window touches.
        expect(encodeTaken(taken).length).toBeLessThanOrEqual(4 + (rateLimits.slices + 1) * 10);
      }
    }),
    runs(20),
  );
});

test("a bucket keeps what it gave in proportion when limit or window change", () => {
  fc.assert(
    fc.property(
      limits("token_bucket"),
      limits("token_bucket"),
      start,
      fc.integer({ min: 1, max: 12 }),
      (before, then, from, wanted) => {
        const now = epochMs(from);
        const cost = Math.min(wanted, before.limit);
        const taken = settle(then, take(before, undefined, cost, now), now);
        const { remaining } = standingOf(then, taken, now);
        expect(remaining).toBe(Math.max(0, then.limit - cost));
      },
    ),
    runs(200),
  );
});

test("the largest limit in the longest window is counted exactly", () => {
  const limit: RateLimit = {
    algorithm: "token_bucket",
    limit: rateLimits.limitMax,
    windowMs: milliseconds(rateLimits.windowMsMax),
  };
  const kept = new Kept(limit);
  const now = epochMs(1_900_000_000_000);
  expect(kept.acquire(rateLimits.limitMax, now)).toBe(true);
  expect(kept.remaining(now)).toBe(0);
  // A thousand millions in 31 days: one every 2.6784 ms.
  expect(kept.retryAfter(1, now)).toBe(3);
  expect(kept.acquire(1, epochMs(now + 2))).toBe(false);
  expect(kept.acquire(1, epochMs(now + 3))).toBe(true);
  expect(kept.remaining(epochMs(now + rateLimits.windowMsMax))).toBe(rateLimits.limitMax - 1);
});

test("bytes that nobody wrote are no rate limit, or one that can be counted with", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 3, 4),
      fc.uint8Array({ maxLength: 40 }),
      limits("sliding"),
      (form, body, { limit, windowMs: span }) => {
        const taken = decodeTaken(
          Buffer.concat([Buffer.from("f0524c", "hex"), Buffer.of(form), body]),
        );
        if (taken === undefined) return;
        const own: RateLimit = { algorithm: taken.kind, limit, windowMs: span };
        const now = epochMs(1_900_000_000_000);
        const { remaining } = standingOf(own, settle(own, taken, now), now);
        expect(remaining).toBeGreaterThanOrEqual(0);
        expect(remaining).toBeLessThanOrEqual(limit);
        expect(decodeTaken(Buffer.from(body))).toBeUndefined();
      },
    ),
    runs(300),
  );
});
