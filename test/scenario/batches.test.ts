// Batches: refused as a whole for what is wrong with the whole, entry by entry for the rest (Q43 to Q45, Q47).

import { expect, test } from "vitest";
import { DeleteOutcome } from "../../src/gen/forebay/queue/v1/message.js";
import { bodiesOf, durationOf, msOf, scenario } from "../support/scenario.js";

const text = (value: string) => ({ $case: "text" as const, value });
const entries = (...ids: string[]) => ids.map((id) => ({ id, body: text("body") }));

test("Q43 of ten entries with one bad character nine are stored and one is refused by its id", async () => {
  const t = await scenario();
  const bodies = Array.from({ length: 10 }, (_, index) => (index === 4 ? "a\u0001" : `m${index}`));
  const { successful, failed } = await t.sendBatch(bodies);
  expect(successful.map(({ id }) => id)).toEqual(["0", "1", "2", "3", "5", "6", "7", "8", "9"]);
  expect(failed).toMatchObject([
    { id: "4", code: 3, reason: "INVALID_MESSAGE_CONTENTS", senderFault: true },
  ]);
  expect(failed[0]?.message).toContain("U+0001");
  const received = await t.receive({ max: 10 });
  expect(bodiesOf(received)).toEqual(bodies.filter((_, index) => index !== 4));
  expect(received.map(({ id }) => id)).toEqual(successful.map(({ messageId }) => messageId));
});

test("Q43 each bad entry is refused by itself, whatever is wrong with it", async () => {
  const t = await scenario({ messageBytesMax: 1_024 });
  const { successful, failed } = await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: [
      { id: "too-long", body: text("x".repeat(1_025)) },
      { id: "empty", body: text("") },
      { id: "good", body: text("good") },
      { id: "none" },
      { id: "delay", body: text("x"), delay: durationOf(901_000) },
      { id: "group", body: text("x"), groupId: "a b" },
      { id: "dedup", body: text("x"), dedupId: "d1" },
    ],
  });
  expect(successful).toMatchObject([{ id: "good" }]);
  expect(failed.map(({ id, code, reason }) => `${id} ${code} ${reason}`)).toEqual([
    "too-long 3 MESSAGE_TOO_LONG",
    "empty 3 MISSING_PARAMETER",
    "none 3 MISSING_PARAMETER",
    "delay 3 INVALID_PARAMETER",
    "group 3 INVALID_PARAMETER",
    "dedup 3 UNSUPPORTED_FOR_QUEUE_TYPE",
  ]);
  expect(await t.counts()).toBe("1/0/0");
});

test("Q43 a batch of which every entry is bad is OK, too", async () => {
  const t = await scenario();
  const { successful, failed } = await t.sendBatch(["", "\u0001"]);
  expect(successful).toEqual([]);
  expect(failed.map(({ id }) => id)).toEqual(["0", "1"]);
});

test("Q44 a batch has 1 to 10 entries with distinct, well-formed ids; else nothing is stored", async () => {
  const t = await scenario();
  const eleven = Array.from({ length: 11 }, (_, index) => `e${index}`);
  const bad: [ReturnType<typeof entries>, string, string[]][] = [
    [[], "EMPTY_BATCH", ["entries"]],
    [entries(...eleven), "TOO_MANY_ENTRIES", ["entries"]],
    [entries("a", "b", "a"), "BATCH_ENTRY_IDS_NOT_DISTINCT", ["entries[2].id"]],
    [entries("a", "a:b"), "BATCH_ENTRY_ID_INVALID", ["entries[1].id"]],
    [entries("x".repeat(81)), "BATCH_ENTRY_ID_INVALID", ["entries[0].id"]],
    [entries(""), "BATCH_ENTRY_ID_INVALID", ["entries[0].id"]],
    [entries("é"), "BATCH_ENTRY_ID_INVALID", ["entries[0].id"]],
    [entries("a\n"), "BATCH_ENTRY_ID_INVALID", ["entries[0].id"]],
  ];
  for (const [batch, reason, violations] of bad) {
    const refused = { code: "INVALID_ARGUMENT", reason, violations };
    const { queue } = t;
    await expect(t.call("sendMessageBatch", { queue, entries: batch })).rejects.toMatchObject(
      refused,
    );
    const handles = batch.map(({ id }) => ({ id, receiptHandle: "garbage" }));
    await expect(t.call("deleteMessageBatch", { queue, entries: handles })).rejects.toMatchObject(
      refused,
    );
    await expect(
      t.call("changeMessageVisibilityBatch", { queue, entries: handles }),
    ).rejects.toMatchObject(refused);
  }
  expect(await t.counts()).toBe("0/0/0");
  const ten = ["x".repeat(80), "A-Z_09", ...eleven.slice(0, 8)];
  const { successful } = await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: entries(...ten),
  });
  expect(successful.map(({ id }) => id)).toEqual(ten);
});

