// Schedules as resources: what is put is what is shown, an equal one keeps its beat, what is wrong is refused with where.

import { describe, expect, test } from "vitest";
import { MissedRuns } from "../../src/gen/forebay/queue/v1/schedule_service.js";
import { attributesOf, bodiesOf, durationOf, fifoScenario, scenario } from "../support/scenario.js";
import {
  deleteSchedule,
  getSchedule,
  putSchedule,
  scheduleNames,
  scheduleRequest,
  scheduleStatus,
  timestampOf,
} from "../support/schedules.js";

const hourMs = 3_600_000;

test("a schedule is shown as it was put, with the message it sends", async () => {
  const t = await scenario();
  await putSchedule(t, {
    cron: "0 3 * * MON-FRI",
    zone: "Europe/Berlin",
    body: "close the books",
    attributes: { kind: "report", area: "billing" },
    groupId: "tenant-1",
    timeToLiveMs: 90_500,
    priority: 3,
    startAt: t.now + hourMs,
    endAt: t.now + 1_000 * hourMs,
    missedRuns: "skip",
  });
  const { schedule } = await getSchedule(t);
  expect(schedule).toEqual({
    name: "nightly",
    timing: { $case: "cron", value: "0 3 * * MON-FRI" },
    timeZone: "Europe/Berlin",
    message: {
      body: { $case: "text", value: "close the books" },
      attributes: attributesOf({ area: "billing", kind: "report" }),
      groupId: "tenant-1",
      timeToLive: durationOf(90_500),
      priority: 3,
    },
    startTime: timestampOf(t.now + hourMs),
    endTime: timestampOf(t.now + 1_000 * hourMs),
    paused: false,
    missedRuns: MissedRuns.SKIP,
  });
});

test("what is left out is shown at its default", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 1_500, body: Buffer.from([0, 255]), isPaused: true });
  const { schedule } = await getSchedule(t);
  expect(schedule).toEqual({
    name: "nightly",
    timing: { $case: "interval", value: durationOf(1_500) },
    timeZone: "",
    message: {
      body: { $case: "data", value: Buffer.from([0, 255]) },
      attributes: new Map(),
      groupId: "",
    },
    paused: true,
    missedRuns: MissedRuns.SEND_ONE,
  });
});

test("a new schedule answers when it runs next and that it has done nothing", async () => {
  const t = await scenario();
  const put = await putSchedule(t, { cron: "0 3 * * *", zone: "Europe/Berlin" });
  expect(put).toEqual({
    created: true,
    nextAt: Date.UTC(2030, 0, 1, 2),
    lastAt: Number.NaN,
    messageId: "",
    runs: 0,
    failure: "",
  });
  expect(await scheduleStatus(t)).toEqual({
    nextAt: Date.UTC(2030, 0, 1, 2),
    lastAt: Number.NaN,
    messageId: "",
    runs: 0,
    failure: "",
  });
});

test("without a zone a pattern is read in UTC", async () => {
  const t = await scenario();
  expect((await putSchedule(t, { cron: "0 3 * * *" })).nextAt).toBe(Date.UTC(2030, 0, 1, 3));
});

test("an equal schedule put again keeps its next time, another one begins anew", async () => {
  const t = await scenario();
  const options = { intervalMs: 10_000, attributes: { a: "1", b: "2" } };
  const { nextAt } = await putSchedule(t, options);
  expect(nextAt).toBe(t.now + 10_000);
  await t.advance(4_000);
  expect(await putSchedule(t, options)).toMatchObject({ created: false, nextAt });
  // The order of attributes is none.
  expect(await putSchedule(t, { ...options, attributes: { b: "2", a: "1" } })).toMatchObject({
    nextAt,
  });
  expect(await putSchedule(t, { ...options, missedRuns: "send_one" })).toMatchObject({ nextAt });
  expect(await putSchedule(t, { ...options, body: "other" })).toMatchObject({
    created: false,
    nextAt: t.now + 10_000,
  });
  await t.advance(9_999);
  expect(await t.counts()).toBe("0/0/0");
  await t.advance(1);
  expect(bodiesOf(await t.receive())).toEqual(["other"]);
});

