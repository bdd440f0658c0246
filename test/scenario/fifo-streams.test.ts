// Produce and Consume on a FIFO queue: order per group, and what is given back together.

import { expect, test } from "vitest";
import { type Consumer, consumer } from "../support/consumer.js";
import {
  bodiesOf,
  durationOf,
  fifoScenario,
  handlesOf,
  type Received,
  type Scenario,
  turns,
} from "../support/scenario.js";

const groupOf = ({ message }: Received): string => message.systemAttributes?.groupId ?? "";

/** A stream that holds `a`, `b`, `c` of one group and `x` of another and has no credit left. */
async function holding(): Promise<{
  t: Scenario;
  stream: Consumer;
  handleOf: (body: string) => string;
}> {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  await t.send("x", { groupId: "h" });
  const stream = await consumer(t, { messages: 4 });
  const messages = await stream.messages();
  expect(bodiesOf(messages).sort()).toEqual(["a", "b", "c", "x"]);
  const handles = new Map(messages.map(({ body, handle }) => [body, handle]));
  return { t, stream, handleOf: (body) => handles.get(body) ?? "" };
}

test("what one stream produces, another consumes in order, group by group", async () => {
  const t = await fifoScenario();
  const groups = Array.from({ length: 30 }, (_, index) => `g${index}`);
  const bodies = Array.from({ length: 3_000 }, (_, index) => ({
    body: `${index}`,
    groupId: `g${index % groups.length}`,
  }));
  await t.pour(bodies);
  const stream = await consumer(t, { messages: 200, bytes: 1_000_000 });
  const seen = new Map<string, number[]>(groups.map((groupId) => [groupId, []]));
  let count = 0;
  for (let round = 0; count < bodies.length && round < 2_000; round += 1) {
    const { messages } = await stream.news();
    for (const message of messages) seen.get(groupOf(message))?.push(Number(message.body));
    count += messages.length;
    if (messages.length > 0) {
      stream.ack(...handlesOf(messages));
      stream.credit(messages.length, 1_000_000);
    }
  }
  for (const numbers of seen.values()) {
    expect(numbers).toHaveLength(100);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
  await t.settle();
  expect(await t.counters()).toMatchObject({ stored: 0, received: 3_000, deleted: 3_000 });
});

test("a stream gets the next of a group only when it is done with all it holds of it", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const stream = await consumer(t);
  const [a = "", b = ""] = handlesOf(await stream.messages());
  await t.send("c", { groupId: "g" });
  expect(await stream.messages()).toEqual([]);
  stream.ack(a);
  expect(await stream.outcomes()).toEqual(["DELETED"]);
  await t.send("other", { groupId: "h" });
  expect(bodiesOf(await stream.messages())).toEqual(["other"]);
  stream.ack(b);
  const { messages, outcomes } = await stream.news();
  expect(outcomes).toEqual(["DELETED"]);
  expect(bodiesOf(messages)).toEqual(["c"]);
});

test("credit cuts a group in order, and more of it does not overtake what is held", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const stream = await consumer(t, { messages: 1 });
  const [a = ""] = handlesOf(await stream.messages());
  stream.credit(5);
  expect(await stream.messages()).toEqual([]);
  stream.ack(a);
  expect(bodiesOf((await stream.news()).messages)).toEqual(["b"]);
});

