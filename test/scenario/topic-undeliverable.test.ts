// What a subscription gives up and no dead-letter queue takes (topic.md 2.7): it is kept, listed, tried again on demand, and gone after 14
// days or with its subscription. For queues, FIFO queues, streams, webhooks. After each test the store is checked for contradictions.

import { expect, test } from "vitest";
import { UndeliverableReason } from "../../src/gen/forebay/topic/v1/message.js";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, msOf, type Scenario, scenario } from "../support/scenario.js";
import { consumer } from "../support/topic-streams.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import {
  callError,
  countersOf,
  hook,
  subscribed,
  until,
  webhookScenario,
} from "../support/webhooks.js";

const dayMs = 86_400_000;

const listed = async (t: Scenario, subscription: string) => {
  const { messages } = await topicCall(t, "listUndeliverable", { subscription });
  return messages;
};

const textsOf = (messages: Awaited<ReturnType<typeof listed>>) =>
  messages.map(({ notification }) => String(notification?.body?.value));

const redrive = async (
  t: Scenario,
  subscription: string,
  options: { ids?: string[]; maxPerSecond?: number; requestId?: string } = {},
): Promise<number> => {
  const { redriven } = await topicCall(t, "redriveUndeliverable", { subscription, ...options });
  return Number(redriven);
};

/** Steps follow each other by timers of some milliseconds. */
const settle = async (t: Scenario): Promise<void> => {
  for (let left = 20; left > 0; left -= 1) await t.advance(10);
};

async function bodiesIn(t: Scenario, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const messages = await t.receive({ queue, max: 10 });
    if (messages.length === 0) return bodies;
    bodies.push(...messages.map(({ body }) => body));
    const entries = messages.map(({ handle }, at) => ({ id: String(at), receiptHandle: handle }));
    await t.call("deleteMessageBatch", { queue, entries });
  }
}

/** A queue that is too small for what is published to it. */
async function tooSmall(texts: readonly string[], queue = "small", topic = "news") {
  const t = await scenario({ create: "none" });
  await createTopic(t, topic);
  const type = queue.endsWith(".fifo") ? { type: "fifo" as const } : {};
  await t.createQueue(queue, { messageBytesMax: 1_024, ...type });
  const id = await subscribe(t, topic, queue, { isRaw: true });
  const groupId = topic.endsWith(".fifo") ? "g" : undefined;
  for (const text of texts) {
    await publish(t, topic, long(text), groupId === undefined ? {} : { groupId, dedupId: text });
  }
  return { t, id };
}

const long = (text: string): string => text.padEnd(1_025, ".");
const short = (text: string): string => text.replaceAll(".", "");

const enlarge = (t: Scenario, queue: string) => t.setQueue({ messageBytesMax: 4_096 }, queue);

test("T37 what a queue that is gone did not get is kept, with its reason, and survives a restart", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders");
  await t.call("deleteQueue", { queue: "orders" });
  const publishedAt = t.now;
  const { messageId } = await publish(t, "news", "one", {
    subject: "It is",
    attributes: { a: "b" },
  });
  await t.restart();
  const messages = await listed(t, id);
  expect(messages).toMatchObject([
    {
      reason: UndeliverableReason.TARGET_GONE,
      attempts: 1,
      notification: { messageId, subject: "It is", body: { $case: "text", value: "one" } },
    },
  ]);
  expect(messages[0]?.lastError).toContain("does not exist any more");
  expect(msOf(messages[0]?.giveUpTime)).toBe(publishedAt);
  expect(msOf(messages[0]?.firstAttemptTime)).toBe(publishedAt);
  expect([...(messages[0]?.notification?.attributes.keys() ?? [])]).toEqual(["a"]);
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 1, delivered: 0, backlog: 0 });
});

test("a page ends where its size says, and the next begins behind it", async () => {
  const { t, id } = await tooSmall(["1", "2", "3"]);
  const first = await topicCall(t, "listUndeliverable", { subscription: id, pageSize: 2 });
  expect(textsOf(first.messages).map(short)).toEqual(["1", "2"]);
  const second = await topicCall(t, "listUndeliverable", {
    subscription: id,
    pageSize: 2,
    pageToken: first.nextPageToken,
  });
  expect(textsOf(second.messages).map(short)).toEqual(["3"]);
  expect(second.nextPageToken).toBe("");
});

