// What a move task takes, in which order and at which pace, and what becomes of it (Q63, Q64, Q66).

import { expect, test } from "vitest";
import { contradictions } from "../support/broken-rows.js";
import {
  deadLetterScenario,
  fifoDeadLetterScenario,
  held,
  heldBodies,
  heldOne,
  moveEnded,
  sendToDeath,
  wearOut,
} from "../support/dead-letters.js";
import { bodiesOf, msOf, type Scenario, scenario } from "../support/scenario.js";

const mebibyte = 1_048_576;
const gone = { code: "NOT_FOUND", reason: "MESSAGE_NOT_FOUND" };

/** `orders` and `bills`, with `dead` for both, and two dead letters of each, sent in turns. */
async function withTwoSources(): Promise<Scenario> {
  const t = await deadLetterScenario();
  await t.createQueue("bills", { redrive: { to: "dead", after: 1 } });
  for (const index of [1, 2]) {
    await sendToDeath(t, [`order ${index}`]);
    await sendToDeath(t, [`bill ${index}`], { queue: "bills" });
    await t.advance(1_000);
  }
  return t;
}

/** When the messages of a queue were sent, in its order. */
const sendTimes = async (t: Scenario, queue: string): Promise<number[]> =>
  (await held(t, queue)).map(({ systemAttributes }) => msOf(systemAttributes?.sendTime));

const gaps = (times: readonly number[]): number[] =>
  times.slice(1).map((time, index) => time - (times[index] ?? 0));

// --- where to, and as what ------------------------------------------------------------------------------------------------

test("Q63 messages of two sources go back, each to its own, with new ids", async () => {
  const t = await withTwoSources();
  const before = await held(t, "dead");
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({
    status: "COMPLETED",
    moved: 4,
    toMove: 4,
    skipped: 0,
  });
  expect(await heldBodies(t, "orders")).toEqual(["order 1", "order 2"]);
  expect(await heldBodies(t, "bills")).toEqual(["bill 1", "bill 2"]);
  expect(await t.counts("dead")).toBe("0/0/0");
  const oldIds = before.map(({ messageId }) => messageId);
  const after = [...(await held(t, "orders")), ...(await held(t, "bills"))];
  const newIds = after.map(({ messageId }) => messageId);
  expect(new Set([...oldIds, ...newIds]).size).toBe(8);
  for (const { body, systemAttributes } of after) {
    const original = before.find((each) => each.body?.value === body?.value);
    expect(systemAttributes?.originalMessageId).toBe(original?.messageId);
  }
  expect(await t.counters("dead")).toMatchObject({ arrived: 4, moved: 4, deleted: 0 });
  expect(await t.counters("orders")).toMatchObject({ sent: 2, deadLettered: 2, arrived: 2 });
  expect(await t.counters("bills")).toMatchObject({ sent: 2, deadLettered: 2, arrived: 2 });
  expect(await contradictions(t)).toEqual([]);
});

test("a moved message is a new one: id, sent time and its queue's count; what it says stays as it is", async () => {
  const t = await deadLetterScenario({ after: 2 });
  const sent = await t.send("pay #7", {
    attributes: {
      tenant: "acme",
      n: { dataType: "Binary.x", value: { $case: "binaryValue", value: Buffer.from([0, 255]) } },
    },
    traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793",
    groupId: "tenant-1",
  });
  await wearOut(t);
  await t.receive({ queue: "dead", visibilityTimeoutMs: 0 });
  await t.skip(60_000);
  await t.startMove();
  const task = await moveEnded(t);
  const movedAt = msOf((await heldOne(t, "orders")).systemAttributes?.sendTime);
  expect(movedAt).toBeGreaterThanOrEqual(task.startedAt);
  expect(movedAt).toBeLessThanOrEqual(task.endedAt);
  const received = await t.receive({ attributes: ["All"] });
  expect(received).toMatchObject([{ body: "pay #7", receiveCount: 4 }]);
  const message = received[0]?.message;
  expect(message?.messageId).not.toBe(sent.messageId);
  expect(message).toMatchObject({
    md5OfBody: sent.md5OfBody,
    md5OfAttributes: sent.md5OfAttributes,
    systemAttributes: {
      senderId: "key:default:dev",
      traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793",
      groupId: "tenant-1",
      queueReceiveCount: 1,
      originalMessageId: sent.messageId,
    },
  });
  expect(message?.attributes.get("n")?.dataType).toBe("Binary.x");
});

