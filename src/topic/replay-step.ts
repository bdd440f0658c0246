// A step of a replay: the next messages of the archive to its subscription, each with the replay's mark, through the filter that the
// subscription has now. The copies and the place of the replay are one command, so a crash neither loses nor doubles one.

import { type EpochMs, epochMs, type Sequence, sequence } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import { accept, type Decided } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { archiveOf, firstSince } from "./archive.js";
import { archiveLimits } from "./archive-limits.js";
import { isRunning, type Replay, type ReplayPace } from "./archive-model.js";
import { placeOf } from "./counters.js";
import type { ToSign } from "./envelope.js";
import type { Unsigned } from "./fan-out.js";
import { isFor } from "./filters.js";
import type { Subscription, Topic, TopicCounters, TopicMessage } from "./model.js";
import { endReplay } from "./replay-place.js";
import { openReplayTarget, type ReplayTarget } from "./replay-target.js";
import { type FoundSubscription, findSubscription } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export type ReplayStepped =
  /** It is over, or was before. */
  | { readonly kind: "ended"; readonly topic: Topic | undefined }
  /** Its subscription is paused; whoever resumes it says so. */
  | { readonly kind: "paused" }
  | {
      readonly kind: "more";
      readonly topic: Topic;
      readonly hasHandedOn: boolean;
      /** When the next step is due; undefined: now. */
      readonly at: EpochMs | undefined;
    };

export function decideReplayStep(
  transaction: StateTransaction,
  id: Buffer,
  stamp: Stamp,
): Decided<ReplayStepped, Unsigned> {
  const { topics } = transaction;
  const found = findSubscription(topics, id);
  const replay = found && topics.archives.replay(found.topic, id);
  if (found === undefined || replay === undefined || !isRunning(replay)) {
    return accept({ kind: "ended", topic: undefined });
  }
  if (found.subscription.settings.isPaused) return accept({ kind: "paused" });
  if (archiveOf(topics, found.topic) === undefined) {
    const place = afterReplay(transaction, found, replay.position);
    const failure = "ARCHIVE_DELETED: the archive of the topic was deleted";
    const ending = { state: "failed", failure, place, isPaused: false } as const;
    endReplay(transaction, found, replay, ending, stamp);
    return accept({ kind: "ended", topic: found.topic });
  }
  const step = new ReplayStep(transaction, found, replay, stamp);
  step.run();
  const { unsigned } = step;
  if (unsigned.length > 0) return { kind: "rejected", rejection: { kind: "unsigned", unsigned } };
  return accept(step.close());
}

/** What a subscription had before the replay is not delivered once more after it, nor is what the replay has delivered. */
function afterReplay(
  { topics }: StateTransaction,
  { topic, subscription }: FoundSubscription,
  position: Sequence,
): Sequence {
  const live = placeOf(topics, topic, topics.counters(topic), subscription);
  return sequence(Math.max(live, position));
}

const usPerMs = 1_000;

class ReplayStep {
  readonly #transaction: StateTransaction;
  readonly #found: FoundSubscription;
  readonly #counters: TopicCounters;
  readonly #target: ReplayTarget;
  readonly #filtered: Pick<Subscription, "kind" | "filters">;
  readonly #now: EpochMs;
  readonly #stamp: Stamp;
  readonly #replayId: string;
  /** As far as it is known. */
  readonly #end: Sequence | undefined;
  #replay: Replay;
  #copies = 0;
  #bytes = 0;
  /** When it can go on; undefined: now. */
  #at: EpochMs | undefined;

