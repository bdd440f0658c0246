// Outcomes as messages of the contract.

import type { EpochMs } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import {
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
} from "../gen/forebay/queue/v1/queue.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";
import type { QueueReport } from "../queue/administer-queue.js";
import type { QueueSettings } from "../queue/limits.js";
import type {
  Delivery,
  MessageAttribute,
  Queue,
  Message as StoredMessage,
  Rejection as StoredRejection,
} from "../queue/model.js";
import type { PeekedMessage as Peeked } from "../queue/peek-messages.js";
import type { ReceiptCodec } from "../queue/receipt.js";
import type { ReceivedMessage } from "../queue/receive-messages.js";
import { md5OfAttributes } from "./parse-message.js";
import { checkListLength, listedMax, type Violations } from "./violations.js";

export const timestamp = (instant: EpochMs): Timestamp => ({
  seconds: BigInt(Math.floor(instant / 1_000)),
  nanos: (instant % 1_000) * 1_000_000,
});

const duration = (milliseconds: number): Duration => ({
  seconds: BigInt(Math.floor(milliseconds / 1_000)),
  nanos: (milliseconds % 1_000) * 1_000_000,
});

/** The attributes of a standard queue, those in `wanted`. */
export function renderAttributes(
  settings: QueueSettings,
  wanted: ReadonlySet<string> | undefined,
): QueueAttributes {
  const isWanted = (name: string): boolean => wanted === undefined || wanted.has(name);
  return {
    ...(isWanted("visibility_timeout") && {
      visibilityTimeout: duration(settings.visibilityTimeoutMs),
    }),
    ...(isWanted("message_retention_period") && {
      messageRetentionPeriod: duration(settings.retentionMs),
    }),
    ...(isWanted("delay") && { delay: duration(settings.delayMs) }),
    ...(isWanted("maximum_message_bytes") && { maximumMessageBytes: settings.messageBytesMax }),
    ...(isWanted("receive_message_wait_time") && {
      receiveMessageWaitTime: duration(settings.receiveWaitMs),
    }),
    ...(isWanted("max_in_flight") && { maxInFlight: settings.inFlightMax }),
    deduplicationScope: DeduplicationScope.UNSPECIFIED,
    fifoThroughputLimit: FifoThroughputLimit.UNSPECIFIED,
    receiptPolicy: !isWanted("receipt_policy")
      ? ReceiptPolicy.UNSPECIFIED
      : settings.receiptPolicy === "strict"
        ? ReceiptPolicy.STRICT
        : ReceiptPolicy.LENIENT,
  };
}

export function renderCounters({ counters, oldestAgeMs }: QueueReport): QueueCounters {
  return {
    visibleMessageCount: BigInt(counters.stored - counters.inFlight - counters.delayed),
    inFlightMessageCount: BigInt(counters.inFlight),
    delayedMessageCount: BigInt(counters.delayed),
    storedMessageCount: BigInt(counters.stored),
    storedBytes: BigInt(counters.storedBytes),
    ...(oldestAgeMs !== undefined && { oldestMessageAge: duration(oldestAgeMs) }),
    sentCount: BigInt(counters.sent),
    receivedCount: BigInt(counters.received),
    deletedCount: BigInt(counters.deleted),
    expiredCount: BigInt(counters.expired),
    purgedCount: BigInt(counters.purged),
    deduplicatedCount: 0n,
    deadLetteredCount: 0n,
    movedCount: 0n,
    arrivedCount: 0n,
    scheduledMessageCount: 0n,
    deadLetterTargetMissingCount: 0n,
    groupsInFlightCount: 0n,
  };
}

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
      selection.system.size === 0 ? undefined : renderSystem(message, delivery, selection.system),
    visibleTime: delivery.state.kind === "leased" ? timestamp(delivery.state.until) : undefined,
  };
}

const renderBody = (isText: boolean, body: Buffer): NonNullable<Message["body"]> =>
  isText ? { $case: "text", value: body.toString("utf8") } : { $case: "data", value: body };

const renderMessageAttributes = (
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

// Fields that were not asked for are undefined, which the encoder leaves out.
function renderSystem(
  message: StoredMessage,
  delivery: Delivery | undefined,
  wanted: ReadonlySet<MessageSystemAttributeName>,
): MessageSystemAttributes {
  const names = MessageSystemAttributeName;
  const isAll = wanted.has(names.ALL);
  const ifWanted = <Value>(name: MessageSystemAttributeName, value: Value): Value | undefined =>
    isAll || wanted.has(name) ? value : undefined;
  const { content } = message;
  const firstReceivedAt = ifWanted(names.FIRST_RECEIVE_TIME, delivery?.firstReceivedAt);
  const rejection = ifWanted(names.REJECTION, delivery?.rejection);
  return {
    senderId: ifWanted(names.SENDER_ID, content.senderId),
    sendTime: ifWanted(names.SEND_TIME, timestamp(message.sentAt)),
    receiveCount: ifWanted(names.RECEIVE_COUNT, delivery?.receiveCount ?? 0),
    firstReceiveTime: firstReceivedAt === undefined ? undefined : timestamp(firstReceivedAt),
    groupId: ifWanted(names.GROUP_ID, content.groupId),
    traceHeader: ifWanted(names.TRACE_HEADER, content.traceHeader),
    rejection: rejection === undefined ? undefined : renderRejection(rejection),
  };
}

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

export function renderPeeked(peeked: Peeked, bodyBytesMax: number): PeekedMessage {
  const { message, delivery, state, visibleAt, expiresAt } = peeked;
  const { content } = message;
  return {
    messageId: uuidText(message.messageId),
    state: wireStates[state],
    body: renderBody(content.isText, cutBody(content.isText, content.body, bodyBytesMax)),
    bodyBytes: content.body.length,
    md5OfBody: content.bodyMd5.toString("hex"),
    attributes: renderMessageAttributes(content.attributes),
    systemAttributes: renderSystem(message, delivery, allSystemAttributes),
    ...(visibleAt !== undefined && { visibleTime: timestamp(visibleAt) }),
    expireTime: timestamp(expiresAt),
  };
}

/** At most `bytesMax` bytes; a text is not cut inside a character. */
function cutBody(isText: boolean, body: Buffer, bytesMax: number): Buffer {
  if (body.length <= bytesMax) return body;
  let end = bytesMax;
  // Bytes 10xxxxxx continue a character.
  while (isText && end > 0 && ((body[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return body.subarray(0, end);
}
