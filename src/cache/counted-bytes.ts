// What an item counts for in the limits of its cache.

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
