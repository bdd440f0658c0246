// Messages that a subscription gave up and no dead-letter queue took are kept, so that nothing is lost silently: for as long as a
// backlog is, and up to a bound for each topic. What does not fit is counted only, as all of it is.

import { after, type DurationMs, type EpochMs, type Sequence, sequence } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { topicLimits } from "./limits.js";
import type { Subscription, Topic, TopicMessage } from "./model.js";
import type { TopicDecided } from "./rejections.js";
import { findSubscription, subscriptionNotFound } from "./topic-name.js";
import type { Undeliverable } from "./undeliverable-model.js";
import type { UndeliverableDue, UndeliverableTransaction } from "./undeliverable-view.js";
import type { StateTransaction, TopicSegment, TopicTransaction } from "./view.js";

export const undeliverableLimits = {
  keepMs: topicLimits.backlogMsMax as DurationMs,
  /** Of one topic. What is given up beyond is not kept. */
  keptMax: 100_000,
  keptBytesMax: 1_073_741_824,
  errorCharactersMax: 1_024,
  /** A page ends before it has more; one message it has in any case. gRPC's clients take 4 MiB. */
  pageBytesMax: 2_097_152,
  /** Messages that one step of clean-up removes. */
  sweptMax: 500,
  /** Ids that one call may name. */
  idsMax: 1_000,
  perSecondMax: 500,
  /** Messages that one step of trying again hands on, and those it looks at. */
  stepCopiesMax: 100,
  stepBytesMax: 1_048_576,
  stepExaminedMax: 1_000,
  /** Between two looks at what has to wait for its subscription. */
  lookAgainMs: 1_000,
  /** What is late is made good up to this much: timers are not as fine as the highest pace. */
  catchUpMs: 100,
} as const;

/** What is known of a message that is given up. */
export interface GivenUp {
  readonly message: TopicMessage;
  readonly reason: string;
  readonly error: string;
  readonly attempts: number;
  readonly firstAttemptAt: EpochMs | undefined;
}

export function keepUndeliverable(
  { undeliverables: kept }: Pick<TopicTransaction, "undeliverables">,
  topic: TopicSegment,
  { id }: Pick<Subscription, "id">,
  { message, reason, error, attempts, firstAttemptAt }: GivenUp,
  { now }: Stamp,
): void {
  const earlier = kept.find(topic, id, message.sequence);
  if (earlier !== undefined) removeUndeliverable(kept, topic, id, earlier);
  const { sizeBytes: bytes } = message;
  const total = kept.total(topic) ?? nothing;
  const isFull =
    total.count >= undeliverableLimits.keptMax ||
    total.bytes + bytes > undeliverableLimits.keptBytesMax;
  if (isFull) return;
  const record = kept.record(topic, id) ?? { ...nothing, round: 1 };
  kept.putTotal(topic, { count: total.count + 1, bytes: total.bytes + bytes });
  kept.putRecord(topic, id, {
    ...record,
    count: record.count + 1,
    bytes: record.bytes + bytes,
  });
  const row: Undeliverable = {
    sequence: message.sequence,
    reason,
    lastError: error.slice(0, undeliverableLimits.errorCharactersMax),
    attempts,
    firstAttemptAt,
    givenUpAt: now,
    bytes,
    round: record.round,
  };
  kept.insert(topic, id, row, message);
}

const nothing = { count: 0, bytes: 0 } as const;

/** With what counts it. A topic that was deleted may have lost its numbers already. */
export function removeUndeliverable(
  kept: UndeliverableTransaction,
  topic: TopicSegment,
  id: Buffer,
  row: Undeliverable,
): void {
  const order = kept.order(topic, id);
  const isOrdered =
    order !== undefined &&
    ((row.round <= order.round && row.sequence >= order.from) ||
      kept.isMarked(topic, id, row.sequence));
  kept.remove(topic, id, row);
  const total = kept.total(topic);
  if (total !== undefined) {
    kept.putTotal(topic, { count: total.count - 1, bytes: total.bytes - row.bytes });
  }
  const record = kept.record(topic, id);
  if (record?.count === 1) kept.removeRecord(topic, id);
  else if (record !== undefined) {
    const { count, bytes } = record;
    kept.putRecord(topic, id, { ...record, count: count - 1, bytes: bytes - row.bytes });
  }
  if (!isOrdered) return;
  if (order.left <= 1) kept.removeOrder(topic, id);
  else kept.putOrder(topic, id, { ...order, left: order.left - 1 });
}

