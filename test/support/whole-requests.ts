// Requests of every method with every field set to something that is taken: what tests of bad input spoil field by field, and
// what tests of errors address to a queue that does not exist.
//
// `wholeRequests` has one of each method, good for a standard queue. Some fields exclude each other, belong to FIFO queues, or
// name a page or a state of before; `requestsOf` has requests with those, too, and together they have every field there is.

import { ReadMode } from "../../src/gen/forebay/queue/v1/consistency.js";
import {
  DeduplicationScope,
  FifoThroughputLimit,
  ReceiptPolicy,
  RedrivePermission,
} from "../../src/gen/forebay/queue/v1/queue.js";
import { MissedRuns } from "../../src/gen/forebay/queue/v1/schedule_service.js";
import type { RequestPart, UnaryMethod } from "./queue-client.js";
import { attributesOf, durationOf } from "./scenario.js";
import { timestampOf } from "./schedules.js";

export type WholeRequests = { readonly [Method in UnaryMethod]: RequestPart<Method> };

/** Not while a test runs. */
const inTheFuture = Date.UTC(2100, 0, 1);

const messageId = "01890a5d-ac96-774b-bcce-b302099a8057";
const aText = { $case: "text" as const, value: "body" };
const someBytes = { $case: "data" as const, value: Buffer.from([0, 1, 255]) };

const attributesOfBothKinds = attributesOf({
  kind: "k",
  raw: { dataType: "Binary.raw", value: { $case: "binaryValue", value: Buffer.from([1, 2]) } },
});

const extras = { timeToLive: durationOf(60_000), priority: 1 };

const message = {
  body: aText,
  delay: durationOf(1_500),
  attributes: attributesOfBothKinds,
  systemAttributes: { traceHeader: "Root=1" },
  groupId: "g1",
  ...extras,
};

/** Of both types of queue. */
const attributes = {
  visibilityTimeout: durationOf(30_000),
  messageRetentionPeriod: durationOf(345_600_000),
  delay: durationOf(0),
  maximumMessageBytes: 1_048_576,
  receiveMessageWaitTime: durationOf(0),
  redriveAllowPolicy: {
    permission: RedrivePermission.BY_QUEUE,
    sourceQueues: ["orders", "elsewhere"],
  },
  receiptPolicy: ReceiptPolicy.LENIENT,
  dedupWindow: durationOf(300_000),
  maxInFlight: 120_000,
  // Nothing in these tests waits for a message.
  deliveryPaused: false,
  retryPolicy: {
    minimumBackoff: durationOf(1_000),
    maximumBackoff: durationOf(43_200_000),
    factor: 1.5,
  },
  maxInFlightPerGroup: 1_000,
};

const standardAttributesOf = (queue: string) => ({
  ...attributes,
  policy: policyOf(queue),
  redrivePolicy: { deadLetterQueue: "dead", maxReceiveCount: 5 },
  priorityAgeing: durationOf(60_000),
});

const fifoAttributesOf = (queue: string) => ({
  ...attributes,
  policy: policyOf(queue),
  delay: durationOf(1_000),
  receiveMessageWaitTime: durationOf(1_000),
  redrivePolicy: { deadLetterQueue: "dead.fifo", maxReceiveCount: 5 },
  fifoQueue: true,
  contentBasedDeduplication: false,
  deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
});

/** A policy names the queue it belongs to. */
const policyOf = (queue: string): string =>
  JSON.stringify({
    Statement: {
      Sid: "l0",
      Effect: "Deny",
      Principal: "*",
      Action: "queue:*",
      Resource: `queue/${queue}`,
    },
  });

const encryption = {
  managedEncryption: false,
  encryptionKey: "k",
  dataKeyReusePeriod: durationOf(300_000),
};

const filter = {
  messageIds: [messageId],
  attributes: new Map([["kind", "k"]]),
  rejectionReason: "parse-error",
  deadLetterSourceQueue: "orders",
  groupId: "g1",
  bodyContains: "o",
  minimumAge: durationOf(1_000),
  maximumAge: durationOf(60_000),
};

const edit = {
  setAttributes: attributesOfBothKinds,
  removeAttributes: ["old"],
  body: aText,
  groupId: "g2",
};

const schedule = {
  name: "nightly",
  timing: { $case: "interval" as const, value: durationOf(3_600_000) },
  message: { body: aText, attributes: attributesOfBothKinds, groupId: "g1", ...extras },
  startTime: timestampOf(inTheFuture),
  endTime: timestampOf(inTheFuture + 86_400_000),
  paused: true,
  missedRuns: MissedRuns.SKIP,
};

