// What follows from an item alone: what it counts for in the limits of its cache, and when it may be removed.

import type { DurationMs, EpochMs, Version } from "../base/brands.js";
import { cacheLimits } from "./limits.js";
import { type Item, isCollection } from "./model.js";

/** Its key, value and tags, and a flat rate for its rows. */
export function countedBytes(
  key: { readonly length: number },
  { content, tags, contentType }: Item,
): number {
  let bytes = key.length + contentType.length + cacheLimits.itemOverheadBytes;
  if (content.kind === "scalar") bytes += content.length;
  else if (isCollection(content)) bytes += content.bytes;
  for (const tag of tags) bytes += Buffer.byteLength(tag);
  return bytes;
}

/** When the last one has gone that may have it, stale ones included. */
export const endOfItem = ({ expiresAt, graceMs }: Item): EpochMs | undefined =>
  expiresAt === undefined
    ? undefined
    : ((expiresAt + graceMs.revalidate + graceMs.error) as EpochMs);

/** When something of it is to be removed: all, or the first of its elements. */
export function removalTime(item: Item): EpochMs | undefined {
  const end = endOfItem(item);
  const { content } = item;
  const dueAt = isCollection(content) ? content.dueAt : undefined;
  return end === undefined || (dueAt !== undefined && dueAt < end) ? dueAt : end;
}

/** Of a key that had nothing, as it is where a write does not say how it is to be. */
export const newItem = (version: Version, now: EpochMs): Omit<Item, "content" | "expiresAt"> => ({
  version,
  createdAt: now,
  updatedAt: now,
  sliding: undefined,
  graceMs: { revalidate: 0 as DurationMs, error: 0 as DurationMs },
  flags: 0,
  contentType: "",
  tags: [],
  externalVersion: 0n,
  isPinned: false,
  isStale: false,
});
