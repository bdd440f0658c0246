// Priorities: a message of priority p is served as if it had been sent p times the queue's `priority_ageing` earlier.

import { expect, test } from "vitest";
import { consumer } from "../support/consumer.js";
import { deadLetterScenario, held, moveEnded, wearOut } from "../support/dead-letters.js";
import { bodiesOf, fifoScenario, msOf, type Scenario, scenario } from "../support/scenario.js";

test("higher priorities come first, 9 before 8 down to 0, equal ones in the order sent", async () => {
  const t = await scenario();
  for (const priority of [3, 0, 9, 5, 1, 8, 2, 7, 4, 6]) await t.send(`p${priority}`, { priority });
  for (const priority of [9, 0, 5]) await t.send(`p${priority} again`, { priority });
  await t.send("none");
  const order = ["p9", "p9 again", "p8", "p7", "p6", "p5", "p5 again", "p4", "p3", "p2", "p1"];
  const all = [...order, "p0", "p0 again", "none"];
  expect(await t.order()).toEqual(all);
  const oneByOne: string[] = [];
  for (const _ of all) oneByOne.push((await t.receiveOne()).body);
  expect(oneByOne).toEqual(all);
});

test.each([
  [59_999, ["urgent", "ordinary"]],
  [60_000, ["ordinary", "urgent"]],
  [60_001, ["ordinary", "urgent"]],
])(
  "a priority of 1 sent %i ms after an ordinary message: %j, as one step is worth 60 s",
  async (laterMs, order) => {
    const t = await scenario();
    await t.send("ordinary");
    await t.leap(laterMs);
    await t.send("urgent", { priority: 1 });
    expect(await t.order()).toEqual(order);
  },
);

test.each([
  [9, 0, 90_000],
  [9, 1, 80_000],
  [5, 3, 20_000],
  [1, 0, 10_000],
])(
  "with steps of 10 s a priority of %i sent later comes before one of %i only up to %i ms",
  async (higher, lower, worthMs) => {
    const t = await scenario({ priorityAgeingMs: 10_000 });
    await t.send("early", { priority: lower });
    await t.leap(worthMs - 1);
    await t.send("in time", { priority: higher });
    await t.leap(1);
    await t.send("too late", { priority: higher });
    expect(await t.order()).toEqual(["in time", "early", "too late"]);
  },
);

test("an ordinary message waits at most 9 steps longer, however many urgent ones come", async () => {
  const t = await scenario({ priorityAgeingMs: 1_000 });
  await t.send("ordinary");
  let waitedMs = 0;
  for (; waitedMs < 60_000; waitedMs += 500) {
    await t.sendBatch(["urgent", "urgent"], { priority: 9 });
    const { body, handle } = await t.receiveOne();
    await t.delete(handle);
    if (body === "ordinary") break;
    await t.leap(500);
  }
  expect(waitedMs).toBeGreaterThan(1_000);
  // What was sent in the first 9 s comes before it, at half the rate of the sends.
  expect(waitedMs).toBeLessThanOrEqual(18_500);
});

test("an urgent message takes its place again when it comes back, twice; the third time it goes behind all", async () => {
  const t = await scenario();
  await t.send("ordinary");
  await t.send("urgent", { priority: 5 });
  await t.send("less", { priority: 2 });
  for (const end of ["lease", "change"]) {
    const { body, handle } = await t.receiveOne({ visibilityTimeoutMs: 1_000 });
    expect(body).toBe("urgent");
    if (end === "lease") await t.advance(1_000);
    else await t.changeVisibility(handle, 0);
    expect(await t.order()).toEqual(["urgent", "less", "ordinary"]);
  }
  const { body, handle } = await t.receiveOne();
  expect(body).toBe("urgent");
  await t.changeVisibility(handle, 0);
  expect(await t.order()).toEqual(["less", "ordinary", "urgent"]);
  await t.send("newer");
  expect(await t.order()).toEqual(["less", "ordinary", "urgent", "newer"]);
});

test("an urgent message that is rejected goes behind all others", async () => {
  const t = await scenario();
  await t.send("urgent", { priority: 9 });
  await t.send("ordinary");
  const { handle } = await t.receiveOne();
  await t.reject(handle);
  expect(await t.order()).toEqual(["ordinary", "urgent"]);
});

