// The Consume stream: messages as they come, confirmed acks, credit, and what happens when it breaks.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ConsumedMessage, ForebayClient, type Queue } from "../src/index.js";
import { FakeServer, serviceError } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;
let queue: Queue;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
  queue = client.queue("orders");
});

afterEach(async () => {
  await client.close();
  server.kill();
});

test("messages come in order and are gone once acked", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  const seen: string[] = [];
  for await (const message of queue.consume()) {
    seen.push(message.text);
    expect(await message.ack()).toBe("DELETED");
    if (seen.length === 3) break;
  }
  expect(seen).toEqual(["1", "2", "3"]);
  expect(server.stored.size).toBe(0);
});

test("leaving the loop closes the stream and gives back what was not acked", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  for await (const message of queue.consume()) {
    await message.ack();
    break;
  }
  expect(server.consumeStreams.size).toBe(0);
  expect(server.visible().map(({ message }) => message.body?.value)).toEqual(["2", "3"]);
});

test("an ack nobody waited for is confirmed before the loop is left", async () => {
  await queue.send("1");
  let ack: Promise<string> | undefined;
  for await (const message of queue.consume()) {
    ack = message.ack();
    break;
  }
  expect(server.stored.size).toBe(0);
  expect(await ack).toBe("DELETED");
});

test("at most maxMessages are held; acking one lets one more come", async () => {
  for (let index = 0; index < 10; index += 1) await queue.send(`${index}`);
  const consumer = queue.consume({ maxMessages: 2 });
  const held: ConsumedMessage[] = [];
  held.push((await consumer.next()).value as ConsumedMessage);
  held.push((await consumer.next()).value as ConsumedMessage);
  let third: ConsumedMessage | undefined;
  const next = consumer.next().then(({ value }) => {
    third = value;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(third).toBeUndefined();
  await held[0]?.ack();
  await next;
  expect(third?.text).toBe("2");
  await consumer.close();
});

test("credit never runs dry while everything is acked", async () => {
  const count = 1_000;
  await Promise.all(Array.from({ length: count }, (_, index) => queue.send(`${index}`)));
  let seen = 0;
  for await (const message of queue.consume({ maxMessages: 7, maxBytes: 5 })) {
    seen += 1;
    void message.ack();
    if (seen === count) break;
  }
  expect(server.stored.size).toBe(0);
});

test("nack and reject give back, with a delay and a reason", async () => {
  await Promise.all(["1", "2"].map((body) => queue.send(body)));
  const consumer = queue.consume();
  const first = (await consumer.next()).value as ConsumedMessage;
  const second = (await consumer.next()).value as ConsumedMessage;
  expect(await first.nack({ delayMs: 60_000 })).toBeInstanceOf(Date);
  await second.reject("bad_invoice", new Error("no total"), { delayMs: 60_000 });
  const told = server.consumeRequests.map(({ request }) => request);
  expect(told).toContainEqual({
    $case: "nack",
    value: { receiptHandles: [first.receiptHandle], delay: { seconds: 60n, nanos: 0 } },
  });
  expect(told.at(-1)).toMatchObject({
    $case: "reject",
    value: { reason: "bad_invoice", error: expect.stringContaining("no total") },
  });
  await expect(first.ack()).rejects.toThrow("before");
  await consumer.close();
});

test("an error's text is cut to what the contract takes, at a character", async () => {
  await queue.send("1");
  const consumer = queue.consume();
  const message = (await consumer.next()).value as ConsumedMessage;
  await message.reject("bad", "é".repeat(4_000));
  const { request } = server.consumeRequests.at(-1) ?? {};
  const error = request?.$case === "reject" ? request.value.error : "";
  expect(error).toBe("é".repeat(2_048));
  await consumer.close();
});

test("a broken stream is opened again, and an ack after the break still deletes", async () => {
  await Promise.all(["1", "2"].map((body) => queue.send(body)));
  const consumer = queue.consume();
  const first = (await consumer.next()).value as ConsumedMessage;
  expect(first.text).toBe("1");
  const next = consumer.next();
  expect(((await next).value as ConsumedMessage).text).toBe("2");
  const later = consumer.next();
  server.kill();
  await until(() => first.isLost);
  setTimeout(() => void server.listen(), 300);
  expect(await first.ack()).toBe("DELETED");
  // The other was given back by the break and comes again.
  const again = (await later).value as ConsumedMessage;
  expect(["1", "2"]).toContain(again.text);
  await again.ack();
  await consumer.close();
});

test("an ack under way when the stream breaks becomes a delete", async () => {
  await queue.send("1");
  const consumer = queue.consume();
  const message = (await consumer.next()).value as ConsumedMessage;
  const ack = message.ack();
  server.kill();
  setTimeout(() => void server.listen(), 200);
  expect(await ack).toBe("DELETED");
  expect(server.stored.size).toBe(0);
  await consumer.close();
});

test("a nack of a message that a break gave back is done already", async () => {
  await queue.send("1");
  const consumer = queue.consume();
  const message = (await consumer.next()).value as ConsumedMessage;
  server.kill();
  await until(() => message.isLost);
  expect(await message.nack()).toBeUndefined();
  await server.listen();
  await consumer.close();
});

test("an error that a new stream would meet again ends the loop", async () => {
  const consumer = queue.consume();
  const next = consumer.next();
  await until(() => server.consumeStreams.size === 1);
  for (const stream of server.consumeStreams) {
    stream.emit("error", serviceError({ code: status.NOT_FOUND, reason: "QUEUE_NOT_FOUND" }));
  }
  await expect(next).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
});

test("without a server the loop fails soon and says why", async () => {
  server.kill();
  await expect(queue.consume().next()).rejects.toMatchObject({ reason: "CONNECTION_FAILED" });
});

test("a signal ends the loop quietly", async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 100);
  const seen: string[] = [];
  for await (const message of queue.consume({ signal: abort.signal })) seen.push(message.text);
  expect(seen).toEqual([]);
  expect(server.consumeStreams.size).toBe(0);
});

test("a lease that the server says is lost marks its message, and frees the place of one not seen yet", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  const consumer = queue.consume({ maxMessages: 2 });
  const first = (await consumer.next()).value as ConsumedMessage;
  const handles = [...server.stored.values()].map(
    ({ message, receiveCount }) => `${message.messageId}#${receiveCount}`,
  );
  for (const stream of server.consumeStreams) {
    stream.write({ response: { $case: "lost", value: { receiptHandles: handles } } });
  }
  await until(() => first.isLost);
  // "2" was waiting here and is not handed out any more; the credit for it brings "3".
  const next = (await consumer.next()).value as ConsumedMessage;
  expect(next.text).toBe("3");
  await consumer.close();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
