// Caches as resources: made, changed, described, emptied, listed, counted, deleted.

import {
  type Cache as WireCache,
  type CacheConfig as WireConfig,
  type CacheCounters as WireCounters,
  CacheDurability as WireDurability,
  EvictionPolicy as WirePolicy,
} from "../gen/forebay/cache/v1/cache.js";
import { CacheAdminServiceDefinition } from "../gen/forebay/cache/v1/cache_admin_service.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf, millisecondsOf } from "./durations.js";
import { pages } from "./pages.js";

const { methods } = CacheAdminServiceDefinition;

export type CacheEviction =
  | "w_tinylfu"
  | "allkeys_lru"
  | "allkeys_lfu"
  | "allkeys_random"
  | "volatile_lru"
  | "volatile_lfu"
  | "volatile_random"
  | "volatile_ttl"
  | "noeviction";

/** What an answer to a write means: decided, on disk, or on disk in `replicatedZones` zones. */
export type CacheDurability = "none" | "flushed" | "replicated";

/** How a cache behaves. What is left out has its default. */
export interface CacheConfig {
  /** The life of what is written without an expiry, in milliseconds. Default: 0, no end. */
  readonly defaultTtlMs?: number | undefined;
  /** The longest life, in milliseconds. Default: 0, none. */
  readonly maxTtlMs?: number | undefined;
  /** By how much at most lives are shortened by chance, in percent. Range: 0 to 50. Default: 0. */
  readonly ttlJitterPercent?: number | undefined;
  /** Default: 0, the server's share. */
  readonly maxBytes?: number | undefined;
  /** Default: 0, no limit. */
  readonly maxItems?: number | undefined;
  /** Default: `"w_tinylfu"`. */
  readonly eviction?: CacheEviction | undefined;
  /** Default: `"flushed"`. */
  readonly durability?: CacheDurability | undefined;
  /** With `"replicated"`. Range: 2 to 7. Default: 2. */
  readonly replicatedZones?: number | undefined;
  /** Range: 1 to 67108864. Default: 1048576. */
  readonly maxValueBytes?: number | undefined;
  /** Of a value in a dictionary or a list. Range: 1 to 1048576. Default: 131072. */
  readonly maxElementBytes?: number | undefined;
  /** How long an item lives on after each read, in milliseconds. Default: 0, reads change nothing. */
  readonly slidingMs?: number | undefined;
  /** Messages that each channel keeps for slow and returning subscribers. Range: 1 to 100000. Default: 1000. */
  readonly channelRetainMessages?: number | undefined;
  /** And for how long, in milliseconds. Range: 1000 to 3600000. Default: 60000. */
  readonly channelRetainMs?: number | undefined;
}

export interface CacheDescription {
  readonly name: string;
  /** Every setting as it is in force. */
  readonly config: Required<CacheConfig>;
  /** Undefined: the cache `default`, which was always there. */
  readonly createdAt: Date | undefined;
  /** Changes with every change of the config. */
  readonly etag: string;
}

/** Counts of events, each once. */
export type CacheCounts = { readonly [Name in keyof WireCounters]: number };

export interface CacheStats {
  readonly total: CacheCounts;
  /** Since the last reset. */
  readonly window: CacheCounts;
  /** Undefined: nobody has reset it. */
  readonly windowStartedAt: Date | undefined;
  readonly items: number;
  readonly bytes: number;
  readonly pinnedBytes: number;
  readonly reaperLagMs: number;
  /** Of the last minute; undefined: nothing was read. */
  readonly hitRatio1m: number | undefined;
}

const policies = {
  w_tinylfu: WirePolicy.W_TINYLFU,
  allkeys_lru: WirePolicy.ALLKEYS_LRU,
  allkeys_lfu: WirePolicy.ALLKEYS_LFU,
  allkeys_random: WirePolicy.ALLKEYS_RANDOM,
  volatile_lru: WirePolicy.VOLATILE_LRU,
  volatile_lfu: WirePolicy.VOLATILE_LFU,
  volatile_random: WirePolicy.VOLATILE_RANDOM,
  volatile_ttl: WirePolicy.VOLATILE_TTL,
  noeviction: WirePolicy.NOEVICTION,
} as const satisfies Readonly<Record<CacheEviction, WirePolicy>>;

const durabilities = {
  none: WireDurability.NONE,
  flushed: WireDurability.FLUSHED,
  replicated: WireDurability.REPLICATED,
} as const satisfies Readonly<Record<CacheDurability, WireDurability>>;

const paths = {
  defaultTtlMs: "default_ttl",
  maxTtlMs: "max_ttl",
  ttlJitterPercent: "ttl_jitter_percent",
  maxBytes: "max_bytes",
  maxItems: "max_items",
  eviction: "eviction",
  durability: "durability",
  replicatedZones: "replicated_zones",
  maxValueBytes: "max_value_bytes",
  maxElementBytes: "max_element_bytes",
  slidingMs: "sliding",
  channelRetainMessages: "channel_retain_messages",
  channelRetainMs: "channel_retain",
} as const satisfies Readonly<Record<keyof CacheConfig, string>>;

function configToWire(config: CacheConfig): WireConfig {
  const { eviction, durability, maxBytes, maxItems } = config;
  return {
    defaultTtl: durationOf(config.defaultTtlMs),
    maxTtl: durationOf(config.maxTtlMs),
    ttlJitterPercent: config.ttlJitterPercent,
    maxBytes: maxBytes === undefined ? undefined : BigInt(maxBytes),
    maxItems: maxItems === undefined ? undefined : BigInt(maxItems),
    eviction: eviction === undefined ? WirePolicy.UNSPECIFIED : policies[eviction],
    durability: durability === undefined ? WireDurability.UNSPECIFIED : durabilities[durability],
    replicatedZones: config.replicatedZones,
    maxValueBytes: config.maxValueBytes,
    maxElementBytes: config.maxElementBytes,
    sliding: durationOf(config.slidingMs),
    channelRetainMessages: config.channelRetainMessages,
    channelRetain: durationOf(config.channelRetainMs),
  };
}

