// Durable streams: a backlog that consumers share, at least once, in order where there is one (topic.md 2.5).

import { expect, test } from "vitest";
import {
  type Subscription,
  type SubscriptionSettings,
  TargetKind,
} from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, msOf, type Scenario, scenario } from "../support/scenario.js";
import { consumer, openConsumer, type TopicConsumer } from "../support/topic-streams.js";
import { createTopic, envelopeIn, publish, subscribe, topicCall } from "../support/topics.js";

interface StreamOptions extends Partial<SubscriptionSettings> {
  readonly endpoint?: string;
  readonly topic?: string;
}

async function subscribeStream(t: Scenario, options: StreamOptions = {}): Promise<string> {
  const { endpoint = "workers", topic = "news", ...settings } = options;
  const { subscription } = await topicCall(t, "subscribe", {
    topic,
    kind: TargetKind.STREAM,
    endpoint,
    settings,
  });
  return subscription?.subscription ?? "";
}

async function streamed(options: StreamOptions = {}): Promise<{ t: Scenario; id: string }> {
  const t = await scenario({ create: "none" });
  await createTopic(t, options.topic ?? "news");
  return { t, id: await subscribeStream(t, options) };
}

const ack = (stream: TopicConsumer, ...indexes: number[]): void =>
  stream.say({
    $case: "ack",
    value: { handles: indexes.map((index) => stream.handle(index)) },
  });

/** Counters as `backlog/in flight/delivered/filtered/dead lettered/undeliverable`. */
async function counts(t: Scenario, id: string): Promise<string> {
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  const { counters } = subscription ?? {};
  if (counters === undefined) throw new Error("It has no counters.");
  const { backlog, inFlight, delivered, filtered, deadLettered, undeliverable } = counters;
  return [backlog, inFlight, delivered, filtered, deadLettered, undeliverable].join("/");
}

test("what was published waits for a consumer, comes with all it was published with, and is done once acknowledged", async () => {
  const { t, id } = await streamed();
  const { messageId, sequenceNumber } = await publish(t, "news", "one", {
    subject: "It is",
    attributes: { colour: "red" },
    groupId: "tenant",
  });
  await publish(t, "news", new Uint8Array([0, 255]), { contentType: "image/x" });
  expect(await counts(t, id)).toBe("2/0/0/0/0/0");
  const publishedAt = t.now;
  await t.advance(1_000);
  const stream = await consumer(t, id);
  const [one, two] = await stream.take(2);
  expect(stream.responses[0]?.item).toMatchObject({
    $case: "started",
    value: { ackDeadline: { seconds: 30n } },
  });
  expect(one).toMatchObject({
    attempt: 1,
    notification: {
      messageId,
      sequenceNumber,
      topic: "news",
      subject: "It is",
      body: { $case: "text", value: "one" },
      groupId: "tenant",
      isReplayed: false,
    },
  });
  expect([...(one?.notification?.attributes.keys() ?? [])]).toEqual(["colour"]);
  expect(msOf(one?.notification?.publishTime)).toBe(publishedAt);
  expect(msOf(one?.ackDeadlineTime)).toBe(t.now + 30_000);
  expect(two?.notification).toMatchObject({
    body: { $case: "data", value: Buffer.from([0, 255]) },
    contentType: "image/x",
    subject: undefined,
  });
  expect(await counts(t, id)).toBe("2/2/0/0/0/0");
  ack(stream, 0, 1);
  await stream.until(() => stream.results.length > 0);
  expect(stream.results).toEqual([
    { handles: [stream.handle(0), stream.handle(1)], isDone: true, reason: "" },
  ]);
  expect(await counts(t, id)).toBe("0/0/2/0/0/0");
});

