// Three whole nodes in this process, over real sockets, real disks and a real etcd; and calls to any of them that see trailers.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { expect, onTestFinished } from "vitest";
import { groupId } from "../../src/base/brands.js";
import type { Log } from "../../src/base/log.js";
import { decideFirstConfiguration } from "../../src/cluster/first-configuration.js";
import { ClusterKeys } from "../../src/cluster/keys.js";
import { ClusterRegistry } from "../../src/cluster/registry.js";
import { type Config, loadConfig } from "../../src/config.js";
import { type RunningServer, startServer } from "../../src/server.js";
import type { AcksMode } from "../../src/store/replica-disk.js";
import { clientOf, type runEtcd } from "../cluster/etcd.js";
import { failureOf } from "../support/edge.js";
import {
  type RequestPart,
  type ResponseOf,
  serviceMethods,
  type UnaryMethod,
} from "../support/queue-client.js";

type Etcd = Awaited<ReturnType<typeof runEtcd>>;

export interface Answer<Method extends UnaryMethod> {
  readonly response: ResponseOf<Method>;
  readonly leader: string | undefined;
  readonly position: string | undefined;
  readonly durableZones: number | undefined;
}

export interface AskOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
}

interface LoggedLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

let clusterCount = 0;
const freshName = (): string => {
  clusterCount += 1;
  return `nodes-${process.pid}-${clusterCount}`;
};

export class TestNode {
  readonly name: string;
  readonly logged: LoggedLine[] = [];
  readonly failures: Error[] = [];
  readonly #config: Config;
  #server: RunningServer | undefined;
  #client: Client | undefined;

  constructor(name: string, config: Config) {
    this.name = name;
    this.#config = config;
  }

  get dataDir(): string {
    return this.#config.dataDir;
  }

  async start(): Promise<void> {
    this.#server = await startServer(this.#config, this.#log(), {
      failed: (error) => this.failures.push(error),
    });
    this.#client = new Client(this.endpoint, credentials.createInsecure(), {
      "grpc.enable_retries": 0,
    });
  }

  get isRunning(): boolean {
    return this.#server !== undefined;
  }

  get endpoint(): string {
    const { host, port } = this.server.dataAddress;
    return `${host}:${port}`;
  }

  get server(): RunningServer {
    if (this.#server === undefined) throw new Error(`${this.name} does not run`);
    return this.#server;
  }

  async stop(): Promise<void> {
    this.#client?.close();
    const server = this.#server;
    this.#server = undefined;
    await server?.stop();
  }

  async page(path: string): Promise<{ readonly code: number; readonly text: string }> {
    const { host, port } = this.server.managementAddress;
    const response = await fetch(`http://${host}:${port}${path}`);
    return { code: response.status, text: await response.text() };
  }

  ask<Method extends UnaryMethod>(
    method: Method,
    request: RequestPart<Method>,
    { metadata = {}, deadlineMs = 10_000 }: AskOptions = {},
  ): Promise<Answer<Method>> {
    const client = this.#client;
    if (client === undefined) throw new Error(`${this.name} does not run`);
    const { name, requestType, responseType } = serviceMethods[method];
    const service = name.includes("Schedule") && !name.includes("Scheduled") ? "Schedule" : "Queue";
    const sent = new Metadata();
    for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
    const codec = requestType as unknown as {
      fromPartial(part: unknown): unknown;
      encode(message: unknown): { finish(): Uint8Array };
    };
    return new Promise((resolve, reject) => {
      let response: ResponseOf<Method> | undefined;
      const call = client.makeUnaryRequest(
        `/forebay.queue.v1.${service}Service/${name}`,
        (part: RequestPart<Method>) => Buffer.from(codec.encode(codec.fromPartial(part)).finish()),
        (bytes: Buffer) => responseType.decode(bytes) as ResponseOf<Method>,
        request,
        sent,
        { deadline: Date.now() + deadlineMs },
        (error, value) => {
          response = value;
          if (error !== null) reject(error);
        },
      );
      call.on("status", ({ metadata: trailers }: StatusObject) => {
        if (response === undefined) return;
        const one = (key: string): string | undefined => trailers.get(key)[0]?.toString();
        const zones = one("forebay-durable-zones");
        resolve({
          response,
          leader: one("forebay-leader"),
          position: one("forebay-position"),
          durableZones: zones === undefined ? undefined : Number(zones),
        });
      });
    });
  }

  /** As a client that repeats what was refused before any effect, and what is safe to repeat. */
  async askUntil<Method extends UnaryMethod>(
    method: Method,
    request: RequestPart<Method>,
    { withinMs = 20_000, ...options }: AskOptions & { readonly withinMs?: number } = {},
  ): Promise<Answer<Method>> {
    const endMs = Date.now() + withinMs;
    for (;;) {
      try {
        return await this.ask(method, request, options);
      } catch (error) {
        if (failureOf(error).code !== "UNAVAILABLE" || Date.now() > endMs) throw error;
        await wait(50);
      }
    }
  }

  #log(): Log {
    const at =
      (level: string) =>
      (fields: object, message = ""): void => {
        this.logged.push({ level, message, fields });
      };
    const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
    return Object.fromEntries(levels.map((level) => [level, at(level)])) as unknown as Log;
  }
}

