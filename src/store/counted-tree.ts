// The entries of a collection in one order: a tree of rows of about a kilobyte, each of which counts what is below it.
//
// The first node always has the number 0, so that whoever knows the collection finds it; it grows by handing its content to two new
// nodes, and shrinks by taking in its only child. A node is split where it is too long, and joined with a neighbour where both are
// short. One that is added to at its end keeps what it has: what comes in order fills its nodes.

import { assert } from "../base/assert.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import {
  type Entry,
  type EntryKey,
  type EntryTree,
  type EntryValue,
  entryBytes,
  type Placed,
} from "../cache/collections/entries.js";
import { entryValueKey, treeNodeKey } from "./cache-keys.js";
import { type Child, nodeBytes, partBytes, type TreeNode } from "./counted-rows.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";

/** A longer node is split, unless it has fewer parts than this. */
const splitBytes = 1_200;
const partsMin = 4;
/** No node is longer, whatever it has: a row has to fit one value. */
const bytesMax = 3_600;
/** Shorter nodes are joined with a neighbour, if both together are not longer than this. */
const smallBytes = 300;
const joinedBytes = 900;
/** Longer values stand apart. */
const inlineBytesMax = 512;

/** Of one order of one collection. */
export interface TreePlace {
  /** Of the segment. */
  readonly prefix: string;
  readonly root: number;
  /** Which of the collection's orders. */
  readonly order: number;
}

const first = 0;
const emptyLeaf: TreeNode = { kind: "leaf", entries: [] };

/** A branch on the way to a leaf, and the child that was taken. */
interface Step {
  readonly number: number;
  readonly children: readonly Child[];
  readonly at: number;
}

interface Reached {
  readonly way: readonly Step[];
  readonly number: number;
  readonly entries: readonly Entry[];
  /** In the leaf. */
  readonly at: number;
  /** In the whole order. */
  readonly index: number;
}

export class CountedTree implements EntryTree {
  readonly #rows: RowAccess;
  readonly #place: TreePlace;
  readonly #newNumber: () => number;

  /** `newNumber` makes one that no node and no value apart ever had. */
  constructor(rows: RowAccess, place: TreePlace, newNumber: () => number) {
    this.#rows = rows;
    this.#place = place;
    this.#newNumber = newNumber;
  }

  // --- looking --------------------------------------------------------------------------------------------------------------

  get length(): number {
    return countOf(this.#node(first));
  }

  find(key: EntryKey): Placed | undefined {
    const { entries, at, index } = this.#reach(key);
    const entry = entries[at];
    return entry?.key === key ? { index, entry } : undefined;
  }

  countBelow(key: EntryKey): number {
    return this.#reach(key).index;
  }

  at(index: number): Entry | undefined {
    if (index < 0) return undefined;
    const { entries, at } = this.#reachIndex(index);
    return entries[at];
  }

  *walk(from: number, isReversed = false): Iterable<Entry> {
    if (from < 0) return;
    yield* this.#walkNode(first, from, isReversed);
  }

  *#walkNode(number: number, from: number, isReversed: boolean): Iterable<Entry> {
    const node = this.#node(number);
    if (node.kind === "leaf") {
      yield* isReversed ? node.entries.slice(0, from + 1).reverse() : node.entries.slice(from);
      return;
    }
    let start = 0;
    const reached: { readonly child: number; readonly from: number }[] = [];
    for (const { node: child, count } of node.children) {
      const within = from - start;
      if (isReversed ? within >= 0 : within < count) {
        reached.push({ child, from: Math.max(0, within) });
      }
      start += count;
    }
    if (isReversed) reached.reverse();
    for (const { child, from: within } of reached) yield* this.#walkNode(child, within, isReversed);
  }

  bytesOf({ bytes, apart }: EntryValue): Buffer | undefined {
    return bytes ?? this.#rows.getReadable(tables.entryValue, this.#valueKey(apart));
  }

