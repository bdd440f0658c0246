// Filters and messages of any shape: the compiled filters agree with plain ones that share no code with them, an index over many
// with judging them one by one, and no text breaks the reader.

import fc from "fast-check";
import { expect, test } from "vitest";
import { isSameFilter } from "../../../src/topic/filter/canonical.js";
import { compileFilter } from "../../../src/topic/filter/compiled-filter.js";
import { explainFilter } from "../../../src/topic/filter/explain.js";
import { FilterIndex } from "../../../src/topic/filter/filter-index.js";
import { MessageFacts } from "../../../src/topic/filter/message-facts.js";
import { parseFilterPolicy } from "../../../src/topic/filter/parse-policy.js";
import type { FilterScope } from "../../../src/topic/limits.js";
import {
  attributesOf,
  type GivenAttributes,
  wideLimits,
  withAttributes,
  withBody,
} from "../../support/filters.js";
import { plainlyTakesAttributes, plainlyTakesBody } from "../../support/plain-filter.js";
import { propertyTimeoutMs, runs } from "../../support/property.js";

type Json = Readonly<Record<string, unknown>>;

// Few names and values, so that filters and messages meet; some with dots, which join paths.
const name = fc.constantFrom("a", "b", "c", "a.b", "a.a", "");
const words = ["x", "y", "xy", "X", "Xyx", "", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"];
const numbers = [0, -0, 1, 2, 1.5, 1.000004, 1.000005, 1.000015, 0.999995, -1.5, 1e9, 1e-7, 1e-5];
const word = fc.constantFrom(...words);
const number = fc.oneof(
  fc.constantFrom(...numbers),
  fc.integer({ min: -3_000_000, max: 3_000_000 }).map((millionths) => millionths / 1e6),
);
const leaf = fc.oneof(
  { arbitrary: word, weight: 4 },
  { arbitrary: number, weight: 3 },
  fc.constantFrom(true, false, null, 1e10, -1e300),
);

const pattern = fc
  .array(fc.constantFrom("x", "y", "X", "*", "\\*", "\\\\", "."), { maxLength: 5 })
  .map((parts) => parts.join("").replace(/\*+/g, "*"));
const network = fc.constantFrom("10.0.0.9/8", "10.0.0.1/32", "0.0.0.0/0", "2001:db8::/32", "::/0");
const listOf = <Item>(item: fc.Arbitrary<Item>) =>
  fc.oneof(item, fc.array(item, { minLength: 1, maxLength: 3 }));
const affix = fc.oneof(
  word,
  word.map((text) => ({ "equals-ignore-case": text })),
);
const notEmpty = fc.constantFrom("x", "y", "X", "xy");
const comparison = fc.tuple(fc.constantFrom("=", "<", "<=", ">", ">="), number);
const range = fc
  .tuple(fc.constantFrom(">", ">="), number, fc.constantFrom("<", "<="), number)
  .map(([lower, from, upper, to]) => [lower, Math.min(from, to) - 0.5, upper, Math.max(from, to)]);

const condition: fc.Arbitrary<unknown> = fc.oneof(
  {
    arbitrary: leaf.filter(
      (value) => Math.abs(Number(value)) <= 1e9 || Number.isNaN(Number(value)),
    ),
    weight: 6,
  },
  fc.record({ prefix: affix }),
  fc.record({ suffix: affix }),
  fc.record({ "equals-ignore-case": word }),
  fc.record({ wildcard: pattern }),
  fc.record({ cidr: network }),
  fc.record({ numeric: fc.oneof(comparison, range) }),
  { arbitrary: fc.record({ exists: fc.boolean() }), weight: 3 },
  fc.record({ "anything-but": fc.oneof(listOf(word), listOf(number)) }),
  fc.record({
    "anything-but": fc.oneof(
      fc.record({ prefix: listOf(notEmpty) }),
      fc.record({ suffix: listOf(notEmpty) }),
      fc.record({ "equals-ignore-case": listOf(notEmpty) }),
      fc.record({ wildcard: listOf(pattern.filter((text) => text !== "")) }),
    ),
  }),
);
const conditions = fc.array(condition, { minLength: 1, maxLength: 3 });

const { policy: bodyPolicy } = fc.letrec<{ policy: Json; branch: Json }>((tie) => ({
  policy: fc
    .tuple(
      fc.dictionary(name, fc.oneof({ maxDepth: 4 }, conditions, tie("branch")), {
        minKeys: 1,
        maxKeys: 3,
      }),
      fc.option(fc.array(tie("branch"), { minLength: 2, maxLength: 3 }), { freq: 4 }),
    )
    .map(([keys, or]) => (or === null ? keys : { ...keys, $or: or })),
  branch: fc.oneof(
    { maxDepth: 4 },
    fc.dictionary(name, conditions, { minKeys: 1, maxKeys: 2 }),
    tie("policy"),
  ),
}));

const { body } = fc.letrec<{ body: Json; value: unknown }>((tie) => ({
  body: fc.dictionary(name, tie("value"), { maxKeys: 4 }),
  value: fc.oneof(
    { depthSize: "small" },
    { arbitrary: leaf, weight: 3 },
    { arbitrary: tie("body"), weight: 2 },
    { arbitrary: fc.array(tie("value"), { maxLength: 3 }), weight: 3 },
  ),
}));

const attributePolicy = fc
  .tuple(
    fc.dictionary(name, conditions, { minKeys: 1, maxKeys: 3 }),
    fc.option(
      fc.array(fc.dictionary(name, conditions, { minKeys: 1, maxKeys: 2 }), {
        minLength: 2,
        maxLength: 3,
      }),
    ),
  )
  .map(([keys, or]): Json => (or === null ? keys : { ...keys, $or: or }));
const attributes: fc.Arbitrary<GivenAttributes> = fc.dictionary(
  name,
  fc.oneof(
    word,
    number,
    fc.array(fc.oneof(leaf, fc.array(leaf, { maxLength: 1 })), { maxLength: 3 }),
    fc
      .record({
        type: fc.constantFrom("String.Array", "Number.Array", "Binary", "String.x", "Number.x"),
        value: fc.constantFrom("1", '"x"', "1.0", "[1,2]", "[]", "{}"),
      })
      .filter(({ type, value }) => type !== "Number.x" || Number.isFinite(Number(value))),
    fc.constant({ type: "String.Array", value: "[not JSON" }),
  ),
  { maxKeys: 4 },
);

const written = (policy: Json, scope: FilterScope) =>
  parseFilterPolicy(JSON.stringify(policy), scope, { ...wideLimits, combinationsMax: 1_000 });

/** Undefined when the filter is too large, or two of its keys lead to one path, which no filter may have. */
function compiled(policy: Json, scope: FilterScope) {
  const parsed = written(policy, scope);
  if (parsed.kind === "policy") return compileFilter(parsed.policy);
  const others = parsed.problems.filter(
    ({ reason, description }) =>
      !reason.startsWith("FILTER_TOO") && !description.startsWith("duplicate path"),
  );
  expect(others, JSON.stringify(policy)).toEqual([]);
  return undefined;
}

test("filters on bodies take what plain ones take", { timeout: propertyTimeoutMs }, () => {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(bodyPolicy, fc.array(body, { minLength: 1, maxLength: 4 }), (policy, bodies) => {
      const filter = compiled(policy, "body");
      fc.pre(filter !== undefined);
      for (const each of bodies) {
        const isTaken = filter.matches(withBody(each));
        expect(isTaken).toBe(plainlyTakesBody(policy, JSON.stringify(each)));
        expect(explainFilter(filter, withBody(each)).isMatched).toBe(isTaken);
        seen[isTaken ? "taken" : "refused"] += 1;
      }
    }),
    runs(2_000),
  );
  // Both must be common, or nothing is proved.
  expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(200);
});

