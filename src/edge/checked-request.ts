// The request of a call that is about to be served: decoded, and still waited for.

import { status } from "@grpc/grpc-js";
import { WireFault } from "../rpc/status-details.js";
import type { GrpcCallContext } from "./call-context.js";
import { type MethodCodec, malformedRequest } from "./decode.js";

/** Throws when there is no request in the bytes, or when nobody waits for the answer any more. */
export function checkedRequest(
  codec: MethodCodec,
  bytes: Buffer,
  context: GrpcCallContext,
): unknown {
  const request = codec.decode(bytes);
  if (request === malformedRequest) throw malformedFault();
  if (context.isCancelled) throw nobodyWaits();
  return request;
}

export const malformedFault = (): WireFault =>
  new WireFault({
    code: status.INVALID_ARGUMENT,
    reason: "MALFORMED_REQUEST",
    message: "The bytes of the request are not a message of the type that this method takes.",
  });

const nobodyWaits = (): WireFault =>
  new WireFault({
    code: status.DEADLINE_EXCEEDED,
    reason: "DEADLINE_EXCEEDED",
    message: "The call was cancelled or its deadline passed before it was begun; nothing was done.",
  });
