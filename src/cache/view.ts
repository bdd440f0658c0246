// What a rule of caches may read and record, beside what it may of queues and topics. What it says of an item is what stands there:
// whether it has ended, or was made invalid, is for rules to judge (`open-cache.ts`).

import type { CacheKey, CacheName, EpochMs, KeyPlace, Namespace, Version } from "../base/brands.js";
import type { Entries, EntryOrder, EntryTree } from "./collections/entries.js";
import type {
  Cache,
  CacheCounters,
  CacheSegment,
  Fence,
  FenceCounts,
  FenceTarget,
  Item,
  Lease,
  LeaseName,
  ScalarContent,
} from "./model.js";

/** A key and what it has. */
export interface KeyedItem {
  readonly key: CacheKey;
  readonly item: Item;
}

/** Keys in byte order, from one on to the end of those that begin with a prefix. */
export interface KeyRange {
  /** Every key begins with it; empty: all. */
  readonly prefix: string;
  /** Strictly after it, or before it where the order is reversed; undefined: from the first, or the last. */
  readonly after: string | undefined;
  readonly isReversed: boolean;
}

export interface DueItem {
  readonly at: EpochMs;
  readonly key: CacheKey;
}

export type CacheNames = Pick<Cache, "namespace" | "name">;

/** A cache of which something is to be removed. */
export interface DueCache extends CacheSegment, CacheNames {
  readonly at: EpochMs;
}

/** A collection that no key has any more. */
export interface LostCollection {
  readonly slot: number;
  readonly segment: CacheSegment["segment"];
  readonly root: number;
}

export interface CacheView {
  findCache(namespace: Namespace, name: CacheName): Cache | undefined;
  /** Caches of a namespace in name order, from the first name at or after `from`. */
  cachesFrom(namespace: Namespace, from: string): Iterable<Cache>;
  /** Every cache of every namespace, in order, strictly after the one given. */
  cachesAfter(namespace: string, name: string): Iterable<Cache>;
  cacheCount(namespace: Namespace): number;
  counters(cache: CacheSegment): CacheCounters;
  fenceCounts(cache: CacheSegment): FenceCounts;
  /** The last version that was given out, also for what is not committed yet, or was refused. */
  readonly lastVersion: Version;
  /** One that cannot be read is reported and counts as absent. */
  item(cache: CacheSegment, key: CacheKey): Item | undefined;
  /** The value of an item; undefined, and reported: it stands apart and cannot be read. */
  value(cache: CacheSegment, key: CacheKey, content: ScalarContent): Buffer | undefined;
  /** Nothing may be written while it is consumed. */
  items(cache: CacheSegment, range: KeyRange): Iterable<KeyedItem>;
  /** Items in the order in which they are to be removed for their age. */
  dueItems(cache: CacheSegment): Iterable<DueItem>;
  /** Caches that have something to remove, earliest first. */
  dueCaches(): Iterable<DueCache>;
  /** Caches in which something was made invalid that is still to be removed. */
  fencedCaches(): Iterable<CacheNames>;
  /** What a collection has, in one of its orders. */
  entries(cache: CacheSegment, root: number, order: EntryOrder): Entries;
  /** Collections that no key has any more, and whose entries are still to be removed. */
  lostCollections(): Iterable<LostCollection>;
  /** What goes to make room. */
  readonly evictions: Evictions;
  /** What was made invalid and is still to be removed. */
  fences(cache: CacheSegment): Iterable<Fence>;
  /** The one of a tag, or of exactly this prefix. */
  fence(cache: CacheSegment, target: FenceTarget): Fence | undefined;
  /** As it stands there, though it may have ended. */
  lease(cache: CacheSegment, name: LeaseName): Lease | undefined;
  /** Keys whose value somebody may load since before a version, at most so many. */
  loadedSinceBefore(cache: CacheSegment, version: Version, countMax: number): readonly CacheKey[];
}

