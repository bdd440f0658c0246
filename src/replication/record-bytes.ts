// Encodes a record's changes by hand: they are nearly all of its bytes, and on the way of every write. The bytes are what the
// generated code would make of them (a test compares the two), in one buffer and with one copy of each key and value.

import type { StateChange } from "../store/replica-disk.js";

const mutationTag = (11 << 3) | 2;
const keyTag = (1 << 3) | 2;
const valueTag = (2 << 3) | 2;
const mayReplaceChunksTag = 3 << 3;

/** `before` and `after` are the encoded fields before and after the changes. */
export function recordBytes(
  before: Uint8Array,
  changes: readonly StateChange[],
  after: Uint8Array,
): Buffer {
  const bodies = changes.map(bodyLength);
  const total = bodies.reduce((sum, length) => sum + 1 + varintLength(length) + length, 0);
  const bytes = Buffer.allocUnsafe(before.length + total + after.length);
  bytes.set(before, 0);
  let at = before.length;
  for (const [index, change] of changes.entries()) {
    bytes[at] = mutationTag;
    at = writeVarint(bytes, bodies[index] ?? 0, at + 1);
    at = writeChange(bytes, change, at);
  }
  bytes.set(after, at);
  return bytes;
}

const bodyLength = ({ key, value, mayReplaceChunks }: StateChange): number =>
  1 +
  varintLength(key.length) +
  key.length +
  (value === undefined ? 0 : 1 + varintLength(value.length) + value.length) +
  (mayReplaceChunks ? 2 : 0);

function writeChange(bytes: Buffer, change: StateChange, from: number): number {
  let at = writeBytes(bytes, keyTag, change.key, from);
  if (change.value !== undefined) at = writeBytes(bytes, valueTag, change.value, at);
  if (!change.mayReplaceChunks) return at;
  bytes[at] = mayReplaceChunksTag;
  bytes[at + 1] = 1;
  return at + 2;
}

function writeBytes(bytes: Buffer, tag: number, contents: Buffer, from: number): number {
  bytes[from] = tag;
  const at = writeVarint(bytes, contents.length, from + 1);
  bytes.set(contents, at);
  return at + contents.length;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length += 1;
  return length;
}

function writeVarint(bytes: Buffer, value: number, from: number): number {
  let at = from;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) {
    bytes[at] = (rest & 0x7f) | 0x80;
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}
