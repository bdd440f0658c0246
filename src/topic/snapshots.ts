// Snapshots: named places of a subscription, to replay from. They keep nothing in the archive; one lives no longer than what was
// published after it was made.

import { after, type DurationMs } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { archiveOf } from "./archive.js";
import { archiveLimits } from "./archive-limits.js";
import { isRunning, type Snapshot } from "./archive-model.js";
import { placeOf } from "./counters.js";
import type { Topic } from "./model.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { findSubscription, subscriptionNotFound } from "./topic-name.js";
import type { StateTransaction, TopicTransaction } from "./view.js";

/** One whose time is over is gone. */
export function findSnapshot(
  topics: TopicTransaction,
  topic: Topic,
  id: Buffer,
  name: string,
  { now }: Stamp,
): Snapshot | undefined {
  const snapshot = topics.archives.snapshot(topic, id, name);
  return snapshot !== undefined && snapshot.expiresAt > now ? snapshot : undefined;
}

export interface CreateSnapshot {
  readonly id: Buffer;
  readonly name: string;
  /** Undefined: as long as the archive keeps messages. */
  readonly timeToLiveMs: DurationMs | undefined;
}

export function decideCreateSnapshot(
  { topics }: StateTransaction,
  { id, name, timeToLiveMs }: CreateSnapshot,
  stamp: Stamp,
): TopicDecided<Snapshot> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { topic, subscription } = found;
  if (archiveOf(topics, topic) === undefined) {
    return refuse({ kind: "no_archive", topic: topic.name });
  }
  const { archiveRetentionMs: limitMs } = topic.settings;
  if (timeToLiveMs !== undefined && timeToLiveMs > limitMs) {
    return refuse({ kind: "snapshot_too_long", topic: topic.name, limitMs });
  }
  if (findSnapshot(topics, topic, id, name, stamp) !== undefined) {
    return refuse({ kind: "snapshot_exists", snapshot: name });
  }
  removeExpired(topics, topic, id, stamp);
  const count = [...topics.archives.snapshotsAfter(topic, id, "")].length;
  const { snapshotsMax: limit } = archiveLimits;
  if (count >= limit) return refuse({ kind: "snapshot_limit", topic: topic.name, count, limit });
  const replay = topics.archives.replay(topic, id);
  const snapshot: Snapshot = {
    name,
    sequence:
      replay !== undefined && isRunning(replay)
        ? replay.position
        : placeOf(topics, topic, topics.counters(topic), subscription),
    createdAt: stamp.now,
    expiresAt: after(stamp.now, timeToLiveMs ?? limitMs),
  };
  topics.archives.putSnapshot(topic, id, snapshot);
  return accept(snapshot);
}

/** There are at most as many as a subscription may have. */
function removeExpired(
  { archives }: TopicTransaction,
  topic: Topic,
  id: Buffer,
  { now }: Stamp,
): void {
  const expired = [...archives.snapshotsAfter(topic, id, "")].filter(
    ({ expiresAt }) => expiresAt <= now,
  );
  for (const { name } of expired) archives.removeSnapshot(topic, id, name);
}

export function decideDeleteSnapshot(
  { topics }: StateTransaction,
  { id, name }: Pick<CreateSnapshot, "id" | "name">,
  stamp: Stamp,
): TopicDecided<{ readonly existed: boolean }> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const existed = findSnapshot(topics, found.topic, id, name, stamp) !== undefined;
  topics.archives.removeSnapshot(found.topic, id, name);
  return accept({ existed });
}

export interface ListSnapshots {
  readonly id: Buffer;
  /** The last one of the page before; empty: from the first. */
  readonly after: string;
  readonly countMax: number;
}

export interface SnapshotPage {
  readonly snapshots: readonly Snapshot[];
  /** The name that the next page begins after; undefined: nothing is left. */
  readonly next: string | undefined;
}

export function decideListSnapshots(
  { topics }: StateTransaction,
  { id, after: last, countMax }: ListSnapshots,
  { now }: Stamp,
): TopicDecided<SnapshotPage> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const snapshots: Snapshot[] = [];
  for (const snapshot of topics.archives.snapshotsAfter(found.topic, id, last)) {
    if (snapshot.expiresAt <= now) continue;
    if (snapshots.length === countMax) return accept({ snapshots, next: snapshots.at(-1)?.name });
    snapshots.push(snapshot);
  }
  return accept({ snapshots, next: undefined });
}
