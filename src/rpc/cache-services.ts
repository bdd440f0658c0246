// The services of caches, all over the same parts.

import { BitmapServiceDefinition } from "../gen/forebay/cache/v1/bitmap_service.js";
import { CacheAdminServiceDefinition } from "../gen/forebay/cache/v1/cache_admin_service.js";
import { CacheServiceDefinition } from "../gen/forebay/cache/v1/cache_service.js";
import { HyperLogLogServiceDefinition } from "../gen/forebay/cache/v1/hyperloglog_service.js";
import { RateLimitServiceDefinition } from "../gen/forebay/cache/v1/rate_limit_service.js";
import { SessionServiceDefinition } from "../gen/forebay/cache/v1/session_service.js";
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
import { createRateLimitHandlers, type RateLimitHandlers } from "./cache-rate-limit-handlers.js";
import { createSessionHandlers, type SessionHandlers } from "./cache-session-handlers.js";

export interface CacheServices {
  readonly cache: CacheHandlers;
  readonly cacheAdmin: CacheAdminHandlers;
  readonly bitmap: BitmapHandlers;
  readonly hyperLogLog: HyperLogLogHandlers;
  readonly rateLimit: RateLimitHandlers;
  readonly session: SessionHandlers;
}

/** By the names of their handlers. */
export const cacheDefinitions = {
  cache: CacheServiceDefinition,
  cacheAdmin: CacheAdminServiceDefinition,
  bitmap: BitmapServiceDefinition,
  hyperLogLog: HyperLogLogServiceDefinition,
  rateLimit: RateLimitServiceDefinition,
  session: SessionServiceDefinition,
} as const satisfies Readonly<Record<keyof CacheServices, object>>;

export const createCacheServices = (parts: CacheHandlerParts): CacheServices => ({
  cache: createCacheHandlers(parts),
  cacheAdmin: createCacheAdminHandlers(parts),
  bitmap: createBitmapHandlers(parts),
  hyperLogLog: createHyperLogLogHandlers(parts),
  rateLimit: createRateLimitHandlers(parts),
  session: createSessionHandlers(parts),
});
