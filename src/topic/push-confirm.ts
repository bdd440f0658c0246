// Consent of webhooks. A subscription waits until the token that was posted to its endpoint comes back; one that an unknown caller
// ended can be taken back with a token as well. Tokens are good for 48 hours, and what was not confirmed by then is gone.

import { sequence } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { Subscription, Topic } from "./model.js";
import type { Confirmation } from "./push-model.js";
import { newConfirmation } from "./push-subscribe.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { countSubscription } from "./subscription-quota.js";
import {
  findSubscription,
  findTopic,
  subscriptionNotFound,
  type TopicAddress,
  topicNotFound,
} from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface ConfirmSubscription {
  readonly address: TopicAddress;
  readonly token: string;
  /** Whether only somebody authenticated may end it from now on. */
  readonly isEndClosed: boolean;
}

/** Again is the same: the token is known until its time is over. */
export function decideConfirmSubscription(
  transaction: StateTransaction,
  { address, token, isEndClosed }: ConfirmSubscription,
  stamp: Stamp,
): TopicDecided<{ readonly id: Buffer }> {
  const { topics } = transaction;
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const invalid = refuse({ kind: "invalid_token", topic: address.given });
  const id = topics.pushes.tokenOwner(topic, token);
  const confirmation = id && topics.pushes.confirmation(topic, id);
  if (id === undefined || confirmation?.token !== token) return invalid;
  if (confirmation.expiresAt <= stamp.now) return invalid;
  if (confirmation.purpose === "settled") return accept({ id });
  const subscription = confirmation.ended ?? topics.subscription(topic, id);
  if (subscription === undefined) return invalid;
  const isRestored = confirmation.purpose === "restore";
  // Meanwhile its endpoint may have been subscribed anew.
  const other = topics.subscriptionTo(topic, subscription.kind, subscription.endpoint);
  if (isRestored && other !== undefined) return invalid;
  confirm(transaction, topic, subscription, { isRestored, isEndOpen: !isEndClosed }, stamp);
  const settled: Confirmation = {
    ...confirmation,
    purpose: "settled",
    dueAt: undefined,
    ended: undefined,
  };
  topics.pushes.putConfirmation(topic, id, settled, confirmation);
  return accept({ id });
}

interface Confirming {
  readonly isRestored: boolean;
  readonly isEndOpen: boolean;
}

/** What was published before is not for it. */
function confirm(
  { topics }: StateTransaction,
  topic: Topic,
  subscription: Subscription,
  { isRestored, isEndOpen }: Confirming,
  { now }: Stamp,
): void {
  const counters = topics.counters(topic);
  const { nextSequence: next } = counters;
  const { id, settings } = subscription;
  const confirmed: Subscription = {
    ...subscription,
    standing: { kind: "apart" },
    filters: [{ from: next, policy: settings.filterPolicy, scope: settings.filterScope }],
    since: next,
    updatedAt: now,
    revision: subscription.revision + 1,
  };
  if (isRestored) topics.insertSubscription(topic, confirmed);
  else topics.putSubscription(topic, confirmed, subscription);
  countSubscription(topics, topic, isRestored ? undefined : subscription, confirmed);
  const place = { next, floor: next, leased: 0, waiting: 0, isEndOpen };
  topics.pushes.putPlace(topic, id, place, undefined);
  topics.putCounters(topic, {
    ...counters,
    confirmed: counters.confirmed + 1,
    pending: counters.pending - (isRestored ? 0 : 1),
    ended: counters.ended - (isRestored ? 1 : 0),
  });
}

/** The token that a subscription waits for; for its owner, to test with. */
export function decidePendingToken(
  { topics }: StateTransaction,
  id: Buffer,
): TopicDecided<Pick<Confirmation, "token" | "expiresAt">> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { topic, subscription } = found;
  const confirmation = topics.pushes.confirmation(topic, id);
  if (subscription.standing.kind !== "pending" || confirmation === undefined) {
    return refuse({ kind: "subscription_not_pending", subscription: subscription.endpoint });
  }
  const { token, expiresAt } = confirmation;
  return accept({ token, expiresAt });
}

export type EndedByLink =
  /** Also when it had ended already. */
  | { readonly kind: "ended"; readonly topic: Topic | undefined }
  | { readonly kind: "authentication_required" };

export interface EndByLink {
  readonly id: Buffer;
  /** Unpredictable: takes it back. */
  readonly token: string;
}

/** Ends a subscription for whoever has the link in its messages, where that was left open; the endpoint is told. */
export function decideEndByLink(
  { topics }: StateTransaction,
  { id, token }: EndByLink,
  stamp: Stamp,
): TopicDecided<EndedByLink> {
  const found = findSubscription(topics, id);
  if (found === undefined) return accept({ kind: "ended", topic: undefined });
  const { topic, subscription } = found;
  if (topics.pushes.place(topic, id)?.isEndOpen !== true) {
    return accept({ kind: "authentication_required" });
  }
  topics.removeSubscription(topic, subscription);
  countSubscription(topics, topic, subscription, undefined);
  const counters = topics.counters(topic);
  const { confirmed, ended } = counters;
  topics.putCounters(topic, { ...counters, confirmed: confirmed - 1, ended: ended + 1 });
  const confirmation = newConfirmation("restore", token, stamp);
  topics.pushes.putConfirmation(
    topic,
    id,
    { ...confirmation, ended: { ...subscription, since: sequence(0) } },
    undefined,
  );
  return accept({ kind: "ended", topic });
}
