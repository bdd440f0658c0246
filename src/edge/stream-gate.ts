// What is done to a call before grpc-js reads it, and where grpc-js would answer by itself: an unknown method is refused with
// our typed details and without repeating its name, and the caller's timeout is checked, since grpc-js parses it loosely
// (`597H` wraps to a time in the past, `-5S` counts as 5 s).
//
// grpc-js has no hook for this, so two of its inner methods are replaced. Where a version lacks them, the gate is left out and
// grpc-js' own answers remain; a contract test notices.

import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { type Server, status } from "@grpc/grpc-js";
import { statusObjectOf, WireFault } from "../rpc/status-details.js";

export interface StreamGate {
  /** Called for each call that the gate answered. */
  onRefused(fault: WireFault): void;
}

/** False when this version of grpc-js has no place for the gate. To be called before the server gets connections. */
export function installStreamGate(server: Server, gate: StreamGate): boolean {
  const internals = server as unknown as Partial<ServerInternals>;
  const handleStream = internals._streamHandler;
  if (typeof handleStream !== "function" || typeof internals._respondWithError !== "function") {
    return false;
  }
  const refuse = (stream: ServerHttp2Stream, fault: WireFault): void => {
    stream.respond(trailersOnly(fault), { endStream: true });
    stream.resume();
    gate.onRefused(fault);
  };
  // grpc-js calls it for unknown methods only.
  internals._respondWithError = (_error, stream) => refuse(stream, unknownMethod());
  internals._streamHandler = function (this: Server, interceptors, stream, headers) {
    const timeout = headers["grpc-timeout"];
    if (timeout !== undefined) {
      const spanMs = timeoutMsOf(String(timeout));
      if (spanMs === undefined || spanMs <= 0) {
        stream.on("error", ignoreBrokenStream);
        refuse(stream, spanMs === undefined ? badTimeout() : spentTimeout());
        return;
      }
      if (spanMs > timeoutMsMax) headers["grpc-timeout"] = `${timeoutMsMax / 1_000}S`;
    }
    handleStream.call(this, interceptors, stream, headers);
  };
  return true;
}

interface ServerInternals {
  _streamHandler: (
    this: Server,
    interceptors: unknown,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
  ) => void;
  _respondWithError: (error: unknown, stream: ServerHttp2Stream) => void;
}

const unitsMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000001,
};

// The longest delay of a timer of Node, in whole seconds: 24.8 days.
const timeoutMsMax = 2_147_483_000;

/** Milliseconds; undefined when it is not what the gRPC protocol calls a timeout. */
export function timeoutMsOf(timeout: string): number | undefined {
  const [, amount, unit] = /^([0-9]{1,8})([HMSmun])$/.exec(timeout) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Number(amount) * (unitsMs[unit] ?? 0);
}

const unknownMethod = (): WireFault =>
  new WireFault({
    code: status.UNIMPLEMENTED,
    reason: "UNKNOWN_METHOD",
    message: "This server has no such method. Reflection lists the ones it has.",
  });

const badTimeout = (): WireFault =>
  new WireFault({
    code: status.INVALID_ARGUMENT,
    reason: "BAD_TIMEOUT",
    message: "The grpc-timeout header is not 1 to 8 digits followed by one of H, M, S, m, u, n.",
  });

const spentTimeout = (): WireFault =>
  new WireFault({
    code: status.DEADLINE_EXCEEDED,
    reason: "DEADLINE_EXCEEDED",
    message: "The deadline had passed before the call arrived; nothing was done.",
  });

function trailersOnly(fault: WireFault): OutgoingHttpHeaders {
  const { code, details, metadata } = statusObjectOf(fault);
  return {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": code,
    "grpc-message": encodeURI(details),
    ...metadata.toHttp2Headers(),
  };
}

// The stream is answered; that its caller is gone needs no reaction.
function ignoreBrokenStream(): void {
  return;
}
