// What a policy is told of the keys of one cache, and what it says of them: which are to go first when there is no room.
//
// A policy lives in memory and may be wrong: it may know keys that have gone, since a command that removed them was told to it and one
// that was refused as well; and it may not know keys that are there, since it begins with nothing after a restart.

import type { CacheKey } from "../../base/brands.js";

export interface Policy {
  /** Somebody found what the key has. */
  read(key: CacheKey): void;
  /** The key has something else; `weight` is what it counts for, `isVolatile` whether it ends. */
  wrote(key: CacheKey, weight: number, isVolatile: boolean): void;
  removed(key: CacheKey): void;
  isKnown(key: CacheKey): boolean;
  /** How many it knows. */
  readonly size: number;
  /** First those that are to go first. Keys may be removed, and no others told, while it is consumed; each comes once. */
  victims(): Iterable<CacheKey>;
}

/** Numbers in [0, 1) that are as good as random, from a seed that is: what goes need not be unpredictable, only spread. */
export function pseudoRandom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    // Marsaglia's xorshift of 32 bits.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
