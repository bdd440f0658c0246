// Corners of the queue's rules that random calls found or that a reviewer would ask for first: what has expired is gone for
// everybody at its instant, swept or not, and giving a receive back twice gives it back once.

import { expect, test } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import type { Receipt } from "../../src/queue/receipt.js";
import { receiveResultCodec } from "../../src/queue/receive-messages.js";
import type { MessagesReceived } from "../../src/queue/received.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";

const minute = 60_000;

async function queueOf(
  settings: Parameters<EngineHarness["createQueue"]>[1],
  ...bodies: string[]
): Promise<EngineHarness> {
  const harness = await EngineHarness.start();
  await harness.createQueue("orders", settings);
  await harness.send("orders", ...bodies);
  return harness;
}

const oneMinute = { retentionMs: milliseconds(minute) };

test("a message that has expired is already gone for a delete, before any sweep", async () => {
  const harness = await queueOf(oneMinute, "1");
  const [got] = await harness.receiveAll("orders", { visibilityTimeoutMs: 10 * minute });
  harness.clock.advanceAtOnce(minute);
  const deleted = await harness.deleteMessages("orders", [got?.receipt]);
  expect(deleted).toEqual({ kind: "accepted", outcome: [{ kind: "already_gone" }] });
  expect(await harness.report("orders")).toMatchObject({
    counters: { stored: 0, deleted: 0, expired: 1 },
  });
  await harness.check();
});

test("a millisecond before it expires a message is deleted as any other", async () => {
  const harness = await queueOf(oneMinute, "1");
  const [got] = await harness.receiveAll("orders", { visibilityTimeoutMs: 10 * minute });
  harness.clock.advanceAtOnce(minute - 1);
  const deleted = await harness.deleteMessages("orders", [got?.receipt]);
  expect(deleted).toEqual({ kind: "accepted", outcome: [{ kind: "deleted" }] });
});

test("leases of messages that have expired leave room under the in-flight limit, before any sweep", async () => {
  const harness = await queueOf({ ...oneMinute, inFlightMax: 2 }, "1", "2");
  expect(await harness.receiveAll("orders", { visibilityTimeoutMs: 10 * minute })).toHaveLength(2);
  expect(await harness.receive("orders")).toMatchObject({ rejection: { kind: "in_flight_limit" } });
  harness.clock.advanceAtOnce(minute);
  await harness.send("orders", "3", "4", "5");
  const got = await harness.receiveAll("orders", { visibilityTimeoutMs: 10 * minute });
  expect(got.map(({ body }) => body)).toEqual(["3", "4"]);
  await harness.check();
});

test("a longer retention brings no expired message back", async () => {
  const harness = await queueOf(oneMinute, "1");
  harness.clock.advanceAtOnce(minute);
  await harness.setSettings("orders", { retentionMs: milliseconds(10 * minute) });
  expect(await harness.receiveAll("orders")).toEqual([]);
  expect(await harness.report("orders")).toMatchObject({ counters: { stored: 0, expired: 1 } });
});

test("a receive given back twice is given back once", async () => {
  const harness = await queueOf({}, "1");
  const received = await harness.receive("orders");
  if (received.kind === "rejected" || received.raw === undefined) throw new Error("Nothing came.");
  expect(await harness.undo("orders", received.raw)).toBe(1);
  expect(await harness.undo("orders", received.raw)).toBe(0);
  expect(await harness.report("orders")).toMatchObject({
    counters: { received: 0, inFlight: 0, stored: 1 },
  });
  expect(await harness.receiveAll("orders")).toMatchObject([{ body: "1", receiveCount: 1 }]);
});

/** What a repeated receive finds under its request id. */
async function replay(
  harness: EngineHarness,
  outcome: MessagesReceived,
): Promise<MessagesReceived> {
  let replayed: MessagesReceived | undefined;
  await harness.run("ReceiveMessage", (transaction, stamp) => {
    const codec = receiveResultCodec(transaction, addressOf("orders"), stamp.now);
    replayed = codec.decode(codec.encode(outcome));
    return { kind: "accepted", outcome: undefined };
  });
  if (replayed === undefined) throw new Error("The queue is gone.");
  return replayed;
}

