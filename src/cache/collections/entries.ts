// What a collection is made of: entries in an order, counted, so that the place of each and the one at each place are found in as
// many steps as the order has levels. A dictionary, a set or the members of a sorted set are in the byte order of their keys; a list
// is in the order it was given; what ends is in the order of its ends.

import type { EpochMs } from "../../base/brands.js";

/** Bytes as latin1: a field, a member, or what a sorted set or an order of ends is sorted by. Empty in a list. */
export type EntryKey = string;

export interface Entry {
  readonly key: EntryKey;
  /** Undefined: of what is only there or not. */
  readonly value: EntryValue | undefined;
  /** Undefined: as long as the collection. */
  readonly expiresAt: EpochMs | undefined;
}

export interface EntryValue {
  readonly isText: boolean;
  /** Bytes of it. */
  readonly length: number;
  /** Undefined: it is long and stands apart. */
  readonly bytes: Buffer | undefined;
  /** Where it stands apart; 0: it does not. */
  readonly apart: number;
}

/** An entry and its place. */
export interface Placed {
  readonly index: number;
  readonly entry: Entry;
}

/** Entries in one order, to look at. Nothing may be written while a walk is consumed. */
export interface Entries {
  readonly length: number;
  find(key: EntryKey): Placed | undefined;
  /** How many keys are lower than this one. */
  countBelow(key: EntryKey): number;
  /** Undefined: there are not so many. */
  at(index: number): Entry | undefined;
  /** From a place on, to the last, or to the first where it is reversed. */
  walk(from: number, isReversed?: boolean): Iterable<Entry>;
  /** Undefined, and reported: it stands apart and cannot be read. */
  bytesOf(value: EntryValue): Buffer | undefined;
}

/** The same, to change. */
export interface EntryTree extends Entries {
  /** Puts an entry in its place among the keys; answers with the one it replaced. */
  put(entry: Entry): Entry | undefined;
  /** Answers with what was there. */
  remove(key: EntryKey): Entry | undefined;
  /** In front of the one at this place, or at the end. */
  insertAt(index: number, entry: Entry): void;
  replaceAt(index: number, entry: Entry): void;
  /** Removes those from one place up to, but not including, another; says how many bytes they counted for. */
  removeRange(from: number, to: number): number;
}

/** The orders that one collection may be in. */
export const entryOrders = ["main", "score", "end"] as const;
/** By its keys, or its places; by scores; what ends, by its end. */
export type EntryOrder = (typeof entryOrders)[number];

/** What an entry counts for beside its key and its value. */
const entryOverheadBytes = 16;

export const entryBytes = ({ key, value }: Pick<Entry, "key" | "value">): number =>
  key.length + (value?.length ?? 0) + entryOverheadBytes;
