// Single steps of a move task: how much one looks at, moves and reads, where the next goes on, and that between any two of
// them the store is whole, whoever stops there.

import { expect, test } from "vitest";
import { hours, milliseconds, seconds } from "../../src/base/brands.js";
import { limits } from "../../src/queue/limits.js";
import type { MoveTaskId } from "../../src/queue/move-task.js";
import { decideFindMoves } from "../../src/queue/move-tasks.js";
import {
  countersKey,
  deliveryKey,
  messageKey,
  moveOrderKey,
  queueKey,
  segmentPrefix,
} from "../../src/store/keys.js";
import type { Store } from "../../src/store/store.js";
import { addressOf } from "../support/engine-entries.js";
import type { EngineHarness } from "../support/engine-harness.js";
import {
  listMoves,
  movingHarness,
  namesIn,
  noEdit,
  noFilter,
  numbered,
  sendAll,
  startMove,
  step,
  stepsToEnd,
  taskOf,
} from "../support/moving.js";
import { temporaryStore } from "../support/temporary-store.js";

const text = (value: string) => Buffer.from(value);

test("a step looks at a bounded number of messages, and the next one goes on behind them", async () => {
  const harness = await movingHarness();
  const { moveExaminedMax } = limits;
  await sendAll(harness, "dead", numbered(moveExaminedMax * 2 + 2));
  const last = `m${moveExaminedMax * 2 + 1}`;
  const id = await startMove(harness, { filter: { ...noFilter, bodyContains: text(last) } });
  for (const looked of [1, 2]) {
    expect(await step(harness, id)).toEqual({
      movedCount: 0,
      next: { kind: "more", at: undefined },
    });
    expect((await taskOf(harness, id)).pass.cursor).toBe(1 + looked * moveExaminedMax);
  }
  expect(await step(harness, id)).toEqual({ movedCount: 1, next: { kind: "ended" } });
  expect(await namesIn(harness, "orders")).toEqual([last]);
  await harness.check();
});

test("a step moves a bounded number of messages, oldest first", async () => {
  const harness = await movingHarness();
  const { moveCountMax } = limits;
  const names = numbered(moveCountMax * 2 + 1);
  await sendAll(harness, "dead", names);
  const id = await startMove(harness);
  expect(await stepsToEnd(harness, id)).toEqual([moveCountMax, moveCountMax, 1]);
  expect(await namesIn(harness, "orders")).toEqual(names);
  await harness.check();
});

test("a step moves a bounded number of bytes, and one message however long", async () => {
  const harness = await movingHarness();
  const third = Math.floor(limits.moveBytesMax / 3);
  const long = (name: string, sizeBytes: number) => `${name} `.padEnd(sizeBytes, "x");
  await harness.send(
    "dead",
    ...["a", "b", "c", "d"].map((name) => long(name, third)),
    long("e", limits.moveBytesMax),
    "f",
  );
  const id = await startMove(harness);
  expect(await stepsToEnd(harness, id)).toEqual([3, 1, 1, 1]);
  expect(await namesIn(harness, "orders")).toEqual(["a", "b", "c", "d", "e", "f"]);
  await harness.check();
});

test("what an edit makes of a message counts, not only what it was", async () => {
  const harness = await movingHarness();
  await harness.send("dead", "a", "b", "c");
  const bytes = Buffer.alloc(Math.floor(limits.moveBytesMax / 2), "x");
  const body = { isText: true, bytes, md5: Buffer.alloc(16) };
  const id = await startMove(harness, { edit: { ...noEdit, body } });
  expect(await stepsToEnd(harness, id)).toEqual([2, 1]);
});

test("a step reads a bounded number of bytes", async () => {
  const harness = await movingHarness({ store: temporaryStore() });
  const bodies = ["a", "b", "c", "d", "e"].map((name) => `${name} `.padEnd(1_000_000, "x"));
  for (const body of bodies) await harness.send("dead", body);
  const id = await startMove(harness, { filter: { ...noFilter, bodyContains: text("nowhere") } });
  await step(harness, id);
  // It reads on until it has read enough: three of a million.
  const readMax = Math.ceil(limits.moveExaminedBytesMax / 1_000_000);
  expect((await taskOf(harness, id)).pass.cursor).toBe(1 + readMax);
  // What the head tells against is not read.
  const other = await movingHarness({ store: temporaryStore() });
  for (const body of bodies) await other.send("dead", body);
  const filter = { ...noFilter, groupId: "g", bodyContains: text("nowhere") };
  expect(await stepsToEnd(other, await startMove(other, { filter }))).toEqual([0]);
});

