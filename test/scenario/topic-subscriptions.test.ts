// Subscriptions of queues: what they get, in which form, and what becomes of what a queue does not take (T09 to T12, T22 to T24,
// T37, T42).

import { expect, test } from "vitest";
import type { MessageAttributeValue } from "../../src/gen/forebay/topic/v1/message.js";
import { SubscriptionState, TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, type Scenario, scenario } from "../support/scenario.js";
import { createTopic, envelopeIn, publish, subscribe, topicCall } from "../support/topics.js";

async function topicAndQueue(): Promise<Scenario> {
  const t = await scenario();
  await createTopic(t, "news");
  return t;
}

const numbersOf = async (t: Scenario, subscription: string) =>
  (await topicCall(t, "getSubscription", { subscription })).subscription?.counters;

const stateOf = async (t: Scenario, subscription: string) =>
  (await topicCall(t, "getSubscription", { subscription })).subscription?.state;

const attributes: Readonly<Record<string, MessageAttributeValue>> = {
  colour: { dataType: "String", value: { $case: "stringValue", value: "red" } },
  size: { dataType: "Number.cm", value: { $case: "stringValue", value: "1.50" } },
  icon: { dataType: "Binary", value: { $case: "binaryValue", value: Buffer.from([0, 1, 255]) } },
};

test("T09 a queue gets the envelope with the attributes in it, and its message has none", async () => {
  const t = await topicAndQueue();
  const id = await subscribe(t, "news", t.queue);
  const { messageId } = await publish(t, "news", 'say "hi"\n👋', { attributes, subject: "Hi" });
  const { message, body } = await t.receiveOne({ attributes: ["All"] });
  expect(message.attributes.size).toBe(0);
  expect(JSON.parse(body)).toEqual({
    Type: "Notification",
    MessageId: messageId,
    TopicArn: "arn:forebay:topic:default:news",
    Subject: "Hi",
    Message: 'say "hi"\n👋',
    Timestamp: new Date(t.now).toISOString(),
    UnsubscribeURL: `/?Action=Unsubscribe&SubscriptionArn=arn:forebay:topic:default:news:${id}`,
    MessageAttributes: {
      colour: { Type: "String", Value: "red" },
      size: { Type: "Number.cm", Value: "1.50" },
      icon: { Type: "Binary", Value: "AAH/" },
    },
  });
  expect(message.systemAttributes?.senderId).toBe("topic:default/news");
});

test("T10 a raw subscription gets the message byte for byte, and its attributes with their types", async () => {
  const t = await topicAndQueue();
  await subscribe(t, "news", t.queue, { isRaw: true });
  await publish(t, "news", "  text 👋\n", { attributes, subject: "not shown" });
  await publish(t, "news", Buffer.from([0, 1, 2]));
  const [text, data] = await t.receive({ max: 10, attributes: ["All"] });
  expect(text?.message.body).toEqual({ $case: "text", value: "  text 👋\n" });
  expect(Object.fromEntries(text?.message.attributes ?? [])).toEqual(attributes);
  expect(data?.message.body).toEqual({ $case: "data", value: Buffer.from([0, 1, 2]) });
});

test("T11 more than ten attributes reach the envelope, and of a raw subscription the dead-letter queue", async () => {
  const t = await topicAndQueue();
  await t.createQueue("raw");
  await t.createQueue("dead");
  await subscribe(t, "news", t.queue);
  const raw = await subscribe(t, "news", "raw", { isRaw: true, deadLetterQueue: "dead" });
  const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`a${at}`, "x"]));
  await publish(t, "news", "many", { attributes: eleven });
  const { a0: _first, ...ten } = eleven;
  await publish(t, "news", "few", { attributes: ten });
  const wrapped = await t.receive({ max: 10 });
  expect(wrapped.map((each) => envelopeIn(each)["Message"])).toEqual(["many", "few"]);
  expect((await t.receive({ queue: "raw", max: 10 })).map(({ body }) => body)).toEqual(["few"]);
  const { message, body } = await t.receiveOne({ queue: "dead", attributes: ["All"] });
  expect(body).toBe("many");
  expect(message.attributes.size).toBe(11);
  expect(message.systemAttributes?.rejection?.reason).toBe("TOO_MANY_ATTRIBUTES");
  expect(await numbersOf(t, raw)).toMatchObject({
    delivered: 1n,
    failedAttempts: 1n,
    deadLettered: 1n,
    backlog: 0n,
  });
});

