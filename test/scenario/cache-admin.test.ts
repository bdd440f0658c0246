// Caches as resources: made, changed, emptied, listed, counted, full, deleted; over a real socket.

import { expect, test } from "vitest";
import {
  type CacheConfig,
  CacheDurability,
  EvictionPolicy,
} from "../../src/gen/forebay/cache/v1/cache.js";
import {
  cacheCall,
  cacheScenario,
  createCache,
  del,
  get,
  getFull,
  increment,
  keyForm,
  keyOf,
  set,
  ttl,
} from "../support/caches.js";
import { durationOf, type Scenario } from "../support/scenario.js";

const notFound = { code: "NOT_FOUND", reason: "CACHE_NOT_FOUND", metadata: { cache: "prices" } };

test("a cache is made once, with what is given and the defaults, and again only as it is", async () => {
  const t = await cacheScenario();
  const first = await createCache(t, "prices", { maxItems: 10n });
  expect(first).toMatchObject({
    created: true,
    cache: {
      cache: "prices",
      config: {
        maxItems: 10n,
        maxBytes: 0n,
        eviction: EvictionPolicy.W_TINYLFU,
        durability: CacheDurability.FLUSHED,
        maxValueBytes: 1_048_576,
        channelRetainMessages: 1_000,
        channelRetain: durationOf(60_000),
      },
    },
  });
  expect(await createCache(t, "prices", { maxItems: 10n })).toEqual({ ...first, created: false });
  expect(await createCache(t, "prices")).toMatchObject({ created: false });
  await expect(createCache(t, "prices", { maxItems: 11n, maxBytes: 5n })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    reason: "CACHE_EXISTS",
    metadata: { differing: "max_bytes,max_items" },
  });
  await t.restart();
  expect((await cacheCall(t, "getCache", { cache: "prices" })).cache).toEqual(first.cache);
});

test("the cache default is always there", async () => {
  const t = await cacheScenario();
  const { cache } = await cacheCall(t, "getCache", {});
  expect(cache).toMatchObject({ cache: "default", createTime: undefined });
  expect(await createCache(t, "default")).toMatchObject({ created: false });
  await set(t, "a", "1");
  expect(await cacheCall(t, "deleteCache", {})).toEqual({ existed: true });
  expect(await get(t, "a")).toBe("MISS");
});

test.each([
  ["ttl_jitter_percent", { ttlJitterPercent: 51 }],
  ["max_value_bytes", { maxValueBytes: 0 }],
  ["max_value_bytes", { maxValueBytes: 67_108_865 }],
  ["replicated_zones", { replicatedZones: 8 }],
  ["channel_retain_messages", { channelRetainMessages: 0 }],
  ["channel_retain_messages", { channelRetainMessages: 100_001 }],
  ["channel_retain", { channelRetain: durationOf(999) }],
  ["channel_retain", { channelRetain: durationOf(3_600_001) }],
  ["max_items", { maxItems: -1n }],
  ["eviction", { eviction: 42 as EvictionPolicy }],
])("a %s out of its range is refused by name", async (field, config) => {
  const t = await cacheScenario();
  await expect(createCache(t, "prices", config)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    metadata: { field: `config.${field}` },
  });
});

test.each(["", "has space", "x".repeat(129), "a/b/c"])(
  "%j is no name of a cache",
  async (cache) => {
    const t = await cacheScenario();
    const badName = { code: "INVALID_ARGUMENT", reason: "BAD_NAME", metadata: { field: "cache" } };
    await expect(createCache(t, cache)).rejects.toMatchObject(badName);
    await expect(get(t, "a", { cache })).rejects.toMatchObject(badName);
  },
);

test("every call to a cache that is not there says so", async () => {
  const t = await cacheScenario();
  const cache = "prices";
  await expect(set(t, "a", "1", { cache })).rejects.toMatchObject(notFound);
  await expect(get(t, "a", { cache })).rejects.toMatchObject(notFound);
  await expect(cacheCall(t, "multiGet", { cache })).rejects.toMatchObject(notFound);
  await expect(cacheCall(t, "scan", { cache })).rejects.toMatchObject(notFound);
  await expect(cacheCall(t, "getCache", { cache })).rejects.toMatchObject(notFound);
  await expect(cacheCall(t, "flushCache", { cache })).rejects.toMatchObject(notFound);
  await expect(cacheCall(t, "getCacheStats", { cache })).rejects.toMatchObject(notFound);
  await expect(cacheCall(t, "deleteCache", { cache })).rejects.toMatchObject(notFound);
  expect(await cacheCall(t, "deleteCache", { cache, ifExists: true })).toEqual({ existed: false });
});

test("a change names what it changes, and what it names and does not give has its default again", async () => {
  const t = await cacheScenario();
  const { cache } = await createCache(t, "prices", { maxItems: 10n, ttlJitterPercent: 5 });
  const change = (config: Partial<CacheConfig>, updateMask: string[], etag = "") =>
    cacheCall(t, "updateCache", { cache: "prices", config, updateMask, etag });
  const changed = await change({ maxItems: 20n, maxBytes: 7n }, [
    "max_items",
    "ttl_jitter_percent",
  ]);
  expect(changed.cache?.config).toMatchObject({ maxItems: 20n, maxBytes: 0n, ttlJitterPercent: 0 });
  await expect(change({}, ["max_items"], cache?.etag)).rejects.toMatchObject({
    code: "ABORTED",
    reason: "ETAG_MISMATCH",
    metadata: { etag: changed.cache?.etag },
  });
  await expect(change({}, [])).rejects.toMatchObject({ metadata: { field: "update_mask" } });
  await expect(change({}, ["nonsense"])).rejects.toMatchObject({
    metadata: { field: "update_mask.paths[0]" },
  });
});

