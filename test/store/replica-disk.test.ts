// A member's disk: log, state and what the member knows of itself become durable together, are read as they were written, and
// only what is finished is read.

import { open } from "lmdb";
import { expect, onTestFinished, test } from "vitest";
import { epoch, type LogSeq, logSeq } from "../../src/base/brands.js";
import { RecordCorrupt } from "../../src/base/record-corrupt.js";
import { pageBytes } from "../../src/store/frames.js";
import type { MemberState, StateChange } from "../../src/store/replica-disk.js";
import type { ReplicaStore } from "../../src/store/replica-store.js";
import {
  appended,
  entriesAfter,
  newMember,
  openTestReplica,
  origin,
  outcomeOf,
  positionOf,
  put,
  removal,
  written,
} from "../support/replica-log.js";
import { openTestStore, temporaryDirectory } from "../support/temporary-store.js";

const segment = "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01";

function temporaryReplica(directory = temporaryDirectory()): ReplicaStore {
  const replica = openTestReplica(directory);
  onTestFinished(async () => await replica.store.close());
  return replica;
}

const textsOf = (replica: ReplicaStore, from = 1, bytesMax = 10_000_000): string[] =>
  replica.disk.readLog(logSeq(from), bytesMax).map(({ record }) => record.toString("utf8"));

/** Every value that stands in a database of a store that is closed. */
async function storedKeys(directory: string, name: string): Promise<string[]> {
  const root = open({ path: directory, maxDbs: 8, noSubdir: false, readOnly: true });
  const database = root.openDB<Buffer, Buffer>({
    name,
    encoding: "binary",
    keyEncoding: "binary",
  });
  const keys = [...database.getKeys()].map((key) => key.toString("hex"));
  await root.close();
  return keys;
}

test("a disk that belongs to no group says so, and what was written last is there after a restart", async () => {
  const directory = temporaryDirectory();
  const first = openTestReplica(directory);
  expect(first.disk.load()).toBeUndefined();
  const state: MemberState = newMember({
    promisedEpoch: epoch(7),
    epochBegins: [
      { epoch: epoch(1), firstSeq: logSeq(1) },
      { epoch: epoch(6), firstSeq: logSeq(2) },
    ],
    configuration: { ...newMember().configuration, version: 12, acks: "all" },
    leaderTime: 1_790_000_000_123 as MemberState["leaderTime"],
  });
  await written(first.disk, { state });
  const later = await appended(first.disk, ["one", "two"]);
  await first.store.close();
  expect(temporaryReplica(directory).disk.load()).toEqual(later);
});

test.each([0, 1, 7_000, 7_967, 7_968, 100_000, 1_048_576, 3_000_000])(
  "a record of %i bytes is read as it was written",
  async (length) => {
    const { disk } = temporaryReplica();
    const record = Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
    const state = await appended(disk, ["before", record, "after"]);
    const entries = disk.readLog(logSeq(1), 10_000_000);
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(entries[1]?.record.equals(record)).toBe(true);
    expect(positionOf(entries[2] ?? (undefined as never))).toEqual(state.logEnd);
    const written = entriesAfter(origin, ["before", record, "after"]);
    expect(entries.map(({ record: _, ...rest }) => rest)).toEqual(
      written.map(({ record: _, ...rest }) => rest),
    );
  },
);

test("a slice of the log has at least one record and otherwise no more bytes than asked for", async () => {
  const replica = temporaryReplica();
  const big = "x".repeat(100_000);
  await appended(replica.disk, ["one", big, "three", "four", big]);
  expect(textsOf(replica, 1, 0)).toEqual(["one"]);
  expect(textsOf(replica, 1, 1_000)).toEqual(["one"]);
  expect(textsOf(replica, 2, 1_000)).toEqual([big]);
  expect(textsOf(replica, 3, 1_000)).toEqual(["three", "four"]);
  expect(textsOf(replica, 2, 150_000)).toEqual([big, "three", "four"]);
  expect(textsOf(replica, 6)).toEqual([]);
  expect(textsOf(replica, 0)).toEqual([]);
});

test("records that are taken back or trimmed go with all their chunks, and others take their place", async () => {
  const directory = temporaryDirectory();
  const replica = openTestReplica(directory);
  const big = "x".repeat(50_000);
  const state = await appended(replica.disk, [big, "two", big, big], { appliedSeq: logSeq(2) });
  const [, second] = replica.disk.readLog(logSeq(1), 1_000_000);
  if (second === undefined) throw new Error("The second record is missing.");
  const append = entriesAfter(positionOf(second), ["3 anew", "4 anew", "5 anew"], 2);
  await written(replica.disk, {
    state: { ...state, promisedEpoch: epoch(2), logEnd: positionOf(append[2] as never) },
    truncateAbove: logSeq(2),
    append,
  });
  expect(textsOf(replica)).toEqual([big, "two", "3 anew", "4 anew", "5 anew"]);
  const now = replica.disk.load() as MemberState;
  await written(replica.disk, {
    state: { ...now, logBase: positionOf(second), appliedSeq: logSeq(3) },
    trimThrough: logSeq(2),
  });
  expect(textsOf(replica, 1)).toEqual([]);
  expect(textsOf(replica, 3)).toEqual(["3 anew", "4 anew", "5 anew"]);
  await replica.store.close();
  const keys = await storedKeys(directory, "log");
  expect(keys).toEqual(["0000000000000003", "0000000000000004", "0000000000000005"]);
});

