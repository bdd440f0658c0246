// Every error that the contracts of collections document is provoked once over the wire, with its typed details; every error provoked
// is documented; and each call refuses what its key has of another type.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { EvictionPolicy } from "../../src/gen/forebay/cache/v1/cache.js";
import { SetOperation } from "../../src/gen/forebay/cache/v1/set_service.js";
import {
  RankMode,
  ScoreCompare,
  SortedSetMode,
  SortedSetOperation,
} from "../../src/gen/forebay/cache/v1/sorted_set_service.js";
import { cacheFaultOf } from "../../src/rpc/cache-wire-errors.js";
import {
  type CacheRequest,
  cacheCall,
  cacheScenario,
  createCache,
  keyForm,
  keyOf,
  set,
  textOf,
  ttl,
} from "../support/caches.js";
import { checkDetails, failureOf } from "../support/error-details.js";
import { durationOf, type Scenario } from "../support/scenario.js";

type Provocation = (t: Scenario) => Promise<unknown>;

const a = { keyForm: keyForm("a") };
const memberA = [keyOf("a")];
const item = { field: keyOf("f"), value: textOf("1") };
const ranks = { range: { $case: "rank", value: { start: 0n } } } as const;

/** More members than one call goes through. */
async function addMany(t: Scenario): Promise<void> {
  for (let page = 0; page < 11; page += 1) {
    const members = Array.from({ length: 10_000 }, (_unused, at) => keyOf(`${page * 10_000 + at}`));
    await cacheCall(t, "setAdd", { ...a, members });
  }
}

const provocations: Readonly<Record<string, Provocation>> = {
  "FAILED_PRECONDITION / WRONG_TYPE": async (t) => {
    await set(t, "a", "1");
    await cacheCall(t, "setLength", a);
  },
  "RESOURCE_EXHAUSTED / CACHE_FULL": async (t) => {
    await createCache(t, "full", { eviction: EvictionPolicy.NOEVICTION, maxItems: 1n });
    await set(t, "b", "1", { cache: "full" });
    await cacheCall(t, "setAdd", { ...a, cache: "full", members: memberA });
  },
  "INVALID_ARGUMENT / LIMIT_EXCEEDED": (t) =>
    cacheCall(t, "setAdd", { ...a, members: Array.from({ length: 10_001 }, () => keyOf("a")) }),
  "INVALID_ARGUMENT / VALUE_TOO_LARGE": async (t) => {
    await createCache(t, "small", { maxElementBytes: 4 });
    await cacheCall(t, "listPush", { ...a, cache: "small", values: [textOf("12345")] });
  },
  "OUT_OF_RANGE / ANSWER_TOO_LARGE": async (t) => {
    const value = textOf("x".repeat(131_072));
    await cacheCall(t, "dictionarySet", { ...a, items: [{ field: keyOf("f"), value }] });
    const fields = Array.from({ length: 40 }, () => keyOf("f"));
    await cacheCall(t, "dictionaryGet", { ...a, fields });
  },
  "INVALID_ARGUMENT / TTL_INVALID": (t) =>
    cacheCall(t, "dictionaryExpire", { ...a, fields: memberA }),
  "INVALID_ARGUMENT / CURSOR_INVALID": (t) => cacheCall(t, "setScan", { ...a, cursor: "none" }),
  "FAILED_PRECONDITION / NOT_A_NUMBER": async (t) => {
    await cacheCall(t, "dictionarySet", { ...a, items: [{ ...item, value: textOf("x") }] });
    await cacheCall(t, "dictionaryIncrement", { ...a, field: keyOf("f") });
  },
  "OUT_OF_RANGE / OVERFLOW": (t) =>
    cacheCall(t, "dictionaryIncrement", { ...a, field: keyOf("f"), delta: 5n, max: 4n }),
  "INVALID_ARGUMENT / NAN_INPUT": (t) =>
    cacheCall(t, "sortedSetPut", { ...a, elements: [{ member: keyOf("a"), score: Number.NaN }] }),
  "OUT_OF_RANGE / NAN_RESULT": async (t) => {
    const field = keyOf("f");
    const delta = Number.MAX_VALUE;
    await cacheCall(t, "dictionaryIncrementFloat", { ...a, field, delta });
    await cacheCall(t, "dictionaryIncrementFloat", { ...a, field, delta });
  },
  "INVALID_ARGUMENT / INVALID_PARAMETER": (t) =>
    cacheCall(t, "listPop", { ...a, wait: durationOf(60_001) }),
  "OUT_OF_RANGE / INDEX_OUT_OF_RANGE": (t) =>
    cacheCall(t, "listSet", { ...a, index: 0n, value: textOf("1") }),
  "INVALID_ARGUMENT / CONFLICTING_OPTIONS": (t) =>
    cacheCall(t, "sortedSetPut", {
      ...a,
      mode: SortedSetMode.ONLY_NEW,
      compare: ScoreCompare.GREATER,
    }),
  "INVALID_ARGUMENT / BAD_RANGE": (t) => cacheCall(t, "sortedSetFetch", a),
  "OUT_OF_RANGE / COLLECTION_TOO_LONG": async (t) => {
    await addMany(t);
    await cacheCall(t, "setCombine", { keys: memberA, operation: SetOperation.UNION });
  },
};

