// Every error that a comment of the contract documents is provoked once over the wire, with its typed details; and every
// error provoked is documented. What every call may answer has a file of its own, and so have the many ways to one error.

import { expect, test } from "vitest";
import { consumer } from "../support/consumer.js";
import { type DocumentedError, documentedErrors, methods } from "../support/contract.js";
import { checkDetails, failureOf } from "../support/error-details.js";
import { described, explained } from "../support/inspection.js";
import type { ConsumeCall, ProduceCall, RequestPart } from "../support/queue-client.js";
import { durationOf, type QueueOptions, type Scenario, scenario } from "../support/scenario.js";
import { deleteSchedule, getSchedule, putSchedule } from "../support/schedules.js";
import { keyOf, queueFieldOf, wholeRequests } from "../support/whole-requests.js";

/** Does what is answered with the error. */
type Provocation = (t: Scenario) => Promise<unknown>;

const text = (value: string) => ({ $case: "text" as const, value });

/** Throws what a stream ended with. */
const endOf = async (stream: ProduceCall | ConsumeCall): Promise<void> => {
  const error = await stream.ended;
  if (error !== undefined) throw error;
};

const produce = (t: Scenario, request: RequestPart<"produce">): Promise<void> => {
  const stream = t.produce();
  stream.write(request);
  return endOf(stream);
};

const consume = (t: Scenario, request: RequestPart<"consume">["request"]): Promise<void> => {
  const stream = t.consume();
  stream.write({ request });
  return endOf(stream);
};

const tagsOf = (count: number) =>
  new Map(Array.from({ length: count }, (_, index) => [`key-${index}`, ""]));

const entriesOf = (...ids: string[]) =>
  ids.map((id) => ({ id, body: text("x"), receiptHandle: "x", visibilityTimeout: durationOf(0) }));

/** A handle of a message that was received again since. */
const staleHandle = async (t: Scenario): Promise<string> => {
  await t.setQueue({ receiptPolicy: "strict" });
  await t.send("work");
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 0 });
  await t.receiveOne();
  return handle;
};

const reuse = async (send: (requestId: string, part: string) => Promise<unknown>) => {
  await send("r1", "a");
  await send("r1", "b");
};

const page = { pageToken: "garbage" };

const addPermission = (t: Scenario, request: RequestPart<"addPermission"> = {}) =>
  t.call("addPermission", {
    queue: t.queue,
    label: "billing",
    principals: ["billing"],
    actions: ["SendMessage"],
    ...request,
  });

/** A FIFO queue that needs a deduplication id with each message. */
const fifo = "orders.fifo";
const createFifo = (t: Scenario, options: QueueOptions = {}) =>
  t.createQueue(fifo, { type: "fifo", ...options });

/** An id that no message has. */
const noMessage = "01890a5d-ac96-774b-bcce-b302099a8057";

/** Makes `dead` the dead-letter queue of the scenario's. */
const makeDead = async (t: Scenario): Promise<void> => {
  await t.createQueue("dead");
  await t.setQueue({ redrive: { to: "dead", after: 1 } });
};

const previewMove = (t: Scenario, request: RequestPart<"previewMessageMoveTask">) =>
  t.call("previewMessageMoveTask", { source: "dead", ...request });

/** A redrive policy that names `to`, once for a new queue and once for one that exists. */
const redrives = (
  [code, reason]: readonly [string, string],
  to: string,
  prepare: (t: Scenario) => Promise<unknown>,
): Readonly<Record<string, Provocation>> => ({
  [`CreateQueue ${code} ${reason}`]: async (t) => {
    await prepare(t);
    await t.createQueue("new", { redrive: { to, after: 1 } });
  },
  [`SetQueueAttributes ${code} ${reason}`]: async (t) => {
    await prepare(t);
    await t.setQueue({ redrive: { to, after: 1 } });
  },
});

/** What RejectMessage is refused with that ChangeMessageVisibility is refused with. */
const rejectProvocations: Readonly<Record<string, Provocation>> = {
  "RejectMessage NOT_FOUND MESSAGE_NOT_FOUND": async (t) => {
    await t.send("work");
    const { handle } = await t.receiveOne();
    await t.delete(handle);
    await t.reject(handle);
  },
  "RejectMessage FAILED_PRECONDITION MESSAGE_NOT_IN_FLIGHT": async (t) => {
    await t.send("work");
    await t.reject((await t.receiveOne({ visibilityTimeoutMs: 0 })).handle);
  },
  "RejectMessage FAILED_PRECONDITION RECEIPT_HANDLE_EXPIRED": async (t) => {
    await t.send("work");
    const { handle } = await t.receiveOne({ visibilityTimeoutMs: 0 });
    await t.receiveOne();
    // Lenient about older handles in everything else.
    await t.reject(handle);
  },
  "RejectMessage INVALID_ARGUMENT RECEIPT_HANDLE_INVALID": (t) => t.reject("garbage"),
};

