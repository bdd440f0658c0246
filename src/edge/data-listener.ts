// The data listener: where applications call the services, by default 127.0.0.1:7400. Who comes with another protocol is told
// where it is; tools may ask what is served here (reflection).

import { type Address, addressText } from "../config/address.js";
import type { HandlerOptions } from "./call-shell.js";
import { turnAway } from "./doors.js";
import { redirectGrpcLog } from "./grpc-log.js";
import { createListener, type Listener } from "./listener.js";
import { addReflection } from "./reflection.js";

export interface DataListenerOptions extends HandlerOptions {
  readonly hasReflection: boolean;
  /** Named to those who knock with HTTP; undefined when it is not known yet. */
  readonly managementAddress: () => Address | undefined;
}

// 21 KB each when idle.
const connectionCountMax = 10_000;

export function createDataListener(options: DataListenerOptions): Listener {
  const { log, metrics, hasReflection, managementAddress } = options;
  redirectGrpcLog(log);
  const listener = createListener({
    ...options,
    listener: "data",
    connectionCountMax,
    onOtherProtocol: (socket, protocol) => {
      metrics.connectionRejected(protocol);
      turnAway(socket, protocol, wrongDoor(managementAddress()));
    },
  });
  const services: string[] = [];
  return {
    ...listener,
    add: (definition, handlers) => {
      services.push(definition.fullName);
      listener.add(definition, handlers);
    },
    addRouted: (definition, router) => {
      services.push(definition.fullName);
      listener.addRouted(definition, router);
    },
    listen: (address) => {
      if (hasReflection) addReflection(listener, services);
      return listener.listen(address);
    },
  };
}

function wrongDoor(management: Address | undefined): string {
  const elsewhere =
    management === undefined ? "" : ` Health and metrics are at http://${addressText(management)}.`;
  return `This is the gRPC port of Forebay; it speaks HTTP/2 without TLS.${elsewhere}`;
}
