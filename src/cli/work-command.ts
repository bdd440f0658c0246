// `forebay work`: runs a program for every message, the body on its stdin; its exit code says what becomes of the message.

import { spawn } from "node:child_process";
import type { ReceivedMessage } from "@forebay/client";
import type { Command } from "commander";
import {
  type CallOptions,
  type CliContext,
  duration,
  wholeNumber,
  withCallOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";

/** Exit codes of handlers, from sysexits.h: data error and temporary failure. */
const rejectCode = 65;
const retryCode = 75;

const stderrCharactersMax = 4_096;

const handlerHelp = `
The program gets the body on stdin and, in its environment:
  FOREBAY_QUEUE, FOREBAY_MESSAGE_ID, FOREBAY_RECEIPT_HANDLE, FOREBAY_RECEIVE_COUNT, FOREBAY_SEND_TIME,
  FOREBAY_GROUP_ID, FOREBAY_SEQUENCE_NUMBER, FOREBAY_DEDUP_ID, FOREBAY_DEAD_LETTER_SOURCE_QUEUE, FOREBAY_TRACE_HEADER,
  and FOREBAY_ATTRIBUTES, a JSON object of names and values.
Its exit code says what becomes of the message:
  0    done: it is deleted
  ${rejectCode}   hopeless: it goes to the queue's dead-letter queue, with the end of what the program wrote to stderr as the
       error; where there is none it comes back, later with every receive
  ${retryCode}   not now: it comes back after --retry
  else failed: it comes back, later with every receive
Its lease is renewed while the program runs. If it is lost, the program gets SIGTERM. Of a FIFO queue's group one message is
worked on at a time, in order.`;

interface WorkOptions extends CallOptions {
  readonly concurrency: number;
  readonly visibility: number;
  readonly retry: number;
  readonly stopTimeout: number;
}

export function addWorkCommand(program: Command, context: CliContext): void {
  const work = program
    .command("work <queue> <program...>")
    .description("run a program for every message: `forebay work orders -- ./handler.sh`")
    .option("--concurrency <count>", "programs that run at once", wholeNumber(1), 1)
    .option("--visibility <span>", "the lease of each message, renewed meanwhile", duration, 30_000)
    .option(
      "--retry <span>",
      `when a message comes back after exit code ${retryCode}`,
      duration,
      60_000,
    )
    .option(
      "--stop-timeout <span>",
      "how long running programs may take on Ctrl-C",
      duration,
      30_000,
    )
    .addHelpText("after", handlerHelp);
  withCallOptions(work).action(async (name: string, line: string[], options: WorkOptions) => {
    const [command, ...args] = line;
    if (command === undefined) throw usageFailure("Name a program to run.");
    await context.withQueue(name, options, async (queue) => {
      const { Reject, Retry } = await import("@forebay/client");
      // Says at once when the queue or the server is not there; later the worker waits for either.
      await queue.attributes();
      const worker = queue.work(
        async (message, { signal }) => {
          const ended = await runHandler({ context, command, args, queue: name, message, signal });
          if (ended.exitCode === rejectCode) {
            throw new Reject("rejected_by_handler", { cause: ended.stderr });
          }
          if (ended.exitCode === retryCode) throw new Retry(options.retry);
          if (ended.exitCode !== 0) throw new Error(`${command} ${ended.text}`);
        },
        {
          concurrency: options.concurrency,
          visibilityTimeoutMs: options.visibility,
          stopTimeoutMs: options.stopTimeout,
          signal: context.interrupted,
          onError: (error, message) => {
            const text = error instanceof Error ? error.message : String(error);
            context.output.note(message === undefined ? text : `${message.messageId}: ${text}`);
          },
        },
      );
      context.output.note(`Working on ${name}. Ctrl-C stops when what is in hand is done.`);
      await worker.stopped;
    });
  });
}

interface HandlerRun {
  readonly context: CliContext;
  readonly command: string;
  readonly args: readonly string[];
  readonly queue: string;
  readonly message: ReceivedMessage;
  readonly signal: AbortSignal;
}

interface HandlerEnd {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly text: string;
  /** The end of what it wrote there. */
  readonly stderr: string;
}

/** Runs the program; what it prints is passed on. Rejects when it cannot be started. */
function runHandler({
  context,
  command,
  args,
  queue,
  message,
  signal,
}: HandlerRun): Promise<HandlerEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...context.env, ...messageEnvironment(queue, message) },
      stdio: ["pipe", "pipe", "pipe"],
      // A process group of its own, so that Ctrl-C reaches us alone and it can finish.
      detached: true,
    });
    const stop = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      } catch {
        // It has just ended by itself.
      }
    };
    signal.addEventListener("abort", stop, { once: true });
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => void context.output.print(chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => {
      context.stderr.write(chunk);
      stderr = (stderr + chunk.toString("utf8")).slice(-stderrCharactersMax);
    });
    // A program need not read its input; then the pipe breaks, and that is its choice.
    child.stdin.on("error", () => undefined);
    child.stdin.end(message.bytes);
    child.on("error", (error) => {
      signal.removeEventListener("abort", stop);
      reject(error);
    });
    child.on("close", (code, endedBy) => {
      signal.removeEventListener("abort", stop);
      const text = code === null ? `was ended by ${endedBy}` : `exited with ${code}`;
      resolve({ exitCode: code ?? undefined, text, stderr: stderr.trim() });
    });
  });
}

function messageEnvironment(queue: string, message: ReceivedMessage): Record<string, string> {
  const attributes = Object.fromEntries(
    Object.entries(message.attributes).map(([name, { value }]) => [
      name,
      typeof value === "string" ? value : Buffer.from(value).toString("base64"),
    ]),
  );
  return {
    FOREBAY_QUEUE: queue,
    FOREBAY_MESSAGE_ID: message.messageId,
    FOREBAY_RECEIPT_HANDLE: message.receiptHandle,
    FOREBAY_RECEIVE_COUNT: String(message.receiveCount ?? ""),
    FOREBAY_SEND_TIME: message.sendTime?.toISOString() ?? "",
    FOREBAY_GROUP_ID: message.groupId ?? "",
    FOREBAY_SEQUENCE_NUMBER: message.sequenceNumber ?? "",
    FOREBAY_DEDUP_ID: message.dedupId ?? "",
    FOREBAY_DEAD_LETTER_SOURCE_QUEUE: message.deadLetterSourceQueue ?? "",
    FOREBAY_TRACE_HEADER: message.traceHeader ?? "",
    FOREBAY_ATTRIBUTES: JSON.stringify(attributes),
  };
}
