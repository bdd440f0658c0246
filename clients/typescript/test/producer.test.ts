// The Produce stream: many messages under way, a promise for each, and what becomes of them when it breaks.

import { afterEach, beforeEach, expect, test } from "vitest";
import { ForebayClient, type Producer, type ProducerOptions } from "../src/index.js";
import { FakeServer } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
});

afterEach(async () => {
  server.isAnswering = true;
  server.kill();
  await client.close();
});

const producerOf = (options?: ProducerOptions): Producer =>
  client.queue("orders").producer(options);

test("messages go over one stream, in order, each with its own result", async () => {
  await using producer = producerOf();
  const bodies = Array.from({ length: 2_500 }, (_, index) => `message ${index}`);
  const results = await Promise.all(bodies.map((body) => producer.send(body)));
  expect(server.bodies()).toEqual(bodies);
  expect(server.stored.get(results[1_234]?.messageId ?? "")?.message.body?.value).toBe(
    "message 1234",
  );
  expect(server.produceStreams.size).toBe(1);
});

test("a refused message fails alone", async () => {
  await using producer = producerOf();
  const results = await Promise.allSettled(
    ["good", "bad", "good"].map((body) => producer.send(body)),
  );
  expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(results[1]).toMatchObject({ reason: { reason: "MESSAGE_TOO_LONG", code: 3 } });
});

test("at most maxInFlight messages are written and not answered, and ready() waits for room", async () => {
  server.isAnswering = false;
  const producer = producerOf({ maxInFlight: 3 });
  const sends = Promise.allSettled(["1", "2", "3"].map((body) => producer.send(body)));
  let isReady = false;
  const ready = producer.ready().then(() => {
    isReady = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(isReady).toBe(false);
  expect(producer.pendingCount).toBe(3);
  server.kill();
  await sends;
  await ready;
});

test("when the stream breaks, what was written fails and what waits leaves over a new one", async () => {
  server.isAnswering = false;
  const producer = producerOf({ maxInFlight: 2 });
  const sends = ["1", "2", "3", "4"].map((body) => producer.send(body));
  const settled = Promise.allSettled(sends);
  await until(() => server.produceStreams.size === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.kill();
  server.isAnswering = true;
  setTimeout(() => void server.listen(), 300);
  expect((await settled).map(({ status }) => status)).toEqual([
    "rejected",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  await expect(sends[0]).rejects.toMatchObject({ reason: "CONNECTION_LOST" });
  expect(server.bodies()).toEqual(["3", "4"]);
  await producer.close();
});

test("when the stream breaks, messages with a deduplication id are sent again, in their order", async () => {
  server.isAnswering = false;
  const producer = producerOf({ maxInFlight: 2 });
  const bodies = ["1", "2", "3", "4"];
  const sends = bodies.map((body) => producer.send(body, { groupId: "g", dedupId: body }));
  await until(() => server.produceStreams.size === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.kill();
  server.isAnswering = true;
  setTimeout(() => void server.listen(), 300);
  await Promise.all(sends);
  expect(server.bodies()).toEqual(bodies);
  expect(producer.pendingCount).toBe(0);
  await producer.close();
});

test("without a server, sends fail soon and say why", async () => {
  server.kill();
  await expect(producerOf().send("x")).rejects.toMatchObject({ reason: "CONNECTION_FAILED" });
});

test("closing sends what waits, and refuses more", async () => {
  const producer = producerOf();
  const sends = Promise.all(Array.from({ length: 50 }, (_, index) => producer.send(`${index}`)));
  await producer.close();
  await sends;
  expect(server.stored.size).toBe(50);
  await expect(producer.send("late")).rejects.toMatchObject({ reason: "CLIENT_CLOSED" });
  await until(() => server.produceStreams.size === 0);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