test("a message that comes back stands among the others by its age and priority", async () => {
  const t = await scenario();
  await t.send("old");
  await t.receiveOne({ visibilityTimeoutMs: 90_000 });
  await t.leap(30_000);
  await t.send("urgent", { priority: 1 });
  await t.leap(40_000);
  await t.send("late", { priority: 1 });
  await t.leap(20_000);
  expect(await t.order()).toEqual(["urgent", "old", "late"]);
});

test("a delayed message takes its place by its send and priority when it is due", async () => {
  const t = await scenario();
  await t.send("first");
  await t.send("delayed urgent", { priority: 1, delayMs: 5_000 });
  await t.send("delayed", { delayMs: 5_000 });
  await t.send("second");
  expect(await t.order()).toEqual(["first", "second"]);
  await t.leap(5_000);
  expect(await t.order()).toEqual(["delayed urgent", "first", "delayed", "second"]);
});

test("a scheduled message takes its place by the time it joins at", async () => {
  const t = await scenario();
  await t.send("urgent", { priority: 1, deliverAt: t.now + 60_000 });
  await t.send("more urgent", { priority: 2, deliverAt: t.now + 60_000 });
  await t.leap(1);
  await t.send("ordinary");
  await t.leap(59_999);
  expect(await t.order()).toEqual(["more urgent", "urgent", "ordinary"]);
});

test("groups on a standard queue do not stand in the way of priorities", async () => {
  const t = await scenario();
  await t.send("g ordinary", { groupId: "g" });
  await t.send("plain");
  await t.send("g urgent", { groupId: "g", priority: 2 });
  await t.send("h urgent", { groupId: "h", priority: 1 });
  await t.send("plain urgent", { priority: 3 });
  const order = ["plain urgent", "g urgent", "h urgent", "g ordinary", "plain"];
  expect(await t.order()).toEqual(order);
  const { handle } = await t.receiveOne();
  await t.delete(handle);
  const urgent = await t.receiveOne();
  expect(await t.order()).toEqual(order.slice(2));
  await t.changeVisibility(urgent.handle, 0);
  expect(await t.order()).toEqual(order.slice(1));
});

test("entries of a batch and of a Produce stream each have their own", async () => {
  const t = await scenario();
  const entry = (id: string, priority: number) => ({
    id,
    body: { $case: "text", value: id } as const,
    priority,
  });
  await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: [entry("b0", 0), entry("b7", 7), entry("b3", 3)],
  });
  await t.pour([
    { body: "s4", priority: 4 },
    { body: "s0" },
    { body: "s9", priority: 9 },
    { body: "s3", priority: 3 },
  ]);
  expect(await t.order()).toEqual(["s9", "b7", "s4", "b3", "s3", "b0", "s0"]);
});

test("streams and waiters get the most urgent first", async () => {
  const t = await scenario();
  await t.send("ordinary");
  await t.send("urgent", { priority: 1 });
  const stream = await consumer(t, { messages: 1 });
  expect(bodiesOf(await stream.messages())).toEqual(["urgent"]);
  stream.credit(1);
  expect(bodiesOf(await stream.messages())).toEqual(["ordinary"]);
  const poll = await t.poll({ max: 2 });
  await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: [0, 1].map((priority) => ({
      id: String(priority),
      body: { $case: "text", value: `p${priority}` },
      priority,
    })),
  });
  expect(bodiesOf(await poll.answer)).toEqual(["p1", "p0"]);
});

test("one urgent message behind thousands is received first", async () => {
  const t = await scenario();
  await t.pour(Array.from({ length: 5_000 }, (_, index) => ({ body: `m${index}` })));
  await t.send("urgent", { priority: 1 });
  expect(bodiesOf(await t.receive({ max: 2 }))).toEqual(["urgent", "m0"]);
});

test("thousands of urgent messages come in their order before what was sent earlier", async () => {
  const t = await scenario();
  await t.send("ordinary");
  await t.pour(
    Array.from({ length: 2_000 }, (_, index) => ({ body: `m${index}`, priority: 1 + (index % 9) })),
  );
  const order = await t.order();
  const expected = Array.from({ length: 2_000 }, (_, index) => index).sort(
    (left, right) => (right % 9) - (left % 9) || left - right,
  );
  expect(order).toEqual([...expected.map((index) => `m${index}`), "ordinary"]);
});