export class TestCluster {
  readonly nodes: readonly TestNode[];
  readonly registry: ClusterRegistry;

  private constructor(nodes: readonly TestNode[], registry: ClusterRegistry) {
    this.nodes = nodes;
    this.registry = registry;
  }

  /** Nodes a, b, c in zones of their own, with a cluster that has begun. */
  static async start(
    etcd: Etcd,
    {
      acks = "quorum" as AcksMode,
      count = 3,
      cluster = freshName(),
      config = (_node: string): Partial<Config> => ({}),
    } = {},
  ): Promise<TestCluster> {
    const root = mkdtempSync(join(tmpdir(), "forebay-cluster-node-"));
    const nodes = ["a", "b", "c", "d", "e"].slice(0, count).map((name) => {
      const { config: defaults } = loadConfig({ args: [], env: {}, workingDirectory: root });
      return new TestNode(name, {
        ...defaults,
        mapSizeBytes: 2 ** 30,
        clusterName: cluster,
        nodeName: name,
        zone: `zone-${name}`,
        clusterEtcdEndpoints: etcd.endpoints,
        leaseTtlSeconds: 2,
        listen: { host: "127.0.0.1", port: 0 },
        managementListen: { host: "127.0.0.1", port: 0 },
        replicationListen: { host: "127.0.0.1", port: 0 },
        drainTimeoutMs: 1_000,
        ...config(name),
        dataDir: join(root, name),
      });
    });
    const registry = new ClusterRegistry(clientOf(etcd), new ClusterKeys(cluster));
    const made = new TestCluster(nodes, registry);
    onTestFinished(async () => {
      await made.stop();
      rmSync(root, { recursive: true, force: true });
    });
    for (const node of nodes) await node.start();
    const { members } = await registry.facts();
    const first = decideFirstConfiguration([...members.values()], { acks, voterCount: undefined });
    if (first.kind === "refused") throw new Error(first.why);
    await registry.initialise(
      groupId(Buffer.from(cluster.padEnd(16)).subarray(0, 16).toString("hex")),
      first.configuration,
    );
    return made;
  }

  /** The node that leads and serves. */
  async leader(withinMs = 20_000): Promise<TestNode> {
    const endMs = Date.now() + withinMs;
    while (Date.now() < endMs) {
      for (const node of this.nodes.filter(({ isRunning }) => isRunning)) {
        const { text } = await node.page("/readyz?verbose");
        if (text.includes("leads epoch")) return node;
      }
      await wait(50);
    }
    throw new Error(`nobody leads: ${JSON.stringify(await this.#standings())}`);
  }

  async followers(): Promise<readonly TestNode[]> {
    const leader = await this.leader();
    return this.nodes.filter((node) => node !== leader && node.isRunning);
  }

  async #standings(): Promise<unknown> {
    return await Promise.all(
      this.nodes
        .filter(({ isRunning }) => isRunning)
        .map(async (node) => ({
          node: node.name,
          ready: (await node.page("/readyz?verbose")).text,
          failures: node.failures.map(String),
          last: node.logged.slice(-8).map(({ message, fields }) => [message, fields]),
        })),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    for (const node of this.nodes) expect(node.failures.map(String), node.name).toEqual([]);
  }
}

export const wait = (delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });

export const textOf = (text: string) => ({ $case: "text" as const, value: text });

export const failureOfAsk = async (asked: Promise<unknown>): Promise<ServiceError> =>
  await asked.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: ServiceError) => error,
  );
