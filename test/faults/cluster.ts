// A whole cluster: etcd with three members and three nodes in three zones, each in a place of its own, with certificates made by
// `forebay init` and begun by `forebay cluster init`, as an operator would.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClusterAdmin, type ClusterStatus, ForebayError } from "@forebay/client";
import { builtPath } from "../support/built.js";
import { ClusterNode, type NodeStart } from "./cluster-node.js";
import { EtcdGroup } from "./etcd-group.js";
import { Network, type Place } from "./network.js";
import { runIn } from "./program.js";
import { etcdProgram } from "./tools.js";

export interface ClusterOptions {
  readonly leaseSeconds: number;
  /** Settings of a node beside the usual ones. */
  readonly argsOf?: (name: string) => readonly string[];
  /** How a node is started in all its lives, as with a wall clock of its own. */
  readonly startOf?: (name: string) => NodeStart;
  /** Where a node's store is; a folder of the run unless given. */
  readonly directoryOf?: (name: string) => string;
}

const clusterName = "faults";
const nodeNames = ["a", "b", "c"] as const;
const askMsMax = 1_000;
const beginMsMax = 60_000;
const caughtUpMsMax = 30_000;
const quarantineMsMax = 20_000;
const caughtUpLagMs = 500;
const lookMs = 50;

export class Cluster {
  readonly network: Network;
  readonly etcd: EtcdGroup;
  readonly nodes: readonly ClusterNode[];
  readonly leaseSeconds: number;
  readonly #admins = new Map<ClusterNode, ClusterAdmin>();

  private constructor(
    parts: Pick<Cluster, "network" | "etcd" | "leaseSeconds"> & {
      readonly nodes: readonly ClusterNode[];
    },
  ) {
    this.network = parts.network;
    this.etcd = parts.etcd;
    this.leaseSeconds = parts.leaseSeconds;
    this.nodes = parts.nodes;
    for (const node of this.nodes) {
      const { managementEndpoint: endpoint } = node;
      this.#admins.set(node, new ClusterAdmin({ endpoint, timeoutMs: askMsMax }));
    }
  }

  /** Resolves once a node leads. */
  static async start(folder: string, options: ClusterOptions): Promise<Cluster> {
    const network = new Network();
    const etcd = new EtcdGroup(etcdProgram(), network, join(folder, "etcd"));
    const places = nodeNames.map((name) => network.addPlace(name));
    const certificates = join(folder, "certificates");
    const [first] = places as [Place, ...Place[]];
    const named = nodeNames.flatMap((name) => ["--node", name]);
    forebay(first, ["init", "--cluster", clusterName, ...named, "--dir", certificates]);
    const nodes = places.map((place) => {
      const dataDirectory = options.directoryOf?.(place.name) ?? join(folder, place.name);
      mkdirSync(dataDirectory, { recursive: true });
      return new ClusterNode({
        place,
        zone: `zone-${place.name}`,
        dataDirectory,
        certificates,
        clusterName,
        etcdEndpoints: etcd.endpoints,
        leaseSeconds: options.leaseSeconds,
        args: options.argsOf?.(place.name) ?? [],
        start: options.startOf?.(place.name) ?? {},
      });
    });
    const { leaseSeconds } = options;
    const cluster = new Cluster({ network, etcd, nodes, leaseSeconds });
    try {
      await cluster.#begin();
    } catch (error) {
      await cluster.remove();
      throw new Error(`The cluster did not begin:\n${cluster.output}`, { cause: error });
    }
    return cluster;
  }

