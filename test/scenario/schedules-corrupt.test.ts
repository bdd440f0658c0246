// Schedules of which a row cannot be read: they stop alone, and can be put again or deleted.

import { describe, expect, test } from "vitest";
import { breakRow, rowsOf } from "../support/broken-rows.js";
import { bodiesOf, type Scenario, scenario } from "../support/scenario.js";
import {
  deleteSchedule,
  getSchedule,
  putSchedule,
  scheduleNames,
  scheduleStatus,
} from "../support/schedules.js";

const putRow = (name: string) => (key: string) => key === `\x88sdefault\x00orders\x00${name}`;
const stateRow = (name: string) => (key: string) => key === `\x88tdefault\x00orders\x00${name}`;
const queueRow = (name: string) => (key: string) => key === `\x80default\x00${name}`;

/** Three schedules that run every 10 s, `b` being the one that is broken. */
async function three(isPicked: (key: string) => boolean): Promise<Scenario> {
  const t = await scenario();
  t.expectErrors();
  for (const name of ["a", "b", "c"]) {
    await putSchedule(t, { name, intervalMs: 10_000, body: name });
  }
  await breakRow(t, isPicked);
  return t;
}

const bodiesSent = async (t: Scenario): Promise<string[]> =>
  bodiesOf(await t.receive({ max: 10 })).sort();

describe.each([
  ["what was put", putRow("b")],
  ["what it has done", stateRow("b")],
])("a schedule of which %s cannot be read", (_, isPicked) => {
  test("does not keep others from running", async () => {
    const t = await three(isPicked);
    await t.advance(20_000);
    expect(await bodiesSent(t)).toEqual(["a", "a", "c", "c"]);
  });

  test("is not shown, and is left out of the list", async () => {
    const t = await three(isPicked);
    await expect(getSchedule(t, "b")).rejects.toMatchObject({
      code: "INTERNAL",
      reason: "RECORD_CORRUPT",
    });
    expect((await scheduleNames(t, { pageSize: 2 })).flat()).toEqual(["a", "c"]);
  });

  test("can be put again, and then runs once a time", async () => {
    const t = await three(isPicked);
    await t.advance(5_000);
    await putSchedule(t, { name: "b", intervalMs: 10_000, body: "b" });
    expect((await scheduleNames(t)).flat()).toEqual(["a", "b", "c"]);
    await t.advance(10_000);
    expect(await bodiesSent(t)).toEqual(["a", "b", "c"]);
  });

  test("can be deleted, and then nothing is left of it", async () => {
    const t = await three(isPicked);
    await deleteSchedule(t, "b");
    await expect(getSchedule(t, "b")).rejects.toMatchObject({ reason: "SCHEDULE_NOT_FOUND" });
    await t.advance(10_000);
    expect(await bodiesSent(t)).toEqual(["a", "c"]);
  });
});

test("a run that finds nothing to send is recorded", async () => {
  const t = await three(putRow("b"));
  await t.advance(10_000);
  const replaced = await putSchedule(t, { name: "b", intervalMs: 10_000 });
  expect(replaced).toMatchObject({ failure: "RECORD_CORRUPT", runs: 0 });
});

describe.each([
  ["numbers", rowsOf("orders", "counters")],
  ["settings", queueRow("orders")],
])("a queue whose %s cannot be read", (_, isPicked) => {
  test("keeps no other queue's schedules from running", async () => {
    const t = await scenario();
    t.expectErrors();
    await t.createQueue("other");
    await putSchedule(t, { intervalMs: 10_000 });
    await putSchedule(t, { queue: "other", intervalMs: 10_000 });
    await putSchedule(t, { queue: "other", name: "second", intervalMs: 10_000 });
    await breakRow(t, isPicked);
    await t.advance(20_000);
    expect(await t.counts("other")).toBe("4/0/0");
    expect(t.logged.map(({ message }) => message)).toContain(
      "runs of schedules failed; they are tried again",
    );
  });
});

test("a queue whose numbers cannot be read misses its runs, each recorded", async () => {
  const t = await scenario();
  t.expectErrors();
  await putSchedule(t, { intervalMs: 10_000 });
  await t.send("anything");
  await breakRow(t, rowsOf("orders", "counters"));
  const before = t.now;
  await t.advance(25_000);
  const status = await scheduleStatus(t);
  expect(status).toMatchObject({ runs: 2, failure: "RECORD_CORRUPT" });
  expect(status.nextAt).toBeGreaterThan(before + 25_000);
});