/** Longer than a policy may be, though blank. */
const tooLongPolicy = { policy: " ".repeat(8_193) };

/** `Method CODE REASON`, and what is answered so. */
const provocations: Readonly<Record<string, Provocation>> = {
  "CreateQueue ALREADY_EXISTS QUEUE_ALREADY_EXISTS": (t) => t.createQueue(t.queue, { delayMs: 1 }),
  "CreateQueue INVALID_ARGUMENT INVALID_PARAMETER": (t) => t.createQueue("a.b"),
  "CreateQueue INVALID_ARGUMENT UNKNOWN_ATTRIBUTE": (t) =>
    t.call("createQueue", { queue: "new", attributes: { contentBasedDeduplication: true } }),
  "CreateQueue INVALID_ARGUMENT INVALID_ATTRIBUTE_VALUE": (t) =>
    t.createQueue("new", { delayMs: 900_001 }),
  "CreateQueue RESOURCE_EXHAUSTED TAG_LIMIT": (t) =>
    t.call("createQueue", { queue: "new", tags: tagsOf(51) }),
  "CreateQueue RESOURCE_EXHAUSTED POLICY_LIMIT": (t) =>
    t.call("createQueue", { queue: "new", attributes: tooLongPolicy }),
  "CreateQueue FAILED_PRECONDITION QUEUE_DELETED_RECENTLY": async (t) => {
    await t.restart({ sqsTiming: "strict" });
    await t.deleteQueue();
    await t.createQueue(t.queue);
  },
  "CreateQueue FAILED_PRECONDITION REQUEST_ID_REUSED": (t) =>
    reuse((requestId, queue) => t.call("createQueue", { queue, requestId })),
  "CreateQueue UNIMPLEMENTED UNSUPPORTED_OPERATION": (t) =>
    t.call("createQueue", { queue: "new", attributes: { managedEncryption: true } }),
  ...redrives(["FAILED_PRECONDITION", "DLQ_NOT_FOUND"], "nowhere", async () => undefined),
  ...redrives(["FAILED_PRECONDITION", "DLQ_TYPE_MISMATCH"], fifo, createFifo),
  ...redrives(["PERMISSION_DENIED", "DLQ_NOT_ALLOWED"], "dead", (t) =>
    t.createQueue("dead", { redriveAllow: "nobody" }),
  ),
  "GetQueueAttributes INVALID_ARGUMENT UNKNOWN_ATTRIBUTE": (t) =>
    t.call("getQueueAttributes", { queue: t.queue, names: ["colour"] }),
  "SetQueueAttributes INVALID_ARGUMENT UNKNOWN_ATTRIBUTE": (t) =>
    t.call("setQueueAttributes", { queue: t.queue, attributes: { fifoQueue: true } }),
  "SetQueueAttributes INVALID_ARGUMENT INVALID_ATTRIBUTE_VALUE": (t) =>
    t.setQueue({ inFlightMax: 0 }),
  "SetQueueAttributes ABORTED ETAG_MISMATCH": (t) =>
    t.call("setQueueAttributes", { queue: t.queue, etag: "stale" }),
  "SetQueueAttributes RESOURCE_EXHAUSTED POLICY_LIMIT": (t) =>
    t.call("setQueueAttributes", { queue: t.queue, attributes: tooLongPolicy }),
  "SetQueueAttributes UNIMPLEMENTED UNSUPPORTED_OPERATION": (t) =>
    t.call("setQueueAttributes", { queue: t.queue, attributes: { managedEncryption: true } }),
  "ListQueues INVALID_ARGUMENT INVALID_PAGE_TOKEN": (t) => t.call("listQueues", page),
  "ListDeadLetterSourceQueues INVALID_ARGUMENT INVALID_PAGE_TOKEN": (t) =>
    t.call("listDeadLetterSourceQueues", { queue: t.queue, ...page }),
  "DeleteQueue ABORTED ETAG_MISMATCH": (t) =>
    t.call("deleteQueue", { queue: t.queue, etag: "stale" }),
  "PurgeQueue FAILED_PRECONDITION PURGE_IN_PROGRESS": async (t) => {
    await t.restart({ sqsTiming: "strict" });
    await t.purge();
    await t.purge();
  },
  "PurgeQueue FAILED_PRECONDITION REQUEST_ID_REUSED": async (t) => {
    await t.createQueue("other");
    await t.call("purgeQueue", { queue: t.queue, requestId: "r1" });
    await t.call("purgeQueue", { queue: "other", requestId: "r1" });
  },
  "TagQueue RESOURCE_EXHAUSTED TAG_LIMIT": (t) =>
    t.call("tagQueue", { queue: t.queue, tags: tagsOf(51) }),
  "SendMessage INVALID_ARGUMENT INVALID_MESSAGE_CONTENTS": (t) => t.send("\u0001"),
  "SendMessage INVALID_ARGUMENT MESSAGE_TOO_LONG": (t) => t.send("x".repeat(1_048_577)),
  "SendMessage INVALID_ARGUMENT UNSUPPORTED_FOR_QUEUE_TYPE": (t) => t.send("x", { dedupId: "d" }),
  "SendMessage FAILED_PRECONDITION REQUEST_ID_REUSED": (t) =>
    reuse((requestId, body) => t.send(body, { requestId })),
  "SendMessageBatch INVALID_ARGUMENT BATCH_TOO_LONG": (t) =>
    t.sendBatch(["x".repeat(600_000), "y".repeat(600_000)]),
  "SendMessageBatch FAILED_PRECONDITION REQUEST_ID_REUSED": (t) =>
    reuse((requestId, body) => t.sendBatch([body], { requestId })),
  "SendMessageBatch INVALID_ARGUMENT MISSING_PARAMETER": async (t) => {
    await createFifo(t);
    await t.sendBatch(["a", "b"], { queue: fifo, dedupId: "d" });
  },
  "ReceiveMessage RESOURCE_EXHAUSTED IN_FLIGHT_LIMIT": async (t) => {
    await t.setQueue({ inFlightMax: 1 });
    await t.sendBatch(["a", "b"]);
    await t.receive();
    await t.receive();
  },
  "ReceiveMessage RESOURCE_EXHAUSTED THROTTLED": async (t) => {
    await t.restart({ waitingReceivesMax: 1 });
    const first = t.receive({ waitMs: 20_000 });
    await t.settle();
    try {
      await t.receive({ waitMs: 20_000 });
    } finally {
      await t.send("answers the first");
      await first;
    }
  },
  "ReceiveMessage INVALID_ARGUMENT UNSUPPORTED_FOR_QUEUE_TYPE": (t) =>
    t.call("receiveMessage", { queue: t.queue, receiveAttemptId: "a1" }),
  "ReceiveMessage ABORTED RECEIVE_ATTEMPT_STALE": async (t) => {
    await createFifo(t);
    await t.send("work", { queue: fifo, groupId: "g", dedupId: "d" });
    const { handle } = await t.receiveOne({ queue: fifo, attemptId: "a1" });
    await t.delete(handle, fifo);
    await t.receive({ queue: fifo, attemptId: "a1" });
  },
  "ReceiveMessage FAILED_PRECONDITION REQUEST_ID_REUSED": async (t) => {
    await t.send("work");
    await t.receive({ requestId: "r1" });
    await t.receive({ requestId: "r1", max: 2 });
  },
  "DeleteMessage INVALID_ARGUMENT RECEIPT_HANDLE_INVALID": (t) => t.delete("garbage"),
  "DeleteMessage FAILED_PRECONDITION RECEIPT_HANDLE_EXPIRED": async (t) =>
    await t.delete(await staleHandle(t)),
  "ChangeMessageVisibility NOT_FOUND MESSAGE_NOT_FOUND": async (t) => {
    await t.send("work");
    const { handle } = await t.receiveOne();
    await t.delete(handle);
    await t.changeVisibility(handle, 0);
  },
  "ChangeMessageVisibility FAILED_PRECONDITION MESSAGE_NOT_IN_FLIGHT": async (t) => {
    await t.send("work");
    await t.changeVisibility((await t.receiveOne({ visibilityTimeoutMs: 0 })).handle, 1_000);
  },
  "ChangeMessageVisibility FAILED_PRECONDITION RECEIPT_HANDLE_EXPIRED": async (t) =>
    await t.changeVisibility(await staleHandle(t), 0),
  "ChangeMessageVisibility INVALID_ARGUMENT RECEIPT_HANDLE_INVALID": (t) =>
    t.changeVisibility("garbage", 0),
  "ChangeMessageVisibility INVALID_ARGUMENT VISIBILITY_LIMIT_EXCEEDED": async (t) => {
    await t.send("work");
    const { handle } = await t.receiveOne();
    await t.advance(1);
    await t.changeVisibility(handle, 43_200_000);
  },
  "PeekMessages INVALID_ARGUMENT INVALID_PAGE_TOKEN": (t) =>
    t.call("peekMessages", { queue: t.queue, ...page }),
  "StartMessageMoveTask NOT_FOUND MOVE_RESOURCE_NOT_FOUND": (t) =>
    t.startMove({ source: "nowhere" }),
  "StartMessageMoveTask FAILED_PRECONDITION MOVE_SOURCE_NOT_DLQ": (t) =>
    t.startMove({ source: t.queue }),
  "StartMessageMoveTask FAILED_PRECONDITION MOVE_TASK_ALREADY_RUNNING": async (t) => {
    await makeDead(t);
    await t.sendBatch(["a", "b"], { queue: "dead" });
    await t.startMove({ destination: t.queue, perSecond: 1 });
    await t.startMove();
  },
  "StartMessageMoveTask FAILED_PRECONDITION DLQ_TYPE_MISMATCH": async (t) => {
    await makeDead(t);
    await createFifo(t);
    await t.startMove({ destination: fifo });
  },
  "StartMessageMoveTask FAILED_PRECONDITION REQUEST_ID_REUSED": async (t) => {
    await makeDead(t);
    await t.startMove({ requestId: "r1" });
    await t.startMove({ requestId: "r1", perSecond: 1 });
  },
  "PreviewMessageMoveTask NOT_FOUND MOVE_RESOURCE_NOT_FOUND": (t) =>
    previewMove(t, { source: "nowhere" }),
  "PreviewMessageMoveTask FAILED_PRECONDITION MOVE_SOURCE_NOT_DLQ": (t) =>
    previewMove(t, { source: t.queue }),
  "PreviewMessageMoveTask FAILED_PRECONDITION DLQ_TYPE_MISMATCH": async (t) => {
    await makeDead(t);
    await createFifo(t);
    await previewMove(t, { destination: fifo });
  },
  "CancelMessageMoveTask INVALID_ARGUMENT MOVE_TASK_HANDLE_INVALID": (t) => t.cancelMove("garbage"),
  "CancelMessageMoveTask NOT_FOUND MOVE_RESOURCE_NOT_FOUND": async (t) => {
    await makeDead(t);
    const handle = await t.startMove();
    await t.deleteQueue("dead");
    await t.cancelMove(handle);
  },
  "CancelMessageMoveTask FAILED_PRECONDITION MOVE_TASK_NOT_RUNNING": async (t) => {
    await makeDead(t);
    const handle = await t.startMove();
    await t.settle();
    await t.cancelMove(handle);
  },
  "ListMessageMoveTasks NOT_FOUND MOVE_RESOURCE_NOT_FOUND": (t) => t.moveTasks("nowhere"),
  "ListMessageMoveTasks INVALID_ARGUMENT INVALID_PAGE_TOKEN": (t) =>
    t.call("listMessageMoveTasks", { source: t.queue, ...page }),
  "AddPermission ALREADY_EXISTS LABEL_EXISTS": async (t) => {
    await addPermission(t);
    await addPermission(t);
  },
  "AddPermission RESOURCE_EXHAUSTED POLICY_LIMIT": (t) =>
    addPermission(t, { principals: Array.from({ length: 51 }, (_, index) => `n${index}`) }),
  "AddPermission FAILED_PRECONDITION REQUEST_ID_REUSED": (t) =>
    reuse((requestId, label) => addPermission(t, { requestId, label })),
  "RemovePermission NOT_FOUND LABEL_NOT_FOUND": (t) =>
    t.call("removePermission", { queue: t.queue, label: "billing" }),
  "RejectMessage FAILED_PRECONDITION DLQ_NOT_FOUND": async (t) => {
    await t.send("work");
    await t.reject((await t.receiveOne()).handle, { isDeadLetter: true });
  },
  "DescribeMessage NOT_FOUND MESSAGE_NOT_FOUND": (t) => described(t, noMessage),
  "ExplainMessage NOT_FOUND MESSAGE_NOT_FOUND": (t) => explained(t, noMessage),
  "ListScheduledMessages INVALID_ARGUMENT INVALID_PAGE_TOKEN": (t) =>
    t.call("listScheduledMessages", { queue: t.queue, ...page }),
  "CancelScheduledMessage NOT_FOUND MESSAGE_NOT_FOUND": async (t) => {
    const { messageId } = await t.send("at once");
    await t.call("cancelScheduledMessage", { queue: t.queue, messageId });
  },
  "PutSchedule INVALID_ARGUMENT INVALID_PARAMETER": (t) => putSchedule(t, { cron: "0 25 * * *" }),
  "PutSchedule INVALID_ARGUMENT MESSAGE_TOO_LONG": (t) =>
    putSchedule(t, { intervalMs: 1_000, body: "x".repeat(1_048_577) }),
  "PutSchedule INVALID_ARGUMENT UNSUPPORTED_FOR_QUEUE_TYPE": async (t) => {
    await createFifo(t);
    await putSchedule(t, { queue: fifo, intervalMs: 1_000, groupId: "g", priority: 1 });
  },
  "PutSchedule RESOURCE_EXHAUSTED SCHEDULE_LIMIT": async (t) => {
    const puts = Array.from({ length: 1_000 }, (_, index) =>
      putSchedule(t, { name: `s${index}`, intervalMs: 86_400_000 }),
    );
    await Promise.all(puts);
    await putSchedule(t, { name: "one-more", intervalMs: 86_400_000 });
  },
  "GetSchedule NOT_FOUND SCHEDULE_NOT_FOUND": (t) => getSchedule(t),
  "ListSchedules INVALID_ARGUMENT INVALID_PAGE_TOKEN": (t) =>
    t.call("listSchedules", { queue: t.queue, ...page }),
  "DeleteSchedule NOT_FOUND SCHEDULE_NOT_FOUND": (t) => deleteSchedule(t),
  "Produce INVALID_ARGUMENT MISSING_PARAMETER": (t) => produce(t, {}),
  "Produce INVALID_ARGUMENT INVALID_PARAMETER": (t) => produce(t, { queue: "a b" }),
  "Produce NOT_FOUND QUEUE_NOT_FOUND": (t) => produce(t, { queue: "nowhere" }),
  "Produce UNAVAILABLE SHUTTING_DOWN": async (t) => {
    const stream = t.produce();
    stream.write({ queue: t.queue });
    await t.settle();
    void t.stop();
    await endOf(stream);
  },
  "Consume INVALID_ARGUMENT MISSING_PARAMETER": (t) =>
    consume(t, { $case: "start", value: { queue: "" } }),
  "Consume INVALID_ARGUMENT INVALID_PARAMETER": (t) => consume(t, { $case: "ack", value: {} }),
  "Consume NOT_FOUND QUEUE_NOT_FOUND": (t) =>
    consume(t, { $case: "start", value: { queue: "nowhere", credit: { messages: 1 } } }),
  "Consume UNAVAILABLE SHUTTING_DOWN": async (t) => {
    const { stream } = await consumer(t);
    void t.stop();
    await endOf(stream);
  },
};

