// Filters on bodies, row by row: where the rule is written (topics, section 3), the filter, the body (a text is the body itself),
// and whether the message is taken. Each row is also put to the plain filter of test/support.

import { expect, test } from "vitest";
import { MessageFacts } from "../../../src/topic/filter/message-facts.js";
import { filterOf, textOf, withBody } from "../../support/filters.js";
import { plainlyTakesBody } from "../../support/plain-filter.js";

type Row = readonly [
  from: string,
  policy: Readonly<Record<string, unknown>>,
  body: unknown,
  verdict: "taken" | "not taken",
];

const annaAndJones = {
  people: [
    { first: "Anna", last: "Smith" },
    { first: "Bob", last: "Jones" },
  ],
};
const items = { items: [{ sku: "A", r: 1 }, { sku: "B" }] };
const teams = {
  teams: [
    {
      name: "red",
      people: [
        { first: "Anna", age: 1 },
        { first: "Bob", age: 2 },
      ],
    },
    { name: "blue", people: [{ first: "Carl", age: 1 }] },
  ],
};
const detail = {
  source: ["shop"],
  detail: { $or: [{ price: [{ numeric: [">", 9] }] }, { kind: ["gift"] }] },
};
const object = { object: { key: [{ prefix: "auto-" }, "x"], n: [{ exists: false }] } };

