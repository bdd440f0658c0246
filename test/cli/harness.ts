// The command line as a test runs it: in this process, with captured output, on a real server that is gone after the test.

import { Readable, Writable } from "node:stream";
import { type CliDependencies, runCli } from "../../src/cli/cli.js";
import { type Scenario, type ScenarioOptions, scenario } from "../support/scenario.js";

export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliInput {
  /** What stdin holds. Default: nothing. */
  readonly stdin?: string;
  /** Whether a person sits at the terminal. */
  readonly isTty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly interrupted?: AbortSignal;
  readonly dependencies?: Partial<CliDependencies>;
}

/** Runs one command. */
export async function forebay(args: readonly string[], input: CliInput = {}): Promise<CliResult> {
  const stdout = new Captured();
  const stderr = new Captured();
  const stdin = Readable.from(input.stdin === undefined ? [] : [input.stdin], {
    objectMode: false,
  });
  const exitCode = await runCli(args, {
    serve: async () => 0,
    check: async () => 0,
    env: input.env ?? {},
    stdout,
    stderr,
    stdin: Object.assign(stdin, { isTTY: input.isTty ?? false }),
    interrupted: () => input.interrupted ?? new AbortController().signal,
    ...input.dependencies,
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** A server, and commands that go to it. */
export interface CliScenario {
  readonly t: Scenario;
  readonly endpoint: string;
  run(line: string | readonly string[], input?: CliInput): Promise<CliResult>;
  /** What a command printed as JSON; fails unless it succeeded. */
  json(line: string | readonly string[], input?: CliInput): Promise<unknown>;
}

export async function cliScenario(options: ScenarioOptions = {}): Promise<CliScenario> {
  const t = await scenario({ time: "real", ...options });
  const { host, port } = t.server.dataAddress;
  const endpoint = `${host}:${port}`;
  const run: CliScenario["run"] = (line, input = {}) => {
    const args = typeof line === "string" ? line.split(" ") : line;
    return forebay(args, { ...input, env: { FOREBAY_ENDPOINT: endpoint, ...input.env } });
  };
  return {
    t,
    endpoint,
    run,
    json: async (line, input) => {
      const args = typeof line === "string" ? line.split(" ") : line;
      const at = args.indexOf("--");
      const options = ["-o", "json"];
      const whole =
        at < 0 ? [...args, ...options] : [...args.slice(0, at), ...options, ...args.slice(at)];
      const { exitCode, stdout, stderr } = await run(whole, input);
      if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${stderr}`);
      return JSON.parse(stdout);
    },
  };
}

export class Captured extends Writable {
  readonly #chunks: Buffer[] = [];

  get text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}
