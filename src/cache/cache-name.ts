// How caches are named: `prices` in the caller's namespace, `billing/prices` in another; `default` is in every one.

import { type CacheName, type Namespace, segmentNumber, version } from "../base/brands.js";
import { slotOfName } from "../queue/slots.js";
import { cacheDefaults } from "./limits.js";
import type { Cache } from "./model.js";
import { type CacheDecided, refuse } from "./rejections.js";
import type { CacheView } from "./view.js";

export interface CacheAddress {
  readonly namespace: Namespace;
  readonly name: CacheName;
  /** The name as the caller gave it, for answers. */
  readonly given: string;
}

export const alwaysThere = "default" as CacheName;

/** The cache of this name. One that is always there and has nothing yet has no rows: its segment is 0. */
export function findCache(view: CacheView, { namespace, name }: CacheAddress): Cache | undefined {
  const found = view.findCache(namespace, name);
  if (found !== undefined || name !== alwaysThere) return found;
  return {
    namespace,
    name,
    slot: slotOfName(namespace, name),
    segment: segmentNumber(0),
    config: cacheDefaults,
    createdAt: undefined,
    revision: version(0),
  };
}

export const cacheNotFound = ({ given }: CacheAddress): CacheDecided<never> =>
  refuse({ kind: "cache_not_found", cache: given });

export const cacheEtag = ({ segment, revision }: Cache): string =>
  `${segment.toString(36)}-${revision.toString(36)}`;
