// FIFO queues as things: their names, and the attributes that only they have (Q07, Q08).

import { expect, test } from "vitest";
import { DeduplicationScope, FifoThroughputLimit } from "../../src/gen/forebay/queue/v1/queue.js";
import {
  bodiesOf,
  durationOf,
  fifoScenario,
  msOf,
  type QueueOptions,
  queueAttributesOf,
  type Scenario,
  scenario,
} from "../support/scenario.js";

const attributesOfQueue = async (t: Scenario) =>
  (await t.call("getQueueAttributes", { queue: t.queue })).attributes;

const invalidValue = { code: "INVALID_ARGUMENT", reason: "INVALID_ATTRIBUTE_VALUE" };

test("Q07 a FIFO queue's name has up to 80 characters, its .fifo among them", async () => {
  const t = await scenario({ create: "none" });
  const longest = `${"Az09_-".repeat(12)}xyz.fifo`;
  expect(longest).toHaveLength(80);
  for (const queue of [longest, "a.fifo"]) {
    expect(await t.createQueue(queue, { type: "fifo" })).toMatchObject({ queue, created: true });
  }
  const bad = [
    `a${longest}`,
    ".fifo",
    "a",
    "a.FIFO",
    "a.fifo ",
    "a.fifo.fifo",
    "a b.fifo",
    "ä.fifo",
  ];
  for (const queue of bad) {
    await expect(t.createQueue(queue, { type: "fifo" }), queue).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["queue"],
    });
  }
  expect((await t.call("listQueues", {})).queues).toEqual([longest, "a.fifo"].sort());
});

test("Q06 a name that ends in .fifo is a FIFO queue's only: without the flag it is refused", async () => {
  const t = await scenario({ create: "none" });
  for (const fifoQueue of [undefined, false]) {
    await expect(
      t.call("createQueue", { queue: "x.fifo", attributes: { fifoQueue } }),
    ).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: expect.arrayContaining(["queue"]),
    });
  }
  expect((await t.call("listQueues", {})).queues).toEqual([]);
});

test("a FIFO queue and a standard queue of nearly the same name are two queues", async () => {
  const t = await fifoScenario();
  await t.createQueue("orders");
  await t.send("standard", { queue: "orders" });
  await t.send("fifo", { groupId: "g" });
  expect(bodiesOf(await t.receive({ max: 10, queue: "orders" }))).toEqual(["standard"]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["fifo"]);
});

test("a new FIFO queue has the documented attributes", async () => {
  const t = await fifoScenario({ contentBasedDeduplication: false });
  expect(await attributesOfQueue(t)).toMatchObject({
    visibilityTimeout: durationOf(30_000),
    messageRetentionPeriod: durationOf(345_600_000),
    delay: durationOf(0),
    maximumMessageBytes: 1_048_576,
    receiveMessageWaitTime: durationOf(0),
    maxInFlight: 120_000,
    fifoQueue: true,
    contentBasedDeduplication: false,
    deduplicationScope: DeduplicationScope.QUEUE,
    fifoThroughputLimit: FifoThroughputLimit.PER_QUEUE,
    dedupWindow: durationOf(300_000),
  });
});

test("Q08 a FIFO queue stays one: setting the flag again is OK, clearing it is refused and changes nothing", async () => {
  const t = await fifoScenario({ delayMs: 1_000 });
  const { queue } = t;
  await t.call("setQueueAttributes", {
    queue,
    attributes: { fifoQueue: true, delay: durationOf(2_000) },
  });
  await expect(
    t.call("setQueueAttributes", {
      queue,
      attributes: { fifoQueue: false, delay: durationOf(3_000) },
    }),
  ).rejects.toMatchObject({ ...invalidValue, violations: ["attributes.fifo_queue"] });
  const attributes = await attributesOfQueue(t);
  expect(attributes?.fifoQueue).toBe(true);
  expect(msOf(attributes?.delay)).toBe(2_000);
});

test("Q08 the attributes of deduplication can be set on a FIFO queue and are read back, also after a restart", async () => {
  const t = await fifoScenario({ contentBasedDeduplication: false });
  await t.setQueue({
    contentBasedDeduplication: true,
    deduplicationScope: "messageGroup",
    throughputLimit: "perMessageGroupId",
    dedupWindowMs: 60_001,
  });
  const expected = {
    fifoQueue: true,
    contentBasedDeduplication: true,
    deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
    fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    dedupWindow: durationOf(60_001),
  };
  expect(await attributesOfQueue(t)).toMatchObject(expected);
  for (const restart of [() => t.restart(), () => t.crash()]) {
    await restart();
    expect(await attributesOfQueue(t)).toMatchObject(expected);
  }
  const { attributes } = await t.call("getQueueAttributes", {
    queue: t.queue,
    names: ["fifo_queue", "dedup_window"],
  });
  expect(attributes).toMatchObject({
    fifoQueue: true,
    dedupWindow: durationOf(60_001),
    deduplicationScope: DeduplicationScope.UNSPECIFIED,
  });
  expect(attributes?.contentBasedDeduplication).toBeUndefined();
});

