// The delay of a FIFO queue: the queue's only, and for messages not yet received it follows every change of the queue's, in
// both directions (Q21, Q27).

import { expect, test } from "vitest";
import {
  bodiesOf,
  fifoScenario,
  handlesOf,
  msOf,
  type Scenario,
  turns,
} from "../support/scenario.js";

const receiveBodies = async (t: Scenario): Promise<string[]> =>
  bodiesOf(await t.receive({ max: 10 }));

test("a raised delay moves messages that are still delayed to their send time plus the new one", async () => {
  const t = await fifoScenario({ delayMs: 5_000 });
  await t.send("a", { groupId: "g" });
  await t.advance(4_000);
  await t.setQueue({ delayMs: 10_000 });
  await t.advance(5_999);
  expect(await receiveBodies(t)).toEqual([]);
  expect(await t.counts()).toBe("0/0/1");
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["a"]);
});

test("a raised delay delays messages again that were due and never received", async () => {
  const t = await fifoScenario();
  await t.send("a", { groupId: "g" });
  await t.advance(3_000);
  expect(await t.counts()).toBe("1/0/0");
  await t.setQueue({ delayMs: 10_000 });
  expect(await t.counts()).toBe("0/0/1");
  expect(await receiveBodies(t)).toEqual([]);
  const [shown] = (await t.call("peekMessages", { queue: t.queue })).messages;
  expect(msOf(shown?.visibleTime)).toBe(t.now + 7_000);
  await t.advance(6_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["a"]);
});

test("a raised delay that a message has behind it already leaves it visible", async () => {
  const t = await fifoScenario();
  await t.send("old", { groupId: "g1" });
  await t.advance(1);
  await t.send("young", { groupId: "g2" });
  await t.advance(9_999);
  await t.setQueue({ delayMs: 10_000 });
  expect(await t.counts()).toBe("1/0/1");
  expect(await receiveBodies(t)).toEqual(["old"]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["young"]);
});

test("a lowered delay brings messages forward, and those it makes due are there at once", async () => {
  const t = await fifoScenario({ delayMs: 60_000 });
  await t.send("old", { groupId: "g1" });
  await t.advance(5_000);
  await t.send("young", { groupId: "g2" });
  await t.advance(1_000);
  await t.setQueue({ delayMs: 6_000 });
  expect(await t.counts()).toBe("1/0/1");
  expect(await receiveBodies(t)).toEqual(["old"]);
  await t.advance(4_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["young"]);
});

test("Q27 a waiter gets a delayed message when it is due, also when the delay is changed while it waits", async () => {
  const t = await fifoScenario({ delayMs: 1_000 });
  await t.send("a", { groupId: "g1" });
  const first = await t.poll();
  await t.advance(999);
  expect(first.isAnswered).toBe(false);
  await t.advance(1);
  expect(bodiesOf(await first.answer)).toEqual(["a"]);
  await t.setQueue({ delayMs: 60_000 });
  await t.send("b", { groupId: "g2" });
  const second = await t.poll();
  await t.advance(500);
  await t.setQueue({ delayMs: 2_000 });
  await t.advance(1_499);
  expect(second.isAnswered).toBe(false);
  await t.advance(1);
  expect(bodiesOf(await second.answer)).toEqual(["b"]);
  await t.send("c", { groupId: "g3" });
  const third = await t.poll();
  await t.advance(100);
  await t.setQueue({ delayMs: 100 });
  expect(bodiesOf(await third.answer)).toEqual(["c"]);
});

test("Q27 a waiter is not woken at the old time when the delay was raised meanwhile", async () => {
  const t = await fifoScenario({ delayMs: 1_000 });
  await t.send("a", { groupId: "g" });
  const poll = await t.poll();
  await t.setQueue({ delayMs: 3_000 });
  await t.advance(2_999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  expect(bodiesOf(await poll.answer)).toEqual(["a"]);
});

test("a change of the delay does not move messages that were received, leased or visible again", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 5_000 });
  await t.send("leased", { groupId: "g1" });
  await t.send("given back", { groupId: "g2" });
  const received = await t.receive({ max: 10 });
  const givenBack = received.find(({ body }) => body === "given back");
  await t.changeVisibility(givenBack?.handle ?? "", 0);
  await t.setQueue({ delayMs: 900_000 });
  expect(await t.counts()).toBe("1/1/0");
  expect(await t.receive({ max: 10 })).toMatchObject([{ body: "given back", receiveCount: 2 }]);
  await t.advance(5_000);
  expect((await receiveBodies(t)).sort()).toEqual(["given back", "leased"]);
});

