// What `forebay check` says of a member's log: every contradiction that can be planted in it, each named with its record.

import { open } from "lmdb";
import { expect, test } from "vitest";
import { epoch, logSeq } from "../../src/base/brands.js";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import { pageBytes, seal, valueKinds } from "../../src/store/frames.js";
import { framedEntry, logKey } from "../../src/store/log-rows.js";
import { framedMember, memberKey } from "../../src/store/member-row.js";
import type { LogEntry, MemberState } from "../../src/store/replica-disk.js";
import {
  appended,
  entriesAfter,
  entryAfter,
  newMember,
  openTestReplica,
  origin,
  positionOf,
  put,
  written,
} from "../support/replica-log.js";
import { openTestStore, temporaryDirectory } from "../support/temporary-store.js";

const long = "x".repeat(20_000);

/** Records 3 to 8 in the log, of epochs 1 and 2; the state is that of record 6. */
async function memberDirectory(): Promise<string> {
  const directory = temporaryDirectory();
  const { store, disk } = openTestReplica(directory);
  const state = await appended(disk, ["1", "2", "3", long, "5"], { appliedSeq: logSeq(5) });
  const append = entriesAfter(state.logEnd, ["6", "7", "8"], 2);
  const [, second] = disk.readLog(logSeq(1), 1e6);
  await written(disk, {
    state: {
      ...state,
      promisedEpoch: epoch(2),
      epochBegins: [...state.epochBegins, { epoch: epoch(2), firstSeq: logSeq(6) }],
      logBase: positionOf(second as LogEntry),
      logEnd: positionOf(append[2] as LogEntry),
      appliedSeq: logSeq(6),
    },
    append,
    apply: [put("\x84time", Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 9]))],
    trimThrough: logSeq(2),
  });
  await store.close();
  return directory;
}

/** Values by key, written and removed behind the back of whoever uses the store. */
interface Raw {
  put(key: Buffer, framed: Buffer): void;
  putEntry(entry: LogEntry): void;
  putMember(change: Partial<MemberState>): void;
  remove(key: Buffer): void;
  damage(key: Buffer): void;
}

async function planted(plant: (raw: Raw, member: MemberState) => void): Promise<string[]> {
  const directory = await memberDirectory();
  const before = openTestReplica(directory);
  const member = before.disk.load() as MemberState;
  await before.store.close();
  const root = open({ path: directory, pageSize: pageBytes, overlappingSync: false, maxDbs: 8 });
  const options = { encoding: "binary", keyEncoding: "binary" } as const;
  const log = root.openDB<Buffer, Buffer>({ name: "log", ...options });
  const meta = root.openDB<Buffer, Buffer>({ name: "meta", ...options });
  const sealed = (key: Buffer, framed: Buffer): Buffer => {
    seal(key, framed, valueKinds.whole);
    return framed;
  };
  const raw: Raw = {
    put: (key, framed) => log.putSync(key, sealed(key, framed)),
    putEntry: (entry) => raw.put(Buffer.from(logKey(entry.seq), "latin1"), framedEntry(entry)),
    putMember: (change) => {
      const key = Buffer.from(memberKey);
      meta.putSync(key, sealed(key, framedMember({ ...member, ...change })));
    },
    remove: (key) => {
      if (!log.removeSync(key)) meta.removeSync(key);
    },
    damage: (key) => {
      const database = log.get(key) === undefined ? meta : log;
      const value = Buffer.from(database.get(key) as Buffer);
      value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1;
      database.putSync(key, value);
    },
  };
  plant(raw, member);
  await root.close();
  return await linesOf(directory);
}

async function linesOf(directory: string): Promise<string[]> {
  const store = openTestStore(directory, { isReadOnly: true });
  const { contradictions } = await checkStore(store);
  await store.close();
  return contradictions.map(({ row, sentence }) => `${row}: ${sentence}`);
}

const keyOf = (seq: number, chunk?: number): Buffer =>
  Buffer.concat([
    Buffer.from(logKey(logSeq(seq)), "latin1"),
    ...(chunk === undefined ? [] : [Buffer.from([0, chunk])]),
  ]);

test("a member's store that nobody changed has no contradictions, and its records are counted", async () => {
  const store = openTestStore(await memberDirectory(), { isReadOnly: true });
  const report = await checkStore(store);
  await store.close();
  expect(report.log).toEqual({ recordCount: 6, isStateUnfinished: false });
  expect(renderCheckReport(report)).toBe(
    "0 queues, 0 messages, 12 rows read.\n6 records of the log read.\nNo contradictions.\n",
  );
});

test("a log of more records than one reader reads is checked to its end", async () => {
  const directory = temporaryDirectory();
  const { store, disk } = openTestReplica(directory);
  const records = Array.from({ length: 2_500 }, (_, at) => String(at));
  await appended(disk, [...records, long, "end"]);
  await store.close();
  const checked = openTestStore(directory, { isReadOnly: true });
  const report = await checkStore(checked);
  await checked.close();
  expect(report).toMatchObject({ contradictionCount: 0, log: { recordCount: 2_502 } });
});

const fifth = entryAfter({ ...origin, seq: logSeq(4) }, "another");