  /** Where a key stands, or would. */
  #reach(key: EntryKey): Reached {
    const way: Step[] = [];
    let number: number = first;
    let index = 0;
    for (;;) {
      const node = this.#node(number);
      if (node.kind === "leaf") {
        const at = lowerBound(node.entries, key);
        return { way, number, entries: node.entries, at, index: index + at };
      }
      const { children } = node;
      const at = lastFrom(children, key);
      for (let before = 0; before < at; before += 1) index += children[before]?.count ?? 0;
      way.push({ number, children, at });
      number = childAt(children, at).node;
    }
  }

  /** The entry at a place; behind the last one, the end of the last leaf. */
  #reachIndex(index: number): Reached {
    const way: Step[] = [];
    let number: number = first;
    let left = index;
    for (;;) {
      const node = this.#node(number);
      if (node.kind === "leaf") return { way, number, entries: node.entries, at: left, index };
      const { children } = node;
      let at = 0;
      for (; at < children.length - 1; at += 1) {
        const { count } = childAt(children, at);
        if (left < count) break;
        left -= count;
      }
      way.push({ number, children, at });
      number = childAt(children, at).node;
    }
  }

  // --- changing -------------------------------------------------------------------------------------------------------------

  put(entry: Entry): Entry | undefined {
    const reached = this.#reach(entry.key);
    const before = reached.entries[reached.at];
    const replaced = before?.key === entry.key ? before : undefined;
    this.#splice(reached, replaced === undefined ? 0 : 1, [entry]);
    return replaced;
  }

  remove(key: EntryKey): Entry | undefined {
    const reached = this.#reach(key);
    const before = reached.entries[reached.at];
    if (before?.key !== key) return undefined;
    this.#splice(reached, 1, []);
    return before;
  }

  insertAt(index: number, entry: Entry): void {
    this.#splice(this.#reachIndex(index), 0, [entry]);
  }

  replaceAt(index: number, entry: Entry): void {
    const reached = this.#reachIndex(index);
    assert(reached.at < reached.entries.length, "only what is there is replaced");
    this.#splice(reached, 1, [entry]);
  }

  removeRange(from: number, to: number): number {
    let bytes = 0;
    for (let left = to - from; left > 0; ) {
      const reached = this.#reachIndex(from);
      const removed = reached.entries.slice(reached.at, reached.at + left);
      if (removed.length === 0) break;
      for (const entry of removed) bytes += entryBytes(entry);
      this.#splice(reached, removed.length, []);
      left -= removed.length;
    }
    return bytes;
  }

  /** Removes up to so many rows of it, whatever they have; says how many there were. */
  dropRows(limit: number): number {
    return this.#rows.getReadable(tables.treeNode, this.#key(first)) === undefined
      ? 0
      : this.#dropNode(first, limit);
  }

  #dropNode(number: number, limit: number): number {
    const node = this.#rows.getReadable(tables.treeNode, this.#key(number));
    let dropped = 0;
    if (node?.kind === "leaf") {
      for (const { value } of node.entries) dropped += this.#dropValue(value);
    } else if (node !== undefined) {
      const children = [...node.children];
      for (let last = children.at(-1); last !== undefined; last = children.at(-1)) {
        if (dropped >= limit) {
          this.#rows.put(tables.treeNode, this.#key(number), { kind: "branch", children });
          return dropped;
        }
        dropped += this.#dropNode(last.node, limit - dropped);
        // What of it is left, if anything is, is dropped first the next time.
        if (this.#rows.getReadable(tables.treeNode, this.#key(last.node)) === undefined)
          children.pop();
      }
    }
    this.#rows.remove(tables.treeNode, this.#key(number), false);
    return dropped + 1;
  }

  /** Puts entries in the place of so many of a leaf, and all that follows from it in the nodes above. */
  #splice(reached: Reached, count: number, added: readonly Entry[]): void {
    const { way, number, entries, at } = reached;
    for (const { value } of entries.slice(at, at + count)) this.#dropValue(value);
    const stored = added.map((entry) => this.#storedApart(entry));
    const isAtEnd = at === entries.length;
    const isAtStart = at === 0 && count === 0;
    let edge: Edge = isAtEnd ? "end" : isAtStart ? "start" : undefined;
    let current: { number: number; node: TreeNode } = {
      number,
      node: { kind: "leaf", entries: replaced(entries, at, at + count, stored) },
    };
    const isShrinking = added.length < count;
    for (const step of [...way].reverse()) {
      const joined = isShrinking ? this.#joined(step, current.node) : undefined;
      const from = joined?.from ?? step.at;
      const to = joined?.to ?? step.at + 1;
      const made = this.#settle(
        joined?.number ?? current.number,
        joined?.node ?? current.node,
        edge,
      );
      const children = replaced(step.children, from, to, made);
      current = { number: step.number, node: { kind: "branch", children } };
      const outermost = edge === "end" ? step.children.length - 1 : 0;
      if (step.at !== outermost) edge = undefined;
    }
    this.#settleFirst(current.node, edge);
  }

  /** A node that became short, with its neighbour; undefined: it stays alone. */
  #joined(
    { children, at }: Step,
    node: TreeNode,
  ):
    | {
        readonly number: number;
        readonly node: TreeNode;
        readonly from: number;
        readonly to: number;
      }
    | undefined {
    const bytes = nodeBytes(node);
    if (bytes >= smallBytes || children.length < 2) return undefined;
    const from = at === children.length - 1 ? at - 1 : at;
    const [left, right] = [childAt(children, from), childAt(children, from + 1)];
    const other = this.#node(from === at ? right.node : left.node);
    if (bytes + nodeBytes(other) > joinedBytes) return undefined;
    const joined = from === at ? concatenated(node, other) : concatenated(other, node);
    this.#rows.remove(tables.treeNode, this.#key(right.node), false);
    return { number: left.node, node: joined, from, to: from + 2 };
  }

  /** Writes a node, in two where it is too long; answers with what its parent is to have for it. */
  #settle(number: number, node: TreeNode, edge: Edge): readonly Child[] {
    if (lengthOf(node) === 0) {
      this.#rows.remove(tables.treeNode, this.#key(number), false);
      return [];
    }
    if (!isTooLong(node)) return [this.#write(number, node)];
    const [left, right] = split(node, edge);
    return [this.#write(number, left), this.#write(this.#newNumber(), right)];
  }

  #settleFirst(node: TreeNode, edge: Edge): void {
    if (lengthOf(node) === 0) {
      this.#rows.remove(tables.treeNode, this.#key(first), false);
      return;
    }
    let shown = node;
    while (shown.kind === "branch" && shown.children.length === 1) {
      const { node: only } = childAt(shown.children, 0);
      shown = this.#node(only);
      this.#rows.remove(tables.treeNode, this.#key(only), false);
    }
    if (!isTooLong(shown)) {
      this.#write(first, shown);
      return;
    }
    const children = split(shown, edge).map((half) => this.#write(this.#newNumber(), half));
    this.#write(first, { kind: "branch", children });
  }

  #write(number: number, node: TreeNode): Child {
    this.#rows.put(tables.treeNode, this.#key(number), node);
    return { node: number, count: countOf(node), first: firstKeyOf(node) };
  }

  /** A row that cannot be read is not passed over: an order that lacks a part says what is not so. */
  #node(number: number): TreeNode {
    const key = this.#key(number);
    const node = this.#rows.get(tables.treeNode, key);
    if (node !== undefined) return node;
    if (number !== first) throw new RecordCorrupt(key, "a node that another names is not there");
    return emptyLeaf;
  }

  #storedApart(entry: Entry): Entry {
    const { value } = entry;
    if (value?.bytes === undefined || value.length <= inlineBytesMax) return entry;
    const apart = this.#newNumber();
    this.#rows.insert(tables.entryValue, this.#valueKey(apart), value.bytes);
    return { ...entry, value: { ...value, bytes: undefined, apart } };
  }

  /** Says how many rows it had. */
  #dropValue(value: EntryValue | undefined): number {
    if (value === undefined || value.apart === 0) return 0;
    this.#rows.remove(tables.entryValue, this.#valueKey(value.apart), true);
    return 1;
  }

  #key(number: number): string {
    const { prefix, root, order } = this.#place;
    return treeNodeKey(prefix, { root, order, number });
  }

  #valueKey(apart: number): string {
    const { prefix, root } = this.#place;
    return entryValueKey(prefix, root, apart);
  }
}

