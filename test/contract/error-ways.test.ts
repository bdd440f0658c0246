// The many ways to one error: each names the field or resource that is to blame, and whoever was refused has changed nothing.
// That each documented error exists at all is queue-errors.test.ts's.

import { describe, expect, test } from "vitest";
import type { QueueAttributes, RedrivePermission } from "../../src/gen/forebay/queue/v1/queue.js";
import type { CallError } from "../support/call-error.js";
import { checkDetails, failureOf } from "../support/error-details.js";
import { described, explained } from "../support/inspection.js";
import {
  durationOf,
  fifoScenario,
  type QueueOptions,
  queueAttributesOf,
  type Scenario,
  scenario,
} from "../support/scenario.js";
import { getSchedule, putSchedule, type ScheduleOptions } from "../support/schedules.js";

/** The error of a refused call, with all that every error must have. */
async function refusal(call: Promise<unknown>): Promise<CallError> {
  const error = await failureOf(call);
  checkDetails(error);
  return error;
}

const attributesPart = (attributes: object) => attributes as Partial<QueueAttributes>;

describe("of the other type of queue", () => {
  const unknown = (name: string) => ({
    code: "INVALID_ARGUMENT",
    reason: "UNKNOWN_ATTRIBUTE",
    violations: [`attributes.${name}`],
    metadata: { field: `attributes.${name}`, attribute: name },
  });

  test.each([
    ["fifo_queue", { fifoQueue: true }],
    ["fifo_queue", { fifoQueue: false }],
    ["content_based_deduplication", { contentBasedDeduplication: false }],
    ["deduplication_scope", { deduplicationScope: 1 }],
    ["fifo_throughput_limit", { fifoThroughputLimit: 1 }],
  ])("%s is unknown to a standard queue, whatever its value: %o", async (name, given) => {
    const t = await scenario();
    const attributes = attributesPart({ delay: durationOf(1), ...given });
    const set = await refusal(t.call("setQueueAttributes", { queue: t.queue, attributes }));
    expect(set).toMatchObject(unknown(name));
    // With fifo_queue = true a new queue is none, and its name is what is wrong.
    const create = await refusal(t.call("createQueue", { queue: "new", attributes }));
    expect(create).toMatchObject(
      "fifoQueue" in given && given.fifoQueue
        ? { reason: "INVALID_PARAMETER", violations: ["queue"] }
        : unknown(name),
    );
    const { attributes: kept } = await t.call("getQueueAttributes", { queue: t.queue });
    expect(kept?.delay).toEqual(durationOf(0));
    expect((await t.call("listQueues", {})).queues).toEqual([t.queue]);
  });

  test("priority_ageing is unknown to a FIFO queue", async () => {
    const t = await fifoScenario();
    const given = { priorityAgeing: durationOf(60_000) };
    expect(
      await refusal(t.call("setQueueAttributes", { queue: t.queue, attributes: given })),
    ).toMatchObject(unknown("priority_ageing"));
    const attributes = { fifoQueue: true, ...given };
    expect(await refusal(t.call("createQueue", { queue: "new.fifo", attributes }))).toMatchObject(
      unknown("priority_ageing"),
    );
  });

  test("an update mask names what the queue has", async () => {
    const t = await fifoScenario();
    await t.createQueue("standard");
    for (const [queue, path] of [
      ["standard", "content_based_deduplication"],
      ["standard", "fifo_queue"],
      [t.queue, "priority_ageing"],
      [t.queue, "colour"],
    ] as const) {
      const call = t.call("setQueueAttributes", { queue, updateMask: ["delay", path] });
      expect(await refusal(call)).toMatchObject({
        reason: "UNKNOWN_ATTRIBUTE",
        violations: ["update_mask.paths[1]"],
        metadata: { attribute: path },
      });
    }
  });

  test("the type of a queue and of its name agree", async () => {
    const t = await fifoScenario();
    for (const call of [
      t.call("createQueue", { queue: "new.fifo" }),
      t.call("createQueue", { queue: "new.fifo", attributes: { delay: durationOf(1) } }),
      t.createQueue("new", { type: "fifo" }),
    ]) {
      expect(await refusal(call)).toMatchObject({
        reason: "INVALID_PARAMETER",
        violations: ["queue"],
      });
    }
    const attributes = { fifoQueue: false };
    expect(
      await refusal(t.call("setQueueAttributes", { queue: t.queue, attributes })),
    ).toMatchObject({
      reason: "INVALID_ATTRIBUTE_VALUE",
      violations: ["attributes.fifo_queue"],
    });
    await t.setQueue({ type: "fifo" });
  });

  test("a throughput limit by group needs deduplication by group", async () => {
    const t = await fifoScenario({ deduplicationScope: "messageGroup" });
    await t.setQueue({ throughputLimit: "perMessageGroupId" });
    const conflict = {
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ATTRIBUTE_VALUE",
      violations: ["attributes.fifo_throughput_limit"],
      metadata: { queue: t.queue, attribute: "fifo_throughput_limit" },
    };
    expect(await refusal(t.setQueue({ deduplicationScope: "queue" }))).toMatchObject(conflict);
    expect(
      await refusal(
        t.createQueue("new.fifo", { type: "fifo", throughputLimit: "perMessageGroupId" }),
      ),
    ).toMatchObject({ ...conflict, metadata: { queue: "new.fifo" } });
  });

  test("fields of a message, of a receive and of a schedule", async () => {
    const t = await fifoScenario();
    await t.createQueue("standard");
    const unsupported = (field: string, queue = t.queue) => ({
      code: "INVALID_ARGUMENT",
      reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
      violations: [field],
      metadata: { queue, field },
    });
    expect(await refusal(t.send("x", { groupId: "g", delayMs: 1 }))).toMatchObject(
      unsupported("delay"),
    );
    expect(await refusal(t.send("x", { groupId: "g", priority: 1 }))).toMatchObject(
      unsupported("priority"),
    );
    const noWindow = await refusal(t.send("x", { queue: "standard", dedupId: "d" }));
    expect(noWindow).toMatchObject(unsupported("dedup_id", "standard"));
    expect(noWindow.message).toContain("or set dedup_window");
    expect(await refusal(t.receive({ queue: "standard", attemptId: "a" }))).toMatchObject(
      unsupported("receive_attempt_id", "standard"),
    );
    expect(
      await refusal(putSchedule(t, { intervalMs: 1_000, groupId: "g", priority: 1 })),
    ).toMatchObject(unsupported("schedule.message.priority"));
    const { failed } = await t.sendBatch(["x"], { groupId: "g", delayMs: 1 });
    expect(failed).toMatchObject([{ id: "0", code: 3, reason: "UNSUPPORTED_FOR_QUEUE_TYPE" }]);
    expect(failed[0]?.message).toContain("delay");
    expect(await t.counters()).toMatchObject({ sent: 0 });
    // Nothing is said by saying the default, and a window makes deduplication ids known.
    await t.send("x", { groupId: "g", delayMs: 0, priority: 0 });
    await t.setQueue({ dedupWindowMs: 1_000 }, "standard");
    await t.send("x", { queue: "standard", dedupId: "d" });
  });
});

