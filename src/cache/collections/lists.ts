// Lists: values in the order they were given, taken from both ends, and found by their place.

import type { CacheKey, Version } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import { rangeOf } from "../byte-range.js";
import { cacheLimits } from "../limits.js";
import type { OpenCache } from "../open-cache.js";
import { type CacheDecided, refuse } from "../rejections.js";
import type { Value } from "../scalars.js";
import { entryValue, tooLongElement } from "./dictionaries.js";
import { type Entries, type Entry, entryBytes } from "./entries.js";
import {
  type ChangingCollection,
  changeExisting,
  changeOrMake,
  type Life,
  lookAt,
  type OpenCollection,
} from "./open-collection.js";

const kind = "list";

export type ListEnd = "front" | "back";

const entryOf = (value: Value): Entry => ({
  key: "",
  value: entryValue(value),
  expiresAt: undefined,
});

export interface ListPush {
  readonly key: CacheKey;
  readonly end: ListEnd;
  readonly values: readonly Value[];
  /** At the front: whether each is pushed in turn, so that the last is first; else they stand there as given. */
  readonly isReversed: boolean;
  /** 0: as many as are pushed. The other end loses what is over. */
  readonly truncateTo: number;
  readonly requiresExisting: boolean;
  readonly life: Life;
}

export interface ListChanged {
  readonly length: number;
  readonly version: Version | 0;
}

const noList: ListChanged = { length: 0, version: 0 };

export function listPush(open: OpenCache, order: ListPush): CacheDecided<ListChanged> {
  const { key, end, life, truncateTo } = order;
  const values = order.isReversed ? [...order.values].reverse() : order.values;
  const change = (collection: ChangingCollection) => {
    const list = new ChangingList(collection);
    for (const [at, value] of values.entries()) {
      const tooLong = tooLongElement(open, value.bytes.length);
      if (tooLong !== undefined) return tooLong;
      list.insert(end === "front" ? at : collection.storedLength, value);
    }
    const over = truncateTo === 0 ? 0 : collection.storedLength - truncateTo;
    if (over > 0) {
      const from = end === "front" ? truncateTo : 0;
      const cut = list.cut(from, from + over);
      if (cut !== undefined) return cut;
    }
    return accept(undefined);
  };
  const changing = { key, kind, life } as const;
  const changed =
    values.length === 0 || order.requiresExisting
      ? changeExisting(open, changing, change)
      : changeOrMake(open, changing, change);
  return changedOf(changed);
}

function changedOf(changed: CacheDecided<ListChanged | undefined>): CacheDecided<ListChanged> {
  if (changed.kind === "rejected") return changed;
  const { length, version } = changed.outcome ?? noList;
  return accept({ length, version });
}

/** A list while it is changed, which is counted with every change. */
class ChangingList {
  readonly #collection: ChangingCollection;

  constructor(collection: ChangingCollection) {
    this.#collection = collection;
  }

  insert(at: number, value: Value): void {
    const entry = entryOf(value);
    this.#collection.tree().insertAt(at, entry);
    this.#collection.count(1, entryBytes(entry));
  }

  replace(at: number, before: Entry, value: Value): void {
    const entry = entryOf(value);
    this.#collection.tree().replaceAt(at, entry);
    this.#collection.count(0, entryBytes(entry) - entryBytes(before));
  }

  /** Says why not, where these are too many for one call. */
  cut(from: number, to: number): CacheDecided<never> | undefined {
    const count = to - from;
    if (count <= 0) return undefined;
    const { combinedElementsMax: limit } = cacheLimits;
    if (count > limit && count < this.#collection.storedLength) {
      return refuse({
        kind: "collection_too_long",
        cache: this.#collection.open.address.given,
        limit,
      });
    }
    const bytes = this.#collection.tree().removeRange(from, to);
    this.#collection.count(-count, -bytes);
    return undefined;
  }
}

// --- taking -----------------------------------------------------------------------------------------------------------------

export interface ListPop {
  readonly key: CacheKey;
  readonly end: ListEnd;
  readonly count: number;
  /** Values together that one answer may have; at least one of them. */
  readonly bytesMax: number;
}

export interface ListPopped extends ListChanged {
  readonly values: readonly Value[];
}

