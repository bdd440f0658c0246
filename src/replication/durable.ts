// What a member has on its disk, and what it will have once everything asked for is written. One write is under way at a time;
// whatever is asked for meanwhile is one batch together: records appended, committed records applied, a tail cut off, a promise.
//
// `planned` is what the protocol goes by when it listens, `stored` is what it goes by when it answers.

import { assert } from "../base/assert.js";
import { type Epoch, epochMs, type LogSeq, logSeq } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type {
  Configuration,
  DiskBatch,
  DiskDone,
  LogEntry,
  LogPosition,
  MemberState,
  StateChange,
} from "../store/replica-disk.js";
import type { MemberContext } from "./context.js";
import { checkBatch, checkRecord } from "./invariants.js";
import { beginsFrom, beginsThrough, beginsWith, epochAt, type History } from "./positions.js";
import { RecentRecords } from "./recent-records.js";
import { type LogRecord, openRecord, positionOf } from "./record.js";
import { applyBytesMax } from "./settings.js";

export interface DurableEvents {
  /** A write ended well: `stored` is another. */
  stored(): void;
  configurationChanged(configuration: Configuration): void;
}

/** Something of the disk that is no batch: part of a copy, records kept aside. */
export interface OtherWrite {
  /** Asked in its turn: what was given up meanwhile is not begun. */
  readonly isWanted: () => boolean;
  readonly start: (done: DiskDone) => void;
  readonly finish: () => void;
}

export interface CopyInstallation {
  readonly isWanted: () => boolean;
  readonly stateOf: (planned: MemberState) => MemberState;
  readonly finish: () => void;
}

export class DurableSide {
  readonly #context: MemberContext;
  readonly #events: DurableEvents;
  readonly #recent: RecentRecords;
  #stored: MemberState;
  #planned: MemberState;
  /** Up to here the log on disk is the log planned. */
  #durableSeq: LogSeq;
  /** Records up to here may be applied. */
  #applyThrough: LogSeq;
  #appendedBytes = 0;
  #isDirty = false;
  #append: LogEntry[] = [];
  #truncateAbove: LogSeq | undefined;
  #trimThrough: LogSeq | undefined;
  readonly #others: OtherWrite[] = [];
  #isWriting = false;
  #isHalted = false;
  #wasOther = false;
  #fullSinceMs: number | undefined;

  constructor(context: MemberContext, state: MemberState, events: DurableEvents) {
    this.#context = context;
    this.#events = events;
    this.#stored = withBegins(state);
    this.#planned = this.#stored;
    this.#durableSeq = state.logEnd.seq;
    this.#applyThrough = state.appliedSeq;
    // Twice the window: what one member still has on its way and what came meanwhile.
    this.#recent = new RecentRecords(2 * context.parts.settings.windowBytesMax);
  }

  get stored(): MemberState {
    return this.#stored;
  }

  get planned(): MemberState {
    return this.#planned;
  }

  get durableSeq(): LogSeq {
    return this.#durableSeq;
  }

  /** Since when the disk has had no room for what is to be written. */
  get fullSinceMs(): number | undefined {
    return this.#fullSinceMs;
  }

