// Topics and subscriptions as the server describes them.

import {
  TargetKind as Kinds,
  SubscriptionState as States,
  type Subscription as WireSubscription,
  type Topic as WireTopic,
} from "../gen/forebay/topic/v1/topic.js";
import { type Choice, choiceOf } from "./choices.js";
import { type DeliveryPolicy, policyOf } from "./delivery-policy.js";
import { dateOf, millisecondsOf } from "./durations.js";
import { type ReplayDescription, replayOf } from "./replays.js";
import { type SubscriptionSettings, settingsOf } from "./subscription-settings.js";
import { type TargetKind, type TopicSettings, topicSettingsOf } from "./topic-settings.js";

/** A topic as the server describes it. */
export interface TopicDescription {
  /** Its name; with the namespace in front when it is another one than the caller's. */
  readonly topic: string;
  readonly isFifo: boolean;
  readonly settings: TopicSettings & {
    readonly displayName: string;
    readonly maximumMessageBytes: number;
  };
  /** What deliveries to webhooks go by: its delivery policy completed with the defaults. */
  readonly effectiveDeliveryPolicy: DeliveryPolicy | undefined;
  /** Who created it: a principal. */
  readonly owner: string;
  readonly createTime: Date | undefined;
  /** Changes with every change of settings, tags or policy. */
  readonly etag: string;
  /** The earliest publish that a replay can begin at; undefined without an archive. */
  readonly beginningArchiveTime: Date | undefined;
  /** Whether it was deleted and still delivers what it had. */
  readonly isDraining: boolean;
  /** Undefined in lists. */
  readonly counters: TopicCounters | undefined;
}

/** Numbers of a topic, exact at the moment of the answer. */
export interface TopicCounters {
  /** Subscriptions that get messages, those that wait to be confirmed, and those that ended since the topic was created. */
  readonly subscriptionCount: number;
  readonly pendingSubscriptionCount: number;
  readonly endedSubscriptionCount: number;
  /** Messages accepted since it was created, repeats not counted. */
  readonly publishedCount: number;
  /** Messages not yet handed on to every subscription. */
  readonly pendingCount: number;
  /** Messages in the archive, and their bytes. */
  readonly archivedCount: number;
  readonly archivedBytes: number;
}

/** The life of a subscription. */
export type SubscriptionState = Choice<typeof States>;

/** A subscription as the server describes it. */
export interface SubscriptionDescription {
  /** Its id: a UUID. */
  readonly subscription: string;
  readonly topic: string;
  readonly kind: TargetKind | undefined;
  /** The queue's name, the URL or the stream's name. */
  readonly endpoint: string;
  readonly state: SubscriptionState | undefined;
  /** Who subscribed: a principal. */
  readonly owner: string;
  /** Whether who confirmed it had to be authenticated, so that an anonymous unsubscribe is refused. */
  readonly wasConfirmationAuthenticated: boolean;
  readonly createTime: Date | undefined;
  readonly etag: string;
  /** Undefined in lists. */
  readonly settings: SubscriptionSettings | undefined;
  /** What its deliveries go by: its own policy, the topic's and the defaults in one. Undefined in lists. */
  readonly effectiveDeliveryPolicy: DeliveryPolicy | undefined;
  /** The replay under way or ended last. */
  readonly replay: ReplayDescription | undefined;
  /** Why it is disabled; undefined in every other state. */
  readonly disabled: SubscriptionDisabled | undefined;
  /** Only where one is asked for by its id. */
  readonly counters: SubscriptionCounters | undefined;
}

/** Why a subscription was disabled. */
export interface SubscriptionDisabled {
  readonly disableTime: Date | undefined;
  /** When the first attempt failed since the last success. */
  readonly firstFailureTime: Date | undefined;
  /** What the last attempt failed with. */
  readonly lastError: string;
}

/** Numbers of a subscription, exact at the moment of the answer. */
export interface SubscriptionCounters {
  readonly backlogCount: number;
  /** Of these, with the target. */
  readonly inFlightCount: number;
  /** How long the oldest of them has waited, in milliseconds. */
  readonly oldestPendingAgeMs: number | undefined;
  readonly deliveredCount: number;
  /** Attempts that failed. */
  readonly failedAttemptCount: number;
  readonly filteredCount: number;
  readonly deadLetteredCount: number;
  readonly undeliverableCount: number;
}

/** A topic from the wire. */
export function topicOf(wire: WireTopic | undefined): TopicDescription {
  const { counters, effectiveDeliveryPolicy: effective } = wire ?? {};
  return {
    topic: wire?.topic ?? "",
    isFifo: wire?.topic.endsWith(".fifo") ?? false,
    settings: topicSettingsOf(wire?.settings),
    effectiveDeliveryPolicy: effective && policyOf(effective),
    owner: wire?.owner ?? "",
    createTime: dateOf(wire?.createTime),
    etag: wire?.etag ?? "",
    beginningArchiveTime: dateOf(wire?.beginningArchiveTime),
    isDraining: wire?.isDraining ?? false,
    counters: counters && {
      subscriptionCount: Number(counters.subscriptionsConfirmed),
      pendingSubscriptionCount: Number(counters.subscriptionsPending),
      endedSubscriptionCount: Number(counters.subscriptionsDeleted),
      publishedCount: Number(counters.published),
      pendingCount: Number(counters.fanOutPending),
      archivedCount: Number(counters.archived),
      archivedBytes: Number(counters.archivedBytes),
    },
  };
}

/** A subscription from the wire. */
export function subscriptionOf(wire: WireSubscription | undefined): SubscriptionDescription {
  const { settings, counters, effectiveDeliveryPolicy: effective, replay, disabled } = wire ?? {};
  return {
    subscription: wire?.subscription ?? "",
    topic: wire?.topic ?? "",
    kind: choiceOf(Kinds, wire?.kind),
    endpoint: wire?.endpoint ?? "",
    state: choiceOf(States, wire?.state),
    owner: wire?.owner ?? "",
    wasConfirmationAuthenticated: wire?.confirmationWasAuthenticated ?? false,
    createTime: dateOf(wire?.createTime),
    etag: wire?.etag ?? "",
    settings: settings && settingsOf(settings),
    effectiveDeliveryPolicy: effective && policyOf(effective),
    replay: replay && replayOf(replay),
    disabled: disabled && {
      disableTime: dateOf(disabled.disableTime),
      firstFailureTime: dateOf(disabled.firstFailureTime),
      lastError: disabled.lastError,
    },
    counters: counters && {
      backlogCount: Number(counters.backlog),
      inFlightCount: Number(counters.inFlight),
      oldestPendingAgeMs: millisecondsOf(counters.oldestPendingAge),
      deliveredCount: Number(counters.delivered),
      failedAttemptCount: Number(counters.failedAttempts),
      filteredCount: Number(counters.filtered),
      deadLetteredCount: Number(counters.deadLettered),
      undeliverableCount: Number(counters.undeliverable),
    },
  };
}
