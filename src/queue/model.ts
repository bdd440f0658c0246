// What the queue service knows: a queue, its counters, a message, the delivery of a message and the group it belongs to.
//
// A message is immutable from its send to its end; what changes with receives stands in its Delivery. A message of a standard
// queue that has no group, no priority and no delay has no delivery until it is received: its place in send order, at or after
// the queue's `freshFrom`, says all there is to say. That is what makes a send one row.

import type {
  DurationMs,
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
  readonly isFifo: boolean;
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
  /**
   * Standard: messages at or after this place that are not indexed have never been received; before it, every stored message
   * has a delivery or is a member of a group. FIFO: always `nextSequence`.
   */
  readonly freshFrom: Sequence;
  /**
   * FIFO: messages at or after this place that were never received are delayed. Kept as a place because the queue's delay
   * holds for messages already sent. Standard: always `nextSequence`.
   */
  readonly dueFrom: Sequence;
  /**
   * FIFO: where the mark `dueFrom` is on its way back to, after the queue's delay was raised; 0: nowhere. Until it is there
   * nothing is delivered.
   */
  readonly delayBackTo: Sequence;
  /** FIFO: no group has a turn before this one. */
  readonly turnFrom: Sequence;
  /** No lease or delay ends before this instant; it may be that none ends at it. Spares looking. */
  readonly dueAt: EpochMs;
  /** No scheduled message joins before this instant; it may be that none does at it. */
  readonly joinsAt: EpochMs;
  /** No message expires before this instant, with the retention as it is; it may be that none does at it. */
  readonly expiryAt: EpochMs;
  readonly stored: number;
  readonly storedBytes: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** Standard: visible messages that have a delivery and no group. */
  readonly returned: number;
  readonly sent: number;
  readonly received: number;
  readonly deleted: number;
  readonly expired: number;
  readonly purged: number;
  readonly deduplicated: number;
  readonly deadLettered: number;
  readonly moved: number;
  readonly arrived: number;
  /** Receives that would have dead-lettered a message to a queue that does not exist. */
  readonly targetMissing: number;
  /** Messages that wait for their time to join; not among the stored. */
  readonly scheduled: number;
  /** Groups with a stored message. */
  readonly groups: number;
  readonly groupsInFlight: number;
  /** Groups that wait for `max_in_flight_per_group`. */
  readonly limitedGroups: number;
  readonly noisyGroups: number;
  /** What the noisy groups hold. */
  readonly noisyStored: number;
  readonly noisyInFlight: number;
  readonly noisyDelayed: number;
  /** Of all messages of a standard queue that has groups. */
  readonly busy: BusyTime;
}

/** Processing time, lease to end, in the current minute and the one before. */
export interface BusyTime {
  /** Minutes since 1970. */
  readonly minute: number;
  readonly currentMs: number;
  readonly beforeMs: number;
}

/** A place among the visible messages of a queue or group: by time, then by number. */
export interface Place {
  /** When it came, minus what its priority is worth. */
  readonly at: EpochMs;
  /** Its own sequence, or a later one when it went to the back. */
  readonly order: Sequence;
}

/** What rules must know of a message without reading it; its delivery repeats it for that reason. */
export interface MessageTraits {
  readonly sequence: Sequence;
  readonly sentAt: EpochMs;
  /** When it came to this queue: never earlier than that of a message before it. Later than `sentAt` for a dead letter. */
  readonly arrivedAt: EpochMs;
  /** The time in its id, if that is not `arrivedAt`: then an index row finds it. */
  readonly indexedAt: EpochMs | undefined;
  /** The end of its own time to live. */
  readonly expiresAt: EpochMs | undefined;
  /** Body and attributes as counted for the size limit. */
  readonly sizeBytes: number;
  readonly groupId: string | undefined;
  /** 0 to 9. */
  readonly priority: number;
}

