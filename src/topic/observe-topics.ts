// The numbers of topics for metrics: as of one moment, and as much of them as one step may read.

import { between, type DurationMs, sequence } from "../base/brands.js";
import { orUnreadable } from "../queue/readable.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { waitingFrom } from "./archive.js";
import { placeOf } from "./counters.js";
import type { Topic } from "./model.js";
import type { TopicDecided } from "./rejections.js";
import type { StateTransaction } from "./view.js";

/** What became of a topic's messages, added over its subscriptions. */
export interface ObservedDeliveries {
  readonly delivered: number;
  readonly failedAttempts: number;
  readonly deadLettered: number;
  readonly undeliverable: number;
  readonly expired: number;
  /** Messages that subscriptions have not looked at, and those that are pending. */
  readonly backlog: number;
  readonly inFlight: number;
}

export interface ObservedTopic {
  readonly topic: string;
  readonly published: number;
  readonly duplicates: number;
  /** Of the oldest message that somebody waits for; undefined: nobody does. */
  readonly oldestAgeMs: DurationMs | undefined;
  /** Undefined: its subscriptions were too many to look at. */
  readonly deliveries: ObservedDeliveries | undefined;
}

export interface ObserveTopics {
  readonly topicsMax: number;
  /** Of all topics. */
  readonly subscriptionsMax: number;
}

export function decideObserveTopics(
  { topics }: StateTransaction,
  { topicsMax, subscriptionsMax }: ObserveTopics,
  { now }: Stamp,
): TopicDecided<readonly ObservedTopic[]> {
  const observed: ObservedTopic[] = [];
  let left = subscriptionsMax;
  for (const topic of topics.topicsAfter("", "")) {
    if (observed.length === topicsMax) break;
    const counters = topics.counters(topic);
    const { published, duplicates, nextSequence, confirmed, pending } = counters;
    const waited = waitingFrom(topics, topic, counters);
    const oldest = waited < nextSequence ? topics.message(topic, waited) : undefined;
    const isFew = confirmed + pending <= left;
    if (isFew) left -= confirmed + pending;
    observed.push({
      topic: `${topic.namespace}/${topic.name}`,
      published,
      duplicates,
      oldestAgeMs: oldest && between(oldest.publishedAt, now),
      deliveries: isFew ? deliveriesOf(topics, topic) : undefined,
    });
  }
  return accept(observed);
}

const none: ObservedDeliveries = {
  delivered: 0,
  failedAttempts: 0,
  deadLettered: 0,
  undeliverable: 0,
  expired: 0,
  backlog: 0,
  inFlight: 0,
};

/** One that cannot be read is left out. */
function deliveriesOf(topics: StateTransaction["topics"], topic: Topic): ObservedDeliveries {
  const counters = topics.counters(topic);
  let sum = none;
  for (const subscription of topics.subscriptionsAfter(topic, Buffer.alloc(0))) {
    const push = orUnreadable(() => topics.pushes.place(topic, subscription.id));
    if (push === "unreadable") continue;
    const { delivered, failedAttempts, deadLettered, givenUp, expired } = topics.deliveries(
      topic,
      subscription.id,
    );
    const { leased = 0, waiting = 0 } = push ?? {};
    const place = sequence(placeOf(topics, topic, counters, subscription));
    sum = {
      delivered: sum.delivered + delivered,
      failedAttempts: sum.failedAttempts + failedAttempts,
      deadLettered: sum.deadLettered + deadLettered,
      undeliverable: sum.undeliverable + givenUp,
      expired: sum.expired + expired,
      backlog: sum.backlog + counters.nextSequence - place + leased + waiting,
      inFlight: sum.inFlight + leased,
    };
  }
  return sum;
}
