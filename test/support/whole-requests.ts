// A request of every method with every field set to something that is taken: what tests of bad input spoil field by field,
// and what tests of errors address to a queue that does not exist.

import { ReceiptPolicy } from "../../src/gen/forebay/queue/v1/queue.js";
import { MissedRuns } from "../../src/gen/forebay/queue/v1/schedule_service.js";
import type { RequestPart, UnaryMethod } from "./queue-client.js";
import { attributesOf, durationOf } from "./scenario.js";
import { timestampOf } from "./schedules.js";

export type WholeRequests = { readonly [Method in UnaryMethod]: RequestPart<Method> };

/** `handle` is of a message that is in flight in the queue. */
export function wholeRequests(queue: string, handle: string): WholeRequests {
  const message = {
    body: { $case: "text" as const, value: "body" },
    delay: durationOf(1_500),
    attributes: attributesOf({ kind: "k" }),
    systemAttributes: { traceHeader: "Root=1" },
    groupId: "g1",
  };
  const attributes = {
    visibilityTimeout: durationOf(30_000),
    messageRetentionPeriod: durationOf(345_600_000),
    delay: durationOf(0),
    maximumMessageBytes: 1_048_576,
    receiveMessageWaitTime: durationOf(0),
    receiptPolicy: ReceiptPolicy.LENIENT,
    maxInFlight: 120_000,
  };
  const tags = new Map([["team", "billing"]]);
  const move = {
    source: queue,
    destination: "elsewhere",
    filter: {
      messageIds: ["01890a5d-ac96-774b-bcce-b302099a8057"],
      attributes: new Map([["kind", "k"]]),
      rejectionReason: "parse-error",
      deadLetterSourceQueue: "orders",
      groupId: "g1",
      bodyContains: "o",
      minimumAge: durationOf(1_000),
      maximumAge: durationOf(60_000),
    },
    edit: {
      setAttributes: attributesOf({ kind: "k" }),
      removeAttributes: ["old"],
      body: { $case: "text" as const, value: "body" },
      groupId: "g2",
    },
  };
  return {
    createQueue: { queue, attributes, tags, requestId: "r1" },
    getQueueUrl: { queue },
    getQueueAttributes: { queue, names: ["delay", "All"] },
    setQueueAttributes: { queue, attributes, updateMask: ["delay"] },
    listQueues: { prefix: "or", pageSize: 10 },
    deleteQueue: { queue, etag: "" },
    purgeQueue: { queue, requestId: "r1" },
    tagQueue: { queue, tags },
    untagQueue: { queue, keys: ["team"] },
    listQueueTags: { queue },
    listDeadLetterSourceQueues: { queue, pageSize: 10 },
    sendMessage: { queue, ...message, requestId: "r1" },
    sendMessageBatch: { queue, entries: [{ id: "a", ...message }], requestId: "r1" },
    receiveMessage: {
      queue,
      maxMessages: 10,
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
    },
    startMessageMoveTask: { ...move, maxPerSecond: 1, requestId: "r1" },
    cancelMessageMoveTask: { taskHandle: "t1" },
    listMessageMoveTasks: { source: queue, pageSize: 1 },
    previewMessageMoveTask: { ...move, sampleCount: 1, bodyBytesMax: 100 },
    rejectMessage: {
      queue,
      receiptHandle: handle,
      reason: "parse-error",
      error: "unexpected end",
      delay: durationOf(1_000),
    },
    describeMessage: { queue, messageId: "01890a5d-ac96-774b-bcce-b302099a8057" },
    explainMessage: { queue, messageId: "01890a5d-ac96-774b-bcce-b302099a8057" },
    listScheduledMessages: { queue, pageSize: 10, bodyBytesMax: 100 },
    cancelScheduledMessage: { queue, messageId: "01890a5d-ac96-774b-bcce-b302099a8057" },
    addPermission: {
      queue,
      label: "l1",
      principals: ["p1"],
      actions: ["SendMessage"],
      requestId: "r1",
    },
    removePermission: { queue, label: "l1" },
    putSchedule: {
      queue,
      schedule: {
        name: "nightly",
        timing: { $case: "interval", value: durationOf(3_600_000) },
        message: {
          body: { $case: "text", value: "body" },
          attributes: attributesOf({ kind: "k" }),
          groupId: "g1",
          timeToLive: durationOf(60_000),
          priority: 1,
        },
        // Not while a test runs.
        startTime: timestampOf(Date.UTC(2100, 0, 1)),
        endTime: timestampOf(Date.UTC(2101, 0, 1)),
        paused: true,
        missedRuns: MissedRuns.SKIP,
      },
    },
    getSchedule: { queue, name: "nightly" },
    listSchedules: { queue, pageSize: 10 },
    deleteSchedule: { queue, name: "nightly" },
  };
}

/** The field that names the queue of a call, where it is not `queue`; undefined: none does. */
export const queueFieldOf = (methodName: string): "queue" | "source" | undefined => {
  if (methodName === "ListQueues" || methodName === "CancelMessageMoveTask") return undefined;
  return methodName.includes("MessageMoveTask") ? "source" : "queue";
};

export const keyOf = (methodName: string): UnaryMethod =>
  (methodName.charAt(0).toLowerCase() + methodName.slice(1)) as UnaryMethod;
