// Filters and messages made to cost time: whoever may subscribe or publish must not be able to hold up everybody. Each takes some
// milliseconds, and would take minutes, or the stack, if anything were tried again and again.

import { expect, test } from "vitest";
import {
  filterOf,
  problemsOf,
  wideLimits,
  withAttributes,
  withBody,
} from "../../support/filters.js";

const megabyte = 1_048_576;
/** A hundred times what they take. */
const millisecondsMax = 5_000;

function timed<Result>(run: () => Result): Result {
  const begin = performance.now();
  const result = run();
  expect(performance.now() - begin).toBeLessThan(millisecondsMax);
  return result;
}

const takesBody = (policy: unknown, body: string): boolean =>
  timed(() => filterOf(policy, "body", wideLimits).matches(withBody(body)));

test("a pattern of many stars does not go back", () => {
  const wildcard = `${"*a".repeat(500)}*b`;
  expect(takesBody({ t: [{ wildcard }] }, JSON.stringify({ t: "a".repeat(megabyte) }))).toBe(false);
  expect(takesBody({ t: [{ wildcard }] }, JSON.stringify({ t: `${"a".repeat(500)}b` }))).toBe(true);
});

test("long pieces between stars are not compared anew at each place", () => {
  const text = JSON.stringify({ t: "a".repeat(megabyte) });
  for (const piece of [
    `${"a".repeat(100_000)}b`,
    `b${"a".repeat(100_000)}`,
    `${"ab".repeat(50_000)}c`,
    `${"a".repeat(50_000)}b${"a".repeat(50_000)}`,
  ]) {
    expect(takesBody({ t: [{ wildcard: `*${piece}*` }] }, text)).toBe(false);
  }
  const almost = JSON.stringify({ t: `${"a".repeat(500_000)}b${"a".repeat(1_000)}c` });
  expect(takesBody({ t: [{ wildcard: `*${"a".repeat(1_000)}c*` }] }, almost)).toBe(true);
  expect(takesBody({ t: [{ wildcard: `*${"a".repeat(1_001)}c*` }] }, almost)).toBe(false);
});

test("lower case is made once for a text, however many conditions ask for it", () => {
  const excluded = Array.from({ length: 20_000 }, (_, index) => `x${index}`);
  const policy = { t: [{ "anything-but": { "equals-ignore-case": excluded } }] };
  expect(takesBody(policy, JSON.stringify({ t: "A".repeat(megabyte) }))).toBe(true);
});

test("a body may be nested as deep as filters look", () => {
  const depth = 19_000;
  const arrays = `{"a":${"[".repeat(depth)}1${"]".repeat(depth)}}`;
  expect(takesBody({ a: [1] }, arrays)).toBe(true);
  expect(takesBody({ a: [2] }, arrays)).toBe(false);
  const objects = `${'{"a":1,"b":'.repeat(depth / 2)}1${"}".repeat(depth / 2)}`;
  expect(takesBody({ a: [1], b: { b: { a: [1] } } }, objects)).toBe(true);
  const dots = JSON.stringify({ [".".repeat(19_000)]: 1 });
  expect(takesBody({ "..": [{ exists: false }] }, dots)).toBe(true);
});

test("keys are judged together in arrays inside arrays inside arrays", () => {
  const depth = 3_900;
  const body = `{"a":${'[{"x":1},{"y":1},'.repeat(depth)}1${"]".repeat(depth)}}`;
  expect(takesBody({ a: { x: [1], y: [1] } }, body)).toBe(false);
  // The outermost `x` puts all else out of sight.
  expect(takesBody({ a: { x: [1], y: [{ exists: false }] } }, body)).toBe(true);
});

test("thousands of elements in many arrays are not tried in every combination", () => {
  const list = (key: string) =>
    Array.from({ length: 2_000 }, (_, index) => ({ [key]: 1, other: index }));
  const body = JSON.stringify({
    a: list("p"),
    b: list("q"),
    c: list("r"),
    d: [{ s: 1 }, { t: 1 }],
  });
  const others = { a: { p: [1] }, b: { q: [1] }, c: { r: [1] } };
  expect(takesBody({ ...others, d: { s: [1], t: [1] } }, body)).toBe(false);
  expect(takesBody({ ...others, d: { s: [1], t: [{ exists: false }] } }, body)).toBe(true);
  expect(takesBody({ ...others, d: { s: [1], u: [1] } }, body)).toBe(false);
});

/** The path through a body, each step written as a name of its own or joined to the one before by a dot. */
function addSpelling(body: Record<string, unknown>, steps: string, spelling: number): void {
  const names: string[] = [];
  for (const [index, step] of [...steps].entries()) {
    const before = names.at(-1);
    if (before === undefined || (spelling >> index) & 1) names.push(step);
    else names[names.length - 1] = `${before}.${step}`;
  }
  let place = body;
  for (const name of names.slice(0, -1)) {
    place[name] ??= {};
    place = place[name] as Record<string, unknown>;
  }
  const last = names.at(-1) ?? "";
  place[last] = [{ p: 1, q: 1 }, { r: 1, s: 1, t: 1 }, { q: 1, r: 1 }, { p: 1, s: 1 }, { t: 1 }];
}

test("one path in thousands of spellings, each another array, is judged in time", () => {
  const steps = "abcdefghij";
  const body: Record<string, unknown> = {};
  for (let spelling = 0; spelling < 1 << steps.length; spelling += 2) {
    addSpelling(body, steps, spelling);
  }
  const text = JSON.stringify(body);
  const path = [...steps].join(".");
  const keys = ["p", "q", "r", "s"].map((key) => [`${path}.${key}`, [1]]);
  const absent = { [`${path}.t`]: [{ exists: false }] };
  // Any array could give any of the keys; none puts every `t` out of sight.
  expect(takesBody({ ...Object.fromEntries(keys), ...absent }, text)).toBe(false);
  expect(takesBody(Object.fromEntries(keys), text)).toBe(true);
});

test("a filter of many alternatives and keys is read in time", () => {
  const keys = Array.from({ length: 9_000 }, (_, index) => `"k${index}":[1]`).join();
  const branches = Array.from({ length: 9_000 }, () => '{"a":[1]}').join();
  expect(timed(() => problemsOf(`{${keys},"$or":[${branches}]}`, "body")).length).toBeGreaterThan(
    0,
  );
  const long = "k".repeat(130_000);
  const below = Array.from({ length: 12_000 }, (_, index) => `"${index}":[1]`).join();
  expect(timed(() => problemsOf(`{"${long}":{${below}}}`, "body")).length).toBeGreaterThan(0);
  const bad = `{${Array.from({ length: 20_000 }, (_, index) => `"${index}":0`).join()}}`;
  expect(timed(() => problemsOf(bad, "body"))).toHaveLength(100);
});

test("an attribute's list is parsed, and nothing inside it", () => {
  const depth = 19_000;
  const value = `${"[".repeat(depth)}1${"]".repeat(depth)}`;
  const policy = filterOf({ a: [{ exists: false }] }, "attributes");
  expect(timed(() => policy.matches(withAttributes({ a: { type: "String.Array", value } })))).toBe(
    true,
  );
});
