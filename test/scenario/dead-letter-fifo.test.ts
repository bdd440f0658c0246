// FIFO queues: a dead letter leaves its group at once, keeps its group's name, and is a message of its own in the dead-letter
// queue (Q61).

import { expect, test } from "vitest";
import { DeadLetterReason } from "../../src/gen/forebay/queue/v1/message.js";
import { contradictions } from "../support/broken-rows.js";
import {
  fifoDeadLetterScenario,
  held,
  heldBodies,
  heldOne,
  targetMissingCount,
  wearOut,
} from "../support/dead-letters.js";
import { bodiesOf, msOf, type Received, scenario } from "../support/scenario.js";

const dead = "dead.fifo";
const expired = { code: "FAILED_PRECONDITION", reason: "RECEIPT_HANDLE_EXPIRED" };
const notFound = { code: "NOT_FOUND", reason: "MESSAGE_NOT_FOUND" };

const systemOf = ({ message }: Received) => message.systemAttributes;

test("Q61 the next message of a group is deliverable at once when the one before it has moved", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  const sent = await t.send("m1", { groupId: "g", dedupId: "d1" });
  await t.send("m2", { groupId: "g", dedupId: "d2" });
  expect(bodiesOf(await t.receive())).toEqual(["m1"]);
  expect(await t.receive()).toEqual([]);
  await t.advance(1_000);
  // One receive: it moves the first and takes the second.
  expect(await t.receive()).toMatchObject([{ body: "m2", receiveCount: 1 }]);
  const copy = await t.receiveOne({ queue: dead });
  expect(copy).toMatchObject({ id: sent.messageId, body: "m1", receiveCount: 2 });
  expect(systemOf(copy)).toMatchObject({
    groupId: "g",
    dedupId: sent.messageId,
    queueReceiveCount: 1,
    deadLetterSourceQueue: "orders.fifo",
    deadLetterReason: DeadLetterReason.MAX_RECEIVES,
  });
  expect(await contradictions(t)).toEqual([]);
});

test("Q61 a waiter behind a blocked group gets the next message in the instant the first one moves", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  await t.sendBatch(["m1", "m2"], { groupId: "g" });
  await t.receive();
  const poll = await t.poll();
  const atDead = await t.poll({ queue: dead });
  await t.advance(999);
  expect([poll.isAnswered, atDead.isAnswered]).toEqual([false, false]);
  await t.advance(1);
  expect(bodiesOf(await poll.answer)).toEqual(["m2"]);
  expect(bodiesOf(await atDead.answer)).toEqual(["m1"]);
  expect([poll.answeredAt, atDead.answeredAt]).toEqual([t.now, t.now]);
});

test("a group whose members leased together lapse together moves in order and stays in order", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  expect(bodiesOf(await t.receive({ max: 2 }))).toEqual(["a", "b"]);
  await t.advance(1_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["c"]);
  expect(await heldBodies(t, dead)).toEqual(["a", "b"]);
  expect(bodiesOf(await t.receive({ queue: dead, max: 10 }))).toEqual(["a", "b"]);
});

test("a group that is still blocked behind a lease moves no further than that", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a, b, c] = await t.receive({ max: 10 });
  await t.changeVisibility(a?.handle ?? "", 0);
  await t.changeVisibility(c?.handle ?? "", 0);
  await t.send("other", { groupId: "h" });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["other"]);
  // b is leased: c is over its limit, and no receive can select it.
  expect(await heldBodies(t, dead)).toEqual(["a"]);
  expect(await t.delete(b?.handle ?? "")).toBe("DELETED");
  expect(await t.receive()).toEqual([]);
  expect(await heldBodies(t, dead)).toEqual(["a", "c"]);
});

test("one receive moves what it passes in every group, and takes what is behind", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  for (const group of ["g1", "g2", "g3"]) {
    await t.send(`${group} dead`, { groupId: group });
  }
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  await t.send("g2 fresh", { groupId: "g2" });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["g2 fresh"]);
  expect((await heldBodies(t, dead)).sort()).toEqual(["g1 dead", "g2 dead", "g3 dead"]);
  expect(await t.counts()).toBe("0/1/0");
  expect(await t.counters()).toMatchObject({ deadLettered: 3, groupsInFlight: 1 });
  expect(await contradictions(t)).toEqual([]);
});

