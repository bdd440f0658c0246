// What the server counts, in Prometheus' terms: prefix `forebay_`, base units, `_total` on counters. Calls are counted through
// a meter per method, found once at registration, so that a call costs two updates and no look-up by name. What others know
// (queues, store) is asked for when someone scrapes, never kept here.
//
// Labels are bounded: methods are the registered ones, reasons those of our own tables, queues the first 1,000 by name.

import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  type Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Counter as PromCounter,
  Registry,
} from "prom-client";
import { type CacheCounts, type CacheReadCounts, observeCaches } from "./cache-metrics.js";
import { type ChannelFigures, observeChannels } from "./channel-metrics.js";
import { type ClusterMetrics, type ClusterState, createClusterMetrics } from "./cluster-metrics.js";
import { gauge } from "./gauge.js";
import { createTopicMetrics, type TopicCounts, type TopicMetrics } from "./topic-metrics.js";

/** Counts the calls of one method. */
export interface MethodMeter {
  started(): void;
  /** `code` is the name of the gRPC status, `reason` that of the ErrorInfo or empty. */
  finished(code: string, reason: string, durationMs: number): void;
}

export interface QueueCounts {
  readonly queue: string;
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** Deliveries, since its creation, of messages that had no dead-letter queue to go to. */
  readonly targetMissing: number;
  /** The age of the oldest stored message; undefined when there is none or it is not known. */
  readonly oldestAgeMs?: number;
}

/** The state of the store and the engine; what is not known is left out. */
export interface StoreState {
  readonly mapUsedRatio?: number;
  readonly mapSizeBytes?: number;
  readonly diskFreeBytes?: number;
  readonly commandsWaiting?: number;
  readonly uncommittedBytes?: number;
  readonly commitBacklogAgeMs?: number;
}

/** What is read at each scrape. Reading must be cheap and must not throw. */
export interface MetricSources {
  readonly queues?: () => Iterable<QueueCounts>;
  readonly store?: () => StoreState;
  /** Those who wait, by kind, as `receive`. */
  readonly waiters?: () => Readonly<Record<string, number>>;
  /** Move tasks that run. */
  readonly moves?: () => number;
  readonly topics?: () => Iterable<TopicCounts>;
  readonly caches?: () => Iterable<CacheCounts>;
  readonly cacheReads?: () => Iterable<CacheReadCounts>;
  /** Tails that are open. */
  readonly tails?: () => number;
  readonly channels?: () => ChannelFigures;
}

export interface Metrics {
  meter(service: string, method: string): MethodMeter;
  /** One record reached the disk: how long its commit took and how many changes it carried. */
  committed(durationMs: number, changeCount: number): void;
  messagesMoved(count: number): void;
  readonly topics: TopicMetrics;
  connectionOpened(listener: string): void;
  connectionClosed(listener: string): void;
  connectionRejected(cause: string): void;
  observe(sources: MetricSources): void;
  /** Adds what only a node of a cluster has. */
  addCluster(read: () => ClusterState): ClusterMetrics;
  /** The text that Prometheus scrapes. */
  render(): Promise<string>;
  readonly contentType: string;
  close(): void;
}

const queueLabelsMax = 1_000;
const overflowQueue = "_other";

