// The data listener: where applications call the services, by default 127.0.0.1:7400. It owns the limits of a connection and
// of a call, what the wrong kind of client is told, and the way down: stop accepting, tell clients to go, wait, close.

import { type ServerOptions, status } from "@grpc/grpc-js";
import type { ServiceDefinition, ServiceHandlers } from "../rpc/call.js";
import { turnAway } from "./doors.js";
import { createFailedCallsLog } from "./failed-calls-log.js";
import { widenWindows } from "./flow-control.js";
import { type Address, createConnectionServer } from "./grpc-server.js";
import { createRegistrar, type HandlerOptions } from "./handlers.js";
import { installStreamGate } from "./stream-gate.js";

export interface DataListenerOptions extends HandlerOptions {
  /** Named to those who knock with HTTP, as `http://127.0.0.1:7401`. */
  readonly managementUrl?: string;
}

export interface DataListener {
  add<Definition extends ServiceDefinition>(
    definition: Definition,
    handlers: ServiceHandlers<Definition>,
  ): void;
  listen(address: Address): Promise<Address>;
  drain(graceMs: number): Promise<void>;
}

export const messageInBytesMax = 4 * 1_048_576;
/** Above the inbound limit, so that whatever could be sent can be received with its envelope. */
export const messageOutBytesMax = messageInBytesMax + 65_536;

const connectionCountMax = 10_000;

const limits: ServerOptions = {
  // Channelz costs a record per connection and a counter per call, and serves nobody here.
  "grpc.enable_channelz": 0,
  // One call past it ends the whole connection (GOAWAY), and a client of ours keeps more than 256 in flight on one. 4,096
  // unary calls of 64 KiB are 256 MiB: bounded, and out of reach of an honest client.
  "grpc.max_concurrent_streams": 4_096,
  "grpc.max_receive_message_length": messageInBytesMax,
  "grpc.max_send_message_length": messageOutBytesMax,
  // A peer that is gone without a FIN is noticed after 80 s.
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.max_connection_idle_ms": 300_000,
};

export function createDataListener(options: DataListenerOptions): DataListener {
  const { clock, log, metrics, managementUrl } = options;
  const failedCalls = createFailedCallsLog(log, clock);
  const server = createConnectionServer({
    listener: "data",
    clock,
    metrics,
    connectionCountMax,
    limits,
    onOtherProtocol: (socket, protocol) => {
      metrics.connectionRejected(protocol);
      turnAway(socket, protocol, wrongDoor(managementUrl));
    },
  });
  const unknown = metrics.meter("_unknown", "_unknown");
  const hasGate = installStreamGate(server.grpc, {
    onRefused: ({ code, reason }) => {
      unknown.started();
      unknown.finished(status[code], reason, 0);
      failedCalls.write({ service: "_unknown", method: "_unknown", code, reason, durationMs: 0 });
    },
  });
  if (!(widenWindows(server.grpc) && hasGate)) {
    log.warn(
      {},
      "this version of grpc-js lacks what the edge needs; its own answers and windows remain",
    );
  }
  const registrar = createRegistrar(options);
  return {
    add: (definition, handlers) => registrar.add(server.grpc, definition, handlers),
    listen: server.listen,
    drain: server.drain,
  };
}

function wrongDoor(managementUrl: string | undefined): string {
  const elsewhere =
    managementUrl === undefined ? "" : ` Health and metrics are at ${managementUrl}.`;
  return `This is the gRPC port of Forebay; it speaks HTTP/2 without TLS.${elsewhere}`;
}
