// The server is killed with SIGKILL at random moments, at least 20 times, also while it starts, while processes of clients
// work on three queues: a standard queue with everything that sends, receives, changes visibility and deletes over calls,
// batches and both streams; a FIFO queue, whose senders repeat with deduplication ids alone; and a queue some of whose messages
// become dead letters, which one move task after another brings back. Afterwards the queues are drained and what the clients
// were told is compared with what came of it (checker.ts, order-checker.ts, dead-letter-checker.ts).
//
// `npm test` spends some forty seconds on this. For longer, or to try a seed again:
//
//   CRASH_SECONDS=3600 CRASH_SEED=7 npm run test:crash

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Judgement, judge } from "./checker.js";
import { judgeDeadLetters } from "./dead-letter-checker.js";
import type { Event } from "./history.js";
import { judgeOrder } from "./order-checker.js";
import type { ClientKind } from "./plan.js";
import { Random } from "./random.js";
import { Run } from "./run.js";

const seconds = Number(process.env["CRASH_SECONDS"] ?? 30);
const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const killsMin = 20;

type Clients = Readonly<Partial<Record<ClientKind, number>>>;

const everyKind: Clients = {
  sender: 1,
  hasty_sender: 1,
  batch_sender: 1,
  producer: 1,
  receiver: 2,
  consumer: 1,
};

const inOrder = "crash-test.fifo";

const letters = "letters";
const deadLetters = "dead-letters";
const receiveCountMax = 2;

const timeout = seconds * 1_000 + 240_000;

test(
  `Q66 what was acknowledged holds when the server is killed ${killsMin} times`,
  { timeout },
  () =>
    Run.use({ seed }, async (run) => {
      await prepare(run);
      startClients(run);
      const killCount = await killOverAndOver(run);
      await run.stopClients();
      await run.server.kill();
      expect(await run.contradictions()).toEqual([]);
      await run.restartServer();

      const standard = await run.drainAndJudge();
      const fifo = await judgeFifo(run);
      const dead = await judgeLetters(run);
      expect(await run.server.stop()).toBe(0);
      expect(await run.contradictions()).toEqual([]);

      const slowestMs = Math.round(Math.max(...run.restartMs));
      console.log(`seed ${seed}: ${killCount} kills, back within ${slowestMs} ms`);
      for (const [name, { summary }] of Object.entries({ standard, fifo, dead })) {
        console.log(`  ${name}: ${JSON.stringify(summary)}`);
      }
      for (const { violations } of [standard, fifo, dead]) {
        expect(violations.slice(0, 20)).toEqual([]);
      }
      expectMuch(standard, 5);
      expectMuch(fifo, 3);
      expectMuch(dead, 2);
      expect(standard.summary.repeated).toBeGreaterThan(killCount / 2);
      expect(standard.summary.unknown).toBeGreaterThan(0);
      expect(dead.movedCount).toBeGreaterThan(seconds);
      expect(dead.resumedCount).toBeGreaterThan(0);
    }),
);

async function prepare(run: Run): Promise<void> {
  await run.createQueue(inOrder, { attributes: { fifoQueue: true } });
  await run.createQueue(deadLetters);
  await run.createQueue(letters, {
    attributes: {
      redrivePolicy: { deadLetterQueue: deadLetters, maxReceiveCount: receiveCountMax },
    },
  });
}

function startClients(run: Run): void {
  const common = { largeBodyShare: 0.1, bodyBytesMax: 60_000, pauseMsMax: 12 };
  run.startClients({ ...common, clients: everyKind });
  run.startClients({ ...common, clients: everyKind });
  run.startClients({ ...common, clients: everyKind, queue: inOrder, pauseMsMax: 25 });
  run.startClients({
    ...common,
    clients: { sender: 2, batch_sender: 1, receiver: 2, consumer: 1 },
    queue: letters,
    poisonShare: 0.2,
    pauseMsMax: 25,
  });
  run.startClients({
    ...common,
    clients: { receiver: 1, mover: 1 },
    queue: deadLetters,
    about: letters,
    // Most dead letters are left for the mover.
    forgottenShare: 0.8,
    pauseMsMax: 200,
  });
}

async function judgeFifo(run: Run): Promise<Judgement> {
  const [counters] = await run.drainAll(inOrder, [inOrder]);
  if (counters === undefined) throw new Error("The FIFO queue has no counters.");
  const events = await run.eventsAbout(inOrder);
  const judgement = judge(events, counters);
  return { ...judgement, violations: [...judgement.violations, ...judgeOrder(events)] };
}

async function judgeLetters(
  run: Run,
): Promise<Judgement & { readonly movedCount: number; readonly resumedCount: number }> {
  // What is delivered too often is drained from the dead letters.
  const counters = await run.drainAll(letters, [letters, deadLetters]);
  const [sourceCounters, deadLetterCounters] = counters;
  if (sourceCounters === undefined || deadLetterCounters === undefined) {
    throw new Error("The queues are drained, and have no counters.");
  }
  const events = await run.eventsAbout(letters);
  const pair = { source: letters, receiveCountMax, sourceCounters, deadLetterCounters };
  const tasks = events.filter((event: Event) => event.kind === "task");
  return {
    ...judgeDeadLetters(events, pair),
    movedCount: deadLetterCounters.movedCount,
    resumedCount: tasks.filter(({ hasResumed }) => hasResumed).length,
  };
}

/** A run in which little happened proves little. */
function expectMuch({ summary }: Judgement, perSecond: number): void {
  expect(summary.acknowledged).toBeGreaterThan(seconds * perSecond);
  expect(summary.deletesAcknowledged).toBeGreaterThan(seconds * perSecond);
}

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
