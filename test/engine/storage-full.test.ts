// A disk that is full at the moment of a commit, over a store in memory that fails on demand: what would grow is refused with
// nothing of it kept, what does not grow is decided anew and goes on, and nobody hears of what was dropped.

import { expect, test } from "vitest";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";

const someTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
};

async function queueWith(...bodies: string[]) {
  const store = new MemoryStore();
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  if (bodies.length > 0) await harness.send("orders", ...bodies);
  return { store, harness };
}

const full = { kind: "storage_full" };

test("of a record that found no room the sends are refused, and receives and deletes are decided anew", async () => {
  const { store, harness } = await queueWith("1", "2");
  const [first] = await harness.receiveAll("orders", { countMax: 1 });
  store.mode = "held";
  const sent = harness.send("orders", "3");
  const deleted = harness.deleteMessages("orders", [first?.receipt]);
  const received = harness.receive("orders");
  const refused = expect(sent).rejects.toMatchObject(full);
  await someTurns();
  store.mode = "full";
  store.release();
  await Promise.resolve();
  await Promise.resolve();
  store.mode = "at once";
  await refused;
  expect(await deleted).toEqual({ kind: "accepted", outcome: [{ kind: "deleted" }] });
  // Not 3, although the receive had seen it.
  expect(await received).toMatchObject({ messages: [{ body: "2", receiveCount: 1 }] });
  expect(await harness.report("orders")).toMatchObject({
    counters: { stored: 1, sent: 2, deleted: 1 },
  });
  expect(harness.fullness).toEqual([true]);
  await harness.check();
});

test("a queue whose creation was dropped is unknown, to the cache too", async () => {
  const { store, harness } = await queueWith();
  store.mode = "full";
  await expect(harness.createQueue("other")).rejects.toMatchObject(full);
  store.mode = "at once";
  expect(await harness.report("other")).toBeUndefined();
  await harness.clock.advance(1_000);
  expect(await harness.createQueue("other")).toEqual({
    kind: "accepted",
    outcome: { isNew: true },
  });
  await harness.check();
});

test("those who had been given a message that was dropped wait again, in the order they came", async () => {
  const { store, harness } = await queueWith();
  const early = harness.receiveOrWait("orders", { countMax: 1, waitMs: 20_000 });
  const late = harness.receiveOrWait("orders", { countMax: 1, waitMs: 20_000 });
  store.mode = "full";
  await expect(harness.send("orders", "dropped", "dropped too")).rejects.toMatchObject(full);
  store.mode = "at once";
  const latest = harness.receiveOrWait("orders", { countMax: 1, waitMs: 20_000 });
  expect(harness.engine.waiterCount).toBe(3);
  await harness.clock.advance(1_000);
  await harness.send("orders", "1");
  expect(await early.received).toMatchObject({ messages: [{ body: "1" }] });
  await harness.send("orders", "2", "3");
  expect(await late.received).toMatchObject({ messages: [{ body: "2" }] });
  expect(await latest.received).toMatchObject({ messages: [{ body: "3" }] });
  await harness.check();
});

test("a wait that was dropped ends when it would have ended", async () => {
  const { store, harness } = await queueWith();
  const waiting = harness.receiveOrWait("orders", { waitMs: 5_000 });
  await harness.clock.advance(2_000);
  store.mode = "full";
  await expect(harness.send("orders", "dropped")).rejects.toMatchObject(full);
  store.mode = "at once";
  await harness.clock.advance(2_999);
  expect(harness.engine.waiterCount).toBe(1);
  await harness.clock.advance(1);
  expect(await waiting.received).toMatchObject({ kind: "received", messages: [] });
});

test("a disk that has no room even for deletes and receives refuses them, and keeps what there was", async () => {
  const { store, harness } = await queueWith("1", "2");
  const [first] = await harness.receiveAll("orders", { countMax: 1 });
  store.mode = "full";
  await expect(harness.deleteMessages("orders", [first?.receipt])).rejects.toMatchObject(full);
  await expect(harness.receive("orders")).rejects.toMatchObject(full);
  await expect(harness.receiveOrWait("orders", { waitMs: 20_000 }).received).rejects.toMatchObject(
    full,
  );
  expect(harness.engine.pendingCount).toBe(0);
  store.mode = "at once";
  expect(await harness.deleteMessages("orders", [first?.receipt])).toMatchObject({
    outcome: [{ kind: "deleted" }],
  });
  expect(await harness.receiveAll("orders")).toMatchObject([{ body: "2", receiveCount: 1 }]);
  await harness.check();
});

test("below the reserve sends are refused before any effect, and work again by themselves when there is room", async () => {
  const { store, harness } = await queueWith("1");
  store.availableBytes = 999_999;
  await harness.clock.advance(1_000);
  const commits = store.commitCount;
  await expect(harness.send("orders", "2")).rejects.toMatchObject({ ...full, retryAfterMs: 1_000 });
  expect(store.commitCount).toBe(commits);
  expect(await harness.receiveAll("orders")).toMatchObject([{ body: "1" }]);
  store.availableBytes = 1_000_000;
  await harness.clock.advance(1_000);
  expect(await harness.send("orders", "2")).toMatchObject({ outcome: [{ kind: "sent" }] });
  expect(harness.fullness).toEqual([true, false]);
});

test("commands decided while a record finds no room are dropped with it and decided anew after it, in order", async () => {
  const { store, harness } = await queueWith("1", "2", "3");
  store.mode = "held";
  const first = harness.receive("orders", { countMax: 1 });
  await someTurns();
  // In the record after the one in flight.
  const second = harness.receive("orders", { countMax: 1 });
  const sent = expect(harness.send("orders", "4")).rejects.toMatchObject(full);
  await someTurns();
  store.mode = "full";
  store.release();
  await Promise.resolve();
  await Promise.resolve();
  store.mode = "at once";
  await sent;
  expect(await first).toMatchObject({ messages: [{ body: "1" }] });
  expect(await second).toMatchObject({ messages: [{ body: "2" }] });
  await harness.check();
});

test("any other failure of a commit ends it all: nobody is answered, and the engine says so once", async () => {
  const { store, harness } = await queueWith("1");
  store.mode = { fails: new Error("the disk is broken") };
  await expect(harness.send("orders", "2")).rejects.toThrow("the disk is broken");
  expect(harness.failures).toMatchObject([{ message: "the disk is broken" }]);
  await expect(
    harness.engine.execute({
      name: "Late",
      bytes: 0,
      isGrowing: false,
      decide: () => ({ kind: "accepted", outcome: 1 }),
    }),
  ).rejects.toMatchObject({ kind: "shutting_down" });
});
