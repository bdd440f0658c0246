// Limits of rates in a cache, to the millisecond: what is allowed, what is said of later, and when what is kept goes.

import { afterEach, expect, test } from "vitest";
import { milliseconds, minutes } from "../../src/base/brands.js";
import type { CacheConfig } from "../../src/cache/limits.js";
import { type Acquire, acquire, peekRate, resetRate } from "../../src/cache/rate-limit.js";
import type { RateAlgorithm } from "../../src/cache/rate-limiters.js";
import { readWhole, replaceBytes } from "../../src/cache/whole-values.js";
import {
  AcquireRateLimitRequest,
  PeekRateLimitRequest,
  RateLimitAlgorithm,
} from "../../src/gen/forebay/cache/v1/rate_limit_service.js";
import { createRateLimitHandlers } from "../../src/rpc/cache-rate-limit-handlers.js";
import { CacheRules, cacheKey, callContext, reasonOf } from "../support/cache-rules.js";
import { durationOf } from "../support/scenario.js";

const key = cacheKey("user 7");
const started: CacheRules[] = [];

async function start(config: Partial<CacheConfig> = {}): Promise<CacheRules> {
  const cache = await CacheRules.start(config);
  started.push(cache);
  return cache;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((cache) => cache.stop()));
});

const algorithms: readonly RateAlgorithm[] = ["fixed", "sliding", "token_bucket"];
const order = (algorithm: RateAlgorithm, rest: Partial<Acquire> = {}): Acquire => ({
  key,
  algorithm,
  limit: 3,
  windowMs: milliseconds(1_000),
  cost: 1,
  isDryRun: false,
  ...rest,
});
const ask = (cache: CacheRules, asked: Acquire) => cache.done((open) => acquire(open, asked));
const isKept = async (cache: CacheRules): Promise<boolean> =>
  (await cache.done((open) => readWhole(open, key))) !== undefined;

test.each(algorithms)(
  "by %s as much is allowed at once as the limit says, and no more",
  async (algorithm) => {
    const cache = await start();
    for (const remaining of [2, 1, 0]) {
      expect(await ask(cache, order(algorithm))).toMatchObject({
        isAllowed: true,
        remaining,
        retryAfterMs: undefined,
      });
    }
    expect(await ask(cache, order(algorithm))).toMatchObject({ isAllowed: false, remaining: 0 });
  },
);

test.each([
  ["fixed", 1_000],
  ["sliding", 1_000],
  // A third of the window, and what is left of a millisecond.
  ["token_bucket", 334],
] as const)(
  "by %s the next is allowed after %s ms, and not a millisecond earlier",
  async (algorithm, waitMs) => {
    const cache = await start();
    const all = { cost: 3 };
    expect(await ask(cache, order(algorithm, all))).toMatchObject({ isAllowed: true });
    const refused = await ask(cache, order(algorithm));
    expect(refused).toMatchObject({ isAllowed: false, retryAfterMs: waitMs, resetAfterMs: 1_000 });
    cache.advance(waitMs - 1);
    expect(await ask(cache, order(algorithm))).toMatchObject({ isAllowed: false, retryAfterMs: 1 });
    cache.advance(1);
    expect(await ask(cache, order(algorithm))).toMatchObject({ isAllowed: true });
  },
);

test("around the end of a fixed window twice the limit is allowed, and of a sliding one never", async () => {
  const cache = await start();
  const allowed = async (algorithm: RateAlgorithm): Promise<number> => {
    await cache.done((open) => resetRate(open, { key }));
    let count = 0;
    for (const [waitMs, cost] of [
      [0, 1],
      [990, 2],
      [10, 3],
    ] as const) {
      cache.advance(waitMs);
      if ((await ask(cache, order(algorithm, { cost }))).isAllowed) count += cost;
    }
    return count;
  };
  // Within the last 10 ms of it.
  expect(await allowed("fixed")).toBe(6);
  expect(await allowed("sliding")).toBe(3);
});

test.each(algorithms)(
  "by %s more than the limit is never allowed, and takes nothing",
  async (algorithm) => {
    const cache = await start();
    expect(await ask(cache, order(algorithm, { cost: 4 }))).toEqual({
      isAllowed: false,
      remaining: 3,
      resetAfterMs: 0,
      retryAfterMs: undefined,
    });
    expect(await isKept(cache)).toBe(false);
    expect(await ask(cache, order(algorithm, { cost: 3 }))).toMatchObject({ isAllowed: true });
  },
);

test.each(algorithms)(
  "by %s what is refused, peeked at or tried dry changes nothing",
  async (algorithm) => {
    const cache = await start();
    const dry = order(algorithm, { isDryRun: true, cost: 2 });
    expect(await ask(cache, dry)).toMatchObject({ isAllowed: true, remaining: 3 });
    expect(await isKept(cache)).toBe(false);
    await ask(cache, order(algorithm, { cost: 2 }));
    const before = await cache.done((open) => readWhole(open, key));
    expect(await ask(cache, dry)).toMatchObject({ isAllowed: false, remaining: 1 });
    expect(await ask(cache, order(algorithm, { cost: 2 }))).toMatchObject({ isAllowed: false });
    expect(await cache.done((open) => peekRate(open, order(algorithm)))).toMatchObject({
      remaining: 1,
    });
    expect(await cache.done((open) => readWhole(open, key))).toEqual(before);
  },
);