/** A copy with others in the place of some: what is written stays as it is for whoever reads it. */
function replaced<Part>(
  parts: readonly Part[],
  from: number,
  to: number,
  others: readonly Part[],
): readonly Part[] {
  const copy = parts.slice();
  copy.splice(from, to - from, ...others);
  return copy;
}

/** Where a node was added to, if that was at one of its ends. */
type Edge = "start" | "end" | undefined;

const countOf = (node: TreeNode): number =>
  node.kind === "leaf"
    ? node.entries.length
    : node.children.reduce((count, child) => count + child.count, 0);

const lengthOf = (node: TreeNode): number =>
  node.kind === "leaf" ? node.entries.length : node.children.length;

const firstKeyOf = (node: TreeNode): EntryKey =>
  (node.kind === "leaf" ? node.entries[0]?.key : node.children[0]?.first) ?? "";

function isTooLong(node: TreeNode): boolean {
  const bytes = nodeBytes(node);
  return bytes > bytesMax || (bytes > splitBytes && lengthOf(node) >= partsMin);
}

function childAt(children: readonly Child[], at: number): Child {
  const child = children[at];
  assert(child !== undefined, "a branch has a child for every key");
  return child;
}

const concatenated = (left: TreeNode, right: TreeNode): TreeNode => {
  if (left.kind === "leaf" && right.kind === "leaf") {
    return { kind: "leaf", entries: [...left.entries, ...right.entries] };
  }
  assert(left.kind === "branch" && right.kind === "branch", "neighbours are of one level");
  return { kind: "branch", children: [...left.children, ...right.children] };
};

