// The caches' view of the rows: which rows a cache, an item and a fence are made of, and which go together.

import { hash } from "node:crypto";
import type { CacheKey, CacheName, EpochMs, Namespace, Version } from "../base/brands.js";
import { type EntryOrder, type EntryTree, entryOrders } from "../cache/collections/entries.js";
import { removalTime } from "../cache/item-facts.js";
import {
  type Cache,
  type CacheCounters,
  type CacheSegment,
  type Fence,
  type FenceCounts,
  type FenceTarget,
  type Item,
  isCollection,
  type Lease,
  type LeaseName,
  leaseKinds,
  newCacheCounters,
  noFences,
  type ScalarContent,
} from "../cache/model.js";
import {
  type CacheNames,
  type CacheTransaction,
  type DueCache,
  type DueItem,
  type Evictions,
  type KeyedItem,
  type KeyRange,
  type LostCollection,
  placeOf,
  placeOfLease,
} from "../cache/view.js";
import {
  cacheCountersKey,
  cacheCountKey,
  cacheKey,
  dueCacheByte,
  dueCacheKey,
  dueKeyText,
  dueTimeOf,
  fenceCountsKey,
  fencedCacheByte,
  fencedCacheKey,
  fenceKey,
  itemDueKey,
  lostCollectionByte,
  lostCollectionKey,
  pieceBytes,
  valueKey,
} from "./cache-keys.js";
import { CountedTree } from "./counted-tree.js";
import { ItemTree } from "./item-tree.js";
import { endOfPrefix, nodeKey, segmentPrefix, u64At } from "./keys.js";
import { endedLeases, leaseDueKey, leaseDueRange, leaseKey, leaseKeyOfDue } from "./lease-rows.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";

/** Longer values stand apart, in a row that no change of the item's life writes again. */
const inlineBytesMax = 2_048;
/** Of content type and tags together, with which an item surely fits one value. */
const surelyWholeBytes = 1_400;

const versionKey = nodeKey("version");
/** Versions begin with the milliseconds since then, so that one that was lost with its record is not given out again. */
const versionEpochMs = Date.UTC(2025, 0, 1);
const versionsPerMs = 4_096;

const prefixOf = ({ slot, segment }: CacheSegment): string => segmentPrefix(slot, segment);

export class CacheState implements CacheTransaction {
  readonly #rows: RowAccess;
  readonly #tree: ItemTree;
  readonly evictions: Evictions;
  /** That was given out here, which the row may not say: what it was for may not have been stored. Undefined: none was. */
  #lastVersion: Version | undefined;
  /** The cache whose prefix was made last. */
  #prefixed: { readonly segment: number; readonly prefix: string } = { segment: -1, prefix: "" };

  constructor(rows: RowAccess, evictions: Evictions) {
    this.#rows = rows;
    this.evictions = evictions;
    this.#tree = new ItemTree(rows);
  }

