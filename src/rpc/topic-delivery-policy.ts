// Delivery policies as callers write and read them.

import {
  type DeliveryPolicyProblem,
  deliveryPolicyProblems,
  type EffectiveDeliveryPolicy,
  type PolicyPlace,
} from "../delivery/delivery-policy.js";
import { BackoffFunction, type DeliveryPolicy } from "../gen/forebay/topic/v1/topic.js";
import type { DeliveryPolicy as KeptPolicy, RetryPhases } from "../topic/limits.js";
import { duration } from "./render.js";
import { parseDuration, parseEnum, type Violations } from "./violations.js";

type Mutable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] };

const backoffs = {
  LINEAR: "linear",
  ARITHMETIC: "arithmetic",
  GEOMETRIC: "geometric",
  EXPONENTIAL: "exponential",
} as const;

/** Longer than any delay that is allowed, so that the rules of policies say what is. */
const delayRange = { minMs: 0, maxMs: 86_400_000 };

/** A delivery policy; an empty message removes it. */
export function parseDeliveryPolicy(
  violations: Violations,
  given: DeliveryPolicy,
  place: PolicyPlace,
): KeptPolicy | undefined {
  const field = "settings.delivery_policy";
  const policy: Mutable<KeptPolicy> = {};
  const { retry, maxReceivesPerSecond, headerContentType, disableSubscriptionOverrides } = given;
  if (retry !== undefined) policy.retry = parseRetry(violations, `${field}.retry`, retry);
  if (maxReceivesPerSecond !== undefined) policy.receivesPerSecondMax = maxReceivesPerSecond;
  if (headerContentType !== undefined) policy.headerContentType = headerContentType;
  if (disableSubscriptionOverrides !== undefined) {
    policy.isOverridingSubscriptions = disableSubscriptionOverrides;
  }
  if (Object.keys(policy).length === 0) return undefined;
  for (const problem of deliveryPolicyProblems(policy, place)) {
    violations.add(reasons[problem.kind], `${field}.${problem.path}`, problem.description);
  }
  return policy;
}

const reasons = {
  invalid: "INVALID_PARAMETER",
  retry_window_too_long: "RETRY_WINDOW_TOO_LONG",
} as const satisfies Record<DeliveryPolicyProblem["kind"], string>;

function parseRetry(
  violations: Violations,
  field: string,
  given: NonNullable<DeliveryPolicy["retry"]>,
): RetryPhases {
  const retry: Mutable<RetryPhases> = {};
  const least = parseDuration(violations, `${field}.min_delay`, given.minDelay, delayRange);
  if (least !== undefined) retry.minDelayMs = least;
  const greatest = parseDuration(violations, `${field}.max_delay`, given.maxDelay, delayRange);
  if (greatest !== undefined) retry.maxDelayMs = greatest;
  if (given.retries !== undefined) retry.retries = given.retries;
  if (given.noDelayRetries !== undefined) retry.noDelayRetries = given.noDelayRetries;
  if (given.minDelayRetries !== undefined) retry.minDelayRetries = given.minDelayRetries;
  if (given.maxDelayRetries !== undefined) retry.maxDelayRetries = given.maxDelayRetries;
  const backoff = parseEnum(violations, `${field}.backoff`, given.backoff, BackoffFunction);
  if (backoff !== undefined) retry.backoff = backoffs[backoff];
  return retry;
}

const backoffNumbers = {
  linear: BackoffFunction.LINEAR,
  arithmetic: BackoffFunction.ARITHMETIC,
  geometric: BackoffFunction.GEOMETRIC,
  exponential: BackoffFunction.EXPONENTIAL,
} as const;

const renderRetry = (retry: RetryPhases): NonNullable<DeliveryPolicy["retry"]> => ({
  minDelay: retry.minDelayMs === undefined ? undefined : duration(retry.minDelayMs),
  maxDelay: retry.maxDelayMs === undefined ? undefined : duration(retry.maxDelayMs),
  retries: retry.retries,
  noDelayRetries: retry.noDelayRetries,
  minDelayRetries: retry.minDelayRetries,
  maxDelayRetries: retry.maxDelayRetries,
  backoff:
    retry.backoff === undefined ? BackoffFunction.UNSPECIFIED : backoffNumbers[retry.backoff],
});

export const renderDeliveryPolicy = (policy: KeptPolicy): DeliveryPolicy => ({
  retry: policy.retry && renderRetry(policy.retry),
  maxReceivesPerSecond: policy.receivesPerSecondMax,
  headerContentType: policy.headerContentType,
  disableSubscriptionOverrides: policy.isOverridingSubscriptions,
});

export const renderEffectivePolicy = (policy: EffectiveDeliveryPolicy): DeliveryPolicy => ({
  retry: renderRetry(policy.retry),
  maxReceivesPerSecond: policy.receivesPerSecondMax,
  headerContentType: policy.contentType,
  disableSubscriptionOverrides: undefined,
});
