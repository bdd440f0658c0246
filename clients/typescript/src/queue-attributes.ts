// The settings of a queue: the contract's QueueAttributes with spans in milliseconds and choices as words.

import {
  DeduplicationScope,
  FifoThroughputLimit,
  ReceiptPolicy,
  RedrivePermission,
  type QueueAttributes as WireAttributes,
  type RetryPolicy as WireRetryPolicy,
} from "../gen/forebay/queue/v1/queue.js";
import type { GetQueueAttributesResponse } from "../gen/forebay/queue/v1/queue_service.js";
import { type Choice, choiceOf } from "./choices.js";
import { dateOf, durationOf, millisecondsOf } from "./durations.js";
import { countersFromWire, type QueueCounters } from "./queue-counters.js";

/** The settings of a queue. What is left out stays as it is, or at creation gets its default. */
export interface QueueAttributes {
  /** How long a received message stays invisible, in milliseconds. Range: 0 to 43200000. Default: 30000. */
  readonly visibilityTimeoutMs?: number | undefined;
  /** How long a message is kept, in milliseconds. Range: 60000 to 1209600000. Default: 345600000 (4 days). */
  readonly messageRetentionPeriodMs?: number | undefined;
  /** How long a message without a delay of its own stays invisible, in milliseconds. Range: 0 to 900000. Default: 0. */
  readonly delayMs?: number | undefined;
  /** The largest message accepted, body and attributes, in bytes. Range: 1024 to 1048576. Default: 1048576. */
  readonly maximumMessageBytes?: number | undefined;
  /** How long a receive without a wait of its own waits, in milliseconds. Range: 0 to 20000. Default: 0. */
  readonly receiveMessageWaitTimeMs?: number | undefined;
  /** Where messages go that were received too often. Default: nowhere. */
  readonly redrivePolicy?: RedrivePolicy | undefined;
  /** Which queues may use this one as their dead-letter queue. Default: all. */
  readonly redriveAllowPolicy?: RedriveAllowPolicy | undefined;
  /** The resource policy, a JSON document of at most 8192 bytes; see `Queue.addPermission`. Empty removes it. */
  readonly policy?: string | undefined;
  /** Whether messages are encrypted at rest with the server's key. */
  readonly managedEncryption?: boolean | undefined;
  /** The customer key that encrypts messages at rest. Empty removes it. */
  readonly encryptionKey?: string | undefined;
  /** How long a data key is used, in milliseconds. Range: 60000 to 86400000. Default: 300000. */
  readonly dataKeyReusePeriodMs?: number | undefined;
  /** True for a FIFO queue; only at creation, and its name ends in `.fifo`. */
  readonly fifoQueue?: boolean | undefined;
  /** FIFO only: whether a message without a deduplication id is deduplicated by its body. Default: false. */
  readonly contentBasedDeduplication?: boolean | undefined;
  /** FIFO only: where a deduplication id is looked up. Default: QUEUE. */
  readonly deduplicationScope?: Choice<typeof DeduplicationScope> | undefined;
  /** FIFO only: accepted for compatibility; no throttle is attached. Default: PER_QUEUE. */
  readonly fifoThroughputLimit?: Choice<typeof FifoThroughputLimit> | undefined;
  /** What an older receipt handle may do once its message was received again. Default: LENIENT. */
  readonly receiptPolicy?: Choice<typeof ReceiptPolicy> | undefined;
  /**
   * How long a deduplication id is remembered after the first accepted send, in milliseconds. Range: 0 to 604800000. Default:
   * 300000 on FIFO queues; 0 on others, which then refuse deduplication ids.
   */
  readonly dedupWindowMs?: number | undefined;
  /** How many messages may be in flight at once. Range: 1 to 10000000. Default: 120000. */
  readonly maxInFlight?: number | undefined;
  /**
   * True while nothing is delivered: sends are accepted, receives find nothing and wait; leases held go on, moves too.
   * Default: false. See `Queue.pause`.
   */
  readonly deliveryPaused?: boolean | undefined;
  /** How long a message that was received and not deleted waits before it is delivered again. Default: not at all. */
  readonly retryPolicy?: RetryPolicy | undefined;
  /** How many messages of one group may be in flight at once. Range: 0 to 10000000. Default: 0, no limit. */
  readonly maxInFlightPerGroup?: number | undefined;
  /**
   * What one step of priority is worth, in milliseconds: a message of priority p is served as if it had been sent p times this
   * earlier. Range: 1000 to 86400000. Default: 60000. Not on FIFO queues.
   */
  readonly priorityAgeingMs?: number | undefined;
}

