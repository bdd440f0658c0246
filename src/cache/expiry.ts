// When an item ends. A call says it in one of four ways or leaves it to the cache; the cache may cut it short, by its longest life
// and by a chance, so that what is written together does not end together. An item is there if and only if now is before its end.

import { after, type DurationMs, type EpochMs, epochMs } from "../base/brands.js";
import { type CacheConfig, cacheLimits } from "./limits.js";

/** As a call says it. */
export type Expiry =
  | { readonly kind: "default" }
  | { readonly kind: "ttl"; readonly ttlMs: DurationMs }
  | { readonly kind: "at"; readonly at: EpochMs }
  | { readonly kind: "never" }
  /** As the item that is replaced. */
  | { readonly kind: "keep" };

/** What it comes to. */
export interface End {
  /** Undefined: never. */
  readonly at: EpochMs | undefined;
  /** Whether the cache's longest life cut it. */
  readonly isClamped: boolean;
}

export type EndOutcome = End | "too_far";

export const hasEnded = (at: EpochMs | undefined, now: EpochMs): boolean =>
  at !== undefined && at <= now;

/**
 * The end of what is written now. `previous` is the item that is replaced, if there is one; `chance` in [0, 1) is that of the jitter.
 */
export function endOf(
  expiry: Expiry,
  config: Pick<CacheConfig, "defaultTtlMs" | "maxTtlMs" | "jitterPercent">,
  { now, previous, chance }: EndCircumstances,
): EndOutcome {
  switch (expiry.kind) {
    case "keep":
      if (previous !== undefined) return { at: previous.expiresAt, isClamped: false };
      return ofTtl(config.defaultTtlMs, config, now, chance);
    case "default":
      return ofTtl(config.defaultTtlMs, config, now, chance);
    case "never":
      return ofTtl(0 as DurationMs, config, now, chance);
    case "ttl":
      return ofTtl(expiry.ttlMs, config, now, chance);
    case "at":
      return cut(expiry.at, config, now);
  }
}

export interface EndCircumstances {
  readonly now: EpochMs;
  readonly previous: { readonly expiresAt: EpochMs | undefined } | undefined;
  readonly chance: number;
}

/** Of 0: no end of its own. */
function ofTtl(
  ttlMs: DurationMs,
  config: Pick<CacheConfig, "maxTtlMs" | "jitterPercent">,
  now: EpochMs,
  chance: number,
): EndOutcome {
  if (ttlMs === 0) return cut(undefined, config, now);
  if (now + ttlMs > cacheLimits.instantMsMax) return "too_far";
  const { maxTtlMs, jitterPercent } = config;
  const isClamped = maxTtlMs > 0 && ttlMs > maxTtlMs;
  const lifeMs = isClamped ? maxTtlMs : ttlMs;
  // Never a whole life less, whatever the chance: what was stored is there at least for a moment.
  const shorterMs = Math.floor((lifeMs * jitterPercent * chance) / 100);
  return { at: after(now, (lifeMs - shorterMs) as DurationMs), isClamped };
}

/** An instant is not jittered: who names one means it. */
function cut(
  at: EpochMs | undefined,
  { maxTtlMs }: Pick<CacheConfig, "maxTtlMs">,
  now: EpochMs,
): EndOutcome {
  if (at !== undefined && at > cacheLimits.instantMsMax) return "too_far";
  if (maxTtlMs === 0) return { at, isClamped: false };
  const last = epochMs(Math.min(now + maxTtlMs, cacheLimits.instantMsMax));
  return at === undefined || at > last ? { at: last, isClamped: true } : { at, isClamped: false };
}

/** When the end of an item may be changed. */
export type TtlMode =
  | "overwrite"
  | "increase_only"
  | "decrease_only"
  | "if_volatile"
  | "if_persistent";

/** Whether an end may take the place of another. No end is later than any. */
export function mayReplaceEnd(
  mode: TtlMode,
  current: EpochMs | undefined,
  next: EpochMs | undefined,
): boolean {
  const isLater = laterOf(next) > laterOf(current);
  const isEarlier = laterOf(next) < laterOf(current);
  switch (mode) {
    case "overwrite":
      return true;
    case "increase_only":
      return isLater;
    case "decrease_only":
      return isEarlier;
    case "if_volatile":
      return current !== undefined;
    case "if_persistent":
      return current === undefined;
  }
}

const laterOf = (at: EpochMs | undefined): number => at ?? Number.POSITIVE_INFINITY;

/**
 * The end of an item that lives on after each read, when it is read now; undefined: it stays, since it is at most a sixteenth too
 * early, so that a read seldom is a write. Never past the absolute end.
 */
export function slidEnd(
  current: EpochMs,
  { slidingMs, absoluteEnd, now }: Sliding,
): EpochMs | undefined {
  const wanted = after(now, slidingMs);
  const next = absoluteEnd === undefined || wanted < absoluteEnd ? wanted : epochMs(absoluteEnd);
  const slackMs = Math.floor(slidingMs / 16);
  return next - current > slackMs || (next > current && next === absoluteEnd) ? next : undefined;
}

export interface Sliding {
  readonly slidingMs: DurationMs;
  readonly absoluteEnd: EpochMs | undefined;
  readonly now: EpochMs;
}
