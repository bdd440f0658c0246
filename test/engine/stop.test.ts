// Stopping: whatever the engine has begun with the store is over when it says it has stopped, since the store is closed next.

import { expect, test } from "vitest";
import type { StoreSpace } from "../../src/store/store.js";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";

/** A store whose disk takes its time to answer, and which must not be asked once it is closed. */
class SlowlyAskedStore extends MemoryStore {
  #answer: (() => void) | undefined;
  isSlow = false;
  #isClosed = false;

  override async space(): Promise<StoreSpace> {
    if (this.isSlow) {
      await new Promise<void>((resolve) => {
        this.#answer = resolve;
      });
    }
    if (this.#isClosed) throw new Error("The store is closed.");
    return await super.space();
  }

  answer(): void {
    this.#answer?.();
  }

  override async close(): Promise<void> {
    await super.close();
    this.#isClosed = true;
  }
}

const someTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
};

test("a stop waits for a look at the disk that is under way", async () => {
  const store = new SlowlyAskedStore();
  const harness = await EngineHarness.start({ store });
  store.isSlow = true;
  harness.clock.advanceAtOnce(1_000);
  const stopped = harness.stop();
  await someTurns();
  store.answer();
  await stopped;
  await someTurns();
  expect(harness.failures).toEqual([]);
});

test("a stop waits for what a full disk has dropped to be decided anew", async () => {
  const store = new SlowlyAskedStore();
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  await harness.send("orders", "1");
  const [got] = await harness.receiveAll("orders");
  store.mode = "full";
  store.isSlow = true;
  const deleted = harness.deleteMessages("orders", [got?.receipt]);
  await someTurns();
  const stopped = harness.stop();
  await someTurns();
  store.mode = "at once";
  store.isSlow = false;
  store.answer();
  await stopped;
  expect(await deleted).toEqual({ kind: "accepted", outcome: [{ kind: "deleted" }] });
  expect(harness.failures).toEqual([]);
});

test("a stop ends waits with nothing, answers what was decided, and refuses what comes later", async () => {
  const harness = await EngineHarness.start();
  await harness.createQueue("orders");
  const waiting = harness.receiveOrWait("orders", { waitMs: 20_000 });
  const other = harness.createQueue("other");
  const stopped = harness.stop();
  await expect(harness.send("orders", "1")).rejects.toMatchObject({ kind: "shutting_down" });
  expect(await waiting.received).toMatchObject({ kind: "received", messages: [] });
  expect(await other).toMatchObject({ kind: "accepted" });
  await stopped;
});
