// Full caches over a real socket: what goes, what stays, and what is never refused.

import { expect, test } from "vitest";
import { EvictionPolicy } from "../../src/gen/forebay/cache/v1/cache.js";
import {
  cacheCall,
  cacheScenario,
  createCache,
  get,
  scanned,
  set,
  ttl,
} from "../support/caches.js";
import type { Scenario } from "../support/scenario.js";

const cache = "prices";

async function filled(t: Scenario, eviction: EvictionPolicy, rest: Parameters<typeof set>[3] = {}) {
  await createCache(t, cache, { maxItems: 20n, eviction });
  for (let index = 10; index < 30; index += 1) await set(t, `k${index}`, "1", { cache, ...rest });
}

const statsOf = async (t: Scenario) => (await cacheCall(t, "getCacheStats", { cache })).stats;

test.each([
  ["W_TINYLFU", EvictionPolicy.W_TINYLFU],
  ["ALLKEYS_LRU", EvictionPolicy.ALLKEYS_LRU],
  ["ALLKEYS_LFU", EvictionPolicy.ALLKEYS_LFU],
  ["ALLKEYS_RANDOM", EvictionPolicy.ALLKEYS_RANDOM],
])(
  "%s keeps as many items as there may be, and each write is read right after it",
  async (_, policy) => {
    const t = await cacheScenario();
    await filled(t, policy);
    for (let index = 0; index < 50; index += 1) {
      await set(t, `new${index}`, String(index), { cache });
      expect(await get(t, `new${index}`, { cache })).toBe(String(index));
    }
    const stats = await statsOf(t);
    expect(stats).toMatchObject({ items: 20n, total: { evictedForItems: 50n } });
    expect(await scanned(t, { cache })).toHaveLength(20);
  },
);

test("what was used longest ago goes first", async () => {
  const t = await cacheScenario();
  await filled(t, EvictionPolicy.ALLKEYS_LRU);
  for (let index = 10; index < 20; index += 1) await get(t, `k${index}`, { cache });
  for (let index = 0; index < 10; index += 1) await set(t, `n${index}`, "1", { cache });
  expect((await scanned(t, { cache })).filter((key) => key.startsWith("k"))).toEqual(
    Array.from({ length: 10 }, (_, index) => `k${index + 10}`),
  );
});

test("what ends next goes first, and what never ends stays, up to a full cache", async () => {
  const t = await cacheScenario();
  await createCache(t, cache, { maxItems: 3n, eviction: EvictionPolicy.VOLATILE_TTL });
  await set(t, "late", "1", { cache, expiry: ttl(90_000) });
  await set(t, "soon", "1", { cache, expiry: ttl(50_000) });
  await set(t, "never", "1", { cache });
  await set(t, "a", "1", { cache });
  expect(await scanned(t, { cache })).toEqual(["a", "late", "never"]);
  await set(t, "b", "1", { cache });
  expect(await scanned(t, { cache })).toEqual(["a", "b", "never"]);
  await expect(set(t, "c", "1", { cache })).rejects.toMatchObject({ reason: "CACHE_FULL" });
});

test("what has ended goes before what has not", async () => {
  const t = await cacheScenario();
  await createCache(t, cache, { maxItems: 2n, eviction: EvictionPolicy.ALLKEYS_LRU });
  await set(t, "old", "1", { cache });
  await set(t, "ended", "1", { cache, expiry: ttl(100) });
  await t.clock.skip(100);
  await set(t, "new", "1", { cache });
  expect(await scanned(t, { cache })).toEqual(["new", "old"]);
  expect((await statsOf(t))?.total).toMatchObject({ expired: 1n, evictedForItems: 0n });
});

test("what is pinned stays", async () => {
  const t = await cacheScenario();
  await createCache(t, cache, { maxItems: 3n, eviction: EvictionPolicy.ALLKEYS_LRU });
  await set(t, "pinned", "1", { cache, pinned: true });
  for (let index = 0; index < 10; index += 1) await set(t, `k${index}`, "1", { cache });
  expect(await scanned(t, { cache })).toEqual(["k8", "k9", "pinned"]);
});

test("after a restart a full cache goes on, and what nobody used since goes first", async () => {
  const t = await cacheScenario();
  await filled(t, EvictionPolicy.W_TINYLFU);
  await t.restart();
  for (let index = 10; index < 15; index += 1) await get(t, `k${index}`, { cache });
  for (let index = 0; index < 10; index += 1) await set(t, `n${index}`, "1", { cache });
  const keys = await scanned(t, { cache });
  expect(keys).toHaveLength(20);
  expect(keys).toEqual(expect.arrayContaining(["k10", "k11", "k12", "k13", "k14"]));
});

test("a cache that has nearly all its bytes is relieved in the background", async () => {
  const t = await cacheScenario();
  await createCache(t, cache, { maxBytes: 100_000n });
  const long = "x".repeat(900);
  for (let index = 0; index < 100; index += 1) await set(t, `k${index}`, long, { cache });
  await t.advance(3_000);
  const stats = await statsOf(t);
  expect(Number(stats?.bytes)).toBeLessThanOrEqual(90_000);
  expect(Number(stats?.bytes)).toBeGreaterThan(80_000);
  expect(stats?.total?.evictedForBytes).toBeGreaterThan(0n);
});

test("another policy may take over while the cache is full", async () => {
  const t = await cacheScenario();
  await filled(t, EvictionPolicy.NOEVICTION);
  await expect(set(t, "more", "1", { cache })).rejects.toMatchObject({ reason: "CACHE_FULL" });
  const config = { eviction: EvictionPolicy.ALLKEYS_LFU };
  await cacheCall(t, "updateCache", { cache, config, updateMask: ["eviction"] });
  expect(await set(t, "more", "1", { cache })).toMatchObject({ stored: true });
});
