// Which dead letters a move task takes, what it changes in them, and what a preview says of it before.

import { expect, test } from "vitest";
import type { MessageAttributeValue } from "../../src/gen/forebay/queue/v1/message.js";
import { contradictions } from "../support/broken-rows.js";
import {
  deadLetterScenario,
  fifoDeadLetterScenario,
  held,
  heldBodies,
  heldOne,
  moveEnded,
  sendToDeath,
  wearOut,
} from "../support/dead-letters.js";
import type { RequestPart } from "../support/queue-client.js";
import {
  attributesOf,
  bodiesOf,
  durationOf,
  type MoveOptions,
  type Scenario,
  type SendOptions,
} from "../support/scenario.js";

const mebibyte = 1_048_576;

type Filter = NonNullable<MoveOptions["filter"]>;
type Edit = NonNullable<MoveOptions["edit"]>;

const number = (value: string): MessageAttributeValue => ({
  dataType: "Number",
  value: { $case: "stringValue", value },
});

const preview = async (
  t: Scenario,
  request: Omit<RequestPart<"previewMessageMoveTask">, "source"> & {
    readonly source?: string;
  } = {},
) => {
  const answer = await t.call("previewMessageMoveTask", { source: "dead", ...request });
  return {
    matching: Number(answer.matchingMessageCount),
    other: Number(answer.otherMessageCount),
    skipped: Number(answer.skippedMessageCount),
    unavailable: Number(answer.unavailableMessageCount),
    destinations: Object.fromEntries(
      [...answer.destinationMessageCounts].map(([queue, count]) => [queue, Number(count)]),
    ),
    reasons: Object.fromEntries(
      [...answer.rejectionReasonCounts].map(([reason, count]) => [reason, Number(count)]),
    ),
    samples: answer.samples,
  };
};

/** Bodies of the samples of a preview that could not show more of them. */
const previewed = async (t: Scenario, filter: Filter, source = "dead"): Promise<string[]> => {
  const { samples, matching } = await preview(t, { filter, sampleCount: 10, source });
  expect(samples).toHaveLength(matching);
  return samples.map(({ body }) => String(body?.value));
};

/** What a task with this filter takes, after a preview that must say the same. */
async function taken(t: Scenario, filter: Filter, source = "dead"): Promise<string[]> {
  const before = await held(t, source);
  const expected = await previewed(t, filter, source);
  await t.startMove({ source, filter });
  const task = await moveEnded(t, source);
  expect(task.status).toBe("COMPLETED");
  const left = new Set((await held(t, source)).map(({ messageId }) => messageId));
  const bodies = before
    .filter(({ messageId }) => !left.has(messageId))
    .map(({ body }) => String(body?.value));
  expect(task.moved).toBe(bodies.length);
  expect(bodies).toEqual(expected);
  return bodies;
}

/** Sends, receives and rejects to the dead-letter queue. */
async function rejected(
  t: Scenario,
  body: string,
  reason: string,
  options: SendOptions = {},
): Promise<void> {
  await t.send(body, options);
  const { handle } = await t.receiveOne();
  await t.reject(handle, { reason, isDeadLetter: true });
}

// --- filters --------------------------------------------------------------------------------------------------------------

test("a task may take chosen messages by id, and only those", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c", "d"]);
  const ids = (await held(t, "dead")).map(({ messageId }) => messageId);
  const messageIds = [ids[3] ?? "", ids[1] ?? "", "00000000-0000-4000-8000-000000000000"];
  expect(await taken(t, { messageIds })).toEqual(["b", "d"]);
  expect(await heldBodies(t, "dead")).toEqual(["a", "c"]);
  expect(await heldBodies(t, "orders")).toEqual(["b", "d"]);
});

test("a task may name 1000 ids, and take them all", async () => {
  const t = await deadLetterScenario();
  const bodies = Array.from({ length: 110 }, (_, index) => `m${index}`);
  await sendToDeath(t, bodies);
  const ids = (await held(t, "dead")).slice(0, 100).map(({ messageId }) => messageId);
  const unknown = Array.from(
    { length: 900 },
    (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
  );
  await t.startMove({ filter: { messageIds: [...ids, ...unknown] } });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 100 });
  expect(await heldBodies(t, "dead")).toEqual(bodies.slice(100));
});

