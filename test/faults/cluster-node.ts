// A node of a cluster: the built program in a place of the network, with a directory and certificates of its own, started and
// ended again and again. Its data and management listeners take connections of its own machine only, so a forwarder beside it
// passes them on; nodes pass calls on to each other that way too.

import { join } from "node:path";
import { builtPath } from "../support/built.js";
import type { Place } from "./network.js";
import { Program } from "./program.js";
import { toolPath } from "./tools.js";

const dataPort = 7_400;
const managementPort = 7_401;
const replicationPort = 7_402;
const askMsMax = 1_000;

export interface NodePlan {
  readonly place: Place;
  readonly zone: string;
  readonly dataDirectory: string;
  readonly certificates: string;
  readonly clusterName: string;
  readonly etcdEndpoints: string;
  readonly leaseSeconds: number;
  /** Settings beside those, as `--storage-reserve-bytes`. */
  readonly args: readonly string[];
  /** As it is started unless a test says otherwise. */
  readonly start: NodeStart;
}

export interface NodeStart {
  /** What the program is run by, with its arguments, as `strace -f`. */
  readonly runner?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export class ClusterNode {
  readonly plan: NodePlan;
  readonly #forwarder: Program;
  readonly #lives: Program[] = [];

  constructor(plan: NodePlan) {
    this.plan = plan;
    const { address } = plan.place;
    const pairs = [dataPort, managementPort].map((port) => `${port}=${port}`);
    this.#forwarder = new Program({
      place: plan.place,
      command: [process.execPath, toolPath("forwarder.worker.js"), address, ...pairs],
    });
  }

  get name(): string {
    return this.plan.place.name;
  }

  get place(): Place {
    return this.plan.place;
  }

  get endpoint(): string {
    return `${this.place.address}:${dataPort}`;
  }

  get managementEndpoint(): string {
    return `${this.place.address}:${managementPort}`;
  }

  /** What Prometheus would scrape; empty when it does not answer. */
  async metrics(): Promise<string> {
    try {
      const signal = AbortSignal.timeout(askMsMax);
      return await (await fetch(`http://${this.managementEndpoint}/metrics`, { signal })).text();
    } catch {
      return "";
    }
  }

  /** What it says itself that it is doing, as `leader`; undefined when it does not answer. */
  async role(): Promise<string | undefined> {
    return /^forebay_cluster_role\{role="([a-z]+)"\} 1$/m.exec(await this.metrics())?.[1];
  }

  /** Its present or last life. */
  get program(): Program {
    const program = this.#lives.at(-1);
    if (program === undefined) throw new Error(`${this.name} was never started`);
    return program;
  }

  /** The end of what it wrote, in all its lives. */
  get output(): string {
    return this.#lives.map(({ output }) => output).join("\n");
  }

  /** Does not wait until it answers. */
  start({ runner = [], environment = {} }: NodeStart = this.plan.start): void {
    const command = [...runner, process.execPath, builtPath("main.js"), "serve", ...this.#settings];
    this.#lives.push(new Program({ place: this.place, command, environment }));
  }

  async kill(): Promise<void> {
    await this.#lives.at(-1)?.kill();
  }

  /** Ends it and what stands beside it. */
  async remove(): Promise<void> {
    await Promise.all([this.kill(), this.#forwarder.kill()]);
  }

  get #settings(): readonly string[] {
    const { place, zone, certificates, clusterName, etcdEndpoints, leaseSeconds, args } = this.plan;
    const settings = {
      "data-dir": this.plan.dataDirectory,
      listen: `127.0.0.1:${dataPort}`,
      "management-listen": `127.0.0.1:${managementPort}`,
      "replication-listen": `${place.address}:${replicationPort}`,
      "data-advertise": this.endpoint,
      "management-advertise": this.managementEndpoint,
      "cluster-name": clusterName,
      "node-name": place.name,
      zone,
      "cluster-etcd-endpoints": etcdEndpoints,
      "replication-ca-file": join(certificates, "ca.crt"),
      "replication-cert-file": join(certificates, `${place.name}.crt`),
      "replication-key-file": join(certificates, `${place.name}.key`),
      "lease-ttl-seconds": String(leaseSeconds),
      "log-format": "json",
      "log-level": "info",
    };
    return [...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]), ...args];
  }
}
