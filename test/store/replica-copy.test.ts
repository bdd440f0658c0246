// A member that takes a copy of another's state: it grows beside the state, which serves on until the copy takes its place, and
// whoever reads the store afterwards reads the copy.

import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { epoch, logSeq } from "../../src/base/brands.js";
import { lostName, readLost } from "../../src/store/lost-records.js";
import type { MemberState, StateChange } from "../../src/store/replica-disk.js";
import type { ReplicaStore } from "../../src/store/replica-store.js";
import { copiedRows, copiedState, copySeq } from "../support/numbered-records.js";
import { ReplicaClient } from "../support/replica-client.js";
import {
  appended,
  entriesAfter,
  entryAfter,
  newMember,
  openTestReplica,
  outcomeOf,
  positionOf,
  put,
} from "../support/replica-log.js";
import { expectOneMoment } from "../support/replica-moment.js";
import { expectEndOnFullDisk, smallDisk } from "../support/small-disk.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const durable = { kind: "durable" };

function temporaryReplica(directory = temporaryDirectory()): ReplicaStore {
  const replica = openTestReplica(directory);
  onTestFinished(async () => await replica.store.close());
  return replica;
}

async function copied(
  { disk }: ReplicaStore,
  rows: readonly StateChange[],
  change: Partial<MemberState> = {},
): Promise<MemberState> {
  const base = positionOf(
    entryAfter({ epoch: epoch(4), seq: logSeq(99), chain: Buffer.alloc(16) }, "base", 5),
  );
  const state = newMember({
    promisedEpoch: epoch(5),
    logBase: base,
    logEnd: base,
    appliedSeq: base.seq,
    wholeFrom: logSeq(120),
    ...change,
  });
  expect(await outcomeOf((done) => disk.beginCopy(done))).toEqual(durable);
  expect(await outcomeOf((done) => disk.addToCopy(rows, done))).toEqual(durable);
  expect(await outcomeOf((done) => disk.finishCopy(state, done))).toEqual(durable);
  return state;
}

test("a copy takes the place of state and log, for whoever has the store open and after a restart", async () => {
  const directory = temporaryDirectory();
  const replica = openTestReplica(directory);
  const { store, disk } = replica;
  const { secret } = store;
  await appended(disk, ["1", "2"], {
    appliedSeq: logSeq(2),
    apply: [put("\x82a", "old"), put("\x82only old", "x".repeat(20_000))],
  });
  const long = "y".repeat(30_000);
  const state = await copied(replica, [put("\x82a", "new"), put("\x82b", long)]);
  const expectCopy = ({ store, disk }: ReplicaStore): void => {
    expect(disk.load()).toEqual(state);
    expect(store.get("\x82a")?.toString()).toBe("new");
    expect(store.get("\x82b")?.toString()).toBe(long);
    expect(store.keys("\x82", "\x83", 10)).toEqual(["\x82a", "\x82b"]);
    expect([...store.range("\x82", "\x83")].map(({ key }) => key)).toEqual(["\x82a", "\x82b"]);
    expect(disk.readLog(logSeq(1), 1_000)).toEqual([]);
    expect(disk.readState(Buffer.alloc(0), 1e6).rows).toHaveLength(2);
    expect(store.secret).toEqual(secret);
  };
  expectCopy(replica);
  expect(existsSync(join(directory, "incoming"))).toBe(false);
  expect((await store.space()).fileBytes).toBeGreaterThan(0);
  await store.close();
  const again = temporaryReplica(directory);
  expectCopy(again);
  await appended(again.disk, ["101"], { appliedSeq: logSeq(101), apply: [put("\x82a", "newer")] });
  expect(again.store.get("\x82a")?.toString()).toBe("newer");
});

test("while a copy grows the state serves on, records and promises are stored, and none of it is in the copy", async () => {
  const { store, disk } = temporaryReplica();
  await appended(disk, ["1"], { appliedSeq: logSeq(1), apply: [put("\x82a", "old")] });
  expect(await outcomeOf((done) => disk.beginCopy(done))).toEqual(durable);
  expect(await outcomeOf((done) => disk.addToCopy([put("\x82b", "copy")], done))).toEqual(durable);
  expect(store.get("\x82b")).toBeUndefined();
  await appended(disk, ["2"], { appliedSeq: logSeq(2), apply: [put("\x82a", "newer")] });
  expect(store.get("\x82a")?.toString()).toBe("newer");
  const state = { ...newMember(), promisedEpoch: epoch(8) };
  expect(await outcomeOf((done) => disk.finishCopy(state, done))).toEqual(durable);
  expect(store.get("\x82a")).toBeUndefined();
  expect(store.get("\x82b")?.toString()).toBe("copy");
  expect(disk.load()).toEqual(state);
});

test("a slice that comes twice leaves the rows of the second time and no chunk of the first", async () => {
  const { store, disk } = temporaryReplica();
  expect(await outcomeOf((done) => disk.beginCopy(done))).toEqual(durable);
  for (const value of ["x".repeat(40_000), "short"]) {
    const rows = [put("\x82a", value)];
    expect(await outcomeOf((done) => disk.addToCopy(rows, done))).toEqual(durable);
  }
  expect(await outcomeOf((done) => disk.finishCopy(newMember(), done))).toEqual(durable);
  expect([...store.scan("\x00", "\xff\xff")].map(({ key }) => key)).toEqual(["\x82a"]);
});