  async #begin(): Promise<void> {
    await this.etcd.start();
    for (const node of this.nodes) node.start();
    await this.#untilRegistered();
    this.command("init", "--yes");
    await this.leader(beginMsMax);
  }

  /** A node's own words: from then on it is in etcd. */
  async #untilRegistered(): Promise<void> {
    const giveUpMs = performance.now() + beginMsMax;
    while (!this.nodes.every(({ output }) => output.includes('"registered"'))) {
      if (performance.now() > giveUpMs) throw new Error("Not all nodes registered.");
      await sleep(lookMs);
    }
  }

  get #clusterArgs(): readonly string[] {
    const { endpoints } = this.etcd;
    return ["--cluster-name", clusterName, "--cluster-etcd-endpoints", endpoints];
  }

  /** `forebay cluster …`, of the commands that ask etcd and no node. */
  command(...args: readonly string[]): void {
    const [first] = this.nodes as readonly [ClusterNode];
    forebay(first.place, ["cluster", ...args, ...this.#clusterArgs]);
  }

  /** What its nodes wrote. */
  get output(): string {
    return this.nodes.map(({ name, output }) => `--- ${name}\n${output}`).join("\n");
  }

  get endpoints(): readonly string[] {
    return this.nodes.map(({ endpoint }) => endpoint);
  }

  /** What a node knows; undefined when it does not answer. */
  async statusOf(node: ClusterNode): Promise<ClusterStatus | undefined> {
    try {
      return await this.#admins.get(node)?.status();
    } catch (error) {
      if (error instanceof ForebayError) return undefined;
      throw error;
    }
  }

  /** What the node knows that has heard of the latest epoch. */
  async status(): Promise<ClusterStatus | undefined> {
    const answers = await Promise.all(this.nodes.map((node) => this.statusOf(node)));
    return answers.reduce((latest, each) =>
      latest === undefined || (each !== undefined && each.epoch > latest.epoch) ? each : latest,
    );
  }

  /** The node that says it leads, in the latest epoch that anybody knows of. */
  async leader(withinMs = 15_000): Promise<ClusterNode> {
    const giveUpMs = performance.now() + withinMs;
    for (;;) {
      const status = await this.status();
      const leader = this.nodes.find(({ name }) => name === status?.leader);
      // What others say of it may be of the time before it died.
      if (leader !== undefined && status?.node === leader.name) return leader;
      if (performance.now() > giveUpMs) throw new Error(`Nobody leads after ${withinMs} ms.`);
      await sleep(lookMs);
    }
  }

  async followers(): Promise<readonly ClusterNode[]> {
    const leader = await this.leader();
    return this.nodes.filter((node) => node !== leader);
  }

  /** Resolves once a node says that it takes part in nothing any more. */
  async quarantined(node: ClusterNode): Promise<void> {
    const giveUpMs = performance.now() + quarantineMsMax;
    while ((await node.role()) !== "quarantined") {
      if (performance.now() > giveUpMs) throw new Error(`${node.name} is not quarantined.`);
      await sleep(lookMs);
    }
  }

  /** Asks a node to do what only the one that leads can. */
  async administer(use: (admin: ClusterAdmin) => Promise<unknown>): Promise<void> {
    const admin = this.#admins.get(await this.leader());
    if (admin !== undefined) await use(admin);
  }

  /** Resolves once all members have applied all there is; after the bound whatever they have must do. */
  async untilEqual(withinMs = 20_000): Promise<void> {
    const giveUpMs = performance.now() + withinMs;
    while (performance.now() < giveUpMs) {
      const status = await this.status();
      const isEqual = status?.members.every(({ progress }) => {
        return progress !== undefined && progress.appliedSeq >= status.commitSeq;
      });
      if (isEqual === true) return;
      await sleep(lookMs);
    }
  }

  /** Resolves once a member has all there is, or all but a moment's worth. */
  async caughtUp(node: ClusterNode): Promise<void> {
    const giveUpMs = performance.now() + caughtUpMsMax;
    for (;;) {
      const status = await this.status();
      const progress = status?.members.find((member) => member.node === node.name)?.progress;
      const isThere = progress?.isConnected === true && !progress.isTakingCopy;
      if (isThere && progress.appliedSeq > 0n && progress.lagMs < caughtUpLagMs) return;
      if (performance.now() > giveUpMs) throw new Error(`${node.name} does not catch up.`);
      await sleep(lookMs);
    }
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#admins.values()].map((admin) => admin.close()));
    await Promise.all(this.nodes.map((node) => node.remove()));
    await this.etcd.kill();
    this.network.remove();
  }
}

/** The command line, at a node's place. */
function forebay(place: Place, args: readonly string[]): void {
  runIn(place, [process.execPath, builtPath("main.js"), ...args]);
}
