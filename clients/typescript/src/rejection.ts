// Giving a message back with a reason: what a caller says, and what becomes of the message. A message from a receive is
// rejected by a call of its own, one from a Consume stream over the stream.

import type { RejectMessageResponse } from "../gen/forebay/queue/v1/queue_service.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { dateOf, durationOf } from "./durations.js";

/** Why a message is given back, and where to. */
export type RejectOptions = {
  /** A short, stable word to group by; 1 to 128 characters. */
  readonly reason: string;
  /** What went wrong: the stack of an Error, the text of anything else; cut to 4096 bytes. Default: empty. */
  readonly error?: unknown;
} & (
  | {
      /**
       * How long the message stays invisible, in milliseconds. Range: 0 to 43200000. Default: as the queue's retry policy says,
       * without one not at all.
       */
      readonly delayMs?: number | undefined;
      readonly deadLetter?: false | undefined;
    }
  | {
      readonly delayMs?: undefined;
      /** Whether it goes to the queue's dead-letter queue at once, and not back. Default: false. */
      readonly deadLetter?: boolean | undefined;
    }
);

/** What became of a rejected message. */
export type RejectOutcome =
  /** `visibleTime` is undefined when the end of its stream or lease had given it back before; the reason is then not kept. */
  | { readonly kind: "returned"; readonly visibleTime: Date | undefined }
  | { readonly kind: "dead_lettered"; readonly deadLetterQueue: string };

/** A rejection as the wire says it, in a call and on a stream. */
export interface WireRejection {
  readonly reason: string;
  readonly error: string;
  readonly delay: Duration | undefined;
  readonly deadLetter: boolean;
}

/** @throws RangeError if the delay is no number. */
export function rejectionToWire(rejection: RejectOptions): WireRejection {
  const { reason, error = "", delayMs, deadLetter = false } = rejection;
  return { reason, error: errorText(error), delay: durationOf(delayMs), deadLetter };
}

export function rejectOutcomeOf(wire: RejectMessageResponse): RejectOutcome {
  return wire.deadLetterQueue === ""
    ? { kind: "returned", visibleTime: dateOf(wire.visibleTime) }
    : { kind: "dead_lettered", deadLetterQueue: wire.deadLetterQueue };
}

const errorBytesMax = 4_096;

/** The text of an error in at most 4096 bytes, cut at a character; the contract refuses more. */
function errorText(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= errorBytesMax) return text;
  let end = errorBytesMax;
  // A byte of the form 10xxxxxx continues a character; cut before the character it belongs to.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
