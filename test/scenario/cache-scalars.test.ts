// Single values of caches: ends, conditions, versions, parts of values, counters; each over a real socket, with time moved by hand.

import { hash } from "node:crypto";
import { expect, test } from "vitest";
import {
  DeleteMode,
  DeleteOutcome,
  OverflowMode,
  ReadOutcome,
  TransferOutcome,
  TtlMode,
  TtlOutcome,
} from "../../src/gen/forebay/cache/v1/cache_service.js";
import { ItemType } from "../../src/gen/forebay/cache/v1/item.js";
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
  readName,
  scanned,
  set,
  textOf,
  ttl,
} from "../support/caches.js";
import { durationOf as duration, type Scenario } from "../support/scenario.js";

const metaOf = async (t: Scenario, key: string) =>
  (await cacheCall(t, "getMeta", { keys: [keyOf(key)] })).items[0];
const count = async (t: Scenario): Promise<bigint> =>
  (await cacheCall(t, "countKeys", { exact: true })).count;
const noExpiry = { expiry: { $case: "noExpiry", value: true } } as const;
const keepTtl = { expiry: { $case: "keepTtl", value: true } } as const;
const at = (ms: number) =>
  ({
    expiry: {
      $case: "expireTime",
      value: { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1e6 },
    },
  }) as const;

test("C01 a value is there until its end and for nobody after it", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(200) });
  await t.advance(199);
  expect(await get(t, "a")).toBe("1");
  expect(await scanned(t)).toEqual(["a"]);
  expect(await count(t)).toBe(1n);
  expect((await metaOf(t, "a"))?.type).toBe(ItemType.SCALAR);
  await t.advance(1);
  expect(await get(t, "a")).toBe("MISS");
  expect(await scanned(t)).toEqual([]);
  expect(await count(t)).toBe(0n);
  expect((await metaOf(t, "a"))?.type).toBe(ItemType.UNSPECIFIED);
});

test("C02 an end that has passed is taken, and the key has nothing", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  const answer = await set(t, "a", "2", { expiry: at(t.now - 1) });
  expect(answer).toMatchObject({ stored: true, expiredImmediately: true });
  expect(await get(t, "a")).toBe("MISS");
});

test.each([
  ["C03 a life of nothing", 0],
  ["a life below nothing", -1_000],
  ["C04 a life of 2^53 ms", 2 ** 53],
])("%s is refused, and the old value stays", async (_, ms) => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  await expect(set(t, "a", "2", { expiry: ttl(ms) })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "TTL_INVALID",
  });
  expect(await get(t, "a")).toBe("1");
});

test("an end that with now lies beyond 2^53-1 ms is refused", async () => {
  const t = await cacheScenario();
  await expect(set(t, "a", "2", { expiry: ttl(2 ** 53 - 1_000) })).rejects.toMatchObject({
    reason: "TTL_INVALID",
    metadata: { field: "expiry" },
  });
});

test("C05 a Set without an end clears the old one, and one that keeps it does not", async () => {
  const t = await cacheScenario();
  const first = await set(t, "a", "1", { expiry: ttl(10_000) });
  const kept = await set(t, "a", "2", { expiry: keepTtl });
  expect(kept.expireTime).toEqual(first.expireTime);
  expect((await set(t, "a", "3")).expireTime).toBeUndefined();
  expect((await metaOf(t, "a"))?.expireTime).toBeUndefined();
});

const updateTtl = async (t: Scenario, mode: TtlMode, expiry: ReturnType<typeof ttl>) =>
  (await cacheCall(t, "updateTtl", { keyForm: keyForm("a"), mode, expiry })).outcome;

test("C06 no end counts as later than any", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  expect(await updateTtl(t, TtlMode.INCREASE_ONLY, ttl(5_000))).toBe(TtlOutcome.NOT_SET);
  expect(await updateTtl(t, TtlMode.DECREASE_ONLY, ttl(5_000))).toBe(TtlOutcome.SET);
  await t.advance(5_000);
  expect(await updateTtl(t, TtlMode.OVERWRITE, ttl(5_000))).toBe(TtlOutcome.MISSING);
});

test("C07 a life that may only grow does not shrink", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(10_000) });
  expect(await updateTtl(t, TtlMode.INCREASE_ONLY, ttl(5_000))).toBe(TtlOutcome.NOT_SET);
  await t.advance(9_999);
  expect(await get(t, "a")).toBe("1");
  await t.advance(1);
  expect(await get(t, "a")).toBe("MISS");
});

