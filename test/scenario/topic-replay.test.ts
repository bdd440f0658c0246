// Replays out of the archive of a topic (T53): what comes, marked as what, in which order, and what comes after. For queues, FIFO queues,
// streams, webhooks. After each test the store is checked for contradictions.

import { expect, test } from "vitest";
import { MessageSystemAttributeName } from "../../src/gen/forebay/queue/v1/message.js";
import {
  AfterReplay,
  type ReplayPoint,
  ReplayState,
  SubscriptionState,
  TargetKind,
} from "../../src/gen/forebay/topic/v1/topic.js";
import { ResumeFrom } from "../../src/gen/forebay/topic/v1/topic_service.js";
import { durationOf, type Scenario, scenario } from "../support/scenario.js";
import { consumer } from "../support/topic-streams.js";
import {
  createTopic,
  envelopeIn,
  publish,
  subscribe,
  type TopicRequest,
  topicCall,
} from "../support/topics.js";
import { countersOf, hook, subscribed, until, webhookScenario } from "../support/webhooks.js";

const day = durationOf(86_400_000);
const beginning: ReplayPoint = { point: { $case: "beginning", value: {} } };
const latest: ReplayPoint = { point: { $case: "latest", value: {} } };
const number = (place: number): ReplayPoint => ({
  point: { $case: "sequenceNumber", value: String(place) },
});
const instant = (at: number): ReplayPoint => ({
  point: {
    $case: "time",
    value: { seconds: BigInt(Math.floor(at / 1_000)), nanos: (at % 1_000) * 1_000_000 },
  },
});

const archived = { archiveRetention: day };

const start = async (
  t: Scenario,
  subscription: string,
  options: Omit<TopicRequest<"startReplay">, "subscription"> = {},
) => {
  const { replay } = await topicCall(t, "startReplay", {
    from: beginning,
    ...options,
    subscription,
  });
  if (replay === undefined) throw new Error("There is no replay.");
  return replay;
};

const replayOf = async (t: Scenario, subscription: string) => {
  const { replay } = await topicCall(t, "getReplay", { subscription });
  if (replay === undefined) throw new Error("There is no replay.");
  return replay;
};

/** Steps follow each other by timers of some milliseconds. */
async function ended(t: Scenario, subscription: string): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    const { state } = await replayOf(t, subscription);
    if (state !== ReplayState.PENDING && state !== ReplayState.IN_PROGRESS) return;
    await t.advance(10);
  }
  throw new Error("The replay did not end.");
}

async function drain(t: Scenario, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const messages = await t.receive({ queue, max: 10 });
    if (messages.length === 0) return bodies;
    bodies.push(...messages.map(({ body }) => body));
    const entries = messages.map(({ handle }, at) => ({ id: String(at), receiptHandle: handle }));
    await t.call("deleteMessageBatch", { queue, entries });
  }
}

const texts = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

test("T53 a new subscription replays ten messages from the start, in order, marked, with their ids, then gets live ones", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  const ids: string[] = [];
  const times: number[] = [];
  for (const text of texts(1, 10)) {
    times.push(t.now);
    ids.push((await publish(t, "news", text)).messageId);
    await t.advance(1_000);
  }
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders");
  expect(await start(t, id)).toMatchObject({
    subscription: id,
    state: ReplayState.PENDING,
    position: "00000000000000000001",
    remaining: 10n,
  });
  // What is published now waits for the end.
  await publish(t, "news", "11");
  await ended(t, id);
  await publish(t, "news", "12");
  const envelopes = (await drain(t, "orders")).map((body) => envelopeIn({ body }));
  expect(envelopes.map((each) => each["Message"])).toEqual(texts(1, 12));
  expect(envelopes.slice(0, 10).map((each) => each["MessageId"])).toEqual(ids);
  expect(envelopes.slice(0, 10).map((each) => Date.parse(String(each["Timestamp"])))).toEqual(
    times,
  );
  expect(envelopes.map((each) => each["Replayed"])).toEqual([
    ...Array.from({ length: 10 }, () => true),
    undefined,
    undefined,
  ]);
  expect(await replayOf(t, id)).toMatchObject({
    state: ReplayState.COMPLETED,
    delivered: 10n,
    filtered: 0n,
    failed: 0n,
    remaining: 0n,
  });
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0, delivered: 12, filtered: 0 });
});

