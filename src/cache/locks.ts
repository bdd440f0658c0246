// Locks: a name that one caller has at a time, for as long as it said or until it lets go.
//
// The token is a version, and so is higher than that of everybody who had the lock before: what is protected can refuse whoever
// comes with a lower one, which makes a lock safe for holders that were frozen until after its end. A lock is a lease under another
// kind of name, so no value of the same key has to do with it. Emptying the cache lets go of all its locks.

import type { CacheKey, DurationMs, EpochMs } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { leaseOf } from "./lease-tokens.js";
import { grant } from "./leases.js";
import type { Lease, LeaseName } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import type { CacheDecided } from "./rejections.js";

export const lockNamed = (key: CacheKey): LeaseName => ({ kind: "lock", key });

export type Acquired =
  | { readonly kind: "acquired"; readonly lease: Lease }
  | { readonly kind: "held"; readonly holderEndsAt: EpochMs };

export function acquireLock(
  open: OpenCache,
  { key, leaseMs }: { readonly key: CacheKey; readonly leaseMs: DurationMs },
): CacheDecided<Acquired> {
  const name = lockNamed(key);
  const held = leaseOf(open, name);
  return accept(
    held === undefined
      ? { kind: "acquired", lease: grant(open, name, leaseMs) }
      : { kind: "held", holderEndsAt: held.endsAt },
  );
}
