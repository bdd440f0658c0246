// What policies of topics may say and how much. The grammar around it is that of every service (`policy-rules.ts`).

import type { PolicyRules } from "./policy-rules.js";

/** What AddPermission can grant (Amazon SNS API reference, AddPermission; `Receive` is ours, for streams). */
export const grantableTopicActions = [
  "GetTopic",
  "UpdateTopic",
  "AddPermission",
  "RemovePermission",
  "DeleteTopic",
  "Subscribe",
  "ListSubscriptionsByTopic",
  "Publish",
  "Receive",
] as const;

// CreateTopic and ListTopics are missing: no topic's policy can speak for a topic that is not there, or for all of them.
export const topicPolicyRules: PolicyRules = {
  service: "topic",
  actions: [
    ...grantableTopicActions,
    "TagTopic",
    "UntagTopic",
    "ListTopicTags",
    "PutDataProtectionPolicy",
    "GetDataProtectionPolicy",
  ],
  groups: {},
  forms: {
    PublishBatch: "Publish",
    Tail: "Receive",
    Consume: "Receive",
    ListSubscriptions: "ListSubscriptionsByTopic",
  },
  compounds: {},
  // Amazon SNS's (developer guide, policy quotas), and of conditions as many as fit.
  quotas: {
    bytes: 30_720,
    statements: 100,
    principals: 200,
    conditions: 100,
    actionsOfStatement: 20,
  },
};
