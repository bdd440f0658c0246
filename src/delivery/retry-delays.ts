// When a delivery is tried again. The retries of a policy go through four phases: at once, after the least delay, after delays that
// grow from the least to the greatest, after the greatest.
//
// AWS publishes the growth as a chart only; the formulas are ours, each beginning at the least delay and ending at the greatest.

import { type DurationMs, milliseconds } from "../base/brands.js";
import type { BackoffFunction } from "../topic/limits.js";
import { deliveryLimits } from "./limits.js";

/** All fields of a retry policy. The first attempt is none of the retries. */
export interface RetryPolicy {
  readonly minDelayMs: DurationMs;
  readonly maxDelayMs: DurationMs;
  readonly retries: number;
  readonly noDelayRetries: number;
  readonly minDelayRetries: number;
  readonly maxDelayRetries: number;
  readonly backoff: BackoffFunction;
}

/**
 * How long to wait before an attempt, counted from 1, once the one before it has failed. The first has no wait; undefined: the
 * policy has no such attempt, and the message is given up.
 */
export function delayBeforeAttempt(policy: RetryPolicy, attempt: number): DurationMs | undefined {
  if (attempt <= 1) return milliseconds(0);
  // From 0: which of the retries it is.
  const retry = attempt - 2;
  const { noDelayRetries, minDelayRetries, maxDelayRetries, retries } = policy;
  if (retry >= retries) return undefined;
  if (retry < noDelayRetries) return milliseconds(0);
  if (retry < noDelayRetries + minDelayRetries) return policy.minDelayMs;
  if (retry >= retries - maxDelayRetries) return policy.maxDelayMs;
  return grownDelay(policy, retry - noDelayRetries - minDelayRetries);
}

/** How many retries are between the least and the greatest delay. */
const backoffRetries = (policy: RetryPolicy): number =>
  policy.retries - policy.noDelayRetries - policy.minDelayRetries - policy.maxDelayRetries;

function grownDelay(policy: RetryPolicy, step: number): DurationMs {
  const { minDelayMs: least, maxDelayMs: greatest } = policy;
  const steps = backoffRetries(policy) - 1;
  if (steps === 0) return least;
  if (step === steps) return greatest;
  return milliseconds(Math.round(between(policy, step, steps, greatest - least)));
}

function between(policy: RetryPolicy, step: number, steps: number, span: number): number {
  const { minDelayMs: least, maxDelayMs: greatest, backoff } = policy;
  switch (backoff) {
    case "linear":
      return least + (span * step) / steps;
    case "arithmetic":
      return least + (span * step * (step + 1)) / (steps * (steps + 1));
    case "geometric":
      return least * (greatest / least) ** (step / steps);
    case "exponential":
      return Math.min(greatest, least * 2 ** step);
  }
}

/** All delays of a policy together, as a window in which a message is tried. */
export function totalDelayMs(policy: RetryPolicy): DurationMs {
  // The phases whose delays are alike are multiplied: they may have 100,000 retries each.
  let total =
    policy.minDelayRetries * policy.minDelayMs + policy.maxDelayRetries * policy.maxDelayMs;
  const steps = backoffRetries(policy);
  for (let step = 0; step < steps; step += 1) total += grownDelay(policy, step);
  return milliseconds(total);
}

/** What a target said about when to come back. */
export type RetryHint =
  /** Not earlier (`Retry-After`, RetryInfo): held against the greatest delay of the policy. */
  | { readonly kind: "not_before"; readonly delayMs: DurationMs }
  /** Then, whatever the policy says: a receiver's own answer for a message. */
  | { readonly kind: "asked"; readonly delayMs: DurationMs };

export interface NextAttempt {
  /** Which one, from 2. */
  readonly attempt: number;
  readonly hint: RetryHint | undefined;
  /** From 0 (inclusive) to 1 (exclusive), by chance; undefined: no jitter. */
  readonly chance: number | undefined;
}

/** How long to wait before the next attempt, all considered; undefined: there is none. */
export function nextAttemptDelay(
  policy: RetryPolicy,
  { attempt, hint, chance }: NextAttempt,
): DurationMs | undefined {
  const planned = delayBeforeAttempt(policy, attempt);
  if (planned === undefined) return undefined;
  if (hint?.kind === "asked") {
    return milliseconds(Math.min(hint.delayMs, deliveryLimits.askedDelayMsMax));
  }
  const least = Math.min(hint?.delayMs ?? 0, policy.maxDelayMs);
  const share = chance === undefined ? 0 : (chance * 2 - 1) * deliveryLimits.jitterShare;
  // Never before the target wants to be asked again.
  return milliseconds(Math.max(least, Math.round(planned * (1 + share))));
}
