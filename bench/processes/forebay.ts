// A Forebay server to be measured: `forebay serve` in a process and a data directory of its own, as a user would run it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { cpuMicrosOf, type Memory, memoryOf } from "./process-usage.js";

export interface ServerOptions {
  /** The compiled entry of the server. */
  readonly entry: string;
  readonly dataDir: string;
  /** Flags for node itself, as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
  /** Settings beside those that every benchmark has, as `{ zone: "a" }`. */
  readonly flags?: Readonly<Record<string, string>>;
}

export interface ForebayServer extends AsyncDisposable {
  /** Where applications connect, as `host:port`. */
  readonly address: string;
  /** Where operators do. */
  readonly managementAddress: string;
  readonly pid: number;
  /** CPU time used so far, user and system, in microseconds; undefined where the system does not tell. */
  cpuMicros(): number | undefined;
  memory(): Memory | undefined;
  /** What Prometheus would scrape. */
  metrics(withinMs?: number): Promise<string>;
  /** Stops it in the middle of whatever it does; its connections stay open. */
  pause(): void;
  resume(): void;
  /** SIGTERM, and waits for the end; anything but exit code 0 is an error. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
}

const startMsMax = 30_000;
const stopMsMax = 40_000;
const metricsMsMax = 30_000;

/** Resolves once the server says it serves. */
export async function startForebay(options: ServerOptions): Promise<ForebayServer> {
  await mkdir(options.dataDir, { recursive: true });
  const flags = Object.entries({
    "data-dir": options.dataDir,
    listen: "127.0.0.1:0",
    "management-listen": "127.0.0.1:0",
    "log-format": "json",
    "noop-service": "true",
    // Filters are measured by the ten thousand.
    "filters-topic-max": "100000",
    "filters-namespace-max": "100000",
    ...options.flags,
  }).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(
    process.execPath,
    [...(options.nodeFlags ?? []), options.entry, "serve", ...flags],
    // Nothing of the caller's environment may change what is measured.
    {
      cwd: options.dataDir,
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  // A child that outlives an interrupted benchmark would go on using the machine that the next one measures.
  const killWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithUs);
  const ended = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => {
      process.off("exit", killWithUs);
      resolve(code ?? signal ?? "unknown");
    });
  });
  const serving = await within(startMsMax, "the server's start", firstServing(child, ended));
  const pid = child.pid ?? 0;
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<number | string> => {
    child.kill(signal);
    return await within(stopMsMax, "the server's end", ended);
  };
  return {
    address: serving.listen,
    managementAddress: serving.managementListen,
    pid,
    cpuMicros: () => cpuMicrosOf(pid),
    memory: () => memoryOf(pid),
    metrics: async (withinMs = metricsMsMax) => {
      const signal = AbortSignal.timeout(withinMs);
      return await (await fetch(`http://${serving.managementListen}/metrics`, { signal })).text();
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    stop: async () => {
      const code = await end("SIGTERM");
      if (code !== 0) throw new Error(`The server ended with ${code} instead of 0.`);
    },
    kill: async () => {
      await end("SIGKILL");
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) await end("SIGKILL");
    },
  };
}

interface Serving {
  readonly listen: string;
  readonly managementListen: string;
}

/** The fields of the log line that says it serves. Other lines of weight are shown. */
function firstServing(child: ChildProcess, ended: Promise<number | string>): Promise<Serving> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error("the server's output is a pipe");
    createInterface({ input: child.stdout }).on("line", (line) => {
      const fields = parsed(line);
      if (fields?.["msg"] === "serving") resolve(fields as unknown as Serving);
      else if (fields === undefined || isWeighty(fields)) console.error(line);
    });
    void ended.then((code) => reject(new Error(`The server ended with ${code} before it served.`)));
  });
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const isWeighty = ({ level }: Record<string, unknown>): boolean =>
  level === "warn" || level === "error" || level === "fatal";

async function within<Result>(ms: number, what: string, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
