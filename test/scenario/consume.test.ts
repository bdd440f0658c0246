// The Consume stream: messages as they come, within the credit granted, leased for as long as the stream lives, and back in
// the queue at once when it does not.

import { expect, test } from "vitest";
import { type ConsumerOptions, consumer } from "../support/consumer.js";
import type { RequestPart } from "../support/queue-client.js";
import { bodiesOf, durationOf, scenario, turns } from "../support/scenario.js";

const hour = 3_600_000;

test("messages come as they are sent, in order, with all that was asked for", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"], { attributes: { kind: "k" } });
  const stream = await consumer(t);
  const received = await stream.messages();
  expect(bodiesOf(received)).toEqual(["a", "b"]);
  expect(received[0]).toMatchObject({
    receiveCount: 1,
    message: {
      md5OfBody: "0cc175b9c0f1b6a831c399e269772661",
      systemAttributes: { senderId: "key:default:dev" },
      visibleTime: { seconds: BigInt((t.now + 30_000) / 1_000) },
    },
  });
  expect([...(received[0]?.message.attributes.keys() ?? [])]).toEqual(["kind"]);
  await t.send("c");
  expect(bodiesOf(await stream.messages())).toEqual(["c"]);
  await t.send("delayed", { delayMs: 1_000 });
  await t.advance(1_000);
  expect(bodiesOf(await stream.messages())).toEqual(["delayed"]);
  expect(await t.counts()).toBe("0/4/0");
});

test("no message comes without credit, and none beyond it", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b", "c", "d", "e"]);
  const stream = await consumer(t, { messages: 0 });
  expect(await stream.messages()).toEqual([]);
  stream.credit(3, 1_000);
  expect(bodiesOf(await stream.messages())).toEqual(["a", "b", "c"]);
  expect(await t.counts()).toBe("2/3/0");
  stream.credit(1);
  expect(bodiesOf(await stream.messages())).toEqual(["d"]);
  stream.credit(5);
  expect(bodiesOf(await stream.messages())).toEqual(["e"]);
  // What is left of the credit is for what comes next.
  await t.sendBatch(["f", "g", "h", "i", "j"]);
  expect(bodiesOf(await stream.messages())).toEqual(["f", "g", "h", "i"]);
});

test("credit in bytes is spent by each message's size, and one message may exceed what is left", async () => {
  const t = await scenario();
  await t.sendBatch(["x".repeat(60), "y".repeat(60), "z".repeat(60)]);
  const stream = await consumer(t, { messages: 10, bytes: 100 });
  // 100 left, 40 left, then 20 owed.
  expect(bodiesOf(await stream.messages())).toEqual(["x".repeat(60), "y".repeat(60)]);
  stream.credit(0, 20);
  expect(await stream.messages()).toEqual([]);
  stream.credit(0, 1);
  expect(bodiesOf(await stream.messages())).toEqual(["z".repeat(60)]);
  expect(await t.counters()).toMatchObject({ inFlight: 3, received: 3 });
});

test("attributes count toward credit in bytes", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"], { attributes: { name: "v".repeat(89) } });
  // 1 + 4 + 6 + 89 = 100 bytes each.
  const stream = await consumer(t, { messages: 10, bytes: 100 });
  expect(bodiesOf(await stream.messages())).toEqual(["a"]);
});

test("leases are renewed for as long as the stream lives, and the message is received once", async () => {
  const t = await scenario();
  await t.send("long work");
  const stream = await consumer(t, { visibilityTimeoutMs: 10_000 });
  const [message] = await stream.messages();
  for (let passed = 0; passed < 60_000; passed += 5_000) {
    await t.advance(5_000);
    expect(await t.receive()).toEqual([]);
  }
  expect(await stream.messages()).toEqual([]);
  expect(await t.peek()).toEqual(["in flight long work x1"]);
  stream.ack(message?.handle ?? "");
  expect(await stream.outcomes()).toEqual(["DELETED"]);
  expect(await t.counters()).toMatchObject({ stored: 0, received: 1, deleted: 1 });
});

test("a stream without a timeout of its own leases for the queue's, and for at least a second", async () => {
  const t = await scenario({ visibilityTimeoutMs: 0 });
  await t.send("work");
  const stream = await consumer(t);
  expect(await stream.messages()).toHaveLength(1);
  expect(await t.counts()).toBe("0/1/0");
  await t.advance(10_000);
  expect(await stream.messages()).toEqual([]);
  expect(await t.peek()).toEqual(["in flight work x1"]);
});

