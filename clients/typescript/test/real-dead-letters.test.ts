// Rejects and dead letters through the client, on a real server.

import { expect, test } from "vitest";
import { type ForebayClient, type Queue, Reject } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

interface Started {
  readonly client: ForebayClient;
  readonly queue: Queue;
  readonly dead: Queue;
}

async function start(maxReceiveCount = 10): Promise<Started> {
  const server = await RealServer.start();
  const client = server.connect();
  const { queue: dead } = await client.createQueue("orders-dead");
  const redrivePolicy = { deadLetterQueue: dead.name, maxReceiveCount };
  const { queue } = await client.createQueue("orders", { attributes: { redrivePolicy } });
  return { client, queue, dead };
}

test("what a worker rejects is a dead letter at once, and says why", async () => {
  const { queue, dead } = await start();
  const { messageId } = await queue.send("bad", { attributes: { kind: "order" } });
  const worker = queue.work(() => {
    throw new Reject("no_invoice", { cause: new Error("no total") });
  });
  const [letter] = await dead.receive({ waitTimeMs: 10_000 });
  await worker.stop();
  expect(letter).toMatchObject({
    messageId,
    text: "bad",
    attributes: { kind: { value: "order" } },
    receiveCount: 2,
    queueReceiveCount: 1,
    deadLetterSourceQueue: "orders",
    deadLetterReason: "REJECTED",
    deadLetterTime: expect.any(Date),
    rejection: { reason: "no_invoice", error: expect.stringContaining("no total") },
  });
  expect((await queue.attributes()).counters).toMatchObject({
    storedMessageCount: 0,
    deadLetteredCount: 1,
  });
  expect((await dead.attributes()).counters).toMatchObject({ arrivedCount: 1 });
});

test("a message received too often is a dead letter", async () => {
  const { queue, dead } = await start(1);
  await queue.send("x");
  const [message] = await queue.receive({ waitTimeMs: 0 });
  await message?.changeVisibility(0);
  expect(await queue.receive({ waitTimeMs: 0 })).toEqual([]);
  expect(await dead.receive({ waitTimeMs: 0 })).toMatchObject([
    { deadLetterReason: "MAX_RECEIVES", deadLetterSourceQueue: "orders", rejection: undefined },
  ]);
  const sources: string[] = [];
  for await (const source of dead.listDeadLetterSources()) sources.push(source);
  expect(sources).toEqual(["orders"]);
});

test("a received message is rejected by a call: back after a delay, or to the dead-letter queue", async () => {
  const { queue, dead } = await start();
  await queue.send("x");
  const [first] = await queue.receive({ waitTimeMs: 0 });
  expect(await first?.reject({ reason: "not_yet", delayMs: 100 })).toEqual({
    kind: "returned",
    visibleTime: expect.any(Date),
  });
  const [second] = await queue.receive({ waitTimeMs: 5_000 });
  expect(second).toMatchObject({ receiveCount: 2, rejection: { reason: "not_yet", error: "" } });
  expect(await second?.reject({ reason: "never", error: "why", deadLetter: true })).toEqual({
    kind: "dead_lettered",
    deadLetterQueue: "orders-dead",
  });
  expect(await dead.receive({ waitTimeMs: 0 })).toMatchObject([
    { rejection: { reason: "never", error: "why" } },
  ]);
  await expect(second?.reject({ reason: "again" })).rejects.toMatchObject({
    reason: "MESSAGE_NOT_FOUND",
  });
});

test("a consumer is told where its dead letters went", async () => {
  const { queue } = await start();
  await queue.send("x");
  const consumer = queue.consume();
  const { value: message } = await consumer.next();
  expect(await message?.reject({ reason: "never", deadLetter: true })).toEqual({
    kind: "dead_lettered",
    deadLetterQueue: "orders-dead",
  });
  await consumer.close();
});

test("a dead letter that has nowhere to go stays with its consumer, who may do something else", async () => {
  const { client } = await start();
  const { queue } = await client.createQueue("no-dead-letters");
  await Promise.all([queue.send("1"), queue.send("2")]);
  const consumer = queue.consume({ maxMessages: 1 });
  const { value: first } = await consumer.next();
  const refused = { reason: "DLQ_NOT_FOUND" };
  await expect(first?.reject({ reason: "never", deadLetter: true })).rejects.toMatchObject(refused);
  expect(await first?.ack()).toBe("DELETED");
  const { value: second } = await consumer.next();
  await expect(second?.reject({ reason: "never", deadLetter: true })).rejects.toMatchObject(
    refused,
  );
  // It is the stream's as before, and goes back with it.
  await consumer.close();
  expect((await queue.attributes()).counters).toMatchObject({
    visibleMessageCount: 1,
    inFlightMessageCount: 0,
  });
});

test("a redrive policy is refused with the reason, and removed by null", async () => {
  const { client, queue } = await start();
  const redrivePolicy = { deadLetterQueue: "missing", maxReceiveCount: 1 };
  await expect(queue.setAttributes({ redrivePolicy })).rejects.toMatchObject({
    reason: "DLQ_NOT_FOUND",
  });
  const { queue: closed } = await client.createQueue("closed", {
    attributes: { redriveAllowPolicy: { permission: "DENY_ALL" } },
  });
  const toClosed = { deadLetterQueue: closed.name, maxReceiveCount: 1 };
  await expect(queue.setAttributes({ redrivePolicy: toClosed })).rejects.toMatchObject({
    reason: "DLQ_NOT_ALLOWED",
    status: "PERMISSION_DENIED",
  });
  const { attributes } = await queue.setAttributes({ redrivePolicy: null });
  expect(attributes.redrivePolicy).toBeUndefined();
});