describe("what a FIFO queue needs", () => {
  test("is named field by field, of a message, a batch and a schedule", async () => {
    const t = await fifoScenario({ contentBasedDeduplication: false });
    const needs = (...fields: string[]) => ({
      code: "INVALID_ARGUMENT",
      reason: "MISSING_PARAMETER",
      violations: fields,
      metadata: { queue: t.queue, field: fields[0] },
    });
    expect(await refusal(t.send("x"))).toMatchObject(needs("group_id", "dedup_id"));
    expect(await refusal(t.send("x", { groupId: "g" }))).toMatchObject(needs("dedup_id"));
    expect(await refusal(t.send("x", { dedupId: "d" }))).toMatchObject(needs("group_id"));
    const entry = (id: string, part: object) => ({
      id,
      body: { $case: "text" as const, value: id },
      ...part,
    });
    const entries = [
      entry("a", { groupId: "g", dedupId: "a" }),
      entry("b", { groupId: "g" }),
      entry("c", { dedupId: "c" }),
    ];
    expect(await refusal(t.call("sendMessageBatch", { queue: t.queue, entries }))).toMatchObject(
      needs("entries[1].dedup_id", "entries[2].group_id"),
    );
    expect(await refusal(putSchedule(t, { intervalMs: 1_000 }))).toMatchObject(
      needs("schedule.message.group_id"),
    );
    expect(await t.counters()).toMatchObject({ sent: 0 });
  });
});