test.each([
  ["another interval", { intervalMs: 9_000 }],
  ["another body", { body: "b" }],
  ["a body of bytes", { body: Buffer.from("run") }],
  ["another attribute", { attributes: { a: "1" } }],
  ["a group", { groupId: "g" }],
  ["a time to live", { timeToLiveMs: 1_000 }],
  ["a priority", { priority: 0 }],
  ["an end", { endAt: Date.UTC(2031, 0, 1) }],
  ["what to do about missed runs", { missedRuns: "skip" as const }],
])("a schedule that differs in %s is not equal", async (_, change) => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 10_000 });
  await t.advance(4_000);
  const changed = await putSchedule(t, { intervalMs: 10_000, ...change });
  expect(changed.nextAt).toBe(t.now + (("intervalMs" in change && change.intervalMs) || 10_000));
});

test("what a schedule has done stays when it is replaced, and not when it is deleted in between", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 1_000 });
  await t.advance(2_500);
  const before = await scheduleStatus(t);
  expect(before.runs).toBe(2);
  const { runs, lastAt, messageId } = await putSchedule(t, { cron: "0 3 * * *" });
  expect({ runs, lastAt, messageId }).toEqual({
    runs: 2,
    lastAt: before.lastAt,
    messageId: before.messageId,
  });
  await deleteSchedule(t);
  expect(await putSchedule(t, { cron: "0 3 * * *" })).toMatchObject({ created: true, runs: 0 });
});

test("a deleted schedule sends no more, and what it has sent stays", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 1_000 });
  await t.advance(1_000);
  await deleteSchedule(t);
  await t.advance(10_000);
  expect(await t.counts()).toBe("1/0/0");
  for (const call of [getSchedule(t), deleteSchedule(t)]) {
    await expect(call).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "SCHEDULE_NOT_FOUND",
      resource: "schedule orders/nightly",
    });
  }
});

test("names are distinct in their queue, and only there", async () => {
  const t = await scenario();
  await t.createQueue("other");
  await putSchedule(t, { intervalMs: 1_000, body: "here" });
  expect((await putSchedule(t, { queue: "other", intervalMs: 1_000, body: "there" })).created).toBe(
    true,
  );
  await t.advance(1_000);
  expect(bodiesOf(await t.receive())).toEqual(["here"]);
  expect(bodiesOf(await t.receive({ queue: "other" }))).toEqual(["there"]);
  await deleteSchedule(t, "nightly", "other");
  expect(await scheduleNames(t)).toEqual([["nightly"]]);
  expect(await scheduleNames(t, { queue: "other" })).toEqual([[]]);
});

