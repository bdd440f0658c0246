// Bitmaps at the wire: request to rule, outcome to answer.

import {
  type BitFieldOperation,
  type BitRange,
  bitCount,
  bitField,
  bitOperation,
  bitPosition,
  bitsMax,
  getBit,
  setBit,
  sourcesMax,
} from "../cache/bitmap.js";
import { type BitOperator, bytesFor, endOfNumber, type NumberPlace } from "../cache/bits.js";
import { cacheLimits } from "../cache/limits.js";
import type { OverflowMode } from "../cache/number-text.js";
import {
  BitFieldRequest,
  BitFieldResponse,
  type BitmapServiceDefinition,
  BitOperationRequest,
  BitOperationResponse,
  BitOverflow,
  RangeUnit,
  SetBitRequest,
  SetBitResponse,
  type BitFieldOperation as WireBitFieldOperation,
  type BitNumber as WireBitNumber,
  BitOperator as WireBitOperator,
} from "../gen/forebay/cache/v1/bitmap_service.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { checkCount, parseExpiry, parseKey, parseKeyForm } from "./cache-parse.js";
import { always, createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { parseEnum, type Violations } from "./violations.js";

export type BitmapHandlers = ServiceHandlers<typeof BitmapServiceDefinition>;

export const createBitmapHandlers = (parts: CacheHandlerParts): BitmapHandlers => ({
  ...createBitReads(parts),
  ...createBitWrites(parts),
});

function createBitReads(
  parts: CacheHandlerParts,
): Pick<BitmapHandlers, "getBit" | "bitCount" | "bitPosition"> {
  const { handle } = createValueCalls(parts);
  return {
    getBit: handle({
      name: "GetBit",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        offset: parseOffset(violations, "offset", request.offset),
      }),
      rule: getBit,
      render: ({ result, item }) => ({ bit: result, version: BigInt(item?.version ?? 0) }),
      found: ({ key }, { item }) => [{ key, item }],
    }),

    bitCount: handle({
      name: "BitCount",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        range: parseRange(violations, request),
      }),
      rule: bitCount,
      render: ({ result, item }) => ({
        count: BigInt(result),
        version: BigInt(item?.version ?? 0),
      }),
      found: ({ key }, { item }) => [{ key, item }],
    }),

    bitPosition: handle({
      name: "BitPosition",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        range: parseRange(violations, request),
        bit: request.bit,
      }),
      rule: bitPosition,
      render: ({ result, item }) => ({
        position: result === undefined ? undefined : BigInt(result),
        version: BigInt(item?.version ?? 0),
      }),
      found: ({ key }, { item }) => [{ key, item }],
    }),
  };
}

function createBitWrites(
  parts: CacheHandlerParts,
): Pick<BitmapHandlers, "setBit" | "bitOperation" | "bitField"> {
  const { handleOnce } = createValueCalls(parts);
  return {
    setBit: handleOnce(
      {
        name: "SetBit",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          offset: parseOffset(violations, "offset", request.offset),
          bit: request.bit,
          expiry: parseExpiry(violations, "expiry", request.expiry),
        }),
        bytesOf: ({ offset }) => bytesFor(offset + 1),
        rule: setBit,
        render: ({ previous, version }) => ({
          previous,
          version: BigInt(version),
          replayed: false,
        }),
      },
      { request: SetBitRequest, response: SetBitResponse },
    ),

    bitOperation: handleOnce(
      {
        name: "BitOperation",
        isGrowing: true,
        parse: parseBitOperation,
        rule: bitOperation,
        render: ({ length, version }) => ({
          length: BigInt(length),
          version: BigInt(version),
          replayed: false,
        }),
      },
      { request: BitOperationRequest, response: BitOperationResponse },
    ),

    bitField: handleOnce(
      {
        name: "BitField",
        isGrowing: true,
        isLookup: ({ operations }) => operations.every(({ kind }) => kind === "get"),
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          operations: parseBitFieldOperations(violations, request.operations),
          expiry: parseExpiry(violations, "expiry", request.expiry),
        }),
        bytesOf: ({ operations }) =>
          Math.max(0, ...operations.map(({ place }) => bytesFor(endOfNumber(place)))),
        rule: bitField,
        render: ({ results, version }) => ({
          results: results.map((value) => ({ value })),
          version: BigInt(version),
          replayed: false,
        }),
      },
      { request: BitFieldRequest, response: BitFieldResponse },
    ),
  };
}

const offsetRule = `must be from 0 to ${bitsMax - 1}, a bit that a value can have`;