test("acks, nacks and rejects are answered in their order, each by itself", async () => {
  const t = await scenario();
  await t.createQueue("other");
  await t.send("elsewhere", { queue: "other" });
  const { handle: foreign } = await t.receiveOne({ queue: "other" });
  await t.sendBatch(["a", "b", "c", "d"]);
  const stream = await consumer(t, { messages: 4 });
  const [a, b, c, d] = (await stream.messages()).map(({ handle }) => handle);
  stream.ack(a ?? "", "garbage", a ?? "", foreign);
  stream.nack([b ?? "", a ?? ""], 5_000);
  stream.reject([c ?? ""], "bad_invoice", "no such customer");
  stream.ack(d ?? "");
  const results = await stream.outcomes();
  expect(results).toEqual([
    "DELETED",
    "INVALID_ARGUMENT RECEIPT_HANDLE_INVALID",
    "ALREADY_GONE",
    "INVALID_ARGUMENT RECEIPT_HANDLE_INVALID",
    "visible in 5000",
    "NOT_FOUND MESSAGE_NOT_FOUND",
    "visible in 0",
    "DELETED",
  ]);
  expect(await t.peek()).toEqual(["delayed b x1", "visible c x1"]);
});

test("a result names the handle it is for", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t);
  const handles = (await stream.messages()).map(({ handle }) => handle);
  stream.ack(...[...handles].reverse(), "garbage");
  const results = await stream.results();
  expect(results.map(({ receiptHandle }) => receiptHandle)).toEqual([
    ...[...handles].reverse(),
    "garbage",
  ]);
});

test("a nacked message is visible at once, or after its delay to the millisecond, with its count kept", async () => {
  const t = await scenario();
  await t.sendBatch(["now", "later"]);
  const stream = await consumer(t, { messages: 2 });
  const [now, later] = await stream.messages();
  stream.nack([now?.handle ?? ""]);
  stream.nack([later?.handle ?? ""], 2_000);
  expect(await stream.outcomes()).toEqual(["visible in 0", "visible in 2000"]);
  expect(await t.receiveOne({ max: 10 })).toMatchObject({ body: "now", receiveCount: 2 });
  await t.advance(1_999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(await t.receiveOne()).toMatchObject({ body: "later", receiveCount: 2 });
});

test("a nacked message is no longer the stream's: its delay is not renewed, breaking the stream does not end it", async () => {
  const t = await scenario();
  await t.send("work");
  const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 3_000 });
  const [message] = await stream.messages();
  stream.nack([message?.handle ?? ""], 20_000);
  await stream.outcomes();
  await t.advance(10_000);
  stream.stream.cancel();
  await t.settle();
  await t.advance(9_999);
  expect(await t.counts()).toBe("0/0/1");
  await t.advance(1);
  expect(await t.counts()).toBe("1/0/0");
});

test("a rejected message goes behind all others and shows why, in receives and peeks", async () => {
  const t = await scenario();
  await t.sendBatch(["bad", "x", "y"]);
  const stream = await consumer(t, { messages: 1 });
  const [bad] = await stream.messages();
  await t.advance(1_000);
  stream.reject([bad?.handle ?? ""], "bad_invoice", "no such customer");
  expect(await stream.outcomes()).toEqual(["visible in 0"]);
  const rejection = {
    reason: "bad_invoice",
    error: "no such customer",
    rejectTime: { seconds: BigInt(Math.floor(t.now / 1_000)), nanos: 0 },
  };
  const { messages } = await t.call("peekMessages", { queue: t.queue });
  expect(messages[0]?.systemAttributes?.rejection).toEqual(rejection);
  expect(await t.order()).toEqual(["x", "y", "bad"]);
  const received = await t.receive({ max: 10, visibilityTimeoutMs: 1_000 });
  expect(bodiesOf(received)).toEqual(["x", "y", "bad"]);
  expect(received[2]).toMatchObject({
    receiveCount: 2,
    message: { systemAttributes: { rejection } },
  });
  expect(received[0]?.message.systemAttributes?.rejection).toBeUndefined();
  // The reason stays with the message until another takes its place, over a restart, too.
  await t.crash();
  await t.advance(1_000);
  const after = await t.receive({ max: 10 });
  expect(after.find(({ body }) => body === "bad")?.message.systemAttributes?.rejection).toEqual(
    rejection,
  );
});

