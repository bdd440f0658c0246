// Deleting a topic that first hands out what it has accepted. It takes nothing new, is seen to drain, and everything else goes on as
// before: fan-out, deliveries with their retries, consumers of streams, and changes of a subscription that holds it up. When
// every subscription has everything, or has given it up, the topic goes as any deleted one does.
//
// That it drains is in its row. A second row says how far the look at its subscriptions is: as nothing new comes, one that has
// everything goes on having it, and is not looked at again.

import { orUnreadable } from "../queue/readable.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { type DeleteTopic, deletionRefusal, endTopic } from "./administer-topic.js";
import { placeOf } from "./counters.js";
import { drainLimits } from "./drain-limits.js";
import type { DrainingTopic } from "./drain-model.js";
import type { Subscription, Topic } from "./model.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { reportStreamQueue } from "./stream-queue.js";
import { findTopic } from "./topic-name.js";
import type { StateTransaction, TopicSegment } from "./view.js";

export interface DrainOrdered {
  /** False when there was none. */
  readonly existed: boolean;
  /** Undefined: there is none, or it drains already. */
  readonly begun: Topic | undefined;
}

/** Its etag stays, so that the call can be repeated with the one that it was given. */
export function decideDrainTopic(
  { topics }: StateTransaction,
  command: DeleteTopic,
  { now }: Stamp,
): TopicDecided<DrainOrdered> {
  const topic = findTopic(topics, command.address);
  if (topic === undefined) return accept({ existed: false, begun: undefined });
  const refusal = deletionRefusal(topic, command);
  if (refusal !== undefined) return refuse(refusal);
  if (topic.drainingSince !== undefined) return accept({ existed: true, begun: undefined });
  const { namespace, name, slot, segment } = topic;
  topics.putTopic({ ...topic, drainingSince: now });
  topics.drains.put({ namespace, name, slot, segment, after: nobody });
  return accept({ existed: true, begun: topic });
}

const nobody = Buffer.alloc(0);

export interface DrainsSwept {
  /** Topics that are gone now. */
  readonly ended: readonly Topic[];
  /** What the next step begins after, if there is more to look at. */
  readonly last: TopicSegment | undefined;
  readonly hasMore: boolean;
}

/** One step of the look at topics that drain: those that are done go. */
export function decideSweepDraining(
  transaction: StateTransaction,
  after: TopicSegment | undefined,
  stamp: Stamp,
): TopicDecided<DrainsSwept> {
  const { topics } = transaction;
  const page: DrainingTopic[] = [];
  for (const draining of topics.drains.after(after)) {
    page.push(draining);
    if (page.length === drainLimits.topicsMax) break;
  }
  const ended: Topic[] = [];
  let last = after;
  let left: number = drainLimits.subscriptionsMax;
  for (const draining of page) {
    const topic = topics.findTopic(draining.namespace, draining.name);
    if (topic?.segment !== draining.segment) {
      topics.drains.remove(draining);
      continue;
    }
    const looked = look(transaction, topic, draining, { countMax: left, stamp });
    left -= looked.count;
    if (looked.kind === "everybody") {
      endTopic(topics, topic);
      ended.push(topic);
    } else if (looked.after !== draining.after) {
      topics.drains.put({ ...draining, after: Buffer.from(looked.after) });
    }
    if (looked.kind === "unfinished") return accept({ ended, last, hasMore: true });
    last = draining;
  }
  const hasMore = page.length === drainLimits.topicsMax;
  return accept({ ended, last: hasMore ? last : undefined, hasMore });
}

interface Looked {
  /** Whether everybody has everything, or somebody has not, or that is not known within the bound. */
  readonly kind: "everybody" | "somebody_waits" | "unfinished";
  readonly after: Buffer;
  readonly count: number;
}

function look(
  transaction: StateTransaction,
  topic: Topic,
  draining: DrainingTopic,
  { countMax, stamp }: { readonly countMax: number; readonly stamp: Stamp },
): Looked {
  const { topics } = transaction;
  const counters = topics.counters(topic);
  let { after } = draining;
  let count = 0;
  if (counters.lane.from < counters.nextSequence) return { kind: "somebody_waits", after, count };
  for (;;) {
    // One by one: looking at a stream settles its queue, and nothing may be written while rows are read in a row.
    const [subscription] = topics.subscriptionsAfter(topic, after);
    if (subscription === undefined) return { kind: "everybody", after, count };
    if (count === countMax) return { kind: "unfinished", after, count };
    count += 1;
    const isDone = orUnreadable(() => hasEverything(transaction, topic, subscription, stamp));
    // What cannot be read waits for somebody who deletes the topic with all that is in it.
    if (isDone !== true) return { kind: "somebody_waits", after, count };
    after = subscription.id;
  }
}

/** Whether nothing that was published waits for a subscription, or is on its way to it. */
function hasEverything(
  transaction: StateTransaction,
  topic: Topic,
  subscription: Subscription,
  stamp: Stamp,
): boolean {
  const { topics } = transaction;
  const counters = topics.counters(topic);
  const { id, standing } = subscription;
  if (standing.kind === "pending") return true;
  if (standing.kind === "replaying") return false;
  if (placeOf(topics, topic, counters, subscription) < counters.nextSequence) return false;
  const push = topics.pushes.place(topic, id);
  if (push !== undefined && push.leased + push.waiting > 0) return false;
  // Undeliverable messages that are to be tried again.
  if (topics.undeliverables.order(topic, id) !== undefined) return false;
  const stream = reportStreamQueue(transaction, subscription, stamp);
  return stream === undefined || stream.counters.stored + stream.counters.scheduled === 0;
}
