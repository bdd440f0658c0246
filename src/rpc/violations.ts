// Checking requests: every bad field is found, not only the first, and the error says for each what is allowed.

import { status } from "@grpc/grpc-js";
import { type DurationMs, type EpochMs, epochMs, milliseconds } from "../base/brands.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";
import { limits } from "../queue/limits.js";
import { type FieldViolation, WireFault } from "./status-details.js";

export type ViolationReason =
  | "MISSING_PARAMETER"
  | "INVALID_PARAMETER"
  | "INVALID_PAGE_TOKEN"
  | "INVALID_MESSAGE_CONTENTS"
  | "INVALID_ATTRIBUTE_VALUE"
  | "UNKNOWN_ATTRIBUTE"
  | "EMPTY_BATCH"
  | "TOO_MANY_ENTRIES"
  | "BATCH_ENTRY_ID_INVALID"
  | "BATCH_ENTRY_IDS_NOT_DISTINCT"
  | "BATCH_TOO_LONG"
  // Of topics.
  | "EMPTY_MESSAGE"
  | "INVALID_SUBJECT"
  | "STRUCTURE_NOT_JSON"
  | "STRUCTURE_NO_DEFAULT"
  | "STRUCTURE_DUPLICATE_KEY"
  | "INVALID_ATTRIBUTE_NAME"
  | "INVALID_ATTRIBUTE_TYPE"
  | "INVALID_ID"
  | "INVALID_POLICY"
  | "IMMUTABLE_FIELD"
  | "INVALID_SCOPE"
  | "UNSUPPORTED_TARGET"
  | "ENDPOINT_NOT_ALLOWED"
  | "RETRY_WINDOW_TOO_LONG"
  // Of caches.
  | "BAD_NAME"
  | "EMPTY_KEY"
  | "KEY_TOO_LONG"
  | "TTL_INVALID"
  | "LIMIT_EXCEEDED"
  | "CONFLICTING_OPTIONS"
  | "BAD_RANGE"
  | "NAN_INPUT"
  | "CURSOR_INVALID"
  | "VALUE_TOO_LARGE";

/** Violations that are reported; a request may hold a million. */
const violationsMax = 100;
/** Names that a request may list where the contract sets no closer bound. */
export const listedMax = 100;

/** Refuses a list that is too long before anything looks at its elements; says whether it is short enough. */
export function checkListLength(
  violations: Violations,
  field: string,
  length: number,
  max: number,
): boolean {
  if (length <= max) return true;
  violations.add("INVALID_PARAMETER", field, `at most ${max}, not ${length}`);
  return false;
}

/** Collects what is wrong with a request. The first violation gives the error its reason and metadata. */
export class Violations {
  #reason: ViolationReason | undefined;
  #metadata: Readonly<Record<string, string>> = {};
  readonly #found: FieldViolation[] = [];

  add(
    reason: ViolationReason,
    field: string,
    description: string,
    metadata: Readonly<Record<string, string>> = {},
  ): void {
    if (this.#reason === undefined) {
      this.#reason = reason;
      this.#metadata = { field, ...metadata };
    }
    if (this.#found.length < violationsMax) this.#found.push({ field, description });
  }

  get isEmpty(): boolean {
    return this.#reason === undefined;
  }

  /** The fault, if anything is wrong. */
  fault(): WireFault | undefined {
    if (this.#reason === undefined) return undefined;
    const sentences = this.#found
      .slice(0, 5)
      .map(({ field, description }) => `${field}: ${description}`);
    const more = this.#found.length > 5 ? `; and ${this.#found.length - 5} more` : "";
    return new WireFault({
      code: status.INVALID_ARGUMENT,
      reason: this.#reason,
      message: `${sentences.join("; ")}${more}.`,
      metadata: this.#metadata,
      violations: this.#found,
    });
  }

  throwIfAny(): void {
    const fault = this.fault();
    if (fault !== undefined) throw fault;
  }
}

const nanosPerMs = 1_000_000;

/** An instant from 1970 to the year 9999; what is finer than a millisecond counts as the next one, so as not to be early. */
export function parseInstant(
  violations: Violations,
  field: string,
  time: Timestamp | undefined,
): EpochMs | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  const isSane =
    seconds >= 0n && seconds <= 253_402_300_799n && nanos >= 0 && nanos < 1_000_000_000;
  const instant = isSane ? Number(seconds) * 1_000 + Math.ceil(nanos / nanosPerMs) : 0;
  if (!isSane || instant > limits.deliverAtMax) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      "must be a time from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59.999Z",
    );
    return undefined;
  }
  return epochMs(instant);
}

/** A duration in its range, to the millisecond; undefined when unset or bad. */
export function parseDuration(
  violations: Violations,
  field: string,
  duration: Duration | undefined,
  range: { readonly minMs: number; readonly maxMs: number },
  reason: ViolationReason = "INVALID_PARAMETER",
): DurationMs | undefined {
  if (duration === undefined) return undefined;
  const { seconds, nanos } = duration;
  const allowed = `must be from ${range.minMs / 1_000}s to ${range.maxMs / 1_000}s`;
  // Beyond this a duration is no valid google.protobuf.Duration, and arithmetic on it would lose milliseconds.
  const isSane =
    seconds >= -315_576_000_000n && seconds <= 315_576_000_000n && Math.abs(nanos) < 1_000_000_000;
  const totalMs = isSane ? Number(seconds) * 1_000 + Math.trunc(nanos / nanosPerMs) : Number.NaN;
  if (!(totalMs >= range.minMs && totalMs <= range.maxMs) || (totalMs === 0 && nanos < 0)) {
    violations.add(
      reason,
      field,
      isSane ? `${allowed}, not ${Number(seconds) + nanos / 1e9}s` : allowed,
    );
    return undefined;
  }
  if (nanos % nanosPerMs !== 0) {
    violations.add(reason, field, "must be whole milliseconds");
    return undefined;
  }
  return milliseconds(totalMs);
}

/** A whole number in its range; `unset` when unset, undefined when bad. */
export function parseCount(
  violations: Violations,
  field: string,
  value: number | undefined,
  range: { readonly min: number; readonly max: number },
  reason: ViolationReason = "INVALID_PARAMETER",
): number | undefined {
  if (value === undefined) return undefined;
  if (value < range.min || value > range.max) {
    violations.add(reason, field, `must be from ${range.min} to ${range.max}, not ${value}`);
    return undefined;
  }
  return value;
}

// ASCII letters, digits and punctuation: everything printable but the space.
const idPattern = /^[\x21-\x7e]+$/;

/** A group id, deduplication id or the like: 1 to `max` printable ASCII characters without spaces; empty is unset. */
export function checkId(violations: Violations, field: string, value: string, max: number): void {
  if (value === "") return;
  if (value.length > max || !idPattern.test(value)) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      `must be 1 to ${max} ASCII letters, digits or punctuation`,
    );
  }
}

/** The name of an enum value that is set and known; undefined otherwise. A number out of range is a violation. */
export function parseEnum<Values extends Readonly<Record<string, number>>>(
  violations: Violations,
  field: string,
  value: number,
  values: Values,
  reason: ViolationReason = "INVALID_PARAMETER",
): Exclude<keyof Values, "UNSPECIFIED"> | undefined {
  if (value === 0) return undefined;
  for (const name in values) {
    if (values[name] === value) return name as unknown as Exclude<keyof Values, "UNSPECIFIED">;
  }
  const names = Object.keys(values).filter((name) => name !== "UNSPECIFIED");
  violations.add(reason, field, `must be one of ${names.join(", ")}, not ${value}`);
  return undefined;
}