  #prefixOf(cache: CacheSegment): string {
    if (cache.segment !== this.#prefixed.segment) {
      this.#prefixed = { segment: cache.segment, prefix: prefixOf(cache) };
    }
    return this.#prefixed.prefix;
  }

  findCache(namespace: Namespace, name: CacheName): Cache | undefined {
    return this.#rows.get(tables.cache, cacheKey(namespace, name));
  }

  *cachesFrom(namespace: Namespace, from: string): Iterable<Cache> {
    const all = endOfPrefix(cacheKey(namespace, ""));
    for (const { row } of this.#rows.range(tables.cache, cacheKey(namespace, from), all)) yield row;
  }

  *cachesAfter(namespace: string, name: string): Iterable<Cache> {
    const last = cacheKey(namespace, name);
    for (const { key, row } of this.#rows.range(tables.cache, last, "\xa1")) {
      if (key !== last) yield row;
    }
  }

  cacheCount(namespace: Namespace): number {
    return this.#rows.get(tables.cacheCount, cacheCountKey(namespace)) ?? 0;
  }

  counters(cache: CacheSegment): CacheCounters {
    const key = cacheCountersKey(this.#prefixOf(cache));
    return this.#rows.get(tables.cacheCounters, key) ?? newCacheCounters;
  }

  fenceCounts(cache: CacheSegment): FenceCounts {
    return this.#rows.get(tables.fenceCounts, fenceCountsKey(this.#prefixOf(cache))) ?? noFences;
  }

  get lastVersion(): Version {
    return this.#lastVersion ?? ((this.#rows.get(tables.node, versionKey) ?? 0) as Version);
  }

  item(cache: CacheSegment, key: CacheKey): Item | undefined {
    const rowKey = this.#tree.find(this.#prefixOf(cache), key);
    const row = rowKey === undefined ? undefined : this.#rows.getReadable(tables.item, rowKey);
    return row?.kind === "item" ? row.item : undefined;
  }

  value(cache: CacheSegment, key: CacheKey, content: ScalarContent): Buffer | undefined {
    if (content.value !== undefined) return content.value;
    const prefix = this.#prefixOf(cache);
    const rowKey = this.#tree.find(prefix, key);
    if (rowKey === undefined) return undefined;
    return this.#rows.getReadable(tables.value, valueKey(prefix, content.writtenAs, rowKey));
  }

  *items(cache: CacheSegment, range: KeyRange): Iterable<KeyedItem> {
    for (const { key, row } of this.#tree.walk(this.#prefixOf(cache), range)) {
      yield { key, item: row.item };
    }
  }

  *dueItems(cache: CacheSegment): Iterable<DueItem> {
    const prefix = this.#prefixOf(cache);
    for (const { key, row } of this.#rows.range(tables.itemDue, `${prefix}j`, `${prefix}k`)) {
      yield { at: dueTimeOf(key), key: row.longKey ?? dueKeyText(key) };
    }
  }

  *dueCaches(): Iterable<DueCache> {
    const end = endOfPrefix(dueCacheByte);
    for (const { key, row } of this.#rows.range(tables.dueCache, dueCacheByte, end)) {
      yield {
        ...row,
        at: u64At(key, 1) as EpochMs,
        slot: key.charCodeAt(9) * 256 + key.charCodeAt(10),
        segment: u64At(key, 11) as CacheSegment["segment"],
      };
    }
  }

  *fencedCaches(): Iterable<CacheNames> {
    const end = endOfPrefix(fencedCacheByte);
    for (const { row } of this.#rows.range(tables.fencedCache, fencedCacheByte, end)) yield row;
  }

  *fences(cache: CacheSegment): Iterable<Fence> {
    const prefix = this.#prefixOf(cache);
    for (const { row } of this.#rows.range(tables.fence, `${prefix}f`, `${prefix}g`)) yield row;
  }

  fence(cache: CacheSegment, target: FenceTarget): Fence | undefined {
    return this.#rows.getReadable(tables.fence, fenceKey(this.#prefixOf(cache), hashOf(target)));
  }

  lease(cache: CacheSegment, name: LeaseName): Lease | undefined {
    return this.#rows.getReadable(tables.lease, leaseKey(this.#prefixOf(cache), name));
  }

  loadedSinceBefore(cache: CacheSegment, version: Version, countMax: number): readonly CacheKey[] {
    const [from, to] = leaseDueRange(this.#prefixOf(cache), "load");
    const keys: CacheKey[] = [];
    for (const { row } of this.#rows.range(tables.leaseDue, from, to)) {
      if (keys.length === countMax) break;
      if (row.token < version) keys.push(row.key);
    }
    return keys;
  }

  putLease(cache: CacheSegment, name: LeaseName, lease: Lease, previous: Lease | undefined): void {
    const prefix = this.#prefixOf(cache);
    if (previous !== undefined) {
      this.#rows.remove(tables.leaseDue, leaseDueKey(prefix, name, previous.endsAt), false);
    }
    this.#rows.put(tables.lease, leaseKey(prefix, name), lease);
    const due = { token: lease.token, key: name.key };
    this.#rows.put(tables.leaseDue, leaseDueKey(prefix, name, lease.endsAt), due);
  }

  removeLease(cache: CacheSegment, name: LeaseName, { endsAt }: Lease): void {
    const prefix = this.#prefixOf(cache);
    this.#rows.remove(tables.lease, leaseKey(prefix, name), false);
    this.#rows.remove(tables.leaseDue, leaseDueKey(prefix, name, endsAt), false);
  }

  removeEndedLeases(cache: CacheSegment, now: EpochMs, countMax: number): void {
    const prefix = this.#prefixOf(cache);
    for (const kind of leaseKinds) {
      const [from, to] = endedLeases(prefix, kind, now);
      const ended: string[] = [];
      for (const { key } of this.#rows.range(tables.leaseDue, from, to)) {
        if (ended.length === countMax) break;
        ended.push(key);
      }
      for (const key of ended) {
        this.#rows.remove(tables.lease, leaseKeyOfDue(prefix, key), false);
        this.#rows.remove(tables.leaseDue, key, false);
      }
    }
  }

  wakeLease(cache: CacheNames, name: LeaseName): void {
    this.#rows.wake(placeOfLease(cache, name));
  }

  putCache(cache: Cache): void {
    this.#rows.put(tables.cache, cacheKey(cache.namespace, cache.name), cache);
  }

  removeCache({ namespace, name }: Cache): void {
    this.#rows.remove(tables.cache, cacheKey(namespace, name), false);
  }

  putCacheCount(namespace: Namespace, count: number): void {
    this.#rows.put(tables.cacheCount, cacheCountKey(namespace), count);
  }

  putCounters(cache: Cache, counters: CacheCounters, previous: CacheCounters): void {
    this.#rows.put(tables.cacheCounters, cacheCountersKey(this.#prefixOf(cache)), counters);
    if (counters.dueAt === previous.dueAt) return;
    const { slot, segment, namespace, name } = cache;
    if (previous.dueAt !== undefined) {
      this.#rows.remove(tables.dueCache, dueCacheKey(previous.dueAt, slot, segment), false);
    }
    if (counters.dueAt !== undefined) {
      this.#rows.put(tables.dueCache, dueCacheKey(counters.dueAt, slot, segment), {
        namespace,
        name,
      });
    }
  }

  newVersion(now: EpochMs): Version {
    const next = Math.max(this.lastVersion + 1, (now - versionEpochMs) * versionsPerMs);
    const version = next as Version;
    this.#rows.put(tables.node, versionKey, version);
    // Never given out again, whatever becomes of the row: somebody may have been told that this is the last one.
    this.#lastVersion = version;
    return version;
  }

  putItem(cache: CacheSegment, key: CacheKey, item: Item, previous: Item | undefined): void {
    const prefix = this.#prefixOf(cache);
    this.#keepOrLose(prefix, item, previous);
    const rowKey =
      previous === undefined ? this.#tree.make(prefix, key) : this.#tree.find(prefix, key);
    if (rowKey === undefined) return;
    const kept = this.#putValue(prefix, rowKey, item, previous);
    const mayReplaceChunks = previous !== undefined && !isSurelyWhole(previous);
    this.#rows.put(tables.item, rowKey, { kind: "item", item: kept }, mayReplaceChunks);
    const before = previous && removalTime(previous);
    const end = removalTime(item);
    if (before === end) return;
    if (before !== undefined) {
      this.#rows.remove(tables.itemDue, itemDueKey(prefix, before, rowKey), false);
    }
    if (end !== undefined) {
      const longKey = key.length > pieceBytes ? key : undefined;
      this.#rows.put(tables.itemDue, itemDueKey(prefix, end, rowKey), { longKey });
    }
  }

  /** Moves a long value into a row of its own; returns the item as it is to stand. */
  #putValue(prefix: string, rowKey: string, item: Item, previous: Item | undefined): Item {
    const { content } = item;
    const before = previous?.content;
    const isKept =
      content.kind === "scalar" &&
      before?.kind === "scalar" &&
      before.value === undefined &&
      before.writtenAs === content.writtenAs;
    if (before?.kind === "scalar" && before.value === undefined && !isKept) {
      this.#rows.remove(tables.value, valueKey(prefix, before.writtenAs, rowKey), true);
    }
    if (content.kind !== "scalar" || content.value === undefined) return item;
    if (content.length <= inlineBytesMax) return item;
    if (!isKept) {
      this.#rows.insert(tables.value, valueKey(prefix, content.writtenAs, rowKey), content.value);
    }
    return { ...item, content: { ...content, value: undefined } };
  }

  removeItem(cache: CacheSegment, key: CacheKey, previous: Item): void {
    const prefix = this.#prefixOf(cache);
    this.#keepOrLose(prefix, undefined, previous);
    const rowKey = this.#tree.find(prefix, key);
    if (rowKey === undefined) return;
    const { content } = previous;
    if (content.kind === "scalar" && content.value === undefined) {
      this.#rows.remove(tables.value, valueKey(prefix, content.writtenAs, rowKey), true);
    }
    this.#rows.remove(tables.item, rowKey, !isSurelyWhole(previous));
    const end = removalTime(previous);
    if (end !== undefined) {
      this.#rows.remove(tables.itemDue, itemDueKey(prefix, end, rowKey), false);
    }
    this.#tree.prune(prefix, key);
  }

  /** A collection that a key no longer has is lost, and one that it was given is not: it may have been another key's. */
  #keepOrLose(prefix: string, item: Item | undefined, previous: Item | undefined): void {
    const root = rootOf(item);
    const before = rootOf(previous);
    if (root === before) return;
    if (before !== undefined) {
      this.#rows.put(tables.lostCollection, lostCollectionKey(prefix, before), true);
    }
    if (root !== undefined) {
      this.#rows.remove(tables.lostCollection, lostCollectionKey(prefix, root), false);
    }
  }

  newRoot(): number {
    return this.#tree.newNode();
  }

  entries(cache: CacheSegment, root: number, order: EntryOrder): EntryTree {
    return this.entryTree(cache, root, order);
  }

  entryTree(cache: CacheSegment, root: number, order: EntryOrder): EntryTree {
    return this.#entryTree(this.#prefixOf(cache), root, order);
  }

  #entryTree(prefix: string, root: number, order: EntryOrder): CountedTree {
    const place = { prefix, root, order: entryOrders.indexOf(order) };
    return new CountedTree(this.#rows, place, () => this.#tree.newNode());
  }

  *lostCollections(): Iterable<LostCollection> {
    const end = endOfPrefix(lostCollectionByte);
    for (const { key } of this.#rows.range(tables.lostCollection, lostCollectionByte, end)) {
      yield {
        slot: key.charCodeAt(1) * 256 + key.charCodeAt(2),
        segment: u64At(key, 3) as CacheSegment["segment"],
        root: u64At(key, 11),
      };
    }
  }

  reap(lost: LostCollection, rowsMax: number): void {
    const prefix = prefixOf(lost);
    let left = rowsMax;
    for (const order of entryOrders) {
      left -= this.#entryTree(prefix, lost.root, order).dropRows(left);
      if (left <= 0) return;
    }
    this.#rows.remove(tables.lostCollection, lostCollectionKey(prefix, lost.root), false);
  }

  get mark(): number {
    return this.#rows.mark;
  }

  undoTo(mark: number): void {
    this.#rows.undoTo(mark);
  }

  wakeKey(cache: CacheNames, key: CacheKey): void {
    this.#rows.wake(placeOf(cache, key));
  }

  putFenceCounts(cache: Cache, counts: FenceCounts): void {
    this.#rows.put(tables.fenceCounts, fenceCountsKey(this.#prefixOf(cache)), counts);
    const { slot, segment, namespace, name } = cache;
    const key = fencedCacheKey(slot, segment);
    if (hasFences(counts)) this.#rows.put(tables.fencedCache, key, { namespace, name });
    else this.#rows.remove(tables.fencedCache, key, false);
  }

  putFence(cache: CacheSegment, fence: Fence): void {
    this.#rows.put(tables.fence, fenceKey(this.#prefixOf(cache), hashOf(fence.target)), fence);
  }

  removeFence(cache: CacheSegment, { target }: Fence): void {
    this.#rows.remove(tables.fence, fenceKey(this.#prefixOf(cache), hashOf(target)), false);
  }
}

const rootOf = (item: Item | undefined): number | undefined =>
  item !== undefined && isCollection(item.content) ? item.content.root : undefined;

const hasFences = ({ tags, prefixes }: FenceCounts): boolean => tags > 0 || prefixes.size > 0;

function isSurelyWhole({ contentType, tags }: Item): boolean {
  let bytes = contentType.length * 3;
  for (const tag of tags) bytes += 4 + tag.length * 3;
  return bytes <= surelyWholeBytes;
}

/** 16 bytes: tags and prefixes may be longer than a key. */
const hashOf = (target: FenceTarget): string => {
  const text = target.kind === "tag" ? `${target.mode} ${target.tag}` : `prefix ${target.prefix}`;
  return hash("sha256", text, "binary").slice(0, 16);
};
