// Copies of the state that are interrupted: the one who takes it dies in the middle, or the leader that gives it does. Nobody
// ever opens half a copy, the next one is whole, and in the end the new member has what all others have.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Cluster } from "./cluster.js";
import type { ClusterNode } from "./cluster-node.js";
import { FaultRun } from "./fault-run.js";
import { leaseSeconds, timeout } from "./one-fault.js";
import { addAnew } from "./replace-member.js";
import { seed } from "./seed.js";

const megabyte = 1_000_000;
const ballast = "ballast";
const ballastBytes = 100 * megabyte;
const bodyBytes = 200_000;
const bodiesPerCall = 5;
/** Enough to be in the middle, and not so much that a slow look finds it done. */
const begunBytes = 5 * megabyte;
const copyBeginsMsMax = 30_000;

const options = {
  seed,
  leaseSeconds,
  hasStreams: false,
  // So little that a new member cannot be given all of it from the log.
  argsOf: () => ["--log-keep-minutes=0", "--log-keep-bytes=16000000", "--log-bytes-max=16000000"],
};

test("a new member that dies in the middle of its copy takes another one", { timeout }, () =>
  FaultRun.use(options, async (run) => {
    const { cluster } = run;
    const node = await whileCopying(run);
    await node.kill();
    // It is not even opened: only a rename makes it the store.
    expect(existsSync(join(node.plan.dataDirectory, "incoming", "data.mdb"))).toBe(true);
    await run.work(1_000);
    node.start();
    await endsAsVoter(cluster, node);
    run.mended();
    await run.work(4_000);
    await run.finish();
  }),
);

test(
  "a new member whose leader dies in the middle of the copy takes another one",
  {
    timeout,
  },
  () =>
    FaultRun.use(options, async (run) => {
      const { cluster } = run;
      const node = await whileCopying(run);
      const leader = await cluster.leader();
      await leader.kill();
      // Of two voters that are left one is down, so nobody leads until it is back: the member that copies has no vote.
      await run.work(1_000);
      leader.start();
      await endsAsVoter(cluster, node);
      run.mended();
      await run.work(4_000);
      await run.finish({ outageMsMax: undefined });
    }),
);

/** A node that is made a new member, at a moment when it has some of the copy. */
async function whileCopying(run: FaultRun): Promise<ClusterNode> {
  const { cluster } = run;
  await run.withClient(async (client) => {
    const { queue } = await client.createQueue(ballast);
    const bodies = Array.from({ length: bodiesPerCall }, () => "b".repeat(bodyBytes));
    for (let sent = 0; sent < ballastBytes; sent += bodyBytes * bodiesPerCall) {
      await queue.sendBatch(bodies);
    }
  });
  const [node] = await cluster.followers();
  if (node === undefined) throw new Error("Nobody follows.");
  await addAnew(cluster, node);
  const giveUpMs = performance.now() + copyBeginsMsMax;
  while ((await copiedBytes(node)) < begunBytes) {
    if (performance.now() > giveUpMs) throw new Error("No copy is seen.");
    await sleep(10);
  }
  return node;
}

async function copiedBytes(node: ClusterNode): Promise<number> {
  const taken = /^forebay_cluster_copy_bytes\{.*direction="taking".*\} (\S+)$/m;
  return Number(taken.exec(await node.metrics())?.[1] ?? 0);
}

async function endsAsVoter(cluster: Cluster, node: ClusterNode): Promise<void> {
  await cluster.caughtUp(node);
  await cluster.administer((admin) => admin.promoteMember(node.name));
}
