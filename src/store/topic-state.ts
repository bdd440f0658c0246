// The topics' view of the rows: which rows a topic, a subscription and a published message are made of, and which go together.

import type { EpochMs, Namespace, Sequence, TopicName } from "../base/brands.js";
import type {
  Deliveries,
  EndedTopic,
  PublishedOnce,
  Subscription,
  SubscriptionLocator,
  Topic,
  TopicCounters,
  TopicMessage,
} from "../topic/model.js";
import type {
  DedupTime,
  OwnPlace,
  TopicCount,
  TopicMemory,
  TopicSegment,
  TopicTransaction,
} from "../topic/view.js";
import { ArchiveRows } from "./archive-state.js";
import { AttemptRows } from "./attempt-state.js";
import { DrainRows } from "./drain-state.js";
import { endOfPrefix, segmentPrefix, u64At } from "./keys.js";
import { PushRows } from "./push-state.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";
import {
  catchingUpKey,
  deliveriesKey,
  endedTopicKey,
  endpointKey,
  idBytes,
  namespaceSubscriptionKey,
  ownPlaceKey,
  publishedKey,
  publishedTimeKey,
  subscriptionIdKey,
  subscriptionKey,
  topicCountersKey,
  topicCountKey,
  topicFiltersKey,
  topicKey,
  topicMessageKey,
} from "./topic-keys.js";
import { TopicMemories } from "./topic-memories.js";
import { newTopicCounters } from "./topic-rows.js";
import { UndeliverableRows } from "./undeliverable-state.js";

const prefixOf = ({ slot, segment }: TopicSegment): string => segmentPrefix(slot, segment);

const idAt = (key: string): Buffer => Buffer.from(key.slice(-idBytes), "latin1");

const noId = Buffer.alloc(0);
const noTopics: TopicCount = { standard: 0, fifo: 0, filters: 0, pending: 0 };

export class TopicState implements TopicTransaction {
  readonly pushes: PushRows;
  readonly archives: ArchiveRows;
  readonly attempts: AttemptRows;
  readonly undeliverables: UndeliverableRows;
  readonly drains: DrainRows;
  readonly #rows: RowAccess;
  readonly #memories: TopicMemories;

  constructor(rows: RowAccess) {
    this.#rows = rows;
    this.#memories = new TopicMemories(rows);
    this.pushes = new PushRows(rows);
    this.archives = new ArchiveRows(rows);
    this.attempts = new AttemptRows(rows);
    this.undeliverables = new UndeliverableRows(rows);
    this.drains = new DrainRows(rows);
  }

  memory<Memory extends TopicMemory>(topic: TopicSegment, make: () => Memory): Memory {
    return this.#memories.of(prefixOf(topic), make);
  }

  findTopic(namespace: Namespace, name: TopicName): Topic | undefined {
    return this.#rows.get(tables.topic, topicKey(namespace, name));
  }

