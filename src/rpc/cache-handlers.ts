// The cache service at the wire: request to rule, outcome to answer.

import { createCacheBatchHandlers } from "./cache-batch-handlers.js";
import type { CacheHandlerParts, CacheHandlers } from "./cache-handler-context.js";
import { createCacheKeyspaceHandlers } from "./cache-keyspace-handlers.js";
import { createPipelineHandler } from "./cache-pipeline.js";
import { createScalarHandlers } from "./cache-scalar-handlers.js";

export const createCacheHandlers = (parts: CacheHandlerParts): CacheHandlers => ({
  ...createScalarHandlers(parts),
  ...createCacheBatchHandlers(parts),
  ...createCacheKeyspaceHandlers(parts),
  pipeline: createPipelineHandler(parts),
});
