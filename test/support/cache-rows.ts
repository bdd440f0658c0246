// Any row of caches that the store may hold, and any key of a cache, for properties.

import fc from "fast-check";
import type {
  CacheKey,
  CacheName,
  Namespace,
  SegmentNumber,
  Version,
} from "../../src/base/brands.js";
import type { Entry } from "../../src/cache/collections/entries.js";
import { cacheDefaults } from "../../src/cache/limits.js";
import {
  type Cache,
  type CacheCounters,
  type Content,
  collectionKinds,
  type Fence,
  type FenceCounts,
  type Item,
  type Lease,
} from "../../src/cache/model.js";
import type { TreeNode } from "../../src/store/counted-rows.js";
import { bytes, duration, instant, maybe, name, text, u32, u64 } from "./stored-rows.js";

const version = u64.map((value) => value as Version);

export const cache: fc.Arbitrary<Cache> = fc.record({
  namespace: name.map((value) => value as Namespace),
  name: name.map((value) => value as CacheName),
  slot: fc.nat(16_383),
  segment: u64.map((value) => value as SegmentNumber),
  config: fc.record({
    ...Object.fromEntries(
      Object.entries(cacheDefaults).map(([key, value]) => [
        key,
        typeof value === "number" ? u64 : fc.constant(value),
      ]),
    ),
  }) as fc.Arbitrary<Cache["config"]>,
  createdAt: maybe(instant.filter((at) => at > 0)),
  revision: version,
});

export const cacheCounters: fc.Arbitrary<CacheCounters> = fc.record({
  items: u64,
  bytes: u64,
  pinnedBytes: u64,
  dueAt: maybe(instant.filter((at) => at > 0)),
  events: fc.record({
    sets: u64,
    deletes: u64,
    increments: u64,
    refused: u64,
    expired: u64,
    evictedForBytes: u64,
    evictedForItems: u64,
    tagInvalidations: u64,
    prefixInvalidations: u64,
    flushes: u64,
  }),
});

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
});

export const fenceCounts: fc.Arbitrary<FenceCounts> = fc.record({
  tags: u32,
  prefixes: fc
    .array(fc.tuple(fc.integer({ min: 1, max: 1_024 }), u32))
    .map((pairs) => new Map(pairs)),
  walk: maybe(fc.record({ version: version.filter((value) => value > 0), after: maybe(latin1) })),
});

const value = bytes({ maxLength: 200 });
const contentOf = (writtenAs: Version): fc.Arbitrary<Content> =>
  fc.oneof(
    fc.constant<Content>({ kind: "negative" }),
    fc.record({
      kind: fc.constantFrom(...collectionKinds),
      root: u64,
      length: u64,
      bytes: u64,
      dueAt: maybe(instant.filter((at) => at > 0)),
    }),
    fc
      .record({ isText: fc.boolean(), value: maybe(value), length: u32 })
      .map(({ isText, value: whole, length }) => ({
        kind: "scalar" as const,
        isText,
        length: whole?.length ?? length,
        value: whole,
        writtenAs,
      })),
  );

/** Of a version, written with the same or an earlier one. */
export const item: fc.Arbitrary<Item> = fc
  .tuple(version, version, fc.boolean())
  .chain(([own, other, isRemarked]) =>
    fc.record({
      version: fc.constant(own),
      createdAt: instant,
      updatedAt: instant,
      expiresAt: maybe(instant),
      sliding: maybe(fc.record({ lifeMs: duration, absoluteEnd: maybe(instant) })),
      graceMs: fc.record({ revalidate: duration, error: duration }),
      flags: u32,
      contentType: text(128),
      tags: fc.array(text(80), { maxLength: 16 }),
      externalVersion: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      isPinned: fc.boolean(),
      isStale: fc.boolean(),
      content: contentOf(isRemarked ? other : own),
    }),
  );

const entryKey = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 60,
});

const entry: fc.Arbitrary<Entry> = fc.record({
  key: entryKey,
  value: maybe(
    fc.oneof(
      fc
        .record({ isText: fc.boolean(), bytes: bytes({ maxLength: 100 }) })
        .map(({ isText, bytes: whole }) => ({
          isText,
          length: whole.length,
          bytes: whole,
          apart: 0,
        })),
      fc.record({
        isText: fc.boolean(),
        length: u32,
        bytes: fc.constant(undefined),
        apart: u64,
      }),
    ),
  ),
  expiresAt: maybe(instant),
});

export const treeNode: fc.Arbitrary<TreeNode> = fc.oneof(
  fc.record({
    kind: fc.constant("leaf" as const),
    entries: fc.array(entry, { maxLength: 10 }),
  }),
  fc.record({
    kind: fc.constant("branch" as const),
    children: fc.array(fc.record({ node: u64, count: u32, first: entryKey }), { maxLength: 20 }),
  }),
);

export const fence: fc.Arbitrary<Fence> = fc.record({
  version,
  sweptTo: latin1,
  target: fc.oneof(
    fc.record({
      kind: fc.constant("tag" as const),
      tag: text(100),
      mode: fc.constantFrom("delete" as const, "stale" as const),
    }),
    fc.record({
      kind: fc.constant("prefix" as const),
      prefix: fc.string({
        unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      }),
      mode: fc.constant("delete" as const),
    }),
  ),
});

export const lease: fc.Arbitrary<Lease> = fc.record({ token: version, endsAt: instant });

/** Few bytes and few lengths, so that keys share what they begin with, around the ends of the pieces they stand in. */
export const key: fc.Arbitrary<CacheKey> = fc
  .tuple(
    fc.constantFrom("", "a", "\xff", "\x00", "ab"),
    fc.constantFrom(0, 1, 2, 252, 253, 254, 255, 256, 508, 509, 510, 511, 765, 1_020),
    fc.constantFrom("a", "\xff", "\x00", "\x01", "\x02"),
    fc.constantFrom("", "\x00", "\xff", "b"),
  )
  .map(([start, count, unit, end]) => (start + unit.repeat(count) + end).slice(0, 1_024))
  .filter((text) => text.length > 0)
  .map((text) => text as CacheKey);

export const leaseDue: fc.Arbitrary<{ readonly token: Version; readonly key: CacheKey }> =
  fc.record({ token: version, key });
