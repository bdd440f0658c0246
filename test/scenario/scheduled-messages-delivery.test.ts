// Messages sent for a time to come (`deliver_time`): they join the queue at their time, as if they were sent then.

import { describe, expect, test } from "vitest";
import {
  bodiesOf,
  durationOf,
  fifoScenario,
  msOf,
  type Scenario,
  scenario,
} from "../support/scenario.js";
import { laterEntry, scheduledBodies, scheduledCount, sendFor } from "../support/scheduled.js";

const minuteMs = 60_000;
const dayMs = 86_400_000;
const yearMs = 365 * dayMs;

/** Goes far ahead in one leap, to the second before, and the rest step by step. */
async function advanceTo(t: Scenario, instant: number): Promise<void> {
  if (instant - t.now > 1_000) await t.skip(instant - t.now - 1_000);
  await t.advance(instant - t.now);
}

describe("at its time", () => {
  test("a message joins the queue, and not a millisecond before", async () => {
    const t = await scenario();
    const at = t.now + 90_137;
    const { messageId, sequenceNumber } = await sendFor(t, "later", at);
    expect(sequenceNumber).toBe("");
    await advanceTo(t, at - 1);
    expect(await t.counts()).toBe("0/0/0");
    expect(await t.receive()).toEqual([]);
    await t.advance(1);
    expect(await t.counts()).toBe("1/0/0");
    const { id, message } = await t.receiveOne();
    expect(id).toBe(messageId);
    expect(msOf(message.systemAttributes?.sendTime)).toBe(at);
  });

  test("it goes to whoever waits for it at that instant, without a poll in between", async () => {
    const t = await scenario();
    await t.advance(137);
    const at = t.now + 10_333;
    await sendFor(t, "later", at);
    const poll = await t.poll();
    await t.advance(10_332);
    expect(poll.isAnswered).toBe(false);
    await t.advance(1);
    expect(bodiesOf(await poll.answer)).toEqual(["later"]);
    expect(poll.answeredAt).toBe(at);
  });

  test("also to one who waited before it was sent", async () => {
    const t = await scenario();
    await t.advance(137);
    const poll = await t.poll();
    const at = t.now + 3_333;
    await sendFor(t, "later", at);
    await t.advance(3_333);
    expect(bodiesOf(await poll.answer)).toEqual(["later"]);
    expect(poll.answeredAt).toBe(at);
  });

  test("it goes to a stream that has credit", async () => {
    const t = await scenario();
    await t.advance(137);
    const stream = t.consume();
    const start = { queue: t.queue, credit: { messages: 10 } };
    stream.write({ request: { $case: "start", value: start } });
    await sendFor(t, "later", t.now + 3_333);
    await t.advance(3_332);
    const messages = () =>
      stream.responses.flatMap(({ response }) =>
        response?.$case === "messages" ? response.value.messages : [],
      );
    expect(messages()).toEqual([]);
    await t.advance(1);
    expect(messages().map(({ body }) => body?.value)).toEqual(["later"]);
    stream.cancel();
  });

  test("messages join in the order of their times, those of one time in the order they were sent", async () => {
    const t = await scenario();
    const at = t.now + minuteMs;
    await sendFor(t, "third", at + 1);
    await sendFor(t, "first", at);
    await sendFor(t, "second", at);
    await advanceTo(t, at + 1);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["first", "second", "third"]);
  });

  test("it stands behind what was sent before its time, and before what was sent after", async () => {
    const t = await scenario();
    const at = t.now + 10_333;
    await sendFor(t, "later", at);
    await t.leap(10_332);
    await t.send("before");
    await t.leap(1);
    await t.send("after");
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["before", "later", "after"]);
  });

  test("a peek shows it, though nobody has looked before", async () => {
    const t = await scenario();
    await sendFor(t, "later", t.now + 10_333);
    await t.leap(10_332);
    expect(await t.peek()).toEqual([]);
    expect(await scheduledBodies(t)).toEqual([["later"]]);
    await t.leap(1);
    expect(await t.peek()).toEqual(["visible later x0"]);
    expect(await scheduledBodies(t)).toEqual([[]]);
  });

  test("it goes to whoever waits when a send or a peek is the first to look", async () => {
    for (const look of ["send", "peek"] as const) {
      const t = await scenario();
      await sendFor(t, "later", t.now + 10_333);
      const poll = await t.poll();
      await t.leap(10_333);
      if (look === "send") await t.send("after");
      else await t.peek();
      await t.settle();
      expect(bodiesOf(await poll.answer)).toContain("later");
    }
  });

  test("a thousand and more of one instant all join", async () => {
    const t = await scenario();
    const at = t.now + 10_000;
    const stream = t.produce();
    const entries = Array.from({ length: 1_000 }, (_, index) => laterEntry(String(index), at));
    stream.write({ queue: t.queue, entries });
    stream.write({ entries: entries.slice(0, 500) });
    stream.halfClose();
    expect(await stream.ended).toBeUndefined();
    expect(await scheduledCount(t)).toBe(1_500);
    await t.advance(10_000);
    // However long the queue is, its numbers are those of this instant.
    expect(await t.counts()).toBe("1500/0/0");
    expect(await scheduledCount(t)).toBe(0);
  });
});

