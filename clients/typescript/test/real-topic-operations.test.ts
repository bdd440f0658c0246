// Looking after topics through the client, on a real server: settings, tags, permissions, and messages that could not be delivered.

import { expect, test } from "vitest";
import type { ForebayClient } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

async function start(): Promise<ForebayClient> {
  const client = (await RealServer.start()).connect();
  await client.createTopic("news");
  return client;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("what a queue could not take is listed, and is tried again when it is told to", async () => {
  const client = await start();
  await client.createQueue("small", { attributes: { maximumMessageBytes: 1_024 } });
  const { subscription: made } = await client
    .topic("news")
    .subscribe("small", { settings: { rawMessageDelivery: true } });
  const subscription = client.subscription(made.subscription);
  const long = "x".repeat(2_000);
  const { messageId } = await client.topic("news").publish(long, { subject: "Long" });
  await client.topic("news").publish("y".repeat(2_000));
  const [first, second] = await all(subscription.undeliverable());
  expect(first).toMatchObject({
    reason: "PERMANENT_FAILURE",
    attempts: 1,
    lastError: expect.stringContaining("2000"),
    giveUpTime: expect.any(Date),
    message: { messageId, text: long, subject: "Long", topic: "news" },
  });
  await client.queue("small").setAttributes({ maximumMessageBytes: 4_096 });
  expect(await subscription.redrive({ ids: [second?.id ?? ""], maxPerSecond: 500 })).toBe(1);
  await expect
    .poll(async () => (await all(subscription.undeliverable())).map(({ id }) => id))
    .toEqual([first?.id]);
  expect(await subscription.redrive()).toBe(1);
  const queue = client.queue("small");
  await expect
    .poll(async () => (await queue.attributes()).counters.storedMessageCount, { timeout: 10_000 })
    .toBe(2);
  expect(await all(subscription.undeliverable())).toEqual([]);
  expect(await subscription.redrive()).toBe(0);
  // On the wire no ids are all of them, which nobody means who filtered a list and found nothing.
  await expect(subscription.redrive({ ids: [] })).rejects.toThrow(RangeError);
  await expect(subscription.redrive({ ids: ["none"] })).rejects.toMatchObject({
    reason: "INVALID_PARAMETER",
  });
});

test("a topic's settings are changed, those that are given", async () => {
  const client = await start();
  const topic = client.topic("news");
  const changed = await topic.set({
    displayName: "Old news",
    maximumMessageBytes: 2_048,
    signatureVersion: "SHA1",
    deliveryPolicy: { retries: 5, maxDelayMs: 30_000, disableSubscriptionOverrides: true },
    deliveryLogging: [{ kind: "QUEUE", successSamplePercent: 100, logFailures: false }],
  });
  expect(changed.settings).toMatchObject({
    displayName: "Old news",
    maximumMessageBytes: 2_048,
    signatureVersion: "SHA1",
    tracing: "PASS_THROUGH",
    deliveryPolicy: { retries: 5, maxDelayMs: 30_000, disableSubscriptionOverrides: true },
    deliveryLogging: [{ kind: "QUEUE", successSamplePercent: 100, logFailures: false }],
  });
  expect(changed.effectiveDeliveryPolicy).toMatchObject({ retries: 5, minDelayMs: 20_000 });
  const second = await topic.set({ displayName: "" }, { etag: changed.etag });
  expect(second.settings).toMatchObject({ displayName: "", maximumMessageBytes: 2_048 });
  await expect(topic.set({ displayName: "x" }, { etag: changed.etag })).rejects.toMatchObject({
    reason: "ETAG_MISMATCH",
  });
  // An empty policy is none.
  expect((await topic.set({ deliveryPolicy: {} })).effectiveDeliveryPolicy).toMatchObject({
    retries: 3,
  });
  await expect(topic.set({ contentBasedDeduplication: true })).rejects.toMatchObject({
    reason: "NOT_FIFO",
  });
  await expect(topic.set({ tracing: "ACTIVE" })).rejects.toMatchObject({
    reason: "UNSUPPORTED_OPERATION",
  });
});

test("tags and permissions are set, shown and taken back", async () => {
  const client = await start();
  const topic = client.topic("news");
  await topic.tag({ team: "a", stage: "test" });
  await topic.untag(["stage", "none"]);
  expect(await topic.tags()).toEqual({ team: "a" });
  expect(await all(client.topics("", { tags: { team: "b" } }))).toEqual([]);
  expect(await all(client.topics("", { tags: { team: "a" } }))).toMatchObject([{ topic: "news" }]);
  const permission = { label: "billing", principals: ["billing"], actions: ["Publish"] } as const;
  await topic.addPermission(permission);
  const { policy } = (await topic.describe()).settings;
  expect(JSON.parse(policy ?? "")).toMatchObject({ Statement: [{ Sid: "billing" }] });
  await expect(topic.addPermission(permission)).rejects.toMatchObject({ reason: "LABEL_EXISTS" });
  await topic.removePermission("billing");
  expect((await topic.describe()).settings.policy).toBe("");
});

test("a backlog is dropped, of it what is older than a time", async () => {
  const client = await start();
  const topic = client.topic("news");
  const { subscription: made } = await topic.subscribe({ stream: "readers" });
  const subscription = client.subscription(made.subscription);
  await topic.publish("one");
  const published = await topic.publish("two", { wantCounts: true });
  expect(published).toMatchObject({ matchedSubscriptionCount: 1, filteredSubscriptionCount: 0 });
  expect(await subscription.purge({ before: new Date(Date.now() - 3_600_000) })).toBe(0);
  expect(await subscription.purge()).toBe(2);
  expect((await subscription.describe()).counters).toMatchObject({
    backlogCount: 0,
    inFlightCount: 0,
    failedAttemptCount: 0,
  });
});

test("a replay says what it was asked for", async () => {
  const client = await start();
  const topic = client.topic("news");
  await topic.keepArchive(86_400_000);
  await topic.publish("one");
  const { subscription: made } = await topic.subscribe({ stream: "late" });
  const subscription = client.subscription(made.subscription);
  const asked = {
    from: "beginning",
    until: { sequenceNumber: "00000000000000000002" },
    speed: { originalTimes: 10 },
    pauseAfterwards: true,
  } as const;
  expect(await subscription.startReplay(asked)).toMatchObject(asked);
  const { from, until, speed } = await subscription.startReplay({
    from: new Date(0),
    clamp: true,
    speed: { messagesPerSecond: 5 },
  });
  expect({ from, until, speed }).toMatchObject({
    until: undefined,
    speed: { messagesPerSecond: 5 },
  });
  expect((await subscription.describe()).replay).toMatchObject({ speed, pauseAfterwards: false });
  await expect(topic.keepArchive(0)).rejects.toMatchObject({ reason: "ARCHIVE_ACTIVE" });
  await topic.keepArchive(0, { confirmDeletion: true });
  expect((await topic.describe()).settings.archiveRetentionMs).toBe(0);
});
