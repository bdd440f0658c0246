// Requests of caches as the rules take them. What is wrong is told of every field, not only of the first.

import type { CacheKey, CacheName, DurationMs, Namespace } from "../base/brands.js";
import type { CacheAddress } from "../cache/cache-name.js";
import type { Condition } from "../cache/condition.js";
import type { Expiry } from "../cache/expiry.js";
import { cacheLimits } from "../cache/limits.js";
import type { Value } from "../cache/scalars.js";
import type {
  Condition as WireCondition,
  Expiry as WireExpiry,
  Key as WireKey,
  Value as WireValue,
} from "../gen/forebay/cache/v1/item.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";
import { checkListLength, type Violations } from "./violations.js";

const namePattern = /^[A-Za-z0-9._-]+$/;
const namespacePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;
const nameRule = `must be 1 to ${cacheLimits.nameCharactersMax} of A-Za-z0-9._-`;

const isCacheName = (name: string): boolean =>
  name.length <= cacheLimits.nameCharactersMax && namePattern.test(name);

/** The address of a cache: `prices` or `billing/prices`. Always returns one; whether it is good, `violations` say. */
export function parseCacheAddress(
  violations: Violations,
  given: string,
  callerNamespace: Namespace,
): CacheAddress {
  const slash = given.indexOf("/");
  const namespace = slash === -1 ? callerNamespace : given.slice(0, slash);
  const name = slash === -1 ? given : given.slice(slash + 1);
  if (!isCacheName(name) || !namespacePattern.test(namespace)) {
    const description = `${nameRule}, after the namespace and a slash if it is another's`;
    violations.add("BAD_NAME", "cache", description);
  }
  return { namespace: namespace as Namespace, name: name as CacheName, given };
}

/** The address of a cache that is to be made, changed or deleted: in the caller's own namespace. */
export function parseOwnCacheAddress(
  violations: Violations,
  given: string,
  namespace: Namespace,
): CacheAddress {
  if (!isCacheName(given)) violations.add("BAD_NAME", "cache", nameRule);
  return { namespace, name: given as CacheName, given };
}

/** Bytes as keys have them: a character each. */
const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");

/** A text's UTF-8, a character a byte. */
const textBytes = (text: string): string =>
  Buffer.byteLength(text) === text.length ? text : Buffer.from(text).toString("latin1");

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

type KeyForm =
  | { readonly $case: "key"; readonly value: string }
  | { readonly $case: "keyData"; readonly value: Uint8Array }
  | undefined;

/** The key that a request has as one of its own fields. */
export function parseKeyForm(violations: Violations, at: string, form: KeyForm): CacheKey {
  const bytes =
    form === undefined ? "" : form.$case === "key" ? textBytes(form.value) : latin1(form.value);
  return checkKey(violations, `${at}key`, bytes);
}

/** A key as a message. */
export const parseKey = (
  violations: Violations,
  field: string,
  key: WireKey | undefined,
): CacheKey => checkKey(violations, field, elementOf(key));

/** The bytes of a key that is known to be good. */
export const elementOf = (key: WireKey | undefined): string => {
  const form = key?.key;
  if (form === undefined) return "";
  return form.$case === "text" ? textBytes(form.value) : latin1(form.value);
};

/** Always returns one; whether it is good, `violations` say. */
function checkKey(violations: Violations, field: string, bytes: string): CacheKey {
  const { keyBytesMax: limit } = cacheLimits;
  if (bytes.length === 0) {
    violations.add("EMPTY_KEY", field, `a key has 1 to ${limit} bytes`, { limit: String(limit) });
  } else if (bytes.length > limit) {
    violations.add("KEY_TOO_LONG", field, `a key has 1 to ${limit} bytes, not ${bytes.length}`, {
      limit: String(limit),
      actual: String(bytes.length),
    });
  }
  return bytes as CacheKey;
}

