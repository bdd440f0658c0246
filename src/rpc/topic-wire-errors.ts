// From a rejection of the topics' rules to what a caller is told; `tsc` demands a row for every kind. The rest of the table is in
// `wire-errors.ts`.

import { status } from "@grpc/grpc-js";
import { maskedUrl } from "../base/masked-url.js";
import type { QueueRejection } from "../queue/rejections.js";
import type { FilterProblem } from "../topic/filter/problems.js";
import type { TopicRejection } from "../topic/rejections.js";
import { WireFault, type WireFaultFields } from "./status-details.js";
import { archiveFaultFields } from "./topic-archive-errors.js";
import { hostFaultFields } from "./topic-host-errors.js";
import { faultOf } from "./wire-errors.js";

const topicKinds = {
  topic_not_found: true,
  subscription_not_found: true,
  topic_exists_different: true,
  topic_exists_different_tags: true,
  subscription_exists_different: true,
  published_not_found: true,
  topic_etag_mismatch: true,
  subscription_etag_mismatch: true,
  topic_limit: true,
  subscription_limit: true,
  topic_tag_limit: true,
  topic_filters_limit: true,
  filters_limit: true,
  host_asked_limit: true,
  host_pending_limit: true,
  pending_limit: true,
  topic_not_fifo: true,
  topic_label_exists: true,
  topic_policy_limit: true,
  target_queue_not_found: true,
  fifo_queue_on_standard_topic: true,
  subscription_dead_letter_queue_not_found: true,
  subscription_dead_letter_type: true,
  not_a_stream: true,
  filter_versions_limit: true,
  filter_invalid: true,
  invalid_token: true,
  subscription_not_pending: true,
  topic_draining: true,
  archive_active: true,
  no_archive: true,
  subscription_pending: true,
  replay_range: true,
  replay_limit: true,
  replay_not_found: true,
  snapshot_exists: true,
  snapshot_not_found: true,
  snapshot_limit: true,
  snapshot_too_long: true,
  setting_of_other_kind: true,
  target_not_allowed_on_fifo: true,
  published_too_long: true,
  group_id_required: true,
  dedup_id_required: true,
  dedup_id_not_allowed: true,
  delay_on_fifo: true,
  data_protection_denied: true,
  batch_rejected: true,
} as const satisfies Record<TopicRejection["kind"], true>;

/** A command of topics is also refused as any other is, as for a request id that was used. */
export function topicFaultOf(rejection: TopicRejection | QueueRejection): WireFault {
  return isOfTopics(rejection) ? new WireFault(fieldsOf(masked(rejection))) : faultOf(rejection);
}

/** A subscription is named by its endpoint, which may have a password, and errors are logged. */
const masked = (rejection: TopicRejection): TopicRejection =>
  "subscription" in rejection
    ? { ...rejection, subscription: maskedUrl(rejection.subscription) }
    : rejection;

const isOfTopics = (rejection: TopicRejection | QueueRejection): rejection is TopicRejection =>
  Object.hasOwn(topicKinds, rejection.kind);

const topicResource = (name: string) => ({ type: "topic", name });

const invalid = (
  reason: string,
  message: string,
  field: string,
  metadata: Readonly<Record<string, string>>,
): WireFaultFields => ({
  code: status.INVALID_ARGUMENT,
  reason,
  message,
  metadata: { field, ...metadata },
  violations: [{ field, description: message }],
});

const exhausted = (
  reason: string,
  message: string,
  {
    topic,
    count,
    limit,
  }: { readonly topic: string; readonly count: number; readonly limit: number },
): WireFaultFields => ({
  code: status.RESOURCE_EXHAUSTED,
  reason,
  message,
  metadata: { topic, count: String(count), limit: String(limit) },
  quota: [{ subject: `topic:${topic}`, description: `at most ${limit}, and it would be ${count}` }],
  retryAfterMs: "never",
});

const namespaceQuota = (
  reason: string,
  message: string,
  {
    namespace,
    count,
    limit,
  }: { readonly namespace: string; readonly count: number; readonly limit: number },
): WireFaultFields => ({
  code: status.RESOURCE_EXHAUSTED,
  reason,
  message,
  metadata: { namespace, count: String(count), limit: String(limit) },
  quota: [
    { subject: `namespace:${namespace}`, description: `at most ${limit}, and it would be more` },
  ],
  retryAfterMs: "never",
});

