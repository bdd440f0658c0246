// Queues as things: created, found, changed, listed, tagged, deleted (Q01 to Q14).

import { expect, test } from "vitest";
import type { RequestPart } from "../support/queue-client.js";
import { bodiesOf, durationOf, msOf, scenario } from "../support/scenario.js";

type QueueAttributesPart = NonNullable<RequestPart<"createQueue">["attributes"]>;

test("Q01 creating a queue twice is OK, and there is one", async () => {
  const t = await scenario({ create: "none" });
  expect(await t.createQueue("orders")).toMatchObject({ queue: "orders", created: true });
  expect(await t.createQueue("orders")).toMatchObject({ queue: "orders", created: false });
  expect((await t.call("listQueues", {})).queues).toEqual(["orders"]);
});

test("Q02 creating again is OK with no attributes or the current ones, and refused with another", async () => {
  const t = await scenario({ visibilityTimeoutMs: 69_000 });
  expect(await t.createQueue(t.queue)).toMatchObject({ created: false });
  expect(await t.createQueue(t.queue, { visibilityTimeoutMs: 69_000 })).toMatchObject({
    created: false,
  });
  await expect(t.createQueue(t.queue, { visibilityTimeoutMs: 70_000 })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    reason: "QUEUE_ALREADY_EXISTS",
    metadata: { queue: "orders", attribute: "visibility_timeout" },
  });
  const { attributes } = await t.call("getQueueAttributes", { queue: t.queue });
  expect(msOf(attributes?.visibilityTimeout)).toBe(69_000);
});

test.each([
  ["visibility_timeout", { visibilityTimeoutMs: 31_000 }],
  ["message_retention_period", { retentionMs: 60_000 }],
  ["delay", { delayMs: 1 }],
  ["maximum_message_bytes", { messageBytesMax: 1_024 }],
  ["receive_message_wait_time", { receiveWaitMs: 1 }],
  ["receipt_policy", { receiptPolicy: "strict" }],
  ["max_in_flight", { inFlightMax: 1 }],
] as const)("Q02 a differing %s is named", async (attribute, options) => {
  const t = await scenario();
  await expect(t.createQueue(t.queue, options)).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    metadata: { attribute },
  });
});

test("Q03 creating again compares with the current attributes, not the original ones", async () => {
  const t = await scenario({ delayMs: 1_000 });
  await t.setQueue({ delayMs: 2_000 });
  expect(await t.createQueue(t.queue, { delayMs: 2_000 })).toMatchObject({ created: false });
  await expect(t.createQueue(t.queue, { delayMs: 1_000 })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    reason: "QUEUE_ALREADY_EXISTS",
    metadata: { attribute: "delay" },
  });
});

test("Q04 creating a queue again keeps its messages", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"]);
  await t.createQueue(t.queue);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b"]);
});

test("Q05 of twenty creates at once with the same settings all are OK, one of them new", async () => {
  const t = await scenario({ create: "none" });
  const created = await Promise.all(
    Array.from({ length: 20 }, () => t.createQueue("orders", { delayMs: 1_000 })),
  );
  expect(created.filter((answer) => answer.created)).toHaveLength(1);
  expect((await t.call("listQueues", {})).queues).toEqual(["orders"]);
});

test("Q05 of twenty creates at once with different settings exactly one wins", async () => {
  const t = await scenario({ create: "none" });
  const created = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => t.createQueue("orders", { delayMs: index })),
  );
  const winners = created.flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []));
  expect(winners).toHaveLength(1);
  for (const outcome of created) {
    if (outcome.status === "rejected") {
      expect(outcome.reason).toMatchObject({ code: "ALREADY_EXISTS" });
    }
  }
  const { attributes } = await t.call("getQueueAttributes", { queue: "orders" });
  expect(msOf(attributes?.delay)).toBe(winners[0]);
});

test("Q06 a name has 1 to 80 letters, digits, hyphens and underscores", async () => {
  const t = await scenario({ create: "none" });
  const longest = `${"Az09_-".repeat(13)}xy`;
  expect(longest).toHaveLength(80);
  expect(await t.createQueue(longest)).toMatchObject({ queue: longest, created: true });
  expect(await t.createQueue("a")).toMatchObject({ created: true });
  const bad = [`${longest}z`, "a/b", "a.b", "x.fifo", "ä", "a b", "a\n", "a\u0000", ".fifo"];
  for (const queue of bad) {
    await expect(t.createQueue(queue), queue).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["queue"],
    });
  }
  await expect(t.createQueue("")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["queue"],
  });
  expect((await t.call("listQueues", {})).queues).toEqual([longest, "a"].sort());
});

