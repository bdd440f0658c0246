// Collections are what plain ones are: dictionaries a map, sets a set, sorted sets a sorted list, lists an array, under random calls,
// with elements that end while the clock goes on, keys that are deleted, moved and copied, and a sweeper that comes when it likes.
// After all of it the store contradicts itself nowhere, and when every key has gone no row of any collection is left.

import fc from "fast-check";
import { expect, test } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import { dictionarySet } from "../../src/cache/collections/dictionaries.js";
import {
  expireElements,
  lengthOf,
  removeElements,
  scanElements,
} from "../../src/cache/collections/keyed.js";
import {
  listErase,
  listFetch,
  listMove,
  listPop,
  listPush,
  listRetain,
} from "../../src/cache/collections/lists.js";
import {
  changeOrMake,
  type Life,
  type TtlPolicy,
} from "../../src/cache/collections/open-collection.js";
import { setAdd, setCombine, setPop } from "../../src/cache/collections/sets.js";
import {
  sortedSetFetch,
  sortedSetIncrement,
  sortedSetPop,
  sortedSetPut,
  sortedSetRanks,
  sortedSetRemove,
} from "../../src/cache/collections/sorted-sets.js";
import type { Expiry } from "../../src/cache/expiry.js";
import { cacheLimits } from "../../src/cache/limits.js";
import { remove } from "../../src/cache/scalars.js";
import { transfer } from "../../src/cache/transfers.js";
import { accept } from "../../src/queue/rejections.js";
import { cacheLetters } from "../../src/store/cache-keys.js";
import { CacheRules, cacheKey } from "../support/cache-rules.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const keys = ["a", "b"] as const;
type Kind = "dictionary" | "set" | "sorted_set" | "list";

/** What a key has: elements by name with the ends they have, in order for a list. */
interface Plain {
  readonly kind: Kind;
  endsAt: number | undefined;
  readonly elements: Map<string, { readonly value: string; readonly endsAt: number | undefined }>;
  list: string[];
}

interface Rig {
  readonly rules: CacheRules;
  readonly model: Map<string, Plain>;
}

const isOver = (rig: Rig, endsAt: number | undefined): boolean =>
  endsAt !== undefined && endsAt <= rig.rules.now;

/** What a key has now; what has ended is not there. */
function plainOf(rig: Rig, key: string): Plain | undefined {
  const plain = rig.model.get(key);
  if (plain === undefined) return undefined;
  for (const [name, { endsAt }] of plain.elements) {
    if (isOver(rig, endsAt)) plain.elements.delete(name);
  }
  const isEmpty = plain.elements.size === 0 && plain.list.length === 0;
  if (!isEmpty && !isOver(rig, plain.endsAt)) return plain;
  rig.model.delete(key);
  return undefined;
}

const names = Array.from({ length: 60 }, (_unused, at) => `e${at}${"x".repeat((at % 5) * 90)}`);
const nameArb = fc.constantFrom(...names);
const keyArb = fc.constantFrom(...keys);
const ttlArb = fc.constantFrom(undefined, undefined, 50, 200, 1_000);
const lifeArb = fc.record({
  ttlMs: ttlArb,
  policy: fc.constantFrom<TtlPolicy>("set_on_create", "refresh", "keep_if_longer"),
});

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      key: keyArb,
      names: fc.array(nameArb, { maxLength: 40 }),
      elementTtl: ttlArb,
      life: lifeArb,
      score: fc.constantFrom(-1, 0, 1, 2.5, Number.POSITIVE_INFINITY),
      atFront: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("remove" as const, "expire" as const, "pop" as const, "cut" as const),
      key: keyArb,
      names: fc.array(nameArb, { maxLength: 20 }),
      elementTtl: fc.constantFrom(50, 1_000),
      count: fc.nat(8),
      isReversed: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "delete" as const,
        "rename" as const,
        "copy" as const,
        "sweep" as const,
      ),
      key: keyArb,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("advance" as const),
      ms: fc.constantFrom(30, 60, 300),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Of> ? Of : never;