/** The bytes that keys begin with; empty: all. */
export function parsePrefix(violations: Violations, prefix: WireKey | undefined): string {
  const bytes = elementOf(prefix);
  if (bytes.length > cacheLimits.keyBytesMax) checkKey(violations, "prefix", bytes);
  return bytes;
}

export function parseKeys(
  violations: Violations,
  keys: readonly WireKey[],
  max: number = cacheLimits.keysMax,
): readonly CacheKey[] {
  if (!checkCount(violations, "keys", keys.length, max)) return [];
  return keys.map((key, index) => parseKey(violations, `keys[${index}]`, key));
}

/** Refuses a list that is too long before anything looks at its elements; says whether it is short enough. */
export function checkCount(
  violations: Violations,
  field: string,
  actual: number,
  limit: number,
): boolean {
  if (actual <= limit) return true;
  violations.add("LIMIT_EXCEEDED", field, `at most ${limit} a call, not ${actual}`, {
    limit: String(limit),
    actual: String(actual),
  });
  return false;
}

type ValueForm =
  | { readonly $case: "value"; readonly value: string }
  | { readonly $case: "valueData"; readonly value: Uint8Array }
  | undefined;

const empty: Value = { isText: false, bytes: Buffer.alloc(0) };

/** The value that a request has as one of its own fields; without one it is empty. */
export function parseValueForm(form: ValueForm): Value {
  if (form === undefined) return empty;
  return form.$case === "value"
    ? { isText: true, bytes: Buffer.from(form.value) }
    : { isText: false, bytes: bufferOf(form.value) };
}

/** A value as a message. */
export function parseValue(value: WireValue | undefined): Value {
  const form = value?.value;
  if (form === undefined) return empty;
  return form.$case === "text"
    ? { isText: true, bytes: Buffer.from(form.value) }
    : { isText: false, bytes: bufferOf(form.value) };
}

const byDefault: Expiry = { kind: "default" };

export function parseExpiry(
  violations: Violations,
  field: string,
  expiry: WireExpiry | undefined,
): Expiry {
  const form = expiry?.expiry;
  if (form === undefined) return byDefault;
  switch (form.$case) {
    case "ttl": {
      const ttlMs = spanMs(violations, `${field}.ttl`, form.value);
      return ttlMs === undefined ? byDefault : { kind: "ttl", ttlMs };
    }
    case "expireTime": {
      const at = instantMs(violations, `${field}.expire_time`, form.value);
      return at === undefined ? byDefault : { kind: "at", at: at as never };
    }
    case "noExpiry":
      mustBeTrue(violations, `${field}.no_expiry`, form.value);
      return { kind: "never" };
    case "keepTtl":
      mustBeTrue(violations, `${field}.keep_ttl`, form.value);
      return { kind: "keep" };
  }
}

/** One that a call cannot do without. */
export function parseRequiredExpiry(
  violations: Violations,
  expiry: WireExpiry | undefined,
): Expiry {
  if (expiry?.expiry === undefined) {
    violations.add("TTL_INVALID", "expiry", "is needed: ttl, expire_time or no_expiry");
  } else if (expiry.expiry.$case === "keepTtl") {
    violations.add(
      "TTL_INVALID",
      "expiry.keep_ttl",
      "says nothing here; give ttl, expire_time or no_expiry",
    );
  }
  return parseExpiry(violations, "expiry", expiry);
}

const mustBeTrue = (violations: Violations, field: string, value: boolean): void => {
  if (!value) violations.add("INVALID_PARAMETER", field, "must be true, or left out");
};

const spanRule = "must be more than 0 and, from now on, end by 2^53-1 ms";

