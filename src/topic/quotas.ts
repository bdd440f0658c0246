// How many topics, subscriptions and filters there may be, and how often an endpoint may be asked for its consent. Settings of the
// server; a decision is told them, and copies of its changes need them no more. The defaults are Amazon SNS's, save those for hosts.

import type { Stamp, TopicQuotas } from "../queue/stamp.js";
import { topicLimits } from "./limits.js";
import { pushLimits } from "./push-limits.js";

const defaults: TopicQuotas = {
  standardTopicsMax: topicLimits.standardTopicsMax,
  fifoTopicsMax: topicLimits.fifoTopicsMax,
  standardSubscriptionsMax: topicLimits.standardSubscriptionsMax,
  fifoSubscriptionsMax: topicLimits.fifoSubscriptionsMax,
  filtersPerTopicMax: topicLimits.filtersPerTopicMax,
  filtersPerNamespaceMax: topicLimits.filtersPerNamespaceMax,
  pendingPerNamespaceMax: topicLimits.pendingPerNamespaceMax,
  asksPerHostMax: pushLimits.asksPerHostMax,
  pendingPerHostMax: pushLimits.pendingPerHostMax,
};

/** Where nobody set them, as in tests of rules, they are the defaults. */
export const quotasOf = ({ quotas = defaults }: Stamp): TopicQuotas => quotas;