/** Ten million elements take too long to add; `test/property/collections.test.ts` has the rule. */
const tooLongToProvoke = ["RESOURCE_EXHAUSTED / COLLECTION_FULL"];

function documented(): ReadonlySet<string> {
  const names = ["collection", "dictionary_service", "set_service", "list_service"];
  const text = [...names, "sorted_set_service"]
    .map((name) => readFileSync(`proto/forebay/cache/v1/${name}.proto`, "utf8"))
    .join("\n");
  const found = text.matchAll(/\/\/ +([A-Z_]+) \/ ([A-Z_]+):/g);
  return new Set([...found].map(([, code = "", reason = ""]) => `${code} / ${reason}`));
}

test("the errors that are documented are those provoked here", () => {
  const provoked = [...Object.keys(provocations), ...tooLongToProvoke];
  expect([...documented()].sort()).toEqual(provoked.sort());
});

test.each(Object.entries(provocations))("%s", async (name, provoke) => {
  const t = await cacheScenario();
  const error = await failureOf(provoke(t));
  expect(`${error.code} / ${error.reason}`).toBe(name);
  checkDetails(error);
});

test("a collection that is full is refused for good", () => {
  const fault = cacheFaultOf({ kind: "collection_full", cache: "c", limit: 10_000_000 });
  const metadata = { limit: "10000000" };
  expect(fault.fields).toMatchObject({ reason: "COLLECTION_FULL", metadata });
});

type Method = Parameters<typeof cacheCall>[1];
const both = { source: keyOf("a"), destination: keyOf("b") };
const pivot = textOf("1");
const scored = [{ member: keyOf("a"), score: 1 }];
const ofSets = { keys: memberA, operation: SetOperation.UNION };
const ofSorted = { sources: [{ key: keyOf("a") }], operation: SortedSetOperation.UNION };
const fieldExpiry = ttl(1_000);