test("two streams never hold messages of one group at the same time", async () => {
  const t = await fifoScenario();
  await t.pour(
    Array.from({ length: 200 }, (_, index) => ({ body: `${index}`, groupId: `g${index % 7}` })),
  );
  const streams = [
    await consumer(t, { messages: 3, client: t.newClient() }),
    await consumer(t, { messages: 3, client: t.newClient() }),
  ];
  const holder = new Map<string, Consumer>();
  const seen = new Map<string, number[]>();
  const held: [Consumer, Received][] = [];
  for (let acked = 0; acked < 200; ) {
    for (const stream of streams) {
      for (const message of (await stream.news()).messages) {
        const groupId = groupOf(message);
        expect(holder.get(groupId) ?? stream, groupId).toBe(stream);
        holder.set(groupId, stream);
        seen.set(groupId, [...(seen.get(groupId) ?? []), Number(message.body)]);
        held.push([stream, message]);
      }
    }
    const [stream, message] = held.shift() ?? [];
    if (stream === undefined || message === undefined) {
      await turns();
      continue;
    }
    if (!held.some(([, other]) => groupOf(other) === groupOf(message))) {
      holder.delete(groupOf(message));
    }
    stream.ack(message.handle);
    stream.credit(1, 1_000);
    acked += 1;
    await t.settle();
  }
  for (const numbers of seen.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  expect([...seen.values()].flat()).toHaveLength(200);
});

test("a nacked message takes the messages of its group behind it along, and a ConsumeLost names them", async () => {
  const { t, stream, handleOf } = await holding();
  stream.nack([handleOf("a")]);
  const { outcomes, lost, messages } = await stream.news();
  expect(outcomes).toEqual(["visible in 0"]);
  expect(lost).toEqual([handleOf("b"), handleOf("c")]);
  expect(messages).toEqual([]);
  expect(await t.peek()).toEqual([
    "visible a x1",
    "visible b x1",
    "visible c x1",
    "in flight x x1",
  ]);
  // The whole group comes again, in order, and the old handles of it are of no use.
  stream.ack(handleOf("b"), handleOf("x"));
  expect(await stream.outcomes()).toEqual([
    "FAILED_PRECONDITION RECEIPT_HANDLE_EXPIRED",
    "DELETED",
  ]);
  stream.credit(10, 1_000);
  const again = await stream.messages();
  expect(again.map(({ body, receiveCount }) => `${body} x${receiveCount}`)).toEqual([
    "a x2",
    "b x2",
    "c x2",
  ]);
  stream.ack(...handlesOf(again));
  expect(await stream.outcomes()).toEqual(["DELETED", "DELETED", "DELETED"]);
});

test("a nack in the middle of a group leaves what is before it with the stream", async () => {
  const { t, stream, handleOf } = await holding();
  stream.nack([handleOf("b")]);
  const { outcomes, lost } = await stream.news();
  expect(outcomes).toEqual(["visible in 0"]);
  expect(lost).toEqual([handleOf("c")]);
  expect(await t.peek()).toEqual([
    "in flight a x1",
    "visible b x1",
    "visible c x1",
    "in flight x x1",
  ]);
  stream.credit(10, 1_000);
  expect(await stream.messages()).toEqual([]);
  stream.ack(handleOf("a"));
  const after = await stream.news();
  expect(after.outcomes).toEqual(["DELETED"]);
  expect(bodiesOf(after.messages)).toEqual(["b", "c"]);
});

test("a nack of the last of a group, or of the only one, takes nothing along", async () => {
  const { t, stream, handleOf } = await holding();
  stream.nack([handleOf("c"), handleOf("x")]);
  const { outcomes, lost } = await stream.news();
  expect(outcomes).toEqual(["visible in 0", "visible in 0"]);
  expect(lost).toEqual([]);
  expect(await t.counts()).toBe("2/2/0");
});

test.each([[["a", "b"]], [["b", "a"]]])(
  "messages nacked together are answered each, and only the others of the group are lost (%j)",
  async (bodies) => {
    const { t, stream, handleOf } = await holding();
    stream.nack(bodies.map(handleOf));
    const { outcomes, lost } = await stream.news();
    expect(outcomes).toEqual(["visible in 0", "visible in 0"]);
    expect(lost).toEqual([handleOf("c")]);
    expect(await t.counts()).toBe("3/1/0");
  },
);

test("a nack with a delay keeps its group back for it: what went along is not delivered before", async () => {
  const { t, stream, handleOf } = await holding();
  stream.nack([handleOf("a")], 5_000);
  const { outcomes, lost } = await stream.news();
  expect(outcomes).toEqual(["visible in 5000"]);
  expect(lost).toEqual([handleOf("b"), handleOf("c")]);
  await t.advance(4_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b", "c"]);
});

test("a rejected message stays at its place in its group and takes the rest along", async () => {
  const { t, stream, handleOf } = await holding();
  stream.reject([handleOf("a")], "bad_invoice", "no such customer");
  const { outcomes, lost } = await stream.news();
  expect(outcomes).toEqual(["visible in 0"]);
  expect(lost).toEqual([handleOf("b"), handleOf("c")]);
  await t.send("d", { groupId: "g" });
  const received = await t.receive({ max: 10 });
  expect(bodiesOf(received)).toEqual(["a", "b", "c", "d"]);
  expect(received[0]?.message.systemAttributes?.rejection).toMatchObject({
    reason: "bad_invoice",
    error: "no such customer",
  });
  expect(received[1]?.message.systemAttributes?.rejection).toBeUndefined();
});

test("what a nack takes along is no longer the stream's: it is not renewed, and breaking the stream ends no other's lease of it", async () => {
  const { t, stream, handleOf } = await holding();
  stream.nack([handleOf("a")]);
  await stream.news();
  expect(bodiesOf(await t.receive({ max: 10, visibilityTimeoutMs: 30_000 }))).toEqual([
    "a",
    "b",
    "c",
  ]);
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  expect(await t.peek()).toEqual([
    "in flight a x2",
    "in flight b x2",
    "in flight c x2",
    "visible x x1",
  ]);
});

test("a waiting stream gets what another nacked, in order", async () => {
  const { t, stream, handleOf } = await holding();
  const second = await consumer(t, { client: t.newClient() });
  stream.nack([handleOf("a")]);
  await stream.news();
  const bodies: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    const { messages } = await second.news();
    bodies.push(...bodiesOf(messages));
    expect(messages.map(({ receiveCount }) => receiveCount)).toEqual(messages.map(() => 2));
    if (messages.length > 0) second.ack(...handlesOf(messages));
  }
  expect(bodies).toEqual(["a", "b", "c"]);
});

test.each(["reset", "connection closed", "half-closed"])(
  "when a stream is %s, all it holds is back in order, its counts kept",
  async (how) => {
    const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
    await t.sendBatch(["a", "b", "c", "d"], { groupId: "g" });
    await t.sendBatch(["x", "y"], { groupId: "h" });
    const client = t.newClient();
    const stream = await consumer(t, { client });
    await stream.stream.until(() => stream.stream.responses.length > 0);
    const messages = await stream.messages();
    expect(messages).toHaveLength(6);
    stream.ack(messages.find(({ body }) => body === "b")?.handle ?? "");
    await stream.stream.until(() => stream.stream.responses.length > 1);
    if (how === "reset") stream.stream.cancel();
    else if (how === "connection closed") client.close();
    else stream.stream.halfClose();
    await stream.ended;
    await t.settle();
    await t.settle();
    expect(await t.counts()).toBe("5/0/0");
    const received = await t.receive({ max: 10 });
    expect(received.map((message) => message.receiveCount)).toEqual([2, 2, 2, 2, 2]);
    expect(bodiesOf(received.filter((message) => groupOf(message) === "g"))).toEqual([
      "a",
      "c",
      "d",
    ]);
    expect(bodiesOf(received.filter((message) => groupOf(message) === "h"))).toEqual(["x", "y"]);
  },
);

test("what a broken stream held goes to one that waits, each group in order", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  await t.pour(
    Array.from({ length: 600 }, (_, index) => ({ body: `${index}`, groupId: `g${index % 3}` })),
  );
  const first = await consumer(t, { messages: 1_000, bytes: 1_000_000 });
  // All that a stream takes of a group comes at once; what it leaves waits for that.
  let heldCount = 0;
  for (let round = 0; round < 20; round += 1) heldCount += (await first.messages()).length;
  expect(heldCount).toBeGreaterThan(200);
  expect((await t.counters()).inFlight).toBe(heldCount);
  const second = await consumer(t, {
    messages: 1_000,
    bytes: 1_000_000,
    client: t.newClient(),
  });
  first.stream.cancel();
  await first.ended;
  const seen = new Map<string, number[]>();
  let count = 0;
  for (let round = 0; count < 600 && round < 2_000; round += 1) {
    const { messages } = await second.news();
    for (const message of messages) {
      const groupId = groupOf(message);
      seen.set(groupId, [...(seen.get(groupId) ?? []), Number(message.body)]);
    }
    count += messages.length;
    if (messages.length > 0) second.ack(...handlesOf(messages));
  }
  expect(count).toBe(600);
  for (const numbers of seen.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
});

test("messages that come while a stream breaks are never swallowed and keep their order", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  for (let round = 0; round < 40; round += 1) {
    const stream = await consumer(t);
    const sends = ["a", "b", "c"].map((body) => t.send(`${body}${round}`, { groupId: "g" }));
    await turns(round % 10);
    stream.stream.cancel();
    await Promise.all(sends);
    await stream.ended;
    await t.settle();
    await t.settle();
    expect(await t.counts(), `round ${round}`).toBe("3/0/0");
    expect(bodiesOf(await t.receive({ max: 10 })), `round ${round}`).toEqual(
      ["a", "b", "c"].map((body) => `${body}${round}`),
    );
    await t.purge();
  }
});

