// Which items go to make room.
//
// The order is kept in memory, since every read changes it; what it says is only a choice among what the rows have, so that a key
// it names may have gone.

import type { CacheKey, EpochMs } from "../base/brands.js";
import type { Cache } from "./model.js";
import type { CacheView, Evictions } from "./view.js";

export function createEvictions(bytesShare: number): Evictions {
  return { bytesShare, victims };
}

/** What ends next, and after that by key. */
function* victims(cache: Cache, _now: EpochMs, view: CacheView): Iterable<CacheKey> {
  if (cache.config.eviction === "noeviction") return;
  for (const { key } of [...view.dueItems(cache)]) yield key;
}
