// The numbers of caches for metrics: as of one moment.

import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import type { CacheEvents } from "./model.js";
import type { CacheDecided } from "./rejections.js";

export interface ObservedCache {
  readonly cache: string;
  readonly items: number;
  readonly bytes: number;
  readonly pinnedBytes: number;
  /** For how long what has ended waits to be removed; 0: nothing does. */
  readonly reaperLagMs: number;
  readonly events: CacheEvents;
}

export function decideObserveCaches(
  { caches }: StateTransaction,
  countMax: number,
  { now }: Stamp,
): CacheDecided<readonly ObservedCache[]> {
  const observed: ObservedCache[] = [];
  for (const cache of caches.cachesAfter("", "")) {
    if (observed.length === countMax) break;
    const { items, bytes, pinnedBytes, dueAt, events } = caches.counters(cache);
    observed.push({
      cache: `${cache.namespace}/${cache.name}`,
      items,
      bytes,
      pinnedBytes,
      reaperLagMs: Math.max(0, now - (dueAt ?? now)),
      events,
    });
  }
  return accept(observed);
}
