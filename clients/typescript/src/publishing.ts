// What is published to a topic, and what the server answers.

import { MessageStructure, type PublishFailure } from "../gen/forebay/topic/v1/message.js";
import { type AttributesInput, attributesToWire } from "./attributes.js";
import { durationOf } from "./durations.js";
import { type Body, bodyToWire } from "./outgoing.js";

/** What can be said about a message beside its body. */
export interface PublishOptions {
  /** 1 to 100 characters; shown in the envelope. */
  readonly subject?: string | undefined;
  /** The media type of a body of bytes, for subscribers. At most 256 characters. */
  readonly contentType?: string | undefined;
  /** At most 100; a queue that gets messages alone takes ten. */
  readonly attributes?: AttributesInput | undefined;
  /**
   * `json`: the text is an object with a text for each kind of target (`queue`, …) and a `default` for the others. Default: the
   * text is the message.
   */
  readonly structure?: "json" | undefined;
  /** FIFO topics: the group whose order counts, required. Others: handed on to standard queues. */
  readonly groupId?: string | undefined;
  /** FIFO topics: a second message of this id within 5 minutes is dropped. Required unless the topic makes one. */
  readonly dedupId?: string | undefined;
  /** Delivered no earlier than so many milliseconds from now. Standard topics. Range: 0 to 43200000. */
  readonly delayMs?: number | undefined;
  /** Not delivered later than so many milliseconds from now. Range: 1000 to 1209600000. */
  readonly timeToLiveMs?: number | undefined;
}

/** What a publish may ask for that a message of a batch cannot. */
export interface PublishCountsOption {
  /** Whether to count for how many subscriptions it is, which takes time in proportion. Default: false. */
  readonly wantCounts?: boolean | undefined;
}

/** A published message. */
export interface PublishResult {
  /** Its identity: a UUID; of a repeat, the first one's. */
  readonly messageId: string;
  /** Its place in the topic: decimal text of 20 digits. */
  readonly sequenceNumber: string;
  /** FIFO topics: whether it repeats a publish of the last 5 minutes, and went to nobody. */
  readonly duplicate: boolean;
}

/** How many subscriptions a message is for, and how many filters keep it back; undefined unless that was asked for. */
export interface PublishCounts {
  readonly matchedSubscriptionCount?: number | undefined;
  readonly filteredSubscriptionCount?: number | undefined;
}

/** A message of a batch. */
export interface BatchPublish extends PublishOptions {
  readonly body: Body;
  /** Distinct in the batch, 1 to 80 of `A-Za-z0-9_-`. Default: its place, from `0`. */
  readonly id?: string | undefined;
}

/** What became of a batch; both lists in the order of the messages. */
export interface PublishBatchResult {
  readonly successful: readonly (PublishResult & { readonly id: string })[];
  readonly failed: readonly PublishFailure[];
}

/** The wire's form of a message. */
export function publishToWire(body: Body, options: PublishOptions) {
  return {
    body: bodyToWire(body),
    contentType: options.contentType ?? "",
    subject: options.subject,
    messageStructure: MessageStructure[options.structure === "json" ? "JSON" : "UNSPECIFIED"],
    attributes: attributesToWire(options.attributes),
    groupId: options.groupId ?? "",
    dedupId: options.dedupId ?? "",
    delay: durationOf(options.delayMs),
    ttl: durationOf(options.timeToLiveMs),
  };
}

/** The wire's form of a message of a batch. */
export function entryToWire(message: Body | BatchPublish, index: number) {
  const isBody = typeof message === "string" || message instanceof Uint8Array;
  const { body, id, ...rest }: BatchPublish = isBody ? { body: message } : message;
  return { id: id ?? String(index), ...publishToWire(body, rest) };
}

export const publishResultOf = ({
  messageId,
  sequenceNumber,
  duplicate,
}: PublishResult): PublishResult => ({ messageId, sequenceNumber, duplicate });

interface WireCounts {
  readonly matchedSubscriptions?: bigint | undefined;
  readonly filteredSubscriptions?: bigint | undefined;
}

export function publishCountsOf({
  matchedSubscriptions: matched,
  filteredSubscriptions: filtered,
}: WireCounts): PublishCounts {
  return {
    ...(matched !== undefined && { matchedSubscriptionCount: Number(matched) }),
    ...(filtered !== undefined && { filteredSubscriptionCount: Number(filtered) }),
  };
}
