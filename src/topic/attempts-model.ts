// What is kept of attempts to deliver: a record for each subscription, so that its owner can see what became of every message. All
// failures are in it, and of the successes as many as the topic wants; what is older than a day, or behind the newest ten
// thousand, goes.
//
// How a message ended without an attempt is in it as well, since nothing else tells that later.

import type { EpochMs, Sequence } from "../base/brands.js";

export type AttemptEnd =
  | "delivered"
  /** It is tried again. */
  | "retried"
  | "dead_lettered"
  /** Given up, with no dead-letter queue that took it. */
  | "given_up"
  /** Its time to live was over first. */
  | "expired";

export interface KeptAttempt {
  readonly messageId: Buffer;
  /** Where the message is in the topic, if it still is. */
  readonly sequence: Sequence;
  /** From 1; 0 when the message ended without one. */
  readonly attempt: number;
  readonly startedAt: EpochMs;
  readonly durationMs: number;
  /** Of HTTP for webhooks, of gRPC for functions; undefined without an answer. */
  readonly statusCode: number | undefined;
  /** What the target said. */
  readonly response: string;
  /** In words; empty for a success. */
  readonly error: string;
  readonly end: AttemptEnd;
  /** When it is tried again. */
  readonly nextAt: EpochMs | undefined;
  /** The number of the attempt before it to deliver this message; undefined: there was none, or it is forgotten. */
  readonly before: number | undefined;
}

/** Which attempts of a subscription are kept: those from `first` on, before `next`. */
export interface AttemptRecord {
  readonly first: number;
  readonly next: number;
  /** When its oldest ones are looked at. */
  readonly dueAt: EpochMs;
}