test("the source remembers the deduplication id of what has moved, for the rest of its window", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  const first = await t.send("work", { groupId: "g", dedupId: "d" });
  await t.skip(100_000);
  await wearOut(t);
  expect(await heldBodies(t, dead)).toEqual(["work"]);
  await t.skip(199_999);
  expect(await t.send("work", { groupId: "g", dedupId: "d" })).toMatchObject({
    duplicate: true,
    messageId: first.messageId,
    sequenceNumber: first.sequenceNumber,
  });
  expect(await t.counts()).toBe("0/0/0");
  await t.skip(1);
  const second = await t.send("work", { groupId: "g", dedupId: "d" });
  expect(second.duplicate).toBe(false);
  expect(second.messageId).not.toBe(first.messageId);
});

test("two messages that were sent under one deduplication id both live on in the dead-letter queue", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  const ids: string[] = [];
  for (let time = 0; time < 2; time += 1) {
    ids.push((await t.send("work", { groupId: "g", dedupId: "d" })).messageId);
    await wearOut(t);
    await t.skip(300_000);
  }
  // Sent there under the same id, a third one is no duplicate of either.
  const straight = await t.send("work", { queue: dead, groupId: "g", dedupId: "d" });
  expect(straight.duplicate).toBe(false);
  const messages = await held(t, dead);
  expect(messages.map(({ messageId }) => messageId)).toEqual([...ids, straight.messageId]);
  expect(messages.map(({ systemAttributes }) => systemAttributes?.dedupId)).toEqual([...ids, "d"]);
});

test("equal bodies and ids of two groups both arrive, whatever the dead-letter queue's own deduplication", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, deduplicationScope: "messageGroup" });
  await t.send("work", { queue: dead, groupId: "g1" });
  for (const groupId of ["g1", "g2"]) await t.send("work", { groupId });
  await wearOut(t);
  expect(await heldBodies(t, dead)).toEqual(["work", "work", "work"]);
  expect(await t.counters(dead)).toMatchObject({ sent: 1, arrived: 2, deduplicated: 0 });
});

test("a dead letter gets a new sequence number, behind all that the dead-letter queue gave before", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  const before = await t.send("before", { queue: dead, groupId: "g" });
  const sent = await t.sendBatch(["a", "b"], { groupId: "g" });
  await wearOut(t);
  const after = await t.send("after", { queue: dead, groupId: "g" });
  const messages = await held(t, dead);
  expect(messages.map(({ body }) => body?.value)).toEqual(["before", "a", "b", "after"]);
  const numbers = messages.map(({ systemAttributes }) => systemAttributes?.sequenceNumber ?? "");
  expect(numbers.every((number) => /^\d{20}$/.test(number))).toBe(true);
  expect([...numbers].sort()).toEqual(numbers);
  expect(new Set(numbers).size).toBe(4);
  expect([numbers[0], numbers[3]]).toEqual([before.sequenceNumber, after.sequenceNumber]);
  // Within its group it stands behind what was there, and before what came later.
  expect(bodiesOf(await t.receive({ queue: dead, max: 10 }))).toEqual([
    "before",
    "a",
    "b",
    "after",
  ]);
  expect(sent.successful).toHaveLength(2);
});

test("the sent time of a dead letter is the move, so that its retention begins there", async () => {
  const t = await fifoDeadLetterScenario({
    after: 1,
    retentionMs: 600_000,
    dead: { retentionMs: 60_000 },
  });
  await t.send("work", { groupId: "g" });
  await t.skip(300_000);
  await wearOut(t);
  const movedAt = t.now;
  const message = await heldOne(t, dead);
  expect(msOf(message.systemAttributes?.sendTime)).toBe(movedAt);
  expect(msOf(message.systemAttributes?.deadLetterTime)).toBe(movedAt);
  expect(msOf(message.expireTime)).toBe(movedAt + 60_000);
  await t.skip(59_999);
  expect(await t.counts(dead)).toBe("1/0/0");
  await t.advance(1);
  expect(await t.receive({ queue: dead })).toEqual([]);
  expect(await t.counters(dead)).toMatchObject({ arrived: 1, expired: 1, stored: 0 });
});

test("a dead letter is not delayed by the delay of its new queue", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, dead: { delayMs: 900_000 } });
  await t.send("work", { groupId: "g" });
  await wearOut(t);
  expect(await t.counts(dead)).toBe("1/0/0");
  expect(bodiesOf(await t.receive({ queue: dead }))).toEqual(["work"]);
});

