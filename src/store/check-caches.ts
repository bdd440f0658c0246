// The check of caches: each with its numbers, its items with all the rows that find them, and what was made invalid with its counts.

import { countedBytes, removalTime } from "../cache/item-facts.js";
import {
  type Cache,
  type CacheCounters,
  type FenceCounts,
  isCollection,
  noFences,
} from "../cache/model.js";
import {
  cacheCountersKey,
  cacheKey,
  cacheLetters,
  dueCacheKey,
  fenceCountsKey,
  fencedCacheKey,
  firstNode,
  itemDueKey,
  keyLengthWithin,
  nodeOf,
  pieceBytes,
  valueKey,
} from "./cache-keys.js";
import type { ItemRow } from "./cache-rows.js";
import { CollectionsCheck } from "./check-collections.js";
import { type CheckWalk, keyName, prefixAfter } from "./check-walk.js";
import { segmentPrefix, segmentPrefixLength, tableLetters, u64At } from "./keys.js";
import { leaseDueKeyOf, leaseKeyOfDue } from "./lease-rows.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

/** Whose segment is checked. */
export interface CacheSegmentContext {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly cache: Cache;
  readonly name: string;
}

/** Says whether there was anything to check. */
export async function checkCacheSegment(context: CacheSegmentContext): Promise<void> {
  const { walk, prefix } = context;
  const check = new CacheSegmentCheck(context);
  await walk.walk(prefix, prefixAfter(prefix) ?? "\x80", (scanned) => {
    check.visit(scanned);
    return undefined;
  });
  check.finish();
}

class CacheSegmentCheck {
  readonly #context: CacheSegmentContext;
  readonly #collections: CollectionsCheck;
  #items = 0;
  #bytes = 0;
  #pinnedBytes = 0;
  #earliestEnd = Number.POSITIVE_INFINITY;
  #fencedTags = 0;
  readonly #fencedPrefixes = new Map<number, number>();
  /** Bytes of the keys in front of a node, and the rows it should have and has: a node is numbered after the one that names it. */
  readonly #nodes = new Map<
    number,
    { readonly base: number; readonly said: number; met: number }
  >();
  /** True once a row could not be read, so that nothing adds up. */
  #isBlind = false;

  constructor(context: CacheSegmentContext) {
    this.#context = context;
    this.#collections = new CollectionsCheck(context);
  }

  visit(scanned: ScannedRow): void {
    const { walk, prefix, name } = this.#context;
    const { key } = scanned;
    switch (key[segmentPrefixLength]) {
      case cacheLetters.cacheCounters:
        if (key === cacheCountersKey(prefix)) walk.read(scanned, tables.cacheCounters, () => name);
        else walk.layout(key);
        break;
      case cacheLetters.fenceCounts:
        if (key === fenceCountsKey(prefix)) walk.read(scanned, tables.fenceCounts, () => name);
        else walk.layout(key);
        break;
      case cacheLetters.fence:
        this.#checkFence(scanned);
        break;
      case cacheLetters.item:
        this.#checkItem(scanned);
        break;
      case cacheLetters.itemDue:
        this.#checkDue(scanned);
        break;
      case cacheLetters.value:
        this.#checkValue(scanned);
        break;
      case cacheLetters.treeNode:
        this.#collections.visitNode(scanned);
        break;
      case cacheLetters.entryValue:
        this.#collections.visitValue(scanned);
        break;
      case cacheLetters.lease:
        this.#checkLease(scanned);
        break;
      case cacheLetters.leaseDue:
        this.#checkLeaseDue(scanned);
        break;
      case tableLetters.chunk: {
        const base = prefix + key.slice(segmentPrefixLength + 1, -2);
        walk.checkChunk(scanned, base, `${name}, ${keyName(base)}`);
        break;
      }
      default:
        walk.report(`${name}, ${keyName(key)}`, "No table of caches has this letter.");
    }
  }

