// Dictionaries, lists, sets and sorted sets of a cache through the client, on a real server.

import { expect, test } from "vitest";
import { type Cache, type CacheValue, type ForebayClient, jsonCodec } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

const start = async (): Promise<ForebayClient> => (await RealServer.start()).connect();

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("a dictionary is written, read, counted in and emptied", async () => {
  const cache = (await start()).cache();
  const cart = cache.dictionary("cart");
  expect(await cart.get("a")).toBeUndefined();
  expect(await cart.length()).toBe(0);
  const fields = [
    ["a", "1"],
    ["b", "2"],
    [Uint8Array.of(0, 255), "3"],
  ] as const;
  expect(await cart.set(fields)).toMatchObject({ created: 3, updated: 0, length: 3 });
  const only = { condition: "absent" } as const;
  expect(await cart.set([["a", "9"]], only)).toMatchObject({ created: 0, updated: 0 });
  const short = { condition: "present", fieldExpiry: { ttlMs: 60_000 } } as const;
  expect(await cart.set([["a", "4"]], short)).toMatchObject({ updated: 1 });
  const [a, none] = await cart.getMany(["a", "none"]);
  expect(a).toMatchObject({ field: "a", value: "4", expiresAt: expect.any(Date) });
  expect(none).toBeUndefined();
  expect(await cart.has(["b", "none"])).toEqual([true, false]);
  const [touched] = await cart.getManyAndTouch(["a"], "never");
  expect(touched).toMatchObject({ value: "4", expiresAt: undefined });
  expect(await cart.expire(["a", "none"], { ttlMs: 60_000 }, { when: "shorter" })).toEqual([
    { outcome: "set", expiresAt: expect.any(Date) },
    { outcome: "missing", expiresAt: undefined },
  ]);
  expect(await all(cart.fields({ pageSize: 1 }))).toEqual([Buffer.from([0, 255]), "a", "b"]);
  const reversed = await all(cart.entries({ reverse: true, prefix: "b" }));
  expect(reversed).toMatchObject([{ field: "b", value: "2" }]);
  expect(await cart.increment("n", 5, { initial: 1, max: 4n, onOverflow: "saturate" })).toBe(4n);
  expect(await cart.incrementFloat("x", 0.5, { initial: 1 })).toBe(1.5);
  expect(await cart.sample(10)).toHaveLength(5);
  expect(await cart.sample(7, { repeats: true })).toHaveLength(7);
  const every = await all(cart.fields());
  expect(await cart.delete(every)).toEqual({ removed: 5, length: 0, version: 0n });
  expect(await cache.meta(["cart"])).toEqual([undefined]);
});

test("values of a dictionary and a list are what the codec makes of them", async () => {
  const cache = (await start()).cache().with(jsonCodec<{ readonly price: number }>());
  await cache.dictionary("d").set([["a", { price: 1 }]]);
  expect(await cache.dictionary("d").get("a")).toEqual({ price: 1 });
  await cache.list("l").push([{ price: 2 }]);
  expect(await cache.list("l").at(0)).toEqual({ price: 2 });
  expect(await cache.list("l").indexesOf({ price: 2 })).toEqual([0]);
});

test("a list is pushed to, read in places, changed and taken from", async () => {
  const list = (await start()).cache().list("l");
  expect(await list.range()).toBeUndefined();
  expect(await list.push(["x"], { mustExist: true })).toEqual({ length: 0, version: 0n });
  expect(await list.push(["b", "c"])).toMatchObject({ length: 2 });
  await list.push(["a"], { end: "front" });
  await list.push(["e", "d"], { reverse: true, truncateTo: 5 });
  expect(await list.range()).toEqual(["a", "b", "c", "d", "e"]);
  expect(await list.range(1, -1)).toEqual(["b", "c", "d"]);
  expect([await list.at(-1), await list.at(9)]).toEqual(["e", undefined]);
  await list.set(0, "A");
  expect(await list.insert("after", "A", "b")).toBe("inserted");
  expect(await list.insert("before", "none", "b")).toBe("pivot_absent");
  expect(await list.indexesOf("b", { count: 5, reverse: true })).toEqual([2, 1]);
  expect(await list.remove("b", -1)).toBe(1);
  expect(await list.erase([[0, 1], [-1]])).toBe(2);
  expect(await list.retain(0, 2)).toBe(1);
  expect(await list.length()).toBe(2);
  expect(await list.move("other", { from: "back", to: "front" })).toBe("c");
  expect(await list.popMany(5)).toEqual(["b"]);
  expect(await list.pop()).toBeUndefined();
});

test("a value that comes while somebody waits is taken by who waits", async () => {
  const client = await start();
  const list = client.cache().list("l");
  const waiting = list.pop({ waitMs: 20_000 });
  const moving = client.cache().list("m").move("to", { waitMs: 20_000 });
  await list.push(["x"]);
  await client.cache().list("m").push(["y"]);
  expect(await Promise.all([waiting, moving])).toEqual(["x", "y"]);
  expect(await list.pop({ waitMs: 1 })).toBeUndefined();
});