test("a copy begun anew drops the one before, and copies can be taken again and again", async () => {
  const replica = temporaryReplica();
  const { store, disk } = replica;
  expect(await outcomeOf((done) => disk.beginCopy(done))).toEqual(durable);
  expect(await outcomeOf((done) => disk.addToCopy([put("\x82a", "1")], done))).toEqual(durable);
  for (const text of ["2", "3", "4"]) {
    await copied(replica, [put("\x82b", text)]);
    expect(store.keys("\x82", "\x83", 10)).toEqual(["\x82b"]);
    expect(store.get("\x82b")?.toString()).toBe(text);
  }
});

test("a copy that was not finished when the store was closed is gone, and the store is what it was", async () => {
  const directory = temporaryDirectory();
  const first = openTestReplica(directory);
  const before = await appended(first.disk, ["1"]);
  expect(await outcomeOf((done) => first.disk.beginCopy(done))).toEqual(durable);
  expect(existsSync(join(directory, "incoming"))).toBe(true);
  await first.store.close();
  const { disk } = temporaryReplica(directory);
  expect(existsSync(join(directory, "incoming"))).toBe(false);
  expect(disk.load()).toEqual(before);
});

test("a copy that nobody began neither grows nor takes any place", async () => {
  const { disk } = temporaryReplica();
  expect(await outcomeOf((done) => disk.addToCopy([put("\x82a", "1")], done))).toMatchObject({
    kind: "failed",
    error: { message: expect.stringContaining("begun before it grows") },
  });
  expect(await outcomeOf((done) => disk.finishCopy(newMember(), done))).toMatchObject({
    kind: "failed",
  });
});

test("records that are lost are kept in a file of their epoch, behind what a crash left of an earlier attempt", async () => {
  const directory = temporaryDirectory();
  const { disk } = temporaryReplica(directory);
  const entries = entriesAfter(newMember().logBase, ["1", "x".repeat(100_000), "3"], 6);
  expect(await outcomeOf((done) => disk.keepLost(epoch(6), entries, done))).toEqual(durable);
  const path = join(directory, lostName(epoch(6)));
  expect(path.endsWith("lost-6.bin")).toBe(true);
  expect(await readLost(path)).toEqual(entries);
  appendFileSync(path, Buffer.from("00000003000000", "hex"));
  const more = entriesAfter(positionOf(entries[2] as never), ["4"], 6);
  expect(await outcomeOf((done) => disk.keepLost(epoch(6), more, done))).toEqual(durable);
  expect(await readLost(path)).toEqual([...entries, ...more]);
});

test("on a full disk records are refused and go on when there is room, with nothing lost or half stored", async () => {
  const disk = smallDisk();
  if (disk === undefined) return;
  const { store: directory } = disk;
  let client = new ReplicaClient({ directory });
  for (let time = 0; time < 4; time += 1) {
    const before = client.durableBatch;
    expect(await client.until(() => client.durableBatch > before + 20)).toBe(true);
    const fullCount = client.events.filter(({ event }) => event === "full").length;
    const free = disk.fill();
    const isFull = () => client.events.filter(({ event }) => event === "full").length > fullCount;
    const wasRefused = await client.until(isFull);
    free();
    if (wasRefused) continue;
    expectEndOnFullDisk(client);
    const last = client.durableBatch;
    client = new ReplicaClient({ directory });
    expect(await client.until(() => client.durableBatch > 0)).toBe(true);
    const next = client.events.flatMap((each) => (each.event === "durable" ? [each.batch] : []));
    expect([last + 1, last + 2]).toContain(next[0]);
  }
  const before = client.durableBatch;
  expect(await client.until(() => client.durableBatch > before + 20)).toBe(true);
  await client.kill();
  expect(client.failure).toBeUndefined();
  const replica = temporaryReplica(directory);
  const batch = expectOneMoment(replica)?.leaderTime;
  expect([client.durableBatch, client.durableBatch + 1]).toContain(batch);
});

test("a copy that finds the disk full grows on when there is room", async () => {
  const disk = smallDisk();
  if (disk === undefined) return;
  const { store: directory } = disk;
  const replica = temporaryReplica(directory);
  await appended(replica.disk, ["1"]);
  let free = disk.fill();
  expect(await outcomeOf((done) => replica.disk.beginCopy(done))).toEqual({ kind: "full" });
  free();
  expect(await outcomeOf((done) => replica.disk.beginCopy(done))).toEqual(durable);
  free = disk.fill();
  const rows = copiedRows();
  expect(await outcomeOf((done) => replica.disk.addToCopy(rows, done))).toEqual({ kind: "full" });
  free();
  expect(await outcomeOf((done) => replica.disk.addToCopy(rows, done))).toEqual(durable);
  const state = copiedState(replica.disk.load() ?? newMember());
  free = disk.fill();
  expect(await outcomeOf((done) => replica.disk.finishCopy(state, done))).toEqual({ kind: "full" });
  free();
  expect(await outcomeOf((done) => replica.disk.finishCopy(state, done))).toEqual(durable);
  expect(expectOneMoment(replica)?.logEnd.seq).toBe(copySeq);
});

test("what the disk has left and what the state takes are told", async () => {
  const { disk } = temporaryReplica();
  expect(disk.freeBytes()).toBeGreaterThan(0);
  const before = disk.stateBytes();
  await appended(disk, ["1"], {
    appliedSeq: logSeq(1),
    apply: Array.from({ length: 200 }, (_, at) => put(`\x82${at}`, "x".repeat(5_000))),
  });
  expect(disk.stateBytes() - before).toBeGreaterThan(1_000_000);
  expect(disk.stateBytes() - before).toBeLessThan(4_000_000);
});