test("many long records that are trimmed at once are gone at once for who reads, and go from the disk little by little", async () => {
  const directory = temporaryDirectory();
  const first = openTestReplica(directory);
  const long = "x".repeat(400_000);
  // Of 109 values each.
  for (let round = 0; round < 10; round += 1) {
    const { logEnd } = await appended(
      first.disk,
      Array.from({ length: 10 }, () => long),
    );
    await appended(first.disk, [], { appliedSeq: logEnd.seq });
  }
  const end = await appended(first.disk, ["last"]);
  const [hundredth] = first.disk.readLog(logSeq(100), 0);
  const logBase = positionOf(hundredth ?? (undefined as never));
  await written(first.disk, { state: { ...end, logBase }, trimThrough: logSeq(100) });
  expect(textsOf(first, 50)).toEqual([]);
  expect(textsOf(first, 101)).toEqual(["last"]);
  await first.store.close();
  expect(await storedKeys(directory, "log")).toHaveLength(100 * 109 + 1 - 2_000);
  // They go on going after a restart, with whatever is written.
  const again = openTestReplica(directory);
  expect(textsOf(again, 50)).toEqual([]);
  for (let round = 0; round < 5; round += 1) await appended(again.disk, [`next ${round}`]);
  expect(textsOf(again, 101)).toEqual([
    "last",
    ...Array.from({ length: 5 }, (_, round) => `next ${round}`),
  ]);
  await again.store.close();
  expect(await storedKeys(directory, "log")).toHaveLength(6);
});

test("what records change is read from the state, of several changes of a row the last", async () => {
  const { store, disk } = temporaryReplica();
  await appended(disk, ["1", "2"], {
    appliedSeq: logSeq(2),
    apply: [put("\x82a", "first"), put("\x82b", "b"), put("\x82a", "second"), removal("\x82b")],
  });
  expect(store.get("\x82a")?.toString()).toBe("second");
  expect(store.get("\x82b")).toBeUndefined();
  expect(store.keys("\x00", "\xff", 10)).toEqual(["\x82a"]);
});

test.each([
  ["replaced by a short one", [put("\x82a", "short", true)], ["\x82a"]],
  ["removed", [removal("\x82a", true)], []],
  ["removed and made anew", [removal("\x82a", true), put("\x82a", "new")], ["\x82a"]],
  ["replaced twice", [put("\x82a", "y".repeat(20_000), true), put("\x82a", "new")], ["\x82a"]],
])(
  "a row in chunks that is %s leaves none of them",
  async (_title, apply: readonly StateChange[], keys: readonly string[]) => {
    const { store, disk } = temporaryReplica();
    await appended(disk, ["1"], {
      appliedSeq: logSeq(1),
      apply: [put("\x82a", "x".repeat(50_000))],
    });
    expect([...store.scan("\x00", "\xff\xff")]).toHaveLength(14);
    await appended(disk, ["2"], { appliedSeq: logSeq(2), apply });
    expect([...store.scan("\x00", "\xff\xff")].map(({ key }) => key)).toEqual(keys);
  },
);

test("the state is read in slices that neither miss a row nor count a chunk, long rows among them", async () => {
  const { disk } = temporaryReplica();
  const long = "x".repeat(30_000);
  const rows = [
    put(`${segment}m1`, long),
    put(`${segment}m2`, "short"),
    put(`${segment}s1`, "delivery"),
    put(`${segment}y1`, long),
    put("\x80default\x00orders", "queue"),
    put("\x84time", "now"),
    put("\x89long", long),
  ].map((row) => ({ ...row, mayReplaceChunks: true }));
  await appended(disk, ["1"], { appliedSeq: logSeq(1), apply: rows });
  for (const bytesMax of [0, 100, 31_000, 1_000_000]) {
    const read: StateChange[] = [];
    for (let sliceCount = 0; sliceCount < 20; sliceCount += 1) {
      const slice = disk.readState(read[read.length - 1]?.key ?? Buffer.alloc(0), bytesMax);
      expect(slice.rows.length).toBeGreaterThan(0);
      read.push(...slice.rows);
      if (slice.isLast) break;
    }
    expect(read).toEqual(rows);
  }
  expect(disk.readState(Buffer.from("\x89long", "latin1"), 100)).toEqual({
    rows: [],
    isLast: true,
  });
});

