// Dictionaries: fields with values, each of which may end before the dictionary does.

import type { EpochMs, Version } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import { addToDecimal, addToWhole, type Increment, type IncrementFloat } from "../counting.js";
import { type Expiry, hasEnded } from "../expiry.js";
import { decimalText } from "../number-text.js";
import type { OpenCache } from "../open-cache.js";
import { type CacheDecided, refuse } from "../rejections.js";
import { ttlTooFar, type Value } from "../scalars.js";
import type { Entry, EntryKey, EntryValue } from "./entries.js";
import {
  elementEnd,
  findElements,
  type SampleElements,
  type ScanElements,
  sampleElements,
  scanElements,
} from "./keyed.js";
import {
  type ChangingCollection,
  changeExisting,
  changeOrMake,
  type Life,
  type OpenCollection,
} from "./open-collection.js";

const kind = "dictionary";

export interface FieldValue {
  readonly field: EntryKey;
  readonly value: Value;
}

export interface DictionarySet {
  readonly key: Increment["key"];
  readonly items: readonly FieldValue[];
  /** Which fields are written: all, those that are not there, or those that are. */
  readonly condition: "always" | "absent" | "present";
  /** Of the fields that are written. */
  readonly fieldExpiry: Expiry;
  readonly life: Life;
}

export interface FieldsSet {
  readonly created: number;
  readonly updated: number;
  readonly length: number;
  readonly version: Version | 0;
}

export const entryValue = ({ isText, bytes }: Value): EntryValue => ({
  isText,
  length: bytes.length,
  bytes,
  apart: 0,
});

/** Of values that are longer than an element's may be; undefined: it is not. */
export function tooLongElement(open: OpenCache, bytes: number): CacheDecided<never> | undefined {
  const { elementBytesMax: limit } = open.cache.config;
  if (bytes <= limit) return undefined;
  return refuse({ kind: "element_too_large", cache: open.address.given, bytes, limit });
}

export function dictionarySet(open: OpenCache, order: DictionarySet): CacheDecided<FieldsSet> {
  // The last one of a field wins, and counts once.
  const values = new Map(order.items.map(({ field, value }) => [field, value]));
  const change = (collection: ChangingCollection) => {
    const counts = { created: 0, updated: 0, kept: 0 };
    for (const [field, value] of values) {
      const done = setField(collection, order, field, value);
      if (done.kind === "rejected") return done;
      counts[done.outcome] += 1;
    }
    return accept(counts);
  };
  const changing = { key: order.key, kind, life: order.life } as const;
  const changed =
    values.size === 0 || order.condition === "present"
      ? changeExisting(open, changing, change)
      : changeOrMake(open, changing, change);
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) {
    return accept({ created: 0, updated: 0, length: 0, version: 0 });
  }
  const { outcome, length, version } = changed.outcome;
  return accept({ created: outcome.created, updated: outcome.updated, length, version });
}

function setField(
  collection: ChangingCollection,
  { condition, fieldExpiry }: DictionarySet,
  field: EntryKey,
  value: Value,
): CacheDecided<"created" | "updated" | "kept"> {
  const { open } = collection;
  const tooLong = tooLongElement(open, value.bytes.length);
  if (tooLong !== undefined) return tooLong;
  const before =
    condition === "always" && fieldExpiry.kind !== "keep" ? undefined : collection.find(field);
  if (condition !== "always" && (condition === "present") !== (before !== undefined)) {
    return accept("kept");
  }
  const end = elementEnd(open, fieldExpiry, before);
  if (end === "too_far") return ttlTooFar(open);
  const replaced = hasEnded(end.at, open.now)
    ? collection.remove(field)
    : collection.put({ key: field, value: entryValue(value), expiresAt: end.at });
  return accept(replaced === undefined ? "created" : "updated");
}

export interface FieldFound {
  readonly value: Value;
  readonly expiresAt: EpochMs | undefined;
}

export interface FieldsFound {
  readonly collection: OpenCollection;
  /** In the order asked for; undefined: that one is not there. */
  readonly fields: readonly (FieldFound | undefined)[];
}

export interface DictionaryGet {
  readonly key: Increment["key"];
  readonly fields: readonly EntryKey[];
  readonly wantsValues: boolean;
  /** Bytes of values that one answer may have. */
  readonly bytesMax: number;
}

/** Undefined: the key has nothing. */
export function dictionaryGet(
  open: OpenCache,
  order: DictionaryGet,
): CacheDecided<FieldsFound | undefined> {
  const found = findElements(open, { key: order.key, kind, elements: order.fields });
  if (found.kind === "rejected" || found.outcome === undefined)
    return found as CacheDecided<undefined>;
  const { collection, elements } = found.outcome;
  const fields: (FieldFound | undefined)[] = [];
  let bytes = 0;
  for (const entry of elements) {
    bytes += order.wantsValues ? (entry?.value?.length ?? 0) : 0;
    if (bytes > order.bytesMax) {
      const { given: cache } = open.address;
      return refuse({ kind: "answer_too_large", cache, bytes, limit: order.bytesMax });
    }
    const field = fieldOf(collection, entry, order.wantsValues);
    if (field.kind === "rejected") return field;
    fields.push(field.outcome);
  }
  return accept({ collection, fields });
}

export interface NamedField {
  readonly field: EntryKey;
  readonly found: FieldFound | undefined;
}

export interface FieldPage {
  readonly collection: OpenCollection;
  readonly fields: readonly NamedField[];
  /** The field that the next page begins behind; undefined: nothing is left. */
  readonly next: EntryKey | undefined;
}

