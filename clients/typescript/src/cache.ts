// Caches: values under keys, with an end. A Cache is a handle by its name; `default` is always there.
//
// Calls on single keys that are made in one turn of the event loop leave together over one stream (`cache-pipeline.ts`).

import type { CacheResult } from "../gen/forebay/cache/v1/cache_service.js";
import {
  CacheServiceDefinition,
  DeleteMode,
  DeleteOutcome,
  OverflowMode,
  ReadOutcome,
  TransferOutcome,
  TtlMode,
  TtlOutcome,
} from "../gen/forebay/cache/v1/cache_service.js";
import { type CacheBatch, type CacheBatchOptions, runBatch } from "./cache-batch.js";
import {
  type ChannelEvent,
  type ChannelSubscribeOptions,
  subscribeToChannels,
} from "./cache-channels.js";
import type { CacheCodec } from "./cache-codec.js";
import type { CollectionPlace } from "./cache-collections.js";
import { CacheDictionary } from "./cache-dictionary.js";
import {
  type CacheCondition,
  type CacheExpiry,
  type CacheItemMeta,
  type CacheKey,
  type CacheValue,
  conditionToWire,
  expiryToWire,
  keyFormOf,
  keyFromWire,
  keyToWire,
  metaFromWire,
  valueFormOf,
  valueFromWire,
} from "./cache-items.js";
import {
  CacheLeases,
  type GetOrLoadOptions,
  type LeaseOptions,
  type LeaseRead,
  loadOnce,
} from "./cache-leases.js";
import { CacheList } from "./cache-list.js";
import type { Loads } from "./cache-loads.js";
import type { CachePipeline, Operation } from "./cache-pipeline.js";
import { CacheSet } from "./cache-set.js";
import { CacheSortedSet } from "./cache-sorted-set.js";
import type {
  ChannelPublished,
  ChannelPublisher,
  ChannelPublishOptions,
} from "./channel-publisher.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf } from "./durations.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";
import { errorOfStatus } from "./status-details.js";

const { methods } = CacheServiceDefinition;

/** What a cache shares with its client. */
export interface CacheContext {
  readonly connection: Connection;
  pipeline(cache: string): CachePipeline;
  publisher(cache: string): ChannelPublisher;
  readonly loads: Loads;
  closeWithClient(closable: AsyncDisposable): () => void;
}

export interface GetOptions extends CallOptions {
  /** If the value has this version, it is not sent again. */
  readonly ifVersionNot?: bigint | undefined;
  /** Whether a value that has ended and may still be served stale is wanted. Default: false. */
  readonly allowStale?: boolean | undefined;
  /** Whether it counts as no read. Default: false. */
  readonly peek?: boolean | undefined;
  /** Whether `meta` is wanted. Default: false. */
  readonly withMeta?: boolean | undefined;
}

export type CacheRead<Item> =
  | {
      readonly kind: "hit" | "stale";
      readonly value: Item;
      readonly version: bigint;
      readonly flags: number;
      readonly contentType: string;
      /** With `withMeta`. */
      readonly meta: CacheItemMeta | undefined;
    }
  | { readonly kind: "not_modified"; readonly version: bigint }
  | { readonly kind: "miss" }
  /** There is something of another type: only of `getMany`; `get` throws WRONG_TYPE. */
  | { readonly kind: "wrong_type" }
  /** The answer had no room for it: only of `getMany`. */
  | { readonly kind: "omitted" };

