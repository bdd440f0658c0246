// Looking at messages without receiving them: all states, filters, pages, and no effect whatever.

import { expect, test } from "vitest";
import { MessageState } from "../../src/gen/forebay/queue/v1/message.js";
import type { RequestPart, ResponseOf } from "../support/queue-client.js";
import { attributesOf, bodiesOf, msOf, type Scenario, scenario } from "../support/scenario.js";

const { VISIBLE, IN_FLIGHT, DELAYED } = MessageState;

/** One message in each state, sent a second apart. */
const threeStates = async (): Promise<Scenario> => {
  const t = await scenario({ visibilityTimeoutMs: 30_000 });
  await t.send("leased");
  await t.receive();
  await t.advance(1_000);
  await t.send("visible");
  await t.send("delayed", { delayMs: 10_000 });
  return t;
};

const peek = async (
  t: Scenario,
  request: Omit<RequestPart<"peekMessages">, "queue">,
): Promise<ResponseOf<"peekMessages">> =>
  await t.call("peekMessages", { queue: t.queue, ...request });

const textsOf = ({ messages }: ResponseOf<"peekMessages">): string[] =>
  messages.map(({ body }) => String(body?.value));

test("a peek shows messages in every state with all that is kept of them", async () => {
  const t = await scenario({ visibilityTimeoutMs: 30_000, retentionMs: 3_600_000 });
  const sentAt = t.now;
  const { messageId } = await t.send("leased", {
    attributes: { kind: "k" },
    groupId: "g1",
    traceHeader: "trace",
  });
  await t.advance(1_000);
  await t.receive();
  await t.send("visible");
  await t.send(Buffer.from([1, 2]), { delayMs: 10_000 });
  const { messages, nextPageToken } = await peek(t, {});
  expect(nextPageToken).toBe("");
  const [leased, visible, delayed] = messages;
  expect(leased).toMatchObject({
    messageId,
    state: IN_FLIGHT,
    body: { $case: "text", value: "leased" },
    bodyBytes: 6,
    md5OfBody: "7b33ee521bac795d55012892c8f27a07",
    attributes: attributesOf({ kind: "k" }),
    systemAttributes: {
      senderId: "key:default:dev",
      receiveCount: 1,
      groupId: "g1",
      traceHeader: "trace",
    },
  });
  expect(msOf(leased?.visibleTime)).toBe(t.now + 30_000);
  expect(msOf(leased?.expireTime)).toBe(sentAt + 3_600_000);
  expect(msOf(leased?.systemAttributes?.sendTime)).toBe(sentAt);
  expect(msOf(leased?.systemAttributes?.firstReceiveTime)).toBe(sentAt + 1_000);
  expect(visible).toMatchObject({ state: VISIBLE, systemAttributes: { receiveCount: 0 } });
  expect(visible?.visibleTime).toBeUndefined();
  expect(visible?.systemAttributes?.firstReceiveTime).toBeUndefined();
  expect(delayed).toMatchObject({
    state: DELAYED,
    body: { $case: "data", value: Buffer.from([1, 2]) },
  });
  expect(msOf(delayed?.visibleTime)).toBe(t.now + 10_000);
});

test("a peek changes nothing: no count, no lease, no wake-up, no order", async () => {
  const t = await threeStates();
  const before = await t.counters();
  for (let look = 0; look < 5; look += 1) await peek(t, {});
  expect(await t.counters()).toEqual(before);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["visible"]);
});

test("a state that has ended is shown as it is now, to the millisecond", async () => {
  const t = await threeStates();
  await t.leap(9_999);
  expect(await t.peek()).toEqual([
    "in flight leased x1",
    "visible visible x0",
    "delayed delayed x0",
  ]);
  await t.leap(1);
  expect(await t.peek()).toEqual([
    "in flight leased x1",
    "visible visible x0",
    "visible delayed x0",
  ]);
  await t.leap(18_999);
  expect(await t.peek()).toEqual([
    "in flight leased x1",
    "visible visible x0",
    "visible delayed x0",
  ]);
  await t.leap(1);
  expect(await t.peek()).toEqual(["visible leased x1", "visible visible x0", "visible delayed x0"]);
});

