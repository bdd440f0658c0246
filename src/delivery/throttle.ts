// At most so many deliveries a second to one subscription: a bucket of as many tokens, which fills evenly. Waiting for a token uses
// up no retry. The bucket is a value, so that whoever keeps it may store it, and the time is given.

import { type DurationMs, type EpochMs, milliseconds } from "../base/brands.js";

export interface TokenBucket {
  /** Thousandths of tokens at `at`: whole numbers, so that a second is a second and no rounding adds up. */
  readonly thousandths: number;
  readonly at: EpochMs;
}

export type TakenToken =
  | { readonly kind: "taken"; readonly bucket: TokenBucket }
  /** Unchanged but for the time: ask again after the wait. */
  | { readonly kind: "empty"; readonly bucket: TokenBucket; readonly waitMs: DurationMs };

export const fullBucket = (perSecond: number, now: EpochMs): TokenBucket => ({
  thousandths: perSecond * 1_000,
  at: now,
});

/** The rate may have changed since the bucket was made: it then fills at the new one, up to the new one. */
export function takeToken(bucket: TokenBucket, perSecond: number, now: EpochMs): TakenToken {
  const elapsedMs = Math.max(0, now - bucket.at);
  const filled = bucket.thousandths + elapsedMs * perSecond;
  const thousandths = Math.min(perSecond * 1_000, filled);
  if (thousandths >= 1_000) {
    return { kind: "taken", bucket: { thousandths: thousandths - 1_000, at: now } };
  }
  const waitMs = milliseconds(Math.ceil((1_000 - thousandths) / perSecond));
  return { kind: "empty", bucket: { thousandths, at: now }, waitMs };
}
