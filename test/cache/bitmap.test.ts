// Bitmaps at their edges: where a value ends, what it may not become, and how their calls are answered.

import { afterEach, expect, test } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import {
  type BitFieldOperation,
  bitCount,
  bitField,
  bitOperation,
  bitPosition,
  bitsMax,
  setBit,
} from "../../src/cache/bitmap.js";
import type { Expiry } from "../../src/cache/expiry.js";
import type { CacheConfig } from "../../src/cache/limits.js";
import { readWhole, replaceBytes } from "../../src/cache/whole-values.js";
import {
  BitFieldRequest,
  BitOperationRequest,
  BitOperator,
  BitPositionRequest,
  GetBitRequest,
  RangeUnit,
  SetBitRequest,
} from "../../src/gen/forebay/cache/v1/bitmap_service.js";
import { createBitmapHandlers } from "../../src/rpc/cache-bitmap-handlers.js";
import { CacheRules, cacheKey, callContext, reasonOf } from "../support/cache-rules.js";

const expiry: Expiry = { kind: "default" };
const key = cacheKey("bits");
const started: CacheRules[] = [];

async function start(config: Partial<CacheConfig> = {}): Promise<CacheRules> {
  const cache = await CacheRules.start(config);
  started.push(cache);
  return cache;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((cache) => cache.stop()));
});

const write = (cache: CacheRules, hex: string, name = key) =>
  cache.done((open) => replaceBytes(open, { key: name, expiry }, Buffer.from(hex, "hex")));
const stored = async (cache: CacheRules, name = key): Promise<string | undefined> => {
  const found = await cache.done((open) => readWhole(open, name));
  return found?.bytes.toString("hex");
};
const fields = (cache: CacheRules, ...operations: readonly BitFieldOperation[]) =>
  cache.done((open) => bitField(open, { key, operations, expiry }));

test("bit 0 is the highest one of the first byte", async () => {
  const cache = await start();
  await cache.done((open) => setBit(open, { key, offset: 0, bit: true, expiry }));
  expect(await stored(cache)).toBe("80");
  await cache.done((open) => setBit(open, { key, offset: 15, bit: true, expiry }));
  expect(await stored(cache)).toBe("8001");
});

test("a bit may be written up to the end of what the cache takes, and the one after it is refused", async () => {
  const cache = await start({ valueBytesMax: 1_000 });
  const at = (offset: number) => ({ key, offset, bit: true, expiry });
  expect(await cache.refused((open) => setBit(open, at(8_000)))).toBe("result_too_large");
  expect(await stored(cache)).toBeUndefined();
  await cache.done((open) => setBit(open, at(7_999)));
  expect((await stored(cache))?.length).toBe(2_000);
  const beyond: BitFieldOperation = {
    kind: "set",
    place: { offset: 7_993, width: 8, isSigned: false },
    operand: 1n,
    onOverflow: "wrap",
  };
  const refused = cache.refused((open) => bitField(open, { key, operations: [beyond], expiry }));
  expect(await refused).toBe("result_too_large");
});

test("what changes no bit writes nothing, and keeps version and life", async () => {
  const cache = await start();
  const ends: Expiry = { kind: "ttl", ttlMs: milliseconds(1_000) };
  const first = await cache.done((open) =>
    setBit(open, { key, offset: 9, bit: true, expiry: ends }),
  );
  const again = await cache.done((open) => setBit(open, { key, offset: 9, bit: true, expiry }));
  expect(again).toEqual({ previous: true, version: first.version });
  const place = { offset: 8, width: 8, isSigned: false };
  const same = await fields(cache, { kind: "set", place, operand: 0x40n, onOverflow: "wrap" });
  expect(same).toMatchObject({ results: [0x40n], version: first.version });
  const other = await cache.done((open) => setBit(open, { key, offset: 8, bit: true, expiry }));
  expect(other.version).toBeGreaterThan(first.version);
  cache.advance(999);
  expect(await stored(cache)).toBe("00c0");
  cache.advance(1);
  expect(await stored(cache)).toBeUndefined();
});

test("a zero that is written past the end makes the value longer", async () => {
  const cache = await start();
  await cache.done((open) => setBit(open, { key, offset: 17, bit: false, expiry }));
  expect(await stored(cache)).toBe("000000");
});

