// How caches, their numbers, items and fences are written. An item's row is read by every call, so it is short: flags say what of
// its parts is there, and a long value has a row of its own.

import type {
  CacheKey,
  CacheName,
  DurationMs,
  EpochMs,
  Namespace,
  SegmentNumber,
  Version,
} from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { type CacheConfig, cacheDefaults } from "../cache/limits.js";
import {
  type Cache,
  type CacheCounters,
  type CacheEvents,
  type Content,
  collectionKinds,
  type Fence,
  type FenceCounts,
  type Item,
  isCollection,
  noEvents,
} from "../cache/model.js";
import { ByteReader, ByteWriter } from "./bytes.js";

const writer = new ByteWriter();

const newest = 1;

function versioned(key: string, bytes: Buffer): ByteReader {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version < 1 || version > newest) {
    throw new RecordCorrupt(key, `version ${version} is unknown`);
  }
  return reader;
}

/** Few rows, read by people and once by whoever needs them, so the config is JSON. */
export const encodeCache = (cache: Cache): Buffer =>
  writer
    .start()
    .u8(newest)
    .u16(cache.slot)
    .u64(cache.segment)
    .u64(cache.createdAt ?? 0)
    .u64(cache.revision)
    .text(JSON.stringify(cache.config))
    .finish();

export function decodeCache(key: string, bytes: Buffer): Cache {
  const reader = versioned(key, bytes);
  const end = key.indexOf("\x00");
  const slot = reader.u16();
  const segment = reader.u64() as SegmentNumber;
  const createdAt = reader.u64();
  return {
    namespace: key.slice(1, end) as Namespace,
    name: key.slice(end + 1) as CacheName,
    slot,
    segment,
    createdAt: createdAt === 0 ? undefined : (createdAt as EpochMs),
    revision: reader.u64() as Version,
    config: parsedConfig(key, reader.text()),
  };
}

function parsedConfig(key: string, text: string): CacheConfig {
  try {
    // What a later release added has its default in a cache that an earlier one made.
    return { ...cacheDefaults, ...(JSON.parse(text) as Partial<CacheConfig>) };
  } catch {
    throw new RecordCorrupt(key, "its config is no JSON");
  }
}

/** In this order; a count that a later release adds comes after them. */
const eventNames = [
  "sets",
  "deletes",
  "increments",
  "refused",
  "expired",
  "evictedForBytes",
  "evictedForItems",
  "tagInvalidations",
  "prefixInvalidations",
  "flushes",
] as const satisfies readonly (keyof CacheEvents)[];

export function encodeCacheCounters(counters: CacheCounters): Buffer {
  const { items, bytes, pinnedBytes, dueAt, events } = counters;
  writer.start().u8(newest).u64(items).u64(bytes).u64(pinnedBytes);
  // No end is before the first instant, so 0 is none.
  writer.u64(dueAt ?? 0).u8(eventNames.length);
  for (const name of eventNames) writer.u64(events[name]);
  return writer.finish();
}

export function encodeFenceCounts({ tags, prefixes, walk }: FenceCounts): Buffer {
  writer.start().u8(newest).u32(tags).u16(prefixes.size);
  for (const [length, count] of prefixes) writer.u16(length).u32(count);
  // No version is 0, and a walk that has looked at all is told from one that has not begun.
  writer.u64(walk?.version ?? 0);
  if (walk === undefined) return writer.finish();
  const { after } = walk;
  return writer
    .u8(after === undefined ? 1 : 0)
    .bytes(textBytes("prefix", after ?? ""))
    .finish();
}

export function decodeFenceCounts(key: string, bytes: Buffer): FenceCounts {
  const reader = versioned(key, bytes);
  const tags = reader.u32();
  const prefixes = new Map<number, number>();
  for (let left = reader.u16(); left > 0; left -= 1) prefixes.set(reader.u16(), reader.u32());
  const version = reader.u64() as Version;
  if (version === 0) return { tags, prefixes, walk: undefined };
  const hasLookedAtAll = reader.u8() === 1;
  const after = reader.bytes().toString("latin1");
  return { tags, prefixes, walk: { version, after: hasLookedAtAll ? undefined : after } };
}

export function decodeCacheCounters(key: string, bytes: Buffer): CacheCounters {
  const reader = versioned(key, bytes);
  const items = reader.u64();
  const byteCount = reader.u64();
  const pinnedBytes = reader.u64();
  const dueAt = reader.u64();
  const events: { -readonly [Name in keyof CacheEvents]: number } = { ...noEvents };
  const count = reader.u8();
  for (const name of eventNames.slice(0, count)) events[name] = reader.u64();
  return {
    items,
    bytes: byteCount,
    pinnedBytes,
    dueAt: dueAt === 0 ? undefined : (dueAt as EpochMs),
    events,
  };
}

