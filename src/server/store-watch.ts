// Keeps an eye on what can change behind the server's back: the lock of the directory, the room on the disk, and the numbers
// of the queues, which metrics show as of the last look.

import type { Clock } from "../base/clock.js";
import type { DirectoryLock } from "../base/directory-lock.js";
import type { Log } from "../base/log.js";
import { decideObserveCaches } from "../cache/observe-caches.js";
import type { CacheCounts } from "../edge/cache-metrics.js";
import type { QueueCounts } from "../edge/metrics.js";
import type { Engine } from "../engine/engine.js";
import { decideObserveQueues } from "../queue/sweep.js";
import type { Store, StoreSpace } from "../store/store.js";
import { decideObserveTopics, type ObservedTopic } from "../topic/observe-topics.js";

export interface StoreWatchParts {
  readonly clock: Clock;
  readonly lock: DirectoryLock;
  /** The engine, while this node decides; undefined while another one does, which then counts. */
  readonly engine: () => Engine | undefined;
  readonly log: Log;
  /** The directory is somebody else's: the process must end at once. */
  readonly failed: (error: Error) => void;
}

const lookMs = 1_000;
/** Queues are counted with every so many looks: a thousand of them take some 10 ms. */
const looksPerCount = 5;
/** Queues whose numbers are published, as many as there are labels for. */
const observedQueuesMax = 1_000;
/** As queues. */
const observedCachesMax = 1_000;
/** As queues; of topics with many subscriptions these are counted up to so many in all, some 10 ms. */
const observedTopics = { topicsMax: 1_000, subscriptionsMax: 2_000 };

export class StoreWatch {
  readonly #store: Store;
  #space: StoreSpace | undefined;
  #counts: readonly QueueCounts[] = [];
  #topicCounts: readonly ObservedTopic[] = [];
  #cacheCounts: readonly CacheCounts[] = [];
  #look: Promise<void> = Promise.resolve();
  #lookCount = 0;
  #isStopped = false;

  constructor(store: Store) {
    this.#store = store;
  }

  start(parts: StoreWatchParts): void {
    const begin = (): void => {
      if (this.#isStopped) return;
      if (!parts.lock.isHeld()) {
        parts.failed(new Error("another process has taken the data directory"));
        return;
      }
      this.#look = this.#lookOnce(parts.engine())
        // Numbers for a chart are not worth the process; the next look tries again.
        .catch((error: unknown) => parts.log.error({ err: error }, "queues could not be counted"))
        .finally(() => parts.clock.setTimer(lookMs, begin));
    };
    begin();
  }

  async #lookOnce(engine: Engine | undefined): Promise<void> {
    this.#space = await this.#store.space();
    this.#lookCount += 1;
    if (engine === undefined) {
      this.#counts = [];
      this.#topicCounts = [];
      this.#cacheCounts = [];
    }
    if (engine === undefined || this.#lookCount % looksPerCount !== 1) return;
    const observed = await engine.executeIfIdle({
      name: "ObserveQueues",
      bytes: 0,
      isGrowing: false,
      decide: (transaction, stamp) => decideObserveQueues(transaction, observedQueuesMax, stamp),
    });
    if (observed?.kind === "accepted") this.#counts = observed.outcome;
    const topics = await engine.executeIfIdle({
      name: "ObserveTopics",
      bytes: 0,
      isGrowing: false,
      decide: (transaction, stamp) => decideObserveTopics(transaction, observedTopics, stamp),
    });
    if (topics?.kind === "accepted") this.#topicCounts = topics.outcome;
    const caches = await engine.executeIfIdle({
      name: "ObserveCaches",
      bytes: 0,
      isGrowing: false,
      isLookup: true,
      decide: (transaction, stamp) => decideObserveCaches(transaction, observedCachesMax, stamp),
    });
    if (caches?.kind === "accepted") {
      this.#cacheCounts = caches.outcome.map(({ events, ...counts }) => ({
        ...counts,
        events: { ...events },
      }));
    }
  }

  /** Resolves when no look is under way: the store is closed next. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#look;
  }

  get cacheCounts(): readonly CacheCounts[] {
    return this.#cacheCounts;
  }

  get topicCounts(): readonly ObservedTopic[] {
    return this.#topicCounts;
  }

  get counts(): readonly QueueCounts[] {
    return this.#counts;
  }

  state() {
    const space = this.#space;
    if (space === undefined) return {};
    return {
      mapUsedRatio: space.fileBytes / space.mapBytes,
      mapSizeBytes: space.mapBytes,
      diskFreeBytes: space.availableBytes,
    };
  }
}
