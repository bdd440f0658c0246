// Real etcd with three members, each in a place of its own, without certificates: here is about what it does when it is slow,
// cut off or down. scripts/faults.mjs found the program.

import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Network, Place } from "./network.js";
import { Program } from "./program.js";

const clientPort = 2379;
const peerPort = 2380;
const readyWithinMs = 30_000;

export class EtcdMember {
  readonly place: Place;
  readonly #command: readonly string[];
  #program: Program | undefined;

  constructor(place: Place, command: readonly string[]) {
    this.place = place;
    this.#command = command;
  }

  get endpoint(): string {
    return `${this.place.address}:${clientPort}`;
  }

  start(): void {
    // Release 3.4 wants to be asked on processors that it is not tested on.
    const environment = { ETCD_UNSUPPORTED_ARCH: process.arch };
    this.#program = new Program({ place: this.place, command: this.#command, environment });
  }

  async ready(): Promise<void> {
    const giveUpMs = performance.now() + readyWithinMs;
    while (!(await this.#isHealthy())) {
      if (performance.now() > giveUpMs || this.#program?.isRunning !== true) {
        throw new Error(`etcd did not become ready: ${this.#program?.output}`);
      }
      await sleep(50);
    }
  }

  async #isHealthy(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(1_000);
      return (await fetch(`http://${this.endpoint}/health`, { signal })).ok;
    } catch {
      // Not listening yet.
      return false;
    }
  }

  pause(): void {
    this.#program?.pause();
  }

  resume(): void {
    this.#program?.resume();
  }

  async kill(): Promise<void> {
    await this.#program?.kill();
  }
}

export class EtcdGroup {
  readonly members: readonly EtcdMember[];
  readonly #folder: string;
  readonly #backup: string;

  constructor(program: string, network: Network, folder: string) {
    this.#folder = folder;
    this.#backup = `${folder}.backup`;
    const places = ["etcd-1", "etcd-2", "etcd-3"].map((name) => network.addPlace(name));
    const peers = places.map(({ name, address }) => `${name}=http://${address}:${peerPort}`);
    this.members = places.map((place) => {
      const { name, address } = place;
      const [client, peer] = [clientPort, peerPort].map((port) => `http://${address}:${port}`);
      return new EtcdMember(place, [
        program,
        ...["--name", name, "--data-dir", join(folder, name)],
        ...["--listen-client-urls", `${client}`, "--advertise-client-urls", `${client}`],
        ...["--listen-peer-urls", `${peer}`, "--initial-advertise-peer-urls", `${peer}`],
        ...["--initial-cluster", peers.join(), "--initial-cluster-token", "faults"],
        ...["--logger", "zap", "--log-level", "error", "--log-outputs", "stderr"],
      ]);
    });
  }

  get endpoints(): string {
    return this.members.map(({ endpoint }) => endpoint).join();
  }

  async start(): Promise<void> {
    for (const member of this.members) member.start();
    await Promise.all(this.members.map((member) => member.ready()));
  }

  async kill(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  /** Keeps what all members have on disk, taken while none of them runs; `restore` puts it back. */
  async backUp(): Promise<void> {
    await this.kill();
    cpSync(this.#folder, this.#backup, { recursive: true });
    await this.start();
  }

  async restore(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
    cpSync(this.#backup, this.#folder, { recursive: true });
    await this.start();
  }
}