/** What there is to know of a message without reading its body. */
export interface MessageHead extends MessageTraits {
  readonly messageId: Buffer;
  /** True when it is not found by `freshFrom`: it has a delivery from the start, or is a member of a group. */
  readonly isIndexed: boolean;
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
  /** Kept on FIFO queues. */
  readonly dedupId: string | undefined;
  readonly traceHeader: string | undefined;
  /** The id it had before a move task made it a new message. */
  readonly originalMessageId: Buffer | undefined;
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

/** Why a topic's subscription could not deliver a message that is in its dead-letter queue. */
export interface Undelivered {
  readonly topic: string;
  readonly subscription: Buffer;
  readonly reason: string;
  readonly error: string;
  readonly attempts: number;
  readonly firstAttemptAt: EpochMs | undefined;
}

/** A receive that is over. */
export interface Attempt {
  readonly leasedAt: EpochMs;
  readonly endedAt: EpochMs;
  readonly ending: "lease_ended" | "released" | "rejected";
}

/** How a message came to a queue that it was not sent to. */
export interface Origin {
  readonly at: EpochMs;
  /** Undefined: a move task brought it. */
  readonly deadLetter:
    | { readonly source: QueueName; readonly reason: "max_receives" | "rejected" }
    | undefined;
}

export type DeliveryState =
  | { readonly kind: "leased"; readonly until: EpochMs; readonly leasedAt: EpochMs }
  /** `isBackoff` when the queue's retry policy makes it wait. */
  | { readonly kind: "delayed"; readonly until: EpochMs; readonly isBackoff: boolean }
  /** Visible. On a FIFO queue its place is its sequence, whatever stands here. */
  | { readonly kind: "returned"; readonly place: Place };

/** Where a message stands that was received or delayed, has a priority, or came from another queue. */
export interface Delivery extends MessageTraits {
  readonly state: DeliveryState;
  /** Receives in this queue that count: what the redrive policy looks at. */
  readonly receiveCount: number;
  /** Receives that count in the queues it was in before. */
  readonly earlierReceives: number;
  /** Receives ever, undone ones included: tells handles apart. */
  readonly ordinal: number;
  readonly firstReceivedAt: EpochMs | undefined;
  readonly rejection: Rejection | undefined;
  /** Of one that a topic sent here; undefined: it came otherwise. */
  readonly undelivered: Undelivered | undefined;
  readonly origin: Origin | undefined;
  /** The latest receives that are over, oldest first; in other queues too. */
  readonly attempts: readonly Attempt[];
}

/** A message of a group and its place there. */
export interface Member {
  readonly place: Place;
  readonly sequence: Sequence;
}

/**
 * A message group. FIFO: its messages in order, of which those before the first that is leased or delayed can be delivered.
 * Standard: a tenant, for fair queues.
 */
export interface Group {
  readonly id: string;
  readonly stored: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** FIFO: its first stored message. Standard: its first visible one. */
  readonly head: Member | undefined;
  /** FIFO: those next to its head. What stands behind them has member rows. */
  readonly next: readonly Sequence[];
  /** FIFO: its messages from here on have no delivery, as they were never received. */
  readonly freshFrom: Sequence;
  readonly standing: GroupStanding;
  readonly isNoisy: boolean;
  readonly lastSentAt: EpochMs;
  readonly busy: BusyTime;
}

export type GroupStanding =
  /** Nothing of it can be delivered. */
  | { readonly kind: "idle" }
  /** FIFO: waits for its turn, a number in round robin. Standard: for the turn of its first visible message. */
  | { readonly kind: "ready"; readonly place: Place }
  /** Standard: after all ready ones, those with the fewest in flight first. */
  | { readonly kind: "noisy"; readonly inFlight: number; readonly at: EpochMs }
  /** It would be ready but for `max_in_flight_per_group`. */
  | { readonly kind: "limited" };

/** A message accepted for a time to come. It has no place yet. */
export interface ScheduledMessage {
  /** Holds the time it joins at. */
  readonly messageId: Buffer;
  readonly deliverAt: EpochMs;
  readonly acceptedAt: EpochMs;
  readonly timeToLiveMs: DurationMs | undefined;
  readonly sizeBytes: number;
  readonly priority: number;
  readonly content: MessageContent;
}

/** An accepted send that later ones with its deduplication id are duplicates of. */
export interface DedupEntry {
  readonly at: EpochMs;
  readonly groupId: string | undefined;
  readonly messageId: Buffer;
  /** Undefined: it had a time to come. */
  readonly sequence: Sequence | undefined;
}

/** What a receive with an attempt id returned. */
export interface ReceiveAttempt {
  readonly at: EpochMs;
  /** True once it was repeated: what it leased then belongs to the repeat. */
  readonly wasRepeated: boolean;
  readonly receives: readonly {
    readonly sequence: Sequence;
    readonly ordinal: number;
    readonly until: EpochMs;
  }[];
}
