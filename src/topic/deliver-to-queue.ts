// A delivery to a queue: a send by the rules of queues, decided under the same command as the place of the subscription, so that
// a crash neither loses nor doubles a copy. What the queue does not take for good goes to the subscription's dead-letter queue.

import { hash } from "node:crypto";
import { between, type DurationMs, type EpochMs, type Sequence } from "../base/brands.js";
import { instantText } from "../base/dates.js";
import { attributesSize } from "../queue/message-size.js";
import type { MessageContent, Queue } from "../queue/model.js";
import { OpenQueue } from "../queue/open-queue.js";
import { orUnreadable } from "../queue/readable.js";
import { letJoin } from "../queue/scheduled-messages.js";
import { refusalOf, type SendEntry, sendEntry } from "../queue/send-message.js";
import type { Stamp } from "../queue/stamp.js";
import { admit } from "../queue/stored-messages.js";
import { envelopeOf, subscriptionArn, type ToSign } from "./envelope.js";
import { topicLimits } from "./limits.js";
import { bodyFor } from "./message-for-target.js";
import type { QueueTarget, Subscription, Topic, TopicMessage } from "./model.js";
import { outboundRefusal } from "./protection/data-protection.js";
import { replayedDedupId } from "./replay-dedup.js";
import { carriedContent } from "./stream-content.js";
import type { StateTransaction } from "./view.js";

/** What became of a message for one subscription. */
export type DeliveryOutcome = "delivered" | "dead_lettered" | "given_up" | "expired";

/** Why a target did not take a message, and never will. */
export interface Failure {
  /** As a dead letter tells it: of queues `TARGET_GONE`, `TOO_MANY_ATTRIBUTES`, `MESSAGE_TOO_LONG`, `EXPIRED`, and `DATA_PROTECTION_DENIED`. */
  readonly reason: string;
  readonly error: string;
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
  /** Of messages alone, which are the same for every queue; an envelope names its subscription. */
  readonly #rawForms = new Map<Sequence, Form>();
  /** By their keys. */
  readonly #unsigned = new Map<string, ToSign>();

  constructor(transaction: StateTransaction, topic: Topic, stamp: Stamp) {
    this.#transaction = transaction;
    this.#topic = topic;
    this.#stamp = stamp;
  }

  /** What envelopes went without that should be signed; whoever can have it signed rejects the command and tries again then. */
  get unsigned(): readonly ToSign[] {
    return [...this.#unsigned.values()];
  }

  deliver(subscription: Subscription, message: TopicMessage): DeliveryOutcome {
    const { expiresAt } = message;
    if (expiresAt !== undefined && expiresAt <= this.#stamp.now) {
      if (!subscription.settings.isExpiredToDeadLetters) return "expired";
      return this.giveUp(subscription, message, expired(expiresAt));
    }
    const denied = outboundRefusal(this.#topic, message, subscription.owner);
    if (denied !== undefined) return this.giveUp(subscription, message, denied);
    const queue = this.#findTarget(subscription.target);
    if (queue === undefined) return this.giveUp(subscription, message, gone(subscription));
    const entry = this.#entryFor(subscription, message, queue);
    // The queue behind a stream was made to take everything.
    const failure =
      subscription.kind === "stream" ? undefined : failureOf(subscription, message, queue, entry);
    if (failure !== undefined) return this.giveUp(subscription, message, failure);
    sendEntry(this.#open(queue), entry);
    return "delivered";
  }

  /** Writes what the queues count. */
  close(): void {
    this.#first?.close();
    for (const { queue } of this.#reached.values()) this.#transaction.wake(queue.number);
  }

  /** The very queue that was subscribed: one made anew under its name is another. */
  #findTarget(target: QueueTarget | undefined): Queue | undefined {
    if (target === undefined) return undefined;
    const queue = this.#find(target);
    return queue?.number === target.number ? queue : undefined;
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

  #entryFor(subscription: Subscription, message: TopicMessage, queue: Queue): SendEntry {
    const { deliverAt, expiresAt, groupId } = message;
    const { now } = this.#stamp;
    const startsAt = deliverAt !== undefined && deliverAt > now ? deliverAt : now;
    const hasGroup = queue.isFifo || !this.#topic.isFifo;
    const hasDedup = queue.isFifo || queue.settings.dedupWindowMs > 0;
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

  get #senderId(): string {
    return `topic:${this.#topic.namespace}/${this.#topic.name}`;
  }

  #formOf({ id, kind, settings }: Subscription, message: TopicMessage): Form {
    if (!settings.isRaw) {
      const target = { id, kind };
      const { text, missing } = envelopeOf(this.#topic, message, target, this.#stamp.envelopes);
      if (missing !== undefined) this.#unsigned.set(missing.key, missing);
      return formOf(Buffer.from(text, "utf8"), true);
    }
    if (kind !== "queue") return formOf(bodyFor(message, kind), message.isText);
    const known = this.#rawForms.get(message.sequence);
    if (known !== undefined) return known;
    const form = formOf(bodyFor(message, kind), message.isText);
    this.#rawForms.set(message.sequence, form);
    return form;
  }

  /** To the dead-letter queue, which takes everything. Without one the message is dropped and counted (SNS drops it too). */
  giveUp(
    subscription: Subscription,
    message: TopicMessage,
    { reason, error }: Failure,
    { failures, firstAttemptAt }: DeliveryHistory = noHistory,
  ): "dead_lettered" | "given_up" {
    const { deadLetterQueue: name } = subscription.settings;
    const { namespace, isFifo } = this.#topic;
    const queue = name === undefined ? undefined : this.#find({ namespace, name });
    // A FIFO queue takes nothing without a group.
    if (queue === undefined || (queue.isFifo && message.groupId === undefined)) return "given_up";
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
        origin: { at: now, deadLetter: undefined },
        attempts: [],
      },
    });
    open.change({ arrived: 1 });
    return "dead_lettered";
  }
}

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
  const address = { namespace: queue.namespace, name: queue.name, given: endpoint };
  const refusal = refusalOf(address, queue, { ...entry, sizeBytes: message.sizeBytes });
  if (refusal?.kind !== "message_too_long") return undefined;
  const { sizeBytes, limitBytes } = refusal;
  const error = `It has ${sizeBytes} bytes, and queue "${endpoint}" takes ${limitBytes}`;
  return { reason: "MESSAGE_TOO_LONG", error };
}