test("a peek may ask for some states only", async () => {
  const t = await threeStates();
  const cases: [MessageState[], string[]][] = [
    [[], ["leased", "visible", "delayed"]],
    [[VISIBLE], ["visible"]],
    [[IN_FLIGHT], ["leased"]],
    [[DELAYED], ["delayed"]],
    [
      [DELAYED, IN_FLIGHT],
      ["leased", "delayed"],
    ],
    [
      [VISIBLE, VISIBLE, IN_FLIGHT, DELAYED],
      ["leased", "visible", "delayed"],
    ],
  ];
  for (const [states, expected] of cases) {
    expect(textsOf(await peek(t, { states })), states.join()).toEqual(expected);
  }
  for (const state of [MessageState.UNSPECIFIED, 4 as MessageState]) {
    await expect(peek(t, { states: [VISIBLE, state] })).rejects.toMatchObject({
      reason: "INVALID_PARAMETER",
      violations: ["states[1]"],
    });
  }
});

test("a peek may ask for a group, for attributes of exactly these texts, and for a part of the body", async () => {
  const t = await scenario();
  await t.send("red apple", { groupId: "g1", attributes: { colour: "red", kind: "fruit" } });
  await t.send("green apple", { groupId: "g1", attributes: { colour: "green", kind: "fruit" } });
  await t.send("red brick", { groupId: "g2", attributes: { colour: "red" } });
  await t.send("grüne Äpfel");
  await t.send(Buffer.from("an apple in bytes"));
  const cases: [Omit<RequestPart<"peekMessages">, "queue">, string[]][] = [
    [{ groupId: "g1" }, ["red apple", "green apple"]],
    [{ groupId: "g3" }, []],
    [{ attributes: new Map([["colour", "red"]]) }, ["red apple", "red brick"]],
    [{ attributes: new Map(Object.entries({ colour: "red", kind: "fruit" })) }, ["red apple"]],
    [{ attributes: new Map([["colour", "re"]]) }, []],
    [{ attributes: new Map([["Colour", "red"]]) }, []],
    [{ bodyContains: "apple" }, ["red apple", "green apple", "an apple in bytes"]],
    [{ bodyContains: "Äpf" }, ["grüne Äpfel"]],
    [
      { bodyContains: "apple", groupId: "g1", attributes: new Map([["colour", "green"]]) },
      ["green apple"],
    ],
  ];
  for (const [request, expected] of cases) {
    expect(textsOf(await peek(t, request)), JSON.stringify(request)).toEqual(expected);
  }
});

test("a binary attribute does not match a text of the same bytes", async () => {
  const t = await scenario();
  await t.send("bytes", {
    attributes: {
      name: { dataType: "Binary", value: { $case: "binaryValue", value: Buffer.from("x") } },
    },
  });
  expect(textsOf(await peek(t, { attributes: new Map([["name", "x"]]) }))).toEqual([]);
});

test("pages follow each other while messages come and go", async () => {
  const t = await scenario();
  for (let index = 0; index < 6; index += 1) await t.send(`m${index}`);
  const first = await peek(t, { pageSize: 2 });
  expect(textsOf(first)).toEqual(["m0", "m1"]);
  // The next in line and the last one seen are gone, and another has come.
  const received = await t.receive({ max: 3 });
  await t.delete(received[1]?.handle ?? "");
  await t.delete(received[2]?.handle ?? "");
  await t.send("m6");
  const second = await peek(t, { pageSize: 2, pageToken: first.nextPageToken });
  expect(textsOf(second)).toEqual(["m3", "m4"]);
  const third = await peek(t, { pageSize: 2, pageToken: second.nextPageToken });
  expect(textsOf(third)).toEqual(["m5", "m6"]);
  const pages =
    third.nextPageToken === "" ? [] : [await peek(t, { pageToken: third.nextPageToken })];
  expect(pages.flatMap(textsOf)).toEqual([]);
});

test("a page token is good for its own queue and filter", async () => {
  const t = await scenario();
  await t.createQueue("other");
  await t.sendBatch(["a", "b"]);
  const { nextPageToken: pageToken } = await peek(t, { pageSize: 1, states: [VISIBLE] });
  const bad = {
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PAGE_TOKEN",
    violations: ["page_token"],
  };
  for (const request of [
    { pageToken },
    { pageToken, states: [VISIBLE], groupId: "g" },
    { pageToken, states: [VISIBLE], bodyContains: "b" },
    { pageToken, states: [VISIBLE], attributes: new Map([["a", "b"]]) },
    { pageToken: "garbage", states: [VISIBLE] },
  ]) {
    await expect(peek(t, request)).rejects.toMatchObject(bad);
  }
  await expect(
    t.call("peekMessages", { queue: "other", states: [VISIBLE], pageToken }),
  ).rejects.toMatchObject(bad);
  expect(textsOf(await peek(t, { pageToken, states: [VISIBLE], pageSize: 5 }))).toEqual(["b"]);
});

