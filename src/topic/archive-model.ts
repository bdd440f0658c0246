// What is kept of an archive, of replays out of it, and of places in it that have a name.
//
// A topic is a log already: its archive is that what was published stays for its retention instead of going when everybody has
// it. A replay is a place in the archive that moves, and where it ends; its subscription stands still meanwhile.

import type { EpochMs, Sequence } from "../base/brands.js";

export interface Archive {
  /** What was published earlier is not in it. */
  readonly since: EpochMs;
  /** The first message that is counted in it; what is older than the retention goes by and by. */
  readonly from: Sequence;
  /** Of messages and attributes as published, from that message on. */
  readonly bytes: number;
}

/** Where a replay begins or ends, as it was asked for. */
export type ReplayPoint =
  | { readonly kind: "time"; readonly at: EpochMs }
  | { readonly kind: "sequence"; readonly sequence: Sequence }
  | { readonly kind: "beginning" }
  | { readonly kind: "latest" }
  | { readonly kind: "snapshot"; readonly name: string };

export type ReplaySpeed =
  | { readonly kind: "unlimited" }
  | { readonly kind: "rate"; readonly perSecond: number }
  /** With the pauses of the original, so many times as fast. */
  | { readonly kind: "original"; readonly times: number };

export type ReplayState = "pending" | "in_progress" | "completed" | "failed" | "stopped";

/** What the next message's instant is reckoned from. */
export interface ReplayPace {
  /** When the last message was due, in microseconds since 1970: a rate may be more than one a millisecond. */
  readonly atUs: number;
  /** When that message was published. */
  readonly publishedAt: EpochMs;
}

/** The replay of a subscription that is under way or ended last. */
export interface Replay {
  /** 16 bytes, a UUID. */
  readonly id: Buffer;
  readonly state: ReplayState;
  readonly from: ReplayPoint;
  readonly until: ReplayPoint | undefined;
  readonly speed: ReplaySpeed;
  readonly afterwards: "resume" | "pause";
  /** The message it comes to next. */
  readonly position: Sequence;
  /** The first message that is not of it; undefined: not known before `endsAt`. Of one that was stopped: that was not delivered before. */
  readonly end: Sequence | undefined;
  readonly endsAt: EpochMs | undefined;
  /** Undefined: nothing was handed on yet, or it is not paced. */
  readonly pace: ReplayPace | undefined;
  readonly delivered: number;
  readonly filtered: number;
  /** Not taken by the target for good, or their time to live was over. */
  readonly failed: number;
  readonly failure: string;
  readonly startedAt: EpochMs;
  /** Undefined while it runs. */
  readonly endedAt: EpochMs | undefined;
  /** Deliveries of its subscription that its way through the topic does not account for, in this replay and those before. */
  readonly extra: number;
}

/** A named place in an archive. */
export interface Snapshot {
  readonly name: string;
  /** The first message after it. */
  readonly sequence: Sequence;
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
}

export const isRunning = ({ state }: Pick<Replay, "state">): boolean =>
  state === "pending" || state === "in_progress";