test("Q06 names are case-sensitive", async () => {
  const t = await scenario({ queue: "Orders" });
  expect(await t.createQueue("orders")).toMatchObject({ created: true });
  await t.send("upper");
  expect(await t.receive({ queue: "orders" })).toEqual([]);
});

test.each([
  ["fifo_queue", { fifoQueue: false }],
  ["content_based_deduplication", { contentBasedDeduplication: false }],
  ["deduplication_scope", { deduplicationScope: 1 }],
  ["fifo_throughput_limit", { fifoThroughputLimit: 1 }],
] as [string, QueueAttributesPart][])(
  "Q08 a standard queue does not know %s, whatever its value",
  async (name, fifo) => {
    const t = await scenario({ delayMs: 1_000 });
    const unknown = {
      code: "INVALID_ARGUMENT",
      reason: "UNKNOWN_ATTRIBUTE",
      metadata: { attribute: name },
      violations: [`attributes.${name}`],
    };
    const attributes = { ...fifo, delay: durationOf(2_000) };
    await expect(
      t.call("setQueueAttributes", { queue: t.queue, attributes }),
    ).rejects.toMatchObject(unknown);
    await expect(t.call("createQueue", { queue: "new", attributes })).rejects.toMatchObject(
      unknown,
    );
    const read = await t.call("getQueueAttributes", { queue: t.queue });
    expect(msOf(read.attributes?.delay)).toBe(1_000);
    expect((await t.call("listQueues", {})).queues).toEqual(["orders"]);
  },
);

test("Q09 of a set with one good and one bad attribute nothing is applied, and all bad ones are named", async () => {
  const t = await scenario();
  await expect(
    t.setQueue({ visibilityTimeoutMs: 10_000, delayMs: 900_001, retentionMs: 59_999 }),
  ).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ATTRIBUTE_VALUE",
    violations: ["attributes.message_retention_period", "attributes.delay"],
  });
  const { attributes } = await t.call("getQueueAttributes", { queue: t.queue });
  expect(msOf(attributes?.visibilityTimeout)).toBe(30_000);
});

test.each([
  ["visibility_timeout", "visibilityTimeoutMs", 0, 43_200_000],
  ["message_retention_period", "retentionMs", 60_000, 1_209_600_000],
  ["delay", "delayMs", 0, 900_000],
  ["maximum_message_bytes", "messageBytesMax", 1_024, 1_048_576],
  ["receive_message_wait_time", "receiveWaitMs", 0, 20_000],
  ["max_in_flight", "inFlightMax", 1, 10_000_000],
] as const)(
  "Q09 %s is accepted at both ends of its range and not beyond",
  async (name, option, min, max) => {
    const t = await scenario();
    await t.setQueue({ [option]: min });
    await t.setQueue({ [option]: max });
    for (const beyond of [min - 1, max + 1]) {
      await expect(t.setQueue({ [option]: beyond })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "INVALID_ATTRIBUTE_VALUE",
        violations: [`attributes.${name}`],
      });
    }
  },
);

test("Q10 queues are listed in pages that neither overlap nor hide any, in name order", async () => {
  const t = await scenario({ create: "none" });
  const names = Array.from({ length: 10 }, (_, index) => `q-${index}`);
  for (const name of [...names].reverse()) await t.createQueue(name);
  const first = await t.call("listQueues", { pageSize: 2 });
  expect(first.queues).toEqual(names.slice(0, 2));
  expect(first.nextPageToken).not.toBe("");
  const rest = await t.call("listQueues", { pageSize: 10, pageToken: first.nextPageToken });
  expect(rest).toMatchObject({ queues: names.slice(2), nextPageToken: "" });
  expect(await t.call("listQueues", { prefix: "z" })).toMatchObject({
    queues: [],
    nextPageToken: "",
  });
  expect((await t.call("listQueues", { prefix: "q-1" })).queues).toEqual(["q-1"]);
  expect((await t.call("listQueues", { prefix: "Q" })).queues).toEqual([]);
});

test("Q10 a page that ends with the last queue has no token", async () => {
  const t = await scenario({ create: "none" });
  for (const name of ["a", "b"]) await t.createQueue(name);
  expect(await t.call("listQueues", { pageSize: 2 })).toMatchObject({
    queues: ["a", "b"],
    nextPageToken: "",
  });
});