test("a task that takes chosen messages ends with the last of them", async () => {
  const harness = await movingHarness();
  await sendAll(harness, "dead", numbered(limits.moveExaminedMax + 10));
  const ids = await messageIds(harness, ["m1", "m3"]);
  const id = await startMove(harness, { filter: { ...noFilter, messageIds: ids } });
  expect(await step(harness, id)).toEqual({ movedCount: 2, next: { kind: "ended" } });
  expect((await taskOf(harness, id)).state.kind).toBe("completed");
});

async function messageIds(harness: EngineHarness, names: readonly string[]): Promise<Buffer[]> {
  const received = await harness.receiveAll("dead", { countMax: 10, visibilityTimeoutMs: 0 });
  return received
    .filter(({ body }) => names.includes(body))
    .map(({ received: { message } }) => message.messageId);
}

test("a step that ends one pass begins the next at the first message it passed over", async () => {
  const harness = await movingHarness();
  await sendAll(harness, "dead", ["a", "leased", "b", "c"]);
  const [, leased] = await harness.receiveAll("dead", { countMax: 2, visibilityTimeoutMs: 5_000 });
  expect(leased?.body).toBe("leased");
  const id = await startMove(harness);
  expect(await step(harness, id)).toEqual({ movedCount: 2, next: { kind: "more", at: undefined } });
  // Both are in flight: the pass begins at the first of them.
  expect((await taskOf(harness, id)).pass).toMatchObject({ cursor: 1, hasMoved: false });
  harness.clock.advanceAtOnce(5_000);
  expect(await step(harness, id)).toEqual({ movedCount: 2, next: { kind: "ended" } });
  expect(await namesIn(harness, "orders")).toEqual(["b", "c", "a", "leased"]);
  await harness.check();
});

test("a task ends with the pass that moves nothing, whatever is still in flight", async () => {
  const harness = await movingHarness();
  await sendAll(harness, "dead", ["leased", "a"]);
  await harness.receiveAll("dead", { countMax: 1 });
  const id = await startMove(harness);
  expect(await stepsToEnd(harness, id)).toEqual([1, 0]);
  expect((await taskOf(harness, id)).state.kind).toBe("completed");
  // With nothing passed over there is nothing to look at again.
  await harness.send("dead", "b");
  expect(await stepsToEnd(harness, await startMove(harness))).toEqual([1, 0]);
});

test("what the filter leaves out makes no other pass, leased or not", async () => {
  const harness = await movingHarness();
  await harness.send("dead", { body: "leased", groupId: "h" }, { body: "a", groupId: "g" });
  const [leased] = await harness.receiveAll("dead", { countMax: 1 });
  expect(leased?.body).toBe("leased");
  const id = await startMove(harness, { filter: { ...noFilter, groupId: "g" } });
  expect(await stepsToEnd(harness, id)).toEqual([1]);
});

test("what is skipped is counted once, however many passes there are", async () => {
  const harness = await movingHarness();
  const redrive = { deadLetterQueue: addressOf("dead").name, receiveCountMax: 1 };
  await harness.setSettings("orders", { redrive });
  await sendAll(harness, "dead", ["straight-1", "straight-2"]);
  for (const body of ["a", "b"]) await harness.send("orders", body);
  await harness.receiveAll("orders", { visibilityTimeoutMs: 0 });
  await harness.receiveAll("orders");
  await sendAll(harness, "dead", ["straight-3"]);
  // `a` is leased at first.
  const leased = await harness.receiveAll("dead", { countMax: 3, visibilityTimeoutMs: 5_000 });
  expect(leased.map(({ body }) => body)).toEqual(["straight-1", "straight-2", "a"]);
  await harness.changeVisibility(
    "dead",
    leased.slice(0, 2).map(({ receipt }) => ({ receipt, timeoutMs: 0 })),
  );
  const id = await startMove(harness, { destination: undefined });
  await step(harness, id);
  const skippedOf = async () => {
    const { skipped, pass } = await taskOf(harness, id);
    return [skipped, pass.skipped];
  };
  // Those before `a` are not looked at again.
  expect(await skippedOf()).toEqual([3, 2]);
  harness.clock.advanceAtOnce(5_000);
  await stepsToEnd(harness, id);
  expect(await skippedOf()).toEqual([3, 3]);
  expect(await namesIn(harness, "orders")).toEqual(["b", "a"]);
});