test.each([
  // [value, bit, start, end, unit, position]
  ["fff000", false, 0, undefined, "byte", 12],
  ["00fff0", true, 0, undefined, "byte", 8],
  ["00fff0", true, 2, undefined, "byte", 16],
  ["00fff0", true, -1, undefined, "byte", 16],
  ["00fff0", true, 7, 15, "bit", 8],
  ["00fff0", true, 0, 8, "bit", undefined],
  ["ffffff", false, 0, undefined, "byte", 24],
  ["ffffff", false, 0, 3, "byte", undefined],
  ["ffffff", false, 0, -1, "byte", undefined],
  ["ffffff", false, 100, undefined, "byte", 800],
  ["000000", true, 0, undefined, "byte", undefined],
  [undefined, false, 0, undefined, "byte", 0],
  [undefined, true, 0, undefined, "byte", undefined],
  [undefined, false, bitsMax, undefined, "bit", undefined],
] as const)(
  "in %s the first %s from %s to %s %s is %s",
  async (value, bit, from, end, unit, at) => {
    const cache = await start();
    if (value !== undefined) await write(cache, value);
    const range = { start: from, end, unit };
    const { result } = await cache.done((open) => bitPosition(open, { key, bit, range }));
    expect(result).toBe(at);
  },
);

test.each([
  [0, undefined, "byte", 24],
  [1, 2, "byte", 8],
  [-1, undefined, "byte", 8],
  [2, 1, "byte", 0],
  [0, 1, "bit", 1],
  [3, 10, "bit", 7],
  [3, 17, "bit", 14],
  [-9, -2, "bit", 7],
  [23, 100, "bit", 1],
  [24, undefined, "bit", 0],
] as const)("of three bytes of ones, from %s to %s %s have %s", async (from, end, unit, ones) => {
  const cache = await start();
  await write(cache, "ffffff");
  const range = { start: from, end, unit };
  expect((await cache.done((open) => bitCount(open, { key, range }))).result).toBe(ones);
});

test("values of other lengths are combined as if zeros came after them", async () => {
  const cache = await start();
  const [left, right] = [cacheKey("left"), cacheKey("right")];
  await Promise.all([write(cache, "ff0f", left), write(cache, "f1", right)]);
  const combine = async (operator: "and" | "or" | "xor" | "not", ...sources: (typeof key)[]) => {
    await cache.done((open) => bitOperation(open, { operator, destination: key, sources, expiry }));
    return stored(cache);
  };
  expect(await combine("and", left, right)).toBe("f100");
  expect(await combine("or", right, left)).toBe("ff0f");
  expect(await combine("xor", left, right)).toBe("0e0f");
  expect(await combine("not", left)).toBe("00f0");
  expect(await combine("and", left, cacheKey("absent"))).toBe("0000");
  expect(await combine("not", key)).toBe("ffff");
});

test("an empty result leaves the destination with nothing", async () => {
  const cache = await start();
  const empty = (open: Parameters<typeof bitOperation>[0]) =>
    bitOperation(open, {
      operator: "or",
      destination: key,
      sources: [cacheKey("absent")],
      expiry,
    });
  expect(await cache.done(empty)).toEqual({ length: 0, version: 0 });
  await write(cache, "01");
  const removed = await cache.done(empty);
  expect(removed.version).toBeGreaterThan(0);
  expect(await stored(cache)).toBeUndefined();
});

const widest = { offset: 3, width: 64, isSigned: true };
const int64Max = 2n ** 63n - 1n;

test("a number of 64 signed bits and one of 63 others hold all that they can, and no more", async () => {
  const cache = await start();
  const plain = { offset: 70, width: 63, isSigned: false };
  const { results } = await fields(
    cache,
    { kind: "set", place: widest, operand: int64Max, onOverflow: "error" },
    { kind: "increment", place: widest, operand: 1n, onOverflow: "error" },
    { kind: "increment", place: widest, operand: 1n, onOverflow: "saturate" },
    { kind: "increment", place: widest, operand: 1n, onOverflow: "wrap" },
    { kind: "increment", place: widest, operand: -1n, onOverflow: "saturate" },
    { kind: "set", place: plain, operand: int64Max, onOverflow: "error" },
    { kind: "increment", place: plain, operand: 1n, onOverflow: "error" },
    { kind: "increment", place: plain, operand: 1n, onOverflow: "wrap" },
    { kind: "set", place: plain, operand: -1n, onOverflow: "saturate" },
    { kind: "set", place: plain, operand: -1n, onOverflow: "wrap" },
    { kind: "get", place: plain },
    { kind: "get", place: widest },
  );
  expect(results).toEqual([
    0n,
    undefined,
    int64Max,
    -(2n ** 63n),
    -(2n ** 63n),
    0n,
    undefined,
    0n,
    0n,
    0n,
    int64Max,
    -(2n ** 63n),
  ]);
});

test("what fails makes no value, and the others are done", async () => {
  const cache = await start();
  const place = { offset: 0, width: 1, isSigned: false };
  const tooMuch = { kind: "set", place, operand: 2n, onOverflow: "error" } as const;
  expect(await fields(cache, tooMuch)).toEqual({
    results: [undefined],
    version: 0,
    item: undefined,
  });
  expect(await stored(cache)).toBeUndefined();
  const { results } = await fields(cache, tooMuch, { ...tooMuch, operand: 1n }, tooMuch);
  expect(results).toEqual([undefined, 0n, undefined]);
  expect(await stored(cache)).toBe("80");
});

