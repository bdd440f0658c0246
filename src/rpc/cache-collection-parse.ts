// What the calls on collections have in common at the wire: elements, lives, pages, samples.

import { hash } from "node:crypto";
import type { CacheKey } from "../base/brands.js";
import type { EntryKey } from "../cache/collections/entries.js";
import type { ElementExpired } from "../cache/collections/keyed.js";
import type { Life, OpenCollection, TtlPolicy } from "../cache/collections/open-collection.js";
import { cacheLimits } from "../cache/limits.js";
import type { Value } from "../cache/scalars.js";
import { TtlOutcome } from "../gen/forebay/cache/v1/cache_service.js";
import { TtlPolicy as WireTtlPolicy } from "../gen/forebay/cache/v1/collection.js";
import type { ElementTtl } from "../gen/forebay/cache/v1/dictionary_service.js";
import type {
  Expiry as WireExpiry,
  Key as WireKey,
  Value as WireValue,
} from "../gen/forebay/cache/v1/item.js";
import { checkCount, parseExpiry, parseKey, parsePrefix, parseValue } from "./cache-parse.js";
import type { FoundItem } from "./cache-value-calls.js";
import type { PageTokens } from "./page-token.js";
import { timestamp } from "./render.js";
import { parseCount, parseEnum, type Violations } from "./violations.js";

export function parseElements(
  violations: Violations,
  field: string,
  elements: readonly WireKey[],
): readonly EntryKey[] {
  if (!checkCount(violations, field, elements.length, cacheLimits.elementsMax)) return [];
  return elements.map((element, index) => parseKey(violations, `${field}[${index}]`, element));
}

export function parseValues(
  violations: Violations,
  field: string,
  values: readonly WireValue[],
): readonly Value[] {
  if (!checkCount(violations, field, values.length, cacheLimits.elementsMax)) return [];
  return values.map(parseValue);
}

const policies = {
  SET_ON_CREATE: "set_on_create",
  REFRESH: "refresh",
  KEEP_IF_LONGER: "keep_if_longer",
} as const satisfies Readonly<Record<string, TtlPolicy>>;

export interface WireLife {
  readonly expiry?: WireExpiry | undefined;
  readonly ttlPolicy: WireTtlPolicy;
}

export function parseLife(violations: Violations, { expiry, ttlPolicy }: WireLife): Life {
  const policy = parseEnum(violations, "ttl_policy", ttlPolicy, WireTtlPolicy);
  return {
    expiry: parseExpiry(violations, "expiry", expiry),
    policy: policies[policy ?? "SET_ON_CREATE"],
  };
}

/** Of what is put in the place of whatever a key has. */
export const lifeOfNew = (violations: Violations, expiry: WireExpiry | undefined): Life => ({
  expiry: parseExpiry(violations, "expiry", expiry),
  policy: "set_on_create",
});

/** When elements end, in a call that is for nothing else. */
export function parseElementExpiry(
  violations: Violations,
  field: string,
  expiry: WireExpiry | undefined,
): ReturnType<typeof parseExpiry> {
  const form = expiry?.expiry;
  if (form === undefined) {
    violations.add("TTL_INVALID", field, "is needed: ttl, expire_time or no_expiry");
  } else if (form.$case === "keepTtl") {
    const rule = "says nothing here; give ttl, expire_time or no_expiry";
    violations.add("TTL_INVALID", `${field}.keep_ttl`, rule);
  }
  return parseExpiry(violations, field, expiry);
}

const limitRange = { min: 1, max: cacheLimits.elementsMax };
const limitDefault = 1_000;

/** Undefined: it is not given, or no number that counts anything. */
export function parseWhole(
  violations: Violations,
  field: string,
  value: bigint | undefined,
  reason: "INVALID_PARAMETER" | "BAD_RANGE" = "INVALID_PARAMETER",
): number | undefined {
  if (value === undefined) return undefined;
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  violations.add(reason, field, `must be from 0 to 2^53-1, not ${value}`);
  return undefined;
}

export const parseLimit = (
  violations: Violations,
  limit: number,
  byDefault: number = limitDefault,
): number => parseCount(violations, "limit", limit || undefined, limitRange) ?? byDefault;

const sampleRange = { min: 0, max: cacheLimits.elementsMax };

export const parseElementCount = (
  violations: Violations,
  count: number | undefined,
  byDefault = 0,
): number => parseCount(violations, "count", count, sampleRange) ?? byDefault;

export interface WireScan {
  readonly prefix?: WireKey | undefined;
  readonly cursor: string;
  readonly limit: number;
  readonly reverse: boolean;
}

/** A page of a scan, and what its cursor goes on with: everything else has to be as it was. */
export function parseScan(
  violations: Violations,
  tokens: PageTokens,
  {
    key,
    cache,
    request,
  }: { readonly key: CacheKey; readonly cache: string; readonly request: WireScan },
) {
  const prefix = parsePrefix(violations, request.prefix);
  const about = JSON.stringify([cache, key, prefix, request.reverse]);
  const scope = `elements ${hash("sha256", about, "base64")}`;
  const after = request.cursor === "" ? undefined : tokens.decode(scope, request.cursor);
  if (request.cursor !== "" && after === undefined) {
    violations.add("CURSOR_INVALID", "cursor", "is not one of this scan; start without one");
  }
  const countMax = parseLimit(violations, request.limit);
  return { key, prefix, after, isReversed: request.reverse, countMax, scope };
}

const ttlOutcomes = {
  set: TtlOutcome.SET,
  not_set: TtlOutcome.NOT_SET,
  missing: TtlOutcome.MISSING,
} as const;

export const renderElementTtl = ({ kind, expiresAt }: ElementExpired): ElementTtl => ({
  outcome: ttlOutcomes[kind],
  expireTime: expiresAt === undefined ? undefined : timestamp(expiresAt),
});

/** What a read of a collection found, as it is counted. */
export const foundCollection = (
  { key }: { readonly key: CacheKey },
  outcome: { readonly collection: OpenCollection } | undefined,
): readonly FoundItem[] => [{ key, item: outcome?.collection.item }];

/** Of a collection that was read; 0: the key has nothing. */
export const versionOfFound = (
  outcome: { readonly collection: OpenCollection } | undefined,
): bigint => BigInt(outcome?.collection.item.version ?? 0);

/** About how many bytes elements take that are written. */
export const elementBytes = (elements: readonly EntryKey[]): number =>
  elements.reduce((bytes, element) => bytes + element.length + 32, 0);

export const valueBytes = (values: readonly Value[]): number =>
  values.reduce((bytes, value) => bytes + value.bytes.length + 32, 0);
