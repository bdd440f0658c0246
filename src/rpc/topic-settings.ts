// The settings of topics and subscriptions as callers write and read them.

import type { QueueName } from "../base/brands.js";
import {
  type DeliveryPolicyProblem,
  deliveryPolicyProblems,
  type EffectiveDeliveryPolicy,
  type PolicyPlace,
} from "../delivery/delivery-policy.js";
import {
  BackoffFunction,
  type DeliveryPolicy,
  FifoThroughputScope,
  FilterPolicyScope,
  SignatureVersion,
  type SubscriptionSettings,
  TargetKind,
  type TopicSettings,
  TracingMode,
} from "../gen/forebay/topic/v1/topic.js";
import { parsePolicy } from "../policy/policy-document.js";
import { topicPolicyRules } from "../policy/topic-policy-rules.js";
import {
  type DeliveryPolicy as KeptPolicy,
  type SubscriptionSettings as KeptSubscription,
  type TopicSettings as KeptTopic,
  type RetryPhases,
  subscriptionDefaults,
  topicDefaults,
  topicLimits,
} from "../topic/limits.js";
import type { TargetKind as KeptKind } from "../topic/model.js";
import type { TopicAddress } from "../topic/topic-name.js";
import { duration } from "./render.js";
import type { WireFault } from "./status-details.js";
import { topicFaultOf } from "./topic-wire-errors.js";
import {
  checkListLength,
  listedMax,
  parseCount,
  parseDuration,
  parseEnum,
  type Violations,
} from "./violations.js";
import { notYet } from "./wire-errors.js";

type Mutable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] };

/** What this release refuses, rather than keep it and not act by it. */
export function findLaterTopicSetting(settings: TopicSettings | undefined): WireFault | undefined {
  if (settings === undefined) return undefined;
  if (settings.encryptionKey !== undefined) return laterSetting("encryption_key");
  if (settings.tracing === TracingMode.ACTIVE) return laterSetting("tracing");
  if (settings.deliveryLogging.length > 0) return laterSetting("delivery_logging");
  return settings.archiveRetention === undefined ? undefined : laterSetting("archive_retention");
}

export function findLaterSubscriptionSetting(
  settings: SubscriptionSettings | undefined,
): WireFault | undefined {
  if (settings === undefined) return undefined;
  if (settings.deliveryPolicy !== undefined) return laterSetting("delivery_policy");
  if (settings.stream !== undefined) return laterSetting("stream");
  if (settings.function !== undefined) return laterSetting("function");
  if (settings.webhook !== undefined) return laterSetting("webhook");
  return settings.autoDisableAfter === undefined ? undefined : laterSetting("auto_disable_after");
}

const laterSetting = (name: string): WireFault =>
  notYet(`The setting ${name} is`, `settings.${name}`);

/** The settings given, each in its range. */
export function parseTopicSettings(
  violations: Violations,
  settings: TopicSettings | undefined,
): Partial<KeptTopic> {
  if (settings === undefined) return {};
  const parsed: Partial<Mutable<KeptTopic>> = {};
  const { displayName, maximumMessageBytes, policy, deliveryPolicy } = settings;
  if (displayName !== undefined) {
    if ([...displayName].length > topicLimits.displayNameCharactersMax) {
      const description = `must have at most ${topicLimits.displayNameCharactersMax} characters`;
      violations.add("INVALID_PARAMETER", "settings.display_name", description);
    }
    parsed.displayName = displayName;
  }
  const bytes = parseCount(violations, "settings.maximum_message_bytes", maximumMessageBytes, {
    min: topicLimits.messageBytesMin,
    max: topicLimits.messageBytesMax,
  });
  if (bytes !== undefined) parsed.messageBytesMax = bytes;
  if (policy !== undefined) parsed.policy = policy === "" ? undefined : policy;
  if (deliveryPolicy !== undefined) {
    parsed.deliveryPolicy = parseDeliveryPolicy(violations, deliveryPolicy, { of: "topic" });
  }
  const version = parseEnum(
    violations,
    "settings.signature_version",
    settings.signatureVersion,
    SignatureVersion,
  );
  if (version !== undefined) parsed.signatureVersion = version === "SHA1" ? 1 : 2;
  if (settings.contentBasedDeduplication !== undefined) {
    parsed.isContentDeduplicated = settings.contentBasedDeduplication;
  }
  const scope = parseEnum(
    violations,
    "settings.fifo_throughput_scope",
    settings.fifoThroughputScope,
    FifoThroughputScope,
  );
  if (scope !== undefined) parsed.dedupScope = scope === "MESSAGE_GROUP" ? "group" : "topic";
  parseEnum(violations, "settings.tracing", settings.tracing, TracingMode);
  return parsed;
}