describe("the list of schedules", () => {
  test("is in name order, page by page", async () => {
    const t = await scenario();
    // A queue whose name begins as this one's.
    await t.createQueue("orders-2");
    await putSchedule(t, { queue: "orders-2", name: "apart", intervalMs: hourMs });
    for (const name of ["b", "a-1", "Z", "a", "a_1", "9"]) {
      await putSchedule(t, { name, intervalMs: hourMs });
    }
    const sorted = ["9", "Z", "a", "a-1", "a_1", "b"];
    expect(await scheduleNames(t)).toEqual([sorted]);
    expect(await scheduleNames(t, { pageSize: 6 })).toEqual([sorted]);
    expect(await scheduleNames(t, { pageSize: 4 })).toEqual([sorted.slice(0, 4), sorted.slice(4)]);
    expect(await scheduleNames(t, { pageSize: 1 })).toEqual(sorted.map((name) => [name]));
  });

  test("goes on after the last name, whatever was put or deleted meanwhile", async () => {
    const t = await scenario();
    for (const name of ["b", "d", "f"]) await putSchedule(t, { name, intervalMs: hourMs });
    const { nextPageToken } = await t.call("listSchedules", { queue: t.queue, pageSize: 2 });
    await deleteSchedule(t, "d");
    await putSchedule(t, { name: "c", intervalMs: hourMs });
    await putSchedule(t, { name: "e", intervalMs: hourMs });
    const { schedules } = await t.call("listSchedules", {
      queue: t.queue,
      pageToken: nextPageToken,
    });
    expect(schedules.map(({ schedule }) => schedule?.name)).toEqual(["e", "f"]);
  });

  test("shows each schedule with what it has done", async () => {
    const t = await scenario();
    await putSchedule(t, { intervalMs: 1_000 });
    await t.advance(3_000);
    const { schedules } = await t.call("listSchedules", { queue: t.queue });
    expect(schedules).toEqual([await getSchedule(t)]);
    expect(schedules[0]?.status?.runCount).toBe(3n);
  });

  test("takes no token of another queue's", async () => {
    const t = await scenario();
    await t.createQueue("other");
    for (const name of ["a", "b"]) await putSchedule(t, { name, intervalMs: hourMs });
    const { nextPageToken } = await t.call("listSchedules", { queue: t.queue, pageSize: 1 });
    expect(nextPageToken).not.toBe("");
    const call = t.call("listSchedules", { queue: "other", pageToken: nextPageToken });
    await expect(call).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
  });

  test("with long messages has shorter pages, each within a reply's bound", async () => {
    const t = await scenario();
    const body = Buffer.alloc(1_048_576, 7);
    for (const name of ["a", "b", "c", "d", "e"])
      await putSchedule(t, { name, intervalMs: hourMs, body });
    const pages = await scheduleNames(t);
    expect(pages.flat()).toEqual(["a", "b", "c", "d", "e"]);
    expect(pages.length).toBeGreaterThan(1);
    expect((await getSchedule(t, "e")).schedule?.message?.body?.value).toEqual(body);
  });
});

