// What a cache has and what was done to it, as its rows say it.

import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import { type CacheAddress, cacheNotFound, findCache } from "./cache-name.js";
import type { Cache, CacheCounters } from "./model.js";
import type { CacheDecided } from "./rejections.js";

export interface CacheReport {
  readonly cache: Cache;
  readonly counters: CacheCounters;
  /** For how long what has ended waits to be removed; 0: nothing does. */
  readonly reaperLagMs: number;
}

export function decideCacheReport(
  { caches }: StateTransaction,
  address: CacheAddress,
  { now }: Stamp,
): CacheDecided<CacheReport> {
  const cache = findCache(caches, address);
  if (cache === undefined) return cacheNotFound(address);
  const counters = caches.counters(cache);
  const { dueAt } = counters;
  return accept({ cache, counters, reaperLagMs: Math.max(0, now - (dueAt ?? now)) });
}