/** Where messages go that were received too often. */
export interface RedrivePolicy {
  /** A queue of the same type, which must exist and allow this source. Empty, in a change, removes the policy. */
  readonly deadLetterQueue: string;
  /** How many times a message is delivered; the next receive that would select it moves it instead. Range: 1 to 1000. */
  readonly maxReceiveCount: number;
}

/**
 * Waits between the deliveries of one message: the first is `minimumBackoffMs`, each next one `factor` times the one before,
 * none longer than `maximumBackoffMs`. They begin when a lease ends without a delete, and when a consumer nacks or rejects
 * without a delay of its own. A `changeVisibility` to 0 makes the message visible at once.
 */
export interface RetryPolicy {
  /** The wait after the first delivery. Range: 1000 to 43200000. */
  readonly minimumBackoffMs: number;
  /** The longest wait. Range: `minimumBackoffMs` to 43200000. Default: 600000, or `minimumBackoffMs` if that is longer. */
  readonly maximumBackoffMs?: number | undefined;
  /** What each wait is multiplied with. Range: 1 to 10. Default: 2. */
  readonly factor?: number | undefined;
}

/** Which queues may use this one as their dead-letter queue. */
export interface RedriveAllowPolicy {
  readonly permission: Choice<typeof RedrivePermission>;
  /** With BY_QUEUE: at most 10 names. */
  readonly sourceQueues?: readonly string[] | undefined;
}

/** A queue as the server describes it. */
export interface QueueDescription {
  readonly queue: string;
  /** Those without a value are absent. */
  readonly attributes: QueueAttributes;
  readonly counters: QueueCounters;
  /** Changes with every change of the attributes; give it back to change or remove only what you saw. */
  readonly etag: string;
  readonly createTime: Date | undefined;
  readonly updateTime: Date | undefined;
}

/** The fields' names in the contract, as update masks spell them. */
export const attributeFieldNames = {
  visibilityTimeoutMs: "visibility_timeout",
  messageRetentionPeriodMs: "message_retention_period",
  delayMs: "delay",
  maximumMessageBytes: "maximum_message_bytes",
  receiveMessageWaitTimeMs: "receive_message_wait_time",
  redrivePolicy: "redrive_policy",
  redriveAllowPolicy: "redrive_allow_policy",
  policy: "policy",
  managedEncryption: "managed_encryption",
  encryptionKey: "encryption_key",
  dataKeyReusePeriodMs: "data_key_reuse_period",
  fifoQueue: "fifo_queue",
  contentBasedDeduplication: "content_based_deduplication",
  deduplicationScope: "deduplication_scope",
  fifoThroughputLimit: "fifo_throughput_limit",
  receiptPolicy: "receipt_policy",
  dedupWindowMs: "dedup_window",
  maxInFlight: "max_in_flight",
  deliveryPaused: "delivery_paused",
  retryPolicy: "retry_policy",
  maxInFlightPerGroup: "max_in_flight_per_group",
  priorityAgeingMs: "priority_ageing",
} as const satisfies Record<keyof QueueAttributes, string>;

