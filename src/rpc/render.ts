// Outcomes as messages of the contract.

import type { EpochMs, Sequence } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import {
  DeadLetterReason,
  type DeliveryFailure,
  type Message,
  type MessageAttributeValue,
  MessageState,
  MessageSystemAttributeName,
  type MessageSystemAttributes,
  type PeekedMessage,
  type Rejection,
} from "../gen/forebay/queue/v1/message.js";
import {
  DeduplicationScope,
  FifoThroughputLimit,
  type QueueAttributes,
  type QueueCounters,
  ReceiptPolicy,
  RedrivePermission,
} from "../gen/forebay/queue/v1/queue.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";
import type { QueueReport } from "../queue/administer-queue.js";
import { defaultsOf } from "../queue/limits.js";
import type {
  Delivery,
  MessageAttribute,
  Queue,
  ScheduledMessage,
  Message as StoredMessage,
  Rejection as StoredRejection,
  Undelivered,
} from "../queue/model.js";
import type { PeekedMessage as Peeked } from "../queue/peek-messages.js";
import type { ReceiptCodec } from "../queue/receipt.js";
import type { ReceivedMessage } from "../queue/received.js";
import { md5OfAttributes } from "./parse-message.js";
import { checkListLength, listedMax, type Violations } from "./violations.js";

export const timestamp = (instant: EpochMs): Timestamp => ({
  seconds: BigInt(Math.floor(instant / 1_000)),
  nanos: (instant % 1_000) * 1_000_000,
});

export const duration = (milliseconds: number): Duration => ({
  seconds: BigInt(Math.floor(milliseconds / 1_000)),
  nanos: (milliseconds % 1_000) * 1_000_000,
});

const allowPermissions = {
  all: RedrivePermission.ALLOW_ALL,
  none: RedrivePermission.DENY_ALL,
  by_queue: RedrivePermission.BY_QUEUE,
} as const;

/** The attributes of a queue that are in `wanted` and have a value. */
export function renderAttributes(
  { settings, isFifo }: Queue,
  wanted: ReadonlySet<string> | undefined,
): QueueAttributes {
  const { redrive, redriveAllow, retry } = settings;
  const all: QueueAttributes = {
    visibilityTimeout: duration(settings.visibilityTimeoutMs),
    messageRetentionPeriod: duration(settings.retentionMs),
    delay: duration(settings.delayMs),
    maximumMessageBytes: settings.messageBytesMax,
    receiveMessageWaitTime: duration(settings.receiveWaitMs),
    maxInFlight: settings.inFlightMax,
    receiptPolicy:
      settings.receiptPolicy === "strict" ? ReceiptPolicy.STRICT : ReceiptPolicy.LENIENT,
    // What SQS does not have is shown where it is used.
    deliveryPaused: settings.isPaused ? true : undefined,
    dedupWindow:
      isFifo || settings.dedupWindowMs > 0 ? duration(settings.dedupWindowMs) : undefined,
    redrivePolicy: redrive && {
      deadLetterQueue: redrive.deadLetterQueue,
      maxReceiveCount: redrive.receiveCountMax,
    },
    redriveAllowPolicy: redriveAllow && {
      permission: allowPermissions[redriveAllow.kind],
      sourceQueues: redriveAllow.kind === "by_queue" ? [...redriveAllow.sources] : [],
    },
    policy: settings.policy,
    retryPolicy: retry && {
      minimumBackoff: duration(retry.minimumMs),
      maximumBackoff: duration(retry.maximumMs),
      factor: retry.factor,
    },
    maxInFlightPerGroup: settings.groupInFlightMax === 0 ? undefined : settings.groupInFlightMax,
    priorityAgeing:
      settings.priorityAgeingMs === defaultsOf(isFifo).priorityAgeingMs
        ? undefined
        : duration(settings.priorityAgeingMs),
    fifoQueue: isFifo ? true : undefined,
    contentBasedDeduplication: isFifo ? settings.isContentDeduplicated : undefined,
    deduplicationScope: !isFifo
      ? DeduplicationScope.UNSPECIFIED
      : settings.dedupScope === "group"
        ? DeduplicationScope.MESSAGE_GROUP
        : DeduplicationScope.QUEUE,
    fifoThroughputLimit: !isFifo
      ? FifoThroughputLimit.UNSPECIFIED
      : settings.fifoThroughput === "group"
        ? FifoThroughputLimit.PER_MESSAGE_GROUP_ID
        : FifoThroughputLimit.PER_QUEUE,
  };
  return wanted === undefined ? all : onlyWanted(all, wanted);
}

