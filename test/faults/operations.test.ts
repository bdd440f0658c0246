// What operators do to a cluster under load: they hand the leadership over, restart one node after another, and replace a node
// whose disk is gone.

import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Cluster } from "./cluster.js";
import { FaultRun } from "./fault-run.js";
import { leaseSeconds, timeout } from "./one-fault.js";
import { addEmpty, replaceMember } from "./replace-member.js";
import { seed } from "./seed.js";

/** Promised is less than a second; a machine that runs all of the cluster and its clients may be late. */
const pauseMsMax = 2_500;
const options = { seed, leaseSeconds, hasStreams: true };

test("leadership is handed over under load without a failure to be seen", { timeout }, () =>
  FaultRun.use(options, async (run) => {
    await run.work(3_000);
    for (let count = 0; count < 3; count += 1) {
      const leader = await run.cluster.leader();
      await run.cluster.administer((admin) => admin.handOver());
      expect(await run.cluster.leader()).not.toBe(leader);
      run.mended();
      await run.work(3_000);
    }
    await run.finish({ outageMsMax: pauseMsMax });
  }),
);

test("nodes are restarted one after another under load", { timeout }, () =>
  FaultRun.use(options, async (run) => {
    await run.work(3_000);
    const { cluster } = run;
    const leader = await cluster.leader();
    for (const node of [...(await cluster.followers()), leader]) {
      expect(await node.program.stop()).toBe(0);
      node.start();
      await cluster.caughtUp(node);
      await run.work(2_000);
    }
    run.mended();
    await run.work(3_000);
    await run.finish({ outageMsMax: pauseMsMax });
  }),
);

test(
  "a node whose disk was emptied may not vote, and is replaced by a new member",
  { timeout },
  () =>
    FaultRun.use({ ...options, hasStreams: false }, async (run) => {
      await run.work(3_000);
      const { cluster } = run;
      const [node] = await cluster.followers();
      if (node === undefined) throw new Error("Nobody follows.");
      await node.kill();
      rmSync(node.plan.dataDirectory, { recursive: true });
      node.start();
      expect(await node.program.exited).not.toBe(0);
      expect(node.program.output).toContain(`forebay cluster remove ${node.name}`);

      await replaceMember(cluster, node);
      const status = await cluster.status();
      expect(status?.members.filter(({ isVoter }) => isVoter)).toHaveLength(3);
      run.mended();
      await run.work(4_000);
      await run.finish({ outageMsMax: pauseMsMax });
    }),
);

test(
  "the one voter that is left goes on alone with what all had, when an operator says so",
  {
    timeout,
  },
  () =>
    FaultRun.use({ ...options, hasStreams: false }, async (run) => {
      const { cluster } = run;
      await cluster.administer((admin) => admin.setAcks("ALL"));
      await run.work(4_000);
      const [survivor] = await cluster.followers();
      if (survivor === undefined) throw new Error("Nobody follows.");
      const gone = cluster.nodes.filter((node) => node !== survivor);
      await Promise.all(gone.map((node) => node.kill()));
      await recover(cluster, survivor.name);
      expect(await cluster.leader()).toBe(survivor);
      for (const node of gone) {
        await addEmpty(cluster, node);
        await cluster.caughtUp(node);
        await cluster.administer((admin) => admin.promoteMember(node.name));
      }
      run.mended();
      await run.work(3_000);
      await run.finish({ outageMsMax: undefined });
    }),
);

/** Refused as long as the lease of who led is not over. */
async function recover(cluster: Cluster, name: string): Promise<void> {
  const giveUpMs = performance.now() + 4 * leaseSeconds * 1_000;
  for (;;) {
    try {
      cluster.command("recover", name, "--accept-data-loss");
      return;
    } catch (error) {
      if (performance.now() > giveUpMs) throw error;
      await sleep(200);
    }
  }
}
