// Request ids: a call repeated with the same id gets the first call's result and has no further effect, also after a restart.

import { expect, test } from "vitest";
import { bodiesOf, durationOf, queueAttributesOf, scenario } from "../support/scenario.js";

const reused = {
  code: "FAILED_PRECONDITION",
  reason: "REQUEST_ID_REUSED",
  violations: ["request_id"],
};
const windowMs = 300_000;

test("a send repeated under its request id stores one message and repeats its answer", async () => {
  const t = await scenario();
  const options = { requestId: "r1", attributes: { a: "b" } };
  const first = await t.send("pay #7", options);
  expect(first.replayed).toBe(false);
  expect(await t.send("pay #7", options)).toEqual({ ...first, replayed: true });
  expect(await t.counters()).toMatchObject({ stored: 1, sent: 1 });
  await expect(t.send("pay #8", options)).rejects.toMatchObject(reused);
  await expect(t.send("pay #7", { requestId: "r1" })).rejects.toMatchObject(reused);
  // Another id is another send.
  expect((await t.send("pay #7", { ...options, requestId: "r2" })).replayed).toBe(false);
  expect(await t.counts()).toBe("2/0/0");
});

test("of twenty sends at once under one request id one is stored, and all get its answer", async () => {
  const t = await scenario();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => t.send("pay #7", { requestId: "r1" })),
  );
  expect(new Set(answers.map(({ messageId }) => messageId)).size).toBe(1);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  expect(await t.counts()).toBe("1/0/0");
});

test("a repeated send is remembered whatever became of its message", async () => {
  const t = await scenario();
  const first = await t.send("pay #7", { requestId: "r1" });
  const { handle } = await t.receiveOne();
  await t.delete(handle);
  expect(await t.send("pay #7", { requestId: "r1" })).toEqual({ ...first, replayed: true });
  await t.purge();
  expect((await t.send("pay #7", { requestId: "r1" })).replayed).toBe(true);
  expect(await t.counts()).toBe("0/0/0");
});

test("a batch repeated under its request id repeats what was stored and what was refused", async () => {
  const t = await scenario({ messageBytesMax: 1_024 });
  const bodies = ["a", "x".repeat(1_025), "", "b"];
  const first = await t.sendBatch(bodies, { requestId: "r1" });
  expect(first.successful.map(({ id }) => id)).toEqual(["0", "3"]);
  expect(first.failed.map(({ id, reason }) => `${id} ${reason}`)).toEqual([
    "1 MESSAGE_TOO_LONG",
    "2 MISSING_PARAMETER",
  ]);
  expect(await t.sendBatch(bodies, { requestId: "r1" })).toEqual({ ...first, replayed: true });
  expect(await t.counts()).toBe("2/0/0");
  await expect(t.sendBatch(["a"], { requestId: "r1" })).rejects.toMatchObject(reused);
});

test("a receive repeated under its request id returns the messages still leased by it", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  await t.sendBatch(["a", "b", "c", "d"]);
  const request = t.receiveRequest({ max: 3, requestId: "r1" });
  const first = await t.call("receiveMessage", request);
  expect(first.replayed).toBe(false);
  expect(await t.call("receiveMessage", request)).toEqual({ ...first, replayed: true });
  expect(await t.counters()).toMatchObject({ inFlight: 3, received: 3 });
  const [a, b, c] = first.messages;
  await t.delete(a?.receiptHandle ?? "");
  await t.changeVisibility(b?.receiptHandle ?? "", 0);
  const second = await t.call("receiveMessage", request);
  expect(second.messages).toEqual([c]);
  await t.advance(10_000);
  expect(await t.call("receiveMessage", request)).toMatchObject({ messages: [], replayed: true });
  await expect(t.receive({ max: 2, requestId: "r1" })).rejects.toMatchObject(reused);
});

test("a repeated receive does not take another's lease of the same message", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  await t.send("a");
  const request = t.receiveRequest({ requestId: "r1" });
  await t.call("receiveMessage", request);
  await t.advance(10_000);
  await t.receiveOne();
  expect(await t.call("receiveMessage", request)).toMatchObject({ messages: [], replayed: true });
});

test("a receive that found nothing is not remembered", async () => {
  const t = await scenario();
  expect(await t.receive({ requestId: "r1" })).toEqual([]);
  await t.send("a");
  expect(bodiesOf(await t.receive({ requestId: "r1" }))).toEqual(["a"]);
});

test("a receive that its caller gave up is not repeated: its message is there for a new one", async () => {
  const t = await scenario();
  const poll = await t.poll({ requestId: "r1" });
  poll.cancel();
  await t.settle();
  await t.send("a");
  expect(bodiesOf(await t.receive({ requestId: "r1", waitMs: 20_000 }))).toEqual(["a"]);
});

