// A collection while one rule reads or changes it.
//
// Elements may end before the collection does: an ended one is never seen, and counts nowhere, though it is still there until
// somebody removes it. All that end stand in an order of their own, so that how many have ended is known in a few steps however many
// there are. The key's item says how long the collection is and what it counts for; it is written once, when the rule is done.

import type { CacheKey, EpochMs, Version } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import { type Expiry, hasEnded } from "../expiry.js";
import { newItem } from "../item-facts.js";
import { cacheLimits } from "../limits.js";
import { type CollectionContent, type CollectionKind, type Item, isCollection } from "../model.js";
import type { Looked, OpenCache } from "../open-cache.js";
import { type CacheDecided, refuse } from "../rejections.js";
import { endFor, lifeOf, slide, ttlTooFar } from "../scalars.js";
import {
  type Entries,
  type Entry,
  type EntryKey,
  type EntryOrder,
  type EntryTree,
  entryBytes,
} from "./entries.js";
import { instantKey, instantOf, keyBehindInstant } from "./order-keys.js";

/** What a write does to the life of a collection that is there. One that it makes always gets the life that it says. */
export type TtlPolicy = "set_on_create" | "refresh" | "keep_if_longer";

export interface Life {
  readonly expiry: Expiry;
  readonly policy: TtlPolicy;
}

export interface Named {
  readonly key: CacheKey;
  readonly kind: CollectionKind;
}

/** Ended elements that a write removes before anything else. */
const purgedMax = 1_000;

/** A collection that is there, to look at. */
export class OpenCollection {
  readonly open: OpenCache;
  readonly item: Item;
  readonly content: CollectionContent;

  constructor(open: OpenCache, item: Item, content: CollectionContent) {
    this.open = open;
    this.item = item;
    this.content = content;
  }

  entries(order: EntryOrder = "main"): Entries {
    return this.open.transaction.entries(this.open.cache, this.content.root, order);
  }

  /** Elements that have not ended. */
  get length(): number {
    return this.open.liveLength(this.content);
  }

  isLive({ expiresAt }: Entry): boolean {
    return !hasEnded(expiresAt, this.open.now);
  }

  find(key: EntryKey): Entry | undefined {
    const found = this.entries().find(key);
    return found !== undefined && this.isLive(found.entry) ? found.entry : undefined;
  }

  /** From a place on, those that have not ended. */
  *walk(from = 0, isReversed = false): Iterable<Entry> {
    for (const entry of this.entries().walk(from, isReversed)) {
      if (this.isLive(entry)) yield entry;
    }
  }

  /** The value of an entry that has one; an unreadable one is refused. */
  valueOf({ value }: Entry): CacheDecided<Buffer> {
    const bytes = value === undefined ? Buffer.alloc(0) : this.entries().bytesOf(value);
    return bytes === undefined
      ? refuse({ kind: "value_unreadable", cache: this.open.address.given })
      : accept(bytes);
  }
}

/** Undefined: the key has nothing. A collection of another kind, or a value, is refused. */
export function lookAt(
  open: OpenCache,
  { key, kind }: Named,
): CacheDecided<OpenCollection | undefined> {
  const looked = open.look(key);
  if (looked.kind !== "live") return accept(undefined);
  const { content } = looked.item;
  if (!isCollection(content) || content.kind !== kind) return wrongType(open);
  return accept(new OpenCollection(open, slide(open, key, looked), content));
}

const wrongType = (open: OpenCache): CacheDecided<never> =>
  refuse({ kind: "wrong_type", cache: open.address.given });

/** A collection to change. */
export class ChangingCollection {
  readonly open: OpenCache;
  readonly #root: number;
  #length: number;
  #bytes: number;
  #dueAt: EpochMs | undefined;
  #isChanged = false;
  readonly #hasPurged: boolean;

