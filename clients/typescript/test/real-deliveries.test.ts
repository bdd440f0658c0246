// When and in which order messages come, and whether at all, through the client on a real server.

import { expect, test } from "vitest";
import type { Queue, QueueAttributes } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

async function start(attributes: QueueAttributes = {}): Promise<Queue> {
  const server = await RealServer.start();
  const { queue } = await server.connect().createQueue("orders", { attributes });
  return queue;
}

test("a paused queue takes messages and delivers them to those who wait when it is resumed", async () => {
  const queue = await start();
  await queue.pause();
  await queue.pause();
  await queue.send("x");
  expect(await queue.receive({ waitTimeMs: 0 })).toEqual([]);
  expect((await queue.attributes()).attributes.deliveryPaused).toBe(true);
  const waiting = queue.receive({ waitTimeMs: 10_000 });
  const consumer = queue.consume();
  await queue.resume();
  expect(await waiting).toMatchObject([{ text: "x" }]);
  await consumer.close();
});

test("the queue's retry policy says when a message that was given back comes again", async () => {
  const retryPolicy = { minimumBackoffMs: 1_000, maximumBackoffMs: 5_000, factor: 3 };
  const queue = await start({ retryPolicy });
  expect((await queue.attributes()).attributes.retryPolicy).toEqual(retryPolicy);
  await queue.send("x");
  const consumer = queue.consume();
  const { value: message } = await consumer.next();
  const startedMs = Date.now();
  const visibleTime = await message?.nack();
  expect(visibleTime?.getTime()).toBeGreaterThan(startedMs + 900);
  const { value: again } = await consumer.next();
  expect(Date.now() - startedMs).toBeGreaterThan(900);
  // A delay of its own wins.
  const soon = await again?.nack({ delayMs: 1 });
  expect(soon?.getTime()).toBeLessThan(Date.now() + 900);
  await consumer.close();
  const { attributes } = await queue.setAttributes({ retryPolicy: null });
  expect(attributes.retryPolicy).toBeUndefined();
});

test("higher priorities come first, and lives end when they were meant to", async () => {
  const queue = await start();
  await queue.send("ordinary");
  await queue.send("urgent", { priority: 9, timeToLiveMs: 60_000 });
  const startedMs = Date.now();
  const messages = await queue.receive({ maxMessages: 2, waitTimeMs: 0 });
  expect(messages).toMatchObject([
    { text: "urgent", priority: 9, timeToLiveEndTime: expect.any(Date) },
    { text: "ordinary", priority: undefined, timeToLiveEndTime: undefined },
  ]);
  const endMs = messages[0]?.timeToLiveEndTime?.getTime() ?? 0;
  expect(endMs).toBeGreaterThan(startedMs + 55_000);
  expect(endMs).toBeLessThan(startedMs + 61_000);
});

test("a message with a time to come waits outside the queue and joins it then", async () => {
  const queue = await start();
  await queue.send("later", { deliverTime: new Date(Date.now() + 1_500) });
  expect((await queue.attributes()).counters).toMatchObject({
    scheduledMessageCount: 1,
    storedMessageCount: 0,
  });
  expect(await queue.receive({ waitTimeMs: 5_000 })).toMatchObject([{ text: "later" }]);
  await expect(
    queue.send("both", { deliverTime: new Date(Date.now() + 400), delayMs: 1 }),
  ).rejects.toMatchObject({ reason: "INVALID_PARAMETER" });
});

test("an ordinary queue with a dedup window drops duplicates, one without refuses to look", async () => {
  const queue = await start({ dedupWindowMs: 60_000 });
  const first = await queue.send("x", { dedupId: "d" });
  expect(await queue.send("y", { dedupId: "d" })).toMatchObject({
    messageId: first.messageId,
    duplicate: true,
  });
  await queue.setAttributes({ dedupWindowMs: null });
  await expect(queue.send("x", { dedupId: "e" })).rejects.toMatchObject({
    reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
  });
});

test("a limit of messages in flight holds for each group", async () => {
  const queue = await start({ maxInFlightPerGroup: 1 });
  await Promise.all(["a1", "a2", "b1"].map((body) => queue.send(body, { groupId: body[0] })));
  const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 0 });
  expect(messages.map(({ groupId }) => groupId).sort()).toEqual(["a", "b"]);
  expect((await queue.attributes()).counters.groupsInFlightCount).toBe(2);
});

test("permissions are statements of the queue's policy", async () => {
  const queue = await start();
  const permission = {
    label: "billing",
    principals: ["key:default:billing"],
    actions: ["SendMessage"],
  } as const;
  await queue.addPermission(permission);
  const { attributes } = await queue.attributes();
  expect(JSON.parse(attributes.policy ?? "")).toMatchObject({ Statement: [{ Sid: "billing" }] });
  await expect(queue.addPermission(permission)).rejects.toMatchObject({ reason: "LABEL_EXISTS" });
  await queue.removePermission("billing");
  expect((await queue.attributes()).attributes.policy).toBeUndefined();
  await expect(queue.removePermission("billing")).rejects.toMatchObject({
    reason: "LABEL_NOT_FOUND",
  });
});

test("a message's life is told, and why it is not delivered", async () => {
  const queue = await start();
  const { messageId } = await queue.send("x");
  expect(await queue.explainMessage(messageId)).toEqual({
    state: "VISIBLE",
    obstacles: [],
    aheadMessageCount: 0,
  });
  const [message] = await queue.receive({ waitTimeMs: 0 });
  const inFlight = await queue.explainMessage(messageId);
  expect(inFlight).toMatchObject({
    state: "IN_FLIGHT",
    obstacles: [{ kind: "IN_FLIGHT", untilTime: message?.visibleTime, advice: expect.any(String) }],
  });
  await message?.reject({ reason: "no_invoice", delayMs: 600_000 });
  await queue.pause();
  const { obstacles } = await queue.explainMessage(messageId);
  expect(obstacles.map(({ kind }) => kind)).toContain("PAUSED");
  const description = await queue.describeMessage(messageId, { bodyBytesMax: 0 });
  expect(description.message).toMatchObject({
    messageId,
    text: "",
    bodyBytes: 1,
    state: "DELAYED",
    rejection: { reason: "no_invoice" },
  });
  expect(description.events).toMatchObject([
    { kind: "SENT", eventTime: expect.any(Date) },
    { kind: "RECEIVED", eventTime: expect.any(Date) },
    { kind: "REJECTED", eventTime: expect.any(Date), reason: "no_invoice" },
  ]);
  await queue.purge();
  const gone = { reason: "MESSAGE_NOT_FOUND" };
  await expect(queue.describeMessage(messageId)).rejects.toMatchObject(gone);
  await expect(queue.explainMessage(messageId)).rejects.toMatchObject(gone);
});

test("a message of a FIFO group is explained by the one before it", async () => {
  const server = await RealServer.start();
  const { queue } = await server
    .connect()
    .createQueue("orders.fifo", { attributes: { fifoQueue: true } });
  const first = await queue.send("1", { groupId: "g", dedupId: "1" });
  const second = await queue.send("2", { groupId: "g", dedupId: "2" });
  await queue.receive({ waitTimeMs: 0 });
  expect(await queue.explainMessage(second.messageId)).toMatchObject({
    state: "VISIBLE",
    obstacles: [{ kind: "GROUP_BLOCKED", blockingMessageId: first.messageId }],
  });
});
