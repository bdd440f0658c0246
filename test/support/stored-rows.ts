// Any row that the store may hold, and what keys are made of, for properties.

import fc from "fast-check";
import {
  type DurationMs,
  type EpochMs,
  epochMs,
  type Namespace,
  type QueueName,
  type QueueNumber,
  type SegmentNumber,
  type Sequence,
} from "../../src/base/brands.js";
import { limits } from "../../src/queue/limits.js";
import type {
  BusyTime,
  Counters,
  DedupEntry,
  Delivery,
  Group,
  GroupStanding,
  Message,
  MessageContent,
  MessageTraits,
  Origin,
  Place,
  Queue,
  ReceiveAttempt,
  ScheduledMessage,
} from "../../src/queue/model.js";
import type { MoveOrder, MoveQueue, MoveTask } from "../../src/queue/move-task.js";
import type { Schedule, ScheduleState } from "../../src/queue/schedule-model.js";
import type { RequestResult } from "../../src/queue/view.js";

const edges = [0, 1, 255, 256, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
export const u64 = fc.oneof(
  fc.constantFrom(...edges),
  fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  fc.maxSafeNat(),
);
export const u32 = fc.oneof(
  fc.constantFrom(...edges.filter((edge) => edge < 2 ** 32)),
  fc.nat({ max: 2 ** 32 - 1 }),
);
export const bytes = (constraints: fc.IntArrayConstraints = {}): fc.Arbitrary<Buffer> =>
  fc.uint8Array(constraints).map((array) => Buffer.from(array));
// Well-formed text of every plane: what is stored has passed the wire, which refuses unpaired surrogates.
export const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: "binary", maxLength });
export const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/);
export const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });

export const instant = u64.map((value) => value as EpochMs);
export const place = u64.map((value) => value as Sequence);
export const id16 = bytes({ minLength: 16, maxLength: 16 });
/** As the wire lets them through: 1 to 128 printable characters of ASCII, without spaces. */
export const groupName = fc.stringMatching(/^[!-~]{1,128}$/);
export const duration = u64.map((value) => value as DurationMs);
const busy: fc.Arbitrary<BusyTime> = fc.record({ minute: u32, currentMs: u64, beforeMs: u64 });
export const standingPlace: fc.Arbitrary<Place> = fc.record({ at: instant, order: place });

const traits: fc.Arbitrary<MessageTraits> = fc.record({
  sequence: place,
  sentAt: instant,
  arrivedAt: instant,
  indexedAt: maybe(instant),
  expiresAt: maybe(instant),
  sizeBytes: u32,
  groupId: maybe(groupName),
  priority: fc.nat({ max: 9 }),
});

export const attributes = fc.array(
  fc.record({
    name: text(20),
    dataType: text(20),
    isText: fc.boolean(),
    value: bytes({ maxLength: 100 }),
  }),
  { maxLength: 10 },
);

const content: fc.Arbitrary<MessageContent> = fc.record({
  isText: fc.boolean(),
  body: bytes({ maxLength: 2_000 }),
  bodyMd5: id16,
  attributes,
  senderId: text(40),
  groupId: maybe(groupName),
  dedupId: maybe(text(128)),
  traceHeader: maybe(text(100)),
  originalMessageId: maybe(id16),
});

export const message: fc.Arbitrary<Message> = fc
  .record({ traits, messageId: id16, isIndexed: fc.boolean(), content })
  .map((parts) => ({
    ...parts.traits,
    // One field in two places.
    groupId: parts.content.groupId,
    messageId: parts.messageId,
    isIndexed: parts.isIndexed,
    content: parts.content,
  }));

const origin: fc.Arbitrary<Origin> = fc.record({
  at: instant,
  deadLetter: maybe(
    fc.record({
      source: name.map((value) => value as QueueName),
      reason: fc.constantFrom("max_receives" as const, "rejected" as const),
    }),
  ),
});

