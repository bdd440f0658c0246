// A delivery to a queue: a send by the rules of queues, decided under the same command as the place of the subscription, so that
// a crash neither loses nor doubles a copy. What the queue does not take for good goes to the subscription's dead-letter queue.

import { hash } from "node:crypto";
import { between, type DurationMs, type EpochMs } from "../base/brands.js";
import { instantText } from "../base/dates.js";
import { attributesSize } from "../queue/message-size.js";
import type { MessageContent, Queue } from "../queue/model.js";
import { OpenQueue } from "../queue/open-queue.js";
import { orUnreadable } from "../queue/readable.js";
import { letJoin } from "../queue/scheduled-messages.js";
import { refusalOf, type SendEntry, sendEntry } from "../queue/send-message.js";
import { isPlain, sendPlain, takesPlain } from "../queue/send-plain.js";
import type { Stamp } from "../queue/stamp.js";
import { admit } from "../queue/stored-messages.js";
import { endOf, isSuccessRecorded, recordAttempt } from "./attempts.js";
import { envelopeOf, subscriptionArn, type ToSign } from "./envelope.js";
import { topicLimits } from "./limits.js";
import { bodyFor } from "./message-for-target.js";
import type { QueueTarget, Subscription, Topic, TopicMessage } from "./model.js";
import { outboundRefusal } from "./protection/data-protection.js";
import { replayedDedupId } from "./replay-dedup.js";
import { carriedContent } from "./stream-content.js";
import { keepUndeliverable } from "./undeliverable.js";
import type { StateTransaction } from "./view.js";

/** What became of a message for one subscription. */
export type DeliveryOutcome = "delivered" | "dead_lettered" | "given_up" | "expired";

/** Why a target did not take a message, and never will. */
export interface Failure {
  /**
   * As a dead letter tells it: of queues `TARGET_GONE`, `TOO_MANY_ATTRIBUTES`, `MESSAGE_TOO_LONG`, `EXPIRED`, and of every kind
   * `DATA_PROTECTION_DENIED`.
   */
  readonly reason: string;
  readonly error: string;
  /** As of HTTP, where there is one. */
  readonly statusCode?: number;
}

/** The attempts before a message was given up. */
export interface DeliveryHistory {
  readonly failures: number;
  readonly firstAttemptAt: EpochMs | undefined;
}

const noHistory: DeliveryHistory = { failures: 0, firstAttemptAt: undefined };

/** The body of a copy. */
interface Form {
  readonly isText: boolean;
  readonly body: Buffer;
  readonly bodyMd5: Buffer;
}

/** Delivers messages of one topic to queues, under one command. */
export class QueueDeliveries {
  readonly #transaction: StateTransaction;
  readonly #topic: Topic;
  readonly #stamp: Stamp;
  /** The queue opened first: the others are opened through it. */
  #first: OpenQueue | undefined;
  /** Queues to wake, and those whose scheduled messages have joined. */
  readonly #reached = new Map<number, OpenQueue>();
  /** What queues get that take messages alone: the same for all queues that keep the same ids, see `shapeOf`. */
  readonly #rawEntries = new Map<TopicMessage, SendEntry[]>();
  /** By their keys. */
  readonly #unsigned = new Map<string, ToSign>();
  readonly #senderId: string;
  /** Whether there is any to be recorded: mostly not, and then it costs nothing. */
  readonly #recordsSuccesses: boolean;
  /** The target that was looked for last: mostly many messages for one in a row. No command that delivers changes queues. */
  #found: { readonly target: QueueTarget; readonly queue: Queue | undefined } | undefined;

  constructor(transaction: StateTransaction, topic: Topic, stamp: Stamp) {
    this.#transaction = transaction;
    this.#senderId = `topic:${topic.namespace}/${topic.name}`;
    this.#topic = topic;
    this.#recordsSuccesses = topic.settings.deliveryLogging.length > 0;
    this.#stamp = stamp;
  }