/** In halves of about as many bytes; one that was added to at an end parts with what is there. */
function split(node: TreeNode, edge: Edge): readonly [TreeNode, TreeNode] {
  const at = splitPoint(node, edge);
  return node.kind === "leaf"
    ? [
        { kind: "leaf", entries: node.entries.slice(0, at) },
        { kind: "leaf", entries: node.entries.slice(at) },
      ]
    : [
        { kind: "branch", children: node.children.slice(0, at) },
        { kind: "branch", children: node.children.slice(at) },
      ];
}

function splitPoint(node: TreeNode, edge: Edge): number {
  const parts = node.kind === "leaf" ? node.entries : node.children;
  const all = nodeBytes(node);
  if (edge === "end" && all - partBytes(parts.at(-1)) <= bytesMax) return parts.length - 1;
  if (edge === "start" && all - partBytes(parts[0]) <= bytesMax) return 1;
  let left = 0;
  let best = 1;
  let bestLonger = Number.POSITIVE_INFINITY;
  for (let at = 1; at < parts.length; at += 1) {
    left += partBytes(parts[at - 1]);
    const longer = Math.max(left, all - left);
    if (longer >= bestLonger) break;
    best = at;
    bestLonger = longer;
  }
  return best;
}

/** The first entry whose key is not lower. */
function lowerBound(entries: readonly Entry[], key: EntryKey): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as Entry).key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last child that begins with no higher key, or the first. */
function lastFrom(children: readonly Child[], key: EntryKey): number {
  let low = 0;
  let high = children.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((children[middle] as Child).first <= key) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
