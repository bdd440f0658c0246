// Move tasks and previews at their limits: long queues, long bodies, long lists, and requests that cannot be meant.

import { expect, test } from "vitest";
import { MessageEventKind } from "../../src/gen/forebay/queue/v1/message.js";
import type { PreviewMessageMoveTaskResponse } from "../../src/gen/forebay/queue/v1/queue_service.js";
import {
  deadLetterScenario,
  held,
  heldBodies,
  heldOne,
  moveEnded,
  sendToDeath,
} from "../support/dead-letters.js";
import type { RequestPart } from "../support/queue-client.js";
import { attributesOf, durationOf, msOf, type Scenario } from "../support/scenario.js";

const mebibyte = 1_048_576;

const preview = (
  t: Scenario,
  request: Omit<RequestPart<"previewMessageMoveTask">, "source"> = {},
): Promise<PreviewMessageMoveTaskResponse> =>
  t.call("previewMessageMoveTask", { source: "dead", ...request });

/** Sent straight to the dead-letter queue. */
async function fill(t: Scenario, bodies: readonly string[]): Promise<void> {
  const stream = t.produce();
  for (let from = 0; from < bodies.length; from += 500) {
    stream.write({
      queue: "dead",
      entries: bodies.slice(from, from + 500).map((value) => ({ body: { $case: "text", value } })),
    });
  }
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `m${index}`);

test("a preview of a long queue counts all of it, and callers are served meanwhile", async () => {
  const t = await deadLetterScenario();
  await fill(t, numbered(2_300));
  const [seen] = await Promise.all([
    preview(t, { destination: "orders", filter: { bodyContains: "7" }, sampleCount: 2 }),
    t.send("meanwhile", { queue: "orders" }),
  ]);
  const matching = numbered(2_300).filter((body) => body.includes("7"));
  expect(Number(seen.matchingMessageCount)).toBe(matching.length);
  expect(Number(seen.otherMessageCount)).toBe(2_300 - matching.length);
  expect(seen.destinationMessageCounts).toEqual(new Map([["orders", BigInt(matching.length)]]));
  expect(seen.samples.map(({ body }) => body?.value)).toEqual(["m7", "m17"]);
});

test("samples behind the first step of a preview are found, too", async () => {
  const t = await deadLetterScenario();
  await fill(t, [...numbered(1_200), "needle 1", "needle 2"]);
  const seen = await preview(t, { filter: { bodyContains: "needle" }, sampleCount: 1 });
  expect(seen.samples.map(({ body }) => body?.value)).toEqual(["needle 1"]);
  expect(Number(seen.matchingMessageCount)).toBe(2);
});

test("samples end where one answer would be too large, the counts do not", async () => {
  const t = await deadLetterScenario();
  for (let index = 0; index < 5; index += 1) {
    await t.send(String(index).repeat(mebibyte), { queue: "dead" });
  }
  const whole = await preview(t, { sampleCount: 10 });
  expect(whole.samples.map(({ body }) => String(body?.value)[0])).toEqual(["0", "1", "2"]);
  expect(Number(whole.matchingMessageCount)).toBe(5);
  const cut = await preview(t, { sampleCount: 10, bodyBytesMax: 10 });
  expect(cut.samples).toHaveLength(5);
});

test("of the reasons of rejections a preview counts a hundred", async () => {
  const t = await deadLetterScenario({ after: 9 });
  for (let index = 0; index < 103; index += 1) {
    await t.send(`m${index}`);
    const { handle } = await t.receiveOne();
    await t.reject(handle, { reason: `reason-${index}`, isDeadLetter: true });
  }
  await sendAgain(t, "reason-5");
  const { rejectionReasonCounts: reasons, matchingMessageCount } = await preview(t);
  expect(reasons.size).toBe(100);
  expect(reasons.get("reason-5")).toBe(2n);
  expect(Number(matchingMessageCount)).toBe(104);
});

test("of the queues that messages would go back to a preview counts a hundred", async () => {
  const t = await deadLetterScenario();
  for (let index = 0; index < 102; index += 1) {
    const queue = `source-${index}`;
    await t.createQueue(queue, { redrive: { to: "dead", after: 1 } });
    await sendToDeath(t, [queue], { queue });
  }
  await sendToDeath(t, ["again"], { queue: "source-7" });
  const { destinationMessageCounts: queues, matchingMessageCount } = await preview(t);
  expect(queues.size).toBe(100);
  expect(queues.get("source-7")).toBe(2n);
  expect(queues.has("source-101")).toBe(false);
  expect(Number(matchingMessageCount)).toBe(103);
});

async function sendAgain(t: Scenario, reason: string): Promise<void> {
  await t.send("again");
  await t.reject((await t.receiveOne()).handle, { reason, isDeadLetter: true });
}