test("a moved message may be delivered as often as a new one, and goes round again", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await sendToDeath(t, ["work"]);
  for (const round of [1, 2, 3]) {
    const before = await heldOne(t, "dead");
    await t.startMove();
    await moveEnded(t);
    const received = await t.receiveOne({ visibilityTimeoutMs: 0 });
    expect(received).toMatchObject({ body: "work", receiveCount: 1 + round });
    expect(received.message.systemAttributes).toMatchObject({
      queueReceiveCount: 1,
      originalMessageId: before.messageId,
    });
    expect(await t.receive()).toEqual([]);
    const dead = await heldOne(t, "dead");
    expect(dead.messageId).toBe(received.id);
    expect(dead.systemAttributes?.deadLetterSourceQueue).toBe("orders");
  }
});

test("retention of a moved message begins with the move", async () => {
  const t = await deadLetterScenario({
    after: 1,
    retentionMs: 60_000,
    dead: { retentionMs: 600_000 },
  });
  await sendToDeath(t, ["work"]);
  await t.skip(300_000);
  await t.startMove();
  await moveEnded(t);
  const moved = await heldOne(t, "orders");
  const movedAt = msOf(moved.systemAttributes?.sendTime);
  expect(msOf(moved.expireTime)).toBe(movedAt + 60_000);
  await t.skip(movedAt + 59_999 - t.now);
  expect(await t.counts()).toBe("1/0/0");
  await t.advance(1);
  expect(await t.counters()).toMatchObject({ stored: 0, arrived: 1, expired: 1 });
});

test("a task with a destination moves everything there, wherever it came from", async () => {
  const t = await withTwoSources();
  await t.createQueue("triage");
  await t.send("straight", { queue: "dead" });
  await t.startMove({ destination: "triage" });
  expect(await moveEnded(t)).toMatchObject({
    status: "COMPLETED",
    moved: 5,
    toMove: 5,
    skipped: 0,
  });
  expect(await heldBodies(t, "triage")).toEqual([
    "order 1",
    "bill 1",
    "order 2",
    "bill 2",
    "straight",
  ]);
  expect(await t.counts("dead")).toBe("0/0/0");
  expect(await t.counters("triage")).toMatchObject({ sent: 0, arrived: 5 });
});

test("a paused source is moved from all the same", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  await t.call("setQueueAttributes", { queue: "dead", attributes: { deliveryPaused: true } });
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2 });
  expect(await heldBodies(t, "orders")).toEqual(["a", "b"]);
});

test("what came to the end of a chain goes back one link", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("grave");
  await t.createQueue("dead", { redrive: { to: "grave", after: 1 } });
  await t.createQueue("orders", { redrive: { to: "dead", after: 1 } });
  await sendToDeath(t, ["work"]);
  await wearOut(t, "dead");
  await t.startMove({ source: "grave" });
  expect(await moveEnded(t, "grave")).toMatchObject({ status: "COMPLETED", moved: 1 });
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
});

test.each(["standard", "fifo"] as const)(
  "dead letters of a queue that names itself are moved to its back, once: %s",
  async (type) => {
    const queue = type === "fifo" ? "orders.fifo" : "orders";
    const t = await scenario({
      queue,
      ...(type === "fifo" && { type, contentBasedDeduplication: true }),
    });
    await t.setQueue({ redrive: { to: queue, after: 1 } });
    await t.sendBatch(["a", "b", "c"], { groupId: "g" });
    await t.receive({ max: 2, visibilityTimeoutMs: 0 });
    await t.receive({ max: 1, visibilityTimeoutMs: 0 });
    await t.send("d", { groupId: "g" });
    const dead = (await held(t, queue)).filter(
      ({ systemAttributes }) => systemAttributes?.deadLetterSourceQueue !== undefined,
    );
    expect(dead.map(({ body }) => body?.value)).toEqual(["a", "b"]);
    await t.startMove({ source: queue });
    expect(await moveEnded(t, queue)).toMatchObject({
      status: "COMPLETED",
      moved: 2,
      toMove: 4,
      skipped: 2,
    });
    const after = await held(t, queue);
    expect(after.map(({ body }) => body?.value)).toEqual(["c", "d", "a", "b"]);
    expect(
      after.slice(2).map(({ systemAttributes }) => systemAttributes?.originalMessageId),
    ).toEqual(dead.map(({ messageId }) => messageId));
    expect(await t.counters()).toMatchObject({ sent: 4, deadLettered: 2, moved: 2, arrived: 4 });
    expect(await contradictions(t)).toEqual([]);
  },
);

