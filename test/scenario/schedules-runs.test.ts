// What a schedule does when its time comes: one message, as any send would store it, at that instant.

import { describe, expect, test } from "vitest";
import { bodiesOf, fifoScenario, msOf, type Scenario, scenario } from "../support/scenario.js";
import { deleteSchedule, putSchedule, scheduleStatus } from "../support/schedules.js";

const hourMs = 3_600_000;

/** Goes to an instant without firing each timer of the way, save for the last second. */
async function advanceTo(t: Scenario, instant: number): Promise<void> {
  if (instant - t.now > 1_000) await t.skip(instant - t.now - 1_000);
  await t.advance(instant - t.now);
}

/** The instants at which an every day's schedule ran. */
async function runsUntil(t: Scenario, end: number): Promise<number[]> {
  const runs: number[] = [];
  for (;;) {
    const { nextAt } = await scheduleStatus(t);
    if (!(nextAt <= end)) return runs;
    await advanceTo(t, nextAt - 1);
    const before = (await t.counters()).sent;
    await t.advance(1);
    expect((await t.counters()).sent).toBe(before + 1);
    expect((await scheduleStatus(t)).lastAt).toBe(nextAt);
    runs.push(nextAt);
  }
}

describe("at its time", () => {
  test("a schedule sends one message, at that instant and not before", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { cron: "0 3 * * *", body: "close the books" });
    await advanceTo(t, nextAt - 1);
    expect(await t.counts()).toBe("0/0/0");
    await t.advance(1);
    expect(t.now).toBe(Date.UTC(2030, 0, 1, 3));
    expect(await t.counts()).toBe("1/0/0");
    expect(await t.counters()).toMatchObject({ sent: 1 });
    const { id, message } = await t.receiveOne();
    expect(message.body).toEqual({ $case: "text", value: "close the books" });
    expect(msOf(message.systemAttributes?.sendTime)).toBe(nextAt);
    expect(await scheduleStatus(t)).toEqual({
      nextAt: Date.UTC(2030, 0, 2, 3),
      lastAt: nextAt,
      messageId: id,
      runs: 1,
      failure: "",
    });
  });

  test("it goes to whoever waits for it, without a poll in between", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { intervalMs: 1_137 });
    const poll = await t.poll();
    await t.advance(1_136);
    expect(poll.isAnswered).toBe(false);
    await t.advance(1);
    expect(bodiesOf(await poll.answer)).toEqual(["run"]);
    expect(poll.answeredAt).toBe(nextAt);
  });

  test("the message is all that was put, sent by whoever put it", async () => {
    const t = await scenario();
    await putSchedule(t, {
      intervalMs: 1_000,
      body: Buffer.from([1, 2, 255]),
      attributes: { kind: "report" },
      groupId: "tenant-1",
      timeToLiveMs: 60_000,
      priority: 4,
    });
    await t.advance(1_000);
    const { message } = await t.receiveOne({ attributes: ["All"] });
    expect(message.body).toEqual({ $case: "data", value: Buffer.from([1, 2, 255]) });
    expect([...message.attributes.keys()]).toEqual(["kind"]);
    expect(message.systemAttributes).toMatchObject({
      senderId: "key:default:dev",
      groupId: "tenant-1",
      priority: 4,
    });
    expect(msOf(message.systemAttributes?.timeToLiveEndTime)).toBe(t.now + 60_000);
    expect(message.systemAttributes?.traceHeader).toBeUndefined();
    expect(message.systemAttributes?.dedupId).toBeUndefined();
  });

  test("the delay of the queue holds for it", async () => {
    const t = await scenario({ delayMs: 5_000 });
    await putSchedule(t, { intervalMs: 60_000 });
    await t.advance(60_000);
    expect(await t.counts()).toBe("0/0/1");
    await t.advance(5_000);
    expect(bodiesOf(await t.receive())).toEqual(["run"]);
  });

  test("its message expires as any other", async () => {
    const t = await scenario();
    await putSchedule(t, { intervalMs: 10_000, timeToLiveMs: 2_000 });
    await t.advance(11_999);
    expect(await t.counts()).toBe("1/0/0");
    await t.advance(1);
    expect(await t.counts()).toBe("0/0/0");
  });

  test("a message is sent for each time, again and again", async () => {
    const t = await scenario();
    await putSchedule(t, { intervalMs: 1_000 });
    await t.advance(4_500);
    expect(await t.counts()).toBe("4/0/0");
    expect(await scheduleStatus(t)).toMatchObject({ runs: 4, lastAt: t.now - 500 });
  });

  test("six fields have seconds, five have none", async () => {
    const t = await scenario();
    await putSchedule(t, { name: "six", cron: "*/20 * * * * *", body: "six" });
    await putSchedule(t, { name: "five", cron: "* * * * *", body: "five" });
    await t.advance(60_000);
    expect(bodiesOf(await t.receive({ max: 10 })).sort()).toEqual(["five", "six", "six", "six"]);
  });

  test("schedules of many queues run each in its own", async () => {
    const t = await scenario();
    const queues = ["a", "b", "c"];
    for (const [index, queue] of queues.entries()) {
      await t.createQueue(queue);
      await putSchedule(t, { queue, intervalMs: 1_000 * (index + 1), body: queue });
    }
    await t.advance(6_000);
    expect(await Promise.all(queues.map((queue) => t.counts(queue)))).toEqual([
      "6/0/0",
      "3/0/0",
      "2/0/0",
    ]);
  });

  test("a schedule that is put with an earlier time than all others is not kept waiting by them", async () => {
    const t = await scenario();
    await putSchedule(t, { name: "later", intervalMs: 30_000 });
    await t.advance(1_000);
    await putSchedule(t, { name: "sooner", intervalMs: 2_000, body: "sooner" });
    await t.advance(2_000);
    expect(bodiesOf(await t.receive())).toEqual(["sooner"]);
  });

  test("a thousand schedules of one instant all run at it", async () => {
    const t = await scenario();
    const startAt = t.now + hourMs;
    await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        putSchedule(t, { name: `s${index}`, intervalMs: hourMs, startAt, body: String(index) }),
      ),
    );
    await advanceTo(t, startAt - 1);
    expect(await t.counts()).toBe("0/0/0");
    await t.advance(1);
    // A hundred a command, one after another.
    for (let commands = 0; commands < 10; commands += 1) await t.settle();
    expect(await t.counts()).toBe("1000/0/0");
    expect(await scheduleStatus(t, "s999")).toMatchObject({ runs: 1, nextAt: startAt + hourMs });
    await t.advance(1_000);
    expect(await t.counts()).toBe("1000/0/0");
  });

  test("long messages of one instant all come, some a command", async () => {
    const t = await scenario();
    const startAt = t.now + 10_000;
    const body = Buffer.alloc(700_000, 1);
    for (const name of ["a", "b", "c", "d", "e"]) {
      await putSchedule(t, { name, intervalMs: hourMs, startAt, body });
    }
    await t.advance(10_000);
    expect(await t.counters()).toMatchObject({ visible: 5, storedBytes: 3_500_000 });
  });
});