/** Checks the document of `settings.policy`; a quota that it passes is returned, to be thrown when no field is bad. */
export function checkTopicPolicy(
  violations: Violations,
  { namespace, name, given }: TopicAddress,
  text: string | undefined,
): WireFault | undefined {
  if (text === undefined || text === "") return undefined;
  const parsed = parsePolicy(text, { rules: topicPolicyRules, namespace, name });
  if (parsed.kind === "limit") {
    const { what, count, limit } = parsed;
    return topicFaultOf({ kind: "topic_policy_limit", topic: given, what, count, limit });
  }
  if (parsed.kind === "document") return undefined;
  for (const { code, path, line, column, description } of parsed.problems) {
    const field = path === "" ? "settings.policy" : `settings.policy.${path}`;
    violations.add("INVALID_POLICY", field, `line ${line}, column ${column}: ${description}`, {
      problem: code,
      line: String(line),
      column: String(column),
    });
  }
  return undefined;
}

const backoffs = {
  LINEAR: "linear",
  ARITHMETIC: "arithmetic",
  GEOMETRIC: "geometric",
  EXPONENTIAL: "exponential",
} as const;

/** Longer than any delay that is allowed, so that the rules of policies say what is. */
const delayRange = { minMs: 0, maxMs: 86_400_000 };

