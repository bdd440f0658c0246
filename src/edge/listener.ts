// A gRPC listener: a connection server with our limits, the gate and the windows below grpc-js, and the wrapper around every
// handler. The data listener and the management listener are two of these, so that a flood of one does not starve the other.

import type { Socket } from "node:net";
import { type ServerOptions, status } from "@grpc/grpc-js";
import type { Address } from "../config/address.js";
import type { ServiceDefinition, ServiceHandlers } from "../rpc/call.js";
import type { CallRouter } from "./call-router.js";
import type { HandlerOptions } from "./call-shell.js";
import { createFailedCallsLog } from "./failed-calls-log.js";
import { widenWindows } from "./flow-control.js";
import { type ConnectionServerOptions, createConnectionServer } from "./grpc-server.js";
import { createRegistrar } from "./handlers.js";
import { installStreamGate } from "./stream-gate.js";

export interface ListenerOptions
  extends HandlerOptions,
    Pick<ConnectionServerOptions, "listener" | "connectionCountMax" | "onOtherProtocol"> {}

export interface Listener {
  /** Serves a service; before `listen`. */
  add<Definition extends ServiceDefinition>(
    definition: Definition,
    handlers: ServiceHandlers<Definition>,
  ): void;
  /** As `add`, for a service whose calls go each time where the router says. */
  addRouted(definition: ServiceDefinition, router: CallRouter): void;
  /** Resolves with the address bound, in which a port of 0 is replaced by the one chosen. Rejects with a ListenFault. */
  listen(address: Address): Promise<Address>;
  /** Takes a connection that was accepted elsewhere. */
  take(socket: Socket): void;
  /**
   * Stops accepting, tells clients to go (GOAWAY), waits for calls to end and closes what is left after `graceMs`.
   * Resolves when no connection is left.
   */
  drain(graceMs: number): Promise<void>;
}

const messageInBytesMax = 4 * 1_048_576;
/** Above the inbound limit, so that whatever could be sent can be received with its envelope. */
const messageOutBytesMax = messageInBytesMax + 65_536;

const limits: ServerOptions = {
  // Channelz costs a record per connection and a counter per call, and serves nobody here.
  "grpc.enable_channelz": 0,
  // One call past it ends the whole connection (GOAWAY), and a client of ours keeps more than 256 in flight on one. What
  // 4,096 calls can make the server hold unread is bounded by the connection's window, not by this.
  "grpc.max_concurrent_streams": 4_096,
  "grpc.max_receive_message_length": messageInBytesMax,
  "grpc.max_send_message_length": messageOutBytesMax,
  // A peer that is gone without a FIN is noticed after 80 s.
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.max_connection_idle_ms": 300_000,
};

/** The label under which calls to methods that do not exist are counted, whatever their names. */
const unknownName = "_unknown";

export function createListener(options: ListenerOptions): Listener {
  const { clock, log, metrics, listener } = options;
  const server = createConnectionServer({ ...options, limits });
  const failedCalls = createFailedCallsLog(log, clock);
  const unknown = metrics.meter(unknownName, unknownName);
  const hasGate = installStreamGate(server.grpc, {
    onRefused: ({ code, reason }) => {
      unknown.started();
      unknown.finished(status[code], reason, 0);
      failedCalls.write({ service: unknownName, method: unknownName, code, reason, durationMs: 0 });
    },
  });
  const hasWindows = widenWindows(server.grpc);
  if (!hasGate || !hasWindows) {
    log.warn({ listener, hasGate, hasWindows }, "grpc-js lacks what the edge reaches for");
  }
  const registrar = createRegistrar(options);
  return {
    add: (definition, handlers) => registrar.add(server.grpc, definition, handlers),
    addRouted: (definition, router) => registrar.addRouted(server.grpc, definition, router),
    listen: server.listen,
    take: server.take,
    drain: server.drain,
  };
}