test.each(algorithms)(
  "by %s what is kept goes when all of the limit is back, and at a reset",
  async (algorithm) => {
    // Neither the cache's longest life nor its sliding one changes that.
    const cache = await start({ maxTtlMs: milliseconds(10), slidingMs: milliseconds(5) });
    const { resetAfterMs } = await ask(cache, order(algorithm, { cost: 3 }));
    expect(resetAfterMs).toBe(1_000);
    const kept = await cache.done((open) => readWhole(open, key));
    expect(kept?.item.sliding).toBeUndefined();
    cache.advance(999);
    expect(await isKept(cache)).toBe(true);
    cache.advance(1);
    expect(await isKept(cache)).toBe(false);
    await ask(cache, order(algorithm));
    expect(await cache.done((open) => resetRate(open, { key }))).toBe(true);
    expect(await isKept(cache)).toBe(false);
    expect(await cache.done((open) => resetRate(open, { key }))).toBe(false);
    await cache.check();
  },
);

test("another limit or window holds from the next call on, and another algorithm begins anew", async () => {
  const cache = await start();
  await ask(cache, order("sliding", { cost: 3 }));
  const peek = (rest: Partial<Acquire>, algorithm: RateAlgorithm = "sliding") =>
    cache.done((open) => peekRate(open, order(algorithm, rest)));
  expect(await peek({ limit: 10 })).toMatchObject({ remaining: 7 });
  expect(await peek({ limit: 2 })).toMatchObject({ remaining: 0 });
  expect(await peek({}, "fixed")).toMatchObject({ remaining: 3, resetAfterMs: 0 });
  cache.advance(500);
  expect(await peek({ windowMs: milliseconds(500) })).toMatchObject({ remaining: 3 });
  expect(await peek({ windowMs: milliseconds(501) })).toMatchObject({ remaining: 0 });
});

test.each(["fixed", "sliding"] as const)(
  "by %s a shorter window is over to the millisecond, too",
  async (algorithm) => {
    const cache = await start();
    await ask(cache, order(algorithm, { cost: 3 }));
    const shorter = order(algorithm, { windowMs: milliseconds(500) });
    cache.advance(499);
    expect(await ask(cache, shorter)).toMatchObject({ isAllowed: false, retryAfterMs: 1 });
    cache.advance(1);
    expect(await ask(cache, shorter)).toMatchObject({ isAllowed: true, remaining: 2 });
  },
);

test("a value that is no rate limit is refused and stays", async () => {
  const cache = await start();
  const bytes = Buffer.from("5");
  await cache.done((open) => replaceBytes(open, { key, expiry: { kind: "default" } }, bytes));
  const reasons = [
    await cache.refused((open) => acquire(open, order("fixed"))),
    await cache.refused((open) => peekRate(open, order("fixed"))),
    await cache.refused((open) => resetRate(open, { key })),
  ];
  expect(reasons).toEqual(["wrong_type", "wrong_type", "wrong_type"]);
  expect((await cache.done((open) => readWhole(open, key)))?.bytes).toEqual(bytes);
});

const request = AcquireRateLimitRequest.fromPartial({
  cache: "tried",
  keyForm: { $case: "key", value: "user 7" },
  limit: 2n,
  window: durationOf(minutes(1)),
  algorithm: RateLimitAlgorithm.FIXED,
});

test("a repeat with its request id takes nothing, and is answered as the first was", async () => {
  const cache = await start();
  const handlers = createRateLimitHandlers(cache.handlerParts);
  const asked = { ...request, requestId: "once" };
  const first = await handlers.acquireRateLimit(asked, callContext);
  expect(first).toEqual({
    allowed: true,
    remaining: 1n,
    resetAfter: durationOf(60_000),
    retryAfter: undefined,
    replayed: false,
  });
  expect(await handlers.acquireRateLimit(asked, callContext)).toEqual({ ...first, replayed: true });
  expect(await handlers.acquireRateLimit(request, callContext)).toMatchObject({ remaining: 0n });
  cache.advance(59_999);
  expect(await handlers.acquireRateLimit(request, callContext)).toMatchObject({
    allowed: false,
    retryAfter: durationOf(1),
  });
  const peeked = await handlers.peekRateLimit(
    PeekRateLimitRequest.fromPartial({ ...request }),
    callContext,
  );
  expect(peeked).toEqual({ remaining: 0n, resetAfter: durationOf(1) });
  const { cache: name, keyForm } = request;
  const reset = { cache: name, keyForm };
  expect(await handlers.resetRateLimit(reset, callContext)).toEqual({ existed: true });
  expect(await handlers.resetRateLimit(reset, callContext)).toEqual({ existed: false });
});

test("limits, windows and costs out of their range are refused", async () => {
  const cache = await start();
  const handlers = createRateLimitHandlers(cache.handlerParts);
  const reason = (rest: Partial<AcquireRateLimitRequest>) =>
    reasonOf(handlers.acquireRateLimit({ ...request, dryRun: true, ...rest }, callContext));
  const days = 31 * 86_400_000;
  expect(await reason({ limit: 0n })).toBe("INVALID_PARAMETER");
  expect(await reason({ limit: 1_000_000_001n })).toBe("INVALID_PARAMETER");
  expect(await reason({ limit: 1_000_000_000n })).toBe("It was answered.");
  expect(await reason({ cost: -1n })).toBe("INVALID_PARAMETER");
  expect(await reason({ cost: 1_000_000_001n })).toBe("INVALID_PARAMETER");
  expect(await reason({ window: undefined })).toBe("MISSING_PARAMETER");
  expect(await reason({ window: durationOf(0) })).toBe("INVALID_PARAMETER");
  expect(await reason({ window: durationOf(1) })).toBe("It was answered.");
  expect(await reason({ window: durationOf(days) })).toBe("It was answered.");
  expect(await reason({ window: durationOf(days + 1) })).toBe("INVALID_PARAMETER");
  expect(await reason({ algorithm: 9 as RateLimitAlgorithm })).toBe("INVALID_PARAMETER");
});
