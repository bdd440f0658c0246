// What may be sent to a FIFO queue and how it is numbered (Q21, Q22, Q46).

import { expect, test } from "vitest";
import type { MessageSystemAttributeName } from "../../src/gen/forebay/queue/v1/message.js";
import { callErrorOfStatus } from "../support/call-error.js";
import { bodiesOf, durationOf, fifoScenario, type Scenario } from "../support/scenario.js";

const text = (value: string) => ({ $case: "text" as const, value });

/** A queue that makes no deduplication ids. */
const explicit = { contentBasedDeduplication: false };

const missing = { code: "INVALID_ARGUMENT", reason: "MISSING_PARAMETER" };
const unsupported = { code: "INVALID_ARGUMENT", reason: "UNSUPPORTED_FOR_QUEUE_TYPE" };

test("Q21 the queue's delay holds for every message of a FIFO queue, also for one sent with delay 0", async () => {
  const t = await fifoScenario({ delayMs: 2_000 });
  await t.send("zero", { groupId: "g1", delayMs: 0 });
  await t.send("unset", { groupId: "g2" });
  await t.sendBatch(["batch"], { groupId: "g3", delayMs: 0 });
  expect(await t.counts()).toBe("0/0/3");
  await t.advance(1_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 })).sort()).toEqual(["batch", "unset", "zero"]);
});

test("Q21 a message of a FIFO queue has no delay of its own", async () => {
  const t = await fifoScenario();
  for (const delayMs of [1, 2_000, 900_000]) {
    await expect(t.send("a", { groupId: "g", delayMs })).rejects.toMatchObject({
      ...unsupported,
      violations: ["delay"],
    });
  }
  for (const delayMs of [900_001, 901_000, -1]) {
    await expect(t.send("a", { groupId: "g", delayMs })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["delay"],
    });
  }
  expect(await t.counters()).toMatchObject({ stored: 0, sent: 0 });
});

test("a message of a FIFO queue has no priority", async () => {
  const t = await fifoScenario();
  const request = { queue: t.queue, body: text("a"), groupId: "g", priority: 5 };
  await expect(t.call("sendMessage", request)).rejects.toMatchObject({
    ...unsupported,
    violations: ["priority"],
  });
  expect(await t.counts()).toBe("0/0/0");
});

test("Q22 a message of a FIFO queue needs a group id, and a deduplication id unless one is made of its content", async () => {
  const t = await fifoScenario(explicit);
  await expect(t.send("a", { groupId: "g" })).rejects.toMatchObject({
    ...missing,
    violations: ["dedup_id"],
  });
  await expect(t.send("a", { dedupId: "d" })).rejects.toMatchObject({
    ...missing,
    violations: ["group_id"],
  });
  const neither = await t.send("a").catch((error: unknown) => error);
  expect(neither).toMatchObject(missing);
  expect((neither as { violations: string[] }).violations.toSorted()).toEqual([
    "dedup_id",
    "group_id",
  ]);
  expect(await t.counts()).toBe("0/0/0");
  await t.send("a", { groupId: "g", dedupId: "d" });
  await t.setQueue({ contentBasedDeduplication: true });
  await t.send("b", { groupId: "g" });
  await expect(t.send("c")).rejects.toMatchObject({ ...missing, violations: ["group_id"] });
  // Switched off again, it acts at once, too.
  await t.setQueue({ contentBasedDeduplication: false });
  await expect(t.send("d", { groupId: "g" })).rejects.toMatchObject(missing);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b"]);
});

