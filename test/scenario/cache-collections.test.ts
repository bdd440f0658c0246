// Dictionaries, lists, sets and sorted sets over a real socket, with time moved by hand: lives of elements and of the whole, types,
// ranges, ranks, pops that wait, and what stays after a restart.

import { expect, test } from "vitest";
import { ReadOutcome } from "../../src/gen/forebay/cache/v1/cache_service.js";
import { CollectionEnd, TtlPolicy } from "../../src/gen/forebay/cache/v1/collection.js";
import { ItemType } from "../../src/gen/forebay/cache/v1/item.js";
import { SetOperation } from "../../src/gen/forebay/cache/v1/set_service.js";
import {
  CapDrop,
  RankMode,
  ScoreCompare,
  ScoreEnd,
  SortedSetMode,
} from "../../src/gen/forebay/cache/v1/sorted_set_service.js";
import {
  cacheCall,
  cacheScenario,
  get,
  keyForm,
  keyOf,
  readName,
  scanned,
  set,
  textOf,
  ttl,
} from "../support/caches.js";
import { durationOf, type Scenario } from "../support/scenario.js";

const key = (name: string) => ({ keyForm: keyForm(name) });
const all = (names: readonly string[]) => names.map(keyOf);
const nameOf = (element: { readonly key?: { readonly value: unknown } | undefined } | undefined) =>
  String(element?.key?.value);
const textIn = (value: { readonly value?: { readonly value: unknown } | undefined } | undefined) =>
  String(value?.value?.value);

const fill = (t: Scenario, name: string, fields: Readonly<Record<string, string>>, rest = {}) =>
  cacheCall(t, "dictionarySet", {
    ...key(name),
    items: Object.entries(fields).map(([field, value]) => ({
      field: keyOf(field),
      value: textOf(value),
    })),
    ...rest,
  });

const push = (t: Scenario, name: string, values: readonly string[], rest = {}) =>
  cacheCall(t, "listPush", {
    ...key(name),
    end: CollectionEnd.BACK,
    values: values.map(textOf),
    ...rest,
  });

const put = (
  t: Scenario,
  name: string,
  scores: readonly (readonly [string, number])[],
  rest = {},
) =>
  cacheCall(t, "sortedSetPut", {
    ...key(name),
    elements: scores.map(([member, score]) => ({ member: keyOf(member), score })),
    ...rest,
  });

async function fetched(t: Scenario, name: string, start = 0, end?: number) {
  const range = end === undefined ? {} : { end: BigInt(end) };
  const answer = await cacheCall(t, "listFetch", { ...key(name), start: BigInt(start), ...range });
  return { found: answer.found, values: answer.values.map(textIn) };
}

async function ranked(t: Scenario, name: string, reverse = false) {
  const range = { range: { $case: "rank", value: { start: 0n } } as const, reverse };
  const { elements } = await cacheCall(t, "sortedSetFetch", { ...key(name), range });
  return elements.map(({ member, score }) => [nameOf(member), score]);
}

const typeOf = async (t: Scenario, name: string) =>
  (await cacheCall(t, "getMeta", { keys: [keyOf(name)] })).items[0]?.type;

test("C13 a list is replaced by a value, and the previous type is told without a value", async () => {
  const t = await cacheScenario();
  await push(t, "a", ["1", "2"]);
  const condition = { condition: { $case: "present", value: true } } as const;
  const answer = await set(t, "a", "x", { condition, returnPrevious: true });
  expect(answer).toMatchObject({ stored: true, previousType: ItemType.LIST, previous: undefined });
  expect(await get(t, "a")).toBe("x");
  expect((await fetched(t, "b")).found).toBe(false);
});

test("C17 many keys are read in their order, each with what it has", async () => {
  const t = await cacheScenario();
  await set(t, "a", "1");
  await push(t, "l", ["1"]);
  const { items } = await cacheCall(t, "multiGet", { keys: all(["a", "none", "a", "l"]) });
  expect(items.map(({ outcome }) => readName(outcome))).toEqual([
    "HIT",
    "MISS",
    "HIT",
    "WRONG_TYPE",
  ]);
  expect(items[3]?.outcome).toBe(ReadOutcome.WRONG_TYPE);
});