describe("the time", () => {
  test("that has come, or is now, means at once", async () => {
    const t = await scenario();
    await t.advance(137);
    await sendFor(t, "past", t.now - dayMs);
    await sendFor(t, "1970", 0);
    await sendFor(t, "now", t.now);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["past", "1970", "now"]);
    expect(await scheduledCount(t)).toBe(0);
  });

  test("that is one millisecond away is waited for", async () => {
    const t = await scenario();
    await t.advance(137);
    await sendFor(t, "soon", t.now + 1);
    expect(await t.receive()).toEqual([]);
    await t.advance(1);
    expect(bodiesOf(await t.receive())).toEqual(["soon"]);
  });

  test("finer than a millisecond is rounded up, so that nothing comes early", async () => {
    const t = await scenario();
    await t.advance(137);
    const at = t.now + 1_000;
    const time = { seconds: BigInt(Math.floor(at / 1_000)), nanos: (at % 1_000) * 1_000_000 + 1 };
    await t.call("sendMessage", {
      queue: t.queue,
      body: { $case: "text", value: "x" },
      deliverTime: time,
    });
    await t.advance(1_000);
    expect(await t.receive()).toEqual([]);
    await t.advance(1);
    expect(bodiesOf(await t.receive())).toEqual(["x"]);
  });

  test("may be a year away, whatever the retention", async () => {
    const t = await scenario({ retentionMs: minuteMs });
    const at = t.now + yearMs;
    await sendFor(t, "in a year", at);
    for (let quarter = 1; quarter < 4; quarter += 1) {
      await t.skip(yearMs / 4);
      expect(await t.counters()).toMatchObject({ stored: 0, expired: 0 });
    }
    await advanceTo(t, at - 1);
    expect(await t.receive()).toEqual([]);
    await t.advance(1);
    expect(await t.peek()).toEqual(["visible in a year x0"]);
    await t.advance(minuteMs - 1);
    expect(await t.counts()).toBe("1/0/0");
    await t.advance(1);
    expect(await t.counters()).toMatchObject({ stored: 0, expired: 1 });
  });

  test("may be the last millisecond of the year 9999, and not one later", async () => {
    const t = await scenario();
    const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
    await sendFor(t, "the end", last);
    expect(await scheduledBodies(t)).toEqual([["the end"]]);
    for (const time of [
      { seconds: 253_402_300_800n, nanos: 0 },
      { seconds: 253_402_300_799n, nanos: 999_000_001 },
      { seconds: -1n, nanos: 0 },
      { seconds: 1n, nanos: -1 },
      { seconds: 1n, nanos: 1_000_000_000 },
    ]) {
      const call = t.call("sendMessage", {
        queue: t.queue,
        body: { $case: "text", value: "x" },
        deliverTime: time,
      });
      await expect(call).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "INVALID_PARAMETER",
        violations: ["deliver_time"],
      });
    }
    expect(await scheduledCount(t)).toBe(1);
  });

  test("is not for a message with a delay, not even one of zero", async () => {
    const t = await scenario();
    for (const delayMs of [0, 1_000]) {
      await expect(sendFor(t, "x", t.now + 1_000, { delayMs })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "INVALID_PARAMETER",
        violations: ["delay"],
      });
    }
    expect(await scheduledCount(t)).toBe(0);
  });
});

