// Fan-out: messages of a topic are handed on to its subscriptions in bounded steps, each one command, so that copies and places
// are always in step with each other, and a publish need not wait for a thousand subscribers.
//
// The lane goes round: some messages, then for all subscriptions in it, in the order they were made, copies of those that are for
// them. Whoever has a place of its own is served until it is where the lane is and then goes with it. A message that everybody
// has is removed.

import { after, type EpochMs, type Sequence, sequence } from "../base/brands.js";
import { orUnreadable } from "../queue/readable.js";
import { accept, type Decided } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { archivedFrom, expireArchive, isArchiveTooOld } from "./archive.js";
import { laneAt, lanePlaceOf } from "./counters.js";
import { type DeliveryOutcome, QueueDeliveries } from "./deliver-to-queue.js";
import type { ToSign } from "./envelope.js";
import { isFor } from "./filters.js";
import { LaneMemory, type Share } from "./lane-memory.js";
import { topicLimits } from "./limits.js";
import type { Deliveries, Subscription, Topic, TopicCounters, TopicMessage } from "./model.js";
import { expireBacklog } from "./purge-backlog.js";
import type { TopicDecided } from "./rejections.js";
import { markedAgain } from "./replay-dedup.js";
import { findTopic, type TopicAddress } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface FanOutStep {
  /** Copies handed on, or given up. */
  readonly copies: number;
  readonly hasMore: boolean;
}

/** The step is to be taken again when this is signed. */
export interface Unsigned {
  readonly kind: "unsigned";
  readonly unsigned: readonly ToSign[];
}

/** One step of a topic; one that is gone has nothing left to do. */
export function decideFanOut(
  transaction: StateTransaction,
  address: Pick<TopicAddress, "namespace" | "name">,
  stamp: Stamp,
): Decided<FanOutStep, Unsigned> {
  const topic = findTopic(transaction.topics, { ...address, given: address.name });
  if (topic === undefined) return accept({ copies: 0, hasMore: false });
  const hasDropped = expireBacklog(transaction, topic, stamp);
  const hasExpired = expireArchive(transaction.topics, topic, stamp) || hasDropped;
  const fanOut = new FanOut(transaction, topic, stamp);
  fanOut.step();
  const { unsigned } = fanOut;
  if (unsigned.length > 0) return { kind: "rejected", rejection: { kind: "unsigned", unsigned } };
  return accept({ copies: fanOut.copies, hasMore: fanOut.close() || hasExpired });
}

/** Whether a topic has something to hand on or to remove. */
export function hasToHandOn(
  { topics }: StateTransaction,
  address: Pick<TopicAddress, "namespace" | "name">,
): boolean {
  const topic = topics.findTopic(address.namespace, address.name);
  return (
    topic !== undefined && (isBehind(topics.counters(topic)) || hasAny(topics.catchingUp(topic)))
  );
}

/** Topics with something to hand on or to drop, a page of them. */
export function decideFindFanOuts(
  { topics }: StateTransaction,
  last: Pick<TopicAddress, "namespace" | "name"> | undefined,
  { now }: Stamp,
): TopicDecided<FoundFanOuts> {
  const found: Topic[] = [];
  let reached: Topic | undefined;
  let examined = 0;
  for (const topic of topics.topicsAfter(last?.namespace ?? "", last?.name ?? "")) {
    if (examined === topicsPerPage) return accept({ found, last: reached });
    examined += 1;
    reached = topic;
    const counters = topics.counters(topic);
    const isDue =
      isBehind(counters) ||
      hasAny(topics.catchingUp(topic)) ||
      isTooOld(topics.message(topic, counters.firstSequence), now) ||
      isArchiveTooOld(topics, topic, now);
    if (isDue) found.push(topic);
  }
  return accept({ found, last: undefined });
}

export interface FoundFanOuts {
  readonly found: readonly Topic[];
  /** Where the next page begins; undefined: there is none. */
  readonly last: Topic | undefined;
}

const topicsPerPage = 1_000;

/** Whether the lane has messages to hand on. */
const isBehind = ({ lane, nextSequence }: TopicCounters): boolean => lane.from < nextSequence;

const isTooOld = (message: TopicMessage | undefined, now: EpochMs): boolean =>
  message !== undefined && after(message.publishedAt, topicLimits.backlogMsMax) < now;

function hasAny(ids: Iterable<unknown>): boolean {
  for (const _id of ids) return true;
  return false;
}

/** One topic under one command. */
export class FanOut {
  copies = 0;
  readonly #transaction: StateTransaction;
  readonly #topic: Topic;
  readonly #deliveries: QueueDeliveries;
  /** As they are written. */
  readonly #stored: TopicCounters;
  #counters: TopicCounters;

