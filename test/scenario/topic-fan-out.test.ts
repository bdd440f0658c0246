// Fan-out: many subscriptions, order, deduplication, and what a restart leaves of it (T38, T39, T41, T56).

import { expect, test } from "vitest";
import { FifoThroughputScope } from "../../src/gen/forebay/topic/v1/topic.js";
import { type Scenario, scenario } from "../support/scenario.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";

/** All bodies that are in a queue, in the order they are delivered; of a FIFO queue the next ones come after a delete. */
async function drain(t: Scenario, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const messages = await t.receive({ queue, max: 10 });
    if (messages.length === 0) return bodies;
    bodies.push(...messages.map(({ body }) => body));
    if (!queue.endsWith(".fifo")) continue;
    const entries = messages.map(({ handle }, at) => ({ id: String(at), receiptHandle: handle }));
    await t.call("deleteMessageBatch", { queue, entries });
  }
}

test("T38 five FIFO queues of a FIFO topic have its messages in one order", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news.fifo");
  const queues = Array.from({ length: 5 }, (_, index) => `queue-${index}.fifo`);
  for (const queue of queues) {
    await t.createQueue(queue, { type: "fifo" });
    await subscribe(t, "news.fifo", queue, { isRaw: true });
  }
  const bodies = Array.from({ length: 100 }, (_, index) => String(index));
  const sequences: string[] = [];
  for (let from = 0; from < bodies.length; from += 10) {
    const { successful } = await topicCall(t, "publishBatch", {
      topic: "news.fifo",
      entries: bodies.slice(from, from + 10).map((body) => ({
        id: body,
        body: { $case: "text" as const, value: body },
        groupId: "g",
        dedupId: `d${body}`,
      })),
    });
    sequences.push(...successful.map(({ sequenceNumber }) => sequenceNumber));
  }
  expect([...sequences].sort()).toEqual(sequences);
  expect(new Set(sequences).size).toBe(100);
  for (const queue of queues) expect(await drain(t, queue)).toEqual(bodies);
});

test("T39 the same message in two groups within five minutes is one, or with the scope of the group two", async () => {
  const t = await scenario({ create: "none" });
  const settings = { contentBasedDeduplication: true };
  await createTopic(t, "one.fifo", settings);
  await createTopic(t, "two.fifo", {
    ...settings,
    fifoThroughputScope: FifoThroughputScope.MESSAGE_GROUP,
  });
  for (const name of ["one.fifo", "two.fifo"]) {
    await t.createQueue(name, { type: "fifo", deduplicationScope: "messageGroup" });
    await subscribe(t, name, name, { isRaw: true });
  }
  const first = await publish(t, "one.fifo", "same", { groupId: "a" });
  await t.advance(299_999);
  const repeated = await publish(t, "one.fifo", "same", { groupId: "b" });
  expect(repeated).toMatchObject({
    duplicate: true,
    messageId: first.messageId,
    sequenceNumber: first.sequenceNumber,
  });
  expect(await drain(t, "one.fifo")).toEqual(["same"]);
  // The window is that of the first, and does not begin anew with each repeat.
  await t.advance(1);
  expect((await publish(t, "one.fifo", "same", { groupId: "b" })).duplicate).toBe(false);
  expect((await publish(t, "two.fifo", "same", { groupId: "a" })).duplicate).toBe(false);
  expect((await publish(t, "two.fifo", "same", { groupId: "b" })).duplicate).toBe(false);
  expect((await publish(t, "two.fifo", "same", { groupId: "a" })).duplicate).toBe(true);
  expect(await drain(t, "two.fifo")).toEqual(["same", "same"]);
});

test("T39 a repeat is found by the scope in force, also after that was changed, and after a restart", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news.fifo");
  const once = async (groupId: string) =>
    (await publish(t, "news.fifo", "x", { groupId, dedupId: "d" })).duplicate;
  const scope = (fifoThroughputScope: FifoThroughputScope) =>
    topicCall(t, "updateTopic", {
      topic: "news.fifo",
      updateMask: ["fifo_throughput_scope"],
      settings: { fifoThroughputScope },
    });
  expect(await once("a")).toBe(false);
  await scope(FifoThroughputScope.MESSAGE_GROUP);
  expect([await once("a"), await once("b"), await once("b")]).toEqual([true, false, true]);
  await scope(FifoThroughputScope.TOPIC);
  expect(await once("c")).toBe(true);
  await t.restart();
  expect(await once("c")).toBe(true);
  await scope(FifoThroughputScope.MESSAGE_GROUP);
  expect([await once("a"), await once("b"), await once("c")]).toEqual([true, true, false]);
});