test("neither size, delay nor pause of the destination keeps a moved message out", async () => {
  const t = await deadLetterScenario();
  const long = "x".repeat(5_000);
  await sendToDeath(t, [long]);
  await t.setQueue({ messageBytesMax: 1_024, delayMs: 900_000 });
  await t.call("setQueueAttributes", { queue: t.queue, attributes: { deliveryPaused: true } });
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 1 });
  await t.call("setQueueAttributes", { queue: t.queue, attributes: { deliveryPaused: false } });
  expect(await t.counts()).toBe("1/0/0");
  expect(bodiesOf(await t.receive())).toEqual([long]);
});

test("bodies of any size and kind are moved byte for byte", async () => {
  const t = await deadLetterScenario();
  const bytes = Buffer.alloc(mebibyte, 0xfe);
  bytes.writeUInt32BE(0x00ff00ff, 500_000);
  await t.send(bytes);
  await t.send("ä\t\r\n😀");
  await wearOut(t);
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2 });
  const [data] = await t.receive();
  expect(data?.message.body?.$case).toBe("data");
  expect(bytes.equals(Buffer.from(data?.message.body?.value ?? ""))).toBe(true);
  expect(bodiesOf(await t.receive())).toEqual(["ä\t\r\n😀"]);
  expect(await t.counters()).toMatchObject({ storedBytes: mebibyte + 9 });
  expect(await t.counters("dead")).toMatchObject({ storedBytes: 0 });
  expect(await contradictions(t)).toEqual([]);
});

test("a handle of a message that was moved finds it gone, the copy lives on", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["work"]);
  const { handle } = await t.receiveOne({ queue: "dead", visibilityTimeoutMs: 0 });
  await t.startMove();
  await moveEnded(t);
  expect(await t.delete(handle, "dead")).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(handle, 0, "dead")).rejects.toMatchObject(gone);
  expect(await heldBodies(t, "orders")).toEqual(["work"]);
  expect(await t.counters("dead")).toMatchObject({ moved: 1, deleted: 0 });
});

test("an arrival wakes those who wait at the destination, one message one waiter", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  const polls = [await t.poll(), await t.poll(), await t.poll({ waitMs: 5_000 })];
  await t.startMove();
  await moveEnded(t);
  await t.advance(5_000);
  expect(await Promise.all(polls.map(async ({ answer }) => bodiesOf(await answer)))).toEqual([
    ["a"],
    ["b"],
    [],
  ]);
});

// --- which messages -------------------------------------------------------------------------------------------------------

test("messages are moved oldest first", async () => {
  const t = await deadLetterScenario();
  for (let index = 0; index < 12; index += 1) {
    await sendToDeath(t, [`m${index}`]);
    await t.advance(10);
  }
  await t.startMove({ perSecond: 10 });
  await t.advance(350);
  expect(await heldBodies(t, "orders")).toEqual(["m0", "m1", "m2", "m3"]);
  await moveEnded(t);
  expect(await heldBodies(t, "orders")).toEqual(
    Array.from({ length: 12 }, (_, index) => `m${index}`),
  );
});

test("what arrives after the start is not part of the task", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c"]);
  await t.startMove({ destination: "orders", perSecond: 1 });
  await t.advance(500);
  await t.send("straight", { queue: "dead" });
  await t.createQueue("bills", { redrive: { to: "dead", after: 1 } });
  await sendToDeath(t, ["dead letter"], { queue: "bills" });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 3, toMove: 3 });
  expect(await heldBodies(t, "orders")).toEqual(["a", "b", "c"]);
  expect((await heldBodies(t, "dead")).sort()).toEqual(["dead letter", "straight"]);
});

test("a message that dies again during the task is not moved once more", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(500);
  await wearOut(t);
  expect((await heldBodies(t, "dead")).sort()).toEqual(["a", "b", "c"]);
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 3 });
  expect(await heldBodies(t, "orders")).toEqual(["b", "c"]);
  expect(await heldBodies(t, "dead")).toEqual(["a"]);
});