/** What a batch as a whole is refused for, whatever its entries are about. */
const batchProvocations: Readonly<Record<string, Provocation>> = Object.fromEntries(
  ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"].flatMap((name) => {
    const method = keyOf(name) as "sendMessageBatch";
    const batch =
      (...ids: string[]): Provocation =>
      (t) =>
        t.call(method, { queue: t.queue, entries: entriesOf(...ids) });
    return [
      [`${name} INVALID_ARGUMENT EMPTY_BATCH`, batch()],
      [`${name} INVALID_ARGUMENT TOO_MANY_ENTRIES`, batch(..."abcdefghijk")],
      [`${name} INVALID_ARGUMENT BATCH_ENTRY_ID_INVALID`, batch("a:b")],
      [`${name} INVALID_ARGUMENT BATCH_ENTRY_IDS_NOT_DISTINCT`, batch("a", "a")],
    ];
  }),
);

/** The errors of a whole batch that the comments of the other two take over from SendMessageBatch, and the like. */
const takenOver: readonly string[] = [
  ...Object.keys(batchProvocations).filter((key) => !key.startsWith("SendMessageBatch")),
  ...Object.keys(rejectProvocations),
  "RejectMessage NOT_FOUND QUEUE_NOT_FOUND",
  "DeleteMessageBatch NOT_FOUND QUEUE_NOT_FOUND",
  "ChangeMessageVisibilityBatch NOT_FOUND QUEUE_NOT_FOUND",
];

