// Consent of endpoints at the wire, and what of a Subscribe is about webhooks and functions alone.

import { status } from "@grpc/grpc-js";
import { decideReportSubscription } from "../topic/administer-subscription.js";
import { decideConfirmSubscription, decidePendingToken } from "../topic/push-confirm.js";
import { pushLimits } from "../topic/push-limits.js";
import type { PushKind } from "../topic/push-subscribe.js";
import { timestamp } from "./render.js";
import { WireFault } from "./status-details.js";
import {
  createTopicTools,
  type PushPort,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { parseSubscriptionId } from "./topic-names.js";
import { renderSubscription } from "./topic-render.js";
import { Violations } from "./violations.js";

export function createConfirmHandlers(
  parts: TopicHandlerParts,
): Pick<TopicHandlers, "confirmSubscription" | "getPendingToken"> {
  const { execute, address } = createTopicTools(parts);
  return {
    confirmSubscription: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      if (request.token === "") {
        violations.add("MISSING_PARAMETER", "token", "the token that the endpoint got is needed");
      }
      violations.throwIfAny();
      const command = {
        address: target,
        token: request.token,
        isEndClosed: request.authenticateOnUnsubscribe,
      };
      const report = await execute({
        name: "ConfirmSubscription",
        isGrowing: true,
        decide: (transaction, stamp) => {
          const confirmed = decideConfirmSubscription(transaction, command, stamp);
          return confirmed.kind === "rejected"
            ? confirmed
            : decideReportSubscription(transaction, confirmed.outcome.id, stamp);
        },
      });
      return { subscription: renderSubscription(report, { hasCounters: false }) };
    },

    getPendingToken: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      violations.throwIfAny();
      const { token, expiresAt } = await execute({
        name: "GetPendingToken",
        isGrowing: false,
        decide: (transaction) => decidePendingToken(transaction, id),
      });
      return { token, expireTime: timestamp(expiresAt) };
    },
  };
}

/** Whether an endpoint is one, of its kind, and where messages may be sent to. */
export function checkEndpoint(
  violations: Violations,
  pushes: PushPort,
  kind: PushKind,
  endpoint: string,
): void {
  if (endpoint === "") {
    violations.add("MISSING_PARAMETER", "endpoint", "the endpoint is needed");
    return;
  }
  const problem = pushes.problemOf(kind, endpoint);
  if (problem !== undefined) {
    const reason = problem.kind === "malformed" ? "INVALID_PARAMETER" : "ENDPOINT_NOT_ALLOWED";
    violations.add(reason, "endpoint", problem.description);
    return;
  }
  if (kind === "function" || pushes.publicBaseUrl !== "") return;
  violations.throwIfAny();
  throw new WireFault({
    code: status.FAILED_PRECONDITION,
    reason: "PUBLIC_URL_UNSET",
    message:
      "Webhooks need an address of this server where they confirm and find its certificate. Set public_base_url; nothing was subscribed.",
    metadata: { setting: "public_base_url" },
  });
}

const hmacSecretBytes = 32;

/** What a new webhook is asked with, and its messages are signed with. */
export const secretsOf = (pushes: PushPort) => ({
  token: pushes.randomBytes(pushLimits.tokenBytes).toString("hex"),
  hmacSecret: pushes.randomBytes(hmacSecretBytes).toString("base64"),
});
