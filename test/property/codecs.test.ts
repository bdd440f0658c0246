// Every stored row reads back as what was written, and refuses every cut of itself; keys sort as what they stand for;
// a receipt handle that was changed in any bit is no handle.

import fc from "fast-check";
import { expect, test } from "vitest";
import type {
  DurationMs,
  EpochMs,
  Namespace,
  QueueName,
  QueueNumber,
  SegmentNumber,
  Sequence,
} from "../../src/base/brands.js";
import type { Counters, Delivery, Message, Queue } from "../../src/queue/model.js";
import { type Receipt, ReceiptCodec } from "../../src/queue/receipt.js";
import type { RequestResult } from "../../src/queue/view.js";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import {
  chunkKey,
  countersKey,
  deliveryKey,
  dueKey,
  endOfPrefix,
  messageKey,
  queueKey,
  requestDueKey,
  returnedKey,
  segmentPrefix,
  u16Text,
  u64At,
  u64Text,
} from "../../src/store/keys.js";
import { type Table, tables } from "../../src/store/tables.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const edges = [0, 1, 255, 256, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const u64 = fc.oneof(
  fc.constantFrom(...edges),
  fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  fc.maxSafeNat(),
);
const u32 = fc.oneof(
  fc.constantFrom(...edges.filter((edge) => edge < 2 ** 32)),
  fc.nat({ max: 2 ** 32 - 1 }),
);
const bytes = (constraints: fc.IntArrayConstraints = {}): fc.Arbitrary<Buffer> =>
  fc.uint8Array(constraints).map((array) => Buffer.from(array));
// Well-formed text of every plane: what is stored has passed the wire, which refuses unpaired surrogates.
const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: "binary", maxLength });
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/);
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });

const message: fc.Arbitrary<Message> = fc.record({
  sequence: u64.map((value) => value as Sequence),
  messageId: bytes({ minLength: 16, maxLength: 16 }),
  sentAt: u64.map((value) => value as EpochMs),
  sizeBytes: u32,
  isDelayed: fc.boolean(),
  content: fc.record({
    isText: fc.boolean(),
    body: bytes({ maxLength: 2_000 }),
    bodyMd5: bytes({ minLength: 16, maxLength: 16 }),
    attributes: fc.array(
      fc.record({
        name: text(20),
        dataType: text(20),
        isText: fc.boolean(),
        value: bytes({ maxLength: 100 }),
      }),
      { maxLength: 10 },
    ),
    senderId: text(40),
    groupId: maybe(text(128)),
    traceHeader: maybe(text(100)),
  }),
});

const instant = u64.map((value) => value as EpochMs);
const place = u64.map((value) => value as Sequence);
const delivery: fc.Arbitrary<Delivery> = fc.record({
  sequence: place,
  state: fc.oneof(
    fc.record({ kind: fc.constant("leased" as const), until: instant, leasedAt: instant }),
    fc.record({ kind: fc.constant("delayed" as const), until: instant }),
    fc.record({ kind: fc.constant("returned" as const), order: place }),
  ),
  receiveCount: u32,
  ordinal: u32,
  firstReceivedAt: maybe(instant),
  sentAt: instant,
  sizeBytes: u32,
  rejection: maybe(fc.record({ reason: text(128), error: text(300), at: instant })),
});

const duration = u64.map((value) => value as DurationMs);
const queue: fc.Arbitrary<Queue> = fc.record({
  number: u64.map((value) => value as QueueNumber),
  segment: u64.map((value) => value as SegmentNumber),
  slot: fc.nat({ max: 0x3fff }),
  namespace: name.map((value) => value as Namespace),
  name: name.map((value) => value as QueueName),
  settings: fc.record({
    visibilityTimeoutMs: duration,
    retentionMs: duration,
    delayMs: duration,
    messageBytesMax: u32,
    receiveWaitMs: duration,
    receiptPolicy: fc.constantFrom("lenient" as const, "strict" as const),
    inFlightMax: u32,
  }),
  tags: fc.array(fc.tuple(text(128), text(256)), { maxLength: 50 }).map((pairs) => new Map(pairs)),
  createdAt: instant,
  updatedAt: instant,
  // One less than the largest: absence takes a number of its own.
  purgedAt: maybe(fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 }).map((value) => value as EpochMs)),
  revision: u64,
});

