// What follows from an item alone: what it counts for in the limits of its cache, and when it may be removed.

import type { EpochMs } from "../base/brands.js";
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
export const removalTime = ({ expiresAt, graceMs }: Item): EpochMs | undefined =>
  expiresAt === undefined
    ? undefined
    : ((expiresAt + graceMs.revalidate + graceMs.error) as EpochMs);
