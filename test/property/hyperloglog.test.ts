// Sketches beside exact sets: how far a count is from the truth, and what adding, merging and writing a sketch leave as it was.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addElement,
  decodeSketch,
  encodeSketch,
  estimate,
  mergeInto,
  noRegisters,
  placeOfHash,
  type Registers,
} from "../../src/cache/sketch.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const sketchOf = (elements: Iterable<string>): Registers => {
  const registers = noRegisters();
  for (const element of elements) addElement(registers, Buffer.from(element));
  return registers;
};

/** At once: `toEqual` looks at 16,384 registers one by one. */
const isSame = (left: Registers, right: Registers): boolean => Buffer.compare(left, right) === 0;

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);

/** 1.04 / sqrt(16,384). */
const standardError = 0.008125;

// What the elements are is fixed, and with them every estimate: nothing here comes and goes with the run.
test.each([10, 100, 1_000, 3_000, 10_000, 30_000, 41_000, 100_000])(
  "of %s elements counts are off by about 0.81 percent, to either side",
  (count) => {
    const errors = Array.from({ length: 20 }, (_, seed) => {
      const counted = estimate(sketchOf(numbered(`seed ${seed} element `, count)));
      return (counted - count) / count;
    });
    const meanSquare = errors.reduce((sum, error) => sum + error * error, 0) / errors.length;
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    // Of 20 tries, the root of the mean square is within 1.6 times the standard error but once in ten thousand times.
    expect(Math.sqrt(meanSquare)).toBeLessThan(1.6 * standardError);
    expect(Math.abs(mean)).toBeLessThan((4 * standardError) / Math.sqrt(errors.length));
    for (const error of errors) expect(Math.abs(error)).toBeLessThan(4 * standardError);
  },
  propertyTimeoutMs,
);

test("a few elements are counted exactly, whatever they are like", () => {
  for (const count of [0, 1, 2, 3, 5, 8]) {
    expect(estimate(sketchOf(numbered("", count)))).toBe(count);
    expect(estimate(sketchOf(numbered("x".repeat(1_000), count)))).toBe(count);
  }
});

test("a hash has the register of its lowest 14 bits, and the rank of the first 1 behind them", () => {
  const bits = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  // Few hashes have long runs of zeros by chance.
  const hash = fc.oneof(
    bits,
    fc
      .tuple(bits, fc.bigInt({ min: 0n, max: 64n }))
      .map(([value, shift]) =>
        BigInt.asUintN(64, ((value << shift) & ~0x3fffn) | (value & 0x3fffn)),
      ),
  );
  fc.assert(
    fc.property(hash, (value) => {
      const text = value.toString(2).padStart(64, "0");
      const run = text.slice(0, 50).lastIndexOf("1");
      expect(
        placeOfHash({ high: Number(value >> 32n), low: Number(value & 0xffff_ffffn) }),
      ).toEqual({ index: Number.parseInt(text.slice(50), 2), rank: 50 - run });
    }),
    runs(2_000),
  );
});

const elements = fc.array(fc.string({ maxLength: 40 }), { maxLength: 200 });

test("the union of sketches is the sketch of the union, in any order and however often", () => {
  fc.assert(
    fc.property(elements, elements, (left, right) => {
      const whole = sketchOf([...left, ...right]);
      const united = sketchOf(left);
      const isChanged = mergeInto(united, sketchOf(right));
      expect(isSame(united, whole)).toBe(true);
      expect(isChanged).toBe(!isSame(united, sketchOf(left)));
      const reversed = sketchOf(right);
      mergeInto(reversed, sketchOf(left));
      expect(isSame(reversed, whole)).toBe(true);
      expect(mergeInto(united, whole)).toBe(false);
    }),
    runs(100),
  );
});

test("an element says that it changed something exactly if it did", () => {
  fc.assert(
    fc.property(elements, (all) => {
      const registers = noRegisters();
      for (const element of all) {
        const before = Buffer.from(registers);
        const isChanged = addElement(registers, Buffer.from(element));
        expect(isChanged).toBe(!before.equals(Buffer.from(registers)));
        expect(addElement(registers, Buffer.from(element))).toBe(false);
      }
    }),
    runs(30),
  );
});

/** Some registers with any ranks, others 0; around the number at which the form changes. */
const registers = fc
  .tuple(
    fc.constantFrom(0, 1, 999, 1_000, 1_001, 5_000, 16_384),
    fc.integer({ min: 1, max: 51 }),
    fc.nat(16_383),
  )
  .map(([used, rank, first]) => {
    const made = noRegisters();
    for (let count = 0; count < used; count += 1) {
      made[(first + count * 5) % made.length] = 1 + ((rank + count) % 51);
    }
    return made;
  });

test("what is written is read again, and short while few registers are used", () => {
  fc.assert(
    fc.property(registers, (made) => {
      const bytes = encodeSketch(made);
      expect(isSame(decodeSketch(bytes) ?? noRegisters(), made)).toBe(true);
      const used = made.filter((rank) => rank > 0).length;
      expect(bytes.length).toBe(5 + (used <= 1_000 ? used * 3 : 12_288));
    }),
    runs(100),
  );
});

test("bytes are a sketch only as a sketch would be written", () => {
  fc.assert(
    fc.property(registers, fc.nat(), fc.integer({ min: 1, max: 255 }), (made, place, change) => {
      const bytes = encodeSketch(made);
      const spoilt = Buffer.from(bytes);
      const at = place % spoilt.length;
      spoilt[at] = (spoilt[at] ?? 0) ^ change;
      const read = decodeSketch(spoilt);
      // What is read all the same is another sketch, and one that is in order.
      if (read === undefined) return;
      expect(Math.max(...read)).toBeLessThanOrEqual(51);
      expect(isSame(read, made)).toBe(false);
      expect(decodeSketch(bytes.subarray(0, bytes.length - 1))).toBeUndefined();
    }),
    runs(200),
  );
  // A register twice, and one before another that is lower.
  for (const entries of ["000041000041", "000081000041"]) {
    const head = encodeSketch(noRegisters());
    expect(decodeSketch(Buffer.concat([head, Buffer.from(entries, "hex")]))).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.string(), (bytes, text) => {
      expect(decodeSketch(Buffer.from(bytes))).toBeUndefined();
      expect(decodeSketch(Buffer.from(text))).toBeUndefined();
    }),
    runs(200),
  );
});
