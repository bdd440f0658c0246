// What the calls of a queue put on the wire and make of the answers.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MessageState, MessageSystemAttributeName } from "../gen/forebay/queue/v1/message.js";
import { ReceiptPolicy } from "../gen/forebay/queue/v1/queue.js";
import {
  type ChangeMessageVisibilityRequest,
  GetQueueAttributesResponse,
  type ListQueuesRequest,
  type PeekMessagesRequest,
  type ReceiveMessageRequest,
  type SendMessageRequest,
  type SetQueueAttributesRequest,
  SetQueueAttributesResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import { ForebayClient, type Queue } from "../src/index.js";
import { FakeServer } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;
let queue: Queue;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
  queue = client.queue("orders");
});

afterEach(async () => {
  await client.close();
  server.kill();
});

test("a send carries its delay, attributes and trace header", async () => {
  await queue.send(new Uint8Array([0, 255]), {
    delayMs: 1_234,
    attributes: {
      kind: "order",
      count: 3,
      total: 12345678901234567890n,
      raw: new Uint8Array([1]),
      price: { type: "Number.float", value: "1.50" },
    },
    traceHeader: "Root=1",
    groupId: "tenant-7",
  });
  const [call] = server.callsOf<SendMessageRequest>("sendMessage");
  expect(call?.request).toMatchObject({
    queue: "orders",
    body: { $case: "data" },
    delay: { seconds: 1n, nanos: 234_000_000 },
    systemAttributes: { traceHeader: "Root=1" },
    groupId: "tenant-7",
    dedupId: "",
  });
  expect(Object.fromEntries(call?.request.attributes ?? [])).toMatchObject({
    kind: { dataType: "String", value: { $case: "stringValue", value: "order" } },
    count: { dataType: "Number", value: { value: "3" } },
    total: { dataType: "Number", value: { value: "12345678901234567890" } },
    raw: { dataType: "Binary", value: { $case: "binaryValue" } },
    price: { dataType: "Number.float", value: { value: "1.50" } },
  });
});

test("what is not given is not sent, and a zero is", async () => {
  await queue.receive({ waitTimeMs: 0, visibilityTimeoutMs: 0 });
  await queue.send("x", { delayMs: 0 });
  await queue.send("x");
  const [receive] = server.callsOf<ReceiveMessageRequest>("receiveMessage");
  expect(receive?.request).toMatchObject({
    maxMessages: undefined,
    waitTime: { seconds: 0n, nanos: 0 },
    visibilityTimeout: { seconds: 0n, nanos: 0 },
    systemAttributeNames: [MessageSystemAttributeName.ALL],
    messageAttributeNames: ["All"],
    requestId: "",
  });
  const [zero, none] = server.callsOf<SendMessageRequest>("sendMessage");
  expect(zero?.request.delay).toEqual({ seconds: 0n, nanos: 0 });
  expect(none?.request.delay).toBeUndefined();
});

test("a received message shows everything the server told of it", async () => {
  server.override("receiveMessage", () => ({
    messages: [
      {
        messageId: "m1",
        receiptHandle: "h1",
        body: { $case: "text", value: '{"id":1}' },
        md5OfBody: "25aa72ba3c1c5e61ee41b2a5f2e8cb4f",
        attributes: new Map([
          ["__proto__", { dataType: "String", value: { $case: "stringValue", value: "v" } }],
        ]),
        md5OfAttributes: "",
        systemAttributes: {
          senderId: "key:default:dev",
          sendTime: { seconds: 1_700_000_000n, nanos: 5_000_000 },
          receiveCount: 2,
          rejection: { reason: "bad", error: "it broke", rejectTime: undefined },
        },
        visibleTime: { seconds: 1_700_000_030n, nanos: 0 },
      },
    ],
  }));
  await using trusting = new ForebayClient({ endpoint: server.endpoint, verifyMd5: false });
  const [message] = await trusting.queue("orders").receive();
  expect(message).toMatchObject({
    messageId: "m1",
    receiptHandle: "h1",
    body: '{"id":1}',
    text: '{"id":1}',
    senderId: "key:default:dev",
    sendTime: new Date(1_700_000_000_005),
    receiveCount: 2,
    rejection: { reason: "bad", error: "it broke" },
    visibleTime: new Date(1_700_000_030_000),
  });
  expect(message?.json()).toEqual({ id: 1 });
  expect(Buffer.from(message?.bytes ?? []).toString()).toBe('{"id":1}');
  // A name that JavaScript gives a meaning of its own is a name like others.
  const entries = Object.entries(message?.attributes ?? {});
  expect(entries).toEqual([["__proto__", { type: "String", value: "v" }]]);
});

test("a body that was altered on its way is not handed out", async () => {
  await queue.send("x");
  const [stored] = server.stored.values();
  if (stored !== undefined) stored.message.body = { $case: "text", value: "y" };
  await expect(queue.receive({ waitTimeMs: 0 })).rejects.toMatchObject({ reason: "MD5_MISMATCH" });
});

test("a batch says what became of each entry", async () => {
  server.override("sendMessageBatch", () => ({
    successful: [{ ...server.store(entry("a")), id: "0" }],
    failed: [
      { id: "mine", code: 3, reason: "MESSAGE_TOO_LONG", message: "too long", senderFault: true },
    ],
    replayed: false,
  }));
  const result = await queue.sendBatch(["a", { body: "b", id: "mine", delayMs: 5 }]);
  expect(result.successful).toMatchObject([{ id: "0" }]);
  expect(result.failed).toMatchObject([
    { id: "mine", senderFault: true, error: { reason: "MESSAGE_TOO_LONG", code: 3 } },
  ]);
});

