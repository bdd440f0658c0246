// How much of a limit is left, by three ways to count it. Each knows what was taken and says what is left of it now; the limit and
// its window are those of whoever asks, and may be others than before.
//
// Instants and counts are whole numbers and nothing is rounded in the taker's favour: what a window may give is never exceeded.

import { type DurationMs, type EpochMs, milliseconds } from "../base/brands.js";

export const rateLimits = {
  limitMax: 1_000_000_000,
  /** 31 days: with the limit, what a bucket counts in stays below 2^63. */
  windowMsMax: 31 * 86_400_000,
  /** Spans that a sliding window is counted in; more would be exacter, and longer in the row. */
  slices: 64,
} as const;

export type RateAlgorithm = "fixed" | "sliding" | "token_bucket";

export interface RateLimit {
  readonly algorithm: RateAlgorithm;
  readonly limit: number;
  readonly windowMs: DurationMs;
}

/** What was taken. */
export type Taken =
  /** In the window that began then. */
  | { readonly kind: "fixed"; readonly startedAt: EpochMs; readonly count: number }
  /** In ascending order; never none. */
  | { readonly kind: "sliding"; readonly amounts: readonly Amount[] }
  /** What is still to come back, in parts of which a window has one for each millisecond of one, and `windowMs` make a whole. */
  | {
      readonly kind: "token_bucket";
      readonly at: EpochMs;
      readonly windowMs: DurationMs;
      readonly debt: bigint;
    };

/** Taken within one slice of the window, as if all of it were taken at the last instant. */
export interface Amount {
  readonly at: EpochMs;
  readonly count: number;
}

/** What of it counts now, by this limit; undefined: nothing. */
export function settle(
  limit: RateLimit,
  taken: Taken | undefined,
  now: EpochMs,
): Taken | undefined {
  // What another algorithm has counted says nothing to this one.
  if (taken?.kind !== limit.algorithm) return undefined;
  switch (taken.kind) {
    case "fixed":
      return now < taken.startedAt + limit.windowMs ? taken : undefined;
    case "sliding": {
      const counting = taken.amounts.filter(({ at }) => now < at + limit.windowMs);
      return counting.length === 0
        ? undefined
        : { kind: "sliding", amounts: inSlices(limit, counting) };
    }
    case "token_bucket":
      return settleBucket(limit, taken, now);
  }
}

/** One amount for each slice, at its last instant. Slices follow the clock, and not whoever came first. */
function inSlices({ windowMs }: RateLimit, amounts: readonly Amount[]): readonly Amount[] {
  const sliceMs = Math.ceil(windowMs / rateLimits.slices);
  const joined: Amount[] = [];
  for (const amount of amounts) {
    const last = joined.at(-1);
    if (last && Math.floor(last.at / sliceMs) === Math.floor(amount.at / sliceMs)) {
      joined[joined.length - 1] = { at: amount.at, count: last.count + amount.count };
    } else joined.push(amount);
  }
  return joined;
}

function settleBucket(
  { limit, windowMs }: RateLimit,
  taken: Extract<Taken, { kind: "token_bucket" }>,
  now: EpochMs,
): Taken | undefined {
  const debt =
    taken.windowMs === windowMs
      ? taken.debt
      : dividedUp(taken.debt * BigInt(windowMs), BigInt(taken.windowMs));
  const left = debt - BigInt(Math.max(0, now - taken.at)) * BigInt(limit);
  return left > 0n ? { kind: "token_bucket", at: now, windowMs, debt: left } : undefined;
}

const dividedUp = (dividend: bigint, divisor: bigint): bigint =>
  (dividend + divisor - 1n) / divisor;

export interface RateStanding {
  /** What could be taken now. */
  readonly remaining: number;
  /** After so long all of it could be taken. */
  readonly resetAfterMs: DurationMs;
}

/** Of what was settled now. */
export function standingOf(limit: RateLimit, taken: Taken | undefined, now: EpochMs): RateStanding {
  return {
    // Less than nothing where the limit was higher before.
    remaining: Math.max(0, limit.limit - usedOf(limit, taken)),
    resetAfterMs: resetAfter(limit, taken, now),
  };
}

function usedOf({ windowMs }: RateLimit, taken: Taken | undefined): number {
  switch (taken?.kind) {
    case undefined:
      return 0;
    case "fixed":
      return taken.count;
    case "sliding":
      return taken.amounts.reduce((sum, { count }) => sum + count, 0);
    case "token_bucket":
      return Number(dividedUp(taken.debt, BigInt(windowMs)));
  }
}

function resetAfter(
  { limit, windowMs }: RateLimit,
  taken: Taken | undefined,
  now: EpochMs,
): DurationMs {
  switch (taken?.kind) {
    case undefined:
      return milliseconds(0);
    case "fixed":
      return milliseconds(taken.startedAt + windowMs - now);
    case "sliding":
      return milliseconds((taken.amounts.at(-1)?.at ?? now) + windowMs - now);
    case "token_bucket":
      return milliseconds(Number(dividedUp(taken.debt, BigInt(limit))));
  }
}

/** After how long so much could be taken, if nothing else is: 0: now. Undefined: never, since the limit is lower. */
export function retryAfter(
  limit: RateLimit,
  taken: Taken | undefined,
  cost: number,
  now: EpochMs,
): DurationMs | undefined {
  if (cost > limit.limit) return undefined;
  switch (taken?.kind) {
    case undefined:
      return milliseconds(0);
    case "fixed":
      return taken.count + cost <= limit.limit ? milliseconds(0) : resetAfter(limit, taken, now);
    case "sliding":
      return retryAfterSliding(limit, taken.amounts, cost, now);
    case "token_bucket": {
      const { windowMs, limit: whole } = limit;
      const missing = taken.debt + (BigInt(cost) - BigInt(whole)) * BigInt(windowMs);
      return milliseconds(missing <= 0n ? 0 : Number(dividedUp(missing, BigInt(whole))));
    }
  }
}

function retryAfterSliding(
  { limit, windowMs }: RateLimit,
  amounts: readonly Amount[],
  cost: number,
  now: EpochMs,
): DurationMs {
  let used = amounts.reduce((sum, { count }) => sum + count, 0);
  let waitMs = 0;
  for (const { at, count } of amounts) {
    if (used + cost <= limit) break;
    used -= count;
    waitMs = at + windowMs - now;
  }
  return milliseconds(waitMs);
}

/** Takes so much of what was settled now. It must be there. */
export function take(
  limit: RateLimit,
  taken: Taken | undefined,
  cost: number,
  now: EpochMs,
): Taken {
  switch (limit.algorithm) {
    case "fixed": {
      const { startedAt, count } = taken?.kind === "fixed" ? taken : { startedAt: now, count: 0 };
      return { kind: "fixed", startedAt, count: count + cost };
    }
    case "sliding": {
      const amounts = taken?.kind === "sliding" ? taken.amounts : [];
      return {
        kind: "sliding",
        amounts: inSlices(limit, [...amounts, { at: now, count: cost }]),
      };
    }
    case "token_bucket": {
      const { windowMs } = limit;
      const debt = taken?.kind === "token_bucket" ? taken.debt : 0n;
      return {
        kind: "token_bucket",
        at: now,
        windowMs,
        debt: debt + BigInt(cost) * BigInt(windowMs),
      };
    }
  }
}
