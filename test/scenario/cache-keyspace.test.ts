// Many keys of caches at once: batches, scans, prefixes and tags made invalid, pipelines, atomic batches; over a real socket.

import { Client, credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { EvictionPolicy } from "../../src/gen/forebay/cache/v1/cache.js";
import {
  DeleteMode,
  PipelineRequest,
  PipelineResponse,
  ReadOutcome,
} from "../../src/gen/forebay/cache/v1/cache_service.js";
import {
  cacheCall,
  cacheScenario,
  createCache,
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
import type { Scenario } from "../support/scenario.js";

const value = (text: string) => ({ $case: "value", value: text }) as const;

test("C17 many keys are answered in their order, a key twice as often", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  const { items } = await cacheCall(t, "multiGet", {
    keys: ["a", "missing", "a"].map((key) => keyOf(key)),
  });
  expect(items.map(({ outcome }) => readName(outcome))).toEqual(["HIT", "MISS", "HIT"]);
  expect(items.map(({ valueForm }) => valueForm?.value)).toEqual(["1", undefined, "1"]);
});

test("C18 nothing asked is nothing answered", async () => {
  const t = await cacheScenario();
  expect((await cacheCall(t, "multiGet", {})).items).toEqual([]);
  expect(await cacheCall(t, "multiSet", {})).toMatchObject({ items: [], storedAll: true });
  expect((await cacheCall(t, "multiDelete", {})).deleted).toEqual([]);
});

test("an answer that would be too long leaves out the last values, and says so", async () => {
  const t = await cacheScenario();
  const long = "x".repeat(1_000_000);
  for (const key of ["a", "b", "c", "d", "e"]) await set(t, key, long);
  const { items } = await cacheCall(t, "multiGet", {
    keys: ["a", "b", "c", "d", "e"].map((key) => keyOf(key)),
  });
  expect(items.map(({ outcome }) => readName(outcome))).toEqual([
    "HIT",
    "HIT",
    "HIT",
    "OMITTED",
    "OMITTED",
  ]);
});

test.each([
  ["multiGet", "keys", 1_001, 1_000],
  ["multiDelete", "keys", 10_001, 10_000],
] as const)("%s takes only so many", async (method, field, actual, limit) => {
  const t = await cacheScenario();
  const keys = Array.from({ length: actual }, (_, index) => keyOf(`k${index}`));
  await expect(cacheCall(t, method, { keys })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "LIMIT_EXCEEDED",
    metadata: { field, actual: String(actual), limit: String(limit) },
  });
});

const absent = { condition: { $case: "absent", value: true } } as const;

test("C19 an atomic MultiSet with one condition that fails stores nothing and says which", async () => {
  const t = await cacheScenario();
  await set(t, "b", "old");
  const items = ["a", "b", "c"].map((key) => ({
    keyForm: keyForm(key),
    valueForm: value("new"),
    condition: absent,
  }));
  expect(await cacheCall(t, "multiSet", { items, atomic: true })).toMatchObject({
    storedAll: false,
    failedIndex: 1,
  });
  expect(await scanned(t)).toEqual(["b"]);
  const each = await cacheCall(t, "multiSet", { items });
  expect(each.storedAll).toBe(false);
  const stored = each.items.map(({ outcome }) => outcome?.$case === "set" && outcome.value.stored);
  expect(stored).toEqual([true, false, true]);
  expect(await get(t, "b")).toBe("old");
});

test("an item that cannot be stored is told so, and the others are stored", async () => {
  const t = await cacheScenario();
  await createCache(t, "small", { maxValueBytes: 4 });
  const items = ["long value", "ok"].map((text, index) => ({
    keyForm: keyForm(`k${index}`),
    valueForm: value(text),
  }));
  const answer = await cacheCall(t, "multiSet", { cache: "small", items });
  const [first, second] = answer.items;
  expect(first?.outcome?.$case).toBe("error");
  expect(second?.outcome).toMatchObject({ $case: "set", value: { stored: true } });
  await expect(
    cacheCall(t, "multiSet", { cache: "small", items, atomic: true }),
  ).rejects.toMatchObject({ reason: "VALUE_TOO_LARGE", metadata: { failed_index: "0" } });
});

test("a MultiSet that is repeated with its request id stores once", async () => {
  const t = await cacheScenario();
  const request = {
    items: [{ keyForm: keyForm("a"), valueForm: value("1") }],
    requestId: "once",
  };
  const first = await cacheCall(t, "multiSet", request);
  await set(t, "a", "2");
  const second = await cacheCall(t, "multiSet", request);
  expect([first.replayed, second.replayed]).toEqual([false, true]);
  expect(second.items).toEqual(first.items);
  expect(await get(t, "a")).toBe("2");
});