// From a tenth of a millisecond, a call that touches no disk, to the 20 s of a long poll.
const callBucketsSeconds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  25,
];
const commitBucketsSeconds = [
  0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4,
];
const changeBuckets = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new PromCounter({
    name: "forebay_rpc_requests_total",
    help: "Calls that ended, by status and reason.",
    labelNames: ["service", "method", "code", "reason"],
    registers: [registry],
  });
  const durations = new Histogram({
    name: "forebay_rpc_duration_seconds",
    help: "From the arrival of a call to its end, waiting of long polls and streams included.",
    labelNames: ["service", "method"],
    buckets: callBucketsSeconds,
    registers: [registry],
  });
  const meters: CountingMeter[] = [];
  gauge(
    registry,
    "rpc_in_flight",
    "Calls begun and not ended.",
    ["service", "method"],
    (metric) => {
      for (const { service, method, inFlight } of meters) metric.set({ service, method }, inFlight);
    },
  );
  const commits = new Histogram({
    name: "forebay_store_commit_seconds",
    help: "From the begin of a record's commit until it is flushed to disk.",
    buckets: commitBucketsSeconds,
    registers: [registry],
  });
  const changes = new Histogram({
    name: "forebay_store_commit_changes",
    help: "Rows written or removed by one commit.",
    buckets: changeBuckets,
    registers: [registry],
  });
  const moved = new PromCounter({
    name: "forebay_moved_messages_total",
    help: "Messages that move tasks moved.",
    registers: [registry],
  });
  const connections = new Gauge({
    name: "forebay_connections",
    help: "Open connections.",
    labelNames: ["listener"],
    registers: [registry],
  });
  const rejectedConnections = new PromCounter({
    name: "forebay_connections_rejected_total",
    help: "Connections closed before their first call, by cause.",
    labelNames: ["cause"],
    registers: [registry],
  });
  gauge(registry, "build_info", "Constant 1; what is running.", ["version", "node"], (metric) => {
    metric.set({ version, node: process.versions.node }, 1);
  });

  let sources: MetricSources = {};
  const loopDelay = observeLoopDelay(registry);
  observeQueues(registry, () => sources.queues?.() ?? []);
  observeStore(registry, () => sources.store?.() ?? {});
  gauge(
    registry,
    "rpc_waiters",
    "Calls and streams that wait for messages.",
    ["kind"],
    (metric) => {
      for (const [kind, count] of Object.entries(sources.waiters?.() ?? {}))
        metric.set({ kind }, count);
    },
  );

  gauge(registry, "move_tasks_running", "Move tasks that run.", [], (metric) => {
    metric.set(sources.moves?.() ?? 0);
  });

  observeCaches(
    registry,
    () => sources.caches?.() ?? [],
    () => sources.cacheReads?.() ?? [],
  );
  observeChannels(registry, () => sources.channels?.());
  const topics = createTopicMetrics(
    registry,
    () => sources.topics?.() ?? [],
    () => sources.tails?.() ?? 0,
  );

  return {
    topics,
    meter: (service, method) => {
      const meter = new CountingMeter(service, method, requests, durations);
      meters.push(meter);
      return meter;
    },
    committed: (durationMs, changeCount) => {
      commits.observe(durationMs / 1_000);
      changes.observe(changeCount);
    },
    messagesMoved: (count) => moved.inc(count),
    connectionOpened: (listener) => connections.inc({ listener }),
    connectionClosed: (listener) => connections.dec({ listener }),
    connectionRejected: (cause) => rejectedConnections.inc({ cause }),
    observe: (given) => {
      sources = { ...sources, ...given };
    },
    addCluster: (read) => createClusterMetrics(registry, read),
    render: () => registry.metrics(),
    contentType: registry.contentType,
    close: () => {
      loopDelay.disable();
      registry.clear();
    },
  };
}

type RequestCounter = Counter<"service" | "method" | "code" | "reason">;

class CountingMeter implements MethodMeter {
  readonly service: string;
  readonly method: string;
  inFlight = 0;
  readonly #requests: RequestCounter;
  readonly #duration: { observe(seconds: number): void };
  readonly #ok: { inc(): void };
  readonly #outcomes = new Map<string, { inc(): void }>();

  constructor(
    service: string,
    method: string,
    requests: RequestCounter,
    durations: Histogram<"service" | "method">,
  ) {
    this.service = service;
    this.method = method;
    this.#requests = requests;
    this.#duration = durations.labels(service, method);
    this.#ok = requests.labels(service, method, "OK", "");
  }

  started(): void {
    this.inFlight += 1;
  }

