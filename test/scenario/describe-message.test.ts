// DescribeMessage: one message and the events of its life, found by its id wherever it stands.

import { expect, test } from "vitest";
import { MessageState } from "../../src/gen/forebay/queue/v1/message.js";
import { consumer } from "../support/consumer.js";
import { deadLetterScenario, fifoDeadLetterScenario, moveEnded } from "../support/dead-letters.js";
import { described, life } from "../support/inspection.js";
import {
  fifoScenario,
  msOf,
  type QueueOptions,
  type Scenario,
  scenario,
} from "../support/scenario.js";
import { putSchedule } from "../support/schedules.js";

const notFound = { code: "NOT_FOUND", reason: "MESSAGE_NOT_FOUND" };

test("a message that was only sent has one event, and is shown whole", async () => {
  const t = await scenario();
  await t.advance(1_234);
  const since = t.now;
  const { messageId } = await t.send("pay #7", {
    groupId: "g",
    priority: 3,
    timeToLiveMs: 90_000,
    attributes: { colour: "blue" },
    traceHeader: "Root=1",
  });
  expect(await life(t, messageId, { since })).toEqual(["SENT 0"]);
  const { message } = await described(t, messageId);
  expect(message).toMatchObject({
    messageId,
    state: MessageState.VISIBLE,
    body: { $case: "text", value: "pay #7" },
    bodyBytes: 6,
    systemAttributes: { groupId: "g", priority: 3, traceHeader: "Root=1", receiveCount: 0 },
    visibleTime: undefined,
  });
  expect([...(message?.attributes ?? [])]).toMatchObject([["colour", { dataType: "String" }]]);
  expect(msOf(message?.systemAttributes?.sendTime)).toBe(since);
  expect(msOf(message?.expireTime)).toBe(since + 90_000);
});

test("looking changes nothing: no receive, no count, no place in line", async () => {
  const t = await scenario();
  const { messageId } = await t.send("first");
  await t.send("second");
  for (let look = 0; look < 3; look += 1) await described(t, messageId);
  expect(await t.counters()).toMatchObject({ visible: 2, received: 0 });
  expect(await t.receiveOne()).toMatchObject({ body: "first", receiveCount: 1 });
});

test("receives and every way in which they end are told in order, each at its instant", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  const since = t.now;
  const { messageId } = await t.send("a");
  await t.advance(1);
  await t.receiveOne();
  await t.advance(10_000);
  const second = await t.receiveOne();
  await t.advance(500);
  await t.changeVisibility(second.handle, 0);
  await t.advance(500);
  const third = await t.receiveOne();
  await t.advance(250);
  await t.reject(third.handle, { reason: "no-stock", error: "none left" });
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  await t.advance(1);
  const stream = await consumer(t, { messages: 1 });
  const [streamed] = await stream.messages();
  await t.advance(5);
  stream.nack([streamed?.handle ?? ""]);
  expect(await stream.outcomes()).toEqual(["visible in 0"]);
  stream.stream.cancel();
  await t.settle();
  await t.advance(3);
  await t.receiveOne({ visibilityTimeoutMs: 7_000 });
  const events = await life(t, messageId, { since });
  expect(events.slice(0, 9)).toEqual([
    "SENT 0",
    "RECEIVED 1",
    "LEASE_ENDED 10001",
    "RECEIVED 10001",
    "RELEASED 10501",
    "RECEIVED 11001",
    "REJECTED 11251 because no-stock",
    "RECEIVED 11251",
    "RELEASED 11251",
  ]);
  expect(events.slice(9, 11)).toEqual(["RECEIVED 11252", "RELEASED 11257"]);
  expect(events.at(-1)).toBe("RECEIVED 11260 until 18260");
});

test("the end of a lease is told at its own instant, however late somebody looks", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  const since = t.now;
  const { messageId } = await t.send("a");
  await t.receiveOne();
  await t.leap(9_999);
  expect(await life(t, messageId, { since })).toEqual(["SENT 0", "RECEIVED 0 until 10000"]);
  await t.leap(60_000);
  expect(await life(t, messageId, { since })).toEqual([
    "SENT 0",
    "RECEIVED 0",
    "LEASE_ENDED 10000",
  ]);
});