/** More than 0; what is finer than a millisecond counts as a whole one, since nothing ends early. */
function spanMs(
  violations: Violations,
  field: string,
  { seconds, nanos }: Duration,
): DurationMs | undefined {
  const isSane = seconds >= 0n && seconds <= 9_007_199_254_740n && nanos >= 0 && nanos < 1e9;
  const ms = isSane ? Number(seconds) * 1_000 + Math.ceil(nanos / 1e6) : 0;
  if (ms > 0 && ms <= cacheLimits.instantMsMax) return ms as DurationMs;
  violations.add("TTL_INVALID", field, spanRule);
  return undefined;
}

function instantMs(
  violations: Violations,
  field: string,
  { seconds, nanos }: Timestamp,
): number | undefined {
  const isSane = seconds >= 0n && seconds <= 9_007_199_254_740n && nanos >= 0 && nanos < 1e9;
  const ms = isSane ? Number(seconds) * 1_000 + Math.ceil(nanos / 1e6) : -1;
  if (ms >= 0 && ms <= cacheLimits.instantMsMax) return ms;
  violations.add("TTL_INVALID", field, "must be a time from 1970 to 2^53-1 ms");
  return undefined;
}

/** A span of 0 or more, for what a call or a cache may leave out. */
export function parseSpan(
  violations: Violations,
  field: string,
  span: Duration | undefined,
): DurationMs | undefined {
  if (span === undefined) return undefined;
  return span.seconds === 0n && span.nanos === 0
    ? (0 as DurationMs)
    : spanMs(violations, field, span);
}

const always: Condition = { kind: "always" };

export function parseCondition(
  violations: Violations,
  field: string,
  condition: WireCondition | undefined,
): Condition {
  const form = condition?.condition;
  if (form === undefined) return always;
  const { bytes } = cacheConditionValue(form);
  switch (form.$case) {
    case "absent":
    case "present":
      mustBeTrue(violations, `${field}.${form.$case}`, form.value);
      return { kind: form.$case };
    case "equal":
      return { kind: "equal", value: bytes };
    case "notEqual":
      return { kind: "not_equal", value: bytes };
    case "presentAndNotEqual":
      return { kind: "present_and_not_equal", value: bytes };
    case "absentOrEqual":
      return { kind: "absent_or_equal", value: bytes };
    case "versionEqual":
      return { kind: "version_equal", version: Number(form.value) };
    case "absentOrVersion":
      return { kind: "absent_or_version", version: Number(form.value) };
    case "hashEqual":
      return {
        kind: "hash_equal",
        sha256: parseHash(violations, `${field}.hash_equal`, form.value),
      };
    case "hashNotEqual": {
      const sha256 = parseHash(violations, `${field}.hash_not_equal`, form.value);
      return { kind: "hash_not_equal", sha256 };
    }
    case "newerExternal":
      return { kind: "newer_external", version: form.value };
  }
}

const cacheConditionValue = (form: NonNullable<WireCondition["condition"]>): Value =>
  typeof form.value === "object" && "value" in form.value ? parseValue(form.value) : empty;

function parseHash(violations: Violations, field: string, bytes: Uint8Array): Buffer {
  if (bytes.length !== 32) {
    violations.add("INVALID_PARAMETER", field, `a SHA-256 has 32 bytes, not ${bytes.length}`);
  }
  return bufferOf(bytes);
}

/** Each once, in byte order. */
export function parseTags(
  violations: Violations,
  field: string,
  tags: readonly string[],
  max: number = cacheLimits.tagsMax,
): readonly string[] {
  if (tags.length === 0 || !checkListLength(violations, field, tags.length, max)) return [];
  tags.forEach((tag, index) => {
    const bytes = Buffer.byteLength(tag);
    if (bytes > 0 && bytes <= cacheLimits.tagBytesMax) return;
    violations.add(
      "INVALID_PARAMETER",
      `${field}[${index}]`,
      `a tag has 1 to ${cacheLimits.tagBytesMax} bytes, not ${bytes}`,
    );
  });
  return [...new Set(tags)].sort((left, right) =>
    Buffer.compare(Buffer.from(left), Buffer.from(right)),
  );
}