const unsetChoices = {
  deduplicationScope: DeduplicationScope.UNSPECIFIED,
  fifoThroughputLimit: FifoThroughputLimit.UNSPECIFIED,
  receiptPolicy: ReceiptPolicy.UNSPECIFIED,
} as const;

/** Fields by their names in the contract. */
function onlyWanted(all: QueueAttributes, wanted: ReadonlySet<string>): QueueAttributes {
  const fields = Object.entries(all).filter(([field]) =>
    wanted.has(field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  );
  return { ...unsetChoices, ...Object.fromEntries(fields) };
}

export function renderCounters({ counters, oldestAgeMs }: QueueReport): QueueCounters {
  const { stored, inFlight, delayed, noisyGroups } = counters;
  const { noisyStored, noisyInFlight, noisyDelayed } = counters;
  const noisyVisible = noisyStored - noisyInFlight - noisyDelayed;
  return {
    visibleMessageCount: BigInt(stored - inFlight - delayed),
    inFlightMessageCount: BigInt(inFlight),
    delayedMessageCount: BigInt(delayed),
    storedMessageCount: BigInt(stored),
    storedBytes: BigInt(counters.storedBytes),
    ...(oldestAgeMs !== undefined && { oldestMessageAge: duration(oldestAgeMs) }),
    sentCount: BigInt(counters.sent),
    receivedCount: BigInt(counters.received),
    deletedCount: BigInt(counters.deleted),
    expiredCount: BigInt(counters.expired),
    purgedCount: BigInt(counters.purged),
    deduplicatedCount: BigInt(counters.deduplicated),
    deadLetteredCount: BigInt(counters.deadLettered),
    movedCount: BigInt(counters.moved),
    arrivedCount: BigInt(counters.arrived),
    scheduledMessageCount: BigInt(counters.scheduled),
    deadLetterTargetMissingCount: BigInt(counters.targetMissing),
    groupsInFlightCount: BigInt(counters.groupsInFlight),
    ...(noisyGroups > 0 && {
      fairness: {
        noisyGroupCount: BigInt(noisyGroups),
        quietVisibleMessageCount: BigInt(stored - inFlight - delayed - noisyVisible),
        quietInFlightMessageCount: BigInt(inFlight - noisyInFlight),
        quietDelayedMessageCount: BigInt(delayed - noisyDelayed),
      },
    }),
  };
}

/** FIFO: a message's place as SQS shows it, 20 digits; empty for one that has none. */
export const sequenceText = (sequence: Sequence | undefined): string =>
  sequence === undefined ? "" : String(sequence).padStart(20, "0");

/** What a receiver asked to see of each message. */
export interface Selection {
  readonly system: ReadonlySet<MessageSystemAttributeName>;
  readonly selectsAttribute: (name: string) => boolean;
  readonly selectsAnyAttribute: boolean;
}

/** Refuses more names than there can be use for: each is tried on every message. */
export function checkSelection(
  violations: Violations,
  prefix: string,
  names: {
    readonly systemAttributeNames: readonly unknown[];
    readonly messageAttributeNames: readonly unknown[];
  },
): void {
  const { systemAttributeNames: system, messageAttributeNames: attributes } = names;
  checkListLength(violations, `${prefix}system_attribute_names`, system.length, listedMax);
  checkListLength(violations, `${prefix}message_attribute_names`, attributes.length, listedMax);
}

/** SQS's filter of attribute names: `All`, `*`, `.*`, exact names, `prefix.*`. Names that match nothing are no error. */
export function parseSelection(
  systemNames: readonly MessageSystemAttributeName[],
  names: readonly string[],
): Selection {
  const exact = new Set<string>();
  const prefixes: string[] = [];
  let isAll = false;
  for (const name of names) {
    if (name === "All" || name === "*" || name === ".*") isAll = true;
    else if (name.endsWith(".*")) prefixes.push(name.slice(0, -1));
    else exact.add(name);
  }
  return {
    system: new Set(systemNames),
    selectsAnyAttribute: names.length > 0,
    selectsAttribute: (name) =>
      isAll || exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix)),
  };
}

