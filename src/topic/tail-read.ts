// Where a tail begins, and what the store has of what it missed. Reading changes nothing: what is not there any more is for the
// tail to tell of.

import { type SegmentNumber, type Sequence, sequence } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Topic, TopicMessage } from "./model.js";
import type { TopicDecided } from "./rejections.js";
import { findTopic, type TopicAddress, topicNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface ReadTail {
  readonly address: TopicAddress;
  /** Undefined: whichever topic has the name now. Otherwise one that was created anew under it is another. */
  readonly segment: SegmentNumber | undefined;
  /** The first place to read; undefined: what is published from now on. */
  readonly from: Sequence | undefined;
  readonly countMax: number;
  readonly bytesMax: number;
}

export interface TailRead {
  readonly topic: Topic;
  /** The place of the next message to be published. */
  readonly nextSequence: Sequence;
  /** Nothing before this place is stored. */
  readonly firstSequence: Sequence;
  /** From the place asked for, or the first that is stored, in order; one that cannot be read is missing. */
  readonly messages: readonly TopicMessage[];
  /** The place after the last one that was looked at. */
  readonly to: Sequence;
}

export function decideReadTail(
  { topics }: StateTransaction,
  { address, segment, from, countMax, bytesMax }: ReadTail,
): TopicDecided<TailRead> {
  const topic = findTopic(topics, address);
  if (topic === undefined || (segment !== undefined && segment !== topic.segment)) {
    return topicNotFound(address);
  }
  const { nextSequence, firstSequence } = topics.counters(topic);
  const messages: TopicMessage[] = [];
  let place: number = Math.min(nextSequence, Math.max(from ?? nextSequence, firstSequence));
  let bytes = 0;
  for (let left = countMax; left > 0 && place < nextSequence; left -= 1) {
    const message = topics.message(topic, sequence(place));
    if (message !== undefined) {
      if (messages.length > 0 && bytes + message.sizeBytes > bytesMax) break;
      bytes += message.sizeBytes;
      messages.push(message);
    }
    place += 1;
  }
  return accept({ topic, nextSequence, firstSequence, messages, to: sequence(place) });
}