test("T53 a FIFO queue takes a replay that comes within its deduplication window, in the order of the groups, and live ones after it", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news.fifo", archived);
  await t.createQueue("orders.fifo", { type: "fifo" });
  const id = await subscribe(t, "news.fifo", "orders.fifo", { isRaw: true });
  const long = "d".repeat(128);
  for (const text of texts(1, 10)) {
    const groupId = Number(text) % 2 === 0 ? "even" : "odd";
    const dedupId = text === "3" ? long : `d${text}`;
    await publish(t, "news.fifo", text, { groupId, dedupId });
  }
  const inOrder = (bodies: readonly string[]) => [
    ...bodies.filter((body) => Number(body) % 2 === 1),
    "|",
    ...bodies.filter((body) => Number(body) % 2 === 0),
  ];
  expect(inOrder(await drain(t, "orders.fifo"))).toEqual(inOrder(texts(1, 10)));
  const { replayId } = await start(t, id);
  await publish(t, "news.fifo", "11", { groupId: "odd", dedupId: "d11" });
  await ended(t, id);
  const { messages } = await t.client.call("receiveMessage", {
    queue: "orders.fifo",
    maxMessages: 10,
    systemAttributeNames: [MessageSystemAttributeName.ALL],
    visibilityTimeout: durationOf(0),
  });
  const dedupIds = messages.map(({ systemAttributes }) => systemAttributes?.dedupId);
  expect(dedupIds).toContain(`d1:r${replayId}`);
  for (const dedupId of dedupIds) expect(String(dedupId).length).toBeLessThanOrEqual(128);
  expect(inOrder(await drain(t, "orders.fifo"))).toEqual(inOrder(texts(1, 11)));
  // Another replay within the window is not swallowed either.
  await start(t, id);
  await ended(t, id);
  expect(inOrder(await drain(t, "orders.fifo"))).toEqual(inOrder(texts(1, 11)));
  expect(await countersOf(t, id)).toMatchObject({ delivered: 32, filtered: 0, backlog: 0 });
});

test("T53 a stream gets a replay in order, each message marked, and goes on live", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news.fifo", archived);
  for (const text of texts(1, 5)) {
    await publish(t, "news.fifo", text, { groupId: "g", dedupId: text });
  }
  const { subscription } = await topicCall(t, "subscribe", {
    topic: "news.fifo",
    kind: TargetKind.STREAM,
    endpoint: "workers",
  });
  const id = subscription?.subscription ?? "";
  await start(t, id);
  await publish(t, "news.fifo", "6", { groupId: "g", dedupId: "6" });
  await ended(t, id);
  const stream = await consumer(t, id);
  const seen: string[] = [];
  for (let count = 1; count <= 6; count += 1) {
    const taken = await stream.take(count);
    const notification = taken.at(-1)?.notification;
    const text = notification?.body?.$case === "text" ? notification.body.value : "?";
    seen.push(`${text} ${notification?.isReplayed} ${notification?.dedupId}`);
    stream.say({ $case: "ack", value: { handles: [stream.handle(count - 1)] } });
  }
  expect(seen).toEqual(["1 true 1", "2 true 2", "3 true 3", "4 true 4", "5 true 5", "6 false 6"]);
  await until("all are done", async () => (await countersOf(t, id))["delivered"] === 6);
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0, filtered: 0 });
});

test("T53 a webhook gets a replay, marked, also over a restart in the middle of it, and then live ones", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of texts(1, 6)) await publish(t, "news", text);
  const target = await hook();
  const id = await subscribed(t, "news", target);
  await start(t, id, { speed: { speed: { $case: "messagesPerSecond", value: 1 } } });
  await t.advance(2_000);
  await until("three have come", () => target.notifications.length === 3);
  await publish(t, "news", "7");
  await t.restart();
  expect(await replayOf(t, id)).toMatchObject({ state: ReplayState.IN_PROGRESS, remaining: 3n });
  for (let second = 0; second < 3; second += 1) await t.advance(1_000);
  await ended(t, id);
  await until("all have come", async () => (await countersOf(t, id))["delivered"] === 7);
  const came = target.notifications.map(({ envelope }) => [
    envelope["Message"],
    envelope["Replayed"],
  ]);
  // What is handed on together goes out together, and a standard topic promises no order.
  const inOrder = [...came.slice(0, 6).sort(), ...came.slice(6)];
  expect(inOrder).toEqual([...texts(1, 6).map((text) => [text, true]), ["7", undefined]]);
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0, filtered: 0 });
});

test("after a replay with an end the subscription gets what it missed meanwhile and is not silently paused", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  for (const text of texts(1, 5)) await publish(t, "news", text);
  expect(await drain(t, "orders")).toEqual(texts(1, 5));
  await start(t, id, { from: number(2), until: number(4) });
  await publish(t, "news", "6");
  await ended(t, id);
  await publish(t, "news", "7");
  expect(await drain(t, "orders")).toEqual(["2", "3", "6", "7"]);
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  expect(subscription).toMatchObject({
    state: SubscriptionState.CONFIRMED,
    settings: { paused: false },
    replay: { state: ReplayState.COMPLETED, delivered: 2n },
  });
  expect(await countersOf(t, id)).toMatchObject({ delivered: 9, filtered: 0, backlog: 0 });
});

