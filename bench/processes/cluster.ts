// Three servers that are one cluster, on this machine: over a real etcd, each with a process and a disk directory of its own,
// begun with the command line as an operator would.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ForebayServer, startForebay } from "./forebay.js";

export interface ClusterOptions {
  readonly entry: string;
  readonly directory: string;
  readonly nodeFlags?: readonly string[];
  /** Settings of every node beside the usual ones, as `{ "log-keep-minutes": "0" }`. */
  readonly flags?: Readonly<Record<string, string>>;
}

export interface ForebayCluster extends AsyncDisposable {
  readonly nodes: readonly ForebayServer[];
  /** The node that leads, waited for. */
  leader(): Promise<ForebayServer>;
  /** The others. */
  followers(): Promise<readonly ForebayServer[]>;
  /** Starts one more node, with an empty disk; it is no member until it is added. */
  startNode(name: string): Promise<ForebayServer>;
}

interface EtcdModule {
  readonly etcdAbsence: string;
  findEtcd(say: (line: string) => void): string | undefined;
  startEtcd(
    program: string,
    options: { readonly memberCount?: number },
  ): Promise<{ readonly endpoints: readonly string[]; stop(): Promise<void> }>;
}

const electionMsMax = 30_000;
const lookMs = 20;
const askMsMax = 1_000;
const clusterName = "bench";

/** Undefined where etcd is not to be had. */
export async function startCluster(options: ClusterOptions): Promise<ForebayCluster | undefined> {
  // Beside the compiled programs, not among them.
  const path = new URL("../../../scripts/support/etcd.mjs", import.meta.url).href;
  const { findEtcd, startEtcd } = (await import(path)) as EtcdModule;
  const program = findEtcd((line) => console.error(line));
  if (program === undefined) return undefined;
  const etcd = await startEtcd(program, {});
  const nodes: ForebayServer[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    await etcd.stop();
  };
  const startNode = async (name: string): Promise<ForebayServer> => {
    const flags = {
      "replication-listen": "127.0.0.1:0",
      "cluster-name": clusterName,
      "node-name": name,
      zone: `zone-${name}`,
      "cluster-etcd-endpoints": etcd.endpoints.join(),
      ...options.flags,
    };
    const dataDir = join(options.directory, name);
    const node = await startForebay({ ...options, dataDir, flags });
    nodes.push(node);
    return node;
  };
  try {
    for (const name of ["a", "b", "c"]) await startNode(name);
    await begin(options.entry, etcd.endpoints);
    await leaderOf(nodes);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    nodes,
    leader: () => leaderOf(nodes),
    followers: async () => {
      const leader = await leaderOf(nodes);
      return nodes.filter((node) => node !== leader);
    },
    startNode,
    [Symbol.asyncDispose]: dispose,
  };
}

async function begin(entry: string, endpoints: readonly string[]): Promise<void> {
  const args = ["--cluster-name", clusterName, "--cluster-etcd-endpoints", endpoints.join()];
  const child = spawn(process.execPath, [entry, "cluster", "init", ...args, "--yes"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`The cluster could not be begun: ${code}.`);
}

async function leaderOf(nodes: readonly ForebayServer[]): Promise<ForebayServer> {
  const endMs = performance.now() + electionMsMax;
  while (performance.now() < endMs) {
    for (const node of nodes) if (await leads(node)) return node;
    await sleep(lookMs);
  }
  throw new Error(`Nobody led within ${electionMsMax} ms.`);
}

async function leads(node: ForebayServer): Promise<boolean> {
  try {
    const metrics = await node.metrics(askMsMax);
    return metrics.includes('forebay_cluster_role{role="leader"} 1');
  } catch {
    // Killed, or standing still.
    return false;
  }
}