test("creating a queue is repeated as created, although it exists by then", async () => {
  const t = await scenario({ create: "none" });
  const request = {
    queue: "orders",
    attributes: queueAttributesOf({ delayMs: 1_000 }),
    requestId: "r1",
  };
  expect(await t.call("createQueue", request)).toMatchObject({ created: true, replayed: false });
  expect(await t.call("createQueue", request)).toMatchObject({ created: true, replayed: true });
  await expect(
    t.call("createQueue", { ...request, attributes: queueAttributesOf({ delayMs: 2_000 }) }),
  ).rejects.toMatchObject(reused);
  await expect(
    t.call("createQueue", { ...request, tags: new Map([["a", "b"]]) }),
  ).rejects.toMatchObject(reused);
});

test("a purge repeated under its request id removes nothing that was sent since", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b"]);
  const request = { queue: t.queue, requestId: "r1" };
  expect(await t.call("purgeQueue", request)).toEqual({ purgedCount: 2n, replayed: false });
  await t.send("c");
  expect(await t.call("purgeQueue", request)).toEqual({ purgedCount: 2n, replayed: true });
  expect(await t.counts()).toBe("1/0/0");
  await t.createQueue("other");
  await expect(t.call("purgeQueue", { queue: "other", requestId: "r1" })).rejects.toMatchObject(
    reused,
  );
});

test("a purge under a request id is repeated with strict timing, too, instead of refused", async () => {
  const t = await scenario({ config: { sqsTiming: "strict" } });
  await t.send("a");
  const request = { queue: t.queue, requestId: "r1" };
  await t.call("purgeQueue", request);
  expect(await t.call("purgeQueue", request)).toEqual({ purgedCount: 1n, replayed: true });
});

test("an id may be used by calls of different methods", async () => {
  const t = await scenario();
  await t.send("a", { requestId: "r1" });
  await t.sendBatch(["b"], { requestId: "r1" });
  expect(bodiesOf(await t.receive({ max: 10, requestId: "r1" }))).toEqual(["a", "b"]);
  expect(await t.call("purgeQueue", { queue: t.queue, requestId: "r1" })).toMatchObject({
    purgedCount: 2n,
  });
});

test("results are kept over a restart and a crash", async () => {
  const t = await scenario();
  const sent = await t.send("pay #7", { requestId: "r1" });
  const batch = await t.sendBatch(["a", "b"], { requestId: "r1" });
  const request = t.receiveRequest({ max: 10, requestId: "r1" });
  const received = await t.call("receiveMessage", request);
  for (const restart of [() => t.restart(), () => t.crash()]) {
    await restart();
    expect(await t.send("pay #7", { requestId: "r1" })).toEqual({ ...sent, replayed: true });
    expect(await t.sendBatch(["a", "b"], { requestId: "r1" })).toEqual({
      ...batch,
      replayed: true,
    });
    expect(await t.call("receiveMessage", request)).toEqual({ ...received, replayed: true });
    expect(await t.counts()).toBe("0/3/0");
  }
});

test("a result is forgotten when its window ends, and the id may then be used for anything", async () => {
  const t = await scenario();
  await t.send("pay #7", { requestId: "r1" });
  await t.skip(windowMs - 1);
  expect((await t.send("pay #7", { requestId: "r1" })).replayed).toBe(true);
  await t.skip(1);
  expect((await t.send("pay #8", { requestId: "r1" })).replayed).toBe(false);
  expect(await t.counts()).toBe("2/0/0");
  // A repeat did not extend the window, and the new use has one of its own.
  await t.skip(windowMs - 1);
  expect((await t.send("pay #8", { requestId: "r1" })).replayed).toBe(true);
});

test("how long results are kept is a setting", async () => {
  const t = await scenario({ config: { requestIdWindowSeconds: 60 } });
  await t.send("pay #7", { requestId: "r1" });
  await t.leap(59_999);
  expect((await t.send("pay #7", { requestId: "r1" })).replayed).toBe(true);
  await t.leap(1);
  expect((await t.send("pay #7", { requestId: "r1" })).replayed).toBe(false);
});

test("a request id has 1 to 64 bytes", async () => {
  const t = await scenario();
  await t.send("a", { requestId: "ä".repeat(32) });
  for (const requestId of ["x".repeat(65), `${"ä".repeat(32)}x`]) {
    await expect(t.send("a", { requestId })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["request_id"],
    });
  }
});

test("a call that was refused may be made again under its id", async () => {
  const t = await scenario({ create: "none" });
  const refused = { code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" };
  await expect(t.send("a", { requestId: "r1" })).rejects.toMatchObject(refused);
  await t.createQueue(t.queue, { messageBytesMax: 1_024 });
  expect((await t.send("a", { requestId: "r1" })).replayed).toBe(false);
  const long = "x".repeat(1_025);
  await expect(t.send(long, { requestId: "r2" })).rejects.toMatchObject({
    reason: "MESSAGE_TOO_LONG",
  });
  await t.call("setQueueAttributes", {
    queue: t.queue,
    attributes: { maximumMessageBytes: 2_048, delay: durationOf(0) },
  });
  expect((await t.send(long, { requestId: "r2" })).replayed).toBe(false);
});