describe("what counts from the time it joins", () => {
  test("the queue's delay", async () => {
    const t = await scenario({ delayMs: 5_000 });
    const at = t.now + minuteMs;
    await sendFor(t, "later", at);
    await advanceTo(t, at);
    expect(await t.counts()).toBe("0/0/1");
    await t.advance(4_999);
    expect(await t.receive()).toEqual([]);
    await t.advance(1);
    expect(bodiesOf(await t.receive())).toEqual(["later"]);
  });

  test("the queue's delay, for one who looks only after both", async () => {
    const t = await scenario({ delayMs: 5_000 });
    await sendFor(t, "later", t.now + minuteMs);
    const poll = await t.poll({ waitMs: 20_000 });
    poll.cancel();
    await t.leap(minuteMs + 5_000);
    expect(bodiesOf(await t.receive())).toEqual(["later"]);
  });

  test("the queue's delay as it is then", async () => {
    const t = await scenario();
    const at = t.now + minuteMs;
    await sendFor(t, "later", at);
    await t.setQueue({ delayMs: 7_000 });
    await advanceTo(t, at + 6_999);
    expect(await t.receive()).toEqual([]);
    await t.advance(1);
    expect(bodiesOf(await t.receive())).toEqual(["later"]);
  });

  test("its time to live", async () => {
    const t = await scenario();
    const at = t.now + minuteMs;
    await sendFor(t, "later", at, { timeToLiveMs: 2_000 });
    await advanceTo(t, at + 1_999);
    expect(await t.counts()).toBe("1/0/0");
    const { message } = await t.receiveOne({ visibilityTimeoutMs: 0 });
    expect(msOf(message.systemAttributes?.timeToLiveEndTime)).toBe(at + 2_000);
    await t.advance(1);
    expect(await t.counters()).toMatchObject({ stored: 0, expired: 1 });
  });

  test("the queue's retention", async () => {
    const t = await scenario({ retentionMs: minuteMs });
    const at = t.now + 10 * minuteMs;
    await sendFor(t, "later", at);
    await advanceTo(t, at + minuteMs - 1);
    expect(await t.counts()).toBe("1/0/0");
    await t.advance(1);
    expect(await t.counters()).toMatchObject({ stored: 0, expired: 1 });
  });

  test("also when nobody looked at its time", async () => {
    const t = await scenario({ retentionMs: minuteMs });
    await sendFor(t, "later", t.now + 10 * minuteMs);
    await t.leap(11 * minuteMs - 1);
    expect(await t.counts()).toBe("1/0/0");
    await t.leap(1);
    expect(await t.counters()).toMatchObject({ stored: 0, expired: 1 });
  });

  test("its priority is that of the message", async () => {
    const t = await scenario();
    const at = t.now + minuteMs;
    await sendFor(t, "low", at);
    await sendFor(t, "high", at, { priority: 9 });
    await advanceTo(t, at);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["high", "low"]);
  });
});

test("until then it is counted as scheduled and is not stored, sent, shown or received", async () => {
  const t = await scenario();
  await t.send("here");
  const at = t.now + minuteMs;
  await sendFor(t, "later", at);
  expect(await scheduledCount(t)).toBe(1);
  expect(await t.counters()).toMatchObject({ stored: 1, visible: 1, delayed: 0, sent: 1 });
  expect(await t.peek()).toEqual(["visible here x0"]);
  await advanceTo(t, at);
  expect(await scheduledCount(t)).toBe(0);
  expect(await t.counters()).toMatchObject({ stored: 2, visible: 2, sent: 2 });
});

test("all that the sender gave comes with it", async () => {
  const t = await scenario();
  const at = t.now + minuteMs;
  await sendFor(t, Buffer.from([0, 1, 255]), at, {
    attributes: { kind: "report" },
    groupId: "tenant",
  });
  await advanceTo(t, at);
  const { message } = await t.receiveOne({ attributes: ["All"] });
  expect(message.body).toEqual({ $case: "data", value: Buffer.from([0, 1, 255]) });
  expect(message.attributes.get("kind")?.value).toEqual({ $case: "stringValue", value: "report" });
  expect(message.systemAttributes).toMatchObject({
    groupId: "tenant",
    senderId: "key:default:dev",
    receiveCount: 1,
  });
});

test("a message of a megabyte waits and joins as any other", async () => {
  const t = await scenario();
  const body = Buffer.alloc(1_048_576, 3);
  const at = t.now + minuteMs;
  await sendFor(t, body, at);
  await advanceTo(t, at);
  expect((await t.receiveOne()).message.body?.value).toEqual(body);
});

