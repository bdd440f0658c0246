// A disk that keeps its promises and no more. A write takes time; a crash before it is done leaves all or nothing of it; a power
// cut takes with it what was not flushed, which is nothing of what it called done, unless the disk is told to lie: the mutation
// "ack before flush", and "promise before flush", run the protocol on such a disk.

import type { Epoch, LogSeq } from "../../src/base/brands.js";
import { RecordCorrupt } from "../../src/base/record-corrupt.js";
import type {
  DiskBatch,
  DiskDone,
  DiskOutcome,
  LogEntry,
  MemberState,
  ReplicaDisk,
  StateChange,
} from "../../src/store/replica-disk.js";
import { DiskImage, type DiskWrite } from "./disk-image.js";
import type { EventQueue } from "./event-queue.js";
import type { Prng } from "./prng.js";

/** How the disk does at the moment; changed by whoever breaks things. */
export interface DiskHealth {
  writeMsMean: number;
  fullChance: number;
  failChance: number;
}

/** Which writes are called done before they are flushed. */
export type DiskLie = "none" | "records" | "promises";

export interface DiskWatch {
  /** A write is flushed: `before` is what the disk held until now. Not told of an outcome that is not durable. */
  written(before: MemberState | undefined, write: DiskWrite): void;
}

interface WriteUnderWay {
  readonly write: DiskWrite;
}

export class SimulatedDisk {
  readonly health: DiskHealth = { writeMsMean: 1, fullChance: 0, failChance: 0 };
  readonly #events: EventQueue;
  readonly #prng: Prng;
  readonly #watch: DiskWatch;
  readonly #lie: DiskLie;
  /** What survives a power cut. */
  #flushed = new DiskImage();
  /** What the process sees; another one than `#flushed` only on a disk that lies. */
  #visible = this.#flushed;
  /** Writes called done and not flushed, oldest first. */
  #lies: DiskWrite[] = [];
  #underWay: WriteUnderWay | undefined;
  #spoiltSeq: number | undefined;

  constructor(events: EventQueue, prng: Prng, watch: DiskWatch, lie: DiskLie) {
    this.#events = events;
    this.#prng = prng;
    this.#watch = watch;
    this.#lie = lie;
    if (lie !== "none") this.#visible = new DiskImage();
  }

  get flushed(): DiskImage {
    return this.#flushed;
  }

  get visible(): DiskImage {
    return this.#visible;
  }

