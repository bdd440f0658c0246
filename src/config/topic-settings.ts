// How many topics, subscriptions and filters there may be. The defaults are Amazon SNS's; those for hosts are ours.

import { integer } from "./setting.js";

export const topicSettings = {
  topics_standard_max: integer({
    default: 100_000,
    min: 1,
    max: 100_000_000,
    effect: "Standard topics of a namespace; one more is refused with TOPIC_LIMIT.",
  }),
  topics_fifo_max: integer({
    default: 1_000,
    min: 1,
    max: 100_000_000,
    effect: "FIFO topics of a namespace; one more is refused with TOPIC_LIMIT.",
  }),
  subscriptions_standard_max: integer({
    default: 12_500_000,
    min: 1,
    max: 100_000_000,
    effect: "Subscriptions of a standard topic; one more is refused with SUBSCRIPTION_LIMIT.",
  }),
  subscriptions_fifo_max: integer({
    default: 100,
    min: 1,
    max: 100_000_000,
    effect: "Subscriptions of a FIFO topic; one more is refused with SUBSCRIPTION_LIMIT.",
  }),
  subscriptions_pending_max: integer({
    default: 5_000,
    min: 1,
    max: 100_000_000,
    effect: "Subscriptions of a namespace that wait to be confirmed; one more is refused.",
  }),
  filters_topic_max: integer({
    default: 200,
    min: 1,
    max: 100_000_000,
    effect: "Subscriptions of a topic with a filter; one more is refused with FILTER_POLICY_LIMIT.",
  }),
  filters_namespace_max: integer({
    default: 10_000,
    min: 1,
    max: 100_000_000,
    effect: "As `filters_topic_max`, of all topics of a namespace.",
  }),
  webhook_asks_per_hour_max: integer({
    default: 3,
    min: 1,
    max: 100,
    effect:
      "How often an hour a host is asked to confirm; beyond, Subscribe is refused with CONFIRMATION_LIMIT.",
  }),
  webhook_pending_per_host_max: integer({
    default: 10,
    min: 1,
    max: 100,
    effect: "Subscriptions of a host that wait to be confirmed; one more is refused likewise.",
  }),
} as const;