/** Undefined: the key has nothing. */
export function listPop(open: OpenCache, order: ListPop): CacheDecided<ListPopped | undefined> {
  const { key, end, count, bytesMax } = order;
  const changed = changeExisting(open, { key, kind, life: undefined }, (collection) => {
    const tree = collection.tree();
    const start = end === "front" ? 0 : tree.length - 1;
    const values: Value[] = [];
    let bytes = 0;
    for (const entry of tree.walk(start, end === "back")) {
      bytes += entry.value?.length ?? 0;
      if (values.length === count || (values.length > 0 && bytes > bytesMax)) break;
      const value = valueIn(open, tree, entry);
      if (value.kind === "rejected") return value;
      values.push(value.outcome);
    }
    const from = end === "front" ? 0 : tree.length - values.length;
    const cut = new ChangingList(collection).cut(from, from + values.length);
    return cut ?? accept(values);
  });
  if (changed.kind === "rejected" || changed.outcome === undefined) {
    return changed as CacheDecided<undefined>;
  }
  const { outcome: values, length, version } = changed.outcome;
  return accept({ values, length, version });
}

function valueIn(open: OpenCache, entries: Entries, { value }: Entry): CacheDecided<Value> {
  const bytes = value && entries.bytesOf(value);
  if (value === undefined || bytes === undefined) {
    return refuse({ kind: "value_unreadable", cache: open.address.given });
  }
  return accept({ isText: value.isText, bytes });
}

export interface ListMove {
  readonly source: CacheKey;
  readonly from: ListEnd;
  readonly destination: CacheKey;
  readonly to: ListEnd;
  readonly life: Life;
}

export interface ListMoved {
  readonly value: Value;
  /** Of the destination. */
  readonly length: number;
  readonly version: Version | 0;
}

/** Takes a value from one end of a list to one end of another, or of the same, in one; undefined: the source has nothing. */
export function listMove(open: OpenCache, order: ListMove): CacheDecided<ListMoved | undefined> {
  const { source, destination, life } = order;
  // What the destination has is judged before the source is touched.
  const to = lookAt(open, { key: destination, kind });
  if (to.kind === "rejected") return to;
  if (source === destination) return rotate(open, order);
  const popped = listPop(open, { key: source, end: order.from, count: 1, bytesMax: 0 });
  if (popped.kind === "rejected") return popped;
  const [value] = popped.outcome?.values ?? [];
  if (value === undefined) return accept(undefined);
  const pushed = listPush(open, {
    key: destination,
    end: order.to,
    values: [value],
    isReversed: false,
    truncateTo: 0,
    requiresExisting: false,
    life,
  });
  if (pushed.kind === "rejected") return pushed;
  return accept({ value, ...pushed.outcome });
}

/** Within one list, which is never left with nothing on the way, so that its life and tags stay. */
function rotate(
  open: OpenCache,
  { source, from, to }: ListMove,
): CacheDecided<ListMoved | undefined> {
  const changed = changeExisting(open, { key: source, kind, life: undefined }, (collection) => {
    const tree = collection.tree();
    const at = from === "front" ? 0 : tree.length - 1;
    const entry = tree.at(at);
    if (entry === undefined) return accept(undefined);
    const value = valueIn(open, tree, entry);
    if (value.kind === "rejected") return value;
    if (from === to) return accept(value.outcome);
    const list = new ChangingList(collection);
    list.insert(to === "front" ? 0 : tree.length, value.outcome);
    const gone = from === "front" ? 0 : tree.length - 1;
    const cut = list.cut(gone, gone + 1);
    return cut ?? accept(value.outcome);
  });
  if (changed.kind === "rejected") return changed;
  const { outcome: value, length, version } = changed.outcome ?? { ...noList, outcome: undefined };
  return accept(value && { value, length, version });
}

// --- reading ----------------------------------------------------------------------------------------------------------------

export interface Indexes {
  /** Negative: from the end. */
  readonly start: number;
  /** Not included; undefined: to the end. */
  readonly end: number | undefined;
}

export interface ListFetch extends Indexes {
  readonly key: CacheKey;
  readonly countMax: number;
  readonly bytesMax: number;
}

