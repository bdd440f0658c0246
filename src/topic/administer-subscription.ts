// A subscription as a resource: described, changed, paused and resumed, ended, listed.

import { between, type DurationMs, type Namespace } from "../base/brands.js";
import { orUnreadable } from "../queue/readable.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { lanePlaceOf, placeOf } from "./counters.js";
import { filterProblems, filtersFrom } from "./filters.js";
import { type SubscriptionSettings, topicLimits } from "./limits.js";
import type {
  Deliveries,
  FilterVersion,
  Subscription,
  SubscriptionStanding,
  Topic,
  TopicCounters,
} from "./model.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { deadLetterRefusal } from "./subscribe.js";
import {
  findSubscription,
  findTopic,
  subscriptionEtag,
  subscriptionNotFound,
  type TopicAddress,
  topicNotFound,
} from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export type SubscriptionState = "confirmed" | "paused" | "target_gone";

/** A subscription without its numbers. */
export interface SubscriptionSummary {
  readonly topic: Topic;
  readonly subscription: Subscription;
  readonly state: SubscriptionState;
}

export interface SubscriptionReport extends SubscriptionSummary {
  /** Messages that it has not looked at; its filter may keep some of them back. */
  readonly backlog: number;
  /** Since the first of them was published. */
  readonly oldestAgeMs: DurationMs | undefined;
  readonly deliveries: Deliveries;
  readonly filtered: number;
}

