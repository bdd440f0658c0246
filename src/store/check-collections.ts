// The check of collections: each order of each one is a tree whose branches say what is below them, the orders have the same
// elements, and what its key's item says of it is so. What stands there of no key has to be of one that was lost.

import { crc32 } from "node:zlib";
import { type Entry, entryBytes, entryOrders } from "../cache/collections/entries.js";
import { instantKey } from "../cache/collections/order-keys.js";
import type { CollectionContent } from "../cache/model.js";
import { apartOf, lostCollectionKey, nodeNumberOf, orderOf, rootOf } from "./cache-keys.js";
import type { CheckWalk } from "./check-walk.js";
import type { TreeNode } from "./counted-rows.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

export interface CollectionsContext {
  readonly walk: CheckWalk;
  readonly prefix: string;
  /** Of the cache. */
  readonly name: string;
}

/** One order of a collection, gathered from nodes that come in the order of their numbers. */
interface OrderMet {
  /** What branches say of nodes, and what nodes are, by number. */
  readonly said: Map<number, string>;
  readonly met: Map<number, string>;
  entries: number;
  bytes: number;
  /** Over all keys, in whatever order they come. */
  sum: number;
  /** The same of what the other orders should have for these entries. */
  readonly ends: { count: number; sum: number; earliest: number };
  scoreSum: number;
}

const newOrder = (): OrderMet => ({
  said: new Map(),
  met: new Map(),
  entries: 0,
  bytes: 0,
  sum: 0,
  ends: { count: 0, sum: 0, earliest: Number.POSITIVE_INFINITY },
  scoreSum: 0,
});

const sumOf = (text: string): number => crc32(Buffer.from(text, "latin1"));

const plus = (sum: number, other: number): number => (sum + other) >>> 0;

export class CollectionsCheck {
  readonly #context: CollectionsContext;
  readonly #contents = new Map<number, CollectionContent>();
  readonly #seen = new Set<number>();
  readonly #apart = new Map<number, Set<number>>();
  #current: { readonly root: number; readonly orders: Map<number, OrderMet> } | undefined;
  #unreadableRoot: number | undefined;

  constructor(context: CollectionsContext) {
    this.#context = context;
  }

  /** A key has this one. */
  note(content: CollectionContent): void {
    const { root } = content;
    if (this.#contents.has(root)) this.#report(root, "Two keys have it.");
    this.#contents.set(root, content);
  }

  #report(root: number, sentence: string): void {
    const { walk, name } = this.#context;
    walk.report(`${name}, collection ${root}`, sentence);
  }

  visitNode(scanned: ScannedRow): void {
    const { walk, name } = this.#context;
    const root = rootOf(scanned.key);
    const { row } = walk.read(scanned, tables.treeNode, () => `${name}, collection ${root}`);
    if (this.#current?.root !== root) {
      this.#finishCurrent();
      this.#current = { root, orders: new Map() };
    }
    if (row === undefined) {
      this.#unreadableRoot = root;
      return;
    }
    const number = orderOf(scanned.key);
    const order = this.#current?.orders.get(number) ?? newOrder();
    this.#current?.orders.set(number, order);
    this.#gather(order, { root, number, node: nodeNumberOf(scanned.key), row });
  }

