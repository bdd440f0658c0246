// Subscribing a webhook or a function. A webhook is asked first whether it wants messages, and gets none before it says so; a function
// of the topic's own namespace is its owner's, and gets them at once.

import { after } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { askRefusal, countAsk } from "./asked-hosts.js";
import { differing } from "./differences.js";
import { filterProblems, isSamePolicy } from "./filters.js";
import { type SubscriptionSettings, subscriptionDefaults } from "./limits.js";
import type { Subscription, SubscriptionStanding, Topic } from "./model.js";
import { pushLimits } from "./push-limits.js";
import type { Confirmation } from "./push-model.js";
import { quotasOf } from "./quotas.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { deadLetterRefusal, type Subscribed, subscriptionSettingNames } from "./subscribe.js";
import { countSubscription, quotaRefusal } from "./subscription-quota.js";
import { drainRefusal, findTopic, type TopicAddress, topicNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export type PushKind = "http" | "https" | "function";

export interface SubscribePush {
  readonly address: TopicAddress;
  readonly kind: PushKind;
  readonly endpoint: string;
  readonly settings: Partial<SubscriptionSettings>;
  readonly owner: string;
  /** Unpredictable, made for this call: what a webhook is asked with. */
  readonly token: string;
  /** For a webhook that comes without one. Base64. */
  readonly hmacSecret: string;
  /** Whose consent is asked for; undefined: nobody's, or one that may be asked as often as anybody likes. */
  readonly askedHost?: string | undefined;
}

const targetNames = { http: "HTTP", https: "HTTPS", function: "FUNCTION" } as const;

export function decideSubscribePush(
  transaction: StateTransaction,
  command: SubscribePush,
  stamp: Stamp,
): TopicDecided<Subscribed> {
  const { topics } = transaction;
  const { address, kind, endpoint, settings } = command;
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const draining = drainRefusal(topic, address);
  if (draining !== undefined) return refuse(draining);
  if (topic.isFifo) {
    const target = targetNames[kind];
    return refuse({ kind: "target_not_allowed_on_fifo", topic: address.given, target });
  }
  const refusal = deadLetterRefusal(
    transaction,
    topic,
    { isFifo: false },
    settings.deadLetterQueue,
  );
  if (refusal !== undefined) return refuse(refusal);
  const whole = { ...subscriptionDefaults, ...settings };
  const problems = filterProblems({ policy: whole.filterPolicy, scope: whole.filterScope });
  if (problems.length > 0) return refuse({ kind: "filter_invalid", problems });
  const id = topics.subscriptionTo(topic, kind, endpoint);
  const existing = id && topics.subscription(topic, id);
  if (existing !== undefined) return again(transaction, topic, existing, command, stamp);
  const { confirmed, pending } = topics.counters(topic);
  const { standardSubscriptionsMax: limit } = quotasOf(stamp);
  if (confirmed + pending >= limit) {
    const count = confirmed + pending;
    return refuse({ kind: "subscription_limit", topic: address.given, count, limit });
  }
  const counted = { settings: whole, standing: standingOf(kind) };
  const exceeded =
    quotaRefusal(topics, topic, undefined, counted, stamp) ??
    askRefusal(topics, command.askedHost, undefined, stamp);
  if (exceeded !== undefined) return refuse(exceeded);
  const subscribed = subscribe(transaction, topic, command, stamp);
  countAsk(topics, command.askedHost, subscribed, stamp);
  return accept({ id: subscribed, isNew: true });
}

function subscribe(
  transaction: StateTransaction,
  topic: Topic,
  command: SubscribePush,
  { ids, now }: Stamp,
): Buffer {
  const { topics } = transaction;
  const { kind, endpoint, owner } = command;
  const counters = topics.counters(topic);
  const { nextSequence } = counters;
  const settings = newSettings(command);
  const id = ids.messageId(now);
  const isFunction = kind === "function";
  const standing = standingOf(kind);
  topics.insertSubscription(topic, {
    id,
    kind,
    endpoint,
    target: undefined,
    settings,
    filters: [{ from: nextSequence, policy: settings.filterPolicy, scope: settings.filterScope }],
    standing,
    since: nextSequence,
    owner,
    createdAt: now,
    updatedAt: now,
    revision: 1,
  });
  countSubscription(topics, topic, undefined, { settings, standing });
  if (isFunction) {
    const place = { next: nextSequence, floor: nextSequence, leased: 0, waiting: 0 };
    topics.pushes.putPlace(topic, id, { ...place, isEndOpen: false }, undefined);
    topics.putCounters(topic, { ...counters, confirmed: counters.confirmed + 1 });
  } else {
    const confirmation = newConfirmation("subscribe", command.token, { ids, now });
    topics.pushes.putConfirmation(topic, id, confirmation, undefined);
    topics.putCounters(topic, { ...counters, pending: counters.pending + 1 });
  }
  return id;
}

const standingOf = (kind: PushKind): SubscriptionStanding =>
  kind === "function" ? { kind: "apart" } : { kind: "pending" };

function newSettings({ kind, settings, hmacSecret }: SubscribePush): SubscriptionSettings {
  const whole = { ...subscriptionDefaults, ...settings };
  return kind === "function" ? whole : { ...whole, webhook: { hmacSecret, ...whole.webhook } };
}

export const newConfirmation = (
  purpose: Confirmation["purpose"],
  token: string,
  { ids, now }: Stamp,
): Confirmation => ({
  purpose,
  token,
  messageId: ids.messageId(now),
  createdAt: now,
  expiresAt: after(now, pushLimits.tokenMs),
  dueAt: now,
  failures: 0,
  firstAttemptAt: undefined,
  ended: undefined,
});

/** One that was not confirmed yet is asked again, with a new token. */
function again(
  { topics }: StateTransaction,
  topic: Topic,
  existing: Subscription,
  { settings, token, askedHost }: SubscribePush,
  stamp: Stamp,
): TopicDecided<Subscribed> {
  const given = asKept(existing.settings, settings);
  const names = differing(existing.settings, given, subscriptionSettingNames);
  if (names.length > 0) {
    return refuse({
      kind: "subscription_exists_different",
      subscription: existing.endpoint,
      differing: names,
    });
  }
  if (existing.standing.kind === "pending") {
    const refusal = askRefusal(topics, askedHost, existing.id, stamp);
    if (refusal !== undefined) return refuse(refusal);
    countAsk(topics, askedHost, existing.id, stamp);
    const previous = topics.pushes.confirmation(topic, existing.id);
    const confirmation = newConfirmation("subscribe", token, stamp);
    topics.pushes.putConfirmation(topic, existing.id, confirmation, previous);
  }
  return accept({ id: existing.id, isNew: false });
}

/** What was not given of a group of settings counts as given as it is, and filters are the same that say the same. */
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
    ...(given.webhook !== undefined && { webhook: { ...kept.webhook, ...given.webhook } }),
    ...(given.function !== undefined && { function: { ...kept.function, ...given.function } }),
  };
}