const noAttributes = new Map<string, MessageAttributeValue>();

export function renderReceived(
  { message, delivery }: ReceivedMessage,
  queue: Queue,
  selection: Selection,
  receipts: ReceiptCodec,
): Message {
  const { content } = message;
  const attributes = selection.selectsAnyAttribute
    ? content.attributes.filter(({ name }) => selection.selectsAttribute(name))
    : [];
  return {
    messageId: uuidText(message.messageId),
    receiptHandle: receipts.encode({
      queue: queue.number,
      segment: queue.segment,
      sequence: message.sequence,
      ordinal: delivery.ordinal,
    }),
    body: renderBody(content.isText, content.body),
    md5OfBody: content.bodyMd5.toString("hex"),
    attributes: attributes.length === 0 ? noAttributes : renderMessageAttributes(attributes),
    md5OfAttributes: attributes.length === 0 ? "" : md5OfAttributes(attributes),
    systemAttributes:
      selection.system.size === 0
        ? undefined
        : renderSystem(message, delivery, selection.system, queue.isFifo),
    visibleTime: delivery.state.kind === "leased" ? timestamp(delivery.state.until) : undefined,
  };
}

export const renderBody = (isText: boolean, body: Buffer): NonNullable<Message["body"]> =>
  isText ? { $case: "text", value: body.toString("utf8") } : { $case: "data", value: body };

export const renderMessageAttributes = (
  attributes: readonly MessageAttribute[],
): Map<string, MessageAttributeValue> =>
  new Map(
    attributes.map(({ name, dataType, isText, value }) => [
      name,
      {
        dataType,
        value: isText
          ? { $case: "stringValue", value: value.toString("utf8") }
          : { $case: "binaryValue", value },
      },
    ]),
  );

const deadLetterReasons = {
  max_receives: DeadLetterReason.MAX_RECEIVES,
  rejected: DeadLetterReason.REJECTED,
} as const;

export const timeOf = (instant: EpochMs | undefined): Timestamp | undefined =>
  instant === undefined ? undefined : timestamp(instant);

// Fields that were not asked for are undefined, which the encoder leaves out.
function renderSystem(
  message: StoredMessage,
  delivery: Delivery | undefined,
  wanted: ReadonlySet<MessageSystemAttributeName>,
  isFifo: boolean,
): MessageSystemAttributes {
  const names = MessageSystemAttributeName;
  const isAll = wanted.has(names.ALL);
  const ifWanted = <Value>(name: MessageSystemAttributeName, value: Value): Value | undefined =>
    isAll || wanted.has(name) ? value : undefined;
  const { content } = message;
  const rejection = ifWanted(names.REJECTION, delivery?.rejection);
  const undelivered = ifWanted(names.DELIVERY_FAILURE, delivery?.undelivered);
  const origin = delivery?.origin;
  const deadLetter = origin?.deadLetter;
  const receiveCount = delivery?.receiveCount ?? 0;
  return {
    senderId: ifWanted(names.SENDER_ID, content.senderId),
    sendTime: ifWanted(names.SEND_TIME, timestamp(message.sentAt)),
    receiveCount: ifWanted(names.RECEIVE_COUNT, receiveCount + (delivery?.earlierReceives ?? 0)),
    queueReceiveCount: ifWanted(names.QUEUE_RECEIVE_COUNT, receiveCount),
    firstReceiveTime: timeOf(ifWanted(names.FIRST_RECEIVE_TIME, delivery?.firstReceivedAt)),
    sequenceNumber: isFifo
      ? ifWanted(names.SEQUENCE_NUMBER, sequenceText(message.sequence))
      : undefined,
    dedupId: ifWanted(names.DEDUP_ID, content.dedupId),
    groupId: ifWanted(names.GROUP_ID, content.groupId),
    traceHeader: ifWanted(names.TRACE_HEADER, content.traceHeader),
    rejection: rejection === undefined ? undefined : renderRejection(rejection),
    originalMessageId: ifWanted(
      names.ORIGINAL_MESSAGE_ID,
      content.originalMessageId && uuidText(content.originalMessageId),
    ),
    priority: ifWanted(names.PRIORITY, message.priority === 0 ? undefined : message.priority),
    timeToLiveEndTime: timeOf(ifWanted(names.TIME_TO_LIVE_END_TIME, message.expiresAt)),
    deadLetterSourceQueue: ifWanted(names.DEAD_LETTER_SOURCE_QUEUE, deadLetter?.source),
    deadLetterReason: ifWanted(
      names.DEAD_LETTER_REASON,
      deadLetter && deadLetterReasons[deadLetter.reason],
    ),
    deadLetterTime: timeOf(ifWanted(names.DEAD_LETTER_TIME, deadLetter && origin?.at)),
    deliveryFailure: undelivered && renderUndelivered(undelivered),
  };
}