test("a lease that was extended is told as one receive, with its new end", async () => {
  const t = await scenario();
  const since = t.now;
  const { messageId } = await t.send("a");
  const { handle } = await t.receiveOne();
  await t.advance(1_000);
  await t.changeVisibility(handle, 600_000);
  expect(await life(t, messageId, { since })).toEqual(["SENT 0", "RECEIVED 0 until 601000"]);
  const { message } = await described(t, messageId);
  expect(message?.state).toBe(MessageState.IN_FLIGHT);
  expect(msOf(message?.visibleTime) - since).toBe(601_000);
});

test("what a broken stream held is told as given back", async () => {
  const t = await scenario();
  const since = t.now;
  const { messageId } = await t.send("a");
  const stream = await consumer(t);
  expect(await stream.messages()).toHaveLength(1);
  expect(await life(t, messageId, { since })).toEqual(["SENT 0", "RECEIVED 0 until 30000"]);
  await t.advance(5);
  stream.stream.cancel();
  await t.settle();
  expect(await life(t, messageId, { since })).toEqual(["SENT 0", "RECEIVED 0", "RELEASED 5"]);
});

test.each([
  ["released", 20, 0],
  ["in flight after others", 20, 1],
  ["exactly as many", 16, 0],
  ["one less, and one in flight", 15, 1],
])("the last 16 receives are told, with their ends: %s", async (_, ended, running) => {
  const t = await scenario();
  const since = t.now;
  const { messageId } = await t.send("a");
  for (let receive = 0; receive < ended; receive += 1) {
    await t.advance(1);
    const { handle } = await t.receiveOne();
    await t.advance(1);
    await t.changeVisibility(handle, 0);
  }
  if (running === 1) await t.receiveOne();
  const first = ended + running - 16;
  const expected: string[] = [];
  for (let receive = first; receive < ended; receive += 1) {
    expected.push(`RECEIVED ${receive * 2 + 1}`, `RELEASED ${receive * 2 + 2}`);
  }
  if (running === 1) expected.push(`RECEIVED ${ended * 2} until ${ended * 2 + 30_000}`);
  expect(await life(t, messageId, { since })).toEqual(["SENT 0", ...expected]);
});

test("a message dead-lettered after its deliveries is found under its old id, and its life goes on there", async () => {
  const t = await deadLetterScenario({ after: 2, visibilityTimeoutMs: 1_000 });
  const since = t.now;
  const { messageId } = await t.send("a");
  await t.receiveOne();
  await t.advance(1_000);
  await t.receiveOne();
  await t.advance(5_000);
  expect(await t.receive()).toEqual([]);
  const events = [
    "SENT 0",
    "RECEIVED 0",
    "LEASE_ENDED 1000",
    "RECEIVED 1000",
    "LEASE_ENDED 2000",
    "DEAD_LETTERED 6000 from orders because MAX_RECEIVES",
  ];
  expect(await life(t, messageId, { since, queue: "dead" })).toEqual(events);
  await expect(described(t, messageId)).rejects.toMatchObject(notFound);
  await t.advance(100);
  await t.receive({ queue: "dead" });
  expect(await life(t, messageId, { since, queue: "dead" })).toEqual([
    ...events,
    "RECEIVED 6100 until 36100",
  ]);
});

test("a message rejected to the dead-letter queue tells both, with the consumer's reason", async () => {
  const t = await deadLetterScenario({ after: 5 });
  const since = t.now;
  const { messageId } = await t.send("a");
  const { handle } = await t.receiveOne();
  await t.advance(10);
  await t.reject(handle, { reason: "unreadable", isDeadLetter: true });
  expect(await life(t, messageId, { since, queue: "dead" })).toEqual([
    "SENT 0",
    "RECEIVED 0",
    "REJECTED 10 because unreadable",
    "DEAD_LETTERED 10 from orders because REJECTED",
  ]);
});