test("what is not acknowledged by its deadline goes to another consumer, and the late one is told so", async () => {
  const { t, id } = await streamed({ stream: { ackDeadline: durationOf(10_000) } });
  const first = await consumer(t, id, 1);
  await publish(t, "news", "one");
  await first.take(1);
  const other = await consumer(t, id, 1);
  await t.advance(9_999);
  expect(other.messages).toEqual([]);
  await t.advance(1);
  const [again] = await other.take(1);
  expect(again).toMatchObject({ attempt: 2 });
  ack(first, 0);
  await first.until(() => first.results.length > 0);
  expect(first.results[0]).toMatchObject({ isDone: false, reason: "HANDLE_EXPIRED" });
  first.say({ $case: "ack", value: { handles: ["garbage"] } });
  await first.until(() => first.results.length > 1);
  expect(first.results[1]).toMatchObject({ isDone: false, reason: "HANDLE_INVALID" });
  ack(other, 0);
  await other.until(() => other.results.length > 0);
  expect(await counts(t, id)).toBe("0/0/1/0/0/0");
});

test("a message that is extended stays with its consumer", async () => {
  const { t, id } = await streamed({ stream: { ackDeadline: durationOf(10_000) } });
  const stream = await consumer(t, id);
  await publish(t, "news", "one");
  await stream.take(1);
  await t.advance(9_000);
  stream.say({
    $case: "extend",
    value: { handles: [stream.handle(0)], ackDeadline: durationOf(60_000) },
  });
  await stream.until(() => stream.results.length > 0);
  await t.advance(59_999);
  expect(stream.messages).toHaveLength(1);
  await t.advance(1);
  expect(await stream.take(2)).toMatchObject([{ attempt: 1 }, { attempt: 2 }]);
});

test("what is given back comes again after its delay", async () => {
  const { t, id } = await streamed();
  const stream = await consumer(t, id);
  await publish(t, "news", "one");
  await stream.take(1);
  stream.say({
    $case: "nack",
    value: { handles: [stream.handle(0)], delay: durationOf(5_000) },
  });
  await stream.until(() => stream.results.length > 0);
  await t.advance(4_999);
  expect(stream.messages).toHaveLength(1);
  await t.advance(1);
  await stream.take(2);
  stream.say({ $case: "nack", value: { handles: [stream.handle(1)] } });
  expect(await stream.take(3)).toMatchObject([{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }]);
});

test("consumers share one subscription, and what one holds goes to the others at once when its stream ends", async () => {
  const { t, id } = await streamed();
  const bodies = Array.from({ length: 20 }, (_, index) => String(index));
  const first = await consumer(t, id, 10);
  for (const body of bodies) await publish(t, "news", body);
  await first.take(10);
  const other = await consumer(t, id, 30);
  await other.take(10);
  expect([...first.bodies, ...other.bodies].sort()).toEqual([...bodies].sort());
  ack(first, 0, 1, 2);
  await first.until(() => first.results.length > 0);
  first.cancel();
  await other.take(17);
  expect([...other.bodies].sort()).toEqual(
    [...bodies.slice(3)].sort((left, right) => left.localeCompare(right)),
  );
  expect(await counts(t, id)).toBe("17/17/3/0/0/0");
});

test("a stream that is half-closed ends well, and gives back what it holds", async () => {
  const { t, id } = await streamed();
  const first = await consumer(t, id);
  await publish(t, "news", "one");
  await first.take(1);
  first.halfClose();
  expect(await first.ended).toBeUndefined();
  expect(await counts(t, id)).toBe("1/0/0/0/0/0");
});

test("no more is in flight than max_in_flight, over all consumers, and no more comes than there is credit for", async () => {
  const { t, id } = await streamed({ stream: { maxInFlight: 5 } });
  for (let each = 0; each < 12; each += 1) await publish(t, "news", String(each));
  const first = await consumer(t, id, 3);
  const other = await consumer(t, id, 10);
  await t.settle();
  expect([first.messages.length, other.messages.length]).toEqual([3, 2]);
  ack(first, 0, 1);
  await t.settle();
  expect([first.messages.length, other.messages.length]).toEqual([3, 4]);
  first.say({ $case: "credit", value: { messages: 10 } });
  ack(other, 0, 1, 2, 3);
  await t.settle();
  expect(first.messages.length + other.messages.length).toBe(11);
  expect(await counts(t, id)).toBe("6/5/6/0/0/0");
});

