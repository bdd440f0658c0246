// A message's own time to live: when it ends the message is gone, if that is before the end of the queue's retention.

import { expect, test } from "vitest";
import { deadLetterScenario, held, heldOne } from "../support/dead-letters.js";
import { bodiesOf, fifoScenario, msOf, type Scenario, scenario } from "../support/scenario.js";

const both = [
  ["standard", scenario],
  ["fifo", fifoScenario],
] as const;

test.each(both)(
  "a message lives up to its last millisecond, and is gone at its end: %s",
  async (_, begin) => {
    const t = await begin();
    await t.send("short", { groupId: "g", timeToLiveMs: 5_000 });
    await t.send("ordinary", { groupId: "g" });
    await t.leap(4_999);
    expect(await t.order()).toEqual(["short", "ordinary"]);
    expect(await t.counts()).toBe("2/0/0");
    await t.leap(1);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["ordinary"]);
    expect(await t.counters()).toMatchObject({ stored: 1, expired: 1 });
  },
);

test("a time to live longer than the retention has no effect, and one as long neither", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.send("longer", { timeToLiveMs: 90_000 });
  await t.send("as long", { timeToLiveMs: 60_000 });
  await t.leap(59_999);
  expect(await t.counts()).toBe("2/0/0");
  await t.leap(1);
  expect(await t.counts()).toBe("0/0/0");
  expect(await t.counters()).toMatchObject({ expired: 2 });
});

test("a longer retention does not lengthen a time to live, a shorter one ends before it", async () => {
  const t = await scenario({ retentionMs: 120_000 });
  await t.send("a", { timeToLiveMs: 90_000 });
  await t.send("b", { timeToLiveMs: 110_000 });
  await t.setQueue({ retentionMs: 600_000 });
  await t.leap(90_000);
  expect(await t.peek()).toEqual(["visible b x0"]);
  await t.setQueue({ retentionMs: 100_000 });
  await t.leap(9_999);
  expect(await t.counts()).toBe("1/0/0");
  await t.leap(1);
  expect(await t.counts()).toBe("0/0/0");
});

test.each(both)(
  "a leased message is gone at its end: its handle deletes nothing and extends nothing: %s",
  async (_, begin) => {
    const t = await begin();
    await t.send("a", { groupId: "g", timeToLiveMs: 5_000 });
    const { handle } = await t.receiveOne({ visibilityTimeoutMs: 60_000 });
    await t.leap(4_999);
    await t.changeVisibility(handle, 60_000);
    expect(await t.counts()).toBe("0/1/0");
    await t.leap(1);
    await expect(t.changeVisibility(handle, 1_000)).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "MESSAGE_NOT_FOUND",
    });
    expect(await t.delete(handle)).toBe("ALREADY_GONE");
    expect(await t.counters()).toMatchObject({ inFlight: 0, stored: 0, expired: 1, deleted: 0 });
  },
);

test("a delayed message whose time to live ends first is never delivered", async () => {
  const t = await scenario();
  await t.send("a", { delayMs: 10_000, timeToLiveMs: 9_999 });
  await t.send("b", { delayMs: 10_000, timeToLiveMs: 10_001 });
  await t.leap(9_999);
  expect(await t.counts()).toBe("0/0/1");
  await t.leap(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["b"]);
});

test("a message that backs off is gone at its end", async () => {
  const t = await scenario({ retry: { minimumMs: 60_000 } });
  await t.send("a", { timeToLiveMs: 5_000 });
  const { handle } = await t.receiveOne();
  await t.reject(handle);
  await t.leap(4_999);
  expect(await t.counts()).toBe("0/0/1");
  await t.leap(1);
  expect(await t.counts()).toBe("0/0/0");
});

test.each([
  ["delayed", false],
  ["leased", true],
])(
  "a FIFO group goes on at the instant its %s head ends, and who waits for it is woken",
  async (_, isLeased) => {
    const t = await fifoScenario();
    await t.send("head", { groupId: "g", timeToLiveMs: 5_000 });
    await t.send("next", { groupId: "g" });
    const endAt = t.now + 5_000;
    if (isLeased) await t.receiveOne({ visibilityTimeoutMs: 60_000 });
    else {
      const { handle } = await t.receiveOne();
      await t.reject(handle, { delayMs: 60_000 });
    }
    const poll = await t.poll();
    await t.advance(4_999);
    expect(poll.isAnswered).toBe(false);
    await t.advance(1);
    expect(bodiesOf(await poll.answer)).toEqual(["next"]);
    expect(poll.answeredAt).toBe(endAt);
  },
);

