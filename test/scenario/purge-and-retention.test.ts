// How messages leave without being deleted: a purge takes what was sent before it, retention what is too old.

import { expect, test } from "vitest";
import { bodiesOf, scenario } from "../support/scenario.js";

test("a purge removes visible, leased and delayed messages in one step and keeps the queue", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  await t.call("tagQueue", { queue: t.queue, tags: new Map([["a", "1"]]) });
  await t.sendBatch(["leased", "visible"]);
  await t.send("delayed", { delayMs: 10_000 });
  const { handle } = await t.receiveOne();
  expect(await t.purge()).toBe(3);
  expect(await t.counters()).toMatchObject({ stored: 0, storedBytes: 0, sent: 3, purged: 3 });
  expect(await t.peek()).toEqual([]);
  await t.send("after");
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["after"]);
  await t.advance(10_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["after"]);
  expect(await t.delete(handle)).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "MESSAGE_NOT_FOUND",
  });
  const { attributes } = await t.call("getQueueAttributes", { queue: t.queue });
  expect(attributes?.visibilityTimeout?.seconds).toBe(10n);
  expect((await t.call("listQueueTags", { queue: t.queue })).tags.size).toBe(1);
});

test("a purge of an empty queue removes nothing, and one purge may follow another at once", async () => {
  const t = await scenario();
  expect(await t.purge()).toBe(0);
  expect(await t.purge()).toBe(0);
  await expect(t.purge("other")).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
});

test("a purged queue stays purged after a restart and a crash", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"]);
  await t.purge();
  await t.crash();
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.send("c");
  await t.restart();
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["c"]);
});

test("with strict timing a second purge within 60 s is refused, and says how long", async () => {
  const t = await scenario({ config: { sqsTiming: "strict" } });
  await t.send("a");
  await t.purge();
  await t.send("b");
  await t.advance(59_999);
  await expect(t.purge()).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "PURGE_IN_PROGRESS",
    retryAfterMs: 1,
    metadata: { queue: "orders" },
  });
  expect(await t.counts()).toBe("1/0/0");
  await t.advance(1);
  expect(await t.purge()).toBe(1);
});

test("with strict timing a deleted queue's name is free after 60 s; without, at once", async () => {
  const t = await scenario({ config: { sqsTiming: "strict" } });
  await t.deleteQueue();
  await t.advance(59_999);
  await expect(t.createQueue(t.queue)).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "QUEUE_DELETED_RECENTLY",
    retryAfterMs: 1,
    metadata: { queue: "orders" },
  });
  await t.advance(1);
  expect(await t.createQueue(t.queue)).toMatchObject({ created: true });
});

test("a message is gone at the end of its retention, to the millisecond, wherever it stands", async () => {
  const t = await scenario({ retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.sendBatch(["leased", "visible"]);
  await t.send("delayed", { delayMs: 600_000 });
  const { handle } = await t.receiveOne();
  await t.advance(59_999);
  expect(await t.counts()).toBe("1/1/1");
  expect(await t.peek()).toHaveLength(3);
  await t.advance(1);
  expect(await t.peek()).toEqual([]);
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(await t.counts()).toBe("0/0/0");
  expect(await t.counters()).toMatchObject({ expired: 3 });
  expect(await t.delete(handle)).toBe("ALREADY_GONE");
});

test("an expired message is never returned or changed, even before it is swept away", async () => {
  const t = await scenario({ retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.sendBatch(["leased", "visible"]);
  const { handle } = await t.receiveOne();
  await t.leap(60_000);
  expect(await t.delete(handle)).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject({
    reason: "MESSAGE_NOT_FOUND",
  });
  expect(await t.peek()).toEqual([]);
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(await t.counters()).toMatchObject({ expired: 2, deleted: 0 });
});

test("expired messages stand in nobody's way: the receive that passes them gets what is behind", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.sendBatch(["old 1", "old 2"]);
  await t.leap(30_000);
  await t.sendBatch(["young 1", "young 2"]);
  await t.leap(30_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["young 1", "young 2"]);
  expect(await t.counters()).toMatchObject({ expired: 2 });
});

test("lowering the retention expires older messages at once, raising it keeps them longer", async () => {
  const t = await scenario({ retentionMs: 600_000 });
  await t.send("old");
  await t.advance(60_000);
  await t.send("young");
  await t.setQueue({ retentionMs: 60_000 });
  expect(await t.peek()).toEqual(["visible young x0"]);
  expect(bodiesOf(await t.receive({ max: 10, visibilityTimeoutMs: 0 }))).toEqual(["young"]);
  await t.setQueue({ retentionMs: 120_000 });
  await t.advance(119_999);
  expect(await t.counts()).toBe("1/0/0");
  await t.advance(1);
  expect(await t.counts()).toBe("0/0/0");
});

test("retention runs on while the server is down", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.send("old");
  await t.stop();
  await t.clock.skip(60_000);
  await t.start();
  expect(await t.receive()).toEqual([]);
  expect(await t.counters()).toMatchObject({ expired: 1 });
});

test("a waiter is not given a message that expires when it would become visible", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.send("work", { delayMs: 60_000 });
  await t.advance(50_000);
  const poll = await t.poll();
  await t.advance(20_000);
  expect(await poll.answer).toEqual([]);
});

test("a longer retention brings nothing back, however much has expired and is still there", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  for (let sent = 0; sent < 250; sent += 1) {
    await t.sendBatch(Array.from({ length: 10 }, (_, index) => `${sent} ${index}`));
  }
  await t.leap(60_000);
  await t.setQueue({ retentionMs: 600_000 });
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(await t.counters()).toMatchObject({ stored: 0, expired: 2_500 });
});