const itemFlags = {
  text: 1,
  negative: 2,
  /** The value is in a row of its own. */
  apart: 4,
  expires: 8,
  sliding: 16,
  absoluteEnd: 32,
  grace: 64,
  external: 128,
  pinned: 256,
  stale: 512,
  /** Written after it was created. */
  updated: 1_024,
  /** Its version is not that of its value. */
  remarked: 2_048,
  userFlags: 4_096,
  contentType: 8_192,
  tags: 16_384,
  collection: 32_768,
} as const;

const flag = (isSet: boolean, name: keyof typeof itemFlags): number =>
  isSet ? itemFlags[name] : 0;

function flagsOf(item: Item): number {
  const { content, sliding, graceMs } = item;
  const isScalar = content.kind === "scalar";
  return (
    flag(isScalar && content.isText, "text") |
    flag(content.kind === "negative", "negative") |
    flag(isScalar && content.value === undefined, "apart") |
    flag(item.expiresAt !== undefined, "expires") |
    flag(sliding !== undefined, "sliding") |
    flag(sliding?.absoluteEnd !== undefined, "absoluteEnd") |
    flag(graceMs.revalidate > 0 || graceMs.error > 0, "grace") |
    flag(item.externalVersion !== 0n, "external") |
    flag(item.isPinned, "pinned") |
    flag(item.isStale, "stale") |
    flag(item.updatedAt !== item.createdAt, "updated") |
    flag(isScalar && content.writtenAs !== item.version, "remarked") |
    flag(item.flags !== 0, "userFlags") |
    flag(item.contentType !== "", "contentType") |
    flag(item.tags.length > 0, "tags") |
    flag(isCollection(content), "collection")
  );
}

export function encodeItem(item: Item): Buffer {
  const flags = flagsOf(item);
  const has = (name: keyof typeof itemFlags): boolean => (flags & itemFlags[name]) !== 0;
  writer.start().u8(newest).u16(flags).u64(item.version).u64(item.createdAt);
  if (has("updated")) writer.u64(item.updatedAt);
  if (item.expiresAt !== undefined) writer.u64(item.expiresAt);
  if (item.sliding !== undefined) writer.u64(item.sliding.lifeMs);
  if (item.sliding?.absoluteEnd !== undefined) writer.u64(item.sliding.absoluteEnd);
  if (has("grace")) writer.u64(item.graceMs.revalidate).u64(item.graceMs.error);
  if (has("external")) {
    writer.u32(Number(item.externalVersion >> 32n)).u32(Number(item.externalVersion & 0xffffffffn));
  }
  if (has("userFlags")) writer.u32(item.flags);
  if (has("contentType")) writer.text(item.contentType);
  if (has("tags")) {
    writer.u8(item.tags.length);
    for (const tag of item.tags) writer.text(tag);
  }
  writeContent(item.content, has("remarked"));
  return writer.finish();
}

function writeContent(content: Content, isRemarked: boolean): void {
  if (content.kind === "negative") return;
  if (isCollection(content)) {
    const { root, length, bytes, dueAt } = content;
    writer.u8(collectionKinds.indexOf(content.kind)).u64(root).u64(length).u64(bytes);
    writer.u64(dueAt ?? 0);
    return;
  }
  if (isRemarked) writer.u64(content.writtenAs);
  if (content.value === undefined) writer.u32(content.length);
  else writer.bytes(content.value);
}

const noGrace: Item["graceMs"] = { revalidate: 0 as DurationMs, error: 0 as DurationMs };
const noTags: readonly string[] = [];

export function decodeItem(key: string, bytes: Buffer): Item {
  const reader = versioned(key, bytes);
  const flags = reader.u16();
  const has = (name: keyof typeof itemFlags): boolean => (flags & itemFlags[name]) !== 0;
  const version = reader.u64() as Version;
  const createdAt = reader.u64() as EpochMs;
  const updatedAt = has("updated") ? (reader.u64() as EpochMs) : createdAt;
  const expiresAt = has("expires") ? (reader.u64() as EpochMs) : undefined;
  const sliding = has("sliding")
    ? {
        lifeMs: reader.u64() as DurationMs,
        absoluteEnd: has("absoluteEnd") ? (reader.u64() as EpochMs) : undefined,
      }
    : undefined;
  const graceMs = has("grace")
    ? { revalidate: reader.u64() as DurationMs, error: reader.u64() as DurationMs }
    : noGrace;
  const externalVersion = has("external")
    ? (BigInt(reader.u32()) << 32n) | BigInt(reader.u32())
    : 0n;
  return {
    version,
    createdAt,
    updatedAt,
    expiresAt,
    sliding,
    graceMs,
    externalVersion,
    flags: has("userFlags") ? reader.u32() : 0,
    contentType: has("contentType") ? reader.text() : "",
    tags: has("tags") ? readTags(reader) : noTags,
    isPinned: has("pinned"),
    isStale: has("stale"),
    content: has("collection") ? readCollection(key, reader) : readContent(reader, flags, version),
  };
}