test("a message rejected with a delay is behind those sent meanwhile when it is due", async () => {
  const t = await scenario();
  await t.send("bad");
  const stream = await consumer(t, { messages: 1 });
  const [bad] = await stream.messages();
  stream.reject([bad?.handle ?? ""], "later", "", 2_000);
  expect(await stream.outcomes()).toEqual(["visible in 2000"]);
  await t.send("x");
  await t.advance(2_000);
  expect(await t.order()).toEqual(["x", "bad"]);
});

test.each(["reset", "connection closed", "half-closed"])(
  "when the stream is %s, what it holds is visible at once, its count kept",
  async (how) => {
    const t = await scenario({ visibilityTimeoutMs: 600_000 });
    await t.sendBatch(["a", "b", "c"]);
    const client = t.newClient();
    const stream = await consumer(t, { client });
    await stream.stream.until(() => stream.stream.responses.length > 0);
    const [a] = await stream.messages();
    stream.ack(a?.handle ?? "");
    await stream.stream.until(() => stream.stream.responses.length > 1);
    if (how === "reset") stream.stream.cancel();
    else if (how === "connection closed") client.close();
    else stream.stream.halfClose();
    const end = await stream.ended;
    if (how === "half-closed") expect(end).toBeUndefined();
    else expect(end).toMatchObject({ code: "CANCELLED" });
    await t.settle();
    await t.settle();
    expect(await t.peek()).toEqual(["visible b x1", "visible c x1"]);
    expect(await t.receiveOne()).toMatchObject({ body: "b", receiveCount: 2 });
  },
);

test("a half-closed stream answers what was asked before it ends", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t);
  const [a] = await stream.messages();
  stream.ack(a?.handle ?? "");
  stream.stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  expect(await stream.outcomes()).toEqual(["DELETED"]);
  await t.settle();
  expect(await t.peek()).toEqual(["visible b x1"]);
});

test("what a broken stream held goes to one that waits, at once", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.send("work");
  const first = await consumer(t);
  expect(await first.messages()).toHaveLength(1);
  const second = await consumer(t);
  first.stream.cancel();
  await first.ended;
  await t.settle();
  expect(await second.messages()).toMatchObject([{ body: "work", receiveCount: 2 }]);
});

test("messages that come while the stream breaks are never swallowed", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  for (let round = 0; round < 40; round += 1) {
    const stream = await consumer(t);
    const sends = ["a", "b", "c"].map((body) => t.send(`${body}${round}`));
    await turns(round % 10);
    stream.stream.cancel();
    await Promise.all(sends);
    await stream.ended;
    await t.settle();
    await t.settle();
    expect(await t.counts(), `round ${round}`).toBe("3/0/0");
    await t.purge();
  }
});

test("leases lost to a purge, an expiry or another's delete are reported", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t, { visibilityTimeoutMs: 3_000 });
  const [a, b] = await stream.messages();
  await t.delete(a?.handle ?? "");
  await t.advance(1_000);
  expect(await stream.lost()).toEqual([a?.handle]);
  await t.purge();
  await t.advance(1_000);
  expect(await stream.lost()).toEqual([b?.handle]);
  await t.send("c");
  const [c] = await stream.messages();
  await t.advance(60_999);
  expect(await stream.lost()).toEqual([c?.handle]);
  stream.ack(c?.handle ?? "");
  expect(await stream.outcomes()).toEqual(["ALREADY_GONE"]);
});

test("an acked message is not reported as lost", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t, { visibilityTimeoutMs: 3_000 });
  const [a] = await stream.messages();
  stream.ack(a?.handle ?? "");
  expect(await stream.outcomes()).toEqual(["DELETED"]);
  await t.advance(10_000);
  expect(await stream.lost()).toEqual([]);
});

