// The settings of topics and subscriptions as callers write and read them.

import type { QueueName } from "../base/brands.js";
import {
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
  type SubscriptionSettings as KeptSubscription,
  type TopicSettings as KeptTopic,
  subscriptionDefaults,
  topicDefaults,
  topicLimits,
} from "../topic/limits.js";
import type { TargetKind as KeptKind } from "../topic/model.js";
import type { TopicAddress } from "../topic/topic-name.js";
import { duration } from "./render.js";
import type { WireFault } from "./status-details.js";
import { parseArchiveRetention } from "./topic-archive-settings.js";
import { parseDeliveryLogging, renderDeliveryLogging } from "./topic-delivery-logging.js";
import { parseDeliveryPolicy, renderDeliveryPolicy } from "./topic-delivery-policy.js";
import { parsePushSettings, renderPushSettings } from "./topic-push-settings.js";
import { parseStreamSettings } from "./topic-stream-settings.js";
import { topicFaultOf } from "./topic-wire-errors.js";
import {
  checkListLength,
  listedMax,
  parseCount,
  parseEnum,
  type Violations,
} from "./violations.js";
import { notYet } from "./wire-errors.js";

type Mutable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] };

/** What this release refuses, rather than keep it and not act by it. */
export function findLaterTopicSetting(settings: TopicSettings | undefined): WireFault | undefined {
  if (settings === undefined) return undefined;
  if (settings.encryptionKey !== undefined) return laterSetting("encryption_key");
  return settings.tracing === TracingMode.ACTIVE ? laterSetting("tracing") : undefined;
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
  if (settings.deliveryLogging.length > 0) {
    parsed.deliveryLogging = parseDeliveryLogging(violations, settings.deliveryLogging);
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
  const retention = parseArchiveRetention(violations, settings.archiveRetention);
  if (retention !== undefined) parsed.archiveRetentionMs = retention;
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

/** What each path of an update mask of TopicSettings changes. */
const topicPaths: Readonly<Record<string, keyof KeptTopic>> = {
  display_name: "displayName",
  maximum_message_bytes: "messageBytesMax",
  policy: "policy",
  delivery_policy: "deliveryPolicy",
  signature_version: "signatureVersion",
  content_based_deduplication: "isContentDeduplicated",
  fifo_throughput_scope: "dedupScope",
  delivery_logging: "deliveryLogging",
  archive_retention: "archiveRetentionMs",
};

const subscriptionPaths: Readonly<Record<string, keyof KeptSubscription>> = {
  raw_message_delivery: "isRaw",
  filter_policy: "filterPolicy",
  filter_policy_scope: "filterScope",
  delivery_policy: "deliveryPolicy",
  dead_letter_queue: "deadLetterQueue",
  paused: "isPaused",
  ttl_to_dlq: "isExpiredToDeadLetters",
  auto_disable_after: "autoDisableAfterMs",
  function: "function",
  webhook: "webhook",
  stream: "stream",
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
    /** Settings with one value yet: it is what they are set to, and others are refused where settings are read. */
    readonly constant: readonly string[];
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
    if (parts.constant.includes(path)) return;
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
    constant: ["tracing", "encryption_key"],
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
    constant: [],
  });

const queueNamePattern = /^(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?$/;

export function parseSubscriptionSettings(
  violations: Violations,
  settings: SubscriptionSettings | undefined,
  /** Undefined: of whatever kind the subscription is. */
  kind?: KeptKind,
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
  if (settings.stream !== undefined) {
    parsed.stream = parseStreamSettings(violations, settings.stream);
  }
  return { ...parsed, ...parsePushSettings(violations, settings, kind) };
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
  deliveryLogging: renderDeliveryLogging(settings.deliveryLogging),
  contentBasedDeduplication: isFifo ? settings.isContentDeduplicated : undefined,
  fifoThroughputScope: isFifo ? scopeOf(settings) : FifoThroughputScope.UNSPECIFIED,
  archiveRetention: duration(settings.archiveRetentionMs),
});

const scopeOf = ({ dedupScope }: KeptTopic): FifoThroughputScope =>
  dedupScope === "group" ? FifoThroughputScope.MESSAGE_GROUP : FifoThroughputScope.TOPIC;

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
  ...renderPushSettings(settings),
  ttlToDlq: settings.isExpiredToDeadLetters,
  autoDisableAfter: duration(settings.autoDisableAfterMs),
});

export const targetKinds: Readonly<Record<KeptKind, TargetKind>> = {
  queue: TargetKind.QUEUE,
  http: TargetKind.HTTP,
  https: TargetKind.HTTPS,
  function: TargetKind.FUNCTION,
  stream: TargetKind.STREAM,
};
