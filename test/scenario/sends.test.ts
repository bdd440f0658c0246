// What may be sent and how it comes back (Q15 to Q21, Q23).

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type {
  MessageAttributeValue,
  MessageSystemAttributeName,
} from "../../src/gen/forebay/queue/v1/message.js";
import { attributesOf, bodiesOf, scenario } from "../support/scenario.js";

const md5 = (bytes: string | Uint8Array): string => createHash("md5").update(bytes).digest("hex");
const kibibyte = 1_024;
const mebibyte = 1_048_576;

const string = (value: string, dataType = "String"): MessageAttributeValue => ({
  dataType,
  value: { $case: "stringValue", value },
});
const number = (value: string): MessageAttributeValue => string(value, "Number");
const binary = (value: Uint8Array, dataType = "Binary"): MessageAttributeValue => ({
  dataType,
  value: { $case: "binaryValue", value },
});

test("Q15 a message needs a body; one space or one byte is one", async () => {
  const t = await scenario();
  const missing = { code: "INVALID_ARGUMENT", reason: "MISSING_PARAMETER" };
  await expect(t.send("")).rejects.toMatchObject({ ...missing, violations: ["text"] });
  await expect(t.send(Buffer.alloc(0))).rejects.toMatchObject({ ...missing, violations: ["data"] });
  await expect(t.call("sendMessage", { queue: t.queue })).rejects.toMatchObject(missing);
  await t.send(" ");
  await t.send(Buffer.from([0]));
  const received = await t.receive({ max: 10 });
  expect(received.map(({ message }) => message.body)).toEqual([
    { $case: "text", value: " " },
    { $case: "data", value: Buffer.from([0]) },
  ]);
});

test("Q16 a text with U+0001, U+FFFF or the like is refused, and the place is told", async () => {
  const t = await scenario();
  for (const codePoint of [0x01, 0x00, 0x08, 0x0b, 0x0c, 0x0e, 0x1f, 0xfffe, 0xffff]) {
    const text = `ab${String.fromCodePoint(codePoint)}c`;
    await expect(t.send(text)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_MESSAGE_CONTENTS",
      metadata: { offset: "2", code_point: String(codePoint) },
      violations: ["text"],
    });
    expect(await t.counts()).toBe("0/0/0");
    // The same characters are only bytes in `data`.
    await t.send(Buffer.from(text));
    await t.delete((await t.receiveOne()).handle);
  }
});

test("Q16 every allowed text comes back byte for byte, with the MD5 of its bytes", async () => {
  const t = await scenario();
  const texts = [
    "\t",
    "\r\n",
    "\n\r\n\t ",
    "&lt;b&gt; &amp; <b>",
    "\u007f\u0085\u00a0",
    "\ud7ff\ue000\ufffd",
    "\u{10000}\u{10ffff}",
    "👩‍👩‍👧 Grüße — 你好",
    "\ufeffwith a byte order mark",
    "  spaces at both ends  ",
  ];
  for (const text of texts) {
    const { md5OfBody } = await t.send(text);
    expect(md5OfBody).toBe(md5(text));
    const { message, body, handle } = await t.receiveOne();
    expect(body).toBe(text);
    expect(message.md5OfBody).toBe(md5(text));
    await t.delete(handle);
  }
});

test("bytes of every value come back as they were sent", async () => {
  const t = await scenario();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  const { md5OfBody } = await t.send(bytes);
  expect(md5OfBody).toBe(md5(bytes));
  const { message } = await t.receiveOne();
  expect(message.body).toEqual({ $case: "data", value: bytes });
  expect(message.md5OfBody).toBe(md5(bytes));
});

