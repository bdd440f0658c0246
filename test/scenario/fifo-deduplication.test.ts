// Deduplication: what counts as the same message, for how long, and what a duplicate does and does not do (Q55, Q56, Q57).

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { bodiesOf, fifoScenario, handlesOf, type Scenario, scenario } from "../support/scenario.js";

const windowMs = 300_000;
const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
const sha256 = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** A queue that makes no deduplication ids. */
const explicit = { contentBasedDeduplication: false };

const send = (t: Scenario, body: string, dedupId = "d", groupId = "g") =>
  t.send(body, { groupId, dedupId });

test("Q55 of two sends with one deduplication id one is stored, and both are answered with its id and number", async () => {
  const t = await fifoScenario(explicit);
  const first = await send(t, "pay #7");
  expect(first).toMatchObject({ duplicate: false, replayed: false });
  expect(await send(t, "pay #7")).toEqual({ ...first, duplicate: true });
  expect(await t.counts()).toBe("1/0/0");
  expect(await t.receiveOne({ max: 10 })).toMatchObject({ id: first.messageId, body: "pay #7" });
});

test("Q55 the digests of a duplicate's answer are those of its own request", async () => {
  const t = await fifoScenario(explicit);
  const first = await t.send("first", { groupId: "g", dedupId: "d" });
  const second = await t.send("message", {
    groupId: "other",
    dedupId: "d",
    attributes: { MyAttribute: "foobar" },
    traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
  });
  expect(second).toMatchObject({
    messageId: first.messageId,
    sequenceNumber: first.sequenceNumber,
    md5OfBody: "78e731027d8fd50ed642340b7c9a63b3",
    md5OfAttributes: "adb59cd4678ea5a855436b949cd07ab6",
    md5OfSystemAttributes: "5ae4d5d7636402d80f4eb6d213245a88",
    duplicate: true,
  });
  const { message } = await t.receiveOne({ max: 10, attributes: ["All"] });
  expect(message).toMatchObject({ md5OfBody: md5("first"), md5OfAttributes: "" });
  expect(message.systemAttributes?.groupId).toBe("g");
});

test("Q55 a duplicate is one until 5 minutes after the first send, to the millisecond", async () => {
  const t = await fifoScenario(explicit);
  const first = await send(t, "a");
  await t.skip(windowMs - 1);
  expect(await send(t, "a")).toMatchObject({ messageId: first.messageId, duplicate: true });
  await t.skip(1);
  const second = await send(t, "a");
  expect(second.duplicate).toBe(false);
  expect(second.messageId).not.toBe(first.messageId);
  expect(second.sequenceNumber > first.sequenceNumber).toBe(true);
  expect(await t.counts()).toBe("2/0/0");
});

