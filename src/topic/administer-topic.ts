// The topic as a resource: described, changed, deleted, listed, tagged, and the permissions in its policy.

import type { Namespace } from "../base/brands.js";
import { addStatement, removeStatement } from "../policy/statements.js";
import { topicPolicyRules } from "../policy/topic-policy-rules.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { fifoOnly } from "./create-topic.js";
import { type TopicSettings, topicLimits } from "./limits.js";
import type { Subscription, Topic, TopicCounters } from "./model.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { findTopic, type TopicAddress, topicEtag, topicNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface TopicReport {
  readonly topic: Topic;
  readonly counters: TopicCounters;
}

export function decideReportTopic(
  { topics }: StateTransaction,
  address: TopicAddress,
): TopicDecided<TopicReport> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  return accept({ topic, counters: topics.counters(topic) });
}

export interface UpdateTopic {
  readonly address: TopicAddress;
  readonly settings: Partial<TopicSettings>;
  /** Empty: not asked for. */
  readonly etag: string;
}

export function decideUpdateTopic(
  { topics }: StateTransaction,
  { address, settings, etag }: UpdateTopic,
  stamp: Stamp,
): TopicDecided<TopicReport> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  if (etag !== "" && etag !== topicEtag(topic)) return etagMismatch(address, topic);
  const notFifo = topic.isFifo ? [] : fifoOnly(settings);
  if (notFifo.length > 0) {
    return refuse({ kind: "topic_not_fifo", topic: address.given, fields: notFifo });
  }
  const changed = revised(topic, { settings: { ...topic.settings, ...settings } }, stamp);
  topics.putTopic(changed);
  return accept({ topic: changed, counters: topics.counters(topic) });
}

const etagMismatch = (address: TopicAddress, topic: Topic): TopicDecided<never> =>
  refuse({ kind: "topic_etag_mismatch", topic: address.given, etag: topicEtag(topic) });

const revised = (
  topic: Topic,
  change: Partial<Pick<Topic, "settings" | "tags">>,
  { now }: Stamp,
): Topic => ({ ...topic, ...change, updatedAt: now, revision: topic.revision + 1 });

export interface DeleteTopic {
  readonly address: TopicAddress;
  readonly etag: string;
}

/** One that is not there is deleted already. Its subscriptions are gone at once, and their rows are removed step by step. */
export function decideDeleteTopic(
  { topics }: StateTransaction,
  { address, etag }: DeleteTopic,
): TopicDecided<{ readonly existed: boolean }> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return accept({ existed: false });
  if (etag !== "" && etag !== topicEtag(topic)) return etagMismatch(address, topic);
  const { namespace, slot, segment, isFifo } = topic;
  topics.removeTopic(topic);
  const count = topics.topicCount(namespace);
  topics.putTopicCount(
    namespace,
    isFifo ? { ...count, fifo: count.fifo - 1 } : { ...count, standard: count.standard - 1 },
  );
  topics.addEndedTopic({ namespace, slot, segment });
  return accept({ existed: true });
}

/** Removes subscriptions of topics that were deleted, up to a bound; says whether there are more. */
export function decideReapTopics(
  transaction: StateTransaction,
): TopicDecided<{ readonly hasMore: boolean }> {
  const { topics } = transaction;
  const [ended] = topics.endedTopics();
  if (ended === undefined) return accept({ hasMore: false });
  const page: Subscription[] = [];
  for (const subscription of topics.subscriptionsAfter(ended, Buffer.alloc(0))) {
    page.push(subscription);
    if (page.length === topicLimits.reapMax) break;
  }
  for (const subscription of page) topics.removeSubscription(ended, subscription);
  if (page.length < topicLimits.reapMax) {
    topics.removeEndedTopic(ended);
    transaction.addGarbage(ended);
  }
  return accept({ hasMore: true });
}

export interface ListTopics {
  readonly namespace: Namespace;
  readonly prefix: string;
  readonly tags: ReadonlyMap<string, string>;
  /** The last name of the page before; empty: from the start. */
  readonly afterName: string;
  readonly countMax: number;
}

export interface TopicPage {
  readonly topics: readonly Topic[];
  /** The name that the next page begins after; undefined: nothing is left. */
  readonly next: string | undefined;
}