type Write = Extract<Step, { kind: "write" }>;
type Change = Extract<Step, { kind: "remove" | "expire" | "pop" | "cut" }>;

const expiryOf = (ttlMs: number | undefined): Expiry =>
  ttlMs === undefined ? { kind: "default" } : { kind: "ttl", ttlMs: milliseconds(ttlMs) };

const lifeOf = ({ ttlMs, policy }: Write["life"]): Life => ({ expiry: expiryOf(ttlMs), policy });

function plainForWrite(rig: Rig, kind: Kind, { key, life }: Write): Plain {
  const endsAt = life.ttlMs === undefined ? undefined : rig.rules.now + life.ttlMs;
  const plain = plainOf(rig, key);
  if (plain === undefined) {
    const made: Plain = { kind, endsAt, elements: new Map(), list: [] };
    rig.model.set(key, made);
    return made;
  }
  const isLonger =
    (endsAt ?? Number.POSITIVE_INFINITY) > (plain.endsAt ?? Number.POSITIVE_INFINITY);
  if (life.policy === "refresh" || (life.policy === "keep_if_longer" && isLonger)) {
    plain.endsAt = endsAt;
  }
  return plain;
}

const textOf = (name: string): { readonly isText: boolean; readonly bytes: Buffer } => ({
  isText: true,
  // Some stand apart.
  bytes: Buffer.from(name.repeat(3)),
});

function writePlain(rig: Rig, kind: Kind, order: Write): void {
  const wasThere = plainOf(rig, order.key) !== undefined;
  if (order.names.length === 0 && !wasThere) return;
  const plain = plainForWrite(rig, kind, order);
  const endsAt = order.elementTtl === undefined ? undefined : rig.rules.now + order.elementTtl;
  if (kind === "list") {
    plain.list = order.atFront ? [...order.names, ...plain.list] : [...plain.list, ...order.names];
    return;
  }
  for (const name of order.names) {
    const isKept = kind === "set" && plain.elements.has(name) && endsAt === undefined;
    if (isKept) continue;
    const value = kind === "sorted_set" ? String(order.score) : name.repeat(3);
    plain.elements.set(name, { value, endsAt: kind === "sorted_set" ? undefined : endsAt });
  }
}

async function write(rig: Rig, kind: Kind, order: Write): Promise<void> {
  const { rules } = rig;
  const key = cacheKey(order.key);
  const life = lifeOf(order.life);
  writePlain(rig, kind, order);
  const memberExpiry = expiryOf(order.elementTtl);
  switch (kind) {
    case "dictionary":
      await rules.done((open) =>
        dictionarySet(open, {
          key,
          items: order.names.map((field) => ({ field, value: textOf(field) })),
          condition: "always",
          fieldExpiry: memberExpiry,
          life,
        }),
      );
      return;
    case "set":
      await rules.done((open) => setAdd(open, { key, members: order.names, memberExpiry, life }));
      return;
    case "sorted_set":
      await rules.done((open) =>
        sortedSetPut(open, {
          key,
          elements: order.names.map((member) => ({ member, score: order.score })),
          mode: "upsert",
          compare: "any",
          cap: 0,
          capDrop: "lowest",
          life,
        }),
      );
      return;
    case "list":
      await rules.done((open) =>
        listPush(open, {
          key,
          end: order.atFront ? "front" : "back",
          values: order.names.map(textOf),
          isReversed: false,
          truncateTo: 0,
          requiresExisting: false,
          life,
        }),
      );
  }
}

/** In the order of scores. */
const inScoreOrder = (plain: Plain): readonly string[] =>
  [...plain.elements]
    .sort(([left, { value: a }], [right, { value: b }]) =>
      Number(a) === Number(b) ? (left < right ? -1 : 1) : Number(a) - Number(b),
    )
    .map(([name]) => name);

async function change(rig: Rig, kind: Kind, order: Change): Promise<void> {
  if (kind === "list") await changeList(rig, order);
  else if (order.kind === "pop") await pop(rig, kind, order);
  else await changeKeyed(rig, kind, order);
}

