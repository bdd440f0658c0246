// The numbers of a FIFO queue: exact, with messages kept back by their group among the visible ones (Q42 for FIFO).

import { expect, test } from "vitest";
import { fifoScenario, handlesOf, msOf } from "../support/scenario.js";

test("Q42 of six messages two leased from two groups leave four visible, those kept back included", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a1", "a2", "a3"], { groupId: "a" });
  await t.sendBatch(["b1", "b2", "b3"], { groupId: "b" });
  await t.receive();
  await t.receive();
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(await t.counts()).toBe("4/2/0");
  expect(await t.counters()).toMatchObject({ groupsInFlight: 2, stored: 6, storedBytes: 12 });
});

test("Q42 delays, leases, their ends and deletes move messages from one number to another", async () => {
  const t = await fifoScenario({ delayMs: 10_000, visibilityTimeoutMs: 5_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  expect(await t.counts()).toBe("0/0/3");
  await t.advance(9_999);
  expect(await t.counts()).toBe("0/0/3");
  await t.advance(1);
  expect(await t.counts()).toBe("3/0/0");
  const [a = ""] = handlesOf(await t.receive({ max: 2 }));
  expect(await t.counts()).toBe("1/2/0");
  await t.delete(a);
  expect(await t.counts()).toBe("1/1/0");
  await t.setQueue({ delayMs: 60_000 });
  expect(await t.counts()).toBe("0/1/1");
  await t.advance(4_999);
  expect(await t.counts()).toBe("0/1/1");
  await t.advance(1);
  expect(await t.counts()).toBe("1/0/1");
  expect(await t.counters()).toMatchObject({ sent: 3, received: 2, deleted: 1, stored: 2 });
  expect(await t.purge()).toBe(2);
  expect(await t.counts()).toBe("0/0/0");
});

test("a group is in flight from the first of its messages leased to the last one gone or back", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 10_000 });
  const groups = async () => (await t.counters()).groupsInFlight;
  expect(await groups()).toBe(0);
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  expect(await groups()).toBe(0);
  const [a = "", b = ""] = handlesOf(await t.receive({ max: 2 }));
  expect(await groups()).toBe(1);
  await t.delete(a);
  expect(await groups()).toBe(1);
  await t.changeVisibility(b, 0);
  expect(await groups()).toBe(0);
  await t.receive({ max: 10 });
  expect(await groups()).toBe(1);
  await t.crash();
  expect(await groups()).toBe(1);
  await t.advance(9_999);
  expect(await groups()).toBe(1);
  await t.advance(1);
  expect(await groups()).toBe(0);
  await t.receive();
  await t.purge();
  expect(await groups()).toBe(0);
});

test("a group whose messages expire while leased is no longer in flight", async () => {
  const t = await fifoScenario({ retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.send("a", { groupId: "g" });
  await t.receive();
  await t.advance(59_999);
  expect(await t.counters()).toMatchObject({ inFlight: 1, groupsInFlight: 1 });
  await t.leap(1);
  expect(await t.counters()).toMatchObject({ inFlight: 0, groupsInFlight: 0, expired: 1 });
});

test("the age of a FIFO queue is that of its oldest message, whatever its group and state", async () => {
  const t = await fifoScenario();
  const age = async () =>
    msOf((await t.call("getQueueAttributes", { queue: t.queue })).counters?.oldestMessageAge);
  expect(await age()).toBeNaN();
  await t.send("old", { groupId: "g1" });
  await t.advance(1_000);
  await t.send("young", { groupId: "g2" });
  expect(await age()).toBe(1_000);
  const { handle } = (await t.receive({ max: 10 })).find(({ body }) => body === "old") ?? {};
  await t.advance(500);
  expect(await age()).toBe(1_500);
  await t.delete(handle ?? "");
  expect(await age()).toBe(500);
});

test("the numbers of a FIFO queue outlive a restart and a crash", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  for (const groupId of ["a", "b", "c"]) {
    await t.sendBatch([`${groupId}1`, `${groupId}2`, `${groupId}3`], { groupId });
  }
  await t.send("a1", { groupId: "a" });
  const [gone = ""] = handlesOf(await t.receive({ max: 4 }));
  await t.delete(gone);
  await t.setQueue({ delayMs: 60_000 });
  const counters = await t.counters();
  expect(counters).toMatchObject({ visible: 0, inFlight: 3, delayed: 5, deduplicated: 1 });
  const queue = await t.call("getQueueAttributes", { queue: t.queue });
  const peeked = await t.call("peekMessages", { queue: t.queue, pageSize: 100 });
  for (const restart of [() => t.restart(), () => t.crash()]) {
    await restart();
    expect(await t.counters()).toEqual(counters);
    expect(await t.call("getQueueAttributes", { queue: t.queue })).toEqual(queue);
    expect(await t.call("peekMessages", { queue: t.queue, pageSize: 100 })).toEqual(peeked);
  }
});