async function receiveRaw(harness: EngineHarness): Promise<MessagesReceived> {
  const received = await harness.receive("orders", { visibilityTimeoutMs: 10 * minute });
  if (received.kind === "rejected" || received.raw === undefined) throw new Error("Nothing came.");
  return received.raw;
}

test("a repeated receive that is given back leaves the receives before it counted", async () => {
  const harness = await queueOf({}, "1");
  await harness.receiveAll("orders", { visibilityTimeoutMs: 0 });
  const replayed = await replay(harness, await receiveRaw(harness));
  expect(replayed.messages).toMatchObject([{ delivery: { receiveCount: 2 } }]);
  await harness.undo("orders", replayed);
  expect(await harness.receiveAll("orders")).toMatchObject([{ body: "1", receiveCount: 2 }]);
  await harness.check();
});

test("a repeated receive returns no message that has expired meanwhile", async () => {
  const harness = await queueOf(oneMinute, "1");
  const raw = await receiveRaw(harness);
  harness.clock.advanceAtOnce(minute - 1);
  expect((await replay(harness, raw)).messages).toHaveLength(1);
  harness.clock.advanceAtOnce(1);
  expect((await replay(harness, raw)).messages).toEqual([]);
});

test("a handle of a purged or recreated queue deletes nothing", async () => {
  const harness = await queueOf({}, "1");
  const [old] = await harness.receiveAll("orders");
  await harness.purgeQueue("orders");
  await harness.send("orders", "2");
  const handles: (Receipt | undefined)[] = [old?.receipt];
  expect(await harness.deleteMessages("orders", handles)).toMatchObject({
    outcome: [{ kind: "already_gone" }],
  });
  await harness.deleteQueue("orders");
  await harness.createQueue("orders");
  await harness.send("orders", "3");
  expect(await harness.deleteMessages("orders", handles)).toMatchObject({
    outcome: [{ kind: "refused", rejection: { kind: "receipt_handle_invalid" } }],
  });
  expect(await harness.report("orders")).toMatchObject({ counters: { stored: 1, deleted: 0 } });
});

test("a receive that finds only expired messages at first goes on to those behind", async () => {
  const harness = await queueOf(oneMinute);
  for (let batch = 0; batch < 250; batch += 1) {
    await harness.send("orders", ...Array.from({ length: 10 }, (_, at) => `${batch}-${at}`));
  }
  harness.clock.advanceAtOnce(minute);
  await harness.send("orders", "young");
  const waiting = harness.receiveOrWait("orders", { waitMs: 1_000 });
  await harness.clock.advance(0);
  // At once, not after the second it would wait, and not after the next sweep.
  const received = await Promise.race([
    waiting.received,
    harness.clock.advance(0).then(() => "still waiting"),
  ]);
  expect(received).toMatchObject({ messages: [{ body: "young" }] });
});

test("a call that does not wait finds a message behind more expired ones than one step removes", async () => {
  const harness = await queueOf(oneMinute);
  for (let batch = 0; batch < 25; batch += 1) {
    await harness.send("orders", ...Array.from({ length: 10 }, (_, at) => `${batch}-${at}`));
  }
  harness.clock.advanceAtOnce(minute);
  await harness.send("orders", "young");
  expect(await harness.receiveAll("orders")).toMatchObject([{ body: "young" }]);
  await harness.check();
});

test("many delayed messages in front do not hold up a receive, nor take it long at once", async () => {
  const harness = await queueOf({}, "first");
  for (let batch = 0; batch < 30; batch += 1) {
    await harness.send(
      "orders",
      ...Array.from({ length: 1_000 }, (_, at) => ({
        body: `${batch}-${at}`,
        delayMs: 10 * minute,
      })),
    );
  }
  await harness.send("orders", "last");
  expect(await harness.receiveAll("orders", { countMax: 1 })).toMatchObject([{ body: "first" }]);
  const waiting = harness.receiveOrWait("orders", { waitMs: 1_000 });
  await harness.clock.advance(0);
  const received = await Promise.race([
    waiting.received,
    harness.clock.advance(0).then(() => "still waiting"),
  ]);
  expect(received).toMatchObject({ messages: [{ body: "last" }] });
});
