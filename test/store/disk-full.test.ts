// A real disk that really fills up, on a file system of 24 MiB: sends are refused, receives and deletes go on, nothing that
// was acknowledged is lost, and sends work again as soon as there is room, without a restart.

import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EngineClient } from "../support/engine-client.js";
import { PromisesKept } from "../support/promises-kept.js";
import { storedNames } from "../support/stopped-store.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const diskBytes = 24 * 1_048_576;
const timeoutMs = 60_000;

/** A small disk of its own; undefined where none can be mounted, which is a failure where every test must count. */
function smallDisk(): string | undefined {
  const directory = temporaryDirectory();
  const mounted = spawnSync("mount", [
    "-t",
    "tmpfs",
    "-o",
    `size=${diskBytes}`,
    "tmpfs",
    directory,
  ]);
  if (mounted.status !== 0) {
    expect(process.env["CI"], "a tmpfs must be mounted to fill a disk").toBeUndefined();
    console.warn("No tmpfs can be mounted here: full disks are not tested.");
    return undefined;
  }
  // Registered after the directory's removal, and so done before it.
  onTestFinished(() => {
    spawnSync("umount", ["-l", directory]);
  });
  mkdirSync(join(directory, "store"));
  return directory;
}

const freeBytes = (disk: string): number => {
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
};

/** Somebody else writes until there is no room at all. */
function fillWithBallast(disk: string): () => void {
  const path = join(disk, "ballast");
  const file = openSync(path, "w");
  for (const size of [1_048_576, 4_096, 1]) {
    const block = Buffer.alloc(size, "b");
    try {
      while (writeSync(file, block) === size);
    } catch {
      // Full for blocks of this size.
    }
  }
  closeSync(file);
  expect(freeBytes(disk)).toBeLessThan(4_096);
  return () => rmSync(path);
}

const pause = async (ms: number): Promise<void> => {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
};

/** Until a send is acknowledged; the engine looks at the disk once a second. */
async function untilSent(client: EngineClient, promises: PromisesKept): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if (await promises.send(client, 1_000)) return;
    await pause(100);
  }
  throw new Error("Sends do not work again.");
}

async function receiveAndDeleteAll(client: EngineClient, promises: PromisesKept): Promise<void> {
  for (;;) {
    const count = await promises.receive(client);
    expect(count).toBeDefined();
    if (count === 0) return;
    expect(await promises.delete(client)).toBe(true);
  }
}

test(
  "below its reserve the store refuses sends, hands out and deletes everything, and takes sends again",
  async () => {
    const disk = smallDisk();
    if (disk === undefined) return;
    const directory = join(disk, "store");
    const promises = new PromisesKept();
    const client = await EngineClient.start({ directory, storageReserveBytes: 6 * 1_048_576 });
    while (await promises.send(client, 60_000));
    expect(promises.sentCount).toBeGreaterThan(100);
    expect(client.fullness).toEqual([true]);
    // The reserve is there for what goes on, less what was under way when it was reached.
    expect(freeBytes(disk)).toBeGreaterThan(3 * 1_048_576);
    await receiveAndDeleteAll(client, promises);
    expect(promises.deletedCount).toBe(promises.sentCount);
    // The file has not become smaller; the pages in it are free again.
    await untilSent(client, promises);
    expect(client.fullness).toEqual([true, false]);
    await client.stop();
    promises.expectKept(await storedNames(directory));
  },
  timeoutMs,
);

test(
  "a commit that meets a full disk loses its sends only; receives and deletes of the same commit go on",
  async () => {
    const disk = smallDisk();
    if (disk === undefined) return;
    const directory = join(disk, "store");
    const promises = new PromisesKept();
    // No reserve: only the disk itself says no.
    const client = await EngineClient.start({ directory, storageReserveBytes: 0 });
    for (let at = 0; at < 60; at += 1) await promises.send(client, 20_000);
    // Some traffic leaves free pages in the file, as in any store that is in use.
    for (let at = 0; at < 2; at += 1) {
      await promises.receive(client);
      await promises.delete(client);
    }
    await promises.receive(client);

    const removeBallast = fillWithBallast(disk);
    const sentBefore = promises.sentCount;
    for (let round = 0; round < 3; round += 1) {
      const [sends, received, deleted] = await Promise.all([
        Promise.all(Array.from({ length: 20 }, async () => await promises.send(client, 100_000))),
        promises.receive(client),
        promises.delete(client),
      ]);
      expect(sends).toContain(false);
      expect(received).toBe(10);
      expect(deleted).toBe(true);
    }
    expect(client.fullness[0]).toBe(true);
    expect(client.failure).toBeUndefined();
    expect(promises.refusals).toBeGreaterThan(0);

    removeBallast();
    await untilSent(client, promises);
    expect(promises.sentCount).toBeGreaterThan(sentBefore);
    await client.stop();
    promises.expectKept(await storedNames(directory));

    const after = await EngineClient.start({ directory });
    promises.forgetLeases();
    expect(await promises.send(after, 1_000)).toBe(true);
    await after.stop();
    promises.expectKept(await storedNames(directory));
  },
  timeoutMs,
);

test(
  "a map that is nearly full is refused like a disk that is, and drained like one",
  async () => {
    const directory = temporaryDirectory();
    const promises = new PromisesKept();
    const client = await EngineClient.start({
      directory,
      mapSizeBytes: 16 * 1_048_576,
      storageReserveBytes: 4 * 1_048_576,
    });
    while (await promises.send(client, 60_000));
    await receiveAndDeleteAll(client, promises);
    await untilSent(client, promises);
    await client.stop();
    promises.expectKept(await storedNames(directory));
  },
  timeoutMs,
);

test(
  "a disk filled and freed again and again while calls go on loses nothing that was acknowledged",
  async () => {
    const disk = smallDisk();
    if (disk === undefined) return;
    const directory = join(disk, "store");
    const promises = new PromisesKept();
    const client = await EngineClient.start({ directory, storageReserveBytes: 0 });
    let isOver = false;
    const repeat = async (step: () => Promise<unknown>): Promise<void> => {
      while (!isOver) {
        await step();
        await pause(2);
      }
    };
    const traffic = Promise.all([
      repeat(() => promises.send(client, 30_000)),
      repeat(() => promises.send(client, 500)),
      repeat(() => promises.receive(client)),
      repeat(() => promises.delete(client)),
      repeat(() => promises.delete(client, 1)),
    ]);
    for (let time = 0; time < 5; time += 1) {
      await pause(300);
      const removeBallast = fillWithBallast(disk);
      await pause(300);
      removeBallast();
    }
    isOver = true;
    await traffic;
    expect(client.failure).toBeUndefined();
    await untilSent(client, promises);
    await client.stop();
    promises.expectKept(await storedNames(directory));
  },
  timeoutMs,
);