test("what is tried again reaches its queue once, in order, and is undeliverable no more", async () => {
  const { t, id } = await tooSmall(["1", "2", "3"]);
  await enlarge(t, "small");
  expect(await redrive(t, id)).toBe(3);
  await settle(t);
  expect((await bodiesIn(t, "small")).map(short)).toEqual(["1", "2", "3"]);
  expect(await listed(t, id)).toEqual([]);
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 0, delivered: 3, filtered: 0 });
  expect(await redrive(t, id)).toBe(0);
});

test("of a FIFO topic what is tried again keeps the order of its group, also when a part of it fails again", async () => {
  const { t, id } = await tooSmall(["1", "2", "3", "4"], "small.fifo", "news.fifo");
  expect(await redrive(t, id)).toBe(4);
  await settle(t);
  // The queue is as small as it was.
  expect((await listed(t, id)).map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1]);
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 4, filtered: 0 });
  await enlarge(t, "small.fifo");
  expect(await redrive(t, id)).toBe(4);
  await settle(t);
  expect((await bodiesIn(t, "small.fifo")).map(short)).toEqual(["1", "2", "3", "4"]);
});

test("of all only those with these ids are tried, and an order repeated by its request id is the same", async () => {
  const { t, id } = await tooSmall(["1", "2", "3"]);
  const [, second] = await listed(t, id);
  await enlarge(t, "small");
  const order = { ids: [second?.id ?? "", second?.id ?? "", "0000000000ffff"], requestId: "r" };
  expect(await redrive(t, id, order)).toBe(1);
  expect(await redrive(t, id, order)).toBe(1);
  await settle(t);
  expect((await bodiesIn(t, "small")).map(short)).toEqual(["2"]);
  expect(textsOf(await listed(t, id)).map(short)).toEqual(["1", "3"]);
});

test("ids that are none, too many of them, and a pace out of range are refused", async () => {
  const { t, id } = await tooSmall([]);
  for (const options of [
    { ids: ["garbage"] },
    { ids: Array.from({ length: 1_001 }, () => "00000000000001") },
    { maxPerSecond: 0 },
    { maxPerSecond: 501 },
  ]) {
    const error = await callError(redrive(t, id, options));
    expect(error.reason).toBe("INVALID_PARAMETER");
  }
  const unknown = "00000000-0000-7000-8000-000000000000";
  expect((await callError(listed(t, unknown))).reason).toBe("SUBSCRIPTION_NOT_FOUND");
  expect((await callError(redrive(t, unknown))).reason).toBe("SUBSCRIPTION_NOT_FOUND");
});

test("a pace is kept to, and goes on after a restart without losing or doubling a message", async () => {
  const texts = Array.from({ length: 20 }, (_, index) => String(index));
  const { t, id } = await tooSmall(texts);
  await enlarge(t, "small");
  const all = (): Promise<number> => listed(t, id).then(({ length }) => length);
  expect(await redrive(t, id, { maxPerSecond: 2 })).toBe(20);
  for (let left = 30; left > 0; left -= 1) await t.advance(100);
  // One at once, then two a second for three seconds.
  expect(await all()).toBeGreaterThanOrEqual(12);
  expect(await all()).toBeLessThanOrEqual(14);
  await t.restart();
  const left = await all();
  for (let tenth = 30; tenth > 0; tenth -= 1) await t.advance(100);
  expect(left - (await all())).toBeGreaterThanOrEqual(5);
  expect(left - (await all())).toBeLessThanOrEqual(7);
  for (let tenth = 100; tenth > 0; tenth -= 1) await t.advance(100);
  expect(await all()).toBe(0);
  expect((await bodiesIn(t, "small")).map(short)).toEqual(texts);
});

test("a paused subscription is not tried until it goes on", async () => {
  const { t, id } = await tooSmall(["1"]);
  await enlarge(t, "small");
  const pause = (paused: boolean) =>
    topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { paused },
      updateMask: ["paused"],
    });
  await pause(true);
  expect(await redrive(t, id)).toBe(1);
  await settle(t);
  expect(await bodiesIn(t, "small")).toEqual([]);
  await pause(false);
  for (let left = 15; left > 0; left -= 1) await t.advance(100);
  expect((await bodiesIn(t, "small")).map(short)).toEqual(["1"]);
});

test("what is kept goes after 14 days, and not a millisecond before", async () => {
  const { t, id } = await tooSmall(["1"]);
  const givenUpAt = t.now;
  await t.leap(14 * dayMs - 1 - (t.now - givenUpAt));
  expect(await listed(t, id)).toHaveLength(1);
  await t.leap(1);
  expect(await listed(t, id)).toEqual([]);
  await t.advance(5_000);
  expect(await redrive(t, id)).toBe(0);
  // That it was given up stays counted.
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 1 });
});