export interface SetOptions {
  /** Default: as the cache's default says. */
  readonly expiry?: CacheExpiry | undefined;
  readonly condition?: CacheCondition | undefined;
  /** What it can be invalidated by; at most 16, each of 1 to 256 bytes. `"keep"`: those that are there. */
  readonly tags?: readonly string[] | "keep" | undefined;
  /** Whatever you want to find with the value again. Range: 0 to 2^32-1. */
  readonly flags?: number | undefined;
  /** What kind of value it is; at most 128 characters. */
  readonly contentType?: string | undefined;
  /** Whether it is never evicted. Default: false. */
  readonly pinned?: boolean | undefined;
  /** The version that the value has where it comes from. */
  readonly externalVersion?: bigint | undefined;
  /** How long it lives on after each read, in milliseconds. Default: as the cache says. */
  readonly slidingMs?: number | undefined;
  /** How long after its end it may be served while it is loaded anew, in milliseconds. Default: 0. */
  readonly staleWhileRevalidateMs?: number | undefined;
  /** How long after that it may be served where it cannot be loaded, in milliseconds. Default: 0. */
  readonly staleIfErrorMs?: number | undefined;
  /** With which lease it was loaded: it is written only while that is the caller's. Default: none. */
  readonly leaseToken?: bigint | undefined;
  /** Whether the value that was there is wanted. Default: false. */
  readonly returnPrevious?: boolean | undefined;
  /** Whether a condition that does not hold is answered with the value that is there. Default: false. */
  readonly returnCurrent?: boolean | undefined;
}

export type SetResult<Item> =
  | {
      readonly stored: true;
      readonly version: bigint;
      /** Undefined: never. */
      readonly expiresAt: Date | undefined;
      /** Whether its life was cut to the cache's longest. */
      readonly isTtlClamped: boolean;
      /** Whether its end has passed: the key has nothing now. */
      readonly hasExpired: boolean;
      /** With `returnPrevious`, where there was one. */
      readonly previous: Item | undefined;
    }
  | {
      readonly stored: false;
      /** Of what is there; 0: nothing. */
      readonly version: bigint;
      /** With `returnCurrent`, where there is one. */
      readonly current: Item | undefined;
    };

export interface IncrementOptions extends CallOptions, RequestIdOption {
  /** What a counter that is not there counts as. Default: 0. */
  readonly initial?: bigint | number | undefined;
  /** Whether one that is not there stays absent. Default: false. */
  readonly mustExist?: boolean | undefined;
  /** Out of bounds: refuse, stay at the bound, or go on from the other one. Default: `"error"`. */
  readonly onOverflow?: "error" | "saturate" | "wrap" | undefined;
  /** Default: -2^63. */
  readonly min?: bigint | undefined;
  /** Default: 2^63-1. */
  readonly max?: bigint | undefined;
  /** Of a counter that was not there; one that is there keeps its end. */
  readonly expiry?: CacheExpiry | undefined;
}

export interface ScanOptions extends CallOptions {
  /** Only keys that begin with it. Default: all. */
  readonly prefix?: CacheKey | undefined;
  /** Only items with this tag. */
  readonly tag?: string | undefined;
  /** Whether values are wanted. Default: false. */
  readonly withValues?: boolean | undefined;
  /** Whether `meta` is wanted. Default: false. */
  readonly withMeta?: boolean | undefined;
  /** From the last key to the first. Default: false. */
  readonly reverse?: boolean | undefined;
  /** Keys asked for at a time. Range: 1 to 10000. Default: 100. */
  readonly pageSize?: number | undefined;
}

export interface ScannedItem<Item> {
  /** A text where it is UTF-8. */
  readonly key: CacheKey;
  readonly value: Item | undefined;
  readonly meta: CacheItemMeta | undefined;
}

/** When an end may be changed. */
export type TtlCondition = "always" | "longer" | "shorter" | "if_volatile" | "if_persistent";

const ttlModes = {
  always: TtlMode.OVERWRITE,
  longer: TtlMode.INCREASE_ONLY,
  shorter: TtlMode.DECREASE_ONLY,
  if_volatile: TtlMode.IF_VOLATILE,
  if_persistent: TtlMode.IF_PERSISTENT,
} as const;

const overflowModes = {
  error: OverflowMode.ERROR,
  saturate: OverflowMode.SATURATE,
  wrap: OverflowMode.WRAP,
} as const;

/** A cache by its name. Making one asks the server nothing. */
export class Cache<Item = CacheValue> {
  /** Its name: `prices`, or `billing/prices` in another namespace. */
  readonly name: string;
  readonly #context: CacheContext;
  readonly #codec: CacheCodec<Item>;

  /** Use `ForebayClient.cache`. */
  constructor(name: string, context: CacheContext, codec: CacheCodec<Item>) {
    this.name = name;
    this.#context = context;
    this.#codec = codec;
  }

