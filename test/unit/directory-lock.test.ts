// One process per data directory, with real processes: the second is refused, a killed one is succeeded at once, and of
// several that start over a dead one's socket exactly one wins.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSystemClock } from "../../src/base/clock.js";
import { DirectoryLockedFault, lockDirectory } from "../../src/base/directory-lock.js";
import { builtModule } from "../support/built.js";

const clock = createSystemClock();

// Locks the directory it is told and says "held", or why it may not; releases when told.
const program = `
  import { createSystemClock } from ${builtModule("base/clock.js")};
  import { lockDirectory } from ${builtModule("base/directory-lock.js")};
  const clock = createSystemClock();
  let lock;
  process.on("message", async ({ kind, directory, atMs }) => {
    while (Date.now() < atMs) {}
    try {
      if (kind === "lock") lock = await lockDirectory(directory, clock);
      if (kind === "release") await lock?.release();
      const isHeld = lock?.isHeld() === true;
      if (!isHeld) lock = undefined;
      process.send(isHeld ? "held" : "free");
    } catch (error) {
      process.send(error.message);
    }
  });
`;

const children: ChildProcess[] = [];
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "forebay-lock-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  rmSync(directory, { recursive: true, force: true });
});

function start(): ChildProcess {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  children.push(child);
  return child;
}

/** Has a child act, at an instant of wall time if one is given, and resolves with its answer. */
function tell(child: ChildProcess, kind: "lock" | "release" | "ask", atMs = 0): Promise<unknown> {
  return new Promise((resolve) => {
    child.once("message", resolve);
    child.send({ kind, directory, atMs });
  });
}

function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** Leaves the socket of a holder that no longer lives, as kill -9 does. */
function leaveDeadSocket(): Promise<void> {
  const path = join(directory, "dead.sock");
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(path, () => {
      linkSync(path, join(directory, "lock.sock"));
      server.close(() => resolve());
    });
  });
}

test("a second process is refused and told who holds the directory", async () => {
  const [first, second] = [start(), start()];
  expect(await tell(first, "lock")).toBe("held");
  expect(await tell(second, "lock")).toBe(
    `The data directory ${directory} is in use by process ${first.pid}; stop it, or choose another with --data-dir.`,
  );
});

test("the same process cannot lock a directory twice, until it releases it", async () => {
  const lock = await lockDirectory(directory, clock);
  await expect(lockDirectory(directory, clock)).rejects.toThrow(DirectoryLockedFault);
  await lock.release();
  const again = await lockDirectory(directory, clock);
  expect(again.isHeld()).toBe(true);
  await again.release();
  expect(readdirSync(directory)).toEqual([]);
});

test("after kill -9 the next process starts at once", async () => {
  const holder = start();
  expect(await tell(holder, "lock")).toBe("held");
  await kill(holder);
  expect(existsSync(join(directory, "lock.sock"))).toBe(true);
  const startedMs = clock.monotonicMs();
  const lock = await lockDirectory(directory, clock);
  expect(clock.monotonicMs() - startedMs).toBeLessThan(2_000);
  await lock.release();
});

test("a holder that was stopped still holds", async () => {
  const holder = start();
  expect(await tell(holder, "lock")).toBe("held");
  holder.kill("SIGSTOP");
  await expect(lockDirectory(directory, clock)).rejects.toThrow(/is in use by another process/);
  holder.kill("SIGCONT");
  expect(await tell(holder, "ask")).toBe("held");
});

test("of several processes that start over a dead one's socket, exactly one wins", async () => {
  const starters = [start(), start(), start()];
  for (let round = 0; round < 50; round += 1) {
    await leaveDeadSocket();
    const atMs = Date.now() + 10;
    await Promise.all(starters.map((starter) => tell(starter, "lock", atMs)));
    // Asked once more after all have their verdict: a winner that lost its name to another does not count.
    const verdicts = await Promise.all(starters.map((starter) => tell(starter, "ask")));
    expect(verdicts.filter((verdict) => verdict === "held")).toHaveLength(1);
    await Promise.all(starters.map((starter) => tell(starter, "release")));
    expect(readdirSync(directory)).toEqual([]);
  }
});

test("of several attempts that all found the dead one's socket, exactly one wins", async () => {
  for (let round = 0; round < 10; round += 1) {
    await leaveDeadSocket();
    // Within one process, each attempt yields to the others at its every look at the socket.
    const attempts = await Promise.allSettled(
      [1, 2, 3, 4].map(() => lockDirectory(directory, clock)),
    );
    const locks = attempts.flatMap((attempt) =>
      attempt.status === "fulfilled" ? [attempt.value] : [],
    );
    expect(locks.map((lock) => lock.isHeld())).toEqual([true]);
    for (const lock of locks) await lock.release();
  }
});

test("a lock whose socket somebody replaced is no longer held", async () => {
  const lock = await lockDirectory(directory, clock);
  rmSync(join(directory, "lock.sock"));
  expect(lock.isHeld()).toBe(false);
  const other = await lockDirectory(directory, clock);
  expect(lock.isHeld()).toBe(false);
  await lock.release();
  expect(other.isHeld()).toBe(true);
  await other.release();
});

test("a directory whose path is too long for a socket is locked by another path", async () => {
  const deep = join(directory, "d".repeat(90));
  mkdirSync(deep);
  const lock = await lockDirectory(deep, clock);
  expect(readdirSync(deep)).toEqual([]);
  await expect(lockDirectory(deep, clock)).rejects.toThrow(DirectoryLockedFault);
  await lock.release();
});