test("queues that come and go between two pages neither hide nor repeat others", async () => {
  const t = await scenario({ create: "none" });
  for (const name of ["b", "d", "f", "h"]) await t.createQueue(name);
  const first = await t.call("listQueues", { pageSize: 2 });
  expect(first.queues).toEqual(["b", "d"]);
  await t.deleteQueue("d");
  await t.createQueue("a");
  await t.createQueue("e");
  const second = await t.call("listQueues", { pageSize: 10, pageToken: first.nextPageToken });
  expect(second.queues).toEqual(["e", "f", "h"]);
});

test("a page token is good for its own list only, and outlives a restart", async () => {
  const t = await scenario({ create: "none" });
  for (const name of ["a1", "a2", "b1"]) await t.createQueue(name);
  const { nextPageToken } = await t.call("listQueues", { prefix: "a", pageSize: 1 });
  const bad = {
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PAGE_TOKEN",
    violations: ["page_token"],
  };
  for (const request of [
    { pageToken: nextPageToken },
    { prefix: "b", pageToken: nextPageToken },
    { prefix: "a", pageToken: "garbage" },
    { prefix: "a", pageToken: `${nextPageToken}A` },
  ]) {
    await expect(t.call("listQueues", request)).rejects.toMatchObject(bad);
  }
  await t.restart();
  const rest = await t.call("listQueues", { prefix: "a", pageToken: nextPageToken });
  expect(rest.queues).toEqual(["a2"]);
});

test("the size of a page of queues is from 1 to 1000", async () => {
  const t = await scenario();
  await t.call("listQueues", { pageSize: 1_000 });
  for (const pageSize of [0, -1, 1_001]) {
    await expect(t.call("listQueues", { pageSize })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["page_size"],
    });
  }
});

test("Q11 tags are overwritten and removed by key, and keys are case-sensitive", async () => {
  const t = await scenario();
  const tags = new Map(Object.entries({ a: "1", A: "2", b: "" }));
  await t.call("tagQueue", { queue: t.queue, tags });
  expect((await t.call("listQueueTags", { queue: t.queue })).tags).toEqual(tags);
  await t.call("tagQueue", { queue: t.queue, tags: new Map([["a", "new"]]) });
  await t.call("untagQueue", { queue: t.queue, keys: ["b", "unknown"] });
  const left = new Map(Object.entries({ a: "new", A: "2" }));
  expect((await t.call("listQueueTags", { queue: t.queue })).tags).toEqual(left);
  await t.restart();
  expect((await t.call("listQueueTags", { queue: t.queue })).tags).toEqual(left);
});

const tagsOf = (count: number, from = 0): Map<string, string> =>
  new Map(Array.from({ length: count }, (_, index) => [`key-${from + index}`, "value"]));

test("a queue has at most 50 tags, and at the limit nothing is changed", async () => {
  const t = await scenario();
  const { queue } = t;
  await t.call("tagQueue", { queue, tags: tagsOf(49) });
  await expect(t.call("tagQueue", { queue, tags: tagsOf(2, 100) })).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "TAG_LIMIT",
    quota: ["queue:orders"],
    metadata: { queue, count: "51", limit: "50" },
  });
  expect((await t.call("listQueueTags", { queue })).tags.size).toBe(49);
  await t.call("tagQueue", { queue, tags: tagsOf(1, 100) });
  // Overwriting needs no room.
  await t.call("tagQueue", { queue, tags: tagsOf(49) });
  expect((await t.call("listQueueTags", { queue })).tags.size).toBe(50);
  await t.call("createQueue", { queue: "fifty", tags: tagsOf(50) });
  await expect(
    t.call("createQueue", { queue: "fifty-one", tags: tagsOf(51) }),
  ).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "TAG_LIMIT" });
});

test("a tag has a key of 1 to 128 characters, a value of up to 256, and plain characters", async () => {
  const t = await scenario();
  const { queue } = t;
  const tag = (key: string, value: string) =>
    t.call("tagQueue", { queue, tags: new Map([[key, value]]) });
  await tag("k".repeat(128), "v".repeat(256));
  await tag("Größe _.:/=+-@9", "Ω".repeat(256));
  const bad = [
    ["", "v"],
    ["k".repeat(129), "v"],
    ["k", "v".repeat(257)],
    ["k!", "v"],
    ["k", "v!"],
    ["aws:k", "v"],
    ["AWS:k", "v"],
    ["forebay:k", "v"],
  ] as const;
  for (const [key, value] of bad) {
    await expect(tag(key, value), `${key}=${value}`).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
    });
  }
  for (const request of [
    t.call("tagQueue", { queue, tags: new Map() }),
    t.call("untagQueue", { queue, keys: [] }),
  ]) {
    await expect(request).rejects.toMatchObject({ reason: "MISSING_PARAMETER" });
  }
});