test("messages that are leased or delayed throughout stay", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["leased", "a", "b"]);
  const { handle } = await t.receiveOne({ queue: "dead", visibilityTimeoutMs: 60_000 });
  await t.send("delayed", { queue: "dead", delayMs: 60_000 });
  await t.startMove({ destination: "orders" });
  expect(await moveEnded(t)).toMatchObject({
    status: "COMPLETED",
    moved: 2,
    toMove: 2,
    skipped: 0,
  });
  expect(await heldBodies(t, "orders")).toEqual(["a", "b"]);
  await t.skip(120_000);
  expect(await t.counts("dead")).toBe("2/0/0");
  expect(await t.delete(handle, "dead")).toBe("DELETED");
});

test("a message whose lease or delay ends while the task runs is taken, too", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["leased", "a", "b", "c", "d"]);
  await t.receiveOne({ queue: "dead", visibilityTimeoutMs: 1_500 });
  await t.send("delayed", { queue: "dead", delayMs: 1_700 });
  await t.startMove({ destination: "orders", perSecond: 1 });
  const task = await moveEnded(t);
  expect(task).toMatchObject({ status: "COMPLETED", moved: 6, toMove: 4 });
  const bodies = await heldBodies(t, "orders");
  expect(bodies.slice(0, 2)).toEqual(["a", "b"]);
  expect([...bodies].sort()).toEqual(["a", "b", "c", "d", "delayed", "leased"]);
  expect(await t.counts("dead")).toBe("0/0/0");
  expect(await contradictions(t)).toEqual([]);
});

test("a message received while the task runs is its receiver's: deleted it is gone, given back in time it is moved", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c", "d"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(100);
  const [b, c] = await t.receive({ queue: "dead", max: 2 });
  expect([b?.body, c?.body]).toEqual(["b", "c"]);
  await t.delete(b?.handle ?? "", "dead");
  await t.advance(500);
  await t.changeVisibility(c?.handle ?? "", 0, "dead");
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 3, toMove: 4 });
  expect((await heldBodies(t, "orders")).sort()).toEqual(["a", "c", "d"]);
  expect(await t.counters("dead")).toMatchObject({ stored: 0, deleted: 1, moved: 3 });
});

test("a message that expires before its turn is not moved", async () => {
  const t = await deadLetterScenario({ dead: { retentionMs: 60_000 } });
  await sendToDeath(t, ["a", "b", "c"]);
  await t.skip(58_500);
  await t.startMove({ perSecond: 1 });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2, toMove: 3 });
  expect(await heldBodies(t, "orders")).toEqual(["a", "b"]);
  expect(await t.counters("dead")).toMatchObject({ expired: 1, moved: 2, stored: 0 });
});

test("messages without a source stay, and a task that moved nothing has FAILED for it", async () => {
  const t = await deadLetterScenario();
  for (const body of ["straight 1", "straight 2"]) await t.send(body, { queue: "dead" });
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({
    status: "FAILED",
    failure: "COULD_NOT_DETERMINE_SOURCE",
    moved: 0,
    toMove: 2,
    skipped: 2,
  });
  await sendToDeath(t, ["work"]);
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({
    status: "COMPLETED",
    failure: "",
    moved: 1,
    toMove: 3,
    skipped: 2,
  });
  expect(await heldBodies(t, "dead")).toEqual(["straight 1", "straight 2"]);
  expect(await heldBodies(t, "orders")).toEqual(["work"]);
});

test("messages whose source exists no more are skipped, the others go back to theirs", async () => {
  const t = await withTwoSources();
  await t.deleteQueue("bills");
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({
    status: "COMPLETED",
    moved: 2,
    toMove: 4,
    skipped: 2,
  });
  expect(await heldBodies(t, "dead")).toEqual(["bill 1", "bill 2"]);
  expect(await heldBodies(t, "orders")).toEqual(["order 1", "order 2"]);
  // Under the old name there may be a queue again.
  await t.createQueue("bills");
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2, skipped: 0 });
  expect(await heldBodies(t, "bills")).toEqual(["bill 1", "bill 2"]);
});

test("a source that is purged leaves a task nothing to move, and what comes later is not part of it", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c", "d"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(1_500);
  expect(await t.purge("dead")).toBe(2);
  await t.send("later", { queue: "dead" });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2, toMove: 4 });
  expect(await heldBodies(t, "orders")).toEqual(["a", "b"]);
  expect(await heldBodies(t, "dead")).toEqual(["later"]);
  expect(await t.counters("dead")).toMatchObject({ moved: 2, purged: 2, stored: 1 });
  expect(await contradictions(t)).toEqual([]);
});