test("what happens in one instant is told in the order it happened in", async () => {
  const t = await deadLetterScenario({ after: 1 });
  const since = t.now;
  const { messageId } = await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(await t.receive()).toEqual([]);
  await t.receive({ queue: "dead", visibilityTimeoutMs: 0 });
  await t.receive({ queue: "dead", visibilityTimeoutMs: 1_000 });
  expect(await life(t, messageId, { since, queue: "dead" })).toEqual([
    "SENT 0",
    "RECEIVED 0",
    "RELEASED 0",
    "DEAD_LETTERED 0 from orders because MAX_RECEIVES",
    "RECEIVED 0",
    "RELEASED 0",
    "RECEIVED 0 until 1000",
  ]);
});

test("a FIFO message and its dead letter are found by its id", async () => {
  const t = await fifoDeadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  const since = t.now;
  const { messageId } = await t.send("a", { groupId: "g" });
  const other = await t.send("b", { groupId: "g" });
  await t.receiveOne();
  expect(await life(t, messageId, { since })).toEqual(["SENT 0", "RECEIVED 0 until 1000"]);
  await t.advance(1_000);
  await t.receive();
  expect(await life(t, messageId, { since, queue: "dead.fifo" })).toEqual([
    "SENT 0",
    "RECEIVED 0",
    "LEASE_ENDED 1000",
    "DEAD_LETTERED 1000 from orders.fifo because MAX_RECEIVES",
  ]);
  await expect(described(t, messageId)).rejects.toMatchObject(notFound);
  expect(await life(t, other.messageId, { since })).toEqual(["SENT 0", "RECEIVED 1000 until 2000"]);
});

test("a moved message tells its send, its receives and the move, under its new id", async () => {
  const t = await deadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  const since = t.now;
  const { messageId } = await t.send("a");
  await t.receiveOne();
  await t.advance(1_000);
  await t.receive();
  await t.advance(1_000);
  await t.startMove();
  await moveEnded(t);
  const [peeked] = (await t.call("peekMessages", { queue: t.queue })).messages;
  const events = await life(t, peeked?.messageId ?? "", { since });
  expect(peeked?.messageId).not.toBe(messageId);
  expect(events.slice(0, -1)).toEqual(["SENT 0", "RECEIVED 0", "LEASE_ENDED 1000"]);
  expect(events.at(-1)).toMatch(/^MOVED 2\d{3}$/);
  await expect(described(t, messageId)).rejects.toMatchObject(notFound);
  await expect(described(t, messageId, { queue: "dead" })).rejects.toMatchObject(notFound);
});

test("a delayed message and one that backs off tell when they are visible", async () => {
  const t = await scenario({ retry: { minimumMs: 4_000 } });
  const { messageId } = await t.send("a", { delayMs: 5_000 });
  const shown = async () => {
    const { message } = await described(t, messageId);
    return [message?.state, msOf(message?.visibleTime) - t.now];
  };
  expect(await shown()).toEqual([MessageState.DELAYED, 5_000]);
  await t.advance(5_000);
  expect(await shown()).toEqual([MessageState.VISIBLE, Number.NaN]);
  const { handle } = await t.receiveOne();
  await t.reject(handle);
  expect(await shown()).toEqual([MessageState.DELAYED, 4_000]);
});

test("a scheduled message is found from its send on, keeps its id when it joins, and its life begins there", async () => {
  const t = await scenario();
  const since = t.now;
  const { messageId } = await t.send("later", { deliverAt: since + 60_000, groupId: "g" });
  const { message, events } = await described(t, messageId);
  expect(message).toMatchObject({
    messageId,
    state: MessageState.SCHEDULED,
    body: { $case: "text", value: "later" },
    systemAttributes: { groupId: "g" },
  });
  expect(msOf(message?.visibleTime) - since).toBe(60_000);
  expect(events).toEqual([]);
  await t.leap(59_999);
  expect((await described(t, messageId)).message?.state).toBe(MessageState.SCHEDULED);
  await t.leap(1);
  expect(await life(t, messageId, { since })).toEqual(["SENT 60000"]);
  expect((await described(t, messageId)).message?.state).toBe(MessageState.VISIBLE);
});

test("a scheduled message that joined late, after the server was away, is found by its id", async () => {
  const t = await scenario();
  const since = t.now;
  const { messageId } = await t.send("later", { deliverAt: since + 1_000 });
  const other = await t.send("other", { deliverAt: since + 1_000 });
  await t.settle();
  await t.leap(90_000);
  await t.crash();
  expect(await life(t, messageId, { since })).toEqual(["SENT 1000"]);
  expect((await described(t, other.messageId)).message?.body?.value).toBe("other");
});

