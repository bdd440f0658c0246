// The worker of move tasks over an engine that answers as the test says: who is asked when, what a busy engine and a fault do,
// and that nothing is asked any more once it is stopped. At the end, over a real engine with a full disk.

import { expect, test } from "vitest";
import type { QueueNumber } from "../../src/base/brands.js";
import type { Engine } from "../../src/engine/engine.js";
import { Mover } from "../../src/engine/mover.js";
import type { MoveStepped } from "../../src/queue/move-step.js";
import type { MoveTaskId } from "../../src/queue/move-task.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { movingHarness, namesIn, numbered, sendAll, startMove, taskOf } from "../support/moving.js";

const idOf = (number: number): MoveTaskId => ({ source: 1 as QueueNumber, number });

type Answer = MoveStepped | "busy" | Error;

/** At which instants, in milliseconds from the start, which task was asked for a step. */
function moving(answer: (number: number, atMs: number) => Answer | Promise<Answer>) {
  const clock = new ManualClock();
  const startedAt = clock.now();
  const asked: string[] = [];
  const failures: unknown[] = [];
  let movedCount = 0;
  const found = { pages: [] as { running: MoveTaskId[]; last: MoveTaskId | undefined }[] };
  const engine: Pick<Engine, "executeIfIdle"> = {
    executeIfIdle: async (command) => {
      if (command.name === "FindMoves") {
        const page = found.pages.shift();
        return page && { kind: "accepted", outcome: page as never };
      }
      let number = 0;
      // The decision asks for its task first: that tells which one it is.
      const view = {
        moveTask: (id: MoveTaskId) => {
          number = id.number;
          return undefined;
        },
        moveOrder: () => undefined,
      };
      command.decide(view as never, { now: clock.now(), ids: undefined as never });
      const atMs = clock.now() - startedAt;
      asked.push(`${number} at ${atMs}`);
      const answered = await answer(number, atMs);
      if (answered === "busy") return undefined;
      if (answered instanceof Error) throw answered;
      return { kind: "accepted", outcome: answered as never };
    },
  };
  const mover = new Mover({
    engine,
    clock,
    moved: (count) => {
      movedCount += count;
    },
    failed: (error) => failures.push(error),
  });
  return { clock, startedAt, asked, failures, found, mover, movedCount: () => movedCount };
}

const more: MoveStepped = { movedCount: 1, next: { kind: "more", at: undefined } };
const ended: MoveStepped = { movedCount: 1, next: { kind: "ended" } };

test("a task is asked step after step, with pauses, until it has ended", async () => {
  let left = 3;
  const { clock, asked, mover, movedCount } = moving(() => {
    left -= 1;
    return left > 0 ? more : ended;
  });
  mover.begin(idOf(7));
  await clock.advance(1_000);
  expect(asked).toEqual(["7 at 0", "7 at 5", "7 at 10"]);
  expect([movedCount(), mover.runningCount, clock.timerCount]).toEqual([3, 0, 0]);
});

test("a task that runs already is not run twice, one that has ended may begin again", async () => {
  const { clock, asked, mover } = moving(() => ended);
  mover.begin(idOf(7));
  mover.begin(idOf(7));
  expect(mover.runningCount).toBe(1);
  await clock.advance(100);
  expect(asked).toEqual(["7 at 0"]);
  mover.begin(idOf(7));
  await clock.advance(100);
  expect(asked).toEqual(["7 at 0", "7 at 100"]);
});

test("tasks without a rate share the time: twice as many pause twice as long", async () => {
  const { clock, asked, mover } = moving((number, atMs) =>
    number === 9 && atMs >= 15 ? ended : more,
  );
  mover.begin(idOf(7));
  mover.begin(idOf(8));
  mover.begin(idOf(9));
  await clock.advance(29);
  expect(asked.toSorted()).toEqual(["7 at 0", "7 at 15", "8 at 0", "8 at 15", "9 at 0", "9 at 15"]);
  // Two are left; those that asked before the third had ended still wait for three.
  await clock.advance(31);
  expect(asked.filter((each) => each.startsWith("7"))).toEqual([
    "7 at 0",
    "7 at 15",
    "7 at 30",
    "7 at 40",
    "7 at 50",
    "7 at 60",
  ]);
  await mover.stop();
});