describe("from its start to its end", () => {
  test("an interval is counted from its start, which is the first", async () => {
    const t = await scenario();
    const startAt = t.now + 2_500;
    await putSchedule(t, { intervalMs: 2_000, startAt });
    await t.advance(2_499);
    expect(await t.counts()).toBe("0/0/0");
    await t.advance(1);
    expect(await t.counts()).toBe("1/0/0");
    await t.advance(1_999);
    expect(await t.counts()).toBe("1/0/0");
    await t.advance(1);
    expect(await t.counts()).toBe("2/0/0");
  });

  test("a start that is now is a time to run at, and one that has passed sets the beat", async () => {
    const t = await scenario();
    await t.advance(137);
    await putSchedule(t, { name: "now", intervalMs: hourMs, startAt: t.now, body: "now" });
    await t.advance(0);
    expect(bodiesOf(await t.receive())).toEqual(["now"]);
    const beat = await putSchedule(t, { name: "beat", intervalMs: 1_000, startAt: t.now - 10_300 });
    expect(beat.nextAt).toBe(t.now + 700);
  });

  test("without a start an interval first runs after one interval", async () => {
    const t = await scenario();
    await t.advance(137);
    expect((await putSchedule(t, { intervalMs: 5_000 })).nextAt).toBe(t.now + 5_000);
  });

  test("a pattern runs at none of its times before the start", async () => {
    const t = await scenario();
    const put = (startAt: number) => putSchedule(t, { cron: "0 3 * * *", startAt });
    expect((await put(Date.UTC(2030, 0, 5, 3))).nextAt).toBe(Date.UTC(2030, 0, 5, 3));
    expect((await put(Date.UTC(2030, 0, 5, 3) + 1)).nextAt).toBe(Date.UTC(2030, 0, 6, 3));
  });

  test("it runs at its end and not after it", async () => {
    const t = await scenario();
    await putSchedule(t, { name: "at", intervalMs: 1_000, endAt: t.now + 3_000, body: "at" });
    await putSchedule(t, { name: "before", intervalMs: 1_000, endAt: t.now + 2_999 });
    await t.advance(10_000);
    expect(await scheduleStatus(t, "at")).toMatchObject({ runs: 3, nextAt: Number.NaN });
    expect(await scheduleStatus(t, "before")).toMatchObject({ runs: 2, nextAt: Number.NaN });
    expect(await t.counts()).toBe("5/0/0");
  });

  test("one whose end has passed is kept and does not run", async () => {
    const t = await scenario();
    const put = await putSchedule(t, { intervalMs: 1_000, endAt: t.now - 1 });
    expect(put).toMatchObject({ created: true, nextAt: Number.NaN });
    await t.advance(5_000);
    expect(await t.counts()).toBe("0/0/0");
  });
});

