// What became of messages, at the wire: attempts to deliver, and a message with every subscription.

import { uuidBytes, uuidText } from "../base/ids.js";
import { DeliveryState } from "../gen/forebay/topic/v1/topic_service.js";
import { decideListAttempts } from "../topic/attempts.js";
import type { KeptAttempt } from "../topic/attempts-model.js";
import { decideExplainDelivery, type ExplainedDelivery } from "../topic/explain-delivery.js";
import { topicLimits } from "../topic/limits.js";
import { parsePageToken } from "./handler-context.js";
import { duration, timestamp } from "./render.js";
import {
  createTopicTools,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { parseSubscriptionId } from "./topic-names.js";
import { parseCount, Violations } from "./violations.js";

export function createAttemptHandlers(
  parts: TopicHandlerParts,
): Pick<TopicHandlers, "listDeliveryAttempts" | "explainDelivery"> {
  const { pageTokens } = parts;
  const { execute, address } = createTopicTools(parts);
  return {
    listDeliveryAttempts: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const messageId =
        request.messageId === "" ? undefined : parseMessageId(violations, request.messageId);
      const countMax = parsePageSize(violations, request.pageSize);
      const scope = `attempts ${request.subscription} ${request.messageId}`;
      const last = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const before = last === "" ? undefined : Number(last);
      const { attempts, next } = await execute({
        name: "ListDeliveryAttempts",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideListAttempts(transaction, { id, messageId, before, countMax }, stamp),
      });
      return {
        attempts: attempts.map((attempt) => renderAttempt(request.subscription, attempt)),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, String(next)),
      };
    },

    explainDelivery: async (request) => {
      const violations = new Violations();
      const topic = address(violations, request.topic);
      const messageId = parseMessageId(violations, request.messageId);
      const countMax = parsePageSize(violations, request.pageSize);
      const scope = `deliveries ${request.topic} ${request.messageId}`;
      const last = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const after = uuidBytes(last) ?? Buffer.alloc(0);
      const { deliveries, next } = await execute({
        name: "ExplainDelivery",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideExplainDelivery(transaction, { address: topic, messageId, after, countMax }, stamp),
      });
      return {
        deliveries: deliveries.map(renderDelivery),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, uuidText(next)),
      };
    },
  };
}

const parsePageSize = (violations: Violations, given: number | undefined): number =>
  parseCount(violations, "page_size", given, { min: 1, max: topicLimits.pageMax }) ??
  topicLimits.pageMax;

/** Always returns one; whether it is good, `violations` say. */
function parseMessageId(violations: Violations, given: string): Buffer {
  const id = uuidBytes(given);
  if (id !== undefined) return id;
  if (given === "") {
    violations.add("MISSING_PARAMETER", "message_id", "the id of the message is needed");
  } else {
    violations.add("INVALID_PARAMETER", "message_id", "must be the id of a message, a UUID");
  }
  return Buffer.alloc(16);
}

const renderAttempt = (subscription: string, attempt: KeptAttempt) => ({
  messageId: uuidText(attempt.messageId),
  subscription: subscription.toLowerCase(),
  attempt: attempt.attempt,
  startTime: timestamp(attempt.startedAt),
  duration: duration(attempt.durationMs),
  isSuccess: attempt.end === "delivered",
  statusCode: attempt.statusCode,
  response: attempt.response,
  error: attempt.error,
  nextAttemptTime: attempt.nextAt === undefined ? undefined : timestamp(attempt.nextAt),
});

const states = {
  not_subscribed: DeliveryState.NOT_SUBSCRIBED,
  filtered: DeliveryState.FILTERED,
  waiting: DeliveryState.WAITING,
  in_flight: DeliveryState.IN_FLIGHT,
  delivered: DeliveryState.DELIVERED,
  dead_lettered: DeliveryState.DEAD_LETTERED,
  given_up: DeliveryState.UNDELIVERABLE,
  expired: DeliveryState.EXPIRED,
} as const;

const renderDelivery = (explained: ExplainedDelivery) => ({
  subscription: uuidText(explained.subscription),
  state: states[explained.state],
  attempts: explained.attempts,
  lastError: explained.lastError,
  nextAttemptTime: explained.nextAt === undefined ? undefined : timestamp(explained.nextAt),
});