test("a message that a schedule sent is found by the id its status names", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 10_000 });
  await t.advance(10_000);
  const received = await t.receiveOne();
  expect((await described(t, received.id)).message?.body?.value).toBe("run");
});

test.each<[string, (t: Scenario, handle: string) => Promise<unknown>, QueueOptions]>([
  ["deleted", async (t, handle) => await t.delete(handle), {}],
  ["purged", async (t) => await t.purge(), {}],
  ["expired", async (t) => await t.leap(60_000), { retentionMs: 60_000 }],
])("a message that was %s is not found", async (_, go, options) => {
  for (const type of ["standard", "fifo"]) {
    const t = await (type === "fifo" ? fifoScenario(options) : scenario(options));
    const { messageId } = await t.send("a", { groupId: "g" });
    const { handle } = await t.receiveOne();
    await go(t, handle);
    await expect(described(t, messageId)).rejects.toMatchObject(notFound);
    await expect(t.call("explainMessage", { queue: t.queue, messageId })).rejects.toMatchObject(
      notFound,
    );
  }
});

test("an expiring message is found up to its last millisecond", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  const { messageId } = await t.send("a");
  const short = await t.send("b", { timeToLiveMs: 59_999 });
  await t.leap(59_998);
  expect((await described(t, short.messageId)).message?.body?.value).toBe("b");
  await t.leap(1);
  await expect(described(t, short.messageId)).rejects.toMatchObject(notFound);
  expect((await described(t, messageId)).message?.body?.value).toBe("a");
  await t.leap(1);
  await expect(described(t, messageId)).rejects.toMatchObject(notFound);
});

test("a scheduled message that was cancelled, one of another queue and one of nobody are not found", async () => {
  const t = await scenario();
  await t.createQueue("other");
  const { messageId } = await t.send("later", { deliverAt: t.now + 60_000 });
  await t.call("cancelScheduledMessage", { queue: t.queue, messageId });
  await expect(described(t, messageId)).rejects.toMatchObject(notFound);
  const sent = await t.send("a");
  await expect(described(t, sent.messageId, { queue: "other" })).rejects.toMatchObject(notFound);
  const neighbour = sent.messageId.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"));
  await expect(described(t, neighbour)).rejects.toMatchObject(notFound);
  const ofNoTime = "00000000-0000-4000-8000-000000000000";
  await expect(described(t, ofNoTime)).rejects.toMatchObject(notFound);
  const ofAllTimes = "ffffffff-ffff-4fff-bfff-ffffffffffff";
  await expect(described(t, ofAllTimes)).rejects.toMatchObject(notFound);
  await expect(described(t, sent.messageId, { queue: "nowhere" })).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "QUEUE_NOT_FOUND",
  });
});

test.each([
  ["", "MISSING_PARAMETER"],
  ["7", "INVALID_PARAMETER"],
  ["01890a5dac96774bbcceb302099a8057", "INVALID_PARAMETER"],
  ["01890a5d-ac96-774b-bcce-b302099a805g", "INVALID_PARAMETER"],
])("the id %j is refused, by both calls", async (messageId, reason) => {
  const t = await scenario();
  const refused = { code: "INVALID_ARGUMENT", reason, violations: ["message_id"] };
  await expect(described(t, messageId)).rejects.toMatchObject(refused);
  await expect(t.call("explainMessage", { queue: t.queue, messageId })).rejects.toMatchObject(
    refused,
  );
});

