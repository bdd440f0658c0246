// The faults that every cluster meets sooner or later, and that CI runs each time: a node that dies, the leader cut off, the leader
// standing still for longer than its lease. The rest of them is in the other tests of this folder.
//
//   npm run test:faults -- --bounded                these
//   FAULTS_SEED=7 npm run test:faults               all, with the choices of that seed

import { expect, test } from "vitest";
import { FaultRun } from "./fault-run.js";
import { killFollower, killLeader, pauseLeader, unplugLeader } from "./faults.js";
import { seed } from "./seed.js";

const leaseSeconds = 3;
const warmUpMs = 3_000;
const coolDownMs = 4_000;
const timeout = 150_000;

test("a leader that is killed is replaced, and nothing acknowledged is lost", { timeout }, () =>
  FaultRun.use({ seed, leaseSeconds, hasStreams: true }, async (run) => {
    await run.work(warmUpMs);
    const killed = await run.cluster.leader();
    const mend = await killLeader(run.cluster);
    expect(await run.cluster.leader()).not.toBe(killed);
    await run.work(2_000);
    await mend();
    run.mended();
    await run.work(coolDownMs);
    await run.finish();
  }),
);

test("a follower that is killed is not missed, and catches up when it is back", { timeout }, () =>
  FaultRun.use({ seed, leaseSeconds, hasStreams: true }, async (run) => {
    await run.work(warmUpMs);
    const leader = await run.cluster.leader();
    const mend = await killFollower(run.cluster);
    await run.work(5_000);
    expect(await run.cluster.leader()).toBe(leader);
    await mend();
    run.mended();
    await run.work(coolDownMs);
    expect(await run.cluster.leader()).toBe(leader);
    // Nobody had to take over, so writes went on; a probe may have asked the dead node once.
    await run.finish({ outageMsMax: 2_000 });
  }),
);

test(
  "a leader that is cut off from everybody steps down while another one serves",
  { timeout },
  () =>
    FaultRun.use({ seed, leaseSeconds, hasStreams: false }, async (run) => {
      await run.work(warmUpMs);
      const cutOff = await run.cluster.leader();
      const mend = await unplugLeader(run.cluster);
      expect(await run.cluster.leader()).not.toBe(cutOff);
      await run.work(3_000);
      await mend();
      run.mended();
      await run.work(coolDownMs);
      await run.finish();
    }),
);

test(
  "a leader that stood still for longer than its lease answers nothing from then",
  { timeout },
  () =>
    FaultRun.use({ seed, leaseSeconds, hasStreams: false }, async (run) => {
      await run.work(warmUpMs);
      const paused = await run.cluster.leader();
      const mend = await pauseLeader(run.cluster);
      expect(await run.cluster.leader()).not.toBe(paused);
      await run.work(2 * leaseSeconds * 1_000 - 2_000);
      await mend();
      run.mended();
      await run.work(coolDownMs);
      await run.finish();
    }),
);