test("a dead-letter queue that is set later gets what fails from then on, and not what failed before", async () => {
  const { t, id } = await tooSmall(["1"]);
  await t.createQueue("dead");
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { deadLetterQueue: "dead" },
    updateMask: ["dead_letter_queue"],
  });
  await publish(t, "news", long("2"));
  await settle(t);
  expect((await bodiesIn(t, "dead")).map(short)).toEqual(["2"]);
  expect(textsOf(await listed(t, id)).map(short)).toEqual(["1"]);
});

test("T37 without its dead-letter queue, which was deleted, a message is kept", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  await t.createQueue("small", { messageBytesMax: 1_024 });
  await t.createQueue("dead");
  const id = await subscribe(t, "news", "small", { isRaw: true, deadLetterQueue: "dead" });
  await publish(t, "news", long("1"));
  await t.call("deleteQueue", { queue: "dead" });
  await publish(t, "news", long("2"));
  expect(textsOf(await listed(t, id)).map(short)).toEqual(["2"]);
  expect(await countersOf(t, id)).toMatchObject({ deadLettered: 1, undeliverable: 1 });
});

test("with an end, or a topic that is deleted, all that was kept goes in the background", async () => {
  const { t, id } = await tooSmall(["1", "2"]);
  await redrive(t, id, { maxPerSecond: 1 });
  await topicCall(t, "unsubscribe", { subscription: id });
  await t.advance(5_000);
  await t.createQueue("tiny", { messageBytesMax: 1_024 });
  const other = await subscribe(t, "news", "tiny", { isRaw: true });
  await publish(t, "news", long("3"));
  expect(await listed(t, other)).toHaveLength(1);
  await topicCall(t, "deleteTopic", { topic: "news" });
  await t.advance(5_000);
  expect((await callError(listed(t, other))).reason).toBe("SUBSCRIPTION_NOT_FOUND");
});

test("a webhook that refused a message gets it again, with attempts that begin anew", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([404, 200], { now: () => t.now });
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "one");
  await until("it is given up", async () => (await countersOf(t, id))["undeliverable"] === 1);
  const [kept] = await listed(t, id);
  expect(kept).toMatchObject({ reason: UndeliverableReason.PERMANENT_FAILURE, attempts: 1 });
  expect(await redrive(t, id)).toBe(1);
  await settle(t);
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);
  expect(target.notifications.map(({ envelope }) => envelope["Message"])).toEqual(["one", "one"]);
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 0, backlog: 0, filtered: 0 });
  expect(await listed(t, id)).toEqual([]);
});

test("what a stream's consumer rejected comes to a consumer again", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const { subscription } = await topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.STREAM,
    endpoint: "workers",
  });
  const id = subscription?.subscription ?? "";
  const { messageId } = await publish(t, "news", "one", { subject: "It is" });
  const stream = await consumer(t, id, 100);
  await stream.take(1);
  stream.say({ $case: "reject", value: { handles: [stream.handle(0)], reason: "bad" } });
  await stream.until(() => stream.results.length > 0);
  const [kept] = await listed(t, id);
  expect(kept).toMatchObject({
    reason: UndeliverableReason.REJECTED,
    lastError: "bad",
    attempts: 1,
  });
  expect(await redrive(t, id)).toBe(1);
  const taken = stream.take(2);
  await settle(t);
  expect((await taken)[1]).toMatchObject({
    attempt: 1,
    notification: { messageId, subject: "It is", body: { $case: "text", value: "one" } },
  });
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 0, filtered: 0, backlog: 1 });
});

test("what came too late is kept where it would go to a dead-letter queue, and is delivered when it is tried again", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", {
    isRaw: true,
    isPaused: true,
    isExpiredToDeadLetters: true,
  });
  await publish(t, "news", "late", { ttl: durationOf(1_000) });
  await t.advance(1_000);
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { paused: false },
    updateMask: ["paused"],
  });
  await settle(t);
  expect(await listed(t, id)).toMatchObject([{ reason: UndeliverableReason.EXPIRED, attempts: 0 }]);
  expect(await redrive(t, id)).toBe(1);
  await settle(t);
  expect(await bodiesIn(t, "orders")).toEqual(["late"]);
});
