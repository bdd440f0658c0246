// Sets: members that are there or not, each of which may end before the set does; and what several sets have together.

import type { CacheKey, Version } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import { type Expiry, hasEnded } from "../expiry.js";
import { cacheLimits } from "../limits.js";
import type { OpenCache } from "../open-cache.js";
import { type CacheDecided, refuse } from "../rejections.js";
import { ttlTooFar } from "../scalars.js";
import type { EntryKey } from "./entries.js";
import { elementEnd, placesWithout } from "./keyed.js";
import {
  type ChangingCollection,
  changeExisting,
  changeOrMake,
  type Life,
  lookAt,
  type OpenCollection,
} from "./open-collection.js";

const kind = "set";

export interface SetAdd {
  readonly key: CacheKey;
  readonly members: readonly EntryKey[];
  /** Of those that are added; one that is there keeps its end where it says nothing. */
  readonly memberExpiry: Expiry;
  readonly life: Life;
}

export interface MembersAdded {
  readonly added: number;
  readonly length: number;
  readonly version: Version | 0;
}

const nothingAdded: MembersAdded = { added: 0, length: 0, version: 0 };

export function setAdd(open: OpenCache, order: SetAdd): CacheDecided<MembersAdded> {
  const change = (collection: ChangingCollection) => {
    let added = 0;
    for (const member of order.members) {
      const isNew = addMember(collection, member, order.memberExpiry);
      if (isNew === "too_far") return ttlTooFar(open);
      if (isNew) added += 1;
    }
    return accept(added);
  };
  const changing = { key: order.key, kind, life: order.life } as const;
  const changed =
    order.members.length === 0
      ? changeExisting(open, changing, change)
      : changeOrMake(open, changing, change);
  if (changed.kind === "rejected") return changed;
  if (changed.outcome === undefined) return accept(nothingAdded);
  const { outcome: added, length, version } = changed.outcome;
  return accept({ added, length, version });
}

function addMember(
  collection: ChangingCollection,
  member: EntryKey,
  expiry: Expiry,
): boolean | "too_far" {
  const { open } = collection;
  const before = collection.find(member);
  if (before !== undefined && (expiry.kind === "default" || expiry.kind === "keep")) return false;
  const end = elementEnd(open, expiry, before);
  if (end === "too_far") return end;
  if (hasEnded(end.at, open.now)) collection.remove(member);
  else if (before === undefined || before.expiresAt !== end.at) {
    collection.put({ key: member, value: undefined, expiresAt: end.at });
  }
  return before === undefined;
}

export interface SetPop {
  readonly key: CacheKey;
  readonly count: number;
}

export interface Popped {
  readonly members: readonly EntryKey[];
  readonly length: number;
  readonly version: Version | 0;
}

/** Removes members chosen by chance; undefined: the key has nothing. */
export function setPop(open: OpenCache, { key, count }: SetPop): CacheDecided<Popped | undefined> {
  const looked = lookAt(open, { key, kind });
  if (looked.kind === "rejected") return looked;
  const collection = looked.outcome;
  if (collection === undefined) return accept(undefined);
  const members = placesWithout(open, collection, count).map(
    (place) => collection.entries().at(place)?.key ?? "",
  );
  const changed = changeExisting(open, { key, kind, life: undefined }, (changing) => {
    for (const member of members) changing.remove(member);
    return accept(undefined);
  });
  if (changed.kind === "rejected") return changed;
  const { length, version } = changed.outcome ?? { length: 0, version: 0 as const };
  return accept({ members, length, version });
}

export interface SetMove {
  readonly source: CacheKey;
  readonly destination: CacheKey;
  readonly member: EntryKey;
  readonly life: Life;
}

export interface MemberMoved {
  /** Whether the source had it. */
  readonly isMoved: boolean;
  /** Of the destination; 0: it has nothing. */
  readonly version: Version | 0;
}

