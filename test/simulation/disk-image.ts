// What is on one simulated disk: what the member knows of itself, its log, its state, and a copy of another state being taken.
// It does what it is asked; whether that was right is for the judge.

import type { LogSeq } from "../../src/base/brands.js";
import type {
  DiskBatch,
  LogEntry,
  MemberState,
  StateChange,
} from "../../src/store/replica-disk.js";
import { HashedRows } from "./hashed-rows.js";

/** Anything that changes what is on a disk, all of it or nothing. */
export type DiskWrite =
  | { readonly kind: "batch"; readonly batch: DiskBatch }
  | { readonly kind: "begin_copy" }
  | { readonly kind: "add_to_copy"; readonly rows: readonly StateChange[] }
  | { readonly kind: "finish_copy"; readonly state: MemberState }
  | { readonly kind: "keep_lost"; readonly entries: readonly LogEntry[] };

export class DiskImage {
  member: MemberState | undefined;
  rows: HashedRows;
  lost: LogEntry[];
  /** Consecutive; the first stands behind `member.logBase`. */
  #entries: LogEntry[];
  #copy: HashedRows | undefined;

  constructor(from?: DiskImage) {
    this.member = from?.member;
    this.rows = new HashedRows(from?.rows);
    this.lost = [...(from?.lost ?? [])];
    this.#entries = [...(from === undefined ? [] : from.#entries)];
    this.#copy = from === undefined || from.#copy === undefined ? undefined : from.#copy;
  }

  entryAt(seq: number): LogEntry | undefined {
    const first = this.#entries[0];
    return first === undefined ? undefined : this.#entries[seq - first.seq];
  }

  get entryCount(): number {
    return this.#entries.length;
  }

  lastEntry(): LogEntry | undefined {
    return this.#entries.at(-1);
  }

  /** The chain hash at a place that the log still knows. */
  chainAt(seq: number): Buffer | undefined {
    const base = this.member?.logBase;
    return base?.seq === seq ? base.chain : this.entryAt(seq)?.chain;
  }

  readLog(from: LogSeq, bytesMax: number): LogEntry[] {
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let seq: number = from; ; seq += 1) {
      const entry = this.entryAt(seq);
      if (entry === undefined) return entries;
      bytes += entry.record.length;
      if (entries.length > 0 && bytes > bytesMax) return entries;
      entries.push(entry);
    }
  }

  write(write: DiskWrite): void {
    switch (write.kind) {
      case "batch":
        this.#writeBatch(write.batch);
        return;
      case "begin_copy":
        this.#copy = new HashedRows();
        return;
      case "add_to_copy":
        for (const row of write.rows) this.#copyBegun().change(row);
        return;
      case "finish_copy":
        this.rows = this.#copyBegun();
        this.#copy = undefined;
        this.#entries = [];
        this.member = write.state;
        return;
      case "keep_lost":
        this.lost.push(...write.entries);
        return;
    }
  }

  #writeBatch(batch: DiskBatch): void {
    const { truncateAbove, append, apply, trimThrough } = batch;
    if (truncateAbove !== undefined) {
      const first = this.#entries[0];
      if (first !== undefined) {
        this.#entries.length = Math.min(
          this.#entries.length,
          Math.max(0, truncateAbove - first.seq + 1),
        );
      }
    }
    for (const entry of append ?? []) this.#entries.push(entry);
    for (const change of apply ?? []) this.rows.change(change);
    if (trimThrough !== undefined) {
      const first = this.#entries[0];
      if (first !== undefined) this.#entries.splice(0, Math.max(0, trimThrough - first.seq + 1));
    }
    this.member = batch.state;
  }

  #copyBegun(): HashedRows {
    if (this.#copy === undefined) throw new Error("No copy was begun on this disk.");
    return this.#copy;
  }
}