const counters: fc.Arbitrary<Counters> = fc.record({
  nextSequence: place,
  freshFrom: place,
  stored: u64,
  storedBytes: u64,
  inFlight: u64,
  delayed: u64,
  sent: u64,
  received: u64,
  deleted: u64,
  expired: u64,
  purged: u64,
});

const request: fc.Arbitrary<RequestResult> = fc.record({
  payloadHash: bytes({ maxLength: 64 }),
  result: bytes({ maxLength: 500 }),
  keepUntil: instant,
  wasReplayed: fc.boolean(),
});

const prefix = segmentPrefix(7, 1_234_567);

function expectRoundTrip<Row>(table: Table<Row>, key: string, row: Row): void {
  const encoded = table.encode(row).subarray(frameHeaderBytes);
  expect(table.decode(key, encoded)).toEqual(row);
}

/** A row cut short anywhere is corrupt, never a smaller row. */
function expectNoCut<Row>(table: Table<Row>, key: string, row: Row): void {
  const encoded = table.encode(row).subarray(frameHeaderBytes);
  for (let length = 0; length < encoded.length; length += Math.ceil(encoded.length / 64)) {
    expect(() => table.decode(key, encoded.subarray(0, length))).toThrow(/ends too early/);
  }
  const other = Buffer.from(encoded);
  other[0] = 200;
  expect(() => table.decode(key, other)).toThrow(/version 200 is unknown/);
}

const rowCases: readonly (readonly [string, () => void])[] = [
  rowCase("message", tables.message, message, (row) => messageKey(prefix, row.sequence)),
  rowCase("delivery", tables.delivery, delivery, (row) => deliveryKey(prefix, row.sequence)),
  rowCase("queue", tables.queue, queue, (row) => queueKey(row.namespace, row.name)),
  rowCase("counters", tables.counters, counters, () => countersKey(prefix)),
  rowCase("request", tables.request, request, () => "\x82abc"),
  rowCase("node", tables.node, u64, () => "\x84time"),
];

function rowCase<Row>(
  title: string,
  table: Table<Row>,
  rows: fc.Arbitrary<Row>,
  keyOf: (row: Row) => string,
): readonly [string, () => void] {
  return [
    title,
    () => {
      fc.assert(
        fc.property(rows, (row) => {
          expectRoundTrip(table, keyOf(row), row);
          expectNoCut(table, keyOf(row), row);
        }),
        runs(300),
      );
    },
  ];
}

test.each(rowCases)(
  "a %s row reads back as it was written, and no part of it passes for one",
  (_title, check) => check(),
  propertyTimeoutMs,
);

test("a row that cannot be encoded leaves nothing behind in the next", () => {
  fc.assert(
    fc.property(counters, message, (broken, next) => {
      // A number below zero is a bug of ours, found before it is stored.
      expect(() => tables.counters.encode({ ...broken, purged: -1 })).toThrow(RangeError);
      expectRoundTrip(tables.message, messageKey(prefix, next.sequence), next);
    }),
    runs(100),
  );
});

test("a number reads back from its eight characters, up to 2^53 - 1", () => {
  fc.assert(
    fc.property(u64, fc.string(), (value, before) => {
      expect(u64At(before + u64Text(value), before.length)).toBe(value);
      expect(u64Text(value)).toHaveLength(8);
    }),
    runs(2_000),
  );
});

/** Two keys compare as what they stand for, both as strings and as the bytes LMDB sees. */
function expectSameOrder(left: string, right: string, order: number): void {
  expect(Math.sign(left < right ? -1 : left > right ? 1 : 0)).toBe(Math.sign(order));
  expect(Math.sign(Buffer.compare(Buffer.from(left, "latin1"), Buffer.from(right, "latin1")))).toBe(
    Math.sign(order),
  );
}

