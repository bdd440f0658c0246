// Nodes with certificates whose listeners for applications nobody can reach from elsewhere: calls at a node that follows reach the
// leader over the listener for members. On one machine, over its loopback and over an address that others could reach.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { ForebayClient, ForebayError } from "@forebay/client";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Address, addressText } from "../../src/config/address.js";
import { forebay } from "../cli/harness.js";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { failureOf } from "../support/edge.js";
import { QueueClient } from "../support/queue-client.js";
import { failureOfAsk, TestCluster, type TestNode, textOf } from "./cluster.js";

const queue = "orders";
const callsName = "calls.forebay.internal";

const outward = Object.values(networkInterfaces())
  .flat()
  .find((found) => found?.family === "IPv4" && !found.internal)?.address;
const hosts = ["127.0.0.1", ...(outward === undefined ? [] : [outward])];

const seconds = (value: number) => ({ seconds: BigInt(value), nanos: 0 });

/** Where connections are taken and nothing is ever said, as where a firewall drops what is sent. */
async function silentAddress(): Promise<Address> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const bound = server.address();
  return { host: "127.0.0.1", port: typeof bound === "object" && bound !== null ? bound.port : 0 };
}

/** What `forebay init` makes of these names. */
async function certificatesOf(cluster: string, nodes: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "forebay-forwarding-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const names = nodes.flatMap((node) => ["--node", node]);
  const { exitCode } = await forebay(["init", "--cluster", cluster, ...names, "--dir", directory]);
  expect(exitCode).toBe(0);
  return directory;
}

