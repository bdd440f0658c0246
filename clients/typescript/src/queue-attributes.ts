// The settings and counters of a queue: the contract's QueueAttributes with spans in milliseconds and choices as words.

import {
  DeduplicationScope,
  FifoThroughputLimit,
  ReceiptPolicy,
  RedrivePermission,
  type QueueAttributes as WireAttributes,
  type QueueCounters as WireCounters,
} from "../gen/forebay/queue/v1/queue.js";
import type { GetQueueAttributesResponse } from "../gen/forebay/queue/v1/queue_service.js";
import { dateOf, durationOf, millisecondsOf } from "./durations.js";

type Choice<Enum> = Exclude<keyof Enum, "UNSPECIFIED"> & string;

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
  /** Where messages go that were received more than `maxReceiveCount` (1 to 1000) times. Default: nowhere. */
  readonly redrivePolicy?: RedrivePolicy | undefined;
  /** Which queues may use this one as their dead-letter queue. Default: all. */
  readonly redriveAllowPolicy?: RedriveAllowPolicy | undefined;
  /** The resource policy, a JSON document of at most 8192 bytes. Empty removes it. */
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
  /** How long a deduplication id is remembered, in milliseconds. Range: 0 to 604800000. Default: 300000. */
  readonly dedupWindowMs?: number | undefined;
  /** How many messages may be in flight at once. Range: 1 to 10000000. Default: 120000. */
  readonly maxInFlight?: number | undefined;
}

export interface RedrivePolicy {
  readonly deadLetterQueue: string;
  readonly maxReceiveCount: number;
}

export interface RedriveAllowPolicy {
  readonly permission: Choice<typeof RedrivePermission>;
  /** With BY_QUEUE: at most 10 names. */
  readonly sourceQueues?: readonly string[] | undefined;
}

/** Exact numbers of a queue at one instant. */
export interface QueueCounters {
  /** Messages that a receive could return now. */
  readonly visibleMessageCount: number;
  /** Messages received and neither deleted nor visible again. */
  readonly inFlightMessageCount: number;
  /** Messages whose delay has not ended. */
  readonly delayedMessageCount: number;
  /** The sum of the three. */
  readonly storedMessageCount: number;
  /** Their bodies and attributes, in bytes. */
  readonly storedBytes: number;
  /** The time since the oldest stored message was sent, in milliseconds; undefined when there is none. */
  readonly oldestMessageAgeMs: number | undefined;
  /** Since the queue was created. */
  readonly sentCount: number;
  /** Since the queue was created, repeats included. */
  readonly receivedCount: number;
  /** Since the queue was created. */
  readonly deletedCount: number;
  /** Since the queue was created. */
  readonly expiredCount: number;
  /** Since the queue was created. */
  readonly purgedCount: number;
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
} as const satisfies Record<keyof QueueAttributes, string>;

/** The wire's form of settings to give. */
export function attributesToWire(attributes: QueueAttributes): WireAttributes {
  return {
    visibilityTimeout: span(attributes.visibilityTimeoutMs),
    messageRetentionPeriod: span(attributes.messageRetentionPeriodMs),
    delay: span(attributes.delayMs),
    maximumMessageBytes: attributes.maximumMessageBytes,
    receiveMessageWaitTime: span(attributes.receiveMessageWaitTimeMs),
    redrivePolicy: attributes.redrivePolicy,
    redriveAllowPolicy: attributes.redriveAllowPolicy && {
      permission: RedrivePermission[attributes.redriveAllowPolicy.permission],
      sourceQueues: [...(attributes.redriveAllowPolicy.sourceQueues ?? [])],
    },
    policy: attributes.policy,
    managedEncryption: attributes.managedEncryption,
    encryptionKey: attributes.encryptionKey,
    dataKeyReusePeriod: span(attributes.dataKeyReusePeriodMs),
    fifoQueue: attributes.fifoQueue,
    contentBasedDeduplication: attributes.contentBasedDeduplication,
    deduplicationScope: DeduplicationScope[attributes.deduplicationScope ?? "UNSPECIFIED"],
    fifoThroughputLimit: FifoThroughputLimit[attributes.fifoThroughputLimit ?? "UNSPECIFIED"],
    receiptPolicy: ReceiptPolicy[attributes.receiptPolicy ?? "UNSPECIFIED"],
    dedupWindow: span(attributes.dedupWindowMs),
    maxInFlight: attributes.maxInFlight,
  };
}

/** Settings as the server gave them. */
export function attributesFromWire(wire: WireAttributes | undefined): QueueAttributes {
  if (wire === undefined) return {};
  const attributes: QueueAttributes = {
    visibilityTimeoutMs: spanMs(wire.visibilityTimeout),
    messageRetentionPeriodMs: spanMs(wire.messageRetentionPeriod),
    delayMs: spanMs(wire.delay),
    maximumMessageBytes: wire.maximumMessageBytes,
    receiveMessageWaitTimeMs: spanMs(wire.receiveMessageWaitTime),
    redrivePolicy: wire.redrivePolicy,
    redriveAllowPolicy: wire.redriveAllowPolicy && {
      permission: choice(RedrivePermission, wire.redriveAllowPolicy.permission) ?? "ALLOW_ALL",
      sourceQueues: wire.redriveAllowPolicy.sourceQueues,
    },
    policy: wire.policy,
    managedEncryption: wire.managedEncryption,
    encryptionKey: wire.encryptionKey,
    dataKeyReusePeriodMs: spanMs(wire.dataKeyReusePeriod),
    fifoQueue: wire.fifoQueue,
    contentBasedDeduplication: wire.contentBasedDeduplication,
    deduplicationScope: choice(DeduplicationScope, wire.deduplicationScope),
    fifoThroughputLimit: choice(FifoThroughputLimit, wire.fifoThroughputLimit),
    receiptPolicy: choice(ReceiptPolicy, wire.receiptPolicy),
    dedupWindowMs: spanMs(wire.dedupWindow),
    maxInFlight: wire.maxInFlight,
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
    createTime: wire.createTime && dateOf(wire.createTime),
    updateTime: wire.updateTime && dateOf(wire.updateTime),
  };
}

// Counts are 64-bit on the wire and exact as numbers up to 2^53: a queue that takes a million messages a second would need
// 285 years to pass that.
function countersFromWire(wire: WireCounters | undefined): QueueCounters {
  const count = (value: bigint | undefined): number => Number(value ?? 0n);
  return {
    visibleMessageCount: count(wire?.visibleMessageCount),
    inFlightMessageCount: count(wire?.inFlightMessageCount),
    delayedMessageCount: count(wire?.delayedMessageCount),
    storedMessageCount: count(wire?.storedMessageCount),
    storedBytes: count(wire?.storedBytes),
    oldestMessageAgeMs: spanMs(wire?.oldestMessageAge),
    sentCount: count(wire?.sentCount),
    receivedCount: count(wire?.receivedCount),
    deletedCount: count(wire?.deletedCount),
    expiredCount: count(wire?.expiredCount),
    purgedCount: count(wire?.purgedCount),
  };
}

function span(spanMs: number | undefined) {
  return spanMs === undefined ? undefined : durationOf(spanMs);
}

function spanMs(duration: WireAttributes["delay"]): number | undefined {
  return duration && millisecondsOf(duration);
}

function choice<Enum extends Readonly<Record<string, number>>>(
  names: Enum,
  value: number,
): Choice<Enum> | undefined {
  const found = Object.entries(names).find(([, number]) => number === value)?.[0];
  return found === undefined || found === "UNSPECIFIED" ? undefined : (found as Choice<Enum>);
}