const queueNotFound: Readonly<Record<string, Provocation>> = Object.fromEntries(
  methods
    .filter(({ name, isStream }) => !isStream && name !== "CreateQueue")
    // Those that say `source` have an error of their own.
    .filter(({ name }) => queueFieldOf(name) === "queue")
    .map(({ name }) => [
      `${name} NOT_FOUND QUEUE_NOT_FOUND`,
      (t: Scenario) => t.call(keyOf(name), wholeRequests("nowhere", "garbage")[keyOf(name)]),
    ]),
);

const all: Readonly<Record<string, Provocation>> = {
  ...provocations,
  ...rejectProvocations,
  ...batchProvocations,
  ...queueNotFound,
};

const keyOfError = ({ method, code, reason }: DocumentedError): string =>
  `${method} ${code} ${reason}`;

test.each(Object.keys(all))("%s is answered as documented", async (key) => {
  const t = await scenario();
  const error = await failureOf((all[key] as Provocation)(t));
  expect(`${key.split(" ")[0]} ${error.code} ${error.reason}`).toBe(key);
  checkDetails(error);
});

test("every documented error is provoked here, and nothing else is", () => {
  const documented = [...documentedErrors().map(keyOfError), ...takenOver];
  expect(documented.length).toBeGreaterThan(50);
  expect(Object.keys(all).sort()).toEqual([...new Set(documented)].sort());
});

