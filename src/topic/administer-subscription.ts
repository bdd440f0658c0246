// A subscription as a resource: described, changed, paused and resumed, ended, listed.

import {
  between,
  type DurationMs,
  type Namespace,
  type Sequence,
  sequence,
} from "../base/brands.js";
import type { QueueReport } from "../queue/administer-queue.js";
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
  TargetKind,
  Topic,
  TopicCounters,
  TopicMessage,
} from "./model.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { type ReplayReport, reportReplay } from "./replay-report.js";
import { adjustStreamQueue, endStreamQueue, reportStreamQueue } from "./stream-queue.js";
import { deadLetterRefusal } from "./subscribe.js";
import { countSubscription, quotaRefusal } from "./subscription-quota.js";
import {
  findSubscription,
  findTopic,
  subscriptionEtag,
  subscriptionNotFound,
  type TopicAddress,
  topicNotFound,
} from "./topic-name.js";
import type { StateTransaction, TopicTransaction } from "./view.js";

export type SubscriptionState = "pending" | "confirmed" | "paused" | "disabled" | "target_gone";

/** A subscription without its numbers. */
export interface SubscriptionSummary {
  readonly topic: Topic;
  readonly subscription: Subscription;
  readonly state: SubscriptionState;
}

export interface SubscriptionReport extends SubscriptionSummary {
  /** Messages that it has not looked at; its filter may keep some of them back. */
  readonly backlog: number;
  /** Of these, in delivery. */
  readonly inFlight: number;
  /** Since the first of them was published. */
  readonly oldestAgeMs: DurationMs | undefined;
  readonly deliveries: Deliveries;
  readonly filtered: number;
  /** Whether anybody may end it who knows its id. */
  readonly isEndOpen: boolean;
  /** The one that runs or ended last. */
  readonly replay: ReplayReport | undefined;
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
  stamp: Stamp,
): SubscriptionReport {
  const report = reportTopicOf(transaction, topic, subscription, stamp);
  const stream = reportStreamQueue(transaction, subscription, stamp);
  return stream === undefined ? report : withStream(report, stream);
}

/** Fan-out counts as delivered what it has handed to the stream's queue; the queue knows what became of that. */
function withStream(report: SubscriptionReport, { counters, oldestAgeMs }: QueueReport) {
  const { stored, scheduled, inFlight, deleted, expired, deadLettered } = counters;
  const { deliveries } = report;
  return {
    ...report,
    backlog: report.backlog + stored + scheduled,
    inFlight,
    oldestAgeMs: oldestAgeMs ?? report.oldestAgeMs,
    deliveries: { ...deliveries, delivered: deleted, expired: deliveries.expired + expired },
    // Given up by consumers were messages that count as handed on, too.
    filtered: report.filtered + deadLettered,
  };
}

function reportTopicOf(
  transaction: StateTransaction,
  topic: Topic,
  subscription: Subscription,
  stamp: Stamp,
): SubscriptionReport {
  const { now } = stamp;
  const { topics } = transaction;
  const counters = topics.counters(topic);
  const place = placeOf(topics, topic, counters, subscription);
  const push = topics.pushes.place(topic, subscription.id);
  const pending = push === undefined ? 0 : push.leased + push.waiting;
  const backlog = counters.nextSequence - place + pending;
  const oldest = backlog === 0 ? undefined : oldestOf(topics, topic, subscription, place);
  const deliveries = topics.deliveries(topic, subscription.id);
  const { delivered, deadLettered, givenUp, expired } = deliveries;
  const replay = reportReplay(topics, topic, subscription.id, stamp);
  const extra = replay?.replay.extra ?? 0;
  return {
    ...summaryOf(transaction, topic, subscription),
    backlog,
    inFlight: push?.leased ?? 0,
    oldestAgeMs: oldest && between(oldest.publishedAt, now),
    deliveries,
    isEndOpen: push?.isEndOpen ?? false,
    replay,
    // What it has passed and nothing became of; of what was replayed to it something became besides.
    filtered:
      place - subscription.since - pending - delivered - deadLettered - givenUp - expired + extra,
  };
}

/** What is pending was published before what it has not looked at. */
function oldestOf(
  topics: StateTransaction["topics"],
  topic: Topic,
  { id }: Subscription,
  place: Sequence,
): TopicMessage | undefined {
  const [pending] = topics.pushes.pendingFrom(topic, id, sequence(0));
  return pending?.message ?? topics.message(topic, pending?.sequence ?? place);
}

const summaryOf = (
  transaction: StateTransaction,
  topic: Topic,
  subscription: Subscription,
): SubscriptionSummary => ({ topic, subscription, state: stateOf(transaction, subscription) });

