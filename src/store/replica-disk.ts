// What a member of a replicated group keeps on its disk, and what it may ask of that disk. The protocol above decides what is
// written; here it is made durable, all of one write or nothing of it.
//
// All writes call back, none returns a promise, and none calls back from within the call that asked: between two calls into the
// protocol nothing of it runs, so that a simulated run over another disk is repeatable.

import type { Epoch, EpochMs, GroupId, LogSeq, MemberId } from "../base/brands.js";

/** A place in a log. "More advanced" is the larger epoch, then the larger seq (rule E4). */
export interface LogPosition {
  readonly epoch: Epoch;
  readonly seq: LogSeq;
  /** The chain hash there: 16 bytes; all zero before the first record. */
  readonly chain: Buffer;
}

/** A record as it is stored and forwarded: never encoded again. */
export interface LogEntry {
  readonly epoch: Epoch;
  readonly seq: LogSeq;
  readonly chain: Buffer;
  /** The encoded Record. */
  readonly record: Buffer;
  readonly crc32: number;
}

export interface EpochBegin {
  readonly epoch: Epoch;
  readonly firstSeq: LogSeq;
}

/** How many voters must have a record on disk: the leader, a majority, all. */
export type AcksMode = "async" | "quorum" | "all";

export interface GroupMember {
  readonly id: MemberId;
  readonly node: string;
  readonly zone: string;
  readonly isVoter: boolean;
  readonly replicationEndpoint: string;
  readonly dataEndpoint: string;
}

export interface Configuration {
  readonly version: number;
  readonly members: readonly GroupMember[];
  readonly acks: AcksMode;
}

/** What a member knows about itself, on disk. Written whole with every batch that changes any of it. */
export interface MemberState {
  readonly memberId: MemberId;
  readonly groupId: GroupId;
  /** No message of an earlier epoch is answered any more. Never goes back. */
  readonly promisedEpoch: Epoch;
  readonly configuration: Configuration;
  /** Where each epoch of the log begins, oldest first; the first covers `logBase`. */
  readonly epochBegins: readonly EpochBegin[];
  /** The place before the first record the log still holds. */
  readonly logBase: LogPosition;
  readonly logEnd: LogPosition;
  /** The last record whose effects the state has. Never goes back. */
  readonly appliedSeq: LogSeq;
  /** The state is an unfinished copy until this is applied; at or below `appliedSeq` it is whole. */
  readonly wholeFrom: LogSeq;
  /** The latest leader's time in the log. */
  readonly leaderTime: EpochMs;
}

/** One row of the state put or, without a value, removed. */
export interface StateChange {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
  readonly mayReplaceChunks: boolean;
}

/** What becomes durable together or not at all. The parts take effect in this order. */
export interface DiskBatch {
  readonly state: MemberState;
  /** Records above this one go. */
  readonly truncateAbove?: LogSeq;
  readonly append?: readonly LogEntry[];
  /** The changes of committed records, those of `appliedSeq` + 1 first. */
  readonly apply?: readonly StateChange[];
  /** Records up to this one go; few enough that it takes no time. */
  readonly trimThrough?: LogSeq;
}

export type DiskOutcome =
  | { readonly kind: "durable" }
  /** Nothing of it was stored; there may be room later. */
  | { readonly kind: "full" }
  /** Nobody knows what of it was stored: the process must end. */
  | { readonly kind: "failed"; readonly error: Error };

export type DiskDone = (outcome: DiskOutcome) => void;

/** The member's disk. One write is under way at a time; reads see finished writes only. */
export interface ReplicaDisk {
  /** What was stored last: undefined on a disk that belongs to no group yet. */
  load(): MemberState | undefined;
  write(batch: DiskBatch, done: DiskDone): void;
  /** Records from `from` on: at least one if it is there, and at most `bytesMax` of them beyond that. Throws `RecordCorrupt`. */
  readLog(from: LogSeq, bytesMax: number): readonly LogEntry[];
  /** Rows of the state after a key, in key order, none of them a removal. Throws `RecordCorrupt`. */
  readState(
    afterKey: Buffer,
    bytesMax: number,
  ): { readonly rows: readonly StateChange[]; readonly isLast: boolean };
  /** Begins a copy beside the state, dropping one begun before. */
  beginCopy(done: DiskDone): void;
  /** Adds rows to the copy. */
  addToCopy(rows: readonly StateChange[], done: DiskDone): void;
  /** Puts the copy in the place of state and log, atomically, with an empty log that begins after `state.logBase`. */
  finishCopy(state: MemberState, done: DiskDone): void;
  /** Records that a leader applied and a later one never had: kept where an operator finds them. */
  keepLost(epoch: Epoch, entries: readonly LogEntry[], done: DiskDone): void;
  freeBytes(): number;
  stateBytes(): number;
}
