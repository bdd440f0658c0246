// Topics through the client, on a real server.

import { expect, test } from "vitest";
import type { ForebayClient } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

async function start(): Promise<ForebayClient> {
  const client = (await RealServer.start()).connect();
  await client.createQueue("orders");
  await client.createTopic("news");
  return client;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("a queue that is subscribed gets what is published, alone or in an envelope", async () => {
  const client = await start();
  const topic = client.topic("news");
  const { subscription, created } = await topic.subscribe("orders", {
    settings: { rawMessageDelivery: true },
  });
  expect(created).toBe(true);
  const { messageId } = await topic.publish("plain", { attributes: { size: 3 } });
  const [raw] = await client.queue("orders").receive();
  expect(raw).toMatchObject({
    text: "plain",
    attributes: { size: { type: "Number", value: "3" } },
  });
  const changed = await client
    .subscription(subscription.subscription)
    .set({ rawMessageDelivery: false });
  expect(changed.settings).toMatchObject({
    rawMessageDelivery: false,
    deadLetterQueue: "",
    paused: false,
    filterPolicy: "",
    filterPolicyScope: "MESSAGE_ATTRIBUTES",
    ttlToDlq: false,
  });
  const second = await topic.publish("wrapped", { subject: "Hi" });
  const [wrapped] = await client.queue("orders").receive();
  expect(wrapped?.json()).toMatchObject({
    Type: "Notification",
    MessageId: second.messageId,
    Subject: "Hi",
    Message: "wrapped",
  });
  expect(second.messageId).not.toBe(messageId);
});

test("a filter keeps back what is not for its queue", async () => {
  const client = await start();
  const topic = client.topic("news");
  await topic.subscribe("orders", {
    settings: { filterPolicy: '{"kind":["weather"]}', filterPolicyScope: "MESSAGE_BODY" },
  });
  await topic.publish('{"kind":"sports"}');
  await topic.publish('{"kind":"weather"}');
  const messages = await client.queue("orders").receive({ maxMessages: 10 });
  expect(messages.map((message) => message.json())).toMatchObject([
    { Message: '{"kind":"weather"}' },
  ]);
  await expect(
    topic.subscribe("orders", { settings: { filterPolicy: "{" } }),
  ).rejects.toMatchObject({ reason: "FILTER_INVALID" });
});

test("a batch says of each message what became of it", async () => {
  const client = await start();
  const { successful, failed } = await client
    .topic("news")
    .publishBatch(["one", { id: "bad", body: "two", dedupId: "d" }, { body: "three" }]);
  expect(successful.map(({ id }) => id)).toEqual(["0", "2"]);
  expect(failed).toMatchObject([{ id: "bad", reason: "DEDUP_ID_NOT_ALLOWED", senderFault: true }]);
});

test("topics and subscriptions are described, listed and removed", async () => {
  const client = await start();
  const { topic, created } = await client.createTopic("news.fifo", {
    settings: { contentBasedDeduplication: true, fifoThroughputScope: "MESSAGE_GROUP" },
    tags: { team: "a" },
  });
  expect(created).toBe(true);
  expect(topic).toMatchObject({
    isFifo: true,
    settings: { contentBasedDeduplication: true, fifoThroughputScope: "MESSAGE_GROUP" },
    counters: undefined,
  });
  await client.topic("news.fifo").publish("x", { groupId: "g" });
  expect(await client.topic("news.fifo").publish("x", { groupId: "g" })).toMatchObject({
    duplicate: true,
  });
  expect((await client.topic("news.fifo").describe()).counters).toMatchObject({
    publishedCount: 1,
    subscriptionCount: 0,
  });
  expect((await all(client.topics("news"))).map((each) => each.topic)).toEqual([
    "news",
    "news.fifo",
  ]);
  const { subscription } = await client.topic("news").subscribe("orders");
  expect(await all(client.subscriptions())).toMatchObject([
    { subscription: subscription.subscription, endpoint: "orders", state: "CONFIRMED" },
  ]);
  expect(await client.subscription(subscription.subscription).remove()).toBe(true);
  expect(await client.subscription(subscription.subscription).remove()).toBe(false);
  expect(await all(client.topic("news").subscriptions())).toEqual([]);
  expect(await client.topic("news").remove()).toBe(true);
  await expect(client.topic("news").publish("x")).rejects.toMatchObject({
    reason: "TOPIC_NOT_FOUND",
  });
});
