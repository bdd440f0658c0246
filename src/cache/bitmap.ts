// Values as rows of bits: read, written, counted, found, combined, and counted with. A bitmap is a value like any other, which a
// call makes longer where it writes past its end. What changes no bit writes nothing, since a write is one of the whole value.

import type { CacheKey, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import {
  type BitOperator,
  bitAt,
  boundsOf,
  bytesFor,
  combineInto,
  countOnes,
  endOfNumber,
  findBit,
  grown,
  invert,
  type NumberPlace,
  readNumber,
  writeBit,
  writeNumber,
} from "./bits.js";
import { type Range, rangeOf } from "./byte-range.js";
import type { Expiry } from "./expiry.js";
import { cacheLimits } from "./limits.js";
import type { Item } from "./model.js";
import { addWhole, type OverflowMode } from "./number-text.js";
import type { OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { remove } from "./scalars.js";
import { overwrite, readWhole, replaceBytes } from "./whole-values.js";

/** Bits that a value may have in any cache. */
export const bitsMax = cacheLimits.valueBytesMax * 8;
/** Values that one call combines: each is read whole while others wait. */
export const sourcesMax = 32;

const noBytes = Buffer.alloc(0);

// --- reading ----------------------------------------------------------------------------------------------------------------

/** What a read found out, and of which item; undefined: there is none, and all bits are 0. */
export interface BitsRead<Result> {
  readonly result: Result;
  readonly item: Item | undefined;
}

function read<Result>(
  open: OpenCache,
  key: CacheKey,
  ask: (bytes: Buffer) => Result,
): CacheDecided<BitsRead<Result>> {
  const found = readWhole(open, key);
  if (found.kind === "rejected") return found;
  const { bytes, item } = found.outcome ?? { bytes: noBytes, item: undefined };
  return accept({ result: ask(bytes), item });
}

export interface GetBit {
  readonly key: CacheKey;
  readonly offset: number;
}

export const getBit = (open: OpenCache, { key, offset }: GetBit): CacheDecided<BitsRead<boolean>> =>
  read(open, key, (bytes) => bitAt(bytes, offset));

/** A part of a bitmap, by bytes or by bits; a place below 0 counts from the end. */
export interface BitRange {
  readonly unit: "byte" | "bit";
  readonly start: number;
  /** After the last. Undefined: to the end. */
  readonly end: number | undefined;
}

/** The same in bits, of bytes so many. */
function bitsOf(length: number, { unit, start, end }: BitRange): Range {
  if (unit === "bit") return rangeOf(length * 8, start, end);
  const range = rangeOf(length, start, end);
  return { start: range.start * 8, end: range.end * 8 };
}

export interface BitCount {
  readonly key: CacheKey;
  readonly range: BitRange;
}

export const bitCount = (
  open: OpenCache,
  { key, range }: BitCount,
): CacheDecided<BitsRead<number>> =>
  read(open, key, (bytes) => countOnes(bytes, bitsOf(bytes.length, range)));

export interface BitPosition extends BitCount {
  readonly bit: boolean;
}

/** Its place; undefined: there is none. */
export const bitPosition = (
  open: OpenCache,
  { key, range, bit }: BitPosition,
): CacheDecided<BitsRead<number | undefined>> =>
  read(open, key, (bytes) => {
    const found = findBit(bytes, bit, bitsOf(bytes.length, range));
    if (found !== undefined || bit || range.end !== undefined) return found;
    // Zeros follow the value, as far as one may reach.
    const start = range.start * (range.unit === "byte" ? 8 : 1);
    const first = Math.max(bytes.length * 8, start);
    return first < bitsMax ? first : undefined;
  });

// --- writing ----------------------------------------------------------------------------------------------------------------

export interface SetBit extends GetBit {
  readonly bit: boolean;
  /** Of a value that is made. */
  readonly expiry: Expiry;
}

export interface BitWritten {
  readonly previous: boolean;
  readonly version: Version;
}

export function setBit(open: OpenCache, order: SetBit): CacheDecided<BitWritten> {
  const { key, offset, bit } = order;
  const found = readWhole(open, key);
  if (found.kind === "rejected") return found;
  const { bytes, item } = found.outcome ?? { bytes: noBytes, item: undefined };
  const previous = bitAt(bytes, offset);
  const length = bytesFor(offset + 1);
  if (item !== undefined && previous === bit && length <= bytes.length) {
    return accept({ previous, version: item.version });
  }
  const refused = refuseLonger(open, length);
  if (refused !== undefined) return refused;
  const next = grown(bytes, length);
  writeBit(next, offset, bit);
  const version = replaceBytes(open, order, next);
  return version.kind === "rejected" ? version : accept({ previous, version: version.outcome });
}

/** Before anything so long is made. */
function refuseLonger(open: OpenCache, bytes: number): CacheDecided<never> | undefined {
  const { valueBytesMax: limit } = open.cache.config;
  if (bytes <= limit) return undefined;
  return refuse({ kind: "result_too_large", cache: open.address.given, bytes, limit });
}

export interface BitOperation {
  readonly operator: BitOperator;
  readonly destination: CacheKey;
  /** Of "not" one. Never none. */
  readonly sources: readonly CacheKey[];
  readonly expiry: Expiry;
}

export interface Combined {
  readonly length: number;
  /** 0: the destination had nothing and has nothing. */
  readonly version: Version | 0;
}

export function bitOperation(open: OpenCache, order: BitOperation): CacheDecided<Combined> {
  const { destination: key, expiry } = order;
  const combined = combine(open, order);
  if (combined.kind === "rejected") return combined;
  const { outcome: bytes } = combined;
  if (bytes.length === 0) {
    const removed = remove(open, { key, condition: { kind: "always" }, mode: "delete" });
    if (removed.kind === "rejected") return removed;
    const { kind, version } = removed.outcome;
    return accept({ length: 0, version: kind === "deleted" ? version : 0 });
  }
  const written = overwrite(open, { key, bytes, expiry, slidingMs: undefined });
  if (written.kind === "rejected") return written;
  return accept({ length: bytes.length, version: written.outcome.version });
}

/** One source after another, so that no more than two are in memory with the result. */
function combine(open: OpenCache, { operator, sources }: BitOperation): CacheDecided<Buffer> {
  const length = Math.max(0, ...sources.map((key) => lengthOf(open, key)));
  const refused = refuseLonger(open, length);
  if (refused !== undefined) return refused;
  const target = Buffer.alloc(length);
  for (const [index, key] of sources.entries()) {
    const found = readWhole(open, key);
    if (found.kind === "rejected") return found;
    const bytes = found.outcome?.bytes ?? noBytes;
    if (index === 0 || operator === "not") bytes.copy(target);
    else combineInto(target, bytes, operator);
  }
  if (operator === "not") invert(target);
  return accept(target);
}

/** Of what is no value 0: reading it is refused. */
function lengthOf(open: OpenCache, key: CacheKey): number {
  const looked = open.look(key);
  if (looked.kind !== "live" || looked.item.content.kind !== "scalar") return 0;
  return looked.item.content.length;
}

// --- numbers ----------------------------------------------------------------------------------------------------------------

export type BitFieldOperation =
  | { readonly kind: "get"; readonly place: NumberPlace }
  | {
      readonly kind: "set" | "increment";
      readonly place: NumberPlace;
      /** What it becomes, or what is added. */
      readonly operand: bigint;
      /** "error": nothing is changed, and the others go on. */
      readonly onOverflow: OverflowMode;
    };

export interface BitField {
  readonly key: CacheKey;
  readonly operations: readonly BitFieldOperation[];
  /** Of a value that is made. */
  readonly expiry: Expiry;
}

export interface BitFieldDone {
  /** Undefined: it did not fit. */
  readonly results: readonly (bigint | undefined)[];
  /** 0: there is no value. */
  readonly version: Version | 0;
  /** Undefined: there was no value. */
  readonly item: Item | undefined;
}

export function bitField(open: OpenCache, order: BitField): CacheDecided<BitFieldDone> {
  const { key, operations } = order;
  const found = readWhole(open, key);
  if (found.kind === "rejected") return found;
  const { bytes, item } = found.outcome ?? { bytes: noBytes, item: undefined };
  // As long at once as all the numbers that are written want it: growing again for each would copy it a thousand times.
  const length = Math.max(0, ...operations.map(lengthWritten));
  const refused = refuseLonger(open, length);
  if (refused !== undefined) return refused;
  const { results, changed } = carryOutAll(bytes, length, operations);
  if (changed === undefined) return accept({ results, version: item?.version ?? 0, item });
  const version = replaceBytes(open, order, changed);
  if (version.kind === "rejected") return version;
  return accept({ results, version: version.outcome, item });
}

const lengthWritten = ({ kind, place }: BitFieldOperation): number =>
  kind === "get" ? 0 : bytesFor(endOfNumber(place));

/** `changed` is undefined where all bytes are as they were. */
function carryOutAll(
  bytes: Buffer,
  length: number,
  operations: readonly BitFieldOperation[],
): { readonly results: readonly (bigint | undefined)[]; readonly changed: Buffer | undefined } {
  const results: (bigint | undefined)[] = [];
  let changed: Buffer | undefined;
  for (const operation of operations) {
    const { kind, place } = operation;
    const current = readNumber(changed ?? bytes, place);
    if (kind === "get") {
      results.push(current);
      continue;
    }
    const { operand, onOverflow } = operation;
    const next = addWhole(kind === "set" ? 0n : current, operand, boundsOf(place), onOverflow);
    results.push(kind === "set" && next !== undefined ? current : next);
    const isLonger = lengthWritten(operation) > (changed ?? bytes).length;
    if (next === undefined || (next === current && !isLonger)) continue;
    changed ??= grown(bytes, length);
    writeNumber(changed, place, next);
  }
  return { results, changed };
}