test("a replay with an end that is to pause says so, and another replay without end goes on from there", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of texts(1, 4)) await publish(t, "news", text);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  // biome-ignore lint/suspicious/noThenProperty: the contract's name, of a message that nobody awaits
  await start(t, id, { until: number(3), then: AfterReplay.PAUSE });
  await ended(t, id);
  await publish(t, "news", "5");
  expect(await drain(t, "orders")).toEqual(["1", "2"]);
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  expect(subscription?.state).toBe(SubscriptionState.PAUSED);
  await start(t, id, { from: number(3) });
  await ended(t, id);
  await publish(t, "news", "6");
  expect(await drain(t, "orders")).toEqual(texts(3, 6));
  expect((await topicCall(t, "getSubscription", { subscription: id })).subscription?.state).toBe(
    SubscriptionState.CONFIRMED,
  );
});

test("a replay is judged by the filter that is set now, and counts what it kept back", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  for (const text of texts(1, 6)) {
    const kind = Number(text) % 3 === 0 ? "third" : "other";
    await publish(t, "news", text, { attributes: { kind } });
  }
  expect(await drain(t, "orders")).toEqual(texts(1, 6));
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { filterPolicy: '{"kind":["third"]}' },
    updateMask: ["filter_policy"],
  });
  await start(t, id);
  await ended(t, id);
  expect(await drain(t, "orders")).toEqual(["3", "6"]);
  expect(await replayOf(t, id)).toMatchObject({ delivered: 2n, filtered: 4n });
  expect(await countersOf(t, id)).toMatchObject({ delivered: 8, filtered: 0 });
});

test("a replay at a rate goes on at it, also after a restart; one with the pauses of the original keeps them", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of texts(1, 4)) {
    await publish(t, "news", text);
    await t.advance(60_000);
  }
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  const replay = await start(t, id, { speed: { speed: { $case: "messagesPerSecond", value: 2 } } });
  expect(Number(replay.estimatedEndTime?.seconds) * 1_000).toBeCloseTo(t.now + 2_000, -3);
  expect(await drain(t, "orders")).toEqual(["1"]);
  await t.advance(499);
  expect(await drain(t, "orders")).toEqual([]);
  await t.advance(1);
  expect(await drain(t, "orders")).toEqual(["2"]);
  await t.restart();
  await t.advance(500);
  expect(await drain(t, "orders")).toEqual(["3"]);
  await t.advance(500);
  await ended(t, id);
  expect(await drain(t, "orders")).toEqual(["4"]);

  await start(t, id, { speed: { speed: { $case: "originalTimes", value: 10 } } });
  expect(await drain(t, "orders")).toEqual(["1"]);
  await t.advance(5_999);
  expect(await drain(t, "orders")).toEqual([]);
  await t.advance(1);
  expect(await drain(t, "orders")).toEqual(["2"]);
  await t.restart();
  await t.advance(6_000);
  expect(await drain(t, "orders")).toEqual(["3"]);
  await t.advance(6_000);
  expect(await drain(t, "orders")).toEqual(["4"]);
  await ended(t, id);
});

test("a replay that is stopped goes on with what is published from then on, or from where it was", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of texts(1, 4)) await publish(t, "news", text);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  const speed = { speed: { $case: "messagesPerSecond" as const, value: 1 } };
  await start(t, id, { speed });
  await publish(t, "news", "5");
  expect(await drain(t, "orders")).toEqual(["1"]);
  const { replay } = await topicCall(t, "stopReplay", { subscription: id });
  expect(replay).toMatchObject({ state: ReplayState.STOPPED, delivered: 1n });
  await publish(t, "news", "6");
  expect(await drain(t, "orders")).toEqual(["6"]);
  expect(await topicCall(t, "stopReplay", { subscription: id })).toEqual({ replay: undefined });

  await start(t, id, { speed });
  await t.advance(1_000);
  expect(await drain(t, "orders")).toEqual(["1", "2"]);
  await topicCall(t, "stopReplay", {
    subscription: id,
    resumeFrom: ResumeFrom.REPLAY_POSITION,
  });
  await t.advance(10);
  await publish(t, "news", "7");
  expect(await drain(t, "orders")).toEqual(texts(3, 7));
  expect(await countersOf(t, id)).toMatchObject({ delivered: 9, filtered: 0, backlog: 0 });
});