/** 0 where it is wrong. */
function parseOffset(violations: Violations, field: string, offset: bigint): number {
  if (offset >= 0n && offset < BigInt(bitsMax)) return Number(offset);
  violations.add("BAD_RANGE", field, `${offsetRule}, not ${offset}`);
  return 0;
}

function parseRange(
  violations: Violations,
  request: {
    readonly start: bigint;
    readonly end?: bigint | undefined;
    readonly unit: RangeUnit;
  },
): BitRange {
  const unit = parseEnum(violations, "unit", request.unit, RangeUnit);
  return {
    unit: unit === "BIT" ? "bit" : "byte",
    start: Number(request.start),
    end: request.end === undefined ? undefined : Number(request.end),
  };
}

const operators = {
  AND: "and",
  OR: "or",
  XOR: "xor",
  NOT: "not",
} as const satisfies Readonly<Record<string, BitOperator>>;

function parseBitOperation(violations: Violations, request: BitOperationRequest) {
  const name = parseEnum(violations, "operator", request.operator, WireBitOperator);
  if (request.operator === WireBitOperator.UNSPECIFIED) {
    violations.add("MISSING_PARAMETER", "operator", "is needed: AND, OR, XOR or NOT");
  }
  const { length } = request.sources;
  if (length === 0) {
    violations.add("MISSING_PARAMETER", "sources", "at least one key is needed");
  } else if (name === "NOT" && length > 1) {
    violations.add("CONFLICTING_OPTIONS", "sources", `NOT takes one key, not ${length}`);
  }
  return {
    operator: name === undefined ? "and" : operators[name],
    destination: parseKey(violations, "destination", request.destination),
    sources: parseSources(violations, request),
    expiry: parseExpiry(violations, "expiry", request.expiry),
  };
}

const parseSources = (violations: Violations, { sources }: BitOperationRequest) =>
  checkCount(violations, "sources", sources.length, sourcesMax)
    ? sources.map((key, index) => parseKey(violations, `sources[${index}]`, key))
    : [];

function parseBitFieldOperations(
  violations: Violations,
  operations: readonly WireBitFieldOperation[],
): readonly BitFieldOperation[] {
  const { operationsMax } = cacheLimits;
  if (!checkCount(violations, "operations", operations.length, operationsMax)) return [];
  return operations.map((operation, index) =>
    parseBitFieldOperation(violations, `operations[${index}]`, operation),
  );
}

const overflowModes = {
  WRAP: "wrap",
  SATURATE: "saturate",
  FAIL: "error",
} as const satisfies Readonly<Record<string, OverflowMode>>;

function parseBitFieldOperation(
  violations: Violations,
  field: string,
  { operation: form }: WireBitFieldOperation,
): BitFieldOperation {
  if (form === undefined) {
    violations.add("MISSING_PARAMETER", field, "is needed: get, set or increment");
    return { kind: "get", place: somewhere };
  }
  const at = `${field}.${form.$case}`;
  const place = parsePlace(violations, `${at}.number`, form.value.number);
  if (form.$case === "get") return { kind: "get", place };
  const { onOverflow } = form.value;
  const mode = parseEnum(violations, `${at}.on_overflow`, onOverflow, BitOverflow);
  return {
    kind: form.$case,
    place,
    operand: form.$case === "set" ? form.value.value : form.value.delta,
    onOverflow: mode === undefined ? "wrap" : overflowModes[mode],
  };
}

/** In place of one that is wrong, and told of. */
const somewhere: NumberPlace = { offset: 0, width: 1, isSigned: false };

function parsePlace(
  violations: Violations,
  field: string,
  number: WireBitNumber | undefined,
): NumberPlace {
  const form = number?.place;
  if (number === undefined || form === undefined) {
    violations.add("MISSING_PARAMETER", field, "is needed, with offset or index");
    return somewhere;
  }
  const { width, signed: isSigned } = number;
  const widthMax = isSigned ? 64 : 63;
  if (width < 1 || width > widthMax) {
    const rule = `must be from 1 to 64, of a number that is not signed to 63, not ${width}`;
    violations.add("INVALID_PARAMETER", `${field}.width`, rule);
    return somewhere;
  }
  const start = form.$case === "offset" ? form.value : form.value * BigInt(width);
  if (start < 0n || start + BigInt(width) > BigInt(bitsMax)) {
    const rule = `the number must be within the first ${bitsMax} bits, those that a value can have`;
    violations.add("BAD_RANGE", `${field}.${form.$case}`, rule);
    return somewhere;
  }
  return { offset: Number(start), width, isSigned };
}
