// Every bound of the topic service, and what a new topic or subscription is made with. Numbers without a source are Amazon SNS's
// (developer guide and API model of 2026); the others say where they come from.

import { type DurationMs, days, hours, minutes, type QueueName, seconds } from "../base/brands.js";
import type { StreamSettings } from "./stream-limits.js";

export const topicLimits = {
  /** Without the suffix of a FIFO topic. */
  nameCharactersMax: 256,
  fifoSuffix: ".fifo",
  displayNameCharactersMax: 100,
  messageBytesMin: 1_024,
  messageBytesMax: 1_048_576,
  batchEntriesMax: 10,
  batchBytesMax: 1_048_576,
  subjectCharactersMax: 100,
  attributeNameCharactersMax: 256,
  attributeTypeBytesMax: 256,
  /** Ours: what a publish may attach. A queue takes ten, so more reach only who gets the envelope or no queue. */
  attributesMax: 100,
  idCharactersMax: 128,
  contentTypeCharactersMax: 256,
  delayMsMax: hours(12),
  timeToLiveMsMin: seconds(1),
  timeToLiveMsMax: days(14),
  tagsMax: 50,
  pageMax: 100,
  streamNameCharactersMax: 80,
  /** Filters of a subscription that judge messages which wait for it; ours. */
  filterVersionsMax: 100,
  policyBytesMax: 30_720,

  /** How long a publish with a deduplication id stands for its repeats, counted from the first one. */
  dedupWindowMs: minutes(5),
  /** Ids that have ended and that one publish takes away: more than it adds, so that they do not pile up. */
  dedupSweepMax: 4,

  /** Of one namespace, and of one topic, where the server is not set otherwise. */
  standardTopicsMax: 100_000,
  fifoTopicsMax: 1_000,
  filtersPerTopicMax: 200,
  filtersPerNamespaceMax: 10_000,
  pendingPerNamespaceMax: 5_000,
  standardSubscriptionsMax: 12_500_000,
  fifoSubscriptionsMax: 100,

  /** How long a message waits for a subscription that is paused; ours, as long as queues keep messages at most. */
  backlogMsMax: days(14),

  /** Attributes that a queue message can have. */
  queueAttributesMax: 10,

  // How fan-out is cut into steps, each a command of some milliseconds. Ours.
  /** Messages handed round together, and their bytes, save that one always is. */
  passMessagesMax: 64,
  passBytesMax: 1_048_576,
  /** A step ends after so many copies or bytes of copies, save that one subscription always gets its messages. */
  stepCopiesMax: 250,
  stepBytesMax: 1_048_576,
  /** Subscriptions that a step looks at; most may have a filter that keeps everything back. */
  stepSubscriptionsMax: 1_000,
  /**
   * Subscriptions of a topic, and characters of their filters, that are kept in memory between steps. Measured with one key and
   * one value a filter: 35 MB for 10,000 filters of 20 characters, 69 MB for 20,000, and 94 MB at both bounds.
   */
  keptSubscriptionsMax: 20_000,
  keptPolicyCharactersMax: 4_194_304,
  /** A publish hands its message on by itself to so many subscriptions, if all copies together are no longer than so many bytes. */
  inlineSubscriptionsMax: 10,
  inlineBytesMax: 262_144,
  /** Messages that everybody has and that one step removes. */
  trimMax: 200,
  /** Subscriptions of a deleted topic that one step removes. */
  reapMax: 500,
} as const;

/** When a delivery is tried again; what is unset comes from the topic, then from the defaults of the kind of target. */
export interface RetryPhases {
  readonly minDelayMs?: DurationMs;
  readonly maxDelayMs?: DurationMs;
  readonly retries?: number;
  readonly noDelayRetries?: number;
  readonly minDelayRetries?: number;
  readonly maxDelayRetries?: number;
  readonly backoff?: BackoffFunction;
}

export type BackoffFunction = "linear" | "arithmetic" | "geometric" | "exponential";