test("C45 keys that stay are scanned exactly once, while others come and go", async () => {
  const t = await cacheScenario();
  const stable = Array.from({ length: 1_000 }, (_, index) => `s${String(index).padStart(5, "0")}`);
  for (let at = 0; at < stable.length; at += 500) {
    const items = stable
      .slice(at, at + 500)
      .map((key) => ({ keyForm: keyForm(key), valueForm: value("1") }));
    await cacheCall(t, "multiSet", { items });
  }
  const found: string[] = [];
  let cursor = "";
  for (let page = 0; ; page += 1) {
    const answer = await cacheCall(t, "scan", { prefix: keyOf("s"), limit: 100, cursor });
    for (const { key } of answer.items) found.push(key?.key?.value as string);
    if (answer.nextCursor === "") break;
    cursor = answer.nextCursor;
    await set(t, `s${String(page * 97).padStart(5, "0")}x`, "between");
    if (page === 3) await t.restart();
  }
  expect(found.filter((key) => !key.endsWith("x"))).toEqual(stable);
});

test("a scan goes back as well, and only over what has a tag", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { tags: ["red"] });
  await set(t, "b", "2");
  await set(t, "c", "3", { tags: ["red", "blue"] });
  expect(await scanned(t, { reverse: true, limit: 1 })).toEqual(["c", "b", "a"]);
  expect(await scanned(t, { tag: "red", limit: 1 })).toEqual(["a", "c"]);
  const { items } = await cacheCall(t, "scan", { withValues: true, withMeta: true, limit: 1 });
  expect(items[0]).toMatchObject({ value: textOf("1"), meta: { tags: ["red"] } });
});

test("a cursor is that of its own scan", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  await set(t, "b", "1");
  const { nextCursor: cursor } = await cacheCall(t, "scan", { limit: 1 });
  const invalid = { code: "INVALID_ARGUMENT", reason: "CURSOR_INVALID" };
  await expect(cacheCall(t, "scan", { cursor, reverse: true })).rejects.toMatchObject(invalid);
  await expect(cacheCall(t, "scan", { cursor: "nonsense" })).rejects.toMatchObject(invalid);
});

test("C46 what is deleted by its prefix is gone at once, and what is written later stays, over a restart", async () => {
  const t = await cacheScenario();
  for (let index = 0; index < 10; index += 1) await set(t, `p:${index}`, "old");
  await set(t, "q:1", "other");
  const counted = await cacheCall(t, "deleteByPrefix", { prefix: keyOf("p:"), dryRun: true });
  expect(counted).toMatchObject({ count: 10n, version: 0n });
  await cacheCall(t, "deleteByPrefix", { prefix: keyOf("p:") });
  expect(await get(t, "p:1")).toBe("MISS");
  await set(t, "p:1", "new");
  expect(await get(t, "p:1")).toBe("new");
  await t.restart();
  expect(await scanned(t)).toEqual(["p:1", "q:1"]);
  // What was made invalid is removed in the background, and the numbers know it.
  await t.advance(5_000);
  const { stats } = await cacheCall(t, "getCacheStats", {});
  expect(stats).toMatchObject({ items: 2n, total: { prefixInvalidations: 1n } });
  expect(await scanned(t)).toEqual(["p:1", "q:1"]);
  await expect(cacheCall(t, "deleteByPrefix", {})).rejects.toMatchObject({ reason: "EMPTY_KEY" });
});

test("C47 what has a tag that was made invalid is gone, and what is written with it later stays", async () => {
  const t = await cacheScenario();
  await set(t, "a", "old", { tags: ["t", "u"] });
  await set(t, "b", "other", { tags: ["u"] });
  await cacheCall(t, "invalidateTags", { tags: ["t"] });
  expect(await get(t, "a")).toBe("MISS");
  await set(t, "a", "new", { tags: ["t"] });
  await t.restart();
  expect([await get(t, "a"), await get(t, "b")]).toEqual(["new", "other"]);
  await t.advance(5_000);
  expect([await get(t, "a"), await get(t, "b")]).toEqual(["new", "other"]);
});

test("what has a tag may become stale instead, and stays so when the background has passed", async () => {
  const t = await cacheScenario();
  await set(t, "a", "old", { tags: ["t"] });
  await cacheCall(t, "invalidateTags", { tags: ["t"], mode: DeleteMode.STALE });
  const read = async () => readName((await getFull(t, "a", { allowStale: true })).outcome);
  expect([await get(t, "a"), await read()]).toEqual(["MISS", "STALE"]);
  await t.advance(5_000);
  expect([await get(t, "a"), await read()]).toEqual(["MISS", "STALE"]);
});

