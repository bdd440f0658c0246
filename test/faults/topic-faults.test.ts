// T56 in three zones: topics with every kind of target under load while leadership is handed over, and while the leader is killed.
// What was answered comes to every target that was confirmed: to queues once, to FIFO ones in order, to the others at least once.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { TopicLoad } from "../crash/topic-load.js";
import { Cluster } from "./cluster.js";
import { bridgeAddress } from "./network.js";
import { leaseSeconds, timeout } from "./one-fault.js";
import { seed } from "./seed.js";

const args = [
  ...["--public-base-url", "http://messages.example"],
  ...["--public-listen", "127.0.0.1:0"],
  // Where the test stands, with its webhook and its function.
  ...["--webhook-allowed-cidrs", `${bridgeAddress}/32`],
];

/** Under load before, between and after what happens to the leader. */
const workMs = 2_500;

async function underLoad(happens: (cluster: Cluster, load: TopicLoad) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), "forebay-topic-faults-"));
  const cluster = await Cluster.start(folder, { leaseSeconds, argsOf: () => args });
  try {
    const { endpoints } = cluster;
    const place = { endpoints, host: bridgeAddress, seed, publisherCount: 2 };
    const load = await TopicLoad.begin(place);
    try {
      await sleep(workMs);
      await happens(cluster, load);
      const { violations, summary } = await load.finish();
      console.log(`seed ${seed}: ${JSON.stringify(summary)}`);
      expect(violations.slice(0, 20), cluster.output).toEqual([]);
    } finally {
      await load.end();
    }
  } finally {
    await cluster.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resolves once more was published and answered. */
async function publishedMore(load: TopicLoad, count: number): Promise<void> {
  const before = load.acknowledgedCount;
  await expect
    .poll(() => load.acknowledgedCount, { timeout: 20_000 })
    .toBeGreaterThan(before + count);
}

test(
  "T56 what was published comes to every kind of target when the leader hands over and when it is killed",
  {
    timeout,
  },
  () =>
    underLoad(async (cluster, load) => {
      const first = await cluster.leader();
      await cluster.administer((admin) => admin.handOver());
      await publishedMore(load, 20);
      const second = await cluster.leader();
      expect(second).not.toBe(first);
      await sleep(workMs);
      await second.kill();
      await publishedMore(load, 20);
      expect(await cluster.leader()).not.toBe(second);
      second.start();
      await sleep(workMs);
      await cluster.caughtUp(second);
    }),
);
