// Starts the program of `engine-process.ts`, talks to it, and sees it end, however it ends.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { EngineProcessOptions, Event, Reply, Request } from "./engine-process.js";

/** How a process ended: its exit code, or the signal that killed it. */
export interface End {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface StartOptions extends Partial<EngineProcessOptions> {
  readonly directory: string;
  /** A command to start the program under, such as strace. */
  readonly under?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const startMsMax = 20_000;

export class EngineClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #nextId = 1;
  #errors = "";
  readonly fullness: boolean[] = [];
  /** Why the engine said that the process must end. */
  failure: string | undefined;
  openMs = 0;
  readonly ended: Promise<End>;
  isOver = false;

  private constructor(child: ChildProcess, ready: () => void) {
    this.#child = child;
    child.stderr?.on("data", (bytes: Buffer) => {
      this.#errors += bytes.toString();
    });
    child.on("message", (event: Event) => {
      switch (event.event) {
        case "ready":
          this.openMs = event.openMs;
          ready();
          return;
        case "storage":
          this.fullness.push(event.isFull);
          return;
        case "failed":
          this.failure = event.message;
          return;
        case "reply":
          this.#waiting.get(event.id)?.(event.reply);
          this.#waiting.delete(event.id);
      }
    });
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.isOver = true;
        resolve({ code, signal });
      });
    });
  }

  static async start(options: StartOptions): Promise<EngineClient> {
    const { under = [], environment = {}, ...given } = options;
    const program: EngineProcessOptions = {
      mapSizeBytes: 2 ** 30,
      storageReserveBytes: 1_048_576,
      ...given,
    };
    const [command = "", ...rest] = [
      ...under,
      process.execPath,
      "--import",
      new URL("./typescript.mjs", import.meta.url).href,
      fileURLToPath(new URL("./engine-process.ts", import.meta.url)),
      JSON.stringify(program),
    ];
    const child = spawn(command, rest, {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...environment },
    });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    return await new Promise((resolve, reject) => {
      const client = new EngineClient(child, () => resolve(client));
      void client.ended.then(({ code, signal }) =>
        reject(
          new Error(`The program ended (${code ?? signal}) before it was ready: ${client.#errors}`),
        ),
      );
      setTimeout(() => reject(new Error("The program does not start.")), startMsMax).unref();
    });
  }

  /** What the program wrote to its standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** The reply; undefined when the program ended without one. */
  async ask(request: Request): Promise<Reply | undefined> {
    if (!this.#child.connected) return undefined;
    const id = this.#nextId;
    this.#nextId += 1;
    const reply = new Promise<Reply>((resolve) => {
      this.#waiting.set(id, resolve);
    });
    // A send to a process that has just died fails; that it died is seen below.
    this.#child.send({ id, request }, () => undefined);
    return await Promise.race([reply, this.ended.then(() => undefined)]);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async stop(): Promise<End> {
    await this.ask({ call: "stop" });
    return await this.ended;
  }
}
