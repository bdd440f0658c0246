// Subscribing a durable stream: a name that consumers of this topic share, and a queue of its own behind it.

import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { differing } from "./differences.js";
import { filterProblems, isSamePolicy } from "./filters.js";
import { type SubscriptionSettings, subscriptionDefaults } from "./limits.js";
import type { Subscription, Topic } from "./model.js";
import { quotasOf } from "./quotas.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { createStreamQueue } from "./stream-queue.js";
import { deadLetterRefusal, type Subscribed, subscriptionSettingNames } from "./subscribe.js";
import { countSubscription, quotaRefusal } from "./subscription-quota.js";
import { drainRefusal, findTopic, type TopicAddress, topicNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface SubscribeStream {
  readonly address: TopicAddress;
  /** The stream's name. */
  readonly endpoint: string;
  readonly settings: Partial<SubscriptionSettings>;
  readonly owner: string;
}

export function decideSubscribeStream(
  transaction: StateTransaction,
  command: SubscribeStream,
  stamp: Stamp,
): TopicDecided<Subscribed> {
  const { topics } = transaction;
  const { address, endpoint, settings } = command;
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const draining = drainRefusal(topic, address);
  if (draining !== undefined) return refuse(draining);
  const refusal = deadLetterRefusal(transaction, topic, topic, settings.deadLetterQueue);
  if (refusal !== undefined) return refuse(refusal);
  const whole = { ...subscriptionDefaults, ...settings };
  const problems = filterProblems({ policy: whole.filterPolicy, scope: whole.filterScope });
  if (problems.length > 0) return refuse({ kind: "filter_invalid", problems });
  const id = topics.subscriptionTo(topic, "stream", endpoint);
  const existing = id && topics.subscription(topic, id);
  if (existing !== undefined) return again(existing, settings);
  const { confirmed, pending } = topics.counters(topic);
  const count = confirmed + pending;
  const quotas = quotasOf(stamp);
  const limit = topic.isFifo ? quotas.fifoSubscriptionsMax : quotas.standardSubscriptionsMax;
  if (count >= limit) {
    return refuse({ kind: "subscription_limit", topic: address.given, count, limit });
  }
  const standing = { kind: "lane", since: topics.counters(topic).nextSequence } as const;
  const exceeded = quotaRefusal(topics, topic, undefined, { settings: whole, standing }, stamp);
  if (exceeded !== undefined) return refuse(exceeded);
  countSubscription(topics, topic, undefined, { settings: whole, standing });
  return accept({ id: subscribe(transaction, topic, command, stamp), isNew: true });
}

function subscribe(
  transaction: StateTransaction,
  topic: Topic,
  { endpoint, settings: given, owner }: SubscribeStream,
  stamp: Stamp,
): Buffer {
  const { topics } = transaction;
  const { ids, now } = stamp;
  const counters = topics.counters(topic);
  const { nextSequence } = counters;
  const id = ids.messageId(now);
  const settings = { ...subscriptionDefaults, ...given };
  topics.insertSubscription(topic, {
    id,
    kind: "stream",
    endpoint,
    target: createStreamQueue(transaction, topic, { id, settings }, stamp),
    settings,
    filters: [{ from: nextSequence, policy: settings.filterPolicy, scope: settings.filterScope }],
    standing: settings.isPaused
      ? { kind: "own", cursor: nextSequence }
      : { kind: "lane", since: nextSequence },
    since: nextSequence,
    owner,
    createdAt: now,
    updatedAt: now,
    revision: 1,
  });
  topics.putCounters(topic, { ...counters, confirmed: counters.confirmed + 1 });
  return id;
}

function again(
  { id, endpoint, settings: kept }: Subscription,
  settings: Partial<SubscriptionSettings>,
): TopicDecided<Subscribed> {
  const names = differing(kept, asKept(kept, settings), subscriptionSettingNames);
  return names.length > 0
    ? refuse({ kind: "subscription_exists_different", subscription: endpoint, differing: names })
    : accept({ id, isNew: false });
}

/** What was not given of the stream's settings counts as given as it is, and filters are the same that say the same. */
function asKept(
  kept: SubscriptionSettings,
  given: Partial<SubscriptionSettings>,
): Partial<SubscriptionSettings> {
  const { filterPolicy } = kept;
  const isSame =
    filterPolicy !== undefined &&
    given.filterPolicy !== undefined &&
    isSamePolicy(filterPolicy, given.filterPolicy, kept.filterScope);
  return {
    ...given,
    ...(isSame && { filterPolicy }),
    ...(given.stream !== undefined && { stream: { ...kept.stream, ...given.stream } }),
  };
}