test("Q17 body and attributes count together toward the queue's limit", async () => {
  const t = await scenario({ messageBytesMax: kibibyte });
  // Name 4, type 6, value 14: 24 bytes. "ä" is two bytes in UTF-8.
  const attributes = { kind: "fourteen bytes" };
  const exact = `${"ä".repeat(499)}xy`;
  await t.send(exact, { attributes });
  expect((await t.counters()).storedBytes).toBe(kibibyte);
  await expect(t.send(`${exact}z`, { attributes })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MESSAGE_TOO_LONG",
    metadata: { queue: "orders", size: "1025", limit: "1024" },
    violations: ["body"],
  });
  await t.send("x".repeat(kibibyte));
  await expect(t.send("x".repeat(kibibyte + 1))).rejects.toMatchObject({
    reason: "MESSAGE_TOO_LONG",
    metadata: { size: "1025", limit: "1024" },
  });
  expect(await t.counts()).toBe("2/0/0");
});

test("Q17 the whole label of an attribute's type counts, system attributes do not", async () => {
  const t = await scenario({ messageBytesMax: kibibyte });
  const labelled = { n: string("7", "Number.of.items") };
  await t.send("x".repeat(kibibyte - 17), { attributes: labelled, traceHeader: "t".repeat(1_024) });
  await expect(t.send("x".repeat(kibibyte - 16), { attributes: labelled })).rejects.toMatchObject({
    reason: "MESSAGE_TOO_LONG",
    metadata: { size: "1025" },
  });
});

test("Q17 a lower limit acts on later sends only", async () => {
  const t = await scenario();
  await t.send("x".repeat(2_000));
  await t.setQueue({ messageBytesMax: kibibyte });
  await expect(t.send("x".repeat(2_000))).rejects.toMatchObject({ reason: "MESSAGE_TOO_LONG" });
  expect((await t.receiveOne()).body).toHaveLength(2_000);
});

test("Q18 a message of 1,048,576 bytes is taken and comes back, one more byte is refused", async () => {
  const t = await scenario();
  const largest = "x".repeat(mebibyte);
  await t.send(largest);
  await t.send(Buffer.from(largest));
  for (const body of [`${largest}y`, Buffer.from(`${largest}y`)]) {
    await expect(t.send(body)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "MESSAGE_TOO_LONG",
      metadata: { size: "1048577", limit: "1048576" },
    });
  }
  const received = await t.receive({ max: 10 });
  expect(bodiesOf(received)).toEqual([largest, largest]);
});

test("Q19 a message has up to ten attributes", async () => {
  const t = await scenario();
  const attributes = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`name-${index}`, "value"]));
  await t.send("ten", { attributes: attributes(10) });
  await expect(t.send("eleven", { attributes: attributes(11) })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    violations: ["attributes"],
  });
  const { message } = await t.receiveOne({ attributes: ["All"] });
  expect(message.attributes).toEqual(attributesOf(attributes(10)));
});

test("Q19 a name that is reserved, ill-formed or of 257 characters is refused", async () => {
  const t = await scenario();
  const reserved = ["AWS.x", "aws.", "Amazon.x", "forebay.x", "FOREBAY.x"];
  for (const name of [...reserved, ".x", "x.", "a..b", "a!", "a b", "", "x".repeat(257), "名"]) {
    await expect(t.send("body", { attributes: { [name]: "value" } }), name).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
    });
  }
  expect(await t.counts()).toBe("0/0/0");
});

test("Q19 attribute names of up to 256 letters, digits and _-. are taken, accented letters too", async () => {
  const t = await scenario();
  const names = ["x".repeat(256), "a", "Z9_-.z", "awsome", "aws", "prénom", "naïve.Ÿ"];
  const attributes = Object.fromEntries(names.map((name) => [name, name]));
  await t.send("body", { attributes });
  const { message } = await t.receiveOne({ attributes: ["All"] });
  expect(message.attributes).toEqual(attributesOf(attributes));
});

