// Disks that fail, through the whole program: one that cannot flush what was written, and one that is full. The clients are
// those of the crash test, and so is the verdict.
//
// The first needs strace, the second the right to mount a file system of a few megabytes (root). Where CI is set they must
// be there; elsewhere a test that cannot run says so and is left out.

import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, type TestContext, test } from "vitest";
import type { ClientKind } from "./plan.js";
import { Random } from "./random.js";
import { Run } from "./run.js";

const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const mebibyte = 1_048_576;
const everyKind: Readonly<Partial<Record<ClientKind, number>>> = {
  sender: 1,
  hasty_sender: 1,
  batch_sender: 1,
  producer: 1,
  receiver: 1,
  consumer: 1,
};
const senders = { sender: 2, hasty_sender: 1, batch_sender: 1, producer: 1 };
const receivers = { receiver: 2, consumer: 1 };

function execute(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: "pipe" });
}

/** Leaves the test out, with the reason, unless this is where it has to run. */
function requireTool(context: TestContext, command: string, args: readonly string[]): void {
  try {
    execute(command, args);
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    context.skip(`not possible here: ${command} ${args.join(" ")} failed`);
  }
}

/** The clear line. */
const died = /"level":"fatal".*A commit failed with space left on the disk/;
/** System calls that fail, one after the other. */
const failingCalls = ["fdatasync", "pwrite64", "fdatasync"];

test("Q66 a server whose disk cannot flush or write ends at once, and nothing acknowledged is lost", {
  timeout: 120_000,
}, async (context) => {
  requireTool(context, "strace", ["-V"]);
  await Run.use({ seed }, async (run) => {
    const random = new Random(seed);
    run.startClients({
      clients: everyKind,
      largeBodyShare: 0.1,
      bodyBytesMax: 60_000,
      pauseMsMax: 10,
    });
    for (const call of failingCalls) {
      await run.server.kill();
      const trace = join(run.folder, "strace.txt");
      await run.restartServer({
        runner: [
          ...["strace", "-f", "-ttt", "-o", trace, "-e", "signal=none"],
          ...["-e", `trace=${call}`],
          // The nth call of a thread, hence one thread for all commits; the first few are those of opening the store.
          ...["-e", `inject=${call}:error=EIO:when=${random.between(20, 150)}`],
        ],
        env: { UV_THREADPOOL_SIZE: "1" },
      });
      const status = await Promise.race([run.server.exited, sleep(30_000)]);
      const exitMs = Date.now();
      // lmdb 3.5.6 tells of a failed write in a buffer that may be too small for it, and glibc may notice before we do.
      const isNoticed = call === "pwrite64" && status === "SIGABRT";
      if (!isNoticed) expect(status, run.server.output).toBe(70);
      expect(run.server.output).toMatch(isNoticed ? /Input\/output error/ : died);
      expect(exitMs - faultMs(trace)).toBeLessThan(3_000);
      expect(await run.contradictions()).toEqual([]);
      await run.restartServer();
    }
    await run.stopClients();
    const { violations, summary } = await run.drainAndJudge();
    console.log(`seed ${seed}: 3 disk errors; ${JSON.stringify(summary)}`);
    expect(violations.slice(0, 20)).toEqual([]);
    expect(summary.acknowledged).toBeGreaterThan(100);
  });
});

/** When the first call failed, in milliseconds of the wall clock. */
function faultMs(trace: string): number {
  const lines = readFileSync(trace, "utf8").split("\n");
  const [, seconds] = lines.find((line) => line.includes("(INJECTED)"))?.split(/\s+/) ?? [];
  return Number(seconds) * 1_000;
}

test("Q66 a full disk refuses sends and loses nothing, also when the server is killed", {
  timeout: 120_000,
}, async (context) => {
  const disk = mkdtempSync(join(tmpdir(), "forebay-disk-"));
  requireTool(context, "mount", ["-t", "tmpfs", "-o", "size=48m", "forebay-test", disk]);
  try {
    const serverArgs = ["--storage-reserve-bytes", String(8 * mebibyte)];
    await Run.use({ seed, dataDirectory: join(disk, "data"), serverArgs }, async (run) => {
      run.startClients({
        clients: senders,
        largeBodyShare: 0.5,
        bodyBytesMax: 100_000,
        pauseMsMax: 4,
      });
      await expect.poll(() => run.trySend(), { timeout: 40_000 }).toBe("STORAGE_FULL");

      // Full, and then not a byte left: receives and deletes go on, sends do not, and a kill changes nothing of that.
      for (const isBrimful of [false, true]) {
        const ballast = join(disk, "ballast");
        if (isBrimful) fill(ballast);
        await sleep(1_500);
        await run.withQueue((queue) => run.drain(queue, (deletedCount) => deletedCount >= 10));
        await run.server.kill();
        expect(await run.contradictions()).toEqual([]);
        await run.restartServer();
        await expect.poll(() => run.trySend(), { timeout: 20_000 }).toBe("STORAGE_FULL");
        await run.withQueue((queue) => run.drain(queue, (deletedCount) => deletedCount >= 10));
        rmSync(ballast, { force: true });
      }

      // What is received and deleted makes room again, without a restart.
      await run.stopClients();
      run.startClients({ clients: receivers, largeBodyShare: 0, bodyBytesMax: 0, pauseMsMax: 2 });
      await expect.poll(() => run.trySend(), { timeout: 40_000 }).toBe("ok");
      await run.server.kill();
      expect(await run.contradictions()).toEqual([]);
      await run.restartServer();
      await run.stopClients();

      const { violations, summary } = await run.drainAndJudge();
      console.log(`seed ${seed}: disk full; ${JSON.stringify(summary)}`);
      expect(violations.slice(0, 20)).toEqual([]);
      expect(summary.refused).toBeGreaterThan(20);
      expect(summary.acknowledged).toBeGreaterThan(100);
    });
  } finally {
    execute("umount", ["-l", disk]);
    rmSync(disk, { recursive: true, force: true });
  }
});

/** Takes every byte that is left. */
function fill(path: string): void {
  const file = openSync(path, "w");
  for (let bytes = mebibyte; bytes >= 1; ) {
    try {
      if (writeSync(file, Buffer.alloc(bytes)) < bytes) bytes = Math.floor(bytes / 2);
    } catch {
      // This much does not fit any more.
      bytes = Math.floor(bytes / 2);
    }
  }
  closeSync(file);
}
