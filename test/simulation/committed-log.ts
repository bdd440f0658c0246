// What the group has committed, as the judge saw it: one record a place, the state after each, and whether it may ever be lost.
//
// Nothing here is taken from a member's word: hashes are computed again from the bytes, the state by replaying the mutations.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { Record as LogRecord, RecordKind } from "../../src/gen/forebay/replication/v1/record.js";
import type { LogEntry, LogPosition, StateChange } from "../../src/store/replica-disk.js";
import { HashedRows } from "./hashed-rows.js";
import { Violation } from "./trace.js";

/** What a record says of who counts, in the words of the simulator. */
export interface Membership {
  readonly version: number;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly acks: "async" | "quorum" | "all";
}

export interface CommittedRecord {
  readonly epoch: number;
  readonly seq: number;
  readonly chain: Buffer;
  readonly record: LogRecord;
  /** In force from this record on. */
  readonly membership: Membership;
  /** Of the state after this record. */
  readonly stateHash: string;
  /** A majority had it on disk when it was committed; otherwise a new leader may lack it (`async`). */
  readonly isSafe: boolean;
}

export class CommittedLog {
  readonly base: LogPosition;
  readonly #baseRows: readonly StateChange[];
  readonly #baseMembership: Membership;
  readonly #records: CommittedRecord[] = [];
  #rows: HashedRows;

  constructor(base: LogPosition, rows: readonly StateChange[], membership: Membership) {
    this.base = base;
    this.#baseRows = rows;
    this.#baseMembership = membership;
    this.#rows = rowsOf(rows);
  }

  get endSeq(): number {
    return this.base.seq + this.#records.length;
  }

  at(seq: number): CommittedRecord | undefined {
    return this.#records[seq - this.base.seq - 1];
  }

  chainAt(seq: number): Buffer | undefined {
    return seq === this.base.seq ? this.base.chain : this.at(seq)?.chain;
  }

  stateHashAt(seq: number): string | undefined {
    return seq === this.base.seq ? rowsOf(this.#baseRows).hash : this.at(seq)?.stateHash;
  }

  /** The last record that is of an earlier epoch than this one, or of it. */
  lastSeqThrough(epoch: number): number {
    const last = this.#records.findLast((record) => record.epoch <= epoch);
    return last?.seq ?? this.base.seq;
  }

  membershipAt(seq: number): Membership {
    return this.at(seq)?.membership ?? this.#baseMembership;
  }

  /** The membership that a record states, or the one before it. */
  membershipAfter(record: LogRecord, before: Membership): Membership {
    return membershipIn(record) ?? before;
  }

  push(entry: LogEntry, isSafe: boolean): CommittedRecord {
    const last = this.at(this.endSeq);
    const previousChain = last?.chain ?? this.base.chain;
    const previousEpoch = last?.epoch ?? this.base.epoch;
    verifyEntry(entry, previousChain);
    const record = decodeRecord(entry);
    if (Number(record.seq) !== this.endSeq + 1 || Number(record.epoch) !== entry.epoch) {
      throw new Violation("I1", `record ${entry.epoch}/${entry.seq} names another place`);
    }
    if (entry.epoch < previousEpoch || Number(record.prevEpoch) !== previousEpoch) {
      throw new Violation("I1", `record ${entry.epoch}/${entry.seq} follows ${previousEpoch}`);
    }
    if (last !== undefined && timeOf(record) < timeOf(last.record)) {
      throw new Violation("time", `record ${entry.epoch}/${entry.seq} is earlier than the last`);
    }
    for (const mutation of record.mutations) this.#rows.change(changeOf(mutation));
    const committed: CommittedRecord = {
      epoch: entry.epoch,
      seq: entry.seq,
      chain: entry.chain,
      record,
      membership: this.membershipAfter(record, this.membershipAt(this.endSeq)),
      stateHash: this.#rows.hash,
      isSafe,
    };
    this.#records.push(committed);
    return committed;
  }

  /** What the `async` mode may lose is lost from here on. */
  truncateTo(seq: number): void {
    this.#records.length = seq - this.base.seq;
    this.#rows = rowsOf(this.#baseRows);
    for (const { record } of this.#records) {
      for (const mutation of record.mutations) this.#rows.change(changeOf(mutation));
    }
  }
}

/** What was found out about bytes: members in one process hand on the same ones, and they never change. */
interface Verified {
  readonly previousChain: Buffer;
  readonly chain: Buffer;
  readonly crc32: number;
}

const decoded = new WeakMap<Buffer, LogRecord>();
const verified = new WeakMap<Buffer, Verified>();

export function decodeRecord({ record: bytes }: LogEntry): LogRecord {
  let record = decoded.get(bytes);
  if (record === undefined) {
    record = LogRecord.decode(bytes);
    decoded.set(bytes, record);
  }
  return record;
}

/** The record's bytes are what its sums say, behind this chain. */
export function verifyEntry(entry: LogEntry, previousChain: Buffer): void {
  const before = verified.get(entry.record);
  const isKnown =
    before?.crc32 === entry.crc32 &&
    before.chain.equals(entry.chain) &&
    before.previousChain.equals(previousChain);
  if (isKnown) return;
  const chain = createHash("sha256").update(previousChain).update(entry.record).digest();
  if (!chain.subarray(0, 16).equals(entry.chain)) {
    throw new Violation("chain", `record ${entry.epoch}/${entry.seq} is not behind its chain`);
  }
  if (crc32(entry.record) !== entry.crc32) {
    throw new Violation("chain", `record ${entry.epoch}/${entry.seq} has another CRC`);
  }
  verified.set(entry.record, { previousChain, chain: entry.chain, crc32: entry.crc32 });
}

/** Of an EPOCH_START or CONFIG record. */
export function membershipIn(record: LogRecord): Membership | undefined {
  const { kind, config } = record;
  if (kind !== RecordKind.EPOCH_START && kind !== RecordKind.CONFIG) return undefined;
  if (config === undefined) throw new Violation("2.10", "a record states no configuration");
  const named = config.members.map(({ memberId, isVoter }) => ({
    id: Buffer.from(memberId).toString("hex"),
    isVoter,
  }));
  return {
    version: Number(config.version),
    voters: named.filter(({ isVoter }) => isVoter).map(({ id }) => id),
    learners: named.filter(({ isVoter }) => !isVoter).map(({ id }) => id),
    acks: config.acks === 1 ? "async" : config.acks === 3 ? "all" : "quorum",
  };
}

/** Disks that must have a record (2.2). */
export function acksNeeded({ voters, acks }: Membership): number {
  return acks === "async" ? 1 : acks === "all" ? voters.length : majorityOf(voters.length);
}

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

function timeOf(record: LogRecord): number {
  const { seconds = 0n, nanos = 0 } = record.leaderTime ?? {};
  return Number(seconds) * 1_000 + nanos / 1e6;
}

function rowsOf(rows: readonly StateChange[]): HashedRows {
  const hashed = new HashedRows();
  for (const row of rows) hashed.change(row);
  return hashed;
}

interface MutationLike {
  readonly key: Uint8Array;
  readonly value?: Uint8Array | undefined;
}

function changeOf({ key, value }: MutationLike): Pick<StateChange, "key" | "value"> {
  return { key: bufferOf(key), value: value === undefined ? undefined : bufferOf(value) };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
}
