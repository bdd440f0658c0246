// Spans and instants: milliseconds and Date on this face, google.protobuf.Duration and Timestamp on the wire. What is not
// given stays so: undefined becomes undefined.

import type { Duration } from "../gen/google/protobuf/duration.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";

/**
 * The wire's form of a span; fractions of a millisecond are dropped, as the contract counts in milliseconds.
 *
 * @throws RangeError if it is not a finite number.
 */
export function durationOf(spanMs: number): Duration;
export function durationOf(spanMs: number | undefined): Duration | undefined;
export function durationOf(spanMs: number | undefined): Duration | undefined {
  if (spanMs === undefined) return undefined;
  if (!Number.isFinite(spanMs)) throw new RangeError(`${spanMs} is not a span in milliseconds.`);
  const wholeMs = Math.trunc(spanMs);
  const seconds = Math.trunc(wholeMs / 1_000);
  return { seconds: BigInt(seconds), nanos: (wholeMs - seconds * 1_000) * 1_000_000 };
}

/** A span in milliseconds. */
export function millisecondsOf(duration: Duration): number;
export function millisecondsOf(duration: Duration | undefined): number | undefined;
export function millisecondsOf(duration: Duration | undefined): number | undefined {
  return duration && Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
}

/**
 * The wire's form of an instant.
 *
 * @throws RangeError if it is an invalid Date.
 */
export function timestampOf(instant: Date): Timestamp;
export function timestampOf(instant: Date | undefined): Timestamp | undefined;
export function timestampOf(instant: Date | undefined): Timestamp | undefined {
  if (instant === undefined) return undefined;
  const instantMs = instant.getTime();
  if (Number.isNaN(instantMs)) throw new RangeError("An invalid Date is no instant.");
  // Rounded down, also before 1970: the nanoseconds of a Timestamp count forward.
  const seconds = Math.floor(instantMs / 1_000);
  return { seconds: BigInt(seconds), nanos: (instantMs - seconds * 1_000) * 1_000_000 };
}

/** An instant, to the millisecond. */
export function dateOf(timestamp: Timestamp): Date;
export function dateOf(timestamp: Timestamp | undefined): Date | undefined;
export function dateOf(timestamp: Timestamp | undefined): Date | undefined {
  if (timestamp === undefined) return undefined;
  return new Date(Number(timestamp.seconds) * 1_000 + Math.trunc(timestamp.nanos / 1_000_000));
}
