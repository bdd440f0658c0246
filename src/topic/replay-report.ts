// Replays as they stand: how far they are and when they may end; and which of them run.

import { type EpochMs, epochMs, sequence } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { archiveLimits } from "./archive-limits.js";
import { isRunning, type Replay } from "./archive-model.js";
import type { RunningReplay } from "./archive-view.js";
import type { Topic } from "./model.js";
import { refuse, type TopicDecided } from "./rejections.js";
import {
  findSubscription,
  findTopic,
  subscriptionNotFound,
  type TopicAddress,
  topicNotFound,
} from "./topic-name.js";
import type { StateTransaction, TopicTransaction } from "./view.js";

export interface ReplayReport {
  readonly subscription: Buffer;
  readonly replay: Replay;
  readonly remaining: number;
  /** About when it ends; undefined: that cannot be said. */
  readonly estimatedEnd: EpochMs | undefined;
}

/** Undefined: nothing was ever replayed to it. */
export function reportReplay(
  topics: TopicTransaction,
  topic: Topic,
  subscription: Buffer,
  stamp: Stamp,
): ReplayReport | undefined {
  const replay = topics.archives.replay(topic, subscription);
  return replay && reportOf(topics, topic, subscription, replay, stamp);
}

function reportOf(
  topics: TopicTransaction,
  topic: Topic,
  subscription: Buffer,
  replay: Replay,
  stamp: Stamp,
): ReplayReport {
  const { nextSequence } = topics.counters(topic);
  const { end, position } = replay;
  const remaining = isRunning(replay)
    ? Math.max(0, Math.min(end ?? nextSequence, nextSequence) - position)
    : 0;
  const estimatedEnd = isRunning(replay)
    ? estimate(topics, topic, replay, remaining, stamp)
    : undefined;
  return { subscription, replay, remaining, estimatedEnd };
}

function estimate(
  topics: TopicTransaction,
  topic: Topic,
  { end, endsAt, speed, pace, startedAt, delivered, filtered, failed }: Replay,
  remaining: number,
  { now }: Stamp,
): EpochMs | undefined {
  if (end === undefined) return endsAt;
  switch (speed.kind) {
    case "unlimited": {
      const passed = delivered + filtered + failed;
      if (passed === 0) return undefined;
      return epochMs(Math.round(now + ((now - startedAt) * remaining) / passed));
    }
    case "rate":
      return epochMs(Math.round(now + (remaining * 1_000) / speed.perSecond));
    case "original": {
      const last = topics.message(topic, sequence(Math.max(0, end - 1)));
      if (pace === undefined || last === undefined) return undefined;
      const leftMs = (last.publishedAt - pace.publishedAt) / speed.times;
      return epochMs(Math.round(Math.max(now, pace.atUs / 1_000 + leftMs)));
    }
  }
}

export function decideGetReplay(
  { topics }: StateTransaction,
  id: Buffer,
  stamp: Stamp,
): TopicDecided<ReplayReport> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const report = reportReplay(topics, found.topic, id, stamp);
  if (report !== undefined) return accept(report);
  return refuse({ kind: "replay_not_found", subscription: uuidText(id) });
}

export interface ListReplays {
  readonly address: TopicAddress;
  /** The last subscription of the page before; empty: from the first. */
  readonly after: Buffer;
  readonly countMax: number;
}

export interface ReplayPage {
  readonly replays: readonly ReplayReport[];
  /** What the next page begins after; undefined: nothing is left. */
  readonly next: Buffer | undefined;
}

export function decideListReplays(
  { topics }: StateTransaction,
  { address, after, countMax }: ListReplays,
  stamp: Stamp,
): TopicDecided<ReplayPage> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  const replays: ReplayReport[] = [];
  for (const { subscription, replay } of topics.archives.replaysAfter(topic, after)) {
    if (replays.length === countMax) {
      return accept({ replays, next: replays.at(-1)?.subscription });
    }
    replays.push(reportOf(topics, topic, subscription, replay, stamp));
  }
  return accept({ replays, next: undefined });
}

export interface FoundReplays {
  readonly found: readonly Buffer[];
  /** Where the next page begins; undefined: there is none. */
  readonly last: RunningReplay | undefined;
}

/** Subscriptions with a replay that runs, a page of them. */
export function decideFindReplays(
  { topics }: StateTransaction,
  after: RunningReplay | undefined,
): TopicDecided<FoundReplays> {
  const found: Buffer[] = [];
  let last: RunningReplay | undefined;
  for (const running of topics.archives.runningAfter(after)) {
    if (found.length === archiveLimits.pageMax) return accept({ found, last });
    last = running;
    found.push(running.subscription);
  }
  return accept({ found, last: undefined });
}