test("a sample is shown as it would arrive: as a new message of its destination", async () => {
  const t = await deadLetterScenario({
    after: 2,
    retentionMs: 60_000,
    dead: { retentionMs: 600_000 },
  });
  await sendToDeath(t, ["a"]);
  await t.receive({ queue: "dead", visibilityTimeoutMs: 0 });
  await t.advance(300_000);
  const [dead] = await held(t, "dead");
  const { samples } = await preview(t);
  const [sample] = samples;
  expect(sample?.systemAttributes).toMatchObject({
    receiveCount: 3,
    queueReceiveCount: 0,
    originalMessageId: dead?.messageId,
  });
  expect(sample?.systemAttributes?.deadLetterSourceQueue).toBeUndefined();
  expect(Number(sample?.systemAttributes?.sendTime?.seconds) * 1_000).toBe(
    Math.floor(t.now / 1_000) * 1_000,
  );
  expect(
    Number(sample?.expireTime?.seconds) - Number(sample?.systemAttributes?.sendTime?.seconds),
  ).toBe(60);
});

test("a page of tasks ends where one answer would be too large", async () => {
  const t = await deadLetterScenario();
  const value = "x".repeat(mebibyte);
  for (let perSecond = 1; perSecond <= 5; perSecond += 1) {
    await t.startMove({ perSecond, edit: { body: { $case: "text", value } } });
    await endOfMove(t);
  }
  const rates: number[] = [];
  let pageToken = "";
  let pageCount = 0;
  do {
    const page = await t.call("listMessageMoveTasks", { source: "dead", pageSize: 10, pageToken });
    rates.push(...page.tasks.map(({ maxPerSecond }) => maxPerSecond));
    expect(page.tasks[0]?.edit?.body?.value).toBe(value);
    pageToken = page.nextPageToken;
    pageCount += 1;
  } while (pageToken !== "");
  expect([rates, pageCount]).toEqual([[5, 4, 3, 2, 1], 2]);
});

/** As `moveEnded`, with one task a page. */
async function endOfMove(t: Scenario): Promise<void> {
  for (let look = 0; look < 100; look += 1) {
    const { tasks } = await t.call("listMessageMoveTasks", { source: "dead" });
    if (tasks[0]?.endTime !== undefined) return;
    await t.advance(50);
  }
  throw new Error("The task does not end.");
}

const id = "01890a5d-ac96-774b-bcce-b302099a8057";

type Part = Pick<RequestPart<"startMessageMoveTask">, "filter" | "edit">;

test.each<[string, Part, readonly string[]]>([
  [
    "ids that are none",
    { filter: { messageIds: [id, "garbage", `${id}0`, id.toUpperCase(), ""] } },
    ["filter.message_ids[1]", "filter.message_ids[2]", "filter.message_ids[4]"],
  ],
  [
    "a reason longer than one can be",
    { filter: { rejectionReason: "r".repeat(129) } },
    ["filter.rejection_reason"],
  ],
  [
    "a source in another namespace",
    { filter: { deadLetterSourceQueue: "billing/orders" } },
    ["filter.dead_letter_source_queue"],
  ],
  [
    "a source that cannot be a queue",
    { filter: { deadLetterSourceQueue: "a b" } },
    ["filter.dead_letter_source_queue"],
  ],
  ["a group with a space", { filter: { groupId: "a b" } }, ["filter.group_id"]],
  [
    "attributes longer than a message",
    { filter: { attributes: new Map([["name", "x".repeat(mebibyte)]]) } },
    ["filter.attributes"],
  ],
  [
    "an age of more than ten years",
    { filter: { maximumAge: { seconds: 3_651n * 86_400n, nanos: 0 } } },
    ["filter.maximum_age"],
  ],
  [
    "an edit that no message could bear",
    {
      edit: {
        body: { $case: "text", value: "x".repeat(mebibyte) },
        setAttributes: attributesOf({ a: "b" }),
      },
    },
    ["edit"],
  ],
  [
    "names to remove that no attribute has",
    { edit: { removeAttributes: ["good", "", ".bad"] } },
    ["edit.remove_attributes[1]", "edit.remove_attributes[2]"],
  ],
])("a move of %s is refused, and every bad field is named", async (_, part, violations) => {
  const t = await deadLetterScenario();
  await expect(t.startMove(part as object)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    violations,
  });
  await expect(preview(t, part)).rejects.toMatchObject({ violations });
  expect(await t.moveTasks()).toEqual([]);
});

test("an empty body is none to give to messages", async () => {
  const t = await deadLetterScenario();
  for (const body of [
    { $case: "text", value: "" },
    { $case: "data", value: Buffer.alloc(0) },
  ] as const) {
    await expect(t.startMove({ edit: { body } })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "MISSING_PARAMETER",
      violations: [`edit.${body.$case}`],
    });
  }
});