test("of a group of a FIFO topic one message is in flight, and the next one comes when it is done", async () => {
  const { t, id } = await streamed({ topic: "news.fifo" });
  for (const [group, body] of [
    ["a", "a1"],
    ["a", "a2"],
    ["b", "b1"],
    ["a", "a3"],
    ["b", "b2"],
  ] as const) {
    await publish(t, "news.fifo", body, { groupId: group, dedupId: body });
  }
  const stream = await consumer(t, id, 100);
  await t.settle();
  expect([...stream.bodies].sort()).toEqual(["a1", "b1"]);
  const other = await consumer(t, id, 100);
  await t.settle();
  expect(other.bodies).toEqual([]);
  other.cancel();
  await t.settle();
  ack(stream, stream.bodies.indexOf("a1"));
  await stream.take(3);
  expect(stream.bodies[2]).toBe("a2");
  expect(stream.messages[2]?.notification).toMatchObject({ groupId: "a", dedupId: "a2" });
  // Given back, it is the next of its group again.
  stream.say({ $case: "nack", value: { handles: [stream.handle(2)] } });
  await stream.take(4);
  expect(stream.bodies[3]).toBe("a2");
  ack(stream, 3, stream.bodies.indexOf("b1"));
  await stream.take(6);
  expect([...stream.bodies.slice(4)].sort()).toEqual(["a3", "b2"]);
});

test("what was delivered as often as the policy says goes to the dead-letter queue, in an envelope or bare", async () => {
  for (const isRaw of [false, true]) {
    const t = await scenario({ create: "none" });
    await createTopic(t, "news");
    await t.createQueue("dead");
    const id = await subscribeStream(t, {
      rawMessageDelivery: isRaw,
      deadLetterQueue: "dead",
      deliveryPolicy: {
        retry: { retries: 2, backoff: 0 },
        maxReceivesPerSecond: undefined,
        headerContentType: undefined,
        disableSubscriptionOverrides: undefined,
      },
    });
    const { messageId } = await publish(t, "news", "one", { attributes: { colour: "red" } });
    const stream = await consumer(t, id, 100);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await stream.take(attempt + 1);
      stream.say({ $case: "nack", value: { handles: [stream.handle(attempt)] } });
    }
    await stream.until(() => stream.results.length === 3);
    await t.settle();
    expect(stream.messages.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(await counts(t, id)).toBe("0/0/0/0/1/0");
    const [dead] = await t.receive({ queue: "dead", attributes: ["All"] });
    if (dead === undefined) throw new Error("It is not there.");
    const names = [...dead.message.attributes.keys()];
    if (isRaw) {
      expect([dead.body, names]).toEqual(["one", ["colour"]]);
    } else {
      expect(envelopeIn(dead)).toMatchObject({ MessageId: messageId, Message: "one" });
      expect(names).toEqual([]);
    }
  }
});

test("a message that a consumer rejects goes to the dead-letter queue at once, or is given up without one", async () => {
  const { t, id } = await streamed({ rawMessageDelivery: true });
  await t.createQueue("dead");
  const stream = await consumer(t, id, 100);
  await publish(t, "news", "one");
  await stream.take(1);
  const reject = (index: number) =>
    stream.say({
      $case: "reject",
      value: { handles: [stream.handle(index)], reason: "no such order" },
    });
  reject(0);
  await stream.until(() => stream.results.length === 1);
  expect(await counts(t, id)).toBe("0/0/0/0/0/1");
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { deadLetterQueue: "dead" },
    updateMask: ["dead_letter_queue"],
  });
  await publish(t, "news", "two");
  await stream.take(2);
  reject(1);
  reject(0);
  await stream.until(() => stream.results.length === 3);
  expect(stream.results.map(({ isDone, reason }) => [isDone, reason])).toEqual([
    [true, ""],
    [true, ""],
    [false, "HANDLE_EXPIRED"],
  ]);
  expect(await counts(t, id)).toBe("0/0/0/0/1/1");
  const [dead] = await t.receive({ queue: "dead", attributes: ["All"] });
  expect(dead).toMatchObject({ body: "two" });
  expect(
    JSON.stringify(dead?.message.systemAttributes, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    ),
  ).toContain("no such order");
});

