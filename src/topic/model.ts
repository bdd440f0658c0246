// What the topic service knows: a topic, its numbers, a published message, a subscription and how far it is.
//
// A publish is one row, the message, at the next place in the topic. A subscription is a place in that order: what is before it
// has been handed on or was not for it. Subscriptions to queues that take their messages as they come share one place, the
// topic's lane, so that a message which is not for them costs no write; one that is held up (paused, or behind after it was)
// has a place of its own until it has caught up.

import type {
  EpochMs,
  Namespace,
  QueueName,
  QueueNumber,
  SegmentNumber,
  Sequence,
  TopicName,
  TopicNumber,
} from "../base/brands.js";
import type { MessageAttribute } from "../queue/model.js";
import type { FilterScope, SubscriptionSettings, TopicSettings } from "./limits.js";

export interface Topic {
  readonly number: TopicNumber;
  readonly segment: SegmentNumber;
  /** The slot of its qualified name, fixed at creation. */
  readonly slot: number;
  readonly namespace: Namespace;
  readonly name: TopicName;
  readonly isFifo: boolean;
  readonly settings: TopicSettings;
  readonly tags: ReadonlyMap<string, string>;
  /** The principal that created it. */
  readonly owner: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** Grows with every change: the etag. */
  readonly revision: number;
  /** Since when it drains: it takes nothing new, and goes when everybody has what it has. */
  readonly drainingSince?: EpochMs | undefined;
}

/** Where the subscriptions are that take messages as they come. */
export interface Lane {
  /** Everybody in it has had the messages before this place. */
  readonly from: Sequence;
  /** Those up to `after` have had the messages before this place; equal to `from` between two rounds. */
  readonly to: Sequence;
  /** The id of the subscription that was served last in this round; empty at its beginning. */
  readonly after: Buffer;
}

/** The numbers of a topic, exact after every command. */
export interface TopicCounters {
  /** The place the next message gets. */
  readonly nextSequence: Sequence;
  /** No message before this place is stored. */
  readonly firstSequence: Sequence;
  readonly lane: Lane;
  readonly published: number;
  readonly duplicates: number;
  readonly confirmed: number;
  readonly pending: number;
  readonly ended: number;
}

/** A message as it was published. */
export interface TopicMessage {
  readonly sequence: Sequence;
  readonly messageId: Buffer;
  readonly publishedAt: EpochMs;
  /** Message and attributes as counted for the size limit. */
  readonly sizeBytes: number;
  readonly isText: boolean;
  /** Whether the text is an object with a message for each kind of target. */
  readonly isStructured: boolean;
  readonly body: Buffer;
  /** Of bytes; empty for a text. */
  readonly contentType: string;
  readonly subject: string | undefined;
  readonly attributes: readonly MessageAttribute[];
  readonly groupId: string | undefined;
  /** FIFO: its own, or made of its content. */
  readonly dedupId: string | undefined;
  /** Not delivered earlier. */
  readonly deliverAt: EpochMs | undefined;
  /** Not delivered later. */
  readonly expiresAt: EpochMs | undefined;
  readonly senderId: string;
  readonly traceParent: string | undefined;
  /** Text of a UUID: the replay that hands it on. It is no part of what was published. */
  readonly replayId?: string | undefined;
}

export type TargetKind = "queue" | "http" | "https" | "function" | "stream";

/** The queue that a subscription was made for: one recreated under its name is another. */
export interface QueueTarget {
  readonly namespace: Namespace;
  readonly name: QueueName;
  readonly number: QueueNumber;
}

/** A filter and the messages it judges: those from a place on, up to the next version's. */
export interface FilterVersion {
  readonly from: Sequence;
  /** Undefined: every message is for the subscription. */
  readonly policy: string | undefined;
  readonly scope: FilterScope;
}

export type SubscriptionStanding =
  /** Goes with the topic's lane; what was published before `since` is not for it. */
  | { readonly kind: "lane"; readonly since: Sequence }
  /** Has a place of its own: paused, or not caught up yet. */
  | { readonly kind: "own"; readonly cursor: Sequence }
  /** Its messages are leased out of its own backlog; how far it is stands in rows of its own, which change often. */
  | { readonly kind: "apart" }
  /** Gets what a replay hands it. It goes on at `live` afterwards; undefined: it is pushed, and has rows that say where. */
  | { readonly kind: "replaying"; readonly live: Sequence | undefined }
  /** Waits to be confirmed, and nothing is for it. */
  | { readonly kind: "pending" };

export interface Subscription {
  /** 16 bytes, a UUID of version 7: those made later sort later. */
  readonly id: Buffer;
  readonly kind: TargetKind;
  /** As it was given. */
  readonly endpoint: string;
  /** Of kind `queue`. */
  readonly target: QueueTarget | undefined;
  readonly settings: SubscriptionSettings;
  /** Oldest first, never empty; the last one is that of the settings. Older ones stay until they judge no message any more. */
  readonly filters: readonly FilterVersion[];
  readonly standing: SubscriptionStanding;
  /** Its first message was published at or after this place. */
  readonly since: Sequence;
  readonly owner: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  readonly revision: number;
  /** Why it is paused, if its failures are the reason. */
  readonly disabled?: Disabled | undefined;
}

/** A subscription was paused because its target did nothing but fail. */
export interface Disabled {
  readonly at: EpochMs;
  /** Of the attempts that failed since the last success. */
  readonly firstFailureAt: EpochMs;
  /** Of the last attempt. */
  readonly lastError: string;
}

/** What became of a subscription's messages so far. What it has passed and is not here was kept back by its filter. */
export interface Deliveries {
  readonly delivered: number;
  readonly failedAttempts: number;
  readonly deadLettered: number;
  /** Given up without a dead-letter queue to go to. */
  readonly givenUp: number;
  /** Their time to live ended first. */
  readonly expired: number;
}

/** Where a subscription is found by its id. */
export interface SubscriptionLocator {
  readonly namespace: Namespace;
  readonly topic: TopicName;
  readonly slot: number;
  readonly segment: SegmentNumber;
}

/** An accepted publish that later ones with its deduplication id repeat. */
export interface PublishedOnce {
  readonly at: EpochMs;
  readonly groupId: string;
  readonly messageId: Buffer;
  readonly sequence: Sequence;
}

/** A topic that was deleted and whose subscriptions are still to be removed one by one. */
export interface EndedTopic {
  readonly namespace: Namespace;
  readonly slot: number;
  readonly segment: SegmentNumber;
}