const consistency = { kind: { $case: "mode" as const, value: ReadMode.LEADER_LEASE } };

/** `handle` is of a message that is in flight in the queue. */
export function wholeRequests(queue: string, handle: string): WholeRequests {
  const tags = new Map([["team", "billing"]]);
  const move = { source: queue, destination: "elsewhere", filter, edit };
  const standardAttributes = standardAttributesOf(queue);
  return {
    createQueue: { queue, attributes: standardAttributes, tags, requestId: "r1" },
    getQueueUrl: { queue, consistency },
    getQueueAttributes: { queue, names: ["delay", "All"], consistency },
    setQueueAttributes: {
      queue,
      attributes: standardAttributes,
      updateMask: ["delay", "retry_policy"],
    },
    listQueues: { prefix: "or", pageSize: 10, consistency },
    deleteQueue: { queue },
    purgeQueue: { queue, requestId: "r1" },
    tagQueue: { queue, tags },
    untagQueue: { queue, keys: ["team"] },
    listQueueTags: { queue, consistency },
    listDeadLetterSourceQueues: { queue, pageSize: 10, consistency },
    sendMessage: { queue, ...message, requestId: "r1" },
    sendMessageBatch: { queue, entries: [{ id: "a", ...message }], requestId: "r1" },
    receiveMessage: {
      queue,
      maxMessages: 2,
      visibilityTimeout: durationOf(1_000),
      waitTime: durationOf(0),
      systemAttributeNames: [1],
      messageAttributeNames: ["All"],
      maxBytes: 1_000,
      requestId: "r1",
    },
    deleteMessage: { queue, receiptHandle: handle },
    deleteMessageBatch: { queue, entries: [{ id: "a", receiptHandle: handle }] },
    changeMessageVisibility: {
      queue,
      receiptHandle: handle,
      visibilityTimeout: durationOf(30_000),
    },
    changeMessageVisibilityBatch: {
      queue,
      entries: [{ id: "a", receiptHandle: handle, visibilityTimeout: durationOf(30_000) }],
    },
    peekMessages: {
      queue,
      states: [1, 2, 3],
      groupId: "g1",
      attributes: new Map([["kind", "k"]]),
      bodyContains: "o",
      pageSize: 10,
      bodyBytesMax: 100,
      consistency,
    },
    startMessageMoveTask: { ...move, maxPerSecond: 1, requestId: "r1" },
    cancelMessageMoveTask: { taskHandle: "t1" },
    listMessageMoveTasks: { source: queue, pageSize: 1, consistency },
    previewMessageMoveTask: { ...move, sampleCount: 1, bodyBytesMax: 100 },
    rejectMessage: {
      queue,
      receiptHandle: handle,
      reason: "parse-error",
      error: "unexpected end",
      delay: durationOf(1_000),
    },
    describeMessage: { queue, messageId, bodyBytesMax: 100, consistency },
    explainMessage: { queue, messageId, consistency },
    listScheduledMessages: { queue, pageSize: 10, bodyBytesMax: 100, consistency },
    cancelScheduledMessage: { queue, messageId },
    addPermission: {
      queue,
      label: "l1",
      principals: ["p1"],
      actions: ["SendMessage"],
      requestId: "r1",
    },
    removePermission: { queue, label: "l1" },
    putSchedule: { queue, schedule },
    getSchedule: { queue, name: "nightly", consistency },
    listSchedules: { queue, pageSize: 10, consistency },
    deleteSchedule: { queue, name: "nightly" },
  };
}

/** A queue, and a message of it that is in flight. */
export interface Place {
  readonly queue: string;
  readonly handle: string;
}

/** With the fields of FIFO queues. */
function fifoRequests({ queue, handle }: Place): Partial<WholeRequests> {
  const { delay: _delay, priority: _priority, ...fifoMessage } = { ...message, dedupId: "d1" };
  const whole = wholeRequests(queue, handle);
  const fifoAttributes = fifoAttributesOf(queue);
  return {
    createQueue: { ...whole.createQueue, attributes: fifoAttributes },
    setQueueAttributes: { queue, attributes: fifoAttributes },
    sendMessage: { queue, ...fifoMessage, requestId: "r1" },
    sendMessageBatch: { queue, entries: [{ id: "a", ...fifoMessage }], requestId: "r1" },
    receiveMessage: {
      ...whole.receiveMessage,
      waitTime: durationOf(1_000),
      receiveAttemptId: "a1",
    },
    deleteMessage: whole.deleteMessage,
    changeMessageVisibility: whole.changeMessageVisibility,
    rejectMessage: whole.rejectMessage,
  };
}

