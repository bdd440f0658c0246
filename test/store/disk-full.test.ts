// A real disk that really fills up, on a file system of 24 MiB: sends are refused, receives and deletes go on, nothing that
// was acknowledged is lost, and sends work again as soon as there is room, without a restart.

import { expect, test } from "vitest";
import { EngineClient } from "../support/engine-client.js";
import { PromisesKept } from "../support/promises-kept.js";
import { expectEndOnFullDisk, smallDisk } from "../support/small-disk.js";
import { storedNames } from "../support/stopped-store.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const timeoutMs = 60_000;

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
    const { store: directory } = disk;
    const promises = new PromisesKept();
    const client = await EngineClient.start({ directory, storageReserveBytes: 6 * 1_048_576 });
    while (await promises.send(client, 60_000));
    expect(promises.sentCount).toBeGreaterThan(100);
    expect(client.fullness).toEqual([true]);
    // The reserve is there for what goes on, less what was under way when it was reached.
    expect(disk.freeBytes()).toBeGreaterThan(2 * 1_048_576);
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
    const { store: directory } = disk;
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

    const removeOthers = disk.fill();
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

    removeOthers();
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
    const { store: directory } = disk;
    const promises = new PromisesKept();
    const start = async () => await EngineClient.start({ directory, storageReserveBytes: 0 });
    let client = await start();
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
      const removeOthers = disk.fill();
      await pause(300);
      removeOthers();
      if (client.isOver) {
        expectEndOnFullDisk(client);
        client = await start();
        promises.forgetLeases();
      }
    }
    isOver = true;
    await traffic;
    await untilSent(client, promises);
    await client.stop();
    promises.expectKept(await storedNames(directory));
  },
  timeoutMs,
);
