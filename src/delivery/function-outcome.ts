// What the answer of a function means, for each message it was given: its own word for a message, or a status that stands for all.

import { type Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { type DurationMs, milliseconds } from "../base/brands.js";
import type { DeliverResponse, DeliverResult } from "../gen/forebay/topic/v1/receiver_service.js";
import { RetryInfo } from "../gen/google/rpc/error_details.js";
import { Status } from "../gen/google/rpc/status.js";
import { deliveryLimits } from "./limits.js";
import { type AttemptOutcome, permanent, retryable, type TargetAnswer } from "./outcome.js";

/** One for each message that was asked about, in that order. A message without an answer is tried again; others play no part. */
export function outcomesOfResponse(
  messageIds: readonly string[],
  { results }: Pick<DeliverResponse, "results">,
): readonly AttemptOutcome[] {
  const byId = new Map<string, DeliverResult>();
  // Of two answers for one message the first counts.
  for (const result of results) {
    if (!byId.has(result.messageId)) byId.set(result.messageId, result);
  }
  return messageIds.map((messageId) => outcomeOfResult(byId.get(messageId)?.result));
}

const ok: TargetAnswer = { statusCode: status.OK, text: "OK" };

function outcomeOfResult(result: DeliverResult["result"]): AttemptOutcome {
  switch (result?.$case) {
    case undefined:
      return retryable("not_answered", "The receiver did not answer for this message.", ok);
    case "ack":
      return { kind: "delivered", answer: ok };
    case "reject": {
      const reason = cut(result.value.reason);
      return permanent("rejected", reason === "" ? "The receiver rejected it." : reason, ok);
    }
    case "retry": {
      const delayMs = millisecondsOf(result.value.delay);
      const hint = delayMs === undefined ? undefined : ({ kind: "asked", delayMs } as const);
      return retryable("receiver_asked", "The receiver asked for it again.", ok, hint);
    }
  }
}

/** Kept with the message, so no longer than the contract says; a character that would be cut in half goes whole. */
function cut(reason: string): string {
  const bytes = Buffer.from(reason, "utf8");
  if (bytes.length <= deliveryLimits.rejectionReasonBytesMax) return reason;
  return bytes
    .subarray(0, deliveryLimits.rejectionReasonBytesMax)
    .toString("utf8")
    .replace(/\ufffd$/, "");
}

type StatusClass = "retryable" | "throttled" | "permanent";

// As in the contract of ReceiverService. OK with no message would be a bug of grpc-js and is not known here.
const classes: Readonly<Record<number, StatusClass>> = {
  [status.CANCELLED]: "retryable",
  [status.UNKNOWN]: "retryable",
  [status.DEADLINE_EXCEEDED]: "retryable",
  [status.RESOURCE_EXHAUSTED]: "throttled",
  [status.ABORTED]: "retryable",
  [status.INTERNAL]: "retryable",
  [status.UNAVAILABLE]: "retryable",
};

/** Of a call that failed; it stands for every message of the call. */
export function outcomeOfStatus(error: Pick<ServiceError, "code" | "metadata">): AttemptOutcome {
  const { code } = error;
  const name = status[code] ?? "UNKNOWN";
  // The code alone: the text may be anything that stands where we were sent to.
  const answer = { statusCode: code, text: name };
  const sentence = `The receiver answered ${name}.`;
  const statusClass = classes[code] ?? "permanent";
  if (statusClass === "permanent") return permanent("refused", sentence, answer);
  const delayMs = retryInfoOf(error.metadata);
  const hint = delayMs === undefined ? undefined : ({ kind: "not_before", delayMs } as const);
  const reason = statusClass === "throttled" ? "throttled" : "server_error";
  return retryable(reason, sentence, answer, hint);
}

const retryInfoType = "type.googleapis.com/google.rpc.RetryInfo";

function retryInfoOf(metadata: Metadata | undefined): DurationMs | undefined {
  const [details] = metadata?.get("grpc-status-details-bin") ?? [];
  if (!(details instanceof Uint8Array)) return undefined;
  try {
    const info = Status.decode(details).details.find(({ typeUrl }) => typeUrl === retryInfoType);
    return info && millisecondsOf(RetryInfo.decode(info.value).retryDelay);
  } catch {
    // Bytes that are no Status are the receiver's mistake, and the status itself still counts.
    return undefined;
  }
}

/** Undefined when it is unset or negative. */
function millisecondsOf(
  duration: { readonly seconds: bigint; readonly nanos: number } | undefined,
): DurationMs | undefined {
  if (duration === undefined) return undefined;
  const whole = Number(duration.seconds) * 1_000 + Math.ceil(duration.nanos / 1_000_000);
  return whole >= 0 ? milliseconds(whole) : undefined;
}
