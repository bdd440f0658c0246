// A cache while one command reads and changes it.
//
// What a key has is judged here, once for all rules: an item that has ended, that a tag or a prefix has made invalid, or that only
// says that the origin has none, counts as absent, though its row is still there. Numbers and the version of the command are
// gathered and written at the end. A cache is made when something is first written to the one that is always there.

import { assert } from "../base/assert.js";
import type { CacheKey, EpochMs, Version } from "../base/brands.js";
import type { Decided } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { CacheAddress } from "./cache-name.js";
import { instantKey } from "./collections/order-keys.js";
import { hasEnded } from "./expiry.js";
import { countedBytes, removalTime } from "./item-facts.js";
import { cacheLimits } from "./limits.js";
import {
  type Cache,
  type CacheCounters,
  type CacheEvents,
  type CollectionContent,
  type Fence,
  type FenceCounts,
  type FenceMode,
  type Item,
  isCollection,
  type Lease,
  type LeaseName,
} from "./model.js";
import type { CacheRejection } from "./rejections.js";
import type { CacheTransaction } from "./view.js";

/** What a key has, and what it counts as. */
export type Looked =
  | { readonly kind: "absent"; readonly stored: Item | undefined }
  /** The origin has none, as it said not long ago. */
  | { readonly kind: "negative"; readonly stored: Item }
  /** It has ended or was marked stale, and is kept for those who take such ones. Counts as absent for everybody else. */
  | { readonly kind: "stale"; readonly stored: Item; readonly item: Item }
  | { readonly kind: "live"; readonly stored: Item; readonly item: Item };

export class OpenCache {
  readonly transaction: CacheTransaction;
  readonly address: CacheAddress;
  readonly now: EpochMs;
  readonly #stamp: Stamp;
  #cache: Cache;
  /** Undefined: nobody has asked for them. Others change them with every write, so whoever only reads an item leaves them alone. */
  #before: CacheCounters | undefined;
  #counters: CacheCounters | undefined;
  #fences: FenceCounts;
  #version: Version | undefined;

  constructor(transaction: CacheTransaction, address: CacheAddress, cache: Cache, stamp: Stamp) {
    this.transaction = transaction;
    this.address = address;
    this.now = stamp.now;
    this.#stamp = stamp;
    this.#cache = cache;
    this.#fences = transaction.fenceCounts(cache);
  }

  get cache(): Cache {
    return this.#cache;
  }

  get counters(): CacheCounters {
    this.#before ??= this.transaction.counters(this.#cache);
    this.#counters ??= this.#before;
    return this.#counters;
  }

  get fences(): FenceCounts {
    return this.#fences;
  }

  /** Of everything that this command writes. */
  get version(): Version {
    this.#version ??= this.transaction.newVersion(this.now);
    return this.#version;
  }

  /** 0: it has written nothing. */
  get versionIfWritten(): Version | 0 {
    return this.#version ?? 0;
  }

