// What the floors above know of the store: ordered bytes by key, read now, changed by one batch at a time. A handful of methods,
// so that another engine could stand in LMDB's place.

import type { RecordCorrupt } from "../base/record-corrupt.js";
import type { MemberState } from "./replica-disk.js";

/** One absolute change: a row's framed bytes, or its removal. */
export interface RowChange {
  readonly key: string;
  /** `frameHeaderBytes` free bytes, then the row; undefined removes it. The store owns the buffer from here on. */
  readonly framed: Buffer | undefined;
  /** True when the row that stands at the key now may be chunked, so that its chunks are looked up and removed. */
  readonly mayReplaceChunks: boolean;
}

/** The first part of a row, all of it when it fits one page. */
export interface StoredHead {
  readonly key: string;
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

export interface StoredRow {
  readonly key: string;
  readonly bytes: Buffer;
}

/** A stored value as a check meets it: a corrupt one is reported, not thrown, and chunks are seen for what they are. */
export type ScannedRow =
  | {
      readonly kind: "row";
      readonly key: string;
      readonly bytes: Buffer;
      readonly chunkCount: number;
    }
  | { readonly kind: "chunk"; readonly key: string; readonly bytes: Buffer }
  | { readonly kind: "corrupt"; readonly key: string; readonly what: string };

export interface StoreSpace {
  /** Bytes the disk has left for us, plus pages inside the file that are free for reuse. */
  readonly availableBytes: number;
  readonly fileBytes: number;
  readonly mapBytes: number;
}

/** What a member of a group keeps beside its state, for checking. */
export interface MemberRows {
  /** Undefined before it belongs to a group. Throws RecordCorrupt. */
  member(): MemberState | undefined;
  /** Every stored value of the log from a key on, as `Store.scan`. */
  scanLog(from: string): Iterable<ScannedRow>;
}

export interface Store {
  get(key: string): Buffer | undefined;
  /**
   * Rows from `from` (inclusive) to `to` (exclusive) in key order. Consume it within the same turn. A corrupt row goes to
   * `passOver` if it is given and ends the range with a RecordCorrupt if not.
   */
  range(from: string, to: string, passOver?: (corrupt: RecordCorrupt) => void): Iterable<StoredRow>;
  /** As `range`, from the last to the first. */
  rangeReversed(
    from: string,
    to: string,
    passOver?: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredRow>;
  /** As `range`, but of a chunked row only the first chunk, checked by itself: enough to know what a megabyte is about. */
  heads(from: string, to: string, passOver: (corrupt: RecordCorrupt) => void): Iterable<StoredHead>;
  keys(from: string, to: string, limit: number): readonly string[];
  /** As `range`, for checking: every stored value, chunks and corrupt ones included. */
  scan(from: string, to: string): Iterable<ScannedRow>;
  /** Resolves when every change is flushed to disk. One at a time. Throws StorageFull or StoreFailed. */
  commit(changes: readonly RowChange[]): Promise<void>;
  /** Forgets the reader of this turn, so that the next read sees the last commit. */
  refresh(): void;
  space(): Promise<StoreSpace>;
  /** 32 random bytes made with the store: the key of receipt handles and page tokens. */
  readonly secret: Buffer;
  /** Only where there is a log beside the state. */
  readonly memberRows?: MemberRows | undefined;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly directory: string;
  readonly mapSizeBytes: number;
  /** 32 bytes for a new store's secret. */
  readonly freshSecret: Buffer;
  readonly isReadOnly?: boolean;
}
