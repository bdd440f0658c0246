// Caches through the client, on a real server.

import { expect, test } from "vitest";
import { type ForebayClient, jsonCodec, textCodec } from "../src/index.js";
import { CutLine } from "./support/cut-line.js";
import { RealServer } from "./support/real-server.js";

const start = async (): Promise<ForebayClient> => (await RealServer.start()).connect();

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("values are written, read, changed and deleted", async () => {
  const cache = (await start()).cache();
  expect(await cache.get("a")).toEqual({ kind: "miss" });
  const stored = await cache.set("a", "1", { flags: 7, contentType: "text/plain", tags: ["t"] });
  expect(stored).toMatchObject({ stored: true, expiresAt: undefined, hasExpired: false });
  const read = await cache.get("a", { withMeta: true });
  expect(read).toMatchObject({
    kind: "hit",
    value: "1",
    version: stored.version,
    flags: 7,
    contentType: "text/plain",
    meta: { tags: ["t"], isPinned: false, isStale: false },
  });
  expect(await cache.value("a")).toBe("1");
  expect(await cache.get("a", { ifVersionNot: stored.version })).toEqual({
    kind: "not_modified",
    version: stored.version,
  });
  expect(await cache.set("a", "2", { condition: "absent", returnCurrent: true })).toMatchObject({
    stored: false,
    current: "1",
  });
  expect(
    await cache.set("a", "2", { condition: { equal: "1" }, returnPrevious: true }),
  ).toMatchObject({
    stored: true,
    previous: "1",
  });
  expect(await cache.take("a")).toMatchObject({ kind: "hit", value: "2" });
  expect(await cache.delete("a")).toBe(false);
  await cache.set(Uint8Array.of(0, 255), Uint8Array.of(1));
  expect(await cache.value(Uint8Array.of(0, 255))).toEqual(Buffer.from([1]));
  expect(await cache.delete(Uint8Array.of(0, 255))).toBe(true);
});

test("each condition holds of what it says", async () => {
  const cache = (await start()).cache();
  const { version } = await cache.set("a", "1", { externalVersion: 5n });
  const holds = async (condition: Parameters<typeof cache.set>[2]) =>
    (await cache.set("a", "1", { externalVersion: 5n, ...condition })).stored;
  expect(await holds({ condition: { version } })).toBe(true);
  expect(await holds({ condition: { version } })).toBe(false);
  expect(await holds({ condition: { absentOrVersion: version } })).toBe(false);
  expect(await holds({ condition: { notEqual: "1" } })).toBe(false);
  expect(await holds({ condition: { presentAndNotEqual: "2" } })).toBe(true);
  expect(await holds({ condition: { absentOrEqual: "1" } })).toBe(true);
  expect(await holds({ condition: { newerExternal: 5n } })).toBe(false);
  expect(await holds({ condition: { newerExternal: 6n } })).toBe(true);
  expect(await holds({ condition: "present" })).toBe(true);
  expect(await holds({ condition: { hashEqual: new Uint8Array(32) } })).toBe(false);
  expect(await holds({ condition: { hashNotEqual: new Uint8Array(32) } })).toBe(true);
});

test("numbers and parts of values are changed where they are", async () => {
  const cache = (await start()).cache();
  expect(await cache.increment("n")).toBe(1n);
  expect(await cache.increment("n", 41)).toBe(42n);
  expect(await cache.increment("none", 1, { mustExist: true })).toBeUndefined();
  expect(await cache.increment("n", 100, { max: 50n, onOverflow: "saturate" })).toBe(50n);
  await expect(cache.increment("n", 100, { max: 50n })).rejects.toMatchObject({
    reason: "OVERFLOW",
  });
  expect(await cache.incrementFloat("f", 1.5)).toBe(1.5);
  expect(await cache.append("t", "bc")).toBe(2);
  expect(await cache.append("t", "a", { prepend: true })).toBe(3);
  expect(await cache.append("none", "a", { mustExist: true })).toBeUndefined();
  expect(Buffer.from((await cache.getRange("t", -2)) ?? "").toString()).toBe("bc");
  expect(await cache.getRange("none")).toBeUndefined();
  expect(await cache.setRange("t", 1, Buffer.from("XY"))).toBe(3);
  expect(await cache.copy("t", "u")).toBe("done");
  expect(await cache.copy("t", "u")).toBe("destination_exists");
  expect(await cache.rename("none", "u")).toBe("source_absent");
  expect(await cache.rename("t", "u", { overwrite: true })).toBe("done");
});

