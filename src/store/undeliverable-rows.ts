// How undeliverable messages are written, and orders to try them again.

import type { EpochMs, Sequence } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { TopicMessage } from "../topic/model.js";
import type {
  RedriveOrder,
  Undeliverable,
  UndeliverableAmount,
  UndeliverableRecord,
} from "../topic/undeliverable-model.js";
import { ByteReader, ByteWriter, frameHeaderBytes } from "./bytes.js";
import { u64At } from "./keys.js";
import { decodeTopicMessage, encodeTopicMessage } from "./topic-rows.js";

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

export const encodeUndeliverableTotal = ({ count, bytes }: UndeliverableAmount): Buffer =>
  writer.start().u8(newest).u64(count).u64(bytes).finish();

export function decodeUndeliverableTotal(key: string, bytes: Buffer): UndeliverableAmount {
  const reader = versioned(key, bytes);
  return { count: reader.u64(), bytes: reader.u64() };
}

export const encodeUndeliverableRecord = ({ count, bytes, round }: UndeliverableRecord): Buffer =>
  writer.start().u8(newest).u64(count).u64(bytes).u64(round).finish();

export function decodeUndeliverableRecord(key: string, bytes: Buffer): UndeliverableRecord {
  const reader = versioned(key, bytes);
  return { count: reader.u64(), bytes: reader.u64(), round: reader.u64() };
}

const flags = { attempted: 1, replayed: 1, paced: 1 } as const;

export function encodeUndeliverable(row: Undeliverable): Buffer {
  const { firstAttemptAt } = row;
  writer
    .start()
    .u8(newest)
    .u8(firstAttemptAt === undefined ? 0 : flags.attempted)
    .u64(row.givenUpAt)
    .u32(row.attempts)
    .u64(row.bytes)
    .u64(row.round)
    .text(row.reason)
    .text(row.lastError);
  if (firstAttemptAt !== undefined) writer.u64(firstAttemptAt);
  return writer.finish();
}

export function decodeUndeliverable(key: string, bytes: Buffer): Undeliverable {
  const reader = versioned(key, bytes);
  const present = reader.u8();
  return {
    sequence: u64At(key, key.length - 8) as Sequence,
    givenUpAt: reader.u64() as EpochMs,
    attempts: reader.u32(),
    bytes: reader.u64(),
    round: reader.u64(),
    reason: reader.text(),
    lastError: reader.text(),
    firstAttemptAt: (present & flags.attempted) === 0 ? undefined : (reader.u64() as EpochMs),
  };
}

export function encodeUndeliverableMessage(message: TopicMessage): Buffer {
  // Before the writer is begun: that of messages gives its bytes a frame of their own.
  const bytes = encodeTopicMessage(message).subarray(frameHeaderBytes);
  const { replayId } = message;
  writer
    .start()
    .u8(newest)
    .u8(replayId === undefined ? 0 : flags.replayed);
  if (replayId !== undefined) writer.text(replayId);
  return writer.bytes(bytes).finish();
}

export function decodeUndeliverableMessage(key: string, bytes: Buffer): TopicMessage {
  const reader = versioned(key, bytes);
  const replayId = (reader.u8() & flags.replayed) === 0 ? undefined : reader.text();
  const message = decodeTopicMessage(key, reader.bytes());
  return replayId === undefined ? message : { ...message, replayId };
}

export function encodeRedriveOrder(row: RedriveOrder): Buffer {
  const { perSecond } = row;
  writer
    .start()
    .u8(newest)
    .u8(perSecond === undefined ? 0 : flags.paced)
    .u64(row.round)
    .u64(row.from)
    .u64(row.left)
    .u64(row.nextAtUs);
  if (perSecond !== undefined) writer.u32(perSecond);
  return writer.finish();
}

export function decodeRedriveOrder(key: string, bytes: Buffer): RedriveOrder {
  const reader = versioned(key, bytes);
  const present = reader.u8();
  return {
    round: reader.u64(),
    from: reader.u64() as Sequence,
    left: reader.u64(),
    nextAtUs: reader.u64(),
    perSecond: (present & flags.paced) === 0 ? undefined : reader.u32(),
  };
}