test("deletes and visibility changes in batches answer for each entry", async () => {
  await queue.send("x");
  const [message] = await queue.receive({ waitTimeMs: 0 });
  const handle = message?.receiptHandle ?? "";
  const changed = await queue.changeVisibilityBatch([
    { receiptHandle: handle, visibilityTimeoutMs: 60_000 },
    { receiptHandle: "gone#1", visibilityTimeoutMs: 60_000 },
  ]);
  expect(changed.successful).toMatchObject([{ id: "0", visibleTime: new Date(0) }]);
  expect(changed.failed).toMatchObject([{ id: "1", error: { reason: "MESSAGE_NOT_FOUND" } }]);
  const deleted = await queue.deleteBatch([handle, handle]);
  expect(deleted.successful).toEqual([
    { id: "0", outcome: "DELETED" },
    { id: "1", outcome: "ALREADY_GONE" },
  ]);
});

test("a visibility change needs a number", async () => {
  await expect(queue.changeVisibility("h", Number.NaN)).rejects.toBeInstanceOf(RangeError);
  await queue.send("x");
  const [message] = await queue.receive({ waitTimeMs: 0 });
  await message?.changeVisibility(1_500);
  const [call] = server.callsOf<ChangeMessageVisibilityRequest>("changeMessageVisibility");
  expect(call?.request.visibilityTimeout).toEqual({ seconds: 1n, nanos: 500_000_000 });
});

test("settings go out as given, and a null resets one", async () => {
  server.override("setQueueAttributes", () =>
    SetQueueAttributesResponse.fromPartial({
      attributes: { visibilityTimeout: { seconds: 5n }, receiptPolicy: ReceiptPolicy.STRICT },
      etag: "e2",
    }),
  );
  const changed = await queue.setAttributes(
    { visibilityTimeoutMs: 5_000, receiptPolicy: "STRICT", delayMs: null },
    { etag: "e1" },
  );
  expect(changed).toEqual({
    attributes: { visibilityTimeoutMs: 5_000, receiptPolicy: "STRICT" },
    etag: "e2",
  });
  const [call] = server.callsOf<SetQueueAttributesRequest>("setQueueAttributes");
  expect(call?.request).toMatchObject({
    etag: "e1",
    updateMask: ["visibility_timeout", "receipt_policy", "delay"],
    attributes: { visibilityTimeout: { seconds: 5n }, receiptPolicy: ReceiptPolicy.STRICT },
  });
  expect(call?.request.attributes?.delay).toBeUndefined();
});

test("attributes come with exact counters", async () => {
  server.override("getQueueAttributes", () =>
    GetQueueAttributesResponse.fromPartial({
      queue: "orders",
      attributes: { messageRetentionPeriod: { seconds: 345_600n } },
      counters: { visibleMessageCount: 3n, storedBytes: 5_000_000_000n },
      etag: "e1",
      createTime: { seconds: 1n },
    }),
  );
  expect(await queue.attributes()).toMatchObject({
    attributes: { messageRetentionPeriodMs: 345_600_000 },
    counters: { visibleMessageCount: 3, storedBytes: 5_000_000_000, oldestMessageAgeMs: undefined },
    createTime: new Date(1_000),
  });
});

test("lists go over all pages and stop asking when left", async () => {
  const names = ["a", "b", "c", "d", "e"];
  server.override("listQueues", ({ pageToken, pageSize = 2 }: ListQueuesRequest) => {
    const at = Number(pageToken || 0);
    const more = at + pageSize < names.length;
    return {
      queues: names.slice(at, at + pageSize),
      nextPageToken: more ? `${at + pageSize}` : "",
    };
  });
  const all: string[] = [];
  for await (const name of client.queues("", { pageSize: 2 })) all.push(name);
  expect(all).toEqual(names);
  expect(server.calls).toHaveLength(3);
  for await (const name of client.queues("", { pageSize: 2 })) if (name === "a") break;
  expect(server.calls).toHaveLength(4);
});

test("a peek filters at the server and goes over pages, empty ones too", async () => {
  server.override("peekMessages", ({ pageToken }: PeekMessagesRequest) =>
    pageToken === ""
      ? { messages: [], nextPageToken: "2" }
      : {
          messages: [
            {
              messageId: "m",
              state: MessageState.DELAYED,
              body: { $case: "text", value: "cut" },
              bodyBytes: 1_000,
              md5OfBody: "",
              attributes: new Map(),
              expireTime: { seconds: 9n, nanos: 0 },
            },
          ],
          nextPageToken: "",
        },
  );
  const seen: unknown[] = [];
  const options = { states: ["DELAYED" as const], bodyContains: "cu", attributes: { k: "v" } };
  for await (const message of queue.peek(options)) seen.push(message);
  expect(seen).toMatchObject([
    { state: "DELAYED", body: "cut", bodyBytes: 1_000, expireTime: new Date(9_000) },
  ]);
  const [call] = server.callsOf<PeekMessagesRequest>("peekMessages");
  expect(call?.request).toMatchObject({ states: [MessageState.DELAYED], bodyContains: "cu" });
  expect(call?.request.attributes).toEqual(new Map([["k", "v"]]));
});

test("whether a queue exists is a value, not an error", async () => {
  expect(await queue.exists()).toBe(true);
  server.fail("getQueueUrl", { code: status.NOT_FOUND, reason: "QUEUE_NOT_FOUND" });
  expect(await queue.exists()).toBe(false);
});

function entry(body: string) {
  return {
    id: "",
    body: { $case: "text" as const, value: body },
    attributes: new Map(),
    dedupId: "",
    groupId: "",
  };
}
