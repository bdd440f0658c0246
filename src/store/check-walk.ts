// How a check reads: every value in key order, a slice at a time with a fresh reader for each, so that it holds neither
// memory nor freed pages; and where it writes down what it finds.

import { RecordCorrupt } from "../base/record-corrupt.js";
import { u64At } from "./keys.js";
import type { ScannedRow, Store } from "./store.js";
import type { HeadedTable, Table } from "./tables.js";

/** Something that cannot be if everything is right. */
export interface Contradiction {
  /** What it is about, such as `queue default/orders, message 17`. */
  readonly row: string;
  readonly sentence: string;
}

/** A damaged store may contradict itself in every row; the first thousand tell the story. */
const contradictionsMax = 1_000;
/** A slice ends at the first of these, after some 10 ms: far from the 100 ms that a reader may stay open. */
const sliceRowsMax = 1_000;
const sliceBytesMax = 8 * 1_048_576;

/** A row and its decoded form; undefined when it cannot be read, which has been reported. */
interface Read<Row> {
  readonly row: Row | undefined;
}

export class CheckWalk {
  readonly store: Store;
  readonly contradictions: Contradiction[] = [];
  contradictionCount = 0;
  rowCount = 0;
  /** The row whose chunks were met last: chunks of one row come one after another. */
  #chunkBase: string | undefined;
  #chunkBaseCount: number | undefined;

  constructor(store: Store) {
    this.store = store;
  }

  report(row: string, sentence: string): void {
    this.contradictionCount += 1;
    if (this.contradictions.length < contradictionsMax) {
      this.contradictions.push({ row, sentence });
    }
  }

  /** Visits rows in key order, slice by slice; a visit may return the key to go on from. */
  async walk(
    from: string,
    to: string,
    visit: (row: ScannedRow) => string | undefined,
  ): Promise<void> {
    let next: string | undefined = from;
    while (next !== undefined) {
      next = this.#walkSlice(next, to, visit);
      await this.endSlice();
    }
  }

  #walkSlice(
    from: string,
    to: string,
    visit: (row: ScannedRow) => string | undefined,
  ): string | undefined {
    const slice = new Slice();
    for (const row of this.store.scan(from, to)) {
      const goOnFrom = visit(row);
      if (goOnFrom !== undefined) return goOnFrom;
      this.rowCount += 1;
      if (slice.isFullWith(row)) return keyAfter(row.key);
    }
    return undefined;
  }

  /** Gives the reader back and the event loop its turn. */
  async endSlice(): Promise<void> {
    this.store.refresh();
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }

  /** Decodes a scanned row where a whole row must stand; what is wrong with it is reported under its name. */
  read<Row>(scanned: ScannedRow, table: Table<Row>, name: () => string): Read<Row> {
    if (scanned.kind === "corrupt") {
      this.report(name(), `The ${table.name} row cannot be read: ${scanned.what}.`);
      return { row: undefined };
    }
    if (scanned.kind === "chunk") {
      this.report(name(), `A chunk stands where a ${table.name} row should.`);
      return { row: undefined };
    }
    try {
      return { row: table.decode(scanned.key, scanned.bytes) };
    } catch (error) {
      const what = error instanceof RecordCorrupt ? error.what : String(error);
      this.report(name(), `The ${table.name} row cannot be read: ${what}.`);
      return { row: undefined };
    }
  }

  /** Looks one row up. "unreadable" is reported where the walk meets it. */
  find<Row>(table: Table<Row>, key: string): Row | "unreadable" | undefined {
    try {
      const bytes = this.store.get(key);
      return bytes === undefined ? undefined : table.decode(key, bytes);
    } catch {
      return "unreadable";
    }
  }

  /** As `find`, of a long row only what its first chunk tells. */
  findHead<Row extends Head, Head>(
    table: HeadedTable<Row, Head>,
    key: string,
  ): Head | "unreadable" | undefined {
    let isUnreadable = false;
    const rows = this.store.heads(key, keyAfter(key), () => {
      isUnreadable = true;
    });
    try {
      for (const { bytes } of rows) return table.decodeHead(key, bytes);
    } catch {
      isUnreadable = true;
    }
    return isUnreadable ? "unreadable" : undefined;
  }

  layout(key: string): void {
    this.report(keyName(key), "The key does not follow the layout of any table.");
  }

  /** A chunk row, found under the name of the row it is part of. */
  checkChunk(scanned: ScannedRow, base: string, name: string): void {
    const { key } = scanned;
    const index = key.charCodeAt(key.length - 2) * 256 + key.charCodeAt(key.length - 1);
    if (scanned.kind === "row") this.report(name, `A row stands where chunk ${index} should.`);
    if (scanned.kind === "corrupt") {
      this.report(name, `Chunk ${index} cannot be read: ${scanned.what}.`);
    }
    const count = this.#chunkCount(base);
    if (count !== undefined && (index === 0 || index > count)) {
      this.report(name, `Chunk ${index} is stored, and its row has ${count}.`);
    }
  }

  /** Zero without such a row; undefined when the row cannot be read, which is reported where the walk meets it. */
  #chunkCount(base: string): number | undefined {
    if (base !== this.#chunkBase) {
      this.#chunkBase = base;
      const [row] = this.store.scan(base, keyAfter(base));
      this.#chunkBaseCount =
        row === undefined ? 0 : row.kind === "row" ? row.chunkCount : undefined;
    }
    return this.#chunkBaseCount;
  }
}

/** Measures how much one reader has read. */
export class Slice {
  #rows = 0;
  #bytes = 0;

  isFullWith(row: ScannedRow): boolean {
    this.#rows += 1;
    if (row.kind !== "corrupt") this.#bytes += row.bytes.length;
    return this.#rows >= sliceRowsMax || this.#bytes >= sliceBytesMax;
  }
}

/** Rows of one table with the next one in view. */
export class Cursor {
  readonly #rows: Iterator<ScannedRow>;
  row: ScannedRow | undefined;

  constructor(rows: Iterable<ScannedRow>) {
    this.#rows = rows[Symbol.iterator]();
    this.row = this.#next();
  }

  #next(): ScannedRow | undefined {
    const next = this.#rows.next();
    return next.done === true ? undefined : next.value;
  }

  take(): ScannedRow | undefined {
    const { row } = this;
    this.row = this.#next();
    return row;
  }

  close(): void {
    this.#rows.return?.();
  }
}

export const keyAfter = (key: string): string => `${key}\x00`;

/** The first key after all that start with the prefix; undefined when there can be none. */
export function prefixAfter(prefix: string): string | undefined {
  const kept = prefix.replace(/\xff+$/, "");
  if (kept === "") return undefined;
  return kept.slice(0, -1) + String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1);
}

export const isPlace = (key: string, at: number): boolean =>
  u64At(key, at) <= Number.MAX_SAFE_INTEGER;

export const keyName = (key: string): string => `key ${Buffer.from(key, "latin1").toString("hex")}`;