  #nameOf(rowKey: string): string {
    return `${this.#context.name}, ${keyName(rowKey)}`;
  }

  #checkLease(scanned: ScannedRow): void {
    const { walk, prefix } = this.#context;
    const { row } = walk.read(scanned, tables.lease, () => this.#nameOf(scanned.key));
    if (row === undefined) return;
    const due = leaseDueKeyOf(prefix, scanned.key, row.endsAt);
    if (walk.find(tables.leaseDue, due) === undefined) {
      walk.report(this.#nameOf(scanned.key), "No row says when the lease ends.");
    }
  }

  #checkLeaseDue(scanned: ScannedRow): void {
    const { walk, prefix } = this.#context;
    const { row } = walk.read(scanned, tables.leaseDue, () => this.#nameOf(scanned.key));
    if (row === undefined) return;
    const lease = walk.find(tables.lease, leaseKeyOfDue(prefix, scanned.key));
    if (lease === "unreadable") return;
    if (lease?.token !== row.token) {
      walk.report(this.#nameOf(scanned.key), "It is of a lease that is not there.");
    }
  }

  #checkItem(scanned: ScannedRow): void {
    const { walk, prefix } = this.#context;
    const { key } = scanned;
    const { row } = walk.read(scanned, tables.item, () => this.#nameOf(key));
    if (row === undefined) {
      this.#isBlind = true;
      return;
    }
    const node = nodeOf(key);
    const within = this.#nodes.get(node);
    if (within !== undefined) within.met += 1;
    else if (node !== firstNode) walk.report(this.#nameOf(key), "No other row names its node.");
    const base = within?.base ?? 0;
    if (row.kind === "node") {
      this.#nodes.set(row.node, { base: base + pieceBytes, said: row.rows, met: 0 });
      return;
    }
    const { item } = row;
    const bytes = countedBytes({ length: base + keyLengthWithin(key) }, item);
    this.#items += 1;
    this.#bytes += bytes;
    if (item.isPinned) this.#pinnedBytes += bytes;
    const end = removalTime(item);
    if (end !== undefined) {
      this.#earliestEnd = Math.min(this.#earliestEnd, end);
      if (walk.find(tables.itemDue, itemDueKey(prefix, end, key)) === undefined) {
        walk.report(this.#nameOf(key), "It ends, and no row in the order of ends says so.");
      }
    }
    const { content } = item;
    if (isCollection(content)) this.#collections.note(content);
    if (content.kind === "scalar" && content.value === undefined) {
      const found = walk.find(tables.value, valueKey(prefix, content.writtenAs, key));
      if (found === undefined) walk.report(this.#nameOf(key), "Its long value is not there.");
    }
  }

  /** The item that a row in the order of ends, or of a long value, is of. */
  #itemOf(rowKey: string): ItemRow | "unreadable" | undefined {
    const { walk, prefix } = this.#context;
    return walk.find(tables.item, `${prefix}i${rowKey.slice(segmentPrefixLength + 1 + 8)}`);
  }

  #checkDue(scanned: ScannedRow): void {
    const { walk } = this.#context;
    const { key } = scanned;
    walk.read(scanned, tables.itemDue, () => this.#nameOf(key));
    const found = this.#itemOf(key);
    if (found === "unreadable") return;
    const end = found?.kind === "item" ? removalTime(found.item) : undefined;
    if (end !== u64At(key, segmentPrefixLength + 1)) {
      walk.report(this.#nameOf(key), "It tells of the end of an item that does not end then.");
    }
  }

  #checkValue(scanned: ScannedRow): void {
    const { walk } = this.#context;
    const { key } = scanned;
    if (scanned.kind === "corrupt") walk.read(scanned, tables.value, () => this.#nameOf(key));
    const found = this.#itemOf(key);
    if (found === "unreadable") return;
    const content = found?.kind === "item" ? found.item.content : undefined;
    if (content?.kind !== "scalar" || content.writtenAs !== u64At(key, segmentPrefixLength + 1)) {
      walk.report(this.#nameOf(key), "It is the long value of no item.");
    }
  }

  #checkFence(scanned: ScannedRow): void {
    const { walk } = this.#context;
    const { row } = walk.read(scanned, tables.fence, () => this.#nameOf(scanned.key));
    if (row === undefined) {
      this.#isBlind = true;
      return;
    }
    const { target } = row;
    if (target.kind === "tag") this.#fencedTags += 1;
    else {
      const { length } = target.prefix;
      this.#fencedPrefixes.set(length, (this.#fencedPrefixes.get(length) ?? 0) + 1);
    }
  }

  finish(): void {
    if (this.#isBlind) return;
    this.#collections.finish();
    const { walk, prefix, name } = this.#context;
    for (const [node, { said, met }] of this.#nodes) {
      if (said === met) continue;
      walk.report(`${name}, node ${node}`, `It is to have ${said} rows, and there are ${met}.`);
    }
    const counters = walk.find(tables.cacheCounters, cacheCountersKey(prefix));
    if (counters === undefined && this.#items > 0) walk.report(name, "It has no counters.");
    if (counters !== undefined && counters !== "unreadable") this.#checkCounters(counters);
    const fences = walk.find(tables.fenceCounts, fenceCountsKey(prefix)) ?? noFences;
    if (fences !== "unreadable") this.#checkFences(fences);
  }

  #checkCounters({ items, bytes, pinnedBytes, dueAt }: CacheCounters): void {
    const { walk, name, cache } = this.#context;
    const say = (what: string, said: number, met: number): void => {
      if (said !== met) walk.report(name, `Its numbers say ${said} ${what}, and there are ${met}.`);
    };
    say("items", items, this.#items);
    say("bytes", bytes, this.#bytes);
    say("pinned bytes", pinnedBytes, this.#pinnedBytes);
    if (this.#earliestEnd < (dueAt ?? Number.POSITIVE_INFINITY)) {
      walk.report(name, "An item ends before the first that its numbers know of.");
    }
    const { slot, segment } = cache;
    if (
      dueAt !== undefined &&
      walk.find(tables.dueCache, dueCacheKey(dueAt, slot, segment)) === undefined
    ) {
      walk.report(name, "Something in it is to be removed, and no row says so.");
    }
  }

  #checkFences({ tags, prefixes }: FenceCounts): void {
    const { walk, name, cache } = this.#context;
    const same =
      tags === this.#fencedTags &&
      prefixes.size === this.#fencedPrefixes.size &&
      [...prefixes].every(([length, count]) => this.#fencedPrefixes.get(length) === count);
    if (!same) walk.report(name, "What was made invalid is not as its counts say.");
    const { slot, segment } = cache;
    const isFenced = walk.find(tables.fencedCache, fencedCacheKey(slot, segment)) !== undefined;
    if (isFenced !== (tags > 0 || prefixes.size > 0)) {
      walk.report(
        name,
        "Whether something was made invalid, its own row and another say otherwise.",
      );
    }
  }
}

/** Rows that lead to caches: each is of one that is there, in the segment it has. */
export function checkCacheLead({ walk }: { readonly walk: CheckWalk }, scanned: ScannedRow): void {
  const { key } = scanned;
  const table = key[0] === "\xa2" ? tables.dueCache : tables.fencedCache;
  const name = `${table.name} ${keyName(key)}`;
  const { row } = walk.read(scanned, table, () => name);
  if (row === undefined) return;
  const cache = walk.find(tables.cache, cacheKey(row.namespace, row.name));
  if (cache === "unreadable") return;
  const prefix = cache && segmentPrefix(cache.slot, cache.segment);
  if (prefix !== key.slice(-segmentPrefixLength)) {
    walk.report(name, "It leads to a cache that is not there, or is elsewhere.");
  }
}

/** What says that a collection was lost: its cache may have been emptied, or be gone. */
export function checkLostCollection(
  { walk }: { readonly walk: CheckWalk },
  scanned: ScannedRow,
): void {
  walk.read(scanned, tables.lostCollection, () => `lost collection ${keyName(scanned.key)}`);
}
