// The parts of gRPC that a stream begins and ends with: paths, headers and the status in its trailers. The transport speaks gRPC
// over Node's own HTTP/2 rather than through grpc-js, for three reasons. It must see the connection: its bytes are the signs of
// life, its certificate says who speaks, and a dead one is closed at once. It redials by its own rules, where grpc-js keeps
// connections by its own. And records are written as they are, where grpc-js copies each message once more in both directions.

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { status } from "@grpc/grpc-js";
import { ReplicationServiceService } from "../../gen/forebay/replication/v1/replication_service.js";
import { ErrorInfo } from "../../gen/google/rpc/error_details.js";
import { Status } from "../../gen/google/rpc/status.js";
import { statusObjectOf, type WireFault } from "../../rpc/status-details.js";

export const connectPath: string = ReplicationServiceService.connect.path;
const contentType = "application/grpc+proto";
const detailsHeader = "grpc-status-details-bin";

/**
 * What a stream is for. Parts of a copy have a connection of their own: measured over a line of 10 MB/s, a heartbeat took 60 ms
 * (at most 120) behind one part of a copy on its own connection, 370 ms (580) behind four, since what the socket has taken cannot
 * be overtaken; with a connection for copies it took 2 ms (19). Over 100 MB/s it was 9 ms and 2 ms.
 */
export type Lane = "main" | "copy";

const laneHeader = "forebay-lane";

export const laneOf = (headers: IncomingHttpHeaders): Lane =>
  headers[laneHeader] === "copy" ? "copy" : "main";

export const requestHeaders = (authority: string, lane: Lane): OutgoingHttpHeaders => ({
  [laneHeader]: lane,
  ":method": "POST",
  ":path": connectPath,
  ":authority": authority,
  "content-type": contentType,
  te: "trailers",
});

export const responseHeaders: OutgoingHttpHeaders = { ":status": 200, "content-type": contentType };

/** What ends a stream that failed. */
export function trailersOf(fault: WireFault): OutgoingHttpHeaders {
  const { code, details, metadata } = statusObjectOf(fault);
  return {
    "grpc-status": code,
    "grpc-message": encodeURI(details),
    ...metadata.toHttp2Headers(),
  };
}

export const isGrpc = (headers: IncomingHttpHeaders): boolean =>
  String(headers["content-type"]).startsWith("application/grpc");

/** Why the other side ended the stream, in words; undefined while these headers say nothing of it. */
export function reasonIn(headers: IncomingHttpHeaders): string | undefined {
  const code = headers["grpc-status"];
  if (code === undefined) {
    const http = Number(headers[":status"] ?? 200);
    return http === 200 ? undefined : `it answered HTTP ${http}`;
  }
  const text = String(headers["grpc-message"] ?? "");
  return `${status[Number(code)] ?? code} / ${errorReasonIn(headers) ?? "no reason"}: ${decoded(text)}`;
}

function errorReasonIn(headers: IncomingHttpHeaders): string | undefined {
  const packed = headers[detailsHeader];
  if (packed === undefined) return undefined;
  try {
    const [first] = Status.decode(Buffer.from(String(packed), "base64")).details;
    return first === undefined ? undefined : ErrorInfo.decode(first.value).reason;
  } catch {
    // The words for a log are poorer without it, and nothing else.
    return undefined;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
