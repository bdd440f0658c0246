// How a row's bytes stand in LMDB: kind and checksum in front, and long rows cut into chunks.
//
// LMDB has no page checksums, so every value carries a CRC-32 over its key and bytes: a value that was damaged, or that stands
// at another's key, is found when it is read. With 16 KiB pages LMDB keeps key and value up to 8,170 bytes in a leaf page
// (measured); larger ones would need overflow pages, which stall the writer, so no value is longer than 8,000 bytes.

import { assert } from "../base/assert.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { frameHeaderBytes } from "./bytes.js";
import { checksumOf } from "./checksum.js";
import type { StoredHead } from "./store.js";

export const valueBytesMax = 8_000;
export const keyBytesMax = 1_024;

export const valueKinds = { whole: 0, first: 1, chunk: 2 } as const;
export const firstChunkHeaderBytes = frameHeaderBytes + 6;

export const keyBytes = (key: string): Buffer => Buffer.from(key, "latin1");

/** LMDB throws at longer keys, also as bounds of a range. */
export function keyRange(
  from: string,
  to: string,
): { readonly start: Buffer; readonly end: Buffer } {
  assert(from.length <= keyBytesMax && to.length <= keyBytesMax, "keys have 1 to 1,024 bytes");
  return { start: keyBytes(from), end: keyBytes(to) };
}

/** Writes kind and checksum into the free bytes in front. */
export function seal(key: Buffer, framed: Buffer, kind: number): void {
  framed[0] = kind;
  framed.writeUInt32BE(checksumOf(key, framed, kind), 1);
}

export function unseal(key: string, framed: Buffer): number {
  const kind = framed[0] ?? 255;
  if (
    framed.length < frameHeaderBytes ||
    framed.readUInt32BE(1) !== checksumOf(key, framed, kind)
  ) {
    throw new RecordCorrupt(key, "its checksum does not match");
  }
  return kind;
}

/** What can be told from a row's first value alone. */
export function headOf(key: string, framed: Buffer): StoredHead {
  const isWhole = unseal(key, framed) === valueKinds.whole;
  return {
    key,
    bytes: framed.subarray(isWhole ? frameHeaderBytes : firstChunkHeaderBytes),
    isWhole,
  };
}

/** Chunks after the first that a framed row of this length needs. */
export function chunksOf(framedLength: number): number {
  const rest = framedLength - frameHeaderBytes - (valueBytesMax - firstChunkHeaderBytes);
  return Math.ceil(rest / (valueBytesMax - frameHeaderBytes));
}

/** What `read` gives; undefined when it is corrupt and was passed over. */
export function orPassOver<Value>(
  passOver: (corrupt: RecordCorrupt) => void,
  read: () => Value,
): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RecordCorrupt)) throw error;
    passOver(error);
    return undefined;
  }
}