function readTags(reader: ByteReader): readonly string[] {
  const tags: string[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) tags.push(reader.text());
  return tags;
}

function readContent(reader: ByteReader, flags: number, version: Version): Content {
  if ((flags & itemFlags.negative) !== 0) return { kind: "negative" };
  const isText = (flags & itemFlags.text) !== 0;
  const writtenAs = (flags & itemFlags.remarked) !== 0 ? (reader.u64() as Version) : version;
  if ((flags & itemFlags.apart) !== 0) {
    return { kind: "scalar", isText, length: reader.u32(), value: undefined, writtenAs };
  }
  const value = reader.bytes();
  return { kind: "scalar", isText, length: value.length, value, writtenAs };
}

function readCollection(key: string, reader: ByteReader): Content {
  const kind = collectionKinds[reader.u8()];
  if (kind === undefined) throw new RecordCorrupt(key, "it has a collection of no known kind");
  const [root, length, bytes, dueAt] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
  return { kind, root, length, bytes, dueAt: dueAt === 0 ? undefined : (dueAt as EpochMs) };
}

/** One row is either an item or the number of the node where longer keys go on, with how many rows that node has. */
export type ItemRow =
  | { readonly kind: "item"; readonly item: Item }
  | { readonly kind: "node"; readonly node: number; readonly rows: number };

export const encodeItemNode = (node: number, rows: number): Buffer =>
  writer.start().u8(newest).u64(node).u64(rows).finish();

export function decodeItemNode(key: string, bytes: Buffer): ItemRow {
  const reader = versioned(key, bytes);
  return { kind: "node", node: reader.u64(), rows: reader.u64() };
}

export const encodeValue = (value: Buffer): Buffer =>
  writer.start().u8(newest).bytes(value).finish();

export const decodeValue = (key: string, bytes: Buffer): Buffer => versioned(key, bytes).bytes();

/** An item in the order of ends. */
export interface ItemDueRow {
  /** Of a key that the row's own does not hold, since it goes on in another node. */
  readonly longKey: CacheKey | undefined;
}

export const encodeItemDue = ({ longKey }: ItemDueRow): Buffer =>
  writer
    .start()
    .u8(newest)
    .bytes(Buffer.from(longKey ?? "", "latin1"))
    .finish();

export function decodeItemDue(key: string, bytes: Buffer): ItemDueRow {
  const text = versioned(key, bytes).bytes().toString("latin1");
  return { longKey: text === "" ? undefined : (text as CacheKey) };
}

/** Whose cache has something to be removed. */
export interface DueCacheRow {
  readonly namespace: Namespace;
  readonly name: CacheName;
}

export const encodeDueCache = ({ namespace, name }: DueCacheRow): Buffer =>
  writer.start().u8(newest).text(namespace).text(name).finish();

export function decodeDueCache(key: string, bytes: Buffer): DueCacheRow {
  const reader = versioned(key, bytes);
  return { namespace: reader.text() as Namespace, name: reader.text() as CacheName };
}

const targetKinds = { tag: 1, prefix: 2 } as const;
const modes = ["delete", "stale"] as const;

export function encodeFence({ version, target, sweptTo }: Fence): Buffer {
  writer
    .start()
    .u8(newest)
    .u64(version)
    .u8(modes.indexOf(target.mode))
    .u8(targetKinds[target.kind]);
  const bytes = target.kind === "tag" ? target.tag : target.prefix;
  return writer.bytes(textBytes(target.kind, bytes)).bytes(textBytes("prefix", sweptTo)).finish();
}

/** Tags are texts, prefixes bytes. */
const textBytes = (kind: "tag" | "prefix", text: string): Buffer =>
  Buffer.from(text, kind === "tag" ? "utf8" : "latin1");

export function decodeFence(key: string, bytes: Buffer): Fence {
  const reader = versioned(key, bytes);
  const version = reader.u64() as Version;
  const mode = modes[reader.u8()];
  const kind = reader.u8();
  const target = reader.bytes();
  const sweptTo = reader.bytes().toString("latin1");
  if (mode === undefined || (kind !== targetKinds.tag && kind !== targetKinds.prefix)) {
    throw new RecordCorrupt(key, "it fences nothing that is known");
  }
  return {
    version,
    sweptTo,
    target:
      kind === targetKinds.tag
        ? { kind: "tag", tag: target.toString("utf8"), mode }
        : { kind: "prefix", prefix: target.toString("latin1"), mode: "delete" },
  };
}