async function changeKeyed(rig: Rig, kind: Exclude<Kind, "list">, order: Change): Promise<void> {
  const { rules } = rig;
  const key = cacheKey(order.key);
  const plain = plainOf(rig, order.key);
  const isThere = new Set(order.names.filter((name) => plain?.elements.has(name) === true));
  if (order.kind === "expire" && kind !== "sorted_set") {
    const expiry = expiryOf(order.elementTtl);
    const results = await rules.done((open) =>
      expireElements(open, { key, kind, elements: order.names, expiry, mode: "overwrite" }),
    );
    expect(results.map((result) => result.kind)).toEqual(
      order.names.map((name) => (isThere.has(name) ? "set" : "missing")),
    );
    for (const name of isThere) {
      const value = plain?.elements.get(name)?.value ?? "";
      plain?.elements.set(name, { value, endsAt: rules.now + order.elementTtl });
    }
    return;
  }
  const removed = await rules.done((open) =>
    kind === "sorted_set"
      ? sortedSetRemove(open, { key, members: order.names })
      : removeElements(open, { key, kind, elements: order.names }),
  );
  expect(removed.removed).toBe(isThere.size);
  for (const name of isThere) plain?.elements.delete(name);
  expect(removed.length).toBe(plain?.elements.size ?? 0);
}

async function pop(rig: Rig, kind: Exclude<Kind, "list">, order: Change): Promise<void> {
  const { rules } = rig;
  const key = cacheKey(order.key);
  const plain = plainOf(rig, order.key);
  const { count } = order;
  if (kind === "set") {
    const popped = await rules.done((open) => setPop(open, { key, count }));
    expect(popped === undefined).toBe(plain === undefined);
    expect(popped?.members.length ?? 0).toBe(Math.min(count, plain?.elements.size ?? 0));
    for (const member of popped?.members ?? []) {
      expect(plain?.elements.delete(member)).toBe(true);
    }
    return;
  }
  if (kind !== "sorted_set") return;
  const end = order.isReversed ? "max" : "min";
  const popped = await rules.done((open) => sortedSetPop(open, { key, end, count }));
  const inOrder = plain === undefined ? [] : inScoreOrder(plain);
  const expected = (order.isReversed ? [...inOrder].reverse() : inOrder).slice(0, count);
  expect(popped?.elements.map(({ member }) => member) ?? []).toEqual(expected);
  for (const member of expected) plain?.elements.delete(member);
}

async function changeList(rig: Rig, order: Change): Promise<void> {
  const { rules } = rig;
  const key = cacheKey(order.key);
  const plain = plainOf(rig, order.key);
  const list = plain?.list ?? [];
  const { count } = order;
  if (order.kind === "pop" || order.kind === "remove") {
    const end = order.isReversed ? "back" : "front";
    const popped = await rules.done((open) => listPop(open, { key, end, count, bytesMax: 1e6 }));
    const expected = order.isReversed
      ? list.slice(Math.max(0, list.length - count)).reverse()
      : list.slice(0, count);
    expect(popped?.values.map(({ bytes }) => bytes.toString()) ?? []).toEqual(
      expected.map((name) => name.repeat(3)),
    );
    if (plain !== undefined) {
      plain.list = order.isReversed
        ? list.slice(0, Math.max(0, list.length - count))
        : list.slice(count);
    }
    return;
  }
  if (order.kind === "expire") {
    await rules.done((open) => listRetain(open, { key, start: count, end: -1 }));
    if (plain !== undefined) plain.list = list.slice(count, -1);
    return;
  }
  const ranges = [
    { start: count, end: count + 3 },
    { start: count + 2, end: count + 5 },
  ];
  await rules.done((open) => listErase(open, { key, ranges }));
  if (plain !== undefined) plain.list = [...list.slice(0, count), ...list.slice(count + 5)];
}

