// A soak: a million operations of every kind, over real sockets, against a server that is killed again and again. After every kill
// `forebay check` must find nothing, and in the end every message that was acknowledged must have been deleted once, and the
// numbers of every queue must add up.
//
//   npm run soak                            a million operations, 20 kills, some ten minutes
//   npm run soak -- --operations 20000      shorter
//   npm run soak -- --kills 5 --seed 7
//
// The load comes from four processes, each with a family of queues of its own (test/soak/plan.ts). They tell how far they are,
// so that kills are spread evenly over the operations.

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { setup } from "./setup.mjs";
import { freePort } from "./support/free-port.mjs";
import { root, run } from "./support/repository.mjs";
import { isReady } from "./support/server.mjs";

const { values } = parseArgs({
  options: {
    operations: { type: "string", default: "1000000" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const operations = Number(values.operations);
const kills = Number(values.kills);
const seed = Number(values.seed);

/** Each family's share of the operations: about what it manages while the others are at work. */
const shares = { mixed: 0.55, order: 0.2, letters: 0.15, scratch: 0.1 };

const startedWithinMs = 30_000;
/** Nothing may stand still for so long. */
const progressWithinMs = 60_000;
const serverProgram = join(root, "dist/main.js");
const loadProgram = join(root, "dist-tools/test/soak/load.worker.js");

/** The server's lives, always on the same ports and directory. */
class Server {
  startedMsMax = 0;
  #child;
  #directory;
  #ports;

  constructor(directory, ports) {
    this.#directory = directory;
    this.#ports = ports;
  }

  get endpoint() {
    return `127.0.0.1:${this.#ports.data}`;
  }

  async start() {
    const startedMs = performance.now();
    this.#child = spawn(
      process.execPath,
      [
        serverProgram,
        "serve",
        ...["--data-dir", this.#directory],
        ...["--listen", this.endpoint],
        ...["--management-listen", `127.0.0.1:${this.#ports.management}`],
        ...["--log-level", "error"],
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    while (!(await isReady(`127.0.0.1:${this.#ports.management}`))) {
      if (this.#child.exitCode !== null) throw new Error("The server does not start.");
      if (performance.now() > startedMs + startedWithinMs) {
        throw new Error(`The server was not ready within ${startedWithinMs} ms.`);
      }
      await sleep(20);
    }
    this.startedMsMax = Math.max(this.startedMsMax, performance.now() - startedMs);
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async end(signal) {
    const exited = once(this.#child, "exit");
    this.#child.kill(signal);
    const [status] = await exited;
    if (signal === "SIGTERM" && status !== 0) throw new Error(`The server left with ${status}.`);
  }

  /** Throws when the store of a server that is not running contradicts itself. */
  check() {
    const args = [serverProgram, "check", "--data-dir", this.#directory];
    const { status, stdout, stderr } = run(process.execPath, args, { output: "captured" });
    if (status !== 0) throw new Error(`forebay check found something:\n${stdout}${stderr}`);
    return stdout.split("\n")[0];
  }
}

/** A process that works on one family of queues. */
class Load {
  family;
  operations = 0;
  result;
  #child;
  #exited;

  constructor(family, endpoint, place) {
    this.family = family;
    const plan = {
      endpoint,
      family,
      seed: seed + place * 1_000,
      operations: Math.ceil(operations * shares[family]),
    };
    this.#child = fork(loadProgram, [JSON.stringify(plan)], { stdio: "inherit" });
    this.#exited = once(this.#child, "exit");
    this.target = plan.operations;
    this.#child.on("message", (told) => {
      if (told.event === "progress") this.operations = told.operations;
      else this.result = told.result;
    });
  }

  get isDone() {
    return this.operations >= this.target;
  }

  throwIfDead() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return;
    throw new Error(`The process of ${this.family} ended with ${this.#child.exitCode}.`);
  }

  /** Lets it drain and judge; nothing is killed any more. */
  async finish() {
    this.#child.send("drain");
    const [status] = await this.#exited;
    if (status !== 0 || this.result === undefined) {
      throw new Error(`The process of ${this.family} ended with ${status}.`);
    }
    return this.result;
  }

  kill() {
    this.#child.kill("SIGKILL");
  }
}

async function soak(directory) {
  const server = new Server(directory, { data: await freePort(), management: await freePort() });
  await server.start();
  const loads = Object.keys(shares).map(
    (family, place) => new Load(family, server.endpoint, place),
  );
  try {
    const startedMs = performance.now();
    await killOverAndOver(server, loads);
    const workedMs = performance.now() - startedMs;
    const results = await Promise.all(loads.map((load) => load.finish()));
    await server.end("SIGTERM");
    console.log(`In the end: ${server.check()}`);
    return report(loads, results, { workedMs, startedMsMax: server.startedMsMax });
  } catch (error) {
    for (const load of loads) load.kill();
    if (server.isRunning) await server.end("SIGKILL");
    throw error;
  }
}

/** Kills the server each time another part of the operations is done, until all are. */
async function killOverAndOver(server, loads) {
  let killCount = 0;
  let last = { done: 0, atMs: performance.now() };
  while (!loads.every((load) => load.isDone)) {
    await sleep(20);
    if (!server.isRunning) throw new Error("The server died by itself.");
    for (const load of loads) load.throwIfDead();
    const done = loads.reduce((sum, load) => sum + Math.min(load.operations, load.target), 0);
    if (done > last.done) last = { done, atMs: performance.now() };
    else if (performance.now() > last.atMs + progressWithinMs) throw new Error("Nothing goes on.");
    if (killCount === kills || done < (operations * (killCount + 1)) / (kills + 1)) continue;
    killCount += 1;
    await server.end("SIGKILL");
    console.log(`Kill ${killCount} after ${done} operations: ${server.check()}`);
    await server.start();
  }
}

function report(loads, results, { workedMs, startedMsMax }) {
  const total = loads.reduce((sum, load) => sum + load.operations, 0);
  const perSecond = Math.round((total * 1_000) / workedMs);
  console.log(`\n${total} operations in ${Math.round(workedMs / 1_000)} s, ${perSecond} a second.`);
  console.log(`The server was back within ${Math.round(startedMsMax)} ms. Seed ${seed}.`);
  for (const [index, { operations: kinds, acknowledged, unknown }] of results.entries()) {
    const text = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
    const known = `${acknowledged} sends acknowledged, ${unknown} unknown`;
    console.log(`  ${loads[index].family}: ${text.join(", ")}; ${known}`);
  }
  const violations = results.flatMap((result) => result.violations);
  for (const violation of violations) console.error(violation);
  console.log(violations.length === 0 ? "Everything adds up." : "It does not add up.");
  return violations.length === 0;
}

setup({ tools: true });
const directory = mkdtempSync(join(tmpdir(), "forebay-soak-"));
let isClean = false;
try {
  isClean = await soak(directory);
} finally {
  if (isClean) rmSync(directory, { recursive: true, force: true });
  else console.error(`The store is left in ${directory}. Seed ${seed}.`);
}
process.exitCode = isClean ? 0 : 1;
