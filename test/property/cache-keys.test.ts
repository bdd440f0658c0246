// Keys of a cache, of any length and any bytes, stand in their byte order: what a walk finds, from anywhere, in both directions and
// under any prefix, is what a sorted list of the keys has; and when all have gone no row is left.

import fc from "fast-check";
import { expect, test } from "vitest";
import type {
  CacheKey,
  CacheName,
  EpochMs,
  Namespace,
  SegmentNumber,
  Version,
} from "../../src/base/brands.js";
import { cacheDefaults } from "../../src/cache/limits.js";
import type { Cache, Item } from "../../src/cache/model.js";
import { noEvictions } from "../../src/cache/view.js";
import { StateView } from "../../src/engine/state-view.js";
import { CacheState } from "../../src/store/cache-state.js";
import type { Store } from "../../src/store/store.js";
import { key } from "../support/cache-rows.js";
import { MemoryStore } from "../support/memory-store.js";
import { propertyTimeoutMs, runs } from "../support/property.js";
import { temporaryStore } from "../support/temporary-store.js";

const cache: Cache = {
  namespace: "a" as Namespace,
  name: "b" as CacheName,
  slot: 3,
  segment: 5 as SegmentNumber,
  config: cacheDefaults,
  createdAt: 1 as EpochMs,
  revision: 1 as Version,
};

/** One whose value stands apart or not. */
const itemOf = (version: number, length: number): Item => ({
  version: version as Version,
  createdAt: 1 as EpochMs,
  updatedAt: 1 as EpochMs,
  expiresAt: version % 3 === 0 ? (version as EpochMs) : undefined,
  sliding: undefined,
  graceMs: { revalidate: 0 as Item["graceMs"]["error"], error: 0 as Item["graceMs"]["error"] },
  flags: 0,
  contentType: "",
  tags: [],
  externalVersion: 0n,
  isPinned: false,
  isStale: false,
  content: {
    kind: "scalar",
    isText: false,
    length,
    value: Buffer.alloc(length, version % 256),
    writtenAs: version as Version,
  },
});

type Step =
  | { readonly kind: "put"; readonly key: CacheKey; readonly isLong: boolean }
  | { readonly kind: "remove"; readonly at: number }
  | { readonly kind: "commit" }
  | {
      readonly kind: "look";
      readonly prefix: string;
      readonly after: CacheKey | undefined;
      readonly isReversed: boolean;
    };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("put" as const), key, isLong: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), at: fc.nat(1_000) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "commit" }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("look" as const),
      prefix: fc.oneof(
        fc.constant(""),
        key,
        fc.tuple(key, fc.nat(1_024)).map(([whole, to]) => whole.slice(0, to)),
      ),
      after: fc.option(key, { nil: undefined }),
      isReversed: fc.boolean(),
    }),
  },
);

class Keys {
  readonly #store: Store;
  readonly #view: StateView;
  readonly #caches: CacheState;
  readonly #model = new Map<CacheKey, Item>();
  #version = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#view = new StateView(store);
    this.#caches = new CacheState(this.#view, noEvictions);
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case "put": {
        this.#version += 1;
        const item = itemOf(this.#version, step.isLong ? 5_000 : 3);
        this.#caches.putItem(cache, step.key, item, this.#caches.item(cache, step.key));
        this.#model.set(step.key, item);
        this.#view.overlay.keep();
        break;
      }
      case "remove": {
        const one = [...this.#model.keys()][step.at % Math.max(1, this.#model.size)];
        if (one !== undefined) this.#remove(one);
        break;
      }
      case "commit":
        await this.#commit();
        break;
      case "look":
        this.#look(step);
        break;
    }
  }

  #remove(one: CacheKey): void {
    const stored = this.#caches.item(cache, one);
    expect(stored?.version).toBe(this.#model.get(one)?.version);
    if (stored !== undefined) this.#caches.removeItem(cache, one, stored);
    this.#model.delete(one);
    this.#view.overlay.keep();
  }

  async #commit(): Promise<void> {
    const record = this.#view.closeRecord();
    await this.#store.commit(this.#view.overlay.changesOf(record));
    this.#view.committed(record);
    this.#store.refresh();
  }

  #look({ prefix, after, isReversed }: Extract<Step, { kind: "look" }>): void {
    const isBeyond = (one: CacheKey): boolean =>
      after === undefined || (isReversed ? one < after : one > after);
    const expected = [...this.#model.keys()]
      .filter((one) => one.startsWith(prefix) && isBeyond(one))
      .sort((left, right) => (left < right ? -1 : 1));
    if (isReversed) expected.reverse();
    const found = [...this.#caches.items(cache, { prefix, after, isReversed })];
    expect(found.map(({ key: one }) => one)).toEqual(expected);
    for (const { key: one, item } of found) {
      expect(item.version).toBe(this.#model.get(one)?.version);
      const { content } = item;
      if (content.kind !== "scalar") throw new Error("only scalars were put");
      const value = this.#caches.value(cache, one, content);
      expect(value?.length).toBe(content.length);
      expect(value?.[0]).toBe(item.version % 256);
    }
  }

  /** Everything goes, and nothing stays: no node, no value, no end. */
  async finish(): Promise<void> {
    this.#look({ kind: "look", prefix: "", after: undefined, isReversed: false });
    this.#look({ kind: "look", prefix: "", after: undefined, isReversed: true });
    const due = [...this.#caches.dueItems(cache)].map((one) => one.key);
    const ending = [...this.#model].filter(([, { expiresAt }]) => expiresAt !== undefined);
    expect(new Set(due)).toEqual(new Set(ending.map(([one]) => one)));
    for (const one of [...this.#model.keys()]) this.#remove(one);
    await this.#commit();
    expect(this.#store.keys("\x00", "\x80", 10)).toEqual([]);
  }
}

async function check(steps: readonly Step[], store: Store): Promise<void> {
  const keys = new Keys(store);
  for (const each of steps) await keys.take(each);
  await keys.finish();
}

test(
  "keys stand in byte order, whatever their length, and leave nothing behind",
  async () => {
    const steps = fc.array(step, { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(steps, (taken) => check(taken, new MemoryStore())),
      runs(400),
    );
  },
  propertyTimeoutMs,
);

test(
  "so they do on the disk",
  async () => {
    const store = temporaryStore();
    const steps = fc.array(step, { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(steps, (taken) => check(taken, store)),
      runs(30),
    );
  },
  propertyTimeoutMs,
);
