// What one key has, given to another: value, life, tags and all.

import type { CacheKey, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { entryOrders } from "./collections/entries.js";
import { cacheLimits } from "./limits.js";
import { type CollectionContent, type Content, type Item, isCollection } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { versionOf } from "./scalars.js";

export interface Transfer {
  readonly source: CacheKey;
  readonly destination: CacheKey;
  readonly overwrites: boolean;
  /** Whether the source is left with nothing. */
  readonly isMove: boolean;
}

export interface Transferred {
  readonly kind: "done" | "source_absent" | "destination_exists";
  /** Of what the destination has; 0: nothing. */
  readonly version: Version | 0;
}

export function transfer(open: OpenCache, order: Transfer): CacheDecided<Transferred> {
  const { source, destination, overwrites, isMove } = order;
  const from = open.look(source);
  const to = open.look(destination);
  if (from.kind !== "live") return accept({ kind: "source_absent", version: versionOf(to) });
  if (source === destination) return accept({ kind: "done", version: versionOf(to) });
  if (to.kind === "live" && !overwrites) {
    return accept({ kind: "destination_exists", version: to.item.version });
  }
  const { version, now } = open;
  const content = contentFor(open, order, from.item);
  if (content.kind === "rejected") return content;
  const item = {
    ...from.item,
    version,
    createdAt: to.kind === "live" ? to.item.createdAt : now,
    updatedAt: now,
    content: content.outcome,
  };
  // What is moved takes no more room than it has.
  if (isMove) open.remove(source, from.stored);
  const room = open.makeRoom(destination, item, to);
  if (room !== undefined) return refuse(room);
  open.put(destination, item, to);
  if (isCollection(item.content)) open.transaction.wakeKey(open.cache, destination);
  return accept({ kind: "done", version });
}

/** What the destination is to have: the same rows of a collection that is moved, and rows of its own of one that is copied. */
function contentFor(
  open: OpenCache,
  { source, isMove }: Transfer,
  { content }: Item,
): CacheDecided<Content> {
  const { given: cache } = open.address;
  if (content.kind === "scalar") {
    const value = open.transaction.value(open.cache, source, content);
    if (value === undefined) return refuse({ kind: "value_unreadable", cache });
    return accept({ ...content, value, writtenAs: open.version });
  }
  if (isMove || !isCollection(content)) return accept(content);
  const { combinedElementsMax: limit, combinedBytesMax } = cacheLimits;
  if (content.length > limit || content.bytes > combinedBytesMax)
    return refuse({ kind: "collection_too_long", cache, limit });
  return copyCollection(open, content);
}

function copyCollection(open: OpenCache, content: CollectionContent): CacheDecided<Content> {
  const { transaction, cache } = open;
  const root = transaction.newRoot();
  for (const order of entryOrders) {
    const from = transaction.entries(cache, content.root, order);
    const to = transaction.entryTree(cache, root, order);
    for (const entry of from.walk(0)) {
      const bytes = entry.value && from.bytesOf(entry.value);
      if (entry.value !== undefined && bytes === undefined) {
        return refuse({ kind: "value_unreadable", cache: open.address.given });
      }
      // In order, so that each comes behind the one before.
      to.insertAt(to.length, {
        ...entry,
        value: entry.value && { ...entry.value, bytes, apart: 0 },
      });
    }
  }
  return accept({ ...content, root });
}
