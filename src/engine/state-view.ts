// The state as a decision sees it: committed rows of the store with the overlay on top. Rows of cached tables (queues and
// counters: few, read by every command) are kept decoded, bounded, and dropped whenever they could be stale.

import { assert } from "../base/assert.js";
import type { WaitPlace } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { orPassOver } from "../store/frames.js";
import type { KeyedRow, RowAccess, RowHead } from "../store/row-access.js";
import type { Store } from "../store/store.js";
import type { HeadedTable, Table } from "../store/tables.js";
import { Overlay, type OverlayEntry } from "./overlay.js";

/** Decoded rows kept, of queues, counters and groups: some 500 bytes each, up to 77 KB for a queue with 50 long tags. */
const cachedRowsMax = 20_000;

export class StateView implements RowAccess {
  readonly overlay = new Overlay();
  /** Queues whose waiters should look again, recorded by the running decision. */
  readonly woken = new Set<WaitPlace>();
  readonly #store: Store;
  readonly #cache = new Map<string, unknown>();
  #record = 1;
  #seenRecord = 0;

  readonly #passOver: (corrupt: RecordCorrupt) => void;

  /** `passOver` is told of rows that cannot be read; without it they are thrown. */
  constructor(store: Store, passOver: (corrupt: RecordCorrupt) => void = rethrow) {
    this.#store = store;
    this.#passOver = passOver;
  }

  /** The latest record that a row read since `lookAfresh` is to be committed with; 0: all of them are. */
  get seenRecord(): number {
    return this.#seenRecord;
  }

  /** A decision begins. */
  lookAfresh(): void {
    this.#seenRecord = 0;
  }

