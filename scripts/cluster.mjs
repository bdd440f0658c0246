// `npm run cluster`: a whole cluster on this machine. Three members of etcd, three nodes in three zones that elect a leader
// through them, and what to type next. A node that dies is started again after a while, as a supervisor would. Ctrl-C stops
// everything, and its data goes with it.
//
//   npm run cluster -- --verbose      show what the nodes log, not only what they warn of
//   npm run cluster -- --free-ports   on any ports, as when 7400 and those after it are taken

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { setup } from "./setup.mjs";
import { etcdAbsence, findEtcd, startEtcd } from "./support/etcd.mjs";
import { freePort } from "./support/free-port.mjs";
import { root } from "./support/repository.mjs";
import { isReady } from "./support/server.mjs";

const readyWithinMs = 60_000;
/** Long enough to see who takes over. */
const restartAfterMs = 10_000;
const stopWithinMs = 30_000;

const isVerbose = process.argv.includes("--verbose");
const program = join(root, "dist/main.js");
const clusterName = "local";

class Node {
  name;
  zone;
  ports;
  #args;
  #child;
  #isStopping = false;
  #restart;

  constructor(name, { ports, folder, etcdEndpoints }) {
    this.name = name;
    this.zone = `zone-${name}`;
    this.ports = ports;
    this.#args = [
      ...["--data-dir", join(folder, name), "--cluster-name", clusterName],
      ...["--node-name", name, "--zone", this.zone],
      ...["--listen", this.address, "--management-listen", this.managementAddress],
      ...["--replication-listen", `127.0.0.1:${ports.replication}`],
      ...["--cluster-etcd-endpoints", etcdEndpoints.join()],
      ...["--log-format", "json", "--log-level", isVerbose ? "info" : "warn"],
    ];
  }

  get address() {
    return `127.0.0.1:${this.ports.data}`;
  }

  get managementAddress() {
    return `127.0.0.1:${this.ports.management}`;
  }

  get processId() {
    return this.#child?.pid;
  }

  start() {
    this.#child = spawn(process.execPath, [program, "serve", ...this.#args], {
      stdio: ["ignore", "pipe", "pipe"],
      // Not in our group: Ctrl-C at a terminal is for us to pass on, in the right order.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => this.say(line));
    }
    this.#child.once("exit", (status, signal) => {
      if (this.#isStopping) return;
      const isRefusal = status !== null && status !== 0;
      this.say(
        `It ended with ${signal ?? `status ${status}`}${isRefusal ? "" : `, and starts again in ${restartAfterMs / 1_000} s`}.`,
      );
      if (!isRefusal) this.#restart = setTimeout(() => this.start(), restartAfterMs);
    });
  }

  say(line) {
    console.log(`${this.name} | ${readable(line)}`);
  }

  get isRunning() {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  async ready() {
    await until(`Node ${this.name} is ready`, async () => {
      if (!this.isRunning) throw new Error(`Node ${this.name} has ended.`);
      return isReady(this.managementAddress);
    });
  }

  async stop() {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    this.#child?.kill("SIGTERM");
    const giveUpMs = performance.now() + stopWithinMs;
    while (this.isRunning && performance.now() < giveUpMs) await sleep(50);
    this.kill();
  }

  kill() {
    this.#isStopping = true;
    this.#child?.kill("SIGKILL");
  }
}

/** A line of a node's log in words: its message and what belongs to it. */
function readable(line) {
  if (!line.startsWith("{")) return line;
  const { time, level, pid: _, msg, ...fields } = JSON.parse(line);
  const rest = Object.keys(fields).length === 0 ? "" : ` ${JSON.stringify(fields)}`;
  return `${time.slice(11, 23)} ${level} ${msg}${rest}`;
}

async function until(what, isSo) {
  const giveUpMs = performance.now() + readyWithinMs;
  while (!(await isSo())) {
    if (performance.now() > giveUpMs) throw new Error(`${what}: not within ${readyWithinMs} ms.`);
    await sleep(200);
  }
}

