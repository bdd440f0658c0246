// Sessions by their rules, to the millisecond: when they end, who may save them, what a user's list has, and what is left behind.

import { afterEach, expect, test } from "vitest";
import { days, type EpochMs, hours, minutes } from "../../src/base/brands.js";
import type { CacheConfig } from "../../src/cache/limits.js";
import type { OpenCache } from "../../src/cache/open-cache.js";
import type { CacheDecided } from "../../src/cache/rejections.js";
import {
  clearSessions,
  countSessions,
  destroyOfUser,
  type ListSessions,
  listSessions,
} from "../../src/cache/session-lists.js";
import { hashOfId } from "../../src/cache/session-model.js";
import { inSessions } from "../../src/cache/session-store.js";
import {
  type CreateSession,
  createSession,
  destroySession,
  getSession,
  patchSession,
  regenerateSession,
  type SaveSession,
  saveSession,
  touchSession,
} from "../../src/cache/sessions.js";
import { accept } from "../../src/queue/rejections.js";
import { CacheRules } from "../support/cache-rules.js";

const started: CacheRules[] = [];

async function start(config: Partial<CacheConfig> = {}): Promise<Sessions> {
  const cache = await CacheRules.start(config);
  started.push(cache);
  return new Sessions(cache);
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((cache) => cache.stop()));
});

const data = (fields: object): Buffer => Buffer.from(JSON.stringify(fields));
const [a, b, c] = [hashOfId("a"), hashOfId("b"), hashOfId("c")];

/** The sessions of one cache. */
class Sessions {
  readonly cache: CacheRules;

  constructor(cache: CacheRules) {
    this.cache = cache;
  }

  do<Outcome>(rule: (sessions: OpenCache) => CacheDecided<Outcome>): Promise<Outcome> {
    return this.cache.done((open, stamp) => inSessions(open, stamp, rule));
  }

  refused<Outcome>(rule: (sessions: OpenCache) => CacheDecided<Outcome>): Promise<string> {
    return this.cache.refused((open, stamp) => inSessions(open, stamp, rule));
  }

  create(of = a, rest: Partial<CreateSession> = {}) {
    return this.do((open) => createSession(open, { ...created, of, ...rest }));
  }

  get(of = a, isTouching = false) {
    return this.do((open) => getSession(open, { of, isTouching }));
  }

  async isThere(of = a): Promise<boolean> {
    return (await this.get(of)) !== undefined;
  }

  save(of = a, rest: Partial<SaveSession> = {}) {
    return this.do((open) =>
      saveSession(open, { ...created, of, mode: "upsert", ifVersion: 0, ...rest }),
    );
  }

  destroy(of = a) {
    return this.do((open) => destroySession(open, { of }));
  }

  at(ms: number): EpochMs {
    return (this.cache.now + ms) as EpochMs;
  }

  async list(user: string | undefined, rest: Partial<ListSessions> = {}) {
    const order = { user, after: "", countMax: 100, bytesMax: 1e6, wantsData: true, ...rest };
    const { sessions, next } = await this.do((open) => listSessions(open, order));
    return { hashes: sessions.map(({ of }) => of).sort(), next };
  }

  async count(user?: string): Promise<number> {
    return (await this.do((open) => countSessions(open, { user, after: "" }))).count;
  }

  destroyOf(user: string, except?: typeof a) {
    return this.do((open) => destroyOfUser(open, { user, except }));
  }
}

const created = {
  data: data({ cart: [1] }),
  cookie: undefined,
  user: undefined,
  idleMs: undefined,
  absoluteMs: undefined,
};

test("a session is there for a day after its last use, and not a millisecond longer", async () => {
  const t = await start();
  expect(await t.create()).toMatchObject({ version: 1, expiresAt: t.at(hours(24)) });
  t.cache.advance(hours(24) - 1);
  expect(await t.get()).toMatchObject({ data: data({ cart: [1] }), version: 1 });
  t.cache.advance(1);
  expect(await t.get()).toBeUndefined();
  await t.cache.check();
});

