// A disk that fails under a commit, by strace: the process says so and ends, having acknowledged nothing that is not on the
// disk; the next one finds everything that was acknowledged.

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { EngineClient } from "../support/engine-client.js";
import { failedExitCode } from "../support/engine-process.js";
import { PromisesKept } from "../support/promises-kept.js";
import { storedNames } from "../support/stopped-store.js";
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

const failing = (calls: string, count: number): readonly string[] => [
  "strace",
  "-f",
  "-q",
  "-o",
  "/dev/null",
  "-e",
  `trace=${calls}`,
  "-e",
  `inject=${calls}:error=EIO:when=${count}`,
];

test.each([
  ["fdatasync", 1],
  ["fdatasync", 2],
  ["fdatasync", 9],
  ["fdatasync", 40],
  ["pwrite64", 3],
  ["pwrite64", 25],
  ["writev", 4],
])(
  "after a failed %s, the %ith, the process ends and every promise holds",
  async (calls, count) => {
    if (!mayTrace()) return;
    const directory = temporaryDirectory();
    const promises = new PromisesKept();
    // What was there before must be there after.
    const before = await EngineClient.start({ directory });
    for (let at = 0; at < 20; at += 1) await promises.send(before, 500);
    await before.stop();

    const client = await EngineClient.start({
      directory,
      under: failing(calls, count),
      environment,
    }).catch((error: unknown) => error as Error);
    if (client instanceof EngineClient) {
      let isOver = false;
      const over = client.ended.then(() => {
        isOver = true;
      });
      const send = async (sizeBytes: number): Promise<void> => {
        while (!isOver) await promises.send(client, sizeBytes);
      };
      await Promise.all([
        over,
        send(100),
        send(9_000),
        send(300),
        (async () => {
          while (!isOver) {
            await promises.receive(client, 2);
            await promises.delete(client, 1);
          }
        })(),
      ]);
      const ended = await client.ended;
      // lmdb 3.5.6 tells of a failed write in a buffer that may be too small for it, and glibc may end the process before us.
      const isEndedByGlibc = calls !== "fdatasync" && ended.signal === "SIGABRT";
      if (!isEndedByGlibc) {
        expect(ended).toEqual({ code: failedExitCode, signal: null });
        expect(client.failure).toMatch(/^A commit failed with space left on the disk: /);
      }
      expect(promises.refusals).toBe(0);
    } else {
      // It failed before it was ready, and said so.
      const exits = calls === "fdatasync" ? failedExitCode : `${failedExitCode}|SIGABRT`;
      expect(client.message).toMatch(new RegExp(`ended \\((${exits})\\) before it was ready`));
    }
    promises.expectKept(await storedNames(directory));

    const after = await EngineClient.start({ directory });
    expect(await promises.send(after, 100)).toBe(true);
    await after.stop();
    promises.expectKept(await storedNames(directory));
  },
  60_000,
);

test("no answer comes before the disk has said that it is done", async () => {
  if (!mayTrace()) return;
  const delayMs = 400;
  const under = ["strace", "-f", "-q", "-o", "/dev/null", "-e", "trace=fdatasync"];
  const client = await EngineClient.start({
    directory: temporaryDirectory(),
    under: [...under, "-e", `inject=fdatasync:delay_enter=${delayMs * 1_000}`],
    environment,
  });
  const startedAt = performance.now();
  expect(await client.ask({ call: "send", name: "slow", sizeBytes: 100 })).toEqual({
    kind: "sent",
  });
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(delayMs);
  await client.stop();
}, 30_000);
