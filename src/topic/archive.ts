// The archive of a topic: what was published stays for the retention, instead of going when everybody has it. Nothing is written
// twice for that; a row counts what is in it, and says from where on.
//
// An archive ends by being cleared, which takes a confirmation, and grows shorter with its retention. What is too old is not in it
// any more at once, and its rows go by and by.

import {
  after,
  type DurationMs,
  type EpochMs,
  epochMs,
  type Sequence,
  sequence,
} from "../base/brands.js";
import type { Stamp } from "../queue/stamp.js";
import { archiveLimits } from "./archive-limits.js";
import type { Archive } from "./archive-model.js";
import type { Topic, TopicCounters } from "./model.js";
import type { TopicRejection } from "./rejections.js";
import type { TopicTransaction } from "./view.js";

/** Undefined: the topic has none. */
export function archiveOf(topics: TopicTransaction, topic: Topic): Archive | undefined {
  if (topic.settings.archiveRetentionMs === 0) return undefined;
  const archive = topics.archives.archive(topic);
  if (archive !== undefined) return archive;
  // Its row cannot be read. What is stored is in it, then, rather than lost.
  return { since: topic.createdAt, from: topics.counters(topic).firstSequence, bytes: 0 };
}

/** Begins the archive of a topic that is to have one and has none. */
export function keepArchive(topics: TopicTransaction, topic: Topic, { now }: Stamp): void {
  if (topic.settings.archiveRetentionMs === 0) return;
  const { nextSequence } = topics.counters(topic);
  topics.archives.putArchive(topic, { since: now, from: nextSequence, bytes: 0 });
}

/** Why a change of the retention is refused. */
export function archiveRefusal(
  { settings, name }: Pick<Topic, "settings" | "name">,
  retentionMs: DurationMs | undefined,
  isConfirmed: boolean,
): TopicRejection | undefined {
  const isEnd = settings.archiveRetentionMs > 0 && retentionMs === 0;
  return isEnd && !isConfirmed ? { kind: "archive_active", topic: name } : undefined;
}

/** After the retention of a topic has changed. */
export function changeArchive(
  topics: TopicTransaction,
  before: Topic,
  changed: Topic,
  stamp: Stamp,
): void {
  const { archiveRetentionMs: old } = before.settings;
  const { archiveRetentionMs: retentionMs } = changed.settings;
  if (old === retentionMs) return;
  if (old === 0) {
    keepArchive(topics, changed, stamp);
    return;
  }
  if (retentionMs === 0) {
    topics.archives.removeArchive(changed);
    return;
  }
  const archive = archiveOf(topics, before);
  if (archive === undefined) return;
  // What was too old is gone, also when the retention grows.
  const since = beginningOf(archive, old, stamp.now);
  topics.archives.putArchive(changed, { ...archive, since });
}

/** The earliest instant that the archive covers. */
const beginningOf = ({ since }: Archive, retentionMs: DurationMs, now: EpochMs): EpochMs =>
  epochMs(Math.max(since, now - retentionMs));

export interface ArchiveRange {
  /** The earliest instant that it covers. */
  readonly beginning: EpochMs;
  readonly first: Sequence;
  /** The place of the next message to be published. */
  readonly next: Sequence;
}

/** What of a topic can be replayed now; undefined: it has no archive. */
export function archiveRange(
  topics: TopicTransaction,
  topic: Topic,
  { now }: Stamp,
): ArchiveRange | undefined {
  const archive = archiveOf(topics, topic);
  if (archive === undefined) return undefined;
  const beginning = beginningOf(archive, topic.settings.archiveRetentionMs, now);
  const { nextSequence: next } = topics.counters(topic);
  const first = firstSince(topics, topic, { from: archive.from, to: next }, beginning);
  return { beginning, first, next };
}

export interface ArchiveReport {
  readonly beginning: EpochMs;
  readonly count: number;
  readonly bytes: number;
}

export function reportArchive(
  topics: TopicTransaction,
  topic: Topic,
  { now }: Stamp,
): ArchiveReport | undefined {
  const archive = archiveOf(topics, topic);
  if (archive === undefined) return undefined;
  const { nextSequence } = topics.counters(topic);
  return {
    beginning: beginningOf(archive, topic.settings.archiveRetentionMs, now),
    count: nextSequence - archive.from,
    bytes: archive.bytes,
  };
}

