// Caches and what is in them, as rows to print.

import type {
  CacheDescription,
  CacheItemMeta,
  CacheKey,
  CacheRead,
  CacheStats,
  CacheValue,
} from "@forebay/client";
import { formatDuration } from "./durations.js";
import type { Row } from "./output.js";

export const cacheHeadings = ["cache", "eviction", "durability", "ttl", "max items", "max bytes"];

const orNone = (spanMs: number): string => (spanMs === 0 ? "none" : formatDuration(spanMs));
const orAny = (limit: number): string => (limit === 0 ? "default" : String(limit));

function cellsOf({ name, config }: CacheDescription): Record<string, string> {
  return {
    cache: name,
    eviction: config.eviction ?? "",
    durability: config.durability ?? "",
    ttl: orNone(config.defaultTtlMs ?? 0),
    "max items": config.maxItems === 0 ? "any" : String(config.maxItems),
    "max bytes": orAny(config.maxBytes ?? 0),
  };
}

export const cacheInList = (cache: CacheDescription): Row => ({
  cells: cellsOf(cache),
  json: jsonOf(cache),
  raw: cache.name,
});

export const cacheRow = (cache: CacheDescription): Row => ({
  cells: {
    ...cellsOf(cache),
    "max ttl": orNone(cache.config.maxTtlMs ?? 0),
    jitter: `${cache.config.ttlJitterPercent}%`,
    "max value bytes": String(cache.config.maxValueBytes),
    "max element bytes": String(cache.config.maxElementBytes),
    sliding: orNone(cache.config.slidingMs ?? 0),
    "channel messages": String(cache.config.channelRetainMessages),
    "channel retain": orNone(cache.config.channelRetainMs ?? 0),
    zones: cache.config.durability === "replicated" ? String(cache.config.replicatedZones) : "",
    created: cache.createdAt?.toISOString() ?? "always there",
    etag: cache.etag,
  },
  json: jsonOf(cache),
  raw: cache.name,
});

const jsonOf = ({ name, config, createdAt, etag }: CacheDescription) => ({
  cache: name,
  ...config,
  createTime: createdAt?.toISOString() ?? null,
  etag,
});

export function statsRow(cache: string, stats: CacheStats): Row {
  const { window, items, bytes, pinnedBytes, hitRatio1m } = stats;
  const ratio = hitRatio1m === undefined ? "nothing read" : `${(hitRatio1m * 100).toFixed(1)}%`;
  const counts = Object.entries(window).map(([name, count]) => [spaced(name), String(count)]);
  return {
    cells: {
      cache,
      items: String(items),
      bytes: String(bytes),
      "pinned bytes": String(pinnedBytes),
      "hit ratio, 1 min": ratio,
      since: stats.windowStartedAt?.toISOString() ?? "its beginning",
      ...Object.fromEntries(counts),
    },
    json: {
      cache,
      items,
      bytes,
      pinnedBytes,
      hitRatio1m: hitRatio1m ?? null,
      reaperLagMs: stats.reaperLagMs,
      windowStartTime: stats.windowStartedAt?.toISOString() ?? null,
      window,
      total: stats.total,
    },
    raw: String(items),
  };
}

/** `evictedForBytes` as `evicted for bytes`. */
const spaced = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Bytes that are no text are shown in base64. */
export function shown(bytes: CacheKey | CacheValue): {
  readonly text: string;
  readonly isText: boolean;
} {
  if (typeof bytes === "string") return { text: bytes, isText: true };
  const buffer = Buffer.from(bytes);
  const text = buffer.toString();
  return Buffer.from(text).equals(buffer)
    ? { text, isText: true }
    : { text: buffer.toString("base64"), isText: false };
}

/** Of a hit. */
export function valueRow(
  key: string,
  read: Extract<CacheRead<CacheValue>, { kind: "hit" | "stale" }>,
): Row {
  const { text, isText } = shown(read.value);
  const encoding = isText ? "text" : "base64";
  return {
    cells: {
      key,
      value: text,
      version: String(read.version),
      ...(read.kind === "stale" && { stale: "yes" }),
    },
    json: {
      key,
      kind: read.kind,
      value: text,
      encoding,
      version: String(read.version),
      flags: read.flags,
      contentType: read.contentType,
    },
    raw: read.value,
  };
}

export const itemHeadings = ["key", "value", "type", "ends", "version", "bytes", "tags"];

export function itemRow(
  key: CacheKey,
  value: CacheValue | undefined,
  meta: CacheItemMeta | undefined,
): Row {
  const given = shown(key);
  const content = value === undefined ? undefined : shown(value);
  return {
    cells: {
      key: given.text,
      value: content?.text ?? "",
      type: meta?.type?.replace("_", " ") ?? "",
      ends: meta?.expiresAt?.toISOString() ?? "never",
      version: String(meta?.version ?? ""),
      bytes: String(meta?.sizeBytes ?? ""),
      tags: meta?.tags.join(",") ?? "",
    },
    json: {
      key: given.text,
      keyEncoding: given.isText ? "text" : "base64",
      ...(content !== undefined && {
        value: content.text,
        encoding: content.isText ? "text" : "base64",
      }),
      ...(meta !== undefined && {
        type: meta.type ?? null,
        version: String(meta.version),
        expireTime: meta.expiresAt?.toISOString() ?? null,
        createTime: meta.createdAt?.toISOString(),
        updateTime: meta.updatedAt?.toISOString(),
        sizeBytes: meta.sizeBytes,
        flags: meta.flags,
        contentType: meta.contentType,
        tags: meta.tags,
        externalVersion: String(meta.externalVersion),
        pinned: meta.isPinned,
        stale: meta.isStale,
      }),
    },
    raw: given.text,
  };
}
