// What is known of a schedule: what was put, and what it has done and will do. The two are kept apart, since one holds a
// message of up to a megabyte and the other changes with every run.

import type { DurationMs, EpochMs, Namespace, QueueName } from "../base/brands.js";
import type { MessageContent } from "./model.js";
import type { QueueRejection } from "./rejections.js";

/** A schedule as it was put. */
export interface Schedule {
  /** Distinct in its queue. */
  readonly name: string;
  readonly timing: ScheduleTiming;
  /** The first instant it may run; undefined: when it was put. */
  readonly startAt: EpochMs | undefined;
  /** The last instant it may run; undefined: none is the last. */
  readonly endAt: EpochMs | undefined;
  readonly isPaused: boolean;
  /** What becomes of the times that passed while the server was down. */
  readonly missedRuns: "send_one" | "skip";
  readonly message: ScheduledSend;
}

export type ScheduleTiming =
  | {
      readonly kind: "cron";
      readonly pattern: string;
      /** Empty: UTC. */
      readonly timeZone: string;
    }
  | { readonly kind: "interval"; readonly intervalMs: DurationMs };

/** What each run sends. */
export interface ScheduledSend {
  readonly content: MessageContent;
  /** Body and attributes as counted for the size limit. */
  readonly sizeBytes: number;
  readonly timeToLiveMs: DurationMs | undefined;
  readonly priority: number | undefined;
}

/** What a schedule has done and will do. */
export interface ScheduleState {
  /** When it was put as it is: what an interval without a start counts from. */
  readonly putAt: EpochMs;
  /** Undefined: never again, or it is paused. */
  readonly nextAt: EpochMs | undefined;
  /** When the last run was due; of times that were missed and made up for by one run, the first. */
  readonly lastAt: EpochMs | undefined;
  /** Of the last run that was accepted: 16 bytes. */
  readonly lastMessageId: Buffer | undefined;
  readonly runCount: number;
  /** Why the last run sent nothing; undefined: it did. */
  readonly failure: RunFailure | undefined;
}

/** A refusal of the send, or what it needed could not be read. */
export type RunFailure = QueueRejection["kind"] | "record_corrupt";

/** Which schedule: the key that all its rows share. */
export interface ScheduleAddress {
  readonly namespace: Namespace;
  readonly queue: QueueName;
  readonly name: string;
}

/** A schedule and when it runs next. */
export interface DueSchedule extends ScheduleAddress {
  readonly nextAt: EpochMs;
}