test("a cache that is emptied or deleted has nothing at once, and its rows go", async () => {
  const t = await cacheScenario();
  const cache = "prices";
  await createCache(t, cache);
  for (let index = 0; index < 20; index += 1) {
    await set(t, `k${index}`, "1", { cache, tags: ["t"], expiry: ttl(60_000) });
  }
  await cacheCall(t, "invalidateTags", { cache, tags: ["t"] });
  expect(await cacheCall(t, "flushCache", { cache })).toEqual({ removedItems: 20n });
  expect(await get(t, "k1", { cache })).toBe("MISS");
  await set(t, "k1", "2", { cache, tags: ["t"] });
  expect(await get(t, "k1", { cache })).toBe("2");
  await t.advance(10_000);
  expect(await cacheCall(t, "deleteCache", { cache })).toEqual({ existed: true });
  await expect(get(t, "k1", { cache })).rejects.toMatchObject(notFound);
  await createCache(t, cache);
  expect(await get(t, "k1", { cache })).toBe("MISS");
  await t.advance(10_000);
});

test("caches are listed by name, with the one that is always there in its place", async () => {
  const t = await cacheScenario();
  for (const cache of ["zebra", "apple", "dog"]) await createCache(t, cache);
  const names: string[] = [];
  let pageToken = "";
  do {
    const page = await cacheCall(t, "listCaches", { pageSize: 1, pageToken });
    names.push(...page.caches.map(({ cache }) => cache));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(names).toEqual(["apple", "default", "dog", "zebra"]);
  const { caches } = await cacheCall(t, "listCaches", { namePrefix: "d" });
  expect(caches.map(({ cache }) => cache)).toEqual(["default", "dog"]);
  await expect(cacheCall(t, "listCaches", { pageToken: "x" })).rejects.toMatchObject({
    reason: "INVALID_PAGE_TOKEN",
  });
});

const statsOf = async (t: Scenario, reset = false) =>
  (await cacheCall(t, "getCacheStats", { reset })).stats;

test("each event is counted once, and a window begins when it is reset", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(1_000) });
  await increment(t, "n");
  await get(t, "a");
  await get(t, "b");
  await get(t, "a", { peek: true });
  await cacheCall(t, "multiGet", { keys: [keyOf("a"), keyOf("b"), keyOf("b")] });
  await cacheCall(t, "scan", {});
  const first = await statsOf(t, true);
  expect(first?.total).toMatchObject({ hits: 2n, misses: 3n, sets: 1n, increments: 1n });
  expect(first?.hitRatio1m).toBeCloseTo(0.4);
  await get(t, "a");
  const { version } = await getFull(t, "a");
  await getFull(t, "a", { ifVersionNot: version });
  await del(t, "n");
  await t.advance(3_000);
  const second = await statsOf(t);
  expect(second?.window).toMatchObject({
    hits: 2n,
    misses: 0n,
    notModified: 1n,
    deletes: 1n,
    expired: 1n,
    sets: 0n,
  });
  expect(second).toMatchObject({ items: 0n, bytes: 0n, total: { hits: 4n, sets: 1n } });
});

test("C58 a cache that evicts nothing refuses what grows, and takes everything else", async () => {
  const t = await cacheScenario();
  const cache = "prices";
  await createCache(t, cache, { maxItems: 2n, eviction: EvictionPolicy.NOEVICTION });
  await set(t, "a", "1", { cache });
  await set(t, "b", "1", { cache });
  await expect(set(t, "c", "1", { cache })).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "CACHE_FULL",
    metadata: { what: "items", limit: "2" },
  });
  expect(await get(t, "a", { cache })).toBe("1");
  await set(t, "a", "2", { cache });
  await del(t, "b", { cache });
  expect(await set(t, "c", "1", { cache })).toMatchObject({ stored: true });
});

test("bytes are counted exactly, and at most half of them are pinned", async () => {
  const t = await cacheScenario();
  const cache = "prices";
  await createCache(t, cache, { maxBytes: 1_000n, eviction: EvictionPolicy.NOEVICTION });
  await set(t, "key", "x".repeat(33), { cache, tags: ["red"] });
  const { stats } = await cacheCall(t, "getCacheStats", { cache });
  // Key, value, tag and a flat rate of 64.
  expect(stats?.bytes).toBe(BigInt(3 + 33 + 3 + 64));
  await set(t, "pin", "x".repeat(400), { cache, pinned: true });
  await expect(set(t, "more", "x".repeat(100), { cache, pinned: true })).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "PINNED_LIMIT",
  });
  await expect(set(t, "more", "x".repeat(500), { cache })).rejects.toMatchObject({
    reason: "CACHE_FULL",
    metadata: { what: "bytes" },
  });
  await cacheCall(t, "append", {
    cache,
    keyForm: keyForm("key"),
    valueForm: { $case: "value", value: "y".repeat(100) },
  });
});

test("a cache that is durable in more zones than there are is refused", async () => {
  const t = await cacheScenario();
  await expect(
    createCache(t, "prices", { durability: CacheDurability.REPLICATED }),
  ).rejects.toMatchObject({
    code: "UNAVAILABLE",
    reason: "TOO_FEW_ZONES",
    metadata: { zones: "1", needed: "2" },
  });
});

test("a cache without durability answers at once, and what it answered is read at once", async () => {
  const t = await cacheScenario();
  const cache = "fast";
  await createCache(t, cache, { durability: CacheDurability.NONE });
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      await set(t, `k${index}`, String(index), { cache });
      return get(t, `k${index}`, { cache });
    }),
  );
  expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => String(index)));
  await t.restart();
  expect(await get(t, "k7", { cache })).toBe("7");
});