  /** What envelopes went without that should be signed; whoever can have it signed rejects the command and tries again then. */
  get unsigned(): readonly ToSign[] {
    return [...this.#unsigned.values()];
  }

  deliver(subscription: Subscription, message: TopicMessage): DeliveryOutcome {
    const { expiresAt } = message;
    if (expiresAt !== undefined && expiresAt <= this.#stamp.now) {
      const failure = expired(expiresAt);
      if (subscription.settings.isExpiredToDeadLetters) {
        return this.#refused(subscription, message, failure, 0);
      }
      this.#record(subscription, { message, attempt: 0, end: "expired", error: failure.error });
      return "expired";
    }
    const denied = outboundRefusal(this.#topic, message, subscription.owner);
    if (denied !== undefined) return this.#refused(subscription, message, denied);
    const queue = this.#findTarget(subscription.target);
    if (queue === undefined) return this.#refused(subscription, message, gone(subscription));
    const entry = this.#entryOf(subscription, message, queue);
    // The queue behind a stream was made to take everything.
    const failure =
      subscription.kind === "stream" ? undefined : failureOf(subscription, message, queue, entry);
    if (failure !== undefined) return this.#refused(subscription, message, failure);
    sendEntry(this.#open(queue), entry);
    if (this.#recordsSuccesses) this.#recordSuccess(subscription, message);
    return "delivered";
  }

  /** A failure for good, which is the only attempt there is. */
  #refused(
    subscription: Subscription,
    message: TopicMessage,
    failure: Failure,
    attempt = 1,
  ): "dead_lettered" | "given_up" {
    const outcome = this.giveUp(subscription, message, failure);
    const end = endOf(outcome);
    const { error, statusCode } = failure;
    this.#record(subscription, { message, attempt, end, error, statusCode });
    return outcome;
  }

  #recordSuccess(subscription: Subscription, message: TopicMessage): void {
    if (!isSuccessRecorded(this.#topic, subscription.kind, message.messageId)) return;
    this.#record(subscription, { message, attempt: 1, end: "delivered", error: "" });
  }

  #record(subscription: Subscription, attempted: Parameters<typeof recordAttempt>[3]): void {
    const { topics } = this.#transaction;
    recordAttempt(topics, this.#topic, subscription, attempted, this.#stamp);
  }

  /** Delivers one after another; as many as are delivered as if by one, undefined where they have to be looked at each. */
  deliverPlain(subscription: Subscription, messages: readonly TopicMessage[]): number | undefined {
    const { kind, settings, target } = subscription;
    const isLookedAt = kind !== "queue" || !settings.isRaw || this.#recordsSuccesses;
    if (isLookedAt || this.#topic.settings.dataProtectionPolicy !== undefined) return undefined;
    const queue = this.#findTarget(target);
    if (queue === undefined || !takesPlain(queue)) return undefined;
    const entries: SendEntry[] = [];
    for (const message of messages) {
      if (message.expiresAt !== undefined) return undefined;
      const entry = this.#entryOf(subscription, message, queue);
      const isTaken =
        isPlain(entry, this.#stamp.now) &&
        failureOf(subscription, message, queue, entry) === undefined;
      if (!isTaken) return undefined;
      entries.push(entry);
    }
    sendPlain(this.#open(queue), entries);
    return entries.length;
  }

  /** Writes what the queues count. */
  close(): void {
    this.#first?.close();
    for (const { queue } of this.#reached.values()) this.#transaction.wake(queue.number);
  }

  /** The very queue that was subscribed: one made anew under its name is another. */
  #findTarget(target: QueueTarget | undefined): Queue | undefined {
    if (target === undefined) return undefined;
    if (this.#found?.target === target) return this.#found.queue;
    const named = this.#find(target);
    const queue = named?.number === target.number ? named : undefined;
    this.#found = { target, queue };
    return queue;
  }

  #find({ namespace, name }: Pick<QueueTarget, "namespace" | "name">): Queue | undefined {
    const found = orUnreadable(() => this.#transaction.findQueue(namespace, name));
    if (found === undefined || found === "unreadable") return undefined;
    return this.#transaction.readableCounters(found) === undefined ? undefined : found;
  }

  #open(queue: Queue): OpenQueue {
    const known = this.#reached.get(queue.number);
    if (known !== undefined) return known;
    const open = this.#first?.other(queue) ?? new OpenQueue(this.#transaction, queue, this.#stamp);
    this.#first ??= open;
    this.#reached.set(queue.number, open);
    // What was sent for a time that has come stands before what is sent now.
    letJoin(open);
    return open;
  }

  #entryOf(subscription: Subscription, message: TopicMessage, queue: Queue): SendEntry {
    if (subscription.kind !== "queue" || !subscription.settings.isRaw) {
      return this.#entryFor(subscription, message, queue);
    }
    const entries = this.#rawEntries.get(message) ?? [];
    this.#rawEntries.set(message, entries);
    const shape = shapeOf(this.#topic, queue);
    entries[shape] ??= this.#entryFor(subscription, message, queue);
    return entries[shape];
  }

  #entryFor(subscription: Subscription, message: TopicMessage, queue: Queue): SendEntry {
    const { deliverAt, expiresAt, groupId } = message;
    const { now } = this.#stamp;
    const startsAt = deliverAt !== undefined && deliverAt > now ? deliverAt : now;
    const hasGroup = keepsGroup(this.#topic, queue);
    const hasDedup = keepsDedup(queue);
    const { kind, settings } = subscription;
    const isStream = kind === "stream";
    const ids = {
      groupId: hasGroup ? groupId : undefined,
      // The queue of a stream remembers none, and its consumers are told the message's own.
      dedupId: !hasDedup ? undefined : isStream ? message.dedupId : replayedDedupId(message),
    };
    const keepsExpiry = isStream && settings.isExpiredToDeadLetters;
    const content = isStream
      ? carriedContent(message, { ...ids, senderId: this.#senderId, keepsExpiry })
      : this.#contentOf(subscription, message, ids);
    return {
      content,
      sizeBytes: sizeOf(content),
      delayMs: undefined,
      deliverAt,
      timeToLiveMs:
        expiresAt === undefined || keepsExpiry ? undefined : timeLeft(startsAt, expiresAt),
    };
  }

  #contentOf(
    subscription: Subscription,
    message: TopicMessage,
    ids: Pick<MessageContent, "groupId" | "dedupId">,
  ): MessageContent {
    const { isText, body, bodyMd5 } = this.#formOf(subscription, message);
    return {
      isText,
      body,
      bodyMd5,
      attributes: subscription.settings.isRaw ? message.attributes : [],
      senderId: this.#senderId,
      ...ids,
      traceHeader: message.traceParent,
      originalMessageId: undefined,
    };
  }

  #formOf({ id, kind, settings }: Subscription, message: TopicMessage): Form {
    if (!settings.isRaw) {
      const target = { id, kind };
      const { text, missing } = envelopeOf(this.#topic, message, target, this.#stamp.envelopes);
      if (missing !== undefined) this.#unsigned.set(missing.key, missing);
      return formOf(Buffer.from(text, "utf8"), true);
    }
    if (kind !== "queue") return formOf(bodyFor(message, kind), message.isText);
    const known = rawForms.get(message);
    if (known !== undefined) return known;
    const form = formOf(bodyFor(message, kind), message.isText);
    rawForms.set(message, form);
    return form;
  }

  /** To the dead-letter queue, which takes everything. Without one the message is counted, and kept where it is listed (SNS drops it). */
  giveUp(
    subscription: Subscription,
    message: TopicMessage,
    { reason, error }: Failure,
    { failures, firstAttemptAt }: DeliveryHistory = noHistory,
  ): "dead_lettered" | "given_up" {
    const { deadLetterQueue: name } = subscription.settings;
    const { namespace, isFifo } = this.#topic;
    const queue = name === undefined ? undefined : this.#find({ namespace, name });
    // What a queue refuses for good was tried once, and is not counted anywhere else.
    const attempts = failures === 0 && reason !== "EXPIRED" ? 1 : failures;
    const first = firstAttemptAt ?? (attempts === 0 ? undefined : this.#stamp.now);
    // A FIFO queue takes nothing without a group.
    if (queue === undefined || (queue.isFifo && message.groupId === undefined)) {
      const givenUp = { message, reason, error, attempts, firstAttemptAt: first };
      const { topics } = this.#transaction;
      keepUndeliverable(topics, this.#topic, subscription, givenUp, this.#stamp);
      return "given_up";
    }
    const { now } = this.#stamp;
    const open = this.#open(queue);
    const content = this.#contentOf(subscription, message, {
      groupId: queue.isFifo || !isFifo ? message.groupId : undefined,
      dedupId: queue.isFifo ? message.dedupId : undefined,
    });
    admit(open, {
      messageId: this.#stamp.ids.messageId(now),
      sentAt: now,
      expiresAt: undefined,
      sizeBytes: sizeOf(content),
      priority: 0,
      content,
      dueAt: undefined,
      hasOldId: false,
      past: {
        earlierReceives: failures,
        firstReceivedAt: firstAttemptAt,
        rejection: {
          reason,
          error: `${error} (${subscriptionArn(this.#topic, subscription.id)})`,
          at: now,
        },
        undelivered: {
          topic: this.#topic.name,
          subscription: subscription.id,
          reason,
          error,
          attempts,
          firstAttemptAt: first,
        },
        origin: { at: now, deadLetter: undefined },
        attempts: [],
      },
    });
    open.change({ arrived: 1 });
    return "dead_lettered";
  }
}

/** Of messages alone for queues; kept with the message, which one step after another hands on. */
const rawForms = new WeakMap<TopicMessage, Form>();

const keepsGroup = (topic: Topic, queue: Queue): boolean => queue.isFifo || !topic.isFifo;
const keepsDedup = (queue: Queue): boolean => queue.isFifo || queue.settings.dedupWindowMs > 0;

/** All that a copy of a message alone depends on of its queue. */
const shapeOf = (topic: Topic, queue: Queue): number =>
  (keepsGroup(topic, queue) ? 1 : 0) + (keepsDedup(queue) ? 2 : 0);

const formOf = (body: Buffer, isText: boolean): Form => ({
  isText,
  body,
  bodyMd5: Buffer.from(hash("md5", body, "hex"), "hex"),
});

const sizeOf = ({ body, attributes }: MessageContent): number =>
  attributes.length === 0 ? body.length : body.length + attributesSize(attributes);

/** At least a millisecond: what has ended is not delivered at all. */
const timeLeft = (from: EpochMs, to: EpochMs): DurationMs =>
  Math.max(1, between(from, to)) as DurationMs;

const expired = (at: EpochMs): Failure => ({
  reason: "EXPIRED",
  error: `Its time to live ended at ${instantText(at)}`,
});

const gone = ({ endpoint }: Subscription): Failure => ({
  reason: "TARGET_GONE",
  error: `The queue "${endpoint}" that was subscribed does not exist any more`,
});

/** What the queue would refuse. It judges a message by its published size, whatever the envelope adds. */
function failureOf(
  { endpoint, settings }: Subscription,
  message: TopicMessage,
  queue: Queue,
  entry: SendEntry,
): Failure | undefined {
  const count = message.attributes.length;
  if (settings.isRaw && count > topicLimits.queueAttributesMax) {
    const error = `It has ${count} attributes, and a queue takes ${topicLimits.queueAttributesMax}`;
    return { reason: "TOO_MANY_ATTRIBUTES", error };
  }
  // Of what it would refuse only the length counts here.
  if (message.sizeBytes <= queue.settings.messageBytesMax) return undefined;
  const address = { namespace: queue.namespace, name: queue.name, given: endpoint };
  const refusal = refusalOf(address, queue, { ...entry, sizeBytes: message.sizeBytes });
  if (refusal?.kind !== "message_too_long") return undefined;
  const { sizeBytes, limitBytes } = refusal;
  const error = `It has ${sizeBytes} bytes, and queue "${endpoint}" takes ${limitBytes}`;
  return { reason: "MESSAGE_TOO_LONG", error };
}