const setOperation = (key: string, text: string) =>
  ({
    operation: { $case: "set", value: { keyForm: keyForm(key), valueForm: value(text) } },
  }) as const;
const incrementOperation = (key: string) =>
  ({ operation: { $case: "increment", value: { keyForm: keyForm(key) } } }) as const;
const getOperation = (key: string) =>
  ({ operation: { $case: "get", value: { keyForm: keyForm(key) } } }) as const;

test("C48 a batch of which one operation fails does nothing, and says which", async () => {
  const t = await cacheScenario();
  await set(t, "word", "abc");
  const operations = [setOperation("a", "1"), incrementOperation("n"), incrementOperation("word")];
  await expect(cacheCall(t, "atomicBatch", { operations })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "NOT_A_NUMBER",
    metadata: { failed_index: "2" },
  });
  expect(await scanned(t)).toEqual(["word"]);
});

test("a batch sees its own effects, under one version, and only if its guards hold", async () => {
  const t = await cacheScenario();
  const { version } = await set(t, "lock", "mine");
  const guards = [
    { key: keyOf("lock"), condition: { condition: { $case: "versionEqual", value: version } } },
  ] as const;
  const operations = [
    setOperation("a", "41"),
    incrementOperation("a"),
    setOperation("lock", "done"),
    getOperation("a"),
  ];
  const answer = await cacheCall(t, "atomicBatch", {
    guards: [...guards],
    operations,
    requestId: "batch",
  });
  const results = answer.results.map(({ result }) => result);
  expect(results[3]).toMatchObject({ $case: "get", value: { valueForm: value("42") } });
  expect(results[0]).toMatchObject({ value: { version: answer.version } });
  expect(results[2]).toMatchObject({ value: { version: answer.version } });
  const again = await cacheCall(t, "atomicBatch", {
    guards: [...guards],
    operations,
    requestId: "batch",
  });
  expect(again).toMatchObject({ replayed: true, version: answer.version });
  await expect(
    cacheCall(t, "atomicBatch", { guards: [...guards], operations }),
  ).rejects.toMatchObject({
    code: "ABORTED",
    reason: "GUARD_FAILED",
    metadata: { guard: "0", version: String(answer.version) },
  });
});

test.each([
  ["without operations", { operations: [] }, "operations"],
  ["with an operation that is none", { operations: [{}] }, "operations[0].operation"],
  [
    "with a cache inside",
    {
      operations: [
        { operation: { $case: "get", value: { cache: "x", keyForm: keyForm("a") } } } as const,
      ],
    },
    "operations[0].get.cache",
  ],
  [
    "with a guard that guards nothing",
    { operations: [getOperation("a")], guards: [{ key: keyOf("a") }] },
    "guards[0].condition",
  ],
])("a batch %s is refused", async (_, request, field) => {
  const t = await cacheScenario();
  await expect(cacheCall(t, "atomicBatch", request)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    metadata: { field },
  });
});

