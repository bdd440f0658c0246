// Sorted sets: members with scores, in the order of their scores, and of their bytes where these are equal.
//
// Members are found by their bytes in one order, and by score and bytes together in another, so that a rank is the place in that one.

import type { CacheKey, Version } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import { cacheLimits } from "../limits.js";
import type { OpenCache } from "../open-cache.js";
import { type CacheDecided, refuse } from "../rejections.js";
import type { Entries, Entry, EntryKey } from "./entries.js";
import { findElements } from "./keyed.js";
import {
  type ChangingCollection,
  changeExisting,
  changeOrMake,
  type Life,
  lookAt,
  type OpenCollection,
} from "./open-collection.js";
import { keyBehindInstant, scoreKey, scoreOf } from "./order-keys.js";
import { intervalOf, type Range } from "./sorted-ranges.js";

const kind = "sorted_set";

export interface Scored {
  readonly member: EntryKey;
  /** Never not a number. */
  readonly score: number;
}

/** Of a score, as it stands with its member. */
const scoreEntry = ({ member, score }: Scored): Entry => ({
  key: member,
  value: {
    isText: false,
    length: 8,
    bytes: Buffer.from(scoreKey(score), "latin1"),
    apart: 0,
  },
  expiresAt: undefined,
});

export const scoreIn = ({ value }: Entry): number =>
  scoreOf(value?.bytes?.toString("latin1") ?? scoreKey(0));

/** What stands in the order of scores. */
const scoredOf = ({ key }: Entry): Scored => ({
  member: keyBehindInstant(key),
  score: scoreOf(key),
});

const orderKey = ({ member, score }: Scored): EntryKey => scoreKey(score) + member;

/** Gives a member a score, and its place. */
function place(collection: ChangingCollection, scored: Scored): number | undefined {
  const replaced = collection.put(scoreEntry(scored));
  const before = replaced && scoreIn(replaced);
  const order = collection.tree("score");
  if (before !== undefined) order.remove(orderKey({ member: scored.member, score: before }));
  order.put({ key: orderKey(scored), value: undefined, expiresAt: undefined });
  return before;
}

/** Answers with the score it had. */
function displace(collection: ChangingCollection, member: EntryKey): number | undefined {
  const removed = collection.remove(member);
  if (removed === undefined) return undefined;
  const score = scoreIn(removed);
  collection.tree("score").remove(orderKey({ member, score }));
  return score;
}

/** Which members are given a score. */
export interface PutRule {
  readonly mode: "upsert" | "only_new" | "only_existing";
  /** Of members that are there: whether the new score has to be greater, or less. */
  readonly compare: "any" | "greater" | "less";
}

function isWanted({ mode, compare }: PutRule, before: number | undefined, score: number): boolean {
  if (before === undefined) return mode !== "only_existing";
  if (mode === "only_new") return false;
  if (compare === "any") return true;
  return compare === "greater" ? score > before : score < before;
}

export interface SortedSetPut extends PutRule {
  readonly key: CacheKey;
  readonly elements: readonly Scored[];
  /** 0: as many as are put. */
  readonly cap: number;
  readonly capDrop: "lowest" | "highest";
  readonly life: Life;
}

export interface ScoresPut {
  readonly added: number;
  readonly updated: number;
  readonly dropped: number;
  readonly length: number;
  readonly version: Version | 0;
}

export function sortedSetPut(open: OpenCache, order: SortedSetPut): CacheDecided<ScoresPut> {
  // The last one of a member wins, and counts once.
  const scores = new Map(order.elements.map(({ member, score }) => [member, score]));
  const change = (collection: ChangingCollection) => {
    let added = 0;
    let updated = 0;
    for (const [member, score] of scores) {
      const entry = collection.find(member);
      const before = entry && scoreIn(entry);
      if (!isWanted(order, before, score)) continue;
      if (before === undefined) added += 1;
      else if (before !== score) updated += 1;
      if (before === undefined || before !== score) place(collection, { member, score });
    }
    return accept({ added, updated, dropped: dropOver(collection, order) });
  };
  const changing = { key: order.key, kind, life: order.life } as const;
  const changed =
    scores.size === 0 || order.mode === "only_existing"
      ? changeExisting(open, changing, change)
      : changeOrMake(open, changing, change);
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) {
    return accept({ added: 0, updated: 0, dropped: 0, length: 0, version: 0 });
  }
  const { outcome, length, version } = changed.outcome;
  return accept({ ...outcome, length, version });
}