  *topicsFrom(namespace: Namespace, from: string): Iterable<Topic> {
    const all = endOfPrefix(topicKey(namespace, ""));
    for (const { row } of this.#rows.range(tables.topic, topicKey(namespace, from), all)) yield row;
  }

  *topicsAfter(namespace: string, name: string): Iterable<Topic> {
    const last = topicKey(namespace, name);
    for (const { key, row } of this.#rows.range(tables.topic, last, "\x8c")) {
      if (key !== last) yield row;
    }
  }

  topicCount(namespace: Namespace): TopicCount {
    return this.#rows.get(tables.topicCount, topicCountKey(namespace)) ?? noTopics;
  }

  counters(topic: TopicSegment): TopicCounters {
    const key = topicCountersKey(prefixOf(topic));
    return this.#rows.get(tables.topicCounters, key) ?? newTopicCounters();
  }

  filterCount(topic: TopicSegment): number {
    return this.#rows.getReadable(tables.topicFilters, topicFiltersKey(prefixOf(topic))) ?? 0;
  }

  putFilterCount(topic: TopicSegment, count: number): void {
    this.#rows.put(tables.topicFilters, topicFiltersKey(prefixOf(topic)), count);
  }

  message(topic: TopicSegment, sequence: Sequence): TopicMessage | undefined {
    const key = topicMessageKey(prefixOf(topic), sequence);
    return this.#rows.getReadable(tables.topicMessage, key);
  }

  subscription(topic: TopicSegment, id: Buffer): Subscription | undefined {
    return this.#rows.get(tables.subscription, subscriptionKey(prefixOf(topic), id));
  }

  *subscriptionsAfter(topic: TopicSegment, id: Buffer): Iterable<Subscription> {
    const prefix = prefixOf(topic);
    const last = subscriptionKey(prefix, id);
    for (const { key, row } of this.#rows.range(tables.subscription, last, `${prefix}T`)) {
      if (key !== last) yield row;
    }
  }

  subscriptionTo(topic: TopicSegment, kind: string, endpoint: string): Buffer | undefined {
    return this.#rows.get(tables.endpoint, endpointKey(prefixOf(topic), kind, endpoint));
  }

  deliveries(topic: TopicSegment, id: Buffer): Deliveries {
    const key = deliveriesKey(prefixOf(topic), id);
    return this.#rows.getReadable(tables.deliveries, key) ?? none;
  }

  locate(id: Buffer): SubscriptionLocator | undefined {
    return this.#rows.get(tables.subscriptionId, subscriptionIdKey(id));
  }

  *subscriptionIdsAfter(namespace: Namespace, id: Buffer): Iterable<Buffer> {
    const last = namespaceSubscriptionKey(namespace, id);
    const end = endOfPrefix(namespaceSubscriptionKey(namespace, noId));
    for (const { key } of this.#rows.range(tables.namespaceSubscription, last, end)) {
      if (key !== last) yield idAt(key);
    }
  }

  *ownPlaces(topic: TopicSegment): Iterable<OwnPlace> {
    const prefix = prefixOf(topic);
    for (const { key } of this.#rows.range(tables.ownPlace, `${prefix}K`, `${prefix}L`)) {
      yield { cursor: u64At(key, prefix.length + 1) as Sequence, id: idAt(key) };
    }
  }

  *catchingUp(topic: TopicSegment): Iterable<Buffer> {
    const prefix = prefixOf(topic);
    for (const { key } of this.#rows.range(tables.catchingUp, `${prefix}R`, `${prefix}S`)) {
      yield idAt(key);
    }
  }

  publishedOnce(topic: TopicSegment, key: string): PublishedOnce | undefined {
    return this.#rows.getReadable(tables.published, publishedKey(prefixOf(topic), key));
  }

  *dedupTimes(topic: TopicSegment): Iterable<DedupTime> {
    const prefix = prefixOf(topic);
    for (const { key } of this.#rows.range(tables.publishedTime, `${prefix}V`, `${prefix}W`)) {
      const at = prefix.length + 1;
      yield { at: u64At(key, at) as EpochMs, key: key.slice(at + 8) };
    }
  }

  *endedTopics(): Iterable<EndedTopic> {
    for (const { key, row } of this.#rows.range(tables.endedTopic, "\x8f", "\x90")) {
      yield {
        namespace: row as Namespace,
        slot: key.charCodeAt(1) * 256 + key.charCodeAt(2),
        segment: u64At(key, 3) as Topic["segment"],
      };
    }
  }

  putTopic(topic: Topic): void {
    this.#rows.put(tables.topic, topicKey(topic.namespace, topic.name), topic);
  }

  removeTopic({ namespace, name }: Topic): void {
    this.#rows.remove(tables.topic, topicKey(namespace, name), true);
  }

  putTopicCount(namespace: Namespace, count: TopicCount): void {
    this.#rows.put(tables.topicCount, topicCountKey(namespace), count);
  }

  putCounters(topic: TopicSegment, counters: TopicCounters): void {
    this.#rows.put(tables.topicCounters, topicCountersKey(prefixOf(topic)), counters);
  }

  insertMessage(topic: TopicSegment, message: TopicMessage): void {
    const key = topicMessageKey(prefixOf(topic), message.sequence);
    this.#rows.insert(tables.topicMessage, key, message);
  }

  removeMessage(topic: TopicSegment, sequence: Sequence): void {
    this.#rows.remove(tables.topicMessage, topicMessageKey(prefixOf(topic), sequence), true);
  }

  insertSubscription(topic: Topic, subscription: Subscription): void {
    const prefix = prefixOf(topic);
    const { id, kind, endpoint } = subscription;
    this.#memories.changed(prefix, id);
    const { namespace, name, slot, segment } = topic;
    this.#rows.put(tables.subscription, subscriptionKey(prefix, id), subscription);
    this.#rows.put(tables.endpoint, endpointKey(prefix, kind, endpoint), id);
    const locator = { namespace, topic: name, slot, segment };
    this.#rows.put(tables.subscriptionId, subscriptionIdKey(id), locator);
    const listKey = namespaceSubscriptionKey(namespace, id);
    this.#rows.put(tables.namespaceSubscription, listKey, true);
    this.#putPlaces(prefix, subscription);
  }

  putSubscription(topic: TopicSegment, subscription: Subscription, previous: Subscription): void {
    const prefix = prefixOf(topic);
    this.#memories.changed(prefix, subscription.id);
    this.#removePlaces(prefix, previous);
    const key = subscriptionKey(prefix, subscription.id);
    this.#rows.put(tables.subscription, key, subscription);
    this.#putPlaces(prefix, subscription);
  }

  #putPlaces(prefix: string, { id, standing, settings }: Subscription): void {
    const place = keptPlaceOf(standing);
    if (place === undefined) return;
    this.#rows.put(tables.ownPlace, ownPlaceKey(prefix, place, id), true);
    if (standing.kind === "own" && !settings.isPaused)
      this.#rows.put(tables.catchingUp, catchingUpKey(prefix, id), true);
  }

