// Tails and streams of topics through the client, on a real server whose line is cut and which is stopped meanwhile.

import { expect, test } from "vitest";
import type { StreamMessage, TailItem } from "../src/index.js";
import { CutLine } from "./support/cut-line.js";
import { RealServer } from "./support/real-server.js";

const quick = { retry: { initialMs: 5, maxMs: 20 } };

const textsOf = (items: readonly TailItem[]): string[] =>
  items.map((item) => (item.kind === "message" ? item.message.text : `gap ${item.skippedCount}`));

async function until(isThere: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !isThere(); turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(isThere()).toBe(true);
}

test("a tail shows what is published from its ready on, as its filter wants it", async () => {
  const client = (await RealServer.start()).connect();
  await client.createTopic("news");
  const topic = client.topic("news");
  await topic.publish("before");
  const items: TailItem[] = [];
  const onReady = () => {
    void topic.publishBatch([
      { body: "sun", attributes: { kind: "weather" } },
      { body: "goal", attributes: { kind: "sports" } },
      { body: "rain", subject: "Today", attributes: { kind: "weather" } },
    ]);
  };
  for await (const item of topic.tail({ filterPolicy: '{"kind":["weather"]}', onReady })) {
    items.push(item);
    if (items.length === 2) break;
  }
  expect(textsOf(items)).toEqual(["sun", "rain"]);
  expect(items[1]).toMatchObject({
    message: {
      topic: "news",
      subject: "Today",
      attributes: { kind: { type: "String", value: "weather" } },
      sequenceNumber: "00000000000000000004",
    },
  });
});

test("a tail whose line is cut goes on behind what it showed, with nothing missed and nothing twice", async () => {
  const server = await RealServer.start();
  const writer = server.connect();
  await writer.createTopic("news");
  const line = await CutLine.open(server.endpoint);
  const reader = server.connect({ endpoint: line.endpoint, ...quick });
  const items: TailItem[] = [];
  let readies = 0;
  const loop = (async () => {
    const onReady = () => {
      readies += 1;
    };
    for await (const item of reader.topic("news").tail({ onReady })) {
      items.push(item);
      if (items.length === 40) break;
    }
  })();
  await until(() => readies === 1);
  // Cut before anything was shown, too: the first message must not be missed.
  line.cut();
  for (let round = 0; round < 4; round += 1) {
    for (let index = 0; index < 10; index += 1) {
      await writer.topic("news").publish(`${round * 10 + index}`);
    }
    line.cut();
  }
  await loop;
  expect(readies).toBeGreaterThan(1);
  expect(textsOf(items)).toEqual(Array.from({ length: 40 }, (_, index) => `${index}`));
});

test("a tail that comes back to a server that has forgotten is shown a gap with its size", async () => {
  const server = await RealServer.start();
  const client = server.connect(quick);
  const { topic } = await client.createTopic("news");
  const items: TailItem[] = [];
  let readies = 0;
  const loop = (async () => {
    const onReady = () => {
      readies += 1;
    };
    for await (const item of client.topic(topic.topic).tail({ after: "0", onReady })) {
      items.push(item);
      if (items.length === 3) break;
    }
  })();
  await until(() => readies === 1);
  await client.topic("news").publish("one");
  await until(() => items.length === 1);
  await server.stop();
  await server.start();
  await until(() => readies === 2);
  await client.topic("news").publish("two");
  await until(() => items.length === 2);
  expect(textsOf(items)).toEqual(["one", "two"]);
  // Who begins behind a place whose messages nobody kept is told.
  const late: TailItem[] = [];
  for await (const item of client.topic("news").tail({ after: "0" })) {
    late.push(item);
    if (item.kind === "gap") break;
    if (late.length === 2) break;
  }
  await client.topic("news").publish("three");
  await loop;
  await server.stop();
  await server.start();
  for await (const item of client.topic("news").tail({ after: "1" })) {
    late.push(item);
    break;
  }
  expect(late.at(-1)).toEqual({
    kind: "gap",
    skippedCount: 2,
    lastShown: "00000000000000000001",
    next: "00000000000000000004",
    cause: "RESUME_UNAVAILABLE",
  });
});

test("a tail ends by its signal, by the client's end, and with the topic", async () => {
  const client = (await RealServer.start()).connect();
  await client.createTopic("news");
  const stop = new AbortController();
  const items: TailItem[] = [];
  const onReady = () => stop.abort();
  for await (const item of client.topic("news").tail({ signal: stop.signal, onReady })) {
    items.push(item);
  }
  expect(items).toEqual([]);
  await expect(client.topic("nothing").tail().next()).rejects.toMatchObject({
    reason: "TOPIC_NOT_FOUND",
  });
  await expect(client.topic("news").tail({ filterPolicy: "{" }).next()).rejects.toMatchObject({
    reason: "FILTER_INVALID",
  });
  const gone = client.topic("news").tail({ onReady: () => void client.topic("news").remove() });
  await expect(gone.next()).rejects.toMatchObject({ reason: "TOPIC_NOT_FOUND" });
  await client.createTopic("news");
  const last = client.topic("news").tail({ onReady: () => void client.close() });
  expect(await last.next()).toEqual({ done: true, value: undefined });
});