test("a task may take messages with certain attributes, of exactly that text", async () => {
  const t = await deadLetterScenario();
  const send = (body: string, attributes: NonNullable<SendOptions["attributes"]>) =>
    t.send(body, { attributes });
  await send("both", { tenant: "acme", size: number("07") });
  await send("tenant only", { tenant: "acme" });
  await send("other case", { tenant: "Acme", size: number("07") });
  await send("other digits", { tenant: "acme", size: number("7") });
  await send("longer", { tenant: "acme inc", size: number("07") });
  await send("other name", { Tenant: "acme", size: number("07") });
  await send("bytes", {
    tenant: { dataType: "Binary", value: { $case: "binaryValue", value: Buffer.from("acme") } },
    size: number("07"),
  });
  await t.send("none");
  await wearOut(t);
  const attributes = new Map([
    ["tenant", "acme"],
    ["size", "07"],
  ]);
  expect(await taken(t, { attributes })).toEqual(["both"]);
  expect(await taken(t, { attributes: new Map([["tenant", "acme"]]) })).toEqual([
    "tenant only",
    "other digits",
  ]);
});

test("a task may take messages by the reason of their last rejection", async () => {
  const t = await deadLetterScenario({ after: 9 });
  await rejected(t, "bad", "bad_invoice");
  await rejected(t, "late", "too_late");
  await t.send("twice");
  await t.reject((await t.receiveOne()).handle, { reason: "bad_invoice" });
  await t.reject((await t.receiveOne()).handle, { reason: "too_late", isDeadLetter: true });
  await t.setQueue({ redrive: { to: "dead", after: 1 } });
  await sendToDeath(t, ["worn out"]);
  expect(await taken(t, { rejectionReason: "bad_invoice" })).toEqual(["bad"]);
  expect(await previewed(t, { rejectionReason: "bad" })).toEqual([]);
  expect(await taken(t, { rejectionReason: "too_late" })).toEqual(["late", "twice"]);
  expect(await heldBodies(t, "dead")).toEqual(["worn out"]);
});

test("a task may take messages by the queue they came from", async () => {
  const t = await deadLetterScenario();
  await t.createQueue("orders-2", { redrive: { to: "dead", after: 1 } });
  await sendToDeath(t, ["a"]);
  await sendToDeath(t, ["b"], { queue: "orders-2" });
  await t.send("straight", { queue: "dead" });
  expect(await taken(t, { deadLetterSourceQueue: "orders" })).toEqual(["a"]);
  expect(await taken(t, { deadLetterSourceQueue: "orders" })).toEqual([]);
  expect(await taken(t, { deadLetterSourceQueue: "orders-2" })).toEqual(["b"]);
  expect(await heldBodies(t, "dead")).toEqual(["straight"]);
});

test("a task may take messages of one group", async () => {
  const t = await deadLetterScenario();
  for (const [body, groupId] of [
    ["a1", "a"],
    ["ab", "ab"],
    ["none", ""],
    ["a2", "a"],
  ] as const) {
    await t.send(body, { groupId });
  }
  await wearOut(t);
  expect(await taken(t, { groupId: "a" })).toEqual(["a1", "a2"]);
});

test("a task may take messages whose body contains a text, in any kind of body", async () => {
  const t = await deadLetterScenario();
  const needle = "käse😀";
  await t.send(`text ${needle} text`);
  await t.send(Buffer.from(`bytes ${needle}`));
  await t.send("text Käse😀");
  await t.send(`${"x".repeat(1_000_000)}${needle}`);
  await t.send("text käse");
  await wearOut(t);
  const before = (await held(t, "dead")).map(({ messageId }) => messageId);
  await t.startMove({ filter: { bodyContains: needle } });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 3 });
  const left = (await held(t, "dead")).map(({ messageId }) => messageId);
  expect(left).toEqual([before[2], before[4]]);
});

