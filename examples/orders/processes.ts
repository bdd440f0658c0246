// The processes of the story: a server and its workers, started like anyone would start them, and killed without warning.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const serverProgram = fileURLToPath(new URL("../../../dist/main.js", import.meta.url));
const workerProgram = fileURLToPath(new URL("pricing.worker.js", import.meta.url));

/** A started program. */
export class Program {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(
    command: string,
    args: readonly string[],
    { env = {} }: { readonly env?: Readonly<Record<string, string>> } = {},
  ) {
    this.#child = spawn(command, [...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit"],
    });
    this.#exit = once(this.#child, "exit");
    this.pid = this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it in the middle of whatever it does: SIGKILL cannot be caught. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    if (this.isRunning) await this.#exit;
  }

  /** Asks it to finish and leave; resolves with its exit code, null if a signal ended it. */
  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    if (this.isRunning) await this.#exit;
    return this.#child.exitCode;
  }
}

/** `forebay serve` on a data directory. The port is the caller's, so that clients find the server again after a restart. */
export function startServer(options: {
  readonly dataDirectory: string;
  readonly port: number;
  /** More settings. */
  readonly args?: readonly string[];
}): Program {
  return new Program(process.execPath, [
    serverProgram,
    "serve",
    ...["--data-dir", options.dataDirectory],
    ...["--listen", `127.0.0.1:${options.port}`],
    ...["--management-listen", "127.0.0.1:0"],
    ...["--log-level", "warn"],
    ...(options.args ?? []),
  ]);
}

export function startWorker(options: {
  readonly endpoint: string;
  readonly queue: string;
  readonly outputPath: string;
}): Program {
  const { endpoint, queue, outputPath } = options;
  return new Program(process.execPath, [workerProgram, endpoint, queue, outputPath]);
}

/** A port nobody listens on right now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("No port to listen on.");
  return address.port;
}