function fieldsOf(rejection: TopicRejection): WireFaultFields {
  switch (rejection.kind) {
    case "topic_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "TOPIC_NOT_FOUND",
        message: `There is no topic "${rejection.topic}". Create it, or check the name: names are case-sensitive.`,
        metadata: { topic: rejection.topic },
        resource: topicResource(rejection.topic),
      };
    case "topic_draining":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "TOPIC_DRAINING",
        message: `Topic "${rejection.topic}" was deleted and still delivers what it had accepted; it takes nothing new. Try again when it is gone, or delete it without draining.`,
        metadata: { topic: rejection.topic },
        resource: topicResource(rejection.topic),
      };
    case "subscription_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "SUBSCRIPTION_NOT_FOUND",
        message: `There is no subscription "${rejection.subscription}": it has ended, with its topic perhaps, or never was. ListSubscriptions shows those there are.`,
        metadata: { subscription: rejection.subscription },
        resource: { type: "subscription", name: rejection.subscription },
      };
    case "topic_exists_different":
      return {
        code: status.ALREADY_EXISTS,
        reason: "TOPIC_EXISTS_DIFFERENT_ATTRIBUTES",
        message: `Topic "${rejection.topic}" exists with another ${rejection.differing.join(", ")}. Leave it out, give the current value, or change it with UpdateTopic.`,
        metadata: { topic: rejection.topic, differing: rejection.differing.join(",") },
        resource: topicResource(rejection.topic),
      };
    case "topic_exists_different_tags":
      return {
        code: status.ALREADY_EXISTS,
        reason: "TOPIC_EXISTS_DIFFERENT_TAGS",
        message: `Topic "${rejection.topic}" exists without these tags: ${rejection.differing.join(", ")}. Leave them out, or set them with TagTopic.`,
        metadata: { topic: rejection.topic, differing: rejection.differing.join(",") },
        resource: topicResource(rejection.topic),
      };
    case "subscription_exists_different":
      return {
        code: status.ALREADY_EXISTS,
        reason: "SUBSCRIPTION_EXISTS_DIFFERENT_ATTRIBUTES",
        message: `"${rejection.subscription}" is subscribed with another ${rejection.differing.join(", ")}. Leave it out, give the current value, or change it with UpdateSubscription.`,
        metadata: {
          subscription: rejection.subscription,
          differing: rejection.differing.join(","),
        },
        resource: { type: "subscription", name: rejection.subscription },
      };
    case "published_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "MESSAGE_NOT_FOUND",
        message: `Nothing is known of message "${rejection.messageId}" in topic "${rejection.topic}": it was not published there, or it came to its end everywhere and no archive keeps it.`,
        metadata: { topic: rejection.topic, message_id: rejection.messageId },
        resource: { type: "message", name: rejection.messageId },
      };
    case "topic_etag_mismatch":
      return {
        code: status.ABORTED,
        reason: "ETAG_MISMATCH",
        message: `Topic "${rejection.topic}" was changed since: its etag is now ${rejection.etag}. Read it again and decide anew.`,
        metadata: { topic: rejection.topic, etag: rejection.etag },
      };
    case "subscription_etag_mismatch":
      return {
        code: status.ABORTED,
        reason: "ETAG_MISMATCH",
        message: `The subscription of "${rejection.subscription}" was changed since: its etag is now ${rejection.etag}. Read it again and decide anew.`,
        metadata: { subscription: rejection.subscription, etag: rejection.etag },
      };
    case "topic_limit":
      return exhausted(
        "TOPIC_LIMIT",
        `There are ${rejection.count} topics of this type, which is the limit. Delete some first; nothing was created.`,
        rejection,
      );
    case "subscription_limit":
      return exhausted(
        "SUBSCRIPTION_LIMIT",
        `Topic "${rejection.topic}" has ${rejection.count} subscriptions, which is the limit. End some first; nothing was subscribed.`,
        rejection,
      );
    case "topic_tag_limit":
      return exhausted(
        "TAG_LIMIT",
        `Topic "${rejection.topic}" would have ${rejection.count} tags; the limit is ${rejection.limit}. Remove some first; nothing was changed.`,
        rejection,
      );
    case "topic_filters_limit":
      return exhausted(
        "FILTER_POLICY_LIMIT",
        `The subscriptions of topic "${rejection.topic}" have ${rejection.count} filters, which is the limit. Remove some first; nothing was changed.`,
        rejection,
      );
    case "host_asked_limit":
    case "host_pending_limit":
      return hostFaultFields(rejection);
    case "filters_limit":
      return namespaceQuota(
        "FILTER_POLICY_LIMIT",
        `The subscriptions of namespace "${rejection.namespace}" have ${rejection.count} filters, which is the limit. Remove some first; nothing was changed.`,
        rejection,
      );
    case "pending_limit":
      return namespaceQuota(
        "SUBSCRIPTION_LIMIT",
        `Of the subscriptions of namespace "${rejection.namespace}" ${rejection.count} wait to be confirmed, which is the limit. Confirm or end some first; nothing was subscribed.`,
        rejection,
      );
    case "topic_not_fifo": {
      const fields = rejection.fields.map((field) => `settings.${field}`);
      return {
        code: status.INVALID_ARGUMENT,
        reason: "NOT_FIFO",
        message: `Topic "${rejection.topic}" is no FIFO topic, and only those have ${rejection.fields.join(", ")}. Leave it out, or use a FIFO topic.`,
        metadata: { topic: rejection.topic, field: fields[0] ?? "" },
        violations: fields.map((field) => ({ field, description: "is for FIFO topics only" })),
      };
    }
    case "topic_label_exists":
      return {
        code: status.ALREADY_EXISTS,
        reason: "LABEL_EXISTS",
        message: `The policy of topic "${rejection.topic}" already has a statement "${rejection.label}". Take another label, or remove that one first.`,
        metadata: { topic: rejection.topic, label: rejection.label },
      };
    case "topic_policy_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "POLICY_LIMIT",
        message: `The policy of topic "${rejection.topic}" would have ${rejection.count} ${rejection.what}; the limit is ${rejection.limit}. Remove or join some; nothing was changed.`,
        metadata: {
          topic: rejection.topic,
          what: rejection.what,
          count: String(rejection.count),
          limit: String(rejection.limit),
        },
        quota: [
          {
            subject: `topic:${rejection.topic}`,
            description: `a policy may have at most ${rejection.limit} ${rejection.what}`,
          },
        ],
        retryAfterMs: "never",
      };
    case "target_queue_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "QUEUE_NOT_FOUND",
        message: `There is no queue "${rejection.queue}" to subscribe. Create it, or check the name: names are case-sensitive.`,
        metadata: { queue: rejection.queue },
        resource: { type: "queue", name: rejection.queue },
      };
    case "fifo_queue_on_standard_topic":
      return invalid(
        "FIFO_QUEUE_ON_STANDARD_TOPIC",
        `"${rejection.queue}" is a FIFO queue and topic "${rejection.topic}" is no FIFO topic, so it has no order to keep. Subscribe a standard queue, or use a FIFO topic.`,
        "endpoint",
        { topic: rejection.topic, queue: rejection.queue },
      );
    case "subscription_dead_letter_queue_not_found":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "DLQ_NOT_FOUND",
        message: `The dead-letter queue "${rejection.deadLetterQueue}" does not exist in the topic's namespace. Create it, or name another.`,
        metadata: { dead_letter_queue: rejection.deadLetterQueue },
        resource: { type: "queue", name: rejection.deadLetterQueue },
      };
    case "subscription_dead_letter_type":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "DLQ_TYPE_MISMATCH",
        message: `"${rejection.deadLetterQueue}" is not of the type that these dead letters need: a FIFO queue on a FIFO topic needs a FIFO queue, and what comes from a standard topic has no order for one.`,
        metadata: { dead_letter_queue: rejection.deadLetterQueue },
      };
    case "not_a_stream":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "NOT_A_STREAM",
        message: `The subscription to "${rejection.subscription}" is no stream: its messages go to where it says. Subscribe with kind STREAM to consume them.`,
        metadata: { endpoint: rejection.subscription },
        preconditions: [
          { type: "KIND", subject: rejection.subscription, description: "not of kind STREAM" },
        ],
      };
    case "filter_versions_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "FILTER_POLICY_LIMIT",
        message: `Messages wait for this subscription that were published under ${rejection.count - 1} filters, and the limit is ${rejection.limit}. Resume it or purge its backlog first.`,
        metadata: { count: String(rejection.count), limit: String(rejection.limit) },
        quota: [{ subject: "subscription", description: `at most ${rejection.limit} filters` }],
        retryAfterMs: "never",
      };
    case "invalid_token":
      return invalid(
        "INVALID_TOKEN",
        `The token is none of topic "${rejection.topic}", or older than 48 hours. Subscribe again to have a new one sent.`,
        "token",
        { topic: rejection.topic },
      );
    case "subscription_not_pending":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "SUBSCRIPTION_NOT_PENDING",
        message: `Subscription "${rejection.subscription}" does not wait to be confirmed, so it has no token.`,
        metadata: { subscription: rejection.subscription },
      };
    case "archive_active":
    case "no_archive":
    case "subscription_pending":
    case "replay_range":
    case "replay_limit":
    case "replay_not_found":
    case "snapshot_exists":
    case "snapshot_not_found":
    case "snapshot_limit":
    case "snapshot_too_long":
      return archiveFaultFields(rejection);
    case "setting_of_other_kind":
      return invalid(
        "INVALID_PARAMETER",
        `The subscription is of kind ${rejection.target}, which has no setting ${rejection.field}. Leave it out; nothing was changed.`,
        `settings.${rejection.field}`,
        { kind: rejection.target },
      );
    case "target_not_allowed_on_fifo":
      return invalid(
        "TARGET_NOT_ALLOWED_ON_FIFO",
        `Topic "${rejection.topic}" is a FIFO topic, and its order cannot be kept by a target of kind ${rejection.target}. Subscribe a queue, or use a standard topic.`,
        "kind",
        { topic: rejection.topic, target: rejection.target },
      );
    case "filter_invalid":
      return filterFields(rejection.problems, "settings.filter_policy");
    case "published_too_long":
      return {
        code: status.INVALID_ARGUMENT,
        reason: "MESSAGE_TOO_LONG",
        message: `The message has ${rejection.sizeBytes} bytes with its attributes; topic "${rejection.topic}" takes at most ${rejection.limitBytes}. Publish less, or raise maximum_message_bytes (at most 1048576).`,
        metadata: {
          topic: rejection.topic,
          size: String(rejection.sizeBytes),
          limit: String(rejection.limitBytes),
        },
        violations: [
          {
            field: "text",
            description: `message and attributes are ${rejection.sizeBytes} bytes, the limit is ${rejection.limitBytes}`,
          },
        ],
      };
    case "group_id_required":
      return invalid(
        "GROUP_ID_REQUIRED",
        `FIFO topic "${rejection.topic}" needs a group id. Nothing was published.`,
        `${rejection.fieldPrefix}group_id`,
        { topic: rejection.topic },
      );
    case "dedup_id_required":
      return invalid(
        "DEDUP_ID_REQUIRED",
        `FIFO topic "${rejection.topic}" needs a deduplication id, which can be left out with content_based_deduplication. Nothing was published.`,
        `${rejection.fieldPrefix}dedup_id`,
        { topic: rejection.topic },
      );
    case "dedup_id_not_allowed":
      return invalid(
        "DEDUP_ID_NOT_ALLOWED",
        `Topic "${rejection.topic}" is no FIFO topic and takes no deduplication id. Use request_id to make a retry safe.`,
        `${rejection.fieldPrefix}dedup_id`,
        { topic: rejection.topic },
      );
    case "delay_on_fifo":
      return invalid(
        "INVALID_PARAMETER",
        `FIFO topic "${rejection.topic}" takes no delay, which would break its order.`,
        `${rejection.fieldPrefix}delay`,
        { topic: rejection.topic },
      );
    case "data_protection_denied":
      return {
        code: status.PERMISSION_DENIED,
        reason: "DATA_PROTECTION_DENIED",
        message: `The data protection policy of topic "${rejection.topic}" denies messages with ${rejection.identifiers.join(", ")}. Nothing was published; take it out of the message, or have the policy mask it.`,
        metadata: {
          action: "topic:Publish",
          resource: `topic/${rejection.topic}`,
          identifiers: rejection.identifiers.join(","),
          ...(rejection.fieldPrefix !== "" && { entry: rejection.fieldPrefix.slice(0, -1) }),
        },
      };
    case "batch_rejected": {
      const { message, violations = [], metadata = {} } = fieldsOf(rejection.rejection);
      const reason = fieldsOf(rejection.rejection).reason;
      return {
        code: status.INVALID_ARGUMENT,
        reason: "BATCH_REJECTED",
        message: `Nothing was published, since an entry was refused (${reason}): ${message}`,
        metadata: { ...metadata, entry: String(rejection.index), entry_reason: reason },
        violations,
      };
    }
  }
}

/** For a filter that is only tried. */
export const filterFault = (problems: readonly FilterProblem[]): WireFault =>
  new WireFault(filterFields(problems, "filter_policy"));

/** Every problem with its place in the text; the first one gives the reason. */
function filterFields(problems: readonly FilterProblem[], filterField: string): WireFaultFields {
  const told = problems.map(({ path, line, column, description }) => ({
    field: path === "" ? filterField : `${filterField}.${path}`,
    description: `line ${line}, column ${column}: ${description}`,
  }));
  const [first] = problems;
  const { bound } = first ?? {};
  return {
    code: status.INVALID_ARGUMENT,
    reason: first?.reason ?? "FILTER_INVALID",
    message: `The filter cannot be used. ${told
      .slice(0, 5)
      .map(({ field, description }) => `${field}: ${description}`)
      .join("; ")}.`,
    metadata: {
      field: told[0]?.field ?? filterField,
      line: String(first?.line ?? 0),
      column: String(first?.column ?? 0),
      ...(bound !== undefined && { limit: String(bound.limit), actual: String(bound.actual) }),
    },
    violations: told,
  };
}
