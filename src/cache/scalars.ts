// Single values: read, written, deleted and changed in part. Each rule works in an open cache, so that a batch is nothing but many
// of them.

import type { CacheKey, DurationMs, EpochMs, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";

import { type Condition, judge } from "./condition.js";
import { type End, type Expiry, endOf, hasEnded, slidEnd } from "./expiry.js";
import { leaseLost } from "./lease-tokens.js";
import type { Content, Item, ScalarContent, Sliding } from "./model.js";
import type { Looked, OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";

export interface Value {
  readonly isText: boolean;
  readonly bytes: Buffer;
}

// --- reading ----------------------------------------------------------------------------------------------------------------

export interface Get {
  readonly key: CacheKey;
  /** Undefined: its life stays, or slides as the item says. */
  readonly touch: Expiry | undefined;
  /** 0: none. */
  readonly ifVersionNot: number;
  readonly allowsStale: boolean;
}

export type Read =
  | { readonly kind: "hit" | "stale"; readonly item: Item; readonly value: Value }
  | { readonly kind: "not_modified"; readonly item: Item }
  | { readonly kind: "miss" }
  | { readonly kind: "negative"; readonly item: Item };

const miss: Read = { kind: "miss" };

export function get(open: OpenCache, order: Get): CacheDecided<Read> {
  const looked = open.look(order.key);
  switch (looked.kind) {
    case "absent":
      return accept(miss);
    case "negative":
      return accept({ kind: "negative", item: looked.stored });
    case "stale":
      return order.allowsStale ? found(open, order.key, looked.item, "stale") : accept(miss);
    case "live": {
      const touched = touch(open, order, looked);
      if (touched === "too_far") return ttlTooFar(open);
      if (order.ifVersionNot === looked.item.version) {
        return accept({ kind: "not_modified", item: touched });
      }
      return found(open, order.key, touched, "hit");
    }
  }
}

function found(
  open: OpenCache,
  key: CacheKey,
  item: Item,
  kind: "hit" | "stale",
): CacheDecided<Read> {
  const value = readValue(open, key, item);
  return typeof value === "string"
    ? refuse({ kind: value, cache: open.address.given })
    : accept({ kind, item, value });
}

/** Whole, however long it is. */
export function readValue(
  open: OpenCache,
  key: CacheKey,
  { content }: Item,
): Value | "wrong_type" | "value_unreadable" {
  if (content.kind !== "scalar") return "wrong_type";
  const bytes = open.transaction.value(open.cache, key, content);
  return bytes === undefined ? "value_unreadable" : { isText: content.isText, bytes };
}

/** The item with the life it has after this read, which is written only where it changed. */
function touch(
  open: OpenCache,
  { key, touch: expiry }: Pick<Get, "key" | "touch">,
  looked: Extract<Looked, { kind: "live" }>,
): Item | "too_far" {
  const { item } = looked;
  if (expiry !== undefined) {
    const end = endFor(open, expiry, item);
    return end === "too_far" ? end : relive(open, key, looked, end.at);
  }
  if (item.sliding === undefined || item.expiresAt === undefined) return item;
  const { lifeMs, absoluteEnd } = item.sliding;
  const next = slidEnd(item.expiresAt, { slidingMs: lifeMs, absoluteEnd, now: open.now });
  return next === undefined ? item : relive(open, key, looked, next);
}

/** The item with the life it has after a read that says nothing of it. */
export function slide(
  open: OpenCache,
  key: CacheKey,
  looked: Extract<Looked, { kind: "live" }>,
): Item {
  const touched = touch(open, { key, touch: undefined }, looked);
  return touched === "too_far" ? looked.item : touched;
}

/** Gives an item another end; one that has passed removes it. */
export function relive(
  open: OpenCache,
  key: CacheKey,
  { stored, item }: Extract<Looked, { kind: "live" }>,
  expiresAt: EpochMs | undefined,
): Item {
  if (expiresAt === item.expiresAt) return item;
  const relived = { ...item, expiresAt };
  if (hasEnded(expiresAt, open.now)) open.remove(key, stored);
  else open.put(key, relived, { stored });
  // Who watches hears of it under a version of its own, though that of the item stays.
  void open.version;
  return relived;
}

export const ttlTooFar = (open: OpenCache): CacheDecided<never> =>
  refuse({ kind: "ttl_too_far", cache: open.address.given });

export const endFor = (
  open: OpenCache,
  expiry: Expiry,
  previous: Pick<Item, "expiresAt"> | undefined,
): End | "too_far" =>
  endOf(expiry, open.cache.config, { now: open.now, previous, chance: open.chance() });

// --- writing ----------------------------------------------------------------------------------------------------------------

export interface SetOrder {
  readonly key: CacheKey;
  readonly value: Value;
  readonly expiry: Expiry;
  readonly condition: Condition;
  readonly wantsPrevious: boolean;
  readonly wantsCurrent: boolean;
  readonly flags: number;
  readonly contentType: string;
  /** "keep": those that are there. */
  readonly tags: readonly string[] | "keep";
  readonly isPinned: boolean;
  readonly externalVersion: bigint;
  /** 0: reads change nothing. Undefined: as the cache says. */
  readonly slidingMs: DurationMs | undefined;
  readonly graceMs: Item["graceMs"];
  /** Written only while whoever writes it may load the key; undefined: anybody may. */
  readonly leaseToken?: Version;
}

export interface Written {
  readonly kind: "written";
  readonly version: Version;
  readonly end: End;
  readonly hasEnded: boolean;
  readonly previous: Previous | undefined;
}

/** What a key had before. */
export interface Previous {
  readonly type: Content["kind"];
  readonly value: Value | undefined;
}

export interface NotWritten {
  readonly kind: "not_written";
  /** 0: there is nothing. */
  readonly version: Version | 0;
  readonly current: Value | undefined;
}

export function set(open: OpenCache, order: SetOrder): CacheDecided<Written | NotWritten> {
  const { key, value, condition } = order;
  const { valueBytesMax } = open.cache.config;
  if (value.bytes.length > valueBytesMax) {
    const { given: cache } = open.address;
    const bytes = value.bytes.length;
    return refuse({ kind: "value_too_large", cache, bytes, limit: valueBytesMax });
  }
  const lost = leaseLost(open, order);
  if (lost !== undefined) return refuse(lost);
  const looked = open.look(key);
  const held = holds(open, key, looked, condition);
  if (held.kind === "rejected") return held;
  if (!held.outcome) {
    open.tally("refused");
    const current =
      order.wantsCurrent && looked.kind === "live" ? previousOf(open, key, looked) : undefined;
    return accept({ kind: "not_written", version: versionOf(looked), current: current?.value });
  }
  const previous = order.wantsPrevious ? previousOf(open, key, looked) : undefined;
  const item = itemFrom(open, order, looked);
  if (item === "too_far") return ttlTooFar(open);
  const room = open.makeRoom(key, item.item, looked);
  if (room !== undefined) return refuse(room);
  open.tally("sets");
  const isOver = hasEnded(item.end.at, open.now);
  if (!isOver) open.put(key, item.item, looked);
  else if (looked.stored !== undefined) open.remove(key, looked.stored);
  else open.endLease(key);
  return accept({
    kind: "written",
    version: item.item.version,
    end: item.end,
    hasEnded: isOver,
    previous,
  });
}

export const versionOf = (looked: Looked): Version | 0 =>
  looked.kind === "live" ? looked.item.version : 0;

function previousOf(open: OpenCache, key: CacheKey, looked: Looked): Previous | undefined {
  if (looked.kind !== "live") return undefined;
  const value = readValue(open, key, looked.item);
  return {
    type: looked.item.content.kind,
    value: typeof value === "string" ? undefined : value,
  };
}

/** Whether a condition holds of what a key has. The value is read only where it says something. */
export function holds(
  open: OpenCache,
  key: CacheKey,
  looked: Looked,
  condition: Condition,
): CacheDecided<boolean> {
  if (condition.kind === "always") return accept(true);
  const verdict = judge(condition, judged(open, key, looked, condition));
  if (verdict === "wrong_type") return refuse({ kind: "wrong_type", cache: open.address.given });
  return accept(verdict === "holds");
}

const judgesValue: ReadonlySet<Condition["kind"]> = new Set([
  "equal",
  "not_equal",
  "present_and_not_equal",
  "absent_or_equal",
  "hash_equal",
  "hash_not_equal",
]);

function judged(
  open: OpenCache,
  key: CacheKey,
  looked: Looked,
  { kind }: Condition,
): Parameters<typeof judge>[1] {
  if (looked.kind !== "live") return undefined;
  const { version, externalVersion, content } = looked.item;
  const isWanted = judgesValue.has(kind) && content.kind === "scalar";
  const value = isWanted ? open.transaction.value(open.cache, key, content) : undefined;
  return { version, externalVersion, value };
}

/** The item that a Set makes of what a key has, and its end. */
function itemFrom(
  open: OpenCache,
  order: SetOrder,
  looked: Looked,
): { readonly item: Item; readonly end: End } | "too_far" {
  const replaced = looked.kind === "live" ? looked.item : undefined;
  const { value, tags } = order;
  const life = lifeOf(open, order, replaced);
  if (life === "too_far") return life;
  const { version } = open;
  const content: ScalarContent = {
    kind: "scalar",
    isText: value.isText,
    length: value.bytes.length,
    value: value.bytes,
    writtenAs: version,
  };
  const item: Item = {
    version,
    createdAt: replaced?.createdAt ?? open.now,
    updatedAt: open.now,
    expiresAt: life.end.at,
    sliding: life.sliding,
    graceMs: order.graceMs,
    flags: order.flags,
    contentType: order.contentType,
    tags: tags === "keep" ? (replaced?.tags ?? []) : tags,
    externalVersion: order.externalVersion,
    isPinned: order.isPinned,
    isStale: false,
    content,
  };
  return { item, end: life.end };
}

/** Of one that lives on with each read, what the call says of its end is the last one. */
export function lifeOf(
  open: OpenCache,
  { expiry, slidingMs }: Pick<SetOrder, "expiry" | "slidingMs">,
  replaced: Item | undefined,
): { readonly end: End; readonly sliding: Sliding | undefined } | "too_far" {
  const lifeMs = slidingMs ?? open.cache.config.slidingMs;
  const end = endFor(open, expiry, replaced);
  if (end === "too_far") return end;
  if (lifeMs === 0) return { end, sliding: undefined };
  const first = endFor(open, { kind: "ttl", ttlMs: lifeMs }, undefined);
  if (first === "too_far") return first;
  const absoluteEnd = expiry.kind === "default" || expiry.kind === "never" ? undefined : end.at;
  const isCut = absoluteEnd !== undefined && first.at !== undefined && absoluteEnd < first.at;
  return { end: isCut ? end : first, sliding: { lifeMs, absoluteEnd } };
}

export interface Delete {
  readonly key: CacheKey;
  readonly condition: Condition;
  readonly mode: "delete" | "stale";
}

export interface Deleted {
  readonly kind: "deleted" | "absent" | "not_deleted";
  readonly version: Version | 0;
}

export function remove(open: OpenCache, order: Delete): CacheDecided<Deleted> {
  const { key, condition, mode } = order;
  const looked = open.look(key);
  if (looked.kind === "absent") {
    // Whoever loads it now may have read what it was before.
    open.endLease(key);
    return accept({ kind: "absent", version: 0 });
  }
  const held = holds(open, key, looked, condition);
  if (held.kind === "rejected") return held;
  if (!held.outcome) {
    open.tally("refused");
    return accept({ kind: "not_deleted", version: versionOf(looked) });
  }
  // One that says that the origin has none, or that is stale, goes as well, and still nothing was there.
  const wasThere = looked.kind === "live";
  if (mode === "stale" && wasThere) {
    open.put(key, { ...looked.item, version: open.version, isStale: true }, looked);
  } else if (mode === "delete") {
    open.remove(key, looked.stored);
    void open.version;
  } else open.endLease(key);
  if (!wasThere) return accept({ kind: "absent", version: 0 });
  open.tally("deletes");
  return accept({ kind: "deleted", version: open.version });
}

export interface GetAndDelete {
  readonly key: CacheKey;
  readonly condition: Condition;
}

export type Taken =
  | { readonly kind: "taken"; readonly value: Value; readonly version: Version }
  | { readonly kind: "absent" }
  | { readonly kind: "not_taken"; readonly version: Version | 0 };

export function getAndDelete(open: OpenCache, order: GetAndDelete): CacheDecided<Taken> {
  const { key, condition } = order;
  const looked = open.look(key);
  const held = holds(open, key, looked, condition);
  if (held.kind === "rejected") return held;
  if (!held.outcome) {
    open.tally("refused");
    return accept({ kind: "not_taken", version: versionOf(looked) });
  }
  if (looked.kind !== "live") {
    open.endLease(key);
    return accept({ kind: "absent" });
  }
  const value = readValue(open, key, looked.item);
  if (typeof value === "string") return refuse({ kind: value, cache: open.address.given });
  open.remove(key, looked.stored);
  open.tally("deletes");
  void open.version;
  return accept({ kind: "taken", value, version: looked.item.version });
}
