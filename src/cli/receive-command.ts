// `forebay receive` and `forebay peek`: messages taken, and messages only looked at.

import type { PeekOptions, Queue, ReceivedMessage } from "@forebay/client";
import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  duration,
  oneOf,
  pair,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";
import { peekedHeadings, peekedRow, receivedHeadings, receivedRow } from "./message-rows.js";
import { firstRows } from "./output.js";

/** Messages one call returns at most: the contract's own limit. */
const receiveMax = 10;

interface ReceiveOptions extends CommonOptions {
  readonly max: number;
  readonly wait?: number;
  readonly visibility?: number;
  readonly attemptId?: string;
  readonly ack?: boolean;
}

export function addReceiveCommand(program: Command, context: CliContext): void {
  const receive = program
    .command("receive <queue>")
    .description("receive messages: they stay invisible to others for the visibility timeout")
    .option("--max <count>", "how many at most", wholeNumber(1), 1)
    .option(
      "--wait <span>",
      "how long to wait for the first (0s to 20s; default: the queue's)",
      duration,
    )
    .option(
      "--visibility <span>",
      "how long they stay invisible (0s to 12h; default: the queue's)",
      duration,
    )
    .option(
      "--attempt-id <id>",
      "FIFO: names this receive, so that a repeat within 5m gets the same messages",
    )
    .option("--ack", "delete them once printed");
  withCommonOptions(receive).action(async (name: string, options: ReceiveOptions) => {
    // An attempt is one call: the next one with its id would return the same messages again.
    if (options.attemptId !== undefined && options.max > receiveMax) {
      throw usageFailure(
        `A receive with --attempt-id gets at most ${receiveMax} messages.`,
        `Ask for up to ${receiveMax} with --max.`,
      );
    }
    await context.withQueue(name, options, async (queue) => {
      const received: ReceivedMessage[] = [];
      // A table and a JSON array are printed when all have come, the other formats as they come; either way only what was
      // printed is deleted.
      const isPrintedAtOnce = options.output === "jsonl" || options.output === "raw";
      async function* rows() {
        for await (const message of receiveUpTo(queue, options, context.interrupted)) {
          received.push(message);
          yield receivedRow(message);
          if (context.output.isStdoutGone) return;
          if (options.ack === true && isPrintedAtOnce) await message.delete();
        }
      }
      const count = await context.output.many(options.output, receivedHeadings(name), rows());
      if (options.ack === true && !isPrintedAtOnce && !context.output.isStdoutGone) {
        await Promise.all(received.map((message) => message.delete()));
      }
      if (count === 0) context.output.note(`${name} has no visible messages.`);
      else if (options.ack !== true) {
        context.output.note(
          "Not deleted: they are visible again when their timeout ends. --ack deletes.",
        );
      }
    });
  });
}

/** Goes on in tens until there are enough or no more; only the first call waits. */
async function* receiveUpTo(
  queue: Queue,
  options: ReceiveOptions,
  signal: AbortSignal,
): AsyncGenerator<ReceivedMessage> {
  let left = options.max;
  let waitTimeMs = options.wait;
  while (left > 0 && !signal.aborted) {
    const maxMessages = Math.min(receiveMax, left);
    const messages = await queue.receive({
      maxMessages,
      waitTimeMs,
      visibilityTimeoutMs: options.visibility,
      receiveAttemptId: options.attemptId,
      signal,
    });
    yield* messages;
    if (messages.length === 0 || options.attemptId !== undefined) return;
    left -= messages.length;
    waitTimeMs = 0;
  }
}

interface PeekCommandOptions extends CommonOptions {
  readonly state?: NonNullable<PeekOptions["states"]>[number];
  readonly limit: number;
  readonly contains?: string;
  readonly attribute?: Readonly<Record<string, string>>;
  readonly group?: string;
  readonly bodyBytes?: number;
}

/** Messages a page holds at most: the contract's own limit. */
const peekPageMax = 100;

export function addPeekCommand(program: Command, context: CliContext): void {
  const peek = program
    .command("peek <queue>")
    .description("look at messages, oldest first, without receiving them")
    .option(
      "--state <state>",
      "only those visible, in-flight or delayed",
      oneOf(["VISIBLE", "IN_FLIGHT", "DELAYED"]),
    )
    .option("--limit <count>", "how many at most", wholeNumber(1), 20)
    .option("--contains <text>", "only those whose body contains it")
    .option("--attribute <name=value>", "only those with this attribute; may be repeated", pair)
    .option("--group <id>", "only those of this group")
    .option("--body-bytes <count>", "how much of each body to show at most", wholeNumber(0));
  withCommonOptions(peek).action(async (name: string, options: PeekCommandOptions) => {
    await context.withQueue(name, options, async (queue) => {
      const found = queue.peek({
        states: options.state === undefined ? undefined : [options.state],
        bodyContains: options.contains,
        attributes: options.attribute,
        groupId: options.group,
        bodyBytesMax: options.bodyBytes,
        pageSize: Math.min(peekPageMax, options.limit),
      });
      const rows = firstRows(found, options.limit, peekedRow);
      const count = await context.output.many(options.output, peekedHeadings(name), rows);
      if (count === 0) context.output.note(`${name} has no such messages.`);
    });
  });
}
