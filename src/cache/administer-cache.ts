// The cache as a resource: made, changed, emptied, ended, described, listed.

import type { Namespace } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { slotOfName } from "../queue/slots.js";
import type { Stamp } from "../queue/stamp.js";
import { differing } from "../topic/differences.js";
import type { StateTransaction } from "../topic/view.js";
import {
  alwaysThere,
  type CacheAddress,
  cacheEtag,
  cacheNotFound,
  findCache,
} from "./cache-name.js";
import { type CacheConfig, cacheDefaults, cacheLimits } from "./limits.js";
import { type Cache, newCacheCounters, noFences } from "./model.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { sessionNamespace } from "./session-model.js";

/** Settings by the names of their fields in CacheConfig. */
export const cacheConfigNames = {
  defaultTtlMs: "default_ttl",
  maxTtlMs: "max_ttl",
  jitterPercent: "ttl_jitter_percent",
  bytesMax: "max_bytes",
  itemsMax: "max_items",
  eviction: "eviction",
  durability: "durability",
  replicatedZones: "replicated_zones",
  valueBytesMax: "max_value_bytes",
  elementBytesMax: "max_element_bytes",
  slidingMs: "sliding",
  channelRetainMessages: "channel_retain_messages",
  channelRetainMs: "channel_retain",
} as const satisfies Readonly<Record<keyof CacheConfig, string>>;

export interface CreateCache {
  readonly address: CacheAddress;
  readonly config: Partial<CacheConfig>;
}

export interface CacheCreated {
  readonly cache: Cache;
  readonly isNew: boolean;
}

export function decideCreateCache(
  { caches }: StateTransaction,
  { address, config }: CreateCache,
  stamp: Stamp,
): CacheDecided<CacheCreated> {
  const { namespace, name, given } = address;
  const existing = findCache(caches, address);
  if (existing !== undefined) {
    const different = differing(existing.config, config, cacheConfigNames);
    return different.length === 0
      ? accept({ cache: existing, isNew: false })
      : refuse({ kind: "cache_exists", cache: given, differing: different });
  }
  const count = caches.cacheCount(namespace);
  const { cachesPerNamespaceMax: limit } = cacheLimits;
  if (count >= limit) return refuse({ kind: "cache_limit", count, limit });
  const cache: Cache = {
    namespace,
    name,
    slot: slotOfName(namespace, name),
    segment: stamp.ids.segmentNumber(stamp.now),
    config: { ...cacheDefaults, ...config },
    createdAt: stamp.now,
    revision: caches.newVersion(stamp.now),
  };
  caches.putCache(cache);
  caches.putCacheCount(namespace, count + 1);
  return accept({ cache, isNew: true });
}

export interface UpdateCache {
  readonly address: CacheAddress;
  /** What is named; a setting that is named and has no value here goes back to its default. */
  readonly config: Partial<CacheConfig>;
  /** Empty: whatever it is. */
  readonly etag: string;
}

export function decideUpdateCache(
  { caches }: StateTransaction,
  { address, config, etag }: UpdateCache,
  stamp: Stamp,
): CacheDecided<Cache> {
  const cache = findCache(caches, address);
  if (cache === undefined) return cacheNotFound(address);
  const current = cacheEtag(cache);
  if (etag !== "" && etag !== current) {
    return refuse({ kind: "cache_etag_mismatch", cache: address.given, etag: current });
  }
  const changed: Cache = {
    ...cache,
    // The one that is always there is made when it is first changed.
    segment: cache.segment === 0 ? stamp.ids.segmentNumber(stamp.now) : cache.segment,
    config: { ...cache.config, ...config },
    revision: caches.newVersion(stamp.now),
  };
  caches.putCache(changed);
  return accept(changed);
}

export interface CacheEnded {
  readonly existed: boolean;
}