test("T12 what was published before a subscription is not for it", async () => {
  const t = await topicAndQueue();
  await publish(t, "news", "early");
  const id = await subscribe(t, "news", t.queue, { isRaw: true });
  expect(await t.receive()).toEqual([]);
  await publish(t, "news", "late");
  expect((await t.receiveOne()).body).toBe("late");
  expect(await numbersOf(t, id)).toMatchObject({ delivered: 1n, filtered: 0n });
});

test("T22 subscribing again is the same subscription unless a setting given differs", async () => {
  const t = await topicAndQueue();
  const id = await subscribe(t, "news", t.queue, { isRaw: true });
  expect(await subscribe(t, "news", t.queue, { isRaw: true })).toBe(id);
  expect(await subscribe(t, "news", t.queue)).toBe(id);
  // A queue has one subscription, however it is named.
  expect(await subscribe(t, "news", `default/${t.queue}`, { isPaused: false })).toBe(id);
  await expect(subscribe(t, "news", t.queue, { isRaw: false })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    reason: "SUBSCRIPTION_EXISTS_DIFFERENT_ATTRIBUTES",
    metadata: { differing: "raw_message_delivery" },
  });
  await publish(t, "news", "once");
  expect(await t.receive({ max: 10 })).toHaveLength(1);
});

test("T23 a queue is subscribed by its name, which must be there", async () => {
  const t = await topicAndQueue();
  const url = "https://sqs.us-east-1.amazonaws.com/1/orders";
  for (const endpoint of [url, "a b"]) {
    await expect(subscribe(t, "news", endpoint)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["endpoint"],
    });
  }
  await expect(subscribe(t, "news", "")).rejects.toMatchObject({ reason: "MISSING_PARAMETER" });
  await expect(subscribe(t, "news", "unknown")).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "QUEUE_NOT_FOUND",
  });
  await expect(subscribe(t, "unknown", t.queue)).rejects.toMatchObject({
    reason: "TOPIC_NOT_FOUND",
  });
  const unset = { topic: "news", endpoint: t.queue };
  await expect(topicCall(t, "subscribe", unset)).rejects.toMatchObject({
    reason: "MISSING_PARAMETER",
    violations: ["kind"],
  });
  await expect(
    topicCall(t, "subscribe", { ...unset, kind: 9 as TargetKind }),
  ).rejects.toMatchObject({ reason: "UNSUPPORTED_TARGET" });
  await expect(
    topicCall(t, "subscribe", { ...unset, kind: TargetKind.HTTPS }),
  ).rejects.toMatchObject({ code: "INVALID_ARGUMENT", metadata: { field: "endpoint" } });
  await t.createQueue("in-order.fifo", { type: "fifo" });
  await expect(subscribe(t, "news", "in-order.fifo")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "FIFO_QUEUE_ON_STANDARD_TOPIC",
  });
});

