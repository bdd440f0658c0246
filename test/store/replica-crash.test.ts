// A member's process that is killed, or whose disk fails, at any step: log, state and what the member knows of itself are of one
// moment afterwards, and that moment is the last one that was called durable, or the one that was being written.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { MemberState } from "../../src/store/replica-disk.js";
import { copySeq } from "../support/numbered-records.js";
import { ReplicaClient } from "../support/replica-client.js";
import { openTestReplica } from "../support/replica-log.js";
import { expectOneMoment } from "../support/replica-moment.js";
import { failedExitCode } from "../support/replica-process.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const canTrace = spawnSync("strace", ["-f", "-e", "trace=none", "true"]).status === 0;

/** False where disks cannot be made to fail; where every test must count, that is a failure. */
function mayTrace(): boolean {
  if (canTrace) return true;
  expect(process.env["CI"], "strace is needed to let a disk fail").toBeUndefined();
  console.warn("strace cannot be used here: failing disks are not tested.");
  return false;
}

// One thread of the pool, because strace counts the calls of each thread by itself.
const environment = { UV_THREADPOOL_SIZE: "1" };

const inject = (calls: string, what: string, paths: readonly string[] = []): readonly string[] => [
  "strace",
  "-f",
  "-q",
  "-o",
  "/dev/null",
  ...paths.flatMap((path) => ["-P", path]),
  "-e",
  `trace=${calls}`,
  "-e",
  `inject=${calls}:${what}`,
];

/** What a store on disk came to, all of it of one moment. */
async function momentOf(directory: string): Promise<MemberState | undefined> {
  const replica = openTestReplica(directory);
  try {
    return expectOneMoment(replica);
  } finally {
    await replica.store.close();
  }
}

/** The last batch that was called durable, or the one that was on its way. */
async function expectKept(directory: string, durableBatch: number): Promise<number> {
  const batch = (await momentOf(directory))?.leaderTime ?? 0;
  expect([durableBatch, durableBatch + 1]).toContain(batch);
  return batch;
}

const killCount = 20;

test(`log, state and member are of one moment after each of ${killCount} kills in the middle of batches`, async () => {
  const directory = temporaryDirectory();
  let reached = 0;
  for (let kill = 0; kill < killCount; kill += 1) {
    const client = new ReplicaClient({ directory });
    // From the first batches on to some hundreds of them.
    const wanted = reached + 1 + ((kill * 37) % 150);
    expect(await client.until(() => client.durableBatch >= wanted)).toBe(true);
    await client.kill();
    reached = await expectKept(directory, client.durableBatch);
  }
  // It was worth it: there were records to trim and tails to take back.
  expect(reached).toBeGreaterThan(500);
}, 120_000);

test.each([
  ["fdatasync", 6],
  ["fdatasync", 9],
  ["fdatasync", 40],
  ["pwrite64", 30],
  ["writev", 10],
])(
  "after a failed %s, the %ith, the disk says that it failed, and what it called durable is there",
  async (calls, count) => {
    if (!mayTrace()) return;
    const directory = temporaryDirectory();
    const under = inject(calls, `error=EIO:when=${count}`);
    const client = new ReplicaClient({ directory, under, environment });
    const ended = await client.ended;
    // lmdb 3.5.6 tells of a failed write in a buffer that may be too small for it, and glibc may end the process before us.
    const isEndedByGlibc = calls !== "fdatasync" && ended.signal === "SIGABRT";
    if (!isEndedByGlibc) {
      expect(ended).toEqual({ code: failedExitCode, signal: null });
      expect(client.failure).toMatch(/^A commit failed with space left on the disk: /);
    }
    expect(client.durableBatch).toBeGreaterThan(0);
    await expectKept(directory, client.durableBatch);
    // And it goes on from there.
    const after = new ReplicaClient({ directory });
    expect(await after.until(() => after.durableBatch > client.durableBatch + 20)).toBe(true);
    await after.kill();
    await expectKept(directory, after.durableBatch);
  },
  60_000,
);

/** A member that has a log and a state, for others to be made of. */
async function memberWithState(): Promise<{ directory: string; member: MemberState }> {
  const directory = temporaryDirectory();
  const client = new ReplicaClient({ directory });
  expect(await client.until(() => client.durableBatch >= 60)).toBe(true);
  await client.kill();
  const member = await momentOf(directory);
  if (member === undefined) throw new Error("The member wrote nothing.");
  return { directory, member };
}

const stepsOfTheSwap: readonly (readonly [string, string, number, readonly string[], boolean])[] = [
  // Its making flushes four times on the main thread; the six batches of rows and the member's row come on another one.
  ["while it is made", "fdatasync", 3, [], false],
  ["while rows are added to it", "fdatasync", 5, [], false],
  ["when all its rows are there", "fdatasync", 7, [], false],
  ["before its file is flushed", "fsync", 1, ["incoming/data.mdb"], false],
  ["before the name of its file is", "fsync", 1, ["incoming"], false],
  ["before it takes its place", "rename", 1, ["incoming/data.mdb"], false],
  ["before that is flushed", "fsync", 1, ["."], true],
  ["before the old lock goes", "unlink", 1, ["lock.mdb"], true],
  ["before its own lock goes", "unlink", 1, ["incoming/lock.mdb"], true],
  ["before its directory goes", "rmdir", 1, ["incoming"], true],
];

test.each(stepsOfTheSwap)(
  "a copy whose taker is killed %s leaves the old store or the new one, each whole",
  async (_title, calls, count, names, isNew) => {
    if (!mayTrace()) return;
    const { directory: original, member } = await memberWithState();
    const directory = temporaryDirectory();
    cpSync(original, directory, { recursive: true });
    const paths = names.map((name) => join(directory, name));
    const under = inject(calls, `signal=SIGKILL:when=${count}`, paths);
    const client = new ReplicaClient({ directory, task: "copy", under, environment });
    await client.ended;
    expect(client.errors).toBe("");
    expect([client.has("ready"), client.has("copied")]).toEqual([true, false]);
    const found = await momentOf(directory);
    if (isNew) expect(found?.logEnd.seq).toBe(copySeq);
    else expect(found).toEqual(member);
    expect(existsSync(join(directory, "incoming"))).toBe(false);
    // The next one takes it to the end, and the store goes on from there.
    const again = new ReplicaClient({ directory, task: "copy" });
    await again.ended;
    expect(again.has("done")).toBe(true);
    expect((await momentOf(directory))?.logEnd.seq).toBeGreaterThan(copySeq + 3);
    expect(readdirSync(directory)).not.toContain("incoming");
  },
  60_000,
);

test.each([
  ["fsync", "incoming/data.mdb"],
  ["fsync", "."],
  ["rename", "incoming/data.mdb"],
])(
  "a %s of %s that fails ends the process, with the old store or the new one",
  async (calls, name) => {
    if (!mayTrace()) return;
    const { directory, member } = await memberWithState();
    const under = inject(calls, "error=EIO:when=1", [join(directory, name)]);
    const client = new ReplicaClient({ directory, task: "copy", under, environment });
    expect(await client.ended).toEqual({ code: failedExitCode, signal: null });
    expect(client.failure).toMatch(/^EIO: i\/o error/);
    const found = await momentOf(directory);
    if (name === ".") expect(found?.logEnd.seq).toBe(copySeq);
    else expect(found).toEqual(member);
  },
  60_000,
);