  constructor(open: OpenCache, content: CollectionContent | undefined) {
    this.open = open;
    this.#root = content?.root ?? open.transaction.newRoot();
    this.#length = content?.length ?? 0;
    this.#bytes = content?.bytes ?? 0;
    this.#dueAt = content?.dueAt;
    this.#hasPurged = hasEnded(this.#dueAt, open.now);
    if (this.#hasPurged) this.#purge(purgedMax);
    // What has ended was there for nobody: that it goes is no change that anybody is to hear of.
    this.#isChanged = false;
  }

  /** Whether it is to be written, if only because of what has ended. */
  get isToBeStored(): boolean {
    return this.#isChanged || this.#hasPurged;
  }

  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** Elements, and those that have ended and are still there. */
  get storedLength(): number {
    return this.#length;
  }

  /** Elements that have not ended. */
  get length(): number {
    return this.#dueAt === undefined ? this.#length : this.open.liveLength(this.contentOf("set"));
  }

  tree(order: EntryOrder = "main"): EntryTree {
    return this.open.transaction.entryTree(this.open.cache, this.#root, order);
  }

  find(key: EntryKey): Entry | undefined {
    const entry = this.tree().find(key)?.entry;
    return entry === undefined || hasEnded(entry.expiresAt, this.open.now) ? undefined : entry;
  }

  /** Puts an element by its key; answers with the one it replaced, if that had not ended. */
  put(entry: Entry): Entry | undefined {
    const replaced = this.tree().put(entry);
    this.#count(1, entryBytes(entry));
    if (replaced !== undefined) this.#forget(replaced);
    if (entry.expiresAt !== undefined) this.#noteEnd(entry.key, entry.expiresAt);
    return replaced === undefined || hasEnded(replaced.expiresAt, this.open.now)
      ? undefined
      : replaced;
  }

  /** Answers with what was there and had not ended. */
  remove(key: EntryKey): Entry | undefined {
    const removed = this.tree().remove(key);
    if (removed === undefined) return undefined;
    this.#forget(removed);
    return hasEnded(removed.expiresAt, this.open.now) ? undefined : removed;
  }

  /** Gives an element that is there another end. */
  relive(entry: Entry, expiresAt: EpochMs | undefined): void {
    const bytes = entry.value && this.tree().bytesOf(entry.value);
    const value = entry.value && { ...entry.value, bytes };
    this.put({ key: entry.key, value, expiresAt });
  }

  /** An element was put in a place, or removed from one: of those that have no keys. */
  count(elements: number, bytes: number): void {
    this.#count(elements, bytes);
  }

  #count(elements: number, bytes: number): void {
    this.#length += elements;
    this.#bytes += bytes;
    this.#isChanged = true;
  }

  #forget(entry: Entry): void {
    this.#count(-1, -entryBytes(entry));
    if (entry.expiresAt === undefined) return;
    this.tree("end").remove(instantKey(entry.expiresAt) + entry.key);
    this.#lookForDue();
  }

  #noteEnd(key: EntryKey, at: EpochMs): void {
    this.tree("end").put({ key: instantKey(at) + key, value: undefined, expiresAt: undefined });
    if (this.#dueAt === undefined || at < this.#dueAt) this.#dueAt = at;
  }

  #lookForDue(): void {
    const next = this.tree("end").at(0);
    this.#dueAt = next === undefined ? undefined : instantOf(next.key);
  }

  /** Removes those that have ended, at most so many. */
  #purge(limit: number): void {
    const { now } = this.open;
    const ended: EntryKey[] = [];
    for (const { key } of this.tree("end").walk(0)) {
      if (instantOf(key) > now || ended.length === limit) break;
      ended.push(keyBehindInstant(key));
    }
    for (const key of ended) this.remove(key);
    this.open.tally("expired", ended.length);
  }

  contentOf(kind: CollectionKind): CollectionContent {
    return {
      kind,
      root: this.#root,
      length: this.#length,
      bytes: this.#bytes,
      dueAt: this.#dueAt,
    };
  }
}

/** What a rule made of a collection, and what the key has now. */
export interface CollectionChanged<Outcome> {
  readonly outcome: Outcome;
  /** 0: it has nothing. */
  readonly version: Version | 0;
  /** Elements that have not ended. */
  readonly length: number;
}

export interface Changing extends Named {
  /** Undefined: no write of this kind changes the life of a collection. */
  readonly life: Life | undefined;
}

/** Changes a collection, which is made where the key has nothing. */
export function changeOrMake<Outcome>(
  open: OpenCache,
  order: Changing,
  rule: (collection: ChangingCollection) => CacheDecided<Outcome>,
): CacheDecided<CollectionChanged<Outcome>> {
  const looked = open.look(order.key);
  if (looked.kind === "live" && !isOfKind(looked.item, order)) return wrongType(open);
  return changeLooked(open, order, looked, rule);
}