/** Counts what was published. */
export function archivePublished(topics: TopicTransaction, topic: Topic, bytes: number): void {
  const archive = bytes === 0 ? undefined : archiveOf(topics, topic);
  if (archive === undefined) return;
  topics.archives.putArchive(topic, { ...archive, bytes: archive.bytes + bytes });
}

/** Whether the first message of an archive is too old to be in it. */
export function isArchiveTooOld(topics: TopicTransaction, topic: Topic, now: EpochMs): boolean {
  const archive = archiveOf(topics, topic);
  const first = archive && topics.message(topic, archive.from);
  return first !== undefined && isTooOld(first.publishedAt, topic, now);
}

const isTooOld = (publishedAt: EpochMs, { settings }: Topic, now: EpochMs): boolean =>
  after(publishedAt, settings.archiveRetentionMs) < now;

/**
 * Lets an archive lose some of what is too old; says whether there may be more. What a replay has still to hand on stays until
 * it has, so that a slow one does not race against the retention.
 */
export function expireArchive(topics: TopicTransaction, topic: Topic, { now }: Stamp): boolean {
  const archive = archiveOf(topics, topic);
  if (archive === undefined) return false;
  const { nextSequence } = topics.counters(topic);
  let { bytes } = archive;
  let from: number = archive.from;
  let end: number | undefined;
  for (let left = archiveLimits.expireMax; left > 0 && from < nextSequence; left -= 1) {
    const message = topics.message(topic, sequence(from));
    if (message !== undefined && !isTooOld(message.publishedAt, topic, now)) break;
    end ??= Math.min(nextSequence, replayedFrom(topics, topic));
    if (from >= end) break;
    bytes = Math.max(0, bytes - (message?.sizeBytes ?? 0));
    from += 1;
  }
  if (from === archive.from) return false;
  // Of a message that cannot be read nobody knows how long it was.
  const kept = from === nextSequence ? 0 : bytes;
  topics.archives.putArchive(topic, { ...archive, from: sequence(from), bytes: kept });
  return from - archive.from === archiveLimits.expireMax;
}

/** Where the replay is that is furthest behind; of paused subscriptions none counts, as they may be so for ever. */
function replayedFrom(topics: TopicTransaction, topic: Topic): number {
  let from = Number.MAX_SAFE_INTEGER;
  for (const id of topics.archives.runningOf(topic)) {
    const replay = topics.archives.replay(topic, id);
    const isPaused = topics.subscription(topic, id)?.settings.isPaused ?? true;
    if (replay !== undefined && !isPaused) from = Math.min(from, replay.position);
  }
  return from;
}

/** The first place that the archive of a topic keeps; undefined: it has none. */
export const archivedFrom = (topics: TopicTransaction, topic: Topic): Sequence | undefined =>
  archiveOf(topics, topic)?.from;

/**
 * The place of the first message of a range that was published at this instant or later; its end if there is none. They stand in
 * the order of their times. Where one cannot be read, the next one that can be is asked.
 */
export function firstSince(
  topics: Pick<TopicTransaction, "message">,
  topic: Topic,
  { from, to }: { readonly from: Sequence; readonly to: Sequence },
  instant: EpochMs,
): Sequence {
  let low: number = from;
  let high: number = to;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const asked = readableFrom(topics, topic, middle, high);
    if (asked !== undefined && asked.publishedAt < instant) low = asked.place + 1;
    else high = middle;
  }
  return sequence(low);
}

function readableFrom(
  topics: Pick<TopicTransaction, "message">,
  topic: Topic,
  from: number,
  to: number,
): { readonly place: number; readonly publishedAt: EpochMs } | undefined {
  const end = Math.min(to, from + archiveLimits.unreadableMax);
  for (let place = from; place < end; place += 1) {
    const message = topics.message(topic, sequence(place));
    if (message !== undefined) return { place, publishedAt: message.publishedAt };
  }
  return undefined;
}

/** The numbers of messages that wait for somebody. */
export function waitingFrom(
  topics: TopicTransaction,
  topic: Topic,
  counters: TopicCounters,
): Sequence {
  const { lane } = counters;
  for (const { cursor } of topics.ownPlaces(topic)) {
    return sequence(Math.max(counters.firstSequence, Math.min(lane.from, cursor)));
  }
  return lane.from;
}