  constructor(
    transaction: StateTransaction,
    topic: Topic,
    stamp: Stamp,
    /** Given if they are not written yet. */
    counters?: TopicCounters,
  ) {
    this.#transaction = transaction;
    this.#topic = topic;
    this.#deliveries = new QueueDeliveries(transaction, topic, stamp);
    this.#stored = transaction.topics.counters(topic);
    this.#counters = counters ?? this.#stored;
  }

  get unsigned(): readonly ToSign[] {
    return this.#deliveries.unsigned;
  }

  /** Those who catch up come first: while the lane has work they would never come near it. */
  step(): void {
    if (!this.#catchUp()) this.stepLane();
    this.#trim();
  }

  /** Serves everybody in the lane at once. For a publish that knows them to be few. */
  finishLane(): void {
    while (isBehind(this.#counters)) this.stepLane();
    this.#trim();
  }

  /** Writes what has changed; says whether there is more to do. */
  close(): boolean {
    const { topics } = this.#transaction;
    this.#deliveries.close();
    if (this.#counters !== this.#stored) topics.putCounters(this.#topic, this.#counters);
    return (
      isBehind(this.#counters) ||
      this.#firstBehind() !== undefined ||
      this.#counters.firstSequence < this.#keptFrom()
    );
  }

  /** A part of a round: the next subscriptions get the round's messages. */
  stepLane(): void {
    if (!isBehind(this.#counters)) return;
    const { lane, nextSequence, confirmed } = this.#counters;
    if (confirmed === 0) {
      this.#setLane(laneAt(nextSequence));
      return;
    }
    const { topics } = this.#transaction;
    const memory = topics.memory(this.#topic, () => new LaneMemory());
    const { messages, to } = this.#roundOf(memory);
    const known = memory.shares(topics, this.#topic);
    if (known === "reading") return;
    const { shares, last } =
      known === "too_many" ? this.#share(lane.after, messages) : nextOf(known, lane.after);
    for (const { subscription, messages: own } of shares) this.#handOn(subscription, own);
    if (last === undefined) memory.endRound();
    this.#setLane(last === undefined ? laneAt(to) : { from: lane.from, to, after: last });
  }

  /** The messages of the lane's round, or of the one that begins now, and the place after them. */
  #roundOf(memory: LaneMemory): {
    readonly messages: readonly TopicMessage[];
    readonly to: Sequence;
  } {
    const { lane, nextSequence } = this.#counters;
    const { from } = lane;
    const isNew = from === lane.to;
    const kept = isNew ? undefined : memory.messagesOf(from, lane.to);
    if (kept !== undefined) return { messages: kept, to: lane.to };
    const { messages, to: read } = this.#read(from, isNew ? nextSequence : lane.to);
    const to = isNew ? read : lane.to;
    memory.beginRound({ from, to, messages });
    return { messages, to };
  }

  #setLane(lane: TopicCounters["lane"]): void {
    this.#counters = { ...this.#counters, lane };
  }

  /** The next subscriptions with what is for them, up to a step's bounds. `last` is undefined at the end of the round. */
  #share(
    after: Buffer,
    messages: readonly TopicMessage[],
  ): { readonly shares: readonly Share[]; readonly last: Buffer | undefined } {
    const shares: Share[] = [];
    let last: Buffer | undefined;
    let examined = 0;
    let copies = 0;
    let bytes = 0;
    for (const subscription of this.#transaction.topics.subscriptionsAfter(this.#topic, after)) {
      const isEnough =
        copies >= topicLimits.stepCopiesMax ||
        bytes >= topicLimits.stepBytesMax ||
        examined >= topicLimits.stepSubscriptionsMax;
      if (isEnough) return { shares, last };
      examined += 1;
      last = subscription.id;
      const { standing } = subscription;
      if (standing.kind !== "lane") continue;
      const own = messages.filter(
        (message) => message.sequence >= standing.since && isFor(subscription, message),
      );
      if (own.length === 0) continue;
      shares.push({ subscription, messages: own });
      copies += own.length;
      for (const { sizeBytes } of own) bytes += sizeBytes;
    }
    return { shares, last: undefined };
  }

  /** Serves the first of those who catch up; false when there is none. */
  #catchUp(): boolean {
    const { topics } = this.#transaction;
    const subscription = this.#firstBehind();
    if (subscription?.standing.kind !== "own") return false;
    const { cursor } = subscription.standing;
    const goal = lanePlaceOf(this.#counters.lane, subscription.id);
    const { messages, to } = this.#read(cursor, goal);
    const own = messages.filter((message) => isFor(subscription, message));
    const replay = topics.archives.replay(this.#topic, subscription.id);
    this.#handOn(subscription, markedAgain(replay, own));
    const standing =
      to >= goal ? ({ kind: "lane", since: to } as const) : ({ kind: "own", cursor: to } as const);
    topics.putSubscription(this.#topic, { ...subscription, standing }, subscription);
    return true;
  }

  /** One that cannot be read stays where it is, and nobody waits for it. */
  #firstBehind(): Subscription | undefined {
    const { topics } = this.#transaction;
    for (const id of topics.catchingUp(this.#topic)) {
      const subscription = orUnreadable(() => topics.subscription(this.#topic, id));
      if (subscription !== undefined && subscription !== "unreadable") return subscription;
    }
    return undefined;
  }

  /** Messages from a place on, up to the bounds of a round; `to` is the place after them. One that is gone is passed over. */
  #read(
    from: Sequence,
    end: Sequence,
  ): { readonly messages: readonly TopicMessage[]; readonly to: Sequence } {
    const messages: TopicMessage[] = [];
    let bytes = 0;
    let place: number = Math.max(from, Math.min(end, this.#counters.firstSequence));
    while (place < end && messages.length < topicLimits.passMessagesMax) {
      const message = this.#transaction.topics.message(this.#topic, sequence(place));
      if (message !== undefined) {
        if (messages.length > 0 && bytes + message.sizeBytes > topicLimits.passBytesMax) break;
        bytes += message.sizeBytes;
        messages.push(message);
      }
      place += 1;
    }
    return { messages, to: sequence(Math.max(place, from)) };
  }

  #handOn(subscription: Subscription, messages: readonly TopicMessage[]): void {
    if (messages.length === 0) return;
    const { topics } = this.#transaction;
    let counted = topics.deliveries(this.#topic, subscription.id);
    const delivered = this.#deliveries.deliverPlain(subscription, messages);
    if (delivered !== undefined) {
      counted = { ...counted, delivered: counted.delivered + delivered };
    } else {
      for (const message of messages) {
        counted = count(counted, this.#deliveries.deliver(subscription, message));
      }
    }
    this.copies += messages.length;
    topics.putDeliveries(this.#topic, subscription.id, counted);
  }

  /** No message before this place is for anybody any more, nor in the archive. */
  #keptFrom(): Sequence {
    const archived = archivedFrom(this.#transaction.topics, this.#topic);
    const waited = this.#waitedFrom();
    return archived === undefined || waited < archived ? waited : archived;
  }

  #waitedFrom(): Sequence {
    const { lane } = this.#counters;
    for (const { cursor } of this.#transaction.topics.ownPlaces(this.#topic)) {
      return sequence(Math.min(lane.from, cursor));
    }
    return lane.from;
  }

  #trim(): void {
    const keptFrom = this.#keptFrom();
    let { firstSequence } = this.#counters;
    if (firstSequence >= keptFrom) return;
    for (let left = topicLimits.trimMax; left > 0 && firstSequence < keptFrom; left -= 1) {
      this.#transaction.topics.removeMessage(this.#topic, firstSequence);
      firstSequence = sequence(firstSequence + 1);
    }
    this.#counters = { ...this.#counters, firstSequence };
  }
}

/** Of a round's shares those of the next subscriptions, up to a step's bounds. `last` is undefined at the end of the round. */
function nextOf(
  all: readonly Share[],
  after: Buffer,
): { readonly shares: readonly Share[]; readonly last: Buffer | undefined } {
  const from = firstAfter(all, after);
  let copies = 0;
  let bytes = 0;
  for (let at = from; at < all.length; at += 1) {
    if (copies >= topicLimits.stepCopiesMax || bytes >= topicLimits.stepBytesMax) {
      return { shares: all.slice(from, at), last: all[at - 1]?.subscription.id };
    }
    const own = all[at]?.messages ?? [];
    copies += own.length;
    for (const { sizeBytes } of own) bytes += sizeBytes;
  }
  return { shares: all.slice(from), last: undefined };
}

/** The index of the first share whose subscription stands after an id. */
function firstAfter(all: readonly Share[], after: Buffer): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const id = all[middle]?.subscription.id;
    if (id !== undefined && Buffer.compare(id, after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What became of one more message. */
export function count(deliveries: Deliveries, outcome: DeliveryOutcome): Deliveries {
  const { delivered, failedAttempts, deadLettered, givenUp, expired } = deliveries;
  switch (outcome) {
    case "delivered":
      return { ...deliveries, delivered: delivered + 1 };
    case "dead_lettered":
      return { ...deliveries, failedAttempts: failedAttempts + 1, deadLettered: deadLettered + 1 };
    case "given_up":
      return { ...deliveries, failedAttempts: failedAttempts + 1, givenUp: givenUp + 1 };
    case "expired":
      return { ...deliveries, expired: expired + 1 };
  }
}
