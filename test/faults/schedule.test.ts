// One fault after another, as the seed has it: which, for how long, and how little time there is to recover before the next. What
// a cluster survives one by one it has to survive while it still catches up from the one before.
//
//   FAULTS_SECONDS=600 FAULTS_SEED=7 npm run test:faults -- test/faults/schedule.test.ts

import { test } from "vitest";
import { Random } from "../crash/random.js";
import { FaultRun } from "./fault-run.js";
import {
  cutLeaderFromOneVoter,
  cutLeaderFromVoters,
  deafenLeader,
  type Fault,
  isolateLeader,
  killEtcd,
  killFollower,
  killLeader,
  pauseEtcd,
  pauseFollower,
  pauseLeader,
  silenceLeader,
  slowFollower,
  unplugLeader,
} from "./faults.js";
import { leaseSeconds } from "./one-fault.js";
import { seed } from "./seed.js";

const seconds = Number(process.env["FAULTS_SECONDS"] ?? 60);
const timeout = seconds * 1_000 + 180_000;

const faults: Readonly<Record<string, Fault>> = {
  killLeader,
  killFollower,
  unplugLeader,
  pauseLeader,
  isolateLeader,
  silenceLeader,
  deafenLeader,
  cutLeaderFromVoters,
  cutLeaderFromOneVoter,
  killEtcd,
  pauseEtcd,
  slowFollower,
  pauseFollower,
};

test("a cluster survives one fault after another", { timeout }, () =>
  FaultRun.use({ seed, leaseSeconds, hasStreams: false }, async (run) => {
    const random = new Random(seed);
    const names = Object.keys(faults);
    const tried: string[] = [];
    await run.work(3_000);
    const endMs = performance.now() + seconds * 1_000;
    while (performance.now() < endMs) {
      const name = names[random.between(0, names.length - 1)] as string;
      const lastsMs = random.between(500, 8_000);
      tried.push(`${name} ${lastsMs}`);
      const mend = await faults[name]?.(run.cluster);
      await run.work(lastsMs);
      await mend?.();
      await run.work(random.between(500, 5_000));
    }
    console.log(`  seed ${seed}: ${tried.join(", ")}`);
    run.mended();
    await run.work(leaseSeconds * 1_000 + 4_000);
    await run.finish({ outageMsMax: undefined });
  }),
);