test("T41 a group id goes on to standard queues of a standard topic, and from a FIFO topic to FIFO queues only", async () => {
  const t = await scenario();
  await createTopic(t, "news");
  await createTopic(t, "news.fifo");
  await t.createQueue("in-order.fifo", { type: "fifo" });
  await t.createQueue("plain");
  await subscribe(t, "news", t.queue, { isRaw: true });
  await subscribe(t, "news.fifo", "in-order.fifo", { isRaw: true });
  await subscribe(t, "news.fifo", "plain", { isRaw: true });
  await publish(t, "news", "standard", { groupId: "tenant" });
  await publish(t, "news.fifo", "fifo", { groupId: "tenant", dedupId: "d" });
  const systemOf = async (queue: string) =>
    (await t.receiveOne({ queue })).message.systemAttributes;
  expect((await systemOf(t.queue))?.groupId).toBe("tenant");
  expect(await systemOf("in-order.fifo")).toMatchObject({ groupId: "tenant", dedupId: "d" });
  const plain = await systemOf("plain");
  expect([plain?.groupId, plain?.dedupId]).toEqual([undefined, undefined]);
});

test("a publish to many subscriptions is handed on to all of them by and by, each once and in order", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const queues = Array.from({ length: 130 }, (_, index) => `queue-${index}`);
  for (const queue of queues) {
    await t.createQueue(queue);
    await subscribe(t, "news", queue, { isRaw: true });
  }
  const bodies = Array.from({ length: 7 }, (_, index) => `message ${index}`);
  await Promise.all(bodies.map((body) => publish(t, "news", body)));
  await handedOn(t, "news");
  for (const queue of queues) expect((await drain(t, queue)).sort()).toEqual(bodies);
  expect((await topicCall(t, "getTopic", { topic: "news" })).topic?.counters).toMatchObject({
    published: 7n,
    fanOutPending: 0n,
  });
});

/** Waits, in real time, until everybody has everything. */
async function handedOn(t: Scenario, topic: string): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    await t.settle();
    const { topic: now } = await topicCall(t, "getTopic", { topic });
    if (now?.counters?.fanOutPending === 0n) return;
  }
  throw new Error(`Messages of ${topic} were not handed on.`);
}

test("a receive that waits is answered by what was published, also when many are subscribed", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  for (let index = 0; index < 12; index += 1) {
    await t.createQueue(`queue-${index}`);
    await subscribe(t, "news", `queue-${index}`, { isRaw: true });
  }
  const poll = await t.poll({ queue: "queue-11" });
  await publish(t, "news", "wake up");
  expect((await poll.answer).map(({ body }) => body)).toEqual(["wake up"]);
});

test("T56 what was published before a restart is handed on after it", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const queues = Array.from({ length: 40 }, (_, index) => `queue-${index}`);
  for (const queue of queues) {
    await t.createQueue(queue);
    await subscribe(t, "news", queue, { isRaw: true });
  }
  const bodies = Array.from({ length: 20 }, (_, index) => String(index));
  await Promise.all(bodies.map((body) => publish(t, "news", body)));
  await t.restart();
  await handedOn(t, "news");
  for (const queue of queues) {
    expect((await drain(t, queue)).map(Number).sort((a, b) => a - b)).toEqual(bodies.map(Number));
  }
});

test("what is left of a deleted topic is removed, with its subscriptions", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  for (let index = 0; index < 20; index += 1) {
    await t.createQueue(`queue-${index}`);
    await subscribe(t, "news", `queue-${index}`, { isPaused: true });
  }
  await publish(t, "news", "kept");
  await topicCall(t, "deleteTopic", { topic: "news" });
  await createTopic(t, "news");
  await publish(t, "news", "for nobody");
  await t.advance(10_000);
  expect((await topicCall(t, "listSubscriptions", {})).subscriptions).toEqual([]);
});
