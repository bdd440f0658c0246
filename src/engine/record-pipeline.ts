// The records between their decisions and the store: which one a reply waits for, and how they go to the log one after another.
//
//   open                   takes what is decided now
//   waiting                closed because they were full, while the log was busy
//   storing                handed to the log; one at a time
//   stored, committed      on this disk; on enough disks: its replies are given. Its rows are read from the overlay until it is
//   applied                and then it is forgotten
//
// Alone a record is stored, committed and applied at once, so there is one in flight and one open: the group commit.

import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { StorageFull } from "../store/commit-fault.js";
import { nodeKey } from "../store/keys.js";
import type { RowChange } from "../store/store.js";
import { tables } from "../store/tables.js";
import { type CommitLog, type CommitPosition, LeadershipLost } from "./commit-log.js";
import type { StateView } from "./state-view.js";

/** A command that was taken on and not yet answered. */
export interface Pending {
  readonly bytes: number;
  readonly isGrowing: boolean;
  /** Decides again after the record it was part of was dropped. */
  readonly decideAgain: () => void;
  /** Releases the reply; called once its record is committed. */
  reply: () => void;
  readonly refuse: (error: Error) => void;
  hasFailedOnce: boolean;
  /** False for one that changed nothing and waits for what it saw. */
  hasChanges: boolean;
}

/** What was taken on and is not to be answered as it was decided. */
export interface Abandoned {
  /** May have gone to other nodes: whether it takes effect is unknown. */
  readonly unknown: readonly Pending[];
  /** Changed nothing that left this process. */
  readonly without: readonly Pending[];
}

interface DecidedRecord {
  readonly number: number;
  readonly changes: readonly RowChange[];
  /** Those whose changes are in it and those who saw it, in the order they were decided. */
  readonly pendings: Pending[];
  readonly bytes: number;
  /** When it was handed to the log. */
  startedAtMs: number;
  state: "waiting" | "storing" | "stored" | "committed" | "dropped";
}

export interface PipelineEvents {
  /** A record is committed and its replies are given. */
  recordCommitted(changeCount: number, commandCount: number, elapsedMs: number): void;
  recordStored(bytes: number): void;
  /** A record found no room: everything of it and after it was forgotten, and these are to be decided anew, in this order. */
  dropped(pendings: readonly Pending[]): void;
  leadershipLost(error: LeadershipLost): void;
  failed(error: Error): void;
  /** Nothing is decided and not applied. */
  idle(): void;
}

export interface PipelineParts {
  readonly view: StateView;
  readonly log: CommitLog;
  readonly clock: Clock;
  readonly events: PipelineEvents;
}

export class RecordPipeline {
  readonly #parts: PipelineParts;
  #pendings: Pending[] = [];
  #bytes = 0;
  /** True when there is something to commit, also without anyone waiting for it. */
  #hasChanges = false;
  readonly #waiting: DecidedRecord[] = [];
  /** Handed to the log and not applied, oldest first. */
  #handed: DecidedRecord[] = [];
  #isStoring = false;
  #isFlushScheduled = false;
  #pendingCount = 0;
  #pendingBytes = 0;
  #position: CommitPosition | undefined;
  #committedRecord = 0;
  #isAbandoned = false;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#position = parts.log.beginsAt;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }
  get pendingBytes(): number {
    return this.#pendingBytes;
  }
  /** The last record that is committed: no answer that was given tells of a later one. */
  get position(): CommitPosition | undefined {
    return this.#position;
  }
  /** Whether a record of the view is committed, and with it what it has in the overlay. */
  isCommitted(record: number): boolean {
    return record <= this.#committedRecord;
  }
  get isIdle(): boolean {
    return this.#handed.length === 0 && this.#waiting.length === 0 && !this.#hasChanges;
  }

  /** For how long the oldest record that is not committed has been with the log. */
  get commitAgeMs(): number {
    const oldest = this.#handed.find(({ state }) => state !== "committed");
    return oldest === undefined ? 0 : this.#parts.clock.monotonicMs() - oldest.startedAtMs;
  }

  /** Before a decision of about so many bytes: a record that is full takes no more. */
  makeRoomFor(bytes: number): void {
    if (this.#hasChanges && this.#bytes + bytes > this.#parts.log.recordBytesMax) {
      this.#waiting.push(this.#close());
      this.#flush();
    }
  }

  /** Makes what the decision recorded part of the open record; says whether there was anything. */
  keepChanges(): boolean {
    if (!this.#parts.view.overlay.keep()) return false;
    this.#hasChanges = true;
    this.#scheduleFlush();
    return true;
  }

  /** Answers with the open record, of which its changes are part. */
  addChanging(pending: Pending): void {
    pending.hasChanges = true;
    this.#addToOpen(pending);
  }

  #addToOpen(pending: Pending): void {
    this.#pendings.push(pending);
    this.#bytes += pending.bytes;
    this.#count(pending);
  }