test("an edit as large as a message may be is taken", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a"]);
  const value = "x".repeat(mebibyte - 8);
  await t.startMove({
    edit: { body: { $case: "text", value }, setAttributes: attributesOf({ a: "b" }) },
  });
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 1 });
  expect(await t.counters()).toMatchObject({ storedBytes: mebibyte });
});

test("what is removed and set is set", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a"], { attributes: { tenant: "old" } });
  await t.startMove({
    edit: { setAttributes: attributesOf({ tenant: "new" }), removeAttributes: ["tenant"] },
  });
  await moveEnded(t);
  const [moved] = await held(t, "orders");
  expect(moved?.attributes).toEqual(attributesOf({ tenant: "new" }));
});

test("a task whose edit fits no message completes and says that it skipped them", async () => {
  const t = await deadLetterScenario();
  const ten = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`n${index}`, "v"]));
  await sendToDeath(t, ["a", "b"], { attributes: ten });
  await t.startMove({ edit: { setAttributes: attributesOf({ more: "v" }) } });
  expect(await moveEnded(t)).toMatchObject({
    status: "COMPLETED",
    failure: "",
    moved: 0,
    skipped: 2,
  });
});

test("an id that is given twice is one message, whatever its letters", async () => {
  const t = await deadLetterScenario();
  await sendToDeath(t, ["a", "b"]);
  const [a] = await held(t, "dead");
  const messageId = a?.messageId ?? "";
  await t.startMove({ filter: { messageIds: [messageId, messageId.toUpperCase(), messageId] } });
  const task = await moveEnded(t);
  expect(task).toMatchObject({ status: "COMPLETED", moved: 1 });
  expect(task.filter?.messageIds).toEqual([messageId]);
  expect(await heldBodies(t, "dead")).toEqual(["b"]);
});

test("a filter and an edit with nothing in them are none", async () => {
  const t = await deadLetterScenario();
  await t.startMove({ filter: {}, edit: {} });
  const task = await moveEnded(t);
  expect([task.filter, task.edit]).toEqual([undefined, undefined]);
});

test("metrics say how many tasks run and how many messages they moved", async () => {
  const t = await deadLetterScenario();
  const metric = async (name: string): Promise<number> => {
    const { host, port } = t.server.managementAddress;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    return Number(line?.split(" ")[1]);
  };
  await sendToDeath(t, ["a", "b", "c"]);
  await t.startMove({ perSecond: 1 });
  await t.advance(1_500);
  expect(await metric("forebay_move_tasks_running")).toBe(1);
  expect(await metric("forebay_moved_messages_total")).toBe(2);
  await moveEnded(t);
  expect(await metric("forebay_move_tasks_running")).toBe(0);
  expect(await metric("forebay_moved_messages_total")).toBe(3);
});

test("a moved message brings along its priority, its last rejection and what is known of its receives", async () => {
  const t = await deadLetterScenario({ after: 9 });
  const kinds = MessageEventKind;
  await t.call("sendMessage", {
    queue: t.queue,
    body: { $case: "text", value: "work" },
    priority: 7,
    timeToLive: durationOf(3_600_000),
  });
  await t.advance(1_000);
  const first = await t.receiveOne();
  const receivedAt = t.now;
  await t.advance(1_000);
  await t.changeVisibility(first.handle, 0);
  const second = await t.receiveOne();
  await t.advance(1_000);
  await t.reject(second.handle, { reason: "bad", error: "no such customer", isDeadLetter: true });
  await t.advance(1_000);
  await t.startMove();
  await moveEnded(t);
  const moved = await heldOne(t, "orders");
  expect(moved.systemAttributes).toMatchObject({
    priority: 7,
    receiveCount: 2,
    queueReceiveCount: 0,
    rejection: { reason: "bad", error: "no such customer" },
  });
  expect(msOf(moved.systemAttributes?.firstReceiveTime)).toBe(receivedAt);
  expect(msOf(moved.systemAttributes?.timeToLiveEndTime)).toBe(receivedAt - 1_000 + 3_600_000);
  const { events } = await t.call("describeMessage", {
    queue: "orders",
    messageId: moved.messageId,
  });
  expect(events.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining([kinds.RECEIVED, kinds.RELEASED, kinds.REJECTED, kinds.MOVED]),
  );
});

test("a request id knows its request again, in whatever order the maps of filter and edit come", async () => {
  const t = await deadLetterScenario();
  const start = async (names: readonly string[], value = "v") => {
    const attributes = Object.fromEntries(names.map((name) => [name, value]));
    const request = t.moveRequest({
      requestId: "r1",
      filter: { attributes: new Map(Object.entries(attributes)) },
      edit: { setAttributes: attributesOf(attributes) },
    });
    return await t.call("startMessageMoveTask", request);
  };
  const first = await start(["a", "b", "c"]);
  expect(await start(["c", "a", "b"])).toEqual({ ...first, replayed: true });
  await expect(start(["a", "b", "c"], "w")).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
});