test("a session slides with its uses as far as its absolute end", async () => {
  const t = await start();
  await t.create(a, { idleMs: minutes(30), absoluteMs: minutes(70) });
  for (const _ of [1, 2]) {
    t.cache.advance(minutes(29));
    expect(await t.get(a, true)).toBeDefined();
  }
  // 58 minutes have passed, so that 12 are left.
  expect(await t.get(a)).toMatchObject({ expiresAt: t.at(minutes(12)) });
  t.cache.advance(minutes(12) - 1);
  expect(await t.isThere()).toBe(true);
  // Neither a touch nor a save reaches beyond.
  await t.do((open) => touchSession(open, { of: a, cookie: undefined }));
  expect(await t.save()).toMatchObject({ kind: "saved", session: { expiresAt: t.at(1) } });
  t.cache.advance(1);
  expect(await t.isThere()).toBe(false);
});

test("a read that is not to touch moves nothing, and a touch moves the end exactly", async () => {
  const t = await start();
  await t.create(a, { idleMs: minutes(16) });
  t.cache.advance(minutes(1));
  expect(await t.get(a, false)).toMatchObject({ expiresAt: t.at(minutes(15)) });
  // One sixteenth may be left out, and more may not.
  expect(await t.get(a, true)).toMatchObject({ expiresAt: t.at(minutes(15)) });
  t.cache.advance(1);
  expect(await t.get(a, true)).toMatchObject({ expiresAt: t.at(minutes(16)) });
  t.cache.advance(5);
  const end = t.at(minutes(16));
  expect(await t.do((open) => touchSession(open, { of: a, cookie: undefined }))).toBe(end);
  expect(await t.get()).toMatchObject({ expiresAt: end, version: 1 });
  expect(await t.do((open) => touchSession(open, { of: b, cookie: undefined }))).toBeUndefined();
  expect(await t.isThere(b)).toBe(false);
});

test("the end of a cookie is that of its session, and one that has passed destroys it", async () => {
  const t = await start();
  const cookie = (expiresAt: EpochMs) => ({ expiresAt, attributes: '{"path":"/"}' });
  await t.create(a, { cookie: cookie(t.at(5_000)) });
  expect(await t.get(a, true)).toMatchObject({ expiresAt: t.at(5_000) });
  const longer = cookie(t.at(9_000));
  await t.do((open) => touchSession(open, { of: a, cookie: longer }));
  expect(await t.get()).toMatchObject({
    cookie: longer,
    expiresAt: t.at(9_000),
    version: 1,
    data: data({ cart: [1] }),
  });
  expect(await t.save(a, { cookie: cookie(t.at(1)) })).toMatchObject({ kind: "saved" });
  expect(await t.save(a, { cookie: cookie(t.at(0)) })).toEqual({ kind: "ended" });
  expect(await t.isThere()).toBe(false);
  expect(await t.save()).toEqual({ kind: "gone" });
  expect(await t.create(b, { cookie: cookie(t.at(0)) })).toBeUndefined();
  expect(await t.isThere(b)).toBe(false);
});

test("what was destroyed cannot be saved for a minute, and can after it", async () => {
  const t = await start();
  await t.create();
  expect(await t.destroy()).toBe(true);
  expect(await t.destroy()).toBe(false);
  t.cache.advance(59_999);
  for (const mode of ["upsert", "update", "create"] as const) {
    expect(await t.save(a, { mode })).toEqual({ kind: "gone" });
  }
  expect(await t.do((open) => patchSession(open, { of: a, set: new Map(), removed: [] }))).toEqual({
    kind: "gone",
  });
  t.cache.advance(1);
  expect(await t.save(a, { mode: "update" })).toEqual({ kind: "missing" });
  expect(await t.save()).toMatchObject({ kind: "saved", session: { version: 1 } });
  // Where there was none, a slow request might have been about to make it.
  expect(await t.destroy(b)).toBe(false);
  expect(await t.save(b)).toEqual({ kind: "gone" });
  await t.cache.check();
});