test("a body is cut to the bytes asked for, a text at a character, and its size and digest are whole", async () => {
  const t = await scenario();
  const text = await t.send("äöü€");
  const bytes = await t.send(Buffer.from([0, 255, 1, 254]));
  const cut = async (messageId: string, bodyBytesMax: number) => {
    const { message } = await described(t, messageId, { bodyBytesMax });
    const { value } = message?.body ?? { value: "none" };
    return [typeof value === "string" ? value : [...value], message?.bodyBytes];
  };
  expect(await cut(text.messageId, 0)).toEqual(["", 9]);
  expect(await cut(text.messageId, 3)).toEqual(["ä", 9]);
  expect(await cut(text.messageId, 8)).toEqual(["äöü", 9]);
  expect(await cut(text.messageId, 9)).toEqual(["äöü€", 9]);
  expect(await cut(bytes.messageId, 3)).toEqual([[0, 255, 1], 4]);
  expect((await described(t, text.messageId, { bodyBytesMax: 0 })).message?.md5OfBody).toBe(
    text.md5OfBody,
  );
  for (const bodyBytesMax of [-1, 1_048_577]) {
    await expect(described(t, text.messageId, { bodyBytesMax })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      violations: ["body_bytes_max"],
    });
  }
});

test("the body of a scheduled message is cut, too, and a long one is shown whole when nothing is asked", async () => {
  const t = await scenario();
  const body = "x".repeat(1_048_576);
  const { messageId } = await t.send(body, { deliverAt: t.now + 1_000 });
  const { message } = await described(t, messageId, { bodyBytesMax: 2 });
  expect(message).toMatchObject({ body: { value: "xx" }, bodyBytes: 1_048_576 });
  expect((await described(t, messageId)).message?.body?.value).toBe(body);
  await t.advance(1_000);
  expect((await described(t, messageId)).message?.body?.value).toBe(body);
});

test("of thousands of messages of one instant each is found by its id", async () => {
  const t = await scenario();
  await t.send("before");
  await t.advance(1);
  const bodies = Array.from({ length: 5_000 }, (_, index) => `m${index}`);
  await t.pour(
    bodies.map((body, index) => ({
      body,
      ...(index % 3 === 1 && { groupId: `g${index % 7}` }),
      ...(index % 3 === 2 && { priority: index % 10 }),
    })),
  );
  await t.advance(1);
  await t.send("after");
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await t.call("peekMessages", {
      queue: t.queue,
      pageSize: 100,
      bodyBytesMax: 0,
      pageToken,
    });
    ids.push(...page.messages.map(({ messageId }) => messageId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(ids).toHaveLength(5_002);
  for (const index of [1, 2, 3, 2_500, 2_501, 2_502, 4_999, 5_000]) {
    const { message } = await described(t, ids[index] ?? "");
    expect(message?.body?.value).toBe(bodies[index - 1]);
  }
});

test("of a hundred dead letters of one instant each is found by its id", async () => {
  const t = await deadLetterScenario({ after: 1 });
  const ids: string[] = [];
  for (let batch = 0; batch < 10; batch += 1) {
    const sent = await t.sendBatch(Array.from({ length: 10 }, (_, index) => `${batch}-${index}`));
    ids.push(...sent.successful.map(({ messageId }) => messageId));
  }
  await t.advance(7);
  for (let receive = 0; receive < 11; receive += 1) {
    await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  }
  expect(await t.counts("dead")).toBe("100/0/0");
  for (const index of [0, 1, 55, 98, 99]) {
    const { message } = await described(t, ids[index] ?? "", { queue: "dead" });
    expect(message?.body?.value).toBe(`${Math.floor(index / 10)}-${index % 10}`);
  }
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("a life is told in full after a %s", async (_, happen) => {
  const t = await deadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  const since = t.now;
  const gone = await t.send("gone");
  await t.receiveOne();
  await t.advance(1_000);
  const { messageId } = await t.send("here");
  const [here] = await t.receive({ visibilityTimeoutMs: 40_000 });
  expect(here?.body).toBe("here");
  const later = await t.send("later", { deliverAt: since + 60_000 });
  await t.advance(500);
  await happen(t);
  expect(await life(t, messageId, { since })).toEqual(["SENT 1000", "RECEIVED 1000 until 41000"]);
  expect(await life(t, gone.messageId, { since, queue: "dead" })).toEqual([
    "SENT 0",
    "RECEIVED 0",
    "LEASE_ENDED 1000",
    "DEAD_LETTERED 1000 from orders because MAX_RECEIVES",
  ]);
  expect((await described(t, later.messageId)).message?.state).toBe(MessageState.SCHEDULED);
  await t.advance(60_000);
  expect(await life(t, later.messageId, { since })).toEqual(["SENT 60000"]);
});
