// Numbers as bytes whose order is that of the numbers, so that what is sorted by its bytes is sorted by them.

import type { EpochMs } from "../../base/brands.js";
import type { EntryKey } from "./entries.js";

const eight = Buffer.alloc(8);
const textOf = (): string => eight.toString("latin1");

/** Of an instant, in front of the key of what ends then. */
export function instantKey(at: EpochMs | number): EntryKey {
  eight.writeBigUInt64BE(BigInt(at));
  return textOf();
}

/** What an entry in the order of ends is for. */
export const keyBehindInstant = (key: EntryKey): EntryKey => key.slice(8);

export function instantOf(key: EntryKey): EpochMs {
  return Number(Buffer.from(key.slice(0, 8), "latin1").readBigUInt64BE()) as EpochMs;
}

const signBit = 1n << 63n;
const allBits = (1n << 64n) - 1n;

/** Of a score that is a number; zero has no sign. */
export function scoreKey(score: number): EntryKey {
  eight.writeDoubleBE(score === 0 ? 0 : score);
  const bits = eight.readBigUInt64BE();
  // Negative ones in reverse, and below the others.
  eight.writeBigUInt64BE((bits & signBit) === 0n ? bits | signBit : bits ^ allBits);
  return textOf();
}

export function scoreOf(key: EntryKey): number {
  const bits = Buffer.from(key.slice(0, 8), "latin1").readBigUInt64BE();
  eight.writeBigUInt64BE((bits & signBit) === 0n ? bits ^ allBits : bits ^ signBit);
  return eight.readDoubleBE();
}

/** The first key behind all that begin so; undefined: none is. */
export function behindPrefix(prefix: EntryKey): EntryKey | undefined {
  const kept = prefix.replace(/\xff+$/, "");
  if (kept === "") return undefined;
  return kept.slice(0, -1) + String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1);
}
