// Starts the program of `replica-process.ts`, listens to it, and sees it end, however it ends.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { End } from "./engine-client.js";
import type { ReplicaEvent, ReplicaProcessOptions } from "./replica-process.js";

export interface ReplicaStart extends Partial<ReplicaProcessOptions> {
  readonly directory: string;
  /** A command to start the program under, such as strace. */
  readonly under?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export class ReplicaClient {
  readonly #child: ChildProcess;
  readonly events: ReplicaEvent[] = [];
  /** The last batch that the disk called durable; 0 before the first of this process. */
  durableBatch = 0;
  errors = "";
  readonly ended: Promise<End>;

  constructor({ under = [], environment = {}, ...given }: ReplicaStart) {
    const program: ReplicaProcessOptions = { mapSizeBytes: 2 ** 30, task: "log", ...given };
    const [command = "", ...rest] = [
      ...under,
      process.execPath,
      "--import",
      new URL("./typescript.mjs", import.meta.url).href,
      fileURLToPath(new URL("./replica-process.ts", import.meta.url)),
      JSON.stringify(program),
    ];
    this.#child = spawn(command, rest, {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...environment },
    });
    onTestFinished(() => {
      this.#child.kill("SIGKILL");
    });
    this.#child.stderr?.on("data", (bytes: Buffer) => {
      this.errors += bytes.toString();
    });
    this.#child.on("message", (event: ReplicaEvent) => {
      this.events.push(event);
      if (event.event === "durable") this.durableBatch = event.batch;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  has(event: ReplicaEvent["event"]): boolean {
    return this.events.some((each) => each.event === event);
  }

  get failure(): string | undefined {
    for (const each of this.events) if (each.event === "failed") return each.message;
    return undefined;
  }

  /** Waits for something to have happened; false when the program ended before. */
  async until(isSo: () => boolean): Promise<boolean> {
    let isOver = false;
    void this.ended.then(() => {
      isOver = true;
    });
    while (!isSo()) {
      if (isOver) return false;
      await new Promise((resolve) => {
        setTimeout(resolve, 2);
      });
    }
    return true;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}