const record = (keys: readonly string[], value: fc.Arbitrary<unknown>) =>
  fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] });

test("filters on arrays of objects take what plain ones take", {
  timeout: propertyTimeoutMs,
}, () => {
  // Little else than what the array rule is about: keys of one array, of arrays inside it, and absence.
  const value = fc.constantFrom(1, 2);
  const wanted = fc.constantFrom(
    [1],
    [2],
    [{ exists: false }],
    [1, { exists: false }],
    [{ exists: true }],
  );
  const inner = fc.array(
    fc.oneof(record(["r", "s"], value), fc.array(record(["r"], value), { maxLength: 2 })),
    {
      maxLength: 3,
    },
  );
  const element = fc.oneof(
    {
      arbitrary: record(["p", "q"], fc.oneof(value, fc.array(value, { maxLength: 2 }))),
      weight: 2,
    },
    fc.tuple(record(["p", "q"], value), inner).map(([plain, i]) => ({ ...plain, i })),
    fc.array(fc.oneof(value, record(["p", "q"], value)), { maxLength: 3 }),
    value,
  );
  const list = fc.array(element, { maxLength: 4 });
  const bodies = fc.record({ l: list, "l.i": inner, m: list }, { requiredKeys: [] });
  const policies = fc.dictionary(
    fc.constantFrom("l", "l.p", "l.q", "l.i.r", "l.i.s", "m.p"),
    wanted,
    { minKeys: 2, maxKeys: 5 },
  );
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(policies, fc.array(bodies, { minLength: 1, maxLength: 3 }), (policy, each) => {
      const filter = compiled(policy, "body");
      for (const message of each) {
        const isTaken = filter?.matches(withBody(message));
        expect(isTaken).toBe(plainlyTakesBody(policy, JSON.stringify(message)));
        seen[isTaken === true ? "taken" : "refused"] += 1;
      }
    }),
    runs(8_000),
  );
  expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(1_000);
});