test("a set has members, takes them, and has some together with others", async () => {
  const cache = (await start()).cache();
  const [one, two] = [cache.memberSet("one"), cache.memberSet("two")];
  expect(await one.add(["a", "b", "c"])).toMatchObject({ added: 3, length: 3 });
  expect(await two.add(["b", "c", "d"], { memberExpiry: { ttlMs: 60_000 } })).toMatchObject({
    added: 3,
  });
  expect([await one.has("a"), await one.has("d")]).toEqual([true, false]);
  expect(await two.hasMany(["b"])).toEqual([{ found: true, expiresAt: expect.any(Date) }]);
  expect(await one.combine("union", ["two"])).toEqual(["a", "b", "c", "d"]);
  expect(await one.combine("intersect", ["two"], { limit: 1 })).toHaveLength(1);
  expect(await one.combinedLength("difference", ["two"])).toBe(1);
  expect(await one.storeCombined("intersect", ["two"], "both")).toBe(2);
  expect(await all(cache.memberSet("both").members())).toEqual(["b", "c"]);
  expect(await all(one.members({ pageSize: 1, reverse: true }))).toEqual(["c", "b", "a"]);
  expect(await one.move("a", "two")).toBe(true);
  expect(await one.move("a", "two")).toBe(false);
  expect(await one.sample(1)).toHaveLength(1);
  expect(await two.expire(["a"], { ttlMs: 1_000 })).toMatchObject([{ outcome: "set" }]);
  expect(await two.remove(["a", "none"])).toMatchObject({ removed: 1, length: 3 });
  expect(await one.pop(5)).toHaveLength(2);
  expect(await one.length()).toBe(0);
});

test("a sorted set ranks its members, in ranges and together with others", async () => {
  const cache = (await start()).cache();
  const scores = cache.sortedSet("s");
  expect(await scores.range()).toBeUndefined();
  const put = await scores.put([
    ["a", 1],
    ["b", 2],
    ["c", 2],
    ["d", 9],
  ]);
  expect(put).toMatchObject({ added: 4, updated: 0, dropped: 0, length: 4 });
  expect(await scores.increment("a", 2, { compare: "greater" })).toBe(3);
  expect(await scores.increment("none", 2, { mode: "only_existing" })).toBeUndefined();
  const names = async (range: Parameters<typeof scores.range>[0]) =>
    (await scores.range(range))?.map(({ member }) => member).join("");
  expect(await names({ fromRank: 1, toRank: -1 })).toBe("ca");
  expect(await names({ byScore: { min: 2, minExclusive: true }, reverse: true })).toBe("da");
  expect(await names({ byScore: {}, offset: 1, count: 1 })).toBe("c");
  expect(await names({ byMember: { min: "b", max: "c" } })).toBe("bc");
  expect(await scores.length({ byScore: { max: 3, maxExclusive: true } })).toBe(2);
  expect(await scores.length()).toBe(4);
  expect([await scores.score("d"), await scores.score("none")]).toEqual([9, undefined]);
  expect(await scores.rank("c", { mode: "dense" })).toBe(0);
  expect(await scores.ranks(["d", "none"], { reverse: true })).toEqual([
    { rank: 0, score: 9 },
    undefined,
  ]);
  await cache.memberSet("plain").add(["a"]);
  const others = [{ key: "plain", weight: 10 }];
  expect(await scores.combine("intersect", others, { aggregate: "max" })).toEqual([
    { member: "a", score: 10 },
  ]);
  expect(await scores.storeCombined("union", others, "u", { weight: 0 })).toBe(4);
  expect(await scores.storeRange({ fromRank: 0, toRank: 2 }, "top")).toBe(2);
  expect(await all(scores.members({ prefix: "a" }))).toEqual([{ member: "a", score: 3 }]);
  expect(await scores.sample(2)).toHaveLength(2);
  expect(await scores.pop("max", 1)).toEqual([{ member: "d", score: 9 }]);
  expect(await scores.remove(["a"])).toMatchObject({ removed: 1, length: 2 });
  expect(await scores.removeRange({ fromRank: 0 })).toBe(2);
  const waiting = scores.pop("min", 1, { waitMs: 20_000 });
  await scores.put([["z", 1]]);
  expect(await waiting).toEqual([{ member: "z", score: 1 }]);
});

test("a cap keeps the best, and one of another type is refused", async () => {
  const cache = (await start()).cache();
  const scores = cache.sortedSet("s");
  const many = Array.from({ length: 20 }, (_unused, at) => [`m${at}`, at] as const);
  expect(await scores.put(many, { cap: 5 })).toMatchObject({ dropped: 15, length: 5 });
  const wrong = { reason: "WRONG_TYPE" };
  const calls = (of: Cache<CacheValue>) => [
    of.dictionary("s").get("a"),
    of.list("s").pop(),
    of.memberSet("s").length(),
    of.get("s"),
  ];
  for (const call of calls(cache)) await expect(call).rejects.toMatchObject(wrong);
  expect(await cache.getMany(["s"])).toEqual([{ kind: "wrong_type" }]);
});
