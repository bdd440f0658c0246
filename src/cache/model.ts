// What a cache is made of.
//
// A cache is a name with limits; an item is what one of its keys has. Everything of a cache stands in one segment, so that emptying
// it is a new segment, however much was in the old one. Versions are of the whole store: a later write has a higher one, whatever
// its key, which makes one number enough to say what a tag or a prefix has made invalid: everything written before it.

import type {
  CacheKey,
  CacheName,
  DurationMs,
  EpochMs,
  Namespace,
  SegmentNumber,
  Version,
} from "../base/brands.js";
import type { CacheConfig } from "./limits.js";

export interface Cache {
  readonly namespace: Namespace;
  readonly name: CacheName;
  readonly slot: number;
  readonly segment: SegmentNumber;
  readonly config: CacheConfig;
  /** Undefined: the one that is always there. */
  readonly createdAt: EpochMs | undefined;
  /** The version of its last change, so that one created anew has another. */
  readonly revision: Version;
}

/** What the rows of a cache are found by. */
export type CacheSegment = Pick<Cache, "slot" | "segment">;

/** What a key has. */
export interface Item {
  /** Of the last write of its value. */
  readonly version: Version;
  /** When the key got something after it had nothing. */
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** Undefined: never. */
  readonly expiresAt: EpochMs | undefined;
  /** How long it lives on after each read, and never after when; undefined: reads change nothing. */
  readonly sliding: Sliding | undefined;
  /** How long after its end it may still be served: while it is loaded anew, and after that where it cannot be. */
  readonly graceMs: Grace;
  readonly flags: number;
  readonly contentType: string;
  /** Each once, in byte order. */
  readonly tags: readonly string[];
  /** 0: it was written without one. */
  readonly externalVersion: bigint;
  readonly isPinned: boolean;
  /** Marked stale: it waits for whoever refreshes it. */
  readonly isStale: boolean;
  readonly content: Content;
}

export interface Sliding {
  readonly lifeMs: DurationMs;
  readonly absoluteEnd: EpochMs | undefined;
}

export interface Grace {
  readonly revalidate: DurationMs;
  readonly error: DurationMs;
}

export type Content =
  | ScalarContent
  | CollectionContent
  /** The origin has none, as it said not long ago. */
  | { readonly kind: "negative" };

export interface ScalarContent {
  readonly kind: "scalar";
  readonly isText: boolean;
  /** Bytes of the value. */
  readonly length: number;
  /** Undefined: it is long and stands apart, so that a change of the item's life does not write it again. */
  readonly value: Buffer | undefined;
  /** The version it was written with; that of the item may be higher, where it was marked stale. */
  readonly writtenAs: Version;
}

/** Its elements are rows of their own; `open-cache.ts` says what becomes of them when the item goes. */
export interface CollectionContent {
  readonly kind: CollectionKind;
  /** Names the rows of its elements, and no other collection's that ever was. */
  readonly root: number;
  /** Elements, those included that have ended and are still to be removed. Never 0. */
  readonly length: number;
  /** What the elements count for. */
  readonly bytes: number;
  /** No element ends before; undefined: none ends. */
  readonly dueAt: EpochMs | undefined;
}

export const collectionKinds = ["dictionary", "list", "set", "sorted_set"] as const;
export type CollectionKind = (typeof collectionKinds)[number];

/** Whether a key has a collection. */
export const isCollection = (content: Content): content is CollectionContent =>
  content.kind !== "scalar" && content.kind !== "negative";

/** The numbers of a cache, changed with every write. */
export interface CacheCounters {
  /** What keys have, dead or alive: what has ended stays until somebody passes. */
  readonly items: number;
  readonly bytes: number;
  readonly pinnedBytes: number;
  /** Nothing ends before; undefined: nothing ends. */
  readonly dueAt: EpochMs | undefined;
  readonly events: CacheEvents;
}

/** What every read asks, and few calls change. */
export interface FenceCounts {
  /** How many tags are fenced. */
  readonly tags: number;
  /** How many prefixes of each length are fenced. */
  readonly prefixes: ReadonlyMap<number, number>;
  /** The walk over all items that lowers fences of tags, many together; undefined: none is under way. */
  readonly walk: TagWalk | undefined;
}

/** Fences that were raised after it began are those of the next one. */
export interface TagWalk {
  /** The last that was given out when it began. */
  readonly version: Version;
  /** The last key that it looked at, empty before the first; undefined: it has looked at all, and lowers its fences. */
  readonly after: string | undefined;
}

export const noFences: FenceCounts = { tags: 0, prefixes: new Map(), walk: undefined };

/** Counts that only rise, of what writes did. What reads found is counted by whoever answered them. */
export interface CacheEvents {
  readonly sets: number;
  readonly deletes: number;
  readonly increments: number;
  readonly refused: number;
  readonly expired: number;
  readonly evictedForBytes: number;
  readonly evictedForItems: number;
  readonly tagInvalidations: number;
  readonly prefixInvalidations: number;
  readonly flushes: number;
}

/** What is leased under a name: the right to load a key's value, or a lock. Neither stands in the other's way. */
export interface LeaseName {
  readonly kind: LeaseKind;
  readonly key: CacheKey;
}

export const leaseKinds = ["load", "lock"] as const;
export type LeaseKind = (typeof leaseKinds)[number];

/** Who has it names the token. */
export interface Lease {
  /** Higher than that of everybody who had it before. */
  readonly token: Version;
  readonly endsAt: EpochMs;
}

/** What was written up to a version and has the tag, or begins with the prefix, is invalid. */
export interface Fence {
  readonly version: Version;
  readonly target: FenceTarget;
  /** Of a prefix: the last key that whoever removes the items has looked at; empty: none yet. */
  readonly sweptTo: string;
}

/** A tag may have two: items written before the one are gone, and others written before the other are stale. */
export type FenceTarget =
  | { readonly kind: "tag"; readonly tag: string; readonly mode: FenceMode }
  | { readonly kind: "prefix"; readonly prefix: string; readonly mode: "delete" };

/** Whether items are gone, or stale. */
export type FenceMode = "delete" | "stale";

/** Of a new cache, which has the counts of one that was emptied, too. */
export const noEvents: CacheEvents = {
  sets: 0,
  deletes: 0,
  increments: 0,
  refused: 0,
  expired: 0,
  evictedForBytes: 0,
  evictedForItems: 0,
  tagInvalidations: 0,
  prefixInvalidations: 0,
  flushes: 0,
};

export const newCacheCounters: CacheCounters = {
  items: 0,
  bytes: 0,
  pinnedBytes: 0,
  dueAt: undefined,
  events: noEvents,
};