test("group and deduplication ids have 1 to 128 visible ASCII characters", async () => {
  const t = await fifoScenario(explicit);
  const longest = "!~".repeat(64);
  await t.send("a", { groupId: longest, dedupId: longest });
  await t.send("b", { groupId: "g", dedupId: "d" });
  for (const id of ["x".repeat(129), "a b", " ", "tab\t", "ä", "\u007f"]) {
    const invalid = { code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" };
    await expect(t.send("c", { groupId: id, dedupId: "d2" }), id).rejects.toMatchObject({
      ...invalid,
      violations: ["group_id"],
    });
    await expect(t.send("c", { groupId: "g", dedupId: id }), id).rejects.toMatchObject({
      ...invalid,
      violations: ["dedup_id"],
    });
  }
  const received = await t.receive({ max: 10 });
  expect(
    received.map(({ message: { systemAttributes } }) => [
      systemAttributes?.groupId,
      systemAttributes?.dedupId,
    ]),
  ).toEqual(
    expect.arrayContaining([
      [longest, longest],
      ["g", "d"],
    ]),
  );
  expect(received).toHaveLength(2);
});

test("ids are told apart by case", async () => {
  const t = await fifoScenario(explicit);
  await t.send("a", { groupId: "g", dedupId: "d" });
  expect(await t.send("b", { groupId: "G", dedupId: "D" })).toMatchObject({ duplicate: false });
  // Were they one group, the second would wait for the first.
  const received = [await t.receiveOne(), await t.receiveOne()];
  expect(bodiesOf(received).sort()).toEqual(["a", "b"]);
});

test("the answer to a send, a receive and a peek tell a message's group, deduplication id and sequence number", async () => {
  const t = await fifoScenario(explicit);
  const sent = await t.send("pay #7", {
    groupId: "g",
    dedupId: "d",
    attributes: { MyAttribute: "foobar" },
  });
  expect(sent).toMatchObject({
    md5OfAttributes: "adb59cd4678ea5a855436b949cd07ab6",
    sequenceNumber: expect.stringMatching(/^[0-9]{20}$/),
    duplicate: false,
  });
  const system = { groupId: "g", dedupId: "d", sequenceNumber: sent.sequenceNumber };
  const { messages } = await t.call("peekMessages", { queue: t.queue });
  expect(messages).toMatchObject([{ messageId: sent.messageId, systemAttributes: system }]);
  const received = await t.receiveOne();
  expect(received).toMatchObject({ id: sent.messageId, message: { systemAttributes: system } });
});

test("of a message's group, deduplication id and sequence number only those asked for are returned", async () => {
  const t = await fifoScenario(explicit);
  const { sequenceNumber } = await t.send("a", { groupId: "g", dedupId: "d" });
  const receive = async (systemAttributeNames: MessageSystemAttributeName[]) =>
    (
      await t.call("receiveMessage", {
        queue: t.queue,
        visibilityTimeout: durationOf(0),
        systemAttributeNames,
      })
    ).messages[0]?.systemAttributes;
  expect(await receive([6])).toEqual({ sequenceNumber });
  expect(await receive([7])).toEqual({ dedupId: "d" });
  expect(await receive([8])).toEqual({ groupId: "g" });
});

test("the size of a message is that of its body and attributes, its ids do not count", async () => {
  const t = await fifoScenario({ messageBytesMax: 1_024, ...explicit });
  const ids = { groupId: "g".repeat(128), dedupId: "d".repeat(128) };
  await t.send("x".repeat(1_024), ids);
  expect(await t.counters()).toMatchObject({ storedBytes: 1_024 });
  await expect(t.send("x".repeat(1_025), { ...ids, dedupId: "e" })).rejects.toMatchObject({
    reason: "MESSAGE_TOO_LONG",
    metadata: { size: "1025", limit: "1024" },
  });
});

/** Strictly increasing as text, each of 20 digits. */
function expectIncreasing(numbers: readonly string[]): void {
  expect(numbers.filter((number) => !/^[0-9]{20}$/.test(number))).toEqual([]);
  expect(numbers).toEqual(numbers.toSorted());
  expect(new Set(numbers).size).toBe(numbers.length);
}

test("sequence numbers grow with every send to the queue, whatever its group, over restarts, crashes and purges", async () => {
  const t = await fifoScenario();
  const numbers: string[] = [];
  const send = async (body: string): Promise<void> => {
    numbers.push((await t.send(body, { groupId: `g${numbers.length % 3}` })).sequenceNumber);
  };
  await send("a");
  await send("b");
  await t.restart();
  await send("c");
  await t.purge();
  await send("d");
  await t.crash();
  await send("e");
  // Also when nothing is left that has a number.
  for (const handle of (await t.receive({ max: 10 })).map((message) => message.handle)) {
    await t.delete(handle);
  }
  await t.crash();
  await send("f");
  await t.purge();
  await t.restart();
  await send("g");
  expect(numbers).toHaveLength(7);
  expectIncreasing(numbers);
});

test("the entries of a batch and of a stream get increasing numbers in their order", async () => {
  const t = await fifoScenario();
  const bodies = Array.from({ length: 10 }, (_, index) => `m${index}`);
  const batch = await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: bodies.map((value, index) => ({
      id: String(9 - index),
      body: text(value),
      groupId: index % 2 === 0 ? "even" : "odd",
    })),
  });
  expect(batch.successful.map(({ id }) => id).join("")).toBe("9876543210");
  const stream = t.produce();
  stream.write({
    queue: t.queue,
    entries: ["x", "y", "z"].map((value) => ({ body: text(value), groupId: "even" })),
  });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  const streamed = stream.responses.flatMap(({ results }) =>
    results.map(({ result }) => (result?.$case === "sent" ? result.value.sequenceNumber : "")),
  );
  expectIncreasing([...batch.successful.map((each) => each.sequenceNumber), ...streamed]);
  const received = await t.receive({ max: 10 });
  expect(received).toHaveLength(10);
  for (const [groupId, expected] of [
    ["even", ["m0", "m2", "m4", "m6", "m8", "x", "y", "z"]],
    ["odd", ["m1", "m3", "m5", "m7", "m9"]],
  ] as const) {
    const ofGroup = received.filter(({ message }) => message.systemAttributes?.groupId === groupId);
    expect(bodiesOf(ofGroup)).toEqual(expected.slice(0, ofGroup.length));
  }
});

