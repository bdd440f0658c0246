// Numbers in values: which texts are numbers, and what adding to them comes to.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addWhole,
  decimalText,
  int64,
  parseDecimal,
  parseWhole,
} from "../../src/cache/number-text.js";

const whole = (text: string) => parseWhole(Buffer.from(text));
const decimal = (text: string) => parseDecimal(Buffer.from(text));

describe("whole numbers", () => {
  test.each(["0", "7", "-7", "10", "9223372036854775807", "-9223372036854775808"])(
    "%s is one",
    (text) => {
      expect(whole(text)).toBe(BigInt(text));
    },
  );

  test.each([
    ["", "nothing"],
    [" 11", "a space in front"],
    ["11 ", "a space behind"],
    ["007", "zeros in front"],
    ["+1", "a plus"],
    ["-0", "a zero with a sign"],
    ["1e3", "an exponent"],
    ["1.0", "a point"],
    ["0x10", "another base"],
    ["1_000", "a separator"],
    ["9223372036854775808", "one too much"],
    ["-9223372036854775809", "one too little"],
    ["99999999999999999999", "more than 64 bits"],
    ["1\n", "a line's end"],
    ["١", "digits of another script"],
  ])("%j is none: %s", (text) => {
    expect(whole(text)).toBeUndefined();
  });

  test("every one of 64 bits is read as it is written", () => {
    fc.assert(
      fc.property(fc.bigInt(int64), (value) => {
        expect(whole(value.toString())).toBe(value);
      }),
    );
  });
});

describe("adding whole numbers", () => {
  test("C20 past the greatest: an error, or it stays, or it goes on from the least", () => {
    expect(addWhole(int64.max, 1n, int64, "error")).toBeUndefined();
    expect(addWhole(int64.max, 1n, int64, "saturate")).toBe(int64.max);
    expect(addWhole(int64.max, 1n, int64, "wrap")).toBe(int64.min);
    expect(addWhole(int64.min, -1n, int64, "wrap")).toBe(int64.max);
    expect(addWhole(0n, int64.min, int64, "error")).toBe(int64.min);
  });

  test("bounds of one's own hold as those of 64 bits do", () => {
    const bounds = { min: 0n, max: 9n };
    expect(addWhole(9n, 1n, bounds, "wrap")).toBe(0n);
    expect(addWhole(0n, -1n, bounds, "wrap")).toBe(9n);
    expect(addWhole(3n, -25n, bounds, "wrap")).toBe(8n);
    expect(addWhole(3n, -25n, bounds, "saturate")).toBe(0n);
    expect(addWhole(3n, 25n, bounds, "saturate")).toBe(9n);
    expect(addWhole(3n, 6n, bounds, "error")).toBe(9n);
    expect(addWhole(3n, 7n, bounds, "error")).toBeUndefined();
  });

  test("what wraps is what 64 bits hold", () => {
    fc.assert(
      fc.property(fc.bigInt(int64), fc.bigInt(int64), (value, delta) => {
        expect(addWhole(value, delta, int64, "wrap")).toBe(BigInt.asIntN(64, value + delta));
      }),
    );
  });
});

describe("floating numbers", () => {
  test.each([
    ["0", 0],
    ["1.5", 1.5],
    ["-2.", -2],
    [".5", 0.5],
    ["1e3", 1_000],
    ["1E-2", 0.01],
    ["007", 7],
  ])("%s is %d", (text, value) => {
    expect(decimal(text)).toBe(value);
  });

  test.each([
    "",
    " 1",
    "1 ",
    "nan",
    "NaN",
    "Infinity",
    "-inf",
    "1e400",
    "0x1",
    "1,5",
    "e5",
    ".",
    "-",
  ])("%j is none", (text) => {
    expect(decimal(text)).toBeUndefined();
  });

  test("C24 the text is the shortest that reads as the same number, and zero has no sign", () => {
    expect(decimalText(1.1 + 2.2)).toBe("3.3000000000000003");
    expect(decimalText(-0)).toBe("0");
    expect(decimalText(1e21)).toBe("1e+21");
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(decimal(decimalText(value))).toBe(value === 0 ? 0 : value);
      }),
    );
  });
});