/** How deliveries are retried and throttled, as it was given. */
export interface DeliveryPolicy {
  readonly retry?: RetryPhases;
  readonly receivesPerSecondMax?: number;
  readonly headerContentType?: string;
  /** Topics only. */
  readonly isOverridingSubscriptions?: boolean;
}

export interface TopicSettings {
  readonly displayName: string;
  readonly messageBytesMax: number;
  /** The resource policy's JSON text, as it was given. */
  readonly policy: string | undefined;
  readonly deliveryPolicy: DeliveryPolicy | undefined;
  readonly signatureVersion: 1 | 2;
  /** FIFO: whether a publish without a deduplication id gets the SHA-256 of its message. */
  readonly isContentDeduplicated: boolean;
  /** FIFO: where a deduplication id is looked up. */
  readonly dedupScope: "topic" | "group";
  /** Of kinds of targets that are not listed, failures are logged. */
  readonly deliveryLogging: readonly DeliveryLogging[];
  /** The data protection policy's JSON text, as it was given. */
  readonly dataProtectionPolicy: string | undefined;
  /** How long messages stay for replays after everybody has them; 0: they do not. */
  readonly archiveRetentionMs: DurationMs;
}

/** Which deliveries to one kind of target are logged. */
export interface DeliveryLogging {
  readonly kind: "queue" | "http" | "https" | "function" | "stream";
  /** Of a hundred. */
  readonly successSamplePercent: number;
  readonly areFailuresLogged: boolean;
}

export const topicDefaults: TopicSettings = {
  displayName: "",
  messageBytesMax: topicLimits.messageBytesMax,
  policy: undefined,
  deliveryPolicy: undefined,
  signatureVersion: 2,
  isContentDeduplicated: false,
  dedupScope: "topic",
  deliveryLogging: [],
  dataProtectionPolicy: undefined,
  archiveRetentionMs: 0 as DurationMs,
};

/** How functions are called; what is unset has its default. */
export interface FunctionSettings extends ClientTls {
  readonly batchMax?: number;
  readonly timeoutMs?: DurationMs;
  readonly concurrencyMax?: number;
  /** Whether each message also comes as the event that a Lambda function gets. */
  readonly isLambdaEvent?: boolean;
  readonly bearerToken?: string;
}

/** How webhooks are called. */
export interface WebhookSettings extends ClientTls {
  /** Base64. */
  readonly hmacSecret?: string;
  /** Whether attributes of messages alone go as headers. */
  readonly hasAttributeHeaders?: boolean;
}

/** PEM. */
export interface ClientTls {
  readonly caCertificates?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
}

export const functionDefaults = {
  batchMax: 1,
  timeoutMs: seconds(30),
  concurrencyMax: 10,
} as const;

export interface SubscriptionSettings {
  /** Whether the message alone is delivered, without the envelope. */
  readonly isRaw: boolean;
  /** Which messages are for it, as it was given; undefined: all. */
  readonly filterPolicy: string | undefined;
  readonly filterScope: FilterScope;
  readonly deliveryPolicy: DeliveryPolicy | undefined;
  /** For messages that cannot be delivered: a queue of the topic's namespace, which may have been deleted since. */
  readonly deadLetterQueue: QueueName | undefined;
  readonly isPaused: boolean;
  /** Whether a message whose time to live ended before it was delivered goes to the dead-letter queue. */
  readonly isExpiredToDeadLetters: boolean;
  /** How long a target may do nothing but fail; 0: for ever. */
  readonly autoDisableAfterMs: DurationMs;
  /** Of functions. */
  readonly function: FunctionSettings | undefined;
  /** Of webhooks. */
  readonly webhook: WebhookSettings | undefined;
  /** Of streams. */
  readonly stream: StreamSettings | undefined;
}

export type FilterScope = "attributes" | "body";

export const subscriptionDefaults: SubscriptionSettings = {
  isRaw: false,
  filterPolicy: undefined,
  filterScope: "attributes",
  deliveryPolicy: undefined,
  deadLetterQueue: undefined,
  isPaused: false,
  isExpiredToDeadLetters: false,
  autoDisableAfterMs: 0 as DurationMs,
  function: undefined,
  webhook: undefined,
  stream: undefined,
};
