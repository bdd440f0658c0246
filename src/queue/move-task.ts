// What is kept of a move task: its order, which says what it is to do and never changes, and its progress, which is written
// anew with every step. They are two rows, because an order may hold a body of a megabyte and a step should not write it again.
//
// A task goes over its source in passes, from the oldest message to the last that was there at the start. A message that is
// leased or delayed when it is reached is passed over, and the next pass begins at the first such one.

import type {
  DurationMs,
  EpochMs,
  Namespace,
  QueueName,
  QueueNumber,
  Sequence,
} from "../base/brands.js";
import type { MessageAttribute } from "./model.js";

/** One incarnation of a queue: another one under its name is not meant. */
export interface MoveQueue {
  readonly number: QueueNumber;
  readonly namespace: Namespace;
  readonly name: QueueName;
}

/** Names a task for ever. */
export interface MoveTaskId {
  readonly source: QueueNumber;
  /** A later task of the source has a higher one. */
  readonly number: number;
}

export interface MoveOrder extends MoveTaskId {
  readonly from: MoveQueue;
  /** Undefined: each message goes to the queue it was dead-lettered from. */
  readonly to: MoveQueue | undefined;
  /** Undefined: as fast as the server likes. */
  readonly perSecondMax: number | undefined;
  readonly filter: MoveFilter | undefined;
  readonly edit: MoveEdit | undefined;
  readonly startedAt: EpochMs;
  /** The place of the first message that is not part of the task. */
  readonly upTo: Sequence;
  /** Visible messages in the source at the start. */
  readonly toMove: number;
}

/** Messages that agree with every field given. */
export interface MoveFilter {
  /** Distinct; empty: any. */
  readonly messageIds: readonly Buffer[];
  readonly attributes: ReadonlyMap<string, string>;
  readonly rejectionReason: string | undefined;
  readonly deadLetterSource: QueueName | undefined;
  readonly groupId: string | undefined;
  /** Empty: any. */
  readonly bodyContains: Buffer;
  /** Since they came to the source, judged at the start of the task: what it takes is settled then. */
  readonly ageMsMin: DurationMs | undefined;
  readonly ageMsMax: DurationMs | undefined;
}

/** What changes in a message on the way. Attributes are removed before others are set. */
export interface MoveEdit {
  readonly setAttributes: readonly MessageAttribute[];
  readonly removeAttributes: readonly string[];
  readonly body:
    | { readonly isText: boolean; readonly bytes: Buffer; readonly md5: Buffer }
    | undefined;
  readonly groupId: string | undefined;
}

export type MoveState =
  | { readonly kind: "running" }
  | { readonly kind: "completed" | "cancelled"; readonly endedAt: EpochMs }
  | { readonly kind: "failed"; readonly endedAt: EpochMs; readonly reason: MoveFailure };

export type MoveFailure =
  /** It moved nothing, because nothing had a source to go back to. */
  | "COULD_NOT_DETERMINE_SOURCE"
  /** The queue it was to move to was deleted. */
  | "DESTINATION_NOT_FOUND"
  /** What it was to do cannot be read any more. */
  | "RECORD_CORRUPT";

export interface MoveTask extends MoveTaskId {
  readonly state: MoveState;
  readonly moved: number;
  /** Messages the last whole pass left in place because they could not be moved. */
  readonly skipped: number;
  /** Whether any of those skipped lacked a queue to go to. */
  readonly hasSourceless: boolean;
  readonly pass: MovePass;
  readonly pace: MovePace;
}

export interface MovePass {
  /** The place to go on at. */
  readonly cursor: Sequence;
  readonly hasMoved: boolean;
  readonly skipped: number;
  /** The first message passed over because it was leased or delayed: the next pass begins there. */
  readonly passedOver: { readonly sequence: Sequence; readonly skippedBefore: number } | undefined;
}

/** The task's message `count`, from 0, is due `count` times the spacing after `since`. */
export interface MovePace {
  readonly since: EpochMs;
  readonly count: number;
}

/** Of a task's messages, those that could not be moved, as far as is known. */
export const skippedCount = ({ skipped, pass }: MoveTask): number =>
  Math.max(skipped, pass.skipped);
