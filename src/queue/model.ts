// What the queue service knows: a queue, its counters, a message and the delivery of a message.
//
// A message is immutable from its send to its end; what changes with receives stands in its Delivery. A message that was
// never received and never delayed has no delivery at all: its place in send order, at or after the queue's `freshFrom`,
// says all there is to say. That is what makes a send one row.

import type {
  EpochMs,
  Namespace,
  QueueName,
  QueueNumber,
  SegmentNumber,
  Sequence,
} from "../base/brands.js";
import type { QueueSettings } from "./limits.js";

export interface Queue {
  readonly number: QueueNumber;
  readonly segment: SegmentNumber;
  /** The slot of its qualified name, fixed at creation. */
  readonly slot: number;
  readonly namespace: Namespace;
  readonly name: QueueName;
  readonly settings: QueueSettings;
  readonly tags: ReadonlyMap<string, string>;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** When it was last purged, for `sqs_timing=strict`. */
  readonly purgedAt: EpochMs | undefined;
  /** Grows with every change of settings: the etag. */
  readonly revision: number;
}

/** The numbers of a queue, exact after every command: stored = visible + in flight + delayed. */
export interface Counters {
  /** The place the next message gets. */
  readonly nextSequence: Sequence;
  /** Messages at or after this place have never been received; before it, every stored message has a delivery. */
  readonly freshFrom: Sequence;
  readonly stored: number;
  readonly storedBytes: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly sent: number;
  readonly received: number;
  readonly deleted: number;
  readonly expired: number;
  readonly purged: number;
}

/** What there is to know of a message without reading its body. */
export interface MessageHead {
  readonly sequence: Sequence;
  readonly messageId: Buffer;
  readonly sentAt: EpochMs;
  /** Body and attributes as counted for the size limit. */
  readonly sizeBytes: number;
  /** True when it was sent with a delay: it then has a delivery from the start. */
  readonly isDelayed: boolean;
}

/** A message as it is kept. */
export interface Message extends MessageHead {
  readonly content: MessageContent;
}

/** What a sender gave. */
export interface MessageContent {
  readonly isText: boolean;
  readonly body: Buffer;
  /** MD5 of the body, 16 bytes. */
  readonly bodyMd5: Buffer;
  readonly attributes: readonly MessageAttribute[];
  readonly senderId: string;
  readonly groupId: string | undefined;
  readonly traceHeader: string | undefined;
}

export interface MessageAttribute {
  readonly name: string;
  readonly dataType: string;
  readonly isText: boolean;
  readonly value: Buffer;
}

/** Why a consumer gave a message back. */
export interface Rejection {
  readonly reason: string;
  readonly error: string;
  readonly at: EpochMs;
}

/** Where a message that was received or delayed stands. */
export interface Delivery {
  readonly sequence: Sequence;
  readonly state:
    | { readonly kind: "leased"; readonly until: EpochMs; readonly leasedAt: EpochMs }
    | { readonly kind: "delayed"; readonly until: EpochMs }
    /** Visible again; `order` is its place among visible messages, normally its own sequence. */
    | { readonly kind: "returned"; readonly order: Sequence };
  /** Receives that count, over all queues. */
  readonly receiveCount: number;
  /** Receives ever, undone ones included: tells handles apart. */
  readonly ordinal: number;
  readonly firstReceivedAt: EpochMs | undefined;
  /** The message's, so that deleting it and judging its age need not read it. */
  readonly sentAt: EpochMs;
  readonly sizeBytes: number;
  readonly rejection: Rejection | undefined;
}