test("a throughput limit per group needs deduplication per group, in whichever call they are set", async () => {
  const t = await fifoScenario();
  const refused = invalidValue;
  await expect(t.setQueue({ throughputLimit: "perMessageGroupId" })).rejects.toMatchObject(refused);
  await expect(
    t.createQueue("new.fifo", { type: "fifo", throughputLimit: "perMessageGroupId" }),
  ).rejects.toMatchObject(refused);
  await t.setQueue({ deduplicationScope: "messageGroup" });
  await t.setQueue({ throughputLimit: "perMessageGroupId" });
  await expect(t.setQueue({ deduplicationScope: "queue" })).rejects.toMatchObject(refused);
  expect(await attributesOfQueue(t)).toMatchObject({
    deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
    fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
  });
  await t.setQueue({ deduplicationScope: "queue", throughputLimit: "perQueue" });
  expect(await attributesOfQueue(t)).toMatchObject({
    deduplicationScope: DeduplicationScope.QUEUE,
    fifoThroughputLimit: FifoThroughputLimit.PER_QUEUE,
  });
});

test("a deduplication window is from 0 to 7 days", async () => {
  const t = await fifoScenario();
  const days7 = 604_800_000;
  for (const dedupWindowMs of [0, 1, days7]) await t.setQueue({ dedupWindowMs });
  for (const dedupWindowMs of [-1, days7 + 1]) {
    await expect(t.setQueue({ dedupWindowMs })).rejects.toMatchObject({
      ...invalidValue,
      violations: ["attributes.dedup_window"],
    });
  }
  expect(msOf((await attributesOfQueue(t))?.dedupWindow)).toBe(days7);
});

test("an update mask brings the attributes of deduplication back to their defaults", async () => {
  const t = await fifoScenario({ deduplicationScope: "messageGroup", dedupWindowMs: 1_000 });
  await t.call("setQueueAttributes", {
    queue: t.queue,
    updateMask: ["content_based_deduplication", "deduplication_scope", "dedup_window"],
  });
  expect(await attributesOfQueue(t)).toMatchObject({
    fifoQueue: true,
    contentBasedDeduplication: false,
    deduplicationScope: DeduplicationScope.QUEUE,
    dedupWindow: durationOf(300_000),
  });
});

test("Q08 a FIFO queue does not know what only standard queues have", async () => {
  const t = await fifoScenario({ delayMs: 1_000 });
  const attributes = { priorityAgeing: durationOf(60_000), delay: durationOf(2_000) };
  await expect(t.call("setQueueAttributes", { queue: t.queue, attributes })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "UNKNOWN_ATTRIBUTE",
    metadata: { attribute: "priority_ageing" },
    violations: ["attributes.priority_ageing"],
  });
  expect(msOf((await attributesOfQueue(t))?.delay)).toBe(1_000);
});

test("Q02 creating a FIFO queue again is OK with its current attributes", async () => {
  const t = await fifoScenario();
  const attributes: QueueOptions = { type: "fifo", contentBasedDeduplication: true };
  expect(await t.createQueue(t.queue, { type: "fifo" })).toMatchObject({ created: false });
  expect(await t.createQueue(t.queue, attributes)).toMatchObject({ created: false });
  await t.setQueue({ dedupWindowMs: 1_000 });
  expect(await t.createQueue(t.queue, { ...attributes, dedupWindowMs: 1_000 })).toMatchObject({
    created: false,
  });
});

test.each([
  ["content_based_deduplication", { contentBasedDeduplication: false }],
  ["deduplication_scope", { deduplicationScope: "messageGroup" }],
  ["dedup_window", { dedupWindowMs: 300_001 }],
] as const)("Q02 a differing %s of a FIFO queue is named", async (attribute, options) => {
  const t = await fifoScenario();
  await expect(t.createQueue(t.queue, { type: "fifo", ...options })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    reason: "QUEUE_ALREADY_EXISTS",
    metadata: { queue: t.queue, attribute },
  });
});

test("Q02 a differing fifo_throughput_limit of a FIFO queue is named", async () => {
  const t = await fifoScenario({ deduplicationScope: "messageGroup" });
  await expect(
    t.call("createQueue", {
      queue: t.queue,
      attributes: queueAttributesOf({
        type: "fifo",
        deduplicationScope: "messageGroup",
        throughputLimit: "perMessageGroupId",
      }),
    }),
  ).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    metadata: { attribute: "fifo_throughput_limit" },
  });
});

test("Q14 a FIFO queue created again has none of the messages, locks and numbers of the one before", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const { handle } = await t.receiveOne();
  const waiting = await t.poll();
  await t.deleteQueue();
  await expect(waiting.answer).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  await t.createQueue(t.queue, { type: "fifo", contentBasedDeduplication: true });
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(await t.counters()).toMatchObject({ stored: 0, sent: 0, groupsInFlight: 0 });
  await t.send("c", { groupId: "g" });
  expect(await t.receiveOne()).toMatchObject({ body: "c", receiveCount: 1 });
  await expect(t.delete(handle)).rejects.toMatchObject({ reason: "RECEIPT_HANDLE_INVALID" });
});
