// How deliveries to one subscription are retried and throttled: what its own policy says, then the topic's, then the defaults of
// its kind (Amazon SNS's names and defaults).
//
// Policies are merged by their parts, as SNS does: whoever gives a retry policy gives a whole one, and what it leaves out is the
// default of a retry policy, not the field of another's. So the parts of the result always fit each other.

import { seconds } from "../base/brands.js";
import type { DeliveryPolicy, RetryPhases } from "../topic/limits.js";
import type { TargetKind } from "../topic/model.js";
import { contentTypeProblem } from "./content-types.js";
import { deliveryLimits } from "./limits.js";
import { type RetryPolicy, totalDelayMs } from "./retry-delays.js";

export interface EffectiveDeliveryPolicy {
  readonly retry: RetryPolicy;
  /** Undefined: as fast as the target takes them. */
  readonly receivesPerSecondMax: number | undefined;
  readonly contentType: string;
}

/** What is wrong with a policy; `path` is that of the field in the contract, from the policy on. */
export interface DeliveryPolicyProblem {
  readonly kind: "invalid" | "retry_window_too_long";
  readonly path: string;
  readonly description: string;
}

/** Where a policy stands: that of a topic is for its webhooks. */
export type PolicyPlace =
  | { readonly of: "topic" }
  | { readonly of: "subscription"; readonly kind: TargetKind; readonly isRaw: boolean };

/** Also what completes a retry policy that is given in part, of whatever kind. */
export const webhookRetryPolicy: RetryPolicy = {
  minDelayMs: seconds(20),
  maxDelayMs: seconds(20),
  retries: 3,
  noDelayRetries: 0,
  minDelayRetries: 0,
  maxDelayRetries: 0,
  backoff: "linear",
};

/** SNS's for targets inside AWS: 23 days. */
export const internalRetryPolicy: RetryPolicy = {
  minDelayMs: seconds(1),
  maxDelayMs: seconds(20),
  retries: 100_015,
  noDelayRetries: 3,
  minDelayRetries: 2,
  maxDelayRetries: 100_000,
  backoff: "exponential",
};

export const contentTypeDefault = "text/plain; charset=UTF-8";

const isWebhook = (kind: TargetKind): kind is "http" | "https" =>
  kind === "http" || kind === "https";

export interface PolicySources {
  readonly kind: TargetKind;
  readonly topic: DeliveryPolicy | undefined;
  readonly subscription: DeliveryPolicy | undefined;
}

/** What deliveries go by. A topic's policy is for webhooks alone. */
export function effectiveDeliveryPolicy(sources: PolicySources): EffectiveDeliveryPolicy {
  const isOfWebhook = isWebhook(sources.kind);
  const topic = isOfWebhook ? sources.topic : undefined;
  const own = topic?.isOverridingSubscriptions === true ? undefined : sources.subscription;
  const retry = own?.retry ?? topic?.retry;
  return {
    retry: retry === undefined ? defaultsOf(isOfWebhook) : completed(retry),
    receivesPerSecondMax: own?.receivesPerSecondMax ?? topic?.receivesPerSecondMax,
    contentType: own?.headerContentType ?? topic?.headerContentType ?? contentTypeDefault,
  };
}

const defaultsOf = (isOfWebhook: boolean): RetryPolicy =>
  isOfWebhook ? webhookRetryPolicy : internalRetryPolicy;

const completed = (phases: RetryPhases): RetryPolicy => ({ ...webhookRetryPolicy, ...phases });