test("a purge ends a listing, and what was sent since is not skipped by a listing from the start", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b", "c"]);
  const { nextPageToken: pageToken } = await peek(t, { pageSize: 1 });
  await t.purge();
  expect(textsOf(await peek(t, { pageToken }))).toEqual([]);
  await t.send("d");
  expect(textsOf(await peek(t, {}))).toEqual(["d"]);
});

test("a body is cut to the bytes asked for, a text at a character", async () => {
  const t = await scenario();
  await t.send("aä€😀b");
  await t.send(Buffer.from([0xff, 0xc3, 0xa4]));
  // One byte, two, three, four, one.
  const cuts = ["", "a", "a", "aä", "aä", "aä", "aä€", "aä€", "aä€", "aä€", "aä€😀", "aä€😀b"];
  for (const [bodyBytesMax, expected] of cuts.entries()) {
    const { messages } = await peek(t, { bodyBytesMax, pageSize: 1 });
    expect(messages[0]?.body?.value, String(bodyBytesMax)).toBe(expected);
    expect(messages[0]).toMatchObject({ bodyBytes: 11 });
  }
  const { messages } = await peek(t, { bodyBytesMax: 2 });
  expect(messages[1]?.body).toEqual({ $case: "data", value: Buffer.from([0xff, 0xc3]) });
  const whole = await t.receive({ max: 1 });
  expect(messages[0]?.md5OfBody).toBe(whole[0]?.message.md5OfBody);
});

test("a page stays within what a client takes, and the next one goes on after it", async () => {
  const t = await scenario();
  for (let index = 0; index < 6; index += 1) await t.send(Buffer.alloc(1_048_576, index));
  const seen: number[] = [];
  let pageToken = "";
  do {
    const page = await peek(t, { pageSize: 100, pageToken });
    seen.push(...page.messages.map(({ body }) => Buffer.from(body?.value ?? "").readUInt8()));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
  const cut = await peek(t, { pageSize: 100, bodyBytesMax: 10 });
  expect(cut.messages).toHaveLength(6);
});

test("the size of a page is from 1 to 100, 10 if not given, and that of a body from 0 to 1048576", async () => {
  const t = await scenario();
  for (let batch = 0; batch < 11; batch += 1) {
    await t.sendBatch(Array.from({ length: 10 }, (_, index) => `${batch}-${index}`));
  }
  expect((await peek(t, {})).messages).toHaveLength(10);
  expect((await peek(t, { pageSize: 100 })).messages).toHaveLength(100);
  expect((await peek(t, { pageSize: 1, bodyBytesMax: 1_048_576 })).messages).toHaveLength(1);
  const bad: [Omit<RequestPart<"peekMessages">, "queue">, string][] = [
    [{ pageSize: 0 }, "page_size"],
    [{ pageSize: 101 }, "page_size"],
    [{ pageSize: -1 }, "page_size"],
    [{ bodyBytesMax: -1 }, "body_bytes_max"],
    [{ bodyBytesMax: 1_048_577 }, "body_bytes_max"],
  ];
  for (const [request, field] of bad) {
    await expect(peek(t, request)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: [field],
    });
  }
});

test("a page examines at most 10,000 messages, so one may be empty and still have a next", async () => {
  const t = await scenario();
  const stream = t.produce();
  const filler = Array.from({ length: 1_000 }, () => ({
    body: { $case: "text" as const, value: "hay" },
  }));
  for (let request = 0; request < 10; request += 1)
    stream.write({ queue: t.queue, entries: filler });
  stream.write({ entries: [{ body: { $case: "text", value: "needle" } }] });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  const first = await peek(t, { bodyContains: "needle" });
  expect(first.messages).toEqual([]);
  expect(first.nextPageToken).not.toBe("");
  const second = await peek(t, { bodyContains: "needle", pageToken: first.nextPageToken });
  expect(textsOf(second)).toEqual(["needle"]);
  expect(second.nextPageToken).toBe("");
});