async function streamed(options: { readonly topic?: string } = {}) {
  const server = await RealServer.start();
  const client = server.connect(quick);
  const { topic = "news" } = options;
  await client.createTopic(topic);
  const { subscription } = await client
    .topic(topic)
    .subscribe(
      { stream: "workers" },
      { settings: { stream: { ackDeadlineMs: 10_000, maxInFlight: 50 } } },
    );
  expect(subscription).toMatchObject({ kind: "STREAM", state: "CONFIRMED", endpoint: "workers" });
  expect(subscription.settings?.stream).toEqual({ ackDeadlineMs: 10_000, maxInFlight: 50 });
  return { server, client, topic: client.topic(topic), id: subscription.subscription };
}

test("a stream's messages are acked, given back and extended, each once", async () => {
  const { client, topic, id } = await streamed();
  await topic.publish("one");
  await topic.publish("two", { attributes: { a: 1 } });
  const consumer = client.subscription(id).consume();
  const one = (await consumer.next()).value as StreamMessage;
  const two = (await consumer.next()).value as StreamMessage;
  expect([one.text, two.text, one.attempt, two.isLost]).toEqual(["one", "two", 1, false]);
  expect(two.attributes).toEqual({ a: { type: "Number", value: "1" } });
  expect(await one.extend(60_000)).toBe(true);
  await expect(one.extend(1)).rejects.toThrow(RangeError);
  expect(await one.ack()).toBe(true);
  expect(() => one.ack()).toThrow("before");
  expect(await two.nack()).toBe(true);
  const again = (await consumer.next()).value as StreamMessage;
  expect([again.text, again.attempt]).toEqual(["two", 2]);
  expect(await again.reject("no good")).toBe(true);
  await consumer.close();
  expect((await client.subscription(id).describe()).counters).toMatchObject({
    backlogCount: 0,
    deliveredCount: 1,
  });
});

test("leaving the loop gives back what is held, and an ack nobody waited for is confirmed", async () => {
  const { client, topic, id } = await streamed();
  for (const text of ["one", "two", "three"]) await topic.publish(text);
  let ack: Promise<boolean> | undefined;
  for await (const message of client.subscription(id).consume()) {
    ack = message.ack();
    break;
  }
  expect(await ack).toBe(true);
  const texts: string[] = [];
  for await (const message of client.subscription(id).consume({ maxMessages: 1 })) {
    texts.push(message.text);
    void message.ack();
    if (texts.length === 2) break;
  }
  expect(texts).toEqual(["two", "three"]);
});

test("of a thousand messages over a line that is cut again and again each is acked in the end", async () => {
  const { server, client: writer, topic, id } = await streamed();
  const line = await CutLine.open(server.endpoint);
  const reader = server.connect({ endpoint: line.endpoint, ...quick });
  const total = 1_000;
  const publishing = (async () => {
    for (let from = 0; from < total; from += 10) {
      await topic.publishBatch(Array.from({ length: 10 }, (_, index) => `${from + index}`));
    }
  })();
  const acked = new Set<string>();
  const all = new AbortController();
  let seen = 0;
  const options = { maxMessages: 20, signal: all.signal };
  for await (const message of reader.subscription(id).consume(options)) {
    seen += 1;
    void message.ack().then((isDone) => {
      if (isDone) acked.add(message.text);
      if (acked.size === total) all.abort();
    });
    if (seen % 200 === 0) line.cut();
  }
  await publishing;
  expect(acked.size).toBe(total);
  const { counters } = await writer.subscription(id).describe();
  expect(counters).toMatchObject({ deliveredCount: total, backlogCount: 0 });
});

test("a consumer goes on when its server was restarted, and fails where it must", async () => {
  const { server, client, topic, id } = await streamed();
  const consumer = client.subscription(id).consume();
  await topic.publish("one");
  const one = (await consumer.next()).value as StreamMessage;
  await one.ack();
  await topic.publish("held");
  const held = (await consumer.next()).value as StreamMessage;
  await server.stop();
  await server.start();
  await topic.publish("two");
  const texts: string[] = [];
  while (texts.length < 2) {
    const message = (await consumer.next()).value as StreamMessage;
    texts.push(`${message.text} ${message.attempt}`);
    await message.ack();
  }
  expect(texts.sort()).toEqual(["held 2", "two 1"]);
  expect(held.isLost).toBe(true);
  // What it stood for was acked meanwhile, so that nothing is left to do.
  expect(await held.ack()).toBe(true);
  await consumer.close();
  const nobody = client.subscription("0190b6f2-0000-7000-8000-000000000001").consume();
  await expect(nobody.next()).rejects.toMatchObject({ reason: "SUBSCRIPTION_NOT_FOUND" });
  await client.createQueue("orders");
  const { subscription } = await topic.subscribe("orders");
  const queue = client.subscription(subscription.subscription).consume();
  await expect(queue.next()).rejects.toMatchObject({ reason: "NOT_A_STREAM" });
});

test("a filter is tried without publishing anything", async () => {
  const client = (await RealServer.start()).connect();
  const filterPolicy = '{"price":[{"numeric":[">",100]}],"kind":["order"]}';
  const verdict = await client.testFilter({
    filterPolicy,
    attributes: { price: 120, kind: "refund" },
  });
  expect(verdict).toMatchObject({
    matched: false,
    keys: [
      { path: "price", matched: true, values: ["120"] },
      { path: "kind", matched: false, values: ['"refund"'] },
    ],
  });
  await expect(client.testFilter({ filterPolicy: "{" })).rejects.toMatchObject({
    reason: "FILTER_INVALID",
  });
});
