// Why a queue rule says no: data, not exceptions. One table in `rpc/wire-errors.ts` gives each its status and reason.

import type { DurationMs, EpochMs } from "../base/brands.js";

export type QueueRejection =
  | { readonly kind: "queue_not_found"; readonly queue: string }
  | {
      readonly kind: "queue_already_exists";
      readonly queue: string;
      /** The first attribute that differs, by its field name in QueueAttributes. */
      readonly attribute: string;
    }
  | {
      readonly kind: "queue_deleted_recently";
      readonly queue: string;
      readonly retryAfterMs: DurationMs;
    }
  | { readonly kind: "etag_mismatch"; readonly queue: string; readonly etag: string }
  | {
      readonly kind: "purge_in_progress";
      readonly queue: string;
      readonly retryAfterMs: DurationMs;
    }
  | {
      readonly kind: "tag_limit";
      readonly queue: string;
      readonly count: number;
      readonly limit: number;
    }
  | {
      /** Of a statement of the queue's policy. */
      readonly kind: "label_exists" | "label_not_found";
      readonly queue: string;
      readonly label: string;
    }
  | {
      readonly kind: "policy_limit";
      readonly queue: string;
      /** What the policy has too much of, in words: `conditions`. */
      readonly what: string;
      readonly count: number;
      readonly limit: number;
    }
  | {
      readonly kind: "message_too_long";
      readonly queue: string;
      readonly sizeBytes: number;
      readonly limitBytes: number;
    }
  | { readonly kind: "in_flight_limit"; readonly queue: string; readonly limit: number }
  | { readonly kind: "receipt_handle_invalid"; readonly queue: string }
  | {
      readonly kind: "receipt_handle_expired";
      readonly queue: string;
      readonly now: EpochMs;
      readonly why: "received_again" | "lease_ended";
      readonly leaseEndedAt: EpochMs | undefined;
    }
  | { readonly kind: "receive_attempt_stale"; readonly queue: string }
  | { readonly kind: "message_not_found"; readonly queue: string }
  | { readonly kind: "message_not_in_flight"; readonly queue: string }
  | {
      readonly kind: "visibility_limit_exceeded";
      readonly queue: string;
      readonly remainingMs: DurationMs;
    }
  | {
      readonly kind: "unsupported_for_queue_type";
      readonly queue: string;
      readonly isFifo: boolean;
      /** The field of the request that this type of queue does not have. */
      readonly field: string;
    }
  | {
      readonly kind: "parameter_needed";
      readonly queue: string;
      /** The fields of the request that a FIFO queue needs. */
      readonly fields: readonly string[];
    }
  | {
      readonly kind: "attribute_conflict";
      readonly queue: string;
      readonly attribute: string;
      /** What to do about it. */
      readonly advice: string;
    }
  | {
      readonly kind: "dead_letter_queue_not_found";
      readonly queue: string;
      /** Undefined: the queue has no redrive policy. */
      readonly deadLetterQueue: string | undefined;
    }
  | {
      readonly kind: "dead_letter_queue_type_mismatch" | "dead_letter_queue_not_allowed";
      readonly queue: string;
      readonly deadLetterQueue: string;
    }
  | {
      readonly kind: "move_resource_not_found";
      readonly resource: "queue" | "move_task";
      /** A task's: its handle. */
      readonly name: string;
    }
  | {
      readonly kind: "move_source_not_dead_letter_queue" | "move_task_already_running";
      readonly queue: string;
    }
  | { readonly kind: "move_task_handle_invalid" | "move_task_not_running" }
  | { readonly kind: "schedule_not_found"; readonly queue: string; readonly schedule: string }
  | { readonly kind: "schedule_limit"; readonly queue: string; readonly limit: number }
  | { readonly kind: "request_id_reused" };

export type Decided<Outcome, Rejection = QueueRejection> =
  | { readonly kind: "accepted"; readonly outcome: Outcome }
  | { readonly kind: "rejected"; readonly rejection: Rejection };

export const accept = <Outcome>(outcome: Outcome): Decided<Outcome, never> => ({
  kind: "accepted",
  outcome,
});
export const reject = (rejection: QueueRejection): Decided<never> => ({
  kind: "rejected",
  rejection,
});
