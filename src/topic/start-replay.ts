// StartReplay and StopReplay. Where a replay begins and ends is found when it is started: what it covers does not change while it
// runs. One without an end ends where the archive does at that moment, and its subscription goes on from there with what was
// published since, by the ways of every subscription that catches up.

import { type EpochMs, type Sequence, sequence } from "../base/brands.js";
import { instantText } from "../base/dates.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { type ArchiveRange, archiveRange, firstSince } from "./archive.js";
import { archiveLimits } from "./archive-limits.js";
import { isRunning, type Replay, type ReplayPoint, type ReplaySpeed } from "./archive-model.js";
import type { Topic } from "./model.js";
import { refuse, type TopicDecided, type TopicRejection } from "./rejections.js";
import { beginReplay, endReplay } from "./replay-place.js";
import { type ReplayReport, reportReplay } from "./replay-report.js";
import { findSnapshot } from "./snapshots.js";
import {
  drainRefusal,
  type FoundSubscription,
  findSubscription,
  subscriptionNotFound,
} from "./topic-name.js";
import type { StateTransaction, TopicTransaction } from "./view.js";

export interface StartReplay {
  /** Whose snapshots are meant. */
  readonly id: Buffer;
  /** Where the messages go. */
  readonly to: Buffer;
  readonly from: ReplayPoint;
  readonly until: ReplayPoint | undefined;
  readonly speed: ReplaySpeed;
  readonly afterwards: Replay["afterwards"];
  /** Whether a beginning before the archive means its beginning. */
  readonly isClamped: boolean;
}

export function decideStartReplay(
  transaction: StateTransaction,
  command: StartReplay,
  stamp: Stamp,
): TopicDecided<{ readonly topic: Pick<Topic, "namespace" | "name"> }> {
  const { topics } = transaction;
  const source = findSubscription(topics, command.id);
  if (source === undefined) return subscriptionNotFound(command.id);
  const found = findSubscription(topics, command.to);
  // Another topic has another archive.
  if (found === undefined || found.topic.segment !== source.topic.segment) {
    return subscriptionNotFound(command.to);
  }
  const { topic, subscription } = found;
  const draining = drainRefusal(topic, { given: topic.name });
  if (draining !== undefined) return refuse(draining);
  if (subscription.standing.kind === "pending") {
    return refuse({ kind: "subscription_pending", subscription: subscription.endpoint });
  }
  const range = archiveRange(topics, topic, stamp);
  if (range === undefined) return refuse({ kind: "no_archive", topic: topic.name });
  const span = new SpanSearch(topics, source, command, range, stamp).find();
  if (span.kind === "refused") return refuse(span.rejection);
  const before = topics.archives.replay(topic, subscription.id);
  const replaced = before && isRunning(before) ? before : undefined;
  const count = [...topics.archives.runningOf(topic)].length;
  const { replaysMax: limit } = archiveLimits;
  if (replaced === undefined && count >= limit) {
    return refuse({ kind: "replay_limit", topic: topic.name, count, limit });
  }
  const { from, until, speed, afterwards } = command;
  const replay: Replay = {
    id: stamp.ids.messageId(stamp.now),
    state: "pending",
    from,
    until,
    speed,
    afterwards,
    position: span.from,
    end: span.end,
    endsAt: span.endsAt,
    pace: undefined,
    delivered: 0,
    filtered: 0,
    failed: 0,
    failure: "",
    startedAt: stamp.now,
    endedAt: undefined,
    extra: before?.extra ?? 0,
  };
  beginReplay(transaction, found, replay, passedBy(before), stamp);
  const { namespace, name } = topic;
  return accept({ topic: { namespace, name } });
}

/** The place that a replay has brought its subscription to, or that the rest of one that was stopped would have. */
function passedBy(before: Replay | undefined): Sequence {
  if (before === undefined) return sequence(0);
  if (isRunning(before)) return before.position;
  return before.state === "stopped" && before.end !== undefined ? before.end : sequence(0);
}

type Span =
  | {
      readonly kind: "found";
      readonly from: Sequence;
      readonly end: Sequence | undefined;
      readonly endsAt: EpochMs | undefined;
    }
  | { readonly kind: "refused"; readonly rejection: TopicRejection };

type Found<Place> =
  | { readonly kind: "found"; readonly place: Place }
  | { readonly kind: "refused"; readonly rejection: TopicRejection };

const rangeRefused = (field: string, description: string) =>
  ({ kind: "refused", rejection: { kind: "replay_range", field, description } }) as const;

