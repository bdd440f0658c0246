// Tries every RPC with clients that nobody here wrote, grpcurl and `buf curl`: they know the contract only from the
// server's reflection and speak JSON, as a person at a terminal does. The RPCs are listed by reflection too, so one that
// is not tried here fails the run, and so does a field of a request. The cluster service is called twice, at a node alone and
// at one that is a cluster by itself.
//
//   node scripts/conformance.mjs       grpcurl is looked for on the path, or where GRPCURL points; buf is installed
//
// Without grpcurl only buf is tried, and without etcd only the node alone; with CI=true either is a failure.

import { setup } from "./setup.mjs";
import { callChannelRpcs } from "./support/cache-channel-conformance.mjs";
import { callCacheCollectionRpcs } from "./support/cache-collection-conformance.mjs";
import { callCacheRpcs } from "./support/cache-conformance.mjs";
import { callCacheLeaseRpcs } from "./support/cache-lease-conformance.mjs";
import { callSessionRpcs } from "./support/cache-session-conformance.mjs";
import { callCacheValueRpcs } from "./support/cache-value-conformance.mjs";
import {
  callClusterAlone,
  callClusterOfOne,
  clusterService,
  startClusterOfOne,
} from "./support/cluster-calls.mjs";
import { ContractFields } from "./support/contract-fields.mjs";
import { requireEqual, requirePart } from "./support/requirements.mjs";
import { bufCurl, findGrpcurl } from "./support/rpc-tools.mjs";
import { startServer } from "./support/server.mjs";
import { callTopicRpcs } from "./support/topic-conformance.mjs";

setup();
const { descriptorSetBase64 } = await import("../dist/gen/descriptor.js");
const descriptorSet = Buffer.from(descriptorSetBase64, "base64");

const queueService = "forebay.queue.v1.QueueService";
const scheduleService = "forebay.queue.v1.ScheduleService";
const topicService = "forebay.topic.v1.TopicService";
const cacheServices = ["forebay.cache.v1.CacheAdminService", "forebay.cache.v1.CacheService"];
const cacheCollectionServices = [
  "DictionaryService",
  "SetService",
  "ListService",
  "SortedSetService",
].map((name) => `forebay.cache.v1.${name}`);
const cacheValueServices = ["BitmapService", "HyperLogLogService", "RateLimitService"].map(
  (name) => `forebay.cache.v1.${name}`,
);
const channelService = "forebay.cache.v1.ChannelService";
const sessionService = "forebay.cache.v1.SessionService";
/** Who loads a key, and who holds a lock. */
const cacheLeaseServices = ["LeaseService", "LockService"].map(
  (name) => `forebay.cache.v1.${name}`,
);
const dataServices = [
  ...cacheServices,
  channelService,
  ...cacheValueServices,
  ...cacheCollectionServices,
  sessionService,
  ...cacheLeaseServices,
  queueService,
  scheduleService,
  topicService,
];
/** Those whose RPCs have names of their own, so that one session can call them all. */
const queueServices = [queueService, scheduleService];
const healthService = "grpc.health.v1.Health";

/** Attributes that this release answers with UNIMPLEMENTED; a later one takes them out of this list and tries them. */
const notYet = [
  { managedEncryption: true },
  { encryptionKey: "k" },
  { dataKeyReusePeriod: "300s" },
];

/** One tool against one server: calls, counted, with what is expected of them. */
class Session {
  callCount = 0;
  called = new Set();
  fields = new ContractFields(descriptorSet);
  #tool;
  #address;
  #services;

  /** `services`: that of each method. */
  constructor(tool, address, services) {
    this.#tool = tool;
    this.#address = address;
    this.#services = services;
  }

  fieldMask(paths) {
    return this.#tool.fieldMask(paths);
  }

  open(method) {
    this.callCount += 1;
    this.called.add(method);
    const service = this.#services.get(method);
    const call = this.#tool.open(this.#address, service, method);
    return {
      send: (request) => {
        this.fields.note(service, method, request);
        call.send(request);
      },
      next: () => call.next(),
      end: () => call.end(),
    };
  }

  /** A call that must succeed: its one response, of which `expected` must be a part. */
  async ok(method, request, expected) {
    const [response] = await this.responses(method, [request], 1);
    requirePart(response, expected, method);
    return response;
  }

  async responses(method, requests, least = 0) {
    const call = this.open(method);
    for (const request of requests) call.send(request);
    const { status, message, responses } = await call.end();
    if (status !== "OK") throw new Error(`${method} answered ${status}: ${message}`);
    if (responses.length < least) throw new Error(`${method} answered nothing.`);
    return responses;
  }

  /** A call that must be refused, with this status and reason and at least these details. */
  async refused(method, request, status, reason, expected = {}) {
    const call = this.open(method);
    call.send(request);
    const { responses, ...error } = await call.end();
    const ErrorInfo = { domain: "forebay", reason };
    requirePart(error, { status, details: { ErrorInfo, ...expected } }, method);
    if (error.message === "") throw new Error(`${method} was refused without a word.`);
    if (responses.length > 0) throw new Error(`${method} was refused and answered.`);
  }
}

