// What came of one attempt to deliver. It says what happened and never what is done about it: that is the delivery policy's.

import type { RetryHint } from "./retry-delays.js";

export type AttemptOutcome =
  | { readonly kind: "delivered"; readonly answer: TargetAnswer }
  /** Another attempt may succeed. */
  | {
      readonly kind: "retryable";
      readonly reason: RetryableReason;
      readonly error: string;
      readonly answer: TargetAnswer | undefined;
      readonly hint: RetryHint | undefined;
    }
  /** No attempt will. */
  | {
      readonly kind: "permanent";
      readonly reason: PermanentReason;
      readonly error: string;
      readonly answer: TargetAnswer | undefined;
    };

/**
 * What a target said, as a log of deliveries may show it: the status and its text. Never the body: who could read what a target
 * answers could read the inside of a network through us.
 */
export interface TargetAnswer {
  /** Of HTTP for webhooks, of gRPC for functions. */
  readonly statusCode: number;
  readonly text: string;
}

export type RetryableReason =
  | "server_error"
  /** The target has too much to do: 429, RESOURCE_EXHAUSTED. */
  | "throttled"
  | "name_not_resolved"
  | "connect_timeout"
  | "connection_failed"
  | "tls_failed"
  | "response_timeout"
  | "response_malformed"
  /** A receiver's answer for a message, or none. */
  | "receiver_asked"
  | "not_answered"
  | "shut_down";

export type PermanentReason =
  | "refused"
  | "rejected"
  /** The endpoint is no place that messages may be sent to. */
  | "address_blocked"
  /** The topic's data protection policy keeps it from whoever subscribed. */
  | "data_protection_denied"
  | "endpoint_invalid"
  | "request_invalid";

export const retryable = (
  reason: RetryableReason,
  error: string,
  answer?: TargetAnswer,
  hint?: RetryHint,
): AttemptOutcome => ({ kind: "retryable", reason, error, answer, hint });

export const permanent = (
  reason: PermanentReason,
  error: string,
  answer?: TargetAnswer,
): AttemptOutcome => ({ kind: "permanent", reason, error, answer });
