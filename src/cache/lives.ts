// How long what keys have lives on: changed without touching what they have, so that it cannot undo what others write.

import type { CacheKey, EpochMs } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { type Expiry, mayReplaceEnd, type TtlMode } from "./expiry.js";
import type { OpenCache } from "./open-cache.js";
import type { CacheDecided } from "./rejections.js";
import { endFor, relive, ttlTooFar } from "./scalars.js";

export interface UpdateTtl {
  readonly key: CacheKey;
  readonly expiry: Expiry;
  readonly mode: TtlMode;
}

export interface TtlUpdated {
  readonly kind: "set" | "not_set" | "missing";
  /** As it is now; undefined: never, or there is none. */
  readonly expiresAt: EpochMs | undefined;
  readonly isClamped: boolean;
}

export function updateTtl(open: OpenCache, order: UpdateTtl): CacheDecided<TtlUpdated> {
  const looked = open.look(order.key);
  if (looked.kind !== "live") {
    return accept({ kind: "missing", expiresAt: undefined, isClamped: false });
  }
  const { item } = looked;
  const end = endFor(open, order.expiry, item);
  if (end === "too_far") return ttlTooFar(open);
  if (!mayReplaceEnd(order.mode, item.expiresAt, end.at)) {
    return accept({ kind: "not_set", expiresAt: item.expiresAt, isClamped: false });
  }
  const { expiresAt } = relive(open, order.key, looked, end.at);
  return accept({ kind: "set", expiresAt, isClamped: end.isClamped });
}

export interface Touch {
  readonly keys: readonly CacheKey[];
  readonly expiry: Expiry;
}

/** Whether each key had something. */
export function touchAll(
  open: OpenCache,
  { keys, expiry }: Touch,
): CacheDecided<readonly boolean[]> {
  const touched: boolean[] = [];
  for (const key of keys) {
    const updated = updateTtl(open, { key, expiry, mode: "overwrite" });
    if (updated.kind === "rejected") return updated;
    touched.push(updated.outcome.kind === "set");
  }
  return accept(touched);
}