/** A pipeline over a connection of its own. */
function pipeline(t: Scenario) {
  const { host, port } = t.server.dataAddress;
  const client = new Client(`${host}:${port}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const call = client.makeBidiStreamRequest(
    "/forebay.cache.v1.CacheService/Pipeline",
    (request: PipelineRequest) => Buffer.from(PipelineRequest.encode(request).finish()),
    (bytes) => PipelineResponse.decode(bytes),
  );
  const results: NonNullable<PipelineResponse["results"][number]>[] = [];
  call.on("data", (response: PipelineResponse) => results.push(...response.results));
  const ended = new Promise<Error | undefined>((resolve) => {
    call.on("error", resolve);
    call.on("end", () => resolve(undefined));
  });
  const send = (part: Parameters<typeof PipelineRequest.fromPartial>[0]): void => {
    call.write(PipelineRequest.fromPartial(part));
  };
  return { call, results, ended, send };
}

test("a pipeline answers in order, each operation by itself, and ends after the last answer", async () => {
  const t = await cacheScenario();
  const { call, results, ended, send } = pipeline(t);
  send({
    cache: "default",
    operations: [
      { opaque: Buffer.from("1"), operation: setOperation("a", "x") },
      { opaque: Buffer.from("2"), operation: incrementOperation("a") },
      { opaque: Buffer.from("3"), operation: getOperation("a") },
    ],
  });
  send({ operations: [{ operation: incrementOperation("n") }, { operation: getOperation("n") }] });
  call.end();
  expect(await ended).toBeUndefined();
  expect(results.map(({ opaque }) => Buffer.from(opaque).toString())).toEqual([
    "1",
    "2",
    "3",
    "",
    "",
  ]);
  expect(results.map(({ result }) => result?.result?.$case)).toEqual([
    "set",
    "error",
    "get",
    "increment",
    "get",
  ]);
  expect(results[4]?.result?.result).toMatchObject({ value: { valueForm: value("1") } });
});

test("an operation of a pipeline that is repeated with its request id happens once", async () => {
  const t = await cacheScenario();
  const { call, results, ended, send } = pipeline(t);
  const operation = incrementOperation("n");
  const operations = [
    { operation, requestId: "one" },
    { operation, requestId: "one" },
  ];
  send({ cache: "default", operations });
  call.end();
  await ended;
  const values = results.map(({ result }) => result?.result?.value);
  expect(values).toMatchObject([
    { value: 1n, replayed: false },
    { value: 1n, replayed: true },
  ]);
  expect(await get(t, "n")).toBe("1");
});

test("a pipeline to a cache that is not there tells each operation so, and goes on", async () => {
  const t = await cacheScenario();
  const { call, results, ended, send } = pipeline(t);
  send({ cache: "none", operations: [{ operation: getOperation("a") }] });
  send({ cache: "default", operations: [{ operation: getOperation("a") }] });
  call.end();
  expect(await ended).toBeUndefined();
  expect(results.map(({ result }) => result?.result?.$case)).toEqual(["error", "get"]);
  const [first] = results;
  expect(first?.result?.result).toMatchObject({ value: { code: 5 } });
});

test("a pipeline of which a message is malformed ends, after the answers to what came before", async () => {
  const t = await cacheScenario();
  const { results, ended, send } = pipeline(t);
  send({ cache: "default", operations: [{ operation: setOperation("a", "1") }] });
  send({ cache: "no such name!", operations: [{ operation: getOperation("a") }] });
  expect(await ended).toMatchObject({ code: 3 });
  expect(results).toHaveLength(1);
  const many = pipeline(t);
  const operations = Array.from({ length: 1_001 }, () => ({ operation: getOperation("a") }));
  many.send({ cache: "default", operations });
  expect(await many.ended).toMatchObject({ code: 3 });
});

test("a pipeline ends when the server drains, with what was read answered", async () => {
  const t = await cacheScenario();
  const { results, ended, send } = pipeline(t);
  send({ cache: "default", operations: [{ operation: setOperation("a", "1") }] });
  await expect.poll(() => results.length).toBe(1);
  await t.stop();
  expect(await ended).toMatchObject({ code: 14 });
  await t.start();
  expect(await get(t, "a")).toBe("1");
});

test("what many touch lives on, and what is not there does not", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1", { expiry: ttl(1_000) });
  const { touched } = await cacheCall(t, "touch", {
    keys: [keyOf("a"), keyOf("b")],
    expiry: ttl(5_000),
  });
  expect(touched).toEqual([true, false]);
  await t.advance(4_999);
  expect(await get(t, "a")).toBe("1");
});

test("counts are exact where they are to be, and deletes of many keys say which had something", async () => {
  const t = await cacheScenario();
  for (const key of ["a1", "a2", "b1"]) await set(t, key, "1");
  expect(await cacheCall(t, "countKeys", { prefix: keyOf("a"), exact: true })).toMatchObject({
    count: 2n,
    isExact: true,
  });
  expect(await cacheCall(t, "countKeys", {})).toMatchObject({ count: 3n });
  const { deleted } = await cacheCall(t, "multiDelete", {
    keys: ["a1", "c", "a1"].map((key) => keyOf(key)),
  });
  expect(deleted).toEqual([true, false, false]);
});

test("the version of a read covers what it saw", async () => {
  const t = await cacheScenario();
  const { version } = await set(t, "a", "1");
  const read = await getFull(t, "a");
  expect(read.outcome).toBe(ReadOutcome.HIT);
  expect(read.asOfVersion).toBeGreaterThanOrEqual(version);
  expect((await increment(t, "b")).version).toBeGreaterThan(read.asOfVersion);
});

test("tags that are made invalid again and again, while their items are removed, are done with in the end", async () => {
  const t = await cacheScenario();
  const tags = Array.from({ length: 30 }, (_, index) => `t${index}`);
  for (let at = 0; at < 1_200; at += 400) {
    const items = Array.from({ length: 400 }, (_, index) => ({
      keyForm: keyForm(`k${at + index}`),
      valueForm: value("1"),
      tags: [tags[(at + index) % 31] ?? "never"],
    }));
    await cacheCall(t, "multiSet", { items });
  }
  for (let round = 0; round < 3; round += 1) {
    for (const tag of tags) await cacheCall(t, "invalidateTags", { tags: [tag] });
    await t.advance(1_000);
    await set(t, `again${round}`, "1", { tags: ["t0"] });
  }
  await cacheCall(t, "invalidateTags", { tags: ["t0"] });
  await t.advance(20_000);
  const { stats } = await cacheCall(t, "getCacheStats", {});
  // Of 1,200 every thirty-first has another tag.
  expect(stats?.items).toBe(38n);
  expect(await scanned(t)).toHaveLength(38);
});

test("on a full disk what grows nothing goes on, though it came in one message with what does", async () => {
  const t = await cacheScenario();
  t.expectErrors();
  await set(t, "a", "1");
  await set(t, "b", "1");
  await t.restart({ storageReserveBytes: Number.MAX_SAFE_INTEGER });
  const { call, results, ended, send } = pipeline(t);
  const remove = { operation: { $case: "delete", value: { keyForm: keyForm("b") } } } as const;
  const operations = [setOperation("c", "1"), getOperation("a"), remove].map((operation) => ({
    operation,
  }));
  send({ cache: "default", operations });
  call.end();
  expect(await ended).toBeUndefined();
  expect(results.map(({ result }) => result?.result?.$case)).toEqual(["error", "get", "delete"]);
  expect(results[0]?.result?.result).toMatchObject({ value: { code: 8 } });
  expect(await scanned(t)).toEqual(["a"]);
});

test("what is made invalid while others are removed is gone for good, wherever their removal was", async () => {
  const t = await cacheScenario();
  // A round begins every second, and takes some milliseconds for each page of keys.
  for (const waitedMs of [1_000, 1_005, 1_010, 1_015]) {
    const cache = `cache-${waitedMs}`;
    await createCache(t, cache);
    for (let at = 0; at < 1_600; at += 400) {
      const items = Array.from({ length: 400 }, (_, index) => ({
        keyForm: keyForm(`k${String(at + index).padStart(5, "0")}`),
        valueForm: value("1"),
        tags: ["old"],
      }));
      await cacheCall(t, "multiSet", { cache, items });
    }
    await cacheCall(t, "invalidateTags", { cache, tags: ["other"] });
    await t.advance(waitedMs);
    await cacheCall(t, "invalidateTags", { cache, tags: ["old"] });
    for (let round = 0; round < 4; round += 1) {
      expect(await scanned(t, { cache })).toEqual([]);
      await t.advance(2_000);
    }
    const { stats } = await cacheCall(t, "getCacheStats", { cache });
    expect(stats?.items).toBe(0n);
  }
});

test("an operation of a pipeline that is refused leaves nothing of what it had begun", async () => {
  const t = await cacheScenario();
  const config = { maxBytes: 300n, eviction: EvictionPolicy.NOEVICTION };
  await createCache(t, "full", config);
  await set(t, "a", "x".repeat(200), { cache: "full" });
  const { call, results, ended, send } = pipeline(t);
  // The new key is longer, and so is the item.
  const rename = { source: keyOf("a"), destination: keyOf("k".repeat(200)) };
  send({
    cache: "full",
    operations: [
      { operation: { operation: { $case: "rename", value: rename } } },
      { operation: getOperation("a") },
    ],
  });
  call.end();
  expect(await ended).toBeUndefined();
  expect(results.map(({ result }) => result?.result?.$case)).toEqual(["error", "get"]);
  expect(results[1]?.result?.result).toMatchObject({ value: { outcome: ReadOutcome.HIT } });
  expect(await scanned(t, { cache: "full" })).toEqual(["a"]);
});

test("the answers to one message of a pipeline have a bound, and what is beyond it is not carried out", async () => {
  const t = await cacheScenario();
  await set(t, "a", "x".repeat(1_000_000));
  const { call, results, ended, send } = pipeline(t);
  const operations = Array.from({ length: 20 }, () => ({ operation: getOperation("a") }));
  send({ cache: "default", operations: [...operations, { operation: setOperation("b", "1") }] });
  call.end();
  expect(await ended).toBeUndefined();
  const kinds = results.map(({ result }) => result?.result?.$case);
  expect(kinds.slice(0, 17)).toEqual(Array.from({ length: 17 }, () => "get"));
  expect(kinds.slice(17)).toEqual(["error", "error", "error", "error"]);
  expect(await get(t, "b")).toBe("MISS");
});
