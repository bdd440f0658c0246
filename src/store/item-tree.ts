// Where the rows of a cache's keys stand: the tree of pieces that `cache-keys.ts` describes, which keeps keys of any length in their
// byte order. Nodes are numbered over the whole store and go with the last row in them.

import type { CacheKey } from "../base/brands.js";
import type { KeyRange } from "../cache/view.js";
import {
  firstNode,
  isNodeRow,
  itemKey,
  itemPrefix,
  nodeRowKey,
  pieceBytes,
  pieceOf,
} from "./cache-keys.js";
import type { ItemRow } from "./cache-rows.js";
import { nodeKey } from "./keys.js";
import type { KeyedRow, RowAccess } from "./row-access.js";
import { tables } from "./tables.js";

/** Of the last node that was numbered. */
const lastNodeKey = nodeKey("cache node");

/** A key and its row. */
export interface TreeRow {
  readonly key: CacheKey;
  readonly rowKey: string;
  readonly row: Extract<ItemRow, { kind: "item" }>;
}

export class ItemTree {
  readonly #rows: RowAccess;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  /** The row of a key; undefined: no key that begins as it does is that long. */
  find(prefix: string, key: CacheKey): string | undefined {
    if (key.length <= pieceBytes) return itemKey(prefix, firstNode, key);
    let node: number = firstNode;
    let at = 0;
    for (; key.length - at > pieceBytes; at += pieceBytes) {
      const row = this.#nodeRow(nodeRowKey(prefix, node, key.slice(at, at + pieceBytes)));
      if (row === undefined) return undefined;
      node = row.node;
    }
    return itemKey(prefix, node, key.slice(at));
  }

  /** The row of a key that had none, with the nodes on the way to it. */
  make(prefix: string, key: CacheKey): string {
    let node: number = firstNode;
    let at = 0;
    for (; key.length - at > pieceBytes; at += pieceBytes) {
      const rowKey = nodeRowKey(prefix, node, key.slice(at, at + pieceBytes));
      const row = this.#nodeRow(rowKey);
      const next = row?.node ?? this.newNode();
      // A node on the way counts one more row only if that row is new: the last one's is the key's, an earlier one's a node's.
      const isLast = key.length - at - pieceBytes <= pieceBytes;
      const nextPiece = key.slice(at + pieceBytes, at + 2 * pieceBytes);
      const isRowNew = isLast || this.#nodeRow(nodeRowKey(prefix, next, nextPiece)) === undefined;
      const rows = (row?.rows ?? 0) + (isRowNew ? 1 : 0);
      this.#rows.put(tables.item, rowKey, { kind: "node", node: next, rows }, false);
      node = next;
    }
    return itemKey(prefix, node, key.slice(at));
  }

  /** A key's row has gone: so do the nodes that had nothing else. */
  prune(prefix: string, key: CacheKey): void {
    if (key.length <= pieceBytes) return;
    const way: string[] = [];
    let node: number = firstNode;
    for (let at = 0; key.length - at > pieceBytes; at += pieceBytes) {
      const rowKey = nodeRowKey(prefix, node, key.slice(at, at + pieceBytes));
      way.push(rowKey);
      node = this.#nodeRow(rowKey)?.node ?? node;
    }
    for (const rowKey of way.reverse()) {
      const row = this.#nodeRow(rowKey);
      if (row === undefined) return;
      if (row.rows > 1) {
        this.#rows.put(tables.item, rowKey, { ...row, rows: row.rows - 1 }, false);
        return;
      }
      this.#rows.remove(tables.item, rowKey, false);
    }
  }

  /** Nothing may be written while it is consumed. */
  *walk(prefix: string, range: KeyRange): Iterable<TreeRow> {
    yield* this.#walkNode(prefix, firstNode, "", range);
  }

  /** What of a range stands in a node whose keys all begin with `base`, which the range's prefix does not contradict. */
  *#walkNode(prefix: string, node: number, base: string, range: KeyRange): Iterable<TreeRow> {
    const { isReversed } = range;
    const within = range.prefix.slice(base.length);
    const last = lastWithin(range.after, base, isReversed);
    if (last === "none") return;
    const first = itemPrefix(prefix, node);
    const rest = within.slice(0, pieceBytes);
    const bounds = {
      from: first + rest,
      to: rest === "" ? itemPrefix(prefix, node + 1) : behind(first, rest, prefix, node),
    };
    if (last !== undefined) {
      const piece = last.slice(0, pieceBytes);
      if (isReversed) bounds.to = lower(bounds.to, `${first + piece}\x02`);
      else bounds.from = higher(bounds.from, first + piece);
    }
    if (bounds.from >= bounds.to) return;
    for (const { key: rowKey, row } of this.#range(bounds.from, bounds.to, isReversed)) {
      const piece = pieceOf(rowKey);
      if (row.kind === "node") {
        const longer = base + piece.slice(0, pieceBytes);
        if (longer.startsWith(range.prefix) || range.prefix.startsWith(longer)) {
          yield* this.#walkNode(prefix, row.node, longer, range);
        }
      } else if (piece.startsWith(within) && isBeyond(piece, last, isReversed)) {
        yield { key: (base + piece) as CacheKey, rowKey, row };
      }
    }
  }

  #range(from: string, to: string, isReversed: boolean): Iterable<KeyedRow<ItemRow>> {
    return isReversed
      ? this.#rows.rangeReversed(tables.item, from, to)
      : this.#rows.range(tables.item, from, to);
  }

  #nodeRow(rowKey: string): Extract<ItemRow, { kind: "node" }> | undefined {
    const row = isNodeRow(rowKey) ? this.#rows.getReadable(tables.item, rowKey) : undefined;
    return row?.kind === "node" ? row : undefined;
  }

  /** A number that nothing in the store ever had. */
  newNode(): number {
    const number = (this.#rows.get(tables.node, lastNodeKey) ?? firstNode) + 1;
    this.#rows.put(tables.node, lastNodeKey, number);
    return number;
  }
}

/**
 * What of the last key stands in a node with this base; undefined: it bounds nothing there; "none": everything there is on the wrong
 * side of it.
 */
function lastWithin(
  after: string | undefined,
  base: string,
  isReversed: boolean,
): string | "none" | undefined {
  if (after === undefined) return undefined;
  if (after.startsWith(base)) return after.slice(base.length);
  const isBaseBeyond = isReversed ? base < after : base > after;
  return isBaseBeyond ? undefined : "none";
}

const isBeyond = (piece: string, last: string | undefined, isReversed: boolean): boolean =>
  last === undefined || (isReversed ? piece < last : piece > last);

const lower = (left: string, right: string): string => (left < right ? left : right);
const higher = (left: string, right: string): string => (left > right ? left : right);

/** The first row key behind all rows whose pieces begin with this one. */
function behind(first: string, piece: string, prefix: string, node: number): string {
  const kept = piece.replace(/\xff+$/, "");
  if (kept === "") return itemPrefix(prefix, node + 1);
  return first + kept.slice(0, -1) + String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1);
}