test("an end is given where there is one, or where there is none, and a version stays", async () => {
  const t = await cacheScenario();
  const { version } = await set(t, "a", "1");
  expect(await updateTtl(t, TtlMode.IF_VOLATILE, ttl(5_000))).toBe(TtlOutcome.NOT_SET);
  expect(await updateTtl(t, TtlMode.IF_PERSISTENT, ttl(5_000))).toBe(TtlOutcome.SET);
  expect(await updateTtl(t, TtlMode.IF_PERSISTENT, ttl(9_000))).toBe(TtlOutcome.NOT_SET);
  expect(await updateTtl(t, TtlMode.OVERWRITE, noExpiry as never)).toBe(TtlOutcome.SET);
  expect(await metaOf(t, "a")).toMatchObject({ version, expireTime: undefined });
});

test("C08 what has ended and is not removed counts as absent", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(100) });
  await t.advance(100);
  const absent = { condition: { condition: { $case: "absent", value: true } } } as const;
  expect(await set(t, "a", "2", absent)).toMatchObject({ stored: true });
  expect(await set(t, "a", "3", absent)).toMatchObject({ stored: false });
});

test("C09 of a hundred that set a key that is absent exactly one does", async () => {
  const t = await cacheScenario();
  const condition = { condition: { $case: "absent", value: true } } as const;
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => set(t, "a", String(index), { condition })),
  );
  const stored = answers.flatMap((answer, index) => (answer.stored ? [String(index)] : []));
  expect(stored).toHaveLength(1);
  expect([await get(t, "a")]).toEqual(stored);
});

test("C10 a version that somebody has passed is told, with the value if wanted", async () => {
  const t = await cacheScenario();
  const { version } = await set(t, "a", "1");
  const newer = await set(t, "a", "2");
  const condition = { condition: { $case: "versionEqual", value: version } } as const;
  expect(await set(t, "a", "3", { condition, returnCurrent: true })).toMatchObject({
    stored: false,
    version: newer.version,
    current: textOf("2"),
  });
  expect(newer.version).toBeGreaterThan(version);
});

test("C11 not equal holds of nothing, and present and not equal does not", async () => {
  const t = await cacheScenario();
  const value = textOf("x");
  const present = { condition: { condition: { $case: "presentAndNotEqual", value } } } as const;
  expect(await set(t, "a", "1", present)).toMatchObject({ stored: false, version: 0n });
  const notEqual = { condition: { condition: { $case: "notEqual", value } } } as const;
  expect(await set(t, "a", "1", notEqual)).toMatchObject({ stored: true });
});

test("C12 a delete on condition deletes the value it names and no other", async () => {
  const t = await cacheScenario();
  await set(t, "a", "a");
  const equal = (text: string) =>
    ({ condition: { condition: { $case: "equal", value: textOf(text) } } }) as const;
  expect((await del(t, "a", equal("b"))).outcome).toBe(DeleteOutcome.NOT_DELETED);
  expect((await del(t, "a", equal("a"))).outcome).toBe(DeleteOutcome.DELETED);
  expect((await del(t, "a")).outcome).toBe(DeleteOutcome.ABSENT);
});

test("hashes and versions of elsewhere are conditions as well", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { externalVersion: 7n });
  const sha256 = Buffer.from(hash("sha256", "1", "hex"), "hex");
  const hashEqual = { condition: { condition: { $case: "hashEqual", value: sha256 } } } as const;
  const newer = (value: bigint) =>
    ({
      condition: { condition: { $case: "newerExternal", value } },
      externalVersion: value,
    }) as const;
  expect(await set(t, "a", "older", newer(6n))).toMatchObject({ stored: false });
  expect(await set(t, "a", "1", { ...hashEqual, externalVersion: 8n })).toMatchObject({
    stored: true,
  });
  expect(await set(t, "a", "2", newer(9n))).toMatchObject({ stored: true });
  expect(await set(t, "a", "3", hashEqual)).toMatchObject({ stored: false });
});

test("the value that was there is told to who asks for it", async () => {
  const t = await cacheScenario();
  expect(await set(t, "a", "1", { returnPrevious: true })).toMatchObject({
    previousType: ItemType.UNSPECIFIED,
    previous: undefined,
  });
  expect(await set(t, "a", "2", { returnPrevious: true })).toMatchObject({
    previousType: ItemType.SCALAR,
    previous: textOf("1"),
  });
});

