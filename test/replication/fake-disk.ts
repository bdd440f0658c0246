// A disk in memory whose writes end when they are told to. What was not finished is gone with the process.

import type { LogSeq } from "../../src/base/brands.js";
import type {
  DiskBatch,
  DiskDone,
  DiskOutcome,
  LogEntry,
  MemberState,
  ReplicaDisk,
  StateChange,
} from "../../src/store/replica-disk.js";

export class FakeDisk implements ReplicaDisk {
  state: MemberState;
  entries: LogEntry[] = [];
  rows = new Map<string, Buffer>();
  lost: LogEntry[] = [];
  /** Every batch that became durable. */
  readonly batches: DiskBatch[] = [];
  /** Writes wait while this is true. */
  isHeld = false;
  /** What becomes of the next write, if not the usual. */
  nextOutcome: DiskOutcome | undefined;
  #copy: Map<string, Buffer> | undefined;
  #underWay: (() => void) | undefined;

  constructor(state: MemberState) {
    this.state = state;
  }

  get isWriting(): boolean {
    return this.#underWay !== undefined;
  }

  /** Ends the write under way, if it is not held. */
  finishOne(): boolean {
    const write = this.#underWay;
    if (this.isHeld || write === undefined) return false;
    this.#underWay = undefined;
    write();
    return true;
  }

  forget(): void {
    this.#underWay = undefined;
  }

  load(): MemberState {
    return this.state;
  }

  write(batch: DiskBatch, done: DiskDone): void {
    this.#begin(done, () => {
      const { truncateAbove, append, apply, trimThrough } = batch;
      if (truncateAbove !== undefined) {
        this.entries = this.entries.filter(({ seq }) => seq <= truncateAbove);
      }
      this.entries.push(...(append ?? []));
      for (const change of apply ?? []) applyChange(this.rows, change);
      if (trimThrough !== undefined) {
        this.entries = this.entries.filter(({ seq }) => seq > trimThrough);
      }
      this.state = batch.state;
      this.batches.push(batch);
    });
  }

  readLog(from: LogSeq, bytesMax: number): readonly LogEntry[] {
    const found: LogEntry[] = [];
    let bytes = 0;
    for (const entry of this.entries) {
      if (entry.seq < from) continue;
      bytes += entry.record.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found[0]?.seq === from ? found : [];
  }

  /** Two rows at a time, so that a copy takes several slices. */
  readState(afterKey: Buffer) {
    const after = afterKey.toString();
    const keys = [...this.rows.keys()].sort().filter((key) => key > after);
    const rows: StateChange[] = keys.slice(0, 2).map((key) => ({
      key: Buffer.from(key),
      value: this.rows.get(key),
      mayReplaceChunks: false,
    }));
    return { rows, isLast: keys.length <= 2 };
  }

  beginCopy(done: DiskDone): void {
    this.#begin(done, () => {
      this.#copy = new Map();
    });
  }

  addToCopy(rows: readonly StateChange[], done: DiskDone): void {
    this.#begin(done, () => {
      for (const row of rows) applyChange(this.#copyBegun(), row);
    });
  }

  finishCopy(state: MemberState, done: DiskDone): void {
    this.#begin(done, () => {
      this.rows = this.#copyBegun();
      this.#copy = undefined;
      this.entries = [];
      this.state = state;
    });
  }

  keepLost(_epoch: number, entries: readonly LogEntry[], done: DiskDone): void {
    this.#begin(done, () => {
      this.lost.push(...entries);
    });
  }

  freeBytes(): number {
    return 1_000_000;
  }

  stateBytes(): number {
    return this.rows.size * 10;
  }

  content(): Record<string, string> {
    return Object.fromEntries([...this.rows].map(([key, value]) => [key, value.toString()]));
  }

  #copyBegun(): Map<string, Buffer> {
    if (this.#copy === undefined) throw new Error("No copy was begun.");
    return this.#copy;
  }

  #begin(done: DiskDone, act: () => void): void {
    if (this.#underWay !== undefined) throw new Error("Two writes at once.");
    this.#underWay = () => {
      const outcome = this.nextOutcome ?? { kind: "durable" };
      this.nextOutcome = undefined;
      if (outcome.kind === "durable") act();
      done(outcome);
    };
  }
}

function applyChange(rows: Map<string, Buffer>, { key, value }: StateChange): void {
  if (value === undefined) rows.delete(key.toString());
  else rows.set(key.toString(), value);
}
