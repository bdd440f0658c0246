// Subscribe. Subscribing a target again is OK when every setting given equals the current one (Amazon SNS API reference,
// Subscribe, and recorded behaviour). It is also how a subscription whose queue was deleted gets the new one of that name.

import type { QueueName } from "../base/brands.js";
import type { Queue } from "../queue/model.js";
import { findQueue, type QueueAddress } from "../queue/queue-name.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { differing } from "./differences.js";
import { filterProblems, isSamePolicy } from "./filters.js";
import { type SubscriptionSettings, subscriptionDefaults } from "./limits.js";
import type { QueueTarget, Subscription, Topic, TopicCounters } from "./model.js";
import { quotasOf } from "./quotas.js";
import { refuse, type TopicDecided, type TopicRejection } from "./rejections.js";
import { countSubscription, quotaRefusal } from "./subscription-quota.js";
import { drainRefusal, findTopic, type TopicAddress, topicNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

/** This release delivers to queues. */
export interface SubscribeQueue {
  readonly address: TopicAddress;
  readonly queue: QueueAddress;
  readonly settings: Partial<SubscriptionSettings>;
  readonly owner: string;
}

export interface Subscribed {
  readonly id: Buffer;
  readonly isNew: boolean;
}

export function decideSubscribe(
  transaction: StateTransaction,
  command: SubscribeQueue,
  stamp: Stamp,
): TopicDecided<Subscribed> {
  const { topics } = transaction;
  const { address, queue: queueAddress, settings } = command;
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const draining = drainRefusal(topic, address);
  if (draining !== undefined) return refuse(draining);
  const queue = findQueue(transaction, queueAddress);
  if (queue === undefined) {
    return refuse({ kind: "target_queue_not_found", queue: queueAddress.given });
  }
  if (queue.isFifo && !topic.isFifo) {
    const { given: name } = address;
    return refuse({ kind: "fifo_queue_on_standard_topic", topic: name, queue: queueAddress.given });
  }
  const refusal = deadLetterRefusal(transaction, topic, queue, settings.deadLetterQueue);
  if (refusal !== undefined) return refuse(refusal);
  const whole = { ...subscriptionDefaults, ...settings };
  const problems = filterProblems({ policy: whole.filterPolicy, scope: whole.filterScope });
  if (problems.length > 0) return refuse({ kind: "filter_invalid", problems });
  const id = topics.subscriptionTo(topic, "queue", endpointOf(queue));
  const existing = id && topics.subscription(topic, id);
  if (existing !== undefined) return again(transaction, topic, existing, queue, settings, stamp);
  const counters = topics.counters(topic);
  const count = counters.confirmed + counters.pending;
  const quotas = quotasOf(stamp);
  const limit = topic.isFifo ? quotas.fifoSubscriptionsMax : quotas.standardSubscriptionsMax;
  if (count >= limit) {
    return refuse({ kind: "subscription_limit", topic: address.given, count, limit });
  }
  const subscription = newSubscription(counters, queue, command, stamp);
  const exceeded = quotaRefusal(topics, topic, undefined, subscription, stamp);
  if (exceeded !== undefined) return refuse(exceeded);
  topics.insertSubscription(topic, subscription);
  countSubscription(topics, topic, undefined, subscription);
  topics.putCounters(topic, { ...counters, confirmed: counters.confirmed + 1 });
  return accept({ id: subscription.id, isNew: true });
}

/** One text for a queue, however it is named. */
const endpointOf = ({ namespace, name }: Queue): string => `${namespace}/${name}`;

const targetOf = ({ namespace, name, number }: Queue): QueueTarget => ({ namespace, name, number });

function newSubscription(
  { nextSequence }: TopicCounters,
  queue: Queue,
  { settings: given, owner }: SubscribeQueue,
  { ids, now }: Stamp,
): Subscription {
  const settings = { ...subscriptionDefaults, ...given };
  return {
    id: ids.messageId(now),
    kind: "queue",
    endpoint: endpointOf(queue),
    target: targetOf(queue),
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
  };
}

function again(
  { topics }: StateTransaction,
  topic: Topic,
  existing: Subscription,
  queue: Queue,
  settings: Partial<SubscriptionSettings>,
  { now }: Stamp,
): TopicDecided<Subscribed> {
  const given = withFilterAsKept(existing.settings, settings);
  const names = differing(existing.settings, given, subscriptionSettingNames);
  if (names.length > 0) {
    const { endpoint } = existing;
    return refuse({
      kind: "subscription_exists_different",
      subscription: endpoint,
      differing: names,
    });
  }
  if (existing.target?.number !== queue.number) {
    const revision = existing.revision + 1;
    const bound = { ...existing, target: targetOf(queue), updatedAt: now, revision };
    topics.putSubscription(topic, bound, existing);
  }
  return accept({ id: existing.id, isNew: false });
}

/** Filters are the same that mean the same, however they are written. */
function withFilterAsKept(
  { filterPolicy, filterScope }: SubscriptionSettings,
  given: Partial<SubscriptionSettings>,
): Partial<SubscriptionSettings> {
  if (filterPolicy === undefined || given.filterPolicy === undefined) return given;
  const isSame = isSamePolicy(filterPolicy, given.filterPolicy, filterScope);
  return isSame ? { ...given, filterPolicy } : given;
}

/** The name on the wire of each setting, in the order they are compared. */
export const subscriptionSettingNames = {
  isRaw: "raw_message_delivery",
  filterPolicy: "filter_policy",
  filterScope: "filter_policy_scope",
  deliveryPolicy: "delivery_policy",
  deadLetterQueue: "dead_letter_queue",
  isPaused: "paused",
  isExpiredToDeadLetters: "ttl_to_dlq",
  autoDisableAfterMs: "auto_disable_after",
  function: "function",
  webhook: "webhook",
  stream: "stream",
} as const satisfies Record<keyof SubscriptionSettings, string>;

/**
 * Why a subscription may not have this dead-letter queue. What stands in order has to go on standing in order, and a FIFO queue
 * takes nothing without a group.
 */
export function deadLetterRefusal(
  transaction: StateTransaction,
  topic: Topic,
  target: Pick<Queue, "isFifo">,
  deadLetterQueue: QueueName | undefined,
): TopicRejection | undefined {
  if (deadLetterQueue === undefined) return undefined;
  const queue = transaction.findQueue(topic.namespace, deadLetterQueue);
  if (queue === undefined) {
    return { kind: "subscription_dead_letter_queue_not_found", deadLetterQueue };
  }
  const isTypeWrong = topic.isFifo ? target.isFifo && !queue.isFifo : queue.isFifo;
  return isTypeWrong ? { kind: "subscription_dead_letter_type", deadLetterQueue } : undefined;
}
