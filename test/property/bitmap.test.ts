// Bitmaps beside a plain list of booleans: whatever calls come in whatever order, the bits, the answers and the length are those
// that the list says.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type BitFieldOperation,
  type BitRange,
  bitCount,
  bitField,
  bitOperation,
  bitPosition,
  getBit,
  setBit,
} from "../../src/cache/bitmap.js";
import type { BitOperator, NumberPlace } from "../../src/cache/bits.js";
import type { Expiry } from "../../src/cache/expiry.js";
import { CacheRules, cacheKey } from "../support/cache-rules.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const keys = ["a", "b", "c"] as const;
type Key = (typeof keys)[number];
const expiry: Expiry = { kind: "default" };
/** Few enough that calls meet each other's bits, and not a whole number of bytes. */
const offsetMax = 150;

type Step =
  | { readonly kind: "set" | "get"; readonly key: Key; readonly at: number; readonly bit: boolean }
  | {
      readonly kind: "count" | "position";
      readonly key: Key;
      readonly range: BitRange;
      readonly bit: boolean;
    }
  | {
      readonly kind: "combine";
      readonly operator: BitOperator;
      readonly key: Key;
      readonly sources: readonly Key[];
    }
  | {
      readonly kind: "field";
      readonly key: Key;
      readonly operations: readonly BitFieldOperation[];
    };