/** What every RPC does when it is called well. Each tool works in queues of its own. */
async function callEveryRpc(session, queue) {
  await session.ok(
    "CreateQueue",
    { queue, attributes: { visibilityTimeout: "60s" }, tags: { team: "shop" } },
    { queue, created: true },
  );
  await session.ok("CreateQueue", { queue }, { created: false });
  await session.ok("GetQueueUrl", { queue }, { queue });
  await session.ok("ListQueues", { prefix: queue, pageSize: 1 }, { queues: [queue] });
  await session.ok("TagQueue", { queue, tags: { stage: "test" } });
  await session.ok("UntagQueue", { queue, keys: ["team"] });
  await session.ok("ListQueueTags", { queue }, { tags: { stage: "test" } });
  const { etag } = await session.ok(
    "SetQueueAttributes",
    {
      queue,
      attributes: { maxInFlight: 500, delay: "0.250s" },
      updateMask: session.fieldMask(["max_in_flight"]),
    },
    { attributes: { maxInFlight: 500, visibilityTimeout: "60s" } },
  );
  await session.ok("GetQueueAttributes", { queue }, { etag, attributes: { delay: "0s" } });
  await session.ok("SetQueueAttributes", { queue, etag, attributes: { maxInFlight: 600 } });
  await session.refused(
    "SetQueueAttributes",
    { queue, etag, attributes: { maxInFlight: 700 } },
    "ABORTED",
    "ETAG_MISMATCH",
  );

  await grant(session, queue);
  await sendAndReceive(session, queue);
  await stream(session, queue);
  await moveBack(session, `${queue}-work`, `${queue}-dead`);
  await keepOrder(session, `${queue}-line.fifo`);
  await deadLetter(session, `${queue}-risky`, `${queue}-buried`);
  await setEverything(session, `${queue}-whole`);
  await sendForLater(session, `${queue}-later`);
  await keepSchedules(session, `${queue}-schedules`);
  await chooseFreshness(session, `${queue}-fresh`);

  for (const attributes of notYet) {
    const request = { queue, attributes };
    for (const method of ["CreateQueue", "SetQueueAttributes"]) {
      await session.refused(method, request, "UNIMPLEMENTED", "UNSUPPORTED_OPERATION");
    }
  }
  await session.ok("SendMessage", { queue, text: "to be purged" });
  await session.ok("PurgeQueue", { queue }, { purgedCount: "1" });
  const counters = { storedMessageCount: "0", sentCount: "9", purgedCount: "4" };
  await session.ok("GetQueueAttributes", { queue, names: ["All"] }, { counters });
  await session.ok("DeleteQueue", { queue });
}

/** Every read says how fresh it has to be, in every way there is. A node alone has the latest state. */
async function chooseFreshness(session, queue) {
  await session.ok("CreateQueue", { queue });
  const { messageId } = await session.ok("SendMessage", { queue, text: "read" });
  for (const consistency of [
    { mode: "READ_MODE_ANY" },
    { mode: "READ_MODE_LEADER_QUORUM" },
    { maxStaleness: "1s" },
    { atLeast: "1/1" },
  ]) {
    await session.ok("ListQueues", { prefix: queue, consistency }, { queues: [queue] });
    await session.ok("ListSchedules", { queue, consistency });
  }
  const consistency = { mode: "READ_MODE_ANY" };
  await session.ok("GetQueueUrl", { queue, consistency }, { queue });
  await session.ok("GetQueueAttributes", { queue, consistency });
  await session.ok("ListQueueTags", { queue, consistency });
  await session.ok("ListDeadLetterSourceQueues", { queue, consistency });
  await session.ok("ListMessageMoveTasks", { source: queue, consistency });
  await session.ok("ListScheduledMessages", { queue, consistency });
  await session.ok("PeekMessages", { queue, consistency });
  for (const method of ["DescribeMessage", "ExplainMessage"]) {
    await session.ok(method, { queue, messageId, consistency });
  }
  const none = { queue, name: "none", consistency };
  await session.refused("GetSchedule", none, "NOT_FOUND", "SCHEDULE_NOT_FOUND");
  await session.ok("DeleteQueue", { queue });
}

/** Sets a policy and takes its statement back; gives a permission and takes that back. */
async function grant(session, queue) {
  const policy = JSON.stringify({
    Statement: {
      Sid: "tls",
      Effect: "Deny",
      Principal: "*",
      Action: "queue:*",
      Resource: `queue/${queue}`,
      Condition: { Bool: { "aws:SecureTransport": false } },
    },
  });
  const kept = { attributes: { policy } };
  await session.ok("SetQueueAttributes", { queue, ...kept }, kept);
  await session.ok("GetQueueAttributes", { queue, names: ["policy"] }, kept);
  const permission = { queue, label: "all", principals: ["billing"], actions: ["*"] };
  await session.ok("AddPermission", { ...permission, requestId: `${queue}-grant` });
  await session.refused("AddPermission", permission, "ALREADY_EXISTS", "LABEL_EXISTS");
  await session.ok("RemovePermission", { queue, label: "tls" });
  await session.ok("RemovePermission", { queue, label: "all" });
  await session.refused(
    "RemovePermission",
    { queue, label: "all" },
    "NOT_FOUND",
    "LABEL_NOT_FOUND",
    {
      ResourceInfo: { resourceType: "permission", resourceName: `${queue}/all` },
    },
  );
}

