// Whether a lease is still somebody's: until its end, while no write, delete or invalidation of what it is for came in between.
// Writes and deletes of a key remove its lease; what makes many keys invalid is a fence, and is asked for here.

import type { CacheKey, Version } from "../base/brands.js";
import { hasEnded } from "./expiry.js";
import type { Lease, LeaseName } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import type { CacheRejection } from "./rejections.js";

/** The lease that somebody has now. */
export function leaseOf(open: OpenCache, name: LeaseName): Lease | undefined {
  const lease = open.transaction.lease(open.cache, name);
  if (lease === undefined || hasEnded(lease.endsAt, open.now)) return undefined;
  const isFenced = name.kind === "load" && open.isFencedSince(name.key, lease.token, []);
  return isFenced ? undefined : lease;
}

export const leaseLostIn = ({ address }: OpenCache): CacheRejection => ({
  kind: "lease_lost",
  cache: address.given,
});

/** Why a value that was loaded may not be stored; undefined: it may. */
export function leaseLost(
  open: OpenCache,
  {
    key,
    tags,
    leaseToken,
  }: {
    readonly key: CacheKey;
    readonly tags: readonly string[] | "keep";
    readonly leaseToken?: Version;
  },
): CacheRejection | undefined {
  if (leaseToken === undefined) return undefined;
  const lease = leaseOf(open, { kind: "load", key });
  if (lease?.token !== leaseToken) return leaseLostIn(open);
  const given = tags === "keep" ? [] : tags;
  return open.isFencedSince(key, leaseToken, given) ? leaseLostIn(open) : undefined;
}
