// Pushed subscriptions that have something to deliver: those of a topic that was published to, or all of them when a server begins to
// lead. A page at a time.

import type { EpochMs } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Topic } from "./model.js";
import { pushLimits } from "./push-limits.js";
import type { PushPlace } from "./push-model.js";
import type { TopicDecided } from "./rejections.js";
import type { StateTransaction } from "./view.js";

type TopicNames = Pick<Topic, "namespace" | "name">;

/** Where a page ended. */
export interface PushCursor extends TopicNames {
  /** The last subscription that was looked at; empty: none of this topic. */
  readonly id: Buffer;
}

export interface FindPushes {
  /** Undefined: of all topics. */
  readonly topic: TopicNames | undefined;
  /** Undefined: from the start. */
  readonly after: PushCursor | undefined;
}

export interface ReadyPush {
  readonly id: Buffer;
  /** About how many messages could be leased now. */
  readonly readyCount: number;
  readonly nextDueAt: EpochMs | undefined;
}

export interface FoundPushes {
  readonly found: readonly ReadyPush[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: PushCursor | undefined;
}

/** Whether a topic has subscriptions whose messages are pushed. */
export function hasPushes({ topics }: StateTransaction, names: TopicNames): boolean {
  const topic = topics.findTopic(names.namespace, names.name);
  if (topic === undefined) return false;
  for (const _first of topics.pushes.placesAfter(topic, noId)) return true;
  return false;
}

export function decideFindPushes(
  transaction: StateTransaction,
  { topic: only, after }: FindPushes,
): TopicDecided<FoundPushes> {
  const { topics } = transaction;
  const found: ReadyPush[] = [];
  let left: number = pushLimits.pageMax;
  for (const topic of topicsFrom(transaction, only, after)) {
    const { namespace, name } = topic;
    const isSame = after?.namespace === namespace && after.name === name;
    let last = isSame ? after.id : noId;
    left -= 1;
    for (const { id, place } of topics.pushes.placesAfter(topic, last)) {
      if (left <= 0) return accept({ found, next: { namespace, name, id: last } });
      left -= 1;
      last = id;
      const ready = readyOf(transaction, topic, id, place);
      if (ready !== undefined) found.push(ready);
    }
    if (left <= 0) return accept({ found, next: { namespace, name, id: last } });
  }
  return accept({ found, next: undefined });
}

const noId = Buffer.alloc(0);

function* topicsFrom(
  { topics }: StateTransaction,
  only: TopicNames | undefined,
  after: PushCursor | undefined,
): Iterable<Topic> {
  const names = only ?? after;
  const first = names && topics.findTopic(names.namespace, names.name);
  if (first !== undefined) yield first;
  if (only === undefined) yield* topics.topicsAfter(after?.namespace ?? "", after?.name ?? "");
}

function readyOf(
  { topics }: StateTransaction,
  topic: Topic,
  id: Buffer,
  { next, leased, waiting }: PushPlace,
): ReadyPush | undefined {
  const { nextSequence } = topics.counters(topic);
  const isFull = leased + waiting >= pushLimits.pendingMax;
  const standing = topics.subscription(topic, id)?.standing.kind;
  const readyCount = isFull || standing === "replaying" ? 0 : nextSequence - next;
  const [due] = leased + waiting === 0 ? [] : topics.pushes.due(topic, id);
  if (readyCount === 0 && due === undefined) return undefined;
  return { id, readyCount, nextDueAt: due?.at };
}
