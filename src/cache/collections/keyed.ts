// What dictionaries, sets and sorted sets have in common: elements that are found by their key, which may end before the others.

import type { CacheKey, DurationMs, EpochMs, Version } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import { type Expiry, endOf, hasEnded, mayReplaceEnd, type TtlMode } from "../expiry.js";
import type { CollectionKind } from "../model.js";
import type { OpenCache } from "../open-cache.js";
import type { CacheDecided } from "../rejections.js";
import { ttlTooFar } from "../scalars.js";
import type { Entries, Entry, EntryKey } from "./entries.js";
import { changeExisting, lookAt, type Named, type OpenCollection } from "./open-collection.js";
import { behindPrefix } from "./order-keys.js";

/** When an element ends that is written now, or is given another end; undefined: as its collection. */
export function elementEnd(
  open: OpenCache,
  expiry: Expiry,
  previous: Entry | undefined,
): { readonly at: EpochMs | undefined } | "too_far" {
  if (expiry.kind === "default" || expiry.kind === "never") return { at: undefined };
  if (expiry.kind === "keep") return { at: previous?.expiresAt };
  const { config } = open.cache;
  return endOf(
    expiry,
    { ...config, defaultTtlMs: 0 as DurationMs },
    { now: open.now, previous: undefined, chance: open.chance() },
  );
}

export interface KeyedOrder extends Named {
  readonly elements: readonly EntryKey[];
}

export interface Removed {
  readonly removed: number;
  readonly length: number;
  readonly version: Version | 0;
}

/** Elements that are not there are passed over; with the last one the key has nothing. */
export function removeElements(open: OpenCache, order: KeyedOrder): CacheDecided<Removed> {
  const changed = changeExisting(open, { ...order, life: undefined }, (collection) => {
    let removed = 0;
    for (const element of order.elements) {
      if (collection.remove(element) !== undefined) removed += 1;
    }
    return accept(removed);
  });
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) return accept({ removed: 0, length: 0, version: 0 });
  const { outcome: removed, length, version } = changed.outcome;
  return accept({ removed, length, version });
}

export interface ExpireElements extends KeyedOrder {
  readonly expiry: Expiry;
  readonly mode: TtlMode;
}

export type ElementExpired = {
  readonly kind: "set" | "not_set" | "missing";
  /** As it is now; undefined: as its collection, or there is none. */
  readonly expiresAt: EpochMs | undefined;
};

const isMissing: ElementExpired = { kind: "missing", expiresAt: undefined };

/** Gives elements another end, one after another. */
export function expireElements(
  open: OpenCache,
  order: ExpireElements,
): CacheDecided<readonly ElementExpired[]> {
  const changed = changeExisting(open, { ...order, life: undefined }, (collection) => {
    const results: ElementExpired[] = [];
    for (const element of order.elements) {
      const entry = collection.find(element);
      if (entry === undefined) {
        results.push(isMissing);
        continue;
      }
      const end = elementEnd(open, order.expiry, entry);
      if (end === "too_far") return ttlTooFar(open);
      if (!mayReplaceEnd(order.mode, entry.expiresAt, end.at)) {
        results.push({ kind: "not_set", expiresAt: entry.expiresAt });
        continue;
      }
      if (hasEnded(end.at, open.now)) collection.remove(element);
      else if (end.at !== entry.expiresAt) collection.relive(entry, end.at);
      results.push({ kind: "set", expiresAt: end.at });
    }
    return accept(results);
  });
  if (changed.kind === "rejected") return changed;
  return accept(changed.outcome?.outcome ?? order.elements.map(() => isMissing));
}

/** What the key has; undefined: nothing. */
export interface FoundElements<Element> {
  readonly collection: OpenCollection;
  /** In the order asked for; undefined: that one is not there. */
  readonly elements: readonly (Element | undefined)[];
}

export function findElements(
  open: OpenCache,
  order: KeyedOrder,
): CacheDecided<FoundElements<Entry> | undefined> {
  const looked = lookAt(open, order);
  if (looked.kind === "rejected" || looked.outcome === undefined)
    return looked as CacheDecided<undefined>;
  const collection = looked.outcome;
  return accept({
    collection,
    elements: order.elements.map((element) => collection.find(element)),
  });
}

export interface ScanElements {
  readonly key: CacheKey;
  readonly kind: CollectionKind;
  /** Every element begins with it; empty: all. */
  readonly prefix: EntryKey;
  /** Strictly behind this one, or before it where the order is reversed; undefined: from the first. */
  readonly after: EntryKey | undefined;
  readonly isReversed: boolean;
  readonly countMax: number;
  /** Keys and values together that a page may have; at least one element. */
  readonly bytesMax: number;
  readonly wantsValues: boolean;
}

export interface ElementPage {
  readonly collection: OpenCollection;
  readonly entries: readonly Entry[];
  /** The element that the next page begins behind; undefined: nothing is left. */
  readonly next: EntryKey | undefined;
}