/** Sends four messages, looks at them, receives them, and deletes them. */
async function sendAndReceive(session, queue) {
  // The vectors of Amazon's documentation: the MD5 of a text.
  const md5OfBody = "5eb63bbbe01eeed093cb22bb8f5acdc3";
  const attributes = { kind: { dataType: "String.word", stringValue: "greeting" } };
  // The ids of a namespace are shared by its queues.
  const requestId = `${queue}-send`;
  const sent = await session.ok(
    "SendMessage",
    { queue, text: "hello world", attributes, delay: "0s", requestId },
    { md5OfBody, replayed: false },
  );
  await session.ok(
    "SendMessage",
    { queue, text: "hello world", attributes, delay: "0s", requestId },
    { messageId: sent.messageId, replayed: true },
  );
  await session.ok(
    "SendMessageBatch",
    {
      queue,
      entries: [
        { id: "a", text: "Grüße, 世界" },
        { id: "b", data: "AAEC/w==" },
        { id: "bad", text: "\u0001" },
        { id: "c", text: "later", delay: "900s" },
      ],
    },
    {
      successful: [{ id: "a" }, { id: "b" }, { id: "c" }],
      failed: [{ id: "bad", reason: "INVALID_MESSAGE_CONTENTS", senderFault: true }],
    },
  );
  await session.ok(
    "PeekMessages",
    { queue, states: ["MESSAGE_STATE_VISIBLE"], bodyContains: "üße", bodyBytesMax: 5 },
    { messages: [{ state: "MESSAGE_STATE_VISIBLE", bodyBytes: 15, text: "Grü" }] },
  );
  const { messages } = await session.ok(
    "ReceiveMessage",
    {
      queue,
      maxMessages: 10,
      waitTime: "5s",
      systemAttributeNames: ["MESSAGE_SYSTEM_ATTRIBUTE_NAME_ALL"],
      messageAttributeNames: ["All"],
    },
    {
      messages: [
        { messageId: sent.messageId, text: "hello world", md5OfBody, attributes },
        { text: "Grüße, 世界" },
        { data: "AAEC/w==", systemAttributes: { receiveCount: 1 } },
      ],
    },
  );
  const [first, second, third] = messages.map(({ receiptHandle }) => receiptHandle);
  await session.ok("ChangeMessageVisibility", {
    queue,
    receiptHandle: first,
    visibilityTimeout: "1.5s",
  });
  await session.ok(
    "ChangeMessageVisibilityBatch",
    {
      queue,
      entries: [
        { id: "a", receiptHandle: second, visibilityTimeout: "30s" },
        { id: "bad", receiptHandle: "garbage", visibilityTimeout: "30s" },
      ],
    },
    { successful: [{ id: "a" }], failed: [{ id: "bad", reason: "RECEIPT_HANDLE_INVALID" }] },
  );
  const counters = {
    visibleMessageCount: "0",
    inFlightMessageCount: "3",
    delayedMessageCount: "1",
  };
  await session.ok("GetQueueAttributes", { queue }, { counters });
  const removed = { outcome: "DELETE_OUTCOME_DELETED" };
  const gone = { outcome: "DELETE_OUTCOME_ALREADY_GONE" };
  await session.ok("DeleteMessage", { queue, receiptHandle: first }, removed);
  await session.ok(
    "DeleteMessageBatch",
    {
      queue,
      entries: [
        { id: "a", receiptHandle: second },
        { id: "b", receiptHandle: third },
        { id: "c", receiptHandle: first },
      ],
    },
    {
      successful: [
        { id: "a", ...removed },
        { id: "b", ...removed },
        { id: "c", ...gone },
      ],
    },
  );
  // What is left is the delayed one.
  await session.ok("PurgeQueue", { queue, requestId: `${queue}-purge` }, { purgedCount: "1" });
}

/** Sends four messages over a stream; receives them over another, which answers what it is told. */
async function stream(session, queue) {
  const produced = await session.responses("Produce", [
    { queue, entries: [{ text: "one" }, { id: "2", text: "two" }, { text: "" }] },
    { entries: [{ text: "three" }] },
    { entries: [{ text: "four" }] },
  ]);
  const results = produced.flatMap((response) => response.results);
  const refusal = { details: [{ reason: "MISSING_PARAMETER" }, {}] };
  requirePart(
    results,
    [{ sent: {} }, { sent: { id: "2" } }, { error: refusal }, { sent: {} }, { sent: {} }],
    "Produce",
  );

  const call = session.open("Consume");
  call.send({
    start: {
      queue,
      credit: { messages: 3, bytes: "100000" },
      visibilityTimeout: "30s",
      systemAttributeNames: [named("ALL")],
      messageAttributeNames: ["All"],
      keepLeases: true,
    },
  });
  const messages = [];
  while (messages.length < 3) messages.push(...((await call.next())?.messages.messages ?? []));
  requirePart(messages, [{ text: "one" }, { text: "two" }, { text: "three" }], "Consume");
  const [one, two, three] = messages.map(({ receiptHandle }) => receiptHandle);
  call.send({ ack: { receiptHandles: [one] } });
  requirePart(
    await call.next(),
    { results: { results: [{ receiptHandle: one, deleted: "DELETE_OUTCOME_DELETED" }] } },
    "Consume: ack",
  );
  call.send({ nack: { receiptHandles: [two], delay: "300s" } });
  requirePart((await call.next()).results.results, [{ receiptHandle: two }], "Consume: nack");
  call.send({
    reject: { receiptHandles: [three], reason: "BAD_ORDER", error: "no", delay: "300s" },
  });
  requirePart((await call.next()).results.results, [{ receiptHandle: three }], "Consume: reject");
  call.send({ credit: { messages: 1, bytes: "1000" } });
  const credited = (await call.next()).messages.messages;
  requirePart(credited, [{ text: "four" }], "Consume: credit");
  const [{ receiptHandle: four }] = credited;

  // Another stream goes on with it.
  const next = session.open("Consume");
  next.send({ start: { queue } });
  next.send({ hold: { receiptHandles: [four] } });
  const [held] = (await next.next()).results.results;
  requirePart(held, { receiptHandle: four }, "Consume: hold");
  if (!held.leaseEndTime) throw new Error("Consume: hold says nothing of the lease's end.");
  requirePart(await call.next(), { lost: { receiptHandles: [four] } }, "Consume: lost");
  for (const ended of [call, next]) {
    const { status } = await ended.end();
    if (status !== "OK") throw new Error(`Consume ended with ${status}.`);
  }

  // Both have ended, so what they held is visible again at once.
  const { messages: rest } = await session.ok(
    "ReceiveMessage",
    { queue, maxMessages: 10 },
    { messages: [{ text: "four" }] },
  );
  await session.ok("DeleteMessage", { queue, receiptHandle: rest[0].receiptHandle });
  await session.ok(
    "PeekMessages",
    { queue },
    {
      messages: [
        { text: "two" },
        { text: "three", systemAttributes: { rejection: { reason: "BAD_ORDER", error: "no" } } },
      ],
    },
  );
  await session.ok("PurgeQueue", { queue }, { purgedCount: "2" });
}

