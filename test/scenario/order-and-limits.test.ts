// Which of the visible messages come, in which order and how many: send order, the back of the queue, messages in flight, the
// size of an answer; and the counters that tell where all of them are (Q42).

import { expect, test } from "vitest";
import { bodiesOf, scenario } from "../support/scenario.js";

const mebibyte = 1_048_576;

test("messages come in the order they were sent, whatever mixture of receives takes them", async () => {
  const t = await scenario();
  const bodies = Array.from({ length: 60 }, (_, index) => `m${index}`);
  for (let from = 0; from < 60; from += 10) await t.sendBatch(bodies.slice(from, from + 10));
  const received: string[] = [];
  for (const max of [1, 10, 3, 7, 10, 10, 9, 10, 10]) {
    received.push(...bodiesOf(await t.receive({ max })));
  }
  expect(received).toEqual(bodies);
});

test("messages that come back take their old places among the others", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b", "c", "d"]);
  const [, b] = await t.receive({ max: 3 });
  await t.send("e");
  await t.changeVisibility(b?.handle ?? "", 0);
  expect(bodiesOf(await t.receive({ max: 2 }))).toEqual(["b", "d"]);
  await t.advance(30_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b", "c", "d", "e"]);
});

test("a delayed message comes at its place in send order once it is due", async () => {
  const t = await scenario();
  await t.send("a", { delayMs: 1_000 });
  await t.send("b");
  await t.send("c", { delayMs: 500 });
  await t.advance(1_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b", "c"]);
});

test("a message received three times goes to the back, each time it becomes visible again", async () => {
  const t = await scenario();
  await t.sendBatch(["poison", "x"]);
  const turn = async (): Promise<string[]> => {
    const [first] = await t.receive();
    await t.changeVisibility(first?.handle ?? "", 0);
    return await t.order();
  };
  // Twice it keeps its place.
  expect(await turn()).toEqual(["poison", "x"]);
  expect(await turn()).toEqual(["poison", "x"]);
  await t.send("y");
  expect(await turn()).toEqual(["x", "y", "poison"]);
  await t.send("z");
  expect(await t.order()).toEqual(["x", "y", "poison", "z"]);
  for (const body of ["x", "y"]) {
    const [message] = await t.receive();
    expect(message?.body).toBe(body);
    await t.delete(message?.handle ?? "");
  }
  // A fourth time: behind `z`, sent since.
  expect(await turn()).toEqual(["z", "poison"]);
});

test("a message received three times goes to the back also when its lease ends by itself or was 0", async () => {
  const t = await scenario({ visibilityTimeoutMs: 1_000 });
  await t.sendBatch(["poison", "x"]);
  for (let receive = 0; receive < 2; receive += 1) {
    expect(bodiesOf(await t.receive())).toEqual(["poison"]);
    await t.advance(1_000);
  }
  expect(bodiesOf(await t.receive({ visibilityTimeoutMs: 0 }))).toEqual(["poison"]);
  expect(await t.order()).toEqual(["x", "poison"]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["x", "poison"]);
  await t.send("y");
  await t.advance(1_000);
  expect(await t.order()).toEqual(["x", "y", "poison"]);
});

test("Q42 every message is counted where it is: visible, in flight or delayed", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.sendBatch(["leased", "visible"]);
  await t.send("delayed", { delayMs: 10_000 });
  await t.receive();
  expect(await t.counts()).toBe("1/1/1");
  await t.advance(9_999);
  expect(await t.counts()).toBe("1/1/1");
  await t.advance(1);
  expect(await t.counts()).toBe("2/1/0");
  await t.advance(19_999);
  expect(await t.counts()).toBe("2/1/0");
  await t.advance(1);
  expect(await t.counts()).toBe("3/0/0");
});

test("the counters tell sizes, ages and everything that ever happened", async () => {
  const t = await scenario({ visibilityTimeoutMs: 1_000, retentionMs: 60_000 });
  const empty = await t.call("getQueueAttributes", { queue: t.queue });
  expect(empty.counters?.oldestMessageAge).toBeUndefined();
  await t.send("12345", { attributes: { n: "v" } });
  await t.advance(1_500);
  await t.send("ä");
  expect(await t.counters()).toMatchObject({ stored: 2, storedBytes: 5 + 8 + 2, sent: 2 });
  const { counters } = await t.call("getQueueAttributes", { queue: t.queue });
  expect(counters?.oldestMessageAge).toEqual({ seconds: 1n, nanos: 500_000_000 });
  const [first] = await t.receive();
  await t.advance(1_000);
  await t.receive({ max: 10 });
  await t.delete(first?.handle ?? "");
  expect(await t.counters()).toMatchObject({ storedBytes: 2, sent: 2, received: 3, deleted: 1 });
  await t.skip(60_000);
  await t.sendBatch(["x", "y"]);
  await t.purge();
  expect(await t.counters()).toEqual({
    visible: 0,
    inFlight: 0,
    delayed: 0,
    stored: 0,
    storedBytes: 0,
    sent: 4,
    received: 3,
    deleted: 1,
    expired: 1,
    purged: 2,
    deduplicated: 0,
    deadLettered: 0,
    moved: 0,
    arrived: 0,
    groupsInFlight: 0,
  });
});

