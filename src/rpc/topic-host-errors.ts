// What somebody is told who would have a host asked for its consent too often.

import { status } from "@grpc/grpc-js";
import type { TopicRejection } from "../topic/rejections.js";
import type { WireFaultFields } from "./status-details.js";

type HostRejection = Extract<
  TopicRejection,
  { readonly kind: "host_asked_limit" | "host_pending_limit" }
>;

export function hostFaultFields(rejection: HostRejection): WireFaultFields {
  const { host, limit } = rejection;
  const isAsked = rejection.kind === "host_asked_limit";
  return {
    code: status.RESOURCE_EXHAUSTED,
    reason: "CONFIRMATION_LIMIT",
    message: isAsked
      ? `${host} was asked to confirm ${limit} times within an hour, which is the limit. Try again later, or confirm what it was asked; nothing was sent.`
      : `${rejection.count} subscriptions of ${host} wait to be confirmed, which is the limit. Confirm or end some first; nothing was subscribed.`,
    metadata: { host, limit: String(limit) },
    quota: [{ subject: `host:${host}`, description: `at most ${limit}, and it would be more` }],
    retryAfterMs: isAsked ? rejection.retryAfterMs : "never",
  };
}
