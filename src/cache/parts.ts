// Values changed in part: replaced by what is made of them, put behind or in front, read and written over in places. Their lives, tags and
// flags stay.

import type { CacheKey, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { rangeOf } from "./byte-range.js";
import { type Expiry, hasEnded } from "./expiry.js";
import { newItem } from "./item-facts.js";
import type { Item, ScalarContent } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { endFor, readValue, ttlTooFar, type Value } from "./scalars.js";

/** What becomes of a value; `value` undefined: there is none. */
export interface Change {
  readonly key: CacheKey;
  readonly requiresExisting: boolean;
  /** Of one that is made. */
  readonly expiry: Expiry;
}

export type Changed =
  | { readonly kind: "changed"; readonly length: number; readonly version: Version }
  | { readonly kind: "absent" };

/**
 * Replaces the bytes of a value by what `make` makes of them, or makes one; its life, tags and flags stay. `make` may refuse.
 */
export function change(
  open: OpenCache,
  order: Change,
  make: (value: Value | undefined) => CacheDecided<Value>,
): CacheDecided<Changed> {
  const { key, requiresExisting, expiry } = order;
  const looked = open.look(key);
  if (looked.kind !== "live" && requiresExisting) return accept({ kind: "absent" });
  const before = looked.kind === "live" ? readValue(open, key, looked.item) : undefined;
  if (typeof before === "string") return refuse({ kind: before, cache: open.address.given });
  const made = make(before);
  if (made.kind === "rejected") return made;
  const { bytes, isText } = made.outcome;
  const { valueBytesMax: limit } = open.cache.config;
  const { given: cache } = open.address;
  if (bytes.length > limit) {
    return refuse({ kind: "result_too_large", cache, bytes: bytes.length, limit });
  }
  const end = looked.kind === "live" ? undefined : endFor(open, expiry, undefined);
  if (end === "too_far") return ttlTooFar(open);
  const { version, now } = open;
  const content: ScalarContent = {
    kind: "scalar",
    isText,
    length: bytes.length,
    value: bytes,
    writtenAs: version,
  };
  const item: Item =
    looked.kind === "live"
      ? { ...looked.item, version, updatedAt: now, content }
      : { ...newItem(version, now), expiresAt: end?.at, content };
  const room = open.makeRoom(key, item, looked);
  if (room !== undefined) return refuse(room);
  if (!hasEnded(item.expiresAt, now)) open.put(key, item, looked);
  else if (looked.stored !== undefined) open.remove(key, looked.stored);
  return accept({ kind: "changed", length: bytes.length, version });
}

export interface Append extends Change {
  readonly value: Value;
  readonly isPrepended: boolean;
}

export const append = (open: OpenCache, order: Append): CacheDecided<Changed> =>
  change(open, order, (before) => {
    const { value, isPrepended } = order;
    if (before === undefined) return accept(value);
    const parts = isPrepended ? [value.bytes, before.bytes] : [before.bytes, value.bytes];
    // Text only where both are: a half of a character may come from the other side.
    return accept({ bytes: Buffer.concat(parts), isText: before.isText && value.isText });
  });

export interface GetRange {
  readonly key: CacheKey;
  readonly start: number;
  /** Undefined: all. */
  readonly end: number | undefined;
}

export interface Part {
  readonly data: Buffer;
  readonly length: number;
  readonly item: Item;
}

/** Undefined: there is no value. */
export function getRange(open: OpenCache, order: GetRange): CacheDecided<Part | undefined> {
  const looked = open.look(order.key);
  if (looked.kind !== "live") return accept(undefined);
  const value = readValue(open, order.key, looked.item);
  if (typeof value === "string") return refuse({ kind: value, cache: open.address.given });
  const { length } = value.bytes;
  const { start, end } = rangeOf(length, order.start, order.end);
  return accept({ data: value.bytes.subarray(start, end), length, item: looked.item });
}

export interface SetRange {
  readonly key: CacheKey;
  readonly offset: number;
  readonly data: Buffer;
}

/** Writing no bytes makes nothing, and lengthens nothing. */
export function setRange(open: OpenCache, { key, offset, data }: SetRange): CacheDecided<Changed> {
  if (data.length === 0) {
    const looked = open.look(key);
    if (looked.kind !== "live") return accept({ kind: "absent" });
    const { content, version } = looked.item;
    if (content.kind !== "scalar") return refuse({ kind: "wrong_type", cache: open.address.given });
    return accept({ kind: "changed", length: content.length, version });
  }
  const order: Change = { key, requiresExisting: false, expiry: { kind: "default" } };
  return change(open, order, (before) => {
    const bytes = Buffer.alloc(Math.max(before?.bytes.length ?? 0, offset + data.length));
    before?.bytes.copy(bytes);
    data.copy(bytes, offset);
    return accept({ bytes, isText: false });
  });
}
