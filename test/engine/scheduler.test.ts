// The worker that runs schedules, over a store in memory that fails on demand: it asks at the right instants, waits while there
// is no room, and loses no run.

import { expect, onTestFinished, test } from "vitest";
import { type EpochMs, epochMs, seconds } from "../../src/base/brands.js";
import type { Command, Decision } from "../../src/engine/command.js";
import { Scheduler } from "../../src/engine/scheduler.js";
import type { Schedule } from "../../src/queue/schedule-model.js";
import type { SchedulesRun } from "../../src/queue/schedule-runs.js";
import { decidePutSchedule } from "../../src/queue/schedules.js";
import { addressOf, entryOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";

const someTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
};

const every = (name: string, intervalSeconds: number): Schedule => ({
  name,
  timing: { kind: "interval", intervalMs: seconds(intervalSeconds) },
  startAt: undefined,
  endAt: undefined,
  isPaused: false,
  missedRuns: "send_one",
  message: {
    content: entryOf({ body: name }).content,
    sizeBytes: name.length,
    timeToLiveMs: undefined,
    priority: undefined,
  },
});

/** An engine with a queue, `orders`, and a scheduler that was started. */
async function running() {
  const store = new MemoryStore();
  const harness = await EngineHarness.start({ store });
  const faults: unknown[] = [];
  const scheduler = new Scheduler({
    engine: harness.engine,
    clock: harness.clock,
    failed: (error) => faults.push(error),
  });
  onTestFinished(async () => await scheduler.stop());
  await harness.createQueue("orders");
  scheduler.start();
  await someTurns();
  const put = async (schedule: Schedule): Promise<EpochMs> => {
    const decision = await harness.run(
      "PutSchedule",
      (transaction, stamp) =>
        decidePutSchedule(transaction, { address: addressOf("orders"), schedule }, stamp),
      true,
    );
    const nextAt = decision.kind === "accepted" ? decision.outcome.state.nextAt : undefined;
    if (nextAt === undefined) throw new Error("The schedule never runs.");
    scheduler.lookAt(nextAt);
    return nextAt;
  };
  const sent = async (): Promise<number> => (await harness.report("orders"))?.counters.sent ?? -1;
  return { store, harness, scheduler, faults, put, sent, clock: harness.clock };
}

test("without schedules it asks nothing and sets no timer", async () => {
  const { clock, scheduler } = await running();
  const before = clock.timerCount;
  await scheduler.stop();
  expect(clock.timerCount).toBe(before);
});

test("while the storage is full runs wait, and each comes when there is room, once", async () => {
  const { store, clock, put, sent, harness } = await running();
  await put(every("a", 10));
  await clock.advance(8_000);
  store.availableBytes = 0;
  await clock.advance(1_000);
  expect(harness.engine.isStorageFull).toBe(true);
  await clock.advance(26_000);
  expect(await sent()).toBe(0);
  store.availableBytes = 1_000_000_000;
  await clock.advance(2_000);
  // For the times at 10, 20 and 30 s.
  expect(await sent()).toBe(1);
  await clock.advance(10_000);
  expect(await sent()).toBe(2);
  await harness.check();
});

test("a run whose commit found no room is decided again, not lost and not doubled", async () => {
  const { store, clock, put, sent, harness } = await running();
  await put(every("a", 10));
  await clock.advance(9_999);
  store.mode = "full";
  await clock.advance(1);
  await someTurns();
  expect(await sent()).toBe(0);
  store.mode = "at once";
  await clock.advance(2_000);
  expect(await sent()).toBe(1);
  await clock.advance(8_000);
  expect(await sent()).toBe(2);
  await harness.check();
});

test("nothing of a run is answered or known before it is durable", async () => {
  const { store, clock, put, harness } = await running();
  const nextAt = await put(every("a", 10));
  store.mode = "held";
  clock.advanceAtOnce(10_000);
  await someTurns();
  const report = harness.report("orders");
  let isAnswered = false;
  void report.then(() => {
    isAnswered = true;
  });
  await someTurns();
  expect(isAnswered).toBe(false);
  store.mode = "at once";
  store.release();
  expect((await report)?.counters.sent).toBe(1);
  expect(clock.now()).toBe(nextAt);
});

