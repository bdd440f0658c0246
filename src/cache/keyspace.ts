// Keys as such: listed in their order, counted, and made invalid by what they begin with or by a tag.
//
// To make a million items invalid is one row, a fence: what was written up to its version is not there any more. Whoever passes
// judges by it, and `sweep-cache.ts` removes the items and, at the end, the fence.

import type { CacheKey } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { cacheLimits } from "./limits.js";
import type { Content, FenceMode, FenceTarget, Item } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import type { CacheDecided } from "./rejections.js";

export interface Scan {
  readonly prefix: string;
  /** The last key of the page before; undefined: from the beginning. */
  readonly after: string | undefined;
  readonly countMax: number;
  /** Values together that a page may have; at least one item. */
  readonly bytesMax: number;
  /** Empty: all. */
  readonly types: ReadonlySet<Content["kind"]>;
  /** Undefined: with or without. */
  readonly tag: string | undefined;
  readonly wantsValues: boolean;
  readonly isReversed: boolean;
}

export interface ScannedItem {
  readonly key: CacheKey;
  readonly item: Item;
  /** Undefined: not asked for. */
  readonly value: Buffer | undefined;
}

export interface ScanPage {
  readonly items: readonly ScannedItem[];
  /** The key that the next page begins behind; undefined: nothing is left. */
  readonly next: CacheKey | undefined;
}

export function scan(open: OpenCache, order: Scan): CacheDecided<ScanPage> {
  const { prefix, after, isReversed, countMax, wantsValues } = order;
  const found: ScannedItem[] = [];
  let examined = 0;
  let bytes = 0;
  let last: CacheKey | undefined;
  for (const { key, item } of open.transaction.items(open.cache, { prefix, after, isReversed })) {
    if (examined === cacheLimits.examinedMax || found.length === countMax) {
      return accept({ items: found, next: last });
    }
    const isWanted = open.judge(key, item).kind === "live" && matches(order, item);
    const { content } = item;
    const length = wantsValues && content.kind === "scalar" ? content.length : 0;
    if (isWanted && found.length > 0 && bytes + length > order.bytesMax) {
      return accept({ items: found, next: last });
    }
    examined += 1;
    last = key;
    if (!isWanted) continue;
    bytes += length;
    const value =
      wantsValues && content.kind === "scalar"
        ? open.transaction.value(open.cache, key, content)
        : undefined;
    found.push({ key, item, value });
  }
  return accept({ items: found, next: undefined });
}

const matches = ({ types, tag }: Scan, { content, tags }: Item): boolean =>
  (types.size === 0 || types.has(content.kind)) && (tag === undefined || tags.includes(tag));

export interface CountedPage {
  readonly count: number;
  /** The key that the next page begins behind; undefined: nothing is left. */
  readonly next: CacheKey | undefined;
}

/** Counts the keys of a page one by one. */
export function countPage(
  open: OpenCache,
  { prefix, after }: { readonly prefix: string; readonly after: CacheKey | undefined },
): CacheDecided<CountedPage> {
  let count = 0;
  let examined = 0;
  let last: CacheKey | undefined;
  for (const { key, item } of open.transaction.items(open.cache, {
    prefix,
    after,
    isReversed: false,
  })) {
    if (examined === cacheLimits.countedMax) return accept({ count, next: last });
    examined += 1;
    last = key;
    if (open.judge(key, item).kind === "live") count += 1;
  }
  return accept({ count, next: undefined });
}

/** Makes everything invalid that was written up to now and begins with a prefix. */
export function deleteByPrefix(open: OpenCache, prefix: string): CacheDecided<number> {
  const target: FenceTarget = { kind: "prefix", prefix, mode: "delete" };
  if (open.cache.segment !== 0) {
    const isNew = raise(open, target);
    if (isNew) {
      const prefixes = new Map(open.fences.prefixes);
      prefixes.set(prefix.length, (prefixes.get(prefix.length) ?? 0) + 1);
      open.changeFences({ ...open.fences, prefixes });
    }
  }
  open.tally("prefixInvalidations");
  return accept(open.version);
}

export function invalidateTags(
  open: OpenCache,
  { tags, mode }: { readonly tags: readonly string[]; readonly mode: FenceMode },
): CacheDecided<number> {
  for (const tag of new Set(tags)) {
    if (open.cache.segment === 0) break;
    const isNew = raise(open, { kind: "tag", tag, mode });
    if (isNew) open.changeFences({ ...open.fences, tags: open.fences.tags + 1 });
  }
  open.tally("tagInvalidations");
  return accept(open.version);
}

/** Says whether there was none. */
function raise(open: OpenCache, target: FenceTarget): boolean {
  const { transaction, cache, version } = open;
  const existing = transaction.fence(cache, target);
  // Whoever removes the items begins anew: those it has passed may be older than the new fence.
  transaction.putFence(cache, { version, target, sweptTo: "" });
  return existing === undefined;
}
