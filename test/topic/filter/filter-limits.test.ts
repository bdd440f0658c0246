// How large a filter may be (topics, section 3.5), on both sides of each bound. What passes one says the bound and by how much.

import { expect, test } from "vitest";
import { filterLimits } from "../../../src/topic/filter/filter-limits.js";
import { parseFilterPolicy } from "../../../src/topic/filter/parse-policy.js";
import { problemsOf, textOf, wideLimits } from "../../support/filters.js";

const list = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);
const keys = (count: number) =>
  Object.fromEntries(list(count).map((index) => [`k${index}`, ["x"]]));

const isTaken = (policy: unknown, limits = filterLimits): boolean =>
  parseFilterPolicy(textOf(policy), "body", limits).kind === "policy";

test("five keys pass and six do not, and the sixth is named", () => {
  expect(isTaken(keys(5))).toBe(true);
  expect(problemsOf(keys(6), "body")).toMatchObject([
    { reason: "FILTER_TOO_MANY_KEYS", path: "k5", bound: { limit: 5, actual: 6 } },
  ]);
  expect(problemsOf(keys(9), "body")).toMatchObject([{ bound: { limit: 5, actual: 9 } }]);
});

test("leaf paths are keys, each counted once", () => {
  expect(isTaken({ a: { b: [1], c: [1] }, d: { e: { f: [1] } } })).toBe(true);
  expect(isTaken({ a: { b: [1], c: [1], d: [1], e: [1] }, "a.f": [1] })).toBe(true);
  expect(isTaken({ a: { b: [1], c: [1], d: [1], e: [1] }, f: [1], g: [1] })).toBe(false);
  expect(isTaken({ $or: [keys(5), { k0: ["y"], k1: ["y"] }] })).toBe(true);
  expect(isTaken({ $or: [keys(5), { other: ["y"] }] })).toBe(false);
});

test("exactly 150 combinations pass", () => {
  expect(isTaken({ a: list(150) })).toBe(true);
  expect(problemsOf({ a: list(151) }, "body")).toMatchObject([
    {
      reason: "FILTER_TOO_COMPLEX",
      path: "",
      line: 1,
      column: 1,
      bound: { limit: 150, actual: 151 },
    },
  ]);
  expect(isTaken({ a: list(10), b: list(15) })).toBe(true);
  expect(problemsOf({ a: list(19), b: list(8) }, "body")).toMatchObject([
    { bound: { actual: 152 } },
  ]);
});

const combinations: readonly (readonly [policy: unknown, actual: number])[] = [
  [{ a: { b: { c: list(4) } }, d: { e: list(3) } }, 72],
  [{ a: list(6), b: list(6), c: list(6) }, 216],
  [{ a: { b: list(5) } }, 10],
  // A dot is no level.
  [{ "a.b": list(5) }, 5],
  // Alternatives are summed, and multiplied with what stands beside them.
  [{ $or: [{ a: list(3) }, { b: list(4) }] }, 7],
  [{ s: list(2), $or: [{ a: list(3) }, { b: list(4), c: list(2) }] }, 22],
  [{ s: list(2), d: { $or: [{ a: list(3) }, { b: list(4) }] } }, 28],
  [{ $or: [{ $or: [{ a: list(2) }, { b: list(3) }] }, { c: list(4) }] }, 9],
  // A list to exclude is one condition.
  [{ a: [{ "anything-but": list(50) }, "x"] }, 2],
  [{ a: list(100), b: list(100), c: list(100), d: list(100), e: list(100) }, 1e10],
];

test.each(combinations)("%j has %i combinations", (policy, actual) => {
  const limit = actual - 1;
  expect(isTaken(policy, { ...wideLimits, combinationsMax: actual })).toBe(true);
  expect(problemsOf(policy, "body", { ...wideLimits, combinationsMax: limit })).toMatchObject([
    { reason: "FILTER_TOO_COMPLEX", bound: { limit, actual } },
  ]);
});

