// Leases: a received message is invisible for its timeout and comes back unless somebody deletes it (Q32 to Q41).

import { expect, test } from "vitest";
import { bodiesOf, scenario } from "../support/scenario.js";

const hour = 3_600_000;

test("Q32 a message that is not deleted in time is received again, with another handle and its count raised", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.send("pay #7");
  const first = await t.receiveOne();
  expect(first).toMatchObject({ body: "pay #7", receiveCount: 1 });
  await t.advance(29_999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  const second = await t.receiveOne();
  expect(second).toMatchObject({ id: first.id, body: "pay #7", receiveCount: 2 });
  expect(second.handle).not.toBe(first.handle);
});

test("Q32 the timeout of the receive wins over that of the queue", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.send("pay #7");
  await t.receive({ visibilityTimeoutMs: 1_000 });
  await t.advance(999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
});

test("a receive says when its lease ends and when the message was received first", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.send("pay #7");
  const sentAt = t.now;
  await t.advance(500);
  const receivedAt = t.now;
  const { message: first } = await t.receiveOne();
  expect(first.visibleTime).toEqual(timestampOf(receivedAt + 30_000));
  expect(first.systemAttributes).toMatchObject({
    senderId: "key:default:dev",
    sendTime: timestampOf(sentAt),
    firstReceiveTime: timestampOf(receivedAt),
    receiveCount: 1,
  });
  await t.advance(30_000);
  const { message: second } = await t.receiveOne();
  expect(second.systemAttributes).toMatchObject({
    sendTime: timestampOf(sentAt),
    firstReceiveTime: timestampOf(receivedAt),
    receiveCount: 2,
  });
});

test("Q33 a receive with a timeout of 0 leaves the message visible, counts, and gives a handle that works", async () => {
  const t = await scenario();
  await t.send("pay #7");
  const first = await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(first.receiveCount).toBe(1);
  expect(await t.counts()).toBe("1/0/0");
  const second = await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(second).toMatchObject({ id: first.id, receiveCount: 2 });
  expect(second.handle).not.toBe(first.handle);
  expect(await t.delete(first.handle)).toBe("DELETED");
  expect(await t.receive()).toEqual([]);
});

test("Q34 a lease renewed each second is nobody else's until two seconds after the last renewal", async () => {
  const t = await scenario();
  await t.send("long work");
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 2_000 });
  for (let renewal = 0; renewal < 4; renewal += 1) {
    await t.advance(1_000);
    expect(await t.receive()).toEqual([]);
    expect(await t.changeVisibility(handle, 2_000)).toBe(t.now + 2_000);
  }
  await t.advance(1_999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(await t.receiveOne()).toMatchObject({ body: "long work", receiveCount: 2 });
});

test("a change replaces what is left of a lease, shorter or longer, and is not added to it", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 60_000 });
  expect(await t.changeVisibility(handle, 10_000)).toBe(t.now + 10_000);
  await t.advance(9_999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive())).toEqual(["work"]);
});

test("Q35 a change is forgotten with its lease: the next receive uses the queue's timeout", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.send("work");
  const { handle } = await t.receiveOne();
  await t.changeVisibility(handle, 5_000);
  await t.advance(5_000);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
  await t.advance(29_999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 3 });
});

test("the queue's timeout does not touch leases that run, and acts on the next receive", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.sendBatch(["a", "b"]);
  await t.receive();
  await t.setQueue({ visibilityTimeoutMs: 5_000 });
  expect(bodiesOf(await t.receive())).toEqual(["b"]);
  await t.advance(5_000);
  expect(bodiesOf(await t.receive())).toEqual(["b"]);
  await t.advance(24_999);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["b"]);
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a"]);
});

test("Q36 a message whose lease ended comes back ahead of newer ones", async () => {
  const t = await scenario();
  await t.send("first");
  await t.receive({ visibilityTimeoutMs: 1_000 });
  await t.send("second");
  await t.advance(1_000);
  expect(bodiesOf(await t.receive())).toEqual(["first"]);
  expect(bodiesOf(await t.receive())).toEqual(["second"]);
});

test("Q37 a handle whose lease has ended still deletes its message", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.advance(1_000);
  expect(await t.counts()).toBe("1/0/0");
  expect(await t.delete(handle)).toBe("DELETED");
  expect(await t.receive()).toEqual([]);
  expect(await t.counters()).toMatchObject({ stored: 0, deleted: 1 });
});

