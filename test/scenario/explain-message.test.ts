// ExplainMessage: every reason why a message is not delivered now, and none when the next receive may get it. What it says is
// what a receive right after it finds.

import { expect, test } from "vitest";
import { deadLetterScenario, fifoDeadLetterScenario } from "../support/dead-letters.js";
import { explained, takeMany } from "../support/inspection.js";
import { bodiesOf, fifoScenario, type Scenario, scenario } from "../support/scenario.js";

const free = (ahead = 0) => ({ state: "VISIBLE", obstacles: [], ahead });

/** A receive of all there is returns the message, or does not. */
const isDelivered = async (t: Scenario, body: string): Promise<boolean> =>
  bodiesOf(await t.receive({ max: 10, visibilityTimeoutMs: 1_000 })).includes(body);

test("nothing is in the way of a message whose turn it is", async () => {
  const t = await scenario();
  const { messageId } = await t.send("a");
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("asking changes nothing", async () => {
  const t = await scenario();
  const { messageId } = await t.send("a");
  await t.send("b");
  for (let ask = 0; ask < 3; ask += 1) await explained(t, messageId);
  expect(await t.counters()).toMatchObject({ visible: 2, received: 0 });
  expect(await t.order()).toEqual(["a", "b"]);
});

test("DELAYED until its delay ends, to the millisecond", async () => {
  const t = await scenario();
  const { messageId } = await t.send("a", { delayMs: 5_000 });
  expect(await explained(t, messageId)).toEqual({
    state: "DELAYED",
    obstacles: ["DELAYED until 5000"],
    ahead: 0,
  });
  await t.leap(4_999);
  expect((await explained(t, messageId)).obstacles).toEqual(["DELAYED until 1"]);
  expect(await isDelivered(t, "a")).toBe(false);
  await t.leap(1);
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("IN_FLIGHT until its lease ends, as extended, to the millisecond", async () => {
  const t = await scenario();
  const { messageId } = await t.send("a");
  const { handle } = await t.receiveOne();
  await t.changeVisibility(handle, 40_000);
  expect(await explained(t, messageId)).toEqual({
    state: "IN_FLIGHT",
    obstacles: ["IN_FLIGHT until 40000"],
    ahead: 0,
  });
  await t.leap(39_999);
  expect((await explained(t, messageId)).obstacles).toEqual(["IN_FLIGHT until 1"]);
  expect(await isDelivered(t, "a")).toBe(false);
  await t.leap(1);
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("BACKING_OFF until the retry policy's wait ends, which began with the end of the lease", async () => {
  const t = await scenario({ retry: { minimumMs: 5_000 } });
  const { messageId } = await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.leap(1_500);
  expect(await explained(t, messageId)).toEqual({
    state: "DELAYED",
    obstacles: ["BACKING_OFF until 4500"],
    ahead: 0,
  });
  await t.leap(4_499);
  expect((await explained(t, messageId)).obstacles).toEqual(["BACKING_OFF until 1"]);
  expect(await isDelivered(t, "a")).toBe(false);
  await t.leap(1);
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("SCHEDULED until its time comes", async () => {
  const t = await scenario();
  const { messageId } = await t.send("a", { deliverAt: t.now + 60_000 });
  expect(await explained(t, messageId)).toEqual({
    state: "SCHEDULED",
    obstacles: ["SCHEDULED until 60000"],
    ahead: 0,
  });
  await t.leap(59_999);
  expect((await explained(t, messageId)).obstacles).toEqual(["SCHEDULED until 1"]);
  expect(await isDelivered(t, "a")).toBe(false);
  await t.leap(1);
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("a scheduled message that joins a queue with a delay is DELAYED from its time on", async () => {
  const t = await scenario({ delayMs: 3_000 });
  const { messageId } = await t.send("a", { deliverAt: t.now + 60_000 });
  await t.leap(61_000);
  expect((await explained(t, messageId)).obstacles).toEqual(["DELAYED until 2000"]);
  await t.leap(2_000);
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("PAUSED while the queue is paused, whatever else is in the way", async () => {
  const t = await scenario({ isPaused: true });
  const { messageId } = await t.send("a");
  const delayed = await t.send("b", { delayMs: 5_000 });
  const later = await t.send("c", { deliverAt: t.now + 60_000 });
  expect(await explained(t, messageId)).toEqual({
    state: "VISIBLE",
    obstacles: ["PAUSED"],
    ahead: 0,
  });
  expect((await explained(t, delayed.messageId)).obstacles).toEqual([
    "DELAYED until 5000",
    "PAUSED",
  ]);
  expect((await explained(t, later.messageId)).obstacles).toEqual([
    "SCHEDULED until 60000",
    "PAUSED",
  ]);
  expect(await isDelivered(t, "a")).toBe(false);
  await t.setQueue({ isPaused: false });
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("QUEUE_LIMIT while the queue has as many in flight as it may, and not with one less", async () => {
  const t = await scenario({ inFlightMax: 2 });
  await t.sendBatch(["a", "b"]);
  const { messageId } = await t.send("c");
  const [first] = await t.receive();
  expect(await explained(t, messageId)).toEqual(free(1));
  await t.receive();
  expect(await explained(t, messageId)).toEqual({
    state: "VISIBLE",
    obstacles: ["QUEUE_LIMIT"],
    ahead: 0,
  });
  await expect(t.receive()).rejects.toMatchObject({ reason: "IN_FLIGHT_LIMIT" });
  await t.delete(first?.handle ?? "");
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "c")).toBe(true);
});

test("GROUP_LIMIT while its group has as many in flight as it may, on a standard queue", async () => {
  const t = await scenario({ groupInFlightMax: 2 });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const { messageId } = await t.send("c", { groupId: "g" });
  const other = await t.send("d", { groupId: "h" });
  const [a] = await t.receive();
  expect((await explained(t, messageId)).obstacles).toEqual([]);
  await t.receive();
  expect((await explained(t, messageId)).obstacles).toEqual(["GROUP_LIMIT"]);
  expect((await explained(t, other.messageId)).obstacles).toEqual([]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["d"]);
  await t.delete(a?.handle ?? "");
  expect((await explained(t, messageId)).obstacles).toEqual([]);
  expect(await isDelivered(t, "c")).toBe(true);
});

test("GROUP_BLOCKED by the first message of its group that is in flight, until its lease ends", async () => {
  const t = await fifoScenario();
  const first = await t.send("a", { groupId: "g" });
  const second = await t.send("b", { groupId: "g" });
  const third = await t.send("c", { groupId: "g" });
  const other = await t.send("d", { groupId: "h" });
  const [a, b] = await t.receive({ max: 2, visibilityTimeoutMs: 60_000 });
  await t.changeVisibility(b?.handle ?? "", 90_000);
  expect(await explained(t, third.messageId)).toEqual({
    state: "VISIBLE",
    obstacles: [`GROUP_BLOCKED until 60000 by ${first.messageId}`],
    ahead: 2,
  });
  expect((await explained(t, second.messageId)).obstacles).toEqual([
    "IN_FLIGHT until 90000",
    `GROUP_BLOCKED until 60000 by ${first.messageId}`,
  ]);
  expect((await explained(t, first.messageId)).obstacles).toEqual(["IN_FLIGHT until 60000"]);
  expect(await explained(t, other.messageId)).toEqual(free());
  await t.delete(a?.handle ?? "");
  expect((await explained(t, third.messageId)).obstacles).toEqual([
    `GROUP_BLOCKED until 90000 by ${second.messageId}`,
  ]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["d"]);
  await t.delete(b?.handle ?? "");
  expect(await explained(t, third.messageId)).toEqual(free());
  expect(await isDelivered(t, "c")).toBe(true);
});

test("GROUP_BLOCKED by a message in flight behind one that is visible again", async () => {
  const t = await fifoScenario();
  const ids: string[] = [];
  for (const body of ["a", "b", "c"]) ids.push((await t.send(body, { groupId: "g" })).messageId);
  const [a] = await t.receive({ max: 2 });
  await t.changeVisibility(a?.handle ?? "", 0);
  expect(await explained(t, ids[2] ?? "")).toEqual({
    state: "VISIBLE",
    obstacles: [`GROUP_BLOCKED until 30000 by ${ids[1]}`],
    ahead: 2,
  });
  expect(await explained(t, ids[0] ?? "")).toEqual(free());
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a"]);
});

test("GROUP_BLOCKED by a message that is delayed or backs off, and by none that is visible", async () => {
  const t = await fifoScenario({ delayMs: 5_000, retry: { minimumMs: 7_000 } });
  const first = await t.send("a", { groupId: "g" });
  await t.advance(1_000);
  const second = await t.send("b", { groupId: "g" });
  expect((await explained(t, second.messageId)).obstacles).toEqual([
    "DELAYED until 5000",
    `GROUP_BLOCKED until 4000 by ${first.messageId}`,
  ]);
  await t.leap(4_000);
  expect((await explained(t, second.messageId)).obstacles).toEqual(["DELAYED until 1000"]);
  await t.leap(1_000);
  expect(await explained(t, second.messageId)).toEqual(free(1));
  const { handle } = await t.receiveOne();
  await t.reject(handle);
  expect((await explained(t, first.messageId)).obstacles).toEqual(["BACKING_OFF until 7000"]);
  expect((await explained(t, second.messageId)).obstacles).toEqual([
    `GROUP_BLOCKED until 7000 by ${first.messageId}`,
  ]);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.leap(7_000);
  expect(await explained(t, second.messageId)).toEqual(free(1));
  expect(await isDelivered(t, "b")).toBe(true);
});

test("a raised delay of a FIFO queue is in the way of what was sent before", async () => {
  const t = await fifoScenario();
  const { messageId } = await t.send("a", { groupId: "g" });
  await t.advance(1_000);
  expect(await explained(t, messageId)).toEqual(free());
  await t.setQueue({ delayMs: 10_000 });
  expect(await explained(t, messageId)).toEqual({
    state: "DELAYED",
    obstacles: ["DELAYED until 9000"],
    ahead: 0,
  });
  expect(await isDelivered(t, "a")).toBe(false);
  await t.setQueue({ delayMs: 1_000 });
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("NOISY_GROUP while there is something of quiet groups, and not when there is nothing", async () => {
  const t = await scenario();
  await t.pour(
    Array.from({ length: 30 }, (_, index) => ({ body: `big-${index}`, groupId: "big" })),
  );
  await takeMany(t, 29);
  const { messageId } = await t.send("big", { groupId: "big" });
  const small = await t.send("small", { groupId: "s" });
  expect(await explained(t, messageId)).toEqual(free(1));
  expect(await explained(t, small.messageId)).toEqual(free(2));
  await t.receiveOne();
  expect(await explained(t, messageId)).toEqual({
    state: "VISIBLE",
    obstacles: ["NOISY_GROUP"],
    ahead: 1,
  });
  expect(await explained(t, small.messageId)).toEqual(free());
  expect((await t.receiveOne()).body).toBe("small");
  expect(await explained(t, messageId)).toEqual(free());
  const hidden = await t.send("delayed", { groupId: "s", delayMs: 60_000 });
  expect((await explained(t, hidden.messageId)).obstacles).toEqual(["DELAYED until 60000"]);
  expect(await explained(t, messageId)).toEqual(free());
  await t.send("nobody's");
  expect((await explained(t, messageId)).obstacles).toEqual(["NOISY_GROUP"]);
});

test("DEAD_LETTER_DUE once it was delivered as often as it may be, and the next receive moves it", async () => {
  const t = await deadLetterScenario({ after: 2 });
  const { messageId } = await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(await explained(t, messageId)).toEqual(free());
  const { handle } = await t.receiveOne();
  expect((await explained(t, messageId)).obstacles).toEqual([
    "IN_FLIGHT until 30000",
    "DEAD_LETTER_DUE",
  ]);
  await t.changeVisibility(handle, 0);
  expect(await explained(t, messageId)).toEqual({
    state: "VISIBLE",
    obstacles: ["DEAD_LETTER_DUE"],
    ahead: 0,
  });
  expect(await t.receive()).toEqual([]);
  expect(await explained(t, messageId, "dead")).toEqual(free());
  expect(bodiesOf(await t.receive({ queue: "dead" }))).toEqual(["a"]);
});

test("without its dead-letter queue a message over the limit has nothing in its way, and is delivered", async () => {
  const t = await deadLetterScenario({ after: 1 });
  const { messageId } = await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect((await explained(t, messageId)).obstacles).toEqual(["DEAD_LETTER_DUE"]);
  await t.deleteQueue("dead");
  expect(await explained(t, messageId)).toEqual(free());
  expect(await isDelivered(t, "a")).toBe(true);
});

test("the message behind a dead letter that is due is deliverable at once", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  await t.send("a", { groupId: "g" });
  const { messageId } = await t.send("b", { groupId: "g" });
  const { handle } = await t.receiveOne();
  await t.changeVisibility(handle, 0);
  expect(await explained(t, messageId)).toEqual(free(1));
  expect(await isDelivered(t, "b")).toBe(true);
});

test("EXPIRED when it is over and there was no time yet to remove it", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.pour(Array.from({ length: 1_500 }, (_, index) => ({ body: `m${index}` })));
  const { messageId } = await t.send("last");
  await t.leap(60_000);
  expect((await explained(t, messageId)).obstacles).toEqual(["EXPIRED"]);
  expect(await isDelivered(t, "last")).toBe(false);
});

test("all reasons that hold are told, each", async () => {
  const t = await deadLetterScenario({
    after: 1,
    inFlightMax: 1,
    groupInFlightMax: 1,
    retry: { minimumMs: 1_000 },
  });
  const { messageId } = await t.send("a", { groupId: "g" });
  await t.receiveOne();
  await t.setQueue({ isPaused: true });
  expect(await explained(t, messageId)).toEqual({
    state: "IN_FLIGHT",
    obstacles: ["IN_FLIGHT until 30000", "DEAD_LETTER_DUE", "GROUP_LIMIT", "QUEUE_LIMIT", "PAUSED"],
    ahead: 0,
  });
  await t.leap(30_000);
  expect((await explained(t, messageId)).obstacles).toEqual([
    "BACKING_OFF until 1000",
    "DEAD_LETTER_DUE",
    "PAUSED",
  ]);
});

test("all reasons that hold on a FIFO queue are told, each", async () => {
  const t = await fifoScenario({ inFlightMax: 1, groupInFlightMax: 1 });
  const first = await t.send("a", { groupId: "g" });
  const second = await t.send("b", { groupId: "g" });
  await t.receiveOne();
  await t.setQueue({ isPaused: true });
  expect((await explained(t, second.messageId)).obstacles).toEqual([
    `GROUP_BLOCKED until 30000 by ${first.messageId}`,
    "GROUP_LIMIT",
    "QUEUE_LIMIT",
    "PAUSED",
  ]);
});

test("ahead are those that receives take before it: by age, priority, and what came back", async () => {
  const t = await scenario();
  const plain = await t.send("plain");
  const returned = await t.send("returned", { groupId: "g" });
  const urgent = await t.send("urgent", { priority: 2 });
  const grouped = await t.send("grouped", { groupId: "g" });
  const delayed = await t.send("delayed", { delayMs: 1_000 });
  await t.receive({ max: 10, visibilityTimeoutMs: 1_000 });
  await t.advance(1_000);
  const ids = new Map(
    Object.entries({ plain, returned, urgent, grouped, delayed }).map(([body, { messageId }]) => [
      body,
      messageId,
    ]),
  );
  const order = await t.order();
  expect(order).toEqual(["urgent", "plain", "returned", "grouped", "delayed"]);
  for (const [index, body] of order.entries()) {
    expect(await explained(t, ids.get(body) ?? "")).toEqual(free(index));
  }
  for (const body of order) expect((await t.receiveOne()).body).toBe(body);
});

test("ahead of a FIFO message are those of its group only", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await t.sendBatch(["x", "y"], { groupId: "h" });
  const { messageId } = await t.send("c", { groupId: "g" });
  expect(await explained(t, messageId)).toEqual(free(2));
});

test.each(["standard", "fifo"])("at most 1000 messages ahead are counted: %s", async (type) => {
  const t = await (type === "fifo" ? fifoScenario() : scenario());
  await t.pour(Array.from({ length: 999 }, (_, index) => ({ body: `m${index}`, groupId: "g" })));
  for (const ahead of [999, 1_000, 1_000]) {
    const { messageId } = await t.send(`after ${ahead}`, { groupId: "g" });
    expect(await explained(t, messageId)).toEqual(free(ahead));
    await t.send(`fill ${messageId}`, { groupId: "g" });
  }
});

test("a dead letter and a moved one are explained under the ids they have there", async () => {
  const t = await deadLetterScenario({ after: 1, dead: { isPaused: true } });
  const { messageId } = await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  await t.receive();
  await expect(explained(t, messageId)).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "MESSAGE_NOT_FOUND",
  });
  expect((await explained(t, messageId, "dead")).obstacles).toEqual(["PAUSED"]);
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("the reasons are the same after a %s", async (_, happen) => {
  const t = await fifoScenario({ groupInFlightMax: 1, inFlightMax: 1 });
  const first = await t.send("a", { groupId: "g" });
  const second = await t.send("b", { groupId: "g" });
  await t.receiveOne();
  await t.setQueue({ isPaused: true });
  await t.leap(1_000);
  const before = await explained(t, second.messageId);
  await happen(t);
  expect(await explained(t, second.messageId)).toEqual(before);
  expect(before.obstacles[0]).toBe(`GROUP_BLOCKED until 29000 by ${first.messageId}`);
});

test("through a life of sends, leases, delays, limits and pauses, what is said is what receives find", async () => {
  const t = await scenario({
    groupInFlightMax: 2,
    inFlightMax: 5,
    retry: { minimumMs: 2_000 },
    visibilityTimeoutMs: 3_000,
  });
  const ids = new Map<string, string>();
  let emptyCount = 0;
  for (let step = 0; step < 40; step += 1) {
    const body = `m${step}`;
    const groupId = ["g", "h", undefined][step % 3];
    const { messageId } = await t.send(body, {
      ...(groupId !== undefined && { groupId }),
      ...(step % 5 === 4 && { delayMs: 1_500 }),
      ...(step % 7 === 6 && { priority: 5 }),
    });
    ids.set(body, messageId);
    if (step % 6 === 5) await t.setQueue({ isPaused: step % 12 === 5 });
    await t.advance(400);
    if (step % 2 === 0) continue;
    const free: string[] = [];
    for (const [each, id] of ids) {
      if ((await explained(t, id)).obstacles.length === 0) free.push(each);
    }
    const received = await t.receive({ max: 2, waitMs: 0 }).catch(() => []);
    expect(free).toEqual(expect.arrayContaining(bodiesOf(received)));
    expect(received.length === 0).toBe(free.length === 0);
    if (received.length === 0) emptyCount += 1;
    const [done] = received;
    if (done !== undefined && step % 4 === 1) {
      await t.delete(done.handle);
      ids.delete(done.body);
    }
  }
  // Both happened.
  expect(emptyCount).toBeGreaterThan(2);
  expect(emptyCount).toBeLessThan(18);
});