/** Rejects a message to a dead-letter queue and moves it back, changed; begins another move and cancels it. */
async function moveBack(session, queue, dead) {
  await session.ok("CreateQueue", { queue: dead });
  const redrivePolicy = { deadLetterQueue: dead, maxReceiveCount: 3 };
  await session.ok("CreateQueue", { queue, attributes: { redrivePolicy } });
  await session.ok("ListDeadLetterSourceQueues", { queue: dead }, { queues: [queue] });
  const sent = await session.ok("SendMessage", { queue, text: "pay #7" });
  const { messages } = await session.ok("ReceiveMessage", { queue });
  const [{ receiptHandle }] = messages;
  const rejection = { reason: "BAD_ORDER", error: "no such customer" };
  await session.ok("RejectMessage", { queue, receiptHandle, ...rejection, deadLetter: true });

  const filter = { rejectionReason: "BAD_ORDER", minimumAge: "0s" };
  const edit = {
    text: "pay #8",
    setAttributes: { fixed: { dataType: "Number", stringValue: "1" } },
  };
  await session.ok(
    "PreviewMessageMoveTask",
    { source: dead, filter, edit, sampleCount: 1 },
    {
      matchingMessageCount: "1",
      destinationMessageCounts: { [queue]: "1" },
      rejectionReasonCounts: { BAD_ORDER: "1" },
      samples: [{ text: "pay #8", systemAttributes: { rejection } }],
    },
  );
  const { taskHandle } = await session.ok("StartMessageMoveTask", { source: dead, filter, edit });
  const ended = await endedMove(session, dead);
  requirePart(
    ended,
    { status: "MOVE_TASK_STATUS_COMPLETED", movedMessageCount: "1", filter, edit },
    "ListMessageMoveTasks",
  );
  await session.refused(
    "CancelMessageMoveTask",
    { taskHandle },
    "FAILED_PRECONDITION",
    "MOVE_TASK_NOT_RUNNING",
  );
  await session.ok(
    "PeekMessages",
    { queue },
    {
      messages: [
        { text: "pay #8", systemAttributes: { originalMessageId: sent.messageId, rejection } },
      ],
    },
  );

  // A minute's worth: a tool may take seconds to begin.
  const entries = Array.from({ length: 60 }, () => ({ text: "straight" }));
  await session.responses("Produce", [{ queue: dead, entries }]);
  const slow = { source: dead, destination: queue, maxPerSecond: 1 };
  const second = await session.ok("StartMessageMoveTask", slow);
  const toCancel = { taskHandle: second.taskHandle };
  await session.refused(
    "StartMessageMoveTask",
    slow,
    "FAILED_PRECONDITION",
    "MOVE_TASK_ALREADY_RUNNING",
  );
  await session.ok("CancelMessageMoveTask", toCancel);
  const left = await endedMove(session, dead);
  requirePart(left, { status: "MOVE_TASK_STATUS_CANCELLED", ...slow }, "ListMessageMoveTasks");
  await session.refused(
    "ListMessageMoveTasks",
    { source: "nowhere" },
    "NOT_FOUND",
    "MOVE_RESOURCE_NOT_FOUND",
    { ResourceInfo: { resourceType: "queue", resourceName: "nowhere" } },
  );
  await session.ok("DeleteQueue", { queue });
  await session.ok("DeleteQueue", { queue: dead });
}