/** Topics that one page looks at: with tags asked for it may be short, or empty, and still have a next one. */
const examinedMax = 10_000;

/** A page resumes after its last name, so topics created or deleted meanwhile neither hide nor repeat others. */
export function decideListTopics(
  { topics }: StateTransaction,
  { namespace, prefix, tags, afterName, countMax }: ListTopics,
): TopicDecided<TopicPage> {
  const found: Topic[] = [];
  // No topic's name starts with what no topic's name may hold.
  if (!/^[A-Za-z0-9_.-]*$/.test(prefix)) return accept({ topics: found, next: undefined });
  let examined = 0;
  let last = afterName;
  for (const topic of topics.topicsFrom(namespace, afterName > prefix ? afterName : prefix)) {
    if (!topic.name.startsWith(prefix)) break;
    if (topic.name === afterName) continue;
    if (found.length === countMax || examined === examinedMax) {
      return accept({ topics: found, next: last });
    }
    examined += 1;
    last = topic.name;
    if ([...tags].every(([key, value]) => topic.tags.get(key) === value)) found.push(topic);
  }
  return accept({ topics: found, next: undefined });
}

export function decideTagTopic(
  { topics }: StateTransaction,
  address: TopicAddress,
  tags: ReadonlyMap<string, string>,
  stamp: Stamp,
): TopicDecided<Topic> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const all = new Map([...topic.tags, ...tags]);
  const { tagsMax: limit } = topicLimits;
  if (all.size > limit) {
    return refuse({ kind: "topic_tag_limit", topic: address.given, count: all.size, limit });
  }
  const tagged = revised(topic, { tags: all }, stamp);
  topics.putTopic(tagged);
  return accept(tagged);
}

export function decideUntagTopic(
  { topics }: StateTransaction,
  address: TopicAddress,
  keys: readonly string[],
  stamp: Stamp,
): TopicDecided<Topic> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const left = new Map(topic.tags);
  for (const key of keys) left.delete(key);
  const untagged = revised(topic, { tags: left }, stamp);
  topics.putTopic(untagged);
  return accept(untagged);
}

export interface AddTopicPermission {
  readonly address: TopicAddress;
  readonly label: string;
  readonly principals: readonly string[];
  readonly actions: readonly string[];
}

export interface PermissionsChanged {
  /** The topic's, after the change. */
  readonly revision: number;
}

export function decideAddTopicPermission(
  transaction: StateTransaction,
  { address, label, principals, actions }: AddTopicPermission,
  stamp: Stamp,
): TopicDecided<PermissionsChanged> {
  const topic = findTopic(transaction.topics, address);
  if (topic === undefined) return topicNotFound(address);
  const { namespace, name } = topic;
  const resource = { rules: topicPolicyRules, namespace, name };
  const added = addStatement(topic.settings.policy, { label, principals, actions, resource });
  switch (added.kind) {
    case "changed":
      return putPolicy(transaction, topic, added.policy, stamp);
    case "label_exists":
      return refuse({ kind: "topic_label_exists", topic: address.given, label });
    case "limit": {
      const { what, count, limit } = added;
      return refuse({ kind: "topic_policy_limit", topic: address.given, what, count, limit });
    }
  }
}

/** Unlike that of a queue: removing what is not there is OK. */
export function decideRemoveTopicPermission(
  transaction: StateTransaction,
  { address, label }: Pick<AddTopicPermission, "address" | "label">,
  stamp: Stamp,
): TopicDecided<PermissionsChanged> {
  const topic = findTopic(transaction.topics, address);
  if (topic === undefined) return topicNotFound(address);
  const removed = removeStatement(topic.settings.policy, label);
  return removed.kind === "changed"
    ? putPolicy(transaction, topic, removed.policy, stamp)
    : accept({ revision: topic.revision });
}

function putPolicy(
  { topics }: StateTransaction,
  topic: Topic,
  policy: string | undefined,
  stamp: Stamp,
): TopicDecided<PermissionsChanged> {
  const changed = revised(topic, { settings: { ...topic.settings, policy } }, stamp);
  topics.putTopic(changed);
  return accept({ revision: changed.revision });
}
