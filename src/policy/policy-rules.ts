// What policies of one service may say and how much: its actions and quotas. The grammar around them is the same for all.

/** The service whose resources a policy belongs to. */
export interface PolicyRules {
  /** The first part of actions (`queue:SendMessage`) and resources (`queue/orders`). */
  readonly service: "queue" | "topic";
  /** Calls that act on one resource of the service: what a policy of it can be about. */
  readonly actions: readonly string[];
  /** Names for several actions at once. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Calls that are another action in another form, and are governed by it. */
  readonly forms: Readonly<Record<string, string>>;
  /** Calls that are several actions, and are governed by each of them. */
  readonly compounds: Readonly<Record<string, readonly string[]>>;
  readonly quotas: PolicyQuotas;
}

/** How much a document may hold. Sums over all statements but the last, which is for each. */
export interface PolicyQuotas {
  readonly bytes: number;
  readonly statements: number;
  readonly principals: number;
  /** A condition is one key under one operator. */
  readonly conditions: number;
  /** As written, a group or pattern being one. */
  readonly actionsOfStatement: number;
}

/** The resource a policy belongs to: the only one it may name. */
export interface PolicyResource {
  readonly rules: PolicyRules;
  readonly namespace: string;
  readonly name: string;
}

/** How policies of its own namespace name a resource. */
export const resourceText = ({ rules, name }: PolicyResource): string => `${rules.service}/${name}`;

/**
 * What AddPermission can grant: the use of a queue. The rest (permissions, settings, tags, deletion, moves) is its owner's.
 * Streams and batches are governed by the same actions.
 */
export const grantableQueueActions = [
  "SendMessage",
  "ReceiveMessage",
  "DeleteMessage",
  "ChangeMessageVisibility",
  "GetQueueAttributes",
  "GetQueueUrl",
  "ListDeadLetterSourceQueues",
  "PurgeQueue",
  "PeekMessages",
] as const;

/** All of them in one action: they are more than a statement's quota, and `queue:*` would be more than they are. */
export const grantableQueueGroup = "Use";

// CreateQueue and ListQueues are missing: no queue's policy can speak for a queue that is not there, or for all of them.
// test/unit/policy-actions.test.ts compares the names with the contract's.
export const queuePolicyRules: PolicyRules = {
  service: "queue",
  actions: [
    ...grantableQueueActions,
    "SetQueueAttributes",
    "DeleteQueue",
    "TagQueue",
    "UntagQueue",
    "ListQueueTags",
    "StartMessageMoveTask",
    "PreviewMessageMoveTask",
    "CancelMessageMoveTask",
    "ListMessageMoveTasks",
    "AddPermission",
    "RemovePermission",
    "RejectMessage",
    "DescribeMessage",
    "ExplainMessage",
    "ListScheduledMessages",
    "CancelScheduledMessage",
  ],
  groups: { [grantableQueueGroup]: grantableQueueActions },
  forms: {
    SendMessageBatch: "SendMessage",
    DeleteMessageBatch: "DeleteMessage",
    ChangeMessageVisibilityBatch: "ChangeMessageVisibility",
    Produce: "SendMessage",
  },
  compounds: { Consume: ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"] },
  // Amazon SQS's (developer guide, quotas related to policies).
  quotas: { bytes: 8_192, statements: 20, principals: 50, conditions: 10, actionsOfStatement: 7 },
};
