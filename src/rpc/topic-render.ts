// Topics and subscriptions as callers read them.

import { uuidText } from "../base/ids.js";
import { effectiveDeliveryPolicy } from "../delivery/delivery-policy.js";
import {
  type Subscription,
  type SubscriptionCounters,
  SubscriptionState,
  type Topic,
  type TopicCounters,
  TopicType,
} from "../gen/forebay/topic/v1/topic.js";
import type { SubscriptionReport, SubscriptionSummary } from "../topic/administer-subscription.js";
import type { TopicCounters as KeptCounters, Topic as KeptTopic } from "../topic/model.js";
import { subscriptionEtag, topicEtag } from "../topic/topic-name.js";
import { localCaller } from "./handler-context.js";
import { duration, timestamp } from "./render.js";
import {
  renderEffectivePolicy,
  renderSubscriptionSettings,
  renderTopicSettings,
  targetKinds,
} from "./topic-settings.js";

/** With the namespace in front when it is not the caller's. */
const nameFor = (namespace: string, name: string): string =>
  namespace === localCaller.namespace ? name : `${namespace}/${name}`;

export function renderTopic(topic: KeptTopic, counters: KeptCounters | undefined): Topic {
  const { settings, isFifo } = topic;
  const { deliveryPolicy } = settings;
  return {
    topic: nameFor(topic.namespace, topic.name),
    type: isFifo ? TopicType.FIFO : TopicType.STANDARD,
    settings: renderTopicSettings(settings, isFifo),
    effectiveDeliveryPolicy: renderEffectivePolicy(
      effectiveDeliveryPolicy({ kind: "https", topic: deliveryPolicy, subscription: undefined }),
    ),
    owner: topic.owner,
    createTime: timestamp(topic.createdAt),
    etag: topicEtag(topic),
    beginningArchiveTime: undefined,
    counters: counters && renderCounters(counters),
    isDraining: false,
  };
}

const renderCounters = (counters: KeptCounters): TopicCounters => ({
  subscriptionsConfirmed: BigInt(counters.confirmed),
  subscriptionsPending: BigInt(counters.pending),
  subscriptionsDeleted: BigInt(counters.ended),
  published: BigInt(counters.published),
  fanOutPending: BigInt(counters.nextSequence - counters.firstSequence),
  archived: 0n,
  archivedBytes: 0n,
});

const states = {
  confirmed: SubscriptionState.CONFIRMED,
  paused: SubscriptionState.PAUSED,
  target_gone: SubscriptionState.TARGET_GONE,
} as const;

/** As a list shows it. */
export function renderSummary({ topic, subscription, state }: SubscriptionSummary): Subscription {
  const { target, endpoint } = subscription;
  return {
    subscription: uuidText(subscription.id),
    topic: nameFor(topic.namespace, topic.name),
    kind: targetKinds[subscription.kind],
    endpoint: target === undefined ? endpoint : nameFor(target.namespace, target.name),
    settings: undefined,
    effectiveDeliveryPolicy: undefined,
    owner: subscription.owner,
    state: states[state],
    confirmationWasAuthenticated: true,
    createTime: timestamp(subscription.createdAt),
    etag: subscriptionEtag(subscription),
    replay: undefined,
    counters: undefined,
  };
}

/** With its settings, and its numbers if they are asked for. */
export function renderSubscription(
  report: SubscriptionReport,
  { hasCounters }: { readonly hasCounters: boolean },
): Subscription {
  const { topic, subscription } = report;
  return {
    ...renderSummary(report),
    settings: renderSubscriptionSettings(subscription.settings),
    effectiveDeliveryPolicy: renderEffectivePolicy(
      effectiveDeliveryPolicy({
        kind: subscription.kind,
        topic: topic.settings.deliveryPolicy,
        subscription: subscription.settings.deliveryPolicy,
      }),
    ),
    counters: hasCounters ? renderSubscriptionCounters(report) : undefined,
  };
}

const renderSubscriptionCounters = (report: SubscriptionReport): SubscriptionCounters => ({
  backlog: BigInt(report.backlog),
  inFlight: 0n,
  oldestPendingAge: report.oldestAgeMs === undefined ? undefined : duration(report.oldestAgeMs),
  delivered: BigInt(report.deliveries.delivered),
  failedAttempts: BigInt(report.deliveries.failedAttempts),
  filtered: BigInt(report.filtered),
  deadLettered: BigInt(report.deliveries.deadLettered),
  undeliverable: BigInt(report.deliveries.givenUp),
});
