// Every error that a comment of the contract documents is provoked once over the wire, with its typed details; and every
// error provoked is documented. What this release does not have yet is on a list of its own, which must shrink with it.

import { describe, expect, test } from "vitest";
import type { QueueAttributes } from "../../src/gen/forebay/queue/v1/queue.js";
import type { CallError } from "../support/call-error.js";
import { consumer } from "../support/consumer.js";
import {
  commonErrors,
  type DocumentedError,
  documentedErrors,
  methods,
} from "../support/contract.js";
import type { ConsumeCall, ProduceCall, RequestPart } from "../support/queue-client.js";
import { durationOf, type Scenario, scenario } from "../support/scenario.js";
import { deleteSchedule, getSchedule, putSchedule } from "../support/schedules.js";
import { keyOf, laterMethods, queueFieldOf, wholeRequests } from "../support/whole-requests.js";

/** Does what is answered with the error. */
type Provocation = (t: Scenario) => Promise<unknown>;

const text = (value: string) => ({ $case: "text" as const, value });
const namesOf = (...errors: string[]): readonly string[] => errors;

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

/** Makes `dead` the dead-letter queue of the scenario's. */
const makeDead = async (t: Scenario): Promise<void> => {
  await t.createQueue("dead");
  await t.setQueue({ redrive: { to: "dead", after: 1 } });
};

const previewMove = (t: Scenario, request: RequestPart<"previewMessageMoveTask">) =>
  t.call("previewMessageMoveTask", { source: "dead", ...request });

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
    t.call("createQueue", { queue: "new.fifo", attributes: { fifoQueue: true } }),
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
    await t.createQueue("other.fifo", { type: "fifo" });
    await t.startMove({ destination: "other.fifo" });
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
    await t.createQueue("other.fifo", { type: "fifo" });
    await previewMove(t, { destination: "other.fifo" });
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
    const queue = "new.fifo";
    await t.createQueue(queue, { type: "fifo" });
    await putSchedule(t, { queue, intervalMs: 1_000, groupId: "g", priority: 1 });
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

/** The errors of a whole batch that the comments of the other two take over from SendMessageBatch. */
const takenOver: readonly string[] = [
  ...Object.keys(batchProvocations).filter((key) => !key.startsWith("SendMessageBatch")),
  "DeleteMessageBatch NOT_FOUND QUEUE_NOT_FOUND",
  "ChangeMessageVisibilityBatch NOT_FOUND QUEUE_NOT_FOUND",
];

const queueNotFound: Readonly<Record<string, Provocation>> = Object.fromEntries(
  methods
    .filter(({ name, isStream }) => !isStream && name !== "CreateQueue")
    // Those that say `source` have an error of their own.
    .filter(({ name }) => queueFieldOf(name) === "queue" && !laterMethods.has(name))
    .map(({ name }) => [
      `${name} NOT_FOUND QUEUE_NOT_FOUND`,
      (t: Scenario) => t.call(keyOf(name), wholeRequests("nowhere", "garbage")[keyOf(name)]),
    ]),
);

const unimplemented: Readonly<Record<string, Provocation>> = Object.fromEntries(
  [...laterMethods].map((name) => [
    `${name} UNIMPLEMENTED UNSUPPORTED_OPERATION`,
    (t: Scenario) => t.call(keyOf(name), wholeRequests(t.queue, "garbage")[keyOf(name)]),
  ]),
);

const all: Readonly<Record<string, Provocation>> = {
  ...provocations,
  ...batchProvocations,
  ...queueNotFound,
  ...unimplemented,
};

/** Documented, and to be provoked once the part they belong to is there. */
const comesLater = new Set(namesOf());

const keyOfError = ({ method, code, reason }: DocumentedError): string =>
  `${method} ${code} ${reason}`;

