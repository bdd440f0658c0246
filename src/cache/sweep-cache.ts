// What is removed in the background: items that have ended, and those that a fence has made invalid. Nothing depends on when.

import { assert } from "../base/assert.js";
import type { CacheKey } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import type { CacheAddress } from "./cache-name.js";
import { hasEnded } from "./expiry.js";
import { removalTime } from "./item-facts.js";
import { cacheLimits } from "./limits.js";
import { type Cache, type Fence, noFences } from "./model.js";
import { OpenCache } from "./open-cache.js";
import type { CacheDecided } from "./rejections.js";

export interface Swept {
  readonly hasMore: boolean;
}

const addressOf = ({ namespace, name }: Cache): CacheAddress => ({ namespace, name, given: name });

/** Removes what has ended, of the cache that has the earliest. */
export function decideReapItems({ caches }: StateTransaction, stamp: Stamp): CacheDecided<Swept> {
  const [due] = caches.dueCaches();
  if (due === undefined || due.at > stamp.now) return accept({ hasMore: false });
  const cache = caches.findCache(due.namespace, due.name);
  // A cache leaves no due behind when its segment goes.
  assert(cache?.segment === due.segment, "what is due is of a cache that is there");
  const open = new OpenCache(caches, addressOf(cache), cache, stamp);
  const ended: CacheKey[] = [];
  let dueAt: typeof due.at | undefined;
  for (const { at, key } of caches.dueItems(cache)) {
    if (at > stamp.now || ended.length === cacheLimits.sweptMax) {
      dueAt = at;
      break;
    }
    ended.push(key);
  }
  for (const key of ended) {
    const stored = caches.item(cache, key);
    if (stored === undefined || !hasEnded(removalTime(stored), stamp.now)) continue;
    open.remove(key, stored);
    open.tally("expired");
  }
  if (ended.length > 0) void open.version;
  open.change({ dueAt });
  open.close();
  return accept({ hasMore: true });
}

/** Removes what was made invalid, of the first cache that has such items. */
export function decideSweepFences(
  transaction: StateTransaction,
  stamp: Stamp,
): CacheDecided<Swept> {
  const { caches } = transaction;
  const [fenced] = caches.fencedCaches();
  if (fenced === undefined) return accept({ hasMore: false });
  const cache = caches.findCache(fenced.namespace, fenced.name);
  // A cache leaves no fence behind when its segment goes.
  assert(cache !== undefined, "what is fenced is of a cache that is there");
  return decideSweepFence(transaction, cache, stamp);
}

/** Removes what one fence has made invalid, a page of keys; at the end the fence. */
function decideSweepFence(
  { caches }: StateTransaction,
  cache: Cache,
  stamp: Stamp,
): CacheDecided<Swept> {
  const [fence] = caches.fences(cache);
  if (fence === undefined) {
    // A fence that cannot be read is none, and what it hid is there again; it must not keep the others waiting for ever.
    caches.putFenceCounts(cache, noFences);
    return accept({ hasMore: true });
  }
  const open = new OpenCache(caches, addressOf(cache), cache, stamp);
  const page = [...pageOf(open, fence)];
  for (const key of page) {
    const stored = caches.item(cache, key);
    if (stored === undefined) continue;
    const looked = open.judge(key, stored);
    if (looked.kind === "absent") open.remove(key, stored);
    // Its own row says from now on what the fence does.
    else if (looked.kind === "stale" && !stored.isStale && isUnder(fence, key, stored.tags)) {
      open.put(key, { ...stored, isStale: true }, looked);
    }
  }
  const last = page.at(-1);
  if (page.length === cacheLimits.sweptMax && last !== undefined) {
    caches.putFence(cache, { ...fence, sweptTo: last });
  } else lower(open, fence);
  open.close();
  return accept({ hasMore: true });
}

function* pageOf(
  { transaction, cache }: OpenCache,
  { target, sweptTo }: Fence,
): Iterable<CacheKey> {
  const prefix = target.kind === "prefix" ? target.prefix : "";
  const after = sweptTo === "" ? undefined : sweptTo;
  let left: number = cacheLimits.sweptMax;
  for (const { key } of transaction.items(cache, { prefix, after, isReversed: false })) {
    if (left === 0) return;
    left -= 1;
    yield key;
  }
}

/** Evicts from the first cache that has nearly all it may have, a step at a time. */
export function decideRelieve({ caches }: StateTransaction, stamp: Stamp): CacheDecided<Swept> {
  const { evictions } = caches;
  const [pressed] = evictions.pressed;
  if (pressed === undefined) return accept({ hasMore: false });
  const cache = caches.findCache(pressed.namespace, pressed.name);
  if (cache === undefined || cache.config.eviction === "noeviction") {
    evictions.relieved(pressed);
    return accept({ hasMore: true });
  }
  const open = new OpenCache(caches, addressOf(cache), cache, stamp);
  const before = open.counters.items;
  const isRelieved = open.relieve();
  // Where nothing more may go it is left to the writes.
  if (isRelieved || open.counters.items === before) evictions.relieved(pressed);
  open.close();
  return accept({ hasMore: true });
}

const isUnder = ({ target }: Fence, key: CacheKey, tags: readonly string[]): boolean =>
  target.kind === "tag" ? tags.includes(target.tag) : key.startsWith(target.prefix);

function lower(open: OpenCache, fence: Fence): void {
  open.transaction.removeFence(open.cache, fence);
  const { target } = fence;
  if (target.kind === "tag") {
    open.changeFences({ ...open.fences, tags: open.fences.tags - 1 });
    return;
  }
  const prefixes = new Map(open.fences.prefixes);
  const left = (prefixes.get(target.prefix.length) ?? 1) - 1;
  if (left > 0) prefixes.set(target.prefix.length, left);
  else prefixes.delete(target.prefix.length);
  open.changeFences({ ...open.fences, prefixes });
}