const entry = (id: string, fields: { groupId?: string; dedupId?: string }) => ({
  id,
  body: text(id),
  ...fields,
});

test("Q46 a batch with an entry that lacks a group id is refused as a whole", async () => {
  const t = await fifoScenario();
  const entries = [entry("a", { groupId: "g" }), entry("b", {}), entry("c", { groupId: "g" })];
  await expect(t.call("sendMessageBatch", { queue: t.queue, entries })).rejects.toMatchObject({
    ...missing,
    violations: ["entries[1].group_id"],
  });
  expect(await t.counters()).toMatchObject({ stored: 0, sent: 0 });
});

test("Q46 a batch with an entry that lacks a deduplication id is refused as a whole, unless one is made of its content", async () => {
  const t = await fifoScenario(explicit);
  const entries = [
    entry("a", { groupId: "g", dedupId: "d" }),
    entry("b", { groupId: "g" }),
    entry("c", { groupId: "g" }),
  ];
  const send = () => t.call("sendMessageBatch", { queue: t.queue, entries });
  await expect(send()).rejects.toMatchObject({
    ...missing,
    violations: ["entries[1].dedup_id", "entries[2].dedup_id"],
  });
  expect(await t.counts()).toBe("0/0/0");
  await t.setQueue({ contentBasedDeduplication: true });
  expect((await send()).successful).toHaveLength(3);
});

test("Q46 what else is wrong with an entry refuses that entry only, and the others keep their order", async () => {
  const t = await fifoScenario({ messageBytesMax: 1_024 });
  const { successful, failed } = await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: [
      { ...entry("delay", { groupId: "g" }), delay: durationOf(1_000) },
      entry("a", { groupId: "g" }),
      { ...entry("character", { groupId: "g" }), body: text("\u0001") },
      entry("group", { groupId: "x".repeat(129) }),
      { ...entry("zero", { groupId: "g" }), delay: durationOf(0) },
      entry("dedup", { groupId: "g", dedupId: "a b" }),
      { ...entry("long", { groupId: "g" }), body: text("x".repeat(1_025)) },
      entry("b", { groupId: "g" }),
    ],
  });
  expect(failed.map(({ id, code, reason }) => `${id} ${code} ${reason}`)).toEqual([
    "delay 3 UNSUPPORTED_FOR_QUEUE_TYPE",
    "character 3 INVALID_MESSAGE_CONTENTS",
    "group 3 INVALID_PARAMETER",
    "dedup 3 INVALID_PARAMETER",
    "long 3 MESSAGE_TOO_LONG",
  ]);
  expect(failed.every(({ senderFault }) => senderFault)).toBe(true);
  expect(successful.map(({ id }) => id)).toEqual(["a", "zero", "b"]);
  expectIncreasing(successful.map(({ sequenceNumber }) => sequenceNumber));
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "zero", "b"]);
});

