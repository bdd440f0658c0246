// What is counted of caches. Numbers of caches are those of the store, exact over restarts, as of the last look; reads are counted by the
// process that answers them. Labels are bounded: caches are the first 1,000 by name, events and outcomes our own.

import type { Registry } from "prom-client";
import { gauge } from "./gauge.js";

export interface CacheCounts {
  readonly cache: string;
  readonly items: number;
  readonly bytes: number;
  readonly pinnedBytes: number;
  readonly reaperLagMs: number;
  /** By name, as `evictedForBytes`; since the cache was made. */
  readonly events: Readonly<Record<string, number>>;
}

export interface CacheReadCounts {
  readonly cache: string;
  /** By what they found, as `hit`. */
  readonly reads: Readonly<Record<string, number>>;
}

const cacheLabelsMax = 1_000;
const overflowCache = "_other";

export function observeCaches(
  registry: Registry,
  caches: () => Iterable<CacheCounts>,
  reads: () => Iterable<CacheReadCounts>,
): void {
  const ofEach = (name: string, help: string, figure: (counts: CacheCounts) => number): void => {
    gauge(registry, name, help, ["cache"], (metric) => {
      for (const counts of labelled(caches())) metric.inc({ cache: counts.cache }, figure(counts));
    });
  };
  ofEach("cache_items", "Items of a cache.", ({ items }) => items);
  ofEach("cache_bytes", "What the items of a cache count for.", ({ bytes }) => bytes);
  ofEach(
    "cache_pinned_bytes",
    "Of those, what is never evicted.",
    ({ pinnedBytes }) => pinnedBytes,
  );
  const lagHelp = "For how long what has ended waits to be removed.";
  ofEach("cache_reaper_lag_seconds", lagHelp, ({ reaperLagMs }) => reaperLagMs / 1_000);
  const eventsHelp = "What was done to a cache since it was made.";
  gauge(registry, "cache_events", eventsHelp, ["cache", "event"], (metric) => {
    for (const { cache, events } of labelled(caches())) {
      for (const [name, count] of Object.entries(events)) {
        metric.inc({ cache, event: underscored(name) }, count);
      }
    }
  });
  const readsHelp = "Reads of a cache that this process answered, by what they found.";
  gauge(registry, "cache_reads", readsHelp, ["cache", "outcome"], (metric) => {
    for (const { cache, reads: found } of labelled(reads())) {
      for (const [outcome, count] of Object.entries(found)) metric.inc({ cache, outcome }, count);
    }
  });
}

/** `evictedForBytes` as `evicted_for_bytes`. */
const underscored = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The first 1,000 caches under their names, the others together. */
function* labelled<Counts extends { readonly cache: string }>(
  caches: Iterable<Counts>,
): Generator<Counts> {
  let count = 0;
  for (const counts of caches) {
    count += 1;
    yield count <= cacheLabelsMax ? counts : { ...counts, cache: overflowCache };
  }
}
