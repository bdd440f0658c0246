// How attempts to deliver are written.

import type { EpochMs, Sequence } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { AttemptEnd, AttemptRecord, KeptAttempt } from "../topic/attempts-model.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { idBytes } from "./topic-keys.js";

const writer = new ByteWriter();

const newest = 1;

function versioned(key: string, bytes: Buffer): ByteReader {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version < 1 || version > newest) {
    throw new RecordCorrupt(key, `version ${version} is unknown`);
  }
  return reader;
}

export const encodeAttemptRecord = ({ first, next, dueAt }: AttemptRecord): Buffer =>
  writer.start().u8(newest).u64(first).u64(next).u64(dueAt).finish();

export function decodeAttemptRecord(key: string, bytes: Buffer): AttemptRecord {
  const reader = versioned(key, bytes);
  return { first: reader.u64(), next: reader.u64(), dueAt: reader.u64() as EpochMs };
}

/** Their places are what is written; new ones go to the end. */
const ends: readonly AttemptEnd[] = [
  "delivered",
  "retried",
  "dead_lettered",
  "given_up",
  "expired",
];

const flags = { status: 1, next: 2, before: 4 } as const;

export function encodeKeptAttempt(row: KeptAttempt): Buffer {
  const { statusCode, nextAt, before } = row;
  writer
    .start()
    .u8(newest)
    .u8(
      (statusCode === undefined ? 0 : flags.status) |
        (nextAt === undefined ? 0 : flags.next) |
        (before === undefined ? 0 : flags.before),
    )
    .u8(ends.indexOf(row.end))
    .raw(row.messageId)
    .u64(row.sequence)
    .u32(row.attempt)
    .u64(row.startedAt)
    .u64(row.durationMs)
    .text(row.response)
    .text(row.error);
  if (statusCode !== undefined) writer.u32(statusCode);
  if (nextAt !== undefined) writer.u64(nextAt);
  if (before !== undefined) writer.u64(before);
  return writer.finish();
}

export function decodeKeptAttempt(key: string, bytes: Buffer): KeptAttempt {
  const reader = versioned(key, bytes);
  const present = reader.u8();
  const written = reader.u8();
  const end = ends[written];
  if (end === undefined) throw new RecordCorrupt(key, `the end ${written} is unknown`);
  return {
    end,
    messageId: reader.raw(idBytes),
    sequence: reader.u64() as Sequence,
    attempt: reader.u32(),
    startedAt: reader.u64() as EpochMs,
    durationMs: reader.u64(),
    response: reader.text(),
    error: reader.text(),
    statusCode: (present & flags.status) === 0 ? undefined : reader.u32(),
    nextAt: (present & flags.next) === 0 ? undefined : (reader.u64() as EpochMs),
    before: (present & flags.before) === 0 ? undefined : reader.u64(),
  };
}

export const encodeAttemptNumber = (number: number): Buffer =>
  writer.start().u8(newest).u64(number).finish();

export const decodeAttemptNumber = (key: string, bytes: Buffer): number =>
  versioned(key, bytes).u64();
