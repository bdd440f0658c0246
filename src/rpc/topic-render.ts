// Topics and subscriptions as callers read them.

import { uuidText } from "../base/ids.js";
import { effectiveDeliveryPolicy } from "../delivery/delivery-policy.js";
import {
  type Subscription,
  type SubscriptionCounters,
  type SubscriptionDisabled,
  SubscriptionState,
  type Topic,
  type TopicCounters,
  TopicType,
} from "../gen/forebay/topic/v1/topic.js";
import type { SubscriptionReport, SubscriptionSummary } from "../topic/administer-subscription.js";
import type { TopicReport } from "../topic/administer-topic.js";
import type { Disabled, Topic as KeptTopic } from "../topic/model.js";
import { subscriptionEtag, topicEtag } from "../topic/topic-name.js";
import { localCaller } from "./handler-context.js";
import { duration, timestamp } from "./render.js";
import { renderEffectivePolicy } from "./topic-delivery-policy.js";
import { renderReplay } from "./topic-replay-parse.js";
import { renderSubscriptionSettings, renderTopicSettings, targetKinds } from "./topic-settings.js";
import { renderStreamSettings } from "./topic-stream-settings.js";

/** With the namespace in front when it is not the caller's. */
const nameFor = (namespace: string, name: string): string =>
  namespace === localCaller.namespace ? name : `${namespace}/${name}`;

/** Of a report that is not whole there are no numbers. */
export function renderTopic(
  topic: KeptTopic,
  report: TopicReport | Pick<TopicReport, "archive">,
): Topic {
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
    beginningArchiveTime: report.archive && timestamp(report.archive.beginning),
    counters: "counters" in report ? renderCounters(report) : undefined,
    isDraining: topic.drainingSince !== undefined,
  };
}

const renderCounters = ({ counters, waitingFrom, archive }: TopicReport): TopicCounters => ({
  subscriptionsConfirmed: BigInt(counters.confirmed),
  subscriptionsPending: BigInt(counters.pending),
  subscriptionsDeleted: BigInt(counters.ended),
  published: BigInt(counters.published),
  fanOutPending: BigInt(counters.nextSequence - waitingFrom),
  archived: BigInt(archive?.count ?? 0),
  archivedBytes: BigInt(archive?.bytes ?? 0),
});

const states = {
  pending: SubscriptionState.PENDING,
  confirmed: SubscriptionState.CONFIRMED,
  paused: SubscriptionState.PAUSED,
  disabled: SubscriptionState.DISABLED,
  target_gone: SubscriptionState.TARGET_GONE,
} as const;

/** As a list shows it. */
export function renderSummary({ topic, subscription, state }: SubscriptionSummary): Subscription {
  const { kind, endpoint, disabled } = subscription;
  // That of a stream is nobody's to know.
  const target = kind === "queue" ? subscription.target : undefined;
  return {
    subscription: uuidText(subscription.id),
    topic: nameFor(topic.namespace, topic.name),
    kind: targetKinds[kind],
    endpoint: target === undefined ? endpoint : nameFor(target.namespace, target.name),
    settings: undefined,
    effectiveDeliveryPolicy: undefined,
    owner: subscription.owner,
    state: states[state],
    confirmationWasAuthenticated: subscription.standing.kind !== "pending",
    createTime: timestamp(subscription.createdAt),
    etag: subscriptionEtag(subscription),
    replay: undefined,
    counters: undefined,
    disabled: disabled && renderDisabled(disabled),
  };
}

const renderDisabled = ({ at, firstFailureAt, lastError }: Disabled): SubscriptionDisabled => ({
  disableTime: timestamp(at),
  firstFailureTime: timestamp(firstFailureAt),
  lastError,
});

/** With its settings, and its numbers if they are asked for. */
export function renderSubscription(
  report: SubscriptionReport,
  { hasCounters }: { readonly hasCounters: boolean },
): Subscription {
  const { topic, subscription } = report;
  return {
    ...renderSummary(report),
    confirmationWasAuthenticated: report.state !== "pending" && !report.isEndOpen,
    settings: {
      ...renderSubscriptionSettings(subscription.settings),
      stream: renderStreamSettings(subscription),
    },
    effectiveDeliveryPolicy: renderEffectivePolicy(
      effectiveDeliveryPolicy({
        kind: subscription.kind,
        topic: topic.settings.deliveryPolicy,
        subscription: subscription.settings.deliveryPolicy,
      }),
    ),
    replay: report.replay && renderReplay(report.replay),
    counters: hasCounters ? renderSubscriptionCounters(report) : undefined,
  };
}

const renderSubscriptionCounters = (report: SubscriptionReport): SubscriptionCounters => ({
  backlog: BigInt(report.backlog),
  inFlight: BigInt(report.inFlight),
  oldestPendingAge: report.oldestAgeMs === undefined ? undefined : duration(report.oldestAgeMs),
  delivered: BigInt(report.deliveries.delivered),
  failedAttempts: BigInt(report.deliveries.failedAttempts),
  filtered: BigInt(report.filtered),
  deadLettered: BigInt(report.deliveries.deadLettered),
  undeliverable: BigInt(report.deliveries.givenUp),
});
