// A process that is killed while it commits, again and again on the same store: every acknowledged send and delete holds,
// nothing is invented, and the next process serves at once.

import { expect, test } from "vitest";
import { EngineClient } from "../support/engine-client.js";
import { PromisesKept } from "../support/promises-kept.js";
import { storedNames } from "../support/stopped-store.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const killCount = 20;
const openMsMax = 2_000;

/** Sends, receives and deletes, several of each at a time, until the process is gone. */
async function trade(client: EngineClient, promises: PromisesKept): Promise<void> {
  let isOver = false;
  const over = client.ended.then(() => {
    isOver = true;
  });
  const repeat = async (step: () => Promise<unknown>): Promise<void> => {
    while (!isOver) await step();
  };
  await Promise.all([
    over,
    ...Array.from(
      { length: 8 },
      async (_, at) => await repeat(() => promises.send(client, 100 + at * 3_000)),
    ),
    ...Array.from({ length: 3 }, async () => await repeat(() => promises.receive(client))),
    ...Array.from(
      { length: 3 },
      async () =>
        await repeat(async () => {
          if ((await promises.delete(client, 4)) === undefined) {
            await new Promise((resolve) => {
              setTimeout(resolve, 5);
            });
          }
        }),
    ),
  ]);
}

test(`acknowledged writes survive ${killCount} kills in the middle of commits`, async () => {
  const directory = temporaryDirectory();
  const promises = new PromisesKept();
  for (let kill = 0; kill < killCount; kill += 1) {
    const client = await EngineClient.start({ directory });
    expect(client.openMs).toBeLessThan(openMsMax);
    promises.forgetLeases();
    const trading = trade(client, promises);
    // From the first commits on to some hundreds of them.
    await new Promise((resolve) => {
      setTimeout(resolve, 20 + ((kill * 37) % 230));
    });
    client.kill();
    expect(await client.ended).toEqual({ code: null, signal: "SIGKILL" });
    await trading;
    promises.expectKept(await storedNames(directory));
  }
  // It was worth it: there was something to lose.
  expect(promises.sentCount).toBeGreaterThan(killCount * 5);
  expect(promises.deletedCount).toBeGreaterThan(0);
  expect(promises.refusals).toBe(0);
}, 120_000);