  /** The same cache with values of another kind, as `cache.with(jsonCodec<Order>())`. */
  with<Other>(codec: CacheCodec<Other>): Cache<Other> {
    return new Cache(this.name, this.#context, codec);
  }

  /**
   * What a key has. A miss is a result.
   *
   * @throws ForebayError CACHE_NOT_FOUND, BAD_NAME, EMPTY_KEY, KEY_TOO_LONG.
   */
  async get(key: CacheKey, options: GetOptions = {}): Promise<CacheRead<Item>> {
    const { ifVersionNot = 0n, allowStale = false, peek = false, withMeta = false } = options;
    const keyForm = keyFormOf(key);
    const request = { cache: "", keyForm, ifVersionNot, allowStale, peek, withMeta };
    // A node that follows may answer a call of its own; a stream is the leader's.
    if (options.consistency !== undefined) {
      const named = { ...request, cache: this.name };
      return this.#readOf(await this.#context.connection.unary(methods.get, named, options));
    }
    const result = await this.#pipelined({ $case: "get", value: request }, 0, "", options);
    return this.#readOf(result.value);
  }

  /** The value of a key; undefined: there is none. */
  async value(key: CacheKey, options: CallOptions = {}): Promise<Item | undefined> {
    const read = await this.get(key, options);
    return read.kind === "hit" ? read.value : undefined;
  }

  /** What a key has, which lives so long from now on. */
  async getAndTouch(
    key: CacheKey,
    expiry: CacheExpiry,
    options: CallOptions = {},
  ): Promise<CacheRead<Item>> {
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      expiry: expiryToWire(expiry),
      ifVersionNot: 0n,
      withMeta: false,
    };
    const result = await this.#pipelined({ $case: "getAndTouch", value }, 0, "", options);
    return this.#readOf(result.value);
  }