const badValues: [string, MessageAttributeValue][] = [
  ["an empty text", string("")],
  ["an empty binary", binary(Buffer.alloc(0))],
  ["no value", { dataType: "String", value: undefined }],
  ["no type", string("x", "")],
  ["an unknown type", string("x", "Text")],
  ["a type in lower case", string("x", "string")],
  ["a list", string("x", "StringList")],
  ["a type of 257 characters", string("x", `String.${"y".repeat(250)}`)],
  ["bytes for a String", binary(Buffer.from("x"), "String")],
  ["text for a Binary", string("x", "Binary")],
  ["a control character", string("a\u0001")],
  ["a Number that is a word", number("seven")],
  ["a Number with a comma", number("1,5")],
  ["a Number in hexadecimal", number("0x10")],
  ["an infinite Number", number("Infinity")],
  ["a Number that is not one", number("NaN")],
  ["a Number of 39 digits", number("1".repeat(39))],
  ["a Number above 1e126", number("1.1e126")],
  ["a Number below 1e-128", number("9e-129")],
  ["a lone sign", number("-")],
];

test("Q19 a value that is empty, of an unknown type or no Number though it says so is refused", async () => {
  const t = await scenario();
  for (const [what, value] of badValues) {
    await expect(t.send("body", { attributes: { name: value } }), what).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: [expect.stringContaining('attributes["name"]')],
    });
  }
  expect(await t.counts()).toBe("0/0/0");
});

test("Q19 numbers are kept as they were sent", async () => {
  const t = await scenario();
  const numbers = ["0", "-0", "007", "1.50", "+1", ".5", "5.", "1e126", "1E-128", "9".repeat(38)];
  const attributes = Object.fromEntries(
    numbers.map((text, index) => [
      `n${index}`,
      string(text, index === 0 ? "Number.int" : "Number"),
    ]),
  );
  await t.send("body", { attributes });
  const { message } = await t.receiveOne({ attributes: ["All"] });
  expect(message.attributes).toEqual(attributesOf(attributes));
});

test("Q20 the digest of a body is that of the recorded vector", async () => {
  const t = await scenario();
  const expected = "78e731027d8fd50ed642340b7c9a63b3";
  expect((await t.send("message")).md5OfBody).toBe(expected);
  expect((await t.receiveOne()).message.md5OfBody).toBe(expected);
});

const help = { "Help.Me": "Me", Hello: "There", General: "Kenobi" };
const helpDigest = "4c360f3fdafd970e05fae2f149d997f5";
const vectors: [string, Record<string, string | MessageAttributeValue>, string][] = [
  ["one text", { MyAttribute: "foobar" }, "adb59cd4678ea5a855436b949cd07ab6"],
  ["three texts", help, helpDigest],
  [
    "bytes",
    {
      attr1: binary(
        Buffer.from("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01"),
      ),
    },
    "8cbe4db156db8a94db8b801b7addb984",
  ],
];

test.each(vectors)(
  "Q20 the digest of attributes with %s is that of the recorded vector",
  async (_, attributes, expected) => {
    const t = await scenario();
    expect((await t.send("message", { attributes })).md5OfAttributes).toBe(expected);
    const { message } = await t.receiveOne({ attributes: ["All"] });
    expect(message.md5OfAttributes).toBe(expected);
  },
);

test("Q20 the digest of the trace header is that of the recorded vector", async () => {
  const t = await scenario();
  const traceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
  const sent = await t.send("message", { traceHeader });
  expect(sent).toMatchObject({
    md5OfSystemAttributes: "5ae4d5d7636402d80f4eb6d213245a88",
    md5OfAttributes: "",
  });
  const { message } = await t.receiveOne();
  expect(message.systemAttributes?.traceHeader).toBe(traceHeader);
});

test("Q20 a receive reports the digest of the attributes it returns", async () => {
  const t = await scenario();
  expect((await t.send("message", { attributes: help })).md5OfAttributes).toBe(helpDigest);
  const subset = await t.receiveOne({ visibilityTimeoutMs: 0, attributes: ["Hello"] });
  expect(subset.message.attributes).toEqual(attributesOf({ Hello: "There" }));
  const other = await scenario();
  const sent = await other.send("message", { attributes: { Hello: "There" } });
  expect(subset.message.md5OfAttributes).toBe(sent.md5OfAttributes);
});