  constructor(
    transaction: StateTransaction,
    found: FoundSubscription,
    replay: Replay,
    stamp: Stamp,
  ) {
    const { kind, settings } = found.subscription;
    this.#transaction = transaction;
    this.#found = found;
    this.#stamp = stamp;
    this.#now = stamp.now;
    this.#counters = transaction.topics.counters(found.topic);
    this.#target = openReplayTarget(transaction, found, stamp);
    this.#replayId = uuidText(replay.id);
    const { filterPolicy: policy, filterScope: scope } = settings;
    this.#filtered = { kind, filters: [{ from: sequence(0), policy, scope }] };
    const position = sequence(Math.max(replay.position, this.#counters.firstSequence));
    this.#replay = { ...replay, state: "in_progress", position };
    this.#end = this.#findEnd();
  }

  #findEnd(): Sequence | undefined {
    const { end, endsAt, position } = this.#replay;
    if (end !== undefined || endsAt === undefined || endsAt > this.#now) return end;
    const range = { from: position, to: this.#counters.nextSequence };
    return firstSince(this.#transaction.topics, this.#found.topic, range, endsAt);
  }

  run(): void {
    const { nextSequence } = this.#counters;
    const goal = Math.min(this.#end ?? nextSequence, nextSequence);
    for (let left = archiveLimits.stepExaminedMax; left > 0 && !this.#isFull; left -= 1) {
      const { position } = this.#replay;
      if (position >= goal || !this.#pass(position)) return;
      this.#replay = { ...this.#replay, position: sequence(position + 1) };
    }
  }

  get unsigned(): readonly ToSign[] {
    return this.#target.unsigned;
  }

  get #isFull(): boolean {
    const { stepCopiesMax, stepBytesMax } = archiveLimits;
    return this.#copies >= stepCopiesMax || this.#bytes >= stepBytesMax;
  }

  /** Deals with the message at a place; false if it has to wait. One that cannot be read is for nobody. */
  #pass(position: Sequence): boolean {
    const message = this.#transaction.topics.message(this.#found.topic, position);
    if (message === undefined) return true;
    if (!isFor(this.#filtered, message)) {
      this.#replay = { ...this.#replay, filtered: this.#replay.filtered + 1 };
      return true;
    }
    const dueUs = this.#dueUs(message);
    if (dueUs > this.#now * usPerMs) {
      const due = Math.ceil(dueUs / usPerMs);
      this.#at = epochMs(Math.max(due, this.#now + archiveLimits.pauseMsMin));
      return false;
    }
    const outcome = this.#target.deliver({ ...message, replayId: this.#replayId });
    if (outcome === "full") {
      this.#at = epochMs(this.#now + archiveLimits.lookAgainMs);
      return false;
    }
    this.#count(message, outcome, dueUs);
    return true;
  }

  #count(message: TopicMessage, outcome: "delivered" | "failed", dueUs: number): void {
    const { delivered, failed } = this.#replay;
    this.#copies += 1;
    this.#bytes += message.sizeBytes;
    this.#replay = {
      ...this.#replay,
      delivered: delivered + (outcome === "delivered" ? 1 : 0),
      failed: failed + (outcome === "failed" ? 1 : 0),
      pace: this.#paceAfter(message, dueUs),
    };
  }

  /** When a message is due, in microseconds; 0: at once. */
  #dueUs({ publishedAt }: TopicMessage): number {
    const { pace, speed } = this.#replay;
    if (pace === undefined) return 0;
    switch (speed.kind) {
      case "unlimited":
        return 0;
      case "rate":
        return pace.atUs + 1_000_000 / speed.perSecond;
      case "original":
        return pace.atUs + ((publishedAt - pace.publishedAt) * usPerMs) / speed.times;
    }
  }

  /** One that is late because nobody was there to hand it on does not make the next ones hurry. */
  #paceAfter({ publishedAt }: TopicMessage, dueUs: number): ReplayPace | undefined {
    if (this.#replay.speed.kind === "unlimited") return undefined;
    const nowUs = this.#now * usPerMs;
    if (dueUs === 0) return { atUs: nowUs, publishedAt };
    const atUs = Math.max(dueUs, nowUs - archiveLimits.catchUpMs * usPerMs);
    return { atUs, publishedAt };
  }

  close(): ReplayStepped {
    const { topic } = this.#found;
    const extra = this.#target.close();
    const end = this.#end;
    this.#replay = { ...this.#replay, end, extra: this.#replay.extra + extra };
    if (end !== undefined && this.#replay.position >= end && this.#mayEnd()) {
      this.#complete(end);
      return { kind: "ended", topic };
    }
    this.#transaction.topics.archives.putReplay(topic, this.#found.subscription.id, this.#replay);
    return { kind: "more", topic, hasHandedOn: this.#copies > 0, at: this.#nextAt(end) };
  }

  #nextAt(end: Sequence | undefined): EpochMs | undefined {
    const { position, endsAt } = this.#replay;
    const isWaiting =
      position >= Math.min(end ?? Number.MAX_SAFE_INTEGER, this.#counters.nextSequence);
    if (!isWaiting) return this.#at;
    const at = epochMs(this.#now + archiveLimits.lookAgainMs);
    return endsAt !== undefined && endsAt > this.#now && endsAt < at ? endsAt : at;
  }

  get #isPausedAfter(): boolean {
    return this.#replay.afterwards === "pause" && this.#replay.until !== undefined;
  }

  /** One that is to be paused is when its target has what was replayed: a pause keeps that back as well. */
  #mayEnd(): boolean {
    return !this.#isPausedAfter || this.#target.isDone();
  }

  #complete(end: Sequence): void {
    // As its target has left it.
    const found = findSubscription(this.#transaction.topics, this.#found.subscription.id);
    if (found === undefined) return;
    const place = afterReplay(this.#transaction, found, end);
    const ending = {
      state: "completed",
      failure: "",
      place,
      isPaused: this.#isPausedAfter,
    } as const;
    endReplay(this.#transaction, found, this.#replay, ending, this.#stamp);
  }
}
