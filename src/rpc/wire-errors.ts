// The one table from what went wrong to what a caller is told: rejections of the rules, refusals of the engine, faults of the
// store. `tsc` demands a row for every kind. Messages say what to do; every variable in them is also metadata.

import { status } from "@grpc/grpc-js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { isStorePanic } from "../base/store-panic.js";
import { EngineRefusal, type RefusalKind } from "../engine/command.js";
import type { QueueRejection } from "../queue/rejections.js";
import { WireFault, type WireFaultFields } from "./status-details.js";

export function faultOf(rejection: QueueRejection): WireFault {
  return new WireFault(fieldsOf(rejection));
}

/** For calls that ask for a message by its id: whoever has no handle is told of which message there is nothing. */
export function faultAboutMessage(
  messageId: string,
  awaited: "stored" | "scheduled",
): (rejection: QueueRejection) => WireFault {
  return (rejection) => {
    if (rejection.kind !== "message_not_found") return faultOf(rejection);
    const { queue } = rejection;
    return new WireFault({
      code: status.NOT_FOUND,
      reason: "MESSAGE_NOT_FOUND",
      message:
        awaited === "stored"
          ? `There is no message "${messageId}" in queue "${queue}": it was deleted, expired, purged or moved, or was never in it.`
          : `No message "${messageId}" waits for its deliver_time in queue "${queue}": it has joined the queue, was cancelled or purged, or never was there.`,
      metadata: { queue, message_id: messageId },
      resource: { type: "message", name: messageId },
    });
  };
}

const queueResource = (name: string) => ({ type: "queue", name });