const keyForm = { $case: "key", value: "bits" } as const;
test("calls are answered with what the rules do, and a repeat with what the first did", async () => {
  const cache = await start();
  const handlers = createBitmapHandlers(cache.handlerParts);
  const request = SetBitRequest.fromPartial({
    cache: "tried",
    keyForm,
    offset: 12n,
    bit: true,
    requestId: "once",
  });
  const first = await handlers.setBit(request, callContext);
  expect(first).toMatchObject({ previous: false, replayed: false });
  expect(await handlers.setBit(request, callContext)).toEqual({ ...first, replayed: true });
  expect(await reasonOf(handlers.setBit({ ...request, bit: false }, callContext))).toBe(
    "REQUEST_ID_REUSED",
  );
  const asked = GetBitRequest.fromPartial({ cache: "tried", keyForm, offset: 12n });
  expect(await handlers.getBit(asked, callContext)).toEqual({ bit: true, version: first.version });
  const counted = await handlers.bitCount(
    { cache: "tried", keyForm, start: -4n, end: undefined, unit: RangeUnit.BIT },
    callContext,
  );
  expect(counted.count).toBe(1n);
  const operations = [
    {
      operation: {
        $case: "increment" as const,
        value: { number: { width: 4, place: { $case: "index" as const, value: 3n } }, delta: 3n },
      },
    },
  ];
  const fieldRequest = BitFieldRequest.fromPartial({ cache: "tried", keyForm, operations });
  expect((await handlers.bitField(fieldRequest, callContext)).results).toEqual([{ value: 11n }]);
  const inverted = await handlers.bitOperation(
    BitOperationRequest.fromPartial({
      cache: "tried",
      operator: BitOperator.NOT,
      destination: { key: { $case: "text", value: "inverted" } },
      sources: [{ key: { $case: "text", value: "bits" } }],
    }),
    callContext,
  );
  expect(inverted.length).toBe(2n);
  expect(await stored(cache, cacheKey("inverted"))).toBe("fff4");
});

test("requests that can never succeed are refused before anything is looked at", async () => {
  const cache = await start();
  const handlers = createBitmapHandlers(cache.handlerParts);
  const bit = (offset: bigint) =>
    reasonOf(
      handlers.getBit(GetBitRequest.fromPartial({ cache: "tried", keyForm, offset }), callContext),
    );
  expect(await bit(-1n)).toBe("BAD_RANGE");
  expect(await bit(BigInt(bitsMax))).toBe("BAD_RANGE");
  expect(await bit(BigInt(bitsMax) - 1n)).toBe("It was answered.");
  const field = (width: number, signed: boolean, offset = 0n) =>
    reasonOf(
      handlers.bitField(
        BitFieldRequest.fromPartial({
          cache: "tried",
          keyForm,
          operations: [
            {
              operation: {
                $case: "get",
                value: { number: { width, signed, place: { $case: "offset", value: offset } } },
              },
            },
          ],
        }),
        callContext,
      ),
    );
  expect(await field(0, true)).toBe("INVALID_PARAMETER");
  expect(await field(65, true)).toBe("INVALID_PARAMETER");
  expect(await field(64, false)).toBe("INVALID_PARAMETER");
  expect(await field(64, true)).toBe("It was answered.");
  expect(await field(63, false)).toBe("It was answered.");
  expect(await field(8, false, BigInt(bitsMax) - 7n)).toBe("BAD_RANGE");
  expect(await field(8, false, BigInt(bitsMax) - 8n)).toBe("It was answered.");
  const combine = (operator: BitOperator, count: number) =>
    reasonOf(
      handlers.bitOperation(
        BitOperationRequest.fromPartial({
          cache: "tried",
          operator,
          destination: { key: { $case: "text", value: "bits" } },
          sources: Array.from({ length: count }, () => ({
            key: { $case: "text" as const, value: "x" },
          })),
        }),
        callContext,
      ),
    );
  expect(await combine(BitOperator.NOT, 2)).toBe("CONFLICTING_OPTIONS");
  expect(await combine(BitOperator.AND, 33)).toBe("LIMIT_EXCEEDED");
  expect(await combine(BitOperator.AND, 32)).toBe("It was answered.");
  expect(await combine(BitOperator.OR, 0)).toBe("MISSING_PARAMETER");
  expect(await combine(BitOperator.UNSPECIFIED, 1)).toBe("MISSING_PARAMETER");
});

test("a place farther than any value reaches is found nowhere", async () => {
  const cache = await start();
  const handlers = createBitmapHandlers(cache.handlerParts);
  const asked = BitPositionRequest.fromPartial({ cache: "tried", keyForm, start: 2n ** 63n - 1n });
  expect(await handlers.bitPosition(asked, callContext)).toEqual({
    position: undefined,
    version: 0n,
  });
});
