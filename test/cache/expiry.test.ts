// When items end: what a call says, what the cache makes of it, and what may replace what.

import { expect, test } from "vitest";
import { type DurationMs, epochMs, milliseconds, seconds } from "../../src/base/brands.js";
import {
  type Expiry,
  endOf,
  hasEnded,
  mayReplaceEnd,
  slidEnd,
  type TtlMode,
} from "../../src/cache/expiry.js";
import { type CacheConfig, cacheDefaults } from "../../src/cache/limits.js";

const now = epochMs(1_000_000);

const ends = (
  expiry: Expiry,
  config: Partial<CacheConfig> = {},
  { previous, chance = 0 }: { previous?: number | null; chance?: number } = {},
) => {
  const before =
    previous === undefined
      ? undefined
      : { expiresAt: previous === null ? undefined : epochMs(previous) };
  const end = endOf(expiry, { ...cacheDefaults, ...config }, { now, previous: before, chance });
  return end === "too_far" ? end : [end.at, end.isClamped];
};
const ttl = (ttlMs: number): Expiry => ({ kind: "ttl", ttlMs: milliseconds(ttlMs) });

test("an item is there before its end, and not at it", () => {
  expect(hasEnded(epochMs(5), epochMs(4))).toBe(false);
  expect(hasEnded(epochMs(5), epochMs(5))).toBe(true);
  expect(hasEnded(undefined, epochMs(5))).toBe(false);
});

test("without a word it lives as long as the cache says", () => {
  expect(ends({ kind: "default" })).toEqual([undefined, false]);
  expect(ends({ kind: "default" }, { defaultTtlMs: seconds(1) })).toEqual([now + 1_000, false]);
  expect(ends({ kind: "never" }, { defaultTtlMs: seconds(1) })).toEqual([undefined, false]);
});

test("who keeps the life of what was there keeps its lack of one, too", () => {
  const config = { defaultTtlMs: seconds(1) };
  expect(ends({ kind: "keep" }, config, { previous: now + 7 })).toEqual([now + 7, false]);
  expect(ends({ kind: "keep" }, config, { previous: null })).toEqual([undefined, false]);
  expect(ends({ kind: "keep" }, config)).toEqual([now + 1_000, false]);
});

test("nothing lives longer than the cache lets it, and it is said", () => {
  const config = { maxTtlMs: seconds(10) };
  expect(ends(ttl(9_999), config)).toEqual([now + 9_999, false]);
  expect(ends(ttl(10_000), config)).toEqual([now + 10_000, false]);
  expect(ends(ttl(10_001), config)).toEqual([now + 10_000, true]);
  expect(ends({ kind: "never" }, config)).toEqual([now + 10_000, true]);
  expect(ends({ kind: "default" }, config)).toEqual([now + 10_000, true]);
  expect(ends({ kind: "at", at: epochMs(now + 20_000) }, config)).toEqual([now + 10_000, true]);
  expect(ends({ kind: "at", at: epochMs(now - 5) }, config)).toEqual([now - 5, false]);
});

test("a chance shortens lives by a share of them at most, and instants not at all", () => {
  const config = { jitterPercent: 50 };
  expect(ends(ttl(1_000), config, { chance: 0 })).toEqual([now + 1_000, false]);
  expect(ends(ttl(1_000), config, { chance: 0.5 })).toEqual([now + 750, false]);
  expect(ends(ttl(1_000), config, { chance: 0.999_999 })).toEqual([now + 501, false]);
  expect(ends(ttl(1), config, { chance: 0.999_999 })).toEqual([now + 1, false]);
  const at = epochMs(now + 1_000);
  expect(ends({ kind: "at", at }, config, { chance: 0.9 })).toEqual([at, false]);
  const cut = { ...config, maxTtlMs: seconds(1) };
  expect(ends(ttl(5_000), cut, { chance: 0.5 })).toEqual([now + 750, true]);
});

test("an end beyond what an instant can be is too far", () => {
  const last = Number.MAX_SAFE_INTEGER;
  expect(ends(ttl(last - now))).toEqual([last, false]);
  expect(ends(ttl(last - now + 1))).toBe("too_far");
  expect(ends(ttl(2 ** 53))).toBe("too_far");
  expect(ends({ kind: "at", at: epochMs(last) })).toEqual([last, false]);
  expect(ends({ kind: "at", at: epochMs(2 ** 53) })).toBe("too_far");
  // A longest life does not make a request well that is not.
  expect(ends(ttl(2 ** 53), { maxTtlMs: seconds(1) })).toBe("too_far");
});

test.each<[TtlMode, number | undefined, number | undefined, boolean]>([
  ["overwrite", 5, 4, true],
  ["overwrite", undefined, undefined, true],
  ["increase_only", 5, 6, true],
  ["increase_only", 5, 5, false],
  ["increase_only", 5, 4, false],
  ["increase_only", 5, undefined, true],
  ["increase_only", undefined, 5, false],
  ["increase_only", undefined, undefined, false],
  ["decrease_only", 5, 4, true],
  ["decrease_only", 5, 5, false],
  ["decrease_only", 5, 6, false],
  ["decrease_only", undefined, 5, true],
  ["decrease_only", 5, undefined, false],
  ["if_volatile", 5, 9, true],
  ["if_volatile", undefined, 9, false],
  ["if_persistent", 5, 9, false],
  ["if_persistent", undefined, 9, true],
])("%s: %s may become %s: %s", (mode, current, next, may) => {
  const instant = (at: number | undefined) => (at === undefined ? undefined : epochMs(at));
  expect(mayReplaceEnd(mode, instant(current), instant(next))).toBe(may);
});

test("a read lets an item live on, and writes only when a sixteenth of that is gone", () => {
  const slidingMs = milliseconds(16_000) as DurationMs;
  const slid = (current: number, absoluteEnd?: number) =>
    slidEnd(epochMs(current), {
      slidingMs,
      absoluteEnd: absoluteEnd === undefined ? undefined : epochMs(absoluteEnd),
      now,
    });
  expect(slid(now + 15_000)).toBeUndefined();
  expect(slid(now + 14_999)).toBe(now + 16_000);
  expect(slid(now + 1)).toBe(now + 16_000);
  // What is left after any read is at least fifteen sixteenths.
  for (let current = now + 1; current <= now + 16_000; current += 7) {
    expect((slid(current) ?? current) - now).toBeGreaterThanOrEqual(15_000);
  }
  expect(slid(now + 10, now + 9_000)).toBe(now + 9_000);
  expect(slid(now + 8_999, now + 9_000)).toBe(now + 9_000);
  expect(slid(now + 9_000, now + 9_000)).toBeUndefined();
});