test("a dead letter keeps its priority, and so does a message that is moved back", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.send("ordinary");
  await t.send("urgent", { priority: 4 });
  await wearOut(t);
  const inOrder = async (queue: string): Promise<[string, number | undefined][]> =>
    (await t.receive({ queue, max: 10, visibilityTimeoutMs: 0 })).map(({ body, message }) => [
      body,
      message.systemAttributes?.priority,
    ]);
  const expected = [
    ["urgent", 4],
    ["ordinary", undefined],
  ];
  expect(await inOrder("dead")).toEqual(expected);
  await t.startMove();
  await moveEnded(t);
  expect(await inOrder("orders")).toEqual(expected);
});

test("a priority is shown by receives and peeks; the ordinary 0 is not", async () => {
  const t = await scenario();
  for (const priority of [0, 1, 9]) await t.send(`p${priority}`, { priority });
  await t.send("none");
  const shown = (await held(t, t.queue)).map(({ systemAttributes }) => systemAttributes?.priority);
  expect(shown).toEqual([undefined, 1, 9, undefined]);
  const received = await t.receive({ max: 10 });
  expect(received.map(({ message }) => message.systemAttributes?.priority)).toEqual([
    9,
    1,
    undefined,
    undefined,
  ]);
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("the order is the same after a %s", async (_, happen) => {
  const t = await scenario({ priorityAgeingMs: 5_000 });
  for (const priority of [0, 2, 9, 1, 0, 4]) {
    await t.send(`p${priority} ${t.now}`, { priority });
    await t.leap(7_001);
  }
  const before = await t.order();
  await happen(t);
  expect(await t.order()).toEqual(before);
  const received: string[] = [];
  for (const _each of before) received.push((await t.receiveOne()).body);
  expect(received).toEqual(before);
});

test("later messages go by a changed step, and those sent before it hold together through all that follows", async () => {
  const t = await scenario();
  await t.send("ordinary");
  await t.send("before", { priority: 1, groupId: "g" });
  await t.setQueue({ priorityAgeingMs: 1_000 });
  await t.leap(1_000);
  await t.send("after", { priority: 1, groupId: "g" });
  expect((await t.order()).slice(-2)).toEqual(["ordinary", "after"]);
  for (let round = 0; round < 4; round += 1) {
    const received = await t.receive({ max: 10 });
    expect(received).toHaveLength(3);
    for (const { handle } of received) await t.changeVisibility(handle, 0);
  }
  for (const { handle } of await t.receive({ max: 10 })) await t.delete(handle);
  expect(await t.counts()).toBe("0/0/0");
});

test("a FIFO queue refuses priorities, and takes a present 0", async () => {
  const t = await fifoScenario();
  for (const priority of [1, 9]) {
    await expect(t.send("a", { groupId: "g", priority })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
    });
  }
  const { successful, failed } = await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: [0, 1].map((priority) => ({
      id: `p${priority}`,
      body: { $case: "text", value: `p${priority}` },
      groupId: "g",
      priority,
    })),
  });
  expect(successful.map(({ id }) => id)).toEqual(["p0"]);
  expect(failed).toMatchObject([{ id: "p1", reason: "UNSUPPORTED_FOR_QUEUE_TYPE" }]);
  expect(await t.counts()).toBe("1/0/0");
});

test.each([-1, 10, 100])(
  "a priority of %i is refused, alone and in a batch by itself",
  async (priority) => {
    const t = await scenario();
    await expect(t.send("a", { priority })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["priority"],
    });
    const { successful, failed } = await t.call("sendMessageBatch", {
      queue: t.queue,
      entries: [
        { id: "bad", body: { $case: "text", value: "a" }, priority },
        { id: "good", body: { $case: "text", value: "b" }, priority: 9 },
      ],
    });
    expect(failed).toMatchObject([{ id: "bad", reason: "INVALID_PARAMETER", senderFault: true }]);
    expect(successful.map(({ id }) => id)).toEqual(["good"]);
  },
);

test("a step of ageing is 1 s to 1 day, 60 s if not given", async () => {
  const t = await scenario();
  const step = async (): Promise<number> => {
    const { attributes } = await t.call("getQueueAttributes", { queue: t.queue });
    return msOf(attributes?.priorityAgeing);
  };
  // Shown where it is not the default.
  expect(await step()).toBeNaN();
  for (const priorityAgeingMs of [1_000, 86_400_000]) {
    await t.setQueue({ priorityAgeingMs });
    expect(await step()).toBe(priorityAgeingMs);
  }
  for (const priorityAgeingMs of [999, 86_400_001, 0]) {
    await expect(t.setQueue({ priorityAgeingMs })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ATTRIBUTE_VALUE",
    });
  }
  expect(await step()).toBe(86_400_000);
});
