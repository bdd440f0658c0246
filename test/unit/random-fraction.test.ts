// Fractions made of random bytes: evenly spread, and never 1.

import { expect, test } from "vitest";
import { fractionOf } from "../../src/base/ids.js";

const of = (...bytes: readonly number[]): number =>
  fractionOf({ fill: (into) => into.set(bytes) })();

test("a fraction is from 0 to just below 1", () => {
  expect(of(0, 0, 0, 0, 0, 0)).toBe(0);
  expect(of(0x80, 0, 0, 0, 0, 0)).toBe(0.5);
  expect(of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)).toBe(1 - 2 ** -48);
});
