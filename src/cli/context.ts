// What every command is given: where to print, what to read, the clock, and a client that is loaded when first needed, so that
// `forebay --help` does not wait for gRPC.

import type { Readable, Writable } from "node:stream";
import { MessageChannel } from "node:worker_threads";
import type { ForebayClient, Queue } from "@forebay/client";
import type { Command } from "commander";
import { type Clock, createSystemClock } from "../base/clock.js";
import { parseDuration } from "./durations.js";
import { usageFailure } from "./failure.js";
import { type Instant, parseInstant } from "./instants.js";
import { Output, type OutputFormat, outputFormats } from "./output.js";

/** What `forebay` needs from the process it runs in. */
export interface CliDependencies {
  /** Runs the server with the arguments that follow `serve`; resolves with the exit code when it has stopped. */
  readonly serve: (args: readonly string[]) => Promise<number>;
  /** Checks a store with the arguments that follow `check`; resolves with the exit code. */
  readonly check: (args: readonly string[]) => Promise<number>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Default: the process's. */
  readonly stdin?: Readable & { readonly isTTY?: boolean | undefined };
  /** Default: the system's. */
  readonly clock?: Clock;
  /** A signal aborted when the person at the terminal wants to stop. Default: on SIGINT and SIGTERM. */
  readonly interrupted?: () => AbortSignal;
}

/** The options that every command which calls a server has. */
export interface CallOptions {
  readonly endpoint?: string;
  readonly timeout: number;
}

/** The options of those that print results too. */
export interface CommonOptions extends CallOptions {
  readonly output: OutputFormat;
}

const timeoutDefaultMs = 30_000;

export class CliContext {
  readonly output: Output;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  readonly stderr: Writable;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly #interrupted: () => AbortSignal;
  #signal: AbortSignal | undefined;

  constructor(dependencies: CliDependencies) {
    this.output = new Output(dependencies.stdout, dependencies.stderr);
    this.stdin = dependencies.stdin ?? process.stdin;
    this.stderr = dependencies.stderr;
    this.clock = dependencies.clock ?? createSystemClock();
    this.env = dependencies.env;
    this.#interrupted = dependencies.interrupted ?? interruptedBySignals;
  }

  /** Aborted when the command should stop. Asking for it makes Ctrl-C gentle. */
  get interrupted(): AbortSignal {
    this.#signal ??= this.#interrupted();
    return this.#signal;
  }

  /** Whether that happened, to a command that asked. */
  get wasInterrupted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  /** Waits for a span, or until interrupted. Keeps the process alive meanwhile, which timers of the clock do not. */
  async sleep(spanMs: number): Promise<void> {
    const { port1: hold } = new MessageChannel();
    hold.ref();
    const { interrupted } = this;
    await new Promise<void>((resolve) => {
      const timer = this.clock.setTimer(spanMs, done);
      interrupted.addEventListener("abort", done, { once: true });
      if (interrupted.aborted) done();
      function done(): void {
        timer.cancel();
        interrupted.removeEventListener("abort", done);
        resolve();
      }
    });
    hold.close();
  }

  /** Runs `use` with a client, which is closed afterwards. */
  async withClient(
    options: CallOptions,
    use: (client: ForebayClient) => Promise<void>,
  ): Promise<void> {
    const { ForebayClient } = await import("@forebay/client");
    const client = new ForebayClient({
      endpoint: options.endpoint ?? (this.env["FOREBAY_ENDPOINT"] || "127.0.0.1:7400"),
      timeoutMs: options.timeout,
    });
    try {
      await use(client);
    } finally {
      await client.close();
    }
  }

  /** Runs `use` with a queue. */
  withQueue(
    name: string,
    options: CallOptions,
    use: (queue: Queue, client: ForebayClient) => Promise<void>,
  ): Promise<void> {
    return this.withClient(options, (client) => use(client.queue(name), client));
  }
}

/** Gives a command the options of all commands that call a server. */
export function withCallOptions(command: Command): Command {
  return command
    .option(
      "--endpoint <host:port>",
      "where the server listens (FOREBAY_ENDPOINT, else 127.0.0.1:7400)",
    )
    .option("--timeout <span>", "how long each call may take", duration, timeoutDefaultMs);
}

/** Gives a command those, and the choice of a format. */
export function withCommonOptions(command: Command): Command {
  return withCallOptions(command).option(
    "-o, --output <format>",
    `how to print: ${outputFormats.join(", ")}`,
    outputFormat,
    "table",
  );
}

/** Reads an option that is a span of time. */
export function duration(text: string): number {
  const spanMs = parseDuration(text);
  if (spanMs !== undefined) return spanMs;
  throw usageFailure(
    `"${text}" is no span of time.`,
    "Write it with a unit, as in 500ms, 30s, 2m, 12h or 4d.",
  );
}

/** Reads an option that is an instant. */
export function instant(text: string): Instant {
  const given = parseInstant(text);
  if (given !== undefined) return given;
  throw usageFailure(
    `"${text}" is no instant.`,
    "Write it with a zone, as in 2026-12-24T18:00:00Z or 2026-12-24T19:00+01:00, or from now, as in +2h.",
  );
}

/** Reads an option that is a whole number of at least `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && Number.isSafeInteger(value)) return value;
    throw usageFailure(`"${text}" is no whole number of at least ${min}.`);
  };
}

/** Reads an option that is a number, with a fraction or without. */
export function decimal(text: string): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text);
  throw usageFailure(`"${text}" is no number.`);
}

/** Reads an option that may be given many times. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** Reads an option `name=value` that may be given many times. */
export function pair(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw usageFailure(`"${text}" is not of the form name=value.`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Reads an option that is one of some words, in any case; returns it in the case of `choices`. */
export function oneOf<Choice extends string>(choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const wanted = text.replaceAll("-", "_").toLowerCase();
    const choice = choices.find((candidate) => candidate.toLowerCase() === wanted);
    if (choice !== undefined) return choice;
    const spelled = choices.map((candidate) => candidate.toLowerCase().replaceAll("_", "-"));
    throw usageFailure(`"${text}" is none of ${spelled.join(", ")}.`);
  };
}

function outputFormat(text: string): OutputFormat {
  return oneOf(outputFormats)(text);
}

function interruptedBySignals(): AbortSignal {
  const abort = new AbortController();
  // Once each: a second Ctrl-C ends the process as usual.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
  return abort.signal;
}