describe("what cannot be read is refused, with where", () => {
  test.each([
    ["no schedule at all", { schedule: undefined }, "MISSING_PARAMETER", "schedule", ""],
    ["no name", { name: "" }, "MISSING_PARAMETER", "schedule.name", ""],
    [
      "a name of other characters",
      { name: "a.b" },
      "INVALID_PARAMETER",
      "schedule.name",
      "A-Za-z0-9_-",
    ],
    ["a name of 81", { name: "x".repeat(81) }, "INVALID_PARAMETER", "schedule.name", "1 to 80"],
    [
      "no time",
      { cron: undefined },
      "MISSING_PARAMETER",
      "schedule.cron",
      "one of cron and interval",
    ],
    [
      "a broken pattern",
      { cron: "0 25 * * *" },
      "INVALID_PARAMETER",
      "schedule.cron",
      'hour "25" at character 3 must be 0 to 23',
    ],
    [
      "too few fields",
      { cron: "0 3 * *" },
      "INVALID_PARAMETER",
      "schedule.cron",
      "has 4 fields; 5 are needed",
    ],
    ["an empty pattern", { cron: "" }, "INVALID_PARAMETER", "schedule.cron", "has 0 fields"],
    [
      "a pattern of 129 characters",
      { cron: `${"0,".repeat(60)}0 * * * *` },
      "INVALID_PARAMETER",
      "schedule.cron",
      "has 129 characters; at most 128",
    ],
    [
      "a pattern that never comes",
      { cron: "0 0 30 2 *" },
      "INVALID_PARAMETER",
      "schedule.cron",
      "never comes",
    ],
    [
      "an unknown zone",
      { zone: "Europe/Nowhere" },
      "INVALID_PARAMETER",
      "schedule.time_zone",
      '"Europe/Nowhere" is no zone',
    ],
    [
      "an offset as zone",
      { zone: "+01:00" },
      "INVALID_PARAMETER",
      "schedule.time_zone",
      '"+01:00" is no zone',
    ],
    [
      "a zone for an interval",
      { cron: undefined, intervalMs: 1_000, zone: "UTC" },
      "INVALID_PARAMETER",
      "schedule.time_zone",
      "is for cron",
    ],
    [
      "an interval below a second",
      { cron: undefined, intervalMs: 999 },
      "INVALID_PARAMETER",
      "schedule.interval",
      "from 1s to 31536000s",
    ],
    [
      "an interval above a year",
      { cron: undefined, intervalMs: 31_536_000_001 },
      "INVALID_PARAMETER",
      "schedule.interval",
      "from 1s to 31536000s",
    ],
    [
      "an end before the start",
      { startAt: 2_000, endAt: 1_999 },
      "INVALID_PARAMETER",
      "schedule.end_time",
      "must not be before start_time",
    ],
    [
      "a start after the year 9999",
      { startAt: 253_402_300_800_000 },
      "INVALID_PARAMETER",
      "schedule.start_time",
      "to 9999-12-31",
    ],
    [
      "an empty body",
      { body: "" },
      "MISSING_PARAMETER",
      "schedule.message.text",
      "a message needs a body",
    ],
    [
      "a character no text has",
      { body: "a\u0001" },
      "INVALID_MESSAGE_CONTENTS",
      "schedule.message.text",
      "U+0001 at offset 1",
    ],
    [
      "a priority of 10",
      { priority: 10 },
      "INVALID_PARAMETER",
      "schedule.message.priority",
      "from 0 to 9",
    ],
    [
      "a time to live of 0",
      { timeToLiveMs: 0 },
      "INVALID_PARAMETER",
      "schedule.message.time_to_live",
      "from 1s",
    ],
    [
      "a group with a space",
      { groupId: "a b" },
      "INVALID_PARAMETER",
      "schedule.message.group_id",
      "1 to 128",
    ],
  ] as const)("%s", async (_, change, reason, field, sentence) => {
    const t = await scenario();
    const request = scheduleRequest(t, { cron: "0 3 * * *", ...change } as never);
    const call = t.call("putSchedule", "schedule" in change ? { queue: t.queue } : request);
    await expect(call).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason,
      violations: [field],
      message: expect.stringContaining(sentence),
    });
    expect(await scheduleNames(t)).toEqual([[]]);
  });

  test("several mistakes are all named", async () => {
    const t = await scenario();
    const call = putSchedule(t, { name: "a b", cron: "x * * * *", zone: "Mars/Base", body: "" });
    await expect(call).rejects.toMatchObject({
      violations: ["schedule.name", "schedule.cron", "schedule.time_zone", "schedule.message.text"],
    });
  });

  test("names to look for as well as names to put", async () => {
    const t = await scenario();
    for (const [name, reason] of [
      ["", "MISSING_PARAMETER"],
      ["a/b", "INVALID_PARAMETER"],
    ]) {
      for (const call of [getSchedule(t, name), deleteSchedule(t, name)]) {
        await expect(call).rejects.toMatchObject({ reason, violations: ["name"] });
      }
    }
  });

  test.each([0, 101])("a page size of %i", async (pageSize) => {
    const t = await scenario();
    const call = t.call("listSchedules", { queue: t.queue, pageSize });
    await expect(call).rejects.toMatchObject({ violations: ["page_size"] });
  });

  test("a start so late that a pattern's times cannot be found", async () => {
    const t = await scenario();
    const startAt = Date.UTC(5000, 0, 1);
    await expect(putSchedule(t, { cron: "0 3 * * *", startAt })).rejects.toMatchObject({
      violations: ["schedule.cron"],
    });
    const { nextAt } = await putSchedule(t, { intervalMs: 1_000, startAt });
    expect(nextAt).toBe(startAt);
  });
});

test("names of 1 and of 80 characters are names", async () => {
  const t = await scenario();
  const long = `${"x".repeat(76)}_-A9`;
  for (const name of ["-", long]) await putSchedule(t, { name, intervalMs: hourMs });
  expect(await scheduleNames(t)).toEqual([["-", long]]);
});