test("the backlog of a stream outlives the server, with the leases of its consumers", async () => {
  const { t, id } = await streamed();
  await publish(t, "news", "one");
  await publish(t, "news", "two");
  const stream = await consumer(t, id, 1);
  await stream.take(1);
  await t.stop();
  expect(await stream.ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  await t.start();
  expect(await counts(t, id)).toBe("2/0/0/0/0/0");
  const again = await consumer(t, id);
  const messages = await again.take(2);
  expect(messages.map(({ attempt }) => attempt).sort()).toEqual([1, 2]);
});

test("the queue behind a stream is in no list and has no name, and goes with its subscription or its topic", async () => {
  const { t, id } = await streamed();
  await t.createQueue("zzz");
  const other = await subscribeStream(t, { endpoint: "others" });
  await publish(t, "news", "one");
  expect((await t.call("listQueues", {})).queues).toEqual(["zzz"]);
  expect((await t.call("listQueues", { pageSize: 1 })).nextPageToken).toBe("");
  const hidden = `~${id.replaceAll("-", "")}`;
  for (const queue of [hidden, `default/${hidden}`]) {
    await expect(t.call("receiveMessage", { queue })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  }
  const stream = await consumer(t, id);
  const second = await consumer(t, other);
  await stream.take(1);
  await topicCall(t, "unsubscribe", { subscription: id });
  expect(await stream.ended).toMatchObject({
    code: "NOT_FOUND",
    reason: "SUBSCRIPTION_NOT_FOUND",
  });
  await topicCall(t, "deleteTopic", { topic: "news" });
  expect(await second.ended).toMatchObject({ reason: "SUBSCRIPTION_NOT_FOUND" });
  // What is left on disk is checked when the scenario ends.
});

test("a filter keeps messages from a stream, and a pause keeps them back until it is over", async () => {
  const { t, id } = await streamed({ filterPolicy: '{"colour":["red"]}' });
  await publish(t, "news", "red", { attributes: { colour: "red" } });
  await publish(t, "news", "blue", { attributes: { colour: "blue" } });
  expect(await counts(t, id)).toBe("1/0/0/1/0/0");
  const pause = (paused: boolean) =>
    topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { paused },
      updateMask: ["paused"],
    });
  await pause(true);
  await publish(t, "news", "late", { attributes: { colour: "red" } });
  const stream = await consumer(t, id);
  await t.settle();
  expect(stream.messages).toEqual([]);
  await pause(false);
  await stream.take(2);
  expect(stream.bodies).toEqual(["red", "late"]);
});

test("delay and time to live hold for streams, and an end of time goes to the dead-letter queue where that is asked for", async () => {
  const { t, id } = await streamed();
  await t.createQueue("dead");
  const kept = await subscribeStream(t, {
    endpoint: "kept",
    deadLetterQueue: "dead",
    ttlToDlq: true,
    rawMessageDelivery: true,
  });
  await publish(t, "news", "late", { delay: durationOf(10_000) });
  await publish(t, "news", "short", { ttl: durationOf(5_000) });
  await t.advance(9_999);
  const stream = await consumer(t, id);
  const other = await consumer(t, kept);
  await t.settle();
  expect([...stream.bodies, ...other.bodies]).toEqual([]);
  expect((await t.receive({ queue: "dead" })).map(({ body }) => body)).toEqual(["short"]);
  await t.advance(1);
  await Promise.all([stream.take(1), other.take(1)]);
  expect([...stream.bodies, ...other.bodies]).toEqual(["late", "late"]);
  expect(await counts(t, kept)).toBe("1/1/0/0/1/0");
});