/** The wire's form of settings to give. */
export function attributesToWire(attributes: QueueAttributes): WireAttributes {
  return {
    visibilityTimeout: durationOf(attributes.visibilityTimeoutMs),
    messageRetentionPeriod: durationOf(attributes.messageRetentionPeriodMs),
    delay: durationOf(attributes.delayMs),
    maximumMessageBytes: attributes.maximumMessageBytes,
    receiveMessageWaitTime: durationOf(attributes.receiveMessageWaitTimeMs),
    redrivePolicy: attributes.redrivePolicy,
    redriveAllowPolicy: attributes.redriveAllowPolicy && {
      permission: RedrivePermission[attributes.redriveAllowPolicy.permission],
      sourceQueues: [...(attributes.redriveAllowPolicy.sourceQueues ?? [])],
    },
    policy: attributes.policy,
    managedEncryption: attributes.managedEncryption,
    encryptionKey: attributes.encryptionKey,
    dataKeyReusePeriod: durationOf(attributes.dataKeyReusePeriodMs),
    fifoQueue: attributes.fifoQueue,
    contentBasedDeduplication: attributes.contentBasedDeduplication,
    deduplicationScope: DeduplicationScope[attributes.deduplicationScope ?? "UNSPECIFIED"],
    fifoThroughputLimit: FifoThroughputLimit[attributes.fifoThroughputLimit ?? "UNSPECIFIED"],
    receiptPolicy: ReceiptPolicy[attributes.receiptPolicy ?? "UNSPECIFIED"],
    dedupWindow: durationOf(attributes.dedupWindowMs),
    maxInFlight: attributes.maxInFlight,
    deliveryPaused: attributes.deliveryPaused,
    retryPolicy: attributes.retryPolicy && {
      minimumBackoff: durationOf(attributes.retryPolicy.minimumBackoffMs),
      maximumBackoff: durationOf(attributes.retryPolicy.maximumBackoffMs),
      factor: attributes.retryPolicy.factor,
    },
    maxInFlightPerGroup: attributes.maxInFlightPerGroup,
    priorityAgeing: durationOf(attributes.priorityAgeingMs),
  };
}

/** Settings as the server gave them. */
export function attributesFromWire(wire: WireAttributes | undefined): QueueAttributes {
  if (wire === undefined) return {};
  const attributes: QueueAttributes = {
    visibilityTimeoutMs: millisecondsOf(wire.visibilityTimeout),
    messageRetentionPeriodMs: millisecondsOf(wire.messageRetentionPeriod),
    delayMs: millisecondsOf(wire.delay),
    maximumMessageBytes: wire.maximumMessageBytes,
    receiveMessageWaitTimeMs: millisecondsOf(wire.receiveMessageWaitTime),
    redrivePolicy: wire.redrivePolicy,
    redriveAllowPolicy: wire.redriveAllowPolicy && {
      permission: choiceOf(RedrivePermission, wire.redriveAllowPolicy.permission) ?? "ALLOW_ALL",
      sourceQueues: wire.redriveAllowPolicy.sourceQueues,
    },
    policy: wire.policy,
    managedEncryption: wire.managedEncryption,
    encryptionKey: wire.encryptionKey,
    dataKeyReusePeriodMs: millisecondsOf(wire.dataKeyReusePeriod),
    fifoQueue: wire.fifoQueue,
    contentBasedDeduplication: wire.contentBasedDeduplication,
    deduplicationScope: choiceOf(DeduplicationScope, wire.deduplicationScope),
    fifoThroughputLimit: choiceOf(FifoThroughputLimit, wire.fifoThroughputLimit),
    receiptPolicy: choiceOf(ReceiptPolicy, wire.receiptPolicy),
    dedupWindowMs: millisecondsOf(wire.dedupWindow),
    maxInFlight: wire.maxInFlight,
    deliveryPaused: wire.deliveryPaused,
    retryPolicy: wire.retryPolicy && retryPolicyOf(wire.retryPolicy),
    maxInFlightPerGroup: wire.maxInFlightPerGroup,
    priorityAgeingMs: millisecondsOf(wire.priorityAgeing),
  };
  const present = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present);
}

export function descriptionOf(wire: GetQueueAttributesResponse): QueueDescription {
  return {
    queue: wire.queue,
    attributes: attributesFromWire(wire.attributes),
    counters: countersFromWire(wire.counters),
    etag: wire.etag,
    createTime: dateOf(wire.createTime),
    updateTime: dateOf(wire.updateTime),
  };
}

function retryPolicyOf(wire: WireRetryPolicy): RetryPolicy {
  return {
    minimumBackoffMs: millisecondsOf(wire.minimumBackoff) ?? 0,
    maximumBackoffMs: millisecondsOf(wire.maximumBackoff),
    factor: wire.factor,
  };
}
