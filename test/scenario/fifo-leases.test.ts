// Leases of a FIFO queue: what a receipt handle may still do, row by row, and whose lease is whose (Q54).

import { expect, test } from "vitest";
import { DeleteOutcome } from "../../src/gen/forebay/queue/v1/message.js";
import type { CallError } from "../support/call-error.js";
import {
  bodiesOf,
  durationOf,
  fifoScenario,
  handlesOf,
  type Scenario,
} from "../support/scenario.js";

const expired = { code: "FAILED_PRECONDITION", reason: "RECEIPT_HANDLE_EXPIRED" };
const notInFlight = { code: "FAILED_PRECONDITION", reason: "MESSAGE_NOT_IN_FLIGHT" };
const notFound = { code: "NOT_FOUND", reason: "MESSAGE_NOT_FOUND" };
const invalid = { code: "INVALID_ARGUMENT", reason: "RECEIPT_HANDLE_INVALID" };
const hour = 3_600_000;

const start = async (): Promise<Scenario> => {
  const t = await fifoScenario({ visibilityTimeoutMs: 10_000 });
  await t.send("work", { groupId: "g" });
  return t;
};

test("current lease: it is changed and its message deleted, until the instant it ends", async () => {
  const t = await start();
  const { handle } = await t.receiveOne();
  await t.advance(9_999);
  expect(await t.changeVisibility(handle, 20_000)).toBe(t.now + 20_000);
  await t.leap(19_999);
  expect(await t.delete(handle)).toBe("DELETED");
  expect(await t.counts()).toBe("0/0/0");
});

test("Q54 a handle past its lease does not delete: the message stays and is delivered again", async () => {
  for (const isSettled of [true, false]) {
    const t = await start();
    const { handle } = await t.receiveOne();
    const leaseEnd = t.now + 10_000;
    if (isSettled) await t.advance(10_000);
    else await t.leap(10_000);
    await t.leap(5);
    const error = await t.delete(handle).catch((thrown: CallError) => thrown);
    expect(error).toMatchObject({ ...expired, metadata: { queue: t.queue } });
    // When the lease ended, and what time it is for the server.
    const told = Object.values((error as CallError).metadata);
    expect(told).toContain(String(leaseEnd));
    expect(told).toContain(String(t.now));
    expect(await t.counts()).toBe("1/0/0");
    expect(await t.receiveOne()).toMatchObject({ body: "work", receiveCount: 2 });
  }
});

test("lease ran out and not received since: there is nothing to change, and the message stays visible", async () => {
  const t = await start();
  const { handle } = await t.receiveOne();
  await t.advance(10_000);
  for (const timeoutMs of [0, 20_000]) {
    await expect(t.changeVisibility(handle, timeoutMs)).rejects.toMatchObject(notInFlight);
  }
  expect(await t.peek()).toEqual(["visible work x1"]);
});

test("a lease ended by hand has ended: its handle deletes no more", async () => {
  const t = await start();
  const { handle } = await t.receiveOne();
  await t.changeVisibility(handle, 0);
  await expect(t.delete(handle)).rejects.toMatchObject(expired);
  await expect(t.changeVisibility(handle, 10_000)).rejects.toMatchObject(notInFlight);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
});

test("received again since: the older handle is refused, the newest acts", async () => {
  const t = await start();
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  const { handle: newest } = await t.receiveOne();
  expect(newest).not.toBe(older);
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  for (const timeoutMs of [0, 20_000]) {
    await expect(t.changeVisibility(older, timeoutMs)).rejects.toMatchObject(expired);
  }
  expect(await t.counts()).toBe("0/1/0");
  expect(await t.changeVisibility(newest, 20_000)).toBe(t.now + 20_000);
  expect(await t.delete(newest)).toBe("DELETED");
});

