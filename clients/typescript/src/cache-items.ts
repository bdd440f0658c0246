// Keys, values, ends and conditions of caches as calls take them, and as the wire has them.

import {
  type Condition,
  type Expiry,
  type ItemMeta,
  ItemType,
  type Key,
  type Value,
} from "../gen/forebay/cache/v1/item.js";
import { dateOf, durationOf, timestampOf } from "./durations.js";

/** 1 to 1024 bytes; a text is its UTF-8. */
export type CacheKey = string | Uint8Array;
/** A text is the same value as its UTF-8, and comes back as it was written. */
export type CacheValue = string | Uint8Array;

/** When an item ends: after so long, at a time, never, or as the one that it replaces. */
export type CacheExpiry = { readonly ttlMs: number } | { readonly at: Date } | "never" | "keep";

/** What must hold for a write to happen. What has ended counts as absent. */
export type CacheCondition =
  | "absent"
  | "present"
  | { readonly equal: CacheValue }
  | { readonly notEqual: CacheValue }
  | { readonly presentAndNotEqual: CacheValue }
  | { readonly absentOrEqual: CacheValue }
  | { readonly version: bigint }
  | { readonly absentOrVersion: bigint }
  /** SHA-256 of the value, 32 bytes. */
  | { readonly hashEqual: Uint8Array }
  | { readonly hashNotEqual: Uint8Array }
  /** There is none, or it was written with a lower `externalVersion`. */
  | { readonly newerExternal: bigint };

/** What a key has: a single value, or a collection. */
export type CacheItemType = "scalar" | "dictionary" | "list" | "set" | "sorted_set";

const types = {
  scalar: ItemType.SCALAR,
  dictionary: ItemType.DICTIONARY,
  list: ItemType.LIST,
  set: ItemType.SET,
  sorted_set: ItemType.SORTED_SET,
} as const satisfies Readonly<Record<CacheItemType, ItemType>>;

/** What is known of an item beside its value. */
export interface CacheItemMeta {
  /** Undefined: one that only a newer server knows. */
  readonly type: CacheItemType | undefined;
  /** Rises with each write of the key, over deletes, restarts and failovers. */
  readonly version: bigint;
  /** Undefined: never. */
  readonly expiresAt: Date | undefined;
  readonly createdAt: Date | undefined;
  readonly updatedAt: Date | undefined;
  /** Bytes it counts for in the limits of the cache. */
  readonly sizeBytes: number;
  readonly flags: number;
  readonly contentType: string;
  readonly tags: readonly string[];
  readonly externalVersion: bigint;
  readonly isPinned: boolean;
  readonly isStale: boolean;
}

export const keyToWire = (key: CacheKey): Key => ({
  key: typeof key === "string" ? { $case: "text", value: key } : { $case: "data", value: key },
});

export const keyFormOf = (key: CacheKey) =>
  typeof key === "string"
    ? ({ $case: "key", value: key } as const)
    : ({ $case: "keyData", value: key } as const);

export const valueToWire = (value: CacheValue): Value => ({
  value: typeof value === "string" ? { $case: "text", value } : { $case: "data", value },
});

export const valueFormOf = (value: CacheValue) =>
  typeof value === "string"
    ? ({ $case: "value", value } as const)
    : ({ $case: "valueData", value } as const);

const empty = new Uint8Array(0);

export const keyFromWire = (key: Key | undefined): CacheKey => key?.key?.value ?? empty;
export const valueFromWire = (value: Value | undefined): CacheValue => value?.value?.value ?? empty;

export function expiryToWire(expiry: CacheExpiry): Expiry;
export function expiryToWire(expiry: CacheExpiry | undefined): Expiry | undefined;
export function expiryToWire(expiry: CacheExpiry | undefined): Expiry | undefined {
  if (expiry === undefined) return undefined;
  if (expiry === "never") return { expiry: { $case: "noExpiry", value: true } };
  if (expiry === "keep") return { expiry: { $case: "keepTtl", value: true } };
  return "ttlMs" in expiry
    ? { expiry: { $case: "ttl", value: durationOf(expiry.ttlMs) } }
    : { expiry: { $case: "expireTime", value: timestampOf(expiry.at) } };
}

export function conditionToWire(condition: CacheCondition | undefined): Condition | undefined {
  return condition && { condition: conditionFormOf(condition) };
}

function conditionFormOf(condition: CacheCondition): NonNullable<Condition["condition"]> {
  if (condition === "absent" || condition === "present") return { $case: condition, value: true };
  if ("equal" in condition) return { $case: "equal", value: valueToWire(condition.equal) };
  if ("notEqual" in condition) return { $case: "notEqual", value: valueToWire(condition.notEqual) };
  if ("presentAndNotEqual" in condition) {
    return { $case: "presentAndNotEqual", value: valueToWire(condition.presentAndNotEqual) };
  }
  if ("absentOrEqual" in condition) {
    return { $case: "absentOrEqual", value: valueToWire(condition.absentOrEqual) };
  }
  if ("version" in condition) return { $case: "versionEqual", value: condition.version };
  if ("absentOrVersion" in condition) {
    return { $case: "absentOrVersion", value: condition.absentOrVersion };
  }
  if ("hashEqual" in condition) return { $case: "hashEqual", value: condition.hashEqual };
  if ("hashNotEqual" in condition) return { $case: "hashNotEqual", value: condition.hashNotEqual };
  return { $case: "newerExternal", value: condition.newerExternal };
}

export function metaFromWire(meta: ItemMeta): CacheItemMeta {
  const { version, flags, contentType, tags, externalVersion, isPinned, isStale } = meta;
  return {
    type: (Object.keys(types) as CacheItemType[]).find((type) => types[type] === meta.type),
    version,
    expiresAt: dateOf(meta.expireTime),
    createdAt: dateOf(meta.createTime),
    updatedAt: dateOf(meta.updateTime),
    sizeBytes: Number(meta.sizeBytes),
    flags,
    contentType,
    tags,
    externalVersion,
    isPinned,
    isStale,
  };
}