test("a task with a rate is late by a little and makes up for it, by much and does not", async () => {
  const harness = await movingHarness();
  await sendAll(harness, "dead", numbered(30));
  const id = await startMove(harness, { perSecondMax: 100 });
  const at = harness.clock.now();
  const moved = async (lateMs: number) => {
    harness.clock.advanceAtOnce(lateMs);
    return (await step(harness, id)).movedCount;
  };
  expect(await moved(0)).toBe(1);
  expect(await moved(9)).toBe(0);
  expect(await moved(1)).toBe(1);
  // Due at 20, 30, 40, 50.
  expect(await moved(45)).toBe(4);
  expect(await moved(limits.moveCatchUpMsMax + 5)).toBe(11);
  expect(await step(harness, id)).toEqual({
    movedCount: 0,
    next: { kind: "more", at: at + 170 },
  });
  expect(await moved(limits.moveCatchUpMsMax + 12)).toBe(1);
  expect(await moved(9)).toBe(0);
  expect(await moved(1)).toBe(1);
});

test("whether a message is old enough is settled at the start", async () => {
  const harness = await movingHarness();
  await harness.send("dead", "old-1", "old-2");
  harness.clock.advanceAtOnce(1_000);
  await harness.send("dead", "young-1", "young-2");
  harness.clock.advanceAtOnce(9_000);
  const oldest = await startMove(harness, {
    perSecondMax: 1,
    filter: { ...noFilter, ageMsMin: seconds(10) },
  });
  expect(await stepsToEnd(harness, oldest)).toEqual([1, 1]);
  expect(await namesIn(harness, "dead")).toEqual(["young-1", "young-2"]);
  // They grow older than that on the way.
  const youngest = await startMove(harness, {
    perSecondMax: 1,
    filter: { ...noFilter, ageMsMax: milliseconds(10_000) },
  });
  expect(await stepsToEnd(harness, youngest)).toEqual([1, 1]);
});

test("a FIFO message that waits for the queue's delay is not visible, and is moved once it is", async () => {
  const harness = await movingHarness({ suffix: ".fifo" });
  await harness.setSettings("dead.fifo", { delayMs: seconds(10) });
  const sent = (name: string) => ({ body: name, groupId: name, dedupId: name });
  await harness.send("dead.fifo", sent("a"));
  harness.clock.advanceAtOnce(5_000);
  await harness.send("dead.fifo", sent("b"));
  harness.clock.advanceAtOnce(5_000);
  const ends = { source: "dead.fifo", destination: "orders.fifo" };
  const id = await startMove(harness, ends);
  expect(await stepsToEnd(harness, id)).toEqual([1, 0]);
  expect(await namesIn(harness, "orders.fifo")).toEqual(["a"]);
  harness.clock.advanceAtOnce(5_000);
  await stepsToEnd(harness, await startMove(harness, ends));
  expect(await namesIn(harness, "orders.fifo")).toEqual(["a", "b"]);
  await harness.check();
});

test("messages may be moved into a queue that is its own dead-letter queue, once each", async () => {
  const harness = await movingHarness();
  const redrive = { deadLetterQueue: addressOf("loop").name, receiveCountMax: 1 };
  await harness.createQueue("loop", { redrive });
  await harness.send("loop", "a", "b");
  await harness.receiveAll("loop", { visibilityTimeoutMs: 0 });
  await harness.receiveAll("loop", { visibilityTimeoutMs: 0 });
  const id = await startMove(harness, { source: "loop", destination: undefined });
  expect(await stepsToEnd(harness, id)).toEqual([2]);
  expect(await namesIn(harness, "loop")).toEqual(["a", "b"]);
  const report = await harness.report("loop");
  expect(report?.counters).toMatchObject({ stored: 2, moved: 2, arrived: 4 });
  await harness.check();
});