/** Removes what is over the cap, at one end; says how many. */
function dropOver(
  collection: ChangingCollection,
  { cap, capDrop }: Pick<SortedSetPut, "cap" | "capDrop">,
): number {
  if (cap === 0) return 0;
  let dropped = 0;
  const order = collection.tree("score");
  for (; collection.storedLength > cap; dropped += 1) {
    const entry = order.at(capDrop === "lowest" ? 0 : order.length - 1);
    if (entry === undefined) break;
    displace(collection, scoredOf(entry).member);
  }
  return dropped;
}

export interface SortedSetIncrement extends PutRule {
  readonly key: CacheKey;
  readonly member: EntryKey;
  readonly delta: number;
  readonly life: Life;
}

export interface ScoreIncremented {
  readonly kind: "applied" | "not_applied";
  /** As it is now; undefined: the member is not there. */
  readonly score: number | undefined;
  readonly version: Version | 0;
}

/** One that is not there begins at 0. */
export function sortedSetIncrement(
  open: OpenCache,
  order: SortedSetIncrement,
): CacheDecided<ScoreIncremented> {
  const { key, member, delta, life } = order;
  const change = (collection: ChangingCollection) => {
    const entry = collection.find(member);
    const before = entry && scoreIn(entry);
    const score = (before ?? 0) + delta;
    if (Number.isNaN(score)) return refuse({ kind: "nan_result", cache: open.address.given });
    const isApplied = isWanted(order, before, score);
    if (isApplied && score !== before) place(collection, { member, score });
    return accept({ isApplied, score: isApplied ? score : before });
  };
  const changing = { key, kind, life } as const;
  const changed =
    order.mode === "only_existing"
      ? changeExisting(open, changing, change)
      : changeOrMake(open, changing, change);
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) {
    return accept({ kind: "not_applied", score: undefined, version: 0 });
  }
  const { outcome, version } = changed.outcome;
  const { isApplied, score } = outcome;
  return accept({ kind: isApplied ? "applied" : "not_applied", score, version });
}

// --- reading ----------------------------------------------------------------------------------------------------------------

export interface SortedSetFetch {
  readonly key: CacheKey;
  readonly range: Range;
  /** Members that are answered at most. */
  readonly countMax: number;
}

export interface Fetched {
  readonly collection: OpenCollection;
  readonly elements: readonly Scored[];
  /** Whether the range has more of them. */
  readonly hasMore: boolean;
}

/** Undefined: the key has nothing. */
export function sortedSetFetch(
  open: OpenCache,
  { key, range, countMax }: SortedSetFetch,
): CacheDecided<Fetched | undefined> {
  const looked = lookAt(open, { key, kind });
  if (looked.kind === "rejected") return looked;
  const collection = looked.outcome;
  if (collection === undefined) return accept(undefined);
  const elements: Scored[] = [];
  for (const element of scoredIn(collection.entries("score"), range)) {
    if (elements.length === countMax) return accept({ collection, elements, hasMore: true });
    elements.push(element);
  }
  return accept({ collection, elements, hasMore: false });
}

/** The members of a range, in its direction. */
function* scoredIn(order: Entries, range: Range): Iterable<Scored> {
  const { from, to } = intervalOf(order, range);
  let left = to - from;
  if (left <= 0) return;
  const start = range.isReversed ? to - 1 : from;
  for (const entry of order.walk(start, range.isReversed)) {
    yield scoredOf(entry);
    left -= 1;
    if (left === 0) return;
  }
}

export interface MembersCounted {
  readonly collection: OpenCollection;
  readonly count: number;
}

/** How many members a range has; undefined: the key has nothing. */
export function sortedSetCount(
  open: OpenCache,
  { key, range }: Omit<SortedSetFetch, "countMax">,
): CacheDecided<MembersCounted | undefined> {
  const looked = lookAt(open, { key, kind });
  if (looked.kind === "rejected") return looked;
  const collection = looked.outcome;
  if (collection === undefined) return accept(undefined);
  const { from, to } = intervalOf(collection.entries("score"), range);
  return accept({ collection, count: Math.max(0, to - from) });
}

