// Undeliverable messages at the wire: listed, and tried again.

import { type Sequence, sequence } from "../base/brands.js";
import { UndeliverableReason } from "../gen/forebay/topic/v1/message.js";
import { RedriveUndeliverableRequest } from "../gen/forebay/topic/v1/topic_service.js";
import { decideOnce } from "../queue/once.js";
import { topicLimits } from "../topic/limits.js";
import type { Topic } from "../topic/model.js";
import {
  decideListUndeliverable,
  type ListedUndeliverable,
  undeliverableLimits,
} from "../topic/undeliverable.js";
import { decideRedriveUndeliverable } from "../topic/undeliverable-redrive.js";
import { parsePageToken } from "./handler-context.js";
import { timestamp } from "./render.js";
import { jsonCodec } from "./request-ids.js";
import {
  createTopicTools,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { parseSubscriptionId } from "./topic-names.js";
import { renderNotification } from "./topic-notification.js";
import { parseCount, Violations } from "./violations.js";

export function createUndeliverableHandlers(
  parts: TopicHandlerParts,
): Pick<TopicHandlers, "listUndeliverable" | "redriveUndeliverable"> {
  const { pageTokens, redriver } = parts;
  const { execute, identify } = createTopicTools(parts);
  return {
    listUndeliverable: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: topicLimits.pageMax,
        }) ?? topicLimits.pageMax;
      const scope = `undeliverable ${request.subscription}`;
      const last = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const after = last === "" ? undefined : sequence(Number(last));
      const { topic, messages, next } = await execute({
        name: "ListUndeliverable",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideListUndeliverable(transaction, { id, after, countMax }, stamp),
      });
      return {
        messages: messages.map((listed) => renderUndeliverable(topic, listed)),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, String(next)),
      };
    },

    redriveUndeliverable: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const sequences = request.ids.length === 0 ? undefined : parseIds(violations, request.ids);
      const { perSecondMax: max } = undeliverableLimits;
      const perSecond = parseCount(violations, "max_per_second", request.maxPerSecond, {
        min: 1,
        max,
      });
      const identity = identify(violations, request.requestId, "RedriveUndeliverable", () =>
        RedriveUndeliverableRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await execute({
        name: "RedriveUndeliverable",
        isGrowing: true,
        decide: (transaction, stamp) =>
          decideOnce(transaction, stamp, identity, jsonCodec<{ readonly count: number }>(), () =>
            decideRedriveUndeliverable(transaction, { id, sequences, perSecond }, stamp),
          ),
      });
      redriver.begin();
      return { redriven: BigInt(outcome.count), replayed: isReplayed };
    },
  };
}

/** As they stand in ids: a place in the topic, below 2^53. */
const idDigits = 14;
const idPattern = /^[0-9a-f]{14}$/;

const idOf = (place: Sequence): string => place.toString(16).padStart(idDigits, "0");

function parseIds(violations: Violations, given: readonly string[]): readonly Sequence[] {
  const { idsMax } = undeliverableLimits;
  if (given.length > idsMax) {
    violations.add(
      "INVALID_PARAMETER",
      "ids",
      `must be at most ${idsMax}, there are ${given.length}`,
    );
    return [];
  }
  return given.flatMap((id, index) => {
    const place = idPattern.test(id) ? Number.parseInt(id, 16) : 0;
    if (place > 0 && Number.isSafeInteger(place)) return [sequence(place)];
    const description = "must be the id of a message as ListUndeliverable tells it";
    violations.add("INVALID_PARAMETER", `ids[${index}]`, description);
    return [];
  });
}

const reasons: Readonly<Record<string, UndeliverableReason>> = {
  RETRIES_EXHAUSTED: UndeliverableReason.RETRIES_EXHAUSTED,
  EXPIRED: UndeliverableReason.EXPIRED,
  REJECTED: UndeliverableReason.REJECTED,
  TARGET_GONE: UndeliverableReason.TARGET_GONE,
};

const renderUndeliverable = (topic: Topic, { kept, message }: ListedUndeliverable) => ({
  id: idOf(kept.sequence),
  notification: renderNotification(topic, message),
  reason: reasons[kept.reason] ?? UndeliverableReason.PERMANENT_FAILURE,
  lastError: kept.lastError,
  attempts: kept.attempts,
  firstAttemptTime: kept.firstAttemptAt === undefined ? undefined : timestamp(kept.firstAttemptAt),
  giveUpTime: timestamp(kept.givenUpAt),
});
