// The check of schedules: see `check.test.ts`.

import { expect, test } from "vitest";
import { type EpochMs, milliseconds } from "../../src/base/brands.js";
import type { Schedule, ScheduleState } from "../../src/queue/schedule-model.js";
import { scheduleDueKey, scheduleKey, scheduleStateKey } from "../../src/store/keys.js";
import { tables } from "../../src/store/tables.js";
import { entryOf } from "../support/engine-entries.js";
import { expectLines, type PlantedCase, PlantedStore } from "../support/planted-store.js";

const hourly: Schedule = {
  name: "hourly",
  timing: { kind: "interval", intervalMs: milliseconds(3_600_000) },
  startAt: undefined,
  endAt: undefined,
  isPaused: false,
  missedRuns: "skip",
  message: {
    content: entryOf({ body: "tick", groupId: "g" }).content,
    sizeBytes: 4,
    timeToLiveMs: undefined,
    priority: undefined,
  },
};

const names = "default\x00orders.fifo\x00hourly";
/** Beyond every instant of these stores, in which it is 2030. */
const nextAt = Date.UTC(2040, 0, 1) as EpochMs;
const stateKey = scheduleStateKey(names);

const stateOf = (planted: PlantedStore): ScheduleState =>
  planted.row(tables.scheduleState, stateKey);

async function changeState(planted: PlantedStore, change: Partial<ScheduleState>): Promise<void> {
  await planted.put(tables.scheduleState, stateKey, { ...stateOf(planted), ...change });
}

/** A queue with a schedule that runs again. */
async function scheduleStore(): Promise<PlantedStore> {
  const planted = await PlantedStore.of("orders.fifo", async (harness) => {
    await harness.createQueue("orders.fifo");
  });
  await planted.put(tables.schedule, scheduleKey(names), hourly);
  await planted.put(tables.scheduleState, stateKey, {
    putAt: planted.now,
    nextAt,
    lastAt: undefined,
    lastMessageId: undefined,
    runCount: 0,
    failure: undefined,
  });
  await planted.put(tables.scheduleDue, scheduleDueKey(nextAt, names), true);
  return planted;
}

test("a schedule that runs again contradicts nothing, nor does one that does not", async () => {
  const planted = await scheduleStore();
  expect(await planted.lines()).toEqual([]);
  await changeState(planted, { nextAt: undefined });
  await planted.remove(scheduleDueKey(nextAt, names));
  expect(await planted.lines()).toEqual([]);
});

const cases: readonly PlantedCase[] = [
  [
    "a schedule that nobody knows what it has done",
    async (planted) => await planted.remove(stateKey),
    [
      /^queue default\/orders.fifo, schedule hourly: No row says what it has done\.$/,
      /schedule hourly: It is to run at \d+ and is not there/,
    ],
  ],
  [
    "a schedule that nobody knows what it sends",
    async (planted) => await planted.remove(scheduleKey(names)),
    [/^queue default\/orders.fifo, schedule hourly: No row says what it sends\.$/],
  ],
  [
    "a schedule of a queue that is not there",
    async (planted) => {
      const other = "default\x00ghost\x00hourly";
      await planted.put(tables.schedule, scheduleKey(other), hourly);
      await planted.put(tables.scheduleState, scheduleStateKey(other), {
        ...stateOf(planted),
        nextAt: undefined,
      });
    },
    [/^queue default\/ghost, schedule hourly: There is no such queue\.$/],
  ],
  [
    "a schedule without a group, of a FIFO queue",
    async (planted) =>
      await planted.put(tables.schedule, scheduleKey(names), {
        ...hourly,
        message: { ...hourly.message, content: entryOf({ body: "tick" }).content },
      }),
    [/schedule hourly: Its messages have no group, and its queue is a FIFO queue/],
  ],
  ...(["putAt", "lastAt"] as const).map(
    (name): PlantedCase => [
      `a schedule of the future, by ${name}`,
      async (planted) => await changeState(planted, { [name]: (planted.now + 1) as EpochMs }),
      [/schedule hourly: It was put or has run after the last instant of the store/],
    ],
  ),
  [
    "a next run that no row tells",
    async (planted) => await planted.remove(scheduleDueKey(nextAt, names)),
    [/schedule hourly: No row says that it runs next at \d+/],
  ],
  [
    "a next run at two times",
    async (planted) =>
      await planted.put(tables.scheduleDue, scheduleDueKey(7 as EpochMs, names), true),
    [/schedule hourly: It is to run at 7 and also \d+/],
  ],
  [
    "a next run of a schedule that runs no more",
    async (planted) => await changeState(planted, { nextAt: undefined }),
    [/schedule hourly: It is to run at \d+ and also never/],
  ],
  [
    "keys out of layout",
    async (planted) => {
      for (const key of ["\x88s", `\x88x${names}`, "\x88sdefault\x00orders", "\x89short"]) {
        await planted.put(tables.raw, key, true);
      }
    },
    Array.from({ length: 4 }, () => /^key [0-9a-f]+: The key does not follow the layout/),
  ],
];

test.each(cases)("the check names %s", async (_title, plant, expected) => {
  await expectLines(await scheduleStore(), plant, expected);
});