test("leases that ended long ago count as visible at the start", async () => {
  const harness = await movingHarness();
  await harness.send("dead", "a", "b", "c");
  await harness.receiveAll("dead", { countMax: 2, visibilityTimeoutMs: 1_000 });
  harness.clock.advanceAtOnce(1_000);
  await startMove(harness);
  expect((await listMoves(harness))[0]?.order.toMove).toBe(3);
});

// --- stops and faults -----------------------------------------------------------------------------------------------------

test("between any two steps the store is whole, and whoever starts there goes on", async () => {
  const harness = await movingHarness({ store: temporaryStore() });
  const names = numbered(260);
  await sendAll(harness, "dead", names);
  await harness.receiveAll("dead", { countMax: 10, visibilityTimeoutMs: 1_000 });
  const id = await startMove(harness);
  for (let isOver = false; !isOver; ) {
    isOver = (await step(harness, id)).next.kind === "ended";
    await harness.restart();
    await harness.check();
    const both = [...(await namesIn(harness, "orders")), ...(await namesIn(harness, "dead"))];
    expect(both.toSorted()).toEqual(names.toSorted());
    harness.clock.advanceAtOnce(500);
  }
  expect(await taskOf(harness, id)).toMatchObject({ moved: 260, state: { kind: "completed" } });
  expect(await namesIn(harness, "orders")).toEqual([...names.slice(10), ...names.slice(0, 10)]);
});

/** Writes what no reader takes over a row that is there. */
async function spoil(store: Store, key: string): Promise<void> {
  expect(store.get(key)).toBeDefined();
  const framed = Buffer.alloc(64, 0xee);
  await store.commit([{ key, framed, mayReplaceChunks: false }]);
}

const prefixOf = async (harness: EngineHarness, name: string): Promise<string> => {
  const report = await harness.report(name);
  if (report === undefined) throw new Error(`There is no queue ${name}.`);
  return segmentPrefix(report.queue.slot, report.queue.segment);
};

test("a message that cannot be read is passed over, and so is one whose state cannot be", async () => {
  const store = temporaryStore();
  const harness = await movingHarness({ store });
  await harness.send("dead", "a", "unread", "leased", "b");
  const got = await harness.receiveAll("dead", { visibilityTimeoutMs: 60_000 });
  const visible = got.filter(({ body }) => body !== "leased").map(({ receipt }) => receipt);
  const back = visible.map((receipt) => ({ receipt, timeoutMs: 0 }));
  await harness.changeVisibility("dead", back);
  const prefix = await prefixOf(harness, "dead");
  const placeOf = (body: string) => {
    const found = got.find((each) => each.body === body);
    if (found === undefined) throw new Error(`${body} was not received.`);
    return found.receipt.sequence;
  };
  await spoil(store, messageKey(prefix, placeOf("unread")));
  await spoil(store, deliveryKey(prefix, placeOf("leased")));
  const id = await startMove(harness);
  await stepsToEnd(harness, id);
  expect(await taskOf(harness, id)).toMatchObject({ moved: 2, state: { kind: "completed" } });
  expect(await namesIn(harness, "orders")).toEqual(["a", "b"]);
  // Each is said to be unreadable, and is still there for whoever repairs it.
  expect(harness.corruptRowsPassed.length).toBeGreaterThanOrEqual(2);
  expect(store.get(messageKey(prefix, placeOf("unread")))).toBeDefined();
  expect(store.get(messageKey(prefix, placeOf("leased")))).toBeDefined();
});