/** 7400 to 7402 for the first node, 7410 to 7412 for the second and so on, unless somebody listens on one of them. */
async function choosePorts() {
  const wanted = [0, 10, 20].map((offset) => ({
    data: 7_400 + offset,
    management: 7_401 + offset,
    replication: 7_402 + offset,
  }));
  const all = wanted.flatMap((ports) => Object.values(ports));
  const areFree = (await Promise.all(all.map(isFree))).every(Boolean);
  if (areFree && !process.argv.includes("--free-ports")) return wanted;
  const chosen = [];
  for (let at = 0; at < 3; at += 1) {
    chosen.push({
      data: await freePort(),
      management: await freePort(),
      replication: await freePort(),
    });
  }
  return chosen;
}

function isFree(port) {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    const answer = (isUnused) => {
      socket.destroy();
      resolve(isUnused);
    };
    socket.once("connect", () => answer(false)).once("error", () => answer(true));
  });
}

/** Runs a command of ours; what it printed, or undefined if it failed. */
async function forebay(args) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  const [status] = await once(child, "close");
  return status === 0 ? printed : undefined;
}

async function leaderOf({ managementAddress }) {
  const status = await forebay([
    "cluster",
    "status",
    "--management",
    managementAddress,
    "-o",
    "json",
  ]);
  return status && JSON.parse(status).leader;
}

function advice(nodes, leader) {
  const [first, second, third] = nodes;
  const isUsual = first.ports.data === 7_400;
  const endpoint = isUsual ? "" : ` --endpoint ${first.address}`;
  const management = isUsual ? "" : ` --management ${first.managementAddress}`;
  const rows = nodes.map(
    ({ name, zone, address, managementAddress, processId }) =>
      `  ${name}   ${zone}   ${address}   management ${managementAddress}   process ${processId}` +
      (name === leader ? "   leads" : ""),
  );
  const leading = nodes.find(({ name }) => name === leader);
  const other = leading === second ? third : second;
  return `
Three nodes in three zones, and an etcd of three members that elects their leader:

${rows.join("\n")}

In another terminal:

  npx forebay cluster status${management}
  npx forebay queue create orders${endpoint}
  npx forebay send orders hello${endpoint}

Any node takes any call:

  npx forebay receive orders --ack --endpoint ${second.address}

End the one that leads without a warning (it starts again after ${restartAfterMs / 1_000} s), and see who takes over:

  kill -9 ${leading.processId}
  npx forebay cluster status --management ${other.managementAddress}

Let yet another one lead:

  npx forebay cluster handover --management ${other.managementAddress}

Ctrl-C stops everything.
`;
}

async function main() {
  setup();
  const etcdProgram = findEtcd((text) => console.log(text));
  if (etcdProgram === undefined) {
    console.error(etcdAbsence);
    process.exit(1);
  }
  const folder = mkdtempSync(join(tmpdir(), "forebay-cluster-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const stopped = new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  console.log("Starting three members of etcd and three nodes ...");
  const etcd = await startEtcd(etcdProgram, { memberCount: 3, dataFolder: join(folder, "etcd") });
  const ports = await choosePorts();
  const nodes = ["a", "b", "c"].map(
    (name, at) => new Node(name, { ports: ports[at], folder, etcdEndpoints: etcd.endpoints }),
  );
  process.once("exit", () => {
    for (const node of nodes) node.kill();
  });
  const run = async () => {
    for (const node of nodes) node.start();
    const init = ["cluster", "init", "--yes", "--voters", "3", "--cluster-name", clusterName];
    const initArgs = [...init, "--cluster-etcd-endpoints", etcd.endpoints.join()];
    // Refused until all three have registered.
    await until("The cluster begins", async () => (await forebay(initArgs)) !== undefined);
    await Promise.all(nodes.map((node) => node.ready()));
    let leader;
    await until("A node leads", async () => {
      leader = await leaderOf(nodes[0]);
      return nodes.some(({ name }) => name === leader);
    });
    console.log(advice(nodes, leader));
  };
  const failed = run().then(
    () => new Promise(() => undefined),
    (error) => error,
  );
  const failure = await Promise.race([stopped.then(() => undefined), failed]);
  if (failure instanceof Error) console.error(failure.message);
  else console.log("Stopping ...");
  // A second Ctrl-C waits for nobody.
  process.once("SIGINT", () => process.exit(130));
  await Promise.all(nodes.map((node) => node.stop()));
  await etcd.stop();
  process.exit(failure instanceof Error ? 1 : 0);
}

await main();