export type RankMode = "ordinal" | "competition" | "dense";

export interface SortedSetScores {
  readonly key: CacheKey;
  readonly members: readonly EntryKey[];
}

export interface ScoresFound {
  readonly collection: OpenCollection;
  /** In the order asked for; undefined: that one is not there. */
  readonly scores: readonly (number | undefined)[];
}

export function sortedSetScores(
  open: OpenCache,
  { key, members }: SortedSetScores,
): CacheDecided<ScoresFound | undefined> {
  const found = findElements(open, { key, kind, elements: members });
  if (found.kind === "rejected") return found;
  if (found.outcome === undefined) return accept(undefined);
  const { collection, elements } = found.outcome;
  return accept({ collection, scores: elements.map((entry) => entry && scoreIn(entry)) });
}

export interface SortedSetRanks {
  readonly key: CacheKey;
  readonly members: readonly EntryKey[];
  readonly isReversed: boolean;
  readonly mode: RankMode;
}

export interface Ranked {
  readonly score: number;
  readonly rank: number;
}

export interface RanksFound {
  readonly collection: OpenCollection;
  /** In the order asked for; undefined: that one is not there. */
  readonly ranks: readonly (Ranked | undefined)[];
}

/** Scores that are counted, one after another, for a rank that counts equal ones once. */
const denseScoresMax = 10_000;

export function sortedSetRanks(
  open: OpenCache,
  order: SortedSetRanks,
): CacheDecided<RanksFound | undefined> {
  const looked = lookAt(open, { key: order.key, kind });
  if (looked.kind === "rejected" || looked.outcome === undefined) {
    return looked as CacheDecided<undefined>;
  }
  const collection = looked.outcome;
  const ranks: (Ranked | undefined)[] = [];
  for (const member of order.members) {
    const entry = collection.find(member);
    if (entry === undefined) {
      ranks.push(undefined);
      continue;
    }
    const score = scoreIn(entry);
    const rank = rankOf(collection.entries("score"), { member, score }, order);
    if (rank === undefined) {
      const { given: cache } = open.address;
      return refuse({ kind: "collection_too_long", cache, limit: denseScoresMax });
    }
    ranks.push({ score, rank });
  }
  return accept({ collection, ranks });
}

/** Undefined: too many different scores are in front. */
function rankOf(
  order: Entries,
  scored: Scored,
  { isReversed, mode }: Pick<SortedSetRanks, "isReversed" | "mode">,
): number | undefined {
  switch (mode) {
    case "ordinal": {
      const below = order.countBelow(orderKey(scored));
      return isReversed ? order.length - 1 - below : below;
    }
    case "competition":
      return isReversed
        ? order.length - order.countBelow(afterScore(scored.score))
        : order.countBelow(scoreKey(scored.score));
    case "dense":
      return denseRank(order, scored.score, isReversed);
  }
}

/** The key behind all members of a score. */
const afterScore = (score: number): EntryKey => `${scoreKey(score)}${"\xff".repeat(1_025)}`;

function denseRank(order: Entries, score: number, isReversed: boolean): number | undefined {
  let rank = 0;
  let at = isReversed ? order.length - 1 : 0;
  for (;;) {
    const entry = order.at(at);
    if (entry === undefined) return rank;
    const other = scoredOf(entry).score;
    if (isReversed ? other <= score : other >= score) return rank;
    if (rank === denseScoresMax) return undefined;
    rank += 1;
    at = isReversed ? order.countBelow(scoreKey(other)) - 1 : order.countBelow(afterScore(other));
  }
}

// --- removing ---------------------------------------------------------------------------------------------------------------

export interface MembersRemoved {
  readonly elements: readonly Scored[];
  readonly removed: number;
  readonly length: number;
  readonly version: Version | 0;
}

const nothingRemoved: MembersRemoved = { elements: [], removed: 0, length: 0, version: 0 };

function removeFrom(
  open: OpenCache,
  key: CacheKey,
  chosen: (collection: ChangingCollection) => CacheDecided<readonly EntryKey[]>,
): CacheDecided<MembersRemoved | undefined> {
  const changed = changeExisting(open, { key, kind, life: undefined }, (collection) => {
    const members = chosen(collection);
    if (members.kind === "rejected") return members;
    const elements: Scored[] = [];
    for (const member of members.outcome) {
      const score = displace(collection, member);
      if (score !== undefined) elements.push({ member, score });
    }
    return accept(elements);
  });
  if (changed.kind === "rejected" || changed.outcome === undefined) {
    return changed as CacheDecided<undefined>;
  }
  const { outcome: elements, length, version } = changed.outcome;
  return accept({ elements, removed: elements.length, length, version });
}

