// Messages as bytes: what is written with records left where they are reads as what the generated code would have written, and
// comes out whole however it was cut.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  Append,
  ConnectRequest,
  LogSlice,
  PeerMessage,
} from "../../src/gen/forebay/replication/v1/replication_service.js";
import {
  BrokenFrame,
  beatFrame,
  FrameReader,
  frameOf,
} from "../../src/replication/transport/frames.js";
import { messageBytesMax } from "../../src/replication/transport/limits.js";

const bytes = (max: number) =>
  fc.integer({ min: 0, max }).map((length) => Buffer.alloc(length, length & 255));
const entry = fc.record({
  record: fc.oneof(
    bytes(20),
    bytes(4_200),
    fc.constantFrom(4_095, 4_096).map((length) => Buffer.alloc(length, 3)),
  ),
  crc32: fc.nat(),
  chain: fc.constantFrom(Buffer.alloc(0), Buffer.alloc(16, 9)),
});
const entries = fc.array(entry, { maxLength: 6 });
const message: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc
    .record({ entries, epoch: fc.bigInt({ min: 0n, max: 2n ** 60n }) })
    .map((fields): PeerMessage => {
      const value = Append.fromPartial({
        ...fields,
        prevChain: Buffer.alloc(16, 1),
        sentAt: 1.5,
        round: 7n,
      });
      return { kind: { $case: "append", value: { ...value, entries: fields.entries } } };
    }),
  fc
    .record({ entries, fromSeq: fc.bigInt({ min: 0n, max: 2n ** 60n }) })
    .map((fields): PeerMessage => {
      const value = LogSlice.fromPartial({ fromSeq: fields.fromSeq });
      return { kind: { $case: "logSlice", value: { ...value, entries: fields.entries } } };
    }),
  fc
    .bigInt({ min: 0n, max: 99n })
    .map((epoch): PeerMessage => ({ kind: { $case: "hello", value: { epoch } } })),
);

const written = (sent: PeerMessage): Buffer => Buffer.concat([...frameOf(sent).pieces]);
const asBytes = (read: PeerMessage): string =>
  Buffer.from(PeerMessage.encode(read).finish()).toString("hex");

test("a message reads as the generated code reads it, with the length before it", () => {
  fc.assert(
    fc.property(message, (sent) => {
      const frame = written(sent);
      expect(frame.length).toBe(frameOf(sent).bytes);
      expect(frame.readUInt8(0)).toBe(0);
      expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
      const read = ConnectRequest.decode(frame.subarray(5)).message;
      expect(asBytes(read ?? {})).toBe(asBytes(sent));
    }),
  );
});

test("messages come out whole and in order however their bytes are cut", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      fc.array(fc.option(message, { nil: undefined }), { maxLength: 6 }),
      cuts,
      (sent, sizes) => {
        const frames = sent.map((one) =>
          one === undefined ? beatFrame.pieces : frameOf(one).pieces,
        );
        const all = Buffer.concat(frames.flat());
        const reader = new FrameReader();
        const read: (PeerMessage | undefined)[] = [];
        for (let at = 0, turn = 0; at < all.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          reader.push(all.subarray(at, at + size), (one) => read.push(one));
          at += size;
        }
        const shown = (one: PeerMessage | undefined) => (one === undefined ? "beat" : asBytes(one));
        expect(read.map(shown)).toEqual(sent.map(shown));
      },
    ),
  );
});

test("a long record is sent from where it is", () => {
  const record = Buffer.alloc(100_000, 5);
  const value = Append.fromPartial({});
  const entries = [{ record, crc32: 1, chain: Buffer.alloc(16) }];
  const { pieces } = frameOf({ kind: { $case: "append", value: { ...value, entries } } });
  expect(pieces.some((piece) => piece === record)).toBe(true);
});

test("a length is believed up to the limit, and nothing is kept for it in advance", () => {
  const reader = new FrameReader();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(messageBytesMax, 1);
  reader.push(prefix, () => undefined);
  prefix.writeUInt32BE(messageBytesMax + 1, 1);
  expect(() => new FrameReader().push(prefix, () => undefined)).toThrow(BrokenFrame);
});