// ---- listing -------------------------------------------------------------------------------------------------------------

export interface ListUndeliverable {
  readonly id: Buffer;
  /** The place of the last one of the page before; undefined: from the first. */
  readonly after: Sequence | undefined;
  readonly countMax: number;
}

export interface ListedUndeliverable {
  readonly kept: Undeliverable;
  /** Good for longer than the command. */
  readonly message: TopicMessage;
}

export interface UndeliverablePage {
  readonly topic: Topic;
  readonly messages: readonly ListedUndeliverable[];
  /** Where the next page begins; undefined: nothing is left. */
  readonly next: Sequence | undefined;
}

export function decideListUndeliverable(
  { topics }: StateTransaction,
  { id, after: last, countMax }: ListUndeliverable,
  { now }: Stamp,
): TopicDecided<UndeliverablePage> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { topic } = found;
  const { undeliverables } = topics;
  const messages: ListedUndeliverable[] = [];
  let bytes = 0;
  let passed = last;
  for (const kept of undeliverables.from(topic, id, sequence((last ?? 0) + 1))) {
    const isFull =
      messages.length === countMax ||
      (messages.length > 0 && bytes + kept.bytes > undeliverableLimits.pageBytesMax);
    if (isFull) return accept({ topic, messages, next: passed });
    passed = kept.sequence;
    if (isOver(kept, now)) continue;
    const message = undeliverables.message(topic, id, kept.sequence);
    if (message === undefined) continue;
    bytes += kept.bytes;
    messages.push({ kept, message: copyOf(message) });
  }
  return accept({ topic, messages, next: undefined });
}

const isOver = ({ givenUpAt }: Undeliverable, now: EpochMs): boolean =>
  after(givenUpAt, undeliverableLimits.keepMs) <= now;

/** The bytes of a row that was read are good for the command only. */
const copyOf = (message: TopicMessage): TopicMessage => ({
  ...message,
  messageId: Buffer.from(message.messageId),
  body: Buffer.from(message.body),
  attributes: message.attributes.map((each) => ({ ...each, value: Buffer.from(each.value) })),
});

// ---- clean-up ------------------------------------------------------------------------------------------------------------

/** One step: messages whose time is over, and those of subscriptions that have ended. */
export function decideSweepUndeliverable(
  { topics }: StateTransaction,
  { now }: Stamp,
): TopicDecided<{ readonly hasMore: boolean }> {
  const { undeliverables } = topics;
  const due: UndeliverableDue[] = [];
  for (const each of undeliverables.dues()) {
    if (each.sequence !== undefined && after(each.at, undeliverableLimits.keepMs) > now) break;
    if (due.length === undeliverableLimits.sweptMax) break;
    due.push(each);
    // What a subscription leaves behind is a step of its own.
    if (each.sequence === undefined) break;
  }
  const [first] = due;
  if (first === undefined) return accept({ hasMore: false });
  if (first.sequence === undefined) sweepEnded(undeliverables, first);
  else for (const each of due) sweepOld(undeliverables, each);
  return accept({ hasMore: true });
}

function sweepOld(kept: UndeliverableTransaction, due: UndeliverableDue): void {
  const { subscription: id, sequence: place } = due;
  if (place === undefined) return;
  const row = kept.find(due, id, place);
  if (row?.givenUpAt === due.at) removeUndeliverable(kept, due, id, row);
  else kept.removeDue(due);
}

function sweepEnded(kept: UndeliverableTransaction, due: UndeliverableDue): void {
  const { subscription: id } = due;
  const rows: Undeliverable[] = [];
  for (const row of kept.from(due, id, sequence(0))) {
    rows.push(row);
    if (rows.length === undeliverableLimits.sweptMax) break;
  }
  for (const row of rows) removeUndeliverable(kept, due, id, row);
  if (rows.length < undeliverableLimits.sweptMax) kept.removeDue(due);
}