test("reads see finished writes only, also while a batch is visible already and not yet reported", async () => {
  const { store, disk } = temporaryReplica();
  await appended(disk, ["1"], { appliedSeq: logSeq(1), apply: [put("\x82a", "1")] });
  const valueNow = (): string | undefined =>
    disk.readState(Buffer.alloc(0), 1_000).rows[0]?.value?.toString();
  let sawEarly = 0;
  for (let round = 2; round < 200; round += 1) {
    let isDone = false;
    const before = disk.load() as MemberState;
    const append = entriesAfter(before.logEnd, [String(round)]);
    const state = {
      ...before,
      logEnd: positionOf(append[0] as never),
      appliedSeq: logSeq(round),
    };
    disk.write({ state, append, apply: [put("\x82a", String(round))] }, (outcome) => {
      expect(outcome).toEqual({ kind: "durable" });
      isDone = true;
    });
    while (!isDone) {
      // The store itself may be ahead, and is, at times: else this test would prove nothing.
      store.refresh();
      if (store.get("\x82a")?.toString() === String(round)) sawEarly += 1;
      expect(valueNow()).toBe(String(round - 1));
      expect(disk.readLog(logSeq(round), 1_000)).toEqual([]);
      expect(disk.load()).toEqual(before);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(valueNow()).toBe(String(round));
    expect(disk.readLog(logSeq(round), 1_000)).toHaveLength(1);
  }
  expect(sawEarly).toBeGreaterThan(0);
});

test("nothing calls back from within the call that asked, and one write is under way at a time", async () => {
  const { disk } = temporaryReplica();
  let isAsking = true;
  const first = outcomeOf((done) =>
    disk.write({ state: newMember() }, (outcome) => {
      expect(isAsking).toBe(false);
      done(outcome);
    }),
  );
  expect(() => disk.write({ state: newMember() }, () => undefined)).toThrow(/one write/);
  isAsking = false;
  expect(await first).toEqual({ kind: "durable" });
});

const impossible: readonly (readonly [string, (state: MemberState) => object, RegExp])[] = [
  ["a promise taken back", (state) => ({ state: { ...state, promisedEpoch: 0 } }), /promise/],
  ["a record unapplied", (state) => ({ state: { ...state, appliedSeq: 1 } }), /stays applied/],
  [
    "an applied record taken back",
    (state) => ({ state: { ...state, appliedSeq: 2 }, truncateAbove: 1 }),
    /not applied/,
  ],
  ["a record trimmed before it is applied", (state) => ({ state, trimThrough: 3 }), /trimmed/],
  [
    "a gap",
    (state) => ({ state, append: entriesAfter({ ...state.logEnd, seq: 5 as LogSeq }, ["6"]) }),
    /without gaps/,
  ],
];

test.each(impossible)("%s is refused, and nothing of it is stored", async (_title, batch, why) => {
  const replica = temporaryReplica();
  const state = await appended(replica.disk, ["1", "2", "3"], { appliedSeq: logSeq(2) });
  const outcome = await outcomeOf((done) => replica.disk.write(batch(state) as never, done));
  expect(outcome).toMatchObject({ kind: "failed", error: { message: expect.stringMatching(why) } });
  expect(replica.disk.load()).toEqual(state);
  expect(textsOf(replica)).toEqual(["1", "2", "3"]);
});

test("a record that should be there and is not, or is damaged, is an error and not the end of the log", async () => {
  const directory = temporaryDirectory();
  const replica = openTestReplica(directory);
  await appended(replica.disk, ["1", "2", "3", "x".repeat(20_000), "5"]);
  await replica.store.close();
  const root = open({
    path: directory,
    pageSize: pageBytes,
    overlappingSync: false,
    maxDbs: 8,
    encoding: "binary",
    keyEncoding: "binary",
  });
  const log = root.openDB<Buffer, Buffer>({
    name: "log",
    encoding: "binary",
    keyEncoding: "binary",
  });
  await log.remove(Buffer.from("0000000000000002", "hex"));
  const [chunk] = [...log.getKeys()].filter((key) => key.length > 8);
  if (chunk === undefined) throw new Error("There is no chunk.");
  const value = Buffer.from(log.get(chunk) as Buffer);
  value[100] = 0;
  await log.put(chunk, value);
  await root.close();
  const again = temporaryReplica(directory);
  expect(() => textsOf(again, 1)).toThrow(RecordCorrupt);
  expect(() => textsOf(again, 2)).toThrow(/record 2 of the log is missing/);
  expect(textsOf(again, 3, 0)).toEqual(["3"]);
  expect(() => textsOf(again, 3)).toThrow(RecordCorrupt);
  expect(textsOf(again, 5)).toEqual(["5"]);
});

test("a node alone does not open a member's store, and a member opens a lone node's with what it holds", async () => {
  const directory = temporaryDirectory();
  const alone = openTestStore(directory);
  await alone.commit([{ key: "\x82a", framed: Buffer.from("....._"), mayReplaceChunks: false }]);
  const { secret } = alone;
  await alone.close();
  const member = openTestReplica(directory);
  expect(member.disk.load()).toBeUndefined();
  expect(member.store.get("\x82a")?.toString()).toBe("_");
  expect(member.store.secret).toEqual(secret);
  await expect(member.store.commit([])).rejects.toThrow(/by records only/);
  await member.store.close();
  expect(() => openTestStore(directory)).toThrow(/is a cluster member's/);
  await openTestStore(directory, { isReadOnly: true }).close();
});
