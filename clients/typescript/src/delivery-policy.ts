// When failed deliveries are tried again, and how many go out in a second: of a topic, and of one subscription.

import {
  BackoffFunction as Backoffs,
  type DeliveryPolicy as WireDeliveryPolicy,
} from "../gen/forebay/topic/v1/topic.js";
import { type Choice, choiceOf } from "./choices.js";
import { durationOf, millisecondsOf } from "./durations.js";

/** How delays grow from the least to the greatest. */
export type BackoffFunction = Choice<typeof Backoffs>;

/** When failed deliveries are tried again. What is left out comes from the topic, then from the defaults of the kind. */
export interface DeliveryPolicy {
  /** All retries, the first attempt not counted. Webhooks: 0 to 100. */
  readonly retries?: number | undefined;
  /** Of these at once. */
  readonly noDelayRetries?: number | undefined;
  /** Of these after `minDelayMs`. */
  readonly minDelayRetries?: number | undefined;
  /** Of these after `maxDelayMs`; what is left of `retries` grows from one to the other. */
  readonly maxDelayRetries?: number | undefined;
  /** At least 1000. */
  readonly minDelayMs?: number | undefined;
  /** At most 3600000. */
  readonly maxDelayMs?: number | undefined;
  /** Default: LINEAR. */
  readonly backoff?: BackoffFunction | undefined;
  /** Deliveries a second at most; the rest waits and uses up no retries. */
  readonly maxReceivesPerSecond?: number | undefined;
  /** Of webhook requests. Default: `text/plain; charset=UTF-8`. */
  readonly headerContentType?: string | undefined;
  /** Of topics only: whether the policies of its webhook subscriptions are ignored. Default: false. */
  readonly disableSubscriptionOverrides?: boolean | undefined;
}

/** The wire's form of a policy. An empty one removes what there was. */
export function policyToWire(policy: DeliveryPolicy): WireDeliveryPolicy {
  const {
    maxReceivesPerSecond,
    headerContentType,
    disableSubscriptionOverrides,
    minDelayMs,
    maxDelayMs,
    backoff,
    ...counts
  } = policy;
  const phases = [minDelayMs, maxDelayMs, backoff, ...Object.values(counts)];
  const retry = {
    ...counts,
    minDelay: durationOf(minDelayMs),
    maxDelay: durationOf(maxDelayMs),
    backoff: Backoffs[backoff ?? "UNSPECIFIED"],
  };
  return {
    retry: phases.some((phase) => phase !== undefined) ? retry : undefined,
    maxReceivesPerSecond,
    headerContentType,
    disableSubscriptionOverrides,
  };
}

/** A policy as the server has it. */
export function policyOf(wire: WireDeliveryPolicy): DeliveryPolicy {
  const { retry, maxReceivesPerSecond, headerContentType, disableSubscriptionOverrides } = wire;
  return {
    retries: retry?.retries,
    noDelayRetries: retry?.noDelayRetries,
    minDelayRetries: retry?.minDelayRetries,
    maxDelayRetries: retry?.maxDelayRetries,
    minDelayMs: millisecondsOf(retry?.minDelay),
    maxDelayMs: millisecondsOf(retry?.maxDelay),
    backoff: choiceOf(Backoffs, retry?.backoff),
    maxReceivesPerSecond,
    headerContentType,
    disableSubscriptionOverrides,
  };
}