test("Q55 the window ends at its instant also when nobody has settled it", async () => {
  const t = await fifoScenario(explicit);
  await send(t, "a");
  await t.leap(windowMs - 1);
  expect(await send(t, "a")).toMatchObject({ duplicate: true });
  await t.leap(1);
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("Q55 duplicates do not extend the window, and the message after it begins one of its own", async () => {
  const t = await fifoScenario(explicit);
  await send(t, "a");
  for (let passed = 0; passed < windowMs; passed += 100_000) {
    expect(await send(t, "a")).toMatchObject({ duplicate: true });
    await t.skip(100_000);
  }
  const second = await send(t, "a");
  expect(second.duplicate).toBe(false);
  await t.skip(windowMs - 1);
  expect(await send(t, "a")).toMatchObject({ messageId: second.messageId, duplicate: true });
  await t.skip(1);
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("Q55 a duplicate is one whatever became of the message: leased, given back, deleted", async () => {
  const t = await fifoScenario(explicit);
  const { messageId } = await send(t, "a");
  const duplicate = { messageId, duplicate: true };
  const { handle } = await t.receiveOne();
  expect(await send(t, "a")).toMatchObject(duplicate);
  await t.changeVisibility(handle, 0);
  expect(await send(t, "a")).toMatchObject(duplicate);
  await t.delete((await t.receiveOne()).handle);
  expect(await send(t, "a")).toMatchObject(duplicate);
  expect(await t.counts()).toBe("0/0/0");
  expect(await t.counters()).toMatchObject({ sent: 1, deduplicated: 3 });
});

test("Q55 a duplicate is one also after the message expired", async () => {
  const t = await fifoScenario({ retentionMs: 60_000, ...explicit });
  const { messageId } = await send(t, "a");
  await t.skip(60_000);
  expect(await t.counters()).toMatchObject({ stored: 0, expired: 1 });
  expect(await send(t, "a")).toMatchObject({ messageId, duplicate: true });
  expect(await t.counts()).toBe("0/0/0");
  await t.skip(windowMs - 60_000);
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("Q55 of twenty sends at once with one deduplication id one is stored", async () => {
  const t = await fifoScenario(explicit);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => send(t, `body ${index}`)),
  );
  expect(new Set(answers.map(({ messageId }) => messageId)).size).toBe(1);
  expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
  expect(await t.counters()).toMatchObject({ stored: 1, sent: 1, deduplicated: 19 });
});

test("Q55 what was sent is remembered over restarts and crashes, and while the server is down", async () => {
  const t = await fifoScenario(explicit);
  const { messageId, sequenceNumber } = await send(t, "a");
  await t.delete((await t.receiveOne()).handle);
  const duplicate = { messageId, sequenceNumber, duplicate: true };
  for (const restart of [() => t.restart(), () => t.crash()]) {
    await restart();
    expect(await send(t, "a")).toMatchObject(duplicate);
  }
  expect(await t.counters()).toMatchObject({ sent: 1, deduplicated: 2 });
  await t.stop();
  await t.clock.skip(windowMs - 1);
  await t.start();
  expect(await send(t, "a")).toMatchObject(duplicate);
  await t.crash();
  await t.leap(1);
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("a duplicate wakes nobody and changes no counter but that of duplicates", async () => {
  const t = await fifoScenario(explicit);
  await send(t, "a");
  await t.receive();
  const poll = await t.poll();
  const before = await t.counters();
  expect(await send(t, "a", "d", "g")).toMatchObject({ duplicate: true });
  expect(await send(t, "b", "d", "h")).toMatchObject({ duplicate: true });
  await t.settle();
  expect(poll.isAnswered).toBe(false);
  expect(await t.counters()).toEqual({ ...before, deduplicated: 2 });
  await send(t, "c", "e", "h");
  expect(bodiesOf(await poll.answer)).toEqual(["c"]);
});

test("what is wrong with a message is told before it is found to be a duplicate", async () => {
  const t = await fifoScenario(explicit);
  await send(t, "a");
  await t.setQueue({ messageBytesMax: 1_024 });
  const ids = { groupId: "g", dedupId: "d" };
  await expect(t.send("", ids)).rejects.toMatchObject({ reason: "MISSING_PARAMETER" });
  await expect(t.send("\u0001", ids)).rejects.toMatchObject({ reason: "INVALID_MESSAGE_CONTENTS" });
  await expect(t.send("x".repeat(1_025), ids)).rejects.toMatchObject({
    reason: "MESSAGE_TOO_LONG",
  });
  await expect(t.send("a", { ...ids, delayMs: 1_000 })).rejects.toMatchObject({
    reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
  });
  await expect(t.send("a", { dedupId: "d" })).rejects.toMatchObject({
    reason: "MISSING_PARAMETER",
    violations: ["group_id"],
  });
  expect(await t.counters()).toMatchObject({ sent: 1, deduplicated: 0 });
});

test("of two equal ids in one batch the first is stored and the second is its duplicate, each with its own digests", async () => {
  const t = await fifoScenario(explicit);
  const { successful, failed } = await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: [
      ["first", "d"],
      ["other", "e"],
      ["second", "d"],
    ].map(([value = "", dedupId = ""]) => ({
      id: value,
      body: { $case: "text" as const, value },
      groupId: "g",
      dedupId,
    })),
  });
  expect(failed).toEqual([]);
  const [first, , second] = successful;
  expect(successful.map(({ id, duplicate }) => [id, duplicate])).toEqual([
    ["first", false],
    ["other", false],
    ["second", true],
  ]);
  expect(second).toMatchObject({
    messageId: first?.messageId,
    sequenceNumber: first?.sequenceNumber,
    md5OfBody: md5("second"),
  });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["first", "other"]);
});

test("a refused entry of a batch leaves its deduplication id to the next", async () => {
  const t = await fifoScenario(explicit);
  const { successful, failed } = await t.sendBatch(["\u0001", "good"], {
    groupId: "g",
    dedupId: "d",
  });
  expect(failed.map(({ id }) => id)).toEqual(["0"]);
  expect(successful).toMatchObject([{ id: "1", duplicate: false }]);
});

test("a Produce stream tells duplicates of the stream and of other calls", async () => {
  const t = await fifoScenario(explicit);
  const { messageId } = await send(t, "before");
  const stream = t.produce();
  stream.write({
    queue: t.queue,
    entries: ["d", "e", "e"].map((dedupId) => ({
      body: { $case: "text" as const, value: "body" },
      groupId: "g",
      dedupId,
    })),
  });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  const results = stream.responses.flatMap(({ results: each }) =>
    each.flatMap(({ result }) => (result?.$case === "sent" ? [result.value] : [])),
  );
  expect(results.map(({ duplicate }) => duplicate)).toEqual([true, false, true]);
  expect(results[0]?.messageId).toBe(messageId);
  expect(results[2]?.messageId).toBe(results[1]?.messageId);
  expect(await t.counters()).toMatchObject({ sent: 2, deduplicated: 2 });
});

test("Q56 the same id in two groups is one message with the queue as scope", async () => {
  const t = await fifoScenario({ ...explicit, deduplicationScope: "queue" });
  const { messageId } = await send(t, "a", "d", "g1");
  expect(await send(t, "b", "d", "g2")).toMatchObject({ messageId, duplicate: true });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a"]);
});

test("Q56 the same id in two groups is two messages with the group as scope", async () => {
  const t = await fifoScenario({ ...explicit, deduplicationScope: "messageGroup" });
  const first = await send(t, "a", "d", "g1");
  const second = await send(t, "b", "d", "g2");
  expect(second.duplicate).toBe(false);
  expect(await send(t, "a", "d", "g1")).toMatchObject({
    messageId: first.messageId,
    duplicate: true,
  });
  expect(await send(t, "b", "d", "g2")).toMatchObject({
    messageId: second.messageId,
    duplicate: true,
  });
  expect(bodiesOf(await t.receive({ max: 10 })).sort()).toEqual(["a", "b"]);
});

test("Q56 groups and ids that read the same one after the other are told apart", async () => {
  const t = await fifoScenario({ ...explicit, deduplicationScope: "messageGroup" });
  for (const [groupId, dedupId] of [
    ["ab", "c"],
    ["a", "bc"],
    ["a/b", "c"],
    ["a", "b/c"],
  ] as const) {
    expect(await send(t, "body", dedupId, groupId)).toMatchObject({ duplicate: false });
  }
});

test("Q56 a narrower scope acts on later sends at once: the same id in another group is another message", async () => {
  const t = await fifoScenario(explicit);
  const { messageId } = await send(t, "a", "d", "g1");
  expect(await send(t, "b", "d", "g2")).toMatchObject({ duplicate: true });
  await t.setQueue({ deduplicationScope: "messageGroup" });
  expect(await send(t, "b", "d", "g2")).toMatchObject({ duplicate: false });
  // In its own group the first one is remembered.
  expect(await send(t, "a", "d", "g1")).toMatchObject({ messageId, duplicate: true });
});

test("Q56 a wider scope acts on later sends at once: an id of another group is a duplicate", async () => {
  const t = await fifoScenario({ ...explicit, deduplicationScope: "messageGroup" });
  const { messageId } = await send(t, "a", "d", "g1");
  await t.setQueue({ deduplicationScope: "queue" });
  expect(await send(t, "b", "d", "g2")).toMatchObject({ messageId, duplicate: true });
});

test("Q57 a purge forgets deduplication ids: what is sent again is delivered", async () => {
  const t = await fifoScenario(explicit);
  await send(t, "a");
  await t.purge();
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
  expect(await t.receiveOne()).toMatchObject({ body: "a", receiveCount: 1 });
  await t.purge();
  await t.crash();
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("Q57 a queue created again remembers no deduplication ids, another queue none of this one's", async () => {
  const t = await fifoScenario();
  await t.createQueue("other.fifo", { type: "fifo", contentBasedDeduplication: true });
  await send(t, "a");
  expect(await t.send("a", { queue: "other.fifo", groupId: "g", dedupId: "d" })).toMatchObject({
    duplicate: false,
  });
  await t.deleteQueue();
  await t.createQueue(t.queue, { type: "fifo" });
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("a shorter window acts on later sends at once", async () => {
  const t = await fifoScenario(explicit);
  await send(t, "a");
  await t.skip(59_999);
  await t.setQueue({ dedupWindowMs: 60_000 });
  expect(await send(t, "a")).toMatchObject({ duplicate: true });
  await t.skip(1);
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("a longer window acts on what is still remembered", async () => {
  const t = await fifoScenario({ ...explicit, dedupWindowMs: 60_000 });
  const { messageId } = await send(t, "a");
  await t.skip(59_999);
  await t.setQueue({ dedupWindowMs: 600_000 });
  await t.skip(600_000 - 60_000);
  expect(await send(t, "a")).toMatchObject({ messageId, duplicate: true });
  await t.skip(1);
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("a window of 7 days is remembered for 7 days", async () => {
  const days7 = 604_800_000;
  const t = await fifoScenario({ ...explicit, dedupWindowMs: days7, retentionMs: 60_000 });
  await send(t, "a");
  await t.skip(days7 / 2);
  await t.restart();
  await t.skip(days7 / 2 - 1);
  expect(await send(t, "a")).toMatchObject({ duplicate: true });
  await t.skip(1);
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
});

test("with a window of 0 nothing is a duplicate, not even in one batch", async () => {
  const t = await fifoScenario({ ...explicit, dedupWindowMs: 0 });
  await send(t, "a");
  expect(await send(t, "a")).toMatchObject({ duplicate: false });
  const { successful } = await t.sendBatch(["b", "c"], { groupId: "g", dedupId: "d" });
  expect(successful.map(({ duplicate }) => duplicate)).toEqual([false, false]);
  expect(await t.counters()).toMatchObject({ stored: 4, deduplicated: 0 });
  // The id is needed all the same.
  await expect(t.send("a", { groupId: "g" })).rejects.toMatchObject({
    reason: "MISSING_PARAMETER",
  });
});

test("an id made of the content is the SHA-256 of the body's bytes in lower-case hex", async () => {
  const t = await fifoScenario();
  const bytes = Buffer.from([0, 255, 128]);
  await t.send("grün 😀", { groupId: "g" });
  await t.send(bytes, { groupId: "g" });
  const received = await t.receive({ max: 10 });
  expect(received.map(({ message }) => message.systemAttributes?.dedupId)).toEqual([
    sha256("grün 😀"),
    sha256(bytes),
  ]);
});

test("attributes, and whether a body is text or bytes, play no part in an id made of the content", async () => {
  const t = await fifoScenario();
  const { messageId } = await t.send("body", { groupId: "g", attributes: { a: "1" } });
  const duplicate = { messageId, duplicate: true };
  expect(await t.send("body", { groupId: "g", attributes: { a: "2" } })).toMatchObject(duplicate);
  expect(await t.send(Buffer.from("body"), { groupId: "g" })).toMatchObject(duplicate);
  expect(await t.send("Body", { groupId: "g" })).toMatchObject({ duplicate: false });
});

test("an explicit id wins over the content, and one equal to the content's is the same", async () => {
  const t = await fifoScenario();
  const { messageId } = await t.send("body", { groupId: "g" });
  expect(await t.send("body", { groupId: "g", dedupId: "x" })).toMatchObject({ duplicate: false });
  expect(await t.send("other", { groupId: "g", dedupId: "x" })).toMatchObject({ duplicate: true });
  expect(await t.send("another", { groupId: "g", dedupId: sha256("body") })).toMatchObject({
    messageId,
    duplicate: true,
  });
  const upper = sha256("body").toUpperCase();
  expect(await t.send("another", { groupId: "g", dedupId: upper })).toMatchObject({
    duplicate: false,
  });
});

test("equal bodies in two groups are two messages only with the group as scope", async () => {
  const t = await fifoScenario();
  await t.send("body", { groupId: "g1" });
  expect(await t.send("body", { groupId: "g2" })).toMatchObject({ duplicate: true });
  await t.setQueue({ deduplicationScope: "messageGroup" });
  expect(await t.send("body", { groupId: "g2" })).toMatchObject({ duplicate: false });
});

test("thousands of ids are remembered, each for its own window", async () => {
  const t = await fifoScenario(explicit);
  const entries = (from: number) =>
    Array.from({ length: 3_000 }, (_, index) => ({
      body: "body",
      groupId: "g",
      dedupId: `d${from + index}`,
    }));
  await t.pour(entries(0));
  await t.skip(100_000);
  await t.pour(entries(1_500));
  expect(await t.counters()).toMatchObject({ sent: 4_500, deduplicated: 1_500 });
  await t.skip(windowMs - 100_000);
  // The first 3000 are forgotten, those sent later are not.
  await t.pour(entries(1_500));
  expect(await t.counters()).toMatchObject({ sent: 6_000, deduplicated: 3_000 });
});

test("a standard queue with a deduplication window drops duplicates, too", async () => {
  const t = await scenario({ dedupWindowMs: 60_000 });
  const { messageId } = await t.send("a", { dedupId: "d" });
  expect(await t.send("b", { dedupId: "d", delayMs: 1_000 })).toMatchObject({
    messageId,
    md5OfBody: md5("b"),
    duplicate: true,
  });
  const [handle = ""] = handlesOf(await t.receive({ max: 10 }));
  await t.delete(handle);
  await t.crash();
  expect(await t.send("a", { dedupId: "d" })).toMatchObject({ duplicate: true });
  // The id is optional, and without one nothing is a duplicate.
  await t.sendBatch(["c", "c"]);
  expect(await t.counters()).toMatchObject({ stored: 2, sent: 3, deduplicated: 2 });
  await t.skip(59_999);
  expect(await t.send("a", { dedupId: "d" })).toMatchObject({ duplicate: true });
  await t.skip(1);
  expect(await t.send("a", { dedupId: "d" })).toMatchObject({ duplicate: false });
});

test("a standard queue takes deduplication ids for as long as it has a window, and checks them", async () => {
  const t = await scenario();
  const unsupported = { reason: "UNSUPPORTED_FOR_QUEUE_TYPE", violations: ["dedup_id"] };
  await expect(t.send("a", { dedupId: "d" })).rejects.toMatchObject(unsupported);
  await t.setQueue({ dedupWindowMs: 60_000 });
  expect(await t.send("a", { dedupId: "d" })).toMatchObject({ duplicate: false });
  await expect(t.send("a", { dedupId: "a b" })).rejects.toMatchObject({
    reason: "INVALID_PARAMETER",
    violations: ["dedup_id"],
  });
  await t.setQueue({ dedupWindowMs: 0 });
  await expect(t.send("a", { dedupId: "d" })).rejects.toMatchObject(unsupported);
  expect(await t.counts()).toBe("1/0/0");
});
