// What the calls of a queue put on the wire and make of the answers.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  DeadLetterReason,
  MessageEventKind,
  MessageState,
  MessageSystemAttributeName,
  ObstacleKind,
} from "../gen/forebay/queue/v1/message.js";
import { ReceiptPolicy, QueueAttributes as WireAttributes } from "../gen/forebay/queue/v1/queue.js";
import {
  type ChangeMessageVisibilityRequest,
  type CreateQueueRequest,
  type DescribeMessageRequest,
  DescribeMessageResponse,
  ExplainMessageResponse,
  GetQueueAttributesResponse,
  type ListDeadLetterSourceQueuesRequest,
  type ListQueuesRequest,
  type ListScheduledMessagesRequest,
  ListScheduledMessagesResponse,
  type PeekMessagesRequest,
  type ReceiveMessageRequest,
  type RejectMessageRequest,
  type SendMessageBatchRequest,
  type SendMessageRequest,
  type SetQueueAttributesRequest,
  SetQueueAttributesResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import {
  ForebayClient,
  type Queue,
  type QueueAttributes,
  type ScheduledMessage,
} from "../src/index.js";
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

test("a send says when, for how long and how urgently, alone and in batches", async () => {
  const options = {
    deliverTime: new Date("2030-01-01T00:00:00.005Z"),
    timeToLiveMs: 90_500,
    priority: 0,
    dedupId: "d1",
    groupId: "g1",
  };
  const wire = {
    deliverTime: { seconds: 1_893_456_000n, nanos: 5_000_000 },
    timeToLive: { seconds: 90n, nanos: 500_000_000 },
    priority: 0,
    dedupId: "d1",
    groupId: "g1",
    delay: undefined,
  };
  await queue.send("x", options);
  await queue.sendBatch([{ body: "x", ...options }, "plain"]);
  const [alone] = server.callsOf<SendMessageRequest>("sendMessage");
  expect(alone?.request).toMatchObject(wire);
  const [batch] = server.callsOf<SendMessageBatchRequest>("sendMessageBatch");
  expect(batch?.request.entries).toMatchObject([
    wire,
    { deliverTime: undefined, timeToLive: undefined, priority: undefined },
  ]);
  const sends = [{ deliverTime: new Date(Number.NaN) }, { timeToLiveMs: Number.NaN }];
  for (const wrong of sends) {
    await expect(queue.send("x", wrong)).rejects.toBeInstanceOf(RangeError);
  }
});

test("a send answers its place, and whether it was a duplicate", async () => {
  const sequenceNumber = "00000000000000000007";
  const first = (body: string) => ({ ...server.store(entry(body)), messageId: "m1" });
  server.override("sendMessage", () => ({ ...first("x"), sequenceNumber, duplicate: true }));
  server.override("sendMessageBatch", () => ({
    successful: [
      { ...first("x"), id: "0", sequenceNumber, duplicate: false },
      { ...first("x"), id: "1", sequenceNumber, duplicate: true },
    ],
    failed: [],
  }));
  expect(await queue.send("x")).toMatchObject({ messageId: "m1", sequenceNumber, duplicate: true });
  expect((await queue.sendBatch(["x", "x"])).successful).toMatchObject([
    { id: "0", sequenceNumber, duplicate: false },
    { id: "1", sequenceNumber, duplicate: true },
  ]);
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
          firstReceiveTime: { seconds: 1_700_000_001n, nanos: 0 },
          queueReceiveCount: 1,
          sequenceNumber: "00000000000000000007",
          dedupId: "d1",
          groupId: "g1",
          traceHeader: "Root=1",
          deadLetterSourceQueue: "orders",
          deadLetterReason: DeadLetterReason.MAX_RECEIVES,
          deadLetterTime: { seconds: 1_700_000_002n, nanos: 0 },
          rejection: {
            reason: "bad",
            error: "it broke",
            rejectTime: { seconds: 1_700_000_003n, nanos: 0 },
          },
          originalMessageId: "m0",
          priority: 9,
          timeToLiveEndTime: { seconds: 1_700_000_004n, nanos: 0 },
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
    firstReceiveTime: new Date(1_700_000_001_000),
    queueReceiveCount: 1,
    sequenceNumber: "00000000000000000007",
    dedupId: "d1",
    groupId: "g1",
    traceHeader: "Root=1",
    deadLetterSourceQueue: "orders",
    deadLetterReason: "MAX_RECEIVES",
    deadLetterTime: new Date(1_700_000_002_000),
    rejection: { reason: "bad", error: "it broke", rejectTime: new Date(1_700_000_003_000) },
    originalMessageId: "m0",
    priority: 9,
    timeToLiveEndTime: new Date(1_700_000_004_000),
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

test("a rejected message comes back when its delay ends, or goes to the dead-letter queue", async () => {
  server.override("rejectMessage", ({ deadLetter }: RejectMessageRequest) =>
    deadLetter
      ? { deadLetterQueue: "orders-dead" }
      : { visibleTime: { seconds: 7n, nanos: 0 }, deadLetterQueue: "" },
  );
  await queue.send("x");
  const [message] = await queue.receive({ waitTimeMs: 0 });
  const error = new Error("no total");
  expect(await message?.reject({ reason: "bad", error, delayMs: 1_500 })).toEqual({
    kind: "returned",
    visibleTime: new Date(7_000),
  });
  expect(await queue.reject("h2", { reason: "bad", deadLetter: true })).toEqual({
    kind: "dead_lettered",
    deadLetterQueue: "orders-dead",
  });
  await queue.reject("h3", { reason: "bad" });
  const calls = server.callsOf<RejectMessageRequest>("rejectMessage");
  expect(calls.map(({ request }) => request)).toMatchObject([
    {
      queue: "orders",
      receiptHandle: message?.receiptHandle,
      reason: "bad",
      error: expect.stringContaining("no total"),
      delay: { seconds: 1n, nanos: 500_000_000 },
      deadLetter: false,
    },
    { receiptHandle: "h2", error: "", delay: undefined, deadLetter: true },
    { receiptHandle: "h3", delay: undefined, deadLetter: false },
  ]);
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

test("every setting comes back as it went out", async () => {
  const settings: QueueAttributes = {
    visibilityTimeoutMs: 1,
    messageRetentionPeriodMs: 60_000,
    delayMs: 3,
    maximumMessageBytes: 1_024,
    receiveMessageWaitTimeMs: 4,
    redrivePolicy: { deadLetterQueue: "dead.fifo", maxReceiveCount: 5 },
    redriveAllowPolicy: { permission: "BY_QUEUE", sourceQueues: ["a.fifo"] },
    policy: "{}",
    managedEncryption: true,
    encryptionKey: "key",
    dataKeyReusePeriodMs: 60_000,
    fifoQueue: true,
    contentBasedDeduplication: true,
    deduplicationScope: "MESSAGE_GROUP",
    fifoThroughputLimit: "PER_MESSAGE_GROUP_ID",
    receiptPolicy: "STRICT",
    dedupWindowMs: 6_000,
    maxInFlight: 7,
    deliveryPaused: true,
    retryPolicy: { minimumBackoffMs: 1_500, maximumBackoffMs: 60_000, factor: 1.5 },
    maxInFlightPerGroup: 8,
    priorityAgeingMs: 9_000,
  };
  server.override("getQueueAttributes", () => {
    const [created] = server.callsOf<CreateQueueRequest>("createQueue");
    const attributes = created?.request.attributes;
    return GetQueueAttributesResponse.fromPartial({ queue: "orders", attributes });
  });
  await client.createQueue("orders", { attributes: settings });
  expect((await queue.attributes()).attributes).toEqual(settings);
  // And each has a name for masks.
  server.override("setQueueAttributes", () => SetQueueAttributesResponse.fromPartial({}));
  const names = Object.keys(settings);
  await queue.setAttributes(Object.fromEntries(names.map((name) => [name, null])));
  const [call] = server.callsOf<SetQueueAttributesRequest>("setQueueAttributes");
  const fields = call?.request.updateMask?.map((field) =>
    field.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  );
  expect(fields).toEqual(Object.keys(WireAttributes.fromPartial({})));
});

test("a queue is paused and resumed by one setting alone", async () => {
  server.override("setQueueAttributes", () => SetQueueAttributesResponse.fromPartial({}));
  await queue.pause();
  await queue.resume();
  const calls = server.callsOf<SetQueueAttributesRequest>("setQueueAttributes");
  expect(
    calls.map(({ request }) => [request.updateMask, request.attributes?.deliveryPaused]),
  ).toEqual([
    [["delivery_paused"], true],
    [["delivery_paused"], false],
  ]);
});

test("counters say what came and went in every way, and how fair it is", async () => {
  const counts = {
    visibleMessageCount: 1,
    inFlightMessageCount: 2,
    delayedMessageCount: 3,
    storedMessageCount: 4,
    storedBytes: 5,
    sentCount: 6,
    receivedCount: 7,
    deletedCount: 8,
    expiredCount: 9,
    purgedCount: 10,
    deduplicatedCount: 11,
    deadLetteredCount: 12,
    movedCount: 13,
    arrivedCount: 14,
    scheduledMessageCount: 15,
    deadLetterTargetMissingCount: 16,
    groupsInFlightCount: 17,
  };
  const fairness = {
    noisyGroupCount: 1,
    quietVisibleMessageCount: 2,
    quietInFlightMessageCount: 3,
    quietDelayedMessageCount: 4,
  };
  const bigints = (numbers: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, BigInt(count)]));
  const counters = { ...bigints(counts), oldestMessageAge: { seconds: 1n, nanos: 500_000_000 } };
  server.override("getQueueAttributes", () =>
    GetQueueAttributesResponse.fromPartial({
      counters: { ...counters, fairness: bigints(fairness) },
    }),
  );
  expect((await queue.attributes()).counters).toEqual({
    ...counts,
    oldestMessageAgeMs: 1_500,
    fairness,
  });
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

test("a message is described with what happened to it", async () => {
  server.override("describeMessage", () =>
    DescribeMessageResponse.fromPartial({
      message: { messageId: "m1", state: MessageState.SCHEDULED, visibleTime: { seconds: 9n } },
      events: [
        { kind: MessageEventKind.SENT, eventTime: { seconds: 1n } },
        {
          kind: MessageEventKind.RECEIVED,
          eventTime: { seconds: 2n },
          visibleTime: { seconds: 3n },
        },
        { kind: MessageEventKind.DEAD_LETTERED, queue: "orders", reason: "MAX_RECEIVES" },
        { kind: 99 as MessageEventKind },
      ],
    }),
  );
  const description = await queue.describeMessage("m1", { bodyBytesMax: 0 });
  expect(description.message).toMatchObject({
    messageId: "m1",
    state: "SCHEDULED",
    visibleTime: new Date(9_000),
  });
  const nothing = { queue: undefined, visibleTime: undefined, reason: undefined };
  expect(description.events).toEqual([
    { ...nothing, kind: "SENT", eventTime: new Date(1_000) },
    { ...nothing, kind: "RECEIVED", eventTime: new Date(2_000), visibleTime: new Date(3_000) },
    { ...nothing, kind: "DEAD_LETTERED", queue: "orders", reason: "MAX_RECEIVES" },
    { ...nothing, kind: "UNKNOWN" },
  ]);
  const [call] = server.callsOf<DescribeMessageRequest>("describeMessage");
  expect(call?.request).toEqual({ queue: "orders", messageId: "m1", bodyBytesMax: 0 });
});

test("a message is explained by what is in its way", async () => {
  server.override("explainMessage", () =>
    ExplainMessageResponse.fromPartial({
      state: MessageState.VISIBLE,
      obstacles: [
        {
          kind: ObstacleKind.GROUP_BLOCKED,
          untilTime: { seconds: 5n },
          blockingMessageId: "m0",
          advice: "Delete m0.",
        },
        { kind: ObstacleKind.PAUSED, advice: "Resume the queue." },
      ],
      aheadMessageCount: 3,
    }),
  );
  expect(await queue.explainMessage("m1")).toEqual({
    state: "VISIBLE",
    obstacles: [
      {
        kind: "GROUP_BLOCKED",
        untilTime: new Date(5_000),
        blockingMessageId: "m0",
        advice: "Delete m0.",
      },
      {
        kind: "PAUSED",
        untilTime: undefined,
        blockingMessageId: undefined,
        advice: "Resume the queue.",
      },
    ],
    aheadMessageCount: 3,
  });
  server.fail("explainMessage", { code: status.NOT_FOUND, reason: "MESSAGE_NOT_FOUND" });
  await expect(queue.explainMessage("m1")).rejects.toMatchObject({ reason: "MESSAGE_NOT_FOUND" });
});

test("scheduled messages are listed over all pages, and cancelled by their id", async () => {
  server.override("listScheduledMessages", ({ pageToken }: ListScheduledMessagesRequest) =>
    ListScheduledMessagesResponse.fromPartial(
      pageToken === ""
        ? {
            messages: [
              {
                messageId: "m1",
                deliverTime: { seconds: 9n },
                sendTime: { seconds: 1n },
                body: { $case: "text", value: '{"id":1}' },
                bodyBytes: 8,
                attributes: new Map([
                  ["k", { dataType: "String", value: { $case: "stringValue", value: "v" } }],
                ]),
                groupId: "g",
              },
            ],
            nextPageToken: "2",
          }
        : { messages: [{ messageId: "m2" }] },
    ),
  );
  const seen: ScheduledMessage[] = [];
  for await (const message of queue.listScheduledMessages({ pageSize: 1, bodyBytesMax: 100 })) {
    seen.push(message);
  }
  expect(seen).toMatchObject([
    {
      messageId: "m1",
      deliverTime: new Date(9_000),
      sendTime: new Date(1_000),
      bodyBytes: 8,
      attributes: { k: { type: "String", value: "v" } },
      groupId: "g",
    },
    { messageId: "m2", groupId: undefined },
  ]);
  expect(seen[0]?.json()).toEqual({ id: 1 });
  const [call] = server.callsOf<ListScheduledMessagesRequest>("listScheduledMessages");
  expect(call?.request).toMatchObject({ queue: "orders", pageSize: 1, bodyBytesMax: 100 });
  server.override("cancelScheduledMessage", () => ({}));
  await queue.cancelScheduledMessage("m1");
  expect(server.callsOf("cancelScheduledMessage")).toMatchObject([
    { request: { queue: "orders", messageId: "m1" } },
  ]);
});

test("permissions are added and taken back by their label", async () => {
  server.override("addPermission", () => ({}));
  server.override("removePermission", () => ({}));
  await queue.addPermission({
    label: "billing",
    principals: ["key:billing"],
    actions: ["SendMessage", "PeekMessages"],
  });
  await queue.removePermission("billing");
  expect(server.callsOf("addPermission")).toMatchObject([
    {
      request: {
        queue: "orders",
        label: "billing",
        principals: ["key:billing"],
        actions: ["SendMessage", "PeekMessages"],
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
    },
  ]);
  expect(server.callsOf("removePermission")).toMatchObject([
    { request: { queue: "orders", label: "billing" } },
  ]);
});

test("the sources of a dead-letter queue are listed over all pages", async () => {
  server.override(
    "listDeadLetterSourceQueues",
    ({ pageToken }: ListDeadLetterSourceQueuesRequest) => ({
      queues: pageToken === "" ? ["a", "b"] : ["c"],
      nextPageToken: pageToken === "" ? "2" : "",
    }),
  );
  const names: string[] = [];
  for await (const name of queue.listDeadLetterSources({ pageSize: 2 })) names.push(name);
  expect(names).toEqual(["a", "b", "c"]);
  expect(server.callsOf("listDeadLetterSourceQueues")).toMatchObject([
    { request: { queue: "orders", pageSize: 2, pageToken: "" } },
    { request: { queue: "orders", pageSize: 2, pageToken: "2" } },
  ]);
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
