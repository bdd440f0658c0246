// The topic service at the wire: request to command, outcome to response. What this release does not have yet says so.

import type { MessageStream, ResponseStream } from "./call.js";
import { createTopicAdminHandlers } from "./topic-admin-handlers.js";
import { createFilterHandlers } from "./topic-filter-handlers.js";
import type { TopicHandlerParts, TopicHandlers } from "./topic-handler-context.js";
import { createPublishHandlers } from "./topic-publish-handlers.js";
import { createSubscriptionHandlers } from "./topic-subscription-handlers.js";
import { notYet } from "./wire-errors.js";

export function createTopicHandlers(parts: TopicHandlerParts): TopicHandlers {
  return {
    ...createTopicAdminHandlers(parts),
    ...createSubscriptionHandlers(parts),
    ...createPublishHandlers(parts),
    ...createFilterHandlers(),
    confirmSubscription: later("Confirming is"),
    getPendingToken: later("Confirming is"),
    putDataProtectionPolicy: later("Data protection policies are"),
    getDataProtectionPolicy: later("Data protection policies are"),
    tail: laterAnswers("Tail is"),
    consume: laterStream("Streams of subscriptions are"),
    startReplay: later("Replays are"),
    stopReplay: later("Replays are"),
    getReplay: later("Replays are"),
    listReplays: later("Replays are"),
    createSnapshot: later("Replays are"),
    deleteSnapshot: later("Replays are"),
    listSnapshots: later("Replays are"),
    listUndeliverable: later("Undeliverable messages are"),
    redriveUndeliverable: later("Undeliverable messages are"),
    listDeliveryAttempts: later("Delivery attempts are"),
    explainDelivery: later("Explaining deliveries is"),
  };
}

const later = (what: string) => (): never => {
  throw notYet(what);
};

const laterAnswers =
  (what: string) =>
  (_request: unknown, stream: ResponseStream<unknown>): void =>
    stream.fail(notYet(what));

const laterStream =
  (what: string) =>
  (stream: MessageStream<unknown, unknown>): void =>
    stream.fail(notYet(what));
