// Deduplication on a standard queue: with `dedup_window` set, of sends with one id within the window one is stored.

import { expect, test } from "vitest";
import { bodiesOf, type Scenario, scenario } from "../support/scenario.js";

const minute = 60_000;

test("a duplicate is answered with the first message's id, and one without an id is none", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  const first = await t.send("a", { dedupId: "1" });
  const again = await t.send("b", { dedupId: "1" });
  expect(again).toMatchObject({ messageId: first.messageId, duplicate: true, sequenceNumber: "" });
  expect(again.md5OfBody).not.toBe(first.md5OfBody);
  expect(await t.send("c", { dedupId: "2" })).toMatchObject({ duplicate: false });
  for (let send = 0; send < 2; send += 1) {
    expect(await t.send("d")).toMatchObject({ duplicate: false });
  }
  expect(await t.order()).toEqual(["a", "c", "d", "d"]);
  expect(await t.counters()).toMatchObject({ sent: 4, deduplicated: 1 });
});

test("the window ends at its instant, counted from the first send, and duplicates do not extend it", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  await t.send("a", { dedupId: "1" });
  await t.leap(minute / 2);
  expect(await t.send("b", { dedupId: "1" })).toMatchObject({ duplicate: true });
  await t.leap(minute / 2 - 1);
  expect(await t.send("c", { dedupId: "1" })).toMatchObject({ duplicate: true });
  await t.leap(1);
  expect(await t.send("d", { dedupId: "1" })).toMatchObject({ duplicate: false });
  await t.leap(minute - 1);
  expect(await t.send("e", { dedupId: "1" })).toMatchObject({ duplicate: true });
  expect(await t.order()).toEqual(["a", "d"]);
});

test("groups share the ids of a standard queue", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  await t.send("a", { dedupId: "1", groupId: "g" });
  expect(await t.send("b", { dedupId: "1", groupId: "h" })).toMatchObject({ duplicate: true });
  expect(await t.send("c", { dedupId: "1" })).toMatchObject({ duplicate: true });
});

test.each<[string, (t: Scenario, handle: string) => Promise<unknown>]>([
  ["leased", async () => undefined],
  ["deleted", async (t, handle) => await t.delete(handle)],
  ["given back", async (t, handle) => await t.changeVisibility(handle, 0)],
])("an id is remembered when its message is %s", async (_, become) => {
  const t = await scenario({ dedupWindowMs: minute });
  await t.send("a", { dedupId: "1" });
  const { handle } = await t.receiveOne();
  await become(t, handle);
  expect(await t.send("b", { dedupId: "1" })).toMatchObject({ duplicate: true });
});

test("an id is remembered when its message expired, and forgotten by a purge", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  await t.send("a", { dedupId: "1", timeToLiveMs: 1_000 });
  await t.leap(1_000);
  expect(await t.counts()).toBe("0/0/0");
  expect(await t.send("b", { dedupId: "1" })).toMatchObject({ duplicate: true });
  await t.purge();
  expect(await t.send("c", { dedupId: "1" })).toMatchObject({ duplicate: false });
});

test("of two equal ids in a batch or a stream the first is stored", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  const { successful } = await t.sendBatch(["a", "b"], { dedupId: "1" });
  expect(successful.map(({ duplicate }) => duplicate)).toEqual([false, true]);
  await t.pour([
    { body: "c", dedupId: "2" },
    { body: "d", dedupId: "2" },
    { body: "e", dedupId: "1" },
  ]);
  expect(await t.order()).toEqual(["a", "c"]);
});

test("a message for a time to come counts from its send, also after it was cancelled", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  const { messageId } = await t.send("later", { dedupId: "1", deliverAt: t.now + 10 * minute });
  expect(await t.send("now", { dedupId: "1" })).toMatchObject({ messageId, duplicate: true });
  await t.call("cancelScheduledMessage", { queue: t.queue, messageId });
  expect(await t.send("now", { dedupId: "1" })).toMatchObject({ messageId, duplicate: true });
  await t.leap(minute);
  expect(await t.send("now", { dedupId: "1" })).toMatchObject({ duplicate: false });
});

test("a duplicate wakes nobody", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  await t.send("a", { dedupId: "1" });
  await t.receiveOne();
  const poll = await t.poll();
  await t.send("b", { dedupId: "1" });
  await t.settle();
  expect(poll.isAnswered).toBe(false);
  await t.send("c", { dedupId: "2" });
  expect(bodiesOf(await poll.answer)).toEqual(["c"]);
});

test("a changed window acts on later sends at once, and without one ids are refused", async () => {
  const t = await scenario({ dedupWindowMs: minute });
  await t.send("a", { dedupId: "1" });
  await t.leap(10_000);
  await t.setQueue({ dedupWindowMs: 10_001 });
  expect(await t.send("b", { dedupId: "1" })).toMatchObject({ duplicate: true });
  await t.setQueue({ dedupWindowMs: 10_000 });
  expect(await t.send("c", { dedupId: "1" })).toMatchObject({ duplicate: false });
  await t.setQueue({ dedupWindowMs: 0 });
  await expect(t.send("d", { dedupId: "1" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
  });
  expect(await t.send("d")).toMatchObject({ duplicate: false });
});

test("ids are remembered over restarts and crashes, for a window of 7 days, too", async () => {
  const t = await scenario({ dedupWindowMs: 604_800_000, retentionMs: 1_209_600_000 });
  const { messageId } = await t.send("a", { dedupId: "1" });
  await t.settle();
  await t.restart();
  await t.leap(604_799_000);
  await t.crash();
  expect(await t.send("b", { dedupId: "1" })).toMatchObject({ messageId, duplicate: true });
  await t.leap(1_000);
  expect(await t.send("c", { dedupId: "1" })).toMatchObject({ duplicate: false });
  await expect(t.setQueue({ dedupWindowMs: 604_800_001 })).rejects.toMatchObject({
    reason: "INVALID_ATTRIBUTE_VALUE",
  });
});