describe("on a FIFO queue", () => {
  test("it joins its group's end at its time", async () => {
    const t = await fifoScenario();
    const at = t.now + 10_000;
    await sendFor(t, "later", at, { groupId: "g" });
    await t.advance(9_999);
    await t.send("before", { groupId: "g" });
    await t.advance(1);
    await t.send("after", { groupId: "g" });
    const messages = await t.receive({ max: 10 });
    expect(bodiesOf(messages)).toEqual(["before", "later", "after"]);
    const numbers = messages.map(({ message }) => message.systemAttributes?.sequenceNumber ?? "");
    expect([...numbers].sort()).toEqual(numbers);
    expect(new Set(numbers).size).toBe(3);
  });

  test("its place is given when it joins: the answer to its send has none", async () => {
    const t = await fifoScenario();
    const { sequenceNumber } = await sendFor(t, "later", t.now + 10_000, { groupId: "g" });
    expect(sequenceNumber).toBe("");
  });

  test("it is deduplicated when it is accepted", async () => {
    const t = await fifoScenario();
    const at = t.now + 10 * minuteMs;
    const first = await sendFor(t, "a", at, { groupId: "g", dedupId: "d" });
    const second = await sendFor(t, "b", at, { groupId: "g", dedupId: "d" });
    expect(second).toMatchObject({ messageId: first.messageId, duplicate: true });
    expect((await t.send("c", { groupId: "g", dedupId: "d" })).duplicate).toBe(true);
    expect(await scheduledBodies(t)).toEqual([["a"]]);
    // The window is over long before it joins.
    await t.skip(5 * minuteMs);
    const third = await t.send("d", { groupId: "g", dedupId: "d" });
    expect(third.duplicate).toBe(false);
    await advanceTo(t, at);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["d", "a"]);
    // Joining is no send: it begins no window of its own.
    await t.advance(1);
    expect((await t.send("e", { groupId: "g", dedupId: "d" })).duplicate).toBe(false);
  });

  test("the queue's delay holds for it from then on", async () => {
    const t = await fifoScenario({ delayMs: 5_000 });
    const at = t.now + minuteMs;
    await sendFor(t, "later", at, { groupId: "g" });
    await advanceTo(t, at);
    expect(await t.counts()).toBe("0/0/1");
    await t.advance(4_999);
    expect(await t.receive()).toEqual([]);
    await t.advance(1);
    expect(bodiesOf(await t.receive())).toEqual(["later"]);
  });

  test("a time that is now is none to come: it has its place at once", async () => {
    const t = await fifoScenario();
    expect((await sendFor(t, "now", t.now, { groupId: "g" })).sequenceNumber).toMatch(/^\d{20}$/);
    expect((await sendFor(t, "soon", t.now + 1, { groupId: "g" })).sequenceNumber).toBe("");
  });

  test("it needs a group, as any other", async () => {
    const t = await fifoScenario();
    await expect(sendFor(t, "later", t.now + 10_000)).rejects.toMatchObject({
      reason: "MISSING_PARAMETER",
      violations: ["group_id"],
    });
  });
});

test("on a standard queue with a window it is deduplicated when it is accepted", async () => {
  const t = await scenario({ dedupWindowMs: minuteMs });
  const at = t.now + 10 * minuteMs;
  const { messageId } = await sendFor(t, "a", at, { dedupId: "d" });
  expect(await sendFor(t, "b", at, { dedupId: "d" })).toMatchObject({ messageId, duplicate: true });
  await t.skip(minuteMs);
  expect((await sendFor(t, "c", at, { dedupId: "d" })).duplicate).toBe(false);
  expect(await scheduledBodies(t)).toEqual([["a", "c"]]);
});

test("a request id makes a retry of its send safe", async () => {
  const t = await scenario();
  const at = t.now + minuteMs;
  const first = await sendFor(t, "later", at, { requestId: "r1" });
  const again = await sendFor(t, "later", at, { requestId: "r1" });
  expect(again).toMatchObject({ messageId: first.messageId, replayed: true });
  expect(await scheduledCount(t)).toBe(1);
  await expect(sendFor(t, "later", at + 1, { requestId: "r1" })).rejects.toMatchObject({
    reason: "REQUEST_ID_REUSED",
  });
});

describe("a batch and a stream", () => {
  test("may mix messages for now and for later, and refuse each by itself", async () => {
    const t = await scenario({ visibilityTimeoutMs: 10 * minuteMs });
    const at = t.now + minuteMs;
    const entries = [
      { id: "now", body: { $case: "text" as const, value: "now" } },
      { id: "later", ...laterEntry("later", at) },
      { id: "both", ...laterEntry("both", at), delay: durationOf(1_000) },
      { id: "past", ...laterEntry("past", t.now - 1) },
    ];
    const { successful, failed } = await t.call("sendMessageBatch", { queue: t.queue, entries });
    expect(successful.map(({ id }) => id)).toEqual(["now", "later", "past"]);
    expect(failed).toMatchObject([{ id: "both", reason: "INVALID_PARAMETER" }]);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["now", "past"]);
    await advanceTo(t, at);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["later"]);
  });

  test("of Produce answer each with the id it keeps", async () => {
    const t = await scenario();
    const at = t.now + minuteMs;
    const stream = t.produce();
    stream.write({ queue: t.queue, entries: [laterEntry("a", at), laterEntry("b", at + 1)] });
    stream.halfClose();
    expect(await stream.ended).toBeUndefined();
    const ids = stream.responses.flatMap(({ results }) =>
      results.map(({ result }) => (result?.$case === "sent" ? result.value.messageId : "?")),
    );
    await advanceTo(t, at + 1);
    const messages = await t.receive({ max: 10 });
    expect(bodiesOf(messages)).toEqual(["a", "b"]);
    expect(messages.map(({ id }) => id)).toEqual(ids);
  });
});
