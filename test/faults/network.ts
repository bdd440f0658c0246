// A network of our own for the nodes of a cluster: every node stands in a network namespace, joined by a veth pair to one bridge,
// as machines are by cables to a switch. The test and its clients stand at the bridge. All of it is inside namespaces that
// scripts/faults.mjs made for the whole run, so nothing outside is touched and nothing is left behind.
//
// Faults need no firewall and no netem: a cable is pulled by taking its end at the bridge down; packets from one node to another
// vanish without a word when the sender believes the other to be at a hardware address that nobody has (a permanent neighbour
// entry); a slow link is a token bucket.

import { execFileSync } from "node:child_process";

const bridge = "bridge0";
const subnet = "10.77.0";
/** Where the test and its clients stand. */
export const bridgeAddress = `${subnet}.1`;
const firstHost = 11;
/** Locally administered, and nobody's. */
const nobodysHardware = "02:00:00:00:00:99";
/** A packet may wait so long in a slow link before it is dropped. */
const slowLinkLatencyMs = 400;

const ip = (...args: readonly string[]): string =>
  execFileSync("ip", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** One machine, as far as the network goes. */
export class Place {
  readonly name: string;
  readonly address: string;
  readonly #cable: string;

  constructor(name: string, host: number) {
    this.name = name;
    this.address = `${subnet}.${host}`;
    this.#cable = `cable-${name}`;
    ip("netns", "add", name);
    ip("link", "add", this.#cable, "type", "veth", "peer", "name", "eth0", "netns", name);
    ip("link", "set", this.#cable, "master", bridge, "up");
    this.#inside("addr", "add", `${this.address}/24`, "dev", "eth0");
    this.#inside("link", "set", "lo", "up");
    this.#inside("link", "set", "eth0", "up");
  }

  /** What starts a program here. */
  get runner(): readonly string[] {
    return ["ip", "netns", "exec", this.name];
  }

  unplug(): void {
    ip("link", "set", this.#cable, "down");
  }

  plug(): void {
    ip("link", "set", this.#cable, "up");
  }

  /** Packets from here to there vanish; those from there to here arrive. */
  dropTo(other: Place): void {
    const entry = [other.address, "lladdr", nobodysHardware, "nud", "permanent", "dev", "eth0"];
    this.#inside("neigh", "replace", ...entry);
  }

  passTo(other: Place): void {
    this.#inside("neigh", "del", other.address, "dev", "eth0");
  }

  /** What leaves here does so at this rate. */
  slowDown(kilobitsPerSecond: number): void {
    const rate = ["rate", `${kilobitsPerSecond}kbit`, "burst", "16kb"];
    const latency = ["latency", `${slowLinkLatencyMs}ms`];
    this.#traffic("replace", "dev", "eth0", "root", "tbf", ...rate, ...latency);
  }

  fullSpeed(): void {
    this.#traffic("del", "dev", "eth0", "root");
  }

  remove(): void {
    ip("netns", "del", this.name);
  }

  #inside(...args: readonly string[]): void {
    ip("-n", this.name, ...args);
  }

  #traffic(...args: readonly string[]): void {
    const [program = "", ...rest] = [...this.runner, "tc", "qdisc", ...args];
    execFileSync(program, rest, { stdio: "pipe" });
  }
}

export class Network {
  readonly #places: Place[] = [];

  constructor() {
    ip("link", "add", bridge, "type", "bridge");
    ip("addr", "add", `${bridgeAddress}/24`, "dev", bridge);
    ip("link", "set", bridge, "up");
  }

  addPlace(name: string): Place {
    const place = new Place(name, firstHost + this.#places.length);
    this.#places.push(place);
    return place;
  }

  /** The programs in it must have ended. */
  remove(): void {
    for (const place of this.#places) place.remove();
    ip("link", "del", bridge);
  }
}

/** Between two places nothing passes, in neither direction; others reach both. */
export function cutBetween(one: Place, other: Place): void {
  one.dropTo(other);
  other.dropTo(one);
}

export function mendBetween(one: Place, other: Place): void {
  one.passTo(other);
  other.passTo(one);
}
