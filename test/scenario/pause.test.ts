// A paused queue (`delivery_paused`): it takes what is sent and delivers nothing; everything else goes on.

import { expect, test } from "vitest";
import { consumer } from "../support/consumer.js";
import { deadLetterScenario, heldBodies, moveEnded, sendToDeath } from "../support/dead-letters.js";
import { bodiesOf, fifoScenario, type Scenario, scenario } from "../support/scenario.js";
import { putSchedule } from "../support/schedules.js";

const both = [
  ["standard", scenario],
  ["fifo", fifoScenario],
] as const;

test.each(both)(
  "a paused queue takes messages and delivers none until it goes on: %s",
  async (_, begin) => {
    const t = await begin({ isPaused: true });
    await t.send("a", { groupId: "g" });
    await t.sendBatch(["b", "c"], { groupId: "g" });
    await t.pour([{ body: "d", groupId: "g" }]);
    expect(await t.receive({ max: 10 })).toEqual([]);
    expect(await t.counts()).toBe("4/0/0");
    await t.setQueue({ isPaused: false });
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b", "c", "d"]);
  },
);

test.each(both)(
  "who waits at a paused queue waits on, and is served first come when it goes on: %s",
  async (_, begin) => {
    const t = await begin();
    await t.advance(1);
    await t.setQueue({ isPaused: true });
    const first = await t.poll();
    const second = await t.poll();
    await t.send("a", { groupId: "g" });
    await t.send("b", { groupId: "h" });
    await t.advance(10_000);
    expect([first.isAnswered, second.isAnswered]).toEqual([false, false]);
    await t.setQueue({ isPaused: false });
    expect(bodiesOf(await first.answer)).toEqual(["a"]);
    expect(bodiesOf(await second.answer)).toEqual(["b"]);
  },
);

test("a wait at a paused queue ends empty at its own time", async () => {
  const t = await scenario({ isPaused: true });
  await t.send("a");
  const startedAt = t.now;
  const poll = await t.poll({ waitMs: 3_000 });
  await t.advance(3_000);
  expect(await poll.answer).toEqual([]);
  expect((poll.answeredAt ?? 0) - startedAt).toBe(3_000);
});

test("a queue paused while somebody waits gives him nothing", async () => {
  const t = await scenario();
  const poll = await t.poll();
  await t.setQueue({ isPaused: true });
  await t.send("a");
  await t.settle();
  expect(poll.isAnswered).toBe(false);
  await t.setQueue({ isPaused: false });
  expect(bodiesOf(await poll.answer)).toEqual(["a"]);
});

test("a stream gets nothing while its queue is paused, and keeps what it holds", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t, { messages: 10 });
  const [a, b] = await stream.messages();
  await t.setQueue({ isPaused: true });
  await t.send("c");
  await t.advance(90_000);
  expect(await stream.messages()).toEqual([]);
  expect(await t.counts()).toBe("1/2/0");
  stream.ack(a?.handle ?? "");
  expect(await stream.outcomes()).toEqual(["DELETED"]);
  stream.nack([b?.handle ?? ""]);
  expect(await stream.outcomes()).toEqual(["visible in 0"]);
  await t.setQueue({ isPaused: false });
  expect(bodiesOf(await stream.messages())).toEqual(["b", "c"]);
});

test("leases go on while the queue is paused: they are extended, end, and their messages are deleted and rejected", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  await t.sendBatch(["a", "b", "c", "d"]);
  const [a, b, c] = await t.receive({ max: 3 });
  await t.setQueue({ isPaused: true });
  await t.changeVisibility(a?.handle ?? "", 20_000);
  expect(await t.delete(b?.handle ?? "")).toBe("DELETED");
  await t.reject(c?.handle ?? "");
  expect(await t.counts()).toBe("2/1/0");
  await t.advance(19_999);
  expect(await t.counts()).toBe("2/1/0");
  await t.advance(1);
  expect(await t.counts()).toBe("3/0/0");
  expect(await t.peek()).toEqual(["visible a x1", "visible c x1", "visible d x0"]);
});

test("delays, times to live and retention end while the queue is paused", async () => {
  const t = await scenario({ isPaused: true, retentionMs: 60_000 });
  await t.send("delayed", { delayMs: 5_000 });
  await t.send("short", { timeToLiveMs: 5_000 });
  await t.send("scheduled", { deliverAt: t.now + 5_000 });
  expect(await t.counts()).toBe("1/0/1");
  await t.leap(5_000);
  expect(await t.counts()).toBe("2/0/0");
  expect(await t.counters()).toMatchObject({ expired: 1 });
  await t.leap(55_000);
  expect(await t.counts()).toBe("1/0/0");
});

test("a dead-letter queue that is paused takes dead letters, and moves out of it go on", async () => {
  const t = await deadLetterScenario({ after: 1, dead: { isPaused: true } });
  await sendToDeath(t, ["a", "b"]);
  expect(await t.counts("dead")).toBe("2/0/0");
  expect(await t.receive({ queue: "dead" })).toEqual([]);
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2 });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b"]);
});

test("moves into a paused queue go on", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await sendToDeath(t, ["a"]);
  await t.setQueue({ isPaused: true });
  await t.startMove();
  await moveEnded(t);
  expect(await heldBodies(t, "orders")).toEqual(["a"]);
  expect(await t.receive()).toEqual([]);
});

test("a paused queue moves nothing to its dead-letter queue", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  await t.setQueue({ isPaused: true });
  expect(await t.receive()).toEqual([]);
  expect(await t.counts("dead")).toBe("0/0/0");
  await t.setQueue({ isPaused: false });
  await t.receive();
  expect(await t.counts("dead")).toBe("1/0/0");
});

test("schedules go on sending to a paused queue", async () => {
  const t = await scenario({ isPaused: true });
  await putSchedule(t, { intervalMs: 10_000 });
  await t.advance(30_000);
  expect(await t.counts()).toBe("3/0/0");
  expect(await t.receive()).toEqual([]);
});

test("a purge takes what a paused queue has, and who waits gets what is sent after it goes on", async () => {
  const t = await scenario({ isPaused: true });
  await t.sendBatch(["a", "b"]);
  const poll = await t.poll();
  expect(await t.purge()).toBe(2);
  await t.setQueue({ isPaused: false });
  await t.send("c");
  expect(bodiesOf(await poll.answer)).toEqual(["c"]);
});

test("a full queue that is paused refuses no short poll: it finds nothing", async () => {
  const t = await scenario({ inFlightMax: 1 });
  await t.sendBatch(["a", "b"]);
  await t.receive();
  await t.setQueue({ isPaused: true });
  expect(await t.receive()).toEqual([]);
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("a queue is still paused after a %s, and says so", async (_, happen) => {
  const t = await scenario({ isPaused: true });
  await t.send("a");
  await happen(t);
  const isPaused = async () =>
    (await t.call("getQueueAttributes", { queue: t.queue })).attributes?.deliveryPaused;
  expect(await isPaused()).toBe(true);
  expect(await t.receive()).toEqual([]);
  await t.setQueue({ isPaused: false });
  expect(await isPaused()).not.toBe(true);
  expect(bodiesOf(await t.receive())).toEqual(["a"]);
});