describe("a queue that exists", () => {
  const differing: readonly (readonly [string, QueueOptions])[] = [
    ["redrive_policy", { redrive: { to: "dead", after: 2 } }],
    ["redrive_policy", { redrive: "none" }],
    ["redrive_allow_policy", { redriveAllow: "nobody" }],
    ["dedup_window", { dedupWindowMs: 1_000 }],
    ["delivery_paused", { isPaused: true }],
    ["retry_policy", { retry: { minimumMs: 1_000, factor: 3 } }],
    ["max_in_flight_per_group", { groupInFlightMax: 2 }],
    ["priority_ageing", { priorityAgeingMs: 1_000 }],
  ];

  test.each(differing)("differs in %s: %o", async (attribute, options) => {
    const t = await scenario({ create: "none" });
    await t.createQueue("dead");
    await t.createQueue(t.queue, {
      redrive: { to: "dead", after: 1 },
      retry: { minimumMs: 1_000 },
    });
    expect(await refusal(t.createQueue(t.queue, options))).toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "QUEUE_ALREADY_EXISTS",
      metadata: { queue: t.queue, attribute },
      resource: `queue ${t.queue}`,
    });
  });
});

describe("a redrive policy", () => {
  test("names the queue that does not fit, and changes nothing", async () => {
    const t = await scenario();
    await t.createQueue("guarded", { redriveAllow: ["others"] });
    await t.createQueue("closed", { redriveAllow: "nobody" });
    await t.createQueue("line.fifo", { type: "fifo" });
    const cases = [
      ["nowhere", "FAILED_PRECONDITION", "DLQ_NOT_FOUND", "queue nowhere"],
      ["line.fifo", "FAILED_PRECONDITION", "DLQ_TYPE_MISMATCH", undefined],
      ["guarded", "PERMISSION_DENIED", "DLQ_NOT_ALLOWED", undefined],
      ["closed", "PERMISSION_DENIED", "DLQ_NOT_ALLOWED", undefined],
    ] as const;
    for (const [to, code, reason, resource] of cases) {
      const options = { redrive: { to, after: 1 }, delayMs: 1_000 };
      for (const [queue, call] of [
        ["new", () => t.createQueue("new", options)],
        [t.queue, () => t.setQueue(options)],
      ] as const) {
        expect(await refusal(call())).toMatchObject({
          code,
          reason,
          resource,
          metadata: { queue, dead_letter_queue: to },
        });
      }
    }
    const { attributes } = await t.call("getQueueAttributes", { queue: t.queue });
    expect(attributes).toMatchObject({ redrivePolicy: undefined, delay: durationOf(0) });
    expect((await t.call("listQueues", { prefix: "new" })).queues).toEqual([]);
    // Who is allowed, and a queue itself, may.
    await t.createQueue("others", { redrive: { to: "guarded", after: 1 } });
    await t.setQueue({ redrive: { to: t.queue, after: 1 } });
    await t.createQueue("selfish", { redrive: { to: "selfish", after: 1 } });
  });

  test("with a bad value of each of its parts has a violation for each", async () => {
    const t = await scenario();
    const attributes = {
      ...queueAttributesOf({ redrive: { to: "a b", after: 0 }, delayMs: -1 }),
      redriveAllowPolicy: { permission: 9 as RedrivePermission },
      retryPolicy: { factor: 0 },
    };
    const error = await refusal(t.call("setQueueAttributes", { queue: t.queue, attributes }));
    expect(error).toMatchObject({ reason: "INVALID_ATTRIBUTE_VALUE" });
    expect(error.violations).toEqual([
      "attributes.delay",
      "attributes.redrive_policy.dead_letter_queue",
      "attributes.redrive_policy.max_receive_count",
      "attributes.redrive_allow_policy.permission",
      "attributes.retry_policy.minimum_backoff",
      "attributes.retry_policy.factor",
    ]);
  });
});

