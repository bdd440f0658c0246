// Dropping what waits for a subscription: all of it, what was published before an instant, or what has waited for longer than
// anything waits. It goes nowhere, and messages that nobody else waits for go with the next step of fan-out.

import { type EpochMs, epochMs, type Sequence, sequence } from "../base/brands.js";
import { orUnreadable } from "../queue/readable.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { lanePlaceOf, placeOf } from "./counters.js";
import { topicLimits } from "./limits.js";
import type { Subscription, Topic, TopicCounters } from "./model.js";
import { OpenPushes } from "./open-pushes.js";
import type { TopicDecided } from "./rejections.js";
import { purgeStreamQueue } from "./stream-queue.js";
import { findSubscription, subscriptionNotFound } from "./topic-name.js";
import type { StateTransaction, TopicTransaction } from "./view.js";

export interface PurgeBacklog {
  readonly id: Buffer;
  /** Undefined: everything. */
  readonly before: EpochMs | undefined;
}

export interface BacklogPurged {
  readonly topic: Pick<Topic, "namespace" | "name">;
  readonly count: number;
}

export function decidePurgeBacklog(
  transaction: StateTransaction,
  { id, before }: PurgeBacklog,
  stamp: Stamp,
): TopicDecided<BacklogPurged> {
  const { topics } = transaction;
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { topic, subscription } = found;
  const { namespace, name } = topic;
  const counters = topics.counters(topic);
  const { nextSequence } = counters;
  const to = before === undefined ? nextSequence : firstSince(topics, topic, counters, before);
  const waiting = before === undefined ? purgeStreamQueue(transaction, subscription, stamp) : 0;
  return accept({
    topic: { namespace, name },
    count: waiting + dropTo(transaction, topic, counters, subscription, to, stamp),
  });
}

/** Lets the one that is furthest behind lose what is too old; says whether there was something. */
export function expireBacklog(transaction: StateTransaction, topic: Topic, stamp: Stamp): boolean {
  const { topics } = transaction;
  const { now } = stamp;
  const counters = topics.counters(topic);
  const before = epochMs(now - topicLimits.backlogMsMax);
  for (const { cursor, id } of topics.ownPlaces(topic)) {
    const oldest = topics.message(topic, cursor);
    if (oldest === undefined || oldest.publishedAt >= before) return false;
    const subscription = orUnreadable(() => topics.subscription(topic, id));
    if (subscription === undefined || subscription === "unreadable") return false;
    const to = firstSince(topics, topic, counters, before);
    return dropTo(transaction, topic, counters, subscription, to, stamp) > 0;
  }
  return false;
}

/** The place of the first message that was published at this instant or later. They stand in the order of their times. */
function firstSince(
  topics: TopicTransaction,
  topic: Topic,
  { firstSequence, nextSequence }: TopicCounters,
  instant: EpochMs,
): Sequence {
  let low: number = firstSequence;
  let high: number = nextSequence;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = topics.message(topic, sequence(middle));
    // One that cannot be read is for nobody.
    if (message === undefined || message.publishedAt < instant) low = middle + 1;
    else high = middle;
  }
  return sequence(low);
}

/** Makes a subscription go on at a place; says how many messages that passes over. */
function dropTo(
  transaction: StateTransaction,
  topic: Topic,
  counters: TopicCounters,
  subscription: Subscription,
  to: Sequence,
  stamp: Stamp,
): number {
  const { topics } = transaction;
  const push = topics.pushes.place(topic, subscription.id);
  if (push !== undefined) {
    const open = new OpenPushes(transaction, { topic, subscription }, push, stamp);
    const count = open.dropTo(to);
    open.close();
    const since = sequence(subscription.since + count);
    if (count > 0) topics.putSubscription(topic, { ...subscription, since }, subscription);
    return count;
  }
  const place = placeOf(topics, topic, counters, subscription);
  const count = Math.max(0, to - place);
  if (count === 0) return 0;
  const { id, standing, settings } = subscription;
  const isInLane =
    standing.kind === "lane" ||
    (standing.kind === "own" && !settings.isPaused && to >= lanePlaceOf(counters.lane, id));
  const dropped: Subscription = {
    ...subscription,
    // In the lane it waits until the others are where it is.
    standing: isInLane
      ? { kind: "lane", since: to }
      : standing.kind === "replaying"
        ? { kind: "replaying", live: to }
        : { kind: "own", cursor: to },
    // What it has passed without a delivery was kept back by its filter, and this was not.
    since: sequence(subscription.since + count),
  };
  topics.putSubscription(topic, dropped, subscription);
  return count;
}
