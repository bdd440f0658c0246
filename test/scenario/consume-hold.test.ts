// Going on with leases over another stream: after a restart, after a break, from a receive; and what is no longer the caller's.

import { expect, test } from "vitest";
import { callErrorOfStatus } from "../support/call-error.js";
import { type Consumer, consumer } from "../support/consumer.js";
import {
  bodiesOf,
  fifoScenario,
  handlesOf,
  type Scenario,
  type ScenarioOptions,
  scenario,
} from "../support/scenario.js";

/** A stream that holds what was sent, and says with which handles. */
async function holding(
  t: Scenario,
  bodies: readonly string[],
  options: Parameters<typeof consumer>[1] = {},
): Promise<{ readonly stream: Consumer; readonly handles: string[] }> {
  await t.sendBatch([...bodies], t.queue.endsWith(".fifo") ? { groupId: "g" } : {});
  const stream = await consumer(t, options);
  const messages = await stream.messages();
  expect(bodiesOf(messages)).toEqual(bodies);
  return { stream, handles: handlesOf(messages) };
}

/** The server is restarted under a stream that held `a`, `b` and `c`; what it held is kept if the stream asked for that. */
async function restarted({
  keepLeases = true,
  ...options
}: ScenarioOptions & { keepLeases?: boolean } = {}) {
  const t = await scenario({ visibilityTimeoutMs: 600_000, ...options });
  const { stream, handles } = await holding(t, ["a", "b", "c"], { keepLeases });
  const stopped = t.stop();
  expect(await stream.ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  await stopped;
  await t.start();
  const [a = "", b = "", c = ""] = handles;
  return { t, handles, a, b, c };
}

test("over a restart leases are kept, and the next stream goes on with them", async () => {
  const { t, handles, a, b } = await restarted({ visibilityTimeoutMs: 6_000 });
  expect(await t.counts()).toBe("0/3/0");
  const stream = await consumer(t, { messages: 0 });
  stream.hold(...handles);
  expect(await stream.outcomes()).toEqual(["held for 6000", "held for 6000", "held for 6000"]);
  // Renewed, as often as it takes, and received by nobody.
  await t.advance(20_000);
  expect(await t.receive({ max: 10 })).toEqual([]);
  // Given back at once, and to another.
  stream.nack([a]);
  expect(await stream.outcomes()).toEqual(["visible in 0"]);
  expect(await t.receive()).toMatchObject([{ body: "a", receiveCount: 2 }]);
  stream.ack(b);
  expect(await stream.outcomes()).toEqual(["DELETED"]);
  // What is left is given back by the stream's end.
  expect(await t.counts()).toBe("0/2/0");
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  expect(await t.peek()).toEqual(["in flight a x2", "visible c x1"]);
});

test("a stream that holds leases gives them back with its reject, and dead letters count", async () => {
  const { t, handles, c } = await restarted();
  const stream = await consumer(t, { messages: 0 });
  stream.hold(...handles);
  await stream.outcomes();
  stream.reject([c], "bad", "no", 1_000);
  expect(await stream.outcomes()).toEqual(["visible in 1000"]);
  await t.advance(1_000);
  expect(await t.receive()).toMatchObject([{ body: "c", receiveCount: 2 }]);
});

test("a stream that did not ask for it gives back over a restart, and holding is refused", async () => {
  const { t, handles } = await restarted({ keepLeases: false });
  expect(await t.counts()).toBe("3/0/0");
  const stream = await consumer(t, { messages: 0 });
  stream.hold(...handles);
  const refusal = "FAILED_PRECONDITION MESSAGE_NOT_IN_FLIGHT";
  expect(await stream.outcomes()).toEqual([refusal, refusal, refusal]);
  stream.stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  expect(await t.counts()).toBe("3/0/0");
});

test("leases that are kept are kept over an end that the server makes, and no other", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  const ends: [string, (stream: Consumer) => void][] = [
    ["broken", ({ stream }) => stream.cancel()],
    ["half-closed", ({ stream }) => stream.halfClose()],
    ["refused", (stream) => stream.credit(-1)],
  ];
  await t.send("a");
  for (const [what, end] of ends) {
    const stream = await consumer(t, { keepLeases: true });
    expect(await stream.messages(), what).toHaveLength(1);
    end(stream);
    await stream.ended;
    await t.settle();
    expect(await t.counts(), what).toBe("1/0/0");
  }
});

