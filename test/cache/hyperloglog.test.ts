// Sketches as values of a cache: made, added to, merged and counted, and told from values that are none.

import { afterEach, expect, test } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import type { Expiry } from "../../src/cache/expiry.js";
import { addElements, countElements, mergeSketches } from "../../src/cache/hyperloglog.js";
import type { CacheConfig } from "../../src/cache/limits.js";
import { encodeSketch, noRegisters } from "../../src/cache/sketch.js";
import { readWhole, replaceBytes } from "../../src/cache/whole-values.js";
import {
  AddElementsRequest,
  CountElementsRequest,
} from "../../src/gen/forebay/cache/v1/hyperloglog_service.js";
import { createHyperLogLogHandlers } from "../../src/rpc/cache-hyperloglog-handlers.js";
import { CacheRules, cacheKey, callContext, reasonOf } from "../support/cache-rules.js";

const expiry: Expiry = { kind: "default" };
const key = cacheKey("visitors");
const started: CacheRules[] = [];

async function start(config: Partial<CacheConfig> = {}): Promise<CacheRules> {
  const cache = await CacheRules.start(config);
  started.push(cache);
  return cache;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((cache) => cache.stop()));
});

const numbered = (from: number, to: number): readonly Buffer[] =>
  Array.from({ length: to - from }, (_, at) => Buffer.from(`visitor ${from + at}`));
const add = (cache: CacheRules, elements: readonly Buffer[], name = key) =>
  cache.done((open) => addElements(open, { key: name, expiry, elements }));
const count = async (cache: CacheRules, ...keys: (typeof key)[]): Promise<number> =>
  (await cache.done((open) => countElements(open, { keys }))).count;
const put = (cache: CacheRules, bytes: Buffer) =>
  cache.done((open) => replaceBytes(open, { key, expiry }, bytes));

test("what was added counts once, over the change from the short form to the long one", async () => {
  const cache = await start();
  let length = 0;
  for (let from = 0; from < 5_000; from += 250) {
    await add(cache, numbered(from, from + 250));
    // Those of the round before come again.
    await add(cache, numbered(Math.max(0, from - 250), from));
    const counted = await count(cache, key);
    expect(Math.abs(counted - from - 250) / (from + 250)).toBeLessThan(0.03);
    const found = await cache.done((open) => readWhole(open, key));
    expect(found?.bytes.length).toBeGreaterThanOrEqual(length);
    length = found?.bytes.length ?? 0;
  }
  expect(length).toBe(5 + 12_288);
  await cache.check();
});

test("what changes no register writes nothing; a sketch of nothing is made", async () => {
  const cache = await start();
  const made = await add(cache, []);
  expect(made.isChanged).toBe(true);
  expect(await count(cache, key)).toBe(0);
  expect(await add(cache, [])).toEqual({ isChanged: false, version: made.version });
  const added = await add(cache, [Buffer.from("a")]);
  expect(added.isChanged).toBe(true);
  expect(added.version).toBeGreaterThan(made.version);
  expect(await add(cache, [Buffer.from("a")])).toEqual({
    isChanged: false,
    version: added.version,
  });
});

test("several sketches are counted and merged as one, and what is absent has nothing", async () => {
  const cache = await start();
  const [monday, tuesday, absent] = ["monday", "tuesday", "absent"].map(cacheKey) as [
    typeof key,
    typeof key,
    typeof key,
  ];
  await add(cache, numbered(0, 3_000), monday);
  await add(cache, numbered(2_000, 4_000), tuesday);
  const united = await count(cache, monday, tuesday, absent, monday);
  expect(Math.abs(united - 4_000)).toBeLessThan(120);
  expect(await count(cache, absent)).toBe(0);
  const merge = () =>
    cache.done((open) => mergeSketches(open, { key, expiry, sources: [monday, absent, tuesday] }));
  const merged = await merge();
  expect(await count(cache, key)).toBe(united);
  expect(await merge()).toEqual({ isChanged: false, version: merged.version });
  // The destination is one of what is united.
  await add(cache, numbered(10_000, 11_000), tuesday);
  await merge();
  expect(Math.abs((await count(cache, key)) - 5_000)).toBeLessThan(150);
});

