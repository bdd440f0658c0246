// A queue that is its own dead-letter queue: what a receive sends to the back is there for the next receive, and for one that
// waits it is there at once (queue.md 3.7 and 3.4.1).

import { expect, test } from "vitest";
import type { QueueName } from "../../src/base/brands.js";
import { EngineHarness } from "../support/engine-harness.js";

/** A queue whose one message was delivered as often as its policy allows, and is visible. */
async function overLimit(name: string): Promise<EngineHarness> {
  const harness = await EngineHarness.start();
  await harness.createQueue(name);
  const redrive = { deadLetterQueue: name as QueueName, receiveCountMax: 1 };
  await harness.setSettings(name, { redrive });
  const fifo = name.endsWith(".fifo") ? { groupId: "g", dedupId: "1" } : {};
  await harness.send(name, { body: "again", ...fifo });
  expect(await harness.receiveAll(name, { visibilityTimeoutMs: 0 })).toHaveLength(1);
  return harness;
}

for (const name of ["orders", "orders.fifo"]) {
  test(`${name}: a call that does not wait sends the message to the back, for the next one`, async () => {
    const harness = await overLimit(name);
    expect(await harness.receiveAll(name)).toEqual([]);
    expect(await harness.receiveAll(name)).toMatchObject([{ body: "again", receiveCount: 1 }]);
    expect(await harness.report(name)).toMatchObject({
      counters: { stored: 1, inFlight: 1, deadLettered: 1, arrived: 1 },
    });
    await harness.check();
  });

  test(`${name}: a call that waits gets it at once, not at the end of its wait`, async () => {
    const harness = await overLimit(name);
    const waiting = harness.receiveOrWait(name, { waitMs: 20_000 });
    const got = await Promise.race([
      waiting.received,
      harness.clock.advance(1_000).then(() => "still waiting"),
    ]);
    expect(got).toMatchObject({ messages: [{ body: "again" }] });
  });
}

test("between two queues that are each other's a message goes to and fro only as long as it is received", async () => {
  const harness = await EngineHarness.start();
  const [left, right] = ["left" as QueueName, "right" as QueueName];
  await harness.createQueue(left);
  await harness.createQueue(right);
  await harness.setSettings(left, { redrive: { deadLetterQueue: right, receiveCountMax: 1 } });
  await harness.setSettings(right, { redrive: { deadLetterQueue: left, receiveCountMax: 1 } });
  // Nobody keeps it, so it is over the limit for the next in the same line.
  const wait = (name: string) =>
    harness.receiveOrWait(name, { waitMs: 20_000, visibilityTimeoutMs: 0 });
  const [first, second, third] = [wait(left), wait(left), wait(right)];
  wait(right);
  await harness.clock.advance(0);
  await harness.send(left, "ball");
  // The first takes it, the second passes it on, the third takes it, the fourth passes it back to the second.
  for (const { received } of [first, third, second]) {
    expect(await received).toMatchObject({ messages: [{ body: "ball", receiveCount: 1 }] });
  }
  expect(harness.engine.waiterCount).toBe(1);
  expect(await harness.report(left)).toMatchObject({ counters: { stored: 1, deadLettered: 1 } });
  expect(await harness.report(right)).toMatchObject({ counters: { stored: 0, deadLettered: 1 } });
  await harness.check();
});
