// What one key has, given to another: value, life, tags and all.

import type { CacheKey, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
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
  const { content } = from.item;
  const { version, now } = open;
  const { given: cache } = open.address;
  if (content.kind !== "scalar") return refuse({ kind: "wrong_type", cache });
  const value = open.transaction.value(open.cache, source, content);
  if (value === undefined) return refuse({ kind: "value_unreadable", cache });
  const item = {
    ...from.item,
    version,
    createdAt: to.kind === "live" ? to.item.createdAt : now,
    updatedAt: now,
    content: { ...content, value, writtenAs: version },
  };
  // What is moved takes no more room than it has.
  if (isMove) open.remove(source, from.stored);
  const room = open.makeRoom(destination, item, to);
  if (room !== undefined) return refuse(room);
  open.put(destination, item, to);
  return accept({ kind: "done", version });
}
