// Settings that change while messages stand in lines made under the old ones, and leases that are cut while others wait.

import { expect, test } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import { limits } from "../../src/queue/limits.js";
import { decideReceiveMessages } from "../../src/queue/receive-messages.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";

const minute = 60_000;

const inGroups = (count: number, name: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => ({ body: `${name(at)}${at}`, groupId: name(at) }));

/** Groups under the limit after a single decision that finds nothing. */
async function limitedAfterOneLook(
  harness: EngineHarness,
  queue: string,
): Promise<number | undefined> {
  const address = addressOf(queue);
  await harness.run("ReceiveMessage", (transaction, stamp) => {
    const number = transaction.findQueue(address.namespace, address.name)?.number;
    if (number === undefined) throw new Error("The queue is gone.");
    const bounds = { countMax: 10, bytesMax: 1_000, visibilityTimeoutMs: undefined };
    const command = { address, ...bounds, isShortPoll: true };
    expect(decideReceiveMessages(transaction, command, stamp, number).kind).toBe("nothing_yet");
    return { kind: "accepted", outcome: undefined };
  });
  return (await harness.report(queue))?.counters.limitedGroups;
}

test("a raised limit frees a group at once, also behind one with more in flight than it allows", async () => {
  const harness = await EngineHarness.start();
  await harness.createQueue("orders", { groupInFlightMax: 100 });
  await harness.send("orders", ...inGroups(6, () => "a"));
  const held = { countMax: 5, visibilityTimeoutMs: 10 * minute };
  expect(await harness.receiveAll("orders", held)).toHaveLength(5);
  await harness.send("orders", ...inGroups(3, () => "b"));
  await harness.setSettings("orders", { groupInFlightMax: 1 });
  expect(await harness.receiveAll("orders", held)).toMatchObject([{ body: "b0" }]);
  expect(await harness.receiveAll("orders", held)).toEqual([]);
  await harness.setSettings("orders", { groupInFlightMax: 3 });
  const got = await harness.receiveAll("orders", held);
  expect(got.map(({ body }) => body)).toEqual(["b1", "b2"]);
  await harness.check();
});

for (const queue of ["orders", "orders.fifo"]) {
  test(`${queue}: one decision puts a bounded number of groups under a limit that was lowered`, async () => {
    const harness = await EngineHarness.start();
    const count = limits.settleMax + 200;
    await harness.createQueue(queue, { groupInFlightMax: 2 });
    // Of each group the first is visible again, the second in flight.
    const sent = inGroups(2 * count, (at) => `g${at % count}`);
    const isFifo = queue.endsWith(".fifo");
    await harness.send(
      queue,
      ...sent.map((each) => ({ ...each, ...(isFifo && { dedupId: each.body }) })),
    );
    const held = { countMax: 2 * count, visibilityTimeoutMs: 10 * minute };
    const got = await harness.receiveAll(queue, held);
    expect(got).toHaveLength(2 * count);
    const isFirst = new Set(sent.slice(0, count).map(({ body }) => body));
    const firsts = got.filter(({ body }) => isFirst.has(body));
    await harness.changeVisibility(
      queue,
      firsts.map(({ receipt }) => ({ receipt, timeoutMs: 0 })),
    );
    await harness.setSettings(queue, { groupInFlightMax: 1 });
    expect(await limitedAfterOneLook(harness, queue)).toBe(limits.settleMax);
    expect(await limitedAfterOneLook(harness, queue)).toBe(count);
    expect(await harness.receiveAll(queue)).toEqual([]);
    await harness.check();
  });
}

test("after a shorter retention the store is whole before anybody has looked for what it ended", async () => {
  const harness = await EngineHarness.start();
  await harness.createQueue("orders", { retentionMs: milliseconds(10 * minute) });
  await harness.send("orders", "1");
  harness.clock.advanceAtOnce(5 * minute);
  await harness.setSettings("orders", { retentionMs: milliseconds(minute) });
  await harness.check();
  expect(await harness.receiveAll("orders")).toEqual([]);
  expect(await harness.report("orders")).toMatchObject({ counters: { stored: 0, expired: 1 } });
});

test("a repeated attempt with a shorter timeout is known to those who wait for its lease to end", async () => {
  const harness = await EngineHarness.start();
  const queue = "orders.fifo";
  await harness.createQueue(queue);
  await harness.send(queue, { body: "1", groupId: "g", dedupId: "1" });
  await harness.receiveAll(queue, { visibilityTimeoutMs: 30_000, attemptId: "first" });
  const waiting = harness.receiveOrWait(queue, { waitMs: 20_000 });
  await harness.clock.advance(0);
  const again = { visibilityTimeoutMs: 1_000, attemptId: "first" };
  expect(await harness.receiveAll(queue, again)).toHaveLength(1);
  const got = await Promise.race([
    waiting.received,
    harness.clock.advance(1_000).then(() => "still waiting"),
  ]);
  expect(got).toMatchObject({ messages: [{ body: "1", receiveCount: 2 }] });
});
