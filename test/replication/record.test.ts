// Records: the bytes are those of the contract, and nothing that was changed on the way is taken for one.

import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { epoch, epochMs, groupId, logSeq } from "../../src/base/brands.js";
import { RecordCorrupt } from "../../src/base/record-corrupt.js";
import { Record, RecordKind } from "../../src/gen/forebay/replication/v1/record.js";
import { emptyChain } from "../../src/replication/positions.js";
import {
  chainAfter,
  makeRecord,
  openRecord,
  positionOf,
  type RecordContents,
  RecordTooNew,
  standsBehind,
} from "../../src/replication/record.js";
import { configurationToWire } from "../../src/replication/wire.js";
import type { StateChange } from "../../src/store/replica-disk.js";
import { group, memberOf, put } from "./fake-group.js";

const start = { epoch: epoch(0), seq: logSeq(0), chain: emptyChain };
const configuration = {
  version: 7,
  members: [memberOf("a"), memberOf("b", false)],
  acks: "all",
} as const;

const contentsOf = (changes: readonly StateChange[]): RecordContents => ({
  groupId: group,
  epoch: epoch(3),
  leaderTime: epochMs(1_700_000_000_123),
  configVersion: 7,
  purpose: { kind: "batch" },
  changes,
});

const changes = fc.array(
  fc.record({
    key: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    value: fc.option(
      fc.uint8Array({ maxLength: 40_000 }).map((bytes) => Buffer.from(bytes)),
      { nil: undefined },
    ),
    mayReplaceChunks: fc.boolean(),
  }),
  { maxLength: 8 },
);

describe("a record's bytes", () => {
  test("are those that the generated code makes of the same message", () => {
    fc.assert(
      fc.property(changes, fc.boolean(), (some, isConfig) => {
        const purpose = isConfig
          ? ({ kind: "config", configuration } as const)
          : ({ kind: "batch" } as const);
        const { entry } = makeRecord(start, { ...contentsOf(some), purpose });
        const expected = Record.encode({
          format: 1,
          minReader: 1,
          groupId: Buffer.from(group, "hex"),
          epoch: 3n,
          seq: 1n,
          prevEpoch: 0n,
          prevChain: emptyChain,
          leaderTime: { seconds: 1_700_000_000n, nanos: 123_000_000 },
          configVersion: 7n,
          kind: isConfig ? RecordKind.CONFIG : RecordKind.BATCH,
          mutations: some,
          config: isConfig ? configurationToWire(configuration) : undefined,
        }).finish();
        expect(entry.record.equals(expected)).toBe(true);
      }),
    );
  });

  test("open to what was put in, and are kept as they are", () => {
    fc.assert(
      fc.property(changes, (some) => {
        const made = makeRecord(start, contentsOf(some));
        const opened = openRecord(made.entry, group);
        expect(opened).toEqual(made);
        expect(opened.entry.record).toBe(made.entry.record);
      }),
    );
  });

  test("keep fields that this release does not know", () => {
    const { entry } = makeRecord(start, contentsOf([put("k", "v")]));
    const record = Buffer.concat([
      entry.record,
      Buffer.from([((99 << 3) & 0x7f) | 0x80, 0x06, 0x01]),
    ]);
    const chain = chainAfter(emptyChain, record);
    const opened = openRecord({ record, crc32: crc32(record), chain }, group);
    expect(opened.entry.record.equals(record)).toBe(true);
  });
});

describe("a record that is not what it was", () => {
  const { entry } = makeRecord(start, contentsOf([put("k", "v")]));

  test("is refused when any bit of it changed", () => {
    for (let at = 0; at < entry.record.length; at += 1) {
      const record = Buffer.from(entry.record);
      record[at] = (record[at] ?? 0) ^ 1;
      expect(() => openRecord({ ...entry, record }, group)).toThrow(RecordCorrupt);
    }
  });

  test("is refused when its chain hash is another", () => {
    const chain = Buffer.from(entry.chain);
    chain[15] = (chain[15] ?? 0) ^ 1;
    expect(() => openRecord({ ...entry, chain }, group)).toThrow("its chain hash does not fit");
  });

  test("is refused when it is of another group", () => {
    const other = groupId("0b".repeat(16));
    expect(() => openRecord(entry, other)).toThrow("it is of another group");
  });

  test("stops a release that cannot read it", () => {
    const decoded = Record.decode(entry.record);
    const resealed = (change: Partial<Record>) => {
      const record = Buffer.from(Record.encode({ ...decoded, ...change }).finish());
      return { record, crc32: crc32(record), chain: chainAfter(emptyChain, record) };
    };
    expect(() => openRecord(resealed({ minReader: 1 }), group)).not.toThrow();
    expect(() => openRecord(resealed({ minReader: 2 }), group)).toThrow(RecordTooNew);
    expect(() => openRecord(resealed({ kind: 9 as RecordKind }), group)).toThrow(RecordTooNew);
  });
});

test("a record stands behind the one it was made for, and behind no other", () => {
  const first = makeRecord(start, contentsOf([put("a", "1")]));
  const other = makeRecord(start, contentsOf([put("a", "2")]));
  const second = makeRecord(positionOf(first), contentsOf([]));
  expect(standsBehind(first, start)).toBe(true);
  expect(standsBehind(second, positionOf(first))).toBe(true);
  expect(standsBehind(second, positionOf(other))).toBe(false);
  expect(standsBehind(second, start)).toBe(false);
  expect(standsBehind(second, { ...positionOf(first), epoch: epoch(2) })).toBe(false);
});