/** What every error owes its caller, by its code. */
function checkDetails(error: CallError): void {
  expect(error.domain).toBe("forebay");
  // A sentence or several, without anything of ours that callers cannot use.
  expect(error.message).toMatch(/^\S.{10,}[.)]$/s);
  expect(error.message).not.toMatch(/undefined|\[object|at .*\.ts/);
  if (error.code === "INVALID_ARGUMENT" && error.reason !== "MALFORMED_REQUEST") {
    expect(error.violations).not.toEqual([]);
  }
  if (error.code === "NOT_FOUND") expect(error.resource).toMatch(/^\S+ \S+$/);
  if (error.code === "RESOURCE_EXHAUSTED") expect(error.quota).not.toEqual([]);
  if (error.code === "RESOURCE_EXHAUSTED" || error.code === "UNAVAILABLE") {
    expect(error.pushback).toMatch(/^(-1|[1-9]\d*)$/);
    if (error.pushback !== "-1") expect(error.retryAfterMs).toBeGreaterThan(0);
  } else if (error.retryAfterMs === undefined) {
    expect(error.pushback).toBeUndefined();
  }
}

const failureOf = async (call: Promise<unknown>): Promise<CallError> =>
  await call.then(
    () => Promise.reject(new Error("The call succeeded.")),
    (error: unknown) => error as CallError,
  );

test.each(Object.keys(all))("%s is answered as documented", async (key) => {
  const t = await scenario();
  const error = await failureOf((all[key] as Provocation)(t));
  expect(`${key.split(" ")[0]} ${error.code} ${error.reason}`).toBe(key);
  checkDetails(error);
});

