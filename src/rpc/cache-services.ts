// The services of caches, all over the same parts.

import { BitmapServiceDefinition } from "../gen/forebay/cache/v1/bitmap_service.js";
import { CacheAdminServiceDefinition } from "../gen/forebay/cache/v1/cache_admin_service.js";
import { CacheServiceDefinition } from "../gen/forebay/cache/v1/cache_service.js";
import { ChannelServiceDefinition } from "../gen/forebay/cache/v1/channel_service.js";
import { DictionaryServiceDefinition } from "../gen/forebay/cache/v1/dictionary_service.js";
import { HyperLogLogServiceDefinition } from "../gen/forebay/cache/v1/hyperloglog_service.js";
import { LeaseServiceDefinition } from "../gen/forebay/cache/v1/lease_service.js";
import { ListServiceDefinition } from "../gen/forebay/cache/v1/list_service.js";
import { LockServiceDefinition } from "../gen/forebay/cache/v1/lock_service.js";
import { RateLimitServiceDefinition } from "../gen/forebay/cache/v1/rate_limit_service.js";
import { SessionServiceDefinition } from "../gen/forebay/cache/v1/session_service.js";
import { SetServiceDefinition } from "../gen/forebay/cache/v1/set_service.js";
import { SortedSetServiceDefinition } from "../gen/forebay/cache/v1/sorted_set_service.js";
import { createCacheAdminHandlers } from "./cache-admin-handlers.js";
import { type BitmapHandlers, createBitmapHandlers } from "./cache-bitmap-handlers.js";
import { type ChannelHandlers, createChannelHandlers } from "./cache-channel-handlers.js";
import { createDictionaryHandlers, type DictionaryHandlers } from "./cache-dictionary-handlers.js";
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
import { createListHandlers, type ListHandlers } from "./cache-list-handlers.js";
import { createLockHandlers, type LockHandlers } from "./cache-lock-handlers.js";
import { createRateLimitHandlers, type RateLimitHandlers } from "./cache-rate-limit-handlers.js";
import { createSessionHandlers, type SessionHandlers } from "./cache-session-handlers.js";
import { createSetHandlers, type SetHandlers } from "./cache-set-handlers.js";
import { createSortedSetHandlers, type SortedSetHandlers } from "./cache-sorted-set-handlers.js";

export interface CacheServices {
  readonly cache: CacheHandlers;
  readonly cacheAdmin: CacheAdminHandlers;
  readonly bitmap: BitmapHandlers;
  readonly hyperLogLog: HyperLogLogHandlers;
  readonly lease: LeaseHandlers;
  readonly lock: LockHandlers;
  readonly rateLimit: RateLimitHandlers;
  readonly dictionary: DictionaryHandlers;
  readonly set: SetHandlers;
  readonly list: ListHandlers;
  readonly sortedSet: SortedSetHandlers;
  readonly channel: ChannelHandlers;
  readonly session: SessionHandlers;
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
  dictionary: DictionaryServiceDefinition,
  set: SetServiceDefinition,
  list: ListServiceDefinition,
  sortedSet: SortedSetServiceDefinition,
  channel: ChannelServiceDefinition,
  session: SessionServiceDefinition,
} as const satisfies Readonly<Record<keyof CacheServices, object>>;

export const createCacheServices = (parts: CacheHandlerParts): CacheServices => ({
  cache: createCacheHandlers(parts),
  cacheAdmin: createCacheAdminHandlers(parts),
  bitmap: createBitmapHandlers(parts),
  hyperLogLog: createHyperLogLogHandlers(parts),
  lease: createLeaseHandlers(parts),
  lock: createLockHandlers(parts),
  rateLimit: createRateLimitHandlers(parts),
  dictionary: createDictionaryHandlers(parts),
  set: createSetHandlers(parts),
  list: createListHandlers(parts),
  sortedSet: createSortedSetHandlers(parts),
  channel: createChannelHandlers(parts),
  session: createSessionHandlers(parts),
});