test("a task may take messages by how long they have been in the source, not since when they were sent", async () => {
  const t = await deadLetterScenario();
  await t.send("sent first, dead last");
  await t.advance(1_000);
  await t.send("straight", { queue: "dead" });
  await t.skip(60_000);
  await wearOut(t);
  await t.advance(10_000);
  const seconds = (value: number) => durationOf(value * 1_000);
  // Both sides of each boundary: one has been there for 10 s, the other for 70 s.
  expect(await previewed(t, { minimumAge: seconds(10.001) })).toEqual(["straight"]);
  expect((await previewed(t, { minimumAge: seconds(10) })).sort()).toEqual([
    "sent first, dead last",
    "straight",
  ]);
  expect(await previewed(t, { minimumAge: seconds(70) })).toEqual(["straight"]);
  expect(await previewed(t, { minimumAge: seconds(70.001) })).toEqual([]);
  expect(await previewed(t, { maximumAge: seconds(9.999) })).toEqual([]);
  expect(await previewed(t, { maximumAge: seconds(10) })).toEqual(["sent first, dead last"]);
  expect(await previewed(t, { maximumAge: seconds(69.999) })).toEqual(["sent first, dead last"]);
  expect(await previewed(t, { minimumAge: seconds(10.001), maximumAge: seconds(69.999) })).toEqual(
    [],
  );
  expect(await taken(t, { minimumAge: seconds(5), maximumAge: seconds(30) })).toEqual([
    "sent first, dead last",
  ]);
});

test("a filter's fields must all agree", async () => {
  const t = await deadLetterScenario({ after: 9 });
  await t.createQueue("bills", { redrive: { to: "dead", after: 9 } });
  const good = { attributes: { tenant: "acme" }, groupId: "g" };
  await rejected(t, "pay all", "bad", good);
  await rejected(t, "pay another tenant", "bad", { ...good, attributes: { tenant: "other" } });
  await rejected(t, "pay another group", "bad", { ...good, groupId: "h" });
  await rejected(t, "pay another reason", "worse", good);
  await rejected(t, "another body", "bad", good);
  await t.send("pay another source", { ...good, queue: "bills" });
  const { handle } = await t.receiveOne({ queue: "bills" });
  await t.reject(handle, { queue: "bills", reason: "bad", isDeadLetter: true });
  await t.skip(60_000);
  await rejected(t, "pay another age", "bad", good);
  const filter: Filter = {
    attributes: new Map([["tenant", "acme"]]),
    groupId: "g",
    rejectionReason: "bad",
    bodyContains: "pay",
    deadLetterSourceQueue: "orders",
    minimumAge: durationOf(30_000),
    maximumAge: durationOf(90_000),
    messageIds: (await held(t, "dead")).map(({ messageId }) => messageId),
  };
  expect(await taken(t, filter)).toEqual(["pay all"]);
  expect(await t.counts("dead")).toBe("6/0/0");
});

test("a filter with nothing in it takes everything", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  expect(await taken(t, {})).toEqual(["a", "b"]);
});

test("a filter that nothing agrees with completes its task and moves nothing", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  expect(await taken(t, { bodyContains: "nowhere" })).toEqual([]);
  expect((await t.moveTasks())[0]).toMatchObject({ status: "COMPLETED", moved: 0, skipped: 0 });
});

test("a filter holds over a crash, and at a rate", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["yes 1", "no 1", "yes 2", "no 2", "yes 3"]);
  const startedAt = t.now;
  await t.startMove({ perSecond: 1, filter: { bodyContains: "yes" } });
  await t.advance(500);
  await t.crash();
  const task = await moveEnded(t);
  expect(task).toMatchObject({ status: "COMPLETED", moved: 3, filter: { bodyContains: "yes" } });
  // What is left out takes no time.
  expect(task.endedAt - startedAt).toBeLessThan(4_000);
  expect(await heldBodies(t, "orders")).toEqual(["yes 1", "yes 2", "yes 3"]);
});

