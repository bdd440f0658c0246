// Rejects: a message given back with a reason, behind all others or straight to the dead-letter queue, by a call of its own
// or on a stream.

import { expect, test } from "vitest";
import { DeadLetterReason } from "../../src/gen/forebay/queue/v1/message.js";
import { contradictions } from "../support/broken-rows.js";
import { callErrorOfStatus } from "../support/call-error.js";
import { type Consumer, consumer } from "../support/consumer.js";
import {
  deadLetterScenario,
  fifoDeadLetterScenario,
  held,
  heldBodies,
  heldOne,
} from "../support/dead-letters.js";
import type { RequestPart } from "../support/queue-client.js";
import { bodiesOf, durationOf, msOf, type Scenario, scenario } from "../support/scenario.js";

const noDeadLetterQueue = { code: "FAILED_PRECONDITION", reason: "DLQ_NOT_FOUND" };
const invalid = (...violations: string[]) => ({
  code: "INVALID_ARGUMENT",
  reason: "INVALID_PARAMETER",
  violations,
});
const missing = (...violations: string[]) => ({
  code: "INVALID_ARGUMENT",
  reason: "MISSING_PARAMETER",
  violations,
});

const rejectionOf = async (t: Scenario, queue: string) =>
  (await heldOne(t, queue)).systemAttributes?.rejection;

test("a rejected message is visible at once behind all others, with the reason in receives and peeks", async () => {
  const t = await scenario();
  await t.sendBatch(["bad", "x", "y"]);
  const { handle } = await t.receiveOne();
  await t.advance(1_000);
  const answer = await t.reject(handle, { reason: "bad_invoice", error: "no such customer" });
  expect(msOf(answer.visibleTime)).toBe(t.now);
  expect(answer.deadLetterQueue).toBe("");
  const rejectedAt = t.now;
  expect(await t.order()).toEqual(["x", "y", "bad"]);
  await t.crash();
  await t.advance(1_000);
  const [, , bad] = await t.receive({ max: 10 });
  expect(bad).toMatchObject({ body: "bad", receiveCount: 2 });
  const rejection = bad?.message.systemAttributes?.rejection;
  expect(rejection).toMatchObject({ reason: "bad_invoice", error: "no such customer" });
  expect(msOf(rejection?.rejectTime)).toBe(rejectedAt);
  const peeked = (await held(t, t.queue)).map(({ body, systemAttributes }) => [
    body?.value,
    systemAttributes?.rejection?.reason,
  ]);
  expect(peeked.sort()).toEqual([
    ["bad", "bad_invoice"],
    ["x", undefined],
    ["y", undefined],
  ]);
});

test("a message rejected with a delay is visible after it, to the millisecond, behind those sent meanwhile", async () => {
  const t = await scenario();
  await t.send("bad");
  const { handle } = await t.receiveOne();
  const answer = await t.reject(handle, { delayMs: 2_000 });
  expect(msOf(answer.visibleTime)).toBe(t.now + 2_000);
  await t.send("x");
  const poll = await t.poll({ max: 10, visibilityTimeoutMs: 0 });
  expect(bodiesOf(await poll.answer)).toEqual(["x"]);
  await t.advance(1_999);
  expect((await t.counters()).visible).toBe(1);
  await t.advance(1);
  expect(await t.order()).toEqual(["x", "bad"]);
});

test("a reject wakes a waiter", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  const poll = await t.poll();
  await t.reject(handle);
  expect(await poll.answer).toMatchObject([{ body: "work", receiveCount: 2 }]);
});

test("a reject does not count as a delivery: the message is delivered as often as the policy says, then it moves", async () => {
  const t = await deadLetterScenario({ after: 2 });
  await t.send("work");
  for (const [receiveCount, reason] of [
    [1, "first"],
    [2, "second"],
  ] as const) {
    const { handle, ...received } = await t.receiveOne();
    expect(received).toMatchObject({ receiveCount });
    await t.reject(handle, { reason, error: `the ${reason} time` });
  }
  expect(await t.receive()).toEqual([]);
  const dead = await heldOne(t, "dead");
  expect(dead.systemAttributes).toMatchObject({
    rejection: { reason: "second", error: "the second time" },
    deadLetterReason: DeadLetterReason.MAX_RECEIVES,
    deadLetterSourceQueue: "orders",
    receiveCount: 2,
  });
});

