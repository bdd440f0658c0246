// Disks that change what is on them. A member that finds out takes part in nothing any more until it is replaced, and says so: what
// it had, the others have whole. It does not vote, it does not lead, and nothing that was acknowledged is passed over.

import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient } from "@forebay/client";
import { expect, test } from "vitest";
import type { Cluster } from "./cluster.js";
import type { ClusterNode } from "./cluster-node.js";
import { FaultRun } from "./fault-run.js";
import { leaseSeconds, timeout } from "./one-fault.js";
import { replaceMember } from "./replace-member.js";
import { seed } from "./seed.js";
import { spoilLog, spoilMessages } from "./spoil.js";

const options = { seed, leaseSeconds, hasStreams: false };
const kept = "kept";
const keptBodies = Array.from({ length: 30 }, (_, number) => `kept ${number}`);
/** How long two nodes are watched that may not lead without the third. */
const watchMs = 2 * leaseSeconds * 1_000;

test("a follower whose log is spoilt neither votes nor follows, and is replaced", { timeout }, () =>
  FaultRun.use(options, async (run) => {
    await run.work(3_000);
    const { cluster } = run;
    const [spoilt, other] = await cluster.followers();
    if (spoilt === undefined || other === undefined) throw new Error("There are two followers.");
    await spoilt.kill();
    await spoilLog(spoilt.plan.dataDirectory, 5);
    spoilt.start();
    await cluster.quarantined(spoilt);
    await run.work(2_000);

    const leader = await cluster.leader();
    await leader.kill();
    await expectNobodyLeads([spoilt, other]);
    leader.start();
    run.mended();
    expect(await cluster.leader()).not.toBe(spoilt);
    await replaceMember(cluster, spoilt);
    await run.work(3_000);
    await run.finish({ outageMsMax: undefined });
  }),
);

test(
  "a leader that finds rows of its state spoilt gives way to one that has them whole",
  { timeout },
  () =>
    FaultRun.use(options, async (run) => {
      const { cluster } = run;
      await run.withClient(async (client) => {
        const { queue } = await client.createQueue(kept);
        await queue.sendBatch(keptBodies.slice(0, 10));
        await queue.sendBatch(keptBodies.slice(10, 20));
        await queue.sendBatch(keptBodies.slice(20));
      });
      await run.work(3_000);
      const [spoilt] = await cluster.followers();
      if (spoilt === undefined) throw new Error("Nobody follows.");
      await spoilt.kill();
      await spoilMessages(spoilt.plan.dataDirectory, kept);
      spoilt.start();
      await cluster.caughtUp(spoilt);
      await cluster.administer((admin) => admin.handOver(spoilt.name));
      run.mended();

      expect((await receiveAll(cluster)).sort()).toEqual([...keptBodies].sort());
      await cluster.quarantined(spoilt);
      run.mended();
      await run.work(3_000);
      await replaceMember(cluster, spoilt);
      await run.work(3_000);
      await run.finish();
    }),
);

async function expectNobodyLeads(nodes: readonly ClusterNode[]): Promise<void> {
  const endMs = performance.now() + watchMs;
  while (performance.now() < endMs) {
    for (const node of nodes) expect(await node.role()).not.toBe("leader");
    await sleep(100);
  }
}

/** Each message once, from whoever leads; a call that fails is repeated. */
async function receiveAll({ endpoints }: Cluster): Promise<string[]> {
  await using client = new ForebayClient({ endpoint: endpoints, timeoutMs: 3_000 });
  const queue = client.queue(kept);
  const found = new Set<string>();
  const giveUpMs = performance.now() + 30_000;
  while (found.size < keptBodies.length && performance.now() < giveUpMs) {
    try {
      for (const message of await queue.receive({ maxMessages: 10, visibilityTimeoutMs: 2_000 })) {
        found.add(message.text);
        await message.delete();
      }
    } catch {
      await sleep(100);
    }
  }
  return [...found];
}
