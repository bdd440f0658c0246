// `forebay delete`, `visibility` and `reject`: what becomes of a received message, by the handle of its receive.

import type { RejectOptions, RejectOutcome } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, duration, withCommonOptions } from "./context.js";
import { usageFailure } from "./failure.js";
import { choiceText } from "./message-rows.js";
import type { Row } from "./output.js";

export function addSettleCommands(program: Command, context: CliContext): void {
  addDelete(program, context);
  addVisibility(program, context);
  addReject(program, context);
}

function addDelete(program: Command, context: CliContext): void {
  const remove = program
    .command("delete <queue> <receipt-handle...>")
    .description("delete received messages: they were processed");
  withCommonOptions(remove).action(
    async (name: string, handles: string[], options: CommonOptions) => {
      await context.withQueue(name, options, async (queue) => {
        async function* rows(): AsyncGenerator<Row> {
          for (const receiptHandle of handles) {
            const outcome = await queue.delete(receiptHandle);
            yield {
              cells: { "receipt handle": receiptHandle, outcome: choiceText(outcome) },
              json: { receiptHandle, outcome },
              raw: outcome,
            };
          }
        }
        await context.output.many(options.output, ["receipt handle", "outcome"], rows());
      });
    },
  );
}

function addVisibility(program: Command, context: CliContext): void {
  const visibility = program
    .command("visibility <queue> <receipt-handle> <span>")
    .description("keep a received message invisible for so long from now; 0s gives it back");
  withCommonOptions(visibility).action(
    async (name: string, receiptHandle: string, span: string, options: CommonOptions) => {
      const spanMs = duration(span);
      await context.withQueue(name, options, async (queue) => {
        const visibleTime = await queue.changeVisibility(receiptHandle, spanMs);
        await context.output.one(options.output, returnedRow({ kind: "returned", visibleTime }));
      });
    },
  );
}

interface RejectCommandOptions extends CommonOptions {
  readonly reason: string;
  readonly error?: string;
  readonly delay?: number;
  readonly deadLetter?: boolean;
}

function addReject(program: Command, context: CliContext): void {
  const reject = program
    .command("reject <queue> <receipt-handle>")
    .description("give a received message back because it cannot be processed, and say why")
    .requiredOption("--reason <word>", "a short, stable word to group by")
    .option("--error <text>", "what went wrong")
    .option(
      "--delay <span>",
      "how long it stays invisible (0s to 12h; default: by the queue's --retry-… settings)",
      duration,
    )
    .option("--dead-letter", "send it to the queue's dead-letter queue at once");
  withCommonOptions(reject).action(
    async (name: string, receiptHandle: string, options: RejectCommandOptions) => {
      if (options.deadLetter === true && options.delay !== undefined) {
        throw usageFailure("Give --delay or --dead-letter, not both.");
      }
      await context.withQueue(name, options, async (queue) => {
        const { reason, error, delay: delayMs } = options;
        const rejection: RejectOptions =
          options.deadLetter === true
            ? { reason, error, deadLetter: true }
            : { reason, error, delayMs };
        const outcome = await queue.reject(receiptHandle, rejection);
        await context.output.one(options.output, returnedRow(outcome));
      });
    },
  );
}

/** Where a message is now. */
function returnedRow(outcome: RejectOutcome): Row {
  if (outcome.kind === "dead_lettered") {
    const { deadLetterQueue } = outcome;
    const cells = { "dead letter queue": deadLetterQueue };
    return { cells, json: { deadLetterQueue }, raw: deadLetterQueue };
  }
  const visibleTime = outcome.visibleTime?.toISOString() ?? "";
  return { cells: { visible: visibleTime }, json: { visibleTime }, raw: visibleTime };
}
