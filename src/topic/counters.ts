// The numbers of a new topic, and what they say of how far everybody is.

import { type Sequence, sequence } from "../base/brands.js";
import type { Lane, Subscription, TopicCounters } from "./model.js";
import type { TopicSegment, TopicTransaction } from "./view.js";

const first: Sequence = sequence(1);
const nobody = Buffer.alloc(0);

export const newTopicCounters: TopicCounters = {
  nextSequence: first,
  firstSequence: first,
  lane: { from: first, to: first, after: nobody },
  published: 0,
  duplicates: 0,
  confirmed: 0,
  pending: 0,
  ended: 0,
};

/** Between two rounds, with everybody at this place. */
export const laneAt = (place: Sequence): Lane => ({ from: place, to: place, after: nobody });

/** Up to where the lane has served a subscription. */
export const lanePlaceOf = ({ from, to, after }: Lane, id: Buffer): Sequence =>
  from !== to && Buffer.compare(id, after) <= 0 ? to : from;

/** The first message that a subscription has not looked at. */
export function placeOf(
  { pushes }: Pick<TopicTransaction, "pushes">,
  topic: TopicSegment,
  counters: TopicCounters,
  { id, standing }: Subscription,
): Sequence {
  switch (standing.kind) {
    case "own":
      return standing.cursor;
    case "lane":
      return sequence(Math.max(standing.since, lanePlaceOf(counters.lane, id)));
    case "apart":
      return pushes.place(topic, id)?.next ?? counters.nextSequence;
    case "replaying":
      return standing.live ?? pushes.place(topic, id)?.next ?? counters.nextSequence;
    case "pending":
      return counters.nextSequence;
  }
}