async function carryKey(
  rig: Rig,
  kind: Kind,
  step: Extract<Step, { kind: "delete" | "rename" | "copy" | "sweep" }>,
): Promise<void> {
  const { rules, model } = rig;
  if (step.kind === "sweep") {
    await rules.sweep();
    return;
  }
  const key = cacheKey(step.key);
  const plain = plainOf(rig, step.key);
  if (step.kind === "delete") {
    await rules.done((open) =>
      remove(open, { key, condition: { kind: "always" }, mode: "delete" }),
    );
    model.delete(step.key);
    return;
  }
  const other = step.key === "a" ? "b" : "a";
  const isMove = step.kind === "rename";
  await rules.done((open) =>
    transfer(open, { source: key, destination: cacheKey(other), overwrites: true, isMove }),
  );
  if (plain === undefined) return;
  model.set(other, { ...plain, kind, elements: new Map(plain.elements), list: [...plain.list] });
  if (isMove) model.delete(step.key);
}

async function expectSame(rig: Rig, kind: Kind, key: string): Promise<void> {
  const { rules } = rig;
  const plain = plainOf(rig, key);
  if (kind === "list") {
    const fetched = await rules.done((open) =>
      listFetch(open, {
        key: cacheKey(key),
        start: 0,
        end: undefined,
        countMax: 10_000,
        bytesMax: 1e8,
      }),
    );
    expect(fetched?.values.map(({ bytes }) => bytes.toString())).toEqual(
      plain?.list.map((name) => name.repeat(3)),
    );
    return;
  }
  const page = await rules.done((open) =>
    scanElements(open, {
      key: cacheKey(key),
      kind,
      prefix: "",
      after: undefined,
      isReversed: false,
      countMax: 10_000,
      bytesMax: 1e8,
      wantsValues: true,
    }),
  );
  const sorted = plain && [...plain.elements.keys()].sort();
  expect(page?.entries.map((entry) => entry.key)).toEqual(sorted);
  expect(page?.collection.item.expiresAt).toBe(plain?.endsAt);
  if (kind === "sorted_set") await expectSameRanks(rig, key);
}

async function expectSameRanks(rig: Rig, key: string): Promise<void> {
  const plain = plainOf(rig, key);
  const inOrder = plain === undefined ? [] : inScoreOrder(plain);
  const range = { by: "rank", start: 0, end: undefined, isReversed: false } as const;
  const fetched = await rig.rules.done((open) =>
    sortedSetFetch(open, { key: cacheKey(key), range, countMax: 10_000 }),
  );
  expect(fetched?.elements.map(({ member }) => member) ?? []).toEqual(inOrder);
  for (const isReversed of [false, true]) {
    const ranks = await rig.rules.done((open) =>
      sortedSetRanks(open, { key: cacheKey(key), members: inOrder, isReversed, mode: "ordinal" }),
    );
    const places = inOrder.map((_name, at) => (isReversed ? inOrder.length - 1 - at : at));
    expect(ranks?.ranks.map((ranked) => ranked?.rank) ?? []).toEqual(places);
  }
}

async function play(kind: Kind, steps: readonly Step[]): Promise<void> {
  const rules = await CacheRules.start({ defaultTtlMs: milliseconds(0) });
  const rig: Rig = { rules, model: new Map() };
  try {
    for (const each of steps) {
      if (each.kind === "write") await write(rig, kind, each);
      else if (each.kind === "advance") rules.advance(each.ms);
      else if ("names" in each) await change(rig, kind, each);
      else await carryKey(rig, kind, each);
      for (const key of keys) await expectSame(rig, kind, key);
    }
    await rules.check();
    for (const key of keys) await carryKey(rig, kind, { kind: "delete", key });
    await rules.sweep();
    await rules.check();
    expect(rules.rowsOf(cacheLetters.treeNode)).toBe(0);
    expect(rules.rowsOf(cacheLetters.entryValue)).toBe(0);
  } finally {
    await rules.stop();
  }
}

for (const kind of ["dictionary", "set", "sorted_set", "list"] as const) {
  test(
    `a ${kind} is what a plain one is, whatever is done to it`,
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), (steps) =>
          play(kind, steps),
        ),
        runs(25),
      );
    },
    propertyTimeoutMs,
  );
}

