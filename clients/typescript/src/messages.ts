// Messages as a caller gets them: what all have in common, and what a receive, a peek and a schedule add.

import {
  DeadLetterReason as DeadLetterReasons,
  MessageSystemAttributeName,
  type MessageSystemAttributes,
  type Message as WireMessage,
  MessageState as WireMessageState,
  type PeekedMessage as WirePeekedMessage,
  type ScheduledMessage as WireScheduledMessage,
} from "../gen/forebay/queue/v1/message.js";
import { type Attributes, attributesFromWire } from "./attributes.js";
import { type Choice, choiceOf } from "./choices.js";
import type { CallOptions } from "./connection.js";
import { dateOf } from "./durations.js";
import type { Body } from "./outgoing.js";
import type { RejectOptions, RejectOutcome } from "./rejection.js";

/** Why a consumer gave a message back last. */
export interface Rejection {
  /** A short, stable word to group by. */
  readonly reason: string;
  /** The error's text. */
  readonly error: string;
  readonly rejectTime: Date | undefined;
}

/** The name of something the server keeps for a message, or `ALL`. */
export type SystemAttributeName = Choice<typeof MessageSystemAttributeName>;

/**
 * Where a message stands: VISIBLE to receives; IN_FLIGHT, received and neither deleted nor visible again; DELAYED, as its delay
 * or backoff has not ended; SCHEDULED, as its `deliverTime` has not come.
 */
export type MessageState = Choice<typeof WireMessageState>;

/**
 * Why a message went to a dead-letter queue: MAX_RECEIVES, it was delivered as often as the redrive policy allows; REJECTED, a
 * consumer rejected it with `deadLetter`.
 */
export type DeadLetterReason = Choice<typeof DeadLetterReasons>;

/** What every message holds, and the forms its body can be read in. */
export class MessageContent {
  /** Its identity: a UUID, the same on every receive. */
  readonly messageId: string;
  /** The body as it was sent: a string if sent as text, bytes if sent as bytes. Bytes are a view of what the network
   * delivered; copy them to keep them for long. */
  readonly body: Body;
  /** Its attributes, by name; of a receive those asked for. */
  readonly attributes: Attributes;

  constructor(wire: Pick<WireMessage, "messageId" | "body" | "attributes">) {
    this.messageId = wire.messageId;
    this.body = wire.body?.value ?? "";
    this.attributes = attributesFromWire(wire.attributes);
  }

  /** The body as text; bytes are read as UTF-8. */
  get text(): string {
    return typeof this.body === "string" ? this.body : Buffer.from(this.body).toString("utf8");
  }

  /** The body as bytes; text is its UTF-8. */
  get bytes(): Uint8Array {
    return typeof this.body === "string" ? Buffer.from(this.body, "utf8") : this.body;
  }

  /**
   * The body parsed as JSON. What it holds is for the caller to check.
   *
   * @throws SyntaxError if it is not JSON.
   */
  json(): unknown {
    return JSON.parse(this.text);
  }
}

/** Why a topic could not deliver a message to a subscription. */
export interface DeliveryFailure {
  /** The topic it was published to. */
  readonly topic: string;
  /** The id of the subscription. */
  readonly subscription: string;
  /** A short, stable word, as `TARGET_GONE` or `RETRIES_EXHAUSTED`. */
  readonly reason: string;
  /** What went wrong last, in words. */
  readonly lastError: string;
  /** How often it was tried. */
  readonly attempts: number;
  /** When it was tried first; undefined: it was not. */
  readonly firstAttemptTime: Date | undefined;
}

/** A message of a queue. What the server was not asked for, or does not have, is undefined. */
export class Message extends MessageContent {
  /** MD5 of the body's bytes, lower-case hexadecimal. */
  readonly md5OfBody: string;
  /** Who sent it. */
  readonly senderId: string | undefined;
  /** When it was sent. */
  readonly sendTime: Date | undefined;
  /** How often it was received, this receive included, over all queues it was in. */
  readonly receiveCount: number | undefined;
  /** When it was received first. */
  readonly firstReceiveTime: Date | undefined;
  /** How often it was received in this queue, this receive included; the redrive policy looks at this one. */
  readonly queueReceiveCount: number | undefined;
  /** FIFO queues: its place in the queue, decimal text of 20 digits. */
  readonly sequenceNumber: string | undefined;
  /** Its deduplication id. */
  readonly dedupId: string | undefined;
  /** Its message group. */
  readonly groupId: string | undefined;
  /** Its trace header. */
  readonly traceHeader: string | undefined;
  /** The queue it was dead-lettered from to come to this one; undefined once a move task took it further. */
  readonly deadLetterSourceQueue: string | undefined;
  /** Why it was dead-lettered. */
  readonly deadLetterReason: DeadLetterReason | undefined;
  /** When it was dead-lettered. */
  readonly deadLetterTime: Date | undefined;
  /** Why a consumer rejected it last, or a topic could not deliver it. */
  readonly rejection: Rejection | undefined;
  /** Why a topic could not deliver it, in the dead-letter queue of a subscription. */
  readonly deliveryFailure: DeliveryFailure | undefined;
  /** The id it had before a move task made it a new message, the last one if it was moved more than once. */
  readonly originalMessageId: string | undefined;
  /** Its priority, 1 to 9; undefined for the ordinary 0. */
  readonly priority: number | undefined;
  /** When its own time to live ends. */
  readonly timeToLiveEndTime: Date | undefined;
  /** When it becomes visible; undefined when it is. */
  readonly visibleTime: Date | undefined;

