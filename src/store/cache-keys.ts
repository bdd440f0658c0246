// The keys of caches: `keys.ts` says how keys are made and lists all of them.
//
// A key of a cache may have more bytes than one of the store (`frames.ts`), and still keys stand in their byte order. So they are
// a tree of pieces: a key of up to 255 bytes stands in the first node as it is; of a longer one the first 255 bytes stand there, with
// a further byte, and name the node where the rest of it is looked for. What a node's row is for a piece that goes on stands right
// behind the item of the key that ends there, and before any key that is greater than all that go on.

import type { CacheKey, EpochMs, Version } from "../base/brands.js";
import { segmentPrefix, segmentPrefixLength, u64At, u64Text } from "./keys.js";

export const cacheLetters = {
  fenceCounts: "a",
  cacheCounters: "b",
  fence: "f",
  item: "i",
  itemDue: "j",
  value: "v",
  lease: "l",
  leaseDue: "m",
  treeNode: "w",
  entryValue: "z",
} as const;

/** Bytes of a key that stand in one node. */
export const pieceBytes = 255;
/** Behind a piece that goes on. */
const goesOn = "\x01";

/** The node that every key begins in. */
export const firstNode = 0;

export const itemPrefix = (prefix: string, node: number): string => `${prefix}i${u64Text(node)}`;
/** The row of a key that ends in this node. */
export const itemKey = (prefix: string, node: number, piece: string): string =>
  itemPrefix(prefix, node) + piece;
/** The row that names the node where keys go on. */
export const nodeRowKey = (prefix: string, node: number, piece: string): string =>
  itemPrefix(prefix, node) + piece + goesOn;

const pieceAt = segmentPrefixLength + 1 + 8;
/** The piece of a row of either kind, with the byte behind it of one that goes on. */
export const pieceOf = (rowKey: string): string => rowKey.slice(pieceAt);
export const isNodeRow = (rowKey: string): boolean => rowKey.length > pieceAt + pieceBytes;

/** The node of a row of either kind. */
export const nodeOf = (rowKey: string): number => u64At(rowKey, segmentPrefixLength + 1);
/** Bytes of a key that stand in its own node. */
export const keyLengthWithin = (rowKey: string): number => rowKey.length - pieceAt;

export const cacheCountersKey = (prefix: string): string => `${prefix}b`;
export const fenceCountsKey = (prefix: string): string => `${prefix}a`;
export const fenceKey = (prefix: string, hash: string): string => `${prefix}f${hash}`;

/** The order of ends: of the row at `rowKey`, without what all rows of items have in front. */
export const itemDueKey = (prefix: string, at: EpochMs, itemRowKey: string): string =>
  `${prefix}j${u64Text(at)}${itemRowKey.slice(segmentPrefixLength + 1)}`;
const dueRestAt = segmentPrefixLength + 1 + 8;
export const dueTimeOf = (dueKey: string): EpochMs =>
  u64At(dueKey, segmentPrefixLength + 1) as EpochMs;
/** The key of an item in the first node. */
export const dueKeyText = (dueKey: string): CacheKey => dueKey.slice(dueRestAt + 8) as CacheKey;

/** A value that stands apart from the item at `itemRowKey`. */
export const valueKey = (prefix: string, writtenAs: Version, itemRowKey: string): string =>
  `${prefix}v${u64Text(writtenAs)}${itemRowKey.slice(segmentPrefixLength + 1)}`;

/** A node of one of a collection's orders. */
export const treeNodeKey = (
  prefix: string,
  {
    root,
    order,
    number,
  }: { readonly root: number; readonly order: number; readonly number: number },
): string => `${prefix}w${u64Text(root)}${String.fromCharCode(order)}${u64Text(number)}`;

/** A long value of an entry. */
export const entryValueKey = (prefix: string, root: number, apart: number): string =>
  `${prefix}z${u64Text(root)}${u64Text(apart)}`;

/** The collection that a node, or a long value of an entry, is of. */
export const rootOf = (rowKey: string): number => u64At(rowKey, segmentPrefixLength + 1);
/** Which of the collection's orders a node is of. */
export const orderOf = (nodeKey: string): number => nodeKey.charCodeAt(segmentPrefixLength + 9);
/** The number of a node, which is 0 for the first. */
export const nodeNumberOf = (nodeKey: string): number => u64At(nodeKey, segmentPrefixLength + 10);
export const apartOf = (valueRowKey: string): number => u64At(valueRowKey, segmentPrefixLength + 9);

/** About the whole store. */
export const cacheKey = (namespace: string, name: string): string => `\xa0${namespace}\x00${name}`;
export const cacheCountKey = (namespace: string): string => `\xa1${namespace}`;
export const dueCacheByte = "\xa2";
export const dueCacheKey = (at: EpochMs, slot: number, segment: number): string =>
  `${dueCacheByte}${u64Text(at)}${segmentPrefix(slot, segment)}`;

/** Caches that have fences. */
export const fencedCacheByte = "\xa3";
export const fencedCacheKey = (slot: number, segment: number): string =>
  fencedCacheByte + segmentPrefix(slot, segment);

/** Collections that no key has any more, and whose rows are still to be removed. */
export const lostCollectionByte = "\xa4";
export const lostCollectionKey = (prefix: string, root: number): string =>
  lostCollectionByte + prefix + u64Text(root);
