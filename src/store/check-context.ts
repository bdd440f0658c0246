// What the parts of a check of one segment share: whose rows they are, and how they are called in a report.

import type {
  Counters,
  Delivery,
  MessageHead,
  MessageTraits,
  Place,
  Queue,
} from "../queue/model.js";
import { type CheckWalk, isPlace } from "./check-walk.js";
import { messageKey, segmentPrefixLength, u64At } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

export interface SegmentContext {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly queue: Queue;
  readonly queueName: string;
  /** Undefined when there are none, or none that can be read. */
  readonly counters: Counters | undefined;
  /** No row can tell of a later instant. */
  readonly lastInstant: number;
}

export const messageName = ({ queueName }: SegmentContext, place: number): string =>
  `${queueName}, message ${place}`;

export const groupName = ({ queueName }: SegmentContext, id: string): string =>
  `${queueName}, group ${id}`;

/** A place that the queue cannot have given out yet; without counters nobody knows. */
export const isBeyond = ({ counters }: SegmentContext, place: number): boolean =>
  counters !== undefined && place >= counters.nextSequence;

export const isInFuture = ({ lastInstant }: SegmentContext, instant: number): boolean =>
  instant > lastInstant;

/**
 * FIFO: whether the queue's delay holds for a message, which it does for those that were never received; a receive that was
 * undone has left a delivery behind.
 */
export const isDelayedByQueue = (
  { queue, counters }: SegmentContext,
  place: number,
  delivery: Delivery | undefined,
): boolean =>
  queue.isFifo &&
  counters !== undefined &&
  place >= counters.dueFrom &&
  (delivery === undefined ||
    (delivery.state.kind === "returned" &&
      delivery.receiveCount === 0 &&
      delivery.origin === undefined));

/** Where a message of a group stands that was never received. */
export const freshPlace = ({ arrivedAt, sequence }: MessageTraits): Place => ({
  at: arrivedAt,
  order: sequence,
});
export const fifoPlace = ({ sequence }: Pick<MessageTraits, "sequence">): Place => ({
  at: 0 as Place["at"],
  order: sequence,
});

export const placeText = ({ at, order }: Place): string => `${at}/${order}`;

/** A message without its body, which may be long. */
export const findMessage = (
  { walk, prefix }: SegmentContext,
  sequence: MessageTraits["sequence"],
): MessageHead | "unreadable" | undefined =>
  walk.findHead(tables.message, messageKey(prefix, sequence));

/** Prefix, letter, numbers of eight bytes each. */
export const keyLengthOf = (numbers: number): number => segmentPrefixLength + 1 + 8 * numbers;

/** The numbers a key ends in, the last `count`; undefined, and reported, when the key is no such key. */
export function numbersOf(
  { walk }: SegmentContext,
  { key }: ScannedRow,
  count: number,
  keyLength = keyLengthOf(count),
): readonly number[] | undefined {
  const numbers: number[] = [];
  for (let at = key.length - 8 * count; at < key.length; at += 8) {
    if (key.length !== keyLength || !isPlace(key, at)) {
      walk.layout(key);
      return undefined;
    }
    numbers.push(u64At(key, at));
  }
  return numbers;
}