test("Q46 the checks of every batch come before those of a FIFO queue", async () => {
  const t = await fifoScenario();
  await expect(
    t.call("sendMessageBatch", { queue: t.queue, entries: [entry("a", {}), entry("a", {})] }),
  ).rejects.toMatchObject({ reason: "BATCH_ENTRY_IDS_NOT_DISTINCT" });
  await expect(
    t.call("sendMessageBatch", { queue: "other.fifo", entries: [entry("a", {})] }),
  ).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
});

test("a Produce stream refuses an entry that lacks an id in its place, and goes on", async () => {
  const t = await fifoScenario(explicit);
  const stream = t.produce();
  stream.write({
    queue: t.queue,
    entries: [
      entry("a", { groupId: "g", dedupId: "1" }),
      entry("no group", { dedupId: "2" }),
      entry("no id", { groupId: "g" }),
      { ...entry("delay", { groupId: "g", dedupId: "3" }), delay: durationOf(1_000) },
      { ...entry("b", { groupId: "g", dedupId: "4" }), delay: durationOf(0) },
    ],
  });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  const results = stream.responses.flatMap((response) => response.results);
  expect(
    results.map(({ result }) => {
      if (result?.$case !== "error") return result?.value.id;
      const { reason, violations } = callErrorOfStatus(result.value);
      return `${reason} ${violations.join()}`;
    }),
  ).toEqual([
    "a",
    "MISSING_PARAMETER group_id",
    "MISSING_PARAMETER dedup_id",
    "UNSUPPORTED_FOR_QUEUE_TYPE delay",
    "b",
  ]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b"]);
});

const sendTwice = async (t: Scenario, requestIds: readonly [string, string]) => [
  await t.send("a", { groupId: "g", dedupId: "d", requestId: requestIds[0] }),
  await t.send("a", { groupId: "g", dedupId: "d", requestId: requestIds[1] }),
];

test("a send repeated under its request id is a repeat, not a duplicate", async () => {
  const t = await fifoScenario();
  const [first, second] = await sendTwice(t, ["r1", "r1"]);
  expect(first).toMatchObject({ duplicate: false, replayed: false });
  expect(second).toEqual({ ...first, replayed: true });
  expect(await t.counters()).toMatchObject({ sent: 1, deduplicated: 0 });
  await expect(t.send("b", { groupId: "g", dedupId: "d", requestId: "r1" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "REQUEST_ID_REUSED",
  });
  for (const other of [
    { groupId: "h", dedupId: "d" },
    { groupId: "g", dedupId: "e" },
  ]) {
    await expect(t.send("a", { ...other, requestId: "r1" })).rejects.toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  }
});

test("a duplicate under a request id of its own is answered as one, and repeated as one", async () => {
  const t = await fifoScenario();
  const [first, second] = await sendTwice(t, ["r1", "r2"]);
  expect(second).toEqual({ ...first, duplicate: true });
  const third = await t.send("a", { groupId: "g", dedupId: "d", requestId: "r2" });
  expect(third).toEqual({ ...first, duplicate: true, replayed: true });
  expect(await t.counters()).toMatchObject({ sent: 1, deduplicated: 1 });
  // A purge forgets deduplication ids, but not what a request did.
  await t.purge();
  expect(await t.send("a", { groupId: "g", dedupId: "d", requestId: "r2" })).toEqual(third);
  expect(await t.counts()).toBe("0/0/0");
});

test("a batch repeated under its request id repeats its numbers and its duplicates", async () => {
  const t = await fifoScenario(explicit);
  const send = () =>
    t.call("sendMessageBatch", {
      queue: t.queue,
      entries: [
        entry("a", { groupId: "g", dedupId: "1" }),
        entry("b", { groupId: "g", dedupId: "1" }),
        entry("c", { groupId: "g", dedupId: "2" }),
      ],
      requestId: "r1",
    });
  const first = await send();
  expect(first.successful.map(({ duplicate }) => duplicate)).toEqual([false, true, false]);
  for (const restart of [() => t.settle(), () => t.crash()]) {
    await restart();
    expect(await send()).toEqual({ ...first, replayed: true });
  }
  expect(await t.counters()).toMatchObject({ sent: 2, deduplicated: 1 });
});
