// The command line: one program for the server and for its users. Parses, runs one command, turns failures into text and an exit
// code. Reads no environment, prints nowhere but where it is told to, and leaves exiting to its caller.

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addBenchCommand } from "./bench-command.js";
import { addCacheCommands } from "./cache-commands.js";
import { addClusterCommands } from "./cluster-commands.js";
import { CliContext, type CliDependencies } from "./context.js";
import { exitCodes, exitCodesHelp } from "./exit-codes.js";
import { reportOf } from "./failure.js";
import { addInitCommand } from "./init-command.js";
import { addMessageCommands } from "./message-commands.js";
import { addMoveCommands } from "./move-commands.js";
import { addQueueCommands } from "./queue-commands.js";
import { addPeekCommand, addReceiveCommand } from "./receive-command.js";
import { addScheduleCommands } from "./schedule-commands.js";
import { addScheduledCommands } from "./scheduled-commands.js";
import { addSendCommand } from "./send-command.js";
import { addSessionCommands } from "./session-commands.js";
import { addSettleCommands } from "./settle-commands.js";
import { addTopicCommands } from "./topic-commands.js";
import { addWorkCommand } from "./work-command.js";

export type { CliDependencies } from "./context.js";

/** Runs one command; `args` are what follows the program's name. Without any, serves. Resolves with the exit code. */
export async function runCli(
  args: readonly string[],
  dependencies: CliDependencies,
): Promise<number> {
  const [command, ...rest] = args;
  // Their options belong to the settings of the server, which knows them and their help better.
  if (command === undefined || command === "serve") return dependencies.serve(rest);
  if (command === "check") return dependencies.check(rest);
  const context = new CliContext(dependencies);
  try {
    await programOf(context, dependencies).parseAsync([...args], { from: "user" });
    return exitCodes.ok.code;
  } catch (error) {
    // Commander has printed its own.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage.code;
    if (context.wasInterrupted) return exitCodes.interrupted.code;
    const { text, exitCode } = reportOf(error);
    context.output.note(text);
    return exitCode;
  }
}

function programOf(context: CliContext, { stdout, stderr }: CliDependencies): Command {
  const program = new Command("forebay")
    .description(
      "Durable queues, topics and caches over gRPC: the server and the commands to use it.",
    )
    .version(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .showHelpAfterError("Try `forebay help`, or --help after a command.")
    .showSuggestionAfterError()
    .addHelpText("after", `\n${exitCodesHelp()}`);
  // Handled above; named here for the help.
  program
    .command("serve")
    .description("run a server (also: `forebay` alone); `forebay serve --help` lists its settings");
  program
    .command("check")
    .description("check a store that no server has open; `forebay check --help`");
  addQueueCommands(program, context);
  addSendCommand(program, context);
  addReceiveCommand(program, context);
  addSettleCommands(program, context);
  addPeekCommand(program, context);
  addMessageCommands(program, context);
  addWorkCommand(program, context);
  addScheduledCommands(program, context);
  addScheduleCommands(program, context);
  addMoveCommands(program, context);
  addTopicCommands(program, context);
  addCacheCommands(program, context);
  addSessionCommands(program, context);
  addClusterCommands(program, context);
  addInitCommand(program, context);
  addBenchCommand(program, context);
  return program;
}

/** The package's version. Two folders up, in the sources as in what is built. */
function version(): string {
  const path = new URL("../../package.json", import.meta.url);
  const manifest: unknown = JSON.parse(readFileSync(path, "utf8"));
  const isManifest = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return isManifest ? String(manifest.version) : "unknown";
}