  #removePlaces(prefix: string, { id, standing, settings }: Subscription): void {
    const place = keptPlaceOf(standing);
    if (place === undefined) return;
    this.#rows.remove(tables.ownPlace, ownPlaceKey(prefix, place, id), false);
    if (standing.kind === "own" && !settings.isPaused)
      this.#rows.remove(tables.catchingUp, catchingUpKey(prefix, id), false);
  }

  removeSubscription(
    topic: TopicSegment & Pick<Topic, "namespace">,
    subscription: Subscription,
  ): void {
    const prefix = prefixOf(topic);
    const { id, kind, endpoint } = subscription;
    this.#memories.changed(prefix, id);
    this.#removePlaces(prefix, subscription);
    this.pushes.removeSubscription(topic, subscription);
    this.archives.removeSubscription(topic, id);
    this.attempts.removeSubscription(topic, id);
    this.undeliverables.removeSubscription(topic, id);
    this.#rows.remove(tables.subscription, subscriptionKey(prefix, id), true);
    this.#rows.remove(tables.deliveries, deliveriesKey(prefix, id), false);
    this.#rows.remove(tables.endpoint, endpointKey(prefix, kind, endpoint), false);
    this.#rows.remove(tables.subscriptionId, subscriptionIdKey(id), false);
    const listKey = namespaceSubscriptionKey(topic.namespace, id);
    this.#rows.remove(tables.namespaceSubscription, listKey, false);
  }

  putDeliveries(topic: TopicSegment, id: Buffer, deliveries: Deliveries): void {
    this.#rows.put(tables.deliveries, deliveriesKey(prefixOf(topic), id), deliveries);
  }

  putPublishedOnce(topic: TopicSegment, key: string, entry: PublishedOnce): void {
    const prefix = prefixOf(topic);
    this.#rows.put(tables.published, publishedKey(prefix, key), entry);
    this.#rows.put(tables.publishedTime, publishedTimeKey(prefix, entry.at, key), true);
  }

  removePublishedOnce(topic: TopicSegment, { at, key }: DedupTime): void {
    const prefix = prefixOf(topic);
    this.#rows.remove(tables.publishedTime, publishedTimeKey(prefix, at, key), false);
    // It may have been published again since, after its window.
    if (this.publishedOnce(topic, key)?.at !== at) return;
    this.#rows.remove(tables.published, publishedKey(prefix, key), false);
  }

  addEndedTopic({ namespace, slot, segment }: EndedTopic): void {
    this.#rows.put(tables.endedTopic, endedTopicKey(slot, segment), namespace);
  }

  removeEndedTopic({ slot, segment }: EndedTopic): void {
    this.#rows.remove(tables.endedTopic, endedTopicKey(slot, segment), false);
  }
}

/** From where on the topic keeps messages for one that is not in the lane; a pushed one has a row that says it. */
const keptPlaceOf = (standing: Subscription["standing"]): Sequence | undefined =>
  standing.kind === "own"
    ? standing.cursor
    : standing.kind === "replaying"
      ? standing.live
      : undefined;

const none: Deliveries = {
  delivered: 0,
  failedAttempts: 0,
  deadLettered: 0,
  givenUp: 0,
  expired: 0,
};
