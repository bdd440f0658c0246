// Deduplication of publishes to FIFO topics: within five minutes after the first accepted one, later ones with its id repeat it,
// whatever became of it (Amazon SNS developer guide, message deduplication for FIFO topics).

import { hash } from "node:crypto";
import { after, type EpochMs } from "../base/brands.js";
import { topicLimits } from "./limits.js";
import type { PublishedOnce, Topic } from "./model.js";
import type { DedupTime, TopicTransaction } from "./view.js";

interface Ids {
  readonly dedupId: string;
  readonly groupId: string;
}

/** Ids are printable and hold no spaces, so none is that of others. */
const groupKey = ({ dedupId, groupId }: Ids): string => ` ${groupId} ${dedupId}`;

/** What a message without an id of its own is deduplicated by. */
export const contentId = (body: Buffer): string => hash("sha256", body, "hex");

/** The publish that this one repeats, by the scope in force now. */
export function findPublished(
  topics: TopicTransaction,
  topic: Topic,
  ids: Ids,
  now: EpochMs,
): PublishedOnce | undefined {
  const inTopic = remembered(topics, topic, ids.dedupId, now);
  if (topic.settings.dedupScope === "topic") return inTopic;
  // It may have been published when the scope was the topic.
  const inGroup = remembered(topics, topic, groupKey(ids), now);
  return inGroup ?? (inTopic?.groupId === ids.groupId ? inTopic : undefined);
}

/** Remembers an accepted publish so that it is found by either scope, which may change within the window. */
export function rememberPublished(
  topics: TopicTransaction,
  topic: Topic,
  dedupId: string,
  entry: PublishedOnce,
): void {
  sweepPublished(topics, topic, entry.at);
  if (topic.settings.dedupScope === "group") {
    topics.putPublishedOnce(topic, groupKey({ dedupId, groupId: entry.groupId }), entry);
    // The latest of several groups stands for the id in the topic. Another, from when the scope was the topic, goes on standing
    // for its own group.
    const other = remembered(topics, topic, dedupId, entry.at);
    const otherKey = other && groupKey({ dedupId, groupId: other.groupId });
    if (other !== undefined && otherKey !== undefined) {
      if (remembered(topics, topic, otherKey, entry.at) === undefined) {
        topics.putPublishedOnce(topic, otherKey, other);
      }
      topics.removePublishedOnce(topic, { at: other.at, key: dedupId });
    }
  }
  topics.putPublishedOnce(topic, dedupId, entry);
}

function remembered(
  topics: TopicTransaction,
  topic: Topic,
  key: string,
  now: EpochMs,
): PublishedOnce | undefined {
  const entry = topics.publishedOnce(topic, key);
  return entry !== undefined && isWithin(entry.at, now) ? entry : undefined;
}

/** At the end of the window it is over: deadlines are inclusive. */
const isWithin = (at: EpochMs, now: EpochMs): boolean => after(at, topicLimits.dedupWindowMs) > now;

function sweepPublished(topics: TopicTransaction, topic: Topic, now: EpochMs): void {
  const over: DedupTime[] = [];
  for (const time of topics.dedupTimes(topic)) {
    if (over.length === topicLimits.dedupSweepMax || isWithin(time.at, now)) break;
    over.push(time);
  }
  for (const time of over) topics.removePublishedOnce(topic, time);
}
