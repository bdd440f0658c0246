// Permissions at the wire: statements of a queue's policy by their labels, without its JSON.

import { AddPermissionRequest } from "../gen/forebay/queue/v1/queue_service.js";
import { queuePolicyRules } from "../policy/policy-rules.js";
import { decideOnce } from "../queue/once.js";
import {
  decideAddPermission,
  decideRemovePermission,
  type PermissionsChanged,
} from "../queue/permissions.js";
import {
  commandBytes,
  createTools,
  outcomeOf,
  type QueueHandlerParts,
  type QueueHandlers,
  run,
} from "./handler-context.js";
import { checkLabel, checkNewLabel, checkPrincipals, parseGrants } from "./parse-policy.js";
import { jsonCodec } from "./request-ids.js";
import { Violations } from "./violations.js";

export function createPermissionHandlers(
  parts: QueueHandlerParts,
): Pick<QueueHandlers, "addPermission" | "removePermission"> {
  const { engine } = parts;
  const { identify, address } = createTools(parts);
  return {
    addPermission: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const { label, principals } = request;
      checkNewLabel(violations, label);
      checkPrincipals(violations, principals);
      const actions = parseGrants(violations, request.actions);
      const identity = identify(violations, request.requestId, "AddPermission", () =>
        AddPermissionRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      outcomeOf(
        await engine.execute({
          name: "AddPermission",
          bytes: commandBytes + queuePolicyRules.quotas.bytes,
          isGrowing: true,
          decide: (transaction, stamp) =>
            decideOnce(transaction, stamp, identity, jsonCodec<PermissionsChanged>(), () =>
              decideAddPermission(
                transaction,
                { address: target, label, principals, actions },
                stamp,
              ),
            ),
        }),
      );
      return {};
    },

    removePermission: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const { label } = request;
      checkLabel(violations, label);
      violations.throwIfAny();
      await run(engine, "RemovePermission", (transaction, stamp) =>
        decideRemovePermission(transaction, { address: target, label }, stamp),
      );
      return {};
    },
  };
}