test("C14 the empty value is a value", async () => {
  const t = await cacheScenario();
  await set(t, "a", "");
  const answer = await getFull(t, "a");
  expect(answer.outcome).toBe(ReadOutcome.HIT);
  expect(answer.valueForm).toEqual({ $case: "value", value: "" });
});

test("C15 keys are bytes, whichever", async () => {
  const t = await cacheScenario();
  const key = Uint8Array.of(0, 255, 0);
  await set(t, key, "1");
  expect(await get(t, key)).toBe("1");
  const { items } = await cacheCall(t, "scan", { prefix: keyOf(Uint8Array.of(0)) });
  expect(items.map(({ key: found }) => found?.key)).toEqual([
    { $case: "data", value: Buffer.from(key) },
  ]);
});

test("C16 a key has at most 1,024 bytes, and no error leaves anything behind", async () => {
  const t = await cacheScenario();
  await set(t, "k".repeat(1_024), "1");
  expect(await get(t, "k".repeat(1_024))).toBe("1");
  await expect(set(t, "k".repeat(1_025), "1")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "KEY_TOO_LONG",
    metadata: { field: "key", limit: "1024", actual: "1025" },
  });
  await expect(set(t, "", "1")).rejects.toMatchObject({ reason: "EMPTY_KEY" });
  expect(await count(t)).toBe(1n);
});

test("C20 a counter at its bound is told, stays, or goes on from the other bound", async () => {
  const t = await cacheScenario();
  const max = 9_223_372_036_854_775_807n;
  await set(t, "a", String(max));
  await expect(increment(t, "a")).rejects.toMatchObject({
    code: "OUT_OF_RANGE",
    reason: "OVERFLOW",
  });
  expect(await get(t, "a")).toBe(String(max));
  expect((await increment(t, "a", { onOverflow: OverflowMode.SATURATE })).value).toBe(max);
  expect((await increment(t, "a", { onOverflow: OverflowMode.WRAP })).value).toBe(-max - 1n);
});

test.each([" 11", "007", "1e3", "", "+1", "1.0", "-0"])(
  "C21 %j is no number to count with",
  async (value) => {
    const t = await cacheScenario();
    await set(t, "a", value);
    await expect(increment(t, "a")).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "NOT_A_NUMBER",
    });
    expect(await get(t, "a")).toBe(value);
  },
);

test("C22 a counter keeps its end, and a new one gets one", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(5_000) });
  expect((await increment(t, "a", { expiry: ttl(60_000) })).value).toBe(2n);
  await t.advance(4_999);
  expect(await get(t, "a")).toBe("2");
  await t.advance(1);
  expect((await increment(t, "a", { expiry: ttl(60_000) })).value).toBe(1n);
  await t.advance(59_999);
  expect(await get(t, "a")).toBe("1");
  await t.advance(1);
  expect(await get(t, "a")).toBe("MISS");
});

test("C23 an increment that is repeated with its request id counts once, also after a restart", async () => {
  const t = await cacheScenario();
  const first = await increment(t, "a", { delta: 5n, requestId: "once" });
  const second = await increment(t, "a", { delta: 5n, requestId: "once" });
  await t.restart();
  const third = await increment(t, "a", { delta: 5n, requestId: "once" });
  expect([first, second, third].map(({ value }) => value)).toEqual([5n, 5n, 5n]);
  expect([first, second, third].map(({ replayed }) => replayed)).toEqual([false, true, true]);
  await expect(increment(t, "a", { delta: 6n, requestId: "once" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "REQUEST_ID_REUSED",
  });
  expect(await get(t, "a")).toBe("5");
});

test("C24 what is not finite is not added, and sums are the shortest text", async () => {
  const t = await cacheScenario();
  const add = (key: string, delta: number) =>
    cacheCall(t, "incrementFloat", { keyForm: keyForm(key), delta });
  await expect(add("a", Number.POSITIVE_INFINITY)).rejects.toMatchObject({ reason: "NAN_INPUT" });
  await expect(add("a", Number.NaN)).rejects.toMatchObject({ reason: "NAN_INPUT" });
  await add("a", 1.1);
  await add("a", 2.2);
  expect(await get(t, "a")).toBe("3.3000000000000003");
  await set(t, "b", "1.7976931348623157e308");
  await expect(add("b", 1.7976931348623157e308)).rejects.toMatchObject({ reason: "NAN_RESULT" });
  await set(t, "c", "1");
  expect((await add("c", -1)).value).toBe(0);
  expect(await get(t, "c")).toBe("0");
});

test("C25 a value does not grow beyond its limit", async () => {
  const t = await cacheScenario();
  await createCache(t, "small", { maxValueBytes: 4 });
  const cache = "small";
  await set(t, "a", "abc", { cache });
  const append = (value: string) =>
    cacheCall(t, "append", { cache, keyForm: keyForm("a"), valueForm: { $case: "value", value } });
  await expect(append("de")).rejects.toMatchObject({
    code: "OUT_OF_RANGE",
    reason: "RESULT_TOO_LARGE",
    metadata: { actual: "5", limit: "4" },
  });
  await expect(set(t, "b", "12345", { cache })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "VALUE_TOO_LARGE",
  });
  expect(await append("d")).toMatchObject({ applied: true, length: 4n });
  expect(await get(t, "a", { cache })).toBe("abcd");
});

