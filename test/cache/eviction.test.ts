// What goes from a full cache, policy by policy, each against what a plain list would say.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { CacheKey } from "../../src/base/brands.js";
import { FrequencySketch } from "../../src/cache/eviction/frequency-sketch.js";
import { type Policy, pseudoRandom } from "../../src/cache/eviction/policy.js";
import {
  AtRandom,
  LeastFrequentlyUsed,
  LeastRecentlyUsed,
} from "../../src/cache/eviction/simple-policies.js";
import { WTinyLfu } from "../../src/cache/eviction/w-tinylfu.js";
import { runs } from "../support/property.js";

const keyed = (number: number): CacheKey => `key ${number}` as CacheKey;

/** A cache of so many items that knows nothing but its policy. */
class Simulated {
  readonly #policy: Policy;
  readonly #itemsMax: number;
  readonly #keys = new Set<CacheKey>();
  hits = 0;
  reads = 0;

  constructor(policy: Policy, itemsMax: number) {
    this.#policy = policy;
    this.#itemsMax = itemsMax;
  }

  /** Reads a key, and writes it where it is not there. */
  use(key: CacheKey): boolean {
    this.reads += 1;
    if (this.#keys.has(key)) {
      this.hits += 1;
      this.#policy.read(key);
      return true;
    }
    this.write(key);
    return false;
  }

  write(key: CacheKey): void {
    if (!this.#keys.has(key) && this.#keys.size === this.#itemsMax) {
      for (const victim of this.#policy.victims()) {
        if (victim === key || !this.#keys.delete(victim)) continue;
        this.#policy.removed(victim);
        break;
      }
    }
    this.#keys.add(key);
    this.#policy.wrote(key, 1, true);
    expect(this.#keys.size).toBeLessThanOrEqual(this.#itemsMax);
  }

  has(key: CacheKey): boolean {
    return this.#keys.has(key);
  }
}

const seed = 4_242;
const policies: readonly (readonly [string, (itemsMax: number) => Policy])[] = [
  ["W-TinyLFU", (keys) => new WTinyLfu({ weightMax: keys, keys, seed })],
  ["LRU", () => new LeastRecentlyUsed(false)],
  ["LFU", () => new LeastFrequentlyUsed(false, pseudoRandom(seed), () => 0)],
  ["random", () => new AtRandom(false, pseudoRandom(seed))],
];

test.each(policies)("%s knows exactly what it was told, and tells each key once", (_, make) => {
  const step = fc.record({
    kind: fc.constantFrom("read", "wrote", "removed"),
    key: fc.integer({ min: 0, max: 40 }).map(keyed),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const policy = make(20);
      const known = new Set<CacheKey>();
      for (const { kind, key } of steps) {
        if (kind === "wrote") {
          policy.wrote(key, 1, true);
          known.add(key);
        } else if (kind === "read") policy.read(key);
        else {
          policy.removed(key);
          known.delete(key);
        }
      }
      expect(policy.size).toBe(known.size);
      for (const key of known) expect(policy.isKnown(key)).toBe(true);
      const victims = [...policy.victims()];
      expect(new Set(victims)).toEqual(known);
      expect(victims).toHaveLength(known.size);
    }),
    runs(100),
  );
});

test.each(policies)("%s goes on telling while what it told is removed", (_, make) => {
  const policy = make(50);
  for (let number = 0; number < 50; number += 1) policy.wrote(keyed(number), 1, true);
  const removed: CacheKey[] = [];
  for (const victim of policy.victims()) {
    policy.removed(victim);
    removed.push(victim);
    if (removed.length === 30) break;
  }
  expect(new Set(removed).size).toBe(30);
  expect(policy.size).toBe(20);
  expect([...policy.victims()]).toHaveLength(20);
});

test("LRU tells keys in the order of their last use", () => {
  const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 20 }).map(keyed));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const policy = new LeastRecentlyUsed(false);
      let plain: CacheKey[] = [];
      for (const [isRead, key] of steps) {
        if (isRead) policy.read(key);
        else policy.wrote(key, 1, false);
        if (isRead && !plain.includes(key)) continue;
        plain = [...plain.filter((other) => other !== key), key];
      }
      expect([...policy.victims()]).toEqual(plain);
    }),
    runs(100),
  );
});

