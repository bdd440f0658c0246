// What a delivery goes by when topic and subscription say something, in part or not at all; and all that is wrong with a policy.

import { describe, expect, test } from "vitest";
import { milliseconds, seconds } from "../../src/base/brands.js";
import {
  deliveryPolicyProblems,
  effectiveDeliveryPolicy,
  internalRetryPolicy,
  type PolicyPlace,
  webhookRetryPolicy,
} from "../../src/delivery/delivery-policy.js";
import type { DeliveryPolicy } from "../../src/topic/limits.js";

const none = { topic: undefined, subscription: undefined };

describe("the effective policy", () => {
  test.each(["http", "https"] as const)("of %s without any is SNS's default", (kind) => {
    expect(effectiveDeliveryPolicy({ kind, ...none })).toEqual({
      retry: webhookRetryPolicy,
      receivesPerSecondMax: undefined,
      contentType: "text/plain; charset=UTF-8",
    });
  });

  test.each(["queue", "function", "stream"] as const)("of %s tries for 23 days", (kind) => {
    expect(effectiveDeliveryPolicy({ kind, ...none }).retry).toEqual(internalRetryPolicy);
  });

  test("of a policy in part shows the other fields at their defaults", () => {
    const topic = { retry: { minDelayMs: seconds(5), maxDelayMs: seconds(6), retries: 1 } };
    expect(effectiveDeliveryPolicy({ ...none, kind: "https", topic }).retry).toEqual({
      minDelayMs: 5_000,
      maxDelayMs: 6_000,
      retries: 1,
      noDelayRetries: 0,
      minDelayRetries: 0,
      maxDelayRetries: 0,
      backoff: "linear",
    });
  });

  const topic: DeliveryPolicy = {
    retry: { retries: 7, backoff: "geometric" },
    receivesPerSecondMax: 10,
    headerContentType: "application/json",
  };

  test("takes each part from the subscription, else from the topic", () => {
    const subscription = { retry: { retries: 2 } };
    const effective = effectiveDeliveryPolicy({ kind: "http", topic, subscription });
    // The retry policy as a whole: the topic's growth is no part of the subscription's.
    expect(effective).toEqual({
      retry: { ...webhookRetryPolicy, retries: 2 },
      receivesPerSecondMax: 10,
      contentType: "application/json",
    });
  });

  test("is the topic's alone where it overrides its subscriptions", () => {
    const overriding = { ...topic, isOverridingSubscriptions: true };
    const subscription = { retry: { retries: 2 }, receivesPerSecondMax: 1 };
    const effective = effectiveDeliveryPolicy({ kind: "http", topic: overriding, subscription });
    expect(effective.retry.retries).toBe(7);
    expect(effective.receivesPerSecondMax).toBe(10);
  });

  test("of a target that is no webhook has nothing of the topic", () => {
    const overriding = { ...topic, isOverridingSubscriptions: true };
    const subscription = { receivesPerSecondMax: 3 };
    const effective = effectiveDeliveryPolicy({
      kind: "function",
      topic: overriding,
      subscription,
    });
    expect(effective).toMatchObject({ retry: internalRetryPolicy, receivesPerSecondMax: 3 });
  });
});

const ofTopic: PolicyPlace = { of: "topic" };
const ofWebhook: PolicyPlace = { of: "subscription", kind: "https", isRaw: false };
const ofRawWebhook: PolicyPlace = { of: "subscription", kind: "https", isRaw: true };
const ofFunction: PolicyPlace = { of: "subscription", kind: "function", isRaw: false };

const pathsOf = (policy: DeliveryPolicy, place: PolicyPlace): string[] =>
  deliveryPolicyProblems(policy, place).map(({ path }) => path);

describe("a policy is taken", () => {
  test.each<[string, DeliveryPolicy, PolicyPlace]>([
    ["empty", {}, ofTopic],
    [
      "at the least of everything",
      {
        retry: { minDelayMs: seconds(1), maxDelayMs: seconds(1), retries: 0 },
        receivesPerSecondMax: 1,
      },
      ofTopic,
    ],
    ["with 100 retries", { retry: { retries: 100 } }, ofWebhook],
    [
      "with an hour once",
      { retry: { minDelayMs: seconds(3_600), maxDelayMs: seconds(3_600), retries: 1 } },
      ofWebhook,
    ],
    [
      "with phases that use up all retries",
      { retry: { retries: 3, noDelayRetries: 1, minDelayRetries: 1, maxDelayRetries: 1 } },
      ofWebhook,
    ],
    [
      "for a function, with more retries and a longer window",
      { retry: { retries: 100_015, maxDelayMs: seconds(3_600) } },
      ofFunction,
    ],
    ["with JSON", { headerContentType: "application/json; charset=utf-8" }, ofTopic],
    ["raw, with XML", { headerContentType: "application/soap+xml" }, ofRawWebhook],
    ["overriding", { isOverridingSubscriptions: true }, ofTopic],
  ])("%s", (_, policy, place) => {
    expect(deliveryPolicyProblems(policy, place)).toEqual([]);
  });
});

