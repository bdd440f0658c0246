// The server is killed with SIGKILL at random moments, at least 20 times, also while it starts, while three processes of
// clients send, receive, change visibility and delete over calls, batches and both streams. Afterwards the queue is drained
// and what the clients were told is compared with what came of it (checker.ts).
//
// `npm test` spends a minute on this. For longer, or to try a seed again:
//
//   CRASH_SECONDS=3600 CRASH_SEED=7 npm run test:crash

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ClientKind } from "./plan.js";
import { Random } from "./random.js";
import { Run } from "./run.js";

const seconds = Number(process.env["CRASH_SECONDS"] ?? 45);
const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const killsMin = 20;
/** One process of clients has these. */
const clients: Readonly<Record<ClientKind, number>> = {
  sender: 1,
  hasty_sender: 1,
  batch_sender: 1,
  producer: 1,
  receiver: 2,
  consumer: 1,
};

const timeout = seconds * 1_000 + 180_000;

test(
  `Q66 what was acknowledged holds when the server is killed ${killsMin} times`,
  { timeout },
  () =>
    Run.use({ seed }, async (run) => {
      for (let index = 0; index < 3; index += 1) {
        run.startClients({ clients, largeBodyShare: 0.1, bodyBytesMax: 60_000, pauseMsMax: 12 });
      }
      const killCount = await killOverAndOver(run);
      await run.stopClients();
      await run.server.kill();
      expect(await run.contradictions()).toEqual([]);
      await run.restartServer();
      const { violations, summary } = await run.drainAndJudge();
      expect(await run.server.stop()).toBe(0);
      expect(await run.contradictions()).toEqual([]);

      const slowestMs = Math.round(Math.max(...run.restartMs));
      const told = JSON.stringify(summary);
      console.log(`seed ${seed}: ${killCount} kills, back within ${slowestMs} ms; ${told}`);
      expect(violations.slice(0, 20)).toEqual([]);
      // A run in which little happened proves little.
      expect(summary.acknowledged).toBeGreaterThan(seconds * 5);
      expect(summary.deletesAcknowledged).toBeGreaterThan(seconds * 5);
      expect(summary.repeated).toBeGreaterThan(killCount / 2);
      expect(summary.unknown).toBeGreaterThan(0);
    }),
);

async function killOverAndOver(run: Run): Promise<number> {
  const random = new Random(seed);
  const endMs = performance.now() + seconds * 1_000;
  let killCount = 0;
  while (performance.now() < endMs || killCount < killsMin) {
    // One life in five ends while the server is still starting, or has just begun to answer.
    await sleep(random.chance(0.2) ? random.between(20, 600) : random.between(600, 2_800));
    expect(run.server.isRunning, `the server died by itself:\n${run.server.output}`).toBe(true);
    await run.server.kill();
    killCount += 1;
    expect(await run.contradictions()).toEqual([]);
    // Mostly nobody waits for it to come back; sometimes we do, and see how long that takes.
    if (random.chance(0.3)) await run.restartServer();
    else run.startServer();
  }
  return killCount;
}