const renderUndelivered = ({
  topic,
  subscription,
  reason,
  error,
  attempts,
  firstAttemptAt,
}: Undelivered): DeliveryFailure => ({
  topic,
  subscription: uuidText(subscription),
  reason,
  lastError: error,
  attempts,
  firstAttemptTime: timeOf(firstAttemptAt),
});

const renderRejection = ({ reason, error, at }: StoredRejection): Rejection => ({
  reason,
  error,
  rejectTime: timestamp(at),
});

const allSystemAttributes: ReadonlySet<MessageSystemAttributeName> = new Set([
  MessageSystemAttributeName.ALL,
]);

const wireStates = {
  visible: MessageState.VISIBLE,
  in_flight: MessageState.IN_FLIGHT,
  delayed: MessageState.DELAYED,
} as const;

export function renderPeeked(peeked: Peeked, queue: Queue, bodyBytesMax: number): PeekedMessage {
  const { message, delivery, state, visibleAt, expiresAt } = peeked;
  const { content } = message;
  return {
    messageId: uuidText(message.messageId),
    state: wireStates[state],
    body: renderBody(content.isText, cutBody(content.isText, content.body, bodyBytesMax)),
    bodyBytes: content.body.length,
    md5OfBody: content.bodyMd5.toString("hex"),
    attributes: renderMessageAttributes(content.attributes),
    systemAttributes: renderSystem(message, delivery, allSystemAttributes, queue.isFifo),
    ...(visibleAt !== undefined && { visibleTime: timestamp(visibleAt) }),
    expireTime: timestamp(expiresAt),
  };
}

/** At most `bytesMax` bytes; a text is not cut inside a character. */
export function cutBody(isText: boolean, body: Buffer, bytesMax: number): Buffer {
  if (body.length <= bytesMax) return body;
  let end = bytesMax;
  // Bytes 10xxxxxx continue a character.
  while (isText && end > 0 && ((body[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return body.subarray(0, end);
}

/** A scheduled message in the form of a stored one: its time is when it becomes visible. */
export function renderScheduledAsPeeked(
  { messageId, deliverAt, acceptedAt, priority, content }: ScheduledMessage,
  bodyBytesMax: number,
): PeekedMessage {
  return {
    messageId: uuidText(messageId),
    state: MessageState.SCHEDULED,
    body: renderBody(content.isText, cutBody(content.isText, content.body, bodyBytesMax)),
    bodyBytes: content.body.length,
    md5OfBody: content.bodyMd5.toString("hex"),
    attributes: renderMessageAttributes(content.attributes),
    systemAttributes: {
      senderId: content.senderId,
      sendTime: timestamp(acceptedAt),
      groupId: content.groupId,
      dedupId: content.dedupId,
      traceHeader: content.traceHeader,
      priority: priority === 0 ? undefined : priority,
    },
    visibleTime: timestamp(deliverAt),
  };
}