test.each(["lenient", "strict"] as const)(
  "a stream never touches a lease that is somebody else's by now (%s)",
  async (receiptPolicy) => {
    const t = await scenario({ receiptPolicy });
    await t.send("work");
    const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 9_000 });
    const [message] = await stream.messages();
    const handle = message?.handle ?? "";
    // Taken from the stream behind its back, and received by another for 5 s.
    await t.changeVisibility(handle, 0);
    expect(await t.receiveOne({ visibilityTimeoutMs: 5_000 })).toMatchObject({ receiveCount: 2 });
    await t.advance(3_000);
    expect(await stream.lost()).toEqual([handle]);
    // A nack of the old handle does not end the other's lease either.
    stream.nack([handle]);
    expect(await stream.outcomes()).toEqual(["FAILED_PRECONDITION RECEIPT_HANDLE_EXPIRED"]);
    stream.stream.cancel();
    await stream.ended;
    await t.settle();
    expect(await t.counts()).toBe("0/1/0");
    await t.advance(1_999);
    expect(await t.counts()).toBe("0/1/0");
    await t.advance(1);
    expect(await t.counts()).toBe("1/0/0");
  },
);

test("a broken stream does not give back what is somebody else's by now", async () => {
  const t = await scenario();
  await t.send("work");
  const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 9_000 });
  const [message] = await stream.messages();
  await t.changeVisibility(message?.handle ?? "", 0);
  await t.receiveOne({ visibilityTimeoutMs: 5_000 });
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  expect(await t.counts()).toBe("0/1/0");
});

test("a lease ends 12 h after its receive although the stream lives, and is reported lost", async () => {
  const t = await scenario();
  await t.send("endless");
  const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 3 * hour });
  const [message] = await stream.messages();
  for (let passed = hour; passed < 12 * hour; passed += hour) {
    await t.skip(hour);
    expect(await t.counts(), `${passed / hour} h`).toBe("0/1/0");
  }
  expect(await stream.lost()).toEqual([]);
  await t.skip(hour);
  expect(await t.counts()).toBe("1/0/0");
  expect(await stream.lost()).toEqual([message?.handle]);
});

test("at the limit of messages in flight a stream waits, and an ack makes room", async () => {
  const t = await scenario({ inFlightMax: 2 });
  await t.sendBatch(["a", "b", "c"]);
  const stream = await consumer(t);
  const [a] = await stream.messages();
  expect(await t.counts()).toBe("1/2/0");
  stream.ack(a?.handle ?? "");
  await t.settle();
  // Both are of one record, so either may come first.
  const kinds = stream.stream.responses.map(({ response }) => response?.$case);
  expect(kinds.sort()).toEqual(["messages", "messages", "results"]);
  expect(await t.counts()).toBe("0/2/0");
});

test("two consumers share what comes, turn by turn", async () => {
  const t = await scenario();
  const first = await consumer(t, { messages: 100 });
  const second = await consumer(t, { messages: 100, client: t.newClient() });
  for (let index = 0; index < 20; index += 1) {
    await t.send(`m${index}`);
    await t.settle();
  }
  const [ofFirst, ofSecond] = [await first.messages(), await second.messages()];
  expect(ofFirst).toHaveLength(10);
  expect(ofSecond).toHaveLength(10);
  expect(new Set([...ofFirst, ...ofSecond].map(({ id }) => id)).size).toBe(20);
});

test("a stream and a long poll stand in one line", async () => {
  const t = await scenario();
  const poll = await t.poll();
  const stream = await consumer(t);
  await t.send("for the poll");
  expect(bodiesOf(await poll.answer)).toEqual(["for the poll"]);
  await t.send("for the stream");
  expect(bodiesOf(await stream.messages())).toEqual(["for the stream"]);
});

test("when its queue is deleted a stream ends with NOT_FOUND", async () => {
  const t = await scenario();
  const holding = await consumer(t, { messages: 1 });
  await t.send("a");
  expect(await holding.messages()).toHaveLength(1);
  const waiting = await consumer(t);
  await t.deleteQueue();
  expect(await waiting.ended).toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
  expect(holding.stream.isEnded).toBe(false);
  // Without credit it does not wait for the queue; it learns so with its next request.
  holding.credit(1, 1);
  expect(await holding.ended).toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
});

test("a server that stops ends streams as unavailable, and what they held is visible with its count kept", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t);
  const [a] = await stream.messages();
  stream.ack(a?.handle ?? "");
  const stopped = t.stop();
  expect(await stream.ended).toMatchObject({
    code: "UNAVAILABLE",
    reason: "SHUTTING_DOWN",
    retryAfterMs: 1_000,
  });
  await stopped;
  await t.start();
  expect((await t.peek()).at(-1)).toBe("visible b x1");
});

type Request = RequestPart<"consume">["request"];
const start = (value: Record<string, unknown>): Request =>
  ({ $case: "start", value: { queue: "orders", ...value } }) as Request;