function fieldsOf(rejection: QueueRejection): WireFaultFields {
  switch (rejection.kind) {
    case "queue_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "QUEUE_NOT_FOUND",
        message: `There is no queue "${rejection.queue}". Create it, or check the name: names are case-sensitive.`,
        metadata: { queue: rejection.queue },
        resource: queueResource(rejection.queue),
      };
    case "queue_already_exists":
      return {
        code: status.ALREADY_EXISTS,
        reason: "QUEUE_ALREADY_EXISTS",
        message: `Queue "${rejection.queue}" exists with another ${rejection.attribute}. Leave the attribute out, give its current value, or change it with SetQueueAttributes.`,
        metadata: { queue: rejection.queue, attribute: rejection.attribute },
        resource: queueResource(rejection.queue),
      };
    case "queue_deleted_recently":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "QUEUE_DELETED_RECENTLY",
        message: `Queue "${rejection.queue}" was deleted less than 60 s ago; with sqs_timing=strict wait ${rejection.retryAfterMs} ms more.`,
        metadata: { queue: rejection.queue, retry_after_ms: String(rejection.retryAfterMs) },
        retryAfterMs: rejection.retryAfterMs,
      };
    case "etag_mismatch":
      return {
        code: status.ABORTED,
        reason: "ETAG_MISMATCH",
        message: `Queue "${rejection.queue}" was changed since: its etag is now ${rejection.etag}. Read it again and decide anew.`,
        metadata: { queue: rejection.queue, etag: rejection.etag },
      };
    case "purge_in_progress":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "PURGE_IN_PROGRESS",
        message: `Queue "${rejection.queue}" was purged less than 60 s ago; with sqs_timing=strict wait ${rejection.retryAfterMs} ms more.`,
        metadata: { queue: rejection.queue, retry_after_ms: String(rejection.retryAfterMs) },
        retryAfterMs: rejection.retryAfterMs,
      };
    case "tag_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "TAG_LIMIT",
        message: `Queue "${rejection.queue}" would have ${rejection.count} tags; the limit is ${rejection.limit}. Remove some first; nothing was changed.`,
        metadata: {
          queue: rejection.queue,
          count: String(rejection.count),
          limit: String(rejection.limit),
        },
        quota: [
          { subject: `queue:${rejection.queue}`, description: `at most ${rejection.limit} tags` },
        ],
        retryAfterMs: "never",
      };
    case "label_exists":
      return {
        code: status.ALREADY_EXISTS,
        reason: "LABEL_EXISTS",
        message: `The policy of queue "${rejection.queue}" already has a statement "${rejection.label}". Take another label, or remove that one first.`,
        metadata: { queue: rejection.queue, label: rejection.label },
      };
    case "label_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "LABEL_NOT_FOUND",
        message: `The policy of queue "${rejection.queue}" has no statement "${rejection.label}". Read it with GetQueueAttributes; labels are case-sensitive.`,
        metadata: { queue: rejection.queue, label: rejection.label },
        resource: { type: "permission", name: `${rejection.queue}/${rejection.label}` },
      };
    case "policy_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "POLICY_LIMIT",
        message: `The policy of queue "${rejection.queue}" would have ${rejection.count} ${rejection.what}; the limit is ${rejection.limit}. Remove or join some; nothing was changed.`,
        metadata: {
          queue: rejection.queue,
          what: rejection.what,
          count: String(rejection.count),
          limit: String(rejection.limit),
        },
        quota: [
          {
            subject: `queue:${rejection.queue}`,
            description: `a policy may have at most ${rejection.limit} ${rejection.what}`,
          },
        ],
        retryAfterMs: "never",
      };
    case "message_too_long":
      return {
        code: status.INVALID_ARGUMENT,
        reason: "MESSAGE_TOO_LONG",
        message: `The message has ${rejection.sizeBytes} bytes with its attributes; queue "${rejection.queue}" takes at most ${rejection.limitBytes}. Send less, or raise maximum_message_bytes (at most 1048576).`,
        metadata: {
          queue: rejection.queue,
          size: String(rejection.sizeBytes),
          limit: String(rejection.limitBytes),
        },
        violations: [
          {
            field: "body",
            description: `body and attributes are ${rejection.sizeBytes} bytes, the limit is ${rejection.limitBytes}`,
          },
        ],
      };
    case "in_flight_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "IN_FLIGHT_LIMIT",
        message: `Queue "${rejection.queue}" has ${rejection.limit} messages in flight, its max_in_flight. Delete what is done, wait (wait_time), or raise the limit.`,
        metadata: { queue: rejection.queue, limit: String(rejection.limit) },
        quota: [
          { subject: `queue:${rejection.queue}`, description: `max_in_flight ${rejection.limit}` },
        ],
        retryAfterMs: 1_000,
      };
    case "receipt_handle_invalid":
      return {
        code: status.INVALID_ARGUMENT,
        reason: "RECEIPT_HANDLE_INVALID",
        message: `The receipt handle is not one of queue "${rejection.queue}" as it exists now. Use the handle of the newest receive, unchanged, with the queue it came from.`,
        metadata: { queue: rejection.queue },
        violations: [
          { field: "receipt_handle", description: "not a receipt handle of this queue" },
        ],
      };
    case "receipt_handle_expired":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "RECEIPT_HANDLE_EXPIRED",
        message:
          rejection.why === "received_again"
            ? `The message was received again since, and in queue "${rejection.queue}" only the newest handle acts (FIFO, or receipt_policy STRICT). Extend the visibility timeout of long work.`
            : `The lease of this handle is over, and in FIFO queue "${rejection.queue}" the message is to be delivered again, in order. Extend the visibility timeout of long work.`,
        metadata: {
          queue: rejection.queue,
          now_ms: String(rejection.now),
          ...(rejection.leaseEndedAt !== undefined && {
            lease_end_ms: String(rejection.leaseEndedAt),
          }),
        },
      };
    case "receive_attempt_stale":
      return {
        code: status.ABORTED,
        reason: "RECEIVE_ATTEMPT_STALE",
        message: `A message of this receive attempt was deleted, changed, or its lease ended, so the attempt in queue "${rejection.queue}" cannot be repeated. Receive with a new receive_attempt_id.`,
        metadata: { queue: rejection.queue },
      };
    case "message_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "MESSAGE_NOT_FOUND",
        message: `The message is no longer in queue "${rejection.queue}": deleted, expired, purged or moved. There is nothing to do.`,
        metadata: { queue: rejection.queue },
        resource: { type: "message", name: rejection.queue },
      };
    case "message_not_in_flight":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "MESSAGE_NOT_IN_FLIGHT",
        message: `The lease has ended: the message is visible in queue "${rejection.queue}" again and stays so. Receive it again.`,
        metadata: { queue: rejection.queue },
      };
    case "visibility_limit_exceeded":
      return {
        code: status.INVALID_ARGUMENT,
        reason: "VISIBILITY_LIMIT_EXCEEDED",
        message: `A lease ends at most 12 h after its receive; ${rejection.remainingMs / 1_000}s are left in queue "${rejection.queue}". The lease was not changed.`,
        metadata: { queue: rejection.queue, remaining: `${rejection.remainingMs / 1_000}s` },
        violations: [
          {
            field: "visibility_timeout",
            description: `at most ${rejection.remainingMs / 1_000}s are left of the 12 h`,
          },
        ],
      };
    case "unsupported_for_queue_type": {
      const [type, other] = rejection.isFifo ? ["FIFO", "standard"] : ["standard", "FIFO"];
      return {
        code: status.INVALID_ARGUMENT,
        reason: "UNSUPPORTED_FOR_QUEUE_TYPE",
        message: `${rejection.field} is for ${other} queues, and "${rejection.queue}" is a ${type} queue. Leave it out${
          !rejection.isFifo && rejection.field.endsWith("dedup_id") ? ", or set dedup_window" : ""
        }.`,
        metadata: { queue: rejection.queue, field: rejection.field },
        violations: [
          {
            field: rejection.field,
            description: `not valid for a ${type} queue`,
          },
        ],
      };
    }
    case "parameter_needed": {
      const { queue, fields } = rejection;
      const advice = fields.some((field) => field.endsWith("dedup_id"))
        ? " A deduplication id can be left out with content_based_deduplication."
        : "";
      return {
        code: status.INVALID_ARGUMENT,
        reason: "MISSING_PARAMETER",
        message: `FIFO queue "${queue}" needs ${fields.join(" and ")}.${advice} Nothing was stored.`,
        metadata: { queue, field: fields[0] ?? "" },
        violations: fields.map((field) => ({ field, description: "is needed on a FIFO queue" })),
      };
    }
    case "attribute_conflict":
      return {
        code: status.INVALID_ARGUMENT,
        reason: "INVALID_ATTRIBUTE_VALUE",
        message: `${rejection.attribute} of queue "${rejection.queue}" ${rejection.advice}. Nothing was changed.`,
        metadata: { queue: rejection.queue, attribute: rejection.attribute },
        violations: [{ field: `attributes.${rejection.attribute}`, description: rejection.advice }],
      };
    case "dead_letter_queue_not_found":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "DLQ_NOT_FOUND",
        message:
          rejection.deadLetterQueue === undefined
            ? `Queue "${rejection.queue}" has no dead-letter queue. Set its redrive_policy first.`
            : `The dead-letter queue "${rejection.deadLetterQueue}" of queue "${rejection.queue}" does not exist, is of the other type, or cannot be read. Create it, or name another in redrive_policy.`,
        metadata: {
          queue: rejection.queue,
          ...(rejection.deadLetterQueue !== undefined && {
            dead_letter_queue: rejection.deadLetterQueue,
          }),
        },
        ...(rejection.deadLetterQueue !== undefined && {
          resource: queueResource(rejection.deadLetterQueue),
        }),
      };
    case "dead_letter_queue_type_mismatch":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "DLQ_TYPE_MISMATCH",
        message: `Queue "${rejection.queue}" and "${rejection.deadLetterQueue}" are not of one type: a FIFO queue's messages go to FIFO queues, a standard queue's to standard queues.`,
        metadata: { queue: rejection.queue, dead_letter_queue: rejection.deadLetterQueue },
      };
    case "dead_letter_queue_not_allowed":
      return {
        code: status.PERMISSION_DENIED,
        reason: "DLQ_NOT_ALLOWED",
        message: `The redrive_allow_policy of "${rejection.deadLetterQueue}" does not let queue "${rejection.queue}" send dead letters there. Change it, or name another queue.`,
        metadata: { queue: rejection.queue, dead_letter_queue: rejection.deadLetterQueue },
      };
    case "move_resource_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "MOVE_RESOURCE_NOT_FOUND",
        message:
          rejection.resource === "queue"
            ? `There is no queue "${rejection.name}". Create it, or check the name: names are case-sensitive.`
            : "There is no such move task: its source was deleted, or it ended and newer ones of its source took its place. List those with ListMessageMoveTasks.",
        metadata: { [rejection.resource]: rejection.name },
        resource: { type: rejection.resource, name: rejection.name },
      };
    case "move_source_not_dead_letter_queue":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "MOVE_SOURCE_NOT_DLQ",
        message: `No queue's redrive_policy names "${rejection.queue}", so it is no dead-letter queue. Move from one that is; ListDeadLetterSourceQueues tells.`,
        metadata: { queue: rejection.queue },
      };
    case "move_task_already_running":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "MOVE_TASK_ALREADY_RUNNING",
        message: `A move task of "${rejection.queue}" is running, and a queue has one at a time. Wait for its end (ListMessageMoveTasks), or cancel it.`,
        metadata: { queue: rejection.queue },
      };
    case "move_task_handle_invalid":
      return {
        code: status.INVALID_ARGUMENT,
        reason: "MOVE_TASK_HANDLE_INVALID",
        message:
          "This is not the handle of a move task. Use the one that StartMessageMoveTask or ListMessageMoveTasks gave, unchanged.",
        violations: [{ field: "task_handle", description: "not a handle of a move task" }],
      };
    case "move_task_not_running":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "MOVE_TASK_NOT_RUNNING",
        message:
          "The move task has ended: completed, failed or cancelled. There is nothing to cancel.",
      };
    case "schedule_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "SCHEDULE_NOT_FOUND",
        message: `Queue "${rejection.queue}" has no schedule "${rejection.schedule}". Names are case-sensitive; ListSchedules shows them.`,
        metadata: { queue: rejection.queue, schedule: rejection.schedule },
        resource: { type: "schedule", name: `${rejection.queue}/${rejection.schedule}` },
      };
    case "schedule_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "SCHEDULE_LIMIT",
        message: `Queue "${rejection.queue}" has ${rejection.limit} schedules, which is the limit. Delete some first, or use another queue.`,
        metadata: { queue: rejection.queue, limit: String(rejection.limit) },
        quota: [
          {
            subject: `queue:${rejection.queue}`,
            description: `at most ${rejection.limit} schedules`,
          },
        ],
        retryAfterMs: "never",
      };
    case "request_id_reused":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "REQUEST_ID_REUSED",
        message:
          "This request id was used with another payload within its window. Make a new id for every new request; keep it only for retries.",
        violations: [{ field: "request_id", description: "already used with another payload" }],
      };
  }
}

