// What the head of a response means for a delivery. SNS today: 5xx and 429 may succeed later, and every other status that is no 2xx
// is a failure for good, redirects too, which are never followed. (SNS's older text counted 4xx as delivered.)

import { STATUS_CODES } from "node:http";
import { between, type DurationMs, type EpochMs, epochMs, seconds } from "../base/brands.js";
import { type AttemptOutcome, permanent, retryable, type TargetAnswer } from "./outcome.js";

export interface ResponseHead {
  readonly statusCode: number;
  /** As it came. */
  readonly retryAfter: string | undefined;
}

export function outcomeOfResponse(head: ResponseHead, now: EpochMs): AttemptOutcome {
  const { statusCode } = head;
  const answer = answerOf(statusCode);
  if (statusCode >= 200 && statusCode < 300) return { kind: "delivered", answer };
  const error = `The endpoint answered ${answer.text}.`;
  const isThrottled = statusCode === 429;
  if (!isThrottled && statusCode < 500) return permanent("refused", error, answer);
  // 503 with a time is how servers that are being deployed say when they are back.
  const mayHint = isThrottled || statusCode === 503;
  const delayMs = mayHint ? retryAfterMs(head.retryAfter, now) : undefined;
  const hint = delayMs === undefined ? undefined : ({ kind: "not_before", delayMs } as const);
  return retryable(isThrottled ? "throttled" : "server_error", error, answer, hint);
}

/** The standard's words for a status and never the target's own. */
const answerOf = (statusCode: number): TargetAnswer => ({
  statusCode,
  text: `${statusCode} ${STATUS_CODES[statusCode] ?? ""}`.trimEnd(),
});

const datePattern = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3). Undefined for anything else. */
export function retryAfterMs(text: string | undefined, now: EpochMs): DurationMs | undefined {
  const value = text?.trim() ?? "";
  if (/^\d{1,9}$/.test(value)) return seconds(Number(value));
  if (!datePattern.test(value)) return undefined;
  const at = Date.parse(value);
  if (Number.isNaN(at)) return undefined;
  return Math.max(0, between(now, epochMs(at))) as DurationMs;
}
