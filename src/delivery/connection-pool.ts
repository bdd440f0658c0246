// The pools of connections to webhooks: Node's agents, which keep what is idle and share it among requests to the same place with the
// same TLS settings. Where Node would connect by itself, the dial does.

import type { Agent as HttpAgent } from "node:http";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { type Dialling, dial } from "./dial.js";
import { deliveryLimits } from "./limits.js";

export const agentOptions = {
  keepAlive: true,
  maxFreeSockets: deliveryLimits.idlePerTargetMax,
  // What is in flight is bounded by whoever hands out attempts, so that no attempt waits here while its time runs.
  maxSockets: Number.POSITIVE_INFINITY,
  timeout: deliveryLimits.idleMsMax,
};

/** What an agent calls for a new connection; the types of Node leave it out. */
interface Connecting {
  createConnection: (
    options: ConnectOptions,
    callback: (error: Error | null, socket?: Duplex) => void,
  ) => undefined;
}

/** As the request was made. */
interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** An agent whose every connection is dialled through the gate. */
export function diallingThrough<A extends HttpAgent>(
  agent: A,
  gate: Dialling,
  isSecure: boolean,
): A {
  const createConnection: Connecting["createConnection"] = (options, callback) => {
    const { host, port, ca, cert, key } = options;
    const destination = { host, port, isAddress: isIP(host) !== 0, isSecure };
    dial(destination, { caCertificates: ca, certificate: cert, key }, gate).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
    return undefined;
  };
  const keep = agent.keepSocketAlive.bind(agent);
  // Returns whether it is kept, which the types of Node leave out too.
  const keepSocketAlive = (socket: Duplex): boolean => {
    const idle = Object.values(agent.freeSockets).reduce((sum, list = []) => sum + list.length, 0);
    return idle < deliveryLimits.idleMax && Boolean(keep(socket));
  };
  return Object.assign(agent, { createConnection, keepSocketAlive });
}
