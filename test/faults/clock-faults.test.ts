// Wall clocks that are set by an hour, forward and back, while the cluster serves: leases, delays and deadlines run by elapsed time,
// the group's time goes on from leader to leader as if nothing had happened, and a node whose clock is alone with its time does not
// lead. Everything received is judged by the clients' own clock.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ForebayError } from "@forebay/client";
import { expect, onTestFinished, test } from "vitest";
import type { Cluster } from "./cluster.js";
import type { ClusterNode } from "./cluster-node.js";
import { FaultRun } from "./fault-run.js";
import { cutLeaderFromEtcd, pauseLeader } from "./faults.js";
import { leaseSeconds, timeout } from "./one-fault.js";
import { seed } from "./seed.js";
import { WallClocks } from "./wall-clock.js";

const hourMs = 3_600_000;

function steppable() {
  const folder = mkdtempSync(join(tmpdir(), "forebay-clocks-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const clocks = new WallClocks(folder);
  const options = { seed, leaseSeconds, hasStreams: false };
  return { clocks, options: { ...options, startOf: (name: string) => clocks.startOf(name) } };
}

test.each([
  ["forward", hourMs],
  ["back", -hourMs],
])(
  "a leader whose clock is set %s by an hour goes on leading, in the time of before",
  {
    timeout,
  },
  async (_, offsetMs) => {
    const { clocks, options } = steppable();
    await FaultRun.use(options, async (run) => {
      const { cluster } = run;
      await run.work(3_000);
      const leader = await cluster.leader();
      await clocks.step(leader, offsetMs);
      // Records that no call made: their time is that of the group too.
      await cluster.administer((admin) => admin.setAcks("ALL"));
      await cluster.administer((admin) => admin.setAcks("QUORUM"));
      await run.work(2 * leaseSeconds * 1_000);
      expect(await cluster.leader()).toBe(leader);

      // Whoever follows it has the right time, and takes over from the group's.
      await leader.kill();
      const successor = await cluster.leader();
      expect(successor).not.toBe(leader);
      leader.start();
      run.mended();
      await run.work(3_000);
      await clocks.step(leader, 0);
      await run.work(3_000);
      expect(await cluster.leader()).toBe(successor);
      await run.finish();
    });
  },
);

/** Of three clocks two agree; where the leader is gone, the third is what time it was for that one. */
const departures = { cutLeaderFromEtcd, pauseLeader } as const;

test.each([
  ["forward", hourMs, "cutLeaderFromEtcd"],
  ["back", -hourMs, "cutLeaderFromEtcd"],
  ["forward", hourMs, "pauseLeader"],
  ["back", -hourMs, "pauseLeader"],
] as const)(
  "a follower whose clock is set %s by an hour does not lead (%s ms, %s)",
  {
    timeout,
  },
  async (_, offsetMs, departure) => {
    const { clocks, options } = steppable();
    await FaultRun.use(options, async (run) => {
      const { cluster } = run;
      await run.work(3_000);
      const [off, right] = await twoFollowers(cluster);
      await clocks.step(off, offsetMs);
      await run.work(3_000);
      await cluster.caughtUp(off);

      const mend = await departures[departure](cluster);
      expect(await cluster.leader()).toBe(right);
      await mend();
      run.mended();
      await run.work(6_000);
      expect(await cluster.leader()).not.toBe(off);
      await clocks.step(off, 0);
      await run.work(3_000);
      await run.finish();
    });
  },
);

test("leadership is not handed over to a node whose clock is off", { timeout }, async () => {
  const { clocks, options } = steppable();
  await FaultRun.use(options, async (run) => {
    const { cluster } = run;
    await run.work(3_000);
    const [off] = await twoFollowers(cluster);
    await clocks.step(off, hourMs);
    await run.work(1_000);
    await cluster.administer(async (admin) => {
      // The leader gives way in vain, and whoever is elected then has the right time.
      await admin.handOver(off.name).catch((error: unknown) => {
        if (!(error instanceof ForebayError)) throw error;
      });
    });
    run.mended();
    await run.work(4_000);
    expect(await cluster.leader()).not.toBe(off);
    await run.finish();
  });
});

async function twoFollowers(cluster: Cluster): Promise<readonly [ClusterNode, ClusterNode]> {
  const [one, other] = await cluster.followers();
  if (one === undefined || other === undefined) throw new Error("There are two followers.");
  return [one, other];
}
