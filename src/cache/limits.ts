// The numbers of caches: what a call, a key, a value and a cache may have at most, and what a cache is like if nobody says otherwise.

import { type DurationMs, milliseconds, seconds } from "../base/brands.js";

export const cacheLimits = {
  nameCharactersMax: 128,
  cachesPerNamespaceMax: 10_000,
  keyBytesMax: 1_024,
  valueBytesMax: 64 * 1_048_576,
  /** Keys or items of one call. */
  keysMax: 1_000,
  keysDeletedMax: 10_000,
  operationsMax: 1_000,
  /** Fields, members or values of one call. */
  elementsMax: 10_000,
  /** Elements of one collection. */
  collectionElementsMax: 10_000_000,
  /** Elements that one call puts together or copies, or removes from one place of a longer collection. */
  combinedElementsMax: 100_000,
  /** Bytes of the collections that one call puts together or copies: what it writes has to go to other nodes as one record. */
  combinedBytesMax: 16 * 1_048_576,
  /** Elements that one call removes out of a longer collection, each in a place of its own. */
  removedElementsMax: 10_000,
  elementBytesMax: 1_048_576,
  contentTypeCharactersMax: 128,
  tagsMax: 16,
  tagBytesMax: 256,
  tagsInvalidatedMax: 100,
  opaqueBytesMax: 32,
  /** What an item counts for beside its key, its value and its tags. */
  itemOverheadBytes: 64,
  /** Items that one write evicts to make room for itself. */
  evictedByWriteMax: 128,
  /** Keys that one page of a scan looks at. */
  examinedMax: 10_000,
  /** Keys that one step of a count looks at: some milliseconds. */
  countedMax: 2_000,
  /** Items that one step of the sweeper removes. */
  sweptMax: 500,
  /** How long leases and locks last. */
  leaseMsMin: 100,
  leaseMsMax: 300_000,
  leaseMsDefault: 10_000,
  /** How long somebody waits for one. */
  leaseWaitMsMax: 20_000,
  /** Up to how long before its end a value is refreshed. */
  refreshBelowMsMax: 31 * 86_400_000,
  /** Leases that one step of the sweeper looks at. */
  leasesExaminedMax: 500,
  /** Leases that have ended and go with each one that is taken. */
  leasesSweptMax: 2,
  jitterPercentMax: 50,
  /** An instant that a double can still tell from the one after it. */
  instantMsMax: Number.MAX_SAFE_INTEGER,
} as const;

export type EvictionPolicy =
  | "w_tinylfu"
  | "allkeys_lru"
  | "allkeys_lfu"
  | "allkeys_random"
  | "volatile_lru"
  | "volatile_lfu"
  | "volatile_random"
  | "volatile_ttl"
  | "noeviction";

export type CacheDurability = "none" | "flushed" | "replicated";

export interface CacheConfig {
  /** 0: no end. */
  readonly defaultTtlMs: DurationMs;
  /** 0: as long as anybody likes. */
  readonly maxTtlMs: DurationMs;
  readonly jitterPercent: number;
  /** 0: the node's share. */
  readonly bytesMax: number;
  /** 0: any number. */
  readonly itemsMax: number;
  readonly eviction: EvictionPolicy;
  readonly durability: CacheDurability;
  readonly replicatedZones: number;
  readonly valueBytesMax: number;
  /** Of one value in a dictionary or a list. */
  readonly elementBytesMax: number;
  /** 0: reads change no life. */
  readonly slidingMs: DurationMs;
  /** Messages that the ring of a channel keeps, */
  readonly channelRetainMessages: number;
  /** and for how long. */
  readonly channelRetainMs: DurationMs;
}

export const cacheDefaults: CacheConfig = {
  defaultTtlMs: milliseconds(0),
  maxTtlMs: milliseconds(0),
  jitterPercent: 0,
  bytesMax: 0,
  itemsMax: 0,
  eviction: "w_tinylfu",
  durability: "flushed",
  replicatedZones: 2,
  valueBytesMax: 1_048_576,
  elementBytesMax: 131_072,
  slidingMs: milliseconds(0),
  channelRetainMessages: 1_000,
  channelRetainMs: seconds(60),
};
