// A program of a run, in a place of its network: started, stopped in the middle, killed, and listened to.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import type { Place } from "./network.js";

/** What it wrote last is what tells; a storm of failed calls must not fill this process. */
const outputCharactersMax = 40_000;

export interface ProgramStart {
  readonly place: Place;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export class Program {
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;
  #output = "";

  constructor({ place, command, environment = {} }: ProgramStart) {
    const [program = "", ...args] = [...place.runner, ...command];
    this.#child = spawn(program, args, {
      // Nothing of our surroundings: a FOREBAY_ variable there would be a setting here.
      env: { PATH: process.env["PATH"], ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that a tracer does not outlive what it runs.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-outputCharactersMax);
      });
    }
    this.exited = once(this.#child, "close").then(([code, signal]) => code ?? signal);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get output(): string {
    return this.#output;
  }

  /** Its own: `ip netns exec` becomes what it runs. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Stops it in the middle of whatever it does; its connections stay open. */
  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.isRunning) process.kill(-this.pid, "SIGKILL");
    await this.exited;
  }

  async stop(): Promise<number | NodeJS.Signals> {
    if (this.isRunning) this.#child.kill("SIGTERM");
    return await this.exited;
  }
}

/** Runs a program in a place to its end and returns what it wrote. */
export function runIn(place: Place, command: readonly string[]): string {
  const [program = "", ...args] = [...place.runner, ...command];
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