test("ends are given, changed and taken away", async () => {
  const cache = (await start()).cache();
  const before = Date.now();
  const stored = await cache.set("a", "1", { expiry: { ttlMs: 60_000 } });
  const end = stored.stored ? (stored.expiresAt?.getTime() ?? 0) : 0;
  expect(end).toBeGreaterThanOrEqual(before + 60_000);
  expect(await cache.expire("a", { ttlMs: 1_000 }, { when: "longer" })).toBe("not_set");
  expect(await cache.expire("a", "never")).toBe("set");
  expect(await cache.expire("none", "never")).toBe("missing");
  expect(await cache.touch(["a", "none"], { at: new Date(end) })).toEqual([true, false]);
  expect((await cache.meta(["a", "none"])).map((meta) => meta?.expiresAt?.getTime())).toEqual([
    end,
    undefined,
  ]);
  expect(await cache.getAndTouch("a", { at: new Date(0) })).toMatchObject({ kind: "hit" });
  expect(await cache.get("a")).toEqual({ kind: "miss" });
});

test("many keys are written, read, scanned and made invalid at once", async () => {
  const cache = (await start()).cache().with(textCodec);
  const written = await cache.setMany([
    ["p:1", "1", { tags: ["red"] }],
    ["p:2", "2"],
    ["q:1", "3", { tags: ["red"] }],
  ]);
  expect(written).toMatchObject({ storedAll: true, failedIndex: undefined });
  const atomic = await cache.setMany([["p:1", "x", { condition: "absent" }]], { atomic: true });
  expect(atomic).toEqual({ storedAll: false, failedIndex: 0, results: [] });
  const read = await cache.getMany(["p:2", "none"]);
  expect(read).toMatchObject([{ kind: "hit", value: "2" }, { kind: "miss" }]);
  const scanned = await all(cache.scan({ prefix: "p:", withValues: true, pageSize: 1 }));
  expect(scanned.map(({ key, value }) => [key, value])).toEqual([
    ["p:1", "1"],
    ["p:2", "2"],
  ]);
  expect(await cache.count({ prefix: "p:", exact: true })).toBe(2);
  await cache.invalidateTags(["red"]);
  expect((await all(cache.scan())).map(({ key }) => key)).toEqual(["p:2"]);
  await cache.deleteByPrefix("p:");
  expect(await cache.count({ exact: true })).toBe(0);
  await cache.set("z", "1");
  expect(await cache.deleteMany(["z", "z"])).toEqual([true, false]);
});

test("a batch happens as a whole, or not at all", async () => {
  const cache = (await start()).cache();
  const { version } = await cache.set("lock", "mine");
  const guards = [["lock", { version }]] as const;
  const operations = [
    { set: "a", value: "41" },
    { increment: "a" },
    { get: "a" },
    { delete: "lock" },
  ];
  const { results } = await cache.batch({ guards, operations });
  expect(results).toMatchObject([
    { kind: "set", stored: true },
    { kind: "counted", value: 42n },
    { kind: "hit", value: "42" },
    { kind: "deleted", existed: true },
  ]);
  await expect(cache.batch({ guards, operations })).rejects.toMatchObject({
    reason: "GUARD_FAILED",
    metadata: { guard: "0" },
  });
});

test("values are what a codec makes of them, and one caller loads for all", async () => {
  interface Price {
    readonly cents: number;
  }
  const cache = (await start()).cache().with(jsonCodec<Price>());
  let loads = 0;
  const load = async (): Promise<Price> => {
    loads += 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { cents: 1_999 };
  };
  const prices = await Promise.all(
    Array.from({ length: 200 }, () => cache.getOrLoad("book", load, { expiry: { ttlMs: 60_000 } })),
  );
  expect(loads).toBe(1);
  expect(prices.every(({ cents }) => cents === 1_999)).toBe(true);
  expect(await cache.value("book")).toEqual({ cents: 1_999 });
  const failing = () => Promise.reject(new Error("The database is down."));
  await expect(cache.getOrLoad("other", failing)).rejects.toThrow("The database is down.");
  expect(await cache.getOrLoad("other", load)).toEqual({ cents: 1_999 });
  expect(loads).toBe(2);
});

