// The backlog of a pushed subscription: what becomes of it when the server stops, the target is dead, the subscription is paused or
// ends, its topic is deleted, or a message waits for its time. After each test the store is checked for contradictions.

import { expect, test } from "vitest";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { createTopic, envelopeIn, publish, topicCall } from "../support/topics.js";
import {
  callError,
  countersOf,
  hook,
  pause,
  subscribed,
  until,
  webhookScenario,
} from "../support/webhooks.js";

const messagesOf = (posted: readonly { readonly envelope: Readonly<Record<string, string>> }[]) =>
  posted.map(({ envelope }) => envelope["Message"]);

test("T56 a message in delivery when the server stops is delivered by the next, and is no failed attempt", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook(["silence", 200]);
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "twice");
  await until("it is under way", () => target.notifications.length === 1);
  expect(await countersOf(t, id)).toMatchObject({ backlog: 1, inFlight: 1 });
  await t.restart();
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);
  expect(target.notifications).toHaveLength(2);
  expect(target.notifications[1]?.headers["x-forebay-attempt"]).toBe("1");
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0, inFlight: 0, failedAttempts: 0 });
});

test("T56 what waits for another attempt goes on waiting over a restart, and the topic need not keep it", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([500, 200]);
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "later");
  await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 1);
  await until("the topic has let it go", async () => {
    const { topic } = await topicCall(t, "getTopic", { topic: "news" });
    return topic?.counters?.fanOutPending === 0n;
  });
  await t.restart();
  await t.advance(19_999);
  await pause(50);
  expect(target.notifications).toHaveLength(1);
  await t.advance(1);
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);
  expect(messagesOf(target.notifications)).toEqual(["later", "later"]);
});

test("a paused webhook keeps its backlog, and gets it in order when it is resumed", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  const id = await subscribed(t, "news", target);
  const set = (paused: boolean) =>
    topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { paused },
      updateMask: ["paused"],
    });
  await set(true);
  for (const text of ["one", "two"]) await publish(t, "news", text);
  await pause(50);
  expect(target.notifications).toHaveLength(0);
  expect(await countersOf(t, id)).toMatchObject({ backlog: 2, inFlight: 0 });
  await t.restart();
  await set(false);
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 2);
  expect(messagesOf(target.notifications).toSorted()).toEqual(["one", "two"]);
});

test("purging drops what waits for another attempt and what was never tried, and counts it", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([500]);
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "failed");
  await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 1);
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { paused: true },
    updateMask: ["paused"],
  });
  for (const text of ["one", "two"]) await publish(t, "news", text);
  const { purged } = await topicCall(t, "purgeBacklog", { subscription: id });
  expect(purged).toBe(3n);
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0, filtered: 0, delivered: 0 });
});

test("a subscription that ends, or a topic that is deleted, takes with it what was pending", async () => {
  const t = await webhookScenario({ create: "none" });
  for (const topic of ["news", "gossip"]) await createTopic(t, topic);
  const target = await hook([500]);
  const first = await subscribed(t, "news", target);
  const second = await subscribed(t, "gossip", target);
  for (const topic of ["news", "gossip"]) await publish(t, topic, "failed");
  for (const id of [first, second]) {
    await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 1);
  }
  await topicCall(t, "unsubscribe", { subscription: first });
  await topicCall(t, "deleteTopic", { topic: "gossip" });
  await t.advance(60_000);
  await pause(50);
  expect(target.notifications).toHaveLength(2);
  const gone = await callError(topicCall(t, "getSubscription", { subscription: first }));
  expect(gone.reason).toBe("SUBSCRIPTION_NOT_FOUND");
  const { topic } = await topicCall(t, "getTopic", { topic: "news" });
  expect(topic?.counters).toMatchObject({ subscriptionsConfirmed: 0n, subscriptionsDeleted: 1n });
});

test("a message for later is delivered then, and one whose time ended goes to the dead-letter queue", async () => {
  const t = await webhookScenario({ queue: "dead" });
  await createTopic(t, "news");
  const target = await hook([500, 200]);
  const id = await subscribed(t, "news", target, { deadLetterQueue: "dead", ttlToDlq: true });
  await publish(t, "news", "short-lived", { ttl: { seconds: 10n, nanos: 0 } });
  await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 1);
  await publish(t, "news", "later", { delay: { seconds: 60n, nanos: 0 } });
  await t.advance(20_000);
  await until("it is given up", async () => (await countersOf(t, id))["deadLettered"] === 1);
  expect(envelopeIn(await t.receiveOne({ queue: "dead" }))["Message"]).toBe("short-lived");
  await t.advance(39_999);
  await pause(50);
  expect(target.notifications).toHaveLength(1);
  await t.advance(1);
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);
  expect(messagesOf(target.notifications)).toEqual(["short-lived", "later"]);
});

test("a filter that changes judges what is published from then on, also of what waits", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  const id = await subscribed(t, "news", target, { filterPolicy: '{"color":["red"]}' });
  const update = (settings: { paused?: boolean; filterPolicy?: string }, mask: string) =>
    topicCall(t, "updateSubscription", { subscription: id, settings, updateMask: [mask] });
  await update({ paused: true }, "paused");
  const publishBoth = async (when: string): Promise<void> => {
    for (const color of ["red", "blue"]) {
      await publish(t, "news", `${color} ${when}`, { attributes: { color } });
    }
  };
  await publishBoth("before");
  await update({ filterPolicy: '{"color":["blue"]}' }, "filter_policy");
  await publishBoth("after");
  await update({ paused: false }, "paused");
  await until("both are delivered", async () => (await countersOf(t, id))["delivered"] === 2);
  expect(messagesOf(target.notifications).toSorted()).toEqual(["blue after", "red before"]);
  expect(await countersOf(t, id)).toMatchObject({ filtered: 2, backlog: 0 });
});

test("failures are logged always, and successes where the topic wants it", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news", {
    deliveryLogging: [{ kind: TargetKind.HTTP, successSamplePercent: 100, logFailures: undefined }],
  });
  const target = await hook([500, 200]);
  const id = await subscribed(t, "news", target);
  const { messageId } = await publish(t, "news", "logged");
  await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 1);
  await t.advance(20_000);
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);
  const records = t.logged.filter(({ message }) => message === "delivery");
  expect(records.map(({ fields }) => fields)).toMatchObject([
    {
      notification: { messageId },
      delivery: { subscription: id, attempts: 1, statusCode: 500 },
      status: "FAILURE",
    },
    { notification: { messageId }, delivery: { attempts: 2, statusCode: 200 }, status: "SUCCESS" },
  ]);
});