  #find(key: string): OverlayEntry | undefined {
    const entry = this.overlay.find(key);
    if (entry !== undefined) this.#see(entry);
    return entry;
  }

  #see({ record }: OverlayEntry): void {
    if (record > this.#seenRecord) this.#seenRecord = record;
  }

  /** The record that takes what is decided now. */
  get record(): number {
    return this.#record;
  }

  /** What is decided from now on goes into the next record. */
  closeRecord(): number {
    this.#record += 1;
    return this.#record - 1;
  }

  get<Row>(table: Table<Row>, key: string): Row | undefined {
    const entry = this.#find(key);
    if (entry !== undefined) return entry.row as Row | undefined;
    if (!table.isCached) {
      const bytes = this.#store.get(key);
      return bytes === undefined ? undefined : table.decode(key, bytes);
    }
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached as Row;
    const bytes = this.#store.get(key);
    if (bytes === undefined) return undefined;
    const row = table.decode(key, bytes);
    this.#remember(key, row);
    return row;
  }

  getReadable<Row>(table: Table<Row>, key: string): Row | undefined {
    try {
      return this.get(table, key);
    } catch (error) {
      if (!(error instanceof RecordCorrupt)) throw error;
      this.#passOver(error);
      return undefined;
    }
  }

  *range<Row>(table: Table<Row>, from: string, to: string): Iterable<KeyedRow<Row>> {
    assert(table.isOrdered, "only ordered tables are read as ranges");
    yield* this.#merge(
      this.#store.range(from, to, this.#passOver),
      this.overlay.entries(from, to),
      ({ key, bytes }) => ({ key, row: table.decode(key, bytes) }),
      ({ key, row }) => ({ key, row: row as Row }),
    );
  }

  *rangeReversed<Row>(table: Table<Row>, from: string, to: string): Iterable<KeyedRow<Row>> {
    assert(table.isOrdered, "only ordered tables are read as ranges");
    yield* this.#merge(
      this.#store.rangeReversed(from, to, this.#passOver),
      this.overlay.entriesReversed(from, to),
      ({ key, bytes }) => ({ key, row: table.decode(key, bytes) }),
      ({ key, row }) => ({ key, row: row as Row }),
      (key, other) => key > other,
    );
  }

  *heads<Row extends Head, Head>(
    table: HeadedTable<Row, Head>,
    from: string,
    to: string,
  ): Iterable<RowHead<Row, Head>> {
    assert(table.isOrdered, "only ordered tables are read as ranges");
    yield* this.#merge(
      this.#store.heads(from, to, this.#passOver),
      this.overlay.entries(from, to),
      ({ key, bytes, isWhole }) => {
        if (!isWhole) return { head: table.decodeHead(key, bytes), row: undefined };
        const row = table.decode(key, bytes);
        return { head: row, row };
      },
      ({ row }) => ({ head: row as Row, row: row as Row }),
    );
  }

  /** Stored rows and uncommitted ones in one order, the uncommitted winning. */
  *#merge<Stored extends { readonly key: string }, Result>(
    stored: Iterable<Stored>,
    entries: Iterable<OverlayEntry>,
    ofStored: (stored: Stored) => Result,
    ofEntry: (entry: OverlayEntry) => Result,
    isBefore: (key: string, other: string) => boolean = inKeyOrder,
  ): Iterable<Result> {
    const uncommitted = entries[Symbol.iterator]();
    let next = uncommitted.next();
    for (const candidate of stored) {
      const { key } = candidate;
      while (next.done !== true && isBefore(next.value.key, key)) {
        this.#see(next.value);
        yield ofEntry(next.value);
        next = uncommitted.next();
      }
      if (next.done !== true && next.value.key === key) {
        this.#see(next.value);
        yield ofEntry(next.value);
        next = uncommitted.next();
      } else if (this.#find(key) === undefined) {
        const result = orPassOver(this.#passOver, () => ofStored(candidate));
        if (result !== undefined) yield result;
      }
    }
    while (next.done !== true) {
      this.#see(next.value);
      yield ofEntry(next.value);
      next = uncommitted.next();
    }
  }

  committedKeys(from: string, to: string, limit: number): readonly string[] {
    return this.#store.keys(from, to, limit);
  }

  put<Row>(
    table: Table<Row>,
    key: string,
    row: Row,
    mayReplaceChunks: boolean = table.isChunked,
  ): void {
    this.#set(table, key, row, false, mayReplaceChunks);
  }

  insert<Row>(table: Table<Row>, key: string, row: Row): void {
    this.#set(table, key, row, true, false);
  }

  remove<Row>(table: Table<Row>, key: string, mayBeChunked: boolean): void {
    this.#set(table, key, undefined, false, mayBeChunked);
  }

  #set<Row>(
    table: Table<Row>,
    key: string,
    row: Row | undefined,
    isInsert: boolean,
    mayReplaceChunks: boolean,
  ): void {
    this.overlay.set({
      key,
      // The pairing of table and row is checked here and erased there.
      table: table as Table<unknown>,
      row,
      record: this.#record,
      isInsert,
      mayReplaceChunks,
    });
  }

  wake(queue: WaitPlace): void {
    this.woken.add(queue);
  }

  get mark(): number {
    return this.overlay.mark;
  }

  undoTo(mark: number): void {
    this.overlay.undoTo(mark);
  }

  undoneCount({ name }: Pick<Table<unknown>, "name">): number {
    return this.overlay.undoneCount(name);
  }

  /** A record is committed: its rows are in the store now. */
  committed(record: number): void {
    this.overlay.drop(record, (entry) => this.#cacheCommitted(entry));
  }

  #cacheCommitted({ key, table, row }: OverlayEntry): void {
    if (!table.isCached) return;
    if (row === undefined) this.#cache.delete(key);
    else this.#remember(key, row);
  }

  #remember(key: string, row: unknown): void {
    // Re-inserting moves the row to the end, so the first is the least recently stored.
    this.#cache.delete(key);
    this.#cache.set(key, row);
    if (this.#cache.size > cachedRowsMax) {
      const oldest = this.#cache.keys().next();
      if (oldest.done !== true) this.#cache.delete(oldest.value);
    }
  }

  /** A record failed: everything not committed is forgotten. */
  discard(): void {
    this.overlay.clear();
    this.woken.clear();
    // A cached row may be older than the store: its newer version went from overlay to store under a still newer one.
    this.#cache.clear();
    this.#record += 1;
  }
}

const inKeyOrder = (key: string, other: string): boolean => key < other;

const rethrow = (corrupt: RecordCorrupt): never => {
  throw corrupt;
};