/** The newest move task of a queue, once it has ended. */
async function endedMove(session, source) {
  for (let look = 0; look < 100; look += 1) {
    const { tasks } = await session.ok("ListMessageMoveTasks", { source });
    if (tasks[0].status !== "MOVE_TASK_STATUS_RUNNING") return tasks[0];
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  throw new Error(`The move task of ${source} does not end.`);
}

/** The life of a FIFO queue: duplicates, order in groups, a receive that is repeated, handles that are over. */
async function keepOrder(session, queue) {
  const attributes = {
    fifoQueue: true,
    contentBasedDeduplication: false,
    deduplicationScope: "DEDUPLICATION_SCOPE_MESSAGE_GROUP",
    fifoThroughputLimit: "FIFO_THROUGHPUT_LIMIT_PER_MESSAGE_GROUP_ID",
    dedupWindow: "600s",
    visibilityTimeout: "60s",
  };
  await session.ok("CreateQueue", { queue, attributes }, { created: true });
  await session.ok("GetQueueAttributes", { queue }, { attributes });
  const change = { queue, attributes: { ...attributes, contentBasedDeduplication: true } };
  await session.ok("SetQueueAttributes", change, { attributes: change.attributes });

  const first = { queue, text: "a1", groupId: "a", dedupId: "1" };
  const a1 = await session.ok("SendMessage", first, { duplicate: false });
  if (!/^\d{20}$/.test(a1.sequenceNumber)) throw new Error(`No place: ${a1.sequenceNumber}`);
  const { messageId, sequenceNumber } = a1;
  await session.ok("SendMessage", first, { messageId, sequenceNumber, duplicate: true });
  const { successful } = await session.ok("SendMessageBatch", {
    queue,
    entries: [
      { id: "a2", text: "a2", groupId: "a", dedupId: "2" },
      { id: "b1", text: "b1", groupId: "b", dedupId: "1" },
      { id: "b1-again", text: "other", groupId: "b", dedupId: "1" },
    ],
  });
  requirePart(successful, [{ duplicate: false }, { duplicate: false }, { duplicate: true }], "ids");

  const receive = { queue, receiveAttemptId: "attempt", systemAttributeNames: [named("ALL")] };
  const { messages } = await session.ok("ReceiveMessage", receive, {
    messages: [{ messageId, systemAttributes: { groupId: "a", dedupId: "1", sequenceNumber } }],
  });
  const [{ receiptHandle }] = messages;
  await session.ok("ReceiveMessage", receive, { messages: [{ receiptHandle }] });
  await session.ok(
    "ExplainMessage",
    { queue, messageId: successful[0].messageId },
    {
      state: "MESSAGE_STATE_VISIBLE",
      obstacles: [{ kind: "OBSTACLE_KIND_GROUP_BLOCKED", blockingMessageId: messageId }],
    },
  );
  await session.ok("ReceiveMessage", { queue, maxMessages: 10 }, { messages: [{ text: "b1" }] });
  const counters = {
    visibleMessageCount: "1",
    inFlightMessageCount: "2",
    groupsInFlightCount: "2",
    deduplicatedCount: "2",
  };
  await session.ok("GetQueueAttributes", { queue }, { counters });
  await session.ok("ChangeMessageVisibility", { queue, receiptHandle, visibilityTimeout: "0s" });
  await session.refused("ReceiveMessage", receive, "ABORTED", "RECEIVE_ATTEMPT_STALE");
  await session.refused(
    "DeleteMessage",
    { queue, receiptHandle },
    "FAILED_PRECONDITION",
    "RECEIPT_HANDLE_EXPIRED",
  );
  await session.ok(
    "ReceiveMessage",
    { queue, maxMessages: 10 },
    { messages: [{ text: "a1" }, { text: "a2" }] },
  );

  await session.refused(
    "SendMessage",
    { queue, text: "x", dedupId: "3" },
    "INVALID_ARGUMENT",
    "MISSING_PARAMETER",
    { BadRequest: { fieldViolations: [{ field: "group_id" }] } },
  );
  await session.refused(
    "SendMessage",
    { queue, text: "x", groupId: "a", delay: "1s" },
    "INVALID_ARGUMENT",
    "UNSUPPORTED_FOR_QUEUE_TYPE",
    { BadRequest: { fieldViolations: [{ field: "delay" }] } },
  );
  await session.responses("Produce", [
    { queue, entries: [{ id: "1", text: "a3", groupId: "a", dedupId: "3" }] },
  ]);
  await session.ok("PurgeQueue", { queue }, { purgedCount: "4" });
  await session.ok("DeleteQueue", { queue });
}

const named = (name) => `MESSAGE_SYSTEM_ATTRIBUTE_NAME_${name}`;

/** A message that is received too often, and what is then known of it; redrive policies that are refused. */
async function deadLetter(session, queue, dead) {
  const byQueue = "REDRIVE_PERMISSION_BY_QUEUE";
  await session.ok("CreateQueue", {
    queue: dead,
    attributes: { redriveAllowPolicy: { permission: byQueue, sourceQueues: [queue] } },
  });
  const redrivePolicy = { deadLetterQueue: dead, maxReceiveCount: 1 };
  await session.refused(
    "CreateQueue",
    { queue: `${queue}-other`, attributes: { redrivePolicy } },
    "PERMISSION_DENIED",
    "DLQ_NOT_ALLOWED",
  );
  await session.ok("CreateQueue", { queue });
  await session.refused(
    "SetQueueAttributes",
    { queue, attributes: { redrivePolicy: { ...redrivePolicy, deadLetterQueue: "nowhere" } } },
    "FAILED_PRECONDITION",
    "DLQ_NOT_FOUND",
    { ResourceInfo: { resourceType: "queue", resourceName: "nowhere" } },
  );
  await session.ok(
    "SetQueueAttributes",
    { queue, attributes: { redrivePolicy } },
    { attributes: { redrivePolicy } },
  );
  const { messageId } = await session.ok("SendMessage", { queue, text: "boom", groupId: "g" });
  const receive = { queue, visibilityTimeout: "0s" };
  await session.ok("ReceiveMessage", receive, { messages: [{ messageId }] });
  await session.ok(
    "ExplainMessage",
    { queue, messageId },
    { obstacles: [{ kind: "OBSTACLE_KIND_DEAD_LETTER_DUE" }] },
  );
  await session.ok("ReceiveMessage", receive, { messages: [] });
  const counters = { storedMessageCount: "0", deadLetteredCount: "1" };
  await session.ok("GetQueueAttributes", { queue }, { counters });
  await session.refused("DescribeMessage", { queue, messageId }, "NOT_FOUND", "MESSAGE_NOT_FOUND", {
    ResourceInfo: { resourceType: "message", resourceName: messageId },
  });
  await session.ok(
    "DescribeMessage",
    { queue: dead, messageId, bodyBytesMax: 2 },
    {
      message: {
        text: "bo",
        systemAttributes: {
          receiveCount: 1,
          deadLetterSourceQueue: queue,
          deadLetterReason: "DEAD_LETTER_REASON_MAX_RECEIVES",
        },
      },
      events: [
        { kind: "MESSAGE_EVENT_KIND_SENT" },
        { kind: "MESSAGE_EVENT_KIND_RECEIVED" },
        { kind: "MESSAGE_EVENT_KIND_RELEASED" },
        { kind: "MESSAGE_EVENT_KIND_DEAD_LETTERED", queue, reason: "MAX_RECEIVES" },
      ],
    },
  );
  await session.ok("SendMessage", { queue, text: "again" });
  const call = session.open("Consume");
  call.send({ start: { queue, credit: { messages: 1 } } });
  const [held] = (await call.next()).messages.messages;
  const handles = [held.receiptHandle];
  call.send({ reject: { receiptHandles: handles, reason: "BAD", error: "no", deadLetter: true } });
  requirePart(await call.next(), { results: { results: [{ deadLetterQueue: dead }] } }, "Consume");
  await call.end();

  // Another move that asks for all that can be asked for, and changes all that can be changed.
  const move = {
    source: dead,
    destination: queue,
    filter: {
      messageIds: [messageId],
      attributes: {},
      deadLetterSourceQueue: queue,
      groupId: "g",
      bodyContains: "oo",
      minimumAge: "0s",
      maximumAge: "3600s",
    },
    edit: { data: "AAEC/w==", removeAttributes: ["old"], groupId: "h" },
  };
  await session.ok(
    "PreviewMessageMoveTask",
    { ...move, sampleCount: 1, bodyBytesMax: 1 },
    {
      matchingMessageCount: "1",
      otherMessageCount: "1",
      samples: [{ data: "AA==", bodyBytes: 4 }],
    },
  );
  await session.ok("StartMessageMoveTask", { ...move, requestId: `${queue}-move` });
  requirePart(await endedMove(session, dead), { movedMessageCount: "1" }, "ListMessageMoveTasks");
  await session.ok(
    "ReceiveMessage",
    { queue, systemAttributeNames: [named("GROUP_ID"), named("ORIGINAL_MESSAGE_ID")] },
    {
      messages: [
        { data: "AAEC/w==", systemAttributes: { groupId: "h", originalMessageId: messageId } },
      ],
    },
  );
  await session.ok("DeleteQueue", { queue });
  await session.ok("DeleteQueue", { queue: dead });
}

/** Every attribute of a standard queue, and messages with all they may have. */
async function setEverything(session, queue) {
  const attributes = {
    visibilityTimeout: "60s",
    messageRetentionPeriod: "3600s",
    delay: "0s",
    maximumMessageBytes: 2048,
    receiveMessageWaitTime: "0s",
    redrivePolicy: { deadLetterQueue: queue, maxReceiveCount: 10 },
    redriveAllowPolicy: { permission: "REDRIVE_PERMISSION_ALLOW_ALL" },
    receiptPolicy: "RECEIPT_POLICY_STRICT",
    dedupWindow: "60s",
    maxInFlight: 100,
    deliveryPaused: true,
    retryPolicy: { minimumBackoff: "1s", maximumBackoff: "60s", factor: 1.5 },
    maxInFlightPerGroup: 1,
    priorityAgeing: "3600s",
  };
  const requestId = `${queue}-create`;
  const create = { queue, attributes: { ...attributes, policy: "" }, requestId };
  await session.ok("CreateQueue", create, { created: true, replayed: false });
  await session.ok("CreateQueue", create, { created: true, replayed: true });
  await session.ok("GetQueueAttributes", { queue }, { attributes });

  const kind = { dataType: "Binary.raw", binaryValue: "AAEC/w==" };
  const message = {
    attributes: { kind },
    systemAttributes: { traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793" },
    groupId: "tenant",
    timeToLive: "60s",
  };
  const low = { ...message, data: "bG93", priority: 0, dedupId: "low" };
  const high = { ...message, data: "aGlnaA==", priority: 9, dedupId: "high" };
  const { messageId } = await session.ok("SendMessage", { queue, ...low });
  await session.ok("SendMessageBatch", {
    queue,
    requestId: `${queue}-batch`,
    entries: [
      { id: "high", ...high, delay: "0s" },
      { id: "later", ...message, text: "later", deliverTime: "2060-01-01T00:00:00Z" },
    ],
  });
  await session.ok("ReceiveMessage", { queue }, { messages: [] });
  await session.ok(
    "ExplainMessage",
    { queue, messageId },
    { obstacles: [{ kind: "OBSTACLE_KIND_PAUSED" }], aheadMessageCount: 1 },
  );
  await session.ok("SetQueueAttributes", { queue, attributes: { deliveryPaused: false } });
  // The urgent one alone: of its group, one may be in flight.
  const { messages } = await session.ok(
    "ReceiveMessage",
    {
      queue,
      maxMessages: 10,
      maxBytes: 4096,
      systemAttributeNames: [named("PRIORITY")],
      requestId: `${queue}-receive`,
    },
    { messages: [{ data: "aGlnaA==", systemAttributes: { priority: 9 } }] },
  );
  await session.ok(
    "ExplainMessage",
    { queue, messageId },
    { obstacles: [{ kind: "OBSTACLE_KIND_GROUP_LIMIT" }] },
  );
  const [{ receiptHandle }] = messages;
  await session.ok("RejectMessage", { queue, receiptHandle, reason: "BUSY", delay: "300s" });
  const peek = {
    queue,
    groupId: "tenant",
    attributes: {},
    states: ["MESSAGE_STATE_DELAYED"],
    pageSize: 1,
  };
  await session.ok("PeekMessages", peek, {
    messages: [{ data: "aGlnaA==", systemAttributes: { rejection: { reason: "BUSY" } } }],
    nextPageToken: "",
  });
  await session.responses("Produce", [
    {
      queue,
      entries: [
        { id: "p", ...message, text: "p", priority: 1, delay: "1s", dedupId: "p" },
        { id: "q", ...message, data: "cQ==", deliverTime: "2060-01-01T00:00:00Z" },
      ],
    },
  ]);
  await turnPages(session, queue);
  await session.ok("DeleteQueue", { queue });
}

/** Lists page by page. */
async function turnPages(session, queue) {
  const pages = async (method, request, count) => {
    let pageToken = "";
    for (let page = 1; page <= count; page += 1) {
      const { nextPageToken } = await session.ok(method, { ...request, pageSize: 1, pageToken });
      if ((nextPageToken === "") !== (page === count)) {
        throw new Error(`${method}: page ${page} of ${count} ends with "${nextPageToken}".`);
      }
      pageToken = nextPageToken;
    }
  };
  const message = { text: "x" };
  for (const name of ["one", "two"]) {
    await session.ok("PutSchedule", { queue, schedule: { name, interval: "3600s", message } });
  }
  await pages("ListSchedules", { queue }, 2);
  await pages("PeekMessages", { queue }, 3);
  await pages("ListScheduledMessages", { queue }, 2);
  await pages("ListQueues", { prefix: queue }, 1);
  await pages("ListDeadLetterSourceQueues", { queue }, 1);
  await session.ok("StartMessageMoveTask", { source: queue });
  await endedMove(session, queue);
  await pages("ListMessageMoveTasks", { source: queue }, 1);
}

/** Sends a message for a time to come, sees it waiting, and takes it back. */
async function sendForLater(session, queue) {
  await session.ok("CreateQueue", { queue });
  const deliverTime = "2060-01-01T00:00:00Z";
  const { messageId } = await session.ok("SendMessage", { queue, text: "later", deliverTime });
  const counters = { storedMessageCount: "0", scheduledMessageCount: "1" };
  await session.ok("GetQueueAttributes", { queue }, { counters });
  await session.ok(
    "ListScheduledMessages",
    { queue, bodyBytesMax: 3 },
    { messages: [{ messageId, deliverTime, text: "lat", bodyBytes: 5 }] },
  );
  await session.ok(
    "DescribeMessage",
    { queue, messageId },
    { message: { messageId, state: "MESSAGE_STATE_SCHEDULED", text: "later" } },
  );
  await session.ok(
    "ExplainMessage",
    { queue, messageId },
    { obstacles: [{ kind: "OBSTACLE_KIND_SCHEDULED", untilTime: deliverTime }] },
  );
  await session.ok("CancelScheduledMessage", { queue, messageId });
  await session.refused(
    "CancelScheduledMessage",
    { queue, messageId },
    "NOT_FOUND",
    "MESSAGE_NOT_FOUND",
    { ResourceInfo: { resourceType: "message" } },
  );
  await session.ok("DeleteQueue", { queue });
}

/** Has the server send messages by itself. */
async function keepSchedules(session, queue) {
  await session.ok("CreateQueue", { queue });
  const nightly = {
    name: "nightly",
    cron: "0 3 * * MON-FRI",
    timeZone: "Europe/Berlin",
    message: { text: "close the books", attributes: {}, priority: 2, timeToLive: "3600s" },
    startTime: "2060-01-01T00:00:00Z",
    endTime: "2061-01-01T00:00:00Z",
    missedRuns: "MISSED_RUNS_SKIP",
  };
  // The first working day of that year is a Thursday.
  const status = { nextTime: "2060-01-01T02:00:00Z", runCount: "0" };
  await session.ok("PutSchedule", { queue, schedule: nightly }, { created: true, status });
  await session.ok("PutSchedule", { queue, schedule: nightly }, { created: false, status });
  await session.ok("GetSchedule", { queue, name: "nightly" }, { schedule: nightly, status });
  const pulse = { name: "pulse", interval: "1s", message: { text: "now" } };
  await session.ok("PutSchedule", { queue, schedule: pulse });
  await session.ok("ReceiveMessage", { queue, waitTime: "5s" }, { messages: [{ text: "now" }] });
  const resting = { ...pulse, paused: true, message: { data: "AAEC/w==", groupId: "night" } };
  await session.ok(
    "PutSchedule",
    { queue, schedule: resting },
    { created: false, status: { nextTime: null } },
  );
  await session.ok("DeleteSchedule", { queue, name: "pulse" });
  await session.ok("ListSchedules", { queue }, { schedules: [{ schedule: nightly, status }] });
  await session.refused(
    "GetSchedule",
    { queue, name: "pulse" },
    "NOT_FOUND",
    "SCHEDULE_NOT_FOUND",
    { ResourceInfo: { resourceType: "schedule", resourceName: `${queue}/pulse` } },
  );
  await session.refused(
    "PutSchedule",
    { queue, schedule: { ...nightly, cron: "0 25 * * *" } },
    "INVALID_ARGUMENT",
    "INVALID_PARAMETER",
    { BadRequest: { fieldViolations: [{ field: "schedule.cron" }] } },
  );
  await session.ok("DeleteQueue", { queue });
}

/** Refusals, each with its status, its reason and details that a person can read. */
async function beRefused(session, queue) {
  await session.refused(
    "SendMessage",
    { queue: "nowhere", text: "x" },
    "NOT_FOUND",
    "QUEUE_NOT_FOUND",
    {
      ResourceInfo: { resourceType: "queue", resourceName: "nowhere" },
    },
  );
  await session.refused("CreateQueue", { queue: "a b" }, "INVALID_ARGUMENT", "INVALID_PARAMETER", {
    BadRequest: { fieldViolations: [{ field: "queue" }] },
  });
  await session.ok("CreateQueue", { queue, attributes: { maxInFlight: 1 } });
  await session.refused(
    "CreateQueue",
    { queue, attributes: { maxInFlight: 2 } },
    "ALREADY_EXISTS",
    "QUEUE_ALREADY_EXISTS",
  );
  await session.refused(
    "ReceiveMessage",
    { queue, maxMessages: 11, waitTime: "21s" },
    "INVALID_ARGUMENT",
    "INVALID_PARAMETER",
    { BadRequest: { fieldViolations: [{ field: "max_messages" }, { field: "wait_time" }] } },
  );
  await session.refused("SendMessageBatch", { queue }, "INVALID_ARGUMENT", "EMPTY_BATCH");
  await session.ok("SendMessageBatch", {
    queue,
    entries: [
      { id: "1", text: "leased" },
      { id: "2", text: "refused" },
    ],
  });
  const { messages } = await session.ok("ReceiveMessage", { queue });
  await session.refused("ReceiveMessage", { queue }, "RESOURCE_EXHAUSTED", "IN_FLIGHT_LIMIT", {
    QuotaFailure: { violations: [{}] },
  });
  const [{ receiptHandle }] = messages;
  await session.ok("ChangeMessageVisibility", { queue, receiptHandle, visibilityTimeout: "0s" });
  await session.refused(
    "ChangeMessageVisibility",
    { queue, receiptHandle, visibilityTimeout: "1s" },
    "FAILED_PRECONDITION",
    "MESSAGE_NOT_IN_FLIGHT",
  );
  await session.refused(
    "DeleteMessage",
    { queue, receiptHandle: "garbage" },
    "INVALID_ARGUMENT",
    "RECEIPT_HANDLE_INVALID",
  );
  await session.refused(
    "Consume",
    { credit: { messages: 1 } },
    "INVALID_ARGUMENT",
    "INVALID_PARAMETER",
  );
  await session.refused("Produce", { queue: "nowhere" }, "NOT_FOUND", "QUEUE_NOT_FOUND");
  await session.refused("DeleteQueue", { queue, etag: "old" }, "ABORTED", "ETAG_MISMATCH");
  await session.ok("DeleteQueue", { queue });
}

/** What a tool asks a server about itself: which services there are on each listener, and whether they are well. */
async function askAboutServer(tool, { address, managementAddress }) {
  for (const [listener, expected] of [
    [address, dataServices],
    [managementAddress, [clusterService, healthService]],
  ]) {
    for (const reflection of tool.reflections) {
      const services = tool.list(listener, undefined, reflection);
      const own = services.filter((name) => !name.startsWith("grpc.reflection."));
      requireEqual(own.sort(), [...expected].sort(), "list of services");
    }
  }
  for (const service of dataServices) {
    const call = tool.open(managementAddress, healthService, "Check");
    call.send({ service });
    requirePart(await call.end(), { status: "OK", responses: [{ status: "SERVING" }] }, "health");
  }
}

/** `describe` shows the contract with its comments: each RPC has one, and so has a field. */
function requireComments(tool, { address, managementAddress }) {
  const described = [
    ...dataServices.map((service) => tool.describe(address, service)),
    tool.describe(managementAddress, clusterService),
  ];
  const lines = described.flatMap((text) => text.split("\n"));
  const bare = lines.filter(
    (line, index) => line.trim().startsWith("rpc ") && !lines[index - 1]?.trim().startsWith("//"),
  );
  requireEqual(bare, [], "RPCs described without a comment");
  const request = tool.describe(address, "forebay.queue.v1.SendMessageRequest");
  if (!request.includes("// How long the message stays invisible. Range: [0s, 900s]")) {
    throw new Error("SendMessageRequest is described without the comment of `delay`.");
  }
}

/** Has a tool call services at an address, and requires that it left out none of their RPCs, and no field of a request. */
async function tryServices(tool, address, services, makeCalls) {
  const methodsOf = new Map(services.map((service) => [service, tool.list(address, service)]));
  const serviceOf = new Map(
    [...methodsOf].flatMap(([service, methods]) => methods.map((method) => [method, service])),
  );
  const session = new Session(tool, address, serviceOf);
  await makeCalls(session);
  const untried = [...serviceOf.keys()].filter((method) => !session.called.has(method));
  requireEqual(untried, [], "RPCs that this script does not try");
  const missing = [...methodsOf].flatMap(([service, methods]) =>
    session.fields.missing(service, methods),
  );
  requireEqual(missing, [], "fields that this script does not try");
  const summary = `${session.callCount} calls ok, all ${serviceOf.size} RPCs and their fields tried`;
  const names = services.map((service) => service.slice(service.lastIndexOf(".") + 1)).join(", ");
  console.log(`${tool.name}: ${names}: ${summary}`);
}

async function tryTool(tool, server, clusterOfOne) {
  await askAboutServer(tool, server);
  if (tool.describe !== undefined) requireComments(tool, server);
  const queue = `conformance-${tool.name.replace(" ", "-")}`;
  await tryServices(tool, server.address, queueServices, async (session) => {
    await callEveryRpc(session, queue);
    await beRefused(session, `${queue}-refused`);
    await tryServices(tool, server.address, [topicService], (topics) =>
      callTopicRpcs(topics, `${queue}-told`, {
        createQueue: (name, attributes = {}) =>
          session.ok("CreateQueue", { queue: name, attributes }),
        receive: (name, messages, options = {}) =>
          session.ok("ReceiveMessage", { queue: name, maxMessages: 10, ...options }, { messages }),
      }),
    );
  });
  await tryServices(tool, server.address, cacheServices, async (session) => {
    await callCacheRpcs(session, queue);
    await tryServices(tool, server.address, [channelService], (channels) =>
      callChannelRpcs(channels, queue, {
        makeCache: (cache) => session.ok("CreateCache", { cache }),
        deleteCache: (cache) => session.ok("DeleteCache", { cache }, { existed: true }),
      }),
    );
  });
  await tryServices(tool, server.address, cacheValueServices, (session) =>
    callCacheValueRpcs(session, queue),
  );
  await tryServices(tool, server.address, cacheCollectionServices, (session) =>
    callCacheCollectionRpcs(session, queue),
  );
  await tryServices(tool, server.address, [sessionService], (session) =>
    callSessionRpcs(session, queue),
  );
  await tryServices(tool, server.address, cacheLeaseServices, (session) =>
    callCacheLeaseRpcs(session, queue),
  );
  await tryServices(tool, server.managementAddress, [clusterService], callClusterAlone);
  if (clusterOfOne === undefined) return;
  await tryServices(tool, clusterOfOne.managementAddress, [clusterService], (session) =>
    callClusterOfOne(session, clusterOfOne),
  );
}

function fail(tool, error) {
  console.error(`${tool.name}: FAILED\n${error.stack}`);
  process.exitCode = 1;
}

const grpcurl = findGrpcurl();
if (grpcurl === undefined) {
  console.error("grpcurl is not here: put it on the path, or its path in GRPCURL. To install it:");
  console.error("  go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4");
  if (process.env.CI === "true") process.exitCode = 1;
}

/** With webhooks, for addresses of this machine. */
const server = await startServer([
  ...["--public-base-url", "http://messages.example"],
  ...["--public-listen", "127.0.0.1:0"],
  ...["--webhook-allowed-cidrs", "127.0.0.0/8"],
]);
try {
  const clusterOfOne = await startClusterOfOne();
  if (clusterOfOne === undefined && process.env.CI === "true") process.exitCode = 1;
  try {
    for (const tool of [grpcurl, bufCurl(descriptorSet)]) {
      if (tool === undefined) continue;
      await tryTool(tool, server, clusterOfOne).catch((error) => fail(tool, error));
    }
  } finally {
    await clusterOfOne?.stop();
  }
} finally {
  await server.stop();
}
