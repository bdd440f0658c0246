// What is counted of topics. Numbers of topics are those of the store, exact over restarts, as of the last look; attempts to deliver
// are counted by the process that makes them. Labels are bounded: topics are the first 1,000 by name, kinds and outcomes our own.

import { Counter, Histogram, type Registry } from "prom-client";
import { gauge } from "./gauge.js";

export interface TopicCounts {
  readonly topic: string;
  readonly published: number;
  readonly duplicates: number;
  readonly oldestAgeMs: number | undefined;
  /** Undefined: it has too many subscriptions to look at them. */
  readonly deliveries:
    | {
        readonly delivered: number;
        readonly failedAttempts: number;
        readonly deadLettered: number;
        readonly undeliverable: number;
        readonly expired: number;
        readonly backlog: number;
        readonly inFlight: number;
      }
    | undefined;
}

/** One attempt to deliver to a webhook or a function. */
export interface DeliveryAttempted {
  /** Of the target, as `http`. */
  readonly kind: string;
  readonly outcome: "delivered" | "retryable" | "permanent";
  /** How long the target took. */
  readonly durationMs: number;
  /** Since the message was published. */
  readonly sincePublishMs: number;
}

export interface TopicMetrics {
  attempted(attempt: DeliveryAttempted): void;
}

// From a target beside us to one that was down for the hour that SNS tries it.
const dwellBucketsSeconds = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600,
];
// Up to the time that a function may take by default.
const attemptBucketsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];

const topicLabelsMax = 1_000;
const overflowTopic = "_other";

export function createTopicMetrics(
  registry: Registry,
  topics: () => Iterable<TopicCounts>,
  tails: () => number,
): TopicMetrics {
  observeTopics(registry, () => labelled(topics()));
  gauge(registry, "topic_tails", "Tails that are open.", [], (metric) => metric.set(tails()));
  const attempts = new Counter({
    name: "forebay_topic_delivery_attempts_total",
    help: "Attempts to deliver to webhooks and functions, by what came of them.",
    labelNames: ["kind", "outcome"],
    registers: [registry],
  });
  const durations = new Histogram({
    name: "forebay_topic_delivery_attempt_seconds",
    help: "How long an attempt to deliver took.",
    labelNames: ["kind"],
    buckets: attemptBucketsSeconds,
    registers: [registry],
  });
  const dwell = new Histogram({
    name: "forebay_topic_delivery_dwell_seconds",
    help: "From the publish of a message until a webhook or a function took it.",
    labelNames: ["kind"],
    buckets: dwellBucketsSeconds,
    registers: [registry],
  });
  return {
    attempted: ({ kind, outcome, durationMs, sincePublishMs }) => {
      attempts.inc({ kind, outcome });
      durations.observe({ kind }, durationMs / 1_000);
      if (outcome === "delivered") dwell.observe({ kind }, sincePublishMs / 1_000);
    },
  };
}

function observeTopics(registry: Registry, topics: () => Iterable<TopicCounts>): void {
  const messagesHelp = "Messages of a topic since it was made, by what became of them.";
  gauge(registry, "topic_messages", messagesHelp, ["topic", "outcome"], (metric) => {
    for (const { topic, published, duplicates, deliveries } of topics()) {
      metric.inc({ topic, outcome: "published" }, published);
      metric.inc({ topic, outcome: "duplicate" }, duplicates);
      if (deliveries === undefined) continue;
      metric.inc({ topic, outcome: "delivered" }, deliveries.delivered);
      metric.inc({ topic, outcome: "dead_lettered" }, deliveries.deadLettered);
      metric.inc({ topic, outcome: "undeliverable" }, deliveries.undeliverable);
      metric.inc({ topic, outcome: "expired" }, deliveries.expired);
    }
  });
  const failedHelp = "Attempts to deliver that failed, since the subscriptions were made.";
  gauge(registry, "topic_failed_attempts", failedHelp, ["topic"], (metric) => {
    for (const { topic, deliveries } of topics()) {
      if (deliveries !== undefined) metric.inc({ topic }, deliveries.failedAttempts);
    }
  });
  const backlogHelp = "Messages that subscriptions have not had yet, added over them.";
  gauge(registry, "topic_backlog_messages", backlogHelp, ["topic"], (metric) => {
    for (const { topic, deliveries } of topics()) {
      if (deliveries !== undefined) metric.inc({ topic }, deliveries.backlog);
    }
  });
  const flightHelp = "Messages that webhooks and functions are being given.";
  gauge(registry, "topic_pushes_in_flight", flightHelp, ["topic"], (metric) => {
    for (const { topic, deliveries } of topics()) {
      if (deliveries !== undefined) metric.inc({ topic }, deliveries.inFlight);
    }
  });
  const ageHelp = "Age of the oldest message that a subscription waits for.";
  gauge(registry, "topic_oldest_message_age_seconds", ageHelp, ["topic"], (metric) => {
    let overflowMs = 0;
    for (const { topic, oldestAgeMs = 0 } of topics()) {
      if (topic === overflowTopic) overflowMs = Math.max(overflowMs, oldestAgeMs);
      metric.set({ topic }, (topic === overflowTopic ? overflowMs : oldestAgeMs) / 1_000);
    }
  });
}

/** The first 1,000 topics under their names, the others together. */
function* labelled(topics: Iterable<TopicCounts>): Generator<TopicCounts> {
  let count = 0;
  for (const counts of topics) {
    count += 1;
    yield count <= topicLabelsMax ? counts : { ...counts, topic: overflowTopic };
  }
}