  /** Of all records appended since the start. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  get history(): History {
    return { begins: this.#planned.epochBegins, endSeq: this.#planned.logEnd.seq };
  }

  /** Rule E2: from now on nothing earlier is listened to; it may be answered once `stored` says so. */
  promise(epoch: Epoch): void {
    if (epoch <= this.#planned.promisedEpoch) return;
    this.#plan({ promisedEpoch: epoch });
  }

  append(record: LogRecord): void {
    checkRecord(this.#planned.logEnd, record);
    const { entry, purpose } = record;
    this.#append.push(entry);
    this.#appendedBytes += entry.record.length;
    this.#recent.add(record);
    this.#plan({
      logEnd: positionOf(record),
      epochBegins: beginsWith(this.#planned.epochBegins, entry),
      leaderTime: epochMs(Math.max(record.leaderTime, this.#planned.leaderTime)),
    });
    if (purpose.kind === "batch") return;
    if (purpose.configuration.version <= this.#planned.configuration.version) return;
    this.#plan({ configuration: purpose.configuration });
    this.#events.configurationChanged(purpose.configuration);
  }

  /** Rule E6 is the caller's to ask; that it was asked is checked. */
  truncate(seq: LogSeq): void {
    if (seq >= this.#planned.logEnd.seq) return;
    assert(
      this.#context.rules.mayTruncate(seq, this.shownSeq),
      "E6: the log is cut only above what is applied",
    );
    const end = this.positionAt(seq);
    assert(end !== undefined, "a log is cut where it has a record");
    const appendedFrom = this.#planned.logEnd.seq - this.#append.length;
    if (seq < appendedFrom) this.#truncateAbove = seq;
    this.#append.length = Math.max(0, seq - appendedFrom);
    this.#recent.truncate(seq);
    this.#durableSeq = logSeq(Math.min(this.#durableSeq, seq));
    this.#plan({ logEnd: end, epochBegins: beginsThrough(this.#planned.epochBegins, seq) });
  }

  /** Records up to here may be applied, in the batch that makes them durable at the earliest. */
  applyThrough(seq: LogSeq): void {
    if (seq > this.#applyThrough) this.#applyThrough = seq;
  }

  /** Records above this one are not to be applied after all, unless the batch under way does so. */
  applyOnlyThrough(seq: LogSeq): void {
    this.#applyThrough = logSeq(Math.max(this.#planned.appliedSeq, seq));
  }

  /** What is applied or surely will be. */
  get toBeApplied(): LogSeq {
    const through = Math.min(this.#applyThrough, this.#planned.logEnd.seq);
    return logSeq(Math.max(this.#planned.appliedSeq, through));
  }

  /** Records up to here may show in the state: what is applied, and what a copy that is not whole yet held already. */
  get shownSeq(): LogSeq {
    const { wholeFrom, logEnd } = this.#planned;
    return logSeq(Math.max(this.toBeApplied, Math.min(wholeFrom, logEnd.seq)));
  }

  /** Drops records up to `seq` from the log. One such wish at a time; a second one is for later. */
  trimThrough(seq: LogSeq): void {
    if (this.#trimThrough !== undefined || seq > this.#stored.appliedSeq) return;
    const base = this.positionAt(seq);
    if (base === undefined || seq <= this.#planned.logBase.seq) return;
    this.#trimThrough = seq;
    this.#plan({ logBase: base, epochBegins: beginsFrom(this.#planned.epochBegins, seq) });
  }

  /** A write of another kind, in its turn. */
  other(write: OtherWrite): void {
    this.#others.push(write);
  }

  /** Puts a finished copy in the place of state and log; `stateOf` is asked when it is about to be written. */
  installCopy({ isWanted, stateOf, finish }: CopyInstallation): void {
    let state: MemberState | undefined;
    this.other({
      isWanted,
      start: (done) => {
        // Begun again, because there was no room, it is still the same.
        if (state !== undefined) return this.#context.parts.disk.finishCopy(state, done);
        state = stateOf(this.#planned);
        this.#planned = state;
        this.#append = [];
        this.#truncateAbove = undefined;
        this.#trimThrough = undefined;
        this.#recent.clear();
        this.#durableSeq = logSeq(0);
        this.#context.parts.disk.finishCopy(state, done);
      },
      finish: () => {
        assert(state !== undefined, "a copy is finished after it was begun");
        this.#stored = state;
        this.#durableSeq = state.logEnd.seq;
        this.#applyThrough = state.appliedSeq;
        finish();
      },
    });
  }

  /** The place of a record of the planned log; undefined when the log does not hold it. */
  positionAt(seq: LogSeq): LogPosition | undefined {
    const { logEnd, logBase } = this.#planned;
    if (seq === logEnd.seq) return logEnd;
    if (seq === logBase.seq) return logBase;
    if (seq < logBase.seq || seq > logEnd.seq) return undefined;
    const recent = this.#recent.find(seq);
    if (recent !== undefined) return positionOf(recent);
    const entry = this.#context.parts.disk.readLog(seq, 0)[0];
    if (entry?.seq !== seq) throw new RecordCorrupt("", `log record ${seq} is missing`);
    return { epoch: entry.epoch, seq: entry.seq, chain: entry.chain };
  }

  epochAt(seq: LogSeq): Epoch | undefined {
    return epochAt(this.history, seq);
  }

  /** Records of the planned log from `from` on: at least one if it is there, and at most `bytesMax` of them beyond that. */
  read(from: LogSeq, bytesMax: number): readonly LogEntry[] {
    if (from <= this.#planned.logBase.seq || from > this.#planned.logEnd.seq) return [];
    if (this.#recent.find(from) === undefined) return this.#readDisk(from, bytesMax);
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let record = this.#recent.find(from); record !== undefined; ) {
      bytes += record.entry.record.length;
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(record.entry);
      record = this.#recent.find(logSeq(record.entry.seq + 1));
    }
    return entries;
  }

  bytesAbove(seq: LogSeq): number {
    return this.#recent.bytesAbove(seq);
  }

  /** Writes nothing more. */
  halt(): void {
    this.#isHalted = true;
  }

  /** Starts what waits, if nothing is under way. */
  flush(): void {
    if (this.#isWriting || this.#isHalted) return;
    const isBatchNext = this.#others.length === 0 || this.#wasOther;
    if (isBatchNext && this.#writeBatch()) return;
    let other = this.#others.shift();
    while (other !== undefined && !other.isWanted()) other = this.#others.shift();
    if (other !== undefined) this.#writeOther(other);
    else if (!isBatchNext) this.#writeBatch();
  }

  #plan(change: Partial<MemberState>): void {
    this.#planned = { ...this.#planned, ...change };
    this.#isDirty = true;
  }

  #readDisk(from: LogSeq, bytesMax: number): readonly LogEntry[] {
    const entries = this.#context.parts.disk.readLog(from, bytesMax);
    const isWanted = (entry: LogEntry): boolean => entry.seq <= this.#durableSeq;
    return entries.every(isWanted) ? entries : entries.filter(isWanted);
  }

  #writeBatch(): boolean {
    const applied = this.#takeApplicable();
    if (!this.#isDirty && applied.seq === this.#planned.appliedSeq) return false;
    this.#planned = { ...this.#planned, appliedSeq: applied.seq };
    const batch: DiskBatch = {
      state: this.#planned,
      ...(this.#truncateAbove !== undefined && { truncateAbove: this.#truncateAbove }),
      ...(this.#append.length > 0 && { append: this.#append }),
      ...(applied.changes.length > 0 && { apply: applied.changes }),
      ...(this.#trimThrough !== undefined && { trimThrough: this.#trimThrough }),
    };
    checkBatch(this.#stored, batch);
    this.#isDirty = false;
    this.#append = [];
    this.#truncateAbove = undefined;
    this.#trimThrough = undefined;
    this.#wasOther = false;
    this.#write(
      (done) => this.#context.parts.disk.write(batch, done),
      () => {
        this.#stored = batch.state;
        const cutAt = this.#truncateAbove ?? batch.state.logEnd.seq;
        this.#durableSeq = logSeq(Math.min(batch.state.logEnd.seq, cutAt));
        this.#recent.shrink(this.#durableSeq);
      },
    );
    return true;
  }

  #writeOther(other: OtherWrite): void {
    this.#wasOther = true;
    this.#write(other.start, other.finish);
  }

  #write(start: (done: DiskDone) => void, finish: () => void): void {
    this.#isWriting = true;
    start((outcome) =>
      this.#context.guarded(() => {
        switch (outcome.kind) {
          case "durable":
            this.#isWriting = false;
            this.#fullSinceMs = undefined;
            finish();
            this.#events.stored();
            return;
          case "full":
            // Nothing of it was stored: the very same again, until there is room.
            this.#fullSinceMs ??= this.#context.nowMs();
            this.#context.timer(this.#context.parts.settings.backoffMinMs, () =>
              this.#write(start, finish),
            );
            return;
          case "failed":
            throw outcome.error;
        }
      }),
    );
  }

  /** The changes of what may be applied with the next batch, as many records as fit one. */
  #takeApplicable(): { readonly seq: LogSeq; readonly changes: readonly StateChange[] } {
    const through = Math.min(this.#applyThrough, this.#planned.logEnd.seq);
    let seq = this.#planned.appliedSeq;
    if (seq >= through) return { seq, changes: [] };
    const changes: StateChange[] = [];
    for (let bytes = 0; seq < through && bytes < applyBytesMax; ) {
      const records = this.#recordsFrom(logSeq(seq + 1), logSeq(through));
      for (const record of records) {
        assert(record.entry.seq === seq + 1, "I3: records are applied without a gap");
        for (const change of record.changes) changes.push(change);
        bytes += record.entry.record.length;
        seq = record.entry.seq;
      }
    }
    return { seq, changes };
  }

  /** One recent record, or some of the disk's. */
  #recordsFrom(from: LogSeq, through: LogSeq): readonly LogRecord[] {
    const recent = this.#recent.find(from);
    if (recent !== undefined) return [recent];
    const entries = this.#readDisk(from, this.#context.parts.settings.sliceBytesMax);
    if (entries[0]?.seq !== from) throw new RecordCorrupt("", `log record ${from} is missing`);
    return entries
      .filter(({ seq }) => seq <= through)
      .map((entry) => openRecord(entry, this.#planned.groupId));
  }
}

/** A log always knows the epoch of the place before it. */
function withBegins(state: MemberState): MemberState {
  if (state.epochBegins.length > 0) return state;
  const { epoch, seq } = state.logBase;
  return { ...state, epochBegins: [{ epoch, firstSeq: seq }] };
}
