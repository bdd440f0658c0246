// Ranges with their ends left out, counted from either end.

import { expect, test } from "vitest";
import { rangeOf } from "../../src/cache/byte-range.js";

test.each([
  [2, 6, "cdef"],
  [-3, undefined, "hij"],
  [5, 2, ""],
  [0, -20, ""],
  [20, 30, ""],
  [0, undefined, "abcdefghij"],
  [-20, 2, "ab"],
  [-2, -1, "i"],
  [9, 100, "j"],
  [10, undefined, ""],
])("C31 from %s to %s of a..j is %j", (start, end, expected) => {
  const text = "abcdefghij";
  const range = rangeOf(text.length, start, end);
  expect(text.slice(range.start, range.end)).toBe(expected);
  expect(range.end).toBeGreaterThanOrEqual(range.start);
});
