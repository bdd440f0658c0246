// What is kept of messages that a subscription could not deliver and that no dead-letter queue took: for each of them what became
// of it, a small row, and the message itself, which may be long, in another one.
//
// A message stands under its place in the topic, so that they are in the order they were published and one that is given up once
// more, after it was tried again, is the same one. Which of them somebody has asked to be tried again is told by rounds: those of
// the order's round and before it. What is given up later has a later one, so that nothing is tried for ever.

import type { EpochMs, Sequence } from "../base/brands.js";

export interface Undeliverable {
  readonly sequence: Sequence;
  /** As a dead letter tells it. */
  readonly reason: string;
  readonly lastError: string;
  readonly attempts: number;
  /** Undefined: there was none. */
  readonly firstAttemptAt: EpochMs | undefined;
  readonly givenUpAt: EpochMs;
  /** Of the message. */
  readonly bytes: number;
  readonly round: number;
}

/** How much a subscription has, or a topic. */
export interface UndeliverableAmount {
  readonly count: number;
  readonly bytes: number;
}

export interface UndeliverableRecord extends UndeliverableAmount {
  /** Of what is given up from now on: from 1. */
  readonly round: number;
}

/** Messages of a subscription that are to be tried again. */
export interface RedriveOrder {
  /** All up to this round, from a place on; 0: only those that are marked. */
  readonly round: number;
  readonly from: Sequence;
  /** How many there are still, with those that are marked. */
  readonly left: number;
  /** Undefined: as fast as it goes. */
  readonly perSecond: number | undefined;
  /** When the next one may be handed on, in microseconds. */
  readonly nextAtUs: number;
}
