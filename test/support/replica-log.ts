// A member's log as a test writes it: records of any bytes with right checksums and chain, and what the member then knows.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import {
  epochMs,
  epoch as epochOf,
  groupId,
  type LogSeq,
  logSeq,
  memberId,
} from "../../src/base/brands.js";
import type {
  DiskBatch,
  DiskOutcome,
  LogEntry,
  LogPosition,
  MemberState,
  ReplicaDisk,
  StateChange,
} from "../../src/store/replica-disk.js";
import { openReplicaStore, type ReplicaStore } from "../../src/store/replica-store.js";

export const origin: LogPosition = {
  epoch: epochOf(0),
  seq: logSeq(0),
  chain: Buffer.alloc(16),
};

/** The record behind a position. */
export function entryAfter(
  { seq, chain }: LogPosition,
  record: Buffer | string,
  epoch = 1,
): LogEntry {
  const bytes = Buffer.from(record);
  return {
    epoch: epochOf(epoch),
    seq: logSeq(seq + 1),
    record: bytes,
    crc32: crc32(bytes),
    chain: createHash("sha256").update(chain).update(bytes).digest().subarray(0, 16),
  };
}

export function entriesAfter(
  position: LogPosition,
  records: readonly (Buffer | string)[],
  epoch = 1,
): readonly LogEntry[] {
  const entries: LogEntry[] = [];
  for (const record of records) {
    entries.push(entryAfter(entries[entries.length - 1] ?? position, record, epoch));
  }
  return entries;
}

export const positionOf = ({ epoch, seq, chain }: LogEntry): LogPosition => ({ epoch, seq, chain });

/** A member of a group of one that has just been made. */
export function newMember(change: Partial<MemberState> = {}): MemberState {
  const id = memberId("0123456789abcdef0123456789abcdef");
  return {
    memberId: id,
    groupId: groupId("fedcba9876543210fedcba9876543210"),
    promisedEpoch: epochOf(1),
    configuration: {
      version: 1,
      members: [
        {
          id,
          node: "one",
          zone: "a",
          isVoter: true,
          replicationEndpoint: "127.0.0.1:7402",
          dataEndpoint: "127.0.0.1:7400",
        },
      ],
      acks: "quorum",
    },
    epochBegins: [{ epoch: epochOf(1), firstSeq: logSeq(1) }],
    logBase: origin,
    logEnd: origin,
    appliedSeq: logSeq(0),
    wholeFrom: logSeq(0),
    leaderTime: epochMs(1_000),
    ...change,
  };
}

export const put = (
  key: string,
  value: string | Buffer,
  mayReplaceChunks = false,
): StateChange => ({
  key: Buffer.from(key, "latin1"),
  value: Buffer.from(value),
  mayReplaceChunks,
});

export const removal = (key: string, mayReplaceChunks = false): StateChange => ({
  key: Buffer.from(key, "latin1"),
  value: undefined,
  mayReplaceChunks,
});

export const outcomeOf = async (
  ask: (done: (outcome: DiskOutcome) => void) => void,
): Promise<DiskOutcome> => await new Promise((resolve) => ask(resolve));

/** Writes and fails unless it became durable. */
export async function written(disk: ReplicaDisk, batch: DiskBatch): Promise<void> {
  const outcome = await outcomeOf((done) => disk.write(batch, done));
  if (outcome.kind === "failed") throw outcome.error;
  if (outcome.kind === "full") throw new Error("The disk is full.");
}

/** Appends records and applies changes in one batch, all that is known of the member moving along. */
export async function appended(
  disk: ReplicaDisk,
  records: readonly (Buffer | string)[],
  options: { readonly apply?: readonly StateChange[]; readonly appliedSeq?: LogSeq } = {},
): Promise<MemberState> {
  const before = disk.load() ?? newMember();
  const append = entriesAfter(before.logEnd, records);
  const last = append[append.length - 1];
  const state: MemberState = {
    ...before,
    logEnd: last === undefined ? before.logEnd : positionOf(last),
    appliedSeq: options.appliedSeq ?? before.appliedSeq,
  };
  await written(disk, { state, append, ...(options.apply && { apply: options.apply }) });
  return state;
}

export function openTestReplica(
  directory: string,
  options: { readonly mapSizeBytes?: number } = {},
): ReplicaStore {
  return openReplicaStore({
    directory,
    mapSizeBytes: options.mapSizeBytes ?? 2 ** 30,
    freshSecret: Buffer.alloc(32, 3),
  });
}
