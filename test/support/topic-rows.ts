// Any row of topics that the store may hold, for properties.

import fc from "fast-check";
import type {
  Namespace,
  QueueNumber,
  SegmentNumber,
  TopicName,
  TopicNumber,
} from "../../src/base/brands.js";
import type { DrainingTopic } from "../../src/topic/drain-model.js";
import type { DeliveryPolicy, RetryPhases } from "../../src/topic/limits.js";
import type {
  Deliveries,
  PublishedOnce,
  Subscription,
  SubscriptionLocator,
  Topic,
  TopicCounters,
  TopicMessage,
} from "../../src/topic/model.js";
import type { TopicCount } from "../../src/topic/view.js";
import {
  attributes,
  bytes,
  duration,
  groupName,
  id16,
  instant,
  maybe,
  name,
  place,
  queueName,
  text,
  u32,
  u64,
} from "./stored-rows.js";

const namespace = name.map((value) => value as Namespace);
const topicName = name.map((value) => value as TopicName);
const segment = u64.map((value) => value as SegmentNumber);
const slot = fc.nat({ max: 0x3fff });

const retry: fc.Arbitrary<RetryPhases> = fc.record(
  {
    minDelayMs: duration,
    maxDelayMs: duration,
    retries: u32,
    noDelayRetries: u32,
    backoff: fc.constantFrom("linear" as const, "exponential" as const),
  },
  { requiredKeys: [] },
);

const deliveryPolicy: fc.Arbitrary<DeliveryPolicy> = fc.record(
  { retry, receivesPerSecondMax: u32, headerContentType: text(50) },
  { requiredKeys: [] },
);

export const topic: fc.Arbitrary<Topic> = fc.record({
  number: u64.map((value) => value as TopicNumber),
  segment,
  slot,
  namespace,
  name: topicName,
  isFifo: fc.boolean(),
  settings: fc.record({
    displayName: text(100),
    messageBytesMax: u32,
    policy: maybe(text(300)),
    deliveryPolicy: maybe(deliveryPolicy),
    signatureVersion: fc.constantFrom(1 as const, 2 as const),
    isContentDeduplicated: fc.boolean(),
    dedupScope: fc.constantFrom("topic" as const, "group" as const),
    deliveryLogging: fc.array(
      fc.record({
        kind: fc.constantFrom("http" as const, "function" as const),
        successSamplePercent: fc.nat(100),
        areFailuresLogged: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
    archiveRetentionMs: duration,
    dataProtectionPolicy: maybe(text(300)),
  }),
  tags: fc
    .dictionary(text(20), text(20), { maxKeys: 50 })
    .map((tags) => new Map(Object.entries(tags))),
  owner: text(60),
  createdAt: instant,
  updatedAt: instant,
  revision: u64,
  drainingSince: maybe(instant),
});

export const drainingTopic: fc.Arbitrary<DrainingTopic> = fc.record({
  slot,
  segment,
  namespace,
  name: topicName,
  after: fc.oneof(id16, fc.constant(Buffer.alloc(0))),
});

export const topicCount: fc.Arbitrary<TopicCount> = fc.record({
  standard: u64,
  fifo: u64,
  filters: u64,
  pending: u64,
});

export const topicCounters: fc.Arbitrary<TopicCounters> = fc.record({
  nextSequence: place,
  firstSequence: place,
  lane: fc.record({ from: place, to: place, after: fc.oneof(id16, fc.constant(Buffer.alloc(0))) }),
  published: u64,
  duplicates: u64,
  confirmed: u64,
  pending: u64,
  ended: u64,
});

export const topicMessage: fc.Arbitrary<TopicMessage> = fc.record({
  sequence: place,
  messageId: id16,
  publishedAt: instant,
  sizeBytes: u32,
  isText: fc.boolean(),
  isStructured: fc.boolean(),
  body: bytes({ maxLength: 300 }),
  contentType: text(30),
  subject: maybe(text(100)),
  attributes,
  groupId: maybe(groupName),
  dedupId: maybe(groupName),
  deliverAt: maybe(instant),
  expiresAt: maybe(instant),
  senderId: text(60),
  traceParent: maybe(text(55)),
});

const filterScope = fc.constantFrom("attributes" as const, "body" as const);

export const subscription: fc.Arbitrary<Subscription> = fc.record({
  id: id16,
  kind: fc.constantFrom("queue", "http", "https", "function", "stream"),
  endpoint: text(200),
  target: maybe(
    fc.record({ namespace, name: queueName, number: u64.map((value) => value as QueueNumber) }),
  ),
  settings: fc.record({
    isRaw: fc.boolean(),
    filterPolicy: maybe(text(200)),
    filterScope,
    deliveryPolicy: maybe(deliveryPolicy),
    deadLetterQueue: maybe(queueName),
    isPaused: fc.boolean(),
    isExpiredToDeadLetters: fc.boolean(),
    autoDisableAfterMs: duration,
    stream: maybe(fc.record({ ackDeadlineMs: duration, inFlightMax: u32 }, { requiredKeys: [] })),
    function: maybe(
      fc.record({ batchMax: fc.nat(100), bearerToken: text(20) }, { requiredKeys: [] }),
    ),
    webhook: maybe(
      fc.record({ hmacSecret: text(40), hasAttributeHeaders: fc.boolean() }, { requiredKeys: [] }),
    ),
  }),
  filters: fc.array(fc.record({ from: place, policy: maybe(text(200)), scope: filterScope }), {
    minLength: 1,
    maxLength: 5,
  }),
  standing: fc.oneof(
    fc.record({ kind: fc.constant("lane" as const), since: place }),
    fc.record({ kind: fc.constant("own" as const), cursor: place }),
    fc.record({ kind: fc.constantFrom("apart" as const, "pending" as const) }),
    fc.record({
      kind: fc.constant("replaying" as const),
      live: maybe(place.filter((live) => live > 0)),
    }),
  ),
  since: place,
  owner: text(60),
  createdAt: instant,
  updatedAt: instant,
  revision: u64,
  disabled: maybe(fc.record({ at: instant, firstFailureAt: instant, lastError: text(200) })),
});

export const deliveries: fc.Arbitrary<Deliveries> = fc.record({
  delivered: u64,
  failedAttempts: u64,
  deadLettered: u64,
  givenUp: u64,
  expired: u64,
});

export const locator: fc.Arbitrary<SubscriptionLocator> = fc.record({
  namespace,
  topic: topicName,
  slot,
  segment,
});

export const publishedOnce: fc.Arbitrary<PublishedOnce> = fc.record({
  at: instant,
  groupId: groupName,
  messageId: id16,
  sequence: place,
});
