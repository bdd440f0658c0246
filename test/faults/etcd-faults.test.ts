// What becomes of a cluster without etcd: the leader steps down when its lease ends, nothing acknowledged is lost, and everything
// goes on by itself once etcd is back. Where what is back is an old backup, the nodes trust it no more than their own promises, and
// end with a sentence that says which epoch to raise it to.

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Cluster } from "./cluster.js";
import { FaultRun } from "./fault-run.js";
import { killEtcd, pauseEtcd } from "./faults.js";
import { leaseSeconds, timeout, tryFault } from "./one-fault.js";
import { seed } from "./seed.js";

/** Ten looks at etcd, two seconds apart, and a lease; a machine that runs all of it takes longer. */
const complainMsMax = 60_000;

test("a cluster whose etcd died serves again when it is back", { timeout }, () =>
  tryFault({ fault: killEtcd, lastsMs: 8_000, outageMsMax: undefined }),
);

test("a cluster whose etcd stands still serves again when it goes on", { timeout }, () =>
  tryFault({ fault: pauseEtcd, lastsMs: 8_000, outageMsMax: undefined }),
);

test("one member of etcd less is not noticed", { timeout }, () =>
  tryFault({
    fault: async ({ etcd }) => {
      const [member] = etcd.members;
      await member?.kill();
      return async () => {
        member?.start();
        await member?.ready();
      };
    },
    lastsMs: 6_000,
  }),
);

test(
  "an etcd restored from a backup makes nobody a leader until its epoch is raised",
  {
    timeout: 2 * timeout,
  },
  () =>
    FaultRun.use({ seed, leaseSeconds, hasStreams: false }, async (run) => {
      const { cluster } = run;
      await run.work(2_000);
      await cluster.etcd.backUp();
      // It was away for a moment, so somebody else may lead by now.
      await run.work(2 * leaseSeconds * 1_000);
      // Epochs that the backup does not know.
      for (let count = 0; count < 2; count += 1) {
        await cluster.administer((admin) => admin.handOver());
        await cluster.leader();
        await run.work(1_000);
      }
      const promised = Number((await cluster.status())?.epoch);

      await cluster.etcd.restore();
      const named = await namedEpoch(cluster);
      expect(named).toBeGreaterThanOrEqual(promised);
      for (const node of cluster.nodes) expect(await node.role()).not.toBe("leader");

      await Promise.all(cluster.nodes.map((node) => node.kill()));
      cluster.command("raise-epoch", String(named));
      for (const node of cluster.nodes) node.start();
      await cluster.leader(30_000);
      expect(Number((await cluster.status())?.epoch)).toBeGreaterThan(named);
      run.mended();
      await run.work(4_000);
      await run.finish({ outageMsMax: undefined });
    }),
);

/** The latest epoch that a node complains of having promised. */
async function namedEpoch({ nodes }: Cluster): Promise<number> {
  const complaint = /but this member knows of epoch (\d+)/;
  const giveUpMs = performance.now() + complainMsMax;
  while (performance.now() < giveUpMs) {
    const named = nodes.flatMap(({ output }) => complaint.exec(output)?.[1] ?? []).map(Number);
    if (named.length > 0) return Math.max(...named);
    await sleep(100);
  }
  throw new Error("No node complains about etcd.");
}