test("a source that is deleted ends its task, and a new queue of its name is left alone", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c", "d"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(1_500);
  await t.deleteQueue("dead");
  await t.createQueue("dead");
  await sendToDeath(t, ["new"]);
  // `a` and `b` are back in `orders` and went the same way.
  const before = (await heldBodies(t, "dead")).sort();
  expect(before).toEqual(["a", "b", "new"]);
  await t.advance(10_000);
  expect((await heldBodies(t, "dead")).sort()).toEqual(before);
  expect(await t.moveTasks()).toEqual([]);
  expect(await contradictions(t)).toEqual([]);
});

test("a destination that is purged while the task runs gets what comes after", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c", "d"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(1_500);
  expect(await t.purge()).toBe(2);
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 4 });
  expect(await heldBodies(t, "orders")).toEqual(["c", "d"]);
});

test("a policy that no longer names the source does not stop the task that runs", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  await t.startMove({ perSecond: 1 });
  await t.setQueue({ redrive: "none" });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2 });
});

// --- pace -----------------------------------------------------------------------------------------------------------------

test.each([1, 3, 7, 100, 500])(
  "Q64 at %d a second messages are moved evenly spaced",
  async (perSecond) => {
    const t = await deadLetterScenario();
    const bodies = Array.from({ length: 12 }, (_, index) => `m${index}`);
    await sendToDeath(t, bodies);
    await t.startMove({ perSecond });
    const task = await moveEnded(t);
    expect(task).toMatchObject({ status: "COMPLETED", moved: 12 });
    expect(await heldBodies(t, "orders")).toEqual(bodies);
    const times = await sendTimes(t, "orders");
    // Instants are whole milliseconds.
    for (const gap of gaps(times)) {
      expect(gap).toBeGreaterThanOrEqual(Math.floor(1_000 / perSecond));
      expect(gap).toBeLessThanOrEqual(Math.ceil(1_000 / perSecond) + 1);
    }
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(
      Math.floor((11 * 1_000) / perSecond),
    );
  },
);

test("Q64 a clock that leaps ahead does not make a task hurry", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c", "d", "e"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(500);
  expect((await t.moveTasks())[0]?.moved).toBe(1);
  await t.skip(60_000);
  expect((await t.moveTasks())[0]?.moved).toBeLessThanOrEqual(2);
  await moveEnded(t);
  for (const gap of gaps(await sendTimes(t, "orders"))) expect(gap).toBeGreaterThanOrEqual(1_000);
});

test("without a rate many messages are moved soon, all of them, in order", async () => {
  const t = await deadLetterScenario();
  const bodies = Array.from({ length: 1_200 }, (_, index) => `m${index}`);
  const stream = t.produce();
  stream.write({
    queue: "dead",
    entries: bodies.slice(0, 600).map((value) => ({ body: { $case: "text", value } })),
  });
  stream.write({
    entries: bodies.slice(600).map((value) => ({ body: { $case: "text", value } })),
  });
  stream.halfClose();
  await stream.ended;
  await t.startMove({ destination: "orders" });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 1_200, toMove: 1_200 });
  const [task] = await t.moveTasks();
  expect((task?.endedAt ?? 0) - (task?.startedAt ?? 0)).toBeLessThan(60_000);
  expect(await heldBodies(t, "orders")).toEqual(bodies);
  expect(await t.counters("dead")).toMatchObject({ moved: 1_200, stored: 0 });
  expect(await contradictions(t)).toEqual([]);
});

test("calls are served while a task without a rate runs", async () => {
  const t = await deadLetterScenario();
  await t.createQueue("busy");
  await sendToDeath(
    t,
    Array.from({ length: 100 }, (_, index) => `m${index}`),
  );
  await t.startMove();
  for (let call = 0; call < 20; call += 1) await t.send(`call ${call}`, { queue: "busy" });
  expect(await t.counts("busy")).toBe("20/0/0");
  expect(await moveEnded(t)).toMatchObject({ moved: 100 });
});

// --- over restarts --------------------------------------------------------------------------------------------------------