  look(key: CacheKey): Looked {
    const stored = this.transaction.item(this.#cache, key);
    return stored === undefined ? { kind: "absent", stored } : this.judge(key, stored);
  }

  judge(key: CacheKey, stored: Item): Looked {
    const fence = this.fenceOf(key, stored);
    if (fence === "delete") return { kind: "absent", stored };
    const { content, expiresAt, graceMs } = stored;
    const isOver = hasEnded(expiresAt, this.now);
    if (content.kind === "negative") {
      return isOver || fence === "stale"
        ? { kind: "absent", stored }
        : { kind: "negative", stored };
    }
    if (
      isCollection(content) &&
      hasEnded(content.dueAt, this.now) &&
      this.liveLength(content) === 0
    ) {
      return { kind: "absent", stored };
    }
    if (!isOver && !stored.isStale && fence === undefined) {
      return { kind: "live", stored, item: stored };
    }
    const hasGrace =
      expiresAt === undefined || this.now < expiresAt + graceMs.revalidate + graceMs.error;
    return hasGrace ? { kind: "stale", stored, item: stored } : { kind: "absent", stored };
  }

  /** Elements of a collection that have not ended. */
  liveLength({ root, length, dueAt }: CollectionContent): number {
    if (!hasEnded(dueAt, this.now)) return length;
    const ends = this.transaction.entries(this.#cache, root, "end");
    return length - ends.countBelow(instantKey(this.now + 1));
  }

  /** What made an item invalid that was written before. */
  fenceOf(key: CacheKey, { version, tags }: Pick<Item, "version" | "tags">): FenceMode | undefined {
    const { tags: fencedTags, prefixes } = this.#fences;
    let mode: FenceMode | undefined;
    const meet = (fence: Fence | undefined): void => {
      if (fence === undefined || version > fence.version) return;
      if (mode !== "delete") mode = fence.target.mode;
    };
    if (fencedTags > 0) {
      for (const tag of tags) {
        meet(this.transaction.fence(this.#cache, { kind: "tag", tag, mode: "delete" }));
        meet(this.transaction.fence(this.#cache, { kind: "tag", tag, mode: "stale" }));
      }
    }
    for (const length of prefixes.keys()) {
      if (length > key.length) continue;
      const prefix = key.slice(0, length);
      meet(this.transaction.fence(this.#cache, { kind: "prefix", prefix, mode: "delete" }));
    }
    return mode;
  }

  put(key: CacheKey, item: Item, { stored }: Pick<Looked, "stored">): void {
    this.ensureMade();
    this.transaction.putItem(this.#cache, key, item, stored);
    this.#count(key, stored, item);
    // Another life, or what a fence said long ago, is no write of it.
    if (item.version === this.#version) this.endLease(key);
    this.transaction.evictions.wrote(this.#cache, key, item, countedBytes(key, item));
  }

  remove(key: CacheKey, stored: Item): void {
    this.drop(key, stored);
    this.endLease(key);
  }

  /** As `remove`, where nobody asked for it: whoever loads the key goes on. */
  drop(key: CacheKey, stored: Item): void {
    this.transaction.removeItem(this.#cache, key, stored);
    this.#count(key, stored, undefined);
    this.transaction.evictions.removed(this.#cache, key);
  }

  /** Whoever loads this key may not store any more what was loaded. */
  endLease(key: CacheKey): void {
    const name = { kind: "load", key } as const;
    const lease = this.transaction.lease(this.#cache, name);
    if (lease === undefined) return;
    this.transaction.removeLease(this.#cache, name, lease);
    this.transaction.wakeLease(this.#cache, name);
  }

  putLease(name: LeaseName, lease: Lease, previous: Lease | undefined): void {
    this.ensureMade();
    this.transaction.putLease(this.#cache, name, lease, previous);
  }

  /** Whether a key with these tags was made invalid after a version. */
  isFencedSince(key: CacheKey, version: Version, tags: readonly string[]): boolean {
    return this.fenceOf(key, { version, tags }) !== undefined;
  }

  /** In [0, 1): by how much a life is shortened. */
  chance(): number {
    return this.#stamp.ids.fraction();
  }

  /**
   * Makes room for an item in place of what its key has, by evicting others; returns why there is none. The limits are those of the
   * cache; what shrinks or changes nothing needs none.
   */
  makeRoom(
    key: CacheKey,
    item: Item,
    { stored }: Pick<Looked, "stored">,
  ): CacheRejection | undefined {
    const { config } = this.#cache;
    const was = stored === undefined ? 0 : countedBytes(key, stored);
    const is = countedBytes(key, item);
    const { given: cache } = this.address;
    const limit = this.bytesLimit;
    if (item.isPinned && stored?.isPinned !== true) {
      const pinned = this.counters.pinnedBytes + is;
      const pinnedMax = Math.floor(limit / 2);
      if (pinned > pinnedMax)
        return { kind: "pinned_limit", cache, bytes: pinned, limit: pinnedMax };
    }
    const needsBytes = is > was && this.counters.bytes + is - was > limit;
    const { itemsMax } = config;
    const needsItems = stored === undefined && itemsMax > 0 && this.counters.items >= itemsMax;
    if (!needsBytes && !needsItems) return undefined;
    const isFits = (): boolean =>
      (!needsBytes || this.counters.bytes + is - was <= limit) &&
      (!needsItems || this.counters.items < itemsMax);
    this.#evict(key, isFits, needsBytes ? "evictedForBytes" : "evictedForItems");
    if (isFits()) return undefined;
    return needsBytes
      ? { kind: "cache_full", cache, what: "bytes", limit }
      : { kind: "cache_full", cache, what: "items", limit: itemsMax };
  }

  /** Bytes that the items may have. */
  get bytesLimit(): number {
    const { bytesMax } = this.#cache.config;
    return bytesMax === 0 ? this.transaction.evictions.bytesShare : bytesMax;
  }

  /** Evicts until there is room again, at most so many; says whether there is. */
  relieve(): boolean {
    const { itemsMax } = this.#cache.config;
    const isRelieved = (): boolean =>
      this.counters.bytes <= this.bytesLimit * pressedShare &&
      (itemsMax === 0 || this.counters.items <= itemsMax);
    this.#evict(undefined, isRelieved, "evictedForBytes");
    return isRelieved();
  }

  #evict(key: CacheKey | undefined, isEnough: () => boolean, event: keyof CacheEvents): void {
    let left: number = cacheLimits.evictedByWriteMax;
    const { evictions } = this.transaction;
    for (const victim of evictions.victims(this.#cache, this.now, this.transaction)) {
      if (isEnough() || left === 0) return;
      left -= 1;
      if (victim === key) continue;
      const stored = this.transaction.item(this.#cache, victim);
      if (stored === undefined || stored.isPinned) continue;
      this.drop(victim, stored);
      this.tally(hasEnded(stored.expiresAt, this.now) ? "expired" : event);
    }
  }

  #count(key: CacheKey, before: Item | undefined, after: Item | undefined): void {
    const { items, bytes, pinnedBytes, dueAt } = this.counters;
    const was = before === undefined ? 0 : countedBytes(key, before);
    const is = after === undefined ? 0 : countedBytes(key, after);
    const pinnedWas = before?.isPinned === true ? was : 0;
    const pinnedIs = after?.isPinned === true ? is : 0;
    const end = after && removalTime(after);
    this.#counters = {
      ...this.counters,
      items: items + (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1),
      bytes: bytes + is - was,
      pinnedBytes: pinnedBytes + pinnedIs - pinnedWas,
      dueAt: end !== undefined && (dueAt === undefined || end < dueAt) ? end : dueAt,
    };
  }

  /** Counts events. */
  tally(name: keyof CacheEvents, count = 1): void {
    const { events } = this.counters;
    this.#counters = { ...this.counters, events: { ...events, [name]: events[name] + count } };
  }

  change(counters: Partial<CacheCounters>): void {
    this.#counters = { ...this.counters, ...counters };
  }

  /** Runs a rule beside others: if it is refused, nothing of it stays, and what others did does. */
  attempt<Outcome, Rejection>(
    rule: () => Decided<Outcome, Rejection>,
  ): Decided<Outcome, Rejection> {
    const [mark, cache, before, counters, fences] = [
      this.transaction.mark,
      this.#cache,
      this.#before,
      this.#counters,
      this.#fences,
    ];
    const decided = rule();
    if (decided.kind === "accepted") return decided;
    this.transaction.undoTo(mark);
    this.#cache = cache;
    this.#before = before;
    this.#counters = counters;
    this.#fences = fences;
    return decided;
  }

  changeFences(fences: FenceCounts): void {
    this.ensureMade();
    this.#fences = fences;
    this.transaction.putFenceCounts(this.#cache, fences);
  }

  /** The one that is always there has no row before something is written to it. */
  ensureMade(): void {
    if (this.#cache.segment !== 0) return;
    const made = {
      ...this.#cache,
      segment: this.#stamp.ids.segmentNumber(this.now),
      revision: this.version,
    };
    this.transaction.putCache(made);
    this.#cache = made;
  }

  /** Writes what was gathered. After the last change; nothing where there was none. */
  close(): void {
    const [before, counters] = [this.#before, this.#counters];
    if (before === undefined || counters === undefined || counters === before) return;
    this.ensureMade();
    assert(counters.items >= 0 && counters.bytes >= 0, "no cache has less than nothing");
    this.transaction.putCounters(this.#cache, counters, before);
    const isGrown = counters.bytes > before.bytes;
    if (isGrown && counters.bytes > this.bytesLimit * pressedShare) {
      this.transaction.evictions.press(this.#cache);
    }
  }
}

/** With more, items are evicted in the background, so that writes seldom have to. */
const pressedShare = 0.9;
