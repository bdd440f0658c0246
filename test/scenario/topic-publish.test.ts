// What may be published, and what is refused with which reason (T13 to T21, T40).

import { expect, test } from "vitest";
import {
  type MessageAttributeValue,
  MessageStructure,
} from "../../src/gen/forebay/topic/v1/message.js";
import { durationOf, type Scenario, scenario } from "../support/scenario.js";
import {
  createTopic,
  envelopeIn,
  type PublishOptions,
  publish,
  subscribe,
  topicCall,
} from "../support/topics.js";

const mebibyte = 1_048_576;

const invalid = (reason: string) => ({ code: "INVALID_ARGUMENT", reason });
const string = (value: string, dataType = "String"): MessageAttributeValue => ({
  dataType,
  value: { $case: "stringValue", value },
});
const binary = (value: Uint8Array, dataType = "Binary"): MessageAttributeValue => ({
  dataType,
  value: { $case: "binaryValue", value },
});

/** A topic and a queue that gets its messages alone. */
async function rawTopic(): Promise<Scenario> {
  const t = await scenario();
  await createTopic(t, "news");
  await subscribe(t, "news", t.queue, { isRaw: true });
  return t;
}

const publishedCount = async (t: Scenario, topic = "news"): Promise<number> =>
  Number((await topicCall(t, "getTopic", { topic })).topic?.counters?.published);

test("T13 a message with its attributes has at most 1048576 bytes, or what the topic says", async () => {
  const t = await rawTopic();
  // Name, type and value of the attribute count: 4 + 6 + 6 bytes.
  const attributes = { size: "123456" };
  await publish(t, "news", "x".repeat(mebibyte - 16), { attributes });
  expect((await t.receiveOne()).body).toHaveLength(mebibyte - 16);
  await expect(publish(t, "news", "x".repeat(mebibyte - 15), { attributes })).rejects.toMatchObject(
    {
      ...invalid("MESSAGE_TOO_LONG"),
      metadata: { size: String(mebibyte + 1), limit: String(mebibyte) },
    },
  );
  // Subject and ids do not count.
  await topicCall(t, "updateTopic", {
    topic: "news",
    updateMask: ["maximum_message_bytes"],
    settings: { maximumMessageBytes: 1_024 },
  });
  await publish(t, "news", "é".repeat(512), { subject: "s", groupId: "g" });
  await expect(publish(t, "news", "é".repeat(513))).rejects.toMatchObject({
    metadata: { size: "1026", limit: "1024" },
  });
  expect(await publishedCount(t)).toBe(2);
});

const batch = (
  t: Scenario,
  entries: readonly {
    readonly id: string;
    readonly text: string;
    readonly options?: PublishOptions;
  }[],
  allOrNothing = false,
) =>
  topicCall(t, "publishBatch", {
    topic: "news",
    allOrNothing,
    entries: entries.map(({ id, text, options: { attributes, ...options } = {} }) => ({
      id,
      body: { $case: "text" as const, value: text },
      ...options,
      ...(attributes && {
        attributes: new Map(
          Object.entries(attributes).map(([name, value]) => [
            name,
            typeof value === "string" ? string(value) : value,
          ]),
        ),
      }),
    })),
  });

test("T14 a batch has at most 1048576 bytes, and one that has more publishes nothing", async () => {
  const t = await rawTopic();
  const half = "x".repeat(mebibyte / 2);
  await expect(
    batch(t, [
      { id: "a", text: half },
      { id: "b", text: `${half}x` },
    ]),
  ).rejects.toMatchObject({
    ...invalid("BATCH_TOO_LONG"),
    metadata: { size: String(mebibyte + 1), limit: String(mebibyte) },
  });
  expect(await publishedCount(t)).toBe(0);
  const { successful } = await batch(t, [
    { id: "a", text: half },
    { id: "b", text: half },
  ]);
  expect(successful.map(({ id }) => id)).toEqual(["a", "b"]);
});

test("T15 what is wrong with a batch as a whole has a reason each", async () => {
  const t = await rawTopic();
  const ids = (...given: string[]) =>
    batch(
      t,
      given.map((id) => ({ id, text: "x" })),
    );
  await expect(ids("message.id")).rejects.toMatchObject(invalid("BATCH_ENTRY_ID_INVALID"));
  await expect(ids("x".repeat(81))).rejects.toMatchObject(invalid("BATCH_ENTRY_ID_INVALID"));
  await expect(ids("a", "a")).rejects.toMatchObject(invalid("BATCH_ENTRY_IDS_NOT_DISTINCT"));
  await expect(ids()).rejects.toMatchObject(invalid("EMPTY_BATCH"));
  const eleven = Array.from({ length: 11 }, (_, index) => String(index));
  await expect(ids(...eleven)).rejects.toMatchObject(invalid("TOO_MANY_ENTRIES"));
  expect((await ids(...eleven.slice(1))).successful).toHaveLength(10);
  expect(await publishedCount(t)).toBe(10);
});