export const delivery: fc.Arbitrary<Delivery> = fc
  .record({
    traits,
    state: fc.oneof(
      fc.record({ kind: fc.constant("leased" as const), until: instant, leasedAt: instant }),
      fc.record({ kind: fc.constant("delayed" as const), until: instant, isBackoff: fc.boolean() }),
      fc.record({ kind: fc.constant("returned" as const), place: standingPlace }),
    ),
    receiveCount: u32,
    earlierReceives: u32,
    ordinal: u32,
    firstReceivedAt: maybe(instant),
    rejection: maybe(fc.record({ reason: text(128), error: text(300), at: instant })),
    undelivered: maybe(
      fc.record({
        topic: text(256),
        subscription: id16,
        reason: text(64),
        error: text(300),
        attempts: u32,
        firstAttemptAt: maybe(fc.integer({ min: 1, max: 2 ** 48 }).map(epochMs)),
      }),
    ),
    origin: maybe(origin),
    attempts: fc.array(
      fc.record({
        leasedAt: instant,
        endedAt: instant,
        ending: fc.constantFrom("lease_ended" as const, "released" as const, "rejected" as const),
      }),
      { maxLength: limits.attemptsKeptMax },
    ),
  })
  .map(({ traits: shared, ...own }) => ({
    ...shared,
    ...own,
    // Only what came from another queue was received before it came.
    earlierReceives: own.origin === undefined ? 0 : own.earlierReceives,
  }));

export const queueName = name.map((value) => value as QueueName);
export const queue: fc.Arbitrary<Queue> = fc.record({
  number: u64.map((value) => value as QueueNumber),
  segment: u64.map((value) => value as SegmentNumber),
  slot: fc.nat({ max: 0x3fff }),
  namespace: name.map((value) => value as Namespace),
  name: queueName,
  isFifo: fc.boolean(),
  settings: fc.record({
    visibilityTimeoutMs: duration,
    retentionMs: duration,
    delayMs: duration,
    messageBytesMax: u32,
    receiveWaitMs: duration,
    receiptPolicy: fc.constantFrom("lenient" as const, "strict" as const),
    inFlightMax: u32,
    redrive: maybe(fc.record({ deadLetterQueue: queueName, receiveCountMax: u32 })),
    redriveAllow: maybe(
      fc.oneof(
        fc.record({ kind: fc.constantFrom("all" as const, "none" as const) }),
        fc.record({
          kind: fc.constant("by_queue" as const),
          sources: fc.array(queueName, { maxLength: 10 }),
        }),
      ),
    ),
    policy: maybe(text(300)),
    dedupWindowMs: duration,
    isContentDeduplicated: fc.boolean(),
    dedupScope: fc.constantFrom("queue" as const, "group" as const),
    fifoThroughput: fc.constantFrom("queue" as const, "group" as const),
    isPaused: fc.boolean(),
    retry: maybe(
      fc.record({
        minimumMs: duration,
        maximumMs: duration,
        factor: fc.double({ min: 1, max: 10, noNaN: true }),
      }),
    ),
    groupInFlightMax: u32,
    priorityAgeingMs: duration,
  }),
  tags: fc.array(fc.tuple(text(128), text(256)), { maxLength: 50 }).map((pairs) => new Map(pairs)),
  createdAt: instant,
  updatedAt: instant,
  purgedAt: maybe(instant),
  revision: u64,
});

export const counters: fc.Arbitrary<Counters> = fc.record({
  nextSequence: place,
  freshFrom: place,
  dueFrom: place,
  delayBackTo: place,
  turnFrom: place,
  dueAt: instant,
  joinsAt: instant,
  expiryAt: instant,
  returned: u64,
  limitedGroups: u64,
  stored: u64,
  storedBytes: u64,
  inFlight: u64,
  delayed: u64,
  sent: u64,
  received: u64,
  deleted: u64,
  expired: u64,
  purged: u64,
  deduplicated: u64,
  deadLettered: u64,
  moved: u64,
  arrived: u64,
  targetMissing: u64,
  scheduled: u64,
  groups: u64,
  groupsInFlight: u64,
  noisyGroups: u64,
  noisyStored: u64,
  noisyInFlight: u64,
  noisyDelayed: u64,
  busy,
});

const standing: fc.Arbitrary<GroupStanding> = fc.oneof(
  fc.record({ kind: fc.constantFrom("idle" as const, "limited" as const) }),
  fc.record({ kind: fc.constant("ready" as const), place: standingPlace }),
  fc.record({ kind: fc.constant("noisy" as const), inFlight: u64, at: instant }),
);

export const group: fc.Arbitrary<Group> = fc.record({
  id: groupName,
  stored: u64,
  inFlight: u64,
  delayed: u64,
  head: maybe(fc.record({ place: standingPlace, sequence: place })),
  next: fc.array(place, { maxLength: 15 }),
  freshFrom: place,
  standing,
  isNoisy: fc.boolean(),
  lastSentAt: instant,
  busy,
});