/** Elements that one page looks at. */
const examinedMax = 20_000;

/** A page of elements in the order of their bytes; undefined: the key has nothing. */
export function scanElements(
  open: OpenCache,
  order: ScanElements,
): CacheDecided<ElementPage | undefined> {
  const looked = lookAt(open, order);
  if (looked.kind === "rejected" || looked.outcome === undefined)
    return looked as CacheDecided<undefined>;
  const collection = looked.outcome;
  const { prefix, after, isReversed, countMax, bytesMax, wantsValues } = order;
  const page: Entry[] = [];
  let bytes = 0;
  let examined = 0;
  let last: EntryKey | undefined;
  for (const entry of collection.entries().walk(startOf(collection.entries(), order), isReversed)) {
    if (entry.key === after) continue;
    if (!entry.key.startsWith(prefix)) break;
    const is = entry.key.length + (wantsValues ? (entry.value?.length ?? 0) : 0);
    const isFull = page.length === countMax || (page.length > 0 && bytes + is > bytesMax);
    if (isFull || examined === examinedMax)
      return accept({ collection, entries: page, next: last });
    examined += 1;
    last = entry.key;
    if (!collection.isLive(entry)) continue;
    bytes += is;
    page.push(entry);
  }
  return accept({ collection, entries: page, next: undefined });
}

/** The place of the first element of a page, or one in front of it. */
function startOf(entries: Entries, { prefix, after, isReversed }: ScanElements): number {
  if (!isReversed) return entries.countBelow(after ?? prefix);
  const behind = after ?? behindPrefix(prefix);
  return (behind === undefined ? entries.length : entries.countBelow(behind)) - 1;
}

export interface SampleElements extends Named {
  readonly count: number;
  /** Whether one may be taken more than once, so that there are as many as asked for. */
  readonly withRepeats: boolean;
}

export interface Sampled {
  readonly collection: OpenCollection;
  readonly entries: readonly Entry[];
}

/** Undefined: the key has nothing. */
export function sampleElements(
  open: OpenCache,
  order: SampleElements,
): CacheDecided<Sampled | undefined> {
  const looked = lookAt(open, order);
  if (looked.kind === "rejected" || looked.outcome === undefined)
    return looked as CacheDecided<undefined>;
  const collection = looked.outcome;
  const places = order.withRepeats
    ? placesWithRepeats(open, collection, order.count)
    : placesWithout(open, collection, order.count);
  const entries = places.flatMap((place) => collection.entries().at(place) ?? []);
  return accept({ collection, entries });
}

function placesWithRepeats(
  open: OpenCache,
  collection: OpenCollection,
  count: number,
): readonly number[] {
  const places: number[] = [];
  while (places.length < count) {
    const place = livePlace(open, collection, new Set());
    if (place === undefined) break;
    places.push(place);
  }
  return places;
}

export function placesWithout(
  open: OpenCache,
  collection: OpenCollection,
  count: number,
): readonly number[] {
  const { length } = collection;
  if (count >= length) return livePlaces(collection);
  // Of most of them it is quicker to choose those that are left out.
  if (count > length / 2) {
    const all = livePlaces(collection);
    const leftOut = new Set<number>();
    while (leftOut.size < all.length - count) leftOut.add(Math.floor(open.chance() * all.length));
    return all.filter((_place, at) => !leftOut.has(at));
  }
  const taken = new Set<number>();
  while (taken.size < count) {
    const place = livePlace(open, collection, taken);
    if (place === undefined) break;
    taken.add(place);
  }
  return [...taken];
}

function livePlaces(collection: OpenCollection): readonly number[] {
  const places: number[] = [];
  let place = 0;
  for (const entry of collection.entries().walk(0)) {
    if (collection.isLive(entry)) places.push(place);
    place += 1;
  }
  return places;
}

/** So many chances in a row that meet what has ended, or was taken, are taken for a collection that has mostly such. */
const missesMax = 64;

/** Of one chosen by chance that has not ended and was not taken. */
function livePlace(
  open: OpenCache,
  collection: OpenCollection,
  taken: ReadonlySet<number>,
): number | undefined {
  const entries = collection.entries();
  const { length } = entries;
  for (let misses = 0; misses < missesMax; misses += 1) {
    const place = Math.floor(open.chance() * length);
    const entry = entries.at(place);
    if (entry !== undefined && collection.isLive(entry) && !taken.has(place)) return place;
  }
  const left = livePlaces(collection).filter((place) => !taken.has(place));
  return left[Math.floor(open.chance() * left.length)];
}

export interface Counted {
  readonly collection: OpenCollection;
  /** Elements that have not ended. */
  readonly length: number;
}

/** Undefined: the key has nothing. */
export function lengthOf(open: OpenCache, order: Named): CacheDecided<Counted | undefined> {
  const looked = lookAt(open, order);
  if (looked.kind === "rejected") return looked;
  const collection = looked.outcome;
  return accept(collection && { collection, length: collection.length });
}
