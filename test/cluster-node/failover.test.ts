// A leader that dies without a word, as a process that is killed, while clients send and consume: what was confirmed is there,
// what consumers hold is theirs still, and the group goes on alone.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConsumedMessage, ForebayClient, ForebayError } from "@forebay/client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { groupId } from "../../src/base/brands.js";
import { decideFirstConfiguration } from "../../src/cluster/first-configuration.js";
import { ClusterKeys } from "../../src/cluster/keys.js";
import { ClusterRegistry } from "../../src/cluster/registry.js";
import { clientOf, describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { builtPath } from "../support/built.js";
import { wait } from "./cluster.js";

interface NodePlan {
  readonly name: string;
  readonly endpoint: string;
  readonly management: string;
  readonly args: readonly string[];
}

/** A node in a process of its own. */
class NodeProcess {
  readonly plan: NodePlan;
  #child: ChildProcess | undefined;
  output = "";

  constructor(plan: NodePlan) {
    this.plan = plan;
  }

  start(): void {
    const child = spawn(process.execPath, [builtPath("main.js"), "serve", ...this.plan.args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text: Buffer) => {
        this.output = (this.output + text.toString()).slice(-20_000);
      });
    }
    this.#child = child;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null;
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  async isLeading(): Promise<boolean> {
    try {
      const response = await fetch(`http://${this.plan.management}/readyz?verbose`);
      return (await response.text()).includes("leads epoch");
    } catch {
      return false;
    }
  }
}

const address = async (): Promise<string> => `127.0.0.1:${await freePort()}`;

async function startCluster(etcd: { readonly endpoints: readonly string[] }) {
  const cluster = `failover-${process.pid}-${Math.floor(performance.now())}`;
  const root = mkdtempSync(join(tmpdir(), "forebay-failover-"));
  const nodes: NodeProcess[] = [];
  onTestFinished(async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    rmSync(root, { recursive: true, force: true });
  });
  for (const name of ["a", "b", "c"]) {
    const endpoint = await address();
    const management = await address();
    nodes.push(
      new NodeProcess({
        name,
        endpoint,
        management,
        args: [
          ...["--data-dir", join(root, name), "--map-size-bytes", String(2 ** 30)],
          ...["--listen", endpoint, "--management-listen", management],
          ...["--replication-listen", await address()],
          ...["--cluster-name", cluster, "--node-name", name, "--zone", `zone-${name}`],
          ...["--cluster-etcd-endpoints", etcd.endpoints.join(), "--lease-ttl-seconds", "2"],
        ],
      }),
    );
  }
  for (const node of nodes) node.start();
  const registry = new ClusterRegistry(clientOf(etcd), new ClusterKeys(cluster));
  await expect.poll(async () => (await registry.facts()).members.size, { timeout: 30_000 }).toBe(3);
  const { members } = await registry.facts();
  const first = decideFirstConfiguration([...members.values()], {
    acks: "quorum",
    voterCount: undefined,
  });
  if (first.kind === "refused") throw new Error(first.why);
  await registry.initialise(
    groupId(Buffer.from(cluster.padEnd(16)).subarray(0, 16).toString("hex")),
    first.configuration,
  );
  const leader = async (): Promise<NodeProcess> => {
    const endMs = performance.now() + 30_000;
    while (performance.now() < endMs) {
      for (const node of nodes) if (node.isRunning && (await node.isLeading())) return node;
      await wait(50);
    }
    throw new Error(
      `nobody leads: ${nodes.map(({ output }) => output.slice(-2_000)).join("\n---\n")}`,
    );
  };
  return { nodes, leader };
}