test("Q38 deleting again is OK any number of times, and there is no lease left to change", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  expect(await t.delete(handle)).toBe("DELETED");
  for (let again = 0; again < 3; again += 1) expect(await t.delete(handle)).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(handle, 10_000)).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "MESSAGE_NOT_FOUND",
  });
  expect(await t.counters()).toMatchObject({ deleted: 1 });
});

test("Q39 garbage and handles of another queue are told apart from messages that are gone", async () => {
  const t = await scenario();
  await t.createQueue("other");
  await t.send("elsewhere", { queue: "other" });
  const { handle } = await t.receiveOne({ queue: "other" });
  const invalid = { code: "INVALID_ARGUMENT", reason: "RECEIPT_HANDLE_INVALID" };
  const last = handle.at(-1) === "A" ? "B" : "A";
  for (const bad of ["garbage", handle, `${handle}A`, handle.slice(0, -1) + last, " ", "é"]) {
    await expect(t.delete(bad)).rejects.toMatchObject(invalid);
    await expect(t.changeVisibility(bad, 0)).rejects.toMatchObject(invalid);
  }
  expect(await t.delete(handle, "other")).toBe("DELETED");
});

test("Q39 a handle of an earlier queue of the same name is refused", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  await t.deleteQueue();
  await t.createQueue(t.queue);
  const invalid = { code: "INVALID_ARGUMENT", reason: "RECEIPT_HANDLE_INVALID" };
  await expect(t.delete(handle)).rejects.toMatchObject(invalid);
  await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject(invalid);
});

test("a forged handle is refused, whichever bit of it is changed", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  const bytes = Buffer.from(handle, "base64url");
  for (let bit = 0; bit < bytes.length * 8; bit += 7) {
    const forged = Buffer.from(bytes);
    const at = bit >> 3;
    forged[at] = (forged[at] ?? 0) ^ (1 << (bit & 7));
    await expect(t.delete(forged.toString("base64url"))).rejects.toMatchObject({
      reason: "RECEIPT_HANDLE_INVALID",
    });
  }
  expect(await t.counts()).toBe("0/1/0");
});

test("Q40 a lease that has ended cannot be changed, and the message stays receivable", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.advance(1_000);
  for (const timeoutMs of [0, 10_000]) {
    await expect(t.changeVisibility(handle, timeoutMs)).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "MESSAGE_NOT_IN_FLIGHT",
    });
  }
  expect(await t.receiveOne()).toMatchObject({ body: "work", receiveCount: 2 });
});

test("Q41 an expired message is gone although it is leased, and deleting it is OK", async () => {
  const t = await scenario({ retentionMs: 60_000 });
  await t.send("work");
  await t.advance(59_000);
  const { handle } = await t.receiveOne();
  await t.advance(999);
  expect(await t.changeVisibility(handle, 0)).toBe(t.now);
  const { handle: newest } = await t.receiveOne();
  await t.advance(1);
  expect(await t.receive()).toEqual([]);
  await t.advance(1_000);
  expect(await t.receive()).toEqual([]);
  expect(await t.delete(newest)).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(newest, 0)).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "MESSAGE_NOT_FOUND",
  });
  expect(await t.counters()).toMatchObject({ expired: 1, deleted: 0, stored: 0 });
});

test("a timeout of 0 ends a lease at once", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  expect(await t.receive()).toEqual([]);
  expect(await t.changeVisibility(handle, 0)).toBe(t.now);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
});

test("a lease ends at most 12 h after its receive: a change past that is refused and alters nothing", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 12 * hour });
  await t.skip(2 * hour);
  await expect(t.changeVisibility(handle, 10 * hour + 1)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "VISIBILITY_LIMIT_EXCEEDED",
    metadata: { remaining: "36000s" },
    violations: ["visibility_timeout"],
  });
  expect(await t.changeVisibility(handle, 10 * hour)).toBe(t.now + 10 * hour);
  await t.skip(10 * hour - 1);
  expect(await t.receive()).toEqual([]);
  await t.skip(1);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
});

test("the 12 h of a lease count anew with every receive", async () => {
  const t = await scenario();
  await t.send("work");
  await t.receiveOne({ visibilityTimeoutMs: 12 * hour });
  await t.skip(12 * hour);
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  expect(await t.changeVisibility(handle, 12 * hour)).toBe(t.now + 12 * hour);
});

test("leases end at their instant also while the server is down", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.send("work");
  await t.receive();
  await t.advance(10_000);
  await t.restart();
  await t.advance(19_999);
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
});

const timestampOf = (instant: number) => ({
  seconds: BigInt(Math.floor(instant / 1_000)),
  nanos: (instant % 1_000) * 1_000_000,
});
