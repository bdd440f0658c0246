// What the rules of attempts to deliver read and record, beside what they may of topics: see `view.ts`.

import type { EpochMs } from "../base/brands.js";
import type { AttemptRecord, KeptAttempt } from "./attempts-model.js";
import type { Topic } from "./model.js";

/** What the rows of a topic are found by; as in `view.ts`, which is made of this file. */
type Segment = Pick<Topic, "slot" | "segment">;

/** A record with attempts that may be too old, or of a subscription that has ended. */
export interface AttemptsDue extends Segment {
  readonly at: EpochMs;
  readonly subscription: Buffer;
}

export interface AttemptView {
  /** Undefined: nothing is recorded. */
  record(topic: Segment, id: Buffer): AttemptRecord | undefined;
  /** Undefined: it is forgotten, or cannot be read. */
  attempt(topic: Segment, id: Buffer, number: number): KeptAttempt | undefined;
  /** The number of the last attempt to deliver a message. */
  lastOf(topic: Segment, id: Buffer, messageId: Buffer): number | undefined;
  /** Of all topics, earliest first. */
  attemptsDue(): Iterable<AttemptsDue>;
}

export interface AttemptChanges {
  /** `previous` is the record it replaces. */
  putRecord(
    topic: Segment,
    id: Buffer,
    record: AttemptRecord,
    previous: AttemptRecord | undefined,
  ): void;
  removeRecord(topic: Segment, id: Buffer, record: AttemptRecord): void;
  /** It becomes the last one of its message. */
  putAttempt(topic: Segment, id: Buffer, number: number, attempt: KeptAttempt): void;
  removeAttempt(topic: Segment, id: Buffer, number: number): void;
  /** Of a record that is gone with its topic. */
  removeAttemptsDue(due: AttemptsDue): void;
}

export interface AttemptTransaction extends AttemptView, AttemptChanges {}
