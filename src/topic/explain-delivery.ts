// ExplainDelivery: what became of a message for every subscription of its topic, or would become of it.
//
// While the topic has the message, everything follows from where each subscription is, what is pending, and the record of attempts.
// When everybody has passed it and no archive keeps it, only those are told of who still have it pending or recorded; who has
// neither is left out, since nothing says any more what became of it there.

import { type EpochMs, epochMs, type Sequence, sequence } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { firstSince } from "./archive.js";
import { lastAttempt } from "./attempts.js";
import type { AttemptEnd, KeptAttempt } from "./attempts-model.js";
import { placeOf } from "./counters.js";
import { findInStream } from "./explain-stream.js";
import { isFor, whyNotFor } from "./filters.js";
import type { Subscription, Topic, TopicCounters, TopicMessage } from "./model.js";
import type { PendingPush } from "./push-model.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { findTopic, type TopicAddress, topicNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface ExplainDelivery {
  readonly address: TopicAddress;
  readonly messageId: Buffer;
  /** Subscriptions after this one; empty: from the first. */
  readonly after: Buffer;
  readonly countMax: number;
}

export interface ExplainedDelivery {
  readonly subscription: Buffer;
  readonly state:
    | "not_subscribed"
    | "filtered"
    | "waiting"
    | "in_flight"
    | Exclude<AttemptEnd, "retried">;
  readonly attempts: number;
  /** Of the last attempt; why its filter keeps the message back. */
  readonly lastError: string;
  readonly nextAt: EpochMs | undefined;
}

export interface DeliveriesExplained {
  readonly deliveries: readonly ExplainedDelivery[];
  /** The last subscription that was looked at, if there are more. */
  readonly next: Buffer | undefined;
}

/** What one page costs at most: subscriptions, and rows of pending messages looked through for one that the topic has no more. */
const subscriptionsMax = 1_000;
const pendingMax = 1_000;

export function decideExplainDelivery(
  transaction: StateTransaction,
  { address, messageId, after, countMax }: ExplainDelivery,
  stamp: Stamp,
): TopicDecided<DeliveriesExplained> {
  const { topics } = transaction;
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const message = findMessage(topics, topic, messageId);
  const explaining = new Explaining(transaction, topic, messageId, message, stamp);
  const deliveries: ExplainedDelivery[] = [];
  let examined = 0;
  let last = after;
  let hasMore = false;
  for (const subscription of topics.subscriptionsAfter(topic, after)) {
    hasMore = deliveries.length === countMax || examined === subscriptionsMax || explaining.isTired;
    if (hasMore) break;
    examined += 1;
    last = subscription.id;
    const explained = explaining.explain(subscription);
    if (explained !== undefined) deliveries.push(explained);
  }
  const isUnknown = message === undefined && deliveries.length === 0;
  if (isUnknown && after.length === 0 && !hasMore) {
    return refuse({
      kind: "published_not_found",
      topic: address.given,
      messageId: uuidText(messageId),
    });
  }
  return accept({ deliveries, next: hasMore ? last : undefined });
}

type Told = Omit<ExplainedDelivery, "subscription">;

class Explaining {
  readonly #transaction: StateTransaction;
  readonly #topic: Topic;
  readonly #messageId: Buffer;
  readonly #message: TopicMessage | undefined;
  readonly #stamp: Stamp;
  readonly #counters: TopicCounters;
  #pendingLeft: number = pendingMax;

  constructor(
    transaction: StateTransaction,
    topic: Topic,
    messageId: Buffer,
    message: TopicMessage | undefined,
    stamp: Stamp,
  ) {
    this.#transaction = transaction;
    this.#topic = topic;
    this.#messageId = messageId;
    this.#message = message;
    this.#stamp = stamp;
    this.#counters = transaction.topics.counters(topic);
  }

  /** Enough was looked at for one page. */
  get isTired(): boolean {
    return this.#pendingLeft <= 0;
  }

  /** Undefined: nothing is known of the message there. */
  explain(subscription: Subscription): ExplainedDelivery | undefined {
    const told = this.#tell(subscription);
    return told && { ...told, subscription: Buffer.from(subscription.id) };
  }