test("the order of a group holds under delay: a delayed message keeps back what is behind it", async () => {
  const t = await fifoScenario({ delayMs: 10_000 });
  await t.send("a", { groupId: "g" });
  await t.advance(5_000);
  await t.send("b", { groupId: "g" });
  await t.advance(5_000);
  expect(await receiveBodies(t)).toEqual(["a"]);
  await t.advance(5_000);
  // Due, but behind a leased one.
  expect(await t.counts()).toBe("1/1/0");
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(25_000);
  expect(await receiveBodies(t)).toEqual(["a", "b"]);
});

test("a received message comes before a delayed one of its group, which waits for its own time", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const { handle } = await t.receiveOne();
  await t.setQueue({ delayMs: 10_000 });
  await t.changeVisibility(handle, 0);
  expect(await t.counts()).toBe("1/0/1");
  const again = await t.receive({ max: 10 });
  expect(bodiesOf(again)).toEqual(["a"]);
  await t.delete(again[0]?.handle ?? "");
  await t.advance(9_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["b"]);
});

test("a delay raised and lowered again leaves everything as it was", async () => {
  const t = await fifoScenario({ delayMs: 2_000 });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await t.setQueue({ delayMs: 900_000 });
  await t.advance(1_000);
  await t.setQueue({ delayMs: 2_000 });
  await t.advance(999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["a", "b"]);
});

test("delays hold at their instants when nobody settled them, and over restarts", async () => {
  const t = await fifoScenario();
  await t.send("a", { groupId: "g" });
  await t.setQueue({ delayMs: 10_000 });
  for (const restart of [() => t.restart(), () => t.crash()]) {
    await restart();
    expect(await t.counts()).toBe("0/0/1");
    expect(await receiveBodies(t)).toEqual([]);
  }
  await t.leap(9_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.leap(1);
  expect(await receiveBodies(t)).toEqual(["a"]);
});

test("a changed delay moves thousands of messages of many groups in one step", async () => {
  const t = await fifoScenario();
  const bodies = Array.from({ length: 3_000 }, (_, index) => ({
    body: `m${index}`,
    groupId: `g${index % 30}`,
  }));
  await t.pour(bodies);
  const received = await t.receive({ max: 10 });
  await t.setQueue({ delayMs: 60_000 });
  expect(await t.counts()).toBe("0/10/2990");
  expect(await receiveBodies(t)).toEqual([]);
  await t.setQueue({ delayMs: 0 });
  expect(await t.counts()).toBe("2990/10/0");
  expect(await t.receive({ max: 10 })).toHaveLength(10);
  await t.setQueue({ delayMs: 60_000 });
  for (const handle of handlesOf(received)) await t.delete(handle);
  await t.skip(60_000);
  expect(await t.counts()).toBe("2990/0/0");
});

test("delayed messages age toward retention and are purged", async () => {
  const t = await fifoScenario({ retentionMs: 60_000, delayMs: 600_000 });
  await t.send("expires", { groupId: "g" });
  await t.advance(59_999);
  expect(await t.counts()).toBe("0/0/1");
  await t.advance(1);
  expect(await t.counters()).toMatchObject({ stored: 0, expired: 1 });
  await t.send("purged", { groupId: "g" });
  expect(await t.purge()).toBe(1);
  await t.setQueue({ delayMs: 0 });
  expect(await receiveBodies(t)).toEqual([]);
});

test("a duplicate does not start the delay of its original again", async () => {
  const t = await fifoScenario({ delayMs: 10_000 });
  await t.send("a", { groupId: "g" });
  await t.advance(5_000);
  expect(await t.send("a", { groupId: "g" })).toMatchObject({ duplicate: true });
  await t.advance(4_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["a"]);
});

test("a message whose only receive was undone counts as never received: a raised delay moves it", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  let undoneCount = 0;
  for (let round = 0; round < 24; round += 1) {
    await t.send(`a${round}`, { groupId: "g" });
    const { received } = await t.counters();
    const call = new AbortController();
    const answer = t.receive({}, { signal: call.signal }).catch(() => undefined);
    await turns(round % 12);
    call.abort();
    await answer;
    await t.settle();
    await t.settle();
    if ((await t.counters()).received === received) {
      undoneCount += 1;
      await t.setQueue({ delayMs: 10_000 });
      expect(await t.counts(), `round ${round}`).toBe("0/0/1");
      await t.advance(9_999);
      expect(await receiveBodies(t)).toEqual([]);
      await t.advance(1);
      expect(await receiveBodies(t)).toEqual([`a${round}`]);
      await t.setQueue({ delayMs: 0 });
    }
    await t.purge();
  }
  expect(undoneCount).toBeGreaterThan(0);
});