test("a queue that is not there has no schedules", async () => {
  const t = await scenario();
  for (const call of [
    putSchedule(t, { queue: "nowhere", intervalMs: 1_000 }),
    getSchedule(t, "nightly", "nowhere"),
    deleteSchedule(t, "nightly", "nowhere"),
    t.call("listSchedules", { queue: "nowhere" }),
  ]) {
    await expect(call).rejects.toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
  }
});

test("a message that the queue would not take is refused when it is put", async () => {
  const t = await scenario({ messageBytesMax: 1_024 });
  await putSchedule(t, { intervalMs: 1_000, body: "x".repeat(1_024) });
  await expect(
    putSchedule(t, { intervalMs: 1_000, body: "x".repeat(1_025) }),
  ).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MESSAGE_TOO_LONG",
  });
  // The one that was there is as it was.
  expect((await getSchedule(t)).schedule?.message?.body?.value).toBe("x".repeat(1_024));
});

test("on a FIFO queue a schedule needs a group and has no priority", async () => {
  const t = await fifoScenario({ contentBasedDeduplication: false });
  await expect(putSchedule(t, { intervalMs: 1_000 })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["schedule.message.group_id"],
  });
  await expect(
    putSchedule(t, { intervalMs: 1_000, groupId: "g", priority: 1 }),
  ).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
    violations: ["schedule.message.priority"],
  });
  await putSchedule(t, { intervalMs: 1_000, groupId: "g", priority: 0 });
});

test("a queue has a thousand schedules and not one more, replaced ones not counted", async () => {
  const t = await scenario();
  const put = (name: string, body = "run") => putSchedule(t, { name, body, intervalMs: hourMs });
  await Promise.all(Array.from({ length: 999 }, (_, index) => put(`s${index}`)));
  await put("last");
  await expect(put("one-more")).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "SCHEDULE_LIMIT",
    message: expect.stringContaining("1000 schedules"),
  });
  expect((await put("s5", "other")).created).toBe(false);
  await deleteSchedule(t, "s7");
  expect((await put("one-more")).created).toBe(true);
  const names = (await scheduleNames(t)).flat();
  expect(names).toHaveLength(1_000);
  expect(new Set(names).size).toBe(1_000);
  // Another queue has its own thousand.
  await t.createQueue("other");
  await putSchedule(t, { queue: "other", intervalMs: hourMs });
});

test("schedules and what they have done outlive a restart and a crash", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 10_000, attributes: { a: "1" }, groupId: "g", priority: 2 });
  await putSchedule(t, { name: "paused", cron: "0 3 * * *", isPaused: true });
  await t.advance(10_000);
  const before = [await getSchedule(t), await getSchedule(t, "paused")];
  await t.restart();
  expect([await getSchedule(t), await getSchedule(t, "paused")]).toEqual(before);
  await t.crash();
  expect([await getSchedule(t), await getSchedule(t, "paused")]).toEqual(before);
  const { nextAt } = await scheduleStatus(t);
  await t.advance(4_000);
  const again = { intervalMs: 10_000, attributes: { a: "1" }, groupId: "g", priority: 2 };
  expect(await putSchedule(t, again)).toMatchObject({ created: false, nextAt });
  await t.advance(6_000);
  expect((await scheduleStatus(t)).runs).toBe(2);
});

test("a purge leaves schedules, a delete of the queue takes them along", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 1_000 });
  await t.advance(1_000);
  await t.purge();
  expect(await scheduleStatus(t)).toMatchObject({ runs: 1 });
  await t.advance(1_000);
  expect(await t.counts()).toBe("1/0/0");
  await t.deleteQueue();
  await t.createQueue(t.queue);
  expect(await scheduleNames(t)).toEqual([[]]);
  await t.advance(5_000);
  expect(await t.counts()).toBe("0/0/0");
  expect((await putSchedule(t, { intervalMs: 1_000 })).created).toBe(true);
});
