// Topics and subscriptions where an ARN is expected: a prefix that the operator chose, the namespace, the name of the topic and, of
// a subscription, its id.

import type { Namespace, TopicName } from "../base/brands.js";

export interface TopicReference {
  readonly namespace: Namespace;
  readonly topic: TopicName;
}

export interface SubscriptionReference extends TopicReference {
  /** Canonical text of a UUID. */
  readonly subscription: string;
}

export const arnPrefixDefault = "arn:forebay:topic";

export const topicArnOf = (prefix: string, { namespace, topic }: TopicReference): string =>
  `${prefix}:${namespace}:${topic}`;

export const subscriptionArnOf = (prefix: string, reference: SubscriptionReference): string =>
  `${topicArnOf(prefix, reference)}:${reference.subscription}`;

const namespacePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;
const topicPattern = /^[A-Za-z0-9_-]{1,256}(?:\.fifo)?$/;
const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Undefined for any other text. */
export function readTopicArn(prefix: string, text: string): TopicReference | undefined {
  const [namespace, topic, ...rest] = partsAfter(prefix, text);
  return rest.length === 0 ? referenceOf(namespace, topic) : undefined;
}

export function readSubscriptionArn(
  prefix: string,
  text: string,
): SubscriptionReference | undefined {
  const [namespace, topic, id = "", ...rest] = partsAfter(prefix, text);
  const reference = referenceOf(namespace, topic);
  if (reference === undefined || rest.length > 0 || !idPattern.test(id)) return undefined;
  return { ...reference, subscription: id.toLowerCase() };
}

const partsAfter = (prefix: string, text: string): readonly string[] =>
  text.startsWith(`${prefix}:`) ? text.slice(prefix.length + 1).split(":") : [];

function referenceOf(namespace = "", topic = ""): TopicReference | undefined {
  if (!namespacePattern.test(namespace) || !topicPattern.test(topic)) return undefined;
  return { namespace: namespace as Namespace, topic: topic as TopicName };
}