/** Finds the places that the points of a replay mean. */
class SpanSearch {
  readonly #topics: TopicTransaction;
  readonly #source: FoundSubscription;
  readonly #command: StartReplay;
  readonly #range: ArchiveRange;
  readonly #stamp: Stamp;

  constructor(
    topics: TopicTransaction,
    source: FoundSubscription,
    command: StartReplay,
    range: ArchiveRange,
    stamp: Stamp,
  ) {
    this.#topics = topics;
    this.#source = source;
    this.#command = command;
    this.#range = range;
    this.#stamp = stamp;
  }

  find(): Span {
    const { from: first, until } = this.#command;
    const from = this.#from(first);
    if (from.kind === "refused") return from;
    if (until === undefined) {
      return { kind: "found", from: from.place, end: this.#range.next, endsAt: undefined };
    }
    const areTimes = first.kind === "time" && until.kind === "time";
    if (areTimes && first.at >= until.at)
      return rangeRefused("until", "is not after its beginning");
    // What is yet to be published has no place yet.
    if (until.kind === "time" && until.at > this.#stamp.now) {
      return { kind: "found", from: from.place, end: undefined, endsAt: until.at };
    }
    const end = this.#placeOf(until);
    if (end.kind === "refused") return end;
    const hasTime = first.kind === "time" || until.kind === "time";
    // Between two times there may be nothing.
    if (end.place < from.place || (end.place === from.place && !hasTime)) {
      return rangeRefused("until", "is not after its beginning");
    }
    return { kind: "found", from: from.place, end: end.place, endsAt: undefined };
  }

  #from(point: ReplayPoint): Found<Sequence> {
    const { beginning, first, next } = this.#range;
    if (point.kind === "time") {
      if (point.at > this.#stamp.now) return rangeRefused("from", "is in the future");
      if (point.at < beginning && !this.#command.isClamped) return this.#tooEarly();
      return this.#placeOf(point);
    }
    const found = this.#placeOf(point);
    if (found.kind === "refused") return found;
    const isAhead = found.place > next || (point.kind === "sequence" && found.place === next);
    if (isAhead) return rangeRefused("from", "is a message that was not published yet");
    if (found.place >= first) return found;
    return this.#command.isClamped ? { kind: "found", place: first } : this.#tooEarly();
  }

  #tooEarly() {
    const { beginning, first } = this.#range;
    return rangeRefused(
      "from",
      `is before the archive, which begins at ${instantText(beginning)} with message ${first}; set clamp to begin there`,
    );
  }

  #placeOf(point: ReplayPoint): Found<Sequence> {
    const { first, next } = this.#range;
    const { topic, subscription } = this.#source;
    switch (point.kind) {
      case "time": {
        const place = firstSince(this.#topics, topic, { from: first, to: next }, point.at);
        return { kind: "found", place };
      }
      case "sequence":
        return { kind: "found", place: point.sequence };
      case "beginning":
        return { kind: "found", place: first };
      case "latest":
        return { kind: "found", place: next };
      case "snapshot": {
        const { name } = point;
        const snapshot = findSnapshot(this.#topics, topic, subscription.id, name, this.#stamp);
        if (snapshot !== undefined) return { kind: "found", place: snapshot.sequence };
        return { kind: "refused", rejection: { kind: "snapshot_not_found", snapshot: name } };
      }
    }
  }
}

export interface StopReplay {
  readonly id: Buffer;
  /** Where the subscription goes on: with what is published from now on, or where the replay was. */
  readonly resumeFrom: "now" | "position";
}

export interface ReplayStopped {
  readonly topic: Topic;
  /** Undefined: none was under way. */
  readonly report: ReplayReport | undefined;
}

/** With none under way nothing is stopped. */
export function decideStopReplay(
  transaction: StateTransaction,
  { id, resumeFrom }: StopReplay,
  stamp: Stamp,
): TopicDecided<ReplayStopped> {
  const { topics } = transaction;
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { topic, subscription } = found;
  const replay = topics.archives.replay(topic, id);
  if (replay === undefined || !isRunning(replay)) return accept({ topic, report: undefined });
  const { nextSequence } = topics.counters(topic);
  const place = resumeFrom === "now" ? nextSequence : replay.position;
  const { isPaused } = subscription.settings;
  endReplay(transaction, found, replay, { state: "stopped", failure: "", place, isPaused }, stamp);
  return accept({ topic, report: reportReplay(topics, topic, id, stamp) });
}
