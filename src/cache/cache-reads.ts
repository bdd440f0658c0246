// What reads of caches found, counted in memory by whoever answers them: a read that wrote a count would cost what a write costs.
// Counts since the node began, and those of the last minute for the hit ratio.

import type { EpochMs } from "../base/brands.js";

export const readKinds = ["hit", "miss", "negative", "stale", "not_modified"] as const;
export type ReadKind = (typeof readKinds)[number];

/** How many of each. */
export type ReadCounts = Readonly<Record<ReadKind, number>>;

const noReads: ReadCounts = { hit: 0, miss: 0, negative: 0, stale: 0, not_modified: 0 };

const bucketMs = 5_000;
/** So many buckets are the last minute. */
const bucketsMax = 12;

interface Bucket {
  readonly number: number;
  hits: number;
  reads: number;
}

/** Of one cache, since it was made or emptied. */
class ReadsOfOne {
  readonly counts: Record<ReadKind, number> = { ...noReads };
  readonly #buckets: Bucket[] = [];

  note(kind: ReadKind, now: EpochMs): void {
    this.counts[kind] += 1;
    if (kind === "negative") return;
    const number = Math.floor(now / bucketMs);
    let bucket = this.#buckets.at(-1);
    if (bucket?.number !== number) {
      bucket = { number, hits: 0, reads: 0 };
      this.#buckets.push(bucket);
      if (this.#buckets.length > bucketsMax) this.#buckets.shift();
    }
    bucket.reads += 1;
    if (kind !== "miss") bucket.hits += 1;
  }

  /** Hits in all reads of the last minute; undefined: nothing was read. */
  ratio(now: EpochMs): number | undefined {
    const oldest = Math.floor(now / bucketMs) - bucketsMax + 1;
    let hits = 0;
    let reads = 0;
    for (const bucket of this.#buckets) {
      if (bucket.number < oldest) continue;
      hits += bucket.hits;
      reads += bucket.reads;
    }
    return reads === 0 ? undefined : hits / reads;
  }
}

export class CacheReads {
  readonly #byName = new Map<string, ReadsOfOne>();

  note({ namespace, name }: CacheNames, now: EpochMs, kind: ReadKind): void {
    const key = `${namespace}/${name}`;
    let reads = this.#byName.get(key);
    if (reads === undefined) {
      reads = new ReadsOfOne();
      this.#byName.set(key, reads);
    }
    reads.note(kind, now);
  }

  of({ namespace, name }: CacheNames): ReadCounts {
    return this.#byName.get(`${namespace}/${name}`)?.counts ?? noReads;
  }

  hitRatio({ namespace, name }: CacheNames, now: EpochMs): number | undefined {
    return this.#byName.get(`${namespace}/${name}`)?.ratio(now);
  }

  /** Of every cache that was read, by the names they are shown by. */
  *all(): Iterable<{ readonly cache: string; readonly reads: ReadCounts }> {
    for (const [cache, { counts }] of this.#byName) yield { cache, reads: counts };
  }

  /** A cache was deleted: one made anew under its name begins with none. */
  forget({ namespace, name }: CacheNames): void {
    this.#byName.delete(`${namespace}/${name}`);
  }
}

export interface CacheNames {
  readonly namespace: string;
  readonly name: string;
}
