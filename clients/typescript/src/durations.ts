// Spans and instants: milliseconds and Date on this face, google.protobuf.Duration and Timestamp on the wire.

import type { Duration } from "../gen/google/protobuf/duration.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";

/**
 * The wire's form of a span; fractions of a millisecond are dropped, as the contract counts in milliseconds.
 *
 * @throws RangeError if it is not a finite number.
 */
export function durationOf(spanMs: number): Duration {
  if (!Number.isFinite(spanMs)) throw new RangeError(`${spanMs} is not a span in milliseconds.`);
  const wholeMs = Math.trunc(spanMs);
  const seconds = Math.trunc(wholeMs / 1_000);
  return { seconds: BigInt(seconds), nanos: (wholeMs - seconds * 1_000) * 1_000_000 };
}

/** A span in milliseconds. */
export function millisecondsOf(duration: Duration): number {
  return Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
}

/** An instant, to the millisecond. */
export function dateOf(timestamp: Timestamp): Date {
  return new Date(Number(timestamp.seconds) * 1_000 + Math.trunc(timestamp.nanos / 1_000_000));
}