test("a task with a rate is asked at its instants, and keeps nobody else waiting", async () => {
  const { clock, startedAt, asked, mover } = moving((number, atMs) =>
    number === 8
      ? more
      : { movedCount: 1, next: { kind: "more", at: (startedAt + atMs + 333) as never } },
  );
  mover.begin(idOf(7));
  await clock.advance(1);
  mover.begin(idOf(8));
  await clock.advance(11);
  expect(asked).toEqual(["7 at 0", "8 at 1", "8 at 6", "8 at 11"]);
  await clock.advance(700);
  expect(asked.filter((each) => each.startsWith("7"))).toEqual(["7 at 0", "7 at 333", "7 at 666"]);
  await mover.stop();
});

test("while the engine has no room a task is asked again after a while", async () => {
  const { clock, asked, failures, mover } = moving((_, atMs) => (atMs < 400 ? "busy" : ended));
  mover.begin(idOf(7));
  await clock.advance(1_000);
  expect(asked).toEqual(["7 at 0", "7 at 200", "7 at 400"]);
  expect(failures).toEqual([]);
});

test("a step that fails is told, and tried again later; other tasks go on", async () => {
  const { clock, asked, failures, mover } = moving((number, atMs) => {
    if (number === 7 && atMs < 10_000) return new Error("It cannot be read.");
    return ended;
  });
  mover.begin(idOf(7));
  mover.begin(idOf(8));
  await clock.advance(9_999);
  expect(asked).toEqual(["7 at 0", "8 at 0"]);
  expect(failures).toHaveLength(1);
  await clock.advance(1);
  expect(asked).toEqual(["7 at 0", "8 at 0", "7 at 10000"]);
  expect([failures.length, mover.runningCount]).toEqual([1, 0]);
});

test("it stops when the step under way is done, and asks for none after that", async () => {
  let answer: (answer: Answer) => void = () => undefined;
  const { clock, asked, mover } = moving(
    () =>
      new Promise<Answer>((resolve) => {
        answer = resolve;
      }),
  );
  mover.begin(idOf(7));
  let isStopped = false;
  const stopped = mover.stop().then(() => {
    isStopped = true;
  });
  await clock.advance(1_000);
  expect(isStopped).toBe(false);
  answer(more);
  await stopped;
  mover.begin(idOf(8));
  await clock.advance(60_000);
  expect(asked).toEqual(["7 at 0"]);
  expect(clock.timerCount).toBe(0);
});

test("at its start it finds the tasks that ran, page by page, however busy the engine is", async () => {
  const { clock, asked, found, mover } = moving(() => ended);
  found.pages.push({ running: [idOf(1), idOf(3)], last: idOf(4) });
  mover.start();
  await clock.advance(250);
  // The engine had no room for the second page.
  found.pages.push({ running: [idOf(5)], last: undefined });
  await clock.advance(10_000);
  expect(asked).toEqual(["1 at 0", "3 at 0", "5 at 405"]);
  expect(clock.timerCount).toBe(0);
});

test("it can be stopped while it looks for tasks", async () => {
  const { clock, mover } = moving(() => ended);
  mover.start();
  await clock.advance(100);
  await mover.stop();
  expect(clock.timerCount).toBe(0);
});

test("while the disk is full a task waits, and loses and doubles nothing", async () => {
  const store = new MemoryStore();
  const harness = await movingHarness({ store });
  const names = numbered(250);
  await sendAll(harness, "dead", names);
  const id = await startMove(harness);
  const mover = new Mover({
    engine: harness.engine,
    clock: harness.clock,
    moved: () => undefined,
    failed: (error) => harness.failures.push(error as Error),
  });
  store.mode = "full";
  store.availableBytes = 0;
  mover.begin(id);
  await harness.clock.advance(5_000);
  expect(harness.fullness).toEqual([true]);
  expect(await taskOf(harness, id)).toMatchObject({ moved: 0, state: { kind: "running" } });
  expect(await namesIn(harness, "dead")).toEqual(names);
  store.mode = "at once";
  store.availableBytes = 1_000_000_000;
  await harness.clock.advance(5_000);
  expect(harness.fullness).toEqual([true, false]);
  expect(await taskOf(harness, id)).toMatchObject({ moved: 250, state: { kind: "completed" } });
  expect(await namesIn(harness, "orders")).toEqual(names);
  expect(harness.failures).toEqual([]);
  await mover.stop();
  await harness.check();
});
