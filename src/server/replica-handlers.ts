// The handlers with which a node that follows answers reads, made when they are first needed: before the first leader has
// written the group's secret there is nothing to read with.

import { type DurationMs, seconds } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import { silentLog } from "../base/log.js";
import { CacheReads } from "../cache/cache-reads.js";
import { ChannelHub } from "../cache/channels/channel-hub.js";
import { noEvictions } from "../cache/view.js";
import type { Config } from "../config/settings.js";
import { ReceiptCodec } from "../queue/receipt.js";
import { NodeChannels } from "../rpc/cache-channels.js";
import { type CacheHandlerParts, oneZone } from "../rpc/cache-handler-context.js";
import { createCacheServices } from "../rpc/cache-services.js";
import { MoveHandles } from "../rpc/move-handle.js";
import { PageTokens } from "../rpc/page-token.js";
import { createQueueHandlers } from "../rpc/queue-handlers.js";
import { createScheduleHandlers } from "../rpc/schedule-handlers.js";
import type { PushPort } from "../rpc/topic-handler-context.js";
import { createTopicHandlers } from "../rpc/topic-handlers.js";
import { TopicTails } from "../rpc/topic-tails.js";
import type { ReplicaReader } from "./replica-reader.js";
import type { ServedHandlers } from "./term.js";

export interface ReplicaHandlerParts {
  readonly reader: ReplicaReader;
  readonly clock: Clock;
  readonly config: Config;
  readonly secret: Buffer;
}

/** The handlers of all methods, of which only those that read are ever called. */
export function replicaHandlers(parts: ReplicaHandlerParts): ServedHandlers {
  const { reader, clock, config, secret } = parts;
  const pageTokens = new PageTokens(secret);
  const requestKeepMs: DurationMs = seconds(config.requestIdWindowSeconds);
  const cacheParts: CacheHandlerParts = {
    engine: reader,
    pageTokens,
    reads: new CacheReads(),
    evictions: noEvictions,
    zones: oneZone,
    position: () => "",
    // Nothing is published here, either.
    channels: new NodeChannels(new ChannelHub(""), clock),
    requestKeepMs,
    draining: neverDraining,
  };
  return {
    caches: createCacheServices(cacheParts),
    queues: createQueueHandlers({
      engine: reader,
      clock,
      receipts: new ReceiptCodec(secret),
      pageTokens,
      moveHandles: new MoveHandles(secret),
      mover: { begin: () => undefined },
      isStrictTiming: config.sqsTiming === "strict",
      requestKeepMs,
      draining: neverDraining,
    }),
    schedules: createScheduleHandlers({
      engine: reader,
      pageTokens,
      requestKeepMs,
      scheduler: { lookAt: () => undefined },
    }),
    topics: createTopicHandlers({
      engine: reader,
      clock,
      // Nothing is published here.
      log: silentLog,
      receipts: new ReceiptCodec(secret),
      tails: new TopicTails(clock),
      draining: neverDraining,
      pageTokens,
      requestKeepMs,
      distributor: { begin: () => undefined, reap: () => undefined },
      pushes: noPushes,
      replayer: { begin: () => undefined },
      redriver: { begin: () => undefined },
    }),
  };
}

/** Nothing is subscribed where reads alone are answered. */
const noPushes: PushPort = {
  begin: () => undefined,
  ask: () => undefined,
  publicBaseUrl: "",
  problemOf: () => undefined,
  askedHost: () => Promise.resolve(undefined),
  randomBytes: (count) => Buffer.alloc(count),
};

/** Only streams drain, and none is served here. */
const neverDraining = new AbortController().signal;
