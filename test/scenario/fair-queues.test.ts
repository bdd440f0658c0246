// Fair queues (queue.md 3.10): on a standard queue a group is a tenant. What quiet tenants have waiting is delivered before
// what noisy ones have, so that one tenant's backlog is not everybody's.

import { expect, test } from "vitest";
import { deadLetterScenario, wearOut } from "../support/dead-letters.js";
import { deleteAll, fairness, takeMany, takeOneByOne } from "../support/inspection.js";
import { bodiesOf, type Scenario, type SendOptions, scenario } from "../support/scenario.js";

const hour = 3_600_000;

const named = (name: string, count: number, from = 1): string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index + from}`);

/** Sends `name-1`, `name-2`, … to the group of that name. */
const sendMany = async (
  t: Scenario,
  name: string,
  count: number,
  options: SendOptions = { groupId: name },
): Promise<void> => await t.pour(named(name, count).map((body) => ({ body, ...options })));

/** A queue whose group `big` has sent so many and has 30 in flight, which makes it noisy. */
async function withNoisyGroup(count: number, visibilityTimeoutMs = 12 * hour): Promise<Scenario> {
  const t = await scenario({ visibilityTimeoutMs });
  await sendMany(t, "big", count);
  await takeMany(t, 30);
  return t;
}

test("messages of quiet groups come before those of a noisy one, although they are newer", async () => {
  const t = await withNoisyGroup(33);
  await t.send("small", { groupId: "s" });
  await t.send("nobody's");
  await t.send("other", { groupId: "o" });
  await t.send("late", { groupId: "big" });
  expect(bodiesOf(await takeOneByOne(t, 8))).toEqual([
    "small",
    "nobody's",
    "other",
    "big-31",
    "big-32",
    "big-33",
    "late",
  ]);
});

test("one receive takes of the quiet ones first, and of the noisy one what room is left", async () => {
  const t = await withNoisyGroup(40);
  await t.sendBatch(["s1", "s2"], { groupId: "s" });
  expect(bodiesOf(await t.receive({ max: 4 }))).toEqual(["s1", "s2", "big-31", "big-32"]);
});

test("among quiet groups the oldest message comes first, those without a group each by itself", async () => {
  const t = await withNoisyGroup(31);
  await t.send("a1", { groupId: "a" });
  await t.send("plain 1");
  await t.send("b1", { groupId: "b" });
  await t.send("a2", { groupId: "a" });
  await t.send("plain 2");
  await t.send("c1", { groupId: "c" });
  const quiet = ["a1", "plain 1", "b1", "a2", "plain 2", "c1"];
  expect(await t.order()).toEqual([...quiet, "big-31"]);
  expect(bodiesOf(await takeOneByOne(t, 7))).toEqual([...quiet, "big-31"]);
});

test("while no group is noisy groups change nothing: oldest first", async () => {
  const t = await scenario();
  const bodies: string[] = [];
  for (let index = 0; index < 30; index += 1) {
    const groupId = ["a", "b", undefined][index % 3];
    bodies.push(`${groupId} ${index}`);
    await t.send(`${groupId} ${index}`, groupId === undefined ? {} : { groupId });
  }
  expect(await t.order()).toEqual(bodies);
  expect(await fairness(t)).toBeUndefined();
});

test.each([
  [29, undefined, ["big-30", "big-31", "small"]],
  [30, { noisyGroups: 1, quiet: "1/0/0" }, ["small", "big-31"]],
])(
  "a group that has all that is in flight is noisy from 30 messages on: with %i it is %j",
  async (inFlight, expected, order) => {
    const t = await scenario();
    await sendMany(t, "big", 31);
    await takeMany(t, inFlight);
    await t.send("small", { groupId: "s" });
    expect(await fairness(t)).toEqual(expected);
    expect(await t.order()).toEqual(order);
  },
);

test.each([
  [270, undefined],
  [269, { noisyGroups: 1, quiet: "1/269/0" }],
])(
  "with %i others in flight a group that has 30 is %j: noisy above a tenth of all",
  async (others, expected) => {
    const t = await scenario();
    await sendMany(t, "other", others, {});
    await takeMany(t, others);
    await sendMany(t, "big", 32);
    await takeMany(t, 30);
    await t.send("small", { groupId: "s" });
    expect(await fairness(t)).toEqual(expected);
    const last = ["big-31", "big-32"];
    expect(await t.order()).toEqual(
      expected === undefined ? [...last, "small"] : ["small", ...last],
    );
  },
);

test("messages without a group are tenants of their own, and none of them is noisy", async () => {
  const t = await scenario();
  await sendMany(t, "plain", 60, {});
  await takeMany(t, 50);
  expect(await fairness(t)).toBeUndefined();
  await t.send("small", { groupId: "s" });
  expect(await t.order()).toEqual([...named("plain", 10, 51), "small"]);
});

test.each([
  [5_999, undefined, ["slow-2", "small"]],
  [6_000, { noisyGroups: 1, quiet: "1/0/0" }, ["small", "slow-2"]],
])(
  "a group that alone was processed for %i ms is %j: noisy from 6 s on",
  async (spentMs, expected, order) => {
    const t = await scenario();
    await sendMany(t, "slow", 2);
    const { handle } = await t.receiveOne();
    await t.send("small", { groupId: "s" });
    await t.advance(spentMs);
    await t.delete(handle);
    expect(await fairness(t)).toEqual(expected);
    expect(await t.order()).toEqual(order);
  },
);

test.each<[string, (t: Scenario, handle: string) => Promise<unknown>]>([
  ["ended by itself", async (t) => await t.advance(1)],
  ["was given back", async (t, handle) => await t.changeVisibility(handle, 0)],
  ["was rejected", async (t, handle) => await t.reject(handle)],
  ["was ended by an older handle", async (t, handle) => await t.delete(handle)],
])("processing time counts whether or not the message is deleted: its lease %s", async (_, end) => {
  const t = await scenario({ visibilityTimeoutMs: 6_001 });
  await sendMany(t, "slow", 2);
  const { handle } = await t.receiveOne();
  await t.advance(6_000);
  expect(await fairness(t)).toBeUndefined();
  await end(t, handle);
  expect(await fairness(t)).toMatchObject({ noisyGroups: 1 });
});

test("processing time adds up over the messages of a group, in parallel, too", async () => {
  const t = await scenario();
  await sendMany(t, "slow", 5);
  const taken = await takeMany(t, 4);
  await t.advance(1_500);
  await deleteAll(t, taken.slice(0, 3));
  expect(await fairness(t)).toBeUndefined();
  await deleteAll(t, taken.slice(3));
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "0/0/0" });
});

test.each([
  [17_000, true],
  [117_000, false],
])(
  "4 s of processing, and 3 s more that begin %i ms later, make a group noisy: %s",
  async (pauseMs, isNoisy) => {
    const t = await scenario();
    await sendMany(t, "slow", 3);
    for (const [spentMs, waitMs] of [
      [4_000, pauseMs],
      [3_000, 0],
    ] as const) {
      const { handle } = await t.receiveOne();
      await t.advance(spentMs);
      await t.delete(handle);
      await t.advance(waitMs);
    }
    expect((await fairness(t)) !== undefined).toBe(isNoisy);
  },
);

test.each([
  [18, false],
  [17, true],
])(
  "beside %i groups that were processed for 3 s each, one of 6 s is noisy above a tenth of all: %s",
  async (others, isNoisy) => {
    const t = await scenario();
    await t.send("slow-1", { groupId: "slow" });
    await t.pour(named("h", others).map((body) => ({ body, groupId: body })));
    await t.send("slow-2", { groupId: "slow" });
    const [slow, ...quick] = await takeMany(t, others + 1);
    await t.advance(3_000);
    await deleteAll(t, quick);
    await t.advance(3_000);
    await t.delete(slow?.handle ?? "");
    expect((await fairness(t)) !== undefined).toBe(isNoisy);
  },
);

test.each([
  [18, false],
  [17, true],
])(
  "beside %i messages without a group, processed for 3 s each, a group of 6 s is noisy: %s",
  async (others, isNoisy) => {
    const t = await scenario();
    await t.send("slow-1", { groupId: "slow" });
    await sendMany(t, "plain", others, {});
    await t.send("slow-2", { groupId: "slow" });
    const [slow, ...quick] = await takeMany(t, others + 1);
    await t.advance(3_000);
    await deleteAll(t, quick);
    await t.advance(3_000);
    await t.delete(slow?.handle ?? "");
    expect((await fairness(t)) !== undefined).toBe(isNoisy);
  },
);

/** Two noisy groups: `a` with 33 in flight and older messages, `b` with 31. */
async function twoNoisyGroups(): Promise<Scenario> {
  const t = await scenario();
  await sendMany(t, "a", 40);
  await takeMany(t, 33);
  await sendMany(t, "b", 40);
  await takeMany(t, 31);
  expect(await fairness(t)).toEqual({ noisyGroups: 2, quiet: "0/0/0" });
  return t;
}

const turnsOfTwo = ["b-32", "b-33", "a-34", "b-34", "a-35", "b-35"];

test("among noisy groups the one with the fewest in flight comes first, at a draw the older message", async () => {
  const t = await twoNoisyGroups();
  expect(bodiesOf(await takeOneByOne(t, 6))).toEqual(turnsOfTwo);
});

test("one receive takes of noisy groups in the order that receives one by one would", async () => {
  const t = await twoNoisyGroups();
  expect(bodiesOf(await t.receive({ max: 6 }))).toEqual(turnsOfTwo);
});

test("a delete changes whose turn it is among noisy groups", async () => {
  const t = await scenario();
  await sendMany(t, "a", 40);
  const ofA = await takeMany(t, 33);
  await sendMany(t, "b", 40);
  await takeMany(t, 31);
  await deleteAll(t, ofA.slice(0, 4));
  expect(bodiesOf(await takeOneByOne(t, 3))).toEqual(["a-34", "a-35", "a-36"]);
});

test("a group stays noisy with less in flight, and is quiet again when nothing of it is stored", async () => {
  const t = await scenario();
  await sendMany(t, "big", 31);
  const taken = await takeMany(t, 30);
  await deleteAll(t, taken);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "0/0/0" });
  await t.send("small", { groupId: "s" });
  expect(await t.order()).toEqual(["small", "big-31"]);
  const rest = await takeMany(t, 2);
  expect(bodiesOf(rest)).toEqual(["small", "big-31"]);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "0/1/0" });
  await deleteAll(t, rest.slice(1));
  expect(await fairness(t)).toBeUndefined();
  await t.send("big again", { groupId: "big" });
  await t.send("newer", { groupId: "n" });
  expect(await t.order()).toEqual(["big again", "newer"]);
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["is purged", async (t) => await t.purge()],
  ["has expired", async (t) => await t.skip(60_000)],
])("a group is quiet again when everything of it %s", async (_, empty) => {
  const t = await scenario({ retentionMs: 60_000 });
  await sendMany(t, "big", 31);
  await takeMany(t, 30);
  await empty(t);
  expect(await fairness(t)).toBeUndefined();
  await t.send("big", { groupId: "big" });
  await t.send("newer", { groupId: "n" });
  expect(await t.order()).toEqual(["big", "newer"]);
});

test("a group is quiet again 5 minutes after its last send, to the millisecond", async () => {
  const t = await withNoisyGroup(31);
  await t.advance(1_000);
  await t.send("small", { groupId: "s" });
  await t.skip(298_999);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "1/0/0" });
  expect(await t.order()).toEqual(["small", "big-31"]);
  await t.leap(1);
  expect(await fairness(t)).toBeUndefined();
  expect(await t.order()).toEqual(["big-31", "small"]);
});

test("the 5 minutes end for a receive that nobody prepared, too", async () => {
  const t = await withNoisyGroup(31);
  await t.send("small", { groupId: "s" });
  await t.leap(299_999);
  expect((await t.receiveOne()).body).toBe("small");
  await t.send("smaller", { groupId: "s" });
  await t.leap(1);
  expect((await t.receiveOne()).body).toBe("big-31");
});

test("a send to a noisy group keeps it noisy for 5 minutes more, and one to a quiet one makes it noisy again", async () => {
  const t = await withNoisyGroup(31);
  await t.skip(299_000);
  await t.send("big-32", { groupId: "big" });
  await t.skip(299_999);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "0/0/0" });
  await t.leap(1);
  expect(await fairness(t)).toBeUndefined();
  await t.send("big-33", { groupId: "big" });
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "0/0/0" });
});

test("a group that was sent nothing for 5 minutes does not become noisy, whatever it has in flight", async () => {
  const t = await scenario();
  await sendMany(t, "big", 40);
  await t.skip(300_000);
  await takeMany(t, 35);
  expect(await fairness(t)).toBeUndefined();
  await t.send("small", { groupId: "s" });
  expect((await t.receiveOne()).body).toBe("big-36");
});

test("of many noisy groups each is quiet again at its own time", async () => {
  const t = await scenario();
  const names = Array.from({ length: 25 }, (_, index) => `g${index}`);
  for (const name of names) {
    await sendMany(t, name, 31);
    await deleteAll(t, await takeMany(t, 30));
    await t.leap(1);
  }
  expect(await fairness(t)).toEqual({ noisyGroups: 25, quiet: "0/0/0" });
  await t.skip(290_000);
  // All but the last five, which stand last in the line of noisy ones.
  for (const name of names.slice(0, 20)) await t.send("more", { groupId: name });
  await t.skip(10_000);
  expect(await fairness(t)).toEqual({ noisyGroups: 20, quiet: "5/0/0" });
  expect(bodiesOf(await t.receive({ max: 5 }))).toEqual([
    "g20-31",
    "g21-31",
    "g22-31",
    "g23-31",
    "g24-31",
  ]);
});

test("a noisy group alone is neither throttled nor does it lose anything", async () => {
  const t = await scenario();
  await sendMany(t, "big", 200);
  for (let from = 1; from <= 200; from += 10) {
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(named("big", 10, from));
  }
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "0/0/0" });
  expect(await t.counts()).toBe("0/200/0");
});

test("a waiter gets a noisy group's message as soon as it is there", async () => {
  const t = await withNoisyGroup(30);
  const poll = await t.poll();
  await t.send("big-31", { groupId: "big" });
  expect(bodiesOf(await poll.answer)).toEqual(["big-31"]);
});

test("the numbers of quiet groups leave out what the noisy ones have, in every state", async () => {
  const t = await scenario({ visibilityTimeoutMs: 60_000 });
  await t.send("s1", { groupId: "s" });
  await t.send("p0");
  const [s1] = await takeMany(t, 2);
  await sendMany(t, "big", 37);
  const ofBig = await takeMany(t, 30);
  await t.sendBatch(named("big", 3, 38), { groupId: "big", delayMs: 5_000 });
  await t.sendBatch(["s3", "s4", "s5"], { groupId: "s" });
  await t.sendBatch(["p1", "p2"]);
  await t.send("s6", { groupId: "s", delayMs: 5_000 });
  await t.send("p3", { delayMs: 10_000 });
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "5/2/2" });
  expect(await t.counts()).toBe("12/32/5");
  await deleteAll(t, ofBig.slice(0, 20));
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "5/2/2" });
  await t.delete(s1?.handle ?? "");
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "5/1/2" });
  await t.advance(5_000);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "6/1/1" });
  await t.advance(5_000);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "7/1/0" });
  await t.advance(50_000);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "8/0/0" });
  expect(await t.counts()).toBe("28/0/0");
});

test("what comes back to a quiet group, or becomes due there, is before what a noisy one has", async () => {
  const t = await scenario({ visibilityTimeoutMs: 60_000 });
  await sendMany(t, "big", 32);
  await takeMany(t, 30);
  await t.send("returned", { groupId: "s" });
  await t.send("delayed", { groupId: "s", delayMs: 5_000 });
  await t.receiveOne({ visibilityTimeoutMs: 5_000 });
  await t.advance(4_999);
  expect(await t.order()).toEqual(["big-31", "big-32"]);
  await t.advance(1);
  expect(await t.order()).toEqual(["returned", "delayed", "big-31", "big-32"]);
});

test("what comes back to a noisy group takes its old place there, the third time the last", async () => {
  const t = await withNoisyGroup(33);
  await t.send("small", { groupId: "s" });
  await t.receiveOne();
  const again = async (expected: string): Promise<void> => {
    const { body, handle } = await t.receiveOne();
    expect(body).toBe(expected);
    await t.changeVisibility(handle, 0);
  };
  await again("big-31");
  await again("big-31");
  await again("big-31");
  expect(await t.order()).toEqual(["big-32", "big-33", "big-31"]);
});

test("a priority counts among quiet messages, and does not bring a noisy group's before them", async () => {
  const t = await withNoisyGroup(31);
  await t.send("urgent", { groupId: "big", priority: 9 });
  await t.send("small", { groupId: "s" });
  await t.send("urgent small", { groupId: "s", priority: 1 });
  expect(await t.order()).toEqual(["urgent small", "small", "urgent", "big-31"]);
});

test("dead letters keep their group: in the dead-letter queue it is a tenant, too", async () => {
  const t = await deadLetterScenario({ after: 1, visibilityTimeoutMs: 0 });
  await t.pour(named("big", 40).map((body) => ({ body, groupId: "big" })));
  await wearOut(t);
  expect(await t.counts("dead")).toBe("40/0/0");
  expect(await fairness(t)).toBeUndefined();
  for (let receive = 0; receive < 3; receive += 1) await t.receive({ queue: "dead", max: 10 });
  await t.send("small", { queue: "dead", groupId: "s" });
  expect(await fairness(t, "dead")).toEqual({ noisyGroups: 1, quiet: "1/0/0" });
  const [first] = await t.receive({ queue: "dead" });
  expect(first?.body).toBe("small");
});

test("20,000 messages of a noisy group do not keep back a quiet one's only message", async () => {
  const t = await scenario();
  await sendMany(t, "big", 20_000);
  await takeMany(t, 30);
  await t.send("small", { groupId: "s" });
  expect(bodiesOf(await t.receive({ max: 2 }))).toEqual(["small", "big-31"]);
  expect(await t.counts()).toBe("19969/32/0");
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("who is noisy, whose turn it is and all numbers outlive a %s", async (_, happen) => {
  const t = await twoNoisyGroups();
  await t.send("small", { groupId: "s" });
  await t.send("waits", { groupId: "s", delayMs: 1_000 });
  await happen(t);
  expect(await fairness(t)).toEqual({ noisyGroups: 2, quiet: "1/0/1" });
  expect(bodiesOf(await takeOneByOne(t, 7))).toEqual(["small", ...turnsOfTwo]);
});

test("a group in the middle of its minute goes on counting after a restart", async () => {
  const t = await scenario();
  await sendMany(t, "slow", 3);
  const first = await t.receiveOne();
  await t.advance(4_000);
  await t.delete(first.handle);
  await t.restart();
  const second = await t.receiveOne();
  await t.advance(1_999);
  expect(await fairness(t)).toBeUndefined();
  await t.advance(1);
  await t.delete(second.handle);
  expect(await fairness(t)).toEqual({ noisyGroups: 1, quiet: "0/0/0" });
});

test("a receive that is undone leaves a group as it was", async () => {
  const t = await scenario();
  await sendMany(t, "big", 31);
  await takeMany(t, 30);
  await t.send("small", { groupId: "s" });
  await t.receiveOne();
  const poll = await t.poll({ max: 1 });
  expect(bodiesOf(await poll.answer)).toEqual(["big-31"]);
  const waiter = await t.poll();
  waiter.cancel();
  await t.settle();
  await t.send("next", { groupId: "s" });
  expect((await t.receiveOne()).receiveCount).toBe(1);
});
