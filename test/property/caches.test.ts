// Random calls on a cache over a real socket, beside a plain model of what each key has: values, ends, tags, versions; with time moved by
// hand, clean-up in between, and restarts.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DeleteOutcome,
  TransferOutcome,
  TtlMode,
  TtlOutcome,
} from "../../src/gen/forebay/cache/v1/cache_service.js";
import {
  cacheCall,
  cacheScenario,
  createCache,
  getFull,
  keyForm,
  keyOf,
  readName,
  scanned,
  set,
  ttl,
} from "../support/caches.js";
import { CallError } from "../support/call-error.js";
import { propertyTimeoutMs, runs } from "../support/property.js";
import type { Scenario } from "../support/scenario.js";

interface Modelled {
  readonly value: string;
  /** Undefined: never. */
  readonly endsAt: number | undefined;
  readonly tags: readonly string[];
}

// Few keys, some of which begin as others do, so that calls meet.
const key = fc.constantFrom("a", "b", "a:1", "a:2", "b:1", "k".repeat(300), "k".repeat(600));
const value = fc.constantFrom("", "1", "41", "-7", "text", "x".repeat(3_000));
const life = fc.constantFrom(undefined, 500, 2_000, 60_000);
const tags = fc.subarray(["red", "blue"]);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("set" as const), key, value, life, tags }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("set_if" as const),
      key,
      value,
      condition: fc.constantFrom("absent" as const, "present" as const, "version" as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("get" as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("increment" as const), key, life }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("append" as const), key, value, life }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("expire" as const),
      key,
      life: fc.constantFrom(500, 2_000, 60_000),
      mode: fc.constantFrom(TtlMode.OVERWRITE, TtlMode.INCREASE_ONLY, TtlMode.DECREASE_ONLY),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("transfer" as const),
      key,
      other: key,
      isMove: fc.boolean(),
      overwrite: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("invalidate" as const),
      tag: fc.constantFrom("red", "blue"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delete_prefix" as const),
      prefix: fc.constantFrom("a", "a:", "kkk"),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "flush" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "look" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 499, 500, 1_500, 5_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

class Model {
  readonly #items = new Map<string, Modelled>();
  readonly #t: Scenario;
  readonly cache: string;
  /** The highest that was seen, of any key. */
  version = 0n;

  constructor(t: Scenario, cache: string) {
    this.#t = t;
    this.cache = cache;
  }

  get(key: string): Modelled | undefined {
    const item = this.#items.get(key);
    const hasEnded = item?.endsAt !== undefined && item.endsAt <= this.#t.now;
    return hasEnded ? undefined : item;
  }

  put(key: string, item: Modelled): void {
    this.#items.set(key, item);
  }

  remove(key: string): void {
    this.#items.delete(key);
  }

  removeWhere(isGone: (key: string, item: Modelled) => boolean): void {
    for (const [key, item] of this.#items) if (isGone(key, item)) this.#items.delete(key);
  }

  endOf(life: number | undefined): number | undefined {
    return life === undefined ? undefined : this.#t.now + life;
  }

  get keys(): readonly string[] {
    return [...this.#items.keys()].filter((key) => this.get(key) !== undefined).sort();
  }

  /** A later write of anything has a higher version. */
  rise(version: bigint): void {
    expect(version).toBeGreaterThan(this.version);
    this.version = version;
  }
}

const canonical = /^(?:0|-?[1-9][0-9]*)$/;
const valueForm = (text: string) => ({ $case: "value", value: text }) as const;

async function read(t: Scenario, model: Model, key: string): Promise<void> {
  const { outcome, valueForm: form } = await getFull(t, key, { cache: model.cache });
  const expected = model.get(key);
  expect(readName(outcome)).toBe(expected === undefined ? "MISS" : "HIT");
  if (expected !== undefined)
    expect(Buffer.from(form?.value ?? "").toString()).toBe(expected.value);
}

async function write(
  t: Scenario,
  model: Model,
  { key, value, condition }: Extract<Step, { kind: "set_if" }>,
): Promise<void> {
  const before = model.get(key);
  const { version: current } = await getFull(t, key, { cache: model.cache });
  const conditions = {
    absent: { $case: "absent", value: true },
    present: { $case: "present", value: true },
    version: { $case: "versionEqual", value: current },
  } as const;
  const holds = {
    absent: before === undefined,
    present: before !== undefined,
    version: before !== undefined,
  };
  const answer = await set(t, key, value, {
    cache: model.cache,
    condition: { condition: conditions[condition] },
  });
  expect(answer.stored).toBe(holds[condition]);
  if (!answer.stored) return;
  model.rise(answer.version);
  model.put(key, { value, endsAt: undefined, tags: [] });
}

async function count(
  t: Scenario,
  model: Model,
  { key, life }: Extract<Step, { kind: "increment" }>,
): Promise<void> {
  const before = model.get(key);
  const call = cacheCall(t, "increment", {
    cache: model.cache,
    keyForm: keyForm(key),
    ...(life !== undefined && { expiry: ttl(life) }),
  });
  if (before !== undefined && !canonical.test(before.value)) {
    await expect(call).rejects.toBeInstanceOf(CallError);
    return;
  }
  const { value, version } = await call;
  model.rise(version);
  const sum = BigInt(before?.value ?? "0") + 1n;
  expect(value).toBe(sum);
  const fresh = { endsAt: model.endOf(life), tags: [] };
  model.put(key, { ...(before ?? fresh), value: String(sum) });
}

async function transfer(
  t: Scenario,
  model: Model,
  { key, other, isMove, overwrite }: Extract<Step, { kind: "transfer" }>,
): Promise<void> {
  const { outcome } = await cacheCall(t, isMove ? "rename" : "copy", {
    cache: model.cache,
    source: keyOf(key),
    destination: keyOf(other),
    overwrite,
  });
  const source = model.get(key);
  if (source === undefined) expect(outcome).toBe(TransferOutcome.SOURCE_ABSENT);
  else if (key !== other && !overwrite && model.get(other) !== undefined) {
    expect(outcome).toBe(TransferOutcome.DESTINATION_EXISTS);
  } else {
    expect(outcome).toBe(TransferOutcome.DONE);
    if (key === other) return;
    if (isMove) model.remove(key);
    model.put(other, source);
  }
}

async function expire(
  t: Scenario,
  model: Model,
  { key, life, mode }: Extract<Step, { kind: "expire" }>,
): Promise<void> {
  const { outcome } = await cacheCall(t, "updateTtl", {
    cache: model.cache,
    keyForm: keyForm(key),
    expiry: ttl(life),
    mode,
  });
  const before = model.get(key);
  if (before === undefined) {
    expect(outcome).toBe(TtlOutcome.MISSING);
    return;
  }
  const current = before.endsAt ?? Number.POSITIVE_INFINITY;
  const next = t.now + life;
  const isSet =
    mode === TtlMode.OVERWRITE ||
    (mode === TtlMode.INCREASE_ONLY ? next > current : next < current);
  expect(outcome).toBe(isSet ? TtlOutcome.SET : TtlOutcome.NOT_SET);
  if (isSet) model.put(key, { ...before, endsAt: next });
}

/** Everything that tells which keys there are says the same. */
async function look(t: Scenario, model: Model): Promise<void> {
  const { cache, keys } = model;
  expect(await scanned(t, { cache, limit: 2 })).toEqual(keys);
  expect(await scanned(t, { cache, reverse: true })).toEqual(keys.toReversed());
  const { count: counted } = await cacheCall(t, "countKeys", { cache, exact: true });
  expect(counted).toBe(BigInt(keys.length));
  const red = keys.filter((each) => model.get(each)?.tags.includes("red"));
  expect(await scanned(t, { cache, tag: "red" })).toEqual(red);
}

async function take(t: Scenario, model: Model, each: Step): Promise<void> {
  const { cache } = model;
  switch (each.kind) {
    case "set": {
      const expiry = each.life === undefined ? {} : { expiry: ttl(each.life) };
      const answer = await set(t, each.key, each.value, { cache, tags: each.tags, ...expiry });
      model.rise(answer.version);
      model.put(each.key, { value: each.value, endsAt: model.endOf(each.life), tags: each.tags });
      return;
    }
    case "set_if":
      return write(t, model, each);
    case "get":
      return read(t, model, each.key);
    case "delete": {
      const { outcome } = await cacheCall(t, "delete", { cache, keyForm: keyForm(each.key) });
      const isThere = model.get(each.key) !== undefined;
      expect(outcome).toBe(isThere ? DeleteOutcome.DELETED : DeleteOutcome.ABSENT);
      model.remove(each.key);
      return;
    }
    case "increment":
      return count(t, model, each);
    case "append": {
      const before = model.get(each.key);
      const { length } = await cacheCall(t, "append", {
        cache,
        keyForm: keyForm(each.key),
        valueForm: valueForm(each.value),
        ...(each.life !== undefined && { expiry: ttl(each.life) }),
      });
      const text = (before?.value ?? "") + each.value;
      expect(length).toBe(BigInt(text.length));
      const fresh = { endsAt: model.endOf(each.life), tags: [] };
      model.put(each.key, { ...(before ?? fresh), value: text });
      return;
    }
    case "expire":
      return expire(t, model, each);
    case "transfer":
      return transfer(t, model, each);
    case "invalidate":
      await cacheCall(t, "invalidateTags", { cache, tags: [each.tag] });
      model.removeWhere((_, item) => item.tags.includes(each.tag));
      return;
    case "delete_prefix":
      await cacheCall(t, "deleteByPrefix", { cache, prefix: keyOf(each.prefix) });
      model.removeWhere((name) => name.startsWith(each.prefix));
      return;
    case "flush":
      await cacheCall(t, "flushCache", { cache });
      model.removeWhere(() => true);
      return;
    case "look":
      return look(t, model);
    case "wait":
      return t.advance(each.ms);
    case "restart":
      return t.restart();
  }
}

test(
  "a cache has what a plain model of it has, whatever is called, and after restarts",
  async () => {
    const t = await cacheScenario();
    let caches = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        caches += 1;
        const model = new Model(t, `cache-${caches}`);
        await createCache(t, model.cache);
        for (const each of steps) await take(t, model, each);
        await look(t, model);
        for (const name of model.keys) await read(t, model, name);
      }),
      runs(40),
    );
  },
  propertyTimeoutMs,
);
