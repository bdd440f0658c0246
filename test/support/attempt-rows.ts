// Any row of attempts to deliver that the store may hold, for properties.

import fc from "fast-check";
import type { AttemptRecord, KeptAttempt } from "../../src/topic/attempts-model.js";
import { id16, instant, maybe, place, text, u32, u64 } from "./stored-rows.js";

export const attemptRecord: fc.Arbitrary<AttemptRecord> = fc.record({
  first: u64,
  next: u64,
  dueAt: instant,
});

export const keptAttempt: fc.Arbitrary<KeptAttempt> = fc.record({
  messageId: id16,
  sequence: place,
  attempt: u32,
  startedAt: instant,
  durationMs: u64,
  statusCode: maybe(u32),
  response: text(200),
  error: text(200),
  end: fc.constantFrom("delivered", "retried", "dead_lettered", "given_up", "expired"),
  nextAt: maybe(instant),
  before: maybe(u64),
});