  constructor(wire: Omit<WireMessage, "receiptHandle" | "md5OfAttributes">) {
    super(wire);
    const system: MessageSystemAttributes = wire.systemAttributes ?? {};
    this.md5OfBody = wire.md5OfBody;
    this.senderId = system.senderId;
    this.sendTime = dateOf(system.sendTime);
    this.receiveCount = system.receiveCount;
    this.firstReceiveTime = dateOf(system.firstReceiveTime);
    this.queueReceiveCount = system.queueReceiveCount;
    this.sequenceNumber = system.sequenceNumber;
    this.dedupId = system.dedupId;
    this.groupId = system.groupId;
    this.traceHeader = system.traceHeader;
    this.deadLetterSourceQueue = system.deadLetterSourceQueue;
    this.deadLetterReason = choiceOf(DeadLetterReasons, system.deadLetterReason);
    this.deadLetterTime = dateOf(system.deadLetterTime);
    this.rejection = system.rejection && {
      reason: system.rejection.reason,
      error: system.rejection.error,
      rejectTime: dateOf(system.rejection.rejectTime),
    };
    this.deliveryFailure = system.deliveryFailure && {
      ...system.deliveryFailure,
      firstAttemptTime: dateOf(system.deliveryFailure.firstAttemptTime),
    };
    this.originalMessageId = system.originalMessageId;
    this.priority = system.priority;
    this.timeToLiveEndTime = dateOf(system.timeToLiveEndTime);
    this.visibleTime = dateOf(wire.visibleTime);
  }
}

/** What became of a delete: this call removed the message, or it was gone before. */
export type DeleteOutcome = "DELETED" | "ALREADY_GONE";

/** What a received message needs from its queue. */
export interface Receipts {
  delete(receiptHandle: string, options?: CallOptions): Promise<DeleteOutcome>;
  changeVisibility(
    receiptHandle: string,
    visibilityTimeoutMs: number,
    options?: CallOptions,
  ): Promise<Date>;
  reject(
    receiptHandle: string,
    rejection: RejectOptions,
    options?: CallOptions,
  ): Promise<RejectOutcome>;
}

/** A message leased to this caller: invisible to others until `visibleTime`, unless deleted or extended before. */
export class ReceivedMessage extends Message {
  /** The handle of this receive, for deleting the message and changing its visibility. */
  readonly receiptHandle: string;
  readonly #receipts: Receipts;

  constructor(wire: WireMessage, receipts: Receipts) {
    super(wire);
    this.receiptHandle = wire.receiptHandle;
    this.#receipts = receipts;
  }

  /** Deletes it: it was processed. Errors: as `Queue.delete`. */
  delete(options?: CallOptions): Promise<DeleteOutcome> {
    return this.#receipts.delete(this.receiptHandle, options);
  }

  /**
   * Replaces what is left of its lease, counted from now, in milliseconds; 0 gives it back at once. Returns when it becomes
   * visible. Errors: as `Queue.changeVisibility`.
   */
  changeVisibility(visibilityTimeoutMs: number, options?: CallOptions): Promise<Date> {
    return this.#receipts.changeVisibility(this.receiptHandle, visibilityTimeoutMs, options);
  }

  /** Gives it back because it cannot be processed, or dead-letters it at once. Errors: as `Queue.reject`. */
  reject(rejection: RejectOptions, options?: CallOptions): Promise<RejectOutcome> {
    return this.#receipts.reject(this.receiptHandle, rejection, options);
  }
}

/** A message as a peek shows it: nothing was changed by looking. */
export class PeekedMessage extends Message {
  /** Where it stands. */
  readonly state: MessageState;
  /** The full size of its body in bytes; `body` may be cut. */
  readonly bodyBytes: number;
  /** When it expires: the end of its retention or of its own time to live, whichever is first. */
  readonly expireTime: Date | undefined;

  constructor(wire: WirePeekedMessage) {
    super(wire);
    this.state = stateOf(wire.state);
    this.bodyBytes = wire.bodyBytes;
    this.expireTime = dateOf(wire.expireTime);
  }
}

/** A message that waits for its `deliverTime`. */
export class ScheduledMessage extends MessageContent {
  /** When it joins the queue. */
  readonly deliverTime: Date | undefined;
  /** When it was accepted. */
  readonly sendTime: Date | undefined;
  /** The full size of its body in bytes; `body` may be cut. */
  readonly bodyBytes: number;
  /** Its message group. */
  readonly groupId: string | undefined;

  constructor(wire: WireScheduledMessage) {
    super(wire);
    this.deliverTime = dateOf(wire.deliverTime);
    this.sendTime = dateOf(wire.sendTime);
    this.bodyBytes = wire.bodyBytes;
    this.groupId = wire.groupId === "" ? undefined : wire.groupId;
  }
}

/** A state as the server gave it. */
export function stateOf(wire: WireMessageState): MessageState {
  return choiceOf(WireMessageState, wire) ?? "VISIBLE";
}

/** The wire's form of states. */
export function statesToWire(wanted: readonly MessageState[]): WireMessageState[] {
  return wanted.map((state) => WireMessageState[state]);
}

/** The wire's form of the names of system attributes. */
export function systemAttributesToWire(
  names: readonly SystemAttributeName[],
): MessageSystemAttributeName[] {
  return names.map((name) => MessageSystemAttributeName[name]);
}