test("a second replay replaces the one under way, and nothing published meanwhile is lost", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of texts(1, 4)) await publish(t, "news", text);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  const first = await start(t, id, { speed: { speed: { $case: "messagesPerSecond", value: 1 } } });
  await publish(t, "news", "5");
  expect(await drain(t, "orders")).toEqual(["1"]);
  const second = await start(t, id, { from: number(2), until: number(4) });
  expect(second.replayId).not.toBe(first.replayId);
  await ended(t, id);
  expect(await drain(t, "orders")).toEqual(["2", "3", "5"]);
  const { replays } = await topicCall(t, "listReplays", { topic: "news" });
  expect(replays.map(({ replayId }) => replayId)).toEqual([second.replayId]);
});

test("a paused subscription keeps its replay waiting until it is resumed", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of texts(1, 3)) await publish(t, "news", text);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  await start(t, id, { speed: { speed: { $case: "messagesPerSecond", value: 1 } } });
  const set = (paused: boolean) =>
    topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { paused },
      updateMask: ["paused"],
    });
  await set(true);
  await t.advance(60_000);
  expect(await drain(t, "orders")).toEqual(["1"]);
  await t.restart();
  await set(false);
  for (let second = 0; second < 3; second += 1) await t.advance(1_000);
  await ended(t, id);
  expect(await drain(t, "orders")).toEqual(["2", "3"]);
});

test("a replay goes into another subscription of the topic, from a snapshot of the first", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const queue of ["orders", "other"]) await t.createQueue(queue);
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  for (const text of texts(1, 3)) await publish(t, "news", text);
  const { snapshot } = await topicCall(t, "createSnapshot", { subscription: id, name: "before" });
  expect(snapshot).toMatchObject({ name: "before", sequenceNumber: "00000000000000000004" });
  for (const text of texts(4, 6)) await publish(t, "news", text);
  const other = await subscribe(t, "news", "other", { isRaw: true });
  const from: ReplayPoint = { point: { $case: "snapshot", value: "before" } };
  const replay = await start(t, id, { from, to: other });
  expect(replay.subscription).toBe(other);
  await ended(t, other);
  expect(await drain(t, "other")).toEqual(texts(4, 6));
  expect(await drain(t, "orders")).toEqual(texts(1, 6));
});

test("a replay until a time to come goes on with what is published until then, and ends then", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  await publish(t, "news", "1");
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  // biome-ignore lint/suspicious/noThenProperty: the contract's name, of a message that nobody awaits
  await start(t, id, { until: instant(t.now + 5_000), then: AfterReplay.PAUSE });
  await t.advance(1_000);
  await publish(t, "news", "2");
  await t.advance(3_999);
  expect((await replayOf(t, id)).state).toBe(ReplayState.IN_PROGRESS);
  await t.advance(1);
  await publish(t, "news", "3");
  await ended(t, id);
  expect(await drain(t, "orders")).toEqual(["1", "2"]);
});

test("from the end of the archive means from now on, and what waited is passed over", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true, isPaused: true });
  for (const text of texts(1, 3)) await publish(t, "news", text);
  await start(t, id, { from: latest });
  await ended(t, id);
  await publish(t, "news", "4");
  expect(await drain(t, "orders")).toEqual(["4"]);
  expect(await countersOf(t, id)).toMatchObject({ delivered: 1, filtered: 0, backlog: 0 });
});

test("a replay whose archive is deleted fails and says why, and its subscription goes on", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of texts(1, 3)) await publish(t, "news", text);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders", { isRaw: true });
  await start(t, id, { speed: { speed: { $case: "messagesPerSecond", value: 1 } } });
  await publish(t, "news", "4");
  await topicCall(t, "updateTopic", {
    topic: "news",
    settings: {},
    updateMask: ["archive_retention"],
    confirmArchiveDeletion: true,
  });
  await t.advance(1_000);
  await ended(t, id);
  const replay = await replayOf(t, id);
  expect(replay.state).toBe(ReplayState.FAILED);
  expect(replay.failure).toMatch(/^ARCHIVE_DELETED/);
  expect(await drain(t, "orders")).toEqual(["1", "4"]);
});

test("what is replayed to a queue is signed as it was, and the mark is no part of what is signed", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news", archived);
  await t.createQueue("orders");
  const id = await subscribe(t, "news", "orders");
  await publish(t, "news", "1");
  const envelopeOf = async () => {
    await until("it has come", async () => (await countersOf(t, id))["backlog"] === 0);
    return (await drain(t, "orders")).map((body) => envelopeIn({ body }));
  };
  const [live] = await envelopeOf();
  expect(live?.["Signature"]).toMatch(/.{100}/);
  // The next server has kept no signature.
  await t.restart();
  await start(t, id);
  await until("it has ended", async () => {
    await t.advance(10);
    return (await replayOf(t, id)).state === ReplayState.COMPLETED;
  });
  expect(await envelopeOf()).toEqual([{ ...live, Replayed: true }]);
});
