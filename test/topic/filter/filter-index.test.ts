// Ten thousand filters on one topic: only those that a message's own values lead to are judged. That the index finds exactly the
// filters that take a message is proved in random-filters.test.ts.

import { expect, test } from "vitest";
import type { CompiledFilter } from "../../../src/topic/filter/compiled-filter.js";
import { FilterIndex } from "../../../src/topic/filter/filter-index.js";
import type { MessageFacts } from "../../../src/topic/filter/message-facts.js";
import { filterOf, withAttributes, withBody } from "../../support/filters.js";

const count = 10_000;

/** Of as many filters. */
function indexOf(filterAt: (index: number) => CompiledFilter) {
  const index = new FilterIndex<number>();
  const filters = Array.from({ length: count }, (_, place) => filterAt(place));
  for (const [place, filter] of filters.entries()) index.add(place, filter);
  return { index, filters };
}

/** Milliseconds of the fastest of some runs, so that a busy machine is not judged. */
function fastest(run: () => void): number {
  const times = Array.from({ length: 9 }, () => {
    const begin = performance.now();
    run();
    return performance.now() - begin;
  });
  return Math.min(...times);
}

function expectMuchFaster(
  { index, filters }: ReturnType<typeof indexOf>,
  facts: () => MessageFacts,
): void {
  const oneByOne = fastest(() => {
    const shared = facts();
    for (const filter of filters) filter.matches(shared);
  });
  const indexed = fastest(() => index.match(facts()));
  // Measured: 50 to 500 times.
  expect(indexed, `${indexed} ms for all, ${oneByOne} ms one by one`).toBeLessThan(oneByOne / 10);
}

test("filters that name one customer each are not judged one by one", () => {
  const all = indexOf((place) => filterOf({ customer: [`c${place}`] }, "attributes"));
  expect([...all.index.match(withAttributes({ customer: "c123" }))]).toEqual([123]);
  expect([...all.index.match(withAttributes({ customer: "nobody" }))]).toEqual([]);
  expectMuchFaster(all, () => withAttributes({ customer: "c123" }));
});

test("what all filters share does not lead to all of them", () => {
  const all = indexOf((place) =>
    filterOf({ type: ["order"], o: { customer: [place], state: [{ prefix: "p" }] } }, "body"),
  );
  const body = { type: "order", o: { customer: 77, state: "paid" } };
  expect([...all.index.match(withBody(body))]).toEqual([77]);
  expectMuchFaster(all, () => withBody(body));
});

test("alternatives and absence are found too", () => {
  const all = indexOf((place) =>
    filterOf({ $or: [{ a: [place] }, { b: [`b${place}`], c: [{ exists: false }] }] }, "body"),
  );
  all.index.add(count, filterOf({ a: [{ exists: false }] }, "body"));
  all.index.add(count + 1, filterOf({}, "attributes"));
  const matched = (body: unknown) => [...all.index.match(withBody(body))].sort((a, b) => a - b);
  expect(matched({ a: 5, b: "b6" })).toEqual([5, 6, count + 1]);
  expect(matched({ a: 5, b: "b6", c: 1 })).toEqual([5, count + 1]);
  expect(matched({ b: "b6" })).toEqual([6, count, count + 1]);
  expect(matched("no JSON")).toEqual([count + 1]);
  expectMuchFaster(all, () => withBody({ a: 5, b: "b6" }));
});

test("a filter is replaced and removed", () => {
  const index = new FilterIndex<string>();
  index.add("s1", filterOf({ a: ["x", "y"] }, "attributes"));
  index.add("s2", filterOf({ a: ["x"] }, "attributes"));
  expect(index.match(withAttributes({ a: "x" }))).toEqual(new Set(["s1", "s2"]));
  index.add("s1", filterOf({ a: ["z"] }, "attributes"));
  expect(index.size).toBe(2);
  expect(index.match(withAttributes({ a: "x" }))).toEqual(new Set(["s2"]));
  expect(index.match(withAttributes({ a: "z" }))).toEqual(new Set(["s1"]));
  index.remove("s2");
  index.remove("s2");
  expect(index.size).toBe(1);
  expect(index.match(withAttributes({ a: "x" }))).toEqual(new Set());
});

test("adding and removing thousands of filters that share everything stays quick", () => {
  const filter = filterOf({ a: ["x", "y", "z"], b: [{ prefix: "p" }] }, "attributes");
  const index = new FilterIndex<number>();
  const begin = performance.now();
  for (let round = 0; round < 3; round += 1) {
    for (let place = 0; place < count; place += 1) index.add(place, filter);
    for (let place = 0; place < count; place += 1) index.remove(place);
  }
  // Measured: 60 ms.
  expect(performance.now() - begin).toBeLessThan(5_000);
  expect(index.size).toBe(0);
});
