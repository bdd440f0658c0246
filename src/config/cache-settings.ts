// How much caches may have.

import { integer } from "./setting.js";

export const cacheSettings = {
  cache_max_bytes: integer({
    default: 1_073_741_824,
    min: 1_048_576,
    max: Number.MAX_SAFE_INTEGER,
    effect:
      "Bytes that a cache without `max_bytes` of its own may have; beyond, items are evicted.",
  }),
} as const;