const rows: readonly Row[] = [
  // 3.1 shape
  ["3.1 no filter, any body", {}, "plain text", "taken"],
  ["3.1 nesting", { a: { b: ["x"] } }, { a: { b: "x" } }, "taken"],
  ["3.1 nesting", { a: { b: ["x"] } }, { a: { b: "y" } }, "not taken"],
  ["3.1 nesting", { a: { b: ["x"] } }, { b: "x" }, "not taken"],
  ["3.1 nesting, both keys", { a: { b: ["x"], c: [1] } }, { a: { b: "x", c: 1 } }, "taken"],
  ["3.1 nesting, both keys", { a: { b: ["x"], c: [1] } }, { a: { b: "x" } }, "not taken"],
  ["3.1 $or inside", detail, { source: "shop", detail: { price: 10 } }, "taken"],
  ["3.1 $or inside", detail, { source: "shop", detail: { price: 1, kind: "gift" } }, "taken"],
  ["3.1 $or inside", detail, { source: "shop", detail: { price: 1 } }, "not taken"],
  ["3.1 $or inside, sibling", detail, { detail: { price: 10 } }, "not taken"],
  ["3.1 $or inside, path", detail, { source: "shop", price: 10, kind: "gift" }, "not taken"],
  [
    "3.1 two $or",
    { $or: [{ a: [1] }, { b: [1] }], c: { $or: [{ d: [1] }, { e: [1] }] } },
    { b: 1, c: { d: 1 } },
    "taken",
  ],
  [
    "3.1 two $or",
    { $or: [{ a: [1] }, { b: [1] }], c: { $or: [{ d: [1] }, { e: [1] }] } },
    { b: 1, a: 1 },
    "not taken",
  ],
  [
    "3.1 $or, nested in a branch",
    { $or: [{ a: { b: [1] } }, { c: [1] }] },
    { a: { b: 1 } },
    "taken",
  ],

  // 3.2 values
  ["3.2 text", { a: ["x"] }, { a: "x" }, "taken"],
  ["3.2 number", { a: [5] }, '{"a":5.0}', "taken"],
  ["3.2 number, scientific", { a: [300] }, '{"a":3e2}', "taken"],
  ["3.2 number is no text", { a: [5] }, { a: "5" }, "not taken"],
  ["3.2 literals", { a: [true, null] }, { a: true }, "taken"],
  ["3.2 literals", { a: [true, null] }, { a: null }, "taken"],
  ["3.2 literals", { a: [true, null] }, { a: false }, "not taken"],
  ["3.2 a present null", { a: [null] }, {}, "not taken"],
  ["3.2 the text true", { a: [true] }, { a: "true" }, "not taken"],
  ["3.2 exists, an object is no leaf", { a: [{ exists: true }] }, { a: { b: 1 } }, "not taken"],
  ["3.2 exists, null", { a: [{ exists: true }] }, { a: null }, "taken"],
  ["3.2 absent, an object is no leaf", { a: [{ exists: false }] }, { a: { b: 1 } }, "taken"],
  ["3.2 absent, no keys", { a: [{ exists: false }] }, {}, "taken"],
  ["3.2 absent, nested", { a: { b: [{ exists: false }] } }, { a: { c: 1 } }, "taken"],
  ["3.2 absent, nested", { a: { b: [{ exists: false }] } }, { a: { b: null } }, "not taken"],
  ["8 prefix and absence", object, { object: { key: "auto-1" } }, "taken"],
  ["8 prefix and absence", object, { object: { key: "x" } }, "taken"],
  ["8 prefix and absence", object, { object: { key: "auto-1", n: 1 } }, "not taken"],
  ["8 prefix and absence", object, "plain text", "not taken"],

  // 3.3 what a body is
  ["3.3 not JSON", { a: [{ exists: false }] }, "plain text", "not taken"],
  ["3.3 broken JSON", { a: [{ exists: false }] }, '{"b":1', "not taken"],
  ["3.3 a list", { a: [{ exists: false }] }, "[]", "not taken"],
  ["3.3 a list of objects", { a: [1] }, '[{"a":1}]', "not taken"],
  ["3.3 a text", { a: [{ exists: false }] }, '"text"', "not taken"],
  ["3.3 null", { a: [{ exists: false }] }, "null", "not taken"],
  ["3.3 a number", { a: [{ exists: false }] }, "5", "not taken"],
  ["3.3 spaces around", { a: [1] }, ' \n{"a":1} ', "taken"],
  ["3.3 of duplicate keys the last", { a: [2] }, '{"a":1,"a":2}', "taken"],
  ["3.3 of duplicate keys the last", { a: [1] }, '{"a":1,"a":2}', "not taken"],
  [
    "3.3 names of Object",
    JSON.parse('{"__proto__":[1],"constructor":[2]}'),
    '{"__proto__":1,"constructor":2}',
    "taken",
  ],
  ["3.3 names of Object", { toString: [{ exists: false }] }, "{}", "taken"],

  // 3.3 arrays
  [
    "8 an array of texts",
    { headers: { "route-to": ["q1"] } },
    { headers: { "route-to": ["q1", "q2"] } },
    "taken",
  ],
  [
    "8 an array of texts",
    { headers: { "route-to": ["q2"] } },
    { headers: { "route-to": ["q1", "q2"] } },
    "taken",
  ],
  [
    "8 an array of texts",
    { headers: { "route-to": ["q3"] } },
    { headers: { "route-to": ["q1", "q2"] } },
    "not taken",
  ],
  ["3.3 at any depth", { a: [3] }, { a: [1, [2, [3]]] }, "taken"],
  ["3.3 objects in arrays", { a: { b: ["x"] } }, { a: [{ b: "y" }, { b: "x" }] }, "taken"],
  [
    "3.3 objects in arrays in arrays",
    { a: { b: ["x"] } },
    { a: [[{ b: "y" }], [[{ b: "x" }]]] },
    "taken",
  ],
  [
    "3.3 an array in an object in an array",
    { a: { b: ["x"] } },
    { a: [{ b: ["y", "x"] }] },
    "taken",
  ],
  ["3.3 an empty array", { a: [{ exists: true }] }, { a: [] }, "not taken"],
  ["3.3 an empty array", { a: [{ exists: false }] }, { a: [[], {}] }, "taken"],
  ["3.3 any leaf, any condition", { a: [1, { prefix: "x" }] }, { a: [2, "xy"] }, "taken"],
  ["3.3 anything-but", { a: [{ "anything-but": [1, 2] }] }, { a: [1, 3] }, "taken"],
  ["3.3 anything-but", { a: [{ "anything-but": [1, 2] }] }, { a: [1, 2] }, "not taken"],

  // 3.3 array consistency
  ["3.3 same element", { people: { first: ["Anna"], last: ["Smith"] } }, annaAndJones, "taken"],
  [
    "3.3 other element",
    { people: { first: ["Anna"], last: ["Jones"] } },
    annaAndJones,
    "not taken",
  ],
  [
    "3.3 any of several",
    { people: { first: ["Anna"], last: ["Jones", "Smith"] } },
    annaAndJones,
    "taken",
  ],
  [
    "3.3 dots make no difference",
    { "people.first": ["Anna"], "people.last": ["Jones"] },
    annaAndJones,
    "not taken",
  ],
  [
    "3.3 different arrays",
    { a: { x: [1] }, b: { y: [2] } },
    { a: [{ x: 0 }, { x: 1 }], b: [{ y: 2 }, { y: 3 }] },
    "taken",
  ],
  ["3.3 plain values are in no element", { a: ["x"], "a.b": [1] }, { a: ["x", { b: 1 }] }, "taken"],
  [
    "3.3 inner arrays are elements",
    { a: ["x"], "a.b": [1] },
    { a: [["x"], { b: 1 }] },
    "not taken",
  ],
  ["3.3 inner arrays are elements", { a: ["x"], "a.b": [1] }, { a: [["x", { b: 1 }]] }, "taken"],
  [
    "3.3 outside is not chosen",
    { a: { b: [1] }, c: [2] },
    { a: [{ b: 1 }, { b: 3 }], c: 2 },
    "taken",
  ],
  ["3.3 nested arrays", { teams: { name: ["red"], people: { first: ["Bob"] } } }, teams, "taken"],
  [
    "3.3 nested arrays",
    { teams: { name: ["red"], people: { first: ["Carl"] } } },
    teams,
    "not taken",
  ],
  ["3.3 nested arrays", { teams: { people: { first: ["Anna"], age: [2] } } }, teams, "not taken"],
  [
    "3.3 nested arrays",
    { teams: { name: ["blue"], people: { first: ["Carl"], age: [1] } } },
    teams,
    "taken",
  ],
  [
    "3.3 nested arrays, different outer",
    { teams: { people: { first: ["Carl"], age: [2] } } },
    teams,
    "not taken",
  ],
  [
    "3.3 through $or",
    { people: { first: ["Anna"], $or: [{ last: ["Jones"] }, { age: [1] }] } },
    annaAndJones,
    "not taken",
  ],
  [
    "3.3 through $or",
    { people: { first: ["Anna"], $or: [{ last: ["Smith"] }, { age: [1] }] } },
    annaAndJones,
    "taken",
  ],
  [
    "3.3 two spellings, two arrays",
    { "a.b": [1], "a.c": [2] },
    { "a.b": 1, a: [{ b: 2, c: 2 }] },
    "taken",
  ],

  // 3.3 absence and arrays
  ["3.3 absent beside B", { items: { sku: ["B"], r: [{ exists: false }] } }, items, "taken"],
  ["3.3 absent beside A", { items: { sku: ["A"], r: [{ exists: false }] } }, items, "not taken"],
  ["3.3 absent alone", { items: { r: [{ exists: false }] } }, items, "not taken"],
  ["3.3 absent in all", { items: { sku: ["A"], q: [{ exists: false }] } }, items, "taken"],
  [
    "3.3 absent beside another array",
    { k: { x: [1] }, items: { r: [{ exists: false }] } },
    { k: [{ x: 1 }], ...items },
    "not taken",
  ],
  [
    "3.3 absent beside a plain value",
    { k: [1], items: { r: [{ exists: false }] } },
    { k: 1, ...items },
    "not taken",
  ],
  ["3.3 absent or a value", { items: { sku: ["A"], r: [{ exists: false }, 1] } }, items, "taken"],
  [
    "3.3 absent or another value",
    { items: { sku: ["A"], r: [{ exists: false }, 2] } },
    items,
    "not taken",
  ],
  [
    "3.3 two absences, none chosen",
    { items: { sku: [{ exists: false }], r: [{ exists: false }] } },
    items,
    "not taken",
  ],
  [
    "3.3 two absences beside one",
    { items: { sku: ["B"], r: [{ exists: false }], q: [{ exists: false }] } },
    items,
    "taken",
  ],
  [
    "3.3 the whole group chooses",
    { items: { sku: ["B"], r: [{ exists: false }], t: [1] } },
    { items: [{ sku: "B", t: 1 }, { r: 1 }] },
    "taken",
  ],
  [
    "3.3 absent in the inner array",
    { teams: { name: ["blue"], people: { age: [{ exists: false }] } } },
    teams,
    "not taken",
  ],
  [
    "3.3 absent in the inner array",
    { teams: { name: ["blue"], people: { boss: [{ exists: false }] } } },
    teams,
    "taken",
  ],

  // 3.3 dots
  ["3.3 dots in the filter", { "a.b": [1] }, { a: { b: 1 } }, "taken"],
  ["3.3 dots in the body", { a: { b: [1] } }, { "a.b": 1 }, "taken"],
  ["3.3 dots in both", { "a.b": [1] }, { "a.b": 1 }, "taken"],
  ["3.3 dots, many ways", { a: { "b.c": [1] } }, { "a.b": { c: 1 } }, "taken"],
  ["3.3 dots, both spellings are there", { "a.b": [2] }, { a: { b: 1 }, "a.b": 2 }, "taken"],
  ["3.3 dots, absent", { "a.b": [{ exists: false }] }, { a: { b: 1 } }, "not taken"],
  ["3.3 empty names", { "": { "": [1] } }, { "": { "": 1 } }, "taken"],
  ["3.3 empty names", { ".": [1] }, { "": { "": 1 } }, "taken"],

  // 3.4 numbers
  ["3.4 half to even", { a: [1.00002] }, '{"a":1.000015}', "taken"],
  ["3.4 half to even", { a: [1] }, '{"a":1.000005}', "taken"],
  ["3.4 beyond doubles", { a: [{ numeric: [">", 0] }] }, '{"a":1e999}', "taken"],
  ["3.4 beyond the range", { a: [1e9] }, '{"a":1000000000.01}', "not taken"],
];

