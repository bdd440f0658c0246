// What a namespace may have of subscriptions that cost more than their row: filters, which every message of their topics is judged
// by, and subscriptions that nobody has confirmed, each of which sends messages to somebody who may not want them.

import type { Stamp } from "../queue/stamp.js";
import type { Subscription, Topic } from "./model.js";
import { quotasOf } from "./quotas.js";
import type { TopicRejection } from "./rejections.js";
import type { TopicSegment, TopicTransaction } from "./view.js";

type Counted = Pick<Subscription, "settings" | "standing">;
type Counts = Pick<
  TopicTransaction,
  "topicCount" | "putTopicCount" | "filterCount" | "putFilterCount"
>;

const hasFilter = (subscription: Counted | undefined): boolean =>
  subscription?.settings.filterPolicy !== undefined;
const isPending = (subscription: Counted | undefined): boolean =>
  subscription?.standing.kind === "pending";

/** Why a namespace may not have a subscription as it is to be; `before` is what it replaces. */
export function quotaRefusal(
  topics: Counts,
  topic: TopicSegment & Pick<Topic, "namespace" | "name">,
  before: Counted | undefined,
  after: Counted,
  stamp: Stamp,
): TopicRejection | undefined {
  const { namespace } = topic;
  const { filters, pending } = topics.topicCount(namespace);
  const quotas = quotasOf(stamp);
  const { filtersPerNamespaceMax, pendingPerNamespaceMax, filtersPerTopicMax } = quotas;
  if (hasFilter(after) && !hasFilter(before)) {
    const ofTopic = topics.filterCount(topic);
    if (ofTopic >= filtersPerTopicMax) {
      const limit = filtersPerTopicMax;
      return { kind: "topic_filters_limit", topic: topic.name, count: ofTopic, limit };
    }
    if (filters >= filtersPerNamespaceMax) {
      return quota("filters_limit", namespace, filters, filtersPerNamespaceMax);
    }
  }
  if (isPending(after) && !isPending(before) && pending >= pendingPerNamespaceMax) {
    return quota("pending_limit", namespace, pending, pendingPerNamespaceMax);
  }
  return undefined;
}

const quota = (
  kind: "filters_limit" | "pending_limit",
  namespace: string,
  count: number,
  limit: number,
): TopicRejection => ({ kind, namespace, count, limit });

/** To be told of every subscription that is made, changed or removed, in the command that does it. */
export function countSubscription(
  topics: Counts,
  topic: TopicSegment & Pick<Topic, "namespace">,
  before: Counted | undefined,
  after: Counted | undefined,
): void {
  const { namespace } = topic;
  const filters = Number(hasFilter(after)) - Number(hasFilter(before));
  const pending = Number(isPending(after)) - Number(isPending(before));
  if (filters === 0 && pending === 0) return;
  if (filters !== 0) {
    topics.putFilterCount(topic, Math.max(0, topics.filterCount(topic) + filters));
  }
  const count = topics.topicCount(namespace);
  topics.putTopicCount(namespace, {
    ...count,
    // Those made by a release that did not count were never added.
    filters: Math.max(0, count.filters + filters),
    pending: Math.max(0, count.pending + pending),
  });
}