test("leases of a stream are renewed, and its group is kept back as long as it lives", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 10_000 });
  expect(bodiesOf(await stream.messages())).toEqual(["a"]);
  const poll = await t.poll({ max: 10 });
  for (let passed = 0; passed < 15_000; passed += 5_000) {
    await t.advance(5_000);
    expect(poll.isAnswered).toBe(false);
  }
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  expect(await poll.answer).toMatchObject([
    { body: "a", receiveCount: 2 },
    { body: "b", receiveCount: 1 },
  ]);
});

test("at the limit of messages in flight a stream of a FIFO queue waits, and an ack makes room", async () => {
  const t = await fifoScenario({ inFlightMax: 2 });
  for (const body of ["a", "b", "c"]) await t.send(body, { groupId: body });
  const stream = await consumer(t);
  const messages = await stream.messages();
  expect(messages).toHaveLength(2);
  stream.ack(messages[0]?.handle ?? "");
  const { messages: more } = await stream.news();
  expect(more).toHaveLength(1);
  expect(await t.counts()).toBe("0/2/0");
});

test("a server that stops gives back what a stream held of a group, and it is in order after", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const stream = await consumer(t);
  expect(await stream.messages()).toHaveLength(3);
  const stopped = t.stop();
  expect(await stream.ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  await stopped;
  await t.start();
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b", "c"]);
});

test("a nack without a delay waits as the queue's retry policy says, and what goes along waits behind it", async () => {
  const { t, stream, handleOf } = await holding();
  await t.call("setQueueAttributes", {
    queue: t.queue,
    attributes: { retryPolicy: { minimumBackoff: durationOf(2_000) } },
  });
  stream.nack([handleOf("a")]);
  const { outcomes, lost } = await stream.news();
  expect(outcomes).toEqual(["visible in 2000"]);
  expect(lost).toEqual([handleOf("b"), handleOf("c")]);
  await t.advance(1_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b", "c"]);
});
