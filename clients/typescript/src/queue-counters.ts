// The numbers of a queue. Counts are 64-bit on the wire and exact as numbers up to 2^53: a queue that takes a million messages
// a second would need 285 years to pass that.

import type {
  QueueCounters as WireCounters,
  FairnessCounters as WireFairness,
} from "../gen/forebay/queue/v1/queue.js";
import { millisecondsOf } from "./durations.js";

/**
 * Exact numbers of a queue at one instant: visible + in flight + delayed = stored
 * = sent + arrived - deleted - expired - purged - dead-lettered - moved.
 */
export interface QueueCounters {
  /** Messages neither in flight nor delayed, those of a FIFO group behind one that is in flight included. */
  readonly visibleMessageCount: number;
  /** Messages received and neither deleted nor visible again. */
  readonly inFlightMessageCount: number;
  /** Messages whose delay or backoff has not ended. */
  readonly delayedMessageCount: number;
  /** The sum of the three. */
  readonly storedMessageCount: number;
  /** Their bodies and attributes, in bytes. */
  readonly storedBytes: number;
  /**
   * The time since the oldest stored message came to the queue, in milliseconds: since it was sent, or for a dead letter since
   * it was moved. Undefined when there is none.
   */
  readonly oldestMessageAgeMs: number | undefined;
  /** Messages accepted since the queue was created. */
  readonly sentCount: number;
  /** Messages handed to receivers since the queue was created, repeats included. */
  readonly receivedCount: number;
  /** Messages deleted by a receipt handle since the queue was created. */
  readonly deletedCount: number;
  /** Messages that reached the end of their retention or time to live since the queue was created. */
  readonly expiredCount: number;
  /** Stored messages removed by purges since the queue was created. */
  readonly purgedCount: number;
  /** Sends dropped as duplicates since the queue was created. */
  readonly deduplicatedCount: number;
  /** Messages that went to the dead-letter queue since the queue was created. */
  readonly deadLetteredCount: number;
  /** Messages that move tasks took away since the queue was created. */
  readonly movedCount: number;
  /** Messages that came as dead letters or by move tasks since the queue was created. */
  readonly arrivedCount: number;
  /** Messages whose `deliverTime` has not come. Not among the stored ones: they join the queue at their time. */
  readonly scheduledMessageCount: number;
  /** Receives that would have moved a message to a dead-letter queue that does not exist; it was delivered again instead. */
  readonly deadLetterTargetMissingCount: number;
  /** Groups with at least one message in flight. */
  readonly groupsInFlightCount: number;
  /** Groups on a queue that is no FIFO queue: what is left without the noisy ones. Undefined: no group is noisy. */
  readonly fairness: FairnessCounters | undefined;
}

/**
 * The numbers of a queue's quiet groups, messages without a group included. A group is noisy when it holds at least 30
 * messages in flight and more than a tenth of all, or used at least 6 s and more than a tenth of the processing time of about
 * the last minute; it is quiet again when nothing of it is stored, or 5 minutes after its last send.
 */
export interface FairnessCounters {
  /** Groups that are noisy now. */
  readonly noisyGroupCount: number;
  /** Visible messages of all other groups. */
  readonly quietVisibleMessageCount: number;
  /** Messages in flight of all other groups. */
  readonly quietInFlightMessageCount: number;
  /** Delayed messages of all other groups. */
  readonly quietDelayedMessageCount: number;
}

export function countersFromWire(wire: Partial<WireCounters> = {}): QueueCounters {
  return {
    visibleMessageCount: count(wire.visibleMessageCount),
    inFlightMessageCount: count(wire.inFlightMessageCount),
    delayedMessageCount: count(wire.delayedMessageCount),
    storedMessageCount: count(wire.storedMessageCount),
    storedBytes: count(wire.storedBytes),
    oldestMessageAgeMs: millisecondsOf(wire.oldestMessageAge),
    sentCount: count(wire.sentCount),
    receivedCount: count(wire.receivedCount),
    deletedCount: count(wire.deletedCount),
    expiredCount: count(wire.expiredCount),
    purgedCount: count(wire.purgedCount),
    deduplicatedCount: count(wire.deduplicatedCount),
    deadLetteredCount: count(wire.deadLetteredCount),
    movedCount: count(wire.movedCount),
    arrivedCount: count(wire.arrivedCount),
    scheduledMessageCount: count(wire.scheduledMessageCount),
    deadLetterTargetMissingCount: count(wire.deadLetterTargetMissingCount),
    groupsInFlightCount: count(wire.groupsInFlightCount),
    fairness: wire.fairness && fairnessOf(wire.fairness),
  };
}

function fairnessOf(wire: WireFairness): FairnessCounters {
  return {
    noisyGroupCount: count(wire.noisyGroupCount),
    quietVisibleMessageCount: count(wire.quietVisibleMessageCount),
    quietInFlightMessageCount: count(wire.quietInFlightMessageCount),
    quietDelayedMessageCount: count(wire.quietDelayedMessageCount),
  };
}

function count(value: bigint | undefined): number {
  return Number(value ?? 0n);
}