test.each([
  ["FAILED_PRECONDITION PURGE_IN_PROGRESS", "PurgeQueue"],
  ["FAILED_PRECONDITION QUEUE_DELETED_RECENTLY", "CreateQueue"],
])("%s says when to come again", async (error, method) => {
  const t = await scenario();
  expect(await failureOf((all[`${method} ${error}`] as Provocation)(t))).toMatchObject({
    retryAfterMs: 60_000,
  });
});

test("each entry of a batch is refused with the code and reason of the single call", async () => {
  const codes: Readonly<Record<string, number>> = {
    INVALID_ARGUMENT: 3,
    NOT_FOUND: 5,
    FAILED_PRECONDITION: 9,
  };
  const ofSingleCalls = Object.keys(provocations)
    .map((key) => key.split(" "))
    .filter(([name]) => name === "DeleteMessage" || name === "ChangeMessageVisibility");
  expect(ofSingleCalls).toHaveLength(7);
  for (const [name = "", code = "", reason = ""] of ofSingleCalls) {
    const t = await scenario();
    const timeoutMs = reason === "VISIBILITY_LIMIT_EXCEEDED" ? 43_200_000 : 1_000;
    const entry = {
      id: "e",
      receiptHandle: await handleFor(t, reason),
      visibilityTimeout: durationOf(timeoutMs),
    };
    const method = `${keyOf(name)}Batch` as "changeMessageVisibilityBatch";
    const { failed } = await t.call(method, { queue: t.queue, entries: [entry] });
    expect(failed).toMatchObject([{ id: "e", code: codes[code], reason, senderFault: true }]);
  }
});