test("stopped, it waits for the run under way and begins no other", async () => {
  const { store, clock, put, scheduler, harness } = await running();
  await put(every("a", 10));
  store.mode = "held";
  clock.advanceAtOnce(10_000);
  let isStopped = false;
  const stopped = scheduler.stop().then(() => {
    isStopped = true;
  });
  await someTurns();
  expect(isStopped).toBe(false);
  store.mode = "at once";
  store.release();
  await stopped;
  expect((await harness.report("orders"))?.counters.sent).toBe(1);
  await clock.advance(60_000);
  expect((await harness.report("orders"))?.counters.sent).toBe(1);
});

/** An engine that answers as the test says, and the instants at which it was asked. */
function scripted(answer: (call: number) => SchedulesRun | "no room" | Error) {
  const clock = new ManualClock();
  const startedAt = clock.now();
  const asked: number[] = [];
  const faults: unknown[] = [];
  const engine = {
    executeIfIdle: <Outcome, Rejection>(
      _command: Command<Outcome, Rejection>,
    ): Promise<Decision<Outcome, Rejection> | undefined> => {
      asked.push(clock.now() - startedAt);
      const result = answer(asked.length);
      if (result instanceof Error) return Promise.reject(result);
      if (result === "no room") return Promise.resolve(undefined);
      return Promise.resolve({ kind: "accepted", outcome: result as unknown as Outcome });
    },
  };
  const scheduler = new Scheduler({ engine, clock, failed: (error) => faults.push(error) });
  onTestFinished(async () => await scheduler.stop());
  const at = (spanMs: number): EpochMs => epochMs(startedAt + spanMs);
  return { clock, asked, faults, scheduler, at };
}

test("a time that is far off is looked at again every minute, since time is slewed", async () => {
  const { clock, asked, scheduler, at } = scripted(() => ({ nextAt: at(200_000) }));
  scheduler.start();
  await clock.advance(199_999);
  expect(asked).toEqual([0, 60_000, 120_000, 180_000]);
  await scheduler.stop();
});

test("an instant heard of while it looks is not forgotten", async () => {
  const { clock, asked, scheduler, at } = scripted(() => ({ nextAt: undefined }));
  scheduler.start();
  scheduler.lookAt(at(5_000));
  scheduler.lookAt(at(3_000));
  scheduler.lookAt(at(4_000));
  await clock.advance(10_000);
  expect(asked).toEqual([0, 3_000]);
});

test("the earliest instant heard of counts", async () => {
  const { clock, asked, scheduler, at } = scripted(() => ({ nextAt: undefined }));
  scheduler.start();
  await someTurns();
  scheduler.lookAt(at(5_000));
  scheduler.lookAt(at(7_000));
  scheduler.lookAt(at(2_000));
  await clock.advance(10_000);
  expect(asked).toEqual([0, 2_000]);
});

test("with no room it asks again after 200 ms", async () => {
  const { clock, asked, scheduler } = scripted((call) =>
    call < 3 ? "no room" : { nextAt: undefined },
  );
  scheduler.start();
  await clock.advance(10_000);
  expect(asked).toEqual([0, 200, 400]);
});

test("after a fault it tries one schedule, then passes it over, and after three faults it rests a second", async () => {
  const { clock, asked, faults, scheduler } = scripted((call) =>
    call <= 4 ? new Error("broken") : { nextAt: undefined },
  );
  scheduler.start();
  await clock.advance(10_000);
  expect(asked).toEqual([0, 0, 0, 1_000, 1_000]);
  expect(faults).toHaveLength(4);
});

test("stopped, it hears of nothing any more", async () => {
  const { clock, asked, scheduler, at } = scripted(() => ({ nextAt: at(1_000) }));
  scheduler.start();
  await someTurns();
  await scheduler.stop();
  scheduler.lookAt(at(500));
  await clock.advance(10_000);
  expect(asked).toEqual([0]);
  expect(clock.timerCount).toBe(0);
});
