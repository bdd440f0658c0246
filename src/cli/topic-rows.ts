// Topics and subscriptions as commands print them.

import type { DeliveryLogging, SubscriptionDescription, TopicDescription } from "@forebay/client";
import { deliveryPolicyText } from "./delivery-options.js";
import { formatDuration } from "./durations.js";
import { choiceText } from "./message-rows.js";
import type { Row } from "./output.js";

export const topicHeadings = ["topic", "display name", "created"];

/** A topic in a list. */
export function topicInList(description: TopicDescription): Row {
  const { topic, settings, createTime } = description;
  return {
    cells: {
      topic,
      "display name": settings.displayName,
      created: createTime?.toISOString() ?? "",
    },
    json: description,
    raw: topic,
  };
}

/** A topic in full. */
export function topicRow(description: TopicDescription): Row {
  const { topic, isFifo, settings, counters, owner, createTime, etag } = description;
  const { beginningArchiveTime, effectiveDeliveryPolicy, isDraining } = description;
  return rowOf(description, topic, {
    topic,
    type: isFifo ? "fifo" : "standard",
    "display name": settings.displayName === "" ? undefined : settings.displayName,
    "max message size": settings.maximumMessageBytes,
    "content dedup": isFifo ? settings.contentBasedDeduplication : undefined,
    "dedup scope": settings.fifoThroughputScope && choiceText(settings.fifoThroughputScope),
    policy: settings.policy === "" ? undefined : settings.policy,
    webhooks: effectiveDeliveryPolicy && deliveryPolicyText(effectiveDeliveryPolicy),
    signature: settings.signatureVersion,
    "logged of successes": loggingText(settings.deliveryLogging),
    draining: isDraining ? true : undefined,
    subscriptions: counters?.subscriptionCount,
    "subscriptions pending": counters?.pendingSubscriptionCount,
    "subscriptions ended": counters?.endedSubscriptionCount,
    published: counters?.publishedCount,
    "to be handed on": counters?.pendingCount,
    "archived since": beginningArchiveTime?.toISOString(),
    archived: beginningArchiveTime && counters?.archivedCount,
    "archived bytes": beginningArchiveTime && counters?.archivedBytes,
    owner,
    created: createTime?.toISOString(),
    etag,
  });
}

/** As `--log` takes it; undefined for nothing. */
function loggingText(logging: readonly DeliveryLogging[] = []): string | undefined {
  const listed = logging.map(
    ({ kind, successSamplePercent = 0 }) => `${kind.toLowerCase()}=${successSamplePercent}`,
  );
  return listed.length === 0 ? undefined : listed.join(" ");
}

export const subscriptionHeadings = ["subscription", "topic", "kind", "endpoint", "state"];

/** A subscription in a list. */
export function subscriptionInList(description: SubscriptionDescription): Row {
  const { subscription, topic, kind, endpoint, state } = description;
  const cells = {
    subscription,
    topic,
    kind: kind === undefined ? "?" : choiceText(kind),
    endpoint,
    state: state === undefined ? "?" : choiceText(state),
  };
  return { cells, json: description, raw: subscription };
}

/** A subscription in full. */
export function subscriptionRow(description: SubscriptionDescription): Row {
  const { settings, counters, createTime, etag, owner, replay } = description;
  const { effectiveDeliveryPolicy: policy, disabled } = description;
  const { cells, raw } = subscriptionInList(description);
  const age = counters?.oldestPendingAgeMs;
  return rowOf(jsonOf(description), raw, {
    ...cells,
    raw: settings?.rawMessageDelivery,
    "dead-letter queue": settings?.deadLetterQueue === "" ? undefined : settings?.deadLetterQueue,
    paused: settings?.paused,
    filter: settings?.filterPolicy === "" ? undefined : settings?.filterPolicy,
    "disabled after": settings?.autoDisableAfterMs
      ? `failures for ${formatDuration(settings.autoDisableAfterMs)}`
      : undefined,
    "disabled at": disabled?.disableTime?.toISOString(),
    "disabled for": disabled?.lastError,
    retries: policy && deliveryPolicyText(policy),
    replay: replay?.state && choiceText(replay.state),
    backlog: counters?.backlogCount,
    "in flight": counters?.inFlightCount,
    "oldest pending": age === undefined ? undefined : formatDuration(age),
    delivered: counters?.deliveredCount,
    "failed attempts": counters?.failedAttemptCount,
    filtered: counters?.filteredCount,
    "dead-lettered": counters?.deadLetteredCount,
    undeliverable: counters?.undeliverableCount,
    owner,
    created: createTime?.toISOString(),
    etag,
  });
}

/** JSON has no bytes: the secret is base64 there. */
function jsonOf(description: SubscriptionDescription): unknown {
  const { settings } = description;
  const secret = settings?.webhook?.hmacSecret;
  if (secret === undefined) return description;
  const webhook = { ...settings?.webhook, hmacSecret: Buffer.from(secret).toString("base64") };
  return { ...description, settings: { ...settings, webhook } };
}

type Value = string | number | boolean | undefined;

function rowOf(
  json: unknown,
  raw: string | Uint8Array,
  lines: Readonly<Record<string, Value>>,
): Row {
  const present = Object.entries(lines).filter(([, value]) => value !== undefined);
  return {
    cells: Object.fromEntries(present.map(([name, value]) => [name, `${value}`])),
    json,
    raw,
  };
}