  /** For a store that had data before it was a member's. */
  prepare(state: MemberState, rows: readonly StateChange[]): void {
    for (const image of new Set([this.#flushed, this.#visible])) {
      image.member = state;
      for (const row of rows) image.rows.change(row);
    }
  }

  /** One record of the log can be read no more, nor the state, as if a bit of each had flipped. */
  spoil(): void {
    const { appliedSeq, logEnd } = this.#flushed.member ?? { appliedSeq: 0, logEnd: { seq: 0 } };
    this.#spoiltSeq = this.#prng.integer(Math.max(1, appliedSeq - 20), logEnd.seq + 5);
  }

  /** The process died. What was being written is there or it is not. */
  crash(): void {
    const underWay = this.#underWay;
    this.#underWay = undefined;
    if (underWay !== undefined && this.#prng.chance(0.5)) {
      this.#show(underWay.write);
      this.#flush(underWay.write);
    }
  }

  powerCut(): void {
    this.crash();
    if (this.#lie === "none") return;
    this.#lies = [];
    this.#visible = new DiskImage(this.#flushed);
  }

  backup(): DiskImage {
    return new DiskImage(this.#flushed);
  }

  /** The disk is what it was when the backup was taken. Only while no process has it open. */
  restore(backup: DiskImage): void {
    this.#underWay = undefined;
    this.#lies = [];
    this.#flushed = new DiskImage(backup);
    this.#visible = this.#lie === "none" ? this.#flushed : new DiskImage(backup);
  }

  /** The disk as one process has it open; `enter` runs what it calls back as that process, or not at all. */
  open(enter: (fire: () => void) => void, isStillRunning: () => boolean): ReplicaDisk {
    const submit = (write: DiskWrite, done: DiskDone): void => {
      if (isStillRunning()) this.#submit(write, (outcome) => enter(() => done(outcome)));
    };
    return {
      load: () => this.#visible.member,
      write: (batch: DiskBatch, done) => submit({ kind: "batch", batch }, done),
      readLog: (from: LogSeq, bytesMax) => this.#readLog(from, bytesMax),
      readState: (afterKey, bytesMax) => this.#readState(afterKey, bytesMax),
      beginCopy: (done) => submit({ kind: "begin_copy" }, done),
      addToCopy: (rows, done) => submit({ kind: "add_to_copy", rows }, done),
      finishCopy: (state, done) => submit({ kind: "finish_copy", state }, done),
      keepLost: (_epoch: Epoch, entries: readonly LogEntry[], done) =>
        submit({ kind: "keep_lost", entries }, done),
      freeBytes: () => 2 ** 40,
      stateBytes: () => this.#visible.rows.bytes,
    };
  }

  #readLog(from: LogSeq, bytesMax: number): readonly LogEntry[] {
    const entries = this.#visible.readLog(from, bytesMax);
    if (entries.every(({ seq }) => seq !== this.#spoiltSeq)) return entries;
    throw new RecordCorrupt("", `log record ${this.#spoiltSeq} is spoilt`);
  }

  #readState(afterKey: Buffer, bytesMax: number): ReturnType<ReplicaDisk["readState"]> {
    if (this.#spoiltSeq === undefined) return this.#visible.rows.after(afterKey, bytesMax);
    throw new RecordCorrupt("", "a row is spoilt");
  }

  #submit(write: DiskWrite, done: DiskDone): void {
    if (this.#underWay !== undefined) {
      throw new Error(`A write (${write.kind}) began while another one was under way.`);
    }
    const underWay: WriteUnderWay = { write };
    this.#underWay = underWay;
    this.#events.after(this.#prng.span(this.health.writeMsMean), () => {
      // The process that asked is gone, and with it this write.
      if (this.#underWay !== underWay) return;
      this.#underWay = undefined;
      done(this.#finish(write));
    });
  }

  #finish(write: DiskWrite): DiskOutcome {
    if (this.#prng.chance(this.health.fullChance) && write.kind !== "keep_lost") {
      return { kind: "full" };
    }
    if (this.#prng.chance(this.health.failChance)) {
      if (this.#prng.chance(0.5)) {
        this.#show(write);
        this.#flush(write);
      }
      return { kind: "failed", error: new Error("the simulated disk failed") };
    }
    this.#show(write);
    if (this.#liesAbout(write)) this.#flushLater(write);
    else this.#flush(write);
    return { kind: "durable" };
  }

  /** A disk that lies shows what it has not flushed. */
  #show(write: DiskWrite): void {
    if (this.#visible !== this.#flushed) this.#visible.write(write);
  }

  /** What was called done before is flushed before, as in any log. */
  #flush(write: DiskWrite): void {
    const behind = this.#lies;
    this.#lies = [];
    for (const each of [...behind, write]) {
      const before = this.#flushed.member;
      this.#flushed.write(each);
      this.#watch.written(before, each);
    }
  }

  #flushLater(write: DiskWrite): void {
    this.#lies.push(write);
    this.#events.after(this.#prng.span(50), () => {
      const at = this.#lies.indexOf(write);
      if (at === -1) return;
      const ready = this.#lies.splice(0, at + 1);
      const newest = ready.pop();
      const later = this.#lies;
      this.#lies = ready;
      if (newest !== undefined) this.#flush(newest);
      this.#lies = later;
    });
  }

  #liesAbout(write: DiskWrite): boolean {
    if (this.#lie === "none" || write.kind !== "batch") return false;
    const isPromise = write.batch.append === undefined && write.batch.apply === undefined;
    return this.#lie === "promises" ? isPromise : !isPromise;
  }
}
