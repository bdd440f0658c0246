// Publish and PublishBatch: each message at the next place in the topic. Few subscriptions get their copies in the same step; for
// many, that is left to steps of their own, so that a publish takes no longer the more of them there are.

import { after, type DurationMs, type Sequence, sequence } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { archivePublished } from "./archive.js";
import { isSigning } from "./envelope.js";
import { FanOut } from "./fan-out.js";
import { isFor } from "./filters.js";
import { topicLimits } from "./limits.js";
import type { Topic, TopicCounters, TopicMessage } from "./model.js";
import { admitInbound, type ProtectionAudit } from "./protection/data-protection.js";
import { contentId, findPublished, rememberPublished } from "./published-once.js";
import { refuse, type TopicDecided, type TopicRejection } from "./rejections.js";
import { drainRefusal, findTopic, type TopicAddress, topicNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

/** A message as it is given to a publish. */
export interface PublishEntry
  extends Omit<TopicMessage, "sequence" | "messageId" | "publishedAt" | "deliverAt" | "expiresAt"> {
  readonly delayMs: DurationMs | undefined;
  readonly timeToLiveMs: DurationMs | undefined;
  /** Where the entry stands in the request, for naming its fields: empty, or as `entries[3].`. */
  readonly fieldPrefix: string;
}

export interface Publish {
  readonly address: TopicAddress;
  readonly entries: readonly PublishEntry[];
  /** True when an entry that is refused refuses them all. */
  readonly isWhole: boolean;
  /** Whether to count for how many subscriptions each message is. */
  readonly isCounted: boolean;
}

/** What became of one entry. */
export type PublishResult =
  | {
      readonly kind: "published";
      readonly messageId: Buffer;
      readonly sequence: Sequence;
      readonly isDuplicate: boolean;
      readonly counts: PublishCounts | undefined;
      /** For those who look on; absent for a repeat. */
      readonly stored?: StoredMessage;
      /** What the topic's data protection has to tell the log. */
      readonly audit?: ProtectionAudit | undefined;
    }
  | { readonly kind: "refused"; readonly rejection: TopicRejection };

type Published = Extract<PublishResult, { kind: "published" }>;

/** A message that is new, and the topic it is in. */
export interface StoredMessage {
  readonly topic: Pick<Topic, "segment" | "settings">;
  readonly message: TopicMessage;
}

export interface PublishCounts {
  readonly matched: number;
  readonly filtered: number;
}

export function decidePublish(
  transaction: StateTransaction,
  command: Publish,
  stamp: Stamp,
): TopicDecided<readonly PublishResult[]> {
  const { topics } = transaction;
  const topic = findTopic(topics, command.address);
  if (topic === undefined) return topicNotFound(command.address);
  const refusal = drainRefusal(topic, command.address);
  if (refusal !== undefined) return refuse(refusal);
  const first = topics.counters(topic);
  const appender = new Appender(transaction, topic, stamp, first);
  const results: PublishResult[] = [];
  for (const [index, entry] of command.entries.entries()) {
    const admitted = admit(command.address, topic, entry, stamp);
    if (admitted.kind === "admitted") {
      const published = appender.append(admitted.entry, command.isCounted);
      results.push({ ...published, audit: admitted.audit });
      continue;
    }
    const { rejection } = admitted;
    if (command.isWhole) return refuse({ kind: "batch_rejected", index, rejection });
    results.push({ kind: "refused", rejection });
  }
  appender.close();
  return accept(results);
}

type Admitted =
  | {
      readonly kind: "admitted";
      readonly entry: PublishEntry;
      readonly audit: ProtectionAudit | undefined;
    }
  | { readonly kind: "refused"; readonly rejection: TopicRejection };

/** An entry as it may be stored: without what the topic's data protection policy hides. */
function admit(address: TopicAddress, topic: Topic, entry: PublishEntry, stamp: Stamp): Admitted {
  const refusal = refusalOf(address, topic, entry);
  if (refusal !== undefined) return { kind: "refused", rejection: refusal };
  const { content, denied, audit } = admitInbound(topic, entry, stamp);
  if (denied.length > 0) {
    const { fieldPrefix } = entry;
    const rejection: TopicRejection = {
      kind: "data_protection_denied",
      topic: address.given,
      fieldPrefix,
      identifiers: denied,
      audit,
    };
    return { kind: "refused", rejection };
  }
  if (content === entry || !topic.isFifo) return { kind: "admitted", entry: content, audit };
  // Of what was published: two messages that differ only in what is hidden are two.
  const dedupId = entry.dedupId ?? contentId(entry.body);
  return { kind: "admitted", entry: { ...content, dedupId }, audit };
}

/** Why a topic does not take a message. */
function refusalOf(
  { given: topic }: TopicAddress,
  { isFifo, settings }: Topic,
  entry: PublishEntry,
): TopicRejection | undefined {
  const { fieldPrefix, groupId, dedupId, sizeBytes, delayMs } = entry;
  if (isFifo) {
    if (groupId === undefined) return { kind: "group_id_required", topic, fieldPrefix };
    if (dedupId === undefined && !settings.isContentDeduplicated) {
      return { kind: "dedup_id_required", topic, fieldPrefix };
    }
    if (delayMs !== undefined && delayMs > 0) return { kind: "delay_on_fifo", topic, fieldPrefix };
  } else if (dedupId !== undefined) {
    return { kind: "dedup_id_not_allowed", topic, fieldPrefix };
  }
  const { messageBytesMax: limitBytes } = settings;
  return sizeBytes > limitBytes
    ? { kind: "published_too_long", topic, sizeBytes, limitBytes }
    : undefined;
}

/** The end of a topic under one command. */
class Appender {
  readonly #transaction: StateTransaction;
  readonly #topic: Topic;
  readonly #stamp: Stamp;
  /** As they were before the command. */
  readonly #first: TopicCounters;
  #counters: TopicCounters;
  #bytes = 0;

  constructor(transaction: StateTransaction, topic: Topic, stamp: Stamp, counters: TopicCounters) {
    this.#transaction = transaction;
    this.#topic = topic;
    this.#stamp = stamp;
    this.#first = counters;
    this.#counters = counters;
  }

  append(entry: PublishEntry, isCounted: boolean): Published {
    const { topics } = this.#transaction;
    const topic = this.#topic;
    const { now } = this.#stamp;
    const { groupId, body } = entry;
    const dedupId = topic.isFifo ? (entry.dedupId ?? contentId(body)) : undefined;
    const ids = dedupId === undefined ? undefined : { dedupId, groupId: groupId ?? "" };
    const original = ids && findPublished(topics, topic, ids, now);
    if (original !== undefined) {
      this.#counters = { ...this.#counters, duplicates: this.#counters.duplicates + 1 };
      const { messageId, sequence: place } = original;
      return {
        kind: "published",
        messageId,
        sequence: place,
        isDuplicate: true,
        counts: isCounted ? { matched: 0, filtered: 0 } : undefined,
      };
    }
    const message = this.#messageOf(entry, dedupId);
    const { messageId, sequence: place } = message;
    topics.insertMessage(topic, message);
    this.#bytes += entry.sizeBytes;
    const { nextSequence, published } = this.#counters;
    this.#counters = {
      ...this.#counters,
      nextSequence: sequence(nextSequence + 1),
      published: published + 1,
    };
    if (ids !== undefined) {
      const once = { at: now, groupId: ids.groupId, messageId, sequence: place };
      rememberPublished(topics, topic, ids.dedupId, once);
    }
    const counts = isCounted ? this.#count(message) : undefined;
    const stored = { topic, message };
    return { kind: "published", messageId, sequence: place, isDuplicate: false, counts, stored };
  }

  #messageOf(entry: PublishEntry, dedupId: string | undefined): TopicMessage {
    const { delayMs, timeToLiveMs, fieldPrefix: _place, ...given } = entry;
    const { now, ids } = this.#stamp;
    return {
      ...given,
      dedupId,
      sequence: this.#counters.nextSequence,
      messageId: ids.messageId(now),
      publishedAt: now,
      deliverAt: delayMs === undefined || delayMs === 0 ? undefined : after(now, delayMs),
      expiresAt: timeToLiveMs === undefined ? undefined : after(now, timeToLiveMs),
    };
  }

  /** In proportion to the subscriptions; only for who asks. */
  #count(message: TopicMessage): PublishCounts {
    let matched = 0;
    let filtered = 0;
    for (const each of this.#transaction.topics.subscriptionsAfter(this.#topic, Buffer.alloc(0))) {
      if (each.standing.kind === "pending") continue;
      if (isFor(each, message)) matched += 1;
      else filtered += 1;
    }
    return { matched, filtered };
  }

  close(): void {
    if (this.#counters === this.#first) return;
    const { topics } = this.#transaction;
    archivePublished(topics, this.#topic, this.#bytes);
    if (!this.#mayHandOn()) {
      topics.putCounters(this.#topic, this.#counters);
      return;
    }
    const fanOut = new FanOut(this.#transaction, this.#topic, this.#stamp, this.#counters);
    fanOut.finishLane();
    fanOut.close();
  }

  /** Whether the lane had nothing left to do and few and short copies are to be made. */
  #mayHandOn(): boolean {
    const { lane, nextSequence, confirmed } = this.#first;
    return (
      lane.from === nextSequence &&
      confirmed <= topicLimits.inlineSubscriptionsMax &&
      this.#bytes * confirmed <= topicLimits.inlineBytesMax &&
      !this.#isSigned()
    );
  }

  /** Whether a queue is to get an envelope that is signed: what signs does not do so inside of a command. */
  #isSigned(): boolean {
    if (!isSigning(this.#topic, this.#stamp.envelopes)) return false;
    let left: number = topicLimits.inlineSubscriptionsMax;
    for (const each of this.#transaction.topics.subscriptionsAfter(this.#topic, Buffer.alloc(0))) {
      if (left === 0 || (each.kind === "queue" && !each.settings.isRaw)) return true;
      left -= 1;
    }
    return false;
  }
}