test("received again since and visible once more: neither handle deletes", async () => {
  const t = await start();
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  const { handle: newest } = await t.receiveOne();
  await t.advance(10_000);
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  await expect(t.delete(newest)).rejects.toMatchObject(expired);
  await expect(t.changeVisibility(older, 1_000)).rejects.toMatchObject(expired);
  await expect(t.changeVisibility(newest, 1_000)).rejects.toMatchObject(notInFlight);
  expect(await t.counts()).toBe("1/0/0");
});

test("a lenient receipt policy does not loosen a FIFO queue", async () => {
  const t = await start();
  await t.setQueue({ receiptPolicy: "lenient" });
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  await t.receiveOne();
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  await expect(t.changeVisibility(older, 0)).rejects.toMatchObject(expired);
});

const ends: [string, (t: Scenario, handle: string) => Promise<unknown>][] = [
  ["deleted", (t, handle) => t.delete(handle)],
  ["expired", (t) => t.advance(60_000)],
  ["expired and not yet swept away", (t) => t.leap(60_000)],
  ["purged", (t) => t.purge()],
];

test.each(ends)("%s: deleting is OK any number of times, and there is no lease", async (_, end) => {
  const t = await fifoScenario({ retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.send("work", { groupId: "g" });
  const { handle } = await t.receiveOne();
  await end(t, handle);
  for (let again = 0; again < 3; again += 1) expect(await t.delete(handle)).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject(notFound);
  await expect(t.changeVisibility(handle, 10_000)).rejects.toMatchObject(notFound);
  expect(await t.counts()).toBe("0/0/0");
});

test("also a handle that was superseded is gone with its message", async () => {
  const t = await start();
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  const { handle: newest } = await t.receiveOne();
  await t.delete(newest);
  expect(await t.delete(older)).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(older, 0)).rejects.toMatchObject(notFound);
});

test("garbage, handles of another queue and of an earlier one of the name are invalid", async () => {
  const t = await start();
  await t.createQueue("other.fifo", { type: "fifo", contentBasedDeduplication: true });
  await t.createQueue("standard");
  await t.send("elsewhere", { queue: "other.fifo", groupId: "g" });
  await t.send("elsewhere", { queue: "standard" });
  const { handle: own } = await t.receiveOne();
  const { handle: other } = await t.receiveOne({ queue: "other.fifo" });
  const { handle: standard } = await t.receiveOne({ queue: "standard" });
  for (const bad of ["garbage", other, standard, `${own}A`]) {
    await expect(t.delete(bad)).rejects.toMatchObject(invalid);
    await expect(t.changeVisibility(bad, 0)).rejects.toMatchObject(invalid);
  }
  await expect(t.delete(own, "standard")).rejects.toMatchObject(invalid);
  await t.deleteQueue();
  await t.createQueue(t.queue, { type: "fifo", contentBasedDeduplication: true });
  await t.send("work", { groupId: "g" });
  await expect(t.delete(own)).rejects.toMatchObject(invalid);
  await expect(t.changeVisibility(own, 0)).rejects.toMatchObject(invalid);
});

test("batches of deletes and of changes judge each handle of a FIFO queue by itself", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 10_000 });
  for (const body of ["lapsed", "superseded", "live", "deleted"]) {
    await t.send(body, { groupId: body });
  }
  const handles = new Map<string, string>();
  for (const { body, handle } of await t.receive({ max: 10 })) handles.set(body, handle);
  await t.delete(handles.get("deleted") ?? "");
  await t.changeVisibility(handles.get("live") ?? "", 60_000);
  await t.changeVisibility(handles.get("superseded") ?? "", 0);
  expect(bodiesOf(await t.receive({ visibilityTimeoutMs: 60_000 }))).toEqual(["superseded"]);
  await t.advance(10_000);
  const entries = [...handles].map(([id, receiptHandle]) => ({
    id,
    receiptHandle,
    visibilityTimeout: durationOf(20_000),
  }));
  const byId = (results: readonly { id: string; reason?: string }[]) =>
    Object.fromEntries(results.map(({ id, reason }) => [id, reason]));
  const changes = await t.call("changeMessageVisibilityBatch", { queue: t.queue, entries });
  expect(changes.successful.map(({ id }) => id)).toEqual(["live"]);
  expect(byId(changes.failed)).toEqual({
    lapsed: "MESSAGE_NOT_IN_FLIGHT",
    superseded: "RECEIPT_HANDLE_EXPIRED",
    deleted: "MESSAGE_NOT_FOUND",
  });
  const deletes = await t.call("deleteMessageBatch", { queue: t.queue, entries });
  expect(Object.fromEntries(deletes.successful.map(({ id, outcome }) => [id, outcome]))).toEqual({
    live: DeleteOutcome.DELETED,
    deleted: DeleteOutcome.ALREADY_GONE,
  });
  expect(byId(deletes.failed)).toEqual({
    lapsed: "RECEIPT_HANDLE_EXPIRED",
    superseded: "RECEIPT_HANDLE_EXPIRED",
  });
  expect(deletes.failed.map(({ code }) => code)).toEqual([9, 9]);
  expect(await t.counts()).toBe("1/1/0");
});