test("a message rejected to the dead-letter queue is there at once, whatever the limit, and says why", async () => {
  const t = await deadLetterScenario({ after: 1_000 });
  const { messageId } = await t.send("pay #7", { attributes: { tenant: "acme" } });
  const { handle } = await t.receiveOne();
  await t.advance(5_000);
  const poll = await t.poll({ queue: "dead", attributes: ["All"] });
  const answer = await t.reject(handle, {
    reason: "bad_invoice",
    error: "no such customer",
    isDeadLetter: true,
  });
  expect(answer).toEqual({ visibleTime: undefined, deadLetterQueue: "dead" });
  const [dead] = await poll.answer;
  expect(poll.answeredAt).toBe(t.now);
  expect(dead).toMatchObject({ id: messageId, body: "pay #7", receiveCount: 2 });
  expect(dead?.message.attributes.get("tenant")?.value?.value).toBe("acme");
  const system = dead?.message.systemAttributes;
  expect(system).toMatchObject({
    queueReceiveCount: 1,
    deadLetterSourceQueue: "orders",
    deadLetterReason: DeadLetterReason.REJECTED,
    rejection: { reason: "bad_invoice", error: "no such customer" },
  });
  expect(msOf(system?.deadLetterTime)).toBe(t.now);
  expect(msOf(system?.rejection?.rejectTime)).toBe(t.now);
  expect(msOf(system?.sendTime)).toBe(t.now - 5_000);
  expect(await t.counters()).toMatchObject({ stored: 0, deadLettered: 1, deleted: 0, received: 1 });
  expect(await t.counters("dead")).toMatchObject({ arrived: 1, stored: 1 });
  expect(await contradictions(t)).toEqual([]);
});

test("what a dead letter says of itself holds over a crash, and until it is rejected again", async () => {
  const t = await deadLetterScenario({ after: 5 });
  await t.send("work");
  await t.reject((await t.receiveOne()).handle, { reason: "first", isDeadLetter: true });
  const deadLetteredAt = t.now;
  await t.crash();
  await t.advance(1_000);
  const { handle } = await t.receiveOne({ queue: "dead" });
  expect((await rejectionOf(t, "dead"))?.reason).toBe("first");
  await t.reject(handle, { queue: "dead", reason: "second" });
  const { systemAttributes: system } = await heldOne(t, "dead");
  expect(system?.rejection?.reason).toBe("second");
  expect(system?.deadLetterReason).toBe(DeadLetterReason.REJECTED);
  expect(msOf(system?.deadLetterTime)).toBe(deadLetteredAt);
  expect(system?.deadLetterSourceQueue).toBe("orders");
});

test("the handle of a message that was rejected to the dead-letter queue finds it gone", async () => {
  const t = await deadLetterScenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  await t.reject(handle, { isDeadLetter: true });
  const gone = { code: "NOT_FOUND", reason: "MESSAGE_NOT_FOUND" };
  await expect(t.reject(handle, { isDeadLetter: true })).rejects.toMatchObject(gone);
  await expect(t.reject(handle)).rejects.toMatchObject(gone);
  await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject(gone);
  expect(await t.delete(handle)).toBe("ALREADY_GONE");
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
});

test.each([
  ["no redrive policy", async (t: Scenario) => void (await t.setQueue({ redrive: "none" }))],
  [
    "a dead-letter queue that was deleted",
    async (t: Scenario) => void (await t.deleteQueue("dead")),
  ],
])("with %s a reject to it is refused, and the lease is as it was", async (_, prepare) => {
  const t = await deadLetterScenario({ after: 3, visibilityTimeoutMs: 10_000 });
  await t.send("work");
  const { handle } = await t.receiveOne();
  await prepare(t);
  await t.advance(1_000);
  await expect(t.reject(handle, { reason: "bad", isDeadLetter: true })).rejects.toMatchObject(
    noDeadLetterQueue,
  );
  expect(await t.peek()).toEqual(["in flight work x1"]);
  expect(await rejectionOf(t, t.queue)).toBeUndefined();
  await t.advance(8_999);
  expect(await t.counts()).toBe("0/1/0");
  await t.advance(1);
  expect(await t.counts()).toBe("1/0/0");
  expect(await t.counters()).toMatchObject({ deadLettered: 0 });
});

test("a reject to a dead-letter queue that was deleted names that queue", async () => {
  const t = await deadLetterScenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  await t.deleteQueue("dead");
  await expect(t.reject(handle, { isDeadLetter: true })).rejects.toMatchObject({
    ...noDeadLetterQueue,
    resource: "queue dead",
  });
});

