// Messages as a caller gets them: what all have in common, and what a receive and a peek add.

import {
  MessageSystemAttributeName,
  type MessageSystemAttributes,
  type Message as WireMessage,
  MessageState as WireMessageState,
  type PeekedMessage as WirePeekedMessage,
} from "../gen/forebay/queue/v1/message.js";
import { type Attributes, attributesFromWire } from "./attributes.js";
import type { CallOptions } from "./connection.js";
import { dateOf } from "./durations.js";
import type { Body } from "./outgoing.js";

/** Why a consumer gave a message back last. */
export interface Rejection {
  /** A short, stable word to group by. */
  readonly reason: string;
  /** The error's text. */
  readonly error: string;
  readonly rejectTime: Date | undefined;
}

/** The name of something the server keeps for a message, or `ALL`. */
export type SystemAttributeName = Exclude<keyof typeof MessageSystemAttributeName, "UNSPECIFIED">;

/** Where a stored message stands: visible to receives, received and not yet deleted, or not yet due. */
export type MessageState = Exclude<keyof typeof WireMessageState, "UNSPECIFIED">;

/** A message. What the server was not asked for, or does not have, is undefined. */
export class Message {
  /** Its identity: a UUID, the same on every receive. */
  readonly messageId: string;
  /** The body as it was sent: a string if sent as text, bytes if sent as bytes. Bytes are a view of what the network
   * delivered; copy them to keep them for long. */
  readonly body: Body;
  /** MD5 of the body's bytes, lower-case hexadecimal. */
  readonly md5OfBody: string;
  /** The attributes asked for, by name. */
  readonly attributes: Attributes;
  /** Who sent it. */
  readonly senderId: string | undefined;
  /** When it was sent. */
  readonly sendTime: Date | undefined;
  /** How often it was received, this receive included. */
  readonly receiveCount: number | undefined;
  /** When it was received first. */
  readonly firstReceiveTime: Date | undefined;
  /** FIFO queues: its place in the queue. */
  readonly sequenceNumber: string | undefined;
  /** FIFO queues: its deduplication id. */
  readonly dedupId: string | undefined;
  /** Its message group. */
  readonly groupId: string | undefined;
  /** Its trace header. */
  readonly traceHeader: string | undefined;
  /** The queue it was dead-lettered from. */
  readonly deadLetterSourceQueue: string | undefined;
  /** Why a consumer rejected it last. */
  readonly rejection: Rejection | undefined;
  /** When it becomes visible; undefined when it is. */
  readonly visibleTime: Date | undefined;

  constructor(wire: Omit<WireMessage, "receiptHandle" | "md5OfAttributes">) {
    const system: MessageSystemAttributes = wire.systemAttributes ?? {};
    this.messageId = wire.messageId;
    this.body = wire.body?.value ?? "";
    this.md5OfBody = wire.md5OfBody;
    this.attributes = attributesFromWire(wire.attributes);
    this.senderId = system.senderId;
    this.sendTime = system.sendTime && dateOf(system.sendTime);
    this.receiveCount = system.receiveCount;
    this.firstReceiveTime = system.firstReceiveTime && dateOf(system.firstReceiveTime);
    this.sequenceNumber = system.sequenceNumber;
    this.dedupId = system.dedupId;
    this.groupId = system.groupId;
    this.traceHeader = system.traceHeader;
    this.deadLetterSourceQueue = system.deadLetterSourceQueue;
    this.rejection = system.rejection && {
      reason: system.rejection.reason,
      error: system.rejection.error,
      rejectTime: system.rejection.rejectTime && dateOf(system.rejection.rejectTime),
    };
    this.visibleTime = wire.visibleTime && dateOf(wire.visibleTime);
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
}

/** A message as a peek shows it: nothing was changed by looking. */
export class PeekedMessage extends Message {
  /** Where it stands. */
  readonly state: MessageState;
  /** The full size of its body in bytes; `body` may be cut. */
  readonly bodyBytes: number;
  /** When its retention ends. */
  readonly expireTime: Date | undefined;

  constructor(wire: WirePeekedMessage) {
    super(wire);
    this.state = states[wire.state] ?? "VISIBLE";
    this.bodyBytes = wire.bodyBytes;
    this.expireTime = wire.expireTime && dateOf(wire.expireTime);
  }
}

const states: Readonly<Record<number, MessageState>> = {
  [WireMessageState.VISIBLE]: "VISIBLE",
  [WireMessageState.IN_FLIGHT]: "IN_FLIGHT",
  [WireMessageState.DELAYED]: "DELAYED",
};

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