export interface CacheChanges {
  putCache(cache: Cache): void;
  removeCache(cache: Cache): void;
  putCacheCount(namespace: Namespace, count: number): void;
  /** `previous` are those they replace, whose place in the order of dues goes. */
  putCounters(cache: Cache, counters: CacheCounters, previous: CacheCounters): void;
  /** The next version, higher than any. */
  newVersion(now: EpochMs): Version;
  /** `previous` is what the key had, whose place in the order of ends goes. */
  putItem(cache: CacheSegment, key: CacheKey, item: Item, previous: Item | undefined): void;
  /** Names a new collection: no other ever had its number. */
  newRoot(): number;
  entryTree(cache: CacheSegment, root: number, order: EntryOrder): EntryTree;
  /** Removes up to so many rows of what was lost, and what says that it was, when nothing is left. */
  reap(lost: LostCollection, rowsMax: number): void;
  removeItem(cache: CacheSegment, key: CacheKey, previous: Item): void;
  putFenceCounts(cache: Cache, counts: FenceCounts): void;
  putFence(cache: CacheSegment, fence: Fence): void;
  removeFence(cache: CacheSegment, fence: Fence): void;
  /** `previous` is what stands there. */
  putLease(cache: CacheSegment, name: LeaseName, lease: Lease, previous: Lease | undefined): void;
  removeLease(cache: CacheSegment, name: LeaseName, previous: Lease): void;
  /** Removes leases that have ended, at most so many of each kind. */
  removeEndedLeases(cache: CacheSegment, now: EpochMs, countMax: number): void;
  /** Whoever waits for a lease is to look again. */
  wakeLease(cache: CacheNames, name: LeaseName): void;
  /** A place in what the running decision writes, to go back to. */
  readonly mark: number;
  /** Undoes what the running decision wrote since it was at this mark. */
  undoTo(mark: number): void;
  /** Whoever waits for a key to have something is to look again. */
  wakeKey(cache: CacheNames, key: CacheKey): void;
}

/** Where whoever waits for a key of a cache waits, also while the cache is emptied, or has never been written to. */
export const placeOf = ({ namespace, name }: CacheNames, key: CacheKey): KeyPlace =>
  `${namespace}/${name} ${key}` as KeyPlace;

/** Where whoever waits for a lease waits. */
export const placeOfLease = (cache: CacheNames, { kind, key }: LeaseName): KeyPlace =>
  kind === "load"
    ? placeOf(cache, key)
    : // No name of a cache has a slash, so this is the place of no key.
      (`${cache.namespace}/${cache.name}/${key}` as KeyPlace);

/**
 * What goes to make room: kept in memory by whoever decides, since every read changes it. It hears of what is decided, which may
 * yet be undone.
 */
export interface Evictions {
  /** Bytes that a cache without a limit of its own may have. */
  readonly bytesShare: number;
  /** Somebody found what the key has. */
  read(cache: Cache, key: CacheKey, item: Item): void;
  wrote(cache: Cache, key: CacheKey, item: Item, bytes: number): void;
  removed(cache: CacheSegment, key: CacheKey): void;
  /** The cache has nearly all the bytes that it may have. */
  press(cache: CacheNames): void;
  relieved(cache: CacheNames): void;
  /** Those that are to be relieved. */
  readonly pressed: Iterable<CacheNames>;
  /** Keys in the order in which they are to go, by the cache's policy. Items may be removed while it is consumed. */
  victims(cache: Cache, now: EpochMs, view: CacheView): Iterable<CacheKey>;
}

/** Of whoever only reads: nothing is remembered, and nothing goes. */
export const noEvictions: Evictions = {
  bytesShare: Number.MAX_SAFE_INTEGER,
  read: () => undefined,
  wrote: () => undefined,
  removed: () => undefined,
  press: () => undefined,
  relieved: () => undefined,
  pressed: [],
  victims: () => [],
};

export interface CacheTransaction extends CacheView, CacheChanges {}