export interface ListFetched {
  readonly collection: OpenCollection;
  readonly values: readonly Value[];
  /** The index that the next call begins with; undefined: these are all. */
  readonly next: number | undefined;
}

/** Undefined: the key has nothing. */
export function listFetch(
  open: OpenCache,
  order: ListFetch,
): CacheDecided<ListFetched | undefined> {
  const looked = lookAt(open, { key: order.key, kind });
  if (looked.kind === "rejected") return looked;
  const collection = looked.outcome;
  if (collection === undefined) return accept(undefined);
  const entries = collection.entries();
  const { from, to } = placesOf(order, entries.length);
  const values: Value[] = [];
  let bytes = 0;
  if (from >= to) return accept({ collection, values, next: undefined });
  for (const entry of entries.walk(from)) {
    if (values.length === to - from) break;
    bytes += entry.value?.length ?? 0;
    if (values.length === order.countMax || (values.length > 0 && bytes > order.bytesMax)) {
      return accept({ collection, values, next: from + values.length });
    }
    const value = valueIn(open, entries, entry);
    if (value.kind === "rejected") return value;
    values.push(value.outcome);
  }
  return accept({ collection, values, next: undefined });
}

function placesOf({ start, end }: Indexes, length: number): Places {
  const range = rangeOf(length, start, end);
  return { from: range.start, to: range.end };
}

export interface ListPosition {
  readonly key: CacheKey;
  readonly value: Buffer;
  /** From which end it is looked for. */
  readonly isReversed: boolean;
  readonly count: number;
}

export interface PositionsFound {
  readonly collection: OpenCollection;
  readonly indexes: readonly number[];
}

export function listPosition(
  open: OpenCache,
  { key, value, isReversed, count }: ListPosition,
): CacheDecided<PositionsFound | undefined> {
  const looked = lookAt(open, { key, kind });
  if (looked.kind === "rejected") return looked;
  const collection = looked.outcome;
  if (collection === undefined) return accept(undefined);
  return accept({
    collection,
    indexes: placesWith(collection.entries(), { value, isReversed, count }),
  });
}

/** Where a value stands, at most so many places, in the order they are met. */
function placesWith(
  entries: Entries,
  { value, isReversed, count }: Omit<ListPosition, "key">,
): readonly number[] {
  const places: number[] = [];
  let at = isReversed ? entries.length - 1 : 0;
  if (entries.length === 0) return places;
  for (const entry of entries.walk(at, isReversed)) {
    if (places.length === count) break;
    const isSame =
      entry.value?.length === value.length && entries.bytesOf(entry.value)?.equals(value) === true;
    if (isSame) places.push(at);
    at += isReversed ? -1 : 1;
  }
  return places;
}

// --- changing in places -----------------------------------------------------------------------------------------------------

export interface ListSet {
  readonly key: CacheKey;
  /** Negative: from the end. */
  readonly index: number;
  readonly value: Value;
}

export function listSet(
  open: OpenCache,
  { key, index, value }: ListSet,
): CacheDecided<ListChanged> {
  const tooLong = tooLongElement(open, value.bytes.length);
  if (tooLong !== undefined) return tooLong;
  const { given: cache } = open.address;
  const changed = changeExisting(open, { key, kind, life: undefined }, (collection) => {
    const tree = collection.tree();
    const at = index < 0 ? tree.length + index : index;
    const before = tree.at(at);
    if (before === undefined) {
      return refuse({ kind: "index_out_of_range", cache, index, length: tree.length });
    }
    new ChangingList(collection).replace(at, before, value);
    return accept(undefined);
  });
  if (changed.kind === "accepted" && changed.outcome === undefined) {
    return refuse({ kind: "index_out_of_range", cache, index, length: 0 });
  }
  return changedOf(changed);
}

export interface ListInsert {
  readonly key: CacheKey;
  readonly pivot: Buffer;
  readonly isBefore: boolean;
  readonly value: Value;
}

export interface ListInserted extends ListChanged {
  readonly kind: "inserted" | "pivot_absent" | "missing";
}