describe("a handle of a FIFO queue", () => {
  const leased = async (): Promise<{ t: Scenario; handle: string }> => {
    const t = await fifoScenario();
    await t.send("work", { groupId: "g" });
    const { handle } = await t.receiveOne({ visibilityTimeoutMs: 1_000 });
    return { t, handle };
  };

  test("deletes nothing once its lease is over, and says since when", async () => {
    const { t, handle } = await leased();
    const endedAt = t.now + 1_000;
    await t.advance(1_500);
    const expired = {
      code: "FAILED_PRECONDITION",
      reason: "RECEIPT_HANDLE_EXPIRED",
      metadata: { queue: t.queue, lease_end_ms: String(endedAt), now_ms: String(t.now) },
    };
    expect(await refusal(t.delete(handle))).toMatchObject(expired);
    expect(await refusal(t.changeVisibility(handle, 1_000))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "MESSAGE_NOT_IN_FLIGHT",
      metadata: { queue: t.queue },
    });
    const entries = [{ id: "e", receiptHandle: handle }];
    const { failed } = await t.call("deleteMessageBatch", { queue: t.queue, entries });
    expect(failed).toMatchObject([
      { code: 9, reason: "RECEIPT_HANDLE_EXPIRED", senderFault: true },
    ]);
    expect(await t.counts()).toBe("1/0/0");
  });

  test("does nothing once the message was received again", async () => {
    const { t, handle } = await leased();
    await t.advance(1_000);
    await t.receiveOne();
    for (const call of [
      () => t.delete(handle),
      () => t.changeVisibility(handle, 1_000),
      () => t.reject(handle),
    ]) {
      expect(await refusal(call())).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "RECEIPT_HANDLE_EXPIRED",
        metadata: { queue: t.queue, now_ms: String(t.now) },
      });
    }
    expect(await t.counts()).toBe("0/1/0");
  });

  test.each([
    ["a delete", (t: Scenario, handle: string) => t.delete(handle)],
    ["a change", (t: Scenario, handle: string) => t.changeVisibility(handle, 500)],
    ["a reject", (t: Scenario, handle: string) => t.reject(handle)],
    ["the end of the lease", (t: Scenario) => t.advance(1_000)],
  ])("makes its receive attempt stale by %s", async (_, spoil) => {
    const t = await fifoScenario();
    await t.send("work", { groupId: "g" });
    const attempt = { attemptId: "a1", visibilityTimeoutMs: 1_000 };
    const { handle } = await t.receiveOne(attempt);
    await spoil(t, handle);
    expect(await refusal(t.receive(attempt))).toMatchObject({
      code: "ABORTED",
      reason: "RECEIVE_ATTEMPT_STALE",
      metadata: { queue: t.queue },
    });
  });
});

describe("a reject", () => {
  test("names each field that is wrong", async () => {
    const t = await scenario();
    const { queue } = t;
    const call = t.call("rejectMessage", {
      queue,
      error: "x".repeat(4_097),
      delay: durationOf(-1),
    });
    expect(await refusal(call)).toMatchObject({
      reason: "MISSING_PARAMETER",
      violations: ["receipt_handle", "reason", "error", "delay"],
      metadata: { field: "receipt_handle" },
    });
  });

  test("to dead letters says which queue is missing", async () => {
    const t = await scenario();
    await t.send("work");
    const { handle } = await t.receiveOne();
    const missing = { code: "FAILED_PRECONDITION", reason: "DLQ_NOT_FOUND" };
    const unset = await refusal(t.reject(handle, { isDeadLetter: true }));
    expect(unset).toMatchObject({ ...missing, metadata: { queue: t.queue }, resource: undefined });
    await t.createQueue("dead");
    await t.setQueue({ redrive: { to: "dead", after: 5 } });
    await t.deleteQueue("dead");
    expect(await refusal(t.reject(handle, { isDeadLetter: true }))).toMatchObject({
      ...missing,
      metadata: { queue: t.queue, dead_letter_queue: "dead" },
      resource: "queue dead",
    });
    expect(await t.counts()).toBe("0/1/0");
  });
});

describe("a move", () => {
  test("names the queue that is not there, or is the same", async () => {
    const t = await scenario();
    await t.createQueue("dead");
    await t.setQueue({ redrive: { to: "dead", after: 1 } });
    const move = (source: string, destination: string) => [
      () => t.startMove({ source, destination }),
      () => t.call("previewMessageMoveTask", { source, destination }),
    ];
    for (const call of move("dead", "nowhere")) {
      expect(await refusal(call())).toMatchObject({
        code: "NOT_FOUND",
        reason: "MOVE_RESOURCE_NOT_FOUND",
        metadata: { queue: "nowhere" },
        resource: "queue nowhere",
      });
    }
    for (const call of move("dead", "dead")) {
      expect(await refusal(call())).toMatchObject({
        reason: "INVALID_PARAMETER",
        violations: ["destination"],
      });
    }
    for (const call of move("a b", "c d")) {
      expect(await refusal(call())).toMatchObject({ violations: ["source", "destination"] });
    }
    expect(await t.moveTasks()).toEqual([]);
  });

  test("that is over cannot be cancelled, and one whose queue is gone is not found", async () => {
    const t = await scenario();
    await t.createQueue("dead");
    await t.setQueue({ redrive: { to: "dead", after: 1 } });
    const handle = await t.startMove();
    await t.settle();
    expect(await refusal(t.cancelMove(handle))).toMatchObject({ reason: "MOVE_TASK_NOT_RUNNING" });
    await t.deleteQueue("dead");
    expect(await refusal(t.cancelMove(handle))).toMatchObject({
      reason: "MOVE_RESOURCE_NOT_FOUND",
      metadata: { move_task: handle },
      resource: `move_task ${handle}`,
    });
    expect(await refusal(t.call("cancelMessageMoveTask", {}))).toMatchObject({
      reason: "MISSING_PARAMETER",
      violations: ["task_handle"],
    });
  });
});

