// How records stand in the log database: under their seq, big-endian, so that key order is log order. A long record's chunks
// stand right behind it, under its key and their number.

import type { Epoch, LogSeq } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { ByteReader, frameHeaderBytes } from "./bytes.js";
import { u64At, u64Text } from "./keys.js";
import type { LogEntry } from "./replica-disk.js";

const chainBytes = 16;
const headBytes = 8 + 4 + chainBytes;
export const logKeyBytes = 8;

export const logKey = (seq: LogSeq): string => u64Text(seq);
export const isLogKey = (key: string): boolean => key.length === logKeyBytes;
/** The record that a key of the log, also of a chunk, belongs to. */
export const seqAt = (key: string): LogSeq => u64At(key, 0) as LogSeq;

/** `frameHeaderBytes` free bytes, then the row. */
export function framedEntry({ epoch, chain, record, crc32 }: LogEntry): Buffer {
  const framed = Buffer.allocUnsafe(frameHeaderBytes + headBytes + record.length);
  let at = framed.writeUInt32BE(Math.floor(epoch / 4_294_967_296), frameHeaderBytes);
  at = framed.writeUInt32BE(epoch >>> 0, at);
  at = framed.writeUInt32BE(crc32, at);
  at += chain.copy(framed, at, 0, chainBytes);
  record.copy(framed, at);
  return framed;
}

export function entryOf(key: string, row: Buffer): LogEntry {
  if (row.length < headBytes) throw new RecordCorrupt(key, "it ends too early");
  const reader = new ByteReader(row, key);
  return {
    seq: seqAt(key),
    epoch: reader.u64() as Epoch,
    crc32: reader.u32(),
    chain: reader.raw(chainBytes),
    record: reader.raw(row.length - headBytes),
  };
}
