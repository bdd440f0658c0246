// Which items go to make room: what has ended first, then what the cache's policy says, then what the policy does not know.
//
// The order is kept in memory, since every read changes it; what it says is only a choice among what the rows have, so that a key
// it names may have gone. After a restart it knows nothing, and what was not used since goes first.

import type { CacheKey, EpochMs } from "../base/brands.js";
import { type Policy, pseudoRandom } from "./eviction/policy.js";
import { AtRandom, LeastFrequentlyUsed, LeastRecentlyUsed } from "./eviction/simple-policies.js";
import { WTinyLfu } from "./eviction/w-tinylfu.js";
import { hasEnded } from "./expiry.js";
import { countedBytes, endOfItem } from "./item-facts.js";
import { cacheLimits, type EvictionPolicy } from "./limits.js";
import type { Cache, CacheSegment, Item } from "./model.js";
import type { CacheNames, CacheView, Evictions } from "./view.js";

export interface EvictionParts {
  /** Bytes that a cache without a limit of its own may have. */
  readonly bytesShare: number;
  /** Unpredictable, so that nobody makes keys that the sketch takes for one another. */
  readonly seed: number;
  readonly now: () => number;
}

/** An item of which nothing is known is taken to count for so much, to size the sketch. */
const itemBytesTypical = 512;
/** Caches whose use is remembered; more are told apart by their rows only. */
const cachesMax = 10_000;
/** Items that are looked at for one that the policy does not know. */
const walkedMax = 1_000;
/** Ended items that are taken at once. */
const endedMax = 256;

interface Kept {
  readonly eviction: EvictionPolicy;
  readonly limit: string;
  readonly policy: Policy | undefined;
  /** Keys that the policy did not know when they were walked over. */
  strangers: CacheKey[];
  /** The last key that was walked over, empty before the first; undefined: all were. */
  walkedTo: string | undefined;
}

export class MemoryEvictions implements Evictions {
  readonly bytesShare: number;
  readonly #parts: EvictionParts;
  /** By segment; the ones made first go first. */
  readonly #kept = new Map<number, Kept>();
  readonly #pressed = new Map<string, CacheNames>();

  constructor(parts: EvictionParts) {
    this.bytesShare = parts.bytesShare;
    this.#parts = parts;
  }

  read(cache: Cache, key: CacheKey, item: Item): void {
    const policy = this.#policyOf(cache);
    // After a restart it learns of what is used.
    if (policy?.isKnown(key) === false) this.wrote(cache, key, item, countedBytes(key, item));
    else policy?.read(key);
  }

  wrote(cache: Cache, key: CacheKey, item: Item, bytes: number): void {
    const weight = isByItems(cache) ? 1 : bytes;
    this.#policyOf(cache)?.wrote(key, weight, item.expiresAt !== undefined);
  }

  removed({ segment }: CacheSegment, key: CacheKey): void {
    this.#kept.get(segment)?.policy?.removed(key);
  }

  press({ namespace, name }: CacheNames): void {
    this.#pressed.set(`${namespace}/${name}`, { namespace, name });
  }

  relieved({ namespace, name }: CacheNames): void {
    this.#pressed.delete(`${namespace}/${name}`);
  }

  get pressed(): Iterable<CacheNames> {
    return this.#pressed.values();
  }

  *victims(cache: Cache, now: EpochMs, view: CacheView): Iterable<CacheKey> {
    const { eviction } = cache.config;
    const ended: CacheKey[] = [];
    for (const { at, key } of view.dueItems(cache)) {
      if (at > now || ended.length === endedMax) break;
      // Of a collection only elements may have ended.
      const item = view.item(cache, key);
      if (item !== undefined && hasEnded(endOfItem(item), now)) ended.push(key);
    }
    yield* ended;
    if (eviction === "noeviction") return;
    if (eviction === "volatile_ttl") {
      yield* nextToEnd(cache, view);
      return;
    }
    const policy = this.#policyOf(cache);
    if (policy !== undefined) {
      // Only after a restart, or with another policy, are there any that it does not know.
      if (policy.size < view.counters(cache).items) yield* this.#strangers(cache, view, policy);
      yield* policy.victims();
    }
  }

