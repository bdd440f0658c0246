// Caches as resources at the wire: made, described, changed, emptied, listed, counted, deleted.

import {
  decideCreateCache,
  decideDeleteCache,
  decideFlushCache,
  decideGetCache,
  decideListCaches,
  decideUpdateCache,
} from "../cache/administer-cache.js";
import type { CacheAddress } from "../cache/cache-name.js";
import type { CacheDecided } from "../cache/rejections.js";
import { decideCacheReport } from "../cache/report-cache.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import { applyCacheMask, parseCacheConfig, renderCache } from "./cache-config.js";
import {
  type CacheAdminHandlers,
  type CacheHandlerParts,
  zonesOf,
} from "./cache-handler-context.js";
import { parseCacheAddress, parseOwnCacheAddress } from "./cache-parse.js";
import { CacheWindows, renderStats } from "./cache-stats.js";
import { cacheFaultOf } from "./cache-wire-errors.js";
import { commandBytes, localCaller, parsePageToken } from "./handler-context.js";
import { parseCount, Violations } from "./violations.js";

const pageSizes = { min: 1, max: 1_000 };
const pageSizeDefault = 100;
/** A config is written as text. */
const configBytes = 1_024;

export function createCacheAdminHandlers(parts: CacheHandlerParts): CacheAdminHandlers {
  const { engine, pageTokens, reads, zones, channels } = parts;
  const { namespace } = localCaller;
  const windows = new CacheWindows();

  async function execute<Outcome>(command: {
    readonly name: string;
    readonly bytes?: number;
    readonly isGrowing?: boolean;
    readonly isLookup?: boolean;
    decide(transaction: StateTransaction, stamp: Stamp): CacheDecided<Outcome>;
  }): Promise<Outcome> {
    const decision = await engine.execute({ bytes: commandBytes, isGrowing: false, ...command });
    if (decision.kind === "rejected") throw cacheFaultOf(decision.rejection);
    return decision.outcome;
  }

  /** For calls whose only parameter is the cache. */
  const addressOnly = (given: string, parse: typeof parseCacheAddress): CacheAddress => {
    const violations = new Violations();
    const parsed = parse(violations, given, namespace);
    violations.throwIfAny();
    return parsed;
  };

  /** A cache cannot ask for more zones than there are. */
  const checkZones = (address: CacheAddress, config: Parameters<typeof zonesOf>[0]): void => {
    const needed = zonesOf(config);
    if (needed <= zones.count) return;
    const { given: cache } = address;
    throw cacheFaultOf({ kind: "too_few_zones", cache, zones: zones.count, needed });
  };

  return {
    createCache: async (request) => {
      const violations = new Violations();
      const address = parseOwnCacheAddress(violations, request.cache, namespace);
      const config = parseCacheConfig(violations, request.config);
      violations.throwIfAny();
      const { cache, isNew } = await execute({
        name: "CreateCache",
        bytes: configBytes,
        isGrowing: true,
        decide: (transaction, stamp) => {
          const made = decideCreateCache(transaction, { address, config }, stamp);
          if (made.kind === "accepted") checkZones(address, made.outcome.cache.config);
          return made;
        },
      });
      return { cache: renderCache(cache), created: isNew };
    },

    updateCache: async (request) => {
      const violations = new Violations();
      const address = parseOwnCacheAddress(violations, request.cache, namespace);
      const given = parseCacheConfig(violations, request.config);
      const config = applyCacheMask(violations, request.updateMask, given);
      violations.throwIfAny();
      const { etag } = request;
      const cache = await execute({
        name: "UpdateCache",
        bytes: configBytes,
        isGrowing: true,
        decide: (transaction, stamp) => {
          const updated = decideUpdateCache(transaction, { address, config, etag }, stamp);
          if (updated.kind === "accepted") checkZones(address, updated.outcome.config);
          return updated;
        },
      });
      return { cache: renderCache(cache) };
    },

    deleteCache: async (request) => {
      const address = addressOnly(request.cache, parseOwnCacheAddress);
      const { existed } = await execute({
        name: "DeleteCache",
        decide: (transaction) =>
          decideDeleteCache(transaction, { address, isMissingOk: request.ifExists }),
      });
      reads.forget(address);
      channels.hub.ended(address);
      windows.forget(address);
      return { existed };
    },

    flushCache: async (request) => {
      const address = addressOnly(request.cache, parseOwnCacheAddress);
      const { items } = await execute({
        name: "FlushCache",
        decide: (transaction, stamp) => decideFlushCache(transaction, address, stamp),
      });
      return { removedItems: BigInt(items) };
    },

    getCache: async (request) => {
      const address = addressOnly(request.cache, parseCacheAddress);
      const cache = await execute({
        name: "GetCache",
        isLookup: true,
        decide: (transaction) => decideGetCache(transaction, address),
      });
      return { cache: renderCache(cache) };
    },

    listCaches: async (request) => {
      const violations = new Violations();
      const countMax =
        parseCount(violations, "page_size", request.pageSize || undefined, pageSizes) ??
        pageSizeDefault;
      const { namePrefix: prefix } = request;
      const scope = `caches ${namespace} ${JSON.stringify(prefix)}`;
      const afterName = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { caches, next } = await execute({
        name: "ListCaches",
        isLookup: true,
        decide: (transaction) =>
          decideListCaches(transaction, { namespace, prefix, afterName, countMax }),
      });
      return {
        caches: caches.map(renderCache),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, next),
      };
    },

    getCacheStats: async (request) => {
      const address = addressOnly(request.cache, parseCacheAddress);
      const report = await execute({
        name: "GetCacheStats",
        isLookup: true,
        decide: (transaction, stamp) => decideCacheReport(transaction, address, stamp),
      });
      const now = engine.now;
      const counted = { report, reads: reads.of(address), ratio: reads.hitRatio(address, now) };
      const stats = renderStats(counted, windows.of(address));
      if (request.reset) windows.begin(address, now, stats.total);
      return { stats };
    },
  };
}
