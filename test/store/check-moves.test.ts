// The check of move tasks: each contradiction planted into a store that had none, and named with its source and its number.

import { test } from "vitest";
import type { EpochMs, QueueNumber, Sequence } from "../../src/base/brands.js";
import type { MoveOrder, MovePass, MoveTask, MoveTaskId } from "../../src/queue/move-task.js";
import { chunkKey, moveOrderKey, moveTaskKey, moveTasksFrom } from "../../src/store/keys.js";
import { moveTaskIdAt } from "../../src/store/move-rows.js";
import { tables } from "../../src/store/tables.js";
import { makeDead, noEdit, startMove, step, stepsToEnd } from "../support/moving.js";
import { expectLines, type PlantedCase, PlantedStore } from "../support/planted-store.js";

/** `dead` with a task that has ended and one that runs, half done, whose order takes several chunks. */
const storeWithMoves = async (): Promise<PlantedStore> =>
  await PlantedStore.of("dead", async (harness) => {
    await makeDead(harness);
    await stepsToEnd(harness, await startMove(harness));
    await harness.send("dead", "a", "b", "c");
    const body = { isText: true, bytes: Buffer.alloc(20_000, "x"), md5: Buffer.alloc(16) };
    const id = await startMove(harness, { perSecondMax: 1, edit: { ...noEdit, body } });
    await step(harness, id);
  });

const [endedTask, runningTask] = [0, 1] as const;

/** The first task of the store, or the second. */
function idOf({ store, queue }: PlantedStore, which: 0 | 1): MoveTaskId {
  const from = moveTasksFrom(queue.number);
  const end = moveTasksFrom((queue.number + 1) as QueueNumber);
  const key = store.keys(from, end, 2)[which];
  if (key === undefined) throw new Error("There are not as many tasks.");
  return moveTaskIdAt(key);
}

async function changeTask(
  planted: PlantedStore,
  which: 0 | 1,
  change: (task: MoveTask) => Partial<MoveTask>,
): Promise<void> {
  const key = moveTaskKey(idOf(planted, which));
  const task = planted.row(tables.moveTask, key);
  await planted.put(tables.moveTask, key, { ...task, ...change(task) });
}

const changePass = async (planted: PlantedStore, pass: Partial<MovePass>): Promise<void> =>
  await changeTask(planted, runningTask, (task) => ({ pass: { ...task.pass, ...pass } }));

async function changeOrder(
  planted: PlantedStore,
  which: 0 | 1,
  change: (order: MoveOrder) => Partial<MoveOrder>,
): Promise<void> {
  const key = moveOrderKey(idOf(planted, which));
  const order = planted.row(tables.moveOrder, key);
  await planted.put(tables.moveOrder, key, { ...order, ...change(order) });
}

const far = 1_000_000_000 as Sequence;
const named = /^queue default\/dead, move task \d+: /;
const said = (sentence: RegExp): RegExp => new RegExp(named.source + sentence.source);

const cases: readonly PlantedCase[] = [
  [
    "a task without its order",
    async (planted) => await planted.remove(moveOrderKey(idOf(planted, endedTask))),
    [/^move task \d+ of queue number \d+: No row says what it is to do\.$/],
  ],
  [
    "an order without its task",
    async (planted) => await planted.remove(moveTaskKey(idOf(planted, endedTask))),
    [said(/No row says how far it is\.$/)],
  ],
  [
    "a task that stands behind its end",
    async (planted) => await changePass(planted, { cursor: far }),
    [said(/It stands at place 1000000000, after its end \d\.$/)],
  ],
  [
    "a task that passed over what it has not come to",
    async (planted) =>
      await changePass(planted, { passedOver: { sequence: far, skippedBefore: 0 } }),
    [said(/It passed over place 1000000000 and stands at 2\.$/)],
  ],
  [
    "a task that runs though a later one was started",
    async (planted) => await changeTask(planted, endedTask, () => ({ state: { kind: "running" } })),
    [said(/It runs, and a later one of its queue was started\.$/)],
  ],
  [
    "a task that ended before it was started",
    async (planted) =>
      await changeTask(planted, endedTask, () => ({
        state: { kind: "cancelled", endedAt: 5 as EpochMs },
      })),
    [said(/It ended at 5 and was started at \d+\.$/)],
  ],
  [
    "a task that ends in the future",
    async (planted) =>
      await changeTask(planted, endedTask, () => ({
        state: { kind: "completed", endedAt: (planted.now + 1) as EpochMs },
      })),
    [said(/It ended at \d+ and was started at \d+\.$/)],
  ],
  [
    "a task that was started in the future",
    async (planted) =>
      await changeOrder(planted, runningTask, () => ({ startedAt: (planted.now + 1) as EpochMs })),
    [said(/It was started at \d+, after the last instant of the store\.$/)],
  ],
  [
    "an order that goes beyond its queue",
    async (planted) => await changeOrder(planted, runningTask, () => ({ upTo: far })),
    [said(/It goes up to place 1000000000, and the next one is 4\.$/)],
  ],
  [
    "an order of another queue of its name",
    async (planted) =>
      await changeOrder(planted, runningTask, ({ from }) => ({
        from: { ...from, number: 5 as QueueNumber },
      })),
    [said(/Its queue is gone\.$/)],
  ],
  [
    "an order of a queue that is not there",
    async (planted) =>
      await changeOrder(planted, runningTask, ({ from }) => ({
        from: { ...from, name: "nowhere" as typeof from.name },
      })),
    [/^queue default\/nowhere, move task \d+: Its queue is gone\.$/],
  ],
  [
    "an order that lacks a chunk",
    async (planted) => await planted.remove(chunkKey(moveOrderKey(idOf(planted, runningTask)), 1)),
    [/^move task \d+ of queue number \d+: The move order row cannot be read/],
  ],
  [
    "keys of move tasks that are too long",
    async (planted) => {
      const id = idOf(planted, endedTask);
      await planted.put(
        tables.moveTask,
        `${moveTaskKey(id)}x`,
        planted.row(tables.moveTask, moveTaskKey(id)),
      );
      await planted.put(
        tables.moveOrder,
        `${moveOrderKey(id)}x`,
        planted.row(tables.moveOrder, moveOrderKey(id)),
      );
    },
    [/^key 87.*layout/, /^key 8a.*layout/],
  ],
];

test.each(cases)("the check names %s", async (_title, plant, expected) => {
  await expectLines(await storeWithMoves(), plant, expected);
});