/** Each call on a key that has a value. */
const calls = {
  dictionarySet: { ...a, items: [item] },
  dictionaryGet: { ...a, fields: memberA },
  dictionaryGetAndTouch: { ...a, fields: memberA, fieldExpiry },
  dictionaryScan: a,
  dictionaryIncrement: { ...a, field: keyOf("f") },
  dictionaryIncrementFloat: { ...a, field: keyOf("f"), delta: 1 },
  dictionaryDelete: { ...a, fields: memberA },
  dictionaryExpire: { ...a, fields: memberA, fieldExpiry },
  dictionarySample: { ...a, count: 1 },
  dictionaryLength: a,
  setAdd: { ...a, members: memberA },
  setRemove: { ...a, members: memberA },
  setContains: { ...a, members: memberA },
  setScan: a,
  setPop: { ...a, count: 1 },
  setSample: { ...a, count: 1 },
  setMove: { ...both, member: keyOf("a") },
  setCombine: ofSets,
  setStore: { ...ofSets, destination: keyOf("b") },
  setExpire: { ...a, members: memberA, memberExpiry: fieldExpiry },
  setLength: a,
  listPush: { ...a, values: [pivot] },
  listPop: a,
  listFetch: a,
  listRetain: a,
  listSet: { ...a, value: pivot },
  listInsert: { ...a, pivot, value: pivot },
  listRemove: { ...a, value: pivot },
  listErase: { ...a, ranges: [{ start: 0n }] },
  listPosition: { ...a, value: pivot },
  listLength: a,
  listMove: both,
  sortedSetPut: { ...a, elements: scored },
  sortedSetIncrement: { ...a, member: keyOf("a"), delta: 1 },
  sortedSetFetch: { ...a, range: ranks },
  sortedSetScores: { ...a, members: memberA },
  sortedSetRanks: { ...a, members: memberA, rankMode: RankMode.DENSE },
  sortedSetCount: a,
  sortedSetRemove: { ...a, members: memberA },
  sortedSetRemoveRange: { ...a, range: ranks },
  sortedSetPop: a,
  sortedSetSample: { ...a, count: 1 },
  sortedSetScan: a,
  sortedSetStoreRange: { ...both, range: ranks },
  sortedSetCombine: ofSorted,
  sortedSetStore: { ...ofSorted, destination: keyOf("b") },
} satisfies { readonly [Name in Method]?: CacheRequest<Name> };

test("every call refuses a key that has a value, which stays", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  for (const [method, request] of Object.entries(calls)) {
    const error = await failureOf(cacheCall(t, method as "listLength", request as typeof a));
    expect(`${method}: ${error.reason}`).toBe(`${method}: WRONG_TYPE`);
  }
  const { items } = await cacheCall(t, "getMeta", { keys: memberA });
  expect(items[0]?.version).toBe((await cacheCall(t, "get", a)).version);
});

test("every call on a key that has nothing makes nothing but what it writes", async () => {
  const t = await cacheScenario();
  for (const [method, request] of Object.entries(calls)) {
    if (method === "listSet") continue;
    await cacheCall(t, method as "listLength", request as typeof a);
    const { items } = await cacheCall(t, "getMeta", { keys: [keyOf("a"), keyOf("b")] });
    const isWriting = /Set$|Add$|Push$|Put$|Increment/.test(method);
    expect([method, items.some(({ version }) => version > 0n)]).toEqual([method, isWriting]);
    await cacheCall(t, "delete", { keyForm: keyForm("a") });
  }
});

test.each([
  ["setCombine", { keys: [], operation: SetOperation.UNION }, "keys"],
  ["setCombine", { keys: memberA }, "operation"],
  ["sortedSetCombine", { sources: [], operation: SortedSetOperation.UNION }, "sources"],
  ["sortedSetCombine", { sources: [{ key: keyOf("a") }] }, "operation"],
] as const)("%s without %o names what is missing", async (method, request, field) => {
  const t = await cacheScenario();
  await expect(cacheCall(t, method, request as object)).rejects.toMatchObject({
    reason: "MISSING_PARAMETER",
    violations: [field],
  });
});

test.each([
  ["no bytes", "", "EMPTY_KEY"],
  ["1,025 bytes", "k".repeat(1_025), "KEY_TOO_LONG"],
])(
  "a field or a member of %s is refused by its place, and one of 1,024 is not",
  async (_, name, reason) => {
    const t = await cacheScenario();
    const element = keyOf(name);
    const refused = async (call: Promise<unknown>) => {
      const error = await failureOf(call);
      return [error.reason, ...error.violations];
    };
    const items = [{ ...item, field: element }];
    expect(await refused(cacheCall(t, "dictionarySet", { ...a, items }))).toEqual([
      reason,
      "items[0].field",
    ]);
    const members = [keyOf("m".repeat(1_024)), element];
    expect(await refused(cacheCall(t, "setAdd", { ...a, members }))).toEqual([
      reason,
      "members[1]",
    ]);
    const elements = [{ member: element, score: 1 }];
    expect(await refused(cacheCall(t, "sortedSetPut", { ...a, elements }))).toEqual([
      reason,
      "elements[0].member",
    ]);
    await cacheCall(t, "setAdd", { ...a, members: members.slice(0, 1) });
    expect((await cacheCall(t, "setLength", a)).length).toBe(1n);
  },
);