/** Beside the first value that is the pivot. */
export function listInsert(open: OpenCache, order: ListInsert): CacheDecided<ListInserted> {
  const tooLong = tooLongElement(open, order.value.bytes.length);
  if (tooLong !== undefined) return tooLong;
  const changed = changeExisting(open, { key: order.key, kind, life: undefined }, (collection) => {
    const { pivot: value, isBefore } = order;
    const [at] = placesWith(collection.tree(), { value, isReversed: false, count: 1 });
    if (at === undefined) return accept(false);
    new ChangingList(collection).insert(isBefore ? at : at + 1, order.value);
    return accept(true);
  });
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) return accept({ kind: "missing", ...noList });
  const { outcome: isInserted, length, version } = changed.outcome;
  return accept({ kind: isInserted ? "inserted" : "pivot_absent", length, version });
}

export interface ListRemoved extends ListChanged {
  readonly removed: number;
}

export interface ListRemove {
  readonly key: CacheKey;
  readonly value: Buffer;
  /** 0: all; negative: from the end. */
  readonly count: number;
}

export const listRemove = (
  open: OpenCache,
  { key, value, count }: ListRemove,
): CacheDecided<ListRemoved> =>
  removePlaces(open, key, (entries) =>
    placesWith(entries, {
      value,
      isReversed: count < 0,
      count: count === 0 ? Number.POSITIVE_INFINITY : Math.abs(count),
    }),
  );

function removePlaces(
  open: OpenCache,
  key: CacheKey,
  chosen: (entries: Entries) => readonly number[],
): CacheDecided<ListRemoved> {
  const changed = changeExisting(open, { key, kind, life: undefined }, (collection) => {
    const places = chosen(collection.tree());
    const { removedElementsMax: limit } = cacheLimits;
    if (places.length > limit && places.length < collection.storedLength) {
      return refuse({ kind: "collection_too_long", cache: open.address.given, limit });
    }
    const list = new ChangingList(collection);
    // The last first, so that the places of the others stay.
    for (const at of [...places].sort((left, right) => right - left)) list.cut(at, at + 1);
    return accept(places.length);
  });
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) return accept({ removed: 0, ...noList });
  const { outcome: removed, length, version } = changed.outcome;
  return accept({ removed, length, version });
}

export interface ListErase {
  readonly key: CacheKey;
  /** As they stand before any is erased. */
  readonly ranges: readonly Indexes[];
}

export function listErase(open: OpenCache, { key, ranges }: ListErase): CacheDecided<ListRemoved> {
  return removeIntervals(open, key, (length) => ranges.map((range) => placesOf(range, length)));
}

export interface ListRetain extends Indexes {
  readonly key: CacheKey;
}

/** Removes all but a range; of an empty one nothing is left. */
export const listRetain = (open: OpenCache, order: ListRetain): CacheDecided<ListRemoved> =>
  removeIntervals(open, order.key, (length) => {
    const { from, to } = placesOf(order, length);
    return from >= to
      ? [{ from: 0, to: length }]
      : [
          { from: 0, to: from },
          { from: to, to: length },
        ];
  });

interface Places {
  readonly from: number;
  readonly to: number;
}

function removeIntervals(
  open: OpenCache,
  key: CacheKey,
  chosen: (length: number) => readonly Places[],
): CacheDecided<ListRemoved> {
  const changed = changeExisting(open, { key, kind, life: undefined }, (collection) => {
    const before = collection.storedLength;
    const list = new ChangingList(collection);
    for (const { from, to } of apart(chosen(before))) {
      const cut = list.cut(from, to);
      if (cut !== undefined) return cut;
    }
    return accept(before - collection.storedLength);
  });
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) return accept({ removed: 0, ...noList });
  const { outcome: removed, length, version } = changed.outcome;
  return accept({ removed, length, version });
}

/** Without what they have in common, the last first, so that the places of the others stay. */
function apart(intervals: readonly Places[]): readonly Places[] {
  const joined: Places[] = [];
  const sorted = intervals
    .filter(({ from, to }) => from < to)
    .sort((left, right) => left.from - right.from);
  for (const next of sorted) {
    const last = joined.at(-1);
    if (last === undefined || next.from > last.to) joined.push(next);
    else joined[joined.length - 1] = { from: last.from, to: Math.max(last.to, next.to) };
  }
  return joined.reverse();
}