const key = fc.constantFrom(...keys);
const range: fc.Arbitrary<BitRange> = fc.record({
  unit: fc.constantFrom("byte" as const, "bit" as const),
  start: fc.integer({ min: -200, max: 200 }),
  end: fc.option(fc.integer({ min: -200, max: 200 }), { nil: undefined }),
});
const place: fc.Arbitrary<NumberPlace> = fc.boolean().chain((isSigned) =>
  fc.record({
    offset: fc.integer({ min: 0, max: offsetMax }),
    width: fc.integer({ min: 1, max: isSigned ? 64 : 63 }),
    isSigned: fc.constant(isSigned),
  }),
);
const operand = fc.oneof(
  fc.bigInt({ min: -300n, max: 300n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const operation: fc.Arbitrary<BitFieldOperation> = fc.oneof(
  fc.record({ kind: fc.constant("get" as const), place }),
  fc.record({
    kind: fc.constantFrom("set" as const, "increment" as const),
    place,
    operand,
    onOverflow: fc.constantFrom("wrap" as const, "saturate" as const, "error" as const),
  }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("set" as const, "get" as const),
    key,
    at: fc.integer({ min: 0, max: offsetMax }),
    bit: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom("count" as const, "position" as const),
    key,
    range,
    bit: fc.boolean(),
  }),
  fc
    .tuple(fc.constantFrom<BitOperator>("and", "or", "xor", "not"), key)
    .chain(([operator, destination]) =>
      fc.record({
        kind: fc.constant("combine" as const),
        operator: fc.constant(operator),
        key: fc.constant(destination),
        sources: fc.array(key, { minLength: 1, maxLength: operator === "not" ? 1 : 3 }),
      }),
    ),
  fc.record({
    kind: fc.constant("field" as const),
    key,
    operations: fc.array(operation, { maxLength: 6 }),
  }),
);

/** Bits as a list, always of whole bytes. */
class Model {
  readonly bits = new Map<Key, boolean[]>(keys.map((name) => [name, []]));

  of(name: Key): boolean[] {
    return this.bits.get(name) ?? [];
  }

  grow(name: Key, bits: number): boolean[] {
    const list = this.of(name);
    while (list.length < Math.ceil(bits / 8) * 8) list.push(false);
    return list;
  }

  /** The places of a range, one by one. */
  placesOf(name: Key, { unit, start, end }: BitRange): number[] {
    const list = this.of(name);
    const unitBits = unit === "byte" ? 8 : 1;
    const length = list.length / unitBits;
    const from = start < 0 ? length + start : start;
    const to = end === undefined ? length : end < 0 ? length + end : end;
    return [...list.keys()].filter((at) => {
      const unitPlace = Math.floor(at / unitBits);
      return unitPlace >= from && unitPlace < to;
    });
  }

  position(name: Key, searched: BitRange, bit: boolean): number | undefined {
    const list = this.of(name);
    const found = this.placesOf(name, searched).find((at) => list[at] === bit);
    if (found !== undefined || bit || searched.end !== undefined) return found;
    return Math.max(list.length, searched.start * (searched.unit === "byte" ? 8 : 1));
  }

  combine(operator: BitOperator, destination: Key, sources: readonly Key[]): void {
    const lists = sources.map((name) => this.of(name));
    const length = Math.max(...lists.map((list) => list.length));
    const result = Array.from({ length }, (_, at) => {
      const ones = lists.filter((list) => list[at] === true).length;
      if (operator === "and") return ones === lists.length;
      if (operator === "or") return ones > 0;
      if (operator === "xor") return ones % 2 === 1;
      return ones === 0;
    });
    this.bits.set(destination, result);
  }

  #number(name: Key, { offset, width, isSigned }: NumberPlace): bigint {
    const list = this.of(name);
    let value = 0n;
    for (let at = offset; at < offset + width; at += 1) value = value * 2n + (list[at] ? 1n : 0n);
    const isNegative = isSigned && list[offset] === true;
    return isNegative ? value - 2n ** BigInt(width) : value;
  }

  field(name: Key, operations: readonly BitFieldOperation[]): (bigint | undefined)[] {
    // What is written makes the list as long as all of them want it, if anything is.
    const writtenEnd = Math.max(
      0,
      ...operations.map(({ kind, place: at }) => (kind === "get" ? 0 : at.offset + at.width)),
    );
    return operations.map((one) => {
      const current = this.#number(name, one.place);
      if (one.kind === "get") return current;
      const wanted = one.kind === "set" ? one.operand : current + one.operand;
      const next = fitted(wanted, one.place, one.onOverflow);
      if (next === undefined) return undefined;
      const { offset, width } = one.place;
      const isLonger = offset + width > this.of(name).length;
      if (next !== current || isLonger) {
        const list = this.grow(name, writtenEnd);
        for (let bit = 0; bit < width; bit += 1) {
          list[offset + bit] = ((next >> BigInt(width - 1 - bit)) & 1n) === 1n;
        }
      }
      return one.kind === "set" ? current : next;
    });
  }
}

/** Counted up or down a whole round at a time, as slowly as one would on paper; undefined: it does not fit. */
function fitted(
  wanted: bigint,
  { width, isSigned }: NumberPlace,
  mode: "wrap" | "saturate" | "error",
): bigint | undefined {
  const size = 2n ** BigInt(width);
  const min = isSigned ? -(size / 2n) : 0n;
  const max = min + size - 1n;
  if (wanted >= min && wanted <= max) return wanted;
  if (mode === "error") return undefined;
  if (mode === "saturate") return wanted < min ? min : max;
  const rounds = (wanted - min) / size - (wanted < min ? 1n : 0n);
  const next = wanted - rounds * size;
  return next > max ? next - size : next;
}

async function takeStep(cache: CacheRules, model: Model, taken: Step): Promise<void> {
  const named = cacheKey(taken.key);
  const list = model.of(taken.key);
  switch (taken.kind) {
    case "set": {
      const { at: offset, bit } = taken;
      const { previous } = await cache.done((open) =>
        setBit(open, { key: named, offset, bit, expiry }),
      );
      expect(previous).toBe(list[offset] ?? false);
      model.grow(taken.key, offset + 1)[offset] = bit;
      return;
    }
    case "get": {
      const { result } = await cache.done((open) => getBit(open, { key: named, offset: taken.at }));
      expect(result).toBe(list[taken.at] ?? false);
      return;
    }
    case "count": {
      const asked = { key: named, range: taken.range };
      const { result } = await cache.done((open) => bitCount(open, asked));
      expect(result).toBe(
        model.placesOf(taken.key, taken.range).filter((at) => list[at] === true).length,
      );
      return;
    }
    case "position": {
      const asked = { key: named, range: taken.range, bit: taken.bit };
      const { result } = await cache.done((open) => bitPosition(open, asked));
      expect(result).toBe(model.position(taken.key, taken.range, taken.bit));
      return;
    }
    case "combine": {
      const sources = taken.sources.map(cacheKey);
      const { operator } = taken;
      const { length } = await cache.done((open) =>
        bitOperation(open, { operator, destination: named, sources, expiry }),
      );
      model.combine(operator, taken.key, taken.sources);
      expect(length * 8).toBe(model.of(taken.key).length);
      return;
    }
    case "field": {
      const { operations } = taken;
      const { results } = await cache.done((open) =>
        bitField(open, { key: named, operations, expiry }),
      );
      expect(results).toEqual(model.field(taken.key, operations));
      return;
    }
  }
}

/** Every bit, and one more than there are. */
async function compare(cache: CacheRules, model: Model): Promise<void> {
  for (const name of keys) {
    const list = model.of(name);
    const asked: BitFieldOperation[] = [...list, false].map((_, offset) => ({
      kind: "get",
      place: { offset, width: 1, isSigned: false },
    }));
    const { results } = await cache.done((open) =>
      bitField(open, { key: cacheKey(name), operations: asked, expiry }),
    );
    expect(results.map((bit) => bit === 1n)).toEqual([...list, false]);
  }
}

test(
  "bitmaps do what lists of booleans would do",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const cache = await CacheRules.start();
        const model = new Model();
        for (const taken of steps) await takeStep(cache, model, taken);
        await compare(cache, model);
        await cache.check();
        await cache.stop();
      }),
      runs(120),
    );
  },
  propertyTimeoutMs,
);