const refusals = {
  commit_backlog: { code: status.RESOURCE_EXHAUSTED, reason: "COMMIT_BACKLOG" },
  storage_full: { code: status.RESOURCE_EXHAUSTED, reason: "STORAGE_FULL" },
  too_many_waiting: { code: status.RESOURCE_EXHAUSTED, reason: "THROTTLED" },
  shutting_down: { code: status.UNAVAILABLE, reason: "SHUTTING_DOWN" },
  not_leader: { code: status.UNAVAILABLE, reason: "NOT_LEADER" },
  outcome_unknown: { code: status.UNAVAILABLE, reason: "LEADERSHIP_LOST" },
} as const satisfies Record<RefusalKind, Pick<WireFaultFields, "code" | "reason">>;

/** What callers are told of faults below the rules; undefined: a bug. */
export function translateFault(error: unknown): WireFault | undefined {
  if (error instanceof WireFault) return error;
  if (error instanceof EngineRefusal) {
    const { code, reason } = refusals[error.kind];
    return new WireFault({
      code,
      reason,
      message: error.message,
      retryAfterMs: error.retryAfterMs,
      ...(code === status.RESOURCE_EXHAUSTED && {
        quota: [{ subject: "server", description: reason }],
      }),
    });
  }
  if (error instanceof RecordCorrupt) {
    return new WireFault({
      code: status.INTERNAL,
      reason: "RECORD_CORRUPT",
      message:
        "Stored bytes failed their checksum and were not served. Run `forebay check` on this node's data directory.",
      cause: error,
    });
  }
  if (isStorePanic(error)) {
    return new WireFault({
      code: status.UNAVAILABLE,
      reason: "SHUTTING_DOWN",
      message:
        "The disk of this node failed and the node ends; this call did nothing. Make it again: another node or the next start answers.",
    });
  }
  return undefined;
}

/** For parts of the contract that this release does not have yet. */
export function notYet(what: string, field?: string): WireFault {
  return new WireFault({
    code: status.UNIMPLEMENTED,
    reason: "UNSUPPORTED_OPERATION",
    message: `${what} not available in this release. Everything else of the contract works; see the CHANGELOG for what comes next.`,
    ...(field === undefined ? {} : { metadata: { field } }),
  });
}