  #tell(subscription: Subscription): Told | undefined {
    const { topics } = this.#transaction;
    const { id } = subscription;
    const last = lastAttempt(topics, this.#topic, id, this.#messageId);
    const pending = this.#pendingOf(subscription, this.#message?.sequence ?? last?.sequence);
    if (pending !== undefined) return this.#tellPending(pending);
    if (this.#message !== undefined) return this.#tellKept(subscription, this.#message, last);
    if (last !== undefined) return toldOf(last);
    return subscription.kind === "stream" ? this.#tellStream(subscription) : undefined;
  }

  #pendingOf({ id }: Subscription, place: Sequence | undefined): PendingPush | undefined {
    const { pushes } = this.#transaction.topics;
    if (pushes.place(this.#topic, id) === undefined) return undefined;
    if (place !== undefined) return pushes.pending(this.#topic, id, place);
    // Nothing else says where a message was that the topic has no more.
    for (const row of pushes.pendingFrom(this.#topic, id, sequence(0))) {
      this.#pendingLeft -= 1;
      if (row.message?.messageId.equals(this.#messageId)) return row;
    }
    return undefined;
  }

  #tellPending({ isLeased, dueAt, failures, lastError }: PendingPush): Told {
    const inFlight = isLeased && dueAt > this.#stamp.now;
    return {
      state: inFlight ? "in_flight" : "waiting",
      attempts: failures + Number(inFlight),
      lastError,
      nextAt: inFlight ? undefined : dueAt,
    };
  }

  #tellKept(
    subscription: Subscription,
    message: TopicMessage,
    last: KeptAttempt | undefined,
  ): Told | undefined {
    if (this.#isToBeReplayed(subscription, message)) {
      return { ...untried("waiting"), attempts: last?.attempt ?? 0, lastError: last?.error ?? "" };
    }
    // A replay gives what was before.
    if (last !== undefined) return toldOf(last);
    if (subscription.standing.kind === "pending" || message.sequence < subscription.since) {
      return untried("not_subscribed");
    }
    if (!isFor(subscription, message)) {
      return { ...untried("filtered"), lastError: whyNotFor(subscription, message) };
    }
    const { topics } = this.#transaction;
    const place = placeOf(topics, this.#topic, this.#counters, subscription);
    if (message.sequence >= place) return { ...untried("waiting"), nextAt: message.deliverAt };
    return subscription.kind === "stream"
      ? (this.#tellStream(subscription) ?? { ...untried("delivered"), attempts: 1 })
      : { ...untried("delivered"), attempts: 1 };
  }

  #isToBeReplayed(subscription: Subscription, { sequence: at }: TopicMessage): boolean {
    const replay = this.#transaction.topics.archives.replay(this.#topic, subscription.id);
    if (replay === undefined || replay.endedAt !== undefined) return false;
    return at >= replay.position && (replay.end === undefined || at < replay.end);
  }

  /** Of what was passed on to the queue behind the stream; undefined: it is not there any more, or not yet. */
  #tellStream(subscription: Subscription): Told | undefined {
    const found = findInStream(this.#transaction, subscription, this.#messageId, this.#stamp);
    if (found === undefined) return undefined;
    const { standing, receives: attempts } = found;
    return standing.state === "in_flight"
      ? { ...untried("in_flight"), attempts }
      : { ...untried("waiting"), attempts, nextAt: standing.visibleAt };
  }
}

const untried = (state: ExplainedDelivery["state"]): Told => ({
  state,
  attempts: 0,
  lastError: "",
  nextAt: undefined,
});

/** Of an attempt after which nothing is pending: one that was to be tried again was, and succeeded, since failures are recorded. */
function toldOf({ end, attempt, error }: KeptAttempt): Told {
  return {
    state: end === "retried" ? "delivered" : end,
    attempts: end === "retried" ? attempt + 1 : attempt,
    lastError: error,
    nextAt: undefined,
  };
}

/** By its id, whose time is that of its publish: messages stand in the order they were published. */
function findMessage(
  topics: StateTransaction["topics"],
  topic: Topic,
  messageId: Buffer,
): TopicMessage | undefined {
  const publishedAt = epochMs(messageId.readUIntBE(0, 6));
  const { firstSequence: from, nextSequence: to } = topics.counters(topic);
  const first: number = firstSince(topics, topic, { from, to }, publishedAt);
  for (let at = first; at < to; at += 1) {
    const message = topics.message(topic, sequence(at));
    if (message === undefined) continue;
    if (message.publishedAt > publishedAt) return undefined;
    if (message.messageId.equals(messageId)) return message;
  }
  return undefined;
}