test("caches are made, changed, listed, counted, emptied and deleted", async () => {
  const client = await start();
  const { cache, created } = await client.caches.create("prices", {
    defaultTtlMs: 60_000,
    maxItems: 100,
    eviction: "allkeys_lru",
  });
  expect(created).toBe(true);
  expect(cache.config).toMatchObject({
    maxItems: 100,
    eviction: "allkeys_lru",
    durability: "flushed",
  });
  const changed = await client.caches.update("prices", { maxItems: undefined, durability: "none" });
  expect(changed.config).toMatchObject({ maxItems: 0, durability: "none", defaultTtlMs: 60_000 });
  const longer = await client.caches.update("prices", { maxElementBytes: 1_048_576 });
  expect(longer.config).toMatchObject({ maxElementBytes: 1_048_576, durability: "none" });
  await expect(
    client.caches.update("prices", { maxItems: 1 }, { etag: cache.etag }),
  ).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
  await client.cache("prices").set("a", "1");
  await client.cache("prices").value("a");
  await client.cache("prices").value("b");
  expect(await client.caches.stats("prices", { reset: true })).toMatchObject({
    items: 1,
    total: { sets: 1, hits: 1, misses: 1 },
    hitRatio1m: 0.5,
  });
  expect((await client.caches.stats("prices")).window).toMatchObject({ hits: 0, misses: 0 });
  expect((await all(client.caches.list())).map(({ name }) => name)).toEqual(["default", "prices"]);
  expect(await client.caches.flush("prices")).toBe(1);
  expect(await client.caches.describe("prices")).toMatchObject({ name: "prices" });
  expect(await client.caches.remove("prices")).toBe(true);
  expect(await client.caches.remove("prices", { ifExists: true })).toBe(false);
  await expect(client.cache("prices").value("a")).rejects.toMatchObject({
    reason: "CACHE_NOT_FOUND",
  });
});

test("a thousand calls of one turn are answered each by itself, and errors are of their own call", async () => {
  const cache = (await start()).cache();
  await cache.set("word", "abc");
  const calls = Array.from({ length: 1_000 }, async (_, index) => {
    if (index % 100 === 7) {
      await expect(cache.increment("word")).rejects.toMatchObject({ reason: "NOT_A_NUMBER" });
      return "refused";
    }
    await cache.set(`k${index}`, String(index));
    return cache.value(`k${index}`);
  });
  const answers = await Promise.all(calls);
  expect(answers.filter((answer) => answer === "refused")).toHaveLength(10);
  expect(answers[500]).toBe("500");
});

test("calls of one turn whose answers are too long for one message come in several", async () => {
  const cache = (await start()).cache();
  const long = "x".repeat(1_000_000);
  await Promise.all(["a", "b", "c"].map((key) => cache.set(key, long)));
  const keys = Array.from({ length: 60 }, (_, index) => ["a", "b", "c"][index % 3] ?? "");
  const values = await Promise.all(keys.map((key) => cache.value(key)));
  expect(values.every((value) => value === long)).toBe(true);
});

test("a call that is given up ends at once, and the others do not", async () => {
  const cache = (await start()).cache();
  const controller = new AbortController();
  const given = cache.set("a", "1", { signal: controller.signal });
  const other = cache.set("b", "1");
  controller.abort(new Error("Not needed."));
  await expect(given).rejects.toThrow("Not needed.");
  expect(await other).toMatchObject({ stored: true });
});

test("each increment counts once, though the line is cut again and again", async () => {
  const server = await RealServer.start();
  const line = await CutLine.open(server.endpoint);
  const client = server.connect({ endpoint: line.endpoint, timeoutMs: 30_000 });
  const cache = client.cache();
  await cache.set("n", "0");
  const counts: Promise<bigint | undefined>[] = [];
  for (let round = 0; round < 10; round += 1) {
    for (let each = 0; each < 50; each += 1) counts.push(cache.increment("n"));
    await new Promise((resolve) => setTimeout(resolve, round * 3));
    line.cut();
  }
  const values = await Promise.all(counts);
  expect(new Set(values).size).toBe(500);
  expect(await cache.value("n")).toBe("500");
});

test("a server that is not there is told of, and a closed client too", async () => {
  const server = await RealServer.start();
  const client = server.connect({ retry: { firstContactMs: 50 } });
  await server.stop();
  await expect(client.cache().set("a", "1")).rejects.toMatchObject({
    reason: "CONNECTION_FAILED",
  });
  await client.close();
  await expect(client.cache().set("a", "1")).rejects.toMatchObject({ reason: "CLIENT_CLOSED" });
});

test("a call whose time is up says so", async () => {
  const server = await RealServer.start();
  const client = server.connect({ timeoutMs: 200 });
  await client.cache().set("a", "1");
  await server.stop();
  await expect(client.cache().set("a", "2")).rejects.toMatchObject({
    reason: expect.stringMatching(/DEADLINE_EXCEEDED|CONNECTION/),
  });
});