test("a handle from before the move finds its message gone, the copy lives on", async () => {
  const t = await fifoDeadLetterScenario({ after: 2, visibilityTimeoutMs: 1_000 });
  await t.send("work", { groupId: "g" });
  const { handle: older } = await t.receiveOne();
  await t.advance(1_000);
  const { handle: newest } = await t.receiveOne();
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  await t.advance(1_000);
  // Not yet moved: the lease has ended, and a FIFO queue refuses.
  await expect(t.delete(newest)).rejects.toMatchObject(expired);
  expect(await t.receive()).toEqual([]);
  for (const handle of [older, newest]) {
    expect(await t.delete(handle)).toBe("ALREADY_GONE");
    await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject(notFound);
  }
  expect(await heldBodies(t, dead)).toEqual(["work"]);
});

test("without its dead-letter queue a message stays at the head of its group and is delivered again", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await t.deleteQueue(dead);
  for (const receiveCount of [1, 2, 3]) {
    expect(await t.receive()).toMatchObject([{ body: "a", receiveCount }]);
    expect(await t.receive()).toEqual([]);
    await t.advance(1_000);
  }
  expect(await targetMissingCount(t)).toBe(2);
  await t.createQueue(dead, { type: "fifo" });
  expect(bodiesOf(await t.receive())).toEqual(["b"]);
  expect(await heldBodies(t, dead)).toEqual(["a"]);
});

test("a FIFO queue that names itself sends a message over the limit to the back of its group", async () => {
  const t = await scenario({ queue: "orders.fifo", type: "fifo", contentBasedDeduplication: true });
  await t.setQueue({ redrive: { to: "orders.fifo", after: 1 } });
  const { messageId, sequenceNumber } = await t.send("poison", { groupId: "g" });
  await t.sendBatch(["x", "y"], { groupId: "g" });
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 0 });
  const x = await t.receiveOne();
  expect(x.body).toBe("x");
  expect(await t.delete(handle)).toBe("ALREADY_GONE");
  await t.delete(x.handle);
  const rest = await t.receive({ max: 10 });
  expect(bodiesOf(rest)).toEqual(["y", "poison"]);
  expect(rest[1]).toMatchObject({ id: messageId, receiveCount: 2 });
  const system = rest[1]?.message.systemAttributes;
  expect(system).toMatchObject({ queueReceiveCount: 1, dedupId: messageId, groupId: "g" });
  expect(String(system?.sequenceNumber) > sequenceNumber).toBe(true);
  expect(await t.counters()).toMatchObject({ deadLettered: 1, arrived: 1, stored: 2 });
  expect(await contradictions(t)).toEqual([]);
});

test("a receive attempt repeated after its messages moved is stale", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  await t.send("work", { groupId: "g" });
  expect(await t.receive({ attemptId: "attempt" })).toHaveLength(1);
  await t.advance(1_000);
  expect(await t.receive()).toEqual([]);
  await expect(t.receive({ attemptId: "attempt" })).rejects.toMatchObject({
    code: "ABORTED",
    reason: "RECEIVE_ATTEMPT_STALE",
  });
  expect(await heldBodies(t, dead)).toEqual(["work"]);
});

test("a move holds over a crash: groups, order, memory and copies", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  const { messageId } = await t.send("a", { groupId: "g", dedupId: "d" });
  await t.sendBatch(["b", "c"], { groupId: "g" });
  await t.receive();
  await t.advance(1_000);
  expect(bodiesOf(await t.receive())).toEqual(["b"]);
  await t.crash();
  expect(await t.receive()).toEqual([]);
  expect(await t.send("a", { groupId: "g", dedupId: "d" })).toMatchObject({
    duplicate: true,
    messageId,
  });
  expect((await heldOne(t, dead)).messageId).toBe(messageId);
  await t.advance(1_000);
  expect(bodiesOf(await t.receive())).toEqual(["c"]);
  expect(await heldBodies(t, dead)).toEqual(["a", "b"]);
  expect(await contradictions(t)).toEqual([]);
});

test("a purge of the dead-letter queue between two moves keeps its sequence rising", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  await t.send("a", { groupId: "g" });
  await wearOut(t);
  const before = (await heldOne(t, dead)).systemAttributes?.sequenceNumber ?? "";
  await t.purge(dead);
  await t.send("b", { groupId: "g" });
  await wearOut(t);
  const after = await heldOne(t, dead);
  expect(after.body?.value).toBe("b");
  expect(String(after.systemAttributes?.sequenceNumber) > before).toBe(true);
});