test.each(rows)("%s: %j, %j is %s", (_, policy, body, verdict) => {
  expect(filterOf(policy, "body").matches(withBody(body))).toBe(verdict === "taken");
});

test("the plain filter says the same of every row", () => {
  // Infinity is no decimal to it.
  for (const [from, policy, body, verdict] of rows.filter(
    ([from]) => from !== "3.4 beyond doubles",
  )) {
    const isTaken = plainlyTakesBody(policy, textOf(body));
    expect(isTaken, `${from}: ${JSON.stringify([policy, body])}`).toBe(verdict === "taken");
  }
});

test("bytes are judged as a body only when they are said to be JSON and are UTF-8", () => {
  const filter = filterOf({ a: [{ exists: false }] }, "body");
  const judge = (body: Buffer | undefined) =>
    filter.matches(new MessageFacts({ attributes: [], body }));
  expect(judge(Buffer.from("{}"))).toBe(true);
  expect(judge(undefined)).toBe(false);
  expect(judge(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(false);
  expect(judge(Buffer.from("\ufeff{}"))).toBe(false);
});

test("a number equals itself, however many digits it is written with", () => {
  for (const digits of [
    "1.0000050000000001",
    "0.1234549999999999999",
    "999999999.1234565",
    "1e-400",
  ]) {
    const text = `{"a":[${digits}]}`;
    expect(filterOf(text, "body").matches(withBody(text))).toBe(true);
  }
});

test("a filter looks at its own scope only", () => {
  const message = new MessageFacts({
    attributes: [{ name: "a", dataType: "String", isText: true, value: Buffer.from("attribute") }],
    body: Buffer.from('{"a":"body"}'),
  });
  expect(filterOf({ a: ["attribute"] }, "attributes").matches(message)).toBe(true);
  expect(filterOf({ a: ["attribute"] }, "body").matches(message)).toBe(false);
  expect(filterOf({ a: ["body"] }, "attributes").matches(message)).toBe(false);
  expect(filterOf({ a: ["body"] }, "body").matches(message)).toBe(true);
});