  /** What a key has, which is deleted with it. */
  async take(
    key: CacheKey,
    options: { readonly condition?: CacheCondition } & CallOptions & RequestIdOption = {},
  ): Promise<CacheRead<Item>> {
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      condition: conditionToWire(options.condition),
      requestId: "",
    };
    const requestId = options.requestId ?? newRequestId();
    const result = await this.#pipelined({ $case: "getAndDelete", value }, 0, requestId, options);
    return this.#readOf({ flags: 0, contentType: "", ...result.value });
  }

  #readOf(response: WireRead): CacheRead<Item> {
    switch (response.outcome) {
      case ReadOutcome.HIT:
      case ReadOutcome.STALE:
        return {
          kind: response.outcome === ReadOutcome.HIT ? "hit" : "stale",
          value: this.#codec.decode(response.valueForm?.value ?? noBytes),
          version: response.version,
          flags: response.flags,
          contentType: response.contentType,
          meta: response.meta && metaFromWire(response.meta),
        };
      case ReadOutcome.NOT_MODIFIED:
        return { kind: "not_modified", version: response.version };
      case ReadOutcome.WRONG_TYPE:
        return { kind: "wrong_type" };
      case ReadOutcome.OMITTED:
        return { kind: "omitted" };
      default:
        return { kind: "miss" };
    }
  }

  /**
   * Writes a value, over whatever the key has. A condition that does not hold is a result.
   *
   * @throws ForebayError LEASE_LOST for a `leaseToken`; CACHE_NOT_FOUND, KEY_TOO_LONG, EMPTY_KEY, VALUE_TOO_LARGE, TTL_INVALID, CACHE_FULL, PINNED_LIMIT,
   * STORAGE_FULL, REQUEST_ID_REUSED.
   */
  async set(
    key: CacheKey,
    item: Item,
    options: SetOptions & CallOptions & RequestIdOption = {},
  ): Promise<SetResult<Item>> {
    const value = this.#setOf(key, item, options);
    const bytes = sizeOf(value.valueForm.value);
    // A set without a condition is the same however often it is made; one under a lease ends that.
    const isIdempotent =
      options.condition === undefined &&
      options.returnPrevious !== true &&
      options.leaseToken === undefined;
    const requestId = options.requestId ?? (isIdempotent ? "" : newRequestId());
    const result = await this.#pipelined({ $case: "set", value }, bytes, requestId, options);
    return this.#setResultOf(result.value);
  }

  #setOf(key: CacheKey, item: Item, options: SetOptions) {
    const { tags } = options;
    return {
      cache: "",
      keyForm: keyFormOf(key),
      valueForm: valueFormOf(this.#codec.encode(item)),
      expiry: expiryToWire(options.expiry),
      condition: conditionToWire(options.condition),
      returnPrevious: options.returnPrevious ?? false,
      returnCurrent: options.returnCurrent ?? false,
      flags: options.flags ?? 0,
      contentType: options.contentType ?? "",
      tags: tags === undefined || tags === "keep" ? [] : [...tags],
      keepTags: tags === "keep",
      pinned: options.pinned ?? false,
      requestId: "",
      externalVersion: options.externalVersion ?? 0n,
      sliding: durationOf(options.slidingMs),
      staleWhileRevalidate: durationOf(options.staleWhileRevalidateMs),
      staleIfError: durationOf(options.staleIfErrorMs),
      leaseToken: options.leaseToken ?? 0n,
    };
  }

  #setResultOf(response: WireSet): SetResult<Item> {
    const { version, previous, current } = response;
    if (!response.stored) {
      return {
        stored: false,
        version,
        current: current && this.#codec.decode(valueFromWire(current)),
      };
    }
    return {
      stored: true,
      version,
      expiresAt: dateOf(response.expireTime),
      isTtlClamped: response.ttlClamped,
      hasExpired: response.expiredImmediately,
      previous: previous && this.#codec.decode(valueFromWire(previous)),
    };
  }

  /**
   * Deletes what a key has; says whether it did. `stale`: it stays for whoever takes such values.
   *
   * @throws ForebayError CACHE_NOT_FOUND, KEY_TOO_LONG, EMPTY_KEY.
   */
  async delete(
    key: CacheKey,
    options: {
      readonly condition?: CacheCondition | undefined;
      readonly stale?: boolean | undefined;
    } & CallOptions &
      RequestIdOption = {},
  ): Promise<boolean> {
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      condition: conditionToWire(options.condition),
      mode: options.stale === true ? DeleteMode.STALE : DeleteMode.DELETE,
      requestId: "",
    };
    const requestId = options.requestId ?? newRequestId();
    const result = await this.#pipelined({ $case: "delete", value }, 0, requestId, options);
    return result.value.outcome === DeleteOutcome.DELETED;
  }

  /**
   * Adds to a counter; answers with it. Undefined: there is none, and there had to be one.
   *
   * @throws ForebayError NOT_A_NUMBER, OVERFLOW, CACHE_NOT_FOUND, CACHE_FULL.
   */
  async increment(
    key: CacheKey,
    delta: bigint | number = 1n,
    options: IncrementOptions = {},
  ): Promise<bigint | undefined> {
    const { min, max, onOverflow = "error" } = options;
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      delta: BigInt(delta),
      initial: BigInt(options.initial ?? 0n),
      requireExists: options.mustExist ?? false,
      onOverflow: overflowModes[onOverflow],
      min,
      max,
      expiry: expiryToWire(options.expiry),
      requestId: "",
    };
    const requestId = options.requestId ?? newRequestId();
    const result = await this.#pipelined({ $case: "increment", value }, 0, requestId, options);
    return result.value.applied ? result.value.value : undefined;
  }

  /**
   * Adds to a value that is a decimal number; answers with it. Undefined: there is none, and there had to be one.
   *
   * @throws ForebayError NOT_A_NUMBER, NAN_INPUT, NAN_RESULT, CACHE_NOT_FOUND, CACHE_FULL.
   */
  async incrementFloat(
    key: CacheKey,
    delta: number,
    options: Pick<IncrementOptions, "mustExist" | "expiry" | "requestId"> & {
      readonly initial?: number | undefined;
    } & CallOptions = {},
  ): Promise<number | undefined> {
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      delta,
      initial: options.initial ?? 0,
      requireExists: options.mustExist ?? false,
      expiry: expiryToWire(options.expiry),
      requestId: "",
    };
    const requestId = options.requestId ?? newRequestId();
    const result = await this.#pipelined({ $case: "incrementFloat", value }, 0, requestId, options);
    return result.value.applied ? result.value.value : undefined;
  }

  /**
   * Puts bytes behind those of a value, or in front; answers with its length. Undefined: there is none, and there had to be one.
   *
   * @throws ForebayError RESULT_TOO_LARGE, CACHE_NOT_FOUND, CACHE_FULL.
   */
  async append(
    key: CacheKey,
    part: CacheValue,
    options: {
      readonly prepend?: boolean | undefined;
      readonly mustExist?: boolean | undefined;
      /** Of a value that was not there. */
      readonly expiry?: CacheExpiry | undefined;
    } & CallOptions &
      RequestIdOption = {},
  ): Promise<number | undefined> {
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      valueForm: valueFormOf(part),
      prepend: options.prepend ?? false,
      requireExists: options.mustExist ?? false,
      expiry: expiryToWire(options.expiry),
      requestId: "",
    };
    const requestId = options.requestId ?? newRequestId();
    const result = await this.#pipelined(
      { $case: "append", value },
      sizeOf(part),
      requestId,
      options,
    );
    return result.value.applied ? Number(result.value.length) : undefined;
  }

  /** Bytes of a value from `start` to before `end`, both counted from the end where below 0. Undefined: there is none. */
  async getRange(
    key: CacheKey,
    start = 0,
    end?: number,
    options: CallOptions = {},
  ): Promise<Uint8Array | undefined> {
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      start: BigInt(start),
      end: end === undefined ? undefined : BigInt(end),
    };
    const result = await this.#pipelined({ $case: "getRange", value }, 0, "", options);
    return result.value.outcome === ReadOutcome.HIT ? result.value.data : undefined;
  }

  /**
   * Writes over bytes of a value from `offset` on; answers with its length.
   *
   * @throws ForebayError RESULT_TOO_LARGE, BAD_RANGE, CACHE_NOT_FOUND, CACHE_FULL.
   */
  async setRange(
    key: CacheKey,
    offset: number,
    data: Uint8Array,
    options: CallOptions = {},
  ): Promise<number> {
    const value = { cache: "", keyForm: keyFormOf(key), offset: BigInt(offset), data };
    const result = await this.#pipelined({ $case: "setRange", value }, data.length, "", options);
    return Number(result.value.length);
  }

  /** Copies what a key has to another one, with its life and tags. */
  copy(
    source: CacheKey,
    destination: CacheKey,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    return this.#transfer("copy", source, destination, options);
  }

  /** Moves what a key has to another one, with its life and tags. */
  rename(
    source: CacheKey,
    destination: CacheKey,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    return this.#transfer("rename", source, destination, options);
  }

  async #transfer(
    $case: "copy" | "rename",
    source: CacheKey,
    destination: CacheKey,
    options: TransferOptions,
  ): Promise<TransferResult> {
    const value = {
      cache: "",
      source: keyToWire(source),
      destination: keyToWire(destination),
      overwrite: options.overwrite ?? false,
      requestId: "",
    };
    const requestId = options.requestId ?? newRequestId();
    const result = await this.#pipelined({ $case, value }, 0, requestId, options);
    return transferResults[result.value.outcome] ?? "source_absent";
  }

  /**
   * Gives what a key has another end, and leaves it alone otherwise.
   *
   * @throws ForebayError TTL_INVALID, CACHE_NOT_FOUND.
   */
  async expire(
    key: CacheKey,
    expiry: Exclude<CacheExpiry, "keep">,
    options: { readonly when?: TtlCondition | undefined } & CallOptions = {},
  ): Promise<"set" | "not_set" | "missing"> {
    const value = {
      cache: "",
      keyForm: keyFormOf(key),
      expiry: expiryToWire(expiry),
      mode: ttlModes[options.when ?? "always"],
    };
    // Made twice it may say otherwise than made once, and means the same.
    const result = await this.#pipelined({ $case: "updateTtl", value }, 0, "", options);
    const { outcome } = result.value;
    if (outcome === TtlOutcome.SET) return "set";
    return outcome === TtlOutcome.MISSING ? "missing" : "not_set";
  }

  /** Gives up to 1000 keys another end; says of each whether it had something. */
  async touch(
    keys: readonly CacheKey[],
    expiry: Exclude<CacheExpiry, "keep">,
    options: CallOptions = {},
  ): Promise<readonly boolean[]> {
    const request = { cache: this.name, keys: keys.map(keyToWire), expiry: expiryToWire(expiry) };
    return (await this.#context.connection.unary(methods.touch, request, options)).touched;
  }

  /**
   * What up to 1000 keys have, in their order.
   *
   * @throws ForebayError LIMIT_EXCEEDED, CACHE_NOT_FOUND.
   */
  async getMany(
    keys: readonly CacheKey[],
    options: Omit<GetOptions, "ifVersionNot"> = {},
  ): Promise<readonly CacheRead<Item>[]> {
    const { allowStale = false, peek = false, withMeta = false } = options;
    const request = { cache: this.name, keys: keys.map(keyToWire), allowStale, peek, withMeta };
    const { items } = await this.#context.connection.unary(methods.multiGet, request, options);
    return items.map((item) => this.#readOf(item));
  }

  /**
   * Writes up to 1000 values. With `atomic` either all are written or none; answers with what became of each.
   *
   * @throws ForebayError LIMIT_EXCEEDED, CACHE_NOT_FOUND; with `atomic` also those of `set`.
   */
  async setMany(
    entries: readonly (readonly [CacheKey, Item, SetOptions?])[],
    options: { readonly atomic?: boolean | undefined } & CallOptions & RequestIdOption = {},
  ): Promise<SetManyResult<Item>> {
    const request = {
      cache: this.name,
      items: entries.map(([key, item, each = {}]) => this.#setOf(key, item, each)),
      atomic: options.atomic ?? false,
      requestId: options.requestId ?? newRequestId(),
    };
    const response = await this.#context.connection.unary(methods.multiSet, request, options);
    return {
      storedAll: response.storedAll,
      failedIndex: response.failedIndex,
      results: response.items.map(({ outcome }) =>
        outcome?.$case === "set"
          ? this.#setResultOf(outcome.value)
          : errorOfStatus(outcome?.value ?? { code: 13, message: "No answer.", details: [] }),
      ),
    };
  }

  /** Deletes what up to 10000 keys have; says of each whether it had something. */
  async deleteMany(
    keys: readonly CacheKey[],
    options: CallOptions & RequestIdOption = {},
  ): Promise<readonly boolean[]> {
    const request = {
      cache: this.name,
      keys: keys.map(keyToWire),
      requestId: options.requestId ?? newRequestId(),
    };
    return (await this.#context.connection.unary(methods.multiDelete, request, options)).deleted;
  }

  /** What is known of up to 1000 keys; undefined where one has nothing. Counts as no read. */
  async meta(
    keys: readonly CacheKey[],
    options: CallOptions = {},
  ): Promise<readonly (CacheItemMeta | undefined)[]> {
    const request = { cache: this.name, keys: keys.map(keyToWire) };
    const { items } = await this.#context.connection.unary(methods.getMeta, request, options);
    return items.map((item) => (item.version === 0n ? undefined : metaFromWire(item)));
  }

  /** The keys in byte order, over all pages until the loop is left. */
  scan(options: ScanOptions = {}): AsyncGenerator<ScannedItem<Item>, void, undefined> {
    const { prefix, tag = "", withValues = false, withMeta = false, reverse = false } = options;
    return pages(async (cursor) => {
      const request = {
        cache: this.name,
        prefix: prefix === undefined ? undefined : keyToWire(prefix),
        cursor,
        limit: options.pageSize ?? 0,
        types: [],
        tag,
        withValues,
        withMeta,
        reverse,
      };
      const page = await this.#context.connection.unary(methods.scan, request, options);
      const items = page.items.map(({ key, value, meta }) => ({
        key: keyFromWire(key),
        value: value && this.#codec.decode(valueFromWire(value)),
        meta: meta && metaFromWire(meta),
      }));
      return { items, nextPageToken: page.nextCursor };
    });
  }

  /** How many keys there are. `exact`: counted one by one; else an estimate. */
  async count(
    options: {
      readonly prefix?: CacheKey | undefined;
      readonly exact?: boolean | undefined;
    } & CallOptions = {},
  ): Promise<number> {
    const { prefix, exact = false } = options;
    const request = {
      cache: this.name,
      prefix: prefix === undefined ? undefined : keyToWire(prefix),
      exact,
    };
    const { count } = await this.#context.connection.unary(methods.countKeys, request, options);
    return Number(count);
  }

  /** Deletes all keys that begin with a prefix, however many, at once. */
  async deleteByPrefix(prefix: CacheKey, options: CallOptions = {}): Promise<void> {
    const request = { cache: this.name, prefix: keyToWire(prefix), dryRun: false };
    await this.#context.connection.unary(methods.deleteByPrefix, request, options);
  }

  /** Deletes all items that have one of these tags, or marks them stale, however many, at once. 1 to 100 tags. */
  async invalidateTags(
    tags: readonly string[],
    options: { readonly stale?: boolean | undefined } & CallOptions = {},
  ): Promise<void> {
    const mode = options.stale === true ? DeleteMode.STALE : DeleteMode.DELETE;
    const request = { cache: this.name, tags: [...tags], mode };
    await this.#context.connection.unary(methods.invalidateTags, request, options);
  }

  /**
   * Carries out up to 1000 operations in their order, each seeing those before it: all of them, or none.
   *
   * @throws ForebayError GUARD_FAILED, with `guard` and `version` in its metadata; those of the operations, with `failed_index`.
   */
  batch(batch: CacheBatch, options: CacheBatchOptions = {}): ReturnType<typeof runBatch> {
    return runBatch(this.#context.connection, this.name, batch, options);
  }

  /**
   * The value of a key, or a lease to load it with, or that somebody else is loading it. `won`: load it, and `set` it with the token
   * as `leaseToken`, or `releaseLease` it.
   *
   * @throws ForebayError CACHE_NOT_FOUND, EMPTY_KEY, KEY_TOO_LONG, INVALID_PARAMETER, WRONG_TYPE, STORAGE_FULL, REQUEST_ID_REUSED.
   */
  getOrLease(key: CacheKey, options: LeaseOptions = {}): Promise<LeaseRead<Item>> {
    return this.#leases.getOrLease(key, options, this.#codec);
  }

  /**
   * Makes a lease last so long from now on; answers with its end.
   *
   * @throws ForebayError LEASE_LOST.
   */
  renewLease(
    key: CacheKey,
    token: bigint,
    options: { readonly leaseMs?: number | undefined } & CallOptions = {},
  ): Promise<Date | undefined> {
    return this.#leases.renew(key, token, options);
  }

  /** Gives a lease back, to whoever has waited longest; says whether it still was the caller's. */
  releaseLease(key: CacheKey, token: bigint, options: CallOptions = {}): Promise<boolean> {
    return this.#leases.release(key, token, options);
  }

  get #leases(): CacheLeases {
    return new CacheLeases(this.#context.connection, this.name);
  }

  /**
   * The value of a key; where there is none it is loaded and written. Of all callers, in whatever process, that miss a key at the same
   * time one loads it, and the others get what it got, or a value that may be served stale. What a load throws is thrown to
   * its caller, and not kept: somebody who waits loads next. What was written, deleted or made invalid during a load is not
   * overwritten by what it loaded.
   */
  async getOrLoad(
    key: CacheKey,
    load: () => Promise<Item>,
    options: GetOrLoadOptions<SetOptions> = {},
  ): Promise<Item> {
    const { expiry, tags, staleWhileRevalidateMs, leaseMs, loadWaitMs, ...call } = options;
    const read = await this.get(key, call);
    if (read.kind === "hit") return read.value;
    const settings = { expiry, tags, staleWhileRevalidateMs, ...call };
    return this.#context.loads.run(this.name, key, () =>
      loadOnce<Item>(
        {
          ask: (waitMs) => this.getOrLease(key, { leaseMs, waitMs, signal: call.signal }),
          load,
          store: (item, leaseToken) => this.set(key, item, { ...settings, leaseToken }),
          renew: (token) => this.renewLease(key, token, { leaseMs }),
          release: (token) => this.releaseLease(key, token),
        },
        { leaseMs, loadWaitMs },
      ),
    );
  }

  /** A dictionary of this cache: fields with values. Asks the server nothing. */
  dictionary(key: CacheKey): CacheDictionary<Item> {
    return new CacheDictionary(this.#collection(key));
  }

  /** A list of this cache: values in order. Asks the server nothing. */
  list(key: CacheKey): CacheList<Item> {
    return new CacheList(this.#collection(key));
  }

  /** A set of this cache: members. Asks the server nothing. */
  memberSet(key: CacheKey): CacheSet {
    return new CacheSet(this.#collection(key));
  }

  /** A sorted set of this cache: members with scores. Asks the server nothing. */
  sortedSet(key: CacheKey): CacheSortedSet {
    return new CacheSortedSet(this.#collection(key));
  }

  #collection(key: CacheKey): CollectionPlace<Item> {
    const { connection } = this.#context;
    return { connection, cache: this.name, key, codec: this.#codec };
  }

  /**
   * Shows a message to everybody who is subscribed to a channel now. It is not stored, and whether anybody got it nobody knows.
   * Messages are published in the order of these calls, many of them together; those with call options of their own leave by themselves.
   *
   * @throws ForebayError CACHE_NOT_FOUND, INVALID_PARAMETER, VALUE_TOO_LARGE, CHANNEL_LIMIT.
   */
  async publish(
    channel: string,
    item: Item,
    options: ChannelPublishOptions = {},
  ): Promise<ChannelPublished> {
    const data = this.#codec.encode(item);
    return this.#context.publisher(this.name).publish(channel, data, options);
  }

  /**
   * What is published to channels, from now on, until the loop is left. A connection that breaks is opened again, and what was missed
   * meanwhile is shown as far as the server keeps it; the rest is a discontinuity.
   *
   * @throws ForebayError CACHE_NOT_FOUND, INVALID_PARAMETER, LIMIT_EXCEEDED, CHANNEL_LIMIT, PATTERN_LIMIT, SUBSCRIBER_LIMIT.
   */
  subscribe(options: ChannelSubscribeOptions): AsyncGenerator<ChannelEvent<Item>, void, undefined> {
    return subscribeToChannels(this.name, this.#context, this.#codec, options);
  }

  #pipelined<Name extends Operation["$case"]>(
    operation: Extract<Operation, { $case: Name }>,
    bytes: number,
    requestId: string,
    options: CallOptions,
  ): Promise<Extract<NonNullable<CacheResult["result"]>, { $case: Name }>> {
    const pipeline = this.#context.pipeline(this.name);
    const about = { bytes: bytes + operationBytes, requestId };
    // The answer to an operation is of its kind.
    return pipeline.run(operation, about, options) as Promise<
      Extract<NonNullable<CacheResult["result"]>, { $case: Name }>
    >;
  }
}

export interface TransferOptions extends CallOptions, RequestIdOption {
  /** Whether what the destination has goes. Default: false. */
  readonly overwrite?: boolean | undefined;
}

/** What copying or moving came to. */
export type TransferResult = "done" | "source_absent" | "destination_exists";

const transferResults: Readonly<Record<number, TransferResult>> = {
  [TransferOutcome.DONE]: "done",
  [TransferOutcome.SOURCE_ABSENT]: "source_absent",
  [TransferOutcome.DESTINATION_EXISTS]: "destination_exists",
};

export interface SetManyResult<Item> {
  /** Whether all were written. */
  readonly storedAll: boolean;
  /** With `atomic` and not all written: the place of the first whose condition does not hold. */
  readonly failedIndex: number | undefined;
  /** In the order of the entries; an error is of that entry alone. Empty with `atomic` and not all written. */
  readonly results: readonly (SetResult<Item> | Error)[];
}

type WireGet = ReturnType<(typeof methods)["get"]["responseType"]["decode"]>;
type WireRead = Omit<WireGet, "asOfVersion">;
type WireSet = ReturnType<(typeof methods)["set"]["responseType"]["decode"]>;

const noBytes = new Uint8Array(0);
/** What an operation takes beside its value. */
const operationBytes = 64;
const sizeOf = (value: CacheValue): number => value.length;