test("a save may ask for a version, for a session, or for none", async () => {
  const t = await start();
  expect(await t.save(a, { ifVersion: 1 })).toEqual({ kind: "missing" });
  expect(await t.save(a, { mode: "create" })).toMatchObject({ kind: "saved" });
  expect(await t.save(a, { mode: "create" })).toMatchObject({ kind: "exists" });
  expect(await t.save(a, { ifVersion: 1 })).toMatchObject({ session: { version: 2 } });
  expect(await t.save(a, { ifVersion: 1, data: data({}) })).toMatchObject({
    kind: "conflict",
    session: { version: 2 },
  });
  expect(await t.get()).toMatchObject({ version: 2, data: data({ cart: [1] }) });
});

test("a patch changes the fields that it names, and no others", async () => {
  const t = await start({ valueBytesMax: 200 });
  await t.create(a, { data: Buffer.from('{"kept":1,"old":2,"gone":3}') });
  const set = new Map<string, unknown>([
    ["old", "new"],
    ["__proto__", { x: 1 }],
  ]);
  const patched = await t.do((open) => patchSession(open, { of: a, set, removed: ["gone", "no"] }));
  expect(patched).toMatchObject({ kind: "saved", session: { version: 2 } });
  expect((await t.get())?.data.toString()).toBe('{"kept":1,"old":"new","__proto__":{"x":1}}');
  const long = new Map([["long", "x".repeat(200)]]);
  expect(await t.refused((open) => patchSession(open, { of: a, set: long, removed: [] }))).toBe(
    "result_too_large",
  );
  expect(
    await t.refused((open) => createSession(open, { ...created, of: b, data: Buffer.alloc(201) })),
  ).toBe("value_too_large");
  expect(await t.do((open) => patchSession(open, { of: b, set, removed: [] }))).toEqual({
    kind: "missing",
  });
  expect(await t.get()).toMatchObject({ version: 2 });
});

test("a session under another id keeps its limits, and the old id is gone", async () => {
  const t = await start();
  await t.create(a, { user: "ann", idleMs: minutes(10), absoluteMs: minutes(15) });
  const end = t.at(minutes(15));
  t.cache.advance(minutes(9));
  const renew = (to: typeof b, keepsData: boolean, user?: string) =>
    t.do((open) => regenerateSession(open, { from: a, to, keepsData, user }));
  expect(await renew(b, true)).toMatchObject({
    kind: "saved",
    session: { version: 1, user: "ann", absoluteEnd: end, expiresAt: end, idleMs: minutes(10) },
  });
  expect(await renew(c, true)).toEqual({ kind: "gone" });
  expect([await t.isThere(a), await t.isThere(b), await t.isThere(c)]).toEqual([
    false,
    true,
    false,
  ]);
  expect((await t.list("ann")).hashes).toEqual([b]);
  const again = await t.do((open) =>
    regenerateSession(open, { from: b, to: c, keepsData: false, user: "bob" }),
  );
  expect(again).toMatchObject({ kind: "saved", session: { user: "bob", data: data({}) } });
  expect([await t.count("ann"), await t.count("bob"), await t.count()]).toEqual([0, 1, 1]);
  await t.cache.check();
});

test("a user's sessions are listed until they end, are destroyed, or are another's", async () => {
  const t = await start();
  await t.create(a, { user: "ann", idleMs: minutes(1) });
  await t.create(b, { user: "ann" });
  await t.create(c);
  expect((await t.list("ann")).hashes).toEqual([a, b].sort());
  expect((await t.list(undefined)).hashes).toEqual([a, b, c].sort());
  expect((await t.list("an")).hashes).toEqual([]);
  await t.save(c, { user: "ann" });
  expect(await t.count("ann")).toBe(3);
  await t.save(c, { user: "bob" });
  expect([await t.count("ann"), await t.count("bob")]).toEqual([2, 1]);
  // What is used lives on in the list, too.
  t.cache.advance(minutes(1) - 1);
  await t.get(a, true);
  t.cache.advance(1);
  expect((await t.list("ann")).hashes).toEqual([a, b].sort());
  t.cache.advance(minutes(1));
  expect((await t.list("ann")).hashes).toEqual([b]);
  await t.destroy(b);
  expect([await t.count("ann"), await t.count()]).toEqual([0, 1]);
  await t.cache.check();
});