test("Q20 a message without attributes has no digest of them", async () => {
  const t = await scenario();
  const sent = await t.send("message");
  expect(sent).toMatchObject({ md5OfAttributes: "", md5OfSystemAttributes: "" });
  const { message } = await t.receiveOne({ attributes: ["All"] });
  expect(message).toMatchObject({ attributes: new Map(), md5OfAttributes: "" });
});

const selections: [string[], string[]][] = [
  [[], []],
  [["All"], ["General", "Hello", "Help.Me", "Help.You"]],
  [["*"], ["General", "Hello", "Help.Me", "Help.You"]],
  [[".*"], ["General", "Hello", "Help.Me", "Help.You"]],
  [["Hello"], ["Hello"]],
  [["hello"], []],
  [["Help.*"], ["Help.Me", "Help.You"]],
  [["Hel.*"], []],
  [["Help"], []],
  [
    ["Help.Me", "General"],
    ["General", "Help.Me"],
  ],
  [["unknown", "!", "", "Hello"], ["Hello"]],
  [
    ["unknown", "All"],
    ["General", "Hello", "Help.Me", "Help.You"],
  ],
];

test("attributes are returned by exact name, by prefix or all, and the stored message stays whole", async () => {
  const t = await scenario();
  await t.send("message", { attributes: { ...help, "Help.You": "You" } });
  for (const [names, expected] of selections) {
    const { message } = await t.receiveOne({ visibilityTimeoutMs: 0, attributes: names });
    expect([...message.attributes.keys()].sort(), names.join()).toEqual(expected);
  }
  const whole = await t.receiveOne({ attributes: ["All"] });
  expect(whole.message.attributes.size).toBe(4);
});

test("Q21 an explicit delay of 0 wins over the queue's delay", async () => {
  const t = await scenario({ delayMs: 2_000 });
  await t.send("delayed by the queue");
  await t.send("at once", { delayMs: 0 });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["at once"]);
  await t.advance(1_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["delayed by the queue"]);
});

test("Q21 a message may be delayed by up to 900 s, to the millisecond", async () => {
  const t = await scenario();
  await t.send("later", { delayMs: 900_000 });
  await expect(t.send("too late", { delayMs: 901_000 })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    violations: ["delay"],
  });
  await expect(t.send("too late", { delayMs: 900_001 })).rejects.toMatchObject({
    violations: ["delay"],
  });
  await expect(t.send("before", { delayMs: -1 })).rejects.toMatchObject({ violations: ["delay"] });
  await t.skip(899_999);
  expect(await t.receive()).toEqual([]);
  await t.skip(1);
  expect(bodiesOf(await t.receive())).toEqual(["later"]);
});

test("a message delayed for the fraction of a second comes at its millisecond", async () => {
  const t = await scenario();
  await t.send("soon", { delayMs: 1 });
  expect(await t.receive()).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await t.receive())).toEqual(["soon"]);
});

test("Q23 a standard queue keeps a group id and returns it, and the group orders nothing", async () => {
  const t = await scenario();
  await t.send("a", { groupId: "t1" });
  await t.send("b", { groupId: "t1" });
  const longest = "!~".repeat(64);
  await t.send("c", { groupId: longest });
  await t.send("d");
  const received = await t.receive({ max: 10 });
  expect(received.map(({ message }) => message.systemAttributes?.groupId)).toEqual([
    "t1",
    "t1",
    longest,
    undefined,
  ]);
});

test("Q23 a group id has 1 to 128 visible ASCII characters", async () => {
  const t = await scenario();
  for (const groupId of ["x".repeat(129), "a b", " ", "tab\t", "ä", "\u007f"]) {
    await expect(t.send("body", { groupId }), groupId).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["group_id"],
    });
  }
  expect(await t.counts()).toBe("0/0/0");
});

