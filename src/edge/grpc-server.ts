// A grpc-js server with our limits, fed with connections by a net.Server of ours, because grpc-js offers no place to look at
// a connection before it speaks, nor to count connections. The data and the management listener are two of these; a third is
// fed by the listener for members, with the connections over which their nodes pass calls on.

import { createServer, type Socket, type Server as TcpServer } from "node:net";
import { Server, ServerCredentials, type ServerOptions } from "@grpc/grpc-js";
import { type Clock, sleep } from "../base/clock.js";
import { OperatorFault } from "../base/operator-fault.js";
import { type Address, addressText } from "../config/address.js";
import { type Protocol, recogniseProtocol } from "./doors.js";
import type { Metrics } from "./metrics.js";

export interface ConnectionServerOptions {
  /** The label in metrics, as `data`. */
  readonly listener: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly connectionCountMax: number;
  readonly limits: ServerOptions;
  /** What to do with a connection that does not speak gRPC. It is not closed unless this does. */
  onOtherProtocol(socket: Socket, protocol: Exclude<Protocol, "grpc">): void;
}

export interface ConnectionServer {
  readonly grpc: Server;
  /** Begins to accept; resolves with the address, in which a port of 0 is replaced by the one chosen. */
  listen(address: Address): Promise<Address>;
  /** Takes a connection that was accepted elsewhere; it counts and ends as those accepted here. */
  take(socket: Socket): void;
  /**
   * Stops accepting, tells clients to go (GOAWAY) and waits for calls to end; closes what is left after `graceMs`.
   * Resolves when no connection is left.
   */
  drain(graceMs: number): Promise<void>;
}

/** A listener could not be opened; the message says what to do about it. */
export class ListenFault extends OperatorFault {
  override readonly name = "ListenFault";
}

export function createConnectionServer(options: ConnectionServerOptions): ConnectionServer {
  const { listener, clock, metrics, connectionCountMax, limits, onOtherProtocol } = options;
  const grpc = new Server(limits);
  const sockets = new Set<Socket>();
  let whenEmpty: (() => void) | undefined;
  // The injector is made at the first listen, after whoever owns the server has prepared it.
  let injector: ReturnType<Server["createConnectionInjector"]> | undefined;
  const makeInjector = (): void => {
    injector ??= grpc.createConnectionInjector(ServerCredentials.createInsecure());
  };
  let isDraining = false;

  const accept = (socket: Socket): void => {
    sockets.add(socket);
    metrics.connectionOpened(listener);
    socket.on("close", () => {
      sockets.delete(socket);
      metrics.connectionClosed(listener);
      if (sockets.size === 0) whenEmpty?.();
    });
    // A reset is no event for us: 'close' follows.
    socket.on("error", () => socket.destroy());
    const onSilent = (): void => metrics.connectionRejected("silent");
    const decide = (protocol: Protocol): void => {
      if (protocol === "grpc") injector?.injectConnection(socket);
      else onOtherProtocol(socket, protocol);
    };
    recogniseProtocol(socket, clock, decide, onSilent);
  };
  const tcp = createServer({ noDelay: true }, accept);
  tcp.maxConnections = connectionCountMax;
  tcp.on("drop", () => metrics.connectionRejected("too_many"));

  return {
    grpc,
    listen: async (address) => {
      makeInjector();
      return await listen(tcp, address);
    },
    take: (socket) => {
      if (isDraining || sockets.size >= connectionCountMax) {
        if (!isDraining) metrics.connectionRejected("too_many");
        socket.destroy();
        return;
      }
      makeInjector();
      accept(socket);
    },
    drain: async (graceMs) => {
      isDraining = true;
      if (tcp.listening) tcp.close();
      injector?.drain(graceMs);
      const empty = new Promise<void>((resolve) => {
        whenEmpty = resolve;
        if (sockets.size === 0) resolve();
      });
      await Promise.race([empty, sleep(clock, graceMs)]);
      // Not tryShutdown, which never calls back once a call hangs.
      grpc.forceShutdown();
      for (const socket of sockets) socket.destroy();
      await empty;
    },
  };
}

function listen(tcp: TcpServer, address: Address): Promise<Address> {
  const { host, port } = address;
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(new ListenFault(whyNot(error, addressText(address)), { cause: error }));
    };
    tcp.once("error", onError);
    tcp.listen({ host, port }, () => {
      tcp.off("error", onError);
      // Later errors of accepting (out of file descriptors) end connections, not the server.
      tcp.on("error", () => undefined);
      const bound = tcp.address();
      resolve({ host, port: typeof bound === "object" && bound !== null ? bound.port : port });
    });
  });
}

function whyNot(error: NodeJS.ErrnoException, address: string): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `${address} is in use by another program (perhaps another Forebay); stop it or choose another port.`;
    case "EACCES":
      return `This user may not listen on ${address}; choose a port above 1023.`;
    case "EADDRNOTAVAIL":
      return `This machine has no address ${address}.`;
    default:
      return `Cannot listen on ${address}: ${error.message}.`;
  }
}