export function decideReportSubscription(
  transaction: StateTransaction,
  id: Buffer,
  stamp: Stamp,
): TopicDecided<SubscriptionReport> {
  const found = findSubscription(transaction.topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  return accept(reportOf(transaction, found.topic, found.subscription, stamp));
}

function reportOf(
  transaction: StateTransaction,
  topic: Topic,
  subscription: Subscription,
  { now }: Stamp,
): SubscriptionReport {
  const { topics } = transaction;
  const counters = topics.counters(topic);
  const place = placeOf(counters, subscription);
  const backlog = counters.nextSequence - place;
  const oldest = backlog === 0 ? undefined : topics.message(topic, place);
  const deliveries = topics.deliveries(topic, subscription.id);
  const { delivered, deadLettered, givenUp, expired } = deliveries;
  return {
    ...summaryOf(transaction, topic, subscription),
    backlog,
    oldestAgeMs: oldest && between(oldest.publishedAt, now),
    deliveries,
    // What it has passed and nothing became of.
    filtered: place - subscription.since - delivered - deadLettered - givenUp - expired,
  };
}

const summaryOf = (
  transaction: StateTransaction,
  topic: Topic,
  subscription: Subscription,
): SubscriptionSummary => ({ topic, subscription, state: stateOf(transaction, subscription) });

function stateOf(
  transaction: StateTransaction,
  { target, settings }: Subscription,
): SubscriptionState {
  const queue = target && orUnreadable(() => transaction.findQueue(target.namespace, target.name));
  const isThere = queue === "unreadable" || queue?.number === target?.number;
  if (!isThere) return "target_gone";
  return settings.isPaused ? "paused" : "confirmed";
}

export interface UpdateSubscription {
  readonly id: Buffer;
  readonly settings: Partial<SubscriptionSettings>;
  /** Empty: not asked for. */
  readonly etag: string;
}

export function decideUpdateSubscription(
  transaction: StateTransaction,
  { id, settings: given, etag }: UpdateSubscription,
  stamp: Stamp,
): TopicDecided<SubscriptionReport> {
  const { topics } = transaction;
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { topic, subscription } = found;
  const current = subscriptionEtag(subscription);
  if (etag !== "" && etag !== current) {
    const { endpoint } = subscription;
    return refuse({ kind: "subscription_etag_mismatch", subscription: endpoint, etag: current });
  }
  const { target } = subscription;
  const isFifo = target?.name.endsWith(".fifo") === true;
  const refusal = deadLetterRefusal(transaction, topic, { isFifo }, given.deadLetterQueue);
  if (refusal !== undefined) return refuse(refusal);
  const counters = topics.counters(topic);
  const settings = { ...subscription.settings, ...given };
  // Policy and scope together, so that both can be changed in one call and neither to what the other does not fit.
  const problems = filterProblems({ policy: settings.filterPolicy, scope: settings.filterScope });
  if (problems.length > 0) return refuse({ kind: "filter_invalid", problems });
  const filters = filtersAfter(counters, subscription, settings);
  if (filters.length > topicLimits.filterVersionsMax) {
    const { filterVersionsMax: limit } = topicLimits;
    return refuse({ kind: "filter_versions_limit", count: filters.length, limit });
  }
  const changed: Subscription = {
    ...subscription,
    settings,
    filters,
    standing: standingAfter(counters, subscription, settings),
    updatedAt: stamp.now,
    revision: subscription.revision + 1,
  };
  topics.putSubscription(topic, changed, subscription);
  return accept(reportOf(transaction, topic, changed, stamp));
}

/** A new filter judges what is published from now on. */
function filtersAfter(
  counters: TopicCounters,
  subscription: Subscription,
  { filterPolicy: policy, filterScope: scope }: SubscriptionSettings,
): readonly FilterVersion[] {
  const needed = filtersFrom(subscription.filters, placeOf(counters, subscription));
  const last = needed.at(-1);
  if (last?.policy === policy && last?.scope === scope) return needed;
  const next: FilterVersion = { from: counters.nextSequence, policy, scope };
  // With nothing published since, the one before judges nothing.
  return [...needed.filter(({ from }) => from < next.from), next];
}

/** Who is paused leaves the lane at the place where it is; who is resumed goes with it again as soon as it is there. */
function standingAfter(
  counters: TopicCounters,
  subscription: Subscription,
  { isPaused }: SubscriptionSettings,
): SubscriptionStanding {
  const { id, standing } = subscription;
  if (isPaused) {
    return standing.kind === "own"
      ? standing
      : { kind: "own", cursor: placeOf(counters, subscription) };
  }
  const isThere = standing.kind === "own" && standing.cursor >= lanePlaceOf(counters.lane, id);
  return isThere ? { kind: "lane", since: standing.cursor } : standing;
}

/** One that is not there has ended already; what waits for it is dropped. */
export function decideUnsubscribe(
  { topics }: StateTransaction,
  id: Buffer,
): TopicDecided<{ readonly ended: Topic | undefined }> {
  const found = findSubscription(topics, id);
  if (found === undefined) return accept({ ended: undefined });
  const { topic, subscription } = found;
  topics.removeSubscription(topic, subscription);
  const counters = topics.counters(topic);
  const { confirmed, ended } = counters;
  topics.putCounters(topic, { ...counters, confirmed: confirmed - 1, ended: ended + 1 });
  return accept({ ended: topic });
}

export interface ListSubscriptions {
  /** Undefined: those of all topics of the namespace. */
  readonly address: TopicAddress | undefined;
  readonly namespace: Namespace;
  /** The last one of the page before; empty: from the start. */
  readonly after: Buffer;
  readonly countMax: number;
}

export interface SubscriptionPage {
  readonly subscriptions: readonly SubscriptionSummary[];
  /** What the next page begins after; undefined: nothing is left. */
  readonly next: Buffer | undefined;
}

/** Ids that one page looks at; those of deleted topics go in the background. */
const examinedMax = 10_000;

export function decideListSubscriptions(
  transaction: StateTransaction,
  command: ListSubscriptions,
): TopicDecided<SubscriptionPage> {
  const { topics } = transaction;
  const { address, namespace, after, countMax } = command;
  const topic = address && findTopic(topics, address);
  if (address !== undefined && topic === undefined) return topicNotFound(address);
  const subscriptions: SubscriptionSummary[] = [];
  let last = after;
  if (topic !== undefined) {
    for (const subscription of topics.subscriptionsAfter(topic, after)) {
      if (subscriptions.length === countMax) return accept({ subscriptions, next: last });
      last = subscription.id;
      subscriptions.push(summaryOf(transaction, topic, subscription));
    }
    return accept({ subscriptions, next: undefined });
  }
  let examined = 0;
  for (const id of topics.subscriptionIdsAfter(namespace, after)) {
    if (subscriptions.length === countMax || examined === examinedMax) {
      return accept({ subscriptions, next: last });
    }
    examined += 1;
    last = id;
    const found = orUnreadable(() => findSubscription(topics, id));
    if (found === undefined || found === "unreadable") continue;
    subscriptions.push(summaryOf(transaction, found.topic, found.subscription));
  }
  return accept({ subscriptions, next: undefined });
}