test("leases that nobody goes on with end by themselves", async () => {
  const { t } = await restarted();
  await t.skip(599_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b", "c"]);
});

test("what is held without a timeout of the stream's own is held for the queue's, at least a second", async () => {
  const t = await scenario({ visibilityTimeoutMs: 0 });
  await t.send("a");
  const [message] = await t.receive({ visibilityTimeoutMs: 60_000 });
  const stream = await consumer(t);
  stream.hold(message?.handle ?? "");
  expect(await stream.outcomes()).toEqual(["held for 1000"]);
  await t.advance(10_000);
  expect(await t.counts()).toBe("0/1/0");
});

test("a message of a receive is held, once and again, and then renewed and given back as any other", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.send("a");
  const [message] = await t.receive({ visibilityTimeoutMs: 60_000 });
  const handle = message?.handle ?? "";
  const stream = await consumer(t, { visibilityTimeoutMs: 3_000 });
  stream.hold(handle, handle);
  stream.hold(handle);
  await stream.stream.until(() => stream.stream.responses.length === 2);
  expect(await stream.outcomes()).toEqual(["held for 3000", "held for 3000", "held for 3000"]);
  await t.advance(60_000);
  expect(await t.counts()).toBe("0/1/0");
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  expect(await t.counts()).toBe("1/0/0");
});

test("a message that another stream holds is taken over from it, and its end does not give it back", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  const { stream: first, handles } = await holding(t, ["a", "b"]);
  const [a = ""] = handles;
  const second = await consumer(t);
  second.hold(a);
  expect(await second.outcomes()).toEqual(["held for 600000"]);
  expect(await first.lost()).toEqual([a]);
  first.stream.cancel();
  await first.ended;
  await t.settle();
  expect(await t.peek()).toEqual(["in flight a x1", "in flight b x2"]);
  second.stream.cancel();
  await second.ended;
  await t.settle();
  expect(await t.counts()).toBe("2/0/0");
});

test("a client that comes back before the server has noticed that its connection broke holds what it held", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.send("a");
  for (let round = 0; round < 20; round += 1) {
    const first = await consumer(t);
    const [message] = await first.messages();
    const second = await consumer(t, { messages: 0, client: t.newClient() });
    // Both are under way at once, and either may come first.
    first.stream.cancel();
    second.hold(message?.handle ?? "");
    await first.ended;
    await second.stream.until(() => second.stream.responses.length > 0);
    const [outcome] = await second.outcomes();
    const isHeld = outcome === "held for 600000";
    expect(isHeld || outcome === "FAILED_PRECONDITION MESSAGE_NOT_IN_FLIGHT", outcome).toBe(true);
    await t.settle();
    // Never held and visible: what was said holds.
    expect(await t.counts(), outcome).toBe(isHeld ? "0/1/0" : "1/0/0");
    second.stream.cancel();
    await second.ended;
    await t.settle();
    expect(await t.counts()).toBe("1/0/0");
  }
});

