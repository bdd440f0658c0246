// Real receivers on ports of their own, and clients that may reach them: the loopback range is opened as an operator would.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createSystemClock } from "../../src/base/clock.js";
import { systemRandom } from "../../src/base/ids.js";
import { type Endpoint, readWebhookEndpoint } from "../../src/delivery/endpoint.js";
import { type TargetRules, webhookPortsDefault } from "../../src/delivery/target-gate.js";
import { WebhookClient, type WebhookClientParts } from "../../src/delivery/webhook-client.js";
import type { WebhookRequest } from "../../src/delivery/webhook-request.js";
import { type IpNetwork, parseIpNetwork } from "../../src/policy/ip-network.js";

export interface LocalCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate for a name that vouches for itself. */
export function localCertificate(name: string): LocalCertificate {
  const folder = mkdtempSync(join(tmpdir(), "forebay-receiver-"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const kind = /^[\d.]+$/.test(name) ? "IP" : "DNS";
  const made = spawnSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "2", "-subj", `/CN=${name}`, "-addext", `subjectAltName=${kind}:${name}`],
      ...["-keyout", key, "-out", certificate],
    ],
    { encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  const pair = { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
  rmSync(folder, { recursive: true });
  return pair;
}

export function networksOf(...texts: readonly string[]): readonly IpNetwork[] {
  return texts.map((text) => {
    const parsed = parseIpNetwork(text);
    if (parsed.kind !== "network") throw new Error(`${text} is no network.`);
    return parsed.network;
  });
}

/** Nothing opened, as a server begins. */
export const closedRules: TargetRules = {
  allowed: [],
  ownListeners: [],
  isPlaintextAllowed: false,
  ports: webhookPortsDefault,
};

export const loopbackOpened: TargetRules = { ...closedRules, allowed: networksOf("127.0.0.0/8") };

export function webhookClient(parts: Partial<WebhookClientParts> = {}): WebhookClient {
  const client = new WebhookClient({
    clock: createSystemClock(),
    random: systemRandom,
    rules: loopbackOpened,
    resolve: () => Promise.resolve(["127.0.0.1"]),
    ...parts,
  });
  onTestFinished(() => client.close());
  return client;
}

export interface ReceivedRequest {
  readonly headers: IncomingMessage["headers"];
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly body: string;
}

export interface Receiver {
  readonly port: number;
  /** In the order they were complete. */
  readonly received: readonly ReceivedRequest[];
  /** Connections that were made to it. */
  readonly connections: () => number;
  /** Of them, those that have ended. */
  readonly closed: () => number;
  endpoint(path?: string): Endpoint;
}

/** Answers each complete request with the handler; with TLS when it has a certificate. */
export async function receiver(
  handler: RequestListener,
  certificate?: LocalCertificate,
): Promise<Receiver> {
  const received: ReceivedRequest[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { headers, method, url } = request;
      received.push({ headers, method, url, body: Buffer.concat(chunks).toString("utf8") });
      handler(request, response);
    });
  };
  const server: HttpServer =
    certificate === undefined
      ? createHttpServer(listener)
      : createHttpsServer({ cert: certificate.certificate, key: certificate.key }, listener);
  let connections = 0;
  let closed = 0;
  server.on("connection", (socket: Socket) => {
    connections += 1;
    socket.on("close", () => {
      closed += 1;
    });
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const scheme = certificate === undefined ? "http" : "https";
  return {
    port,
    received,
    connections: () => connections,
    closed: () => closed,
    endpoint: (path = "/hook") => endpointOf(`${scheme}://hooks.example:${port}${path}`),
  };
}

/** Does with each connection whatever it is told: what no HTTP server would do. */
export async function rawReceiver(
  handle: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly endpoint: Endpoint }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    handle(socket);
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port, endpoint: endpointOf(`http://hooks.example:${port}/hook`) };
}

function listening(server: HttpServer | ReturnType<typeof createTcpServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

export function endpointOf(text: string): Endpoint {
  const read = readWebhookEndpoint(text, text.startsWith("https:") ? "https" : "http");
  if (read.kind === "invalid") throw new Error(`${text}: ${read.why}`);
  return read.endpoint;
}

export const postOf = (body: string): WebhookRequest => ({
  headers: { "content-type": "text/plain", "content-length": String(Buffer.byteLength(body)) },
  body: Buffer.from(body),
});

/** Waits for something that other parts of this process bring about. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000; turn += 1) {
    if (holds()) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  throw new Error("It did not come about.");
}