test("tags play no part when a queue is created again", async () => {
  const t = await scenario({ create: "none" });
  await t.call("createQueue", { queue: "orders", tags: new Map([["a", "1"]]) });
  const again = await t.call("createQueue", { queue: "orders", tags: new Map([["a", "2"]]) });
  expect(again.created).toBe(false);
  expect((await t.call("listQueueTags", { queue: "orders" })).tags).toEqual(new Map([["a", "1"]]));
});

// A busy machine may miss a bound of real time once; a server that misses it always fails.
test("Q13 a waiter learns within 200 ms that its queue was deleted", { retry: 2 }, async () => {
  const t = await scenario({ time: "real" });
  const waiting = await Promise.all([t.poll(), t.poll(), t.poll()]);
  const startedMs = performance.now();
  await t.deleteQueue();
  for (const { answer } of waiting) {
    await expect(answer).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "QUEUE_NOT_FOUND",
      resource: "queue orders",
    });
  }
  expect(performance.now() - startedMs).toBeLessThan(200);
});

test("Q14 a receive that began before a queue was deleted gets nothing of the one created after", async () => {
  const t = await scenario();
  const old = await t.poll();
  await t.deleteQueue();
  await t.createQueue(t.queue);
  const fresh = await t.poll();
  await t.send("new");
  await expect(old.answer).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  expect(await fresh.answer).toMatchObject([{ body: "new", receiveCount: 1 }]);
});

test("Q14 a queue created again has none of the messages, counters and tags of the one before", async () => {
  const t = await scenario({ visibilityTimeoutMs: 1_000 });
  await t.call("tagQueue", { queue: t.queue, tags: new Map([["a", "1"]]) });
  await t.sendBatch(["visible", "in flight"]);
  await t.send("delayed", { delayMs: 1_000 });
  await t.receive();
  await t.deleteQueue();
  await expect(t.send("nowhere")).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  await t.createQueue(t.queue);
  await t.advance(5_000);
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(await t.counters()).toMatchObject({ stored: 0, sent: 0, received: 0 });
  expect((await t.call("listQueueTags", { queue: t.queue })).tags.size).toBe(0);
});

test("GetQueueUrl says whether a queue exists and how it is addressed", async () => {
  const t = await scenario();
  expect(await t.call("getQueueUrl", { queue: "orders" })).toEqual({ queue: "orders" });
  await expect(t.call("getQueueUrl", { queue: "other" })).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "QUEUE_NOT_FOUND",
    resource: "queue other",
    metadata: { queue: "other" },
  });
});

test("a queue may be addressed with its namespace, and one of another namespace is not this one", async () => {
  const t = await scenario();
  await t.send("here", { queue: "default/orders" });
  expect(await t.call("getQueueUrl", { queue: "default/orders" })).toEqual({
    queue: "default/orders",
  });
  await expect(t.send("there", { queue: "billing/orders" })).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "QUEUE_NOT_FOUND",
    metadata: { queue: "billing/orders" },
  });
  for (const queue of ["Billing/orders", "/orders", "a/b/c", "-a/orders", `${"a".repeat(64)}/o`]) {
    await expect(t.send("nowhere", { queue }), queue).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["queue"],
    });
  }
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["here"]);
});

test("a new queue has the documented attributes, and those without a value are absent", async () => {
  const t = await scenario();
  const read = await t.call("getQueueAttributes", { queue: t.queue });
  expect(read.attributes).toEqual({
    visibilityTimeout: durationOf(30_000),
    messageRetentionPeriod: durationOf(345_600_000),
    delay: durationOf(0),
    maximumMessageBytes: 1_048_576,
    receiveMessageWaitTime: durationOf(0),
    maxInFlight: 120_000,
    receiptPolicy: 1,
    deduplicationScope: 0,
    fifoThroughputLimit: 0,
  });
  expect(msOf(read.createTime)).toBe(t.now);
  expect(msOf(read.updateTime)).toBe(t.now);
});