const badStarts: [string, Request, string, string[]][] = [
  [
    "no start first",
    { $case: "ack", value: { receiptHandles: ["x"] } },
    "INVALID_PARAMETER",
    ["start"],
  ],
  [
    "a hold first",
    { $case: "hold", value: { receiptHandles: ["x"] } },
    "INVALID_PARAMETER",
    ["start"],
  ],
  ["credit first", { $case: "credit", value: { messages: 1 } }, "INVALID_PARAMETER", ["start"]],
  ["nothing", undefined, "INVALID_PARAMETER", ["start"]],
  ["no queue", start({ queue: "" }), "MISSING_PARAMETER", ["start.queue"]],
  ["an ill-formed queue", start({ queue: "a b" }), "INVALID_PARAMETER", ["start.queue"]],
  [
    "a timeout below 1 s",
    start({ visibilityTimeout: durationOf(999) }),
    "INVALID_PARAMETER",
    ["start.visibility_timeout"],
  ],
  [
    "a timeout of 0",
    start({ visibilityTimeout: durationOf(0) }),
    "INVALID_PARAMETER",
    ["start.visibility_timeout"],
  ],
  [
    "a timeout above 12 h",
    start({ visibilityTimeout: durationOf(43_200_001) }),
    "INVALID_PARAMETER",
    ["start.visibility_timeout"],
  ],
  [
    "too much credit of both kinds",
    start({ credit: { messages: 100_001, bytes: 1_073_741_825n } }),
    "INVALID_PARAMETER",
    ["start.credit.messages", "start.credit.bytes"],
  ],
  [
    "negative credit",
    start({ credit: { messages: -1, bytes: -1n } }),
    "INVALID_PARAMETER",
    ["start.credit.messages", "start.credit.bytes"],
  ],
];

test("a stream that does not begin well ends at once, and says why", async () => {
  const t = await scenario();
  await t.send("work");
  for (const [what, request, reason, violations] of badStarts) {
    const stream = t.consume();
    stream.write({ request });
    const error = await stream.ended;
    expect(error, what).toMatchObject({ code: "INVALID_ARGUMENT", reason, violations });
  }
  const missing = await consumer(t, { queue: "other" });
  expect(await missing.ended).toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
  expect(await t.peek()).toEqual(["visible work x0"]);
});

const handles = (count: number): string[] => Array.from({ length: count }, () => "garbage");
const badRequests: [string, Request, string, string[]][] = [
  ["a second start", start({}), "INVALID_PARAMETER", ["start"]],
  ["nothing", undefined, "INVALID_PARAMETER", ["request"]],
  [
    "too much credit",
    { $case: "credit", value: { messages: 100_001 } },
    "INVALID_PARAMETER",
    ["credit.messages"],
  ],
  [
    "negative credit",
    { $case: "credit", value: { bytes: -1n } },
    "INVALID_PARAMETER",
    ["credit.bytes"],
  ],
  [
    "an ack of nothing",
    { $case: "ack", value: { receiptHandles: [] } },
    "MISSING_PARAMETER",
    ["ack.receipt_handles"],
  ],
  [
    "an ack of 1001",
    { $case: "ack", value: { receiptHandles: handles(1_001) } },
    "INVALID_PARAMETER",
    ["ack.receipt_handles"],
  ],
  [
    "a nack of nothing",
    { $case: "nack", value: {} },
    "MISSING_PARAMETER",
    ["nack.receipt_handles"],
  ],
  [
    "a nack with a long delay",
    { $case: "nack", value: { receiptHandles: handles(1), delay: durationOf(43_200_001) } },
    "INVALID_PARAMETER",
    ["nack.delay"],
  ],
  [
    "a reject without a reason",
    { $case: "reject", value: { receiptHandles: handles(1) } },
    "MISSING_PARAMETER",
    ["reject.reason"],
  ],
  [
    "a reject with a long reason and a long error",
    {
      $case: "reject",
      value: { receiptHandles: handles(1), reason: "x".repeat(129), error: "ä".repeat(2_049) },
    },
    "INVALID_PARAMETER",
    ["reject.reason", "reject.error"],
  ],
  [
    "a reject with a negative delay",
    { $case: "reject", value: { receiptHandles: handles(1), reason: "x", delay: durationOf(-1) } },
    "INVALID_PARAMETER",
    ["reject.delay"],
  ],
  [
    "a hold of nothing",
    { $case: "hold", value: {} },
    "MISSING_PARAMETER",
    ["hold.receipt_handles"],
  ],
  [
    "a hold of 1001",
    { $case: "hold", value: { receiptHandles: handles(1_001) } },
    "INVALID_PARAMETER",
    ["hold.receipt_handles"],
  ],
];