test("a delete batch of a live, a repeated and a garbage handle has two OK outcomes and one failed", async () => {
  const t = await start();
  const { handle } = await t.receiveOne();
  const { successful, failed } = await t.call("deleteMessageBatch", {
    queue: t.queue,
    entries: [
      { id: "live", receiptHandle: handle },
      { id: "garbage", receiptHandle: "garbage" },
      { id: "again", receiptHandle: handle },
    ],
  });
  expect(successful).toEqual([
    { id: "live", outcome: DeleteOutcome.DELETED },
    { id: "again", outcome: DeleteOutcome.ALREADY_GONE },
  ]);
  expect(failed).toMatchObject([{ id: "garbage", code: 3, reason: "RECEIPT_HANDLE_INVALID" }]);
});

test("Q33 a receive with a timeout of 0 counts and leaves the message at the head of its group", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const first = await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(first).toMatchObject({ body: "a", receiveCount: 1 });
  expect(await t.counters()).toMatchObject({ visible: 2, inFlight: 0, groupsInFlight: 0 });
  const second = await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(second).toMatchObject({ id: first.id, receiveCount: 2 });
  expect(second.handle).not.toBe(first.handle);
});

test("Q35 a lease is the receive's timeout, else the queue's at that moment, and a change is forgotten with it", async () => {
  const t = await start();
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 2_000 });
  await t.setQueue({ visibilityTimeoutMs: 5_000 });
  await t.advance(1_999);
  expect(await t.receive()).toEqual([]);
  await t.changeVisibility(handle, 1_000);
  await t.advance(999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
  await t.advance(4_999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 3 });
});

test("a lease of a FIFO queue ends at most 12 h after its receive", async () => {
  const t = await start();
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 12 * hour });
  await t.skip(2 * hour);
  await expect(t.changeVisibility(handle, 10 * hour + 1)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "VISIBILITY_LIMIT_EXCEEDED",
    metadata: { remaining: "36000s" },
  });
  expect(await t.changeVisibility(handle, 10 * hour)).toBe(t.now + 10 * hour);
});

test("leases of a group end at their instants also while the server is down, and handles outlive it", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 30_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a = "", b = ""] = handlesOf(await t.receive({ max: 2 }));
  await t.advance(10_000);
  await t.crash();
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.delete(a);
  await t.restart();
  await t.advance(19_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.stop();
  await t.clock.skip(1);
  await t.start();
  await expect(t.delete(b)).rejects.toMatchObject(expired);
  const received = await t.receive({ max: 10 });
  expect(received.map(({ body, receiveCount }) => `${body} x${receiveCount}`)).toEqual([
    "b x2",
    "c x1",
  ]);
});