describe("a message by its id", () => {
  const calls = (t: Scenario, messageId: string) => [
    () => described(t, messageId),
    () => explained(t, messageId),
    () => t.call("cancelScheduledMessage", { queue: t.queue, messageId }),
  ];

  test("is asked for by an id", async () => {
    const t = await scenario();
    for (const [messageId, reason] of [
      ["", "MISSING_PARAMETER"],
      ["pay #7", "INVALID_PARAMETER"],
    ] as const) {
      for (const call of calls(t, messageId)) {
        expect(await refusal(call())).toMatchObject({ reason, violations: ["message_id"] });
      }
    }
  });

  test("is not found in another queue, nor once it is deleted or cancelled", async () => {
    const t = await scenario();
    await t.createQueue("other");
    const elsewhere = await t.send("x", { queue: "other" });
    const deleted = await t.send("x");
    await t.delete((await t.receiveOne()).handle);
    const cancelled = await t.send("x", { deliverAt: t.now + 60_000 });
    await t.call("cancelScheduledMessage", { queue: t.queue, messageId: cancelled.messageId });
    for (const { messageId } of [elsewhere, deleted, cancelled]) {
      for (const call of calls(t, messageId)) {
        expect(await refusal(call())).toMatchObject({
          code: "NOT_FOUND",
          reason: "MESSAGE_NOT_FOUND",
          metadata: { queue: t.queue, message_id: messageId },
          resource: `message ${messageId}`,
        });
      }
    }
  });

  test("is not cancelled once it has joined the queue", async () => {
    const t = await scenario();
    const { messageId } = await t.send("x", { deliverAt: t.now + 1_000 });
    await t.advance(1_000);
    const call = t.call("cancelScheduledMessage", { queue: t.queue, messageId });
    const error = await refusal(call);
    expect(error).toMatchObject({ reason: "MESSAGE_NOT_FOUND", resource: `message ${messageId}` });
    expect(error.message).toContain("joined the queue");
    expect(await t.counts()).toBe("1/0/0");
  });
});

describe("a schedule", () => {
  test.each<[string, ScheduleOptions, string, readonly string[]]>([
    ["without a time", {}, "MISSING_PARAMETER", ["schedule.cron"]],
    ["without a name", { name: "", intervalMs: 1_000 }, "MISSING_PARAMETER", ["schedule.name"]],
    [
      "without a body",
      { intervalMs: 1_000, body: "" },
      "MISSING_PARAMETER",
      ["schedule.message.text"],
    ],
    [
      "with an attribute that no message may have",
      { intervalMs: 1_000, attributes: { "aws.x": "v" } },
      "INVALID_PARAMETER",
      ['schedule.message.attributes["aws.x"]'],
    ],
    ["that never comes", { cron: "0 0 30 2 *" }, "INVALID_PARAMETER", ["schedule.cron"]],
    [
      "that is wrong in all it says",
      { name: "a b", intervalMs: 999, zone: "UTC", priority: 10, timeToLiveMs: 999, startAt: -1 },
      "INVALID_PARAMETER",
      [
        "schedule.name",
        "schedule.time_zone",
        "schedule.interval",
        "schedule.message.time_to_live",
        "schedule.message.priority",
        "schedule.start_time",
      ],
    ],
  ])("%s is refused", async (_, options, reason, violations) => {
    const t = await scenario();
    expect(await refusal(putSchedule(t, options))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason,
      violations,
    });
    expect((await t.call("listSchedules", { queue: t.queue })).schedules).toEqual([]);
  });

  test("of a name that is not there, or of a queue that is not, is named", async () => {
    const t = await scenario();
    expect(await refusal(getSchedule(t, "Nightly"))).toMatchObject({
      code: "NOT_FOUND",
      reason: "SCHEDULE_NOT_FOUND",
      metadata: { queue: t.queue, schedule: "Nightly" },
      resource: `schedule ${t.queue}/Nightly`,
    });
    expect(await refusal(t.call("putSchedule", { queue: t.queue }))).toMatchObject({
      reason: "MISSING_PARAMETER",
      violations: ["schedule"],
    });
    expect(await refusal(putSchedule(t, { queue: "nowhere", intervalMs: 1_000 }))).toMatchObject({
      reason: "QUEUE_NOT_FOUND",
      resource: "queue nowhere",
    });
  });
});
