// T56: the server is killed with SIGKILL over and over, also while it starts, while publishers work on a standard and on a FIFO
// topic and every kind of target gets what they publish. Afterwards what was answered is compared with what came where.
//
// `npm test` kills 20 times, in about a minute. For fewer or more, or to try a seed again:
//
//   TOPIC_KILLS=200 CRASH_SEED=7 npm run test:crash -- topic-crash

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import { openTestStore } from "../support/temporary-store.js";
import { Random } from "./random.js";
import { answers, ServerProcess } from "./server-process.js";
import { TopicLoad } from "./topic-load.js";

const killCount = Number(process.env["TOPIC_KILLS"] ?? 20);
const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
/** Of a busy machine, with the leases that end after the last kill. */
const timeout = killCount * 6_000 + 120_000;

const args = [
  ...["--public-base-url", "http://messages.example"],
  ...["--public-listen", "127.0.0.1:0"],
  ...["--webhook-allowed-cidrs", "127.0.0.0/8"],
];

test(`T56 what was published comes to every kind of target though the server is killed ${killCount} times`, {
  timeout,
}, async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), "forebay-topic-crash-"));
  const place = { dataDirectory, port: await freePort(), args };
  let server = new ServerProcess(place);
  onTestFinished(async ({ task }) => {
    await server.kill();
    if (task.result?.state !== "fail") rmSync(dataDirectory, { recursive: true, force: true });
    else console.error(`Seed ${seed}. The store is left in ${dataDirectory}.\n${server.output}`);
  });
  await answers(place.port);
  const endpoints = [`127.0.0.1:${place.port}`];
  const load = await TopicLoad.begin({ endpoints, host: "127.0.0.1", seed, publisherCount: 3 });
  onTestFinished(() => load.end());
  const random = new Random(seed);
  for (let kill = 0; kill < killCount; kill += 1) {
    await answersNow(place.port, random);
    expect(server.isRunning, `the server died by itself:\n${server.output}`).toBe(true);
    await server.kill();
    server = new ServerProcess(place);
  }
  await answers(place.port);
  const { violations, summary } = await load.finish();
  console.log(`seed ${seed}: ${killCount} kills, ${JSON.stringify(summary)}`);
  expect(violations.slice(0, 20)).toEqual([]);
  // A run in which little happened proves little.
  expect(summary.acknowledged).toBeGreaterThan(killCount * 5);
  expect(summary.unknown).toBeGreaterThan(0);
  expect(await server.stop()).toBe(0);
  expect(await contradictions(dataDirectory)).toContain("No contradictions.");
});

/** One life in six ends while the server is still starting; the others work for a while. */
async function answersNow(port: number, random: Random): Promise<void> {
  if (random.chance(1 / 6)) {
    await sleep(random.between(50, 600));
    return;
  }
  await answers(port);
  await sleep(random.between(100, 700));
}

async function contradictions(directory: string): Promise<string> {
  const store = openTestStore(directory);
  try {
    return renderCheckReport(await checkStore(store));
  } finally {
    await store.close();
  }
}
