// A private RabbitMQ node to compare with: started from the system's package in a directory of its own, with its own port
// mapper, cookie, home and configuration, on loopback only, and gone afterwards. It neither sees nor touches a broker that
// runs here already, needs no service manager, and may be started by root: the package's wrapper, which insists on the user
// `rabbitmq` and on /var, is gone around.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { cpuMicrosOf } from "./process-usage.js";

export interface Broker extends AsyncDisposable {
  /** Where AMQP clients connect, as `host:port`. */
  readonly address: string;
  cpuMicros(): number | undefined;
}

/** Where Debian, and packages made like it, keep the script itself. */
const debianScript = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const startMsMax = 90_000;
const probeMs = 200;
const loopback = "127.0.0.1";

/** The script that starts a node; undefined where RabbitMQ, or Erlang's port mapper, is not installed. */
export function findRabbitmq(): string | undefined {
  if (onPath("epmd") === undefined) return undefined;
  return existsSync(debianScript) ? debianScript : onPath("rabbitmq-server");
}

function onPath(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export async function startRabbitmq(script: string, directory: string): Promise<Broker> {
  await mkdir(directory, { recursive: true });
  const [port, mapperPort, distributionPort] = await freePorts();
  const configPath = join(directory, "rabbitmq.conf");
  const pluginsPath = join(directory, "enabled_plugins");
  await writeFile(configPath, `listeners.tcp.1 = ${loopback}:${port}\nlog.console.level = error\n`);
  await writeFile(pluginsPath, "[].\n");
  const environment = {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    // Erlang makes its cookie here.
    HOME: directory,
    ERL_EPMD_ADDRESS: loopback,
    ERL_EPMD_PORT: String(mapperPort),
    RABBITMQ_CONF_ENV_FILE: join(directory, "none"),
    RABBITMQ_CONFIG_FILE: configPath,
    RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, "none.config"),
    RABBITMQ_ENABLED_PLUGINS_FILE: pluginsPath,
    RABBITMQ_NODENAME: "forebay-bench@localhost",
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    RABBITMQ_MNESIA_BASE: join(directory, "mnesia"),
    RABBITMQ_LOG_BASE: join(directory, "log"),
    RABBITMQ_LOGS: "-",
    RABBITMQ_PID_FILE: join(directory, "pid"),
    // Makes the script become the node, instead of staying in between and answering signals in its own way.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  const mapper = startIn(directory, "epmd", ["-port", String(mapperPort)], environment);
  await answers(mapperPort, mapper);
  const node = startIn(directory, script, [], environment);
  await answers(port, node);
  return {
    address: `${loopback}:${port}`,
    cpuMicros: () => (node.child.pid === undefined ? undefined : cpuMicrosOf(node.child.pid)),
    [Symbol.asyncDispose]: async () => {
      await node.end();
      await mapper.end();
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  /** The end of what it wrote, for when it fails. */
  readonly output: () => string;
  /** Ends it and whatever it started. Its data are thrown away, so it need not say goodbye. */
  end(): Promise<void>;
}

const outputKept = 4_000;

function startIn(
  directory: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Running {
  // A process group of its own: the node has helper processes, which end with it.
  const child = spawn(command, args, {
    cwd: directory,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-outputKept);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.on("error", (error) => keep(Buffer.from(error.message)));
  const killGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // The group is gone already.
    }
  };
  process.once("exit", killGroup);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    child,
    output: () => output,
    end: async () => {
      killGroup();
      await ended;
      process.off("exit", killGroup);
    },
  };
}

/** Waits until somebody listens at the port. */
async function answers(port: number, { child, output }: Running): Promise<void> {
  const startedMs = performance.now();
  while (!(await isListening(port))) {
    if (child.exitCode !== null || performance.now() - startedMs > startMsMax) {
      throw new Error(`RabbitMQ did not start:\n${output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, probeMs));
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, loopback);
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Ports that are free now; nobody else is expected to take them before the node does. */
async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, loopback, () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports as [number, number, number];
}
