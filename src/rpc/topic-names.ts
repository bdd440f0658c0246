// Topics and subscriptions as callers name them.

import type { Namespace, TopicName } from "../base/brands.js";
import { uuidBytes } from "../base/ids.js";
import { topicLimits } from "../topic/limits.js";
import type { TopicAddress } from "../topic/topic-name.js";
import type { Violations } from "./violations.js";

const nameCharacters = /^[A-Za-z0-9_-]+$/;
const namespacePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

const rule = `must be 1 to ${topicLimits.nameCharactersMax} of A-Za-z0-9_-, and ${topicLimits.fifoSuffix} behind that for a FIFO topic`;

export const isFifoTopicName = (name: string): boolean => name.endsWith(topicLimits.fifoSuffix);

function isTopicName(name: string): boolean {
  const stem = isFifoTopicName(name) ? name.slice(0, -topicLimits.fifoSuffix.length) : name;
  return stem.length <= topicLimits.nameCharactersMax && nameCharacters.test(stem);
}

/** The address of a topic: `orders` or `billing/orders`. Always returns one; whether it is good, `violations` say. */
export function parseTopicAddress(
  violations: Violations,
  given: string,
  callerNamespace: Namespace,
): TopicAddress {
  const slash = given.indexOf("/");
  const namespace = slash === -1 ? callerNamespace : given.slice(0, slash);
  const name = slash === -1 ? given : given.slice(slash + 1);
  if (given === "") violations.add("MISSING_PARAMETER", "topic", "the name of the topic is needed");
  else if (!isTopicName(name) || !namespacePattern.test(namespace)) {
    const description = `${rule}, after the namespace and a slash if it is another's`;
    violations.add("INVALID_PARAMETER", "topic", description);
  }
  return { namespace: namespace as Namespace, name: name as TopicName, given };
}

/** The address of a topic to be created: in the caller's own namespace, and of the type its name says. */
export function parseNewTopicAddress(
  violations: Violations,
  given: string,
  /** Undefined: whichever its name says. */
  isFifo: boolean | undefined,
  callerNamespace: Namespace,
): TopicAddress {
  if (given === "") violations.add("MISSING_PARAMETER", "topic", "the name of the topic is needed");
  else if (isFifo !== undefined && isFifoTopicName(given) !== isFifo) {
    const description = isFifo
      ? `the name of a FIFO topic ends in ${topicLimits.fifoSuffix}`
      : `a name that ends in ${topicLimits.fifoSuffix} is that of a FIFO topic`;
    violations.add("INVALID_PARAMETER", "topic", description);
  } else if (!isTopicName(given)) violations.add("INVALID_PARAMETER", "topic", rule);
  return { namespace: callerNamespace, name: given as TopicName, given };
}

/** The id of a subscription. Always returns one; whether it is good, `violations` say. */
export function parseSubscriptionId(violations: Violations, given: string): Buffer {
  const id = uuidBytes(given);
  if (id !== undefined) return id;
  if (given === "") {
    violations.add("MISSING_PARAMETER", "subscription", "the id of the subscription is needed");
  } else {
    violations.add("INVALID_PARAMETER", "subscription", "must be the id of a subscription, a UUID");
  }
  return Buffer.alloc(16);
}
