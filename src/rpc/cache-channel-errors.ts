// From why a call on channels is refused to what its caller is told; `tsc` demands a row for every kind.

import { status } from "@grpc/grpc-js";
import type { ChannelRejection } from "../cache/channels/channel-rejections.js";
import { WireFault } from "./status-details.js";
import { faultOf } from "./wire-errors.js";

const limitFaults = {
  channel_limit: {
    reason: "CHANNEL_LIMIT",
    what: "channels",
    help: "Use fewer names: a channel is forgotten when nobody names it in a subscription and its last message is not kept any more.",
  },
  pattern_limit: {
    reason: "PATTERN_LIMIT",
    what: "different patterns",
    help: "Subscribe with patterns that others have, or name the channels.",
  },
  subscriber_limit: {
    reason: "SUBSCRIBER_LIMIT",
    what: "subscriptions",
    help: "End some: one stream can have many channels.",
  },
} as const;

export function channelFaultOf(rejection: ChannelRejection): WireFault {
  if (rejection.kind === "channel_request_reused") return faultOf({ kind: "request_id_reused" });
  const { reason, what, help } = limitFaults[rejection.kind];
  const limit = String(rejection.limit);
  return new WireFault({
    code: status.RESOURCE_EXHAUSTED,
    reason,
    message: `This node has ${limit} ${what}, which is its bound. ${help}`,
    metadata: { limit },
    quota: [{ subject: "node", description: `at most ${limit} ${what}` }],
    retryAfterMs: 1_000,
  });
}