  finished(code: string, reason: string, durationMs: number): void {
    this.inFlight -= 1;
    this.#duration.observe(durationMs / 1_000);
    if (code === "OK") this.#ok.inc();
    else this.#outcome(code, reason).inc();
  }

  #outcome(code: string, reason: string): { inc(): void } {
    const key = `${code} ${reason}`;
    let child = this.#outcomes.get(key);
    if (child === undefined) {
      child = this.#requests.labels(this.service, this.method, code, reason);
      this.#outcomes.set(key, child);
    }
    return child;
  }
}

function observeLoopDelay(registry: Registry): { disable(): void } {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const help = "How late the event loop ran since the last scrape, by quantile.";
  gauge(registry, "event_loop_lag_seconds", help, ["quantile"], (metric) => {
    for (const quantile of [50, 99, 100]) {
      // The histogram measures whole periods of its 10 ms timer; what exceeds a period is the lag.
      const lagMs = Math.max(0, delay.percentile(quantile) / 1e6 - 10);
      metric.set({ quantile: String(quantile / 100) }, lagMs / 1_000);
    }
    delay.reset();
  });
  return delay;
}

function observeQueues(registry: Registry, queues: () => Iterable<QueueCounts>): void {
  const help = "Stored messages, by state.";
  gauge(registry, "queue_messages", help, ["queue", "state"], (metric) => {
    for (const { queue, visible, inFlight, delayed } of labelled(queues())) {
      metric.inc({ queue, state: "visible" }, visible);
      metric.inc({ queue, state: "in_flight" }, inFlight);
      metric.inc({ queue, state: "delayed" }, delayed);
    }
  });
  const missingHelp = "Messages delivered once more because the dead-letter queue does not exist.";
  gauge(registry, "queue_dead_letter_target_missing", missingHelp, ["queue"], (metric) => {
    for (const { queue, targetMissing } of labelled(queues())) metric.inc({ queue }, targetMissing);
  });
  const ageHelp = "Age of the oldest stored message.";
  gauge(registry, "queue_oldest_message_age_seconds", ageHelp, ["queue"], (metric) => {
    let overflowAgeMs = 0;
    for (const { queue, oldestAgeMs } of labelled(queues())) {
      if (oldestAgeMs === undefined) continue;
      if (queue === overflowQueue) overflowAgeMs = Math.max(overflowAgeMs, oldestAgeMs);
      metric.set({ queue }, (queue === overflowQueue ? overflowAgeMs : oldestAgeMs) / 1_000);
    }
  });
}

/** The first 1,000 queues under their names, the others together. */
function* labelled(queues: Iterable<QueueCounts>): Generator<QueueCounts> {
  let count = 0;
  for (const counts of queues) {
    count += 1;
    yield count <= queueLabelsMax ? counts : { ...counts, queue: overflowQueue };
  }
}

const storeGauges: Readonly<Record<keyof StoreState, readonly [name: string, help: string]>> = {
  mapUsedRatio: ["store_map_used_ratio", "Share of the store's map in use, from 0 to 1."],
  mapSizeBytes: ["store_map_size_bytes", "Size the store may grow to."],
  diskFreeBytes: [
    "disk_free_bytes",
    "Free space of the file system that holds the data directory.",
  ],
  commandsWaiting: ["engine_commands_waiting", "Commands that wait to be decided or committed."],
  uncommittedBytes: ["engine_uncommitted_bytes", "Bytes decided and not yet flushed."],
  commitBacklogAgeMs: [
    "engine_commit_backlog_age_seconds",
    "Age of the oldest change not flushed.",
  ],
};

function observeStore(registry: Registry, read: () => StoreState): void {
  for (const [key, [name, help]] of Object.entries(storeGauges)) {
    gauge(registry, name, help, [], (metric) => {
      const value = read()[key as keyof StoreState];
      if (value !== undefined) metric.set(key.endsWith("Ms") ? value / 1_000 : value);
    });
  }
}