describe("a policy is refused", () => {
  test.each<[string, DeliveryPolicy, PolicyPlace, string]>([
    [
      "a delay below a second",
      { retry: { minDelayMs: milliseconds(999) } },
      ofTopic,
      "retry.min_delay",
    ],
    [
      "a delay above an hour",
      { retry: { maxDelayMs: milliseconds(3_600_001) } },
      ofTopic,
      "retry.max_delay",
    ],
    [
      "a greatest delay below the default least",
      { retry: { maxDelayMs: seconds(19) } },
      ofTopic,
      "retry.max_delay",
    ],
    [
      "a least delay above the default greatest",
      { retry: { minDelayMs: seconds(21) } },
      ofTopic,
      "retry.min_delay",
    ],
    ["101 retries", { retry: { retries: 101 } }, ofWebhook, "retry.retries"],
    ["retries below none", { retry: { retries: -1 } }, ofWebhook, "retry.retries"],
    ["100,016 retries of a function", { retry: { retries: 100_016 } }, ofFunction, "retry.retries"],
    ["half a retry", { retry: { retries: 1.5 } }, ofWebhook, "retry.retries"],
    [
      "phases with more than all retries",
      { retry: { retries: 3, noDelayRetries: 2, maxDelayRetries: 2 } },
      ofWebhook,
      "retry.retries",
    ],
    [
      "a phase below none",
      { retry: { minDelayRetries: -1 } },
      ofWebhook,
      "retry.min_delay_retries",
    ],
    ["no delivery a second", { receivesPerSecondMax: 0 }, ofWebhook, "max_receives_per_second"],
    ["XML in an envelope", { headerContentType: "text/xml" }, ofWebhook, "header_content_type"],
    [
      "XML in the policy of a topic",
      { headerContentType: "text/xml" },
      ofTopic,
      "header_content_type",
    ],
    [
      "a type nobody knows",
      { headerContentType: "image/png" },
      ofRawWebhook,
      "header_content_type",
    ],
    [
      "a header within the type",
      { headerContentType: "text/plain\r\nx: y" },
      ofRawWebhook,
      "header_content_type",
    ],
    [
      "a content type of a function",
      { headerContentType: "text/plain" },
      ofFunction,
      "header_content_type",
    ],
    [
      "a subscription that overrides",
      { isOverridingSubscriptions: false },
      ofWebhook,
      "disable_subscription_overrides",
    ],
  ])("%s", (_, policy, place, path) => {
    expect(pathsOf(policy, place)).toEqual([path]);
  });

  test("with all that is wrong at once", () => {
    const policy = {
      retry: {
        minDelayMs: seconds(0),
        maxDelayMs: seconds(4_000),
        retries: 101,
        noDelayRetries: -1,
      },
      receivesPerSecondMax: 0,
      headerContentType: "",
      isOverridingSubscriptions: true,
    };
    expect(pathsOf(policy, ofWebhook)).toEqual([
      "retry.min_delay",
      "retry.max_delay",
      "retry.retries",
      "retry.no_delay_retries",
      "max_receives_per_second",
      "header_content_type",
      "disable_subscription_overrides",
    ]);
  });

  test("when its delays sum to more than an hour, to the millisecond", () => {
    const retry = { minDelayMs: seconds(1_200), maxDelayMs: seconds(1_200), retries: 3 };
    expect(deliveryPolicyProblems({ retry }, ofWebhook)).toEqual([]);
    const longer = { ...retry, maxDelayMs: milliseconds(1_200_001) };
    expect(deliveryPolicyProblems({ retry: longer }, ofWebhook)).toEqual([
      expect.objectContaining({ kind: "retry_window_too_long", path: "retry" }),
    ]);
    expect(deliveryPolicyProblems({ retry: longer }, ofFunction)).toEqual([]);
  });
});