/** With fields that exclude some of the others, and with those that come from an earlier answer. */
function otherRequests({ queue, handle }: Place): Partial<WholeRequests> {
  const whole = wholeRequests(queue, handle);
  const { delay: _delay, ...rest } = message;
  const later = { ...rest, body: someBytes, deliverTime: timestampOf(inTheFuture) };
  const moveOfBytes = { source: queue, edit: { ...edit, body: someBytes } };
  const pageToken = "AAAAAAAAAAAAAAAA";
  return {
    createQueue: { queue, attributes: encryption },
    setQueueAttributes: { queue, attributes: encryption, etag: "stale" },
    listQueues: { ...whole.listQueues, pageToken },
    deleteQueue: { queue, etag: "stale" },
    listDeadLetterSourceQueues: { queue, pageToken },
    sendMessage: { queue, ...later },
    sendMessageBatch: { queue, entries: [{ id: "a", ...later }] },
    peekMessages: { queue, pageToken },
    startMessageMoveTask: moveOfBytes,
    previewMessageMoveTask: moveOfBytes,
    listMessageMoveTasks: { source: queue, pageToken },
    rejectMessage: { queue, receiptHandle: handle, reason: "r", deadLetter: true },
    listScheduledMessages: { queue, pageToken },
    putSchedule: {
      queue,
      schedule: {
        ...schedule,
        timing: { $case: "cron", value: "30 2 * * mon-fri" },
        timeZone: "Europe/Berlin",
        message: { ...schedule.message, body: someBytes },
      },
    },
    listSchedules: { queue, pageToken },
  };
}

/** All requests of a method: to a standard queue, to a FIFO queue, and with what excludes something in the others. */
export const requestsOf = <Method extends UnaryMethod>(
  method: Method,
  standard: Place,
  fifo: Place,
): readonly RequestPart<Method>[] =>
  [wholeRequests(standard.queue, standard.handle), otherRequests(standard), fifoRequests(fifo)]
    .map((requests) => requests[method])
    .filter((request) => request !== undefined)
    .flatMap((request) => inEveryConsistency(request)) as RequestPart<Method>[];

/** A read with each kind of consistency; of anything else just itself. */
function inEveryConsistency(request: object): object[] {
  if (!("consistency" in request)) return [request];
  const kinds = [
    { $case: "atLeast" as const, value: "3/1042" },
    { $case: "maxStaleness" as const, value: durationOf(1_000) },
  ];
  return [request, ...kinds.map((kind) => ({ ...request, consistency: { kind } }))];
}

/** Requests of the two streams that together have every field. */
export function streamRequests({ queue, handle }: Place): {
  readonly produce: readonly RequestPart<"produce">[];
  readonly consume: readonly RequestPart<"consume">[];
} {
  const receiptHandles = [handle];
  const { delay: _delay, ...rest } = message;
  const later = { ...rest, body: someBytes, deliverTime: timestampOf(inTheFuture), dedupId: "d1" };
  return {
    produce: [{ queue, entries: [{ id: "a", ...message }] }, { entries: [{ id: "b", ...later }] }],
    consume: (
      [
        {
          $case: "start" as const,
          value: {
            queue,
            visibilityTimeout: durationOf(30_000),
            credit: { messages: 1, bytes: 1_000n },
            systemAttributeNames: [1],
            messageAttributeNames: ["All"],
            keepLeases: true,
          },
        },
        { $case: "hold" as const, value: { receiptHandles } },
        { $case: "credit" as const, value: { messages: 1, bytes: 1_000n } },
        { $case: "ack" as const, value: { receiptHandles } },
        { $case: "nack" as const, value: { receiptHandles, delay: durationOf(1_000) } },
        {
          $case: "reject" as const,
          value: { receiptHandles, reason: "r", error: "e", delay: durationOf(1_000) },
        },
        { $case: "reject" as const, value: { receiptHandles, reason: "r", deadLetter: true } },
      ] satisfies RequestPart<"consume">["request"][]
    ).map((request) => ({ request })),
  };
}

/** The field that names the queue of a call, where it is not `queue`; undefined: none does. */
export const queueFieldOf = (methodName: string): "queue" | "source" | undefined => {
  if (methodName === "ListQueues" || methodName === "CancelMessageMoveTask") return undefined;
  return methodName.includes("MessageMoveTask") ? "source" : "queue";
};

export const keyOf = (methodName: string): UnaryMethod =>
  (methodName.charAt(0).toLowerCase() + methodName.slice(1)) as UnaryMethod;
