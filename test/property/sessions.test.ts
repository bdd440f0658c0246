// Sessions agree with a model of a few maps, whatever is done to them and in whatever order; what is stored of one reads back as what was
// written.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { DurationMs, EpochMs } from "../../src/base/brands.js";
import type { Item } from "../../src/cache/model.js";
import type { OpenCache } from "../../src/cache/open-cache.js";
import type { CacheDecided } from "../../src/cache/rejections.js";
import {
  clearSessions,
  countSessions,
  destroyOfUser,
  listSessions,
} from "../../src/cache/session-lists.js";
import { decodeSession, encodeSession, hashOfId } from "../../src/cache/session-model.js";
import { inSessions } from "../../src/cache/session-store.js";
import { destroySession, regenerateSession, saveSession } from "../../src/cache/sessions.js";
import { CacheRules } from "../support/cache-rules.js";

const ids = ["a", "b", "c", "d"] as const;
const users = ["ann", "bob"] as const;
const idleMs = 100_000 as DurationMs;
const guardMs = 60_000;

const id = fc.constantFrom(...ids);
const user = fc.constantFrom(...users);

const step = fc.oneof(
  fc.record({ kind: fc.constant("save" as const), id, user: fc.option(user, { nil: undefined }) }),
  fc.record({ kind: fc.constant("destroy" as const), id }),
  fc.record({ kind: fc.constant("regenerate" as const), id, to: id }),
  fc.record({
    kind: fc.constant("destroyOf" as const),
    user,
    except: fc.option(id, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("clear" as const) }),
  fc.record({ kind: fc.constant("sweep" as const) }),
  fc.record({
    kind: fc.constant("advance" as const),
    ms: fc.constantFrom(1, 1_000, 59_999, 60_000, 99_999, 100_000),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

/** What should be there. */
class Model {
  now = 0;
  readonly live = new Map<string, { user: string | undefined; end: number }>();
  readonly guardedUntil = new Map<string, number>();

  settle(): void {
    for (const [each, { end }] of this.live) if (end <= this.now) this.live.delete(each);
    for (const [each, until] of this.guardedUntil) {
      if (until <= this.now) this.guardedUntil.delete(each);
    }
  }

  save(each: string, whose: string | undefined): string {
    if (this.guardedUntil.has(each)) return "gone";
    const kept = whose ?? this.live.get(each)?.user;
    this.live.set(each, { user: kept, end: this.now + idleMs });
    return "saved";
  }

  end(each: string): void {
    this.live.delete(each);
    this.guardedUntil.set(each, this.now + guardMs);
  }

  of(whose: string): string[] {
    return [...this.live].filter(([, session]) => session.user === whose).map(([each]) => each);
  }
}

class Real {
  readonly cache: CacheRules;

  constructor(cache: CacheRules) {
    this.cache = cache;
  }

  do<Outcome>(rule: (sessions: OpenCache) => CacheDecided<Outcome>): Promise<Outcome> {
    return this.cache.done((open, stamp) => inSessions(open, stamp, rule));
  }

  async listed(whose: string | undefined): Promise<string[]> {
    const order = { user: whose, after: "", countMax: 100, bytesMax: 1e6, wantsData: true };
    const { sessions } = await this.do((open) => listSessions(open, order));
    const { count } = await this.do((open) => countSessions(open, { user: whose, after: "" }));
    expect(count).toBe(sessions.length);
    return ids.filter((each) => sessions.some(({ of }) => of === hashOfId(each)));
  }
}

const saved = {
  data: Buffer.from("{}"),
  cookie: undefined,
  idleMs,
  absoluteMs: undefined,
  mode: "upsert",
  ifVersion: 0,
} as const;

async function regenerate(
  real: Real,
  model: Model,
  each: Extract<Step, { readonly kind: "regenerate" }>,
): Promise<void> {
  // Ids that the server makes are new.
  if (model.live.has(each.to) || model.guardedUntil.has(each.to)) return;
  const order = { from: hashOfId(each.id), to: hashOfId(each.to), keepsData: true };
  const session = model.live.get(each.id);
  const { kind } = await real.do((open) => regenerateSession(open, { ...order, user: undefined }));
  const isGone = model.guardedUntil.has(each.id);
  expect(kind).toBe(session !== undefined ? "saved" : isGone ? "gone" : "missing");
  if (session === undefined) return;
  model.end(each.id);
  model.live.set(each.to, { ...session, end: model.now + idleMs });
  return;
}

async function take(real: Real, model: Model, each: Step): Promise<void> {
  switch (each.kind) {
    case "save": {
      const order = { ...saved, of: hashOfId(each.id), user: each.user };
      const { kind } = await real.do((open) => saveSession(open, order));
      expect(kind).toBe(model.save(each.id, each.user));
      return;
    }
    case "destroy": {
      const was = model.live.has(each.id);
      expect(await real.do((open) => destroySession(open, { of: hashOfId(each.id) }))).toBe(was);
      if (!model.guardedUntil.has(each.id)) model.end(each.id);
      return;
    }
    case "regenerate":
      return regenerate(real, model, each);
    case "destroyOf": {
      const except = each.except === undefined ? undefined : hashOfId(each.except);
      const kept = await real.do((open) => destroyOfUser(open, { user: each.user, except }));
      const mine = model.of(each.user);
      expect(kept).toBe(each.except !== undefined && mine.includes(each.except));
      for (const one of mine) if (one !== each.except) model.end(one);
      // From when on they are guarded is from when on they are swept.
      await real.cache.sweep();
      return;
    }
    case "clear":
      await real.do(clearSessions);
      for (const one of [...model.live.keys(), ...model.guardedUntil.keys()]) model.end(one);
      await real.cache.sweep();
      return;
    case "sweep":
      await real.cache.sweep();
      return;
    case "advance":
      model.now += each.ms;
      real.cache.advance(each.ms);
  }
}

test("sessions are what a model says, by id, by user and in all", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const real = new Real(await CacheRules.start());
      const model = new Model();
      try {
        for (const each of steps) {
          await take(real, model, each);
          model.settle();
          expect(await real.listed(undefined)).toEqual([...model.live.keys()].sort());
          for (const whose of users)
            expect(await real.listed(whose)).toEqual(model.of(whose).sort());
        }
        await real.cache.check();
      } finally {
        await real.cache.stop();
      }
    }),
    { numRuns: 150 },
  );
});

test("what is stored of a session reads back as it was written", () => {
  const cookie = fc.option(
    fc.record({
      expiresAt: fc.option(fc.integer({ min: 1, max: 253_402_300_799_999 }), { nil: undefined }),
      attributes: fc.string({ unit: "grapheme" }),
    }),
    { nil: undefined },
  );
  const item = {
    sliding: { lifeMs: idleMs, absoluteEnd: undefined },
    expiresAt: 5,
    createdAt: 3,
    updatedAt: 4,
    tags: ["user:ann"],
    externalVersion: 7n,
  } as unknown as Item;
  fc.assert(
    fc.property(cookie, fc.uint8Array(), (given, bytes) => {
      const written = {
        cookie: given as { expiresAt: EpochMs | undefined; attributes: string } | undefined,
        data: Buffer.from(bytes),
      };
      const read = decodeSession(item, encodeSession(written));
      expect(read).toMatchObject({ ...written, user: "ann", version: 7, idleMs, expiresAt: 5 });
    }),
  );
});
