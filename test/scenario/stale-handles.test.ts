// What a receipt handle may still do after its lease: the table of receipt handles, row by row, under both policies.

import { expect, test } from "vitest";
import { type Scenario, scenario } from "../support/scenario.js";

const policies = ["lenient", "strict"] as const;
type Policy = (typeof policies)[number];

const start = async (receiptPolicy: Policy): Promise<Scenario> => {
  const t = await scenario({ receiptPolicy, visibilityTimeoutMs: 10_000 });
  await t.send("work");
  return t;
};

const expired = { code: "FAILED_PRECONDITION", reason: "RECEIPT_HANDLE_EXPIRED" };
const notInFlight = { code: "FAILED_PRECONDITION", reason: "MESSAGE_NOT_IN_FLIGHT" };
const notFound = { code: "NOT_FOUND", reason: "MESSAGE_NOT_FOUND" };
const invalid = { code: "INVALID_ARGUMENT", reason: "RECEIPT_HANDLE_INVALID" };

test.each(policies)("current lease, %s: it is changed and its message deleted", async (policy) => {
  const t = await start(policy);
  const { handle } = await t.receiveOne();
  expect(await t.changeVisibility(handle, 20_000)).toBe(t.now + 20_000);
  expect(await t.delete(handle)).toBe("DELETED");
});

test.each(policies)(
  "lease ran out and not received since, %s: it deletes, and cannot be changed",
  async (policy) => {
    const t = await start(policy);
    const { handle } = await t.receiveOne();
    await t.advance(10_000);
    await expect(t.changeVisibility(handle, 20_000)).rejects.toMatchObject(notInFlight);
    expect(await t.peek()).toEqual(["visible work x1"]);
    expect(await t.delete(handle)).toBe("DELETED");
    expect(await t.counts()).toBe("0/0/0");
  },
);

test("received again since, lenient: the older handle changes the current lease and deletes", async () => {
  const t = await start("lenient");
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  await t.receiveOne();
  expect(await t.changeVisibility(older, 20_000)).toBe(t.now + 20_000);
  await t.advance(10_000);
  expect(await t.counts()).toBe("0/1/0");
  await t.changeVisibility(older, 0);
  const { handle: newest } = await t.receiveOne();
  expect(await t.delete(older)).toBe("DELETED");
  expect(await t.delete(newest)).toBe("ALREADY_GONE");
});

test("received again since, strict: the older handle is refused, the newest acts", async () => {
  const t = await start("strict");
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  const { handle: newest } = await t.receiveOne();
  await expect(t.changeVisibility(older, 0)).rejects.toMatchObject(expired);
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  expect(await t.counts()).toBe("0/1/0");
  expect(await t.changeVisibility(newest, 20_000)).toBe(t.now + 20_000);
  expect(await t.delete(newest)).toBe("DELETED");
});

test("received again since and visible once more, strict: only the newest handle deletes", async () => {
  const t = await start("strict");
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  const { handle: newest } = await t.receiveOne();
  await t.advance(10_000);
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  await expect(t.changeVisibility(newest, 1_000)).rejects.toMatchObject(notInFlight);
  expect(await t.delete(newest)).toBe("DELETED");
});

test.each(policies)(
  "deleted, expired or purged, %s: deleting again is OK and there is no lease",
  async (policy) => {
    const t = await scenario({
      receiptPolicy: policy,
      visibilityTimeoutMs: 60_000,
      retentionMs: 60_000,
    });
    const gone: [string, (handle: string) => Promise<unknown>][] = [
      ["deleted", (handle) => t.delete(handle)],
      ["purged", () => t.purge()],
      ["expired", () => t.advance(60_000)],
    ];
    for (const [how, remove] of gone) {
      await t.send(how);
      const { handle } = await t.receiveOne();
      await remove(handle);
      await expect(t.changeVisibility(handle, 0), how).rejects.toMatchObject(notFound);
      expect(await t.delete(handle), how).toBe("ALREADY_GONE");
      expect(await t.delete(handle), how).toBe("ALREADY_GONE");
    }
  },
);

test.each(policies)(
  "a handle of a deleted message does not touch those that came after, %s",
  async (policy) => {
    const t = await start(policy);
    const { handle } = await t.receiveOne();
    await t.purge();
    await t.sendBatch(["b", "c"]);
    await t.receive({ max: 10 });
    expect(await t.delete(handle)).toBe("ALREADY_GONE");
    expect(await t.counts()).toBe("0/2/0");
  },
);

test.each(policies)(
  "garbage, another queue's or an earlier queue's handle, %s: refused",
  async (policy) => {
    const t = await start(policy);
    await t.createQueue("other", { receiptPolicy: policy });
    const { handle } = await t.receiveOne();
    for (const bad of [
      () => t.delete("garbage"),
      () => t.changeVisibility("garbage", 0),
      () => t.delete(handle, "other"),
      () => t.changeVisibility(handle, 0, "other"),
    ]) {
      await expect(bad()).rejects.toMatchObject(invalid);
    }
  },
);

test("the policy in force at the call decides", async () => {
  const t = await start("lenient");
  const { handle: older } = await t.receiveOne();
  await t.advance(10_000);
  await t.receiveOne();
  await t.setQueue({ receiptPolicy: "strict" });
  await expect(t.delete(older)).rejects.toMatchObject(expired);
  await t.setQueue({ receiptPolicy: "lenient" });
  expect(await t.delete(older)).toBe("DELETED");
});

test("handles are good after a restart and a crash", async () => {
  const t = await start("lenient");
  await t.send("more");
  const [first, second] = await t.receive({ max: 2 });
  await t.restart();
  expect(await t.delete(first?.handle ?? "")).toBe("DELETED");
  await t.crash();
  expect(await t.changeVisibility(second?.handle ?? "", 20_000)).toBe(t.now + 20_000);
  expect(await t.delete(first?.handle ?? "")).toBe("ALREADY_GONE");
});
