// What several sorted sets have together, with scores made of those that each has. A set is one whose scores are all 1.

import type { CacheKey } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import { cacheLimits } from "../limits.js";
import { isCollection } from "../model.js";
import type { OpenCache } from "../open-cache.js";
import { type CacheDecided, refuse } from "../rejections.js";
import type { EntryKey } from "./entries.js";
import { type Life, lookAt, type OpenCollection } from "./open-collection.js";
import { scoreKey } from "./order-keys.js";
import { type Scored, type ScoresPut, scoreIn, sortedSetReplace } from "./sorted-sets.js";

export interface WeightedKey {
  readonly key: CacheKey;
  readonly weight: number;
}

export interface SortedSetCombine {
  readonly sources: readonly WeightedKey[];
  readonly operation: "union" | "intersect" | "difference";
  readonly aggregate: "sum" | "min" | "max";
}

interface Source {
  readonly collection: OpenCollection | undefined;
  readonly weight: number;
}

/** In the order of their scores. A key that has nothing is an empty one. */
export function sortedSetCombine(
  open: OpenCache,
  order: SortedSetCombine,
): CacheDecided<readonly Scored[]> {
  const sources: Source[] = [];
  let length = 0;
  let bytes = 0;
  for (const { key, weight } of order.sources) {
    const looked = lookAtScored(open, key);
    if (looked.kind === "rejected") return looked;
    sources.push({ collection: looked.outcome, weight });
    length += looked.outcome?.content.length ?? 0;
    bytes += looked.outcome?.content.bytes ?? 0;
  }
  const { combinedElementsMax: limit, combinedBytesMax } = cacheLimits;
  if (length > limit || bytes > combinedBytesMax) {
    return refuse({ kind: "collection_too_long", cache: open.address.given, limit });
  }
  const scores = scoresOf(order, sources);
  const elements = [...scores].map(([member, score]) => ({ member, score }));
  return accept(elements.sort(inOrder));
}

function lookAtScored(open: OpenCache, key: CacheKey): CacheDecided<OpenCollection | undefined> {
  const looked = open.look(key);
  const isSet =
    looked.kind === "live" &&
    isCollection(looked.item.content) &&
    looked.item.content.kind === "set";
  return lookAt(open, { key, kind: isSet ? "set" : "sorted_set" });
}

function scoresOf(
  { operation, aggregate }: SortedSetCombine,
  sources: readonly Source[],
): ReadonlyMap<EntryKey, number> {
  const [first, ...others] = sources;
  if (first === undefined) return new Map();
  let scores = new Map(weighted(first));
  if (operation === "difference") {
    // Its own scores: what is taken away has no say in them.
    const own = new Map(weighted({ ...first, weight: 1 }));
    for (const other of others) for (const [member] of weighted(other)) own.delete(member);
    return own;
  }
  for (const other of others) {
    const next = operation === "union" ? scores : new Map<EntryKey, number>();
    for (const [member, score] of weighted(other)) {
      const before = scores.get(member);
      if (before !== undefined) next.set(member, joined(before, score, aggregate));
      else if (operation === "union") next.set(member, score);
    }
    scores = next;
  }
  return scores;
}

function* weighted({ collection, weight }: Source): Iterable<[EntryKey, number]> {
  if (collection === undefined) return;
  const isScored = collection.content.kind === "sorted_set";
  for (const entry of collection.walk()) {
    const score = (isScored ? scoreIn(entry) : 1) * weight;
    yield [entry.key, Number.isNaN(score) ? 0 : score];
  }
}

function joined(left: number, right: number, aggregate: SortedSetCombine["aggregate"]): number {
  if (aggregate === "min") return Math.min(left, right);
  if (aggregate === "max") return Math.max(left, right);
  const sum = left + right;
  return Number.isNaN(sum) ? 0 : sum;
}

function inOrder(left: Scored, right: Scored): number {
  const [a, b] = [scoreKey(left.score) + left.member, scoreKey(right.score) + right.member];
  return a < b ? -1 : 1;
}

export interface SortedSetStore extends SortedSetCombine {
  readonly destination: CacheKey;
  readonly life: Life;
}

/** Puts what they have together in the place of whatever the destination has; nothing removes it. */
export function sortedSetStore(open: OpenCache, order: SortedSetStore): CacheDecided<ScoresPut> {
  const combined = sortedSetCombine(open, order);
  if (combined.kind === "rejected") return combined;
  const { destination: key, life } = order;
  return sortedSetReplace(open, { key, elements: combined.outcome, life });
}