test("Q44 the checks of a whole batch come in their order", async () => {
  const t = await scenario();
  await expect(
    t.call("sendMessageBatch", { queue: t.queue, entries: entries("a", "b!", "a") }),
  ).rejects.toMatchObject({ reason: "BATCH_ENTRY_ID_INVALID" });
});

test("Q45 a batch sums to at most 1,048,576 bytes, attributes included", async () => {
  const t = await scenario();
  const half = "x".repeat(524_288);
  expect((await t.sendBatch([half, half])).successful).toHaveLength(2);
  const tooLong = {
    code: "INVALID_ARGUMENT",
    reason: "BATCH_TOO_LONG",
    metadata: { size: "1048577", limit: "1048576" },
    violations: ["entries"],
  };
  await expect(t.sendBatch([half, `${half}y`])).rejects.toMatchObject(tooLong);
  const attributed = ["x".repeat(524_288 - 8), "x".repeat(524_288 - 8)];
  expect((await t.sendBatch(attributed, { attributes: { a: "b" } })).successful).toHaveLength(2);
  await expect(
    t.sendBatch([`${attributed[0]}y`, attributed[1] ?? ""], { attributes: { a: "b" } }),
  ).rejects.toMatchObject(tooLong);
  expect(await t.counts()).toBe("4/0/0");
});

test("Q45 the sum is judged by the batch's limit alone, each entry by the queue's", async () => {
  const t = await scenario({ messageBytesMax: 2_048 });
  const { successful } = await t.sendBatch(["x".repeat(2_048), "y".repeat(2_048)]);
  expect(successful).toHaveLength(2);
  const { failed } = await t.sendBatch(["x".repeat(2_048), "y".repeat(2_049)]);
  expect(failed).toMatchObject([{ id: "1", reason: "MESSAGE_TOO_LONG" }]);
});

test("Q47 a delete batch of a live, a repeated and a garbage handle has two OK outcomes and one failed", async () => {
  const t = await scenario();
  await t.send("work");
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
  expect(failed).toMatchObject([
    { id: "garbage", code: 3, reason: "RECEIPT_HANDLE_INVALID", senderFault: true },
  ]);
  expect(await t.counters()).toMatchObject({ stored: 0, deleted: 1 });
});

test("Q47 an entry without a handle is refused by itself", async () => {
  const t = await scenario();
  await t.send("work");
  const { handle } = await t.receiveOne();
  const { successful, failed } = await t.call("deleteMessageBatch", {
    queue: t.queue,
    entries: [
      { id: "none", receiptHandle: "" },
      { id: "live", receiptHandle: handle },
    ],
  });
  expect(successful.map(({ id }) => id)).toEqual(["live"]);
  expect(failed).toMatchObject([{ id: "none", code: 3 }]);
});

test("a batch of lease changes judges each entry by itself, in order", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b", "c"]);
  const [a, b, c] = await t.receive({ max: 3 });
  await t.delete(b?.handle ?? "");
  const { successful, failed } = await t.call("changeMessageVisibilityBatch", {
    queue: t.queue,
    entries: [
      { id: "longer", receiptHandle: a?.handle ?? "", visibilityTimeout: durationOf(60_000) },
      { id: "gone", receiptHandle: b?.handle ?? "", visibilityTimeout: durationOf(1_000) },
      { id: "none", receiptHandle: c?.handle ?? "" },
      { id: "range", receiptHandle: c?.handle ?? "", visibilityTimeout: durationOf(43_200_001) },
      { id: "shorter", receiptHandle: a?.handle ?? "", visibilityTimeout: durationOf(10_000) },
      { id: "now", receiptHandle: c?.handle ?? "", visibilityTimeout: durationOf(0) },
      { id: "late", receiptHandle: c?.handle ?? "", visibilityTimeout: durationOf(1_000) },
    ],
  });
  expect(successful.map(({ id, visibleTime }) => [id, msOf(visibleTime) - t.now])).toEqual([
    ["longer", 60_000],
    ["shorter", 10_000],
    ["now", 0],
  ]);
  expect(failed.map(({ id, code, reason }) => `${id} ${code} ${reason}`)).toEqual([
    "gone 5 MESSAGE_NOT_FOUND",
    "none 3 MISSING_PARAMETER",
    "range 3 INVALID_PARAMETER",
    "late 9 MESSAGE_NOT_IN_FLIGHT",
  ]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["c"]);
  await t.advance(10_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a"]);
});

test("a batch to a queue that does not exist is refused as a whole", async () => {
  const t = await scenario({ create: "none" });
  const notFound = { code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND", resource: "queue orders" };
  await expect(t.sendBatch(["a"])).rejects.toMatchObject(notFound);
  // Also when no entry of it could be stored.
  await expect(t.sendBatch([""])).rejects.toMatchObject(notFound);
  const entry = { id: "a", receiptHandle: "garbage", visibilityTimeout: durationOf(0) };
  for (const method of ["deleteMessageBatch", "changeMessageVisibilityBatch"] as const) {
    await expect(t.call(method, { queue: t.queue, entries: [entry] })).rejects.toMatchObject(
      notFound,
    );
  }
});