describeWithEtcd("a leader that is killed", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  test("loses nothing that was confirmed, and clients go on by themselves", async () => {
    const { nodes, leader } = await startCluster(etcd);
    const first = await leader();
    const endpoint = nodes.map(({ plan }) => plan.endpoint);
    await using client = new ForebayClient({ endpoint, timeoutMs: 30_000 });
    const { queue } = await client.createQueue("orders");
    const confirmed = new Set<string>();
    let isSending = true;
    const send = async (sender: number): Promise<void> => {
      for (let count = 0; isSending; count += 1) {
        const body = `${sender}-${count}`;
        await queue.send(body);
        confirmed.add(body);
      }
    };
    const senders = Array.from({ length: 8 }, (_, sender) => send(sender));
    await expect.poll(() => confirmed.size, { timeout: 20_000 }).toBeGreaterThan(300);
    const killedMs = performance.now();
    await first.kill();
    const atDeath = confirmed.size;
    await expect
      .poll(() => confirmed.size, { timeout: 20_000, interval: 20 })
      .toBeGreaterThan(atDeath + 8);
    const pauseMs = performance.now() - killedMs;
    first.start();
    await wait(1_000);
    isSending = false;
    await Promise.all(senders);
    // A lease of 2 s has to end before another may lead.
    expect(pauseMs).toBeLessThan(10_000);

    const received = new Map<string, number>();
    for (let emptyCount = 0; emptyCount < 3; ) {
      const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 200 });
      emptyCount = messages.length === 0 ? emptyCount + 1 : 0;
      for (const message of messages) {
        const body = message.body.toString();
        received.set(body, (received.get(body) ?? 0) + 1);
        await queue.delete(message.receiptHandle);
      }
    }
    expect([...confirmed].filter((body) => !received.has(body))).toEqual([]);
    // Each send has a request id of its own, so a send that was repeated is there once.
    expect([...received].filter(([, count]) => count > 1)).toEqual([]);
  });

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "%s: keeps what a consumer holds: acks, nacks and leases go on with the next one, and nothing comes twice",
    async (signal) => {
      const leaseMs = 20_000;
      const { nodes, leader } = await startCluster(etcd);
      const first = await leader();
      const endpoint = nodes.map(({ plan }) => plan.endpoint);
      await using client = new ForebayClient({ endpoint, timeoutMs: 30_000 });
      const { queue } = await client.createQueue("orders");
      const bodies = ["acked meanwhile", "acked", "nacked", "rejected", "kept", "unseen"];
      for (const body of bodies) await queue.send(body);
      await using consumer = queue.consume({ maxMessages: 6, visibilityTimeoutMs: leaseMs });
      const next = async () => (await consumer.next()).value as ConsumedMessage;
      const held = [await next(), await next(), await next(), await next(), await next()] as const;
      const [ackedMeanwhile, acked, nacked, rejected, kept] = held;
      expect(held.map(({ text }) => text)).toEqual(bodies.slice(0, 5));
      // The last has arrived, too; it is what comes first from the next leader.
      const endedMs = performance.now();
      await first.kill(signal);
      expect(await ackedMeanwhile.ack()).toMatch(/^(DELETED|ALREADY_GONE)$/);
      expect(await next()).toMatchObject({ text: "unseen", receiveCount: 1 });
      expect(await acked.ack()).toBe("DELETED");
      // Given back, and here at once, long before the lease would have ended.
      expect(await nacked.nack()).toBeInstanceOf(Date);
      const nackedAgain = await next();
      expect(nackedAgain).toMatchObject({ text: "nacked", receiveCount: 2 });
      expect(await nackedAgain.ack()).toBe("DELETED");
      const rejection = await rejected.reject({ reason: "bad" });
      expect(rejection).toMatchObject({ kind: "returned", visibleTime: expect.any(Date) });
      const rejectedAgain = await next();
      expect(rejectedAgain).toMatchObject({ text: "rejected", receiveCount: 2 });
      expect(await rejectedAgain.ack()).toBe("DELETED");
      expect(performance.now() - endedMs).toBeLessThan(leaseMs);
      // The others are renewed: nobody receives them when the lease of before would have ended.
      await wait(Math.max(0, endedMs + leaseMs + 2_000 - performance.now()));
      expect(await queue.receive({ maxMessages: 10 })).toEqual([]);
      expect(kept.isLost).toBe(false);
      await consumer.close();
      const rest = await queue.receive({ maxMessages: 10 });
      expect(rest.map(({ text }) => text)).toEqual(["kept", "unseen"]);
      expect(rest.map(({ receiveCount }) => receiveCount)).toEqual([2, 2]);
    },
    90_000,
  );

  test("that only one node is left of, refuses calls and says so until another is back", async () => {
    const { nodes, leader } = await startCluster(etcd);
    const first = await leader();
    const [second, third] = nodes.filter((node) => node !== first);
    if (second === undefined || third === undefined) throw new Error("three nodes run");
    await Promise.all([first.kill(), second.kill()]);
    await using client = new ForebayClient({ endpoint: third.plan.endpoint, timeoutMs: 3_000 });
    const error: unknown = await client.createQueue("orders").catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ForebayError);
    second.start();
    await leader();
    await client.createQueue("orders", { timeoutMs: 20_000 });
  });
});
