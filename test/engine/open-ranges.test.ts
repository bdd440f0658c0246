// A range that is read half and left open keeps a reader of the store: pages freed since are not reused, and after some
// hundred of them nothing can be read any more. Found by receiving from a deep queue.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "../../src/store/environment.js";
import { EngineHarness } from "../support/engine-harness.js";

test("a receive that takes fewer messages than there are leaves no range open", async () => {
  const harness = await EngineHarness.start();
  await harness.createQueue("orders");
  await harness.send("orders", "1", "2", "3", "4", "5");
  const [first] = await harness.receiveAll("orders", { countMax: 1, visibilityTimeoutMs: 1_000 });
  expect(first?.body).toBe("1");
  expect(harness.store.openRangeCount).toBe(0);
  await harness.clock.advance(1_000);
  // One that has returned and fresh ones behind it: both orders are read.
  expect(await harness.receiveAll("orders", { countMax: 1 })).toMatchObject([{ body: "1" }]);
  expect(harness.store.openRangeCount).toBe(0);
});

test("hundreds of small receives from a deep queue never run out of readers", async () => {
  const directory = mkdtempSync(join(tmpdir(), "forebay-ranges-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const store = openStore({ directory, mapSizeBytes: 2 ** 30, freshSecret: Buffer.alloc(32) });
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  for (let batch = 0; batch < 60; batch += 1) {
    await harness.send("orders", ...Array.from({ length: 10 }, (_, at) => `${batch}-${at}`));
  }
  for (let taken = 0; taken < 300; taken += 1) {
    expect(await harness.receiveAll("orders", { countMax: 1 })).toHaveLength(1);
  }
  await harness.check();
  await harness.stop();
});
