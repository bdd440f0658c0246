// What a topic rule may read and record, beside what it may of queues: see `queue/view.ts`. A rule of topics gets a transaction
// over both, since a delivery to a queue and the place of its subscription change in one step.

import type { EpochMs, Namespace, Sequence, TopicName } from "../base/brands.js";
import type { CacheTransaction } from "../cache/view.js";
import type { QueueTransaction } from "../queue/view.js";
import type { ArchiveTransaction } from "./archive-view.js";
import type { AttemptTransaction } from "./attempts-view.js";
import type { DrainTransaction } from "./drain-view.js";
import type {
  Deliveries,
  EndedTopic,
  PublishedOnce,
  Subscription,
  SubscriptionLocator,
  Topic,
  TopicCounters,
  TopicMessage,
} from "./model.js";
import type { PushTransaction } from "./push-view.js";
import type { UndeliverableTransaction } from "./undeliverable-view.js";

/** What the rows of a topic are found by. */
export type TopicSegment = Pick<Topic, "slot" | "segment">;

/** A subscription with a place of its own. */
export interface OwnPlace {
  readonly cursor: Sequence;
  readonly id: Buffer;
}

/** A remembered deduplication id and when it came. */
export interface DedupTime {
  readonly at: EpochMs;
  readonly key: string;
}

/** What rules keep of a topic between commands, worked out from its rows. */
export interface TopicMemory {
  /** How much it is, beside others: subscriptions kept. */
  readonly weight: number;
  /** A subscription was made, changed or removed. */
  subscriptionChanged(id: Buffer): void;
}

export interface TopicView {
  /** What is kept of a topic; made where nothing is, or where a change of subscriptions was undone. */
  memory<Memory extends TopicMemory>(topic: TopicSegment, make: () => Memory): Memory;
  findTopic(namespace: Namespace, name: TopicName): Topic | undefined;
  /** Topics of a namespace in name order, from the first name at or after `from`. */
  topicsFrom(namespace: Namespace, from: string): Iterable<Topic>;
  /** Every topic of every namespace, in order, strictly after the one given. */
  topicsAfter(namespace: string, name: string): Iterable<Topic>;
  topicCount(namespace: Namespace): TopicCount;
  counters(topic: TopicSegment): TopicCounters;
  /** How many of its subscriptions have a filter. */
  filterCount(topic: TopicSegment): number;
  /** One that cannot be read is reported and counts as gone. */
  message(topic: TopicSegment, sequence: Sequence): TopicMessage | undefined;
  subscription(topic: TopicSegment, id: Buffer): Subscription | undefined;
  /** In the order they were made, strictly after the one given; an empty id: from the first. */
  subscriptionsAfter(topic: TopicSegment, id: Buffer): Iterable<Subscription>;
  /** The one for this target, if there is one. */
  subscriptionTo(topic: TopicSegment, kind: string, endpoint: string): Buffer | undefined;
  deliveries(topic: TopicSegment, id: Buffer): Deliveries;
  locate(id: Buffer): SubscriptionLocator | undefined;
  /** Ids of the subscriptions of a namespace, in the order they were made, strictly after the one given. */
  subscriptionIdsAfter(namespace: Namespace, id: Buffer): Iterable<Buffer>;
  /** Subscriptions with a place of their own, the furthest behind first. */
  ownPlaces(topic: TopicSegment): Iterable<OwnPlace>;
  /** Of these the ones that are not paused and have to catch up. */
  catchingUp(topic: TopicSegment): Iterable<Buffer>;
  publishedOnce(topic: TopicSegment, key: string): PublishedOnce | undefined;
  /** Remembered deduplication ids, oldest first. */
  dedupTimes(topic: TopicSegment): Iterable<DedupTime>;
  endedTopics(): Iterable<EndedTopic>;
}

/** How many topics a namespace has, and of their subscriptions how many have filters or wait to be confirmed. */
export interface TopicCount {
  readonly standard: number;
  readonly fifo: number;
  readonly filters: number;
  readonly pending: number;
}

export interface TopicChanges {
  putTopic(topic: Topic): void;
  removeTopic(topic: Topic): void;
  putTopicCount(namespace: Namespace, count: TopicCount): void;
  putCounters(topic: TopicSegment, counters: TopicCounters): void;
  putFilterCount(topic: TopicSegment, count: number): void;
  insertMessage(topic: TopicSegment, message: TopicMessage): void;
  removeMessage(topic: TopicSegment, sequence: Sequence): void;
  /** With the rows that find it, by its id, its namespace and its target. */
  insertSubscription(topic: Topic, subscription: Subscription): void;
  /** `previous` is the subscription it replaces, whose place of its own goes. */
  putSubscription(topic: TopicSegment, subscription: Subscription, previous: Subscription): void;
  removeSubscription(
    topic: TopicSegment & Pick<Topic, "namespace">,
    subscription: Subscription,
  ): void;
  putDeliveries(topic: TopicSegment, id: Buffer, deliveries: Deliveries): void;
  putPublishedOnce(topic: TopicSegment, key: string, entry: PublishedOnce): void;
  removePublishedOnce(topic: TopicSegment, time: DedupTime): void;
  addEndedTopic(ended: EndedTopic): void;
  removeEndedTopic(ended: EndedTopic): void;
}

export interface TopicTransaction extends TopicView, TopicChanges {
  readonly pushes: PushTransaction;
  readonly archives: ArchiveTransaction;
  readonly attempts: AttemptTransaction;
  readonly undeliverables: UndeliverableTransaction;
  readonly drains: DrainTransaction;
}

/** The state of everything, under one command. */
export interface StateTransaction extends QueueTransaction {
  readonly topics: TopicTransaction;
  readonly caches: CacheTransaction;
}
