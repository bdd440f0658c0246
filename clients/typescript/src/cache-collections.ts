// What the collections of a cache have in common in the client: where they are, how long they live, and pages of their elements.

import { TtlMode, TtlOutcome } from "../gen/forebay/cache/v1/cache_service.js";
import { CollectionEnd, TtlPolicy } from "../gen/forebay/cache/v1/collection.js";
import type { ElementTtl } from "../gen/forebay/cache/v1/dictionary_service.js";
import type { CacheCodec } from "./cache-codec.js";
import {
  type CacheExpiry,
  type CacheKey,
  expiryToWire,
  keyFormOf,
  keyToWire,
} from "./cache-items.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf } from "./durations.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

/** Where a collection is, and how its values are read. */
export interface CollectionPlace<Item> {
  readonly connection: Connection;
  readonly cache: string;
  readonly key: CacheKey;
  readonly codec: CacheCodec<Item>;
}

/** How long a collection lives after a write. */
export interface CollectionLife {
  /** Of a collection that the call makes; of one that is there, see `ttlPolicy`. Default: as the cache's default says. */
  readonly expiry?: CacheExpiry | undefined;
  /**
   * What the call does to the life of a collection that is there: nothing, give it `expiry`, or give it `expiry` if that is longer.
   * Default: `"set_on_create"`.
   */
  readonly ttlPolicy?: "set_on_create" | "refresh" | "keep_if_longer" | undefined;
}

/** How to walk over elements. */
export interface ElementScanOptions extends CallOptions {
  /** Only elements that begin with it. Default: all. */
  readonly prefix?: CacheKey | undefined;
  /** From the last to the first. Default: false. */
  readonly reverse?: boolean | undefined;
  /** Elements asked for at a time. Range: 1 to 10000. Default: 1000. */
  readonly pageSize?: number | undefined;
}

/** What became of the end of an element. */
export interface ElementExpired {
  readonly outcome: "set" | "not_set" | "missing";
  /** As it is now; undefined: with its collection, or it is not there. */
  readonly expiresAt: Date | undefined;
}

/** What a collection is after a write. */
export interface CollectionChanged {
  /** Elements it has now. */
  readonly length: number;
  /** Of the collection; 0: the key has nothing. */
  readonly version: bigint;
}

/** When an end may take the place of the one that is there. Default: `"always"`. */
export interface ElementTtlOptions extends CallOptions {
  readonly when?: "always" | "longer" | "shorter" | "if_volatile" | "if_persistent" | undefined;
}

const policies = {
  set_on_create: TtlPolicy.SET_ON_CREATE,
  refresh: TtlPolicy.REFRESH,
  keep_if_longer: TtlPolicy.KEEP_IF_LONGER,
} as const;

const modes = {
  always: TtlMode.OVERWRITE,
  longer: TtlMode.INCREASE_ONLY,
  shorter: TtlMode.DECREASE_ONLY,
  if_volatile: TtlMode.IF_VOLATILE,
  if_persistent: TtlMode.IF_PERSISTENT,
} as const;

export const ends = { front: CollectionEnd.FRONT, back: CollectionEnd.BACK } as const;

/** The fields that every request has which names one collection. */
export const named = ({ cache, key }: Pick<CollectionPlace<unknown>, "cache" | "key">) => ({
  cache,
  keyForm: keyFormOf(key),
});

export const lifeToWire = ({ expiry, ttlPolicy = "set_on_create" }: CollectionLife) => ({
  expiry: expiryToWire(expiry),
  ttlPolicy: policies[ttlPolicy],
});

/** Made once, however often the call is tried. */
export const once = ({ requestId }: RequestIdOption) => ({
  requestId: requestId ?? newRequestId(),
});

export const modeToWire = ({ when = "always" }: ElementTtlOptions): TtlMode => modes[when];

export const scanToWire = (
  place: Pick<CollectionPlace<unknown>, "cache" | "key">,
  { prefix, reverse = false, pageSize = 0 }: ElementScanOptions,
  cursor: string,
) => ({
  ...named(place),
  prefix: prefix === undefined ? undefined : keyToWire(prefix),
  cursor,
  limit: pageSize,
  reverse,
});

export function elementExpiredOf({ outcome, expireTime }: ElementTtl): ElementExpired {
  const expiresAt = dateOf(expireTime);
  if (outcome === TtlOutcome.SET) return { outcome: "set", expiresAt };
  return { outcome: outcome === TtlOutcome.MISSING ? "missing" : "not_set", expiresAt };
}

export const changedOf = ({
  length,
  version,
}: {
  readonly length: bigint;
  readonly version: bigint;
}): CollectionChanged => ({ length: Number(length), version });

/** A call that waits ends some seconds after its wait, unless the caller says when. */
export function waitingOptions<Options extends CallOptions>(options: Options, waitMs: number) {
  return waitMs === 0 || options.timeoutMs !== undefined
    ? options
    : { ...options, timeoutMs: waitMs + 10_000 };
}