/** A handle with which an entry is refused for `reason`. */
async function handleFor(t: Scenario, reason: string): Promise<string> {
  if (reason === "RECEIPT_HANDLE_INVALID") return "garbage";
  if (reason === "RECEIPT_HANDLE_EXPIRED") return await staleHandle(t);
  await t.send("work");
  const { handle } = await t.receiveOne(
    reason === "MESSAGE_NOT_IN_FLIGHT" ? { visibilityTimeoutMs: 0 } : {},
  );
  if (reason === "MESSAGE_NOT_FOUND") await t.delete(handle);
  if (reason === "VISIBILITY_LIMIT_EXCEEDED") await t.advance(1);
  return handle;
}

test("each attribute of encryption, which this release does not have, is refused by its name", async () => {
  const t = await scenario();
  const later = {
    managed_encryption: { managedEncryption: false },
    encryption_key: { encryptionKey: "" },
    data_key_reuse_period: { dataKeyReusePeriod: durationOf(300_000) },
  };
  for (const [name, attributes] of Object.entries(later)) {
    for (const call of [
      () => t.call("createQueue", { queue: "new", attributes }),
      () => t.call("setQueueAttributes", { queue: t.queue, attributes }),
    ]) {
      expect(await failureOf(call())).toMatchObject({
        code: "UNIMPLEMENTED",
        reason: "UNSUPPORTED_OPERATION",
        metadata: { field: `attributes.${name}` },
      });
    }
  }
  expect((await t.call("listQueues", {})).queues).toEqual([t.queue]);
});