test("counters are exact after more messages came due than one step settles", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  const stream = t.produce();
  const entries = Array.from({ length: 1_000 }, () => ({
    body: { $case: "text" as const, value: "x" },
    delay: { seconds: 1n },
  }));
  for (let request = 0; request < 3; request += 1) stream.write({ queue: t.queue, entries });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  expect(await t.counts()).toBe("0/0/3000");
  // Without a sweep in between: the clock leaps, and the call comes first.
  await t.leap(1_000);
  expect(await t.counts()).toBe("3000/0/0");
  await t.leap(59_000);
  expect(await t.counts()).toBe("0/0/0");
  expect(await t.counters()).toMatchObject({ expired: 3_000 });
});

test("at its limit of messages in flight a queue refuses short polls, and a receive takes fewer to stay within it", async () => {
  const t = await scenario({ inFlightMax: 3 });
  await t.sendBatch(["a", "b", "c", "d"]);
  expect(bodiesOf(await t.receive({ max: 2 }))).toEqual(["a", "b"]);
  const [c] = await t.receive({ max: 10 });
  expect(c?.body).toBe("c");
  await expect(t.receive()).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "IN_FLIGHT_LIMIT",
    metadata: { queue: "orders", limit: "3" },
    quota: ["queue:orders"],
  });
  await t.delete(c?.handle ?? "");
  expect(bodiesOf(await t.receive())).toEqual(["d"]);
});

test("at the limit a long poll waits without an error and is woken by a delete", async () => {
  const t = await scenario({ inFlightMax: 1 });
  await t.sendBatch(["a", "b"]);
  const { handle } = await t.receiveOne();
  const poll = await t.poll();
  expect(poll.isAnswered).toBe(false);
  await t.delete(handle);
  expect(bodiesOf(await poll.answer)).toEqual(["b"]);
});

test("at the limit a long poll is woken by a lease that ends, a raised limit, or a purge and a send", async () => {
  const t = await scenario({ inFlightMax: 1, visibilityTimeoutMs: 1_000 });
  await t.sendBatch(["a", "b"]);
  await t.receive();
  const first = await t.poll({ visibilityTimeoutMs: 30_000 });
  await t.advance(999);
  expect(first.isAnswered).toBe(false);
  await t.advance(1);
  expect(bodiesOf(await first.answer)).toEqual(["a"]);

  const second = await t.poll({ visibilityTimeoutMs: 30_000 });
  await t.setQueue({ inFlightMax: 2 });
  expect(bodiesOf(await second.answer)).toEqual(["b"]);

  const third = await t.poll();
  await t.purge();
  await t.settle();
  expect(third.isAnswered).toBe(false);
  await t.send("c");
  expect(bodiesOf(await third.answer)).toEqual(["c"]);
});

test("at the limit a long poll that finds no room ends empty", async () => {
  const t = await scenario({ inFlightMax: 1 });
  await t.sendBatch(["a", "b"]);
  await t.receive();
  const poll = await t.poll({ waitMs: 2_000 });
  await t.advance(2_000);
  expect(await poll.answer).toEqual([]);
});

test("an answer stays within what a client takes: ten messages of 1 MiB come in parts, the rest untouched", async () => {
  const t = await scenario();
  for (let index = 0; index < 10; index += 1) {
    await t.send(Buffer.alloc(mebibyte, index));
  }
  const first = await t.receive({ max: 10 });
  expect(first).toHaveLength(3);
  expect(await t.counts()).toBe("7/3/0");
  const { messages } = await t.call("peekMessages", { queue: t.queue, bodyBytesMax: 1 });
  expect(messages.map(({ systemAttributes }) => systemAttributes?.receiveCount)).toEqual([
    1, 1, 1, 0, 0, 0, 0, 0, 0, 0,
  ]);
  const rest: number[] = [];
  while (rest.length < 7) {
    const received = await t.receive({ max: 10 });
    rest.push(...received.map(({ message }) => Buffer.from(message.body?.value ?? "").readUInt8()));
  }
  expect(rest).toEqual([3, 4, 5, 6, 7, 8, 9]);
});

test("max_bytes bounds bodies and attributes of an answer, save that one message always comes", async () => {
  const t = await scenario();
  await t.sendBatch(["x".repeat(40), "y".repeat(40), "z".repeat(40)]);
  const back = async (received: Awaited<ReturnType<typeof t.receive>>) => {
    for (const { handle } of received) await t.changeVisibility(handle, 0);
    return received.length;
  };
  expect(await back(await t.receive({ max: 10, maxBytes: 80 }))).toBe(2);
  expect(await back(await t.receive({ max: 10, maxBytes: 79 }))).toBe(1);
  expect(await t.receive({ max: 10, maxBytes: 1 })).toHaveLength(1);
  expect(await t.peek()).toEqual([
    expect.stringContaining("x3"),
    expect.stringContaining("visible yy"),
    expect.stringContaining("x0"),
  ]);
});

test("a whole batch with as many attributes as fit reaches a client with default limits", async () => {
  const t = await scenario();
  const attributes = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [`n${index}`.padEnd(256, "x"), "v"]),
  );
  const body = "b".repeat(mebibyte - 10 * (256 + 6 + 1));
  for (let index = 0; index < 5; index += 1) {
    await t.send(body, { attributes, traceHeader: "t".repeat(1_024), groupId: "g".repeat(128) });
  }
  const received = await t.receive({ max: 10, attributes: ["All"] });
  expect(received).toHaveLength(3);
  expect(received[2]?.message.attributes.size).toBe(10);
});
