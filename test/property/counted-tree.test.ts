// The entries of a collection in one order stand as a plain sorted list has them, whatever is put and removed, and however long keys
// and values are: by key and by place, in both directions, with values that stand apart. No row is longer than one value may be, and
// when all entries have gone, no row is left.

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Entry, entryBytes } from "../../src/cache/collections/entries.js";
import { StateView } from "../../src/engine/state-view.js";
import { cacheLetters } from "../../src/store/cache-keys.js";
import { CountedTree } from "../../src/store/counted-tree.js";
import { MemoryStore } from "../support/memory-store.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const rowBytesMax = 3_700;

interface Rig {
  readonly view: StateView;
  readonly tree: CountedTree;
}

function newRig(): Rig {
  const view = new StateView(new MemoryStore());
  let last = 0;
  const newNumber = (): number => {
    last += 1;
    return last;
  };
  const place = { prefix: "0123456789", root: 7, order: 0 };
  return { view, tree: new CountedTree(view, place, newNumber) };
}

/** Keys of few bytes meet often; long ones make nodes of few entries. */
const key = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 400 }).map((number) => `k${number}`) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        byte: fc.integer({ min: 0, max: 255 }),
        length: fc.integer({ min: 500, max: 1_032 }),
      })
      .map(({ byte, length }) => String.fromCharCode(byte).repeat(length)),
  },
);
const valueLength = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 400, max: 2_000 }) },
);

const entryOf = (entryKey: string, length: number): Entry => ({
  key: entryKey,
  value: { isText: false, length, bytes: Buffer.alloc(length, length % 251), apart: 0 },
  expiresAt: undefined,
});

const plainly = (tree: CountedTree, entry: Entry): readonly [string, number, string] => {
  const { value } = entry;
  const bytes = value === undefined ? undefined : tree.bytesOf(value);
  return [entry.key, value?.length ?? -1, bytes?.toString("hex") ?? "none"];
};

function expectSame(rig: Rig, model: readonly Entry[], from: number): void {
  const { tree } = rig;
  const all = [...tree.walk(0)].map((entry) => plainly(tree, entry));
  expect(all).toEqual(model.map((entry) => plainly(tree, entry)));
  expect(tree.length).toBe(model.length);
  const keysFrom = (entries: Iterable<Entry>): readonly string[] =>
    [...entries].map((entry) => entry.key);
  expect(keysFrom(tree.walk(from))).toEqual(keysFrom(model.slice(from)));
  const reversed = model.slice(0, from + 1).reverse();
  expect(keysFrom(tree.walk(from, true))).toEqual(keysFrom(reversed));
  expect(tree.at(from)?.key).toBe(model[from]?.key);
  for (const { key: rowKey, framed } of rig.view.overlay.changesOf(1)) {
    // Only long values have rows that are cut into chunks.
    if (rowKey[10] === cacheLetters.treeNode) {
      expect(framed?.length ?? 0).toBeLessThanOrEqual(rowBytesMax);
    }
  }
}

type KeyedStep =
  | { readonly kind: "put"; readonly key: string; readonly length: number }
  | { readonly kind: "remove"; readonly at: number }
  | { readonly kind: "look"; readonly key: string };

const keyedStep: fc.Arbitrary<KeyedStep> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("put" as const), key, length: valueLength }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("look" as const), key }) },
);

test(
  "by key it is what a sorted list is",
  () => {
    fc.assert(
      fc.property(fc.array(keyedStep, { maxLength: 600, size: "max" }), fc.nat(), (steps, from) => {
        const rig = newRig();
        const model = new Map<string, Entry>();
        for (const step of steps) playKeyed(rig, model, step);
        const sorted = [...model.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
        expectSame(rig, sorted, sorted.length === 0 ? 0 : from % sorted.length);
        for (const { key: left } of sorted) expect(rig.tree.remove(left)?.key).toBe(left);
        expectNoRows(rig);
      }),
      runs(60),
    );
  },
  propertyTimeoutMs,
);

function playKeyed({ tree }: Rig, model: Map<string, Entry>, step: KeyedStep): void {
  if (step.kind === "put") {
    const entry = entryOf(step.key, step.length);
    expect(tree.put(entry)?.value?.length).toBe(model.get(step.key)?.value?.length);
    model.set(step.key, entry);
    return;
  }
  const keys = [...model.keys()].sort();
  const wanted =
    step.kind === "remove" ? (keys[step.at % Math.max(1, keys.length)] ?? "none") : step.key;
  const below = keys.filter((other) => other < wanted).length;
  expect(tree.countBelow(wanted)).toBe(below);
  expect(tree.find(wanted)?.index).toBe(model.has(wanted) ? below : undefined);
  if (step.kind === "look") return;
  expect(tree.remove(wanted)?.key).toBe(model.has(wanted) ? wanted : undefined);
  model.delete(wanted);
}

type PlacedStep =
  | { readonly kind: "insert" | "replace"; readonly at: number; readonly length: number }
  | { readonly kind: "cut"; readonly at: number; readonly count: number };

const placedStep: fc.Arbitrary<PlacedStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("insert" as const, "insert" as const, "replace" as const),
      // Most are pushed at an end.
      at: fc.oneof(fc.constant(0), fc.constant(1_000_000), fc.nat(600)),
      length: valueLength,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("cut" as const), at: fc.nat(600), count: fc.nat(40) }),
  },
);

test(
  "by place it is what an array is",
  () => {
    fc.assert(
      fc.property(
        fc.array(placedStep, { maxLength: 600, size: "max" }),
        fc.nat(),
        (steps, from) => {
          const rig = newRig();
          const model: Entry[] = [];
          for (const step of steps) playPlaced(rig, model, step);
          expectSame(rig, model, model.length === 0 ? 0 : from % model.length);
          rig.tree.removeRange(0, model.length);
          expectNoRows(rig);
        },
      ),
      runs(60),
    );
  },
  propertyTimeoutMs,
);

function playPlaced({ tree }: Rig, model: Entry[], step: PlacedStep): void {
  const at = Math.min(step.at, model.length);
  if (step.kind === "cut") {
    const removed = model.splice(at, step.count);
    const bytes = removed.reduce((sum, entry) => sum + entryBytes(entry), 0);
    expect(tree.removeRange(at, at + step.count)).toBe(bytes);
    return;
  }
  const entry = entryOf("", step.length);
  if (step.kind === "insert") {
    tree.insertAt(at, entry);
    model.splice(at, 0, entry);
  } else if (at < model.length) {
    tree.replaceAt(at, entry);
    model[at] = entry;
  }
}

function expectNoRows({ view, tree }: Rig): void {
  expect(tree.length).toBe(0);
  expect(view.overlay.changesOf(1).filter(({ framed }) => framed !== undefined)).toEqual([]);
}

test(
  "however it is dropped, page by page, no row is left",
  () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ key, length: valueLength }), { maxLength: 600, size: "max" }),
        fc.integer({ min: 1, max: 50 }),
        (entries, limit) => {
          const rig = newRig();
          for (const { key: entryKey, length } of entries) rig.tree.put(entryOf(entryKey, length));
          for (let steps = 0; rig.tree.dropRows(limit) > 0; steps += 1) {
            expect(steps).toBeLessThan(2_000);
          }
          expectNoRows(rig);
        },
      ),
      runs(40),
    );
  },
  propertyTimeoutMs,
);
