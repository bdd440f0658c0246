// A member's disk over LMDB: every write is one batch over log, state and the member's own row.
//
// Reads see finished writes only. LMDB makes a batch visible some time before its promise resolves, and whoever asks for rows
// of the state in between would be told the wrong record they are of; so a snapshot taken before the batch is what is read
// until the write is done.

import { assert } from "../base/assert.js";
import type { Epoch, LogSeq } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { frameHeaderBytes } from "./bytes.js";
import { StorageFull } from "./commit-fault.js";
import type { LmdbStore } from "./environment.js";
import { keyBytes, valueKinds } from "./frames.js";
import { segmentPrefixLength, tableLetters } from "./keys.js";
import { entryOf, framedEntry, isLogKey, logKey, seqAt } from "./log-rows.js";
import { appendLost } from "./lost-records.js";
import { framedMember, memberKey, memberOf } from "./member-row.js";
import { ReplicaCopy } from "./replica-copy.js";
import type {
  DiskBatch,
  DiskDone,
  DiskOutcome,
  LogEntry,
  MemberState,
  ReplicaDisk,
  StateChange,
} from "./replica-disk.js";
import { framedValue, lastOfEach } from "./replica-rows.js";
import { RowWrites, type SealedRows, type Snapshot } from "./sealed-rows.js";
import type { StoreOptions } from "./store.js";

/**
 * Values that one batch removes of records that were trimmed. A record of a mebibyte has 132 of them, so a thousand such records
 * in one batch would stop everything for a second (measured); the others go with the batches to come.
 */
const trimmedValuesMax = 2_000;

export class LmdbReplicaDisk implements ReplicaDisk {
  readonly #store: LmdbStore;
  readonly #directory: string;
  readonly #copy: ReplicaCopy;
  #member: MemberState | undefined;
  /** What reads see while a write is under way. */
  #snapshot: Snapshot | undefined;
  #underWay: Promise<void> | undefined;
  /** Whether values of records that were trimmed may be left; they are not read any more. */
  #hasTrimmed = true;

  constructor(store: LmdbStore, options: StoreOptions) {
    this.#store = store;
    this.#directory = options.directory;
    this.#copy = new ReplicaCopy(store, options);
    const row = store.environment.meta.get(memberKey);
    this.#member = row === undefined ? undefined : memberOf(row);
  }

  load(): MemberState | undefined {
    return this.#member;
  }

  write(batch: DiskBatch, done: DiskDone): void {
    this.#run(async () => await this.#write(batch), done);
  }