test("a deduplication id is refused by a standard queue", async () => {
  const t = await scenario();
  await expect(t.send("body", { dedupId: "d1" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
    violations: ["dedup_id"],
  });
  expect(await t.counts()).toBe("0/0/0");
});

test("everything wrong with a message is told at once", async () => {
  const t = await scenario();
  await expect(
    t.send("\u0001", {
      delayMs: 901_000,
      groupId: "a b",
      attributes: { "a!": "x", ok: string("") },
      traceHeader: "t".repeat(1_025),
    }),
  ).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_MESSAGE_CONTENTS",
    violations: [
      "text",
      "delay",
      'attributes["a!"]',
      expect.stringContaining('attributes["ok"]'),
      "group_id",
      "system_attributes.trace_header",
    ],
  });
});

test("a trace header of 1024 bytes is kept, one more is refused", async () => {
  const t = await scenario();
  await t.send("body", { traceHeader: "t".repeat(1_024) });
  await expect(t.send("body", { traceHeader: "t".repeat(1_025) })).rejects.toMatchObject({
    violations: ["system_attributes.trace_header"],
  });
});

const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test("the call's traceparent is kept as the trace header unless the message has its own", async () => {
  const t = await scenario();
  const metadata = { traceparent: traceParent };
  const send = (traceHeader: string) =>
    t.call(
      "sendMessage",
      {
        queue: t.queue,
        body: { $case: "text", value: "body" },
        systemAttributes: { traceHeader },
      },
      { metadata },
    );
  await send("");
  await send("Root=1-5759e988-bd862e3fe1be46a994272793");
  await t.call(
    "sendMessageBatch",
    { queue: t.queue, entries: [{ id: "a", body: { $case: "text", value: "body" } }] },
    { metadata },
  );
  const received = await t.receive({ max: 10 });
  expect(received.map(({ message }) => message.systemAttributes?.traceHeader)).toEqual([
    traceParent,
    "Root=1-5759e988-bd862e3fe1be46a994272793",
    traceParent,
  ]);
});

test("a traceparent that is none is not kept", async () => {
  const t = await scenario();
  for (const traceparent of ["garbage", `${traceParent}-`, "0".repeat(55), "x".repeat(5_000)]) {
    await t.call(
      "sendMessage",
      { queue: t.queue, body: { $case: "text", value: "body" } },
      { metadata: { traceparent } },
    );
    const { message, handle } = await t.receiveOne();
    expect(message.systemAttributes?.traceHeader).toBeUndefined();
    await t.delete(handle);
  }
});

test("message ids are UUIDs, and each is the same in every answer about its message", async () => {
  const t = await scenario();
  const { messageId } = await t.send("body");
  expect(messageId).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  const [first] = await t.receive({ visibilityTimeoutMs: 0 });
  const [second] = await t.receive();
  const { messages } = await t.call("peekMessages", { queue: t.queue });
  expect([first?.id, second?.id, messages[0]?.messageId]).toEqual([
    messageId,
    messageId,
    messageId,
  ]);
});

test("only the system attributes asked for are returned", async () => {
  const t = await scenario();
  await t.send("body", { groupId: "g" });
  const receive = async (systemAttributeNames: MessageSystemAttributeName[]) =>
    (
      await t.call("receiveMessage", {
        queue: t.queue,
        visibilityTimeout: { seconds: 0n },
        systemAttributeNames,
      })
    ).messages[0]?.systemAttributes;
  expect(await receive([])).toBeUndefined();
  expect(await receive([4])).toEqual({ receiveCount: 2 });
  expect(await receive([8, 2])).toEqual({ senderId: "key:default:dev", groupId: "g" });
  // Those without a value are left out, unknown ones and none are ignored.
  expect(await receive([0, 6, 7, 9, 10, 11, 99 as MessageSystemAttributeName])).toEqual({});
  expect(await receive([1])).toEqual({
    senderId: "key:default:dev",
    sendTime: expect.anything(),
    receiveCount: 5,
    queueReceiveCount: 5,
    firstReceiveTime: expect.anything(),
    groupId: "g",
  });
});