test("filters on attributes take what plain ones take", { timeout: propertyTimeoutMs }, () => {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(
      attributePolicy,
      fc.array(attributes, { minLength: 1, maxLength: 4 }),
      (policy, each) => {
        const filter = compiled(policy, "attributes");
        fc.pre(filter !== undefined);
        for (const given of each) {
          const isTaken = filter.matches(withAttributes(given));
          expect(isTaken).toBe(plainlyTakesAttributes(policy, attributesOf(given)));
          seen[isTaken ? "taken" : "refused"] += 1;
        }
      },
    ),
    runs(2_000),
  );
  expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(200);
});

test("an index finds the filters that take a message, and no others", {
  timeout: propertyTimeoutMs,
}, () => {
  const filter = fc.oneof(
    bodyPolicy.map((policy) => ({ policy, scope: "body" as const })),
    attributePolicy.map((policy) => ({ policy, scope: "attributes" as const })),
    fc.constantFrom(
      { policy: {}, scope: "body" as const },
      { policy: {}, scope: "attributes" as const },
    ),
    fc
      .constantFrom("x", "y", 1)
      .map((value) => ({ policy: { a: [value] }, scope: "body" as const })),
  );
  const id = fc.integer({ min: 0, max: 9 });
  const step = fc.oneof(
    { arbitrary: fc.record({ kind: fc.constant("add" as const), id, filter }), weight: 3 },
    fc.record({ kind: fc.constant("remove" as const), id }),
    fc.record({
      kind: fc.constant("match" as const),
      body: fc.oneof(
        body.map((each) => JSON.stringify(each)),
        fc.constant("no JSON"),
      ),
      attributes,
    }),
  );
  let found = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const index = new FilterIndex<number>();
      const one = new Map<number, ReturnType<typeof compileFilter>>();
      for (const each of steps) {
        if (each.kind === "remove") {
          index.remove(each.id);
          one.delete(each.id);
        } else if (each.kind === "add") {
          const added = compiled(each.filter.policy, each.filter.scope);
          if (added === undefined) continue;
          index.add(each.id, added);
          one.set(each.id, added);
        } else {
          const message = {
            attributes: attributesOf(each.attributes),
            body: Buffer.from(each.body, "utf8"),
          };
          const facts = new MessageFacts(message);
          const expected = [...one].filter(([, added]) => added.matches(facts)).map(([key]) => key);
          expect([...index.match(new MessageFacts(message))].sort()).toEqual(expected.sort());
          found += expected.length;
        }
        expect(index.size).toBe(one.size);
      }
    }),
    runs(600),
  );
  expect(found).toBeGreaterThan(1_000);
});