test.each(["lenient", "strict"] as const)(
  "only the newest handle rejects, %s: an older one is refused",
  async (receiptPolicy) => {
    const t = await deadLetterScenario({ after: 9, receiptPolicy });
    await t.send("work");
    const { handle: older } = await t.receiveOne({ visibilityTimeoutMs: 0 });
    const { handle: newest } = await t.receiveOne();
    for (const isDeadLetter of [false, true]) {
      await expect(t.reject(older, { isDeadLetter })).rejects.toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "RECEIPT_HANDLE_EXPIRED",
      });
    }
    expect(await t.peek()).toEqual(["in flight work x2"]);
    expect(await rejectionOf(t, t.queue)).toBeUndefined();
    await t.reject(newest, { isDeadLetter: true });
    expect(await heldBodies(t, "dead")).toEqual(["work"]);
  },
);

test("a handle whose lease has ended, of no message or of another queue rejects nothing", async () => {
  const t = await deadLetterScenario({ after: 9, visibilityTimeoutMs: 1_000 });
  await t.sendBatch(["lapsed", "deleted"]);
  const [lapsed, deleted] = await t.receive({ max: 2 });
  await t.delete(deleted?.handle ?? "");
  await t.advance(1_000);
  for (const isDeadLetter of [false, true]) {
    await expect(t.reject(lapsed?.handle ?? "", { isDeadLetter })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "MESSAGE_NOT_IN_FLIGHT",
    });
    await expect(t.reject(deleted?.handle ?? "", { isDeadLetter })).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "MESSAGE_NOT_FOUND",
    });
    await expect(t.reject("garbage", { isDeadLetter })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "RECEIPT_HANDLE_INVALID",
    });
    await expect(
      t.reject(lapsed?.handle ?? "", { isDeadLetter, queue: "dead" }),
    ).rejects.toMatchObject({ reason: "RECEIPT_HANDLE_INVALID" });
    await expect(
      t.reject(lapsed?.handle ?? "", { isDeadLetter, queue: "nowhere" }),
    ).rejects.toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
  }
  expect(await t.peek()).toEqual(["visible lapsed x1"]);
  expect(await rejectionOf(t, t.queue)).toBeUndefined();
  expect(await heldBodies(t, "dead")).toEqual([]);
});

test("a reason has 1 to 128 characters, an error at most 4096 bytes, a delay at most 12 h", async () => {
  const t = await deadLetterScenario({ after: 9 });
  await t.send("work");
  const { handle } = await t.receiveOne();
  const request = (part: RequestPart<"rejectMessage">) =>
    t.call("rejectMessage", { queue: t.queue, receiptHandle: handle, reason: "r", ...part });
  for (const [part, expected] of [
    [{ queue: "" }, missing("queue")],
    [{ receiptHandle: "" }, missing("receipt_handle")],
    [{ reason: "" }, missing("reason")],
    [{ reason: "x".repeat(129) }, invalid("reason")],
    [{ error: `${"ä".repeat(2_048)}x` }, invalid("error")],
    [{ delay: durationOf(-1) }, invalid("delay")],
    [{ delay: durationOf(43_200_001) }, invalid("delay")],
    [{ deadLetter: true, delay: durationOf(1_000) }, invalid("delay")],
    [{ deadLetter: true, delay: durationOf(0) }, invalid("delay")],
    [
      { reason: "x".repeat(129), error: "x".repeat(4_097), delay: durationOf(-1) },
      invalid("reason", "error", "delay"),
    ],
  ] as const) {
    await expect(request(part), JSON.stringify(expected.violations)).rejects.toMatchObject(
      expected,
    );
  }
  expect(await t.peek()).toEqual(["in flight work x1"]);
  const error = "ä".repeat(2_048);
  await request({ reason: "x".repeat(128), error, deadLetter: true });
  expect(await rejectionOf(t, "dead")).toMatchObject({ reason: "x".repeat(128), error });
});

test("a long rejection takes nothing of the message's size, and goes with it", async () => {
  const t = await deadLetterScenario({ after: 9, messageBytesMax: 1_024 });
  const body = "x".repeat(1_024);
  await t.send(body);
  const error = "e".repeat(4_096);
  await t.reject((await t.receiveOne()).handle, { error });
  expect(await t.counters()).toMatchObject({ storedBytes: 1_024 });
  await t.reject((await t.receiveOne()).handle, { error, isDeadLetter: true });
  expect(await t.counters("dead")).toMatchObject({ storedBytes: 1_024 });
  expect((await t.receiveOne({ queue: "dead" })).message.systemAttributes?.rejection?.error).toBe(
    error,
  );
});