describe("paused", () => {
  test("it does not run, and remembers no times it would have run at", async () => {
    const t = await scenario();
    await putSchedule(t, { intervalMs: 10_000 });
    await t.advance(10_000);
    const paused = await putSchedule(t, { intervalMs: 10_000, isPaused: true });
    expect(paused).toMatchObject({ nextAt: Number.NaN, runs: 1 });
    await t.advance(95_000);
    expect(await t.counts()).toBe("1/0/0");
    expect((await putSchedule(t, { intervalMs: 10_000 })).nextAt).toBe(t.now + 10_000);
    await t.advance(9_999);
    expect(await t.counts()).toBe("1/0/0");
    await t.advance(1);
    expect(await t.counts()).toBe("2/0/0");
  });
});

describe("a queue that is paused", () => {
  test("takes what its schedules send and delivers it later", async () => {
    const t = await scenario();
    await t.call("setQueueAttributes", { queue: t.queue, attributes: { deliveryPaused: true } });
    await putSchedule(t, { intervalMs: 1_000 });
    await t.advance(1_000);
    expect(await t.receive()).toEqual([]);
    await t.call("setQueueAttributes", { queue: t.queue, attributes: { deliveryPaused: false } });
    expect(bodiesOf(await t.receive())).toEqual(["run"]);
  });
});

describe("a run whose message is refused", () => {
  test("is recorded with its reason, and the schedule goes on", async () => {
    const t = await scenario();
    await putSchedule(t, { intervalMs: 10_000, body: "x".repeat(2_000) });
    await t.advance(10_000);
    const { messageId } = await scheduleStatus(t);
    await t.setQueue({ messageBytesMax: 1_024 });
    await t.advance(10_000);
    expect(await scheduleStatus(t)).toEqual({
      nextAt: t.now + 10_000,
      lastAt: t.now,
      messageId,
      runs: 2,
      failure: "MESSAGE_TOO_LONG",
    });
    expect(await t.counts()).toBe("1/0/0");
    await t.setQueue({ messageBytesMax: 2_000 });
    await t.advance(10_000);
    expect(await scheduleStatus(t)).toMatchObject({ runs: 3, failure: "" });
    expect(await t.counts()).toBe("2/0/0");
  });

  test("does not keep others of the instant from running", async () => {
    const t = await scenario();
    const startAt = t.now + 5_000;
    await putSchedule(t, { name: "a", intervalMs: hourMs, startAt, body: "x".repeat(2_000) });
    await putSchedule(t, { name: "b", intervalMs: hourMs, startAt, body: "short" });
    await t.setQueue({ messageBytesMax: 1_024 });
    await t.advance(5_000);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["short"]);
  });
});