describeWithEtcd("nodes with certificates", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  async function begun(host: string) {
    const unreachable = await silentAddress();
    const name = `certified-${process.pid}-${Math.floor(performance.now())}`;
    const directory = await certificatesOf(name, ["a", "b", "c"]);
    const cluster = await TestCluster.start(etcd, {
      cluster: name,
      config: (node) => ({
        replicationListen: { host, port: 0 },
        dataAdvertise: unreachable,
        replicationCaFile: join(directory, "ca.crt"),
        replicationCertFile: join(directory, `${node}.crt`),
        replicationKeyFile: join(directory, `${node}.key`),
      }),
    });
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    await leader.ask("createQueue", { queue });
    return { cluster, directory, leader, one, other, unreachable };
  }

  describe.each(hosts)("over %s", (host) => {
    test("take calls and streams at every node, and name the leader to applications as before", async () => {
      const { leader, one, other, unreachable } = await begun(host);
      const sent = await one.ask("sendMessage", { queue, body: textOf("pay #7") });
      expect(sent.leader).toBe(addressText(unreachable));
      expect(sent.durableZones).toBeGreaterThanOrEqual(2);
      const received = await other.ask("receiveMessage", { queue, visibilityTimeout: seconds(60) });
      expect(received.response.messages.map(({ body }) => body)).toEqual([textOf("pay #7")]);
      const client = new QueueClient(one.server.dataAddress);
      onTestFinished(() => client.close());
      const produced = client.produce();
      const entries = Array.from({ length: 500 }, (_, index) => ({
        id: String(index),
        body: textOf(`m${index}`),
      }));
      produced.write({ queue, entries });
      const results = () => produced.responses.flatMap((response) => response.results);
      await produced.until(() => results().length >= 500);
      const consumed = client.consume();
      const credit = { messages: 1_000, bytes: 1_000_000n };
      consumed.write({ request: { $case: "start", value: { queue, credit } } });
      const messages = () =>
        consumed.responses.flatMap(({ response }) =>
          response?.$case === "messages" ? response.value.messages : [],
        );
      await consumed.until(() => messages().length >= 500);
      expect(messages().map(({ body }) => body)).toEqual(entries.map(({ body }) => body));
      const { text } = await leader.page("/metrics");
      // Of two nodes for their calls, and of two streams.
      expect(text).toContain('forebay_connections{listener="peer"} 4');
      expect(text).toContain('forebay_connections{listener="data"} 1');
    });
  });

  test("go on through the next leader, to whom a client of one node need not reach", async () => {
    const { cluster, leader, one } = await begun("127.0.0.1");
    await using client = new ForebayClient({ endpoint: one.endpoint, timeoutMs: 20_000 });
    const orders = client.queue(queue);
    const received: string[] = [];
    const consumer = orders.consume();
    const consuming = (async () => {
      for await (const message of consumer) {
        received.push(String(message.body));
        // One that is under way when the leader goes may have taken effect or not; the message may come again.
        await message.ack().catch((error: unknown) => expect(error).toBeInstanceOf(ForebayError));
      }
    })();
    for (let index = 0; index < 20; index += 1) await orders.send(`before ${index}`);
    await expect.poll(() => new Set(received).size, { timeout: 10_000 }).toBe(20);
    const stopping = leader.stop();
    for (let index = 0; index < 20; index += 1) await orders.send(`after ${index}`);
    await stopping;
    expect(await cluster.leader()).not.toBe(leader);
    await expect.poll(() => new Set(received).size, { timeout: 15_000 }).toBe(40);
    await consumer.close();
    await consuming;
  });

  test("serve calls that were passed on, to nodes of the cluster, and nothing else", async () => {
    const { cluster, directory, leader, one } = await begun("127.0.0.1");
    const foreign = await certificatesOf("certified-foreign", ["a"]);
    const { members } = await cluster.registry.facts();
    const endpointOf = ({ name }: TestNode): string => {
      const found = [...members.values()].find(({ node }) => node === name);
      if (found === undefined) throw new Error(`${name} has registered`);
      return found.replicationEndpoint;
    };
    const asked = (
      node: TestNode,
      certificates: string | undefined,
      { isMarked = true, serverName = callsName } = {},
    ) => failureOfCall(endpointOf(node), { certificates, isMarked, serverName });
    expect(await asked(leader, directory)).toBe("OK");
    const required = { code: "UNAUTHENTICATED", reason: "CERTIFICATE_REQUIRED" };
    expect(await asked(leader, undefined)).toMatchObject(required);
    expect(await asked(leader, foreign)).toMatchObject(required);
    const unknown = { code: "UNIMPLEMENTED", reason: "UNKNOWN_METHOD" };
    expect(await asked(leader, directory, { isMarked: false })).toMatchObject(unknown);
    expect(await asked(leader, directory, { serverName: "leader.invalid" })).toMatchObject(unknown);
    // Passed on a second time it is not, wherever it comes in.
    const passedTwice = { code: "UNAVAILABLE", reason: "NOT_LEADER" };
    expect(await asked(one, directory)).toMatchObject(passedTwice);
    const marked = { metadata: { "forebay-forwarded": "1" } };
    const failed = await failureOfAsk(one.ask("listQueues", {}, marked));
    expect(failureOf(failed)).toMatchObject(passedTwice);
  });
});

/** How a call ends that somebody makes to the listener for members: "OK" or why not. */
async function failureOfCall(
  endpoint: string,
  {
    certificates,
    isMarked,
    serverName,
  }: { certificates: string | undefined; isMarked: boolean; serverName: string },
) {
  const fileOf = (name: string) =>
    certificates === undefined ? null : readFileSync(join(certificates, name));
  const client = new Client(
    endpoint,
    credentials.createSsl(null, fileOf("a.key"), fileOf("a.crt"), {
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    }),
    {
      "grpc.ssl_target_name_override": serverName,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
    },
  );
  const metadata = new Metadata();
  if (isMarked) metadata.set("forebay-forwarded", "1");
  try {
    return await new Promise<"OK" | ReturnType<typeof failureOf>>((resolve) => {
      client.makeUnaryRequest(
        "/forebay.queue.v1.QueueService/ListQueues",
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.alloc(0),
        metadata,
        { deadline: Date.now() + 5_000 },
        (error: ServiceError | null) => resolve(error === null ? "OK" : failureOf(error)),
      );
    });
  } finally {
    client.close();
  }
}