test("T24 a subscription ends once, ending it again is OK, and what is no id is refused", async () => {
  const t = await topicAndQueue();
  const subscription = await subscribe(t, "news", t.queue);
  expect(await topicCall(t, "unsubscribe", { subscription })).toEqual({ existed: true });
  expect(await topicCall(t, "unsubscribe", { subscription })).toEqual({ existed: false });
  await expect(topicCall(t, "unsubscribe", { subscription: "randomstring" })).rejects.toMatchObject(
    { code: "INVALID_ARGUMENT", violations: ["subscription"] },
  );
  await expect(topicCall(t, "getSubscription", { subscription })).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "SUBSCRIPTION_NOT_FOUND",
  });
  await publish(t, "news", "nobody");
  expect(await t.receive()).toEqual([]);
  expect((await topicCall(t, "getTopic", { topic: "news" })).topic?.counters).toMatchObject({
    subscriptionsConfirmed: 0n,
    subscriptionsDeleted: 1n,
    published: 1n,
    fanOutPending: 0n,
  });
});

test("T37 what was for a queue that is gone goes to the dead-letter queue, until the queue is subscribed anew", async () => {
  const t = await topicAndQueue();
  await t.createQueue("dead");
  const id = await subscribe(t, "news", t.queue, { isRaw: true, deadLetterQueue: "dead" });
  await t.deleteQueue();
  await publish(t, "news", "to nobody");
  // One of the same name is another queue.
  await t.createQueue(t.queue);
  await publish(t, "news", "to another");
  expect(await t.receive()).toEqual([]);
  const dead = await t.receive({ queue: "dead", max: 10 });
  expect(dead.map(({ body }) => body)).toEqual(["to nobody", "to another"]);
  expect(dead[0]?.message.systemAttributes?.rejection).toMatchObject({ reason: "TARGET_GONE" });
  expect(dead[0]?.message.systemAttributes?.deliveryFailure).toMatchObject({
    topic: "news",
    subscription: id,
    reason: "TARGET_GONE",
    lastError: expect.stringContaining("does not exist any more"),
    attempts: 1,
    firstAttemptTime: expect.anything(),
  });
  expect(await stateOf(t, id)).toBe(SubscriptionState.TARGET_GONE);
  const { subscriptions } = await topicCall(t, "listSubscriptions", { topic: "news" });
  expect(subscriptions).toMatchObject([{ state: SubscriptionState.TARGET_GONE }]);
  expect(await subscribe(t, "news", t.queue)).toBe(id);
  expect(await stateOf(t, id)).toBe(SubscriptionState.CONFIRMED);
  await publish(t, "news", "to the new one");
  expect((await t.receiveOne()).body).toBe("to the new one");
});

test("T37 without a dead-letter queue it is dropped and counted", async () => {
  const t = await topicAndQueue();
  const id = await subscribe(t, "news", t.queue);
  await t.deleteQueue();
  await publish(t, "news", "gone");
  expect(await numbersOf(t, id)).toMatchObject({
    delivered: 0n,
    failedAttempts: 1n,
    undeliverable: 1n,
    filtered: 0n,
  });
});

test("T42 the dead-letter queue of a FIFO queue is a FIFO queue, and a standard queue's may be a standard one", async () => {
  const t = await topicAndQueue();
  await createTopic(t, "news.fifo");
  await t.createQueue("dead");
  await t.createQueue("dead.fifo", { type: "fifo" });
  await t.createQueue("in-order.fifo", { type: "fifo" });
  const mismatch = { code: "FAILED_PRECONDITION", reason: "DLQ_TYPE_MISMATCH" };
  await expect(
    subscribe(t, "news.fifo", "in-order.fifo", { deadLetterQueue: "dead" }),
  ).rejects.toMatchObject(mismatch);
  await expect(
    subscribe(t, "news", t.queue, { deadLetterQueue: "dead.fifo" }),
  ).rejects.toMatchObject(mismatch);
  await expect(subscribe(t, "news", t.queue, { deadLetterQueue: "unknown" })).rejects.toMatchObject(
    { code: "FAILED_PRECONDITION", reason: "DLQ_NOT_FOUND" },
  );
  await expect(
    subscribe(t, "news", t.queue, { deadLetterQueue: "https://x" }),
  ).rejects.toMatchObject({ violations: ["settings.dead_letter_queue"] });
  await subscribe(t, "news.fifo", "in-order.fifo", { deadLetterQueue: "dead.fifo" });
  await subscribe(t, "news.fifo", t.queue, { deadLetterQueue: "dead" });
});