  #run(work: () => Promise<void>, done: DiskDone): void {
    assert(this.#underWay === undefined, "one write is under way at a time");
    const outcome = work().then((): DiskOutcome => ({ kind: "durable" }), outcomeOf);
    // What the protocol throws in its callback is a bug of it and must not be taken for the disk's.
    this.#underWay = outcome.then((result) => {
      this.#underWay = undefined;
      done(result);
    });
  }

  async #write(batch: DiskBatch): Promise<void> {
    this.#requireOrder(batch);
    const { environment, room } = this.#store;
    const log = new RowWrites(this.#log);
    const { state, truncateAbove, append = [], apply = [], trimThrough } = batch;
    if (truncateAbove !== undefined) removeAbove(log, truncateAbove);
    for (const entry of append) {
      // What this very batch trims again is not looked for in what is committed, below.
      if (trimThrough !== undefined && entry.seq <= trimThrough) continue;
      this.#log.prepare(keyBytes(logKey(entry.seq)), framedEntry(entry), false, log);
    }
    const hasTrimmed = this.#hasTrimmed || trimThrough !== undefined;
    const leavesTrimmed = hasTrimmed && removeTrimmed(log, state.logBase.seq);
    const rows = new RowWrites(environment.state);
    for (const { key, value, mayReplaceChunks } of lastOfEach(apply)) {
      environment.state.prepare(key, framedValue(value), mayReplaceChunks, rows);
    }
    const meta = new RowWrites(environment.meta);
    environment.meta.prepare(keyBytes(memberKey), framedMember(state), true, meta);
    const snapshot = environment.snapshot();
    this.#snapshot = snapshot;
    try {
      await environment.commit([log, rows, meta], room);
      this.#member = state;
      this.#hasTrimmed = leavesTrimmed;
    } finally {
      this.#snapshot = undefined;
      snapshot.done();
    }
  }

  get #log(): SealedRows {
    const { log } = this.#store.environment;
    assert(log !== undefined, "a member's store has a log");
    return log;
  }

  /** What a member is never to do to its disk (I3, I4, E6). */
  #requireOrder({ state, truncateAbove, append = [], trimThrough }: DiskBatch): void {
    const before = this.#member;
    assert(
      before === undefined || state.promisedEpoch >= before.promisedEpoch,
      "a promise is never taken back",
    );
    assert(
      before === undefined || state.appliedSeq >= before.appliedSeq,
      "what was applied stays applied",
    );
    assert(
      truncateAbove === undefined || truncateAbove >= (before?.appliedSeq ?? 0),
      "only records that were not applied are taken back",
    );
    assert(
      trimThrough === undefined || trimThrough <= state.appliedSeq,
      "only records that were applied are trimmed",
    );
    let end: number = truncateAbove ?? before?.logEnd.seq ?? state.logBase.seq;
    for (const { seq } of append) {
      end += 1;
      assert(seq === end, "records are stored without gaps");
    }
    assert(state.logEnd.seq === end, "the log ends where it is said to end");
    assert(state.appliedSeq <= end, "only stored records are applied");
  }

  readLog(from: LogSeq, bytesMax: number): readonly LogEntry[] {
    if (from <= (this.#member?.logBase.seq ?? 0)) return [];
    return this.#read((snapshot) => {
      const entries: LogEntry[] = [];
      let bytesLeft = bytesMax;
      const range = { start: keyBytes(logKey(from)), ...inSnapshot(snapshot) };
      for (const { key, value } of this.#log.database.getRange(range)) {
        const text = key.toString("latin1");
        // The chunks of the record before.
        if (!isLogKey(text)) continue;
        const expected = from + entries.length;
        if (seqAt(text) !== expected) break;
        bytesLeft -= rowBytes(value);
        if (entries.length > 0 && bytesLeft < 0) return entries;
        entries.push(entryOf(text, this.#log.payload(text, value, snapshot)));
      }
      this.#requireStored((from + entries.length) as LogSeq);
      return entries;
    });
  }

  /** A record that is not there and should be. */
  #requireStored(missing: LogSeq): void {
    const member = this.#member;
    if (member === undefined) return;
    if (missing <= member.logBase.seq || missing > member.logEnd.seq) return;
    throw new RecordCorrupt(logKey(missing), `record ${missing} of the log is missing`);
  }

  readState(
    afterKey: Buffer,
    bytesMax: number,
  ): { readonly rows: readonly StateChange[]; readonly isLast: boolean } {
    return this.#read((snapshot) => {
      const slice: StateSlice = { rows: [], bytesLeft: bytesMax };
      let from: string | undefined = `${afterKey.toString("latin1")}\x00`;
      while (from !== undefined) {
        const end = this.#readRows(from, slice, snapshot);
        if (end.kind === "full") return { rows: slice.rows, isLast: false };
        from = end.kind === "chunks" ? end.goOnFrom : undefined;
      }
      return { rows: slice.rows, isLast: true };
    });
  }

  #readRows(from: string, slice: StateSlice, snapshot: Snapshot | undefined): SliceEnd {
    const { state } = this.#store.environment;
    const range = { start: keyBytes(from), ...inSnapshot(snapshot) };
    for (const { key, value } of state.database.getRange(range)) {
      const text = key.toString("latin1");
      if (isChunkKey(text)) return { kind: "chunks", goOnFrom: afterChunks(text) };
      slice.bytesLeft -= key.length + rowBytes(value);
      if (slice.rows.length > 0 && slice.bytesLeft < 0) return { kind: "full" };
      const row = state.payload(text, value, snapshot);
      slice.rows.push({ key, value: row, mayReplaceChunks: true });
    }
    return { kind: "last" };
  }

  #read<Result>(read: (snapshot: Snapshot | undefined) => Result): Result {
    if (this.#snapshot === undefined) this.#store.refresh();
    return read(this.#snapshot);
  }

  beginCopy(done: DiskDone): void {
    this.#run(async () => await this.#copy.begin(), done);
  }

  addToCopy(rows: readonly StateChange[], done: DiskDone): void {
    this.#run(async () => await this.#copy.add(rows), done);
  }

  finishCopy(state: MemberState, done: DiskDone): void {
    this.#run(async () => {
      await this.#copy.finish(state);
      this.#member = state;
      this.#hasTrimmed = false;
    }, done);
  }

  keepLost(epoch: Epoch, entries: readonly LogEntry[], done: DiskDone): void {
    this.#run(async () => await appendLost(this.#directory, epoch, entries), done);
  }

  freeBytes(): number {
    return this.#store.room.freeForMessages();
  }

  stateBytes(): number {
    return this.#store.environment.pages().stateBytes;
  }

  /** Resolves when nothing is under way; nothing may be asked of it afterwards. */
  async close(): Promise<void> {
    await this.#underWay;
    await this.#copy.close();
  }
}