test("messages end each at its own time, wherever they stand among others", async () => {
  const t = await scenario();
  const livesMs = [9_000, 2_000, 7_000, 1_000, 5_000, 3_000];
  for (const [index, timeToLiveMs] of livesMs.entries()) {
    await t.send(`m${timeToLiveMs}`, { timeToLiveMs, ...(index % 2 === 1 && { groupId: "g" }) });
  }
  await t.send("for ever");
  for (let passedMs = 1_000; passedMs <= 9_000; passedMs += 1_000) {
    await t.leap(1_000);
    const left = livesMs.filter((lifeMs) => lifeMs > passedMs);
    expect(await t.counts()).toBe(`${left.length + 1}/0/0`);
    expect(await t.order()).toEqual([...left.map((lifeMs) => `m${lifeMs}`), "for ever"]);
  }
});

test("thousands of messages that end at once are none of them delivered", async () => {
  const t = await scenario();
  await t.pour(
    Array.from({ length: 3_000 }, (_, index) => ({ body: `m${index}`, timeToLiveMs: 1_000 })),
  );
  await t.send("last");
  await t.leap(1_000);
  const poll = await t.poll({ max: 10 });
  await t.advance(1_000);
  expect(bodiesOf(await poll.answer)).toEqual(["last"]);
  expect(await t.counters()).toMatchObject({ stored: 1, expired: 3_000 });
});

test("a dead letter keeps the end of its life", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.send("a", { timeToLiveMs: 10_000 });
  await t.leap(4_000);
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  await t.receive();
  const dead = await heldOne(t, "dead");
  expect(msOf(dead.expireTime) - t.now).toBe(6_000);
  expect(msOf(dead.systemAttributes?.timeToLiveEndTime) - t.now).toBe(6_000);
  await t.leap(5_999);
  expect(await t.counts("dead")).toBe("1/0/0");
  await t.leap(1);
  expect(await t.counts("dead")).toBe("0/0/0");
  expect(await t.counters("dead")).toMatchObject({ arrived: 1, expired: 1 });
});

test.each(both)(
  "with a time to come the life begins when the message joins: %s",
  async (_, begin) => {
    const t = await begin();
    await t.send("later", { groupId: "g", deliverAt: t.now + 60_000, timeToLiveMs: 5_000 });
    await t.advance(60_000);
    expect(await t.counts()).toBe("1/0/0");
    await t.leap(4_999);
    expect(await t.counts()).toBe("1/0/0");
    await t.leap(1);
    expect(await t.counts()).toBe("0/0/0");
  },
);

test("a message that joins late, as nobody looked, ends at its time all the same", async () => {
  const t = await scenario();
  await t.send("short", { deliverAt: t.now + 1_000, timeToLiveMs: 5_000 });
  await t.send("longer", { deliverAt: t.now + 1_000, timeToLiveMs: 6_001 });
  await t.leap(7_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["longer"]);
});

test("the end is shown: as time to live where there is one, and as the time of expiry", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.send("short", { timeToLiveMs: 1_500 });
  await t.send("longer", { timeToLiveMs: 90_000 });
  await t.send("none");
  const shown = (await held(t, t.queue)).map(({ systemAttributes, expireTime }) => [
    msOf(systemAttributes?.timeToLiveEndTime) - t.now,
    msOf(expireTime) - t.now,
  ]);
  expect(shown).toEqual([
    [1_500, 1_500],
    [90_000, 60_000],
    [Number.NaN, 60_000],
  ]);
  const [received] = await t.receive();
  expect(msOf(received?.message.systemAttributes?.timeToLiveEndTime) - t.now).toBe(1_500);
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("a life ends at its time over a %s", async (_, happen) => {
  const t = await scenario();
  await t.send("a", { timeToLiveMs: 5_000 });
  await t.send("b", { timeToLiveMs: 9_000, groupId: "g" });
  await t.settle();
  await t.leap(4_999);
  await happen(t);
  expect(await t.counts()).toBe("2/0/0");
  await t.leap(1);
  expect(await t.counts()).toBe("1/0/0");
  await t.leap(4_000);
  await happen(t);
  expect(await t.counts()).toBe("0/0/0");
  expect(await t.counters()).toMatchObject({ expired: 2 });
});

test("a time to live is 1 s to 14 days, alone, in a batch by itself and in a stream", async () => {
  const t = await scenario();
  for (const timeToLiveMs of [1_000, 1_209_600_000]) await t.send("a", { timeToLiveMs });
  for (const timeToLiveMs of [999, 1_209_600_001, 0]) {
    await expect(t.send("a", { timeToLiveMs })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["time_to_live"],
    });
    const { failed } = await t.sendBatch(["b"], { timeToLiveMs });
    expect(failed).toMatchObject([{ reason: "INVALID_PARAMETER" }]);
    await expect(t.pour([{ body: "c", timeToLiveMs }])).rejects.toThrow("0 were stored");
  }
  expect(await t.counts()).toBe("2/0/0");
});
