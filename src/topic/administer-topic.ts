// The topic as a resource: described, changed, deleted, listed, tagged, and the permissions in its policy.

import type { Namespace, Sequence } from "../base/brands.js";
import { addStatement, removeStatement } from "../policy/statements.js";
import { topicPolicyRules } from "../policy/topic-policy-rules.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import {
  type ArchiveReport,
  archiveRefusal,
  changeArchive,
  reportArchive,
  waitingFrom,
} from "./archive.js";
import { fifoOnly } from "./create-topic.js";
import { type TopicSettings, topicLimits } from "./limits.js";
import type { EndedTopic, Subscription, Topic, TopicCounters } from "./model.js";
import { refuse, type TopicDecided, type TopicRejection } from "./rejections.js";
import { endStreamQueue } from "./stream-queue.js";
import { countSubscription } from "./subscription-quota.js";
import { findTopic, type TopicAddress, topicEtag, topicNotFound } from "./topic-name.js";
import type { StateTransaction, TopicTransaction } from "./view.js";

export interface TopicReport {
  readonly topic: Topic;
  readonly counters: TopicCounters;
  /** The first message that somebody waits for. */
  readonly waitingFrom: Sequence;
  /** Undefined: it has none. */
  readonly archive: ArchiveReport | undefined;
}

export function decideReportTopic(
  { topics }: StateTransaction,
  address: TopicAddress,
  stamp: Stamp,
): TopicDecided<TopicReport> {
  const topic = findTopic(topics, address);
  return topic === undefined ? topicNotFound(address) : accept(reportOf(topics, topic, stamp));
}

function reportOf(topics: TopicTransaction, topic: Topic, stamp: Stamp): TopicReport {
  const counters = topics.counters(topic);
  return {
    topic,
    counters,
    waitingFrom: waitingFrom(topics, topic, counters),
    archive: reportArchive(topics, topic, stamp),
  };
}

export interface UpdateTopic {
  readonly address: TopicAddress;
  readonly settings: Partial<TopicSettings>;
  /** Empty: not asked for. */
  readonly etag: string;
  /** Whether an archive may be ended. */
  readonly isArchiveEndConfirmed: boolean;
}

export function decideUpdateTopic(
  { topics }: StateTransaction,
  { address, settings, etag, isArchiveEndConfirmed }: UpdateTopic,
  stamp: Stamp,
): TopicDecided<TopicReport> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  if (etag !== "" && etag !== topicEtag(topic)) return etagMismatch(address, topic);
  const notFifo = topic.isFifo ? [] : fifoOnly(settings);
  if (notFifo.length > 0) {
    return refuse({ kind: "topic_not_fifo", topic: address.given, fields: notFifo });
  }
  const refusal = archiveRefusal(topic, settings.archiveRetentionMs, isArchiveEndConfirmed);
  if (refusal !== undefined) return refuse(refusal);
  const changed = revised(topic, { settings: { ...topic.settings, ...settings } }, stamp);
  topics.putTopic(changed);
  changeArchive(topics, topic, changed, stamp);
  return accept(reportOf(topics, changed, stamp));
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
  /** Whether an archive may go with it. */
  readonly isForced: boolean;
}

/** One that is not there is deleted already. Its subscriptions are gone at once, and their rows are removed step by step. */
export function decideDeleteTopic(
  { topics }: StateTransaction,
  command: DeleteTopic,
): TopicDecided<{ readonly ended: EndedTopic | undefined }> {
  const topic = findTopic(topics, command.address);
  if (topic === undefined) return accept({ ended: undefined });
  const refusal = deletionRefusal(topic, command);
  if (refusal !== undefined) return refuse(refusal);
  return accept({ ended: endTopic(topics, topic) });
}

/** Why a topic may not be deleted. */
export function deletionRefusal(
  topic: Topic,
  { address, etag, isForced }: DeleteTopic,
): TopicRejection | undefined {
  if (etag !== "" && etag !== topicEtag(topic)) {
    return { kind: "topic_etag_mismatch", topic: address.given, etag: topicEtag(topic) };
  }
  return topic.settings.archiveRetentionMs > 0 && !isForced
    ? { kind: "archive_active", topic: address.given }
    : undefined;
}

/** The topic is gone, with what it has; what is left of its subscriptions is removed later. */
export function endTopic(topics: TopicTransaction, topic: Topic): EndedTopic {
  const { namespace, slot, segment, isFifo } = topic;
  topics.removeTopic(topic);
  const count = topics.topicCount(namespace);
  topics.putTopicCount(
    namespace,
    isFifo ? { ...count, fifo: count.fifo - 1 } : { ...count, standard: count.standard - 1 },
  );
  const ended = { namespace, slot, segment };
  topics.addEndedTopic(ended);
  if (topic.drainingSince !== undefined) topics.drains.remove(topic);
  return ended;
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
  for (const subscription of page) {
    topics.removeSubscription(ended, subscription);
    countSubscription(topics, ended, subscription, undefined);
    endStreamQueue(transaction, subscription);
  }
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

export type ListedTopic = Pick<TopicReport, "topic" | "archive">;

export interface TopicPage {
  readonly topics: readonly ListedTopic[];
  /** The name that the next page begins after; undefined: nothing is left. */
  readonly next: string | undefined;
}

/** Topics that one page looks at: with tags asked for it may be short, or empty, and still have a next one. */
const examinedMax = 10_000;

/** A page resumes after its last name, so topics created or deleted meanwhile neither hide nor repeat others. */
export function decideListTopics(
  { topics }: StateTransaction,
  { namespace, prefix, tags, afterName, countMax }: ListTopics,
  stamp: Stamp,
): TopicDecided<TopicPage> {
  const found: ListedTopic[] = [];
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
    if ([...tags].every(([key, value]) => topic.tags.get(key) === value)) {
      found.push({ topic, archive: reportArchive(topics, topic, stamp) });
    }
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