test("T16 one bad entry of a batch is told and the others are published, or with all_or_nothing none is", async () => {
  const t = await rawTopic();
  const entries = [
    { id: "good", text: "1" },
    { id: "bad", text: "2", options: { attributes: { ".a": "x" } } },
    { id: "late", text: "3", options: { dedupId: "d" } },
    { id: "fine", text: "4" },
  ];
  const { successful, failed } = await batch(t, entries);
  expect(successful.map(({ id }) => id)).toEqual(["good", "fine"]);
  expect(failed).toMatchObject([
    { id: "bad", reason: "INVALID_ATTRIBUTE_NAME", senderFault: true },
    { id: "late", reason: "DEDUP_ID_NOT_ALLOWED", senderFault: true },
  ]);
  expect((await t.receive({ max: 10 })).map(({ body }) => body)).toEqual(["1", "4"]);
  for (const [kept, entry, reason] of [
    [entries.slice(0, 2), "1", "INVALID_ATTRIBUTE_NAME"],
    [[entries[0], entries[2]], "1", "DEDUP_ID_NOT_ALLOWED"],
  ] as const) {
    await expect(
      batch(
        t,
        kept.flatMap((each) => (each === undefined ? [] : [each])),
        true,
      ),
    ).rejects.toMatchObject({
      ...invalid("BATCH_REJECTED"),
      metadata: { entry, entry_reason: reason },
    });
  }
  expect(await publishedCount(t)).toBe(2);
});

test("T17 a name of an attribute that is not allowed is refused", async () => {
  const t = await rawTopic();
  const bad = [".a", "a.", "a..b", "a^", "x".repeat(257), "AWS.x", "amazon.x", "Forebay.x"];
  for (const name of bad) {
    await expect(publish(t, "news", "x", { attributes: { [name]: "1" } })).rejects.toMatchObject(
      invalid("INVALID_ATTRIBUTE_NAME"),
    );
  }
  const good = ["a.b", "a-_.B9", "x".repeat(256), "awsx"];
  const attributes = Object.fromEntries(good.map((name) => [name, "1"]));
  await publish(t, "news", "x", { attributes });
  const { message } = await t.receiveOne({ attributes: ["All"] });
  expect([...message.attributes.keys()].sort()).toEqual([...good].sort());
});

test("T18 a type of an attribute is String, Number, Binary or String.Array, with a label that is not empty", async () => {
  const t = await rawTopic();
  for (const type of ["String.", "Stringx", "", "number", "Array", `String.${"x".repeat(250)}`]) {
    await expect(
      publish(t, "news", "x", { attributes: { a: string("1", type) } }),
    ).rejects.toMatchObject(invalid("INVALID_ATTRIBUTE_TYPE"));
  }
  const attributes = {
    a: string("1", "String.x"),
    b: string("[1,2]", "String.Array"),
    c: string("-1.50", "Number.price"),
    d: binary(Buffer.from([0, 255]), "Binary.gif"),
  };
  await publish(t, "news", "x", { attributes });
  const { message } = await t.receiveOne({ attributes: ["All"] });
  expect(Object.fromEntries(message.attributes)).toEqual(attributes);
});

test("T19 an attribute without a value, or with one of the other kind, is refused", async () => {
  const t = await rawTopic();
  const bad: MessageAttributeValue[] = [
    binary(Buffer.from([1]), "String"),
    string("1", "Binary"),
    string(""),
    binary(Buffer.alloc(0)),
    { dataType: "String" },
    string("12x", "Number"),
    string("1".repeat(39), "Number"),
  ];
  for (const a of bad) {
    await expect(publish(t, "news", "x", { attributes: { a } })).rejects.toMatchObject(
      invalid("INVALID_ATTRIBUTE_VALUE"),
    );
  }
  expect(await publishedCount(t)).toBe(0);
});

test("T20 a subject has 1 to 100 characters, and without one the envelope has no Subject", async () => {
  const t = await scenario();
  await createTopic(t, "news");
  await subscribe(t, "news", t.queue);
  for (const subject of ["", "x".repeat(101), "two\nlines", "\u0007"]) {
    await expect(publish(t, "news", "x", { subject })).rejects.toMatchObject({
      ...invalid("INVALID_SUBJECT"),
      violations: ["subject"],
    });
  }
  await publish(t, "news", "1");
  await publish(t, "news", "2", { subject: "👍".repeat(100) });
  const [without, having] = await t.receive({ max: 10 });
  expect(Object.keys(envelopeIn(without ?? { body: "" }))).not.toContain("Subject");
  expect(envelopeIn(having ?? { body: "" })["Subject"]).toBe("👍".repeat(100));
});

