// Counts of a cache as answers show them: those of writes are rows, those of reads are in this node's memory, and a window is what
// came since somebody reset it.

import type { EpochMs } from "../base/brands.js";
import type { CacheNames, ReadCounts } from "../cache/cache-reads.js";
import type { CacheReport } from "../cache/report-cache.js";
import type { CacheCounters, CacheStats } from "../gen/forebay/cache/v1/cache.js";
import { duration, timestamp } from "./render.js";

/** The counts that are shown as since a reset. */
interface Window {
  /** Undefined: nobody has begun one. */
  readonly since: EpochMs | undefined;
  readonly base: CacheCounters | undefined;
}

export class CacheWindows {
  readonly #byName = new Map<string, Window>();

  of({ namespace, name }: CacheNames): Window {
    return this.#byName.get(`${namespace}/${name}`) ?? { since: undefined, base: undefined };
  }

  begin({ namespace, name }: CacheNames, since: EpochMs, base: CacheCounters | undefined): void {
    this.#byName.set(`${namespace}/${name}`, { since, base });
  }

  forget({ namespace, name }: CacheNames): void {
    this.#byName.delete(`${namespace}/${name}`);
  }
}

export interface Counted {
  readonly report: CacheReport;
  readonly reads: ReadCounts;
  readonly ratio: number | undefined;
}

export function renderStats({ report, reads, ratio }: Counted, window: Window): CacheStats {
  const total = totalOf(report, reads);
  const { items, bytes, pinnedBytes } = report.counters;
  return {
    total,
    window: window.base === undefined ? total : difference(total, window.base),
    windowStartTime: window.since === undefined ? undefined : timestamp(window.since),
    items: BigInt(items),
    bytes: BigInt(bytes),
    pinnedBytes: BigInt(pinnedBytes),
    reaperLag: duration(report.reaperLagMs),
    hitRatio1m: ratio,
  };
}

function totalOf({ counters: { events } }: CacheReport, reads: ReadCounts): CacheCounters {
  return {
    hits: BigInt(reads.hit),
    misses: BigInt(reads.miss),
    staleHits: BigInt(reads.stale),
    notModified: BigInt(reads.not_modified),
    sets: BigInt(events.sets),
    deletes: BigInt(events.deletes),
    increments: BigInt(events.increments),
    refused: BigInt(events.refused),
    expired: BigInt(events.expired),
    evictedForBytes: BigInt(events.evictedForBytes),
    evictedForItems: BigInt(events.evictedForItems),
    tagInvalidations: BigInt(events.tagInvalidations),
    prefixInvalidations: BigInt(events.prefixInvalidations),
    flushes: BigInt(events.flushes),
  };
}

const difference = (total: CacheCounters, base: CacheCounters): CacheCounters => {
  const names = Object.keys(total) as (keyof CacheCounters)[];
  const counts = names.map((name) => [name, total[name] - base[name]] as const);
  return Object.fromEntries(counts) as unknown as CacheCounters;
};