export interface SortedSetRemove {
  readonly key: CacheKey;
  readonly members: readonly EntryKey[];
}

export function sortedSetRemove(
  open: OpenCache,
  { key, members }: SortedSetRemove,
): CacheDecided<MembersRemoved> {
  const removed = removeFrom(open, key, () => accept(members));
  return removed.kind === "rejected" ? removed : accept(removed.outcome ?? nothingRemoved);
}

export function sortedSetRemoveRange(
  open: OpenCache,
  { key, range }: Omit<SortedSetFetch, "countMax">,
): CacheDecided<MembersRemoved> {
  const whole = removeWhole(open, key, range);
  if (whole !== undefined) return whole;
  const removed = removeFrom(open, key, (collection) => {
    const order = collection.tree("score");
    const { from, to } = intervalOf(order, range);
    const { removedElementsMax: limit } = cacheLimits;
    if (to - from > limit) {
      return refuse({ kind: "collection_too_long", cache: open.address.given, limit });
    }
    return accept([...scoredIn(order, range)].map(({ member }) => member));
  });
  return removed.kind === "rejected" ? removed : accept(removed.outcome ?? nothingRemoved);
}

/** A range that has all members takes the key with it, however many they are; undefined: it is another one, or there is none. */
function removeWhole(
  open: OpenCache,
  key: CacheKey,
  range: Range,
): CacheDecided<MembersRemoved> | undefined {
  const looked = lookAt(open, { key, kind });
  if (looked.kind === "rejected") return looked;
  const collection = looked.outcome;
  if (collection === undefined) return undefined;
  const order = collection.entries("score");
  const { from, to } = intervalOf(order, range);
  if (from > 0 || to < order.length) return undefined;
  open.remove(key, collection.item);
  void open.version;
  return accept({ ...nothingRemoved, removed: order.length });
}

export interface SortedSetPop {
  readonly key: CacheKey;
  readonly end: "min" | "max";
  readonly count: number;
}

/** Undefined: the key has nothing. */
export const sortedSetPop = (
  open: OpenCache,
  { key, end, count }: SortedSetPop,
): CacheDecided<MembersRemoved | undefined> =>
  removeFrom(open, key, (collection) => {
    const range: Range = { by: "rank", start: 0, end: count, isReversed: end === "max" };
    return accept([...scoredIn(collection.tree("score"), range)].map(({ member }) => member));
  });

export interface SortedSetReplace {
  readonly key: CacheKey;
  readonly elements: readonly Scored[];
  readonly life: Life;
}

/** Puts a sorted set in the place of whatever the key has; without elements it has nothing. */
export function sortedSetReplace(
  open: OpenCache,
  { key, elements, life }: SortedSetReplace,
): CacheDecided<ScoresPut> {
  const looked = open.look(key);
  if (looked.stored !== undefined) {
    open.remove(key, looked.stored);
    void open.version;
  }
  return sortedSetPut(open, {
    key,
    elements,
    mode: "upsert",
    compare: "any",
    cap: 0,
    capDrop: "lowest",
    life,
  });
}

export interface SortedSetStoreRange extends Omit<SortedSetFetch, "countMax"> {
  readonly destination: CacheKey;
  readonly life: Life;
}

export function sortedSetStoreRange(
  open: OpenCache,
  order: SortedSetStoreRange,
): CacheDecided<ScoresPut> {
  const { combinedElementsMax: limit } = cacheLimits;
  const fetched = sortedSetFetch(open, { ...order, countMax: limit });
  if (fetched.kind === "rejected") return fetched;
  const elements = fetched.outcome?.elements ?? [];
  const bytes = elements.reduce((sum, { member }) => sum + member.length, 0);
  if (fetched.outcome?.hasMore === true || bytes > cacheLimits.combinedBytesMax) {
    return refuse({ kind: "collection_too_long", cache: open.address.given, limit });
  }
  return sortedSetReplace(open, { key: order.destination, elements, life: order.life });
}
