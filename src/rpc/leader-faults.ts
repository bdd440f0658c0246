// What callers are told about who leads. A call that was refused before it had any effect is NOT_LEADER, and may be repeated by
// anybody; one that was begun and has no answer is LEADERSHIP_LOST, and whether it took effect nobody here can know.

import { status } from "@grpc/grpc-js";
import { WireFault } from "./status-details.js";

/** Until a leader is found, a few of these pass. */
const retryMs = 250;

/** This node got a call that another passed on, and does not lead either. */
export const notLeader = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "NOT_LEADER",
    message: "This node does not lead. Nothing was done: ask again, any node.",
    retryAfterMs: retryMs,
  });

/** A read that turned out to change something: thrown where a node that follows reads, so that the call is passed on. */
export class LeaderNeeded extends Error {
  override readonly name = "LeaderNeeded";
}

/** Nobody leads, as far as this node knows. */
export const noLeader = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "NOT_LEADER",
    message:
      "No node leads at the moment; one is being elected, or too few nodes can reach each other. Nothing was done: ask again.",
    retryAfterMs: retryMs,
  });

/** This node was a member of the cluster and is none any more. */
export const memberRemoved = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "NOT_LEADER",
    message:
      "This node was removed from its cluster, and nobody keeps its state up to date. Nothing was done: ask another node. To use this one again, start it with an empty data directory and run `forebay cluster add`.",
  });

export const leadershipLost = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "LEADERSHIP_LOST",
    message:
      "This node leads no more. Whether the call took effect is unknown: repeat it if that does no harm, as with the same request_id.",
  });

/** The position is of a history that was not to be. */
export const positionUnknown = (position: string): WireFault =>
  new WireFault({
    code: status.FAILED_PRECONDITION,
    reason: "POSITION_UNKNOWN",
    message: `This cluster's history has no position ${position}: it is of another cluster, or of records that were lost with a leader. Read without at_least, and go on from the position of that answer.`,
    metadata: { position },
  });
