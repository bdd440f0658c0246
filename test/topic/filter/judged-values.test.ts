// Bodies made of a megabyte of values, of which filters look at so many: beyond that a body is as one that is no JSON.

import { expect, test } from "vitest";
import { valuesIn } from "../../../src/topic/filter/count-values.js";
import { judgedValuesMax } from "../../../src/topic/filter/filter-limits.js";
import { filterOf, withAttributes, withBody } from "../../support/filters.js";

const megabyte = 1_048_576;
/** Some hundred times what counting takes. What it prevents took a quarter to half a second on a machine with nothing else to do. */
const millisecondsMax = 200;

const repeated = (open: string, piece: string, close: string): string =>
  open + piece.repeat(Math.floor((megabyte - open.length - close.length) / piece.length)) + close;

const hostile: readonly (readonly [string, string])[] = [
  ["numbers", repeated('{"a":[', "1,", "1]}")],
  ["empty objects", repeated('{"a":[', "{},", "{}]}")],
  ["objects", repeated('{"a":[', '{"b":1,"c":2},', "{}]}")],
  ["names", `{${Array.from({ length: 95_000 }, (_, index) => `"k${index}":1`).join()}}`],
  ["arrays inside arrays", `{"a":${"[".repeat(megabyte / 2 - 4)}${"]".repeat(megabyte / 2 - 4)}}`],
  ["dots in a name", JSON.stringify({ [".".repeat(megabyte - 8)]: 1 })],
  ["escaped dots in a name", `{"${"\\u002e".repeat(megabyte / 6 - 8)}":1}`],
];

// A busy machine may miss a bound of real time once; what reads such a body always does.
test.each(hostile)(
  "a megabyte of %s is not read, and no filter on bodies takes it",
  { retry: 2 },
  (_, body) => {
    expect(body.length).toBeGreaterThan(megabyte * 0.9);
    const filter = filterOf({ a: [{ exists: false }, 1, 2] }, "body");
    const facts = withBody(body);
    const begin = performance.now();
    expect(filter.matches(facts)).toBe(false);
    expect(performance.now() - begin).toBeLessThan(millisecondsMax);
  },
);

/** An object with so many values, itself and its list among them. */
const bodyOf = (count: number): string =>
  JSON.stringify({ a: Array.from({ length: count - 2 }, () => 1) });

test("a body with as many values as filters look at is judged, one with one more is not", () => {
  const filter = filterOf({ a: [1] }, "body");
  expect(valuesIn(Buffer.from(bodyOf(judgedValuesMax)))).toBe(judgedValuesMax);
  expect(filter.matches(withBody(bodyOf(judgedValuesMax)))).toBe(true);
  expect(filter.matches(withBody(bodyOf(judgedValuesMax + 1)))).toBe(false);
});

test("brackets, commas and dots inside of texts are no values, whatever is escaped before them", () => {
  const text = `${'[{,.:"\\'.repeat(10_000)}"`;
  const body = JSON.stringify({ text, "a.b": [text, "\\"] });
  expect(valuesIn(Buffer.from(body))).toBe(6);
  expect(filterOf({ a: { b: [{ prefix: "[{" }] } }, "body").matches(withBody(body))).toBe(true);
});

test("the lists among the attributes of a message may have as many values together", () => {
  const policy = filterOf({ b: [1] }, "attributes");
  const list = (count: number) => ({
    type: "Number.Array",
    value: JSON.stringify(Array.from({ length: count }, () => 1)),
  });
  // Each list counts as one more.
  const half = judgedValuesMax / 2;
  expect(policy.matches(withAttributes({ a: list(half - 1), b: list(half - 1) }))).toBe(true);
  expect(policy.matches(withAttributes({ a: list(half - 1), b: list(half) }))).toBe(false);
});