const compareNumbers = (left: readonly number[], right: readonly number[]): number => {
  for (const [at, value] of left.entries()) {
    const other = right[at] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
};

test("keys of numbers sort as the numbers", () => {
  const parts = fc.tuple(fc.nat({ max: 0x3fff }), u64, u64, u64);
  fc.assert(
    fc.property(parts, parts, ([slotA, segmentA, a, aa], [slotB, segmentB, b, bb]) => {
      const same = segmentPrefix(slotA, segmentA);
      expectSameOrder(
        messageKey(same, a as Sequence),
        messageKey(same, b as Sequence),
        compareNumbers([a], [b]),
      );
      expectSameOrder(
        dueKey(same, a as EpochMs, aa as Sequence),
        dueKey(same, b as EpochMs, bb as Sequence),
        compareNumbers([a, aa], [b, bb]),
      );
      expectSameOrder(
        returnedKey(same, a as Sequence, aa as Sequence),
        returnedKey(same, b as Sequence, bb as Sequence),
        compareNumbers([a, aa], [b, bb]),
      );
      expectSameOrder(
        segmentPrefix(slotA, segmentA),
        segmentPrefix(slotB, segmentB),
        compareNumbers([slotA, segmentA], [slotB, segmentB]),
      );
      expectSameOrder(
        requestDueKey(a as EpochMs, "hash"),
        requestDueKey(b as EpochMs, "hash"),
        compareNumbers([a], [b]),
      );
      expectSameOrder(u16Text(slotA), u16Text(slotB), slotA - slotB);
    }),
    runs(2_000),
  );
});

test("queues sort by namespace, then by name, and all of a namespace stand together", () => {
  fc.assert(
    fc.property(fc.tuple(name, name), fc.tuple(name, name), ([spaceA, a], [spaceB, b]) => {
      const order = spaceA === spaceB ? (a < b ? -1 : a > b ? 1 : 0) : spaceA < spaceB ? -1 : 1;
      expectSameOrder(queueKey(spaceA, a), queueKey(spaceB, b), order);
      const isInside =
        queueKey(spaceB, b) >= queueKey(spaceA, "") &&
        queueKey(spaceB, b) < endOfPrefix(queueKey(spaceA, ""));
      expect(isInside).toBe(spaceA === spaceB);
    }),
    runs(2_000),
  );
});

test("the chunks of a row stay in its segment, in order, and meet no other key", () => {
  fc.assert(
    fc.property(place, place, fc.integer({ min: 1, max: 65_534 }), (a, b, index) => {
      const key = messageKey(prefix, a);
      expect(chunkKey(key, index).startsWith(prefix)).toBe(true);
      expectSameOrder(chunkKey(key, index), chunkKey(key, index + 1), -1);
      expectSameOrder(
        chunkKey(key, index),
        chunkKey(messageKey(prefix, b), index),
        compareNumbers([a], [b]),
      );
      const wholeStore = queueKey("default", "orders");
      expect(chunkKey(wholeStore, index).startsWith("\xff")).toBe(true);
      expect(chunkKey(wholeStore, index)).not.toBe(chunkKey(queueKey("default", "orders2"), index));
    }),
    runs(1_000),
  );
});

const receipt: fc.Arbitrary<Receipt> = fc.record({
  queue: u64.map((value) => value as QueueNumber),
  segment: u64.map((value) => value as SegmentNumber),
  sequence: place,
  ordinal: u32,
});

test("a receipt handle reads back, and with any bit changed or any end cut it is refused", () => {
  const codec = new ReceiptCodec(Buffer.alloc(32, 5));
  const stranger = new ReceiptCodec(Buffer.alloc(32, 6));
  fc.assert(
    fc.property(receipt, (given) => {
      const handle = codec.encode(given);
      expect(codec.decode(handle)).toEqual(given);
      expect(stranger.decode(handle)).toBeUndefined();
      const raw = Buffer.from(handle, "base64url");
      for (let bit = 0; bit < raw.length * 8; bit += 1) {
        const changed = Buffer.from(raw);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(codec.decode(changed.toString("base64url"))).toBeUndefined();
      }
      for (let length = 0; length < handle.length; length += 1) {
        expect(codec.decode(handle.slice(0, length))).toBeUndefined();
      }
      for (const more of ["A", "=", " ", "\n", handle])
        expect(codec.decode(handle + more)).toBeUndefined();
    }),
    runs(30),
  );
});

test("text that is no handle is refused, whatever it is", () => {
  const codec = new ReceiptCodec(Buffer.alloc(32, 5));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.base64String(),
        fc.string({ minLength: 45, maxLength: 55 }),
      ),
      (text) => {
        expect(codec.decode(text)).toBeUndefined();
      },
    ),
    runs(2_000),
  );
});
