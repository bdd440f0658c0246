// Values that are read and written whole, as bytes in a form of their own: bitmaps, sketches, and what was taken of a limit.

import { assert } from "../base/assert.js";
import type { CacheKey, DurationMs, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Expiry } from "./expiry.js";
import type { Item } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import { change } from "./parts.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { readValue, set, type Written } from "./scalars.js";

export interface WholeValue {
  readonly bytes: Buffer;
  readonly item: Item;
}

/** Undefined: the key has nothing. */
export function readWhole(open: OpenCache, key: CacheKey): CacheDecided<WholeValue | undefined> {
  const looked = open.look(key);
  if (looked.kind !== "live") return accept(undefined);
  const value = readValue(open, key, looked.item);
  if (typeof value === "string") return refuse({ kind: value, cache: open.address.given });
  return accept({ bytes: value.bytes, item: looked.item });
}

/** Puts bytes in place of those of a value, whose life, tags and flags stay; or makes one. */
export function replaceBytes(
  open: OpenCache,
  { key, expiry }: { readonly key: CacheKey; readonly expiry: Expiry },
  bytes: Buffer,
): CacheDecided<Version> {
  const changed = change(open, { key, requiresExisting: false, expiry }, () =>
    accept({ bytes, isText: false }),
  );
  if (changed.kind === "rejected") return changed;
  return accept(changed.outcome.kind === "changed" ? changed.outcome.version : open.version);
}

export interface Overwrite {
  readonly key: CacheKey;
  readonly bytes: Buffer;
  readonly expiry: Expiry;
  /** 0: reads change nothing. Undefined: as the cache says. */
  readonly slidingMs: DurationMs | undefined;
}

/** Writes bytes over whatever the key has. */
export function overwrite(
  open: OpenCache,
  { key, bytes, expiry, slidingMs }: Overwrite,
): CacheDecided<Written> {
  const done = set(open, {
    key,
    value: { bytes, isText: false },
    expiry,
    condition: { kind: "always" },
    wantsPrevious: false,
    wantsCurrent: false,
    flags: 0,
    contentType: "",
    tags: [],
    isPinned: false,
    externalVersion: 0n,
    slidingMs,
    graceMs: { revalidate: 0 as DurationMs, error: 0 as DurationMs },
  });
  if (done.kind === "rejected") return done;
  const { outcome } = done;
  assert(outcome.kind === "written", "a write without a condition is done");
  return accept(outcome);
}
