// Log records: made once by a leader, then stored, forwarded and hashed as the bytes they are. Every other member opens them,
// checks CRC and chain, and keeps the very same bytes.
//
// The chain hash of a record covers all records before it: two logs with the same hash at a place are the same up to there.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert } from "../base/assert.js";
import { type Epoch, type EpochMs, epoch, type GroupId, logSeq } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { Record, RecordKind } from "../gen/forebay/replication/v1/record.js";
import type { Configuration, LogEntry, LogPosition, StateChange } from "../store/replica-disk.js";
import type { SealedRecord } from "./message.js";
import { recordBytes } from "./record-bytes.js";
import {
  bufferOf,
  changeFrom,
  configurationFrom,
  configurationToWire,
  idBytes,
  timeFrom,
  timeToWire,
} from "./wire.js";

/** The format that this release writes, and the latest it can apply. */
const formatWritten = 1;
const formatKnown = 1;
const chainBytes = 16;
const nothing = new Uint8Array(0);

export type RecordPurpose =
  /** The first record of an epoch, with the configuration from here on. */
  | { readonly kind: "epoch_start"; readonly configuration: Configuration }
  | { readonly kind: "batch" }
  | { readonly kind: "config"; readonly configuration: Configuration };

/** A record with what it says, as it is kept until it is applied. */
export interface LogRecord {
  readonly entry: LogEntry;
  readonly prevEpoch: Epoch;
  readonly prevChain: Buffer;
  readonly leaderTime: EpochMs;
  readonly purpose: RecordPurpose;
  readonly changes: readonly StateChange[];
}

export interface RecordContents {
  readonly groupId: GroupId;
  readonly epoch: Epoch;
  readonly leaderTime: EpochMs;
  readonly configVersion: number;
  readonly purpose: RecordPurpose;
  readonly changes: readonly StateChange[];
}

/** A record needs a later release than this one. */
export class RecordTooNew extends Error {
  override readonly name = "RecordTooNew";
}

/** Makes the record that stands behind `prev`. */
export function makeRecord(prev: LogPosition, contents: RecordContents): LogRecord {
  const seq = logSeq(prev.seq + 1);
  const { purpose } = contents;
  // The fields in their order: those before the changes, the changes, the configuration behind them.
  const before = Record.encode(
    Record.create({
      format: formatWritten,
      minReader: formatWritten,
      groupId: idBytes(contents.groupId),
      epoch: BigInt(contents.epoch),
      seq: BigInt(seq),
      prevEpoch: BigInt(prev.epoch),
      prevChain: prev.chain,
      leaderTime: timeToWire(contents.leaderTime),
      configVersion: BigInt(contents.configVersion),
      kind: kindOf(purpose),
    }),
  ).finish();
  const after =
    purpose.kind === "batch"
      ? nothing
      : Record.encode(
          Record.create({ config: configurationToWire(purpose.configuration) }),
        ).finish();
  const bytes = recordBytes(before, contents.changes, after);
  return {
    entry: {
      epoch: contents.epoch,
      seq,
      chain: chainAfter(prev.chain, bytes),
      record: bytes,
      crc32: crc32(bytes),
    },
    prevEpoch: prev.epoch,
    prevChain: prev.chain,
    leaderTime: contents.leaderTime,
    purpose,
    changes: contents.changes,
  };
}

/** Reads a record that arrived or was read back. Throws `RecordCorrupt` and `RecordTooNew`. */
export function openRecord(sealed: SealedRecord, groupId: GroupId): LogRecord {
  if (crc32(sealed.record) !== sealed.crc32) throw corrupt("its CRC-32 does not fit");
  const decoded = Record.decode(sealed.record);
  if (decoded.minReader > formatKnown) {
    throw new RecordTooNew(
      `Record ${decoded.seq} of the group's log needs a release that reads format ${decoded.minReader}; ` +
        `this one reads ${formatKnown}: upgrade this node.`,
    );
  }
  const prevChain = bufferOf(decoded.prevChain);
  if (!idBytes(groupId).equals(decoded.groupId)) throw corrupt("it is of another group");
  if (prevChain.length !== chainBytes) throw corrupt("it has no chain hash");
  if (!chainAfter(prevChain, sealed.record).equals(sealed.chain)) {
    throw corrupt("its chain hash does not fit");
  }
  return {
    entry: {
      epoch: epoch(Number(decoded.epoch)),
      seq: logSeq(Number(decoded.seq)),
      chain: sealed.chain,
      record: sealed.record,
      crc32: sealed.crc32,
    },
    prevEpoch: epoch(Number(decoded.prevEpoch)),
    prevChain,
    leaderTime: timeFrom(decoded.leaderTime),
    purpose: purposeOf(decoded),
    changes: decoded.mutations.map(changeFrom),
  };
}

/** Whether a record is the one after `prev` in the same log. */
export const standsBehind = (record: LogRecord, prev: LogPosition): boolean =>
  record.entry.seq === prev.seq + 1 &&
  record.prevEpoch === prev.epoch &&
  record.prevChain.equals(prev.chain) &&
  record.entry.epoch >= prev.epoch;

export const positionOf = ({ entry }: LogRecord): LogPosition => ({
  epoch: entry.epoch,
  seq: entry.seq,
  chain: entry.chain,
});

export function chainAfter(prevChain: Buffer, record: Buffer): Buffer {
  const digest = createHash("sha256").update(prevChain).update(record).digest();
  return digest.subarray(0, chainBytes);
}

function kindOf(purpose: RecordPurpose): RecordKind {
  switch (purpose.kind) {
    case "epoch_start":
      return RecordKind.EPOCH_START;
    case "batch":
      return RecordKind.BATCH;
    case "config":
      return RecordKind.CONFIG;
  }
}

function purposeOf({ kind, config }: Record): RecordPurpose {
  switch (kind) {
    case RecordKind.BATCH:
      return { kind: "batch" };
    case RecordKind.EPOCH_START:
      assert(config !== undefined, "the first record of an epoch carries the configuration");
      return { kind: "epoch_start", configuration: configurationFrom(config) };
    case RecordKind.CONFIG:
      assert(config !== undefined, "a record of a configuration carries it");
      return { kind: "config", configuration: configurationFrom(config) };
    default:
      throw new RecordTooNew(
        `The group's log has a record of kind ${kind}, which this release does not know: upgrade this node.`,
      );
  }
}

const corrupt = (what: string): RecordCorrupt => new RecordCorrupt("", `log record: ${what}`);
