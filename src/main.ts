#!/usr/bin/env node
// The program `forebay`: the command line, and behind `serve` the server. Reads the settings, starts, waits for a signal,
// stops. A first SIGTERM or SIGINT drains (calls end, clients are told to go); a second one cuts
// the draining short and still closes the store.
//
// What only the server needs is loaded when it serves, so that the other commands start quickly.

import { OperatorFault } from "./base/operator-fault.js";
import { runCli } from "./cli/cli.js";
import { processEnvironment } from "./config/environment.js";
import type { Config, LoadedConfig } from "./config.js";

// As the command line's table of exit codes has them.
const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;
/** 128 and the number of SIGINT: what shells report for a program that a signal ended. */
const interruptedExitCode = 130;

process.exitCode = await runCli(process.argv.slice(2), {
  serve,
  check,
  env: processEnvironment(),
  stdout: process.stdout,
  stderr: process.stderr,
});

async function serve(args: readonly string[]): Promise<number> {
  const loaded = await loadSettings(args);
  if (typeof loaded === "number") return loaded;
  const { config } = loaded;
  const [{ createLog }, { guardProcess }, { startServer }, { bannerText }] = await Promise.all([
    import("./base/log.js"),
    import("./server/process-guard.js"),
    import("./server.js"),
    import("./server/banner.js"),
  ]);
  const format = logFormat(config);
  const log = await createLog({ level: config.logLevel, format });
  const guard = guardProcess(log);
  const signalled = nextSignal();
  try {
    const server = await startServer(config, log, { failed: guard.die });
    if (format === "pretty") {
      const isColoured = process.stdout.isTTY && process.stdout.hasColors();
      process.stdout.write(`\n${bannerText({ ...config, ...server, isColoured })}\n`);
    }
    const signal = await signalled;
    log.info({ signal }, "stopping; a second signal cuts calls off");
    let exitCode: number = exitCodes.ok;
    void nextSignal().then(() => {
      exitCode = interruptedExitCode;
      server.hurry();
    });
    await server.stop();
    return exitCode;
  } catch (error) {
    if (!isForOperator(error)) log.fatal({ err: error }, "the server did not start");
    return complain(error);
  }
}

async function check(args: readonly string[]): Promise<number> {
  const outputAt = args.findIndex((arg) => arg === "-o" || arg === "--output");
  const isJson = outputAt >= 0 && args[outputAt + 1] === "json";
  const settingArgs = outputAt < 0 ? args : args.toSpliced(outputAt, 2);
  const loaded = await loadSettings(settingArgs);
  if (typeof loaded === "number") return loaded;
  const { checkDirectory, renderCheckReport } = await import("./server/check-directory.js");
  try {
    const report = await checkDirectory(loaded.config);
    process.stdout.write(isJson ? `${JSON.stringify(report)}\n` : renderCheckReport(report));
    return report.contradictionCount === 0 ? exitCodes.ok : exitCodes.failed;
  } catch (error) {
    return complain(error);
  }
}

/** The settings, or the exit code if there is no use for them. */
async function loadSettings(args: readonly string[]): Promise<LoadedConfig | number> {
  const { loadConfig, processSources, settingsHelp } = await import("./config.js");
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${settingsHelp()}\n`);
    return exitCodes.ok;
  }
  try {
    return loadConfig(processSources(args));
  } catch (error) {
    complain(error);
    return exitCodes.usage;
  }
}

function logFormat({ logFormat: chosen }: Config): "json" | "pretty" {
  if (chosen !== "auto") return chosen;
  return process.stdout.isTTY ? "pretty" : "json";
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}

/** Says what is wrong in a sentence where there is one, else with the stack. */
function complain(error: unknown): number {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`${isForOperator(error) ? message : stack}\n`);
  return exitCodes.failed;
}

/** Something the person at the terminal can mend: a sentence of ours, or the operating system's word on a file. */
function isForOperator(error: unknown): boolean {
  return error instanceof OperatorFault || (error instanceof Error && "syscall" in error);
}