test("a backlog that is purged is gone, what waits for consumers too", async () => {
  const { t, id } = await streamed();
  for (let each = 0; each < 3; each += 1) await publish(t, "news", String(each));
  const { purged } = await topicCall(t, "purgeBacklog", { subscription: id });
  expect(purged).toBe(3n);
  expect(await counts(t, id)).toBe("0/0/0/0/0/0");
});

test("subscribing a stream again is the same, its settings are shown whole and can be changed", async () => {
  const { t, id } = await streamed({ stream: { maxInFlight: 7 } });
  expect(await subscribeStream(t, { stream: { maxInFlight: 7 } })).toBe(id);
  expect(await subscribeStream(t)).toBe(id);
  await expect(subscribeStream(t, { stream: { maxInFlight: 8 } })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
  });
  const get = async (): Promise<Subscription | undefined> =>
    (await topicCall(t, "getSubscription", { subscription: id })).subscription;
  expect(await get()).toMatchObject({
    kind: TargetKind.STREAM,
    endpoint: "workers",
    settings: { stream: { ackDeadline: { seconds: 30n }, maxInFlight: 7 } },
  });
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { stream: { ackDeadline: durationOf(600_000) } },
    updateMask: ["stream"],
  });
  expect((await get())?.settings?.stream).toEqual({
    ackDeadline: durationOf(600_000),
    maxInFlight: 100,
  });
});

test("what is no stream, no name of one or out of its bounds is refused", async () => {
  const { t, id } = await streamed();
  const invalid = { code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" };
  await expect(subscribeStream(t, { endpoint: "a.b" })).rejects.toMatchObject(invalid);
  const stream = { ackDeadline: durationOf(9_999), maxInFlight: 10_001 };
  await expect(subscribeStream(t, { endpoint: "other", stream })).rejects.toMatchObject({
    violations: ["settings.stream.ack_deadline", "settings.stream.max_in_flight"],
  });
  await t.createQueue("orders");
  const queue = await subscribe(t, "news", "orders");
  const wrong = await consumer(t, queue);
  expect(await wrong.ended).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "NOT_A_STREAM",
  });
  const gone = await consumer(t, "01890000-0000-7000-8000-000000000000");
  expect(await gone.ended).toMatchObject({ reason: "SUBSCRIPTION_NOT_FOUND" });
  const early = openConsumer(t);
  early.say({ $case: "credit", value: { messages: 1 } });
  expect(await early.ended).toMatchObject(invalid);
  const twice = await consumer(t, id);
  twice.say({ $case: "start", value: { subscription: id, credit: 1 } });
  expect(await twice.ended).toMatchObject(invalid);
  for (const command of [
    { $case: "credit", value: { messages: 0 } },
    { $case: "ack", value: { handles: [] } },
    { $case: "ack", value: { handles: Array.from({ length: 1_001 }, () => "x") } },
    { $case: "extend", value: { handles: ["x"], ackDeadline: durationOf(9_999) } },
    { $case: "reject", value: { handles: ["x"], reason: "x".repeat(1_025) } },
  ] as const) {
    const each = await consumer(t, id);
    each.say(command as Parameters<TopicConsumer["say"]>[0]);
    expect(await each.ended).toMatchObject({ code: "INVALID_ARGUMENT" });
  }
});

test("a quiet consumer hears every 30 s that the stream lives", async () => {
  const { t, id } = await streamed();
  const stream = await consumer(t, id);
  await t.advance(60_000);
  await stream.until(() => stream.responses.length > 1);
  expect(stream.responses.at(-1)?.item?.$case).toBe("heartbeat");
});