test("lists come in pages, by count and by bytes", async () => {
  const t = await start();
  for (let index = 0; index < 5; index += 1) await t.create(hashOfId(`${index}`), { user: "ann" });
  for (const limit of [{ countMax: 2 }, { bytesMax: 600 }]) {
    const seen: string[] = [];
    let after: string | undefined = "";
    let pages = 0;
    while (after !== undefined) {
      const page: Awaited<ReturnType<Sessions["list"]>> = await t.list("ann", { after, ...limit });
      seen.push(...page.hashes);
      after = page.next;
      pages += 1;
    }
    expect(new Set(seen).size).toBe(5);
    expect([seen.length, pages]).toEqual([5, 3]);
  }
});

test("all sessions of a user end at once, but the one that is to stay", async () => {
  const t = await start();
  await t.create(a, { user: "ann" });
  await t.create(b, { user: "ann", data: data({ long: "x".repeat(5_000) }) });
  await t.create(c, { user: "bob" });
  expect(await t.destroyOf("ann", b)).toBe(true);
  const check = async () => {
    expect([await t.isThere(a), await t.isThere(b), await t.isThere(c)]).toEqual([
      false,
      true,
      true,
    ]);
    expect((await t.list("ann")).hashes).toEqual([b]);
    expect(await t.save(a, { user: "ann" })).toEqual({ kind: "gone" });
  };
  await check();
  await t.cache.sweep();
  await check();
  t.cache.advance(59_999);
  await check();
  expect((await t.get(b))?.data).toEqual(data({ long: "x".repeat(5_000) }));
  // Another's is none of hers, and stays all the same.
  expect(await t.destroyOf("ann", c)).toBe(false);
  expect([await t.isThere(b), await t.isThere(c)]).toEqual([false, true]);
  // One that is made after it is not concerned, nor is a later save of it.
  const later = hashOfId("later");
  await t.create(later, { user: "ann" });
  await t.cache.sweep();
  expect(await t.save(later)).toMatchObject({ kind: "saved" });
  expect((await t.list("ann")).hashes).toEqual([later]);
  await t.cache.check();
});

test("a fence that is raised while another is swept ends what the sweep has passed", async () => {
  const t = await start();
  const of = (index: number) => hashOfId(`many ${index}`);
  for (let index = 0; index < 600; index += 1) await t.create(of(index), { user: "ann" });
  const kept = of(0);
  await t.do((open) => destroyOfUser(open, { user: "nobody", except: undefined }));
  expect(await t.cache.sweepOnce()).toBe(true);
  await t.destroyOf("ann", kept);
  await t.cache.sweep();
  expect(await t.count("ann")).toBe(1);
  expect(await t.count()).toBe(1);
  expect(await t.isThere(kept)).toBe(true);
});

test("everything ends at once, stays ended, and makes room", async () => {
  const t = await start();
  expect(await t.do(clearSessions)).toBeUndefined();
  await t.create(a, { user: "ann" });
  await t.create(b);
  await t.destroy(b);
  await t.do(clearSessions);
  const check = async () => {
    expect([await t.count(), await t.count("ann")]).toEqual([0, 0]);
    expect([await t.save(a), await t.save(b)]).toEqual([{ kind: "gone" }, { kind: "gone" }]);
  };
  await check();
  await t.cache.sweep();
  await check();
  t.cache.advance(days(1));
  expect(await t.save(a)).toMatchObject({ kind: "saved" });
  expect(await t.count()).toBe(1);
  await t.cache.sweep();
  expect(await t.do((open) => accept(open.counters.items))).toBe(1);
  await t.cache.check();
});

test("in a full cache no session is evicted, none is made, and every one can be destroyed", async () => {
  const t = await start({ bytesMax: 1_000 });
  const long = data({ x: "x".repeat(300) });
  await t.create(a, { data: long });
  await t.create(b, { data: long });
  expect(await t.refused((open) => createSession(open, { ...created, of: c, data: long }))).toBe(
    "cache_full",
  );
  expect(await t.isThere(a)).toBe(true);
  expect(await t.destroy(a)).toBe(true);
  expect(await t.save(a)).toEqual({ kind: "gone" });
  expect(await t.create(c)).toMatchObject({ version: 1 });
  await t.cache.check();
});
