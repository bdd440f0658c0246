// The server of a crash test: the built program in a process of its own, always on the same port and directory, started and
// killed again and again. It can be started under strace, which makes system calls fail.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient } from "@forebay/client";
import { builtPath } from "../support/built.js";

export interface ServerPlace {
  readonly dataDirectory: string;
  readonly port: number;
  /** Settings beside place and log, as `--storage-reserve-bytes`. */
  readonly args?: readonly string[];
}

export interface StartOptions {
  /** What the program is run by, with its arguments, as `strace -f`. */
  readonly runner?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One life of the server. */
export class ServerProcess {
  readonly startedMs = performance.now();
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;
  #output = "";

  constructor({ dataDirectory, port, args = [] }: ServerPlace, options: StartOptions = {}) {
    const [command = "", ...rest] = [
      ...(options.runner ?? []),
      process.execPath,
      builtPath("main.js"),
      "serve",
      ...["--data-dir", dataDirectory],
      ...["--listen", `127.0.0.1:${port}`],
      ...["--management-listen", "127.0.0.1:0"],
      ...["--log-format", "json"],
      ...["--log-level", "warn"],
      ...args,
    ];
    this.#child = spawn(command, rest, {
      // Nothing of our surroundings: a FOREBAY_ variable there would be a setting here.
      env: { PATH: process.env["PATH"], ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that a runner does not outlive what it runs, nor the other way round.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk) => {
        // The end is what tells; a storm of failed calls must not fill this process.
        this.#output = (this.#output + String(chunk)).slice(-20_000);
      });
    }
    this.exited = once(this.#child, "close").then(([code, signal]) => code ?? signal);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of what it wrote. */
  get output(): string {
    return this.#output;
  }

  /** A signal that does not end it. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.isRunning && this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    await this.exited;
  }

  async stop(): Promise<number | NodeJS.Signals> {
    this.#child.kill("SIGTERM");
    return await this.exited;
  }
}

/** Waits until a server answers; returns how long that took. */
export async function answers(port: number, withinMs = 20_000): Promise<number> {
  const startedMs = performance.now();
  const giveUpMs = startedMs + withinMs;
  for (;;) {
    // A new client each time, because one that failed to connect waits before it tries again.
    await using client = new ForebayClient({ endpoint: `127.0.0.1:${port}`, retry: false });
    const isThere = await client
      .queue("nobody")
      .exists()
      .catch(() => undefined);
    if (isThere !== undefined) return performance.now() - startedMs;
    if (performance.now() > giveUpMs) throw new Error(`Nothing answered within ${withinMs} ms.`);
    await sleep(20);
  }
}