test("filters with one canonical text take the same messages", {
  timeout: propertyTimeoutMs,
}, () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled).reverse();
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        // The elements of a range have an order.
        .map(([key, inner]) => [key, key === "numeric" ? inner : shuffled(inner)]),
    );
  };
  fc.assert(
    fc.property(bodyPolicy, fc.array(body, { maxLength: 3 }), (policy, bodies) => {
      const filter = compiled(policy, "body");
      const other = compiled(shuffled(policy) as Json, "body");
      fc.pre(filter !== undefined && other !== undefined);
      expect(isSameFilter(filter.policy, other.policy)).toBe(true);
      for (const each of bodies) {
        expect(other.matches(withBody(each))).toBe(filter.matches(withBody(each)));
      }
    }),
    runs(1_000),
  );
});

const piece = fc.oneof(
  fc.constantFrom(...'{}[],:"\\*/0123456789-+.eE<>=$ \n\t\u0000\u{1f600}'),
  fc.constantFrom(
    '"$or"',
    '"numeric"',
    '"exists"',
    '"anything-but"',
    '"wildcard"',
    '"cidr"',
    '"__proto__"',
    '"constructor"',
    "true",
    "null",
    "1e999",
    '{"prefix":"\\ud800"}',
  ),
);
const spoiled = fc
  .tuple(bodyPolicy, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 4 }), piece), { maxLength: 4 }))
  .map(([policy, changes]) =>
    changes.reduce((text, [place, removed, inserted]) => {
      const at = place % (text.length + 1);
      return text.slice(0, at) + inserted + text.slice(at + removed);
    }, JSON.stringify(policy)),
  );

test("every text is a filter or has problems with a place", { timeout: propertyTimeoutMs }, () => {
  const text = fc.oneof(
    spoiled,
    fc.json(),
    fc.string({ unit: "binary" }),
    fc.array(piece).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(text, fc.constantFrom("attributes" as const, "body" as const), (given, scope) => {
      const parsed = parseFilterPolicy(given, scope);
      if (parsed.kind === "policy") {
        compileFilter(parsed.policy).matches(withBody({ a: 1 }));
        return;
      }
      expect(parsed.problems.length).toBeGreaterThan(0);
      const lines = given.split("\n");
      for (const { line, column, description } of parsed.problems) {
        expect(column).toBeLessThanOrEqual([...(lines[line - 1] ?? "")].length + 1);
        expect(column).toBeGreaterThan(0);
        expect(description).not.toBe("");
      }
    }),
    runs(4_000),
  );
});

test("every message is judged, whatever its bytes are", { timeout: propertyTimeoutMs }, () => {
  const filter = compiled({ a: [{ exists: false }, "x"], b: { c: [{ wildcard: "*x*" }] } }, "body");
  const bytes = fc.oneof(
    fc.uint8Array().map((each) => Buffer.from(each)),
    fc.json().map((each) => Buffer.from(each, "utf8")),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const facts = new MessageFacts({ attributes: [], body: given });
      expect(typeof filter?.matches(facts)).toBe("boolean");
    }),
    runs(3_000),
  );
});