test("combinations beyond all numbers are still a number", () => {
  const policy = Object.fromEntries(list(400).map((index) => [`k${index}`, list(10)]));
  const actual = Number.MAX_SAFE_INTEGER;
  expect(problemsOf(policy, "body", { ...wideLimits, keysMax: 15 })).toMatchObject([
    { reason: "FILTER_TOO_COMPLEX", bound: { actual } },
    { reason: "FILTER_TOO_MANY_KEYS" },
  ]);
});

test("three stars in a pattern pass and four do not", () => {
  expect(isTaken({ a: [{ wildcard: "*a*b*" }] })).toBe(true);
  expect(isTaken({ a: [{ wildcard: "*a*b*\\*" }] })).toBe(true);
  expect(problemsOf({ a: ["x", { wildcard: "*a*b*c*" }] }, "body")).toMatchObject([
    { reason: "FILTER_TOO_COMPLEX", path: "a[1].wildcard", bound: { limit: 3, actual: 4 } },
  ]);
  expect(
    problemsOf({ a: [{ "anything-but": { wildcard: ["x", "*a*b*c*"] } }] }, "body"),
  ).toMatchObject([{ path: "a[0].anything-but.wildcard[1]" }]);
});

const wildcards = (count: number, wildcard: string) => list(count).map(() => ({ wildcard }));

const points: readonly (readonly [policy: unknown, actual: number])[] = [
  [{ a: wildcards(10, "x*") }, 100],
  [{ a: wildcards(11, "x*") }, 121],
  [{ a: wildcards(4, "*x*") }, 96],
  [{ a: wildcards(3, "*x*y*") }, 81],
  [{ a: wildcards(7, "x*"), b: wildcards(7, "x*") }, 98],
  [{ a: [...wildcards(2, "x*"), { wildcard: "*y*" }] }, 24],
  [{ a: [{ "anything-but": { wildcard: ["x*", "y*"] } }, { wildcard: "z*" }] }, 9],
];

test.each(points)("%j has %i points for wildcards", (policy, actual) => {
  const limit = actual - 1;
  expect(isTaken(policy)).toBe(actual <= 100);
  expect(isTaken(policy, { ...wideLimits, wildcardPointsMax: actual })).toBe(true);
  expect(problemsOf(policy, "body", { ...wideLimits, wildcardPointsMax: limit })).toMatchObject([
    { reason: "FILTER_TOO_COMPLEX", bound: { limit, actual } },
  ]);
});

test("256 KiB of UTF-8 pass, one byte more is not even read", () => {
  const policyOf = (bytes: number) => `{"a":["${"é".repeat((bytes - 10) / 2)}"]}`;
  expect(Buffer.byteLength(policyOf(262_144))).toBe(262_144);
  expect(isTaken(policyOf(262_144))).toBe(true);
  expect(problemsOf(`${policyOf(262_144)} `, "body")).toMatchObject([
    { reason: "FILTER_TOO_COMPLEX", path: "", bound: { limit: 262_144, actual: 262_145 } },
  ]);
  expect(problemsOf("x".repeat(300_000), "body")).toHaveLength(1);
});

test("what is too large is told together with what is wrong", () => {
  const problems = problemsOf({ ...keys(6), k3: "x", k6: list(151), k7: [] }, "body");
  expect(problems.map(({ reason, path }) => [reason, path])).toEqual([
    ["FILTER_TOO_COMPLEX", ""],
    ["FILTER_INVALID", "k3"],
    ["FILTER_TOO_MANY_KEYS", "k6"],
    ["FILTER_INVALID", "k7"],
  ]);
});

test("no setting allows more keys than arrays can be judged for", () => {
  expect(isTaken(keys(15), { ...wideLimits, keysMax: 100 })).toBe(true);
  expect(problemsOf(keys(16), "body", { ...wideLimits, keysMax: 100 })).toMatchObject([
    { bound: { limit: 15, actual: 16 } },
  ]);
});
