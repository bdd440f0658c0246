// Bits in bytes, and whole numbers of 1 to 64 bits anywhere in them. Numbered as Redis does it: bit 0 is the highest of the first
// byte, and a number begins with its highest bit. Bits after the last byte are 0 wherever they are read.

import type { Range } from "./byte-range.js";
import type { CountBounds } from "./number-text.js";

export const bytesFor = (bits: number): number => Math.ceil(bits / 8);

export const bitAt = (bytes: Buffer, offset: number): boolean =>
  (((bytes[offset >>> 3] ?? 0) >>> (7 - (offset & 7))) & 1) === 1;

/** The byte must be there. */
export function writeBit(bytes: Buffer, offset: number, bit: boolean): void {
  const at = offset >>> 3;
  const mask = 0x80 >>> (offset & 7);
  const byte = bytes[at] ?? 0;
  bytes[at] = bit ? byte | mask : byte & ~mask;
}

/** A copy, with zeros after it where it is shorter. */
export function grown(bytes: Buffer, length: number): Buffer {
  const copy = Buffer.alloc(Math.max(bytes.length, length));
  bytes.copy(copy);
  return copy;
}

const onesOfByte = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let rest = byte; rest > 0; rest >>>= 1) ones += rest & 1;
  return ones;
});

/** Bits of a range that are 1. */
export function countOnes(bytes: Buffer, { start, end }: Range): number {
  let ones = 0;
  let at = start;
  while (at < end) {
    const isWholeByte = (at & 7) === 0 && at + 8 <= end;
    if (isWholeByte) ones += onesOfByte[bytes[at >>> 3] ?? 0] ?? 0;
    else if (bitAt(bytes, at)) ones += 1;
    at += isWholeByte ? 8 : 1;
  }
  return ones;
}

/** The first bit of a range that is as asked; undefined: none is. */
export function findBit(bytes: Buffer, bit: boolean, { start, end }: Range): number | undefined {
  const byteOfOthers = bit ? 0x00 : 0xff;
  let at = start;
  while (at < end) {
    // A step past the end is one over bits that are others as well.
    if ((at & 7) === 0 && bytes[at >>> 3] === byteOfOthers) at += 8;
    else if (bitAt(bytes, at) === bit) return at;
    else at += 1;
  }
  return undefined;
}

export type BitOperator = "and" | "or" | "xor" | "not";

/** Combines bytes with others, which are not longer, in place. */
export function combineInto(
  target: Buffer,
  source: Buffer,
  operator: Exclude<BitOperator, "not">,
): void {
  const { length } = source;
  switch (operator) {
    case "and":
      for (let at = 0; at < length; at += 1) target[at] = (target[at] ?? 0) & (source[at] ?? 0);
      target.fill(0, length);
      return;
    case "or":
      for (let at = 0; at < length; at += 1) target[at] = (target[at] ?? 0) | (source[at] ?? 0);
      return;
    case "xor":
      for (let at = 0; at < length; at += 1) target[at] = (target[at] ?? 0) ^ (source[at] ?? 0);
      return;
  }
}

/** In place. */
export function invert(target: Buffer): void {
  for (let at = 0; at < target.length; at += 1) target[at] = ~(target[at] ?? 0);
}

/** Bits that are a whole number. */
export interface NumberPlace {
  readonly offset: number;
  /** 1 to 64; of one that is not signed at most 63, so that each fits into 64 signed bits. */
  readonly width: number;
  readonly isSigned: boolean;
}

export const boundsOf = ({ width, isSigned }: NumberPlace): CountBounds => {
  const bits = BigInt(isSigned ? width - 1 : width);
  const max = (1n << bits) - 1n;
  return { min: isSigned ? -max - 1n : 0n, max };
};

export const endOfNumber = ({ offset, width }: NumberPlace): number => offset + width;

/** The bytes that a number touches, as one number, and how many bits come after it in them. */
function around(bytes: Buffer, place: NumberPlace) {
  const first = place.offset >>> 3;
  const last = (endOfNumber(place) - 1) >>> 3;
  let whole = 0n;
  for (let at = first; at <= last; at += 1) whole = (whole << 8n) | BigInt(bytes[at] ?? 0);
  return { first, last, whole, behind: BigInt((last + 1) * 8 - endOfNumber(place)) };
}

export function readNumber(bytes: Buffer, place: NumberPlace): bigint {
  const { whole, behind } = around(bytes, place);
  const { width, isSigned } = place;
  return isSigned ? BigInt.asIntN(width, whole >> behind) : BigInt.asUintN(width, whole >> behind);
}

/** The bytes must be there, and the number in its bounds. */
export function writeNumber(bytes: Buffer, place: NumberPlace, value: bigint): void {
  const { first, last, whole, behind } = around(bytes, place);
  const mask = ((1n << BigInt(place.width)) - 1n) << behind;
  let rest = (whole & ~mask) | (BigInt.asUintN(place.width, value) << behind);
  for (let at = last; at >= first; at -= 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}