interface StateSlice {
  readonly rows: StateChange[];
  bytesLeft: number;
}

type SliceEnd =
  | { readonly kind: "full" }
  | { readonly kind: "last" }
  /** Chunks are read with their rows and passed over here, all of a segment at once. */
  | { readonly kind: "chunks"; readonly goOnFrom: string | undefined };

function outcomeOf(thrown: unknown): DiskOutcome {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  // The second is a file beside LMDB, cut off where it was whole before the next attempt.
  const isFull = error instanceof StorageFull || (error as NodeJS.ErrnoException).code === "ENOSPC";
  return isFull ? { kind: "full" } : { kind: "failed", error };
}

/** lmdb-js tells an option that is undefined from one that is absent. */
const inSnapshot = (snapshot: Snapshot | undefined) =>
  snapshot === undefined ? {} : { transaction: snapshot };

/** Of the whole row, told from its first value. */
const rowBytes = (framed: Buffer): number =>
  framed[0] === valueKinds.first && framed.length > frameHeaderBytes + 6
    ? framed.readUInt32BE(frameHeaderBytes + 2)
    : framed.length;

/** Records with their chunks. */
function removeAbove(log: RowWrites, seq: LogSeq): void {
  const start = keyBytes(logKey((seq + 1) as LogSeq));
  for (const key of log.rows.database.getKeys({ start })) log.removes.push(key);
}

/** Some of the values of records up to one; says whether there may be more. */
function removeTrimmed(log: RowWrites, through: LogSeq): boolean {
  const range = { end: keyBytes(logKey((through + 1) as LogSeq)), limit: trimmedValuesMax };
  let count = 0;
  for (const key of log.rows.database.getKeys(range)) {
    log.removes.push(key);
    count += 1;
  }
  return count === trimmedValuesMax;
}

const isChunkKey = (key: string): boolean =>
  key.charCodeAt(0) < 0x80
    ? key[segmentPrefixLength] === tableLetters.chunk
    : key.charCodeAt(0) === 0xff;

/** The first key after all chunks of a segment; undefined after those of the whole store, which come last. */
const afterChunks = (key: string): string | undefined =>
  key.charCodeAt(0) === 0xff
    ? undefined
    : key.slice(0, segmentPrefixLength) + String.fromCharCode(tableLetters.chunk.charCodeAt(0) + 1);