/** The one that is always there is emptied and has its defaults again. Its sessions go with it. */
export function decideDeleteCache(
  transaction: StateTransaction,
  { address, isMissingOk }: { readonly address: CacheAddress; readonly isMissingOk: boolean },
): CacheDecided<CacheEnded> {
  const { caches } = transaction;
  const { namespace, name } = address;
  const cache = caches.findCache(namespace, name);
  const sessions = caches.findCache(sessionNamespace(namespace), name);
  if (sessions !== undefined) {
    leaveSegment(transaction, sessions);
    caches.removeCache(sessions);
  }
  if (cache === undefined) {
    const existed = name === alwaysThere;
    return existed || isMissingOk ? accept({ existed }) : cacheNotFound(address);
  }
  leaveSegment(transaction, cache);
  caches.removeCache(cache);
  if (name !== alwaysThere) caches.putCacheCount(namespace, caches.cacheCount(namespace) - 1);
  return accept({ existed: true });
}

/** Everything in the segment is gone at once, and removed in the background. */
function leaveSegment(transaction: StateTransaction, cache: Cache): void {
  const { caches } = transaction;
  const counters = caches.counters(cache);
  // No row of what was left is to be met by whoever removes what has ended.
  caches.putCounters(cache, { ...counters, dueAt: undefined }, counters);
  caches.putFenceCounts(cache, noFences);
  transaction.addGarbage(cache);
}

export interface CacheFlushed {
  readonly items: number;
}

export function decideFlushCache(
  transaction: StateTransaction,
  address: CacheAddress,
  stamp: Stamp,
): CacheDecided<CacheFlushed> {
  const { caches } = transaction;
  const cache = findCache(caches, address);
  if (cache === undefined) return cacheNotFound(address);
  if (cache.segment === 0) return accept({ items: 0 });
  const { items, events } = caches.counters(cache);
  leaveSegment(transaction, cache);
  const emptied = {
    ...cache,
    segment: stamp.ids.segmentNumber(stamp.now),
    revision: caches.newVersion(stamp.now),
  };
  caches.putCache(emptied);
  const counters = { ...newCacheCounters, events: { ...events, flushes: events.flushes + 1 } };
  caches.putCounters(emptied, counters, newCacheCounters);
  return accept({ items });
}

export function decideGetCache(
  { caches }: StateTransaction,
  address: CacheAddress,
): CacheDecided<Cache> {
  const cache = findCache(caches, address);
  return cache === undefined ? cacheNotFound(address) : accept(cache);
}

export interface ListCaches {
  readonly namespace: Namespace;
  readonly prefix: string;
  /** The last name of the page before; empty: from the start. */
  readonly afterName: string;
  readonly countMax: number;
}

export interface CachePage {
  readonly caches: readonly Cache[];
  /** The name that the next page begins after; undefined: nothing is left. */
  readonly next: string | undefined;
}

/** A page resumes after its last name, so caches made or ended meanwhile neither hide nor repeat others. */
export function decideListCaches(
  { caches }: StateTransaction,
  { namespace, prefix, afterName, countMax }: ListCaches,
): CacheDecided<CachePage> {
  const found: Cache[] = [];
  for (const cache of namedFrom(caches, namespace, afterName > prefix ? afterName : prefix)) {
    if (!cache.name.startsWith(prefix)) break;
    if (cache.name === afterName) continue;
    if (found.length === countMax) return accept({ caches: found, next: found.at(-1)?.name });
    found.push(cache);
  }
  return accept({ caches: found, next: undefined });
}

/** With the one that is always there in its place, whether it has rows or not. */
function* namedFrom(
  caches: StateTransaction["caches"],
  namespace: Namespace,
  from: string,
): Iterable<Cache> {
  const always = findCache(caches, { namespace, name: alwaysThere, given: alwaysThere });
  let isDue = always !== undefined && always.name >= from;
  for (const cache of caches.cachesFrom(namespace, from)) {
    if (isDue && always !== undefined && cache.name >= always.name) {
      isDue = false;
      if (cache.name !== always.name) yield always;
    }
    yield cache;
  }
  if (isDue && always !== undefined) yield always;
}
