// A message on its way out: what a caller gives for it, its form on the wire, and what the server says it became.

import type {
  SendMessageBatchRequestEntry,
  SendMessageBatchResultEntry,
} from "../gen/forebay/queue/v1/queue_service.js";
import { type AttributesInput, attributesBytes, attributesToWire, bytesOf } from "./attributes.js";
import { durationOf, timestampOf } from "./durations.js";

/** The body of a message: text, or bytes. Never empty. */
export type Body = string | Uint8Array;

/** What can be said about a message beside its body. */
export interface MessageOptions {
  /**
   * How long the message stays invisible, in milliseconds. Range: 0 to 900000. Default: the queue's. 0: deliver at once. FIFO
   * queues know no delay of a message's own: 0 is the queue's, more is refused.
   */
  readonly delayMs?: number | undefined;
  /**
   * When the message joins the queue, any time up to the year 9999; one that has come means at once. Retention, time to live
   * and the queue's delay count from then. Not together with `delayMs`. See `Queue.listScheduledMessages`.
   */
  readonly deliverTime?: Date | undefined;
  /** How long the message lives, in milliseconds, if that is shorter than the queue's retention. Range: 1000 to 1209600000. */
  readonly timeToLiveMs?: number | undefined;
  /** How urgent it is; higher ones come first, see `priorityAgeingMs`. Range: 0, the default, to 9. Not on FIFO queues. */
  readonly priority?: number | undefined;
  /** At most 10; names of 1 to 256 of letters, digits and `_-.`. */
  readonly attributes?: AttributesInput | undefined;
  /** A trace header carried with the message, at most 1024 bytes. */
  readonly traceHeader?: string | undefined;
  /**
   * A second message of this id, within the queue's dedup window, is dropped. FIFO queues, where it is needed unless the
   * queue makes one of the content, and others with a `dedupWindowMs`. 1 to 128 ASCII letters, digits and punctuation.
   */
  readonly dedupId?: string | undefined;
  /**
   * FIFO queues: the group whose order counts, required. Others: the tenant, optional. 1 to 128 ASCII letters, digits and
   * punctuation.
   */
  readonly groupId?: string | undefined;
}

/** A stored message. */
export interface SendResult {
  /** Its identity: a UUID. */
  readonly messageId: string;
  /** MD5 of its body's bytes, lower-case hexadecimal. */
  readonly md5OfBody: string;
  /** MD5 of its attributes, lower-case hexadecimal; empty when it has none. */
  readonly md5OfAttributes: string;
  /** FIFO queues: its place in the queue, decimal text of 20 digits; empty on others, and until its `deliverTime`. */
  readonly sequenceNumber: string;
  /** Whether it was dropped as a duplicate of `messageId`, by its `dedupId` or its content. */
  readonly duplicate: boolean;
}

/** A message's form on the wire; single sends, batches and streams share it. */
export type OutgoingMessage = SendMessageBatchRequestEntry & {
  readonly body: NonNullable<SendMessageBatchRequestEntry["body"]>;
};

export function outgoing(body: Body, options: MessageOptions = {}, id = ""): OutgoingMessage {
  return {
    id,
    body: bodyToWire(body),
    delay: durationOf(options.delayMs),
    attributes: attributesToWire(options.attributes),
    systemAttributes:
      options.traceHeader === undefined ? undefined : { traceHeader: options.traceHeader },
    dedupId: options.dedupId ?? "",
    groupId: options.groupId ?? "",
    deliverTime: timestampOf(options.deliverTime),
    timeToLive: durationOf(options.timeToLiveMs),
    priority: options.priority,
  };
}

/** The wire's form of a body. */
export function bodyToWire(body: Body): NonNullable<SendMessageBatchRequestEntry["body"]> {
  return typeof body === "string" ? { $case: "text", value: body } : { $case: "data", value: body };
}

/** The size the contract counts: body and attributes. */
export function outgoingBytes(message: OutgoingMessage): number {
  return bytesOf(message.body.value) + attributesBytes(message.attributes);
}

export function sendResultOf(wire: Omit<SendMessageBatchResultEntry, "id">): SendResult {
  return {
    messageId: wire.messageId,
    md5OfBody: wire.md5OfBody,
    md5OfAttributes: wire.md5OfAttributes,
    sequenceNumber: wire.sequenceNumber,
    duplicate: wire.duplicate,
  };
}