/** Everything that is wrong with a policy, as it was given. */
export function deliveryPolicyProblems(
  policy: DeliveryPolicy,
  place: PolicyPlace,
): readonly DeliveryPolicyProblem[] {
  const { retry, receivesPerSecondMax, headerContentType, isOverridingSubscriptions } = policy;
  const ofWebhook = place.of === "topic" || isWebhook(place.kind);
  const problems = retry === undefined ? [] : retryProblems(retry, ofWebhook);
  if (receivesPerSecondMax !== undefined && !isWhole(receivesPerSecondMax, 1, Number.MAX_VALUE)) {
    problems.push(invalid("max_receives_per_second", "is a whole number of at least 1"));
  }
  if (headerContentType !== undefined) {
    const isRaw = place.of === "subscription" && place.isRaw;
    const description = ofWebhook
      ? contentTypeProblem(headerContentType, isRaw)
      : "is for webhooks; other targets get no content type";
    if (description !== undefined) problems.push(invalid("header_content_type", description));
  }
  if (isOverridingSubscriptions !== undefined && place.of === "subscription") {
    problems.push(invalid("disable_subscription_overrides", "is a setting of topics"));
  }
  return problems;
}

const invalid = (path: string, description: string): DeliveryPolicyProblem => ({
  kind: "invalid",
  path,
  description,
});

const countPaths = {
  noDelayRetries: "retry.no_delay_retries",
  minDelayRetries: "retry.min_delay_retries",
  maxDelayRetries: "retry.max_delay_retries",
} as const;

function retryProblems(given: RetryPhases, ofWebhook: boolean): DeliveryPolicyProblem[] {
  const policy = completed(given);
  const problems = delayProblems(policy, given);
  const retriesMax = ofWebhook ? deliveryLimits.webhookRetriesMax : deliveryLimits.retriesMax;
  if (!isWhole(policy.retries, 0, retriesMax)) {
    problems.push(invalid("retry.retries", `is a whole number from 0 to ${retriesMax}`));
  }
  for (const [field, path] of Object.entries(countPaths)) {
    const count = policy[field as keyof typeof countPaths];
    if (!isWhole(count, 0, Number.MAX_SAFE_INTEGER)) {
      problems.push(invalid(path, "is a whole number of at least 0"));
    }
  }
  if (problems.length > 0) return problems;
  const parts = policy.noDelayRetries + policy.minDelayRetries + policy.maxDelayRetries;
  if (parts > policy.retries) {
    const description = `is ${policy.retries}, and the retries of its phases sum to ${parts}`;
    return [invalid("retry.retries", description)];
  }
  const total = totalDelayMs(policy);
  if (ofWebhook && total > deliveryLimits.retryWindowMsMax) {
    return [
      {
        kind: "retry_window_too_long",
        path: "retry",
        description: `has delays that sum to ${total / 1_000} s, and at most ${deliveryLimits.retryWindowMsMax / 1_000} s are allowed for webhooks`,
      },
    ];
  }
  return problems;
}

function delayProblems(policy: RetryPolicy, given: RetryPhases): DeliveryPolicyProblem[] {
  const { delayTargetMsMin: least, delayTargetMsMax: greatest } = deliveryLimits;
  const range = `from ${least / 1_000} s to ${greatest / 1_000} s`;
  const { minDelayMs, maxDelayMs } = policy;
  const problems: DeliveryPolicyProblem[] = [];
  if (!isWithin(minDelayMs, least, greatest)) {
    problems.push(invalid("retry.min_delay", `is ${range}`));
  }
  if (!isWithin(maxDelayMs, least, greatest)) {
    problems.push(invalid("retry.max_delay", `is ${range}`));
  }
  if (problems.length === 0 && minDelayMs > maxDelayMs) {
    // The one that was given is at fault, the other being a default.
    const path = given.maxDelayMs === undefined ? "retry.min_delay" : "retry.max_delay";
    const description = `the least delay is ${minDelayMs / 1_000} s and the greatest ${maxDelayMs / 1_000} s`;
    problems.push(invalid(path, description));
  }
  return problems;
}

const isWithin = (value: number, least: number, greatest: number): boolean =>
  value >= least && value <= greatest;

const isWhole = (value: number, least: number, greatest: number): boolean =>
  Number.isInteger(value) && isWithin(value, least, greatest);