test.each([
  ["LRU", new LeastRecentlyUsed(true)],
  ["LFU", new LeastFrequentlyUsed(true, pseudoRandom(seed), () => 0)],
  ["random", new AtRandom(true, pseudoRandom(seed))],
])("volatile %s tells only of keys that end", (_, policy) => {
  policy.wrote(keyed(1), 1, true);
  policy.wrote(keyed(2), 1, false);
  policy.wrote(keyed(3), 1, true);
  policy.wrote(keyed(3), 1, false);
  expect([...policy.victims()]).toEqual([keyed(1)]);
});

test("LFU lets go what is used least, and forgets a use a minute", () => {
  let now = 0;
  const policy = new LeastFrequentlyUsed(false, pseudoRandom(seed), () => now);
  for (let number = 0; number < 5; number += 1) policy.wrote(keyed(number), 1, false);
  for (let use = 0; use < 2_000; use += 1) {
    for (let number = 0; number < 4; number += 1) policy.read(keyed(number));
  }
  // Five drawn of five may be the same one; the one that is never used goes first nearly always.
  const firsts = Array.from({ length: 200 }, () => [...policy.victims()][0]);
  const unused = firsts.filter((key) => key === keyed(4)).length;
  expect(unused).toBeGreaterThan(100);
  now = 200 * 60_000;
  policy.read(keyed(4));
  const later = Array.from({ length: 200 }, () => [...policy.victims()][0]);
  expect(later.filter((key) => key === keyed(4)).length).toBeLessThan(40);
});

test("a sketch counts at least as often as a key was used, up to 15, and forgets by halves", () => {
  const sketch = new FrequencySketch(1_000, seed);
  for (let use = 0; use < 9; use += 1) sketch.use("a");
  for (let use = 0; use < 100; use += 1) sketch.use("b");
  expect(sketch.estimate("a")).toBe(9);
  expect(sketch.estimate("b")).toBe(15);
  expect(sketch.estimate("never")).toBe(0);
  for (let number = 0; number < 10_300; number += 1) sketch.use(`other ${number}`);
  expect(sketch.estimate("b")).toBeGreaterThanOrEqual(7);
  expect(sketch.estimate("b")).toBeLessThan(15);
});

test("C59 a scan over cold keys does not drive out the hot ones, and each cold one is there when it was written", () => {
  const hotKeys = 1_000;
  const cache = new Simulated(new WTinyLfu({ weightMax: 2_000, keys: 2_000, seed }), 2_000);
  const random = pseudoRandom(7);
  for (let use = 0; use < 20_000; use += 1) cache.use(keyed(Math.floor(random() * hotKeys)));
  let hits = 0;
  for (let cold = 0; cold < 100_000; cold += 1) {
    const key = `cold ${cold}` as CacheKey;
    cache.write(key);
    expect(cache.has(key)).toBe(true);
    if (cache.use(keyed(Math.floor(random() * hotKeys)))) hits += 1;
  }
  expect(hits / 100_000).toBeGreaterThanOrEqual(0.9);
});

test("what comes out of the window goes before what was used more often", () => {
  const policy = new WTinyLfu({ weightMax: 10, keys: 10, seed });
  for (let number = 0; number < 9; number += 1) policy.wrote(keyed(number), 1);
  for (let use = 0; use < 5; use += 1) {
    for (let number = 0; number < 8; number += 1) policy.read(keyed(number));
  }
  // Eight are more than may be protected: the one used longest ago is on probation again.
  policy.wrote(keyed(9), 1);
  policy.wrote(keyed(10), 1);
  const [first, second] = policy.victims();
  expect([keyed(8), keyed(9)]).toContain(first);
  expect([keyed(8), keyed(9)]).toContain(second);
});

test("W-TinyLFU hits more often than LRU where few keys are used much and many seldom", () => {
  const zipf = zipfOver(50_000, 0.9, pseudoRandom(11));
  const itemsMax = 1_000;
  const tiny = new Simulated(new WTinyLfu({ weightMax: itemsMax, keys: itemsMax, seed }), itemsMax);
  const lru = new Simulated(new LeastRecentlyUsed(false), itemsMax);
  for (let use = 0; use < 200_000; use += 1) {
    const key = keyed(zipf());
    tiny.use(key);
    lru.use(key);
  }
  expect(tiny.hits / tiny.reads).toBeGreaterThan(1.15 * (lru.hits / lru.reads));
});

/** Numbers from 0, the higher the rarer. */
function zipfOver(count: number, exponent: number, random: () => number): () => number {
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank += 1) {
    sum += 1 / rank ** exponent;
    sums.push(sum);
  }
  return () => {
    const at = random() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
