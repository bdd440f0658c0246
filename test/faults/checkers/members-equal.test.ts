// The judge of stores is judged: members that are equal although they were stopped at different places, and each way to differ.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type Epoch, type LogSeq, logSeq } from "../../../src/base/brands.js";
import { Record as LogRecord, RecordKind } from "../../../src/gen/forebay/replication/v1/record.js";
import type { LogEntry, LogPosition } from "../../../src/store/replica-disk.js";
import { judgeMembers, type MemberImage, stateHash } from "./members-equal.js";

const epoch = 1 as Epoch;
const origin: LogPosition = { epoch: 0 as Epoch, seq: logSeq(0), chain: Buffer.alloc(16) };

type Change = readonly [key: string, value: string | undefined];

/** The log that makes these changes, one record each. */
function logOf(changes: readonly Change[], base: LogPosition = origin): LogEntry[] {
  const log: LogEntry[] = [];
  for (const [key, value] of changes) {
    const before = log.at(-1) ?? base;
    const seq = (before.seq + 1) as LogSeq;
    const record = Buffer.from(
      LogRecord.encode(
        LogRecord.fromPartial({
          kind: RecordKind.BATCH,
          epoch: 1n,
          seq: BigInt(seq),
          mutations: [
            { key: Buffer.from(key), ...(value !== undefined && { value: Buffer.from(value) }) },
          ],
        }),
      ).finish(),
    );
    const chain = createHash("sha256").update(before.chain).update(record).digest().subarray(0, 16);
    log.push({ epoch, seq, chain, record, crc32: crc32(record) });
  }
  return log;
}

const changes: readonly Change[] = [
  ["a", "1"],
  ["b", "1"],
  ["a", "2"],
  ["b", undefined],
  ["c", "1"],
];

function member(node: string, change: Partial<MemberImage> & { appliedSeq?: number } = {}) {
  const { appliedSeq = 5, log = logOf(changes), ...rest } = change;
  const rows = new Map<string, Buffer>();
  for (const [key, value] of changes.slice(0, appliedSeq)) {
    if (value === undefined) rows.delete(key);
    else rows.set(key, Buffer.from(value));
  }
  const logEnd = log.at(-1) ?? origin;
  const image: MemberImage = {
    node,
    member: { logBase: origin, logEnd, appliedSeq: logSeq(appliedSeq) },
    log,
    rows,
    ...rest,
  };
  return image;
}

const kindsIn = (...images: MemberImage[]) => judgeMembers(images).map(({ kind }) => kind);

describe("equal", () => {
  test("three members at one place", () => {
    expect(judgeMembers([member("a"), member("b"), member("c")])).toEqual([]);
  });

  test("one that applied less and has the rest in its log", () => {
    expect(judgeMembers([member("a"), member("b", { appliedSeq: 2 })])).toEqual([]);
    expect(judgeMembers([member("a", { appliedSeq: 0 }), member("b")])).toEqual([]);
  });

  test("one whose log was trimmed", () => {
    const log = logOf(changes);
    const logBase = log[2] as LogEntry;
    const trimmed = member("b", { log: log.slice(3) });
    expect(
      judgeMembers([member("a"), { ...trimmed, member: { ...trimmed.member, logBase } }]),
    ).toEqual([]);
  });

  test("one with a record at its end that was never committed", () => {
    const log = logOf([...changes, ["d", "1"]]);
    expect(judgeMembers([member("a"), member("b", { log })])).toEqual([]);
  });

  test("the hash of a state is that of its rows, whatever their order, and of where each ends", () => {
    const rows: readonly [string, Buffer][] = [
      ["a", Buffer.from("bc")],
      ["d", Buffer.from("e")],
    ];
    expect(stateHash(new Map(rows))).toBe(stateHash(new Map(rows.toReversed())));
    const shifted: readonly [string, Buffer][] = [
      ["ab", Buffer.from("c")],
      ["d", Buffer.from("e")],
    ];
    expect(stateHash(new Map(rows))).not.toBe(stateHash(new Map(shifted)));
  });
});

describe("not equal", () => {
  test("a row with another value, one too many, one too few", () => {
    const rows = member("b").rows;
    expect(
      kindsIn(member("a"), member("b", { rows: new Map([...rows, ["a", Buffer.from("9")]]) })),
    ).toEqual(["state diverged"]);
    expect(
      kindsIn(member("a"), member("b", { rows: new Map([...rows, ["z", Buffer.from("1")]]) })),
    ).toEqual(["state diverged"]);
    expect(kindsIn(member("a"), member("b", { rows: new Map([...rows].slice(1)) }))).toEqual([
      "state diverged",
    ]);
  });

  test("a row that differs in a member that applied less, in what its log does not mend", () => {
    const behind = member("b", { appliedSeq: 2 });
    const mended = new Map([...behind.rows, ["a", Buffer.from("9")]]);
    expect(kindsIn(member("a"), { ...behind, rows: mended })).toEqual([]);
    const spoiled = new Map([...behind.rows, ["z", Buffer.from("9")]]);
    expect(kindsIn(member("a"), { ...behind, rows: spoiled })).toEqual(["state diverged"]);
  });

  test("another record at a committed place", () => {
    const log = logOf([...changes.slice(0, 4), ["c", "2"]]);
    expect(kindsIn(member("a"), member("b", { log, appliedSeq: 4 }))).toEqual(["log diverged"]);
  });

  test("a log that lacks what another member applied", () => {
    const log = logOf(changes.slice(0, 3));
    expect(kindsIn(member("a"), member("b", { log, appliedSeq: 3 }))).toEqual(["not caught up"]);
  });

  test("a log with a gap, a spoiled record, a wrong checksum, or another end than it says", () => {
    const log = logOf(changes);
    const third = log[2] as LogEntry;
    const withThird = (entry: LogEntry) =>
      member("b", { log: [...log.slice(0, 2), entry, ...log.slice(3)] });
    expect(
      kindsIn(member("a"), member("b", { log: log.filter((each) => each !== third) })),
    ).toEqual(["log broken"]);
    const spoiled = Buffer.from(third.record);
    spoiled[spoiled.length - 1] = 0x7a;
    expect(kindsIn(member("a"), withThird({ ...third, record: spoiled }))).toEqual(["log broken"]);
    expect(kindsIn(member("a"), withThird({ ...third, crc32: 1 }))).toEqual(["log broken"]);
    const liar = member("b");
    const logEnd = log[3] as LogEntry;
    expect(kindsIn(member("a"), { ...liar, member: { ...liar.member, logEnd } })).toEqual([
      "log broken",
    ]);
  });
});