test("only the attributes asked for are returned, the counters always", async () => {
  const t = await scenario();
  await t.send("work");
  const read = await t.call("getQueueAttributes", { queue: t.queue, names: ["delay", "policy"] });
  expect(read.attributes).toEqual({
    delay: durationOf(0),
    receiptPolicy: 0,
    deduplicationScope: 0,
    fifoThroughputLimit: 0,
  });
  expect(read.counters?.visibleMessageCount).toBe(1n);
  const all = await t.call("getQueueAttributes", { queue: t.queue });
  for (const names of [["All"], ["delay", "All"]]) {
    const named = await t.call("getQueueAttributes", { queue: t.queue, names });
    expect(named.attributes).toEqual(all.attributes);
  }
  await expect(
    t.call("getQueueAttributes", { queue: t.queue, names: ["delay", "Delay"] }),
  ).rejects.toMatchObject({ reason: "UNKNOWN_ATTRIBUTE", violations: ["names[1]"] });
});

test("an etag changes with every change of the attributes and guards against another's change", async () => {
  const t = await scenario();
  const { queue } = t;
  const before = (await t.call("getQueueAttributes", { queue })).etag;
  expect(before).not.toBe("");
  await t.send("no attribute");
  expect((await t.call("getQueueAttributes", { queue })).etag).toBe(before);
  await t.advance(1_000);
  const after = (await t.setQueue({ delayMs: 1_000 })).etag;
  expect(after).not.toBe(before);
  const read = await t.call("getQueueAttributes", { queue });
  expect(read.etag).toBe(after);
  expect(msOf(read.updateTime) - msOf(read.createTime)).toBe(1_000);
  const mismatch = { code: "ABORTED", reason: "ETAG_MISMATCH", metadata: { queue, etag: after } };
  const attributes = { delay: durationOf(2_000) };
  await expect(
    t.call("setQueueAttributes", { queue, attributes, etag: before }),
  ).rejects.toMatchObject(mismatch);
  await expect(t.call("deleteQueue", { queue, etag: before })).rejects.toMatchObject(mismatch);
  const set = await t.call("setQueueAttributes", { queue, attributes, etag: after });
  await t.call("deleteQueue", { queue, etag: set.etag });
  await expect(t.call("getQueueUrl", { queue })).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("an etag of a deleted queue is not one of the queue created after it", async () => {
  const t = await scenario();
  const { etag } = await t.call("getQueueAttributes", { queue: t.queue });
  await t.deleteQueue();
  await t.createQueue(t.queue);
  await expect(t.call("deleteQueue", { queue: t.queue, etag })).rejects.toMatchObject({
    reason: "ETAG_MISMATCH",
  });
});

test("an update mask changes exactly the fields it names, and unset ones go back to their defaults", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000, delayMs: 5_000 });
  const { queue } = t;
  const { attributes } = await t.call("setQueueAttributes", {
    queue,
    attributes: { delay: durationOf(7_000), maximumMessageBytes: 2_048 },
    updateMask: ["delay", "visibility_timeout"],
  });
  expect(msOf(attributes?.delay)).toBe(7_000);
  expect(msOf(attributes?.visibilityTimeout)).toBe(30_000);
  expect(attributes?.maximumMessageBytes).toBe(1_048_576);
  await expect(
    t.call("setQueueAttributes", { queue, updateMask: ["delay", "delai"] }),
  ).rejects.toMatchObject({ reason: "UNKNOWN_ATTRIBUTE", violations: ["update_mask.paths[1]"] });
});

test("a delay changed later does not move messages that were sent before", async () => {
  const t = await scenario({ delayMs: 10_000 });
  await t.send("slow");
  await t.setQueue({ delayMs: 0 });
  await t.send("fast");
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["fast"]);
  await t.setQueue({ delayMs: 900_000 });
  await t.advance(9_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["slow"]);
});

test("settings, counters and messages outlive a restart and a crash", async () => {
  const t = await scenario({
    visibilityTimeoutMs: 10_000,
    receiptPolicy: "strict",
    inFlightMax: 7,
  });
  await t.sendBatch(["a", "b", "c"]);
  await t.send("delayed", { delayMs: 60_000 });
  const { handle } = await t.receiveOne();
  await t.delete(handle);
  await t.receive();
  const [counters, queue] = [
    await t.counters(),
    await t.call("getQueueAttributes", { queue: t.queue }),
  ];
  for (const restart of [() => t.restart(), () => t.crash()]) {
    await restart();
    expect(await t.counters()).toEqual(counters);
    expect(await t.call("getQueueAttributes", { queue: t.queue })).toEqual(queue);
  }
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["c"]);
});