test("C26 a list is no dictionary and stays as it is, and a value takes its place", async () => {
  const t = await cacheScenario();
  await push(t, "a", ["1"]);
  await expect(fill(t, "a", { f: "1" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "WRONG_TYPE",
  });
  expect((await fetched(t, "a")).values).toEqual(["1"]);
  await set(t, "a", "x");
  expect(await get(t, "a")).toBe("x");
});

test("C27 with its last field a dictionary goes", async () => {
  const t = await cacheScenario();
  await fill(t, "a", { f: "1" }, { expiry: ttl(60_000) });
  expect(await typeOf(t, "a")).toBe(ItemType.DICTIONARY);
  const deleted = await cacheCall(t, "dictionaryDelete", { ...key("a"), fields: all(["f", "g"]) });
  expect(deleted).toEqual({ removed: 1n, length: 0n, version: 0n });
  expect(await typeOf(t, "a")).toBe(ItemType.UNSPECIFIED);
  expect(await scanned(t)).toEqual([]);
  await fill(t, "a", { f: "2" });
  const { items } = await cacheCall(t, "getMeta", { keys: [keyOf("a")] });
  expect(items[0]?.expireTime).toBeUndefined();
});

test("C28 a field ends on its own, and with the last one the dictionary", async () => {
  const t = await cacheScenario();
  await fill(t, "a", { short: "1" }, { fieldExpiry: ttl(100) });
  await fill(t, "a", { long: "2" }, { fieldExpiry: ttl(1_000) });
  const length = async () => await cacheCall(t, "dictionaryLength", key("a"));
  const fields = async () => {
    const page = await cacheCall(t, "dictionaryScan", key("a"));
    return page.fields.map(({ field, value }) => [nameOf(field), textIn(value)]);
  };
  expect((await length()).length).toBe(2n);
  await t.advance(150);
  expect((await length()).length).toBe(1n);
  expect(await fields()).toEqual([["long", "2"]]);
  const { fields: both } = await cacheCall(t, "dictionaryGet", {
    ...key("a"),
    fields: all(["short", "long"]),
  });
  expect(both.map(({ found }) => found)).toEqual([false, true]);
  await t.advance(900);
  expect((await length()).found).toBe(false);
  expect(await typeOf(t, "a")).toBe(ItemType.UNSPECIFIED);
  expect(await scanned(t)).toEqual([]);
});

test("a field that ends changes no version, and neither does a write that changes nothing after it", async () => {
  const t = await cacheScenario();
  await fill(t, "a", { short: "1" }, { fieldExpiry: ttl(100) });
  const { version } = await fill(t, "a", { long: "2" });
  await t.advance(150);
  const deleted = await cacheCall(t, "dictionaryDelete", { ...key("a"), fields: all(["short"]) });
  expect(deleted).toEqual({ removed: 0n, length: 1n, version });
  expect((await cacheCall(t, "dictionaryLength", key("a"))).version).toBe(version);
});

test("C29 counting keeps the end of a field, and writing it drops it", async () => {
  const t = await cacheScenario();
  const endOf = async () => {
    const answer = await cacheCall(t, "dictionaryGet", { ...key("a"), fields: all(["n"]) });
    return answer.fields[0]?.expireTime !== undefined;
  };
  await fill(t, "a", { n: "1" }, { fieldExpiry: ttl(1_000) });
  const counted = await cacheCall(t, "dictionaryIncrement", { ...key("a"), field: keyOf("n") });
  expect(counted.value).toBe(2n);
  expect(await endOf()).toBe(true);
  await fill(t, "a", { n: "5" });
  expect(await endOf()).toBe(false);
});

test("C30 pushes refresh the life of a list only where they say so", async () => {
  const t = await cacheScenario();
  for (const [name, ttlPolicy] of [
    ["kept", TtlPolicy.SET_ON_CREATE],
    ["fresh", TtlPolicy.REFRESH],
  ] as const) {
    await push(t, name, ["0"], { expiry: ttl(1_000), ttlPolicy });
  }
  for (let pushed = 1; pushed <= 3; pushed += 1) {
    await t.advance(300);
    await push(t, "kept", [String(pushed)], { expiry: ttl(1_000) });
    await push(t, "fresh", [String(pushed)], { expiry: ttl(1_000), ttlPolicy: TtlPolicy.REFRESH });
  }
  await t.advance(100);
  expect((await fetched(t, "kept")).found).toBe(false);
  expect((await fetched(t, "fresh")).values).toEqual(["0", "1", "2", "3"]);
});

test("C31 ranges of a list have their start, not their end, and count from the end where negative", async () => {
  const t = await cacheScenario();
  await push(t, "a", [..."abcdefghij"]);
  const range = async (start: number, end?: number) => {
    const { found, values } = await fetched(t, "a", start, end);
    return [found, values.join("")];
  };
  expect(await range(2, 6)).toEqual([true, "cdef"]);
  expect(await range(-3)).toEqual([true, "hij"]);
  expect(await range(5, 2)).toEqual([true, ""]);
  expect(await range(0, -20)).toEqual([true, ""]);
  expect(await range(20, 30)).toEqual([true, ""]);
});

test("C32 a list that is not there is told from one without such values", async () => {
  const t = await cacheScenario();
  expect(await fetched(t, "a")).toEqual({ found: false, values: [] });
});

test("C33 who waits first for a value gets it, and the other hears that nothing came", async () => {
  const t = await cacheScenario();
  const pop = () => cacheCall(t, "listPop", { ...key("a"), wait: durationOf(2_000) });
  const first = pop();
  await t.settle();
  const second = pop();
  await t.settle();
  await push(t, "a", ["x"]);
  expect((await first).values.map(textIn)).toEqual(["x"]);
  await t.advance(2_000);
  expect(await second).toMatchObject({ found: false, values: [], timedOut: true });
});

test("C34 who stops waiting takes nothing", async () => {
  const t = await cacheScenario();
  const gone = new AbortController();
  const pop = cacheCall(
    t,
    "listPop",
    { ...key("a"), wait: durationOf(10_000) },
    { signal: gone.signal },
  );
  await t.settle();
  gone.abort();
  await expect(pop).rejects.toMatchObject({ code: "CANCELLED" });
  await t.settle();
  await push(t, "a", ["x"]);
  expect((await fetched(t, "a")).values).toEqual(["x"]);
});

test("C35 nothing leaves a list for a key that has a value", async () => {
  const t = await cacheScenario();
  await push(t, "a", ["1", "2"]);
  await set(t, "b", "x");
  await expect(
    cacheCall(t, "listMove", { source: keyOf("a"), destination: keyOf("b") }),
  ).rejects.toMatchObject({ reason: "WRONG_TYPE" });
  expect((await fetched(t, "a")).values).toEqual(["1", "2"]);
});

test("C36 popping more members than there are takes all, and the key goes", async () => {
  const t = await cacheScenario();
  await cacheCall(t, "setAdd", { ...key("a"), members: all(["x", "y", "z"]) });
  const popped = await cacheCall(t, "setPop", { ...key("a"), count: 10 });
  expect(popped.members.map(nameOf).sort()).toEqual(["x", "y", "z"]);
  expect(popped).toMatchObject({ found: true, length: 0n, version: 0n });
  expect(await typeOf(t, "a")).toBe(ItemType.UNSPECIFIED);
});

test("C37 what two sets do not have together takes what was stored with it", async () => {
  const t = await cacheScenario();
  await cacheCall(t, "setAdd", { ...key("a"), members: all(["x"]) });
  await cacheCall(t, "setAdd", { ...key("b"), members: all(["y"]) });
  await set(t, "to", "old");
  const stored = await cacheCall(t, "setStore", {
    keys: all(["a", "b"]),
    operation: SetOperation.INTERSECT,
    destination: keyOf("to"),
  });
  expect(stored).toEqual({ length: 0n, version: 0n });
  expect(await typeOf(t, "to")).toBe(ItemType.UNSPECIFIED);
});

test("C38 members of one score stand in the order of their bytes, and the mirror is exact", async () => {
  const t = await cacheScenario();
  await put(t, "a", [
    ["b", 1],
    ["a", 1],
    ["B", 1],
  ]);
  expect((await ranked(t, "a")).map(([member]) => member)).toEqual(["B", "a", "b"]);
  expect((await ranked(t, "a", true)).map(([member]) => member)).toEqual(["b", "a", "B"]);
  const ranks = async (reverse: boolean) => {
    const answer = await cacheCall(t, "sortedSetRanks", {
      ...key("a"),
      members: all(["B", "a", "b", "none"]),
      reverse,
    });
    return answer.members.map(({ found, rank }) => (found ? rank : undefined));
  };
  expect(await ranks(false)).toEqual([0n, 1n, 2n, undefined]);
  expect(await ranks(true)).toEqual([2n, 1n, 0n, undefined]);
});

test("C39 one score that is no number keeps all of them out", async () => {
  const t = await cacheScenario();
  await expect(
    put(t, "a", [
      ["x", 1],
      ["y", Number.NaN],
    ]),
  ).rejects.toMatchObject({ code: "INVALID_ARGUMENT", reason: "NAN_INPUT" });
  expect(await typeOf(t, "a")).toBe(ItemType.UNSPECIFIED);
});

test("C40 infinity and minus infinity make no score, and the one that is there stays", async () => {
  const t = await cacheScenario();
  await put(t, "a", [["x", Number.POSITIVE_INFINITY]]);
  await expect(
    cacheCall(t, "sortedSetIncrement", {
      ...key("a"),
      member: keyOf("x"),
      delta: Number.NEGATIVE_INFINITY,
    }),
  ).rejects.toMatchObject({ code: "OUT_OF_RANGE", reason: "NAN_RESULT" });
  expect(await ranked(t, "a")).toEqual([["x", Number.POSITIVE_INFINITY]]);
});

test("C41 a score of minus zero is zero", async () => {
  const t = await cacheScenario();
  await put(t, "a", [["x", -0]]);
  const { members } = await cacheCall(t, "sortedSetScores", { ...key("a"), members: all(["x"]) });
  expect(Object.is(members[0]?.score, 0)).toBe(true);
});

test("C42 members of one score are ranked in three ways", async () => {
  const t = await cacheScenario();
  await put(t, "a", [
    ["x", 10],
    ["y", 10],
    ["z", 9],
  ]);
  const ranks = async (rankMode: RankMode) => {
    const members = all(["y", "x", "z"]);
    const answer = await cacheCall(t, "sortedSetRanks", {
      ...key("a"),
      members,
      reverse: true,
      rankMode,
    });
    return answer.members.map(({ rank }) => rank);
  };
  expect(await ranks(RankMode.ORDINAL)).toEqual([0n, 1n, 2n]);
  expect(await ranks(RankMode.COMPETITION)).toEqual([0n, 0n, 2n]);
  expect(await ranks(RankMode.DENSE)).toEqual([0n, 0n, 1n]);
});

test("C43 a cap keeps the highest, and says how many went", async () => {
  const t = await cacheScenario();
  const scores = Array.from({ length: 150 }, (_unused, at) => [`m${at}`, at] as const);
  const answer = await put(t, "a", scores, { cap: 100n, capDrop: CapDrop.LOWEST });
  expect(answer).toMatchObject({ added: 150n, dropped: 50n, length: 100n });
  const left = await ranked(t, "a");
  expect([left[0], left.length]).toEqual([["m50", 50], 100]);
});

test("C44 scores above 2^24 are told apart", async () => {
  const t = await cacheScenario();
  await put(t, "a", [
    ["high", 16_777_217],
    ["low", 16_777_216],
  ]);
  expect(await ranked(t, "a")).toEqual([
    ["low", 16_777_216],
    ["high", 16_777_217],
  ]);
});

test("only new, only existing, greater and less decide who gets a score", async () => {
  const t = await cacheScenario();
  await put(t, "a", [["x", 5]]);
  await put(
    t,
    "a",
    [
      ["x", 1],
      ["y", 1],
    ],
    { mode: SortedSetMode.ONLY_NEW },
  );
  await put(
    t,
    "a",
    [
      ["z", 1],
      ["y", 2],
    ],
    { mode: SortedSetMode.ONLY_EXISTING },
  );
  await put(
    t,
    "a",
    [
      ["x", 4],
      ["y", 3],
    ],
    { compare: ScoreCompare.GREATER },
  );
  expect(await ranked(t, "a")).toEqual([
    ["y", 3],
    ["x", 5],
  ]);
  await put(
    t,
    "a",
    [
      ["x", 4],
      ["y", 9],
    ],
    { compare: ScoreCompare.LESS },
  );
  expect(await ranked(t, "a")).toEqual([
    ["y", 3],
    ["x", 4],
  ]);
});

test("members are taken by score and by bytes, in pages and from both ends", async () => {
  const t = await cacheScenario();
  await put(t, "a", [
    ["a", 1],
    ["b", 2],
    ["c", 3],
    ["d", 4],
    ["e", 5],
  ]);
  const fetch = async (range: object) => {
    const { elements } = await cacheCall(t, "sortedSetFetch", { ...key("a"), range });
    return elements.map(({ member }) => nameOf(member)).join("");
  };
  const score = (value: object, reverse = false) => ({ range: { $case: "score", value }, reverse });
  expect(await fetch(score({ min: 2, max: 4 }))).toBe("bcd");
  expect(await fetch(score({ min: 2, minExclusive: true, max: 4, maxExclusive: true }))).toBe("c");
  expect(await fetch(score({ offset: 1n, limit: 2n }))).toBe("bc");
  expect(await fetch(score({ max: 4, offset: 1n, limit: 2n }, true))).toBe("cb");
  expect(await fetch(score({ offset: 9n }))).toBe("");
  const lex = { $case: "lex", value: { min: keyOf("b"), max: keyOf("d"), maxExclusive: true } };
  await put(t, "a", [
    ["a", 0],
    ["b", 0],
    ["c", 0],
    ["d", 0],
    ["e", 0],
  ]);
  expect(await fetch({ range: lex })).toBe("bc");
  const popped = await cacheCall(t, "sortedSetPop", { ...key("a"), end: ScoreEnd.MAX, count: 2 });
  expect(popped.elements.map(({ member }) => nameOf(member))).toEqual(["e", "d"]);
});

test("what collections have is there after a restart, with the ends of their elements", async () => {
  const t = await cacheScenario();
  await fill(t, "d", { f: "1", long: "x".repeat(5_000) });
  await fill(t, "d", { g: "2" }, { fieldExpiry: ttl(5_000) });
  await push(t, "l", ["1", "2"]);
  await put(t, "z", [["m", 1.5]]);
  await cacheCall(t, "setAdd", { ...key("s"), members: all(["x"]) });
  await t.restart();
  const { fields } = await cacheCall(t, "dictionaryScan", key("d"));
  expect(fields.map(({ field }) => nameOf(field))).toEqual(["f", "g", "long"]);
  expect(textIn(fields[2]?.value)).toHaveLength(5_000);
  expect((await fetched(t, "l")).values).toEqual(["1", "2"]);
  expect(await ranked(t, "z")).toEqual([["m", 1.5]]);
  const has = await cacheCall(t, "setContains", { ...key("s"), members: all(["x", "y"]) });
  expect(has.members.map(({ found }) => found)).toEqual([true, false]);
  await t.advance(5_000);
  expect((await cacheCall(t, "dictionaryLength", key("d"))).length).toBe(2n);
});
