// The topic service at the wire: request to command, outcome to response.

import { createTopicAdminHandlers } from "./topic-admin-handlers.js";
import { createAttemptHandlers } from "./topic-attempt-handlers.js";
import { createTopicConsumeHandler } from "./topic-consume.js";
import { createFilterHandlers } from "./topic-filter-handlers.js";
import type { TopicHandlerParts, TopicHandlers } from "./topic-handler-context.js";
import { createProtectionHandlers } from "./topic-protection-handlers.js";
import { createPublishHandlers } from "./topic-publish-handlers.js";
import { createConfirmHandlers } from "./topic-push-handlers.js";
import { createReplayHandlers, createSnapshotHandlers } from "./topic-replay-handlers.js";
import { createSubscriptionHandlers } from "./topic-subscription-handlers.js";
import { createTailHandler } from "./topic-tail.js";
import { createUndeliverableHandlers } from "./topic-undeliverable-handlers.js";

export function createTopicHandlers(parts: TopicHandlerParts): TopicHandlers {
  return {
    ...createTopicAdminHandlers(parts),
    ...createSubscriptionHandlers(parts),
    ...createAttemptHandlers(parts),
    ...createPublishHandlers(parts),
    ...createConfirmHandlers(parts),
    ...createFilterHandlers(),
    ...createProtectionHandlers(parts),
    ...createReplayHandlers(parts),
    ...createSnapshotHandlers(parts),
    ...createUndeliverableHandlers(parts),
    tail: createTailHandler(parts),
    consume: createTopicConsumeHandler(parts),
  };
}
