// Calls that other nodes pass on to this one, over the connections that the listener for members hands on: the same services, at
// the same limits, as applications have. Only calls with the mark of those that were passed on are served, since whoever
// applications are is asked at the listener for them.

import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import { type Clock, wallMs } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { CallRouter } from "../edge/call-router.js";
import { forwardedKey } from "../edge/cluster-metadata.js";
import { createListener, type Listener } from "../edge/listener.js";
import type { Metrics } from "../edge/metrics.js";
import { PageServiceDefinition } from "../gen/forebay/replication/v1/page_service.js";
import { WireFault } from "../rpc/status-details.js";
import { translateFault } from "../rpc/wire-errors.js";
import { servedDefinitions } from "./term.js";

export interface PassedOnCallsParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly router: CallRouter;
}

/** As many as applications may have: each stream that is passed on has one of its own. */
const connectionCountMax = 10_000;

/** Takes connections and is drained; it listens nowhere itself. */
export function createPassedOnCalls(parts: PassedOnCallsParts): Pick<Listener, "take" | "drain"> {
  const { clock, log, metrics, router } = parts;
  const listener = createListener({
    clock,
    wallMs,
    log,
    metrics,
    translateError: translateFault,
    listener: "peer",
    connectionCountMax,
    onOtherProtocol: (socket: Socket) => socket.destroy(),
  });
  for (const definition of [...servedDefinitions, PageServiceDefinition]) {
    listener.addRouted(definition, markedOnly(router));
  }
  return listener;
}

export const markedOnly = (router: CallRouter): CallRouter => ({
  place: (call) =>
    call.context.metadata(forwardedKey) === undefined
      ? { kind: "nowhere", fault: notPassedOn() }
      : router.place(call),
  trailers: () => router.trailers(),
});

const notPassedOn = (): WireFault =>
  new WireFault({
    code: status.UNIMPLEMENTED,
    reason: "UNKNOWN_METHOD",
    message:
      "Only calls that another node passes on are served here; applications call the data listener.",
  });