function stateOf(
  transaction: StateTransaction,
  { kind, target, settings, standing, disabled }: Subscription,
): SubscriptionState {
  if (standing.kind === "pending") return "pending";
  if (disabled !== undefined) return "disabled";
  if (kind !== "queue") return settings.isPaused ? "paused" : "confirmed";
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
  const foreign = foreignSetting(subscription.kind, given);
  if (foreign !== undefined) {
    return refuse({ kind: "setting_of_other_kind", field: foreign, target: subscription.kind });
  }
  const { target } = subscription;
  const isFifo = target?.name.endsWith(".fifo") === true;
  const refusal = deadLetterRefusal(transaction, topic, { isFifo }, given.deadLetterQueue);
  if (refusal !== undefined) return refuse(refusal);
  const counters = topics.counters(topic);
  const settings = withSecret(subscription.settings, given);
  // Policy and scope together, so that both can be changed in one call and neither to what the other does not fit.
  const problems = filterProblems({ policy: settings.filterPolicy, scope: settings.filterScope });
  if (problems.length > 0) return refuse({ kind: "filter_invalid", problems });
  const place = placeOf(topics, topic, counters, subscription);
  const filters = filtersAfter(counters, place, subscription, settings);
  if (filters.length > topicLimits.filterVersionsMax) {
    const { filterVersionsMax: limit } = topicLimits;
    return refuse({ kind: "filter_versions_limit", count: filters.length, limit });
  }
  const changed: Subscription = {
    ...subscription,
    settings,
    filters,
    // Whoever pauses or resumes it has seen to it.
    disabled: given.isPaused === undefined ? subscription.disabled : undefined,
    standing: standingAfter(counters, place, subscription, settings),
    updatedAt: stamp.now,
    revision: subscription.revision + 1,
  };
  const exceeded = quotaRefusal(topics, topic, subscription, changed, stamp);
  if (exceeded !== undefined) return refuse(exceeded);
  topics.putSubscription(topic, changed, subscription);
  if (given.isPaused !== undefined) forgetFailures(topics, topic, id);
  countSubscription(topics, topic, subscription, changed);
  adjustStreamQueue(transaction, changed, stamp);
  return accept(reportOf(transaction, topic, changed, stamp));
}

const webhooks: readonly TargetKind[] = ["http", "https"];
/** Settings that not every kind has, with those that do; what is not there or off fits everybody. */
const settingsOfKinds: readonly {
  readonly name: keyof SubscriptionSettings;
  readonly field: string;
  readonly kinds: readonly TargetKind[];
}[] = [
  { name: "autoDisableAfterMs", field: "auto_disable_after", kinds: [...webhooks, "function"] },
  { name: "function", field: "function", kinds: ["function"] },
  { name: "webhook", field: "webhook", kinds: webhooks },
  { name: "stream", field: "stream", kinds: ["stream"] },
];

function foreignSetting(
  kind: TargetKind,
  given: Partial<SubscriptionSettings>,
): string | undefined {
  return settingsOfKinds.find(({ name, kinds }) => Boolean(given[name]) && !kinds.includes(kind))
    ?.field;
}

/** What failed before it was paused or resumed counts no more. */
function forgetFailures({ pushes }: TopicTransaction, topic: Topic, id: Buffer): void {
  const place = pushes.place(topic, id);
  if (place?.failingSince === undefined) return;
  pushes.putPlace(topic, id, { ...place, failingSince: undefined }, place);
}

/** A secret stays unless another is given: nobody who changes the rest can repeat it. */
function withSecret(
  current: SubscriptionSettings,
  given: Partial<SubscriptionSettings>,
): SubscriptionSettings {
  const settings = { ...current, ...given };
  const hmacSecret = given.webhook?.hmacSecret ?? current.webhook?.hmacSecret;
  return hmacSecret === undefined
    ? settings
    : { ...settings, webhook: { ...settings.webhook, hmacSecret } };
}

/** A new filter judges what is published from now on. */
function filtersAfter(
  counters: TopicCounters,
  place: Sequence,
  subscription: Subscription,
  { filterPolicy: policy, filterScope: scope }: SubscriptionSettings,
): readonly FilterVersion[] {
  const needed = filtersFrom(subscription.filters, place);
  const last = needed.at(-1);
  if (last?.policy === policy && last?.scope === scope) return needed;
  const next: FilterVersion = { from: counters.nextSequence, policy, scope };
  // With nothing published since, the one before judges nothing.
  return [...needed.filter(({ from }) => from < next.from), next];
}

/** Who is paused leaves the lane at the place where it is; who is resumed goes with it again as soon as it is there. */
function standingAfter(
  counters: TopicCounters,
  place: Sequence,
  subscription: Subscription,
  { isPaused }: SubscriptionSettings,
): SubscriptionStanding {
  const { id, standing } = subscription;
  if (standing.kind !== "lane" && standing.kind !== "own") return standing;
  if (isPaused) return standing.kind === "own" ? standing : { kind: "own", cursor: place };
  const isThere = standing.kind === "own" && standing.cursor >= lanePlaceOf(counters.lane, id);
  return isThere ? { kind: "lane", since: standing.cursor } : standing;
}

/** One that is not there has ended already; what waits for it is dropped. */
export function decideUnsubscribe(
  transaction: StateTransaction,
  id: Buffer,
): TopicDecided<{ readonly ended: Topic | undefined }> {
  const { topics } = transaction;
  const found = findSubscription(topics, id);
  if (found === undefined) return accept({ ended: undefined });
  const { topic, subscription } = found;
  topics.removeSubscription(topic, subscription);
  countSubscription(topics, topic, subscription, undefined);
  endStreamQueue(transaction, subscription);
  const counters = topics.counters(topic);
  const { ended } = counters;
  const waited = subscription.standing.kind === "pending" ? "pending" : "confirmed";
  topics.putCounters(topic, { ...counters, [waited]: counters[waited] - 1, ended: ended + 1 });
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
