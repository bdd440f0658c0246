// Deleting a topic that first delivers what it has accepted (DeleteTopic with `drain`, topic.md 1.1): what it refuses meanwhile, what
// it waits for of each kind of target, and that it survives a restart. After each test the store is checked for contradictions.

import { expect, test } from "vitest";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, type Scenario, scenario } from "../support/scenario.js";
import { consumer } from "../support/topic-streams.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import { callError, hook, subscribed, until, webhookScenario } from "../support/webhooks.js";

const drain = (t: Scenario, options: { etag?: string; force?: boolean } = {}) =>
  topicCall(t, "deleteTopic", { topic: "news", drain: true, ...options });

const topicNames = async (t: Scenario): Promise<readonly string[]> => {
  const { topics } = await topicCall(t, "listTopics", {});
  return topics.map(({ topic, isDraining }) => (isDraining ? `${topic} draining` : topic));
};

/** Looks of the sweeper come once a second. */
const look = (t: Scenario): Promise<void> => t.advance(1_100);

const isGone = async (t: Scenario): Promise<boolean> => {
  await look(t);
  return (await topicNames(t)).length === 0;
};

test("a topic that drains takes nothing new, says so, and everything else goes on", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", { archiveRetention: durationOf(86_400_000) });
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isPaused: true });
  await publish(t, "news", "one");
  const { topic } = await topicCall(t, "getTopic", { topic: "news" });
  expect((await callError(drain(t))).reason).toBe("ARCHIVE_ACTIVE");
  expect((await callError(drain(t, { force: true, etag: "other" }))).reason).toBe("ETAG_MISMATCH");
  expect(topic?.isDraining).toBe(false);
  const ordered = { force: true, etag: topic?.etag ?? "" };
  expect(await drain(t, ordered)).toEqual({ existed: true });
  // Asking again is the same, with the same etag, too.
  expect(await drain(t, ordered)).toEqual({ existed: true });
  const beginning = { point: { $case: "beginning" as const, value: {} } };
  const entries = [{ id: "a", body: { $case: "text" as const, value: "two" } }];
  const orders = { topic: "news", kind: TargetKind.QUEUE, endpoint: "orders" };
  const refusals = await Promise.all([
    callError(createTopic(t, "news")),
    callError(publish(t, "news", "two")),
    callError(topicCall(t, "publishBatch", { topic: "news", entries })),
    callError(topicCall(t, "subscribe", orders)),
    callError(topicCall(t, "subscribe", { ...orders, kind: TargetKind.STREAM })),
    callError(topicCall(t, "startReplay", { subscription: id, from: beginning })),
    callError(topicCall(t, "redriveUndeliverable", { subscription: id })),
  ]);
  for (const { reason, metadata } of refusals) {
    expect(reason).toBe("TOPIC_DRAINING");
    expect(metadata).toMatchObject({ topic: "news" });
  }
  await look(t);
  expect(await topicNames(t)).toEqual(["news draining"]);
  const found = await topicCall(t, "getTopic", { topic: "news" });
  expect(found.topic).toMatchObject({ isDraining: true, counters: { published: 1n } });
  // What holds it up can be helped.
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { paused: false },
    updateMask: ["paused"],
  });
  await expect.poll(() => isGone(t), { timeout: 20_000 }).toBe(true);
  expect(await t.receive({ queue: "orders" })).toHaveLength(1);
  expect((await callError(topicCall(t, "getSubscription", { subscription: id }))).reason).toBe(
    "SUBSCRIPTION_NOT_FOUND",
  );
  expect(await drain(t)).toEqual({ existed: false });
  expect(await createTopic(t, "news")).toMatchObject({ created: true });
});

test("a topic drains until a webhook has everything, over retries and a restart", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const receiver = await hook([503, 503, 200]);
  const id = await subscribed(t, "news", receiver);
  await publish(t, "news", "one");
  await until("the first attempt", () => receiver.notifications.length === 1);
  await drain(t);
  await look(t);
  expect(await topicNames(t)).toEqual(["news draining"]);
  await t.restart();
  await look(t);
  expect(await topicNames(t)).toEqual(["news draining"]);
  expect((await callError(publish(t, "news", "two"))).reason).toBe("TOPIC_DRAINING");
  await until("delivered and gone", async () => {
    await t.advance(5_000);
    return (await topicNames(t)).length === 0;
  });
  expect(receiver.notifications.length).toBeGreaterThanOrEqual(3);
  expect(new Set(receiver.notifications.map(({ envelope }) => envelope["Message"]))).toEqual(
    new Set(["one"]),
  );
  expect((await callError(topicCall(t, "getSubscription", { subscription: id }))).reason).toBe(
    "SUBSCRIPTION_NOT_FOUND",
  );
});

test("what a target never takes is in the dead-letter queue before the topic is gone", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  await t.createQueue("dead");
  const receiver = await hook([503]);
  await subscribed(t, "news", receiver, { deadLetterQueue: "dead", rawMessageDelivery: true });
  await publish(t, "news", "one");
  await drain(t);
  await until("given up and gone", async () => {
    await t.advance(5_000);
    return (await topicNames(t)).length === 0;
  });
  expect(await t.receive({ queue: "dead" })).toMatchObject([{ body: "one" }]);
});

test("a topic drains until the consumers of a stream have acknowledged, and then the stream ends", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const stream = { topic: "news", kind: TargetKind.STREAM, endpoint: "workers" };
  const { subscription } = await topicCall(t, "subscribe", stream);
  await publish(t, "news", "one");
  await drain(t);
  const reader = await consumer(t, subscription?.subscription ?? "");
  await reader.take(1);
  await look(t);
  expect(await topicNames(t)).toEqual(["news draining"]);
  reader.say({ $case: "ack", value: { handles: [reader.handle(0)] } });
  await expect.poll(() => isGone(t), { timeout: 20_000 }).toBe(true);
  expect((await reader.ended)?.reason).toBe("SUBSCRIPTION_NOT_FOUND");
});

test("deleting a topic that drains drops what still waits, and its name is free at once", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  await t.createQueue("orders");
  await subscribe(t, "news", "orders", { isPaused: true });
  await publish(t, "news", "one");
  await drain(t);
  await look(t);
  expect(await topicCall(t, "deleteTopic", { topic: "news" })).toEqual({ existed: true });
  expect(await createTopic(t, "news")).toMatchObject({ created: true });
  await look(t);
  expect(await topicNames(t)).toEqual(["news"]);
  expect(await t.receive({ queue: "orders" })).toHaveLength(0);
});

test("one topic that is held up keeps no other from being drained, and pending webhooks hold up none", async () => {
  const t = await webhookScenario({ create: "none" });
  await t.createQueue("orders");
  await createTopic(t, "news");
  await subscribe(t, "news", "orders", { isPaused: true });
  await publish(t, "news", "one");
  await drain(t);
  await createTopic(t, "other");
  const receiver = await hook();
  const webhook = { topic: "other", kind: TargetKind.HTTP, endpoint: receiver.url };
  await topicCall(t, "subscribe", webhook);
  await publish(t, "other", "two");
  await topicCall(t, "deleteTopic", { topic: "other", drain: true });
  await expect
    .poll(
      async () => {
        await look(t);
        return await topicNames(t);
      },
      { timeout: 20_000 },
    )
    .toEqual(["news draining"]);
});
