// Typed rows by key: what the state looks like to the code that knows layouts, whoever keeps the uncommitted part. The
// engine implements it (committed rows with its overlay on top); `queue-state.ts` builds the queue's view on it.

import type { WaitPlace } from "../base/brands.js";
import type { HeadedTable, Table } from "./tables.js";

export interface KeyedRow<Row> {
  readonly key: string;
  readonly row: Row;
}

export interface RowHead<Row, Head> {
  readonly head: Head;
  readonly row: Row | undefined;
}

export interface RowAccess {
  get<Row>(table: Table<Row>, key: string): Row | undefined;
  /** As `get`; undefined, and reported, when the stored row is corrupt. */
  getReadable<Row>(table: Table<Row>, key: string): Row | undefined;
  /**
   * Rows from `from` (inclusive) to `to` (exclusive) in key order. Nothing may be written while it is consumed. Corrupt rows
   * are reported and passed over: one of them must not stop a whole queue.
   */
  range<Row>(table: Table<Row>, from: string, to: string): Iterable<KeyedRow<Row>>;
  /** As `range`, from the last to the first. */
  rangeReversed<Row>(table: Table<Row>, from: string, to: string): Iterable<KeyedRow<Row>>;
  /** As `range`, reading no more of a long row than its head; `row` is there when it cost nothing. */
  heads<Row extends Head, Head>(
    table: HeadedTable<Row, Head>,
    from: string,
    to: string,
  ): Iterable<RowHead<Row, Head>>;
  /** Keys of committed rows of any table, in order. */
  committedKeys(from: string, to: string, limit: number): readonly string[];
  /** `mayReplaceChunks` false promises that the row that stands there fits one value; unset, the table tells. */
  put<Row>(table: Table<Row>, key: string, row: Row, mayReplaceChunks?: boolean): void;
  /** As `put`, for a key that never had a row: lets a removal before the commit cancel both. */
  insert<Row>(table: Table<Row>, key: string, row: Row): void;
  /** `mayBeChunked` false promises that the row fits one value. */
  remove<Row>(table: Table<Row>, key: string, mayBeChunked: boolean): void;
  wake(queue: WaitPlace): void;
  /** A place in what the running decision writes, to go back to. */
  readonly mark: number;
  /** Undoes what the running decision wrote since it was at this mark. */
  undoTo(mark: number): void;
  /** Grows whenever a change of this table's rows was undone, and those who read them meanwhile know too much. */
  undoneCount(table: Pick<Table<unknown>, "name">): number;
}