test("what is no longer held is refused, each by itself and with its reason", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000, retentionMs: 60_000 });
  await t.createQueue("other");
  await t.send("elsewhere", { queue: "other" });
  const elsewhere = await t.receiveOne({ queue: "other" });
  await t.sendBatch(["ended", "again", "deleted", "held"]);
  const [ended, again, deleted, held] = handlesOf(await t.receive({ max: 4 }));
  await t.changeVisibility(again ?? "", 0);
  await t.receive();
  await t.delete(deleted ?? "");
  await t.changeVisibility(held ?? "", 30_000);
  await t.advance(10_000);
  const stream = await consumer(t, { messages: 0 });
  stream.hold(ended ?? "", again ?? "", deleted ?? "", "garbage", elsewhere.handle, held ?? "");
  const results = await stream.results();
  const errors = results.map(({ result }) =>
    result?.$case === "error" ? callErrorOfStatus(result.value) : result?.$case,
  );
  expect(errors).toMatchObject([
    { code: "FAILED_PRECONDITION", reason: "MESSAGE_NOT_IN_FLIGHT" },
    { code: "FAILED_PRECONDITION", reason: "RECEIPT_HANDLE_EXPIRED" },
    { code: "NOT_FOUND", reason: "MESSAGE_NOT_FOUND" },
    { code: "INVALID_ARGUMENT", reason: "RECEIPT_HANDLE_INVALID", violations: ["receipt_handle"] },
    { code: "INVALID_ARGUMENT", reason: "RECEIPT_HANDLE_INVALID", violations: ["receipt_handle"] },
    "leaseEndTime",
  ]);
  expect(results.map(({ receiptHandle }) => receiptHandle)).toEqual([
    ended,
    again,
    deleted,
    "garbage",
    elsewhere.handle,
    held,
  ]);
  // The stream holds one of them, and goes on: that one is lost by its retention only.
  await t.advance(40_000);
  expect(await t.counts()).toBe("2/1/0");
  // Noticed by the next renewal.
  await t.advance(14_000);
  expect(await stream.lost()).toEqual([held]);
});

test("a lease that is held ends 12 h after its receive all the same, and is reported lost", async () => {
  const t = await scenario({ visibilityTimeoutMs: 43_200_000 });
  await t.send("a");
  const { handle } = await t.receiveOne();
  await t.skip(43_200_000 - 5_000);
  const stream = await consumer(t, { messages: 0, visibilityTimeoutMs: 30_000 });
  stream.hold(handle);
  expect(await stream.outcomes()).toEqual(["held for 5000"]);
  await t.advance(4_999);
  expect(await t.counts()).toBe("0/1/0");
  await t.advance(1_001);
  expect(await stream.lost()).toEqual([handle]);
  expect(await t.counts()).toBe("1/0/0");
});

test("a lease near its end that is held does not make the others be renewed as often", async () => {
  const t = await scenario({ visibilityTimeoutMs: 43_200_000 });
  await t.sendBatch(["old", "new"]);
  const old = await t.receiveOne();
  await t.skip(43_200_000 - 30_000);
  const young = await t.receiveOne();
  const stream = await consumer(t, { messages: 0, visibilityTimeoutMs: 600_000 });
  stream.hold(young.handle, old.handle);
  expect(await stream.outcomes()).toEqual(["held for 600000", "held for 30000"]);
  await t.advance(31_000);
  expect(await stream.lost()).toEqual([old.handle]);
  // Were it renewed as for what the other had left, this would be too long.
  for (let round = 0; round < 6; round += 1) await t.skip(200_000);
  expect((await t.peek()).at(-1)).toBe("in flight new x1");
});

test("a nack that follows a hold takes along what the stream holds behind it of its group", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a = "", b = "", c = ""] = handlesOf(await t.receive({ max: 3 }));
  const stream = await consumer(t, { messages: 0 });
  stream.hold(a, b, c);
  stream.nack([a]);
  await stream.stream.until(() => stream.stream.responses.length === 3);
  const { outcomes, lost } = await stream.news();
  expect(outcomes).toEqual([
    "held for 600000",
    "held for 600000",
    "held for 600000",
    "visible in 0",
  ]);
  expect(lost).toEqual([b, c]);
  expect(bodiesOf(await t.receive({ max: 3 }))).toEqual(["a", "b", "c"]);
});

test("a group is kept back while its first message is held over a restart", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  const { stream, handles } = await holding(t, ["a", "b"], { messages: 2, keepLeases: true });
  const stopped = t.stop();
  await stream.ended;
  await stopped;
  await t.start();
  await t.send("c", { groupId: "g" });
  const next = await consumer(t);
  next.hold(...handles);
  expect(await next.outcomes()).toEqual(["held for 600000", "held for 600000"]);
  next.ack(...handles);
  const { outcomes, messages } = await next.news();
  expect(outcomes).toEqual(["DELETED", "DELETED"]);
  expect(bodiesOf(messages)).toEqual(["c"]);
});