/** Undefined: the key has nothing. */
export function dictionaryScan(
  open: OpenCache,
  order: Omit<ScanElements, "kind">,
): CacheDecided<FieldPage | undefined> {
  const page = scanElements(open, { ...order, kind });
  if (page.kind === "rejected") return page;
  if (page.outcome === undefined) return accept(undefined);
  const { collection, entries, next } = page.outcome;
  const fields = fieldsOf(collection, entries, order.wantsValues);
  return fields.kind === "rejected" ? fields : accept({ collection, fields: fields.outcome, next });
}

export interface DictionarySample extends Omit<SampleElements, "kind"> {
  readonly wantsValues: boolean;
  /** Bytes of values that one answer may have. */
  readonly bytesMax: number;
}

/** Undefined: the key has nothing. */
export function dictionarySample(
  open: OpenCache,
  order: DictionarySample,
): CacheDecided<Omit<FieldPage, "next"> | undefined> {
  const sampled = sampleElements(open, { ...order, kind });
  if (sampled.kind === "rejected") return sampled;
  if (sampled.outcome === undefined) return accept(undefined);
  const { collection, entries } = sampled.outcome;
  const bytes = order.wantsValues
    ? entries.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    : 0;
  const { bytesMax: limit } = order;
  if (bytes > limit) {
    return refuse({ kind: "answer_too_large", cache: open.address.given, bytes, limit });
  }
  const fields = fieldsOf(collection, entries, order.wantsValues);
  return fields.kind === "rejected" ? fields : accept({ collection, fields: fields.outcome });
}

/** Entries with their values. */
function fieldsOf(
  collection: OpenCollection,
  entries: readonly Entry[],
  wantsValues: boolean,
): CacheDecided<readonly NamedField[]> {
  const fields: NamedField[] = [];
  for (const entry of entries) {
    const found = fieldOf(collection, entry, wantsValues);
    if (found.kind === "rejected") return found;
    fields.push({ field: entry.key, found: found.outcome });
  }
  return accept(fields);
}

function fieldOf(
  collection: OpenCollection,
  entry: Entry | undefined,
  wantsValue: boolean,
): CacheDecided<FieldFound | undefined> {
  if (entry === undefined) return accept(undefined);
  const bytes = wantsValue ? collection.valueOf(entry) : accept(Buffer.alloc(0));
  if (bytes.kind === "rejected") return bytes;
  const isText = entry.value?.isText === true;
  return accept({ value: { isText, bytes: bytes.outcome }, expiresAt: entry.expiresAt });
}

export interface DictionaryGetAndTouch extends DictionaryGet {
  /** Of the fields that are there. */
  readonly fieldExpiry: Expiry;
}

/** Reads fields and gives them another end. */
export function dictionaryGetAndTouch(
  open: OpenCache,
  order: DictionaryGetAndTouch,
): CacheDecided<FieldsFound | undefined> {
  const found = dictionaryGet(open, order);
  if (found.kind === "rejected" || found.outcome === undefined) return found;
  const ends = new Map<EntryKey, EpochMs | undefined>();
  const changed = changeExisting(open, { key: order.key, kind, life: undefined }, (collection) => {
    for (const field of new Set(order.fields)) {
      const entry = collection.find(field);
      const end = entry === undefined ? undefined : elementEnd(open, order.fieldExpiry, entry);
      if (end === "too_far") return ttlTooFar(open);
      if (entry === undefined || end === undefined) continue;
      ends.set(field, end.at);
      if (hasEnded(end.at, open.now)) collection.remove(field);
      else if (end.at !== entry.expiresAt) collection.relive(entry, end.at);
    }
    return accept(undefined);
  });
  if (changed.kind === "rejected") return changed;
  const fields = found.outcome.fields.map((field, at) => {
    const name = order.fields[at] ?? "";
    return field && { ...field, expiresAt: ends.get(name) };
  });
  return accept({ ...found.outcome, fields });
}

interface CountedField {
  readonly field: EntryKey;
  readonly life: Life;
}

export type DictionaryIncrement = Omit<Increment, "expiry" | "requiresExisting"> & CountedField;
export type DictionaryIncrementFloat = Omit<IncrementFloat, "expiry" | "requiresExisting"> &
  CountedField;

export interface FieldCounted<Sum> {
  readonly value: Sum;
  readonly version: Version | 0;
}

export const dictionaryIncrement = (
  open: OpenCache,
  order: DictionaryIncrement,
): CacheDecided<FieldCounted<bigint>> =>
  countField(open, order, (before) => addToWhole(open, order, before), String);

export const dictionaryIncrementFloat = (
  open: OpenCache,
  order: DictionaryIncrementFloat,
): CacheDecided<FieldCounted<number>> =>
  countField(open, order, (before) => addToDecimal(open, order, before), decimalText);

/** The end of a field that is there stays; one that has ended begins anew, and ends with its dictionary. */
function countField<Sum>(
  open: OpenCache,
  order: CountedField & Pick<Increment, "key">,
  add: (before: Buffer | undefined) => CacheDecided<Sum>,
  textOf: (sum: Sum) => string,
): CacheDecided<FieldCounted<Sum>> {
  const { key, field, life } = order;
  const changed = changeOrMake(open, { key, kind, life }, (collection) => {
    const entry = collection.find(field);
    const before = entry?.value && collection.tree().bytesOf(entry.value);
    if (entry !== undefined && before === undefined) {
      return refuse({ kind: "value_unreadable", cache: open.address.given });
    }
    const sum = add(before);
    if (sum.kind === "rejected") return sum;
    const value = entryValue({ isText: true, bytes: Buffer.from(textOf(sum.outcome), "latin1") });
    collection.put({ key: field, value, expiresAt: entry?.expiresAt });
    return accept(sum.outcome);
  });
  if (changed.kind === "rejected") return changed;
  open.tally("increments");
  return accept({ value: changed.outcome.outcome, version: changed.outcome.version });
}
