// How a cache behaves, as requests say it and answers show it.

import { cacheConfigNames } from "../cache/administer-cache.js";
import { cacheEtag } from "../cache/cache-name.js";
import { channelLimits } from "../cache/channels/channel-limits.js";
import {
  type CacheConfig,
  type CacheDurability,
  cacheDefaults,
  cacheLimits,
  type EvictionPolicy,
} from "../cache/limits.js";
import type { Cache } from "../cache/model.js";
import {
  type Cache as WireCache,
  type CacheConfig as WireConfig,
  CacheDurability as WireDurability,
  EvictionPolicy as WirePolicy,
} from "../gen/forebay/cache/v1/cache.js";
import { parseSpan } from "./cache-parse.js";
import { duration, timestamp } from "./render.js";
import {
  checkListLength,
  listedMax,
  parseCount,
  parseDuration,
  parseEnum,
  type Violations,
} from "./violations.js";

const policies = {
  W_TINYLFU: "w_tinylfu",
  ALLKEYS_LRU: "allkeys_lru",
  ALLKEYS_LFU: "allkeys_lfu",
  ALLKEYS_RANDOM: "allkeys_random",
  VOLATILE_LRU: "volatile_lru",
  VOLATILE_LFU: "volatile_lfu",
  VOLATILE_RANDOM: "volatile_random",
  VOLATILE_TTL: "volatile_ttl",
  NOEVICTION: "noeviction",
} as const satisfies Readonly<Record<string, EvictionPolicy>>;

const durabilities = {
  NONE: "none",
  FLUSHED: "flushed",
  REPLICATED: "replicated",
} as const satisfies Readonly<Record<string, CacheDurability>>;

type Mutable<Of> = { -readonly [Name in keyof Of]: Of[Name] };

/** What is set. Always returns something; whether it is good, `violations` say. */
export function parseCacheConfig(
  violations: Violations,
  config: WireConfig | undefined,
): Partial<CacheConfig> {
  if (config === undefined) return {};
  const at = (field: string): string => `config.${field}`;
  const policy = parseEnum(violations, at("eviction"), config.eviction, WirePolicy);
  const durability = parseEnum(violations, at("durability"), config.durability, WireDurability);
  const count = (field: string, value: number | undefined, min: number, max: number) =>
    parseCount(violations, at(field), value, { min, max });
  const whole = (field: string, value: bigint | undefined): number | undefined => {
    if (value === undefined) return undefined;
    if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    violations.add("INVALID_PARAMETER", at(field), `must be from 0 to 2^53-1, not ${value}`);
    return undefined;
  };
  const all: { readonly [Name in keyof CacheConfig]: CacheConfig[Name] | undefined } = {
    defaultTtlMs: parseSpan(violations, at("default_ttl"), config.defaultTtl),
    maxTtlMs: parseSpan(violations, at("max_ttl"), config.maxTtl),
    jitterPercent: count(
      "ttl_jitter_percent",
      config.ttlJitterPercent,
      0,
      cacheLimits.jitterPercentMax,
    ),
    bytesMax: whole("max_bytes", config.maxBytes),
    itemsMax: whole("max_items", config.maxItems),
    eviction: policy && policies[policy],
    durability: durability && durabilities[durability],
    replicatedZones: count("replicated_zones", config.replicatedZones, 2, 7),
    valueBytesMax: count("max_value_bytes", config.maxValueBytes, 1, cacheLimits.valueBytesMax),
    elementBytesMax: count(
      "max_element_bytes",
      config.maxElementBytes,
      1,
      cacheLimits.elementBytesMax,
    ),
    slidingMs: parseSpan(violations, at("sliding"), config.sliding),
    channelRetainMessages: count(
      "channel_retain_messages",
      config.channelRetainMessages,
      channelLimits.retainMessagesMin,
      channelLimits.retainMessagesMax,
    ),
    channelRetainMs: parseDuration(violations, at("channel_retain"), config.channelRetain, {
      minMs: channelLimits.retainMsMin,
      maxMs: channelLimits.retainMsMax,
    }),
  };
  const given: Partial<Mutable<CacheConfig>> = {};
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) Object.assign(given, { [name]: value });
  }
  return given;
}

const settingOf = new Map(
  Object.entries(cacheConfigNames).map(([setting, field]) => [field as string, setting]),
);

/** The settings that a mask names; one that is named and not given goes back to its default. */
export function applyCacheMask(
  violations: Violations,
  mask: readonly string[] | undefined,
  given: Partial<CacheConfig>,
): Partial<CacheConfig> {
  const named: Partial<CacheConfig> = {};
  if (mask === undefined || mask.length === 0) {
    violations.add("MISSING_PARAMETER", "update_mask", "names the settings to change");
    return named;
  }
  if (!checkListLength(violations, "update_mask.paths", mask.length, listedMax)) return named;
  mask.forEach((path, index) => {
    const setting = settingOf.get(path) as keyof CacheConfig | undefined;
    if (setting === undefined) {
      const known = [...settingOf.keys()].join(", ");
      const description = `"${path.slice(0, 64)}" is no setting of a cache; those are ${known}`;
      violations.add("INVALID_PARAMETER", `update_mask.paths[${index}]`, description);
      return;
    }
    Object.assign(named, { [setting]: given[setting] ?? cacheDefaults[setting] });
  });
  return named;
}

const wirePolicies = Object.fromEntries(
  Object.entries(policies).map(([name, policy]) => [
    policy,
    WirePolicy[name as keyof typeof policies],
  ]),
) as Readonly<Record<EvictionPolicy, WirePolicy>>;

const wireDurabilities = {
  none: WireDurability.NONE,
  flushed: WireDurability.FLUSHED,
  replicated: WireDurability.REPLICATED,
} as const;

/** Every setting as it is in force. */
export function renderCache(cache: Cache): WireCache {
  const { config } = cache;
  return {
    cache: cache.name,
    config: {
      defaultTtl: duration(config.defaultTtlMs),
      maxTtl: duration(config.maxTtlMs),
      ttlJitterPercent: config.jitterPercent,
      maxBytes: BigInt(config.bytesMax),
      maxItems: BigInt(config.itemsMax),
      eviction: wirePolicies[config.eviction],
      durability: wireDurabilities[config.durability],
      replicatedZones: config.replicatedZones,
      maxValueBytes: config.valueBytesMax,
      maxElementBytes: config.elementBytesMax,
      sliding: duration(config.slidingMs),
      channelRetainMessages: config.channelRetainMessages,
      channelRetain: duration(config.channelRetainMs),
    },
    createTime: cache.createdAt === undefined ? undefined : timestamp(cache.createdAt),
    etag: cacheEtag(cache),
  };
}