/** A delivery policy; an empty message removes it. */
function parseDeliveryPolicy(
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

/** What each path of an update mask of TopicSettings changes. */
const topicPaths: Readonly<Record<string, keyof KeptTopic>> = {
  display_name: "displayName",
  maximum_message_bytes: "messageBytesMax",
  policy: "policy",
  delivery_policy: "deliveryPolicy",
  signature_version: "signatureVersion",
  content_based_deduplication: "isContentDeduplicated",
  fifo_throughput_scope: "dedupScope",
};

const subscriptionPaths: Readonly<Record<string, keyof KeptSubscription>> = {
  raw_message_delivery: "isRaw",
  filter_policy: "filterPolicy",
  filter_policy_scope: "filterScope",
  delivery_policy: "deliveryPolicy",
  dead_letter_queue: "deadLetterQueue",
  paused: "isPaused",
  ttl_to_dlq: "isExpiredToDeadLetters",
};

/** Exactly the fields named change, and those without a value go back to their defaults. */
function applyMask<Settings extends object>(
  violations: Violations,
  mask: readonly string[] | undefined,
  given: Partial<Settings>,
  parts: {
    readonly paths: Readonly<Record<string, keyof Settings>>;
    readonly defaults: Settings;
    readonly immutable: readonly string[];
  },
): Partial<Settings> {
  const settings: Partial<Settings> = {};
  if (mask === undefined || mask.length === 0) {
    violations.add("MISSING_PARAMETER", "update_mask", "names the settings to change");
    return settings;
  }
  if (!checkListLength(violations, "update_mask.paths", mask.length, listedMax)) return settings;
  mask.forEach((path, index) => {
    const field = `update_mask.paths[${index}]`;
    const key = Object.hasOwn(parts.paths, path) ? parts.paths[path] : undefined;
    if (key !== undefined) {
      Object.assign(settings, { [key]: key in given ? given[key] : parts.defaults[key] });
    } else if (parts.immutable.includes(path)) {
      violations.add("IMMUTABLE_FIELD", field, `"${path}" never changes`);
    } else {
      const known = Object.keys(parts.paths).join(", ");
      const description = `"${path.slice(0, 64)}" is no setting that can change; those are ${known}`;
      violations.add("INVALID_PARAMETER", field, description);
    }
  });
  return settings;
}

export const applyTopicMask = (
  violations: Violations,
  mask: readonly string[] | undefined,
  given: Partial<KeptTopic>,
): Partial<KeptTopic> =>
  applyMask(violations, mask, given, {
    paths: topicPaths,
    defaults: topicDefaults,
    immutable: ["type", "topic"],
  });

export const applySubscriptionMask = (
  violations: Violations,
  mask: readonly string[] | undefined,
  given: Partial<KeptSubscription>,
): Partial<KeptSubscription> =>
  applyMask(violations, mask, given, {
    paths: subscriptionPaths,
    defaults: subscriptionDefaults,
    immutable: ["kind", "endpoint", "topic", "subscription"],
  });

const queueNamePattern = /^(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?$/;

export function parseSubscriptionSettings(
  violations: Violations,
  settings: SubscriptionSettings | undefined,
): Partial<KeptSubscription> {
  if (settings === undefined) return {};
  const parsed: Partial<Mutable<KeptSubscription>> = {};
  const { rawMessageDelivery, filterPolicy, deadLetterQueue, paused, ttlToDlq } = settings;
  if (rawMessageDelivery !== undefined) parsed.isRaw = rawMessageDelivery;
  if (filterPolicy !== undefined) parsed.filterPolicy = givenFilter(filterPolicy);
  const scope = parseEnum(
    violations,
    "settings.filter_policy_scope",
    settings.filterPolicyScope,
    FilterPolicyScope,
    "INVALID_SCOPE",
  );
  if (scope !== undefined) {
    parsed.filterScope = scope === "MESSAGE_BODY" ? "body" : "attributes";
  }
  if (deadLetterQueue !== undefined) {
    if (deadLetterQueue !== "" && !queueNamePattern.test(deadLetterQueue)) {
      const description = "must be the name of a queue in the topic's namespace";
      violations.add("INVALID_PARAMETER", "settings.dead_letter_queue", description);
    }
    parsed.deadLetterQueue = deadLetterQueue === "" ? undefined : (deadLetterQueue as QueueName);
  }
  if (paused !== undefined) parsed.isPaused = paused;
  if (ttlToDlq !== undefined) parsed.isExpiredToDeadLetters = ttlToDlq;
  return parsed;
}

/** Empty text and an empty object take everything, as no filter does. */
const givenFilter = (text: string): string | undefined =>
  /^\s*(\{\s*\})?\s*$/.test(text) ? undefined : text;

// ---- as they are read --------------------------------------------------------------------------------------------------

const signatureVersions = { 1: SignatureVersion.SHA1, 2: SignatureVersion.SHA256 } as const;

export const renderTopicSettings = (settings: KeptTopic, isFifo: boolean): TopicSettings => ({
  displayName: settings.displayName,
  maximumMessageBytes: settings.messageBytesMax,
  policy: settings.policy ?? "",
  deliveryPolicy: settings.deliveryPolicy && renderDeliveryPolicy(settings.deliveryPolicy),
  signatureVersion: signatureVersions[settings.signatureVersion],
  encryptionKey: undefined,
  tracing: TracingMode.PASS_THROUGH,
  deliveryLogging: [],
  contentBasedDeduplication: isFifo ? settings.isContentDeduplicated : undefined,
  fifoThroughputScope: isFifo ? scopeOf(settings) : FifoThroughputScope.UNSPECIFIED,
  archiveRetention: undefined,
});

const scopeOf = ({ dedupScope }: KeptTopic): FifoThroughputScope =>
  dedupScope === "group" ? FifoThroughputScope.MESSAGE_GROUP : FifoThroughputScope.TOPIC;

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

const renderDeliveryPolicy = (policy: KeptPolicy): DeliveryPolicy => ({
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

export const renderSubscriptionSettings = (settings: KeptSubscription): SubscriptionSettings => ({
  rawMessageDelivery: settings.isRaw,
  filterPolicy: settings.filterPolicy ?? "",
  filterPolicyScope:
    settings.filterScope === "body"
      ? FilterPolicyScope.MESSAGE_BODY
      : FilterPolicyScope.MESSAGE_ATTRIBUTES,
  deliveryPolicy: settings.deliveryPolicy && renderDeliveryPolicy(settings.deliveryPolicy),
  deadLetterQueue: settings.deadLetterQueue ?? "",
  paused: settings.isPaused,
  stream: undefined,
  function: undefined,
  webhook: undefined,
  ttlToDlq: settings.isExpiredToDeadLetters,
  autoDisableAfter: undefined,
});

export const targetKinds: Readonly<Record<KeptKind, TargetKind>> = {
  queue: TargetKind.QUEUE,
  http: TargetKind.HTTP,
  https: TargetKind.HTTPS,
  function: TargetKind.FUNCTION,
  stream: TargetKind.STREAM,
};