describe("on a FIFO queue", () => {
  test("each run is a message of its own, with the schedule's name and the run's time as deduplication id", async () => {
    const t = await fifoScenario();
    const { nextAt } = await putSchedule(t, { intervalMs: 60_000, groupId: "g" });
    await t.advance(120_000);
    const messages = await t.receive({ max: 10 });
    // Equal bodies within the window, on a queue that goes by bodies.
    expect(messages.map(({ message }) => message.systemAttributes?.dedupId)).toEqual([
      `nightly-${new Date(nextAt).toISOString()}`,
      `nightly-${new Date(nextAt + 60_000).toISOString()}`,
    ]);
    expect(messages.map(({ message }) => message.systemAttributes?.groupId)).toEqual(["g", "g"]);
    expect(await t.counters()).toMatchObject({ sent: 2, deduplicated: 0 });
  });

  test("a run joins its group's end", async () => {
    const t = await fifoScenario();
    await t.send("before", { groupId: "g" });
    await putSchedule(t, { intervalMs: 1_000, groupId: "g" });
    await t.advance(1_000);
    await t.send("after", { groupId: "g" });
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["before", "run", "after"]);
  });

  test("a name of 80 characters leaves room for the time", async () => {
    const t = await fifoScenario();
    await putSchedule(t, { name: "x".repeat(80), intervalMs: 1_000, groupId: "g" });
    await t.advance(1_000);
    expect((await t.receiveOne()).message.systemAttributes?.dedupId).toHaveLength(105);
  });

  test("somebody else's message with that id makes the run a duplicate", async () => {
    const t = await fifoScenario();
    const { nextAt } = await putSchedule(t, { intervalMs: 60_000, groupId: "g" });
    const dedupId = `nightly-${new Date(nextAt).toISOString()}`;
    const { messageId } = await t.send("mine", { groupId: "g", dedupId });
    await t.advance(60_000);
    expect(await scheduleStatus(t)).toMatchObject({ runs: 1, failure: "", messageId });
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["mine"]);
  });
});

test("on a standard queue with a deduplication window runs are no duplicates of each other", async () => {
  const t = await scenario({ dedupWindowMs: 300_000 });
  await putSchedule(t, { intervalMs: 1_000 });
  await t.advance(3_000);
  expect(await t.counts()).toBe("3/0/0");
});

describe("when clocks are changed", () => {
  test("in spring a run in the hour that is skipped comes at its end", async () => {
    const t = await scenario();
    const zone = "Europe/Berlin";
    await putSchedule(t, { cron: "30 2 * * *", zone, startAt: Date.UTC(2030, 2, 30) });
    expect(await runsUntil(t, Date.UTC(2030, 3, 2))).toEqual([
      Date.UTC(2030, 2, 30, 1, 30),
      Date.UTC(2030, 2, 31, 1),
      Date.UTC(2030, 3, 1, 0, 30),
    ]);
  });

  test("in autumn a run in the hour that comes twice comes once", async () => {
    const t = await scenario();
    const zone = "America/New_York";
    await putSchedule(t, { cron: "30 1 * * *", zone, startAt: Date.UTC(2030, 10, 2) });
    expect(await runsUntil(t, Date.UTC(2030, 10, 5))).toEqual([
      Date.UTC(2030, 10, 2, 5, 30),
      Date.UTC(2030, 10, 3, 5, 30),
      Date.UTC(2030, 10, 4, 6, 30),
    ]);
  });

  test("a pattern for every hour runs every hour", async () => {
    const t = await scenario();
    const startAt = Date.UTC(2030, 9, 26, 23);
    await putSchedule(t, { cron: "0 * * * *", zone: "Europe/Berlin", startAt });
    expect(await runsUntil(t, Date.UTC(2030, 9, 27, 3))).toEqual(
      [0, 1, 2, 3, 4].map((count) => startAt + count * hourMs),
    );
  });
});

test("a day of month and a day of week: either will do", async () => {
  const t = await scenario();
  await putSchedule(t, { cron: "0 0 5 * SUN" });
  expect(await runsUntil(t, Date.UTC(2030, 0, 13))).toEqual(
    [5, 6, 13].map((day) => Date.UTC(2030, 0, day)),
  );
});

test("in real time a run is never early, and late by less than 100 ms", async () => {
  const t = await scenario({ time: "real" });
  const { nextAt } = await putSchedule(t, { intervalMs: 1_000 });
  const late: number[] = [];
  for (let run = 0; run < 3; run += 1) {
    const { message } = await t.receiveOne({ waitMs: 5_000 });
    late.push(msOf(message.systemAttributes?.sendTime) - (nextAt + run * 1_000));
  }
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  // A machine that does much else may be late itself; not three times.
  expect(Math.min(...late)).toBeLessThan(100);
});

test("a schedule that is deleted the instant before does not run", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 10_000 });
  await t.advance(9_999);
  await deleteSchedule(t);
  await t.advance(1);
  expect(await t.counts()).toBe("0/0/0");
});
