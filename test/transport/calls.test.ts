// Connections over which nodes pass calls on: to whom they are made, with which certificates, and that they keep no member out.

import { connect as connectTls, type TLSSocket } from "node:tls";
import {
  Client,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { callsServerName } from "../../src/replication/transport/peer-tls.js";
import { filesOf, type NodeFiles, newCa, newNode } from "./certificates.js";
import {
  acquaint,
  configurationOf,
  idOf,
  memberOf,
  pause,
  startMember,
  type TestMember,
  until,
} from "./harness.js";

const path = "/forebay.queue.v1.QueueService/SendMessage";
const asIs = (bytes: Buffer): Buffer => bytes;

let ca: ReturnType<typeof newCa>;
let ofA: NodeFiles;
let ofB: NodeFiles;
let a: TestMember;
let b: TestMember;
let server: Server;
/** Connections that were handed on. */
let takenCount: number;
const clients: Client[] = [];

beforeEach(async () => {
  ca = newCa();
  server = new Server();
  const echo = (given: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>): void =>
    respond(null, given.request);
  server.register(path, echo, asIs, asIs, "unary");
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  takenCount = 0;
  ofA = filesOf("a", ca);
  ofB = filesOf("b", ca);
  a = await startMember("a", { tls: ofA.options });
  b = await startMember("b", {
    tls: ofB.options,
    takeCalls: (socket) => {
      takenCount += 1;
      injector.injectConnection(socket);
    },
  });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  server.forceShutdown();
  await Promise.all([a.network.close(), b.network.close()]);
});

function clientTo(node: string, endpoint = b.endpoint): Client {
  const way = a.network.callsWayTo({ node, replicationEndpoint: endpoint });
  if (way === undefined) throw new Error("nodes have certificates");
  const client = new Client(way.endpoint, way.credentials(), {
    "grpc.ssl_target_name_override": way.serverName,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
  });
  clients.push(client);
  return client;
}

const call = (client: Client): Promise<string> =>
  new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      asIs,
      asIs,
      Buffer.of(7),
      new Metadata(),
      { deadline: Date.now() + 5_000 },
      (error: ServiceError | null) => resolve(error === null ? "OK" : error.message),
    );
  });

test("calls arrive at the node that was meant, over TLS", async () => {
  expect(await call(clientTo("b"))).toBe("OK");
  expect(takenCount).toBe(1);
});

test("no call is made to a node in the place of another, nor to another cluster's", async () => {
  expect(await call(clientTo("c"))).toContain(
    "names node b of cluster eu where node c of cluster eu was expected",
  );
  const us = newCa("us");
  const foreign = await startMember("b", {
    tls: { ...filesOf("b", us).options, identity: { cluster: "us", node: "b" } },
  });
  ofA.put({ ca: `${ca.certificate}${us.certificate}` });
  a.network.setConfiguration(configurationOf([memberOf(a), memberOf(b)]));
  await until(() => a.network.isReady(b.id));
  expect(await call(clientTo("b", foreign.endpoint))).toContain("names node b of cluster us");
  await foreign.network.close();
});

test("a member that serves no calls closes connections for them", async () => {
  expect(await call(clientTo("a", a.endpoint))).toMatch(/^14 UNAVAILABLE/);
});

test("connections for calls keep no member out, however many there are", async () => {
  const { certificate, key } = newNode(ca, "c");
  const [host = "", port] = b.endpoint.split(":");
  const sockets: TLSSocket[] = [];
  // More than members may have.
  for (let count = 0; count < 130; count += 1) {
    const socket = connectTls({
      ...{ host, port: Number(port), ca: ca.certificate, cert: certificate, key },
      servername: callsServerName,
      ALPNProtocols: ["h2"],
      checkServerIdentity: () => undefined,
    });
    sockets.push(socket.resume());
    await new Promise((resolve, reject) => {
      socket.on("error", reject).once("secureConnect", resolve);
    });
  }
  await until(() => takenCount === 130);
  await acquaint(a, b);
  expect(sockets.every(({ readyState }) => readyState === "open")).toBe(true);
  for (const socket of sockets) socket.destroy();
});

test("new certificates are shown by new connections", async () => {
  const before = clientTo("b");
  expect(await call(before)).toBe("OK");
  const way = a.network.callsWayTo({ node: "b", replicationEndpoint: b.endpoint });
  const old = way?.credentials();
  expect(way?.credentials()).toBe(old);
  const next = newCa();
  const both = `${ca.certificate}${next.certificate}`;
  ofA.put({ ca: both, node: newNode(next, "a") });
  ofB.put({ ca: next.certificate, node: newNode(next, "b") });
  // Both look at their files when a connection is made.
  const absent = memberOf({ id: idOf("c"), node: "c", endpoint: "127.0.0.1:1" });
  a.network.setConfiguration(configurationOf([memberOf(a), absent]));
  await until(() => way?.credentials() !== old);
  expect(await call(clientTo("b"))).toBe("OK");
  expect(await call(before)).toBe("OK");
  await pause(50);
  expect(takenCount).toBe(2);
});
