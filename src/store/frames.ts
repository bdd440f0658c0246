// How a row's bytes stand in LMDB: kind and checksum in front, and long rows cut into chunks.
//
// LMDB has no page checksums, so every value carries a CRC-32 over its key and bytes: a value that was damaged, or that stands
// at another's key, is found when it is read. LMDB keeps key and value up to about half a page in a leaf page; larger ones would
// need overflow pages, which stall the writer, so no value is longer than that.
//
// Pages have 8 KiB because LMDB cannot split every larger one (openldap ITS#9806, unmended in the LMDB of lmdb-js 3.5.6): of a page
// with 32 nodes or more it checks whether a half has room for the new node only if that one is longer than a sixteenth of a page,
// and otherwise fails with MDB_PAGE_FULL, each time the same row is written. The other half has at least 16 nodes, and what they
// take the half with the new node has free: with nodes of 32 bytes or more that is 512 bytes, a sixteenth of 8 KiB, so a leaf's
// node is never shorter. A branch's node is a key and 10 bytes: with keys of 11 bytes or more, which all tables of many rows have, 16
// of them (the first without its key) take 340 bytes, so a key is never longer than 330.

import { assert } from "../base/assert.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { frameHeaderBytes } from "./bytes.js";
import { checksumOf } from "./checksum.js";
import type { StoredHead } from "./store.js";

export const pageBytes = 8_192;
export const keyBytesMax = 330;
/** With the longest key and what LMDB puts in front (10 bytes) it stays below the 4,082 bytes that a leaf page takes. */
export const valueBytesMax = 3_700;
/** Key and value that LMDB takes for a node of 32 bytes. */
const rowBytesMin = 22;

/** `padded`: whole, with bytes behind it that mean nothing, the last of which says how many they are. */
export const valueKinds = { whole: 0, first: 1, chunk: 2, padded: 3 } as const;
export const firstChunkHeaderBytes = frameHeaderBytes + 6;

export const keyBytes = (key: string): Buffer => Buffer.from(key, "latin1");

/** LMDB throws at longer keys, also as bounds of a range. */
export function keyRange(
  from: string,
  to: string,
): { readonly start: Buffer; readonly end: Buffer } {
  assert(from.length <= keyBytesMax && to.length <= keyBytesMax, "keys have 1 to 330 bytes");
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

/** A whole row's value, sealed; longer by what makes its node long enough. */
export function sealedWhole(key: Buffer, framed: Buffer): Buffer {
  const missing = rowBytesMin - key.length - framed.length;
  if (missing <= 0) {
    seal(key, framed, valueKinds.whole);
    return framed;
  }
  const padded = Buffer.alloc(framed.length + missing);
  framed.copy(padded);
  padded[padded.length - 1] = missing;
  seal(key, padded, valueKinds.padded);
  return padded;
}

/** The row of a value that is one by itself; undefined: it is in chunks, or one of them. */
export function wholeRow(framed: Buffer, kind: number): Buffer | undefined {
  if (kind === valueKinds.whole) return framed.subarray(frameHeaderBytes);
  if (kind !== valueKinds.padded) return undefined;
  return framed.subarray(frameHeaderBytes, framed.length - (framed[framed.length - 1] ?? 0));
}

/** What can be told from a row's first value alone. */
export function headOf(key: string, framed: Buffer): StoredHead {
  const row = wholeRow(framed, unseal(key, framed));
  const isWhole = row !== undefined;
  return { key, bytes: row ?? framed.subarray(firstChunkHeaderBytes), isWhole };
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