test("T21 a structured message needs a default text, and a queue gets the text that is for queues", async () => {
  const t = await rawTopic();
  const structured = (text: string) =>
    publish(t, "news", text, { messageStructure: MessageStructure.JSON });
  await expect(structured("{")).rejects.toMatchObject(invalid("STRUCTURE_NOT_JSON"));
  await expect(structured('["default"]')).rejects.toMatchObject(invalid("STRUCTURE_NOT_JSON"));
  await expect(structured('{"queue":"x"}')).rejects.toMatchObject(invalid("STRUCTURE_NO_DEFAULT"));
  await expect(structured('{"default":1}')).rejects.toMatchObject(invalid("STRUCTURE_NO_DEFAULT"));
  await expect(structured('{"default":"a","default":"b"}')).rejects.toMatchObject(
    invalid("STRUCTURE_DUPLICATE_KEY"),
  );
  await expect(structured('{"default":"a","queue":""}')).rejects.toMatchObject(
    invalid("EMPTY_MESSAGE"),
  );
  await structured('{"default":"all","queue":"ours","http":"theirs","other":{}}');
  await structured('{"default":"all","sqs":"SNS\'s name","queue":1}');
  await structured('{"default":"all"}');
  expect((await t.receive({ max: 10 })).map(({ body }) => body)).toEqual([
    "ours",
    "SNS's name",
    "all",
  ]);
});

test("T40 a FIFO topic needs group and deduplication ids, and a standard one takes no deduplication id", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  await createTopic(t, "news.fifo");
  await expect(publish(t, "news", "x", { dedupId: "d" })).rejects.toMatchObject({
    ...invalid("DEDUP_ID_NOT_ALLOWED"),
    violations: ["dedup_id"],
  });
  await expect(publish(t, "news.fifo", "x", { dedupId: "d" })).rejects.toMatchObject({
    ...invalid("GROUP_ID_REQUIRED"),
    violations: ["group_id"],
  });
  await expect(publish(t, "news.fifo", "x", { groupId: "g" })).rejects.toMatchObject({
    ...invalid("DEDUP_ID_REQUIRED"),
    violations: ["dedup_id"],
  });
  for (const groupId of ["with space", "x".repeat(129), "ü"]) {
    await expect(publish(t, "news.fifo", "x", { groupId, dedupId: "d" })).rejects.toMatchObject(
      invalid("INVALID_ID"),
    );
  }
  await expect(
    publish(t, "news.fifo", "x", { groupId: "g", dedupId: "d", delay: durationOf(1) }),
  ).rejects.toMatchObject(invalid("INVALID_PARAMETER"));
  const { sequenceNumber } = await publish(t, "news.fifo", "x", { groupId: "g", dedupId: "d" });
  expect(sequenceNumber).toMatch(/^\d{20}$/);
});

test("an empty message, and a text with a character that no queue takes, are refused", async () => {
  const t = await rawTopic();
  await expect(publish(t, "news", "")).rejects.toMatchObject(invalid("EMPTY_MESSAGE"));
  await expect(publish(t, "news", "a\u0001")).rejects.toMatchObject({
    ...invalid("INVALID_MESSAGE_CONTENTS"),
    metadata: { offset: "1", code_point: "1" },
  });
  await publish(t, "news", Buffer.from("a\u0001"));
  const { message } = await t.receiveOne();
  expect(message.body).toEqual({ $case: "data", value: Buffer.from("a\u0001") });
});

test("a publish that is repeated with its request id is published once", async () => {
  const t = await rawTopic();
  const first = await publish(t, "news", "x", { requestId: "r" });
  const again = await publish(t, "news", "x", { requestId: "r" });
  expect(again).toEqual({ ...first, replayed: true });
  await expect(publish(t, "news", "y", { requestId: "r" })).rejects.toMatchObject({
    reason: "REQUEST_ID_REUSED",
  });
  expect(await t.receive({ max: 10 })).toHaveLength(1);
});

test("a publish says for how many subscriptions it is, if it is asked", async () => {
  const t = await rawTopic();
  await t.createQueue("other");
  await subscribe(t, "news", "other");
  expect((await publish(t, "news", "x")).matchedSubscriptions).toBeUndefined();
  expect(await publish(t, "news", "x", { wantCounts: true })).toMatchObject({
    matchedSubscriptions: 2n,
    filteredSubscriptions: 0n,
  });
});

test("a message is delivered no earlier than its delay says, and no later than its time to live", async () => {
  const t = await rawTopic();
  await publish(t, "news", "later", { delay: durationOf(60_000) });
  await publish(t, "news", "short", { ttl: durationOf(30_000) });
  await t.advance(29_999);
  expect((await t.receive({ max: 10, visibilityTimeoutMs: 0 })).map(({ body }) => body)).toEqual([
    "short",
  ]);
  await t.advance(1);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(29_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(1);
  expect((await t.receive({ max: 10 })).map(({ body }) => body)).toEqual(["later"]);
});