test.each(["restart", "crash"] as const)(
  "Q66 a task goes on after a %s in the middle, without loss or double",
  async (again) => {
    const t = await deadLetterScenario();
    const bodies = Array.from({ length: 8 }, (_, index) => `m${index}`);
    await sendToDeath(t, bodies);
    const handle = await t.startMove({ perSecond: 1 });
    await t.advance(2_500);
    for (const movedAtMost of [4, 5]) {
      await t[again]();
      const [task] = await t.moveTasks();
      expect(task).toMatchObject({ handle, status: "RUNNING", toMove: 8 });
      expect(task?.moved).toBeGreaterThanOrEqual(3);
      expect(task?.moved).toBeLessThanOrEqual(movedAtMost);
      await t.advance(400);
    }
    const task = await moveEnded(t);
    expect(task).toMatchObject({ handle: "", status: "COMPLETED", moved: 8 });
    expect(await heldBodies(t, "orders")).toEqual(bodies);
    expect(await t.counters("dead")).toMatchObject({ moved: 8, stored: 0 });
    expect(await t.counters("orders")).toMatchObject({ arrived: 8, stored: 8 });
    // It never went faster for it.
    for (const gap of gaps(await sendTimes(t, "orders"))) expect(gap).toBeGreaterThanOrEqual(1_000);
    expect(await contradictions(t)).toEqual([]);
  },
);

test("Q66 a crash at any point of a task without a rate loses and doubles nothing", async () => {
  for (const waitMs of [0, 1, 2, 5, 10]) {
    const t = await deadLetterScenario();
    const bodies = Array.from({ length: 250 }, (_, index) => `m${index}`);
    await sendToDeath(t, bodies);
    await t.startMove();
    if (waitMs > 0) await t.advance(waitMs);
    await t.crash();
    expect([...(await heldBodies(t, "orders")), ...(await heldBodies(t, "dead"))].sort()).toEqual(
      [...bodies].sort(),
    );
    expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 250, toMove: 250 });
    expect(await heldBodies(t, "orders")).toEqual(bodies);
    expect(await t.counters("dead")).toMatchObject({ moved: 250, stored: 0 });
  }
}, 60_000);

test("Q66 what arrived while the server restarted is not part of the task either", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c"]);
  await t.startMove({ destination: "orders", perSecond: 1 });
  await t.advance(500);
  await t.send("before", { queue: "dead" });
  await t.crash();
  await t.send("after", { queue: "dead" });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 3, toMove: 3 });
  expect(await heldBodies(t, "dead")).toEqual(["before", "after"]);
});

test("Q66 a task that was under way while the server was down for long does not hurry, and judges what is there", async () => {
  const t = await deadLetterScenario({ dead: { retentionMs: 60_000 } });
  await sendToDeath(t, ["a", "b", "c"]);
  await t.skip(30_000);
  await t.send("younger", { queue: "dead" });
  await t.startMove({ destination: "orders", perSecond: 1 });
  await t.advance(500);
  await t.stop();
  await t.clock.skip(40_000);
  await t.start();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2, toMove: 4 });
  expect(await heldBodies(t, "orders")).toEqual(["a", "younger"]);
  expect(await t.counters("dead")).toMatchObject({ expired: 2, moved: 2 });
});

test("Q66 a cancelled and a failed task stay so over a crash", async () => {
  const t = await deadLetterScenario();
  await t.createQueue("elsewhere");
  await sendToDeath(t, ["a", "b", "c", "d"]);
  await t.cancelMove(await t.startMove({ perSecond: 1 }));
  await moveEnded(t);
  await t.startMove({ destination: "elsewhere", perSecond: 1 });
  await t.advance(100);
  await t.deleteQueue("elsewhere");
  await moveEnded(t);
  const before = await t.moveTasks();
  expect(before.map(({ status }) => status)).toEqual(["FAILED", "CANCELLED"]);
  await t.crash();
  await t.advance(10_000);
  expect(await t.moveTasks()).toEqual(before);
});

test("Q66 a cancel holds over a crash right after it was answered", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c"]);
  const handle = await t.startMove({ perSecond: 1 });
  const moved = await t.cancelMove(handle);
  await t.crash();
  expect(await moveEnded(t)).toMatchObject({ status: "CANCELLED", moved });
  await t.advance(10_000);
  expect((await heldBodies(t, "orders")).length).toBe(moved);
});