test("every documented error is provoked here or belongs to a part that comes later, and nothing else is", () => {
  const documented = [...documentedErrors().map(keyOfError), ...takenOver];
  expect(documented.length).toBeGreaterThan(50);
  expect([...Object.keys(all), ...comesLater].sort()).toEqual([...new Set(documented)].sort());
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

describe("what every call may answer", () => {
  test("is what the conventions list", () => {
    expect(commonErrors().map(({ code, reason }) => `${code} ${reason}`)).toEqual([
      "INVALID_ARGUMENT MALFORMED_REQUEST",
      "INVALID_ARGUMENT MISSING_PARAMETER",
      "INVALID_ARGUMENT INVALID_PARAMETER",
      "RESOURCE_EXHAUSTED COMMIT_BACKLOG",
      "UNAVAILABLE SHUTTING_DOWN",
      "INTERNAL RECORD_CORRUPT",
      "RESOURCE_EXHAUSTED STORAGE_FULL",
    ]);
  });

  const unary = methods.filter(({ name, isStream }) => !isStream && !laterMethods.has(name));

  test("INVALID_ARGUMENT / MALFORMED_REQUEST", async () => {
    const t = await scenario();
    for (const { path } of methods.filter(({ isStream }) => !isStream)) {
      const error = await failureOf(t.client.raw(path, Buffer.from([0x0a, 0x05, 0x61])));
      expect(error, path).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MALFORMED_REQUEST" });
      checkDetails(error);
    }
    for (const stream of [t.produce(), t.consume()]) {
      stream.writeBytes(Buffer.from([0x0a, 0x05, 0x61]));
      const error = (await stream.ended) as CallError;
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MALFORMED_REQUEST" });
    }
  });

  test("INVALID_ARGUMENT / MISSING_PARAMETER and INVALID_PARAMETER, for the queue's name", async () => {
    const t = await scenario();
    for (const { name } of unary) {
      const field = queueFieldOf(name);
      if (field === undefined) continue;
      const request = wholeRequests(t.queue, "garbage")[keyOf(name)];
      for (const [queue, reason] of [
        ["", "MISSING_PARAMETER"],
        ["a b", "INVALID_PARAMETER"],
      ]) {
        const call = t.call(keyOf(name), { ...request, [field]: queue } as typeof request);
        const error = await failureOf(call);
        expect(error, name).toMatchObject({ code: "INVALID_ARGUMENT", reason });
        expect(error.violations).toEqual([field]);
        checkDetails(error);
      }
    }
    const error = await failureOf(t.call("listQueues", { pageSize: 0 }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" });
  });

  test("RESOURCE_EXHAUSTED / COMMIT_BACKLOG, of every method, before any effect", async () => {
    const t = await scenario({ config: { commandsPendingMax: 16 } });
    await makeDead(t);
    const taskHandle = await t.startMove();
    // Reads wait for the record they see, so they can be refused as well.
    for (const { name } of unary.filter(({ name }) => name !== "DeleteQueue")) {
      const whole = { ...wholeRequests(t.queue, "garbage"), cancelMessageMoveTask: { taskHandle } };
      const request = whole[keyOf(name)];
      const before = await t.counters();
      // The disk may be quicker than the calls that are to wait for it.
      let error: CallError | undefined;
      for (let attempt = 0; error?.reason !== "COMMIT_BACKLOG" && attempt < 50; attempt += 1) {
        const fill = Promise.allSettled(Array.from({ length: 60 }, () => t.send("fill")));
        error = await failureOf(t.call(keyOf(name), request)).catch(() => undefined);
        const sent = (await fill).filter(({ status }) => status === "fulfilled").length;
        if (error !== undefined) expect((await t.counters()).sent).toBe(before.sent + sent);
        before.sent = (await t.counters()).sent;
      }
      expect(error, name).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "COMMIT_BACKLOG",
        quota: ["server"],
        retryAfterMs: 200,
      });
      checkDetails(error as CallError);
    }
  });

  test("INTERNAL / RECORD_CORRUPT, instead of what is not what was stored", async () => {
    const t = await scenario();
    t.expectErrors();
    await t.call("tagQueue", { queue: t.queue, tags: new Map([["needle", "haystack"]]) });
    await t.createQueue("other");
    await t.corrupt("haystack");
    for (const { name } of unary.filter(({ name }) => queueFieldOf(name) !== undefined)) {
      const error = await failureOf(
        t.call(keyOf(name), wholeRequests(t.queue, "garbage")[keyOf(name)]),
      );
      expect(error, name).toMatchObject({ code: "INTERNAL", reason: "RECORD_CORRUPT" });
      checkDetails(error);
    }
    await t.send("the others are served", { queue: "other" });
    expect(await t.receive({ queue: "other" })).toHaveLength(1);
  });

  test("RESOURCE_EXHAUSTED / STORAGE_FULL, of what stores something, while receives and deletes go on", async () => {
    const t = await scenario();
    t.expectErrors();
    await t.sendBatch(["a", "b"]);
    await t.restart({ storageReserveBytes: Number.MAX_SAFE_INTEGER });
    const full: Provocation[] = [
      () => t.send("more"),
      () => t.sendBatch(["more"]),
      () => t.createQueue("more"),
      () => t.startMove({ source: t.queue }),
      async () => {
        const stream = t.produce();
        stream.write({ queue: t.queue, entries: [{ body: text("more") }] });
        stream.halfClose();
        await stream.ended;
        const result = stream.responses[0]?.results[0]?.result;
        if (result?.$case === "error") {
          expect(result.value.code).toBe(8);
          expect(result.value.message).toContain("storage is full");
        }
        return await t.send("more");
      },
    ];
    for (const provoke of full) {
      const error = await failureOf(provoke(t));
      expect(error).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "STORAGE_FULL",
        quota: ["server"],
      });
      checkDetails(error);
    }
    const [a] = await t.receive();
    expect(await t.delete(a?.handle ?? "")).toBe("DELETED");
    expect(await t.purge()).toBe(1);
  });
});

test("each attribute of a part that comes later is refused by its name", async () => {
  const t = await scenario();
  const later: Partial<Record<keyof QueueAttributes, [string, object]>> = {
    redrivePolicy: ["redrive_policy", { deadLetterQueue: "dlq", maxReceiveCount: 1 }],
    redriveAllowPolicy: ["redrive_allow_policy", { permission: 1 }],
    managedEncryption: ["managed_encryption", true as unknown as object],
    encryptionKey: ["encryption_key", "k" as unknown as object],
    dataKeyReusePeriod: ["data_key_reuse_period", durationOf(300_000)],
    dedupWindow: ["dedup_window", durationOf(300_000)],
  };
  for (const [attribute, [name, value]] of Object.entries(later)) {
    const attributes = { [attribute]: value };
    for (const call of [
      t.call("createQueue", { queue: "new", attributes }),
      t.call("setQueueAttributes", { queue: t.queue, attributes }),
    ]) {
      expect(await failureOf(call)).toMatchObject({
        code: "UNIMPLEMENTED",
        reason: "UNSUPPORTED_OPERATION",
        metadata: { field: `attributes.${name}` },
      });
    }
  }
});