const nameOf = <Name extends string>(
  names: Readonly<Record<Name, number>>,
  value: number,
  unset: Name,
): Name => (Object.keys(names) as Name[]).find((name) => names[name] === value) ?? unset;

function descriptionOf(cache: WireCache | undefined): CacheDescription {
  const config: Partial<WireConfig> = cache?.config ?? {};
  return {
    name: cache?.cache ?? "",
    config: {
      defaultTtlMs: millisecondsOf(config.defaultTtl) ?? 0,
      maxTtlMs: millisecondsOf(config.maxTtl) ?? 0,
      ttlJitterPercent: config.ttlJitterPercent ?? 0,
      maxBytes: Number(config.maxBytes ?? 0n),
      maxItems: Number(config.maxItems ?? 0n),
      eviction: nameOf(policies, config.eviction ?? 0, "w_tinylfu"),
      durability: nameOf(durabilities, config.durability ?? 0, "flushed"),
      replicatedZones: config.replicatedZones ?? 2,
      maxValueBytes: config.maxValueBytes ?? 0,
      maxElementBytes: config.maxElementBytes ?? 0,
      slidingMs: millisecondsOf(config.sliding) ?? 0,
      channelRetainMessages: config.channelRetainMessages ?? 0,
      channelRetainMs: millisecondsOf(config.channelRetain) ?? 0,
    },
    createdAt: dateOf(cache?.createTime),
    etag: cache?.etag ?? "",
  };
}

const countsOf = (counters: WireCounters | undefined): CacheCounts =>
  Object.fromEntries(
    Object.entries(counters ?? {}).map(([name, count]) => [name, Number(count)]),
  ) as unknown as CacheCounts;

/** The administration of one server's caches. */
export class CacheAdmin {
  readonly #connection: Connection;

  /** Use `ForebayClient.caches`. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Creates a cache, usable at once; `created` is false if it existed already with the settings given.
   *
   * @throws ForebayError CACHE_EXISTS, BAD_NAME, INVALID_PARAMETER, TTL_INVALID, CACHE_LIMIT, TOO_FEW_ZONES.
   */
  async create(
    name: string,
    config: CacheConfig = {},
    options: CallOptions = {},
  ): Promise<{ readonly cache: CacheDescription; readonly created: boolean }> {
    const request = { cache: name, config: configToWire(config) };
    const { cache, created } = await this.#connection.unary(methods.createCache, request, options);
    return { cache: descriptionOf(cache), created };
  }

  /**
   * Changes the settings given; one that is undefined has its default again.
   *
   * @throws ForebayError CACHE_NOT_FOUND, INVALID_PARAMETER, ETAG_MISMATCH, TOO_FEW_ZONES.
   */
  async update(
    name: string,
    config: CacheConfig,
    options: { readonly etag?: string | undefined } & CallOptions = {},
  ): Promise<CacheDescription> {
    const named = Object.keys(config) as (keyof CacheConfig)[];
    const request = {
      cache: name,
      config: configToWire(config),
      updateMask: named.map((setting) => paths[setting]),
      etag: options.etag ?? "",
    };
    const { cache } = await this.#connection.unary(methods.updateCache, request, options);
    return descriptionOf(cache);
  }

  /** @throws ForebayError CACHE_NOT_FOUND. */
  async describe(name: string, options: CallOptions = {}): Promise<CacheDescription> {
    const { cache } = await this.#connection.unary(methods.getCache, { cache: name }, options);
    return descriptionOf(cache);
  }

  /** The caches whose names start with `prefix`, in order, over all pages until the loop is left. */
  list(prefix = "", options: CallOptions = {}): AsyncGenerator<CacheDescription, void, undefined> {
    return pages(async (pageToken) => {
      const request = { namePrefix: prefix, pageSize: 0, pageToken };
      const page = await this.#connection.unary(methods.listCaches, request, options);
      return { items: page.caches.map(descriptionOf), nextPageToken: page.nextPageToken };
    });
  }

  /** Removes everything from a cache; answers with how many items that were. */
  async flush(name: string, options: CallOptions = {}): Promise<number> {
    const { removedItems } = await this.#connection.unary(
      methods.flushCache,
      { cache: name },
      options,
    );
    return Number(removedItems);
  }

  /** Deletes a cache with everything in it; says whether there was one. */
  async remove(
    name: string,
    options: { readonly ifExists?: boolean | undefined } & CallOptions = {},
  ): Promise<boolean> {
    const request = { cache: name, ifExists: options.ifExists ?? false };
    return (await this.#connection.unary(methods.deleteCache, request, options)).existed;
  }

  /** The counts of a cache. `reset`: the window begins anew after the answer. */
  async stats(
    name: string,
    options: { readonly reset?: boolean | undefined } & CallOptions = {},
  ): Promise<CacheStats> {
    const request = { cache: name, reset: options.reset ?? false };
    const { stats } = await this.#connection.unary(methods.getCacheStats, request, options);
    return {
      total: countsOf(stats?.total),
      window: countsOf(stats?.window),
      windowStartedAt: dateOf(stats?.windowStartTime),
      items: Number(stats?.items ?? 0n),
      bytes: Number(stats?.bytes ?? 0n),
      pinnedBytes: Number(stats?.pinnedBytes ?? 0n),
      reaperLagMs: millisecondsOf(stats?.reaperLag) ?? 0,
      hitRatio1m: stats?.hitRatio1m,
    };
  }
}
