// AddPermission and RemovePermission: a statement of the queue's policy more, or one less. Nothing judges calls by policies yet.

import { queuePolicyRules } from "../policy/policy-rules.js";
import { addStatement, removeStatement } from "../policy/statements.js";
import type { Queue } from "./model.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, reject } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface AddPermission {
  readonly address: QueueAddress;
  readonly label: string;
  readonly principals: readonly string[];
  /** Names of actions or groups, without the service. */
  readonly actions: readonly string[];
}

export interface RemovePermission {
  readonly address: QueueAddress;
  readonly label: string;
}

export interface PermissionsChanged {
  /** The queue's, after the change. */
  readonly revision: number;
}

export function decideAddPermission(
  transaction: QueueTransaction,
  command: AddPermission,
  stamp: Stamp,
): Decided<PermissionsChanged> {
  const { address, label, principals, actions } = command;
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const { namespace, name } = queue;
  const resource = { rules: queuePolicyRules, namespace, name };
  const added = addStatement(queue.settings.policy, { label, principals, actions, resource });
  switch (added.kind) {
    case "changed":
      return putPolicy(transaction, queue, added.policy, stamp);
    case "label_exists":
      return reject({ kind: "label_exists", queue: address.given, label });
    case "limit": {
      const { what, count, limit } = added;
      return reject({ kind: "policy_limit", queue: address.given, what, count, limit });
    }
  }
}

export function decideRemovePermission(
  transaction: QueueTransaction,
  { address, label }: RemovePermission,
  stamp: Stamp,
): Decided<PermissionsChanged> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const removed = removeStatement(queue.settings.policy, label);
  return removed.kind === "changed"
    ? putPolicy(transaction, queue, removed.policy, stamp)
    : reject({ kind: "label_not_found", queue: address.given, label });
}

function putPolicy(
  transaction: QueueTransaction,
  queue: Queue,
  policy: string | undefined,
  stamp: Stamp,
): Decided<PermissionsChanged> {
  const revision = queue.revision + 1;
  const settings = { ...queue.settings, policy };
  transaction.putQueue({ ...queue, settings, updatedAt: stamp.now, revision });
  return accept({ revision });
}