test("parts of a value are read and written, with zeros where it was too short", async () => {
  const t = await cacheScenario();
  await set(t, "a", "abcdefghij");
  const range = async (start: bigint, end?: bigint) =>
    Buffer.from(
      (await cacheCall(t, "getRange", { keyForm: keyForm("a"), start, end })).data,
    ).toString();
  expect(await range(2n, 6n)).toBe("cdef");
  expect(await range(-3n)).toBe("hij");
  expect(await range(5n, 2n)).toBe("");
  const write = (key: string, offset: bigint, data: string) =>
    cacheCall(t, "setRange", { keyForm: keyForm(key), offset, data: Buffer.from(data) });
  expect(await write("a", 8n, "XYZ")).toMatchObject({ length: 11n });
  expect(await write("b", 2n, "z")).toMatchObject({ length: 3n });
  const { valueForm } = await getFull(t, "b");
  expect(valueForm).toEqual({ $case: "valueData", value: Buffer.from("\0\0z") });
  expect(await write("c", 0n, "")).toMatchObject({ length: 0n, version: 0n });
  expect((await cacheCall(t, "getRange", { keyForm: keyForm("c") })).outcome).toBe(
    ReadOutcome.MISS,
  );
  await expect(write("a", 2_000_000n, "z")).rejects.toMatchObject({ reason: "RESULT_TOO_LARGE" });
  await expect(write("a", -1n, "z")).rejects.toMatchObject({ reason: "BAD_RANGE" });
});

test("what is copied has the life and tags of its source, and what is moved leaves nothing", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(1_000), tags: ["t"] });
  await set(t, "b", "2");
  const transfer = async (
    method: "copy" | "rename",
    source: string,
    destination: string,
    overwrite = false,
  ) =>
    (
      await cacheCall(t, method, {
        source: keyOf(source),
        destination: keyOf(destination),
        overwrite,
      })
    ).outcome;
  expect(await transfer("copy", "a", "b")).toBe(TransferOutcome.DESTINATION_EXISTS);
  expect(await transfer("copy", "a", "b", true)).toBe(TransferOutcome.DONE);
  expect(await transfer("rename", "a", "c")).toBe(TransferOutcome.DONE);
  expect(await transfer("rename", "a", "c")).toBe(TransferOutcome.SOURCE_ABSENT);
  expect(await transfer("copy", "c", "c")).toBe(TransferOutcome.DONE);
  expect(await scanned(t)).toEqual(["b", "c"]);
  expect(await metaOf(t, "b")).toMatchObject({ tags: ["t"] });
  await t.advance(1_000);
  expect(await scanned(t)).toEqual([]);
});

test("a value taken is gone, and read once", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  const take = () => cacheCall(t, "getAndDelete", { keyForm: keyForm("a"), requestId: "take" });
  expect(await take()).toMatchObject({ outcome: ReadOutcome.HIT, replayed: false });
  expect(await take()).toMatchObject({ outcome: ReadOutcome.HIT, replayed: true });
  expect(await get(t, "a")).toBe("MISS");
});

test("a stale value is for who takes such ones, and its version has risen", async () => {
  const t = await cacheScenario();
  const { version } = await set(t, "a", "1");
  await del(t, "a", { mode: DeleteMode.STALE });
  expect(await get(t, "a")).toBe("MISS");
  const stale = await getFull(t, "a", { allowStale: true });
  expect(readName(stale.outcome)).toBe("STALE");
  expect(stale.version).toBeGreaterThan(version);
  await set(t, "b", "2", { expiry: ttl(1_000), staleWhileRevalidate: duration(500) });
  await t.advance(1_400);
  expect(await get(t, "b")).toBe("MISS");
  expect(readName((await getFull(t, "b", { allowStale: true })).outcome)).toBe("STALE");
  await t.advance(100);
  expect(readName((await getFull(t, "b", { allowStale: true })).outcome)).toBe("MISS");
});

