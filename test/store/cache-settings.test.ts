// The row of a cache that an earlier release wrote: settings that were added since have their defaults.

import { expect, test } from "vitest";
import type { CacheName, Namespace, SegmentNumber, Version } from "../../src/base/brands.js";
import { cacheDefaults } from "../../src/cache/limits.js";
import type { Cache } from "../../src/cache/model.js";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import { cacheKey } from "../../src/store/cache-keys.js";
import { tables } from "../../src/store/tables.js";

test("a setting that a row does not have has its default, and what it has stays", () => {
  const { channelRetainMessages, channelRetainMs, ...older } = cacheDefaults;
  const cache: Cache = {
    namespace: "default" as Namespace,
    name: "prices" as CacheName,
    slot: 7,
    segment: 1 as SegmentNumber,
    config: { ...older, itemsMax: 10 } as Cache["config"],
    createdAt: undefined,
    revision: 3 as Version,
  };
  const { config } = tables.cache.decode(
    cacheKey("default", "prices"),
    tables.cache.encode(cache).subarray(frameHeaderBytes),
  );
  expect(config).toEqual({ ...cacheDefaults, itemsMax: 10 });
  expect([channelRetainMessages, channelRetainMs]).toEqual([1_000, 60_000]);
});
