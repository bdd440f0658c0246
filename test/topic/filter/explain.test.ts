// Why a filter takes a message or not: every key says what it found and what it wanted.

import { expect, test } from "vitest";
import { explainFilter } from "../../../src/topic/filter/explain.js";
import type { MessageFacts } from "../../../src/topic/filter/message-facts.js";
import type { FilterScope } from "../../../src/topic/limits.js";
import { filterOf, wideLimits, withAttributes, withBody } from "../../support/filters.js";

const explain = (policy: unknown, scope: FilterScope, facts: MessageFacts) =>
  explainFilter(filterOf(policy, scope, wideLimits), facts);

test("each key says what it found, and which condition that fulfils or none", () => {
  const policy = {
    store: ["south", { prefix: "no" }],
    price: [{ numeric: [">", 0, "<=", 100] }],
    note: [{ exists: false }],
    ref: ["a", 5],
  };
  const facts = withAttributes({ store: "north", price: 111, note: "n" });
  expect(explain(policy, "attributes", facts)).toEqual({
    isMatched: false,
    keys: [
      {
        path: "store",
        isMatched: true,
        values: ['"north"'],
        explanation: '"north" fulfils {"prefix":"no"}',
      },
      {
        path: "price",
        isMatched: false,
        values: ["111"],
        explanation: 'no value fulfils {"numeric":[">",0,"<=",100]}',
      },
      {
        path: "note",
        isMatched: false,
        values: ['"n"'],
        explanation: 'present, and {"exists":false} wants it absent',
      },
      {
        path: "ref",
        isMatched: false,
        values: [],
        explanation: 'absent, and only {"exists":false} takes that',
      },
    ],
  });
});

test("conditions are named as they are written", () => {
  const policy = {
    k: [
      "x",
      1.5,
      null,
      { suffix: { "equals-ignore-case": "Y" } },
      { "equals-ignore-case": "Y" },
      { wildcard: "a\\*b*" },
      { cidr: "10.1.2.3/8" },
      { cidr: "2001:db8::1/32" },
      { numeric: ["<", 2] },
      { exists: true },
    ],
    l: [
      { "anything-but": ["b", "a"] },
      { "anything-but": { prefix: "p" } },
      { numeric: [">=", -1] },
    ],
  };
  const [k, l] = explain(policy, "attributes", withAttributes({})).keys;
  expect([k?.isMatched, l?.isMatched]).toEqual([false, false]);
  const missing = explain(
    { ...policy, k: policy.k.slice(0, 9), l: [...policy.l.slice(0, 0), ...policy.l.slice(2)] },
    "attributes",
    withAttributes({ k: [true], l: ["t"] }),
  ).keys.map(({ explanation }) => explanation);
  expect(missing).toEqual([
    'no value fulfils "x" or 1.5 or null or {"suffix":{"equals-ignore-case":"y"}} or {"equals-ignore-case":"y"} or {"wildcard":"a\\\\*b*"} or {"cidr":"10.0.0.0/8"} or {"cidr":"2001:db8:0:0:0:0:0:0/32"} or {"numeric":["<",2]}',
    'no value fulfils {"numeric":[">=",-1]}',
  ]);
  const excluded = explain({ l: policy.l.slice(0, 1) }, "attributes", withAttributes({ l: "a" }));
  expect(excluded.keys[0]?.explanation).toBe('no value fulfils {"anything-but":["a","b"]}');
  const inner = explain({ l: policy.l.slice(1, 2) }, "attributes", withAttributes({ l: "pa" }));
  expect(inner.keys[0]?.explanation).toBe('no value fulfils {"anything-but":{"prefix":["p"]}}');
});

test("a body that is no object, and an attribute that cannot be read, are told", () => {
  expect(explain({ a: [1], b: [{ exists: false }] }, "body", withBody("text"))).toEqual({
    isMatched: false,
    keys: ["a", "b"].map((path) => ({
      path,
      isMatched: false,
      values: [],
      explanation: "the message is not a JSON object, so it has no keys",
    })),
  });
  const facts = withAttributes({ a: { type: "String.Array", value: "[x" }, b: "y" });
  expect(explain({ a: [{ exists: false }], b: ["y"] }, "attributes", facts)).toMatchObject({
    isMatched: false,
    keys: [
      { isMatched: false, explanation: "the attribute is not what its type says" },
      { isMatched: true },
    ],
  });
  expect(explain({}, "body", withBody("text"))).toEqual({ isMatched: true, keys: [] });
});

test("keys that hold each by itself, but not in one array element, say so", () => {
  const body = { people: [{ first: "Anna" }, { first: "Bob", last: "Jones" }] };
  const explained = explain(
    { people: { first: ["Anna"], last: ["Jones"] } },
    "body",
    withBody(body),
  );
  expect(explained).toEqual({
    isMatched: false,
    keys: [
      {
        path: "people.first",
        isMatched: true,
        values: ['"Anna"', '"Bob"'],
        explanation:
          '"Anna" fulfils "Anna", but not in the same array element as what the other keys need',
      },
      {
        path: "people.last",
        isMatched: true,
        values: ['"Jones"'],
        explanation:
          '"Jones" fulfils "Jones", but not in the same array element as what the other keys need',
      },
    ],
  });
});

test("what is absent only beside what the other keys choose is matched", () => {
  const body = { items: [{ sku: "A", r: 1 }, { sku: "B" }] };
  const policy = (sku: string) => ({ items: { sku: [sku], r: [{ exists: false }] } });
  expect(explain(policy("B"), "body", withBody(body))).toMatchObject({
    isMatched: true,
    keys: [
      { path: "items.sku", isMatched: true, explanation: '"B" fulfils "B"' },
      {
        path: "items.r",
        isMatched: true,
        values: ["1"],
        explanation: /absent from the array elements/,
      },
    ].map((key) => ({ ...key, explanation: expect.stringMatching(key.explanation) as unknown })),
  });
  expect(explain(policy("A"), "body", withBody(body))).toMatchObject({
    isMatched: false,
    keys: [{ isMatched: true }, { path: "items.r", isMatched: false }],
  });
});

test("all alternatives are told, after what they stand beside", () => {
  const policy = { $or: [{ a: [1] }, { b: [1] }, { a: [2] }], s: ["x"] };
  const { isMatched, keys } = explain(policy, "body", withBody({ a: 2, s: "x" }));
  expect(isMatched).toBe(true);
  expect(keys.map((key) => [key.path, key.isMatched])).toEqual([
    ["s", true],
    ["a", false],
    ["b", false],
    ["a", true],
  ]);
});

test("of large messages and filters only a part is repeated", () => {
  const values = Array.from({ length: 500 }, (_, index) => `${index}`.repeat(200));
  const { keys } = explain(
    { k: values.map((value) => `${value}!`) },
    "body",
    withBody({ k: values }),
  );
  expect(keys[0]?.values).toHaveLength(100);
  expect(keys[0]?.explanation.length).toBeLessThan(3_000);
  for (const value of keys[0]?.values ?? []) {
    expect(value.length).toBeLessThan(300);
    expect(() => JSON.parse(value) as unknown).not.toThrow();
  }
});
