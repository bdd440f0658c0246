// Opens a connection to a target: looked up and judged, connected, judged again by the address that the socket really has, and only
// then the first byte is sent, which for TLS is its handshake. Each step has its time.

import { connect as connectTcp, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Clock } from "../base/clock.js";
import { Deadline } from "./deadline.js";
import { deliveryLimits } from "./limits.js";
import type { RetryableReason } from "./outcome.js";
import { checkedAddresses, type Destination, type Gate, judgeTarget } from "./target-gate.js";

/** Why there is no connection. */
export class DialFault extends Error {
  override readonly name = "DialFault";
  readonly reason: RetryableReason | "address_blocked";

  constructor(reason: DialFault["reason"], message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** PEM. What is absent is the system's, or not there. */
export interface TargetTls {
  readonly caCertificates?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export interface Dialling extends Gate {
  readonly clock: Pick<Clock, "setTimer">;
}

/**
 * A socket that is ready for the first request.
 *
 * @throws DialFault
 */
export async function dial(
  destination: Destination,
  tls: TargetTls,
  dialling: Dialling,
): Promise<Socket> {
  const deadline = new Deadline(dialling.clock, deliveryLimits.connectMsMax);
  const socket = await connectedSocket(destination, dialling, deadline).finally(() =>
    deadline.end(),
  );
  return destination.isSecure ? secured(socket, destination, tls, dialling) : socket;
}

async function connectedSocket(
  destination: Destination,
  dialling: Dialling,
  deadline: Deadline,
): Promise<Socket> {
  const { host, port } = destination;
  const late = () =>
    new DialFault(
      "connect_timeout",
      `${host}:${port} took longer than ${deliveryLimits.connectMsMax / 1_000} s to be connected.`,
    );
  const checked = await deadline.race(checkedAddresses(destination, dialling), late);
  switch (checked.kind) {
    case "blocked":
      throw new DialFault("address_blocked", checked.error);
    case "unresolved":
      throw new DialFault("name_not_resolved", checked.error);
    case "addresses":
  }
  const socket = connectTcp({ host, port, lookup: answering(checked.addresses), noDelay: true });
  // Whoever waits for something is told of errors; one that comes while nobody waits must not end the process.
  socket.on("error", () => undefined);
  try {
    await deadline.race(whenEmitted(socket, "connect"), late);
  } catch (error) {
    socket.destroy();
    throw asFault(error, "connection_failed", `${host}:${port} cannot be connected`);
  }
  const verdict = judgeTarget(socket.remoteAddress ?? "", destination, dialling.rules);
  if (verdict.kind === "blocked") {
    socket.destroy();
    throw new DialFault(
      "address_blocked",
      `Nothing is sent to ${host}:${port}: it is ${verdict.why}.`,
    );
  }
  return socket;
}

/** Node asks for all addresses when it may try several, and for one otherwise. It does not ask when the host is an address. */
function answering(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, options, callback) => {
    if (options.all === true) callback(null, all);
    else callback(null, all[0]?.address ?? "", all[0]?.family ?? 4);
  };
}

async function secured(
  socket: Socket,
  { host, isAddress, port }: Destination,
  { caCertificates, certificate, key }: TargetTls,
  { clock }: Dialling,
): Promise<Socket> {
  const deadline = new Deadline(clock, deliveryLimits.tlsMsMax);
  const late = () =>
    new DialFault(
      "tls_failed",
      `${host}:${port} took longer than ${deliveryLimits.tlsMsMax / 1_000} s for the TLS handshake.`,
    );
  let secure: TLSSocket | undefined;
  try {
    secure = connectTls({
      socket,
      host,
      // An address has no server name; the certificate is held against `host` either way.
      ...(isAddress ? {} : { servername: host }),
      ...(caCertificates === undefined ? {} : { ca: caCertificates }),
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(key === undefined ? {} : { key }),
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2",
      rejectUnauthorized: true,
    });
    secure.on("error", () => undefined);
    await deadline.race(whenEmitted(secure, "secureConnect"), late);
    return secure;
  } catch (error) {
    secure?.destroy();
    socket.destroy();
    throw asFault(error, "tls_failed", `TLS with ${host}:${port} failed`);
  } finally {
    deadline.end();
  }
}

function whenEmitted(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => {
      socket.off("error", reject);
      socket.off("close", closed);
      resolve();
    });
    const closed = (): void => reject(new Error("it was closed"));
    socket.once("error", reject);
    socket.once("close", closed);
  });
}

function asFault(error: unknown, reason: RetryableReason, what: string): DialFault {
  if (error instanceof DialFault) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new DialFault(reason, `${what}: ${code ?? message}.`, error);
}