/** Changes a collection that is there; undefined: the key has nothing. */
export function changeExisting<Outcome>(
  open: OpenCache,
  order: Changing,
  rule: (collection: ChangingCollection) => CacheDecided<Outcome>,
): CacheDecided<CollectionChanged<Outcome> | undefined> {
  const looked = open.look(order.key);
  if (looked.kind !== "live") return accept(undefined);
  if (!isOfKind(looked.item, order)) return wrongType(open);
  return changeLooked(open, order, looked, rule);
}

const isOfKind = ({ content }: Item, { kind }: Named): boolean =>
  isCollection(content) && content.kind === kind;

function changeLooked<Outcome>(
  open: OpenCache,
  order: Changing,
  looked: Looked,
  rule: (collection: ChangingCollection) => CacheDecided<Outcome>,
): CacheDecided<CollectionChanged<Outcome>> {
  // Its rows are named by the cache, so the one that is always there has to be made first.
  open.ensureMade();
  const item = looked.kind === "live" ? looked.item : undefined;
  const content = item !== undefined && isCollection(item.content) ? item.content : undefined;
  const collection = new ChangingCollection(open, content);
  const done = rule(collection);
  if (done.kind === "rejected") return done;
  if (collection.storedLength > cacheLimits.collectionElementsMax) {
    const { given: cache } = open.address;
    return refuse({
      kind: "collection_full",
      cache,
      limit: cacheLimits.collectionElementsMax,
    });
  }
  const version = store(open, order, looked, collection);
  if (typeof version !== "number") return version;
  return accept({ outcome: done.outcome, version, length: version === 0 ? 0 : collection.length });
}

/** Writes what the key has from now on; answers with its version, or why it cannot be. */
function store(
  open: OpenCache,
  order: Changing,
  looked: Looked,
  collection: ChangingCollection,
): Version | 0 | CacheDecided<never> {
  const { key, kind, life } = order;
  const item = looked.kind === "live" ? looked.item : undefined;
  if (collection.storedLength === 0) {
    if (item === undefined) return 0;
    open.remove(key, item);
    void open.version;
    return 0;
  }
  const lived = lifeAfter(open, life, item);
  if (lived === "too_far") return ttlTooFar(open);
  const { expiresAt } = lived;
  if (!collection.isToBeStored && item !== undefined && item.expiresAt === expiresAt) {
    return item.version;
  }
  const content = collection.contentOf(kind);
  const { now } = open;
  const next: Item = {
    ...(item ?? newItem(open.version, now)),
    ...lived,
    content,
    ...(collection.isChanged && { version: open.version, updatedAt: now }),
  };
  const room = open.makeRoom(key, next, looked);
  if (room !== undefined) return refuse(room);
  if (hasEnded(expiresAt, now)) {
    // Its entries are there already, so it is a collection that is lost at once.
    open.put(key, next, looked);
    open.remove(key, next);
    void open.version;
    return 0;
  }
  open.put(key, next, looked);
  // A change of its life only has a version of its own as well, which who watches hears of.
  if (collection.isChanged || item?.expiresAt !== expiresAt) void open.version;
  if (collection.isChanged) open.transaction.wakeKey(open.cache, key);
  return next.version;
}

type Lived = Pick<Item, "expiresAt" | "sliding">;

/** How long a collection lives after a write. */
function lifeAfter(
  open: OpenCache,
  life: Life | undefined,
  item: Item | undefined,
): Lived | "too_far" {
  const expiry = life?.expiry ?? { kind: "default" };
  if (item === undefined) {
    const made = lifeOf(open, { expiry, slidingMs: undefined }, undefined);
    return made === "too_far" ? made : { expiresAt: made.end.at, sliding: made.sliding };
  }
  const { expiresAt, sliding } = item;
  if (life === undefined || life.policy === "set_on_create") return { expiresAt, sliding };
  const end = endFor(open, expiry, item);
  if (end === "too_far") return end;
  const isLonger = (end.at ?? Number.POSITIVE_INFINITY) > (expiresAt ?? Number.POSITIVE_INFINITY);
  return { expiresAt: life.policy === "refresh" || isLonger ? end.at : expiresAt, sliding };
}