  #gather(
    order: OrderMet,
    at: {
      readonly root: number;
      readonly number: number;
      readonly node: number;
      readonly row: TreeNode;
    },
  ): void {
    const { root, number, node, row } = at;
    if (row.kind === "branch") {
      let below = 0;
      for (const { node: child, count, first } of row.children) {
        if (order.said.has(child)) this.#report(root, `Two branches name node ${child}.`);
        order.said.set(child, `${count} ${first}`);
        below += count;
      }
      order.met.set(node, `${below} ${row.children[0]?.first ?? ""}`);
      return;
    }
    order.met.set(node, `${row.entries.length} ${row.entries[0]?.key ?? ""}`);
    for (const entry of row.entries) this.#gatherEntry(order, root, entry);
    const content = this.#contents.get(root);
    // Of one that was lost nobody knows whether it was a list.
    const isKeyed = content !== undefined && (number > 0 || content.kind !== "list");
    const isSorted = row.entries.every(
      ({ key }, index) => index === 0 || (row.entries[index - 1]?.key ?? "") < key,
    );
    if (isKeyed && !isSorted) this.#report(root, `Node ${node} is not in order.`);
  }

  #gatherEntry(order: OrderMet, root: number, entry: Entry): void {
    const { key, value, expiresAt } = entry;
    order.entries += 1;
    order.bytes += entryBytes(entry);
    order.sum = plus(order.sum, sumOf(key));
    if (this.#contents.get(root)?.kind === "sorted_set") {
      order.scoreSum = plus(order.scoreSum, sumOf((value?.bytes?.toString("latin1") ?? "") + key));
    }
    if (expiresAt !== undefined) {
      order.ends.count += 1;
      order.ends.sum = plus(order.ends.sum, sumOf(instantKey(expiresAt) + key));
      order.ends.earliest = Math.min(order.ends.earliest, expiresAt);
    }
    if (value === undefined || value.apart === 0) return;
    const apart = this.#apart.get(root) ?? new Set();
    this.#apart.set(root, apart.add(value.apart));
  }

  #finishCurrent(): void {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    const { root, orders } = current;
    this.#seen.add(root);
    const content = this.#contents.get(root);
    if (content === undefined) {
      this.#checkLost(root);
      return;
    }
    if (this.#unreadableRoot === root) return;
    for (const order of orders.values()) this.#checkTree(root, order);
    const [main, score, end] = entryOrders.map((_name, at) => orders.get(at) ?? newOrder());
    if (main === undefined || score === undefined || end === undefined) return;
    if (main.entries !== content.length || main.bytes !== content.bytes) {
      const said = `${content.length} elements of ${content.bytes} bytes`;
      this.#report(root, `Its key says ${said}; there are ${main.entries} of ${main.bytes}.`);
    }
    if (end.entries !== main.ends.count || end.sum !== main.ends.sum) {
      this.#report(root, "Its order of ends is not that of its elements.");
    }
    const earliest = content.dueAt ?? Number.POSITIVE_INFINITY;
    if (earliest !== main.ends.earliest) {
      this.#report(root, "Its key does not say when the first of its elements ends.");
    }
    const isScored = content.kind === "sorted_set";
    if (score.entries !== (isScored ? main.entries : 0) || score.sum !== main.scoreSum) {
      this.#report(root, "Its order of scores is not that of its elements.");
    }
  }

  #checkTree(root: number, { said, met }: OrderMet): void {
    for (const [node, is] of met) {
      if (node === 0) continue;
      if (said.get(node) !== is) this.#report(root, `Node ${node} is not as a branch says.`);
    }
    for (const node of said.keys()) {
      if (!met.has(node)) this.#report(root, `Node ${node} is not there.`);
    }
  }

  #checkLost(root: number): void {
    const { walk, prefix } = this.#context;
    if (walk.find(tables.lostCollection, lostCollectionKey(prefix, root)) === undefined) {
      this.#report(root, "No key has it, and no row says that it was lost.");
    }
  }

  visitValue(scanned: ScannedRow): void {
    this.#finishCurrent();
    const { walk, name } = this.#context;
    const root = rootOf(scanned.key);
    if (scanned.kind === "corrupt") {
      walk.read(scanned, tables.entryValue, () => `${name}, collection ${root}`);
    }
    const content = this.#contents.get(root);
    if (content === undefined) {
      if (!this.#seen.has(root)) this.#checkLost(root);
      return;
    }
    if (this.#apart.get(root)?.delete(apartOf(scanned.key)) === true) return;
    if (this.#unreadableRoot !== root) {
      this.#report(root, "It has a long value that none of its elements names.");
    }
  }

  finish(): void {
    this.#finishCurrent();
    for (const root of this.#contents.keys()) {
      if (!this.#seen.has(root)) this.#report(root, "A key has it, and it has no rows.");
    }
    for (const [root, apart] of this.#apart) {
      if (apart.size > 0 && this.#contents.has(root)) {
        this.#report(root, "A long value of one of its elements is not there.");
      }
    }
  }
}