test("a source that cannot be read is skipped, and holds up nothing that goes to others", async () => {
  for (const spoiled of ["queue", "counters"] as const) {
    const store = temporaryStore();
    const harness = await movingHarness({ store });
    const redrive = { deadLetterQueue: addressOf("dead").name, receiveCountMax: 1 };
    await harness.createQueue("bills", { redrive });
    for (const queue of ["orders", "bills", "orders", "bills"]) {
      await harness.send(queue, queue);
      await harness.receiveAll(queue, { visibilityTimeoutMs: 0 });
      await harness.receiveAll(queue);
    }
    const prefix = await prefixOf(harness, "orders");
    await spoil(store, spoiled === "queue" ? queueKey("default", "orders") : countersKey(prefix));
    await harness.restart();
    const id = await startMove(harness, { destination: undefined });
    await stepsToEnd(harness, id);
    expect(await taskOf(harness, id)).toMatchObject({ moved: 2, skipped: 2 });
    expect(await namesIn(harness, "bills")).toEqual(["bills", "bills"]);
    expect(await namesIn(harness, "dead")).toEqual(["orders", "orders"]);
  }
});

test("a task whose order cannot be read has failed, and another may be started", async () => {
  const store = temporaryStore();
  const harness = await movingHarness({ store });
  await harness.send("dead", "a");
  const id = await startMove(harness);
  await spoil(store, moveOrderKey(id));
  expect(await step(harness, id)).toEqual({ movedCount: 0, next: { kind: "ended" } });
  expect((await taskOf(harness, id)).state).toMatchObject({
    kind: "failed",
    reason: "RECORD_CORRUPT",
  });
  const other = await startMove(harness);
  expect(await stepsToEnd(harness, other)).toEqual([1]);
  expect((await listMoves(harness)).map(({ task }) => task.number)).toEqual([other.number]);
});

test("a source that is deleted takes its tasks with it, however many", async () => {
  const harness = await movingHarness();
  for (let count = 0; count < limits.moveTasksKept + 3; count += 1) {
    await stepsToEnd(harness, await startMove(harness));
  }
  await harness.send("dead", "a");
  const id = await startMove(harness);
  expect(await listMoves(harness)).toHaveLength(limits.moveTasksKept + 1);
  await harness.deleteQueue("dead");
  await harness.createQueue("dead");
  expect(await listMoves(harness)).toEqual([]);
  expect(await step(harness, id)).toEqual({ movedCount: 0, next: { kind: "ended" } });
  await harness.reap();
  await harness.check();
});

test("a destination that was deleted and made again is not the one that was meant", async () => {
  const harness = await movingHarness();
  await harness.send("dead", "a");
  const id = await startMove(harness);
  await harness.deleteQueue("orders");
  await harness.createQueue("orders");
  await step(harness, id);
  expect((await taskOf(harness, id)).state).toMatchObject({
    kind: "failed",
    reason: "DESTINATION_NOT_FOUND",
  });
  expect(await namesIn(harness, "dead")).toEqual(["a"]);
});

test("the end of a time to live stays where it was", async () => {
  const harness = await movingHarness();
  await harness.send("dead", { body: "a", timeToLiveMs: hours(2) });
  harness.clock.advanceAtOnce(hours(1));
  await stepsToEnd(harness, await startMove(harness));
  harness.clock.advanceAtOnce(hours(1) - 1);
  expect((await harness.report("orders"))?.counters.stored).toBe(1);
  harness.clock.advanceAtOnce(1);
  expect((await harness.report("orders"))?.counters).toMatchObject({ stored: 0, expired: 1 });
});

test("the tasks that run are found in pages, each once", async () => {
  const harness = await movingHarness();
  await harness.createQueue("grave");
  const redrive = { deadLetterQueue: addressOf("grave").name, receiveCountMax: 1 };
  await harness.createQueue("bills", { redrive });
  await stepsToEnd(harness, await startMove(harness));
  const running = [
    await startMove(harness),
    await startMove(harness, { source: "grave", destination: "bills" }),
  ];
  for (const countMax of [1, 2, 3, 4]) {
    const found: MoveTaskId[] = [];
    let after: MoveTaskId | undefined;
    for (let page = 0; page < 10; page += 1) {
      const decision = await harness.run("FindMoves", (transaction) =>
        decideFindMoves(transaction, { after, countMax }),
      );
      if (decision.kind === "rejected") throw new Error("Nothing is refused here.");
      found.push(...decision.outcome.running);
      after = decision.outcome.last;
      if (after === undefined) break;
    }
    expect(found).toEqual(running);
  }
});