test("a request out of range ends the stream, and what it held is visible again", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.send("work");
  for (const [index, [what, request, reason, violations]] of badRequests.entries()) {
    const stream = await consumer(t);
    expect(await stream.messages(), what).toMatchObject([{ receiveCount: index + 1 }]);
    stream.stream.write({ request });
    const error = await stream.ended;
    expect(error, what).toMatchObject({ code: "INVALID_ARGUMENT", reason, violations });
    await t.settle();
    expect(await t.counts(), what).toBe("1/0/0");
  }
});

test("bytes that are no request end the stream, and what it held is visible again for good", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t, { messages: 2, visibilityTimeoutMs: 3_000 });
  expect(await stream.messages()).toHaveLength(2);
  // A field of two bytes, cut after one.
  stream.stream.writeBytes(Buffer.from([0x12, 0x02, 0x08]));
  expect(await stream.ended).toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MALFORMED_REQUEST",
  });
  await t.settle();
  expect(await t.peek()).toEqual(["visible a x1", "visible b x1"]);
  // Nothing of the stream is left that would renew or receive.
  await t.send("c");
  await t.advance(10_000);
  expect(await t.counts()).toBe("3/0/0");
});

test("streams that have ended leave nothing behind in the server, however they ended", async () => {
  const t = await scenario();
  const timerCount = t.clock.timerCount;
  for (let round = 0; round < 12; round += 1) {
    const streams = [await consumer(t), await consumer(t), await consumer(t), await consumer(t)];
    await t.send("work");
    await t.settle();
    const [reset, closed, refused, malformed] = streams;
    reset?.stream.cancel();
    closed?.stream.halfClose();
    refused?.credit(-1);
    malformed?.stream.writeBytes(Buffer.from([0x12, 0x02, 0x08]));
    for (const { ended } of streams) await ended;
    await t.settle();
    expect(await t.counts()).toBe("1/0/0");
    await t.purge();
  }
  expect(t.clock.timerCount).toBe(timerCount);
});

test("everything at the end of its range is taken", async () => {
  const t = await scenario();
  const most: ConsumerOptions = {
    visibilityTimeoutMs: 43_200_000,
    messages: 100_000,
    bytes: 1_073_741_824,
  };
  const stream = await consumer(t, most);
  // The sum left never exceeds the bound; more is not an error.
  stream.credit(100_000, 1_073_741_824);
  stream.ack(...handles(1_000));
  stream.reject(handles(1), "x".repeat(128), "ä".repeat(2_048), 43_200_000);
  await stream.stream.until(() => stream.stream.responses.length === 2);
  const outcomes = await stream.outcomes();
  expect(outcomes).toHaveLength(1_001);
  expect(new Set(outcomes)).toEqual(new Set(["INVALID_ARGUMENT RECEIPT_HANDLE_INVALID"]));
  expect(stream.stream.isEnded).toBe(false);
});

test("thousands of messages are consumed and acked over one stream, each once", async () => {
  const t = await scenario();
  const producer = t.produce();
  const entries = Array.from({ length: 1_000 }, (_, index) => ({
    body: { $case: "text" as const, value: `m${index}` },
  }));
  for (let request = 0; request < 5; request += 1) producer.write({ queue: t.queue, entries });
  producer.halfClose();
  const stream = await consumer(t, { messages: 500 });
  const seen = new Set<string>();
  let read = 0;
  let done = 0;
  while (done < 5_000) {
    await stream.stream.until(() => stream.stream.responses.length > read);
    for (const { response } of stream.stream.responses.slice(read)) {
      read += 1;
      if (response?.$case === "results") done += response.value.results.length;
      if (response?.$case !== "messages") continue;
      for (const { messageId } of response.value.messages) seen.add(messageId);
      stream.ack(...response.value.messages.map(({ receiptHandle }) => receiptHandle));
      stream.credit(response.value.messages.length, 1_000_000);
    }
  }
  expect(seen.size).toBe(5_000);
  expect(await t.counters()).toMatchObject({ stored: 0, received: 5_000, deleted: 5_000 });
});