test("a message rejected to a queue that names itself goes to its back", async () => {
  const t = await scenario();
  await t.setQueue({ redrive: { to: "orders", after: 9 } });
  await t.sendBatch(["bad", "x"]);
  const { handle, id } = await t.receiveOne();
  expect((await t.reject(handle, { isDeadLetter: true })).deadLetterQueue).toBe("orders");
  expect(await t.order()).toEqual(["x", "bad"]);
  const [, bad] = await t.receive({ max: 10 });
  expect(bad).toMatchObject({ id, receiveCount: 2 });
  expect(bad?.message.systemAttributes?.queueReceiveCount).toBe(1);
  expect(await t.counters()).toMatchObject({ stored: 2, arrived: 1, deadLettered: 1 });
});

test("a FIFO message is rejected to its place, and holds up its group until it is delivered again", async () => {
  const t = await fifoDeadLetterScenario({ after: 9 });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await t.reject((await t.receiveOne()).handle, { delayMs: 1_000 });
  await t.advance(999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  const received = await t.receive({ max: 10 });
  expect(received.map(({ body, receiveCount }) => `${body} ${receiveCount}`)).toEqual([
    "a 2",
    "b 1",
  ]);
  await t.reject(received[0]?.handle ?? "");
  expect(await t.receive()).toMatchObject([{ body: "a", receiveCount: 3 }]);
});

test("a FIFO message rejected to the dead-letter queue frees its group at once, and wakes who waits for it", async () => {
  const t = await fifoDeadLetterScenario({ after: 9 });
  const { messageId } = await t.send("a", { groupId: "g" });
  await t.send("b", { groupId: "g" });
  const { handle } = await t.receiveOne();
  const poll = await t.poll();
  expect(poll.isAnswered).toBe(false);
  expect(await t.reject(handle, { isDeadLetter: true })).toMatchObject({
    deadLetterQueue: "dead.fifo",
  });
  expect(bodiesOf(await poll.answer)).toEqual(["b"]);
  expect((await heldOne(t, "dead.fifo")).systemAttributes).toMatchObject({
    groupId: "g",
    dedupId: messageId,
    deadLetterReason: DeadLetterReason.REJECTED,
  });
  expect(await contradictions(t)).toEqual([]);
});

// --- on a stream ----------------------------------------------------------------------------------------------------------

const rejectOn = (stream: Consumer, value: RequestPart<"consume">["request"]): void => {
  stream.stream.write({ request: value });
};

test("a stream rejects to the dead-letter queue, and its results stand in the order asked", async () => {
  const t = await deadLetterScenario({ after: 9 });
  await t.sendBatch(["a", "b", "c", "d"]);
  const stream = await consumer(t, { messages: 4 });
  const [a, b, c, d] = (await stream.messages()).map(({ handle }) => handle);
  stream.ack(a ?? "");
  rejectOn(stream, {
    $case: "reject",
    value: {
      receiptHandles: [b ?? "", a ?? "", "garbage", c ?? ""],
      reason: "bad_invoice",
      error: "no such customer",
      deadLetter: true,
    },
  });
  stream.reject([d ?? ""], "later");
  const results = await stream.results();
  expect(results.map(({ receiptHandle }) => receiptHandle)).toEqual([a, b, a, "garbage", c, d]);
  expect(
    results.map(({ result }) =>
      result?.$case === "error"
        ? callErrorOfStatus(result.value).reason
        : result?.$case === "deadLetterQueue"
          ? result.value
          : result?.$case,
    ),
  ).toEqual([
    "deleted",
    "dead",
    "MESSAGE_NOT_FOUND",
    "RECEIPT_HANDLE_INVALID",
    "dead",
    "visibleTime",
  ]);
  const dead = await held(t, "dead");
  expect(dead.map(({ body }) => body?.value)).toEqual(["b", "c"]);
  for (const { systemAttributes } of dead) {
    expect(systemAttributes).toMatchObject({
      deadLetterReason: DeadLetterReason.REJECTED,
      deadLetterSourceQueue: "orders",
      rejection: { reason: "bad_invoice", error: "no such customer" },
    });
  }
  expect(await t.peek()).toEqual(["visible d x1"]);
  // What it rejected is no longer the stream's: its end gives nothing back.
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  expect(await t.counts()).toBe("1/0/0");
  expect(await t.counts("dead")).toBe("2/0/0");
  expect(await contradictions(t)).toEqual([]);
});

test("a stream's reject without a dead-letter queue is refused by itself, and the message stays the stream's", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  await t.send("work");
  const stream = await consumer(t);
  const [work] = await stream.messages();
  rejectOn(stream, {
    $case: "reject",
    value: { receiptHandles: [work?.handle ?? ""], reason: "bad", deadLetter: true },
  });
  expect(await stream.outcomes()).toEqual(["FAILED_PRECONDITION DLQ_NOT_FOUND"]);
  expect(await rejectionOf(t, t.queue)).toBeUndefined();
  // Its lease is still renewed.
  await t.advance(30_000);
  expect(await t.counts()).toBe("0/1/0");
  stream.ack(work?.handle ?? "");
  expect(await stream.outcomes()).toEqual(["DELETED"]);
});