const tooMany = <Item>(length: number, item: (index: number) => Item): Item[] =>
  Array.from({ length }, (_, index) => item(index));

test.each<[string, Filter, string]>([
  [
    "1001 ids",
    {
      messageIds: tooMany(
        1_001,
        (index) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
      ),
    },
    "filter.message_ids",
  ],
  [
    "11 attributes",
    { attributes: new Map(tooMany(11, (index) => [`name-${index}`, "v"])) },
    "filter.attributes",
  ],
  ["a text of 1025 bytes", { bodyContains: `${"ä".repeat(512)}x` }, "filter.body_contains"],
  ["a negative minimum age", { minimumAge: durationOf(-1) }, "filter.minimum_age"],
  ["a negative maximum age", { maximumAge: durationOf(-1) }, "filter.maximum_age"],
])("a filter with %s is refused, by a start and by a preview", async (_, filter, field) => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a"]);
  const refused = { code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER", violations: [field] };
  await expect(t.startMove({ filter })).rejects.toMatchObject(refused);
  await expect(preview(t, { filter })).rejects.toMatchObject(refused);
  expect(await t.moveTasks()).toEqual([]);
  // One less is accepted.
  const less: Filter = {
    messageIds: filter.messageIds?.slice(1) ?? [],
    attributes: new Map([...((filter.attributes as Map<string, string>) ?? [])].slice(1)),
    bodyContains: filter.bodyContains?.slice(0, -1) ?? "",
  };
  await t.startMove({ filter: less });
  await moveEnded(t);
});

// --- edits ----------------------------------------------------------------------------------------------------------------

const edited = async (t: Scenario, edit: Edit, filter?: Filter) => {
  await t.startMove({ edit, ...(filter !== undefined && { filter }) });
  const task = await moveEnded(t);
  expect(task.status).toBe("COMPLETED");
  return task;
};

test("an edit sets and removes attributes, and an absent one to remove is no error", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a"], { attributes: { keep: "1", replace: "old", remove: "x" } });
  await sendToDeath(t, ["b"]);
  await edited(t, {
    setAttributes: attributesOf({ replace: number("7"), add: "new" }),
    removeAttributes: ["remove", "absent"],
  });
  const [a, b] = await held(t, "orders");
  expect(Object.fromEntries(a?.attributes ?? [])).toEqual(
    Object.fromEntries(attributesOf({ keep: "1", replace: number("7"), add: "new" })),
  );
  expect(Object.fromEntries(b?.attributes ?? [])).toEqual(
    Object.fromEntries(attributesOf({ replace: number("7"), add: "new" })),
  );
  const plain = await t.send("plain", { attributes: { replace: number("7"), add: "new" } });
  const received = await t.receive({ max: 10, attributes: ["All"] });
  expect(received[1]?.message.md5OfAttributes).toBe(plain.md5OfAttributes);
});

test("an edit gives all messages one body, as text or as bytes, with its digest and its size", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["long enough", "x"]);
  await edited(t, { body: { $case: "text", value: "new ä" } }, { bodyContains: "long" });
  await edited(t, { body: { $case: "data", value: Buffer.from([0, 1, 2]) } });
  const [text, data] = await t.receive({ max: 2 });
  expect(text?.message.body).toEqual({ $case: "text", value: "new ä" });
  expect(data?.message.body?.$case).toBe("data");
  expect(Buffer.from(data?.message.body?.value ?? "").toString("hex")).toBe("000102");
  const again = await t.send("new ä");
  expect(text?.message.md5OfBody).toBe(again.md5OfBody);
  expect(await t.counters()).toMatchObject({ storedBytes: 6 + 3 + 6 });
  expect(await t.counters("dead")).toMatchObject({ storedBytes: 0 });
  expect(await contradictions(t)).toEqual([]);
});

test("an edit changes what is moved and nothing else", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  const before = await held(t, "dead");
  await edited(t, { body: { $case: "text", value: "new" } }, { bodyContains: "a" });
  expect(await held(t, "dead")).toEqual(before.slice(1));
  expect((await heldOne(t, "orders")).systemAttributes?.originalMessageId).toBe(
    before[0]?.messageId,
  );
});

