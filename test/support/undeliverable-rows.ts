// Rows of undeliverable messages for properties: any that the rules could make, and some that they never would.

import fc from "fast-check";
import type { EpochMs, Sequence } from "../../src/base/brands.js";
import type {
  RedriveOrder,
  Undeliverable,
  UndeliverableAmount,
  UndeliverableRecord,
} from "../../src/topic/undeliverable-model.js";

const number = fc.maxSafeNat();
const instant = number.map((value) => value as EpochMs);
const place = number.map((value) => value as Sequence);
const count = fc.nat(4_294_967_295);
const text = fc.string({ maxLength: 200 });

export const undeliverableAmount: fc.Arbitrary<UndeliverableAmount> = fc.record({
  count: number,
  bytes: number,
});

export const undeliverableRecord: fc.Arbitrary<UndeliverableRecord> = fc.record({
  count: number,
  bytes: number,
  round: number,
});

export const undeliverable: fc.Arbitrary<Undeliverable> = fc.record({
  sequence: place,
  reason: text,
  lastError: text,
  attempts: count,
  firstAttemptAt: fc.option(instant, { nil: undefined }),
  givenUpAt: instant,
  bytes: number,
  round: number,
});

export const redriveOrder: fc.Arbitrary<RedriveOrder> = fc.record({
  round: number,
  from: place,
  left: number,
  perSecond: fc.option(count, { nil: undefined }),
  nextAtUs: number,
});