test("a value of the version that the caller has is not sent again", async () => {
  const t = await cacheScenario();
  const { version } = await set(t, "a", "1");
  const same = await getFull(t, "a", { ifVersionNot: version });
  expect(same).toMatchObject({ outcome: ReadOutcome.NOT_MODIFIED, valueForm: undefined, version });
  expect(await get(t, "a", { ifVersionNot: version - 1n })).toBe("1");
});

test("a value that lives on with each read does so, up to its last end", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { sliding: duration(1_600), expiry: ttl(5_000) });
  for (let step = 0; step < 4; step += 1) {
    await t.advance(1_200);
    expect(await get(t, "a")).toBe("1");
  }
  await t.advance(199);
  expect(await get(t, "a")).toBe("1");
  await t.advance(1);
  expect(await get(t, "a")).toBe("MISS");
  await set(t, "b", "1", { sliding: duration(1_600) });
  await t.advance(1_600);
  expect(await get(t, "b")).toBe("MISS");
});

test("reading a value and giving it another life are one", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(1_000) });
  const answer = await cacheCall(t, "getAndTouch", { keyForm: keyForm("a"), expiry: ttl(9_000) });
  expect(answer.outcome).toBe(ReadOutcome.HIT);
  await t.advance(8_999);
  expect(await get(t, "a")).toBe("1");
  await expect(cacheCall(t, "getAndTouch", { keyForm: keyForm("a") })).rejects.toMatchObject({
    reason: "TTL_INVALID",
  });
});

test("the cache's own lives: a default, a longest one, and some shorter by chance", async () => {
  const t = await cacheScenario();
  const cache = "timed";
  await createCache(t, cache, { defaultTtl: duration(5_000), maxTtl: duration(10_000) });
  const end = async (expiry?: ReturnType<typeof ttl>) => {
    const answer = await set(t, "a", "1", { cache, ...(expiry && { expiry }) });
    const { seconds = 0n, nanos = 0 } = answer.expireTime ?? {};
    return [Number(seconds) * 1_000 + nanos / 1e6 - t.now, answer.ttlClamped];
  };
  expect(await end()).toEqual([5_000, false]);
  expect(await end(ttl(20_000))).toEqual([10_000, true]);
  expect(await end(noExpiry as never)).toEqual([10_000, true]);
  await createCache(t, "shaken", { ttlJitterPercent: 50 });
  const lives = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const { expireTime } = await set(t, `k${index}`, "1", {
        cache: "shaken",
        expiry: ttl(10_000),
      });
      return Number(expireTime?.seconds ?? 0n) * 1_000 + (expireTime?.nanos ?? 0) / 1e6 - t.now;
    }),
  );
  expect(Math.min(...lives)).toBeGreaterThanOrEqual(5_000);
  expect(Math.max(...lives)).toBeLessThanOrEqual(10_000);
  expect(new Set(lives).size).toBeGreaterThan(10);
});

test("C62 time spent down counts, and versions rise over it", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(5_000) });
  const { version } = await set(t, "b", "1", { expiry: ttl(60_000) });
  t.client.close();
  await t.stop();
  await t.clock.advance(10_000);
  await t.start();
  expect(await get(t, "a")).toBe("MISS");
  expect(await get(t, "b")).toBe("1");
  await t.advance(49_999);
  expect(await get(t, "b")).toBe("1");
  expect((await set(t, "b", "2")).version).toBeGreaterThan(version);
  await t.advance(1);
  expect(await get(t, "b")).toBe("2");
});

test("a value of a mebibyte is stored, read, changed and gone like any other, also over a restart", async () => {
  const t = await cacheScenario();
  const long = "x".repeat(1_048_576);
  await set(t, "long", long, { expiry: ttl(60_000) });
  expect(await get(t, "long")).toBe(long);
  await updateTtl(t, TtlMode.OVERWRITE, ttl(1_000));
  await t.restart();
  expect(await get(t, "long")).toBe(long);
  await set(t, "long", "short");
  expect(await get(t, "long")).toBe("short");
});