test("a message that an edit would give more than ten attributes is skipped, the others are moved", async () => {
  const t = await deadLetterScenario();
  const nine = Object.fromEntries(tooMany(9, (index) => [`name-${index}`, "v"]));
  await sendToDeath(t, ["nine"], { attributes: nine });
  await sendToDeath(t, ["ten"], { attributes: { ...nine, tenth: "v" } });
  await sendToDeath(t, ["ten, one removed"], { attributes: { ...nine, old: "v" } });
  await sendToDeath(t, ["ten, one replaced"], { attributes: { ...nine, added: "v" } });
  const edit: Edit = { setAttributes: attributesOf({ added: "1" }), removeAttributes: ["old"] };
  expect(await preview(t, { edit })).toMatchObject({ matching: 4, skipped: 1 });
  expect(await edited(t, edit)).toMatchObject({ moved: 3, skipped: 1 });
  expect(await heldBodies(t, "dead")).toEqual(["ten"]);
  expect(await heldBodies(t, "orders")).toEqual(["nine", "ten, one removed", "ten, one replaced"]);
});

test("a message that an edit would make larger than 1 MiB is skipped, whatever the destination takes", async () => {
  const t = await deadLetterScenario();
  await t.send("x".repeat(mebibyte - 8));
  await t.send("x".repeat(mebibyte - 7));
  await wearOut(t);
  await t.setQueue({ messageBytesMax: 1_024 });
  // Name, type and value: eight bytes.
  const edit: Edit = { setAttributes: attributesOf({ a: "b" }) };
  expect(await edited(t, edit)).toMatchObject({ moved: 1, skipped: 1 });
  expect((await heldOne(t, "orders")).bodyBytes).toBe(mebibyte - 8);
  expect((await heldOne(t, "dead")).bodyBytes).toBe(mebibyte - 7);
  expect(await contradictions(t)).toEqual([]);
});

test("an edit may give messages of a standard queue a group", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a"], { groupId: "old" });
  await sendToDeath(t, ["b"]);
  await edited(t, { groupId: "new" });
  expect(
    (await held(t, "orders")).map(({ systemAttributes }) => systemAttributes?.groupId),
  ).toEqual(["new", "new"]);
});

test("an edit may bring FIFO messages together in one group, in their order", async () => {
  const t = await fifoDeadLetterScenario();
  for (const [body, groupId] of [
    ["1", "a"],
    ["2", "b"],
    ["3", "a"],
  ] as const) {
    await t.send(body, { groupId });
    await wearOut(t);
  }
  expect(await heldBodies(t, "dead.fifo")).toEqual(["1", "2", "3"]);
  await t.startMove({ source: "dead.fifo", edit: { groupId: "all" } });
  expect(await moveEnded(t, "dead.fifo")).toMatchObject({ status: "COMPLETED", moved: 3 });
  const received = await t.receive({ max: 10 });
  expect(bodiesOf(received)).toEqual(["1", "2", "3"]);
  expect(received.map(({ message }) => message.systemAttributes?.groupId)).toEqual([
    "all",
    "all",
    "all",
  ]);
});

test("an edit holds over a crash", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  await t.startMove({ perSecond: 1, edit: { body: { $case: "text", value: "new" } } });
  await t.advance(500);
  await t.crash();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2 });
  expect(await heldBodies(t, "orders")).toEqual(["new", "new"]);
});