export const dedupEntry: fc.Arbitrary<DedupEntry> = fc.record({
  at: instant,
  groupId: maybe(groupName),
  messageId: id16,
  // Places begin at 1.
  sequence: maybe(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map((value) => value as Sequence),
  ),
});

export const receiveAttempt: fc.Arbitrary<ReceiveAttempt> = fc.record({
  at: instant,
  wasRepeated: fc.boolean(),
  receives: fc.array(fc.record({ sequence: place, ordinal: u32, until: instant }), {
    maxLength: limits.receiveMessagesMax,
  }),
});

export const scheduled: fc.Arbitrary<ScheduledMessage> = fc.record({
  messageId: id16,
  deliverAt: instant,
  acceptedAt: instant,
  timeToLiveMs: maybe(duration),
  sizeBytes: u32,
  priority: fc.nat({ max: 9 }),
  content,
});

export const request: fc.Arbitrary<RequestResult> = fc.record({
  payloadHash: bytes({ maxLength: 64 }),
  result: bytes({ maxLength: 500 }),
  keepUntil: instant,
  wasReplayed: fc.boolean(),
});

const moveQueue: fc.Arbitrary<MoveQueue> = fc.record({
  number: u64.map((value) => value as QueueNumber),
  namespace: name.map((value) => value as Namespace),
  name: queueName,
});

export const moveOrder: fc.Arbitrary<MoveOrder> = fc.record({
  source: u64.map((value) => value as QueueNumber),
  number: u64,
  from: moveQueue,
  to: maybe(moveQueue),
  perSecondMax: maybe(fc.integer({ min: 1, max: 500 })),
  filter: maybe(
    fc.record({
      messageIds: fc.array(id16, { maxLength: 20 }),
      attributes: fc
        .array(fc.tuple(text(20), text(20)), { maxLength: 10 })
        .map((pairs) => new Map(pairs)),
      rejectionReason: maybe(text(128)),
      deadLetterSource: maybe(queueName),
      groupId: maybe(groupName),
      bodyContains: bytes({ maxLength: 100 }),
      ageMsMin: maybe(duration),
      ageMsMax: maybe(duration),
    }),
  ),
  edit: maybe(
    fc.record({
      setAttributes: attributes,
      removeAttributes: fc.array(text(20), { maxLength: 10 }),
      body: maybe(fc.record({ isText: fc.boolean(), bytes: bytes(), md5: id16 })),
      groupId: maybe(groupName),
    }),
  ),
  startedAt: instant,
  upTo: place,
  toMove: u64,
});

export const moveTask: fc.Arbitrary<MoveTask> = fc.record({
  source: u64.map((value) => value as QueueNumber),
  number: u64,
  state: fc.oneof(
    fc.record({ kind: fc.constant("running" as const) }),
    fc.record({
      kind: fc.constantFrom("completed" as const, "cancelled" as const),
      endedAt: instant,
    }),
    fc.record({
      kind: fc.constant("failed" as const),
      endedAt: instant,
      reason: fc.constantFrom(
        "COULD_NOT_DETERMINE_SOURCE" as const,
        "DESTINATION_NOT_FOUND" as const,
        "RECORD_CORRUPT" as const,
      ),
    }),
  ),
  moved: u64,
  skipped: u64,
  hasSourceless: fc.boolean(),
  pass: fc.record({
    cursor: place,
    hasMoved: fc.boolean(),
    skipped: u64,
    passedOver: maybe(fc.record({ sequence: place, skippedBefore: u64 })),
  }),
  pace: fc.record({ since: instant, count: u64 }),
});

export const schedule: fc.Arbitrary<Schedule> = fc.record({
  name,
  timing: fc.oneof(
    fc.record({ kind: fc.constant("cron" as const), pattern: text(100), timeZone: text(40) }),
    fc.record({ kind: fc.constant("interval" as const), intervalMs: duration }),
  ),
  startAt: maybe(instant),
  endAt: maybe(instant),
  isPaused: fc.boolean(),
  missedRuns: fc.constantFrom("send_one" as const, "skip" as const),
  message: fc.record({
    content,
    sizeBytes: u32,
    timeToLiveMs: maybe(duration),
    priority: maybe(fc.nat({ max: 9 })),
  }),
});

export const scheduleState: fc.Arbitrary<ScheduleState> = fc.record({
  putAt: instant,
  nextAt: maybe(instant),
  lastAt: maybe(instant),
  lastMessageId: maybe(id16),
  runCount: u64,
  failure: maybe(fc.constantFrom("record_corrupt" as const, "message_too_long" as const)),
});