  /** Items that nobody used or wrote since the policy began, which is longer ago than any that it knows; found once, in one walk. */
  *#strangers(cache: Cache, view: CacheView, policy: Policy): Iterable<CacheKey> {
    const kept = this.#kept.get(cache.segment);
    if (kept === undefined) return;
    if (kept.strangers.length === 0 && kept.walkedTo !== undefined) {
      walkOn(kept, cache, view, policy);
    }
    for (let key = kept.strangers.pop(); key !== undefined; key = kept.strangers.pop()) {
      if (!policy.isKnown(key)) yield key;
    }
  }

  #policyOf(cache: Cache): Policy | undefined {
    const { segment, config } = cache;
    const limit = `${config.bytesMax}/${config.itemsMax}`;
    const kept = this.#kept.get(segment);
    if (kept !== undefined && kept.eviction === config.eviction && kept.limit === limit) {
      return kept.policy;
    }
    const policy = this.#make(cache);
    this.#kept.delete(segment);
    this.#kept.set(segment, {
      eviction: config.eviction,
      limit,
      policy,
      strangers: [],
      walkedTo: "",
    });
    if (this.#kept.size > cachesMax) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return policy;
  }

  #make(cache: Cache): Policy | undefined {
    const { bytesShare, seed, now } = this.#parts;
    const { eviction, bytesMax, itemsMax } = cache.config;
    switch (eviction) {
      case "w_tinylfu": {
        const byItems = isByItems(cache);
        const bytes = bytesMax === 0 ? bytesShare : bytesMax;
        const keys = itemsMax > 0 ? itemsMax : Math.ceil(bytes / itemBytesTypical);
        return new WTinyLfu({ weightMax: byItems ? itemsMax : bytes, keys, seed });
      }
      case "allkeys_lru":
      case "volatile_lru":
        return new LeastRecentlyUsed(eviction === "volatile_lru");
      case "allkeys_lfu":
      case "volatile_lfu":
        return new LeastFrequentlyUsed(eviction === "volatile_lfu", pseudoRandom(seed), now);
      case "allkeys_random":
      case "volatile_random":
        return new AtRandom(eviction === "volatile_random", pseudoRandom(seed));
      case "volatile_ttl":
      case "noeviction":
        return undefined;
    }
  }
}

/** Whether only the number of items is limited. */
const isByItems = ({ config: { bytesMax, itemsMax } }: Cache): boolean =>
  itemsMax > 0 && bytesMax === 0;

/** What ends next, a page at a time: those of a page may be gone when the next is looked up. */
function* nextToEnd(cache: Cache, view: CacheView): Iterable<CacheKey> {
  const page: CacheKey[] = [];
  for (const { key } of view.dueItems(cache)) {
    if (page.length === cacheLimits.evictedByWriteMax * 2) break;
    // Elements of a collection end, and it does not: it is not volatile.
    if (view.item(cache, key)?.expiresAt !== undefined) page.push(key);
  }
  yield* page;
}

function walkOn(kept: Kept, cache: Cache, view: CacheView, policy: Policy): void {
  const isVolatileOnly = cache.config.eviction.startsWith("volatile");
  const after = kept.walkedTo === "" ? undefined : kept.walkedTo;
  let walked = 0;
  for (const { key, item } of view.items(cache, { prefix: "", after, isReversed: false })) {
    if (walked === walkedMax) return;
    walked += 1;
    kept.walkedTo = key;
    if (isVolatileOnly && item.expiresAt === undefined) continue;
    if (!policy.isKnown(key)) kept.strangers.push(key);
  }
  kept.walkedTo = undefined;
}