test.each<[string, Edit, string, RegExp]>([
  [
    "a forbidden character",
    { body: { $case: "text", value: "\u0001" } },
    "INVALID_MESSAGE_CONTENTS",
    /^edit\.(text|body)/,
  ],
  [
    "a reserved attribute",
    { setAttributes: attributesOf({ "aws.x": "v" }) },
    "INVALID_PARAMETER",
    /^edit\.set_attributes/,
  ],
  [
    "an empty attribute",
    { setAttributes: attributesOf({ a: "" }) },
    "INVALID_PARAMETER",
    /^edit\.set_attributes/,
  ],
  [
    "11 attributes to set",
    { setAttributes: attributesOf(Object.fromEntries(tooMany(11, (index) => [`n${index}`, "v"]))) },
    "INVALID_PARAMETER",
    /^edit\.set_attributes/,
  ],
  [
    "11 attributes to remove",
    { removeAttributes: tooMany(11, (index) => `n${index}`) },
    "INVALID_PARAMETER",
    /^edit\.remove_attributes/,
  ],
  ["a group with a space", { groupId: "a b" }, "INVALID_PARAMETER", /^edit\.group_id/],
  ["a long group", { groupId: "g".repeat(129) }, "INVALID_PARAMETER", /^edit\.group_id/],
])("an edit with %s is refused, by a start and by a preview", async (_, edit, reason, field) => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a"]);
  const refused = {
    code: "INVALID_ARGUMENT",
    reason,
    violations: [expect.stringMatching(field)],
  };
  await expect(t.startMove({ edit })).rejects.toMatchObject(refused);
  await expect(preview(t, { edit })).rejects.toMatchObject(refused);
  expect(await t.moveTasks()).toEqual([]);
});

// --- previews -------------------------------------------------------------------------------------------------------------

test("a preview counts what a task would do, and moves nothing", async () => {
  const t = await deadLetterScenario({ after: 9 });
  await t.createQueue("bills", { redrive: { to: "dead", after: 1 } });
  await rejected(t, "pay 1", "bad");
  await rejected(t, "pay 2", "bad");
  await rejected(t, "pay 3", "worse");
  await sendToDeath(t, ["pay 4"], { queue: "bills" });
  await t.send("pay straight", { queue: "dead" });
  await rejected(t, "another", "bad");
  await t.send("pay delayed", { queue: "dead", delayMs: 60_000 });
  await rejected(t, "pay leased", "bad");
  const leased = await t.receive({ queue: "dead", max: 10 });
  for (const { body, handle } of leased) {
    if (body !== "pay leased") await t.changeVisibility(handle, 0, "dead");
  }
  const state = async () => ({
    dead: await held(t, "dead"),
    counters: [await t.counters("dead"), await t.counters("orders"), await t.counters("bills")],
    tasks: await t.moveTasks(),
  });
  const before = await state();
  const seen = await preview(t, { filter: { bodyContains: "pay" } });
  expect(seen).toMatchObject({
    matching: 5,
    other: 1,
    skipped: 1,
    unavailable: 2,
    destinations: { orders: 3, bills: 1 },
    reasons: { bad: 2, worse: 1, "": 2 },
  });
  expect(seen.samples.map(({ body }) => body?.value)).toEqual(["pay 1", "pay 2", "pay 3"]);
  expect(await state()).toEqual(before);
  const all = await preview(t);
  expect(all).toMatchObject({
    matching: 6,
    other: 0,
    skipped: 1,
    unavailable: 2,
    destinations: { orders: 4, bills: 1 },
  });
  const elsewhere = await preview(t, { destination: "bills" });
  expect(elsewhere).toMatchObject({ matching: 6, skipped: 0, destinations: { bills: 6 } });
  expect(await state()).toEqual(before);
});

test("a preview's samples are the first messages, as they would arrive", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(
    t,
    tooMany(12, (index) => `m${index}`),
    { attributes: { tenant: "acme" } },
  );
  expect((await preview(t)).samples.map(({ body }) => body?.value)).toEqual(["m0", "m1", "m2"]);
  expect((await preview(t, { sampleCount: 0 })).samples).toEqual([]);
  expect((await preview(t, { sampleCount: 10 })).samples).toHaveLength(10);
  const edit: Edit = {
    body: { $case: "text", value: "größer" },
    setAttributes: attributesOf({ added: "1" }),
    removeAttributes: ["tenant"],
    groupId: "g",
  };
  const { samples } = await preview(t, { sampleCount: 1, edit });
  expect(samples[0]?.body?.value).toBe("größer");
  expect(Object.fromEntries(samples[0]?.attributes ?? [])).toEqual(
    Object.fromEntries(attributesOf({ added: "1" })),
  );
  expect(samples[0]?.systemAttributes?.groupId).toBe("g");
  // A text is cut at a character, and the size is that of the whole.
  const [cut] = (await preview(t, { sampleCount: 1, edit, bodyBytesMax: 3 })).samples;
  expect(cut?.body?.value).toBe("gr");
  expect(cut?.bodyBytes).toBe(8);
  expect(await heldBodies(t, "dead")).toHaveLength(12);
});

