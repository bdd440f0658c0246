// What is decided and not yet committed: an ordered map of rows over the store.
//
// A later decision reads through it, so a batch of commands sees each other's effects long before the disk does. Each entry
// knows the record it will be committed with. While a decision runs, a journal keeps what its writes replaced, so that a
// rejected command leaves no trace. Entries go when their record is committed; a read then finds the same row in the store.

import { assert } from "../base/assert.js";
import { tableLetters } from "../store/keys.js";
import type { RowChange } from "../store/store.js";
import type { Table } from "../store/tables.js";

export interface OverlayEntry {
  readonly key: string;
  // Rows are opaque here: table and row were paired by a typed `put`.
  readonly table: Table<unknown>;
  /** Undefined: removed. */
  readonly row: unknown;
  /** The record that will commit it. */
  readonly record: number;
  /** True when the store has no row at this key and never had one. */
  readonly isInsert: boolean;
  readonly mayReplaceChunks: boolean;
}

// Keys of a segment share their first 10 bytes and have the table's letter at 10; others have their table at 0. Members of a
// message group are read one group at a time, so each group is an order of its own: new ones then come at its end.
function groupOf(key: string): string {
  if (key.charCodeAt(0) >= 0x80) return key[0] ?? "";
  return key[10] === memberLetter ? key.slice(0, key.indexOf("\x00", 11)) : key.slice(0, 11);
}

const memberLetter = tableLetters.member;

export class Overlay {
  readonly #entries = new Map<string, OverlayEntry>();
  /** Live keys of ordered tables, in order; may also hold keys whose entry has gone, until the next commit. */
  readonly #order = new Map<string, string[]>();
  /** Orders that may hold keys whose entry has gone. */
  readonly #stale = new Set<string>();
  /** The keys that the running decision wrote, in order, and what stood there before. */
  #writtenKeys: string[] = [];
  #previous: (OverlayEntry | undefined)[] = [];
  /** How often changes of a table were undone, by its name; and how often those of all tables were. */
  readonly #undone = new Map<string, number>();
  #clears = 0;

  get size(): number {
    return this.#entries.size;
  }

  find(key: string): OverlayEntry | undefined {
    return this.#entries.get(key);
  }

  set(entry: OverlayEntry): void {
    const { key } = entry;
    const previous = this.#entries.get(key);
    this.#writtenKeys.push(key);
    this.#previous.push(previous);
    // A row made and removed within one record never reaches the store.
    if (
      entry.row === undefined &&
      previous?.isInsert === true &&
      previous.record === entry.record
    ) {
      this.#forget(key, previous);
      return;
    }
    // What stands in the store is what the record's first change of the key replaces.
    const replacesChunks = previous?.record === entry.record && previous.mayReplaceChunks;
    this.#entries.set(
      key,
      replacesChunks && !entry.mayReplaceChunks ? { ...entry, mayReplaceChunks: true } : entry,
    );
    if (entry.table.isOrdered && entry.row !== undefined && previous?.row === undefined)
      this.#insertOrdered(key);
  }

  #forget(key: string, { table }: OverlayEntry): void {
    this.#entries.delete(key);
    if (table.isOrdered) this.#stale.add(groupOf(key));
  }

  #insertOrdered(key: string): void {
    const group = groupOf(key);
    const keys = this.#order.get(group);
    if (keys === undefined) {
      this.#order.set(group, [key]);
      return;
    }
    const last = keys[keys.length - 1];
    if (last === undefined || last < key) {
      keys.push(key); // by far the usual case: places and deadlines grow
      return;
    }
    const at = lowerBound(keys, key);
    if (keys[at] !== key) keys.splice(at, 0, key);
  }

  /** Live entries from `from` (inclusive) to `to` (exclusive), both of one table. */
  *entries(from: string, to: string): Iterable<OverlayEntry> {
    const keys = this.#order.get(groupOf(from));
    if (keys === undefined) return;
    for (let at = lowerBound(keys, from); at < keys.length; at += 1) {
      const key = keys[at] as string;
      if (key >= to) return;
      const entry = this.#entries.get(key);
      if (entry !== undefined && entry.row !== undefined) yield entry;
    }
  }

  /** As `entries`, from the last to the first. */
  *entriesReversed(from: string, to: string): Iterable<OverlayEntry> {
    const keys = this.#order.get(groupOf(from));
    if (keys === undefined) return;
    for (let at = lowerBound(keys, to) - 1; at >= 0; at -= 1) {
      const key = keys[at] as string;
      if (key < from) return;
      const entry = this.#entries.get(key);
      if (entry !== undefined && entry.row !== undefined) yield entry;
    }
  }

  /** Keeps what the decision wrote; returns whether it wrote anything. */
  keep(): boolean {
    const hasWritten = this.#writtenKeys.length > 0;
    if (hasWritten) this.#endJournal();
    return hasWritten;
  }

  /** Undoes everything since the last `keep`. */
  rollBack(): void {
    this.undoTo(0);
    this.#endJournal();
  }

  /** A place in what the running decision writes, to go back to. */
  get mark(): number {
    return this.#writtenKeys.length;
  }

  /** Undoes what the running decision wrote since it was at this mark. */
  undoTo(mark: number): void {
    for (let at = this.#writtenKeys.length - 1; at >= mark; at -= 1) {
      const key = this.#writtenKeys[at] as string;
      const previous = this.#previous[at];
      const entry = this.#entries.get(key);
      const table = (entry ?? previous)?.table.name;
      if (table !== undefined) this.#undone.set(table, (this.#undone.get(table) ?? 0) + 1);
      if (previous !== undefined) this.#restore(previous);
      else if (entry !== undefined) this.#forget(key, entry);
    }
    this.#writtenKeys.length = mark;
    this.#previous.length = mark;
  }

  undoneCount(table: string): number {
    return (this.#undone.get(table) ?? 0) + this.#clears;
  }

  #endJournal(): void {
    this.#writtenKeys = [];
    this.#previous = [];
  }

  #restore(entry: OverlayEntry): void {
    this.#entries.set(entry.key, entry);
    if (entry.table.isOrdered && entry.row !== undefined) this.#insertOrdered(entry.key);
  }

  /** The changes of a record, encoded. */
  changesOf(record: number): RowChange[] {
    const changes: RowChange[] = [];
    for (const { key, table, row, record: of, mayReplaceChunks } of this.#entries.values()) {
      if (of !== record) continue;
      changes.push({
        key,
        framed: row === undefined ? undefined : table.encode(row),
        mayReplaceChunks,
      });
    }
    return changes;
  }

  /** Forgets what a committed record wrote, save what a later one wrote again. `committed` sees each. */
  drop(record: number, committed: (entry: OverlayEntry) => void): void {
    assert(this.#writtenKeys.length === 0, "no decision runs while a record ends");
    for (const entry of this.#entries.values()) {
      if (entry.record !== record) continue;
      this.#forget(entry.key, entry);
      committed(entry);
    }
    for (const group of this.#stale) this.#sweepOrder(group);
    this.#stale.clear();
  }

  clear(): void {
    this.#clears += 1;
    this.#entries.clear();
    this.#order.clear();
    this.#stale.clear();
    this.#endJournal();
  }

  #sweepOrder(group: string): void {
    const keys = this.#order.get(group);
    if (keys === undefined) return;
    const live = keys.filter((key) => this.#entries.get(key)?.row !== undefined);
    if (live.length === 0) this.#order.delete(group);
    else this.#order.set(group, live);
  }
}

/** The first index whose key is at or after `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