/** Takes a member from one set to another, in one. */
export function setMove(open: OpenCache, order: SetMove): CacheDecided<MemberMoved> {
  const { source, destination, member, life } = order;
  const from = lookAt(open, { key: source, kind });
  if (from.kind === "rejected") return from;
  const to = lookAt(open, { key: destination, kind });
  if (to.kind === "rejected") return to;
  const entry = from.outcome?.find(member);
  const version = to.outcome?.item.version ?? 0;
  if (entry === undefined) return accept({ isMoved: false, version });
  if (source === destination) return accept({ isMoved: true, version });
  const removed = changeExisting(open, { key: source, kind, life: undefined }, (collection) =>
    accept(collection.remove(member)),
  );
  if (removed.kind === "rejected") return removed;
  const added = changeOrMake(open, { key: destination, kind, life }, (collection) => {
    if (collection.find(member) === undefined) collection.put(entry);
    return accept(undefined);
  });
  if (added.kind === "rejected") return added;
  return accept({ isMoved: true, version: added.outcome.version });
}

// --- several sets -----------------------------------------------------------------------------------------------------------

export interface SetCombine {
  readonly keys: readonly CacheKey[];
  readonly operation: "union" | "intersect" | "difference";
  /** Members that are looked for; no more are found. */
  readonly limit: number;
}

/** Members in the order of their bytes. A key that has nothing is an empty set. */
export function setCombine(open: OpenCache, order: SetCombine): CacheDecided<readonly EntryKey[]> {
  const sets: (OpenCollection | undefined)[] = [];
  for (const key of order.keys) {
    const looked = lookAt(open, { key, kind });
    if (looked.kind === "rejected") return looked;
    sets.push(looked.outcome);
  }
  const walked = walkedOf(order, sets);
  const length = walked.reduce((sum, set) => sum + set.content.length, 0);
  const bytes = walked.reduce((sum, set) => sum + set.content.bytes, 0);
  const { combinedElementsMax: limit, combinedBytesMax } = cacheLimits;
  if (length > limit || bytes > combinedBytesMax) {
    return refuse({ kind: "collection_too_long", cache: open.address.given, limit });
  }
  return accept(combine(order, sets, walked));
}

/** Those whose members are gone through. */
function walkedOf(
  { operation }: SetCombine,
  sets: readonly (OpenCollection | undefined)[],
): readonly OpenCollection[] {
  if (operation === "union") return sets.filter((set) => set !== undefined);
  const [first] = sets;
  if (operation === "difference") return first === undefined ? [] : [first];
  let smallest = first;
  for (const set of sets) {
    if (set === undefined) return [];
    if (smallest === undefined || set.content.length < smallest.content.length) smallest = set;
  }
  return smallest === undefined ? [] : [smallest];
}

function combine(
  { operation, limit }: SetCombine,
  sets: readonly (OpenCollection | undefined)[],
  walked: readonly OpenCollection[],
): readonly EntryKey[] {
  if (operation === "union") {
    const members = new Set<EntryKey>();
    for (const set of walked) for (const { key } of set.walk()) members.add(key);
    return [...members].sort().slice(0, limit);
  }
  const [through] = walked;
  if (through === undefined) return [];
  const others = sets.filter((set) => set !== through && set !== undefined);
  const found: EntryKey[] = [];
  for (const { key } of through.walk()) {
    if (found.length === limit) break;
    const isIn = (set: OpenCollection | undefined): boolean => set?.find(key) !== undefined;
    const isWanted =
      operation === "intersect"
        ? others.every(isIn)
        : !others.some(isIn) && !isTwice(sets, through);
    if (isWanted) found.push(key);
  }
  return found;
}

/** A set without itself is empty. */
const isTwice = (sets: readonly (OpenCollection | undefined)[], first: OpenCollection): boolean =>
  sets.slice(1).some((set) => set?.content.root === first.content.root);

export interface SetStore extends SetCombine {
  readonly destination: CacheKey;
  readonly life: Life;
}

/** Puts what several sets have together in the place of whatever the destination has; nothing removes it. */
export function setStore(open: OpenCache, order: SetStore): CacheDecided<MembersAdded> {
  const combined = setCombine(open, order);
  if (combined.kind === "rejected") return combined;
  const members = combined.outcome;
  const { destination: key, life } = order;
  const looked = open.look(key);
  if (looked.stored !== undefined) {
    open.remove(key, looked.stored);
    void open.version;
  }
  if (members.length === 0) return accept(nothingAdded);
  return setAdd(open, { key, members, memberExpiry: { kind: "default" }, life });
}