test("a paused subscription keeps its messages, and gets them in order when it is resumed", async () => {
  const t = await topicAndQueue();
  await t.createQueue("other");
  const subscription = await subscribe(t, "news", t.queue, { isRaw: true });
  await subscribe(t, "news", "other", { isRaw: true });
  const pause = (paused: boolean) =>
    topicCall(t, "updateSubscription", {
      subscription,
      updateMask: ["paused"],
      settings: { paused },
    });
  await publish(t, "news", "before");
  await pause(true);
  const bodies = Array.from({ length: 150 }, (_, index) => `while ${index}`);
  for (const body of bodies) await publish(t, "news", body);
  expect((await t.receiveOne()).body).toBe("before");
  expect(await t.receive()).toEqual([]);
  await t.advance(5_000);
  expect(await numbersOf(t, subscription)).toMatchObject({ backlog: 150n, delivered: 1n });
  expect(await stateOf(t, subscription)).toBe(SubscriptionState.PAUSED);
  const topic = async () => (await topicCall(t, "getTopic", { topic: "news" })).topic?.counters;
  expect(await topic()).toMatchObject({ fanOutPending: 150n });
  await pause(false);
  await t.settle();
  await publish(t, "news", "after");
  const got: string[] = [];
  for (let left = 20; left > 0 && got.length < 151; left -= 1) {
    got.push(...(await t.receive({ max: 10 })).map(({ body }) => body));
    await t.settle();
  }
  expect(got).toEqual([...bodies, "after"]);
  expect(await numbersOf(t, subscription)).toMatchObject({ backlog: 0n, delivered: 152n });
  expect(await topic()).toMatchObject({ fanOutPending: 0n });
});

test("a queue's own limit is held against what was published, not against the envelope", async () => {
  const t = await scenario({ messageBytesMax: 1_024 });
  await createTopic(t, "news");
  await t.createQueue("dead");
  await subscribe(t, "news", t.queue, { deadLetterQueue: "dead" });
  await publish(t, "news", "x".repeat(1_024));
  await publish(t, "news", "x".repeat(1_025));
  expect(envelopeIn(await t.receiveOne())["Message"]).toHaveLength(1_024);
  const dead = await t.receiveOne({ queue: "dead" });
  expect(envelopeIn(dead)["Message"]).toHaveLength(1_025);
  expect(dead.message.systemAttributes?.rejection?.reason).toBe("MESSAGE_TOO_LONG");
});

test("a message whose time to live ended while its subscription was paused is dropped, or goes to the dead-letter queue", async () => {
  const t = await topicAndQueue();
  await t.createQueue("other");
  await t.createQueue("dead");
  const options = { isPaused: true, isRaw: true, deadLetterQueue: "dead" };
  const dropping = await subscribe(t, "news", t.queue, options);
  const keeping = await subscribe(t, "news", "other", { ...options, isExpiredToDeadLetters: true });
  await publish(t, "news", "short", { ttl: durationOf(10_000) });
  await publish(t, "news", "long");
  await t.advance(10_000);
  for (const subscription of [dropping, keeping]) {
    await topicCall(t, "updateSubscription", { subscription, updateMask: ["paused"] });
  }
  await t.settle();
  for (const queue of [t.queue, "other"]) expect((await t.receiveOne({ queue })).body).toBe("long");
  const dead = await t.receiveOne({ queue: "dead" });
  expect(dead.body).toBe("short");
  expect(dead.message.systemAttributes?.rejection?.reason).toBe("EXPIRED");
  expect(await numbersOf(t, dropping)).toMatchObject({
    delivered: 1n,
    deadLettered: 0n,
    filtered: 0n,
  });
  expect(await numbersOf(t, keeping)).toMatchObject({ delivered: 1n, deadLettered: 1n });
});