const cases: readonly (readonly [
  string,
  (raw: Raw, member: MemberState) => void,
  readonly string[],
])[] = [
  ["a missing record", (raw) => raw.remove(keyOf(5)), ["log record 5: It is missing."]],
  [
    "several missing records",
    (raw) => [6, 7].map((seq) => raw.remove(keyOf(seq))),
    ["log record 6: It and all before 8 are missing."],
  ],
  [
    "missing records at the beginning",
    (raw) => raw.remove(keyOf(3)),
    ["log record 3: It is missing."],
  ],
  [
    "missing records at the end",
    (raw) => [7, 8].map((seq) => raw.remove(keyOf(seq))),
    ["log record 7: It and all before 9 are missing."],
  ],
  [
    "a damaged record",
    (raw) => raw.damage(keyOf(6)),
    ["log record 6: It cannot be read: its checksum does not match."],
  ],
  [
    "a damaged chunk",
    (raw) => raw.damage(keyOf(4, 1)),
    [
      "log record 4: It cannot be read: its checksum does not match.",
      "log record 4: Chunk 1 cannot be read: its checksum does not match.",
    ],
  ],
  [
    "a missing chunk",
    (raw) => raw.remove(keyOf(4, 2)),
    ["log record 4: It cannot be read: chunk 2 of 5 is missing."],
  ],
  [
    "a record in the place of a chunk that none has",
    (raw) => raw.put(keyOf(5, 1), Buffer.alloc(frameHeaderBytes + 3)),
    [
      "log record 5: A row stands where chunk 1 should.",
      "log record 5: Chunk 1 is stored, and its record has 0.",
    ],
  ],
  [
    "a key that is no record's",
    (raw) => raw.put(Buffer.from("zzz"), Buffer.alloc(frameHeaderBytes + 3)),
    ["log key 7a7a7a: The key is neither a record's nor a chunk's."],
  ],
  [
    "a record too short to be one",
    (raw) => raw.put(keyOf(5), Buffer.alloc(frameHeaderBytes + 3)),
    ["log record 5: It cannot be read: it ends too early."],
  ],
  [
    "another record with a checksum that is not its own",
    (raw) => raw.putEntry({ ...fifth, crc32: 1 }),
    [
      "log record 5: Its checksum is not that of its bytes.",
      "log record 5: Its chain hash does not follow from the record before it.",
      "log record 6: Its chain hash does not follow from the record before it.",
    ],
  ],
  [
    "a last record that follows and is not the one that was stored",
    (raw) => {
      const seventh = entriesAfter(origin, ["1", "2", "3", long, "5"]).at(-1) as LogEntry;
      const [, , eighth] = entriesAfter(positionOf(seventh), ["6", "7", "8 of another"], 2);
      raw.putEntry(eighth as LogEntry);
    },
    ["log record 8: It is the last, and the member knows another epoch or chain hash of it."],
  ],
  [
    "a record of another epoch than its place",
    (raw) => {
      const sixth = entriesAfter(origin, ["1", "2", "3", long, "5", "6"]).at(-1) as LogEntry;
      raw.putEntry({ ...sixth, epoch: epoch(1) });
    },
    ["log record 6: It is of epoch 1, and epoch 2 is known to stand there."],
  ],
  [
    "a record behind the end",
    (raw, { logEnd }) => raw.putEntry(entryAfter(logEnd, "9", 2)),
    ["log record 9: It is stored, and the log is from 2 to 8."],
  ],
  [
    "nothing of what is left of records that were trimmed",
    (raw) => {
      raw.putEntry(entryAfter(origin, "1"));
      raw.put(keyOf(2, 7), Buffer.alloc(frameHeaderBytes + 3));
      raw.damage(keyOf(2, 7));
    },
    [],
  ],
  [
    "a state later than the log",
    (raw) => raw.putMember({ appliedSeq: logSeq(9) }),
    ["member: Its state is that of record 9, and its log is from 2 to 8."],
  ],
  [
    "a state before the log",
    (raw) => raw.putMember({ appliedSeq: logSeq(1) }),
    ["member: Its state is that of record 1, and its log is from 2 to 8."],
  ],
  [
    "a promise earlier than the log",
    (raw) => raw.putMember({ promisedEpoch: epoch(1) }),
    ["member: It has promised epoch 1, and its log ends in 2."],
  ],
  [
    "epochs out of order",
    (raw, { epochBegins }) =>
      raw.putMember({
        epochBegins: [...epochBegins, { epoch: epoch(2), firstSeq: logSeq(9) }],
      }),
    ["member: Epochs 2 and 2 do not begin in order."],
  ],
  [
    "no member",
    (raw) => raw.remove(Buffer.from(memberKey)),
    ["log: It has records, and no member knows of them."],
  ],
  [
    "a member that cannot be read",
    (raw) => raw.damage(Buffer.from(memberKey)),
    [
      "member: What it knows of itself cannot be read: its checksum does not match.",
      "log: It has records, and no member knows of them.",
    ],
  ],
];

test.each(cases)("the check names %s, and nothing else", async (_title, plant, expected) => {
  expect(await planted(plant)).toEqual(expected);
});

test("a state that is an unfinished copy is not checked, and the report says so", async () => {
  const directory = temporaryDirectory();
  const { store, disk } = openTestReplica(directory);
  await written(disk, {
    state: newMember({ wholeFrom: logSeq(5) }),
    apply: [put("\x9fof no table", "x")],
  });
  const lines = async (): Promise<string> => {
    const checked = openTestStore(directory, { isReadOnly: true });
    const text = renderCheckReport(await checkStore(checked));
    await checked.close();
    return text;
  };
  await store.close();
  expect(await lines()).toBe(
    "0 queues, 0 messages, 0 rows read.\n0 records of the log read.\n" +
      "The state is a copy that was being taken and is not whole yet, so it was not checked. The node goes on with it when it runs.\n" +
      "No contradictions.\n",
  );
  const again = openTestReplica(directory);
  await appended(again.disk, ["1", "2", "3", "4", "5"], { appliedSeq: logSeq(5) });
  await again.store.close();
  expect(await lines()).toMatch(/No table has this letter/);
});
