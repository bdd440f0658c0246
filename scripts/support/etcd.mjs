// etcd for tests and for `npm run cluster`: found on the path, or fetched once into node_modules/.cache, and run as one member
// or three on ports that were free a moment ago. What is started here can be paused, killed and started again, because that
// is what etcd does to a cluster sooner or later.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.mjs";
import { root } from "./repository.mjs";

const cacheFolder = join(root, "node_modules/.cache/forebay/etcd");
const cachedPath = join(cacheFolder, "etcd");
/** What is built with Go where Debian has no package; the contract in proto/vendor/etcd is of this release. */
const goVersion = "v3.5.35";
const readyWithinMs = 30_000;

/** Said where etcd is neither found nor to be had. */
export const etcdAbsence =
  "etcd is not here: install it (Debian: etcd-server), put it on the path, or install Go to have it built.";

/** The path of etcd's program, fetched if need be; undefined where it cannot be had. `say` is told of what takes long. */
export function findEtcd(say = () => undefined) {
  const named = process.env.ETCD;
  if (named !== undefined) return named;
  const onPath = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "etcd"))
    .find((path) => runs(path));
  if (onPath !== undefined) return onPath;
  if (runs(cachedPath)) return cachedPath;
  mkdirSync(cacheFolder, { recursive: true });
  const workFolder = mkdtempSync(join(cacheFolder, "fetch-"));
  try {
    say("Fetching etcd, once ...");
    const fetched = fromDebian(workFolder) ?? fromGo(workFolder);
    if (fetched === undefined) return undefined;
    // Renamed when it is whole: another process may be looking.
    renameSync(fetched, cachedPath);
    return cachedPath;
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

const runs = (path) => existsSync(path) && attempt(path, ["--version"]);

/** Debian's package, unpacked and not installed: no service is started, and nobody needs to be root. */
function fromDebian(folder) {
  const download = () => attempt("apt-get", ["download", "-qq", "etcd-server"], folder);
  if (!download()) {
    if (process.getuid?.() !== 0) return undefined;
    if (!attempt("apt-get", ["update", "-qq"]) || !download()) return undefined;
  }
  const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (archive === undefined || !attempt("dpkg-deb", ["-x", archive, "."], folder)) return undefined;
  const path = join(folder, "usr/bin/etcd");
  return runs(path) ? path : undefined;
}

/** Built in a module of its own: `go install` refuses etcd's, which replaces modules by its own folders. */
function fromGo(folder) {
  const path = join(folder, "etcd");
  const isBuilt =
    attempt("go", ["mod", "init", "forebay.dev/etcd"], folder) &&
    attempt("go", ["get", `go.etcd.io/etcd/server/v3@${goVersion}`], folder) &&
    attempt("go", ["build", "-o", path, "go.etcd.io/etcd/server/v3"], folder);
  return isBuilt ? path : undefined;
}

/** Whether a command ran and succeeded. */
function attempt(command, args, cwd = tmpdir()) {
  const { error, status } = spawnSync(command, args, { cwd, stdio: "ignore", timeout: 600_000 });
  return error === undefined && status === 0;
}

/**
 * Starts etcd with `memberCount` members and waits until it answers. `tls` names files: `caFile`, `certificateFile`,
 * `keyFile`; clients then need a certificate of that authority. `dataFolder` outlives it; without one the data goes with `stop`.
 *
 * @param {string} program
 * @param {{
 *   memberCount?: number,
 *   tls?: { caFile: string, certificateFile: string, keyFile: string },
 *   dataFolder?: string,
 * }} options
 */
export async function startEtcd(program, { memberCount = 1, tls, dataFolder } = {}) {
  const folder = dataFolder ?? mkdtempSync(join(tmpdir(), "forebay-etcd-"));
  const ports = [];
  for (let at = 0; at < memberCount * 2; at += 1) ports.push(await freePort());
  const plans = Array.from({ length: memberCount }, (_, at) => ({
    name: `etcd-${at + 1}`,
    clientUrl: `${tls === undefined ? "http" : "https"}://127.0.0.1:${ports[at * 2]}`,
    peerUrl: `http://127.0.0.1:${ports[at * 2 + 1]}`,
  }));
  const initialCluster = plans.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join();
  const members = plans.map(
    (plan) => new EtcdMember(program, { ...plan, folder, initialCluster, tls }),
  );
  const stop = async () => {
    await Promise.all(members.map((member) => member.kill()));
    if (dataFolder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const member of members) member.start();
    await Promise.all(members.map((member) => member.ready()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { members, endpoints: members.map(({ endpoint }) => endpoint), stop };
}

class EtcdMember {
  /** Where clients reach it, `host:port`. */
  endpoint;
  #program;
  #plan;
  #child;
  #exited;
  #complaints = "";

  constructor(program, plan) {
    this.#program = program;
    this.#plan = plan;
    this.endpoint = new URL(plan.clientUrl).host;
  }

  start() {
    const { name, clientUrl, peerUrl, folder, initialCluster, tls } = this.#plan;
    this.#child = spawn(
      this.#program,
      [
        ...["--name", name, "--data-dir", join(folder, name)],
        ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ...["--initial-cluster", initialCluster, "--initial-cluster-token", folder],
        // Hashing passwords takes a tenth of a second otherwise, and nobody wants to guess those of tests.
        ...["--bcrypt-cost", "4"],
        ...["--logger", "zap", "--log-level", "error", "--log-outputs", "stderr"],
        ...(tls === undefined
          ? []
          : [
              ...["--client-cert-auth", "--trusted-ca-file", tls.caFile],
              ...["--cert-file", tls.certificateFile, "--key-file", tls.keyFile],
            ]),
      ],
      {
        stdio: ["ignore", "ignore", "pipe"],
        // Not in our group: Ctrl-C at a terminal is for us to pass on, after what needs etcd has stopped.
        detached: true,
        // Release 3.4 wants to be asked on processors that it is not tested on.
        env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch },
      },
    );
    this.#exited = once(this.#child, "exit");
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#complaints = (this.#complaints + text).slice(-4_000);
    });
    running.add(this.#child);
    this.#child.once("exit", () => running.delete(this.#child));
  }

  /** Resolves once the member knows a leader and answers. */
  async ready() {
    const giveUpMs = performance.now() + readyWithinMs;
    for (;;) {
      if (await this.#isHealthy()) return;
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null || performance.now() > giveUpMs) {
        throw new Error(`etcd did not become ready: ${this.#complaints}`);
      }
      await sleep(50);
    }
  }

  /** Over TLS its health page wants a certificate, so there an open port has to do. */
  async #isHealthy() {
    const { clientUrl, tls } = this.#plan;
    try {
      const response = await fetch(`${clientUrl}/health`, { signal: AbortSignal.timeout(1_000) });
      return response.ok;
    } catch (error) {
      return tls !== undefined && error.cause?.code !== "ECONNREFUSED";
    }
  }

  /** Stops it in the middle of whatever it does; its connections stay open. */
  pause() {
    this.#child.kill("SIGSTOP");
  }

  resume() {
    this.#child.kill("SIGCONT");
  }

  /** Ends it at once, as a power cut of its process would; its data stays. */
  async kill() {
    if (this.#child === undefined) return;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Starts it anew with what it had stored. */
  async restart() {
    await this.kill();
    this.start();
    await this.ready();
  }
}

// Nobody else would end them if we died of an error.
const running = new Set();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