test("a preview's answer stays within what a client takes: fewer samples of long messages, the counts of all", async () => {
  const t = await deadLetterScenario();
  for (let index = 0; index < 6; index += 1) {
    await t.send(Buffer.alloc(mebibyte, index), { queue: "dead" });
  }
  const seen = await preview(t, { destination: "orders", sampleCount: 10 });
  expect(seen.samples).toHaveLength(3);
  expect(seen).toMatchObject({ matching: 6, destinations: { orders: 6 } });
  const cut = await preview(t, { destination: "orders", sampleCount: 10, bodyBytesMax: 1 });
  expect(cut.samples).toHaveLength(6);
});

test("a preview tells at most 100 reasons, and counts all messages", async () => {
  const t = await deadLetterScenario({ after: 9 });
  for (let batch = 0; batch < 11; batch += 1) {
    await t.sendBatch(tooMany(10, (index) => `m${batch}-${index}`));
    for (const { handle, body } of await t.receive({ max: 10 })) {
      await t.reject(handle, { reason: body, isDeadLetter: true });
    }
  }
  const seen = await preview(t);
  expect(seen.matching).toBe(110);
  expect(Object.keys(seen.reasons)).toHaveLength(100);
  expect(new Set(Object.values(seen.reasons))).toEqual(new Set([1]));
});

test("a preview agrees with the task that follows it", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(
    t,
    tooMany(30, (index) => `${index % 3 === 0 ? "yes" : "no"} ${index}`),
  );
  await t.send("yes straight", { queue: "dead" });
  const filter: Filter = { bodyContains: "yes" };
  const { matching, skipped, other } = await preview(t, { filter });
  await t.startMove({ filter });
  const task = await moveEnded(t);
  expect([task.moved, task.skipped]).toEqual([matching - skipped, skipped]);
  expect(await t.counts("dead")).toBe(`${other + skipped}/0/0`);
});

test("a preview is refused as the start would be", async () => {
  const t = await deadLetterScenario();
  await t.createQueue("other.fifo", { type: "fifo" });
  await sendToDeath(t, ["a"]);
  const notFound = { code: "NOT_FOUND", reason: "MOVE_RESOURCE_NOT_FOUND" };
  await expect(preview(t, { source: "nowhere" })).rejects.toMatchObject({
    ...notFound,
    resource: "queue nowhere",
  });
  await expect(preview(t, { destination: "nirvana" })).rejects.toMatchObject({
    ...notFound,
    resource: "queue nirvana",
  });
  await expect(preview(t, { source: "orders" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "MOVE_SOURCE_NOT_DLQ",
  });
  await expect(preview(t, { destination: "other.fifo" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "DLQ_TYPE_MISMATCH",
  });
  for (const [part, field] of [
    [{ source: "" }, "source"],
    [{ destination: "dead" }, "destination"],
    [{ sampleCount: -1 }, "sample_count"],
    [{ sampleCount: 11 }, "sample_count"],
    [{ bodyBytesMax: -1 }, "body_bytes_max"],
    [{ bodyBytesMax: 1_048_577 }, "body_bytes_max"],
  ] as const) {
    await expect(preview(t, part), field).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      violations: [field],
    });
  }
  expect(await preview(t, { sampleCount: 10, bodyBytesMax: 0 })).toMatchObject({ matching: 1 });
});

test("a preview is answered while a task runs, and tells what is left", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b", "c", "d"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(1_500);
  const seen = await preview(t);
  expect(seen.matching).toBe(2);
  expect(seen.samples.map(({ body }) => body?.value)).toEqual(["c", "d"]);
});
