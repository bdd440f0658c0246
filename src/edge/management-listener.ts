// The management listener, by default 127.0.0.1:7401: what operators and their tools ask. One port speaks two protocols, told
// apart by the first bytes: HTTP/1.1 for probes, Prometheus and people with curl, gRPC for grpc.health.v1 and reflection.
//
// It shares nothing with the data listener, so it answers when that one is flooded. Each HTTP connection carries one request
// and lives ten seconds at most, whatever its peer does.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Address, addressText } from "../config/address.js";
import { ClusterServiceDefinition } from "../gen/forebay/admin/v1/cluster_service.js";
import { HealthDefinition } from "../gen/grpc/health/v1/health.js";
import { type ClusterPort, createClusterHandlers } from "../rpc/cluster-handlers.js";
import type { HandlerOptions } from "./call-shell.js";
import { turnAway } from "./doors.js";
import { createHealth, type Readiness } from "./health.js";
import { createListener } from "./listener.js";
import { addReflection } from "./reflection.js";

export interface ManagementListenerOptions extends HandlerOptions {
  readonly readiness: () => Readiness;
  /** The services of the data listener, whose health can be asked for by name. */
  readonly services: readonly string[];
  readonly dataAddress: () => Address | undefined;
  /** This node's part in a cluster; undefined: it runs alone, and says so. */
  readonly cluster?: ClusterPort;
}

export interface ManagementListener {
  listen(address: Address): Promise<Address>;
  /** The readiness changed, and those who watch it should know now. */
  readinessChanged(): void;
  close(graceMs: number): Promise<void>;
}

const connectionCountMax = 1_000;
const httpConnectionMsMax = 10_000;
const httpHeaderBytesMax = 16_384;

export function createManagementListener(options: ManagementListenerOptions): ManagementListener {
  const { clock, metrics } = options;
  const health = createHealth(options);
  const http = createServer({ maxHeaderSize: httpHeaderBytesMax }, (request, response) => {
    respond(request, response, options).catch((error: unknown) => {
      options.log.error({ path: request.url, err: error }, "a management page failed");
      response.destroy();
    });
  });
  http.maxRequestsPerSocket = 1;
  const serveHttp = (socket: Socket): void => {
    // Node enforces its own time limits only on servers that listen themselves.
    const timer = clock.setTimer(httpConnectionMsMax, () => socket.destroy());
    socket.once("close", () => timer.cancel());
    http.emit("connection", socket);
  };
  const listener = createListener({
    ...options,
    listener: "management",
    connectionCountMax,
    onOtherProtocol: (socket, protocol) => {
      if (protocol === "http1") {
        serveHttp(socket);
        return;
      }
      metrics.connectionRejected(protocol);
      turnAway(
        socket,
        protocol,
        "This is the management port of Forebay; it speaks HTTP and gRPC.",
      );
    },
  });
  listener.add(HealthDefinition, health.handlers);
  listener.add(ClusterServiceDefinition, createClusterHandlers(options.cluster));
  addReflection(listener, [HealthDefinition.fullName, ClusterServiceDefinition.fullName]);
  return {
    listen: listener.listen,
    readinessChanged: health.refresh,
    close: async (graceMs) => {
      health.close();
      await listener.drain(graceMs);
    },
  };
}

interface Page {
  readonly code: number;
  readonly text: string;
  readonly type?: string;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: ManagementListenerOptions,
): Promise<void> {
  const { code, text, type = "text/plain; charset=utf-8" } = await pageOf(request, options);
  response.writeHead(code, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    connection: "close",
    ...(code === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

async function pageOf(
  { method, url = "/" }: IncomingMessage,
  options: ManagementListenerOptions,
): Promise<Page> {
  if (method !== "GET" && method !== "HEAD") return { code: 405, text: "Only GET and HEAD.\n" };
  const [path, query = ""] = url.split("?", 2);
  switch (path) {
    case "/":
      return { code: 200, text: frontPage(options.dataAddress()) };
    case "/livez":
      return { code: 200, text: "ok\n" };
    case "/readyz":
      return readinessPage(options.readiness(), new URLSearchParams(query).has("verbose"));
    case "/metrics":
      return {
        code: 200,
        text: await options.metrics.render(),
        type: options.metrics.contentType,
      };
    default:
      return { code: 404, text: "There is no such page; / lists them.\n" };
  }
}

function readinessPage({ isReady, checks }: Readiness, isVerbose: boolean): Page {
  const code = isReady ? 200 : 503;
  const verdict = isReady ? "ok" : "not ready";
  // Who is not ready says why, asked or not.
  if (isReady && !isVerbose) return { code, text: `${verdict}\n` };
  const lines = checks.map(({ name, isPassed, detail }) => {
    const note = detail === undefined ? "" : `: ${detail}`;
    return `[${isPassed ? "+" : "-"}] ${name}${note}`;
  });
  return { code, text: [...lines, verdict, ""].join("\n") };
}

function frontPage(data: Address | undefined): string {
  const grpc = data === undefined ? "(not open)" : addressText(data);
  return [
    "Forebay",
    "",
    "/livez             the process works",
    "/readyz            it takes calls; /readyz?verbose shows each check",
    "/metrics           for Prometheus",
    "",
    "gRPC on this port: grpc.health.v1.Health, forebay.admin.v1.ClusterService, reflection",
    `gRPC for applications: ${grpc}`,
    "",
  ].join("\n");
}