test("what waits for a subscription can be dropped, all of it or what was published before a time", async () => {
  const t = await topicAndQueue();
  const subscription = await subscribe(t, "news", t.queue, { isRaw: true, isPaused: true });
  await publish(t, "news", "first");
  await t.advance(1_000);
  const beforeTime = { seconds: BigInt(Math.floor(t.now / 1_000)), nanos: (t.now % 1_000) * 1e6 };
  await publish(t, "news", "second");
  const purge = async (request = {}) =>
    (await topicCall(t, "purgeBacklog", { subscription, ...request })).purged;
  expect(await purge({ beforeTime })).toBe(1n);
  expect(await purge({ beforeTime })).toBe(0n);
  expect(await numbersOf(t, subscription)).toMatchObject({ backlog: 1n, filtered: 0n });
  await publish(t, "news", "third");
  expect(await purge({ requestId: "r" })).toBe(2n);
  await publish(t, "news", "fourth");
  expect(await purge({ requestId: "r" })).toBe(2n);
  await topicCall(t, "updateSubscription", { subscription, updateMask: ["paused"] });
  await t.settle();
  expect((await t.receive({ max: 10 })).map(({ body }) => body)).toEqual(["fourth"]);
  expect(await numbersOf(t, subscription)).toMatchObject({ delivered: 1n, filtered: 0n });
});

test("what has waited for a paused subscription for 14 days is dropped", async () => {
  const t = await topicAndQueue();
  const day = 86_400_000;
  const subscription = await subscribe(t, "news", t.queue, { isRaw: true, isPaused: true });
  await publish(t, "news", "old");
  await t.skip(day);
  await publish(t, "news", "young");
  await t.skip(13 * day - 3_600_000);
  expect(await numbersOf(t, subscription)).toMatchObject({ backlog: 2n });
  await t.skip(2 * 3_600_000);
  await t.settle();
  expect(await numbersOf(t, subscription)).toMatchObject({ backlog: 1n, filtered: 0n });
  await topicCall(t, "updateSubscription", { subscription, updateMask: ["paused"] });
  await t.settle();
  expect((await t.receive({ max: 10 })).map(({ body }) => body)).toEqual(["young"]);
});

test("subscriptions are listed oldest first, of a topic or of all, page by page", async () => {
  const t = await topicAndQueue();
  await createTopic(t, "more");
  const ids: string[] = [];
  for (const topic of ["news", "more", "news"]) {
    const queue = `queue-${ids.length}`;
    await t.createQueue(queue);
    ids.push(await subscribe(t, topic, queue));
  }
  const list = async (request: Parameters<typeof topicCall<"listSubscriptions">>[2]) =>
    await topicCall(t, "listSubscriptions", request);
  const idsOf = ({ subscriptions }: Awaited<ReturnType<typeof list>>) =>
    subscriptions.map(({ subscription }) => subscription);
  expect(idsOf(await list({}))).toEqual(ids);
  expect(idsOf(await list({ topic: "news" }))).toEqual([ids[0], ids[2]]);
  const first = await list({ pageSize: 2 });
  expect(idsOf(first)).toEqual(ids.slice(0, 2));
  expect(idsOf(await list({ pageSize: 2, pageToken: first.nextPageToken }))).toEqual([ids[2]]);
  await expect(list({ topic: "news", pageToken: first.nextPageToken })).rejects.toMatchObject({
    reason: "INVALID_PAGE_TOKEN",
  });
  await expect(list({ topic: "unknown" })).rejects.toMatchObject({ reason: "TOPIC_NOT_FOUND" });
  await topicCall(t, "deleteTopic", { topic: "news" });
  expect(idsOf(await list({}))).toEqual([ids[1]]);
  await expect(
    topicCall(t, "getSubscription", { subscription: ids[0] ?? "" }),
  ).rejects.toMatchObject({ reason: "SUBSCRIPTION_NOT_FOUND" });
});
