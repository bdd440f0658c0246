// Who loads a key that has nothing: one at a time, under a token that is a version.
//
// Whoever finds nothing gets the lease, and everybody else waits or comes back. The value is stored only under the token, and the
// token is worth nothing any more once the key was written, deleted or made invalid: a slow loader never overwrites newer data.

import {
  after,
  type CacheKey,
  type DurationMs,
  type EpochMs,
  type Version,
} from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { hasEnded } from "./expiry.js";
import { leaseLostIn, leaseOf } from "./lease-tokens.js";
import { cacheLimits } from "./limits.js";
import type { Item, Lease, LeaseName } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { get, type Value } from "./scalars.js";

export interface GetOrLease {
  readonly key: CacheKey;
  readonly leaseMs: DurationMs;
  /** A value that ends sooner is to be refreshed by whoever reads it first; 0: none is. */
  readonly refreshBelowMs: DurationMs;
}

export type GotOrLeased =
  | { readonly kind: "hit"; readonly item: Item; readonly value: Value }
  /** The value is old, and somebody else is refreshing it. */
  | { readonly kind: "stale"; readonly item: Item; readonly value: Value }
  /** The caller is to refresh it. */
  | {
      readonly kind: "stale_won";
      readonly item: Item;
      readonly value: Value;
      readonly lease: Lease;
    }
  | { readonly kind: "miss_won"; readonly lease: Lease }
  | { readonly kind: "miss_wait"; readonly holderEndsAt: EpochMs };

export function getOrLease(open: OpenCache, order: GetOrLease): CacheDecided<GotOrLeased> {
  const { key } = order;
  const read = get(open, { key, touch: undefined, ifVersionNot: 0, allowsStale: true });
  if (read.kind === "rejected") return read;
  const name: LeaseName = { kind: "load", key };
  const held = leaseOf(open, name);
  const found = read.outcome;
  switch (found.kind) {
    case "hit":
      if (held !== undefined || !isToBeRefreshed(open, order, found.item)) {
        return accept({ ...found, kind: "hit" });
      }
      return accept({ ...found, kind: "stale_won", lease: grant(open, name, order.leaseMs) });
    case "stale":
      return held === undefined
        ? accept({ ...found, kind: "stale_won", lease: grant(open, name, order.leaseMs) })
        : accept({ ...found, kind: "stale" });
    case "miss":
    case "negative":
    case "not_modified":
      return held === undefined
        ? accept({ kind: "miss_won", lease: grant(open, name, order.leaseMs) })
        : accept({ kind: "miss_wait", holderEndsAt: held.endsAt });
  }
}

const isToBeRefreshed = (
  { now }: OpenCache,
  { refreshBelowMs }: GetOrLease,
  { expiresAt }: Item,
): boolean => expiresAt !== undefined && hasEnded(expiresAt, after(now, refreshBelowMs));

/** Gives a lease to whoever asks, and removes a few that have ended. */
export function grant(open: OpenCache, name: LeaseName, leaseMs: DurationMs): Lease {
  const lease: Lease = { token: open.version, endsAt: after(open.now, leaseMs) };
  open.transaction.removeEndedLeases(open.cache, open.now, cacheLimits.leasesSweptMax);
  open.putLease(name, lease, open.transaction.lease(open.cache, name));
  return lease;
}

export interface HeldLease {
  readonly name: LeaseName;
  readonly token: Version;
}

/** From now on it lasts so long. */
export function renewLease(
  open: OpenCache,
  { name, token, leaseMs }: HeldLease & { readonly leaseMs: DurationMs },
): CacheDecided<Lease> {
  const held = leaseOf(open, name);
  if (held?.token !== token) return refuse(leaseLostIn(open));
  const renewed: Lease = { token, endsAt: after(open.now, leaseMs) };
  open.putLease(name, renewed, held);
  return accept(renewed);
}

/** Says whether it was the caller's: releasing what one has not is no error, since an end may have come first. */
export function releaseLease(open: OpenCache, { name, token }: HeldLease): CacheDecided<boolean> {
  const held = leaseOf(open, name);
  if (held?.token !== token) return accept(false);
  open.transaction.removeLease(open.cache, name, held);
  open.transaction.wakeLease(open.cache, name);
  return accept(true);
}
