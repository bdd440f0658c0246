// CreateTopic. Creating a topic that exists is OK when every setting given equals the current one and every tag given is there
// (Amazon SNS API reference, CreateTopic, and recorded behaviour).

import type { TopicNumber } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { slotOfName } from "../queue/slots.js";
import type { Stamp } from "../queue/stamp.js";
import { keepArchive } from "./archive.js";
import { newTopicCounters } from "./counters.js";
import { differing } from "./differences.js";
import { type TopicSettings, topicDefaults, topicLimits } from "./limits.js";
import type { Topic } from "./model.js";
import { quotasOf } from "./quotas.js";
import { refuse, type TopicDecided, type TopicRejection } from "./rejections.js";
import { drainRefusal, findTopic, type TopicAddress } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface CreateTopic {
  readonly address: TopicAddress;
  readonly isFifo: boolean;
  readonly settings: Partial<TopicSettings>;
  readonly tags: ReadonlyMap<string, string>;
  readonly owner: string;
}

export interface TopicCreated {
  readonly isNew: boolean;
}

export function decideCreateTopic(
  transaction: StateTransaction,
  command: CreateTopic,
  stamp: Stamp,
): TopicDecided<TopicCreated> {
  const { topics } = transaction;
  const { address, isFifo, settings, tags } = command;
  const { namespace, name, given: topicGiven } = address;
  const notFifo = isFifo ? [] : fifoOnly(settings);
  if (notFifo.length > 0) {
    return refuse({ kind: "topic_not_fifo", topic: topicGiven, fields: notFifo });
  }
  const existing = findTopic(topics, address);
  if (existing !== undefined) {
    const refusal = drainRefusal(existing, address) ?? differenceOf(existing, command);
    return refusal === undefined ? accept({ isNew: false }) : refuse(refusal);
  }
  if (tags.size > topicLimits.tagsMax) {
    const { tagsMax: limit } = topicLimits;
    return refuse({ kind: "topic_tag_limit", topic: topicGiven, count: tags.size, limit });
  }
  const count = topics.topicCount(namespace);
  const kept = isFifo ? count.fifo : count.standard;
  const quotas = quotasOf(stamp);
  const limit = isFifo ? quotas.fifoTopicsMax : quotas.standardTopicsMax;
  if (kept >= limit) return refuse({ kind: "topic_limit", topic: topicGiven, count: kept, limit });
  const topic: Topic = {
    // From the same strictly increasing numbers as those of queues.
    number: stamp.ids.queueNumber(stamp.now) as number as TopicNumber,
    segment: stamp.ids.segmentNumber(stamp.now),
    slot: slotOfName(namespace, name),
    namespace,
    name,
    isFifo,
    settings: { ...topicDefaults, ...settings },
    tags,
    owner: command.owner,
    createdAt: stamp.now,
    updatedAt: stamp.now,
    revision: 1,
  };
  topics.putTopic(topic);
  topics.putCounters(topic, newTopicCounters);
  keepArchive(topics, topic, stamp);
  topics.putTopicCount(
    namespace,
    isFifo ? { ...count, fifo: kept + 1 } : { ...count, standard: kept + 1 },
  );
  return accept({ isNew: true });
}

function differenceOf(existing: Topic, command: CreateTopic): TopicRejection | undefined {
  const topic = command.address.given;
  const settings = differing(existing.settings, command.settings, topicSettingNames);
  if (settings.length > 0) return { kind: "topic_exists_different", topic, differing: settings };
  const tags = [...command.tags].filter(([key, value]) => existing.tags.get(key) !== value);
  if (tags.length === 0) return undefined;
  return { kind: "topic_exists_different_tags", topic, differing: tags.map(([key]) => key) };
}

/** The name on the wire of each setting, in the order they are compared. */
const topicSettingNames = {
  displayName: "display_name",
  messageBytesMax: "maximum_message_bytes",
  policy: "policy",
  deliveryPolicy: "delivery_policy",
  signatureVersion: "signature_version",
  isContentDeduplicated: "content_based_deduplication",
  dedupScope: "fifo_throughput_scope",
  deliveryLogging: "delivery_logging",
  archiveRetentionMs: "archive_retention",
  dataProtectionPolicy: "data_protection_policy",
} as const satisfies Record<keyof TopicSettings, string>;

/** Names of the settings given that only FIFO topics have. */
export const fifoOnly = (settings: Partial<TopicSettings>): readonly string[] =>
  (["isContentDeduplicated", "dedupScope"] as const)
    .filter((key) => settings[key] !== undefined)
    .map((key) => topicSettingNames[key]);