test("Q66 a task that was started and not yet begun runs after a crash", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c"]);
  await t.startMove();
  await t.crash();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 3 });
  expect(await heldBodies(t, "orders")).toEqual(["a", "b", "c"]);
});

// --- FIFO -----------------------------------------------------------------------------------------------------------------

test("FIFO messages go back in order, with their groups, and ids that no window remembers", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  for (const [body, groupId] of [
    ["a1", "a"],
    ["b1", "b"],
    ["a2", "a"],
    ["b2", "b"],
    ["a3", "a"],
  ] as const) {
    await t.send(body, { groupId, dedupId: body });
  }
  await wearOut(t);
  const dead = await held(t, "dead.fifo");
  const perGroup = (messages: typeof dead, group: string): (string | Uint8Array | undefined)[] =>
    messages
      .filter(({ systemAttributes }) => systemAttributes?.groupId === group)
      .map(({ body }) => body?.value);
  await t.startMove({ source: "dead.fifo" });
  expect(await moveEnded(t, "dead.fifo")).toMatchObject({ status: "COMPLETED", moved: 5 });
  const back = await held(t, "orders.fifo");
  expect(perGroup(back, "a")).toEqual(["a1", "a2", "a3"]);
  expect(perGroup(back, "b")).toEqual(["b1", "b2"]);
  for (const { messageId, systemAttributes } of back) {
    expect(systemAttributes?.dedupId).toBe(messageId);
    expect(dead.map((each) => each.messageId)).toContain(systemAttributes?.originalMessageId);
  }
  const numbers = back.map(({ systemAttributes }) => systemAttributes?.sequenceNumber ?? "");
  expect([...numbers].sort()).toEqual(numbers);
  expect(new Set(numbers).size).toBe(5);
  // Delivery keeps the order.
  const received = bodiesOf(await t.receive({ max: 10 }));
  expect(received.filter((body) => body.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
  expect(received.filter((body) => body.startsWith("b"))).toEqual(["b1", "b2"]);
  // The source still remembers what was sent to it.
  expect((await t.send("a1", { groupId: "a", dedupId: "a1" })).duplicate).toBe(true);
  expect(await contradictions(t)).toEqual([]);
});

test("FIFO messages go back one by one behind what their group got meanwhile", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await wearOut(t);
  await t.send("meanwhile", { groupId: "g" });
  await t.startMove({ source: "dead.fifo", perSecond: 1 });
  await t.advance(500);
  await t.send("between", { groupId: "g" });
  await moveEnded(t, "dead.fifo");
  expect(await heldBodies(t, "orders.fifo")).toEqual(["meanwhile", "a", "between", "b"]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["meanwhile", "a", "between", "b"]);
});

test("a FIFO message that is moved frees its group in the source, and wakes the waiter at the destination", async () => {
  const t = await fifoDeadLetterScenario({ after: 1 });
  await t.createQueue("triage.fifo", { type: "fifo" });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await wearOut(t);
  const poll = await t.poll({ queue: "triage.fifo" });
  await t.startMove({ source: "dead.fifo", destination: "triage.fifo", perSecond: 1 });
  await t.advance(500);
  expect(bodiesOf(await poll.answer)).toEqual(["a"]);
  expect(bodiesOf(await t.receive({ queue: "dead.fifo" }))).toEqual(["b"]);
});

test("two FIFO sources get their own back, and equal bodies are no duplicates", async () => {
  const t = await scenario({ create: "none" });
  const fifo = { type: "fifo", contentBasedDeduplication: true } as const;
  await t.createQueue("dead.fifo", fifo);
  for (const source of ["orders.fifo", "bills.fifo"]) {
    await t.createQueue(source, { ...fifo, redrive: { to: "dead.fifo", after: 1 } });
    await t.send("same", { queue: source, groupId: "g" });
    await t.send("same", { queue: source, groupId: "g", dedupId: "another" });
    await wearOut(t, source);
  }
  expect(await t.counts("dead.fifo")).toBe("4/0/0");
  await t.startMove({ source: "dead.fifo" });
  expect(await moveEnded(t, "dead.fifo")).toMatchObject({ status: "COMPLETED", moved: 4 });
  for (const source of ["orders.fifo", "bills.fifo"]) {
    expect(await heldBodies(t, source)).toEqual(["same", "same"]);
    expect(await t.counters(source)).toMatchObject({ deduplicated: 0, arrived: 2 });
  }
});