  /** Answers with the last record that is not committed, since it may have seen it; false when there is none. */
  addSeeing(pending: Pending): boolean {
    if (this.#hasChanges) {
      this.#addToOpen(pending);
      return true;
    }
    const last = this.#waiting[this.#waiting.length - 1] ?? this.#handed[this.#handed.length - 1];
    if (last === undefined || last.state === "committed") return false;
    last.pendings.push(pending);
    this.#count(pending);
    return true;
  }

  #count({ bytes }: Pending): void {
    this.#pendingCount += 1;
    this.#pendingBytes += bytes;
  }

  #release(pendings: readonly Pending[]): void {
    this.#pendingCount -= pendings.length;
    for (const { bytes } of pendings) this.#pendingBytes -= bytes;
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isStoring) return;
    this.#isFlushScheduled = true;
    // After the event loop has handed over every request that arrived with this one.
    setImmediate(() => {
      this.#isFlushScheduled = false;
      this.#guard(() => this.#flush());
    });
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#parts.events.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Ends the open record: what is decided from now on goes into the next one. */
  #close(): DecidedRecord {
    const { view, clock } = this.#parts;
    view.put(tables.node, nodeKey("time"), clock.now());
    view.overlay.keep();
    const number = view.closeRecord();
    const record: DecidedRecord = {
      number,
      // Encoded now: a row that a later record writes again has only its later version in the overlay.
      changes: view.overlay.changesOf(number),
      pendings: this.#pendings,
      bytes: this.#bytes,
      startedAtMs: 0,
      state: "waiting",
    };
    this.#pendings = [];
    this.#bytes = 0;
    this.#hasChanges = false;
    return record;
  }

  #flush(): void {
    if (this.#isStoring || this.#isAbandoned) return;
    const record = this.#waiting.shift() ?? (this.#hasChanges ? this.#close() : undefined);
    if (record === undefined) return;
    record.state = "storing";
    record.startedAtMs = this.#parts.clock.monotonicMs();
    this.#isStoring = true;
    this.#handed.push(record);
    const when = (step: () => void) => (): void => {
      if (!this.#isAbandoned) this.#guard(step);
    };
    this.#parts.log.append(record.changes, {
      stored: when(() => this.#stored(record)),
      committed: (position) => when(() => this.#committed(record, position))(),
      applied: when(() => this.#applied(record)),
      failed: (error) => when(() => this.#failed(record, error))(),
    });
  }

  #stored(record: DecidedRecord): void {
    record.state = "stored";
    this.#isStoring = false;
    this.#parts.events.recordStored(record.bytes);
    // In the turn of its own that comes before anybody reads a reply: the next batch goes to its thread before the replies are
    // written, so that disk and wire work side by side.
    queueMicrotask(() => this.#guard(() => this.#flush()));
  }

  #committed(record: DecidedRecord, position: CommitPosition | undefined): void {
    record.state = "committed";
    this.#position = position;
    this.#committedRecord = record.number;
    const { pendings, changes, startedAtMs } = record;
    const { clock, events } = this.#parts;
    this.#release(pendings);
    events.recordCommitted(changes.length, pendings.length, clock.monotonicMs() - startedAtMs);
    for (const pending of pendings) pending.reply();
  }

  #applied(record: DecidedRecord): void {
    assert(this.#handed.shift() === record, "records are applied in the order they were decided");
    this.#parts.view.committed(record.number);
    this.#dropWhatFoundNoRoom();
    if (this.isIdle) this.#parts.events.idle();
  }

  #failed(record: DecidedRecord, error: Error): void {
    if (error instanceof LeadershipLost) this.#parts.events.leadershipLost(error);
    else if (error instanceof StorageFull) {
      record.state = "dropped";
      this.#dropWhatFoundNoRoom();
    } else this.#parts.events.failed(error);
  }

  /**
   * Forgets a record that found no room, and all after it. Only once the ones before it are applied: the overlay has one version
   * of a row, and theirs may have been written over by what is forgotten.
   */
  #dropWhatFoundNoRoom(): void {
    const [dropped] = this.#handed;
    if (dropped?.state !== "dropped") return;
    const again = this.#takeAll();
    this.#isStoring = false;
    this.#parts.view.discard();
    this.#parts.events.dropped(again);
  }

  /** Ends everything: what was handed to the log may yet be committed, by another leader. */
  abandon(): Abandoned {
    this.#isAbandoned = true;
    const handed = new Set(
      this.#handed
        .filter(({ state }) => state !== "dropped")
        .flatMap(({ pendings }) => pendings.filter(({ hasChanges }) => hasChanges)),
    );
    const left = this.#takeAll();
    this.#parts.view.discard();
    return {
      unknown: left.filter((pending) => handed.has(pending)),
      without: left.filter((pending) => !handed.has(pending)),
    };
  }

  /** All that is not answered, in the order it was decided; nothing is left. */
  #takeAll(): readonly Pending[] {
    const pendings = [...this.#handed, ...this.#waiting]
      .filter(({ state }) => state !== "committed")
      .flatMap((record) => record.pendings);
    pendings.push(...this.#pendings);
    this.#release(pendings);
    this.#handed = [];
    this.#waiting.length = 0;
    this.#pendings = [];
    this.#bytes = 0;
    this.#hasChanges = false;
    return pendings;
  }
}
