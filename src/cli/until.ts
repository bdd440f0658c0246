// Commands that could go on for ever, and what ends them.

import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  duration,
  wholeNumber,
  withCommonOptions,
} from "./context.js";

export interface UntilOptions extends CommonOptions {
  readonly max?: number;
  readonly wait?: number;
}

export function withUntil(command: Command): Command {
  return withCommonOptions(
    command
      .option("--max <count>", "end after so many messages", wholeNumber(1))
      .option("--wait <span>", "end when nothing has come for so long", duration),
  );
}

/** When a command ends that could go on for ever: by Ctrl-C, after enough messages, or when nothing comes for long enough. */
export class Until {
  readonly #context: CliContext;
  readonly #options: UntilOptions;
  readonly #stop = new AbortController();
  #count = 0;
  #lastAtMs = 0;
  #hasBegun = false;

  constructor(context: CliContext, options: UntilOptions) {
    this.#context = context;
    this.#options = options;
    const { interrupted } = context;
    interrupted.addEventListener("abort", () => this.#stop.abort(), { once: true });
    if (interrupted.aborted) this.#stop.abort();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Messages may come from now on. Again means nothing. */
  begin(tell: () => void): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    tell();
    this.#lastAtMs = this.#context.clock.monotonicMs();
    this.#watch();
  }

  isEnoughAfterOne(): boolean {
    this.#count += 1;
    this.#lastAtMs = this.#context.clock.monotonicMs();
    return this.#count >= (this.#options.max ?? Number.POSITIVE_INFINITY);
  }

  close(): void {
    this.#stop.abort();
  }

  #watch(): void {
    const { wait } = this.#options;
    if (wait === undefined || this.#stop.signal.aborted) return;
    const leftMs = this.#lastAtMs + wait - this.#context.clock.monotonicMs();
    if (leftMs <= 0) this.#stop.abort();
    else this.#context.clock.setTimer(leftMs, () => this.#watch());
  }
}
