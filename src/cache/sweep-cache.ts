// What is removed in the background: items that have ended, and those that a fence has made invalid. Nothing depends on when.

import { assert } from "../base/assert.js";
import type { CacheKey, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import type { CacheAddress } from "./cache-name.js";
import { ChangingCollection } from "./collections/open-collection.js";
import { hasEnded } from "./expiry.js";
import { endOfItem, removalTime } from "./item-facts.js";
import { cacheLimits } from "./limits.js";
import { type Cache, type Fence, type Item, isCollection } from "./model.js";
import { OpenCache } from "./open-cache.js";
import type { CacheDecided } from "./rejections.js";
import { isOfSessions } from "./session-model.js";
import { sweepSession } from "./session-store.js";

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
  for (const { at, key } of caches.dueItems(cache)) {
    if (at > stamp.now || ended.length === cacheLimits.sweptMax) break;
    ended.push(key);
  }
  let removed = 0;
  for (const key of ended) {
    if (removed >= cacheLimits.sweptMax) break;
    const stored = caches.item(cache, key);
    if (stored === undefined || !hasEnded(removalTime(stored), stamp.now)) continue;
    if (hasEnded(endOfItem(stored), stamp.now)) {
      open.drop(key, stored);
      open.tally("expired");
      removed += 1;
    } else removed += reapElements(open, key, stored);
  }
  // A collection of which elements have gone is due again when the next of them ends.
  const [next] = caches.dueItems(cache);
  if (ended.length > 0) void open.version;
  open.change({ dueAt: next?.at });
  open.close();
  return accept({ hasMore: true });
}

/**
 * Removes elements that have ended, of a collection that has not; one that has no others goes with them. Says how much was removed.
 */
function reapElements(open: OpenCache, key: CacheKey, stored: Item): number {
  const { content } = stored;
  if (!isCollection(content)) return 0;
  if (open.liveLength(content) === 0) {
    open.drop(key, stored);
    open.tally("expired");
    return 1;
  }
  // It parts with what has ended as soon as it is opened.
  const left = new ChangingCollection(open, content).contentOf(content.kind);
  open.put(key, { ...stored, content: left }, { stored });
  return content.length - left.length;
}

/** Removes rows of a collection that no key has any more. */
export function decideReapLost({ caches }: StateTransaction): CacheDecided<Swept> {
  const [lost] = caches.lostCollections();
  if (lost === undefined) return accept({ hasMore: false });
  caches.reap(lost, cacheLimits.sweptMax);
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

/** A page of what was made invalid: of one prefix, or of all tags together, which takes one walk over all items. */
function decideSweepFence(
  { caches }: StateTransaction,
  cache: Cache,
  stamp: Stamp,
): CacheDecided<Swept> {
  const open = new OpenCache(caches, addressOf(cache), cache, stamp);
  if (open.fences.prefixes.size > 0) sweepPrefix(open);
  else walkTags(open);
  open.close();
  return accept({ hasMore: true });
}

function sweepPrefix(open: OpenCache): void {
  const { transaction, cache, fences } = open;
  const fence = firstOf(transaction.fences(cache), ({ target }) => target.kind === "prefix");
  if (fence === undefined) {
    // One that cannot be read is none, and what it hid is there again; it must not keep the others waiting for ever.
    open.changeFences({ ...fences, prefixes: new Map() });
    return;
  }
  const prefix = fence.target.kind === "prefix" ? fence.target.prefix : "";
  const last = sweepPage(open, prefix, fence.sweptTo);
  if (last !== undefined) transaction.putFence(cache, { ...fence, sweptTo: last });
  else if (endLeasesUnder(open, prefix, fence.version)) lower(open, fence);
}

function walkTags(open: OpenCache): void {
  const { fences, transaction, cache } = open;
  const walk = fences.walk ?? { version: transaction.lastVersion, after: "" };
  if (walk.after !== undefined) {
    open.changeFences({
      ...fences,
      walk: { version: walk.version, after: sweepPage(open, "", walk.after) },
    });
    return;
  }
  const done: Fence[] = [];
  for (const fence of transaction.fences(cache)) {
    if (done.length === cacheLimits.sweptMax) break;
    if (fence.version <= walk.version) done.push(fence);
  }
  // What a loader gives its value for tags is not known before it writes, so every lease that is older than a fence ends with it.
  const newest = done.reduce((highest, { version }) => Math.max(highest, version), 0) as Version;
  if (!endLeasesUnder(open, "", newest)) return;
  for (const fence of done) lower(open, fence);
  if (done.length === cacheLimits.sweptMax) return;
  // What is left was raised meanwhile; where nothing can be read that is counted, nothing is left.
  const hasLeft = firstOf(transaction.fences(cache), () => true) !== undefined;
  open.changeFences({ ...open.fences, walk: undefined, ...(!hasLeft && { tags: 0 }) });
}

function firstOf<Each>(all: Iterable<Each>, isWanted: (each: Each) => boolean): Each | undefined {
  for (const each of all) if (isWanted(each)) return each;
  return undefined;
}

/** Carries out what fences say of a page of items; answers with the last of them, or undefined after the last page. */
function sweepPage(open: OpenCache, prefix: string, after: string): CacheKey | undefined {
  const { transaction, cache } = open;
  const page: { readonly key: CacheKey; readonly item: Item }[] = [];
  const range = { prefix, after: after === "" ? undefined : after, isReversed: false };
  for (const each of transaction.items(cache, range)) {
    page.push(each);
    if (page.length === cacheLimits.sweptMax) break;
  }
  for (const { key, item } of page) {
    const fenced = open.fenceOf(key, item);
    if (fenced === "delete" && isOfSessions(cache)) sweepSession(open, { key, item });
    // A lease that was given since is of somebody who loads what is there now.
    else if (fenced === "delete") open.drop(key, item);
    // Its own row says from now on what the fence does.
    else if (fenced === "stale" && !item.isStale) {
      open.put(key, { ...item, isStale: true }, { stored: item });
    }
  }
  return page.length === cacheLimits.sweptMax ? page.at(-1)?.key : undefined;
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

/**
 * Ends the leases of keys under a prefix that are older than what made them worthless, which nobody would know of without its fence;
 * says whether all of them. Where there are many, all of a step's that are older go: a loader that has lost its lease asks again.
 */
function endLeasesUnder(open: OpenCache, prefix: string, version: Version): boolean {
  const { leasesExaminedMax } = cacheLimits;
  const keys = open.transaction.loadedSinceBefore(open.cache, version, leasesExaminedMax);
  const isLast = keys.length < leasesExaminedMax;
  for (const key of keys) if (!isLast || key.startsWith(prefix)) open.endLease(key);
  return isLast;
}

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
