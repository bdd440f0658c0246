// The services of caches, all over the same parts.

import { BitmapServiceDefinition } from "../gen/forebay/cache/v1/bitmap_service.js";
import { CacheAdminServiceDefinition } from "../gen/forebay/cache/v1/cache_admin_service.js";
import { CacheServiceDefinition } from "../gen/forebay/cache/v1/cache_service.js";
import { HyperLogLogServiceDefinition } from "../gen/forebay/cache/v1/hyperloglog_service.js";
import { LeaseServiceDefinition } from "../gen/forebay/cache/v1/lease_service.js";
import { LockServiceDefinition } from "../gen/forebay/cache/v1/lock_service.js";
import { RateLimitServiceDefinition } from "../gen/forebay/cache/v1/rate_limit_service.js";
import { createCacheAdminHandlers } from "./cache-admin-handlers.js";
import { type BitmapHandlers, createBitmapHandlers } from "./cache-bitmap-handlers.js";
import type {
  CacheAdminHandlers,
  CacheHandlerParts,
  CacheHandlers,
} from "./cache-handler-context.js";
import { createCacheHandlers } from "./cache-handlers.js";
import {
  createHyperLogLogHandlers,
  type HyperLogLogHandlers,
} from "./cache-hyperloglog-handlers.js";
import { createLeaseHandlers, type LeaseHandlers } from "./cache-lease-handlers.js";
import { createLockHandlers, type LockHandlers } from "./cache-lock-handlers.js";
import { createRateLimitHandlers, type RateLimitHandlers } from "./cache-rate-limit-handlers.js";

export interface CacheServices {
  readonly cache: CacheHandlers;
  readonly cacheAdmin: CacheAdminHandlers;
  readonly bitmap: BitmapHandlers;
  readonly hyperLogLog: HyperLogLogHandlers;
  readonly lease: LeaseHandlers;
  readonly lock: LockHandlers;
  readonly rateLimit: RateLimitHandlers;
}

/** By the names of their handlers. */
export const cacheDefinitions = {
  cache: CacheServiceDefinition,
  cacheAdmin: CacheAdminServiceDefinition,
  bitmap: BitmapServiceDefinition,
  hyperLogLog: HyperLogLogServiceDefinition,
  lease: LeaseServiceDefinition,
  lock: LockServiceDefinition,
  rateLimit: RateLimitServiceDefinition,
} as const satisfies Readonly<Record<keyof CacheServices, object>>;

export const createCacheServices = (parts: CacheHandlerParts): CacheServices => ({
  cache: createCacheHandlers(parts),
  cacheAdmin: createCacheAdminHandlers(parts),
  bitmap: createBitmapHandlers(parts),
  hyperLogLog: createHyperLogLogHandlers(parts),
  lease: createLeaseHandlers(parts),
  lock: createLockHandlers(parts),
  rateLimit: createRateLimitHandlers(parts),
});