test("a value that is no sketch is refused and stays as it was", async () => {
  const cache = await start();
  for (const bytes of [
    Buffer.from("HLL"),
    Buffer.alloc(0),
    encodeSketch(noRegisters()).subarray(1),
  ]) {
    await put(cache, bytes);
    const other = { key: cacheKey("other"), expiry };
    expect(await cache.refused((open) => addElements(open, { key, expiry, elements: [] }))).toBe(
      "wrong_type",
    );
    expect(await cache.refused((open) => countElements(open, { keys: [key] }))).toBe("wrong_type");
    expect(await cache.refused((open) => mergeSketches(open, { ...other, sources: [key] }))).toBe(
      "wrong_type",
    );
    expect(await count(cache, other.key)).toBe(0);
    expect((await cache.done((open) => readWhole(open, key)))?.bytes).toEqual(bytes);
  }
});

test("a sketch keeps the end that it was made with, and is no longer than the cache takes", async () => {
  const cache = await start({ valueBytesMax: 1_000 });
  const ends: Expiry = { kind: "ttl", ttlMs: milliseconds(1_000) };
  await cache.done((open) => addElements(open, { key, expiry: ends, elements: numbered(0, 300) }));
  expect(
    await cache.refused((open) => addElements(open, { key, expiry, elements: numbered(0, 400) })),
  ).toBe("result_too_large");
  await add(cache, numbered(0, 301));
  cache.advance(999);
  expect(await count(cache, key)).toBeGreaterThan(290);
  cache.advance(1);
  expect(await count(cache, key)).toBe(0);
});

test("calls are answered with what the rules do, and refused where they can never succeed", async () => {
  const cache = await start();
  const handlers = createHyperLogLogHandlers(cache.handlerParts);
  const keyForm = { $case: "key", value: "visitors" } as const;
  const elementsOf = (...texts: readonly string[]) =>
    texts.map((value) => ({ value: { $case: "text" as const, value } }));
  const request = AddElementsRequest.fromPartial({
    cache: "tried",
    keyForm,
    elements: elementsOf("a", "b"),
    requestId: "once",
  });
  const first = await handlers.addElements(request, callContext);
  expect(first).toMatchObject({ changed: true, replayed: false });
  expect(await handlers.addElements(request, callContext)).toEqual({ ...first, replayed: true });
  const again = await handlers.addElements({ ...request, requestId: "" }, callContext);
  expect(again).toMatchObject({ changed: false, version: first.version });
  const text = (value: string) => ({ key: { $case: "text" as const, value } });
  const counted = (keys: number) =>
    handlers.countElements(
      CountElementsRequest.fromPartial({
        cache: "tried",
        keys: Array.from({ length: keys }, () => text("visitors")),
      }),
      callContext,
    );
  expect(await counted(100)).toEqual({ count: 2n });
  expect(await reasonOf(counted(101))).toBe("LIMIT_EXCEEDED");
  expect(await reasonOf(counted(0))).toBe("MISSING_PARAMETER");
  const merged = await handlers.mergeSketches(
    {
      cache: "tried",
      destination: text("all"),
      sources: [text("visitors")],
      expiry: undefined,
    },
    callContext,
  );
  expect(merged.version).toBeGreaterThan(first.version);
  const element = (length: number) =>
    reasonOf(
      handlers.addElements(
        { ...request, requestId: "", elements: elementsOf("x".repeat(length)) },
        callContext,
      ),
    );
  expect(await element(1_024)).toBe("It was answered.");
  expect(await element(1_025)).toBe("KEY_TOO_LONG");
  const elements = elementsOf(...Array.from({ length: 1_001 }, String));
  expect(
    await reasonOf(handlers.addElements({ ...request, requestId: "", elements }, callContext)),
  ).toBe("LIMIT_EXCEEDED");
});
