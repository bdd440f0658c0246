// The end of the log, kept in memory as it was made or received: what is on its way to the disk, what was not applied yet, and
// what members that are nearly up to date will be sent. Bounded in bytes; what was dropped is read from the disk again.

import { assert } from "../base/assert.js";
import { type LogSeq, logSeq } from "../base/brands.js";
import type { LogRecord } from "./record.js";

export class RecentRecords {
  readonly #bytesMax: number;
  /** Without a gap; those before `#from` are dropped and wait to be cut off together. */
  #records: LogRecord[] = [];
  #from = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The first record here; undefined when there is none. */
  get firstSeq(): LogSeq | undefined {
    return this.#records[this.#from]?.entry.seq;
  }

  find(seq: LogSeq): LogRecord | undefined {
    const first = this.firstSeq;
    return first === undefined || seq < first
      ? undefined
      : this.#records[this.#from + (seq - first)];
  }

  add(record: LogRecord): void {
    const last = this.#records.at(-1);
    assert(
      this.firstSeq === undefined || last?.entry.seq === record.entry.seq - 1,
      "recent records follow each other without a gap",
    );
    this.#records.push(record);
    this.#bytes += record.entry.record.length;
  }

  /** Drops the oldest until few enough are left, none of them above `seq`. */
  shrink(seq: LogSeq): void {
    while (this.#bytes > this.#bytesMax) {
      const oldest = this.#records[this.#from];
      if (oldest === undefined || oldest.entry.seq > seq) break;
      this.#bytes -= oldest.entry.record.length;
      this.#from += 1;
    }
    if (this.#from > 1_024 && this.#from * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#from);
      this.#from = 0;
    }
  }

  truncate(seq: LogSeq): void {
    let last = this.#records.at(-1);
    while (last !== undefined && this.#records.length > this.#from && last.entry.seq > seq) {
      this.#bytes -= last.entry.record.length;
      this.#records.pop();
      last = this.#records.at(-1);
    }
    if (this.#records.length === this.#from) this.clear();
  }

  clear(): void {
    this.#records = [];
    this.#from = 0;
    this.#bytes = 0;
  }

  /** Bytes of the records above `seq`, as far as they are here. */
  bytesAbove(seq: LogSeq): number {
    const first = this.firstSeq;
    if (first === undefined || seq < first) return this.#bytes;
    let bytes = 0;
    for (let at = this.#from + (seq + 1 - first); at < this.#records.length; at += 1) {
      bytes += this.#records[at]?.entry.record.length ?? 0;
    }
    return bytes;
  }

  /** The last record here. */
  get lastSeq(): LogSeq {
    return this.#records.at(-1)?.entry.seq ?? logSeq(0);
  }
}
