// One term of service: the engine over a log, and everything that lives only while this node is the one that decides: mover,
// scheduler, sweeper, and the handlers of the services. A node alone has one term, from start to stop. A node of a cluster
// begins one each time it is elected and abandons it when it leads no more; its listeners stay open meanwhile.

import { setMaxListeners } from "node:events";
import { seconds } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import type { Ids } from "../base/ids.js";
import type { Log } from "../base/log.js";
import { CacheReads } from "../cache/cache-reads.js";
import { ChannelHub } from "../cache/channels/channel-hub.js";
import { MemoryEvictions } from "../cache/evictions.js";
import type { Evictions } from "../cache/view.js";
import type { Config } from "../config/settings.js";
import { MessageSignatures } from "../delivery/message-signatures.js";
import type { Metrics } from "../edge/metrics.js";
import type { CommitLog } from "../engine/commit-log.js";
import { Distributor } from "../engine/distributor.js";
import { Engine } from "../engine/engine.js";
import { Mover } from "../engine/mover.js";
import { Redriver } from "../engine/redriver.js";
import { Replayer } from "../engine/replayer.js";
import { Scheduler } from "../engine/scheduler.js";
import { Sweeper } from "../engine/sweeper.js";
import { QueueServiceDefinition } from "../gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceDefinition } from "../gen/forebay/queue/v1/schedule_service.js";
import { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import { ReceiptCodec } from "../queue/receipt.js";
import { NodeChannels } from "../rpc/cache-channels.js";
import { type CacheHandlerParts, oneZone, type Zones } from "../rpc/cache-handler-context.js";
import {
  type CacheServices,
  cacheDefinitions,
  createCacheServices,
} from "../rpc/cache-services.js";
import type { ServiceHandlers } from "../rpc/call.js";
import type { QueueHandlers } from "../rpc/handler-context.js";
import { MoveHandles } from "../rpc/move-handle.js";
import { PageTokens } from "../rpc/page-token.js";
import { positionText } from "../rpc/parse-consistency.js";
import { createQueueHandlers } from "../rpc/queue-handlers.js";
import { createScheduleHandlers } from "../rpc/schedule-handlers.js";
import type { TopicHandlers } from "../rpc/topic-handler-context.js";
import { createTopicHandlers } from "../rpc/topic-handlers.js";
import { TopicTails } from "../rpc/topic-tails.js";
import type { Store } from "../store/store.js";
import { observeEngine } from "./observe-engine.js";
import { type PushRules, PushService } from "./push-service.js";

export interface TermParts {
  readonly store: Store;
  /** Where records go to be safe; unset: to the store, on a node alone. */
  readonly commitLog?: CommitLog;
  /** Of a group: where what its engine commits is kept; unset on a node alone. */
  readonly zones?: (engine: Engine) => Zones;
  /** The key of receipt handles and page tokens: the same in every node of a group. */
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly config: Config;
  readonly metrics: Metrics;
  /** Where messages may be sent. */
  readonly pushRules: PushRules;
  readonly log: Log;
  /** The store failed or an invariant broke: the process must end. */
  readonly failed: (error: Error) => void;
}

export interface ServedHandlers {
  readonly queues: QueueHandlers;
  readonly schedules: ServiceHandlers<typeof ScheduleServiceDefinition>;
  readonly topics: TopicHandlers;
  readonly caches: CacheServices;
}

/** The services that applications call. */
export const servedDefinitions = [
  QueueServiceDefinition,
  ScheduleServiceDefinition,
  TopicServiceDefinition,
  ...Object.values(cacheDefinitions),
] as const;

export class Term {
  readonly engine: Engine;
  readonly handlers: ServedHandlers;
  readonly #mover: Mover;
  readonly #scheduler: Scheduler;
  readonly #sweeper: Sweeper;
  readonly #distributor: Distributor;
  readonly #replayer: Replayer;
  readonly #redriver: Redriver;
  /** Webhooks and functions, and the pages about them. */
  readonly pushes: PushService;
  readonly #tails: TopicTails;
  readonly #channels: NodeChannels;
  readonly #draining = new AbortController();

  private constructor(
    engine: Engine,
    signatures: MessageSignatures,
    evictions: Evictions,
    parts: TermParts,
  ) {
    const { clock, config, log, metrics, secret } = parts;
    this.engine = engine;
    this.#sweeper = new Sweeper({
      engine,
      clock,
      drained: (topic) => {
        const { namespace, name, segment } = topic;
        log.info({ topic: `${namespace}/${name}` }, "topic drained and deleted");
        this.#tails.ended(segment);
        this.#distributor.reap();
      },
      failed: (error) => log.error({ err: error }, "sweep failed"),
    });
    this.#mover = new Mover({
      engine,
      clock,
      moved: (count) => metrics.messagesMoved(count),
      failed: (error) => log.error({ err: error }, "move task failed; it is tried again"),
    });
    this.#scheduler = new Scheduler({
      engine,
      clock,
      failed: (error) =>
        log.error({ err: error }, "runs of schedules failed; they are tried again"),
    });
    this.#distributor = new Distributor({
      engine,
      clock,
      sign: async (unsigned) => signatures.sign(await this.pushes.signer(), unsigned),
      failed: (error) =>
        log.error({ err: error }, "messages of a topic were not handed on; it is tried again"),
    });
    this.pushes = new PushService({
      engine,
      clock,
      config,
      rules: parts.pushRules,
      moved: (topic) => this.#distributor.begin(topic),
      attempted: (attempt) => metrics.topics.attempted(attempt),
      signatures,
      log,
    });
    this.#replayer = new Replayer({
      engine,
      clock,
      sign: async (unsigned) => signatures.sign(await this.pushes.signer(), unsigned),
      moved: (topic) => {
        this.#distributor.begin(topic);
        this.pushes.begin(topic);
      },
      failed: (error) => log.error({ err: error }, "a replay failed; it is tried again"),
    });
    this.#redriver = new Redriver({
      engine,
      clock,
      moved: (topic) => this.pushes.begin(topic),
      sign: async (unsigned) => signatures.sign(await this.pushes.signer(), unsigned),
      failed: (error) =>
        log.error({ err: error }, "undeliverable messages were not tried; it is tried again"),
    });
    this.#tails = new TopicTails(clock, { isSuccessor: parts.commitLog !== undefined });
    metrics.observe({ tails: () => this.#tails.count });
    this.#channels = new NodeChannels(new ChannelHub(channelStamp(parts)), clock);
    metrics.observe({ channels: () => this.#channels.hub });
    // Every open stream listens.
    setMaxListeners(0, this.#draining.signal);
    const pageTokens = new PageTokens(secret);
    const requestKeepMs = seconds(config.requestIdWindowSeconds);
    const reads = new CacheReads();
    metrics.observe({ cacheReads: () => reads.all() });
    const cacheParts: CacheHandlerParts = {
      engine,
      pageTokens,
      reads,
      evictions,
      zones: parts.zones?.(engine) ?? oneZone,
      position: () => (engine.position === undefined ? "" : positionText(engine.position)),
      requestKeepMs,
      channels: this.#channels,
      draining: this.#draining.signal,
    };
    this.handlers = {
      queues: createQueueHandlers({
        engine,
        clock,
        receipts: new ReceiptCodec(secret),
        pageTokens,
        moveHandles: new MoveHandles(secret),
        mover: this.#mover,
        isStrictTiming: config.sqsTiming === "strict",
        requestKeepMs,
        draining: this.#draining.signal,
      }),
      schedules: createScheduleHandlers({
        engine,
        pageTokens,
        requestKeepMs,
        scheduler: this.#scheduler,
      }),
      topics: createTopicHandlers({
        engine,
        clock,
        log,
        receipts: new ReceiptCodec(secret),
        tails: this.#tails,
        draining: this.#draining.signal,
        pageTokens,
        requestKeepMs,
        distributor: this.#distributor,
        pushes: this.pushes,
        replayer: this.#replayer,
        redriver: this.#redriver,
      }),
      caches: createCacheServices(cacheParts),
    };
  }

  /** A term over an open store; it decides nothing by itself before `begin`. */
  static async prepare(parts: TermParts): Promise<Term> {
    const { store, clock, ids, config, metrics, log, failed, commitLog } = parts;
    const signatures = new MessageSignatures(config.publicBaseUrl);
    const evictions = new MemoryEvictions({
      bytesShare: config.cacheMaxBytes,
      seed: Math.floor(ids.fraction() * 2 ** 32),
      now: () => clock.now(),
    });
    const engine = await Engine.start({
      evictions,
      store,
      clock,
      ids,
      envelopes: signatures,
      quotas: {
        standardTopicsMax: config.topicsStandardMax,
        fifoTopicsMax: config.topicsFifoMax,
        standardSubscriptionsMax: config.subscriptionsStandardMax,
        fifoSubscriptionsMax: config.subscriptionsFifoMax,
        filtersPerTopicMax: config.filtersTopicMax,
        filtersPerNamespaceMax: config.filtersNamespaceMax,
        pendingPerNamespaceMax: config.subscriptionsPendingMax,
        asksPerHostMax: config.webhookAsksPerHourMax,
        pendingPerHostMax: config.webhookPendingPerHostMax,
      },
      limits: {
        commandsPendingMax: config.commandsPendingMax,
        uncommittedBytesMax: config.uncommittedBytesMax,
        waitersMax: config.waitingReceivesMax,
        commitAgeMsMax: config.commitBacklogAgeMaxMs,
        storageReserveBytes: config.storageReserveBytes,
      },
      observer: observeEngine(metrics, log, failed),
      ...(commitLog && { log: commitLog }),
    });
    return new Term(engine, signatures, evictions, parts);
  }

  /** Move tasks that run, for metrics. */
  get movesRunning(): number {
    return this.#mover.runningCount;
  }

  async #stopWorkers(): Promise<void> {
    const workers = [
      this.#sweeper,
      this.#mover,
      this.#scheduler,
      this.#distributor,
      this.#replayer,
      this.#redriver,
      this.pushes,
    ];
    await Promise.all(workers.map((worker) => worker.stop()));
  }

  /** Goes on with what runs by itself: clean-up, move tasks, schedules, deliveries of topics. */
  begin(): void {
    this.#sweeper.start();
    this.#mover.start();
    this.#scheduler.start();
    this.#distributor.start();
    this.#replayer.start();
    this.#redriver.start();
    this.pushes.start();
  }

  /**
   * Ends in order: streams end, waits end empty, `callsEnd` waits for the calls under way, and what is decided is flushed.
   * Resolves when the store can be closed.
   */
  async stop(callsEnd: () => Promise<void>): Promise<void> {
    this.#draining.abort();
    this.#tails.stop();
    this.#channels.stop();
    await this.#stopWorkers();
    this.engine.refuseWaits();
    await callsEnd();
    await this.engine.stop();
  }

  /**
   * Ends at once, because this node leads no more: nothing is decided from here on, and everybody who waits is refused. Resolves
   * when nothing of it runs any more.
   */
  async abandon(): Promise<void> {
    this.engine.abandon();
    this.#draining.abort();
    this.#tails.stop();
    this.#channels.stop();
    await this.#stopWorkers();
    await this.engine.stop();
  }
}

/** No other term has the same: it is made of the time and of chance. */
const channelStamp = ({ ids, clock }: Pick<TermParts, "ids" | "clock">): string => {
  const chance = Math.floor(ids.fraction() * 2 ** 32);
  return `${ids.segmentNumber(clock.now()).toString(36)}${chance.toString(36)}`;
};