test("C40 a score of infinity that minus infinity is added to is refused, and kept", async () => {
  const rules = await CacheRules.start();
  const key = cacheKey("a");
  const life: Life = { expiry: { kind: "default" }, policy: "set_on_create" };
  const rule = { mode: "upsert", compare: "any" } as const;
  const by = (delta: number) => ({ key, member: "m", delta, ...rule, life });
  await rules.done((open) => sortedSetIncrement(open, by(Number.POSITIVE_INFINITY)));
  expect(
    await rules.refused((open) => sortedSetIncrement(open, by(Number.NEGATIVE_INFINITY))),
  ).toBe("nan_result");
  const kept = await rules.done((open) => sortedSetIncrement(open, by(0)));
  expect(kept.score).toBe(Number.POSITIVE_INFINITY);
  await rules.stop();
});

test("a value goes round in a list, and from one to another", async () => {
  const rules = await CacheRules.start();
  const life: Life = { expiry: { kind: "default" }, policy: "set_on_create" };
  const push = (key: string, values: readonly string[]) =>
    rules.done((open) =>
      listPush(open, {
        key: cacheKey(key),
        end: "back",
        values: values.map((value) => ({ isText: true, bytes: Buffer.from(value) })),
        isReversed: false,
        truncateTo: 0,
        requiresExisting: false,
        life,
      }),
    );
  const move = (source: string, destination: string) =>
    rules.done((open) =>
      listMove(open, {
        source: cacheKey(source),
        from: "back",
        destination: cacheKey(destination),
        to: "front",
        life,
      }),
    );
  const all = async (key: string) => {
    const order = { key: cacheKey(key), start: 0, end: undefined, countMax: 100, bytesMax: 1_000 };
    const fetched = await rules.done((open) => listFetch(open, order));
    return fetched?.values.map(({ bytes }) => bytes.toString());
  };
  await push("a", ["1", "2", "3"]);
  expect((await move("a", "a"))?.value.bytes.toString()).toBe("3");
  expect(await all("a")).toEqual(["3", "1", "2"]);
  expect((await move("a", "b"))?.length).toBe(1);
  expect([await all("a"), await all("b")]).toEqual([["3", "1"], ["2"]]);
  await rules.check();
  await rules.stop();
});

test("a collection of more elements than one may have is refused, and stays as it is", async () => {
  const rules = await CacheRules.start();
  const named = { key: cacheKey("a"), kind: "set", life: undefined } as const;
  const tooMany = rules.refused((open) =>
    changeOrMake(open, named, (collection) => {
      collection.count(cacheLimits.collectionElementsMax + 1, 0);
      return accept(undefined);
    }),
  );
  expect(await tooMany).toBe("collection_full");
  expect(await rules.done((open) => lengthOf(open, named))).toBeUndefined();
  await rules.stop();
});

test("sets have together what plain ones have", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uniqueArray(fc.constantFrom(...names.slice(0, 12))), {
        minLength: 1,
        maxLength: 4,
      }),
      async (sets) => {
        const rules = await CacheRules.start();
        const life: Life = { expiry: { kind: "default" }, policy: "set_on_create" };
        for (const [at, members] of sets.entries()) {
          const memberExpiry: Expiry = { kind: "default" };
          await rules.done((open) =>
            setAdd(open, { key: cacheKey(`s${at}`), members, memberExpiry, life }),
          );
        }
        const setKeys = sets.map((_members, at) => cacheKey(`s${at}`));
        const all = [...new Set(sets.flat())].sort();
        const expected = {
          union: all,
          intersect: all.filter((name) => sets.every((members) => members.includes(name))),
          difference: all.filter(
            (name) =>
              sets[0]?.includes(name) === true &&
              !sets.slice(1).some((members) => members.includes(name)),
          ),
        };
        for (const operation of ["union", "intersect", "difference"] as const) {
          const combined = await rules.done((open) =>
            setCombine(open, { keys: setKeys, operation, limit: 100 }),
          );
          expect([...combined].sort()).toEqual(expected[operation]);
        }
        await rules.stop();
      },
    ),
    runs(30),
  );
});