test("a stream rejects by another receive's handle only while that is the newest", async () => {
  const t = await deadLetterScenario({ after: 9 });
  await t.send("work");
  const { handle: older } = await t.receiveOne({ visibilityTimeoutMs: 0 });
  const { handle: newest } = await t.receiveOne();
  const stream = await consumer(t);
  rejectOn(stream, {
    $case: "reject",
    value: { receiptHandles: [older, newest], reason: "bad", deadLetter: true },
  });
  const results = (await stream.results()).map(({ result }) =>
    result?.$case === "error" ? callErrorOfStatus(result.value).reason : result?.value,
  );
  expect(results).toEqual(["RECEIPT_HANDLE_EXPIRED", "dead"]);
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
});

test("a stream's reject with a delay and a dead-letter queue ends the stream, and nothing has moved", async () => {
  const t = await deadLetterScenario({ after: 9 });
  for (const delayMs of [0, 1_000]) {
    await t.send("work");
    const stream = await consumer(t);
    const [work] = await stream.messages();
    rejectOn(stream, {
      $case: "reject",
      value: {
        receiptHandles: [work?.handle ?? ""],
        reason: "bad",
        delay: durationOf(delayMs),
        deadLetter: true,
      },
    });
    expect(await stream.ended).toMatchObject(invalid("reject.delay"));
    await t.settle();
    expect(await t.counts()).toBe("1/0/0");
    await t.purge();
  }
  expect(await heldBodies(t, "dead")).toEqual([]);
});

test("a FIFO message that a stream rejects takes those behind it along, unless it goes to the dead-letter queue", async () => {
  const t = await fifoDeadLetterScenario({ after: 9 });
  await t.sendBatch(["a", "b", "c", "d"], { groupId: "g" });
  const stream = await consumer(t, { messages: 4 });
  const [a, b, c, d] = (await stream.messages()).map(({ handle }) => handle);
  rejectOn(stream, {
    $case: "reject",
    value: { receiptHandles: [a ?? ""], reason: "bad", deadLetter: true },
  });
  expect((await stream.results()).map(({ result }) => result?.value)).toEqual(["dead.fifo"]);
  // Out of their way: those behind it go on.
  expect(await t.counts()).toBe("0/3/0");
  stream.ack(b ?? "");
  expect(await stream.outcomes()).toEqual(["DELETED"]);
  stream.reject([c ?? ""], "later", "", 5_000);
  await t.settle();
  const lost = stream.stream.responses.flatMap(({ response }) =>
    response?.$case === "lost" ? response.value.receiptHandles : [],
  );
  expect(lost).toEqual([d]);
  expect(await heldBodies(t, "dead.fifo")).toEqual(["a"]);
  expect(await t.counts()).toBe("1/0/1");
});

test("a stream at the dead-letter queue gets what a stream at the source rejects", async () => {
  const t = await deadLetterScenario({ after: 9 });
  const atDead = await consumer(t, { queue: "dead" });
  const atSource = await consumer(t);
  await t.send("work");
  const [work] = await atSource.messages();
  rejectOn(atSource, {
    $case: "reject",
    value: { receiptHandles: [work?.handle ?? ""], reason: "bad", deadLetter: true },
  });
  await atSource.results();
  const [dead] = await atDead.messages();
  expect(dead).toMatchObject({ id: work?.id, body: "work", receiveCount: 2 });
  expect(dead?.message.systemAttributes?.rejection?.reason).toBe("bad");
  atDead.ack(dead?.handle ?? "");
  expect(await atDead.outcomes()).toEqual(["DELETED"]);
});

test("a message that a stream rejects each time moves when the stream would get it once too often", async () => {
  const t = await deadLetterScenario({ after: 2 });
  await t.send("work");
  const stream = await consumer(t);
  for (const delivery of [1, 2]) {
    await t.settle();
    const messages = stream.stream.responses.flatMap(({ response }) =>
      response?.$case === "messages" ? response.value.messages : [],
    );
    expect(messages).toHaveLength(delivery);
    stream.reject([messages.at(-1)?.receiptHandle ?? ""], `reason ${delivery}`);
    await t.settle();
  }
  expect((await heldOne(t, "dead")).systemAttributes).toMatchObject({
    deadLetterReason: DeadLetterReason.MAX_RECEIVES,
    rejection: { reason: "reason 2" },
  });
  expect(await t.counts()).toBe("0/0/0");
});
