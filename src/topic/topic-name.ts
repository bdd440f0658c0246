// How topics and subscriptions are named: `orders` in the caller's namespace, `billing/orders` in another; a subscription by its
// id, wherever it is.

import type { Namespace, TopicName } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import type { Subscription, Topic } from "./model.js";
import { refuse, type TopicDecided, type TopicRejection } from "./rejections.js";
import type { TopicView } from "./view.js";

export interface TopicAddress {
  readonly namespace: Namespace;
  readonly name: TopicName;
  /** The name as the caller gave it, for answers. */
  readonly given: string;
}

export const findTopic = (view: TopicView, address: TopicAddress): Topic | undefined =>
  view.findTopic(address.namespace, address.name);

export const topicNotFound = (address: TopicAddress): TopicDecided<never> =>
  refuse({ kind: "topic_not_found", topic: address.given });

/** Why a topic takes nothing new; undefined: it does. */
export const drainRefusal = (
  topic: Topic,
  { given }: Pick<TopicAddress, "given">,
): TopicRejection | undefined =>
  topic.drainingSince === undefined ? undefined : { kind: "topic_draining", topic: given };

/** The etag of a topic's settings, tags and policy. */
export const topicEtag = ({ number, revision }: Topic): string =>
  `${number.toString(36)}-${revision.toString(36)}`;

export const subscriptionEtag = ({ createdAt, revision }: Subscription): string =>
  `${createdAt.toString(36)}-${revision.toString(36)}`;

/** A subscription and the topic it is of. */
export interface FoundSubscription {
  readonly topic: Topic;
  readonly subscription: Subscription;
}

/** A subscription of a topic that was deleted, or created anew, is gone, whatever rows are left of it. */
export function findSubscription(view: TopicView, id: Buffer): FoundSubscription | undefined {
  const locator = view.locate(id);
  const topic = locator && view.findTopic(locator.namespace, locator.topic);
  if (locator === undefined || topic?.segment !== locator.segment) return undefined;
  const subscription = view.subscription(topic, id);
  return subscription && { topic, subscription };
}

export const subscriptionNotFound = (id: Buffer): TopicDecided<never> =>
  refuse({ kind: "subscription_not_found", subscription: uuidText(id) });
