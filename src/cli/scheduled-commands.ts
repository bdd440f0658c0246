// `forebay scheduled …`: messages sent with a time to be delivered at, while they wait for it.

import type { Command } from "commander";
import { type CliContext, type CommonOptions, wholeNumber, withCommonOptions } from "./context.js";
import { scheduledHeadings, scheduledRow } from "./message-rows.js";
import { firstRows, type Row } from "./output.js";

/** Messages a page holds at most: the contract's own limit. */
const pageMax = 100;

interface ListOptions extends CommonOptions {
  readonly limit: number;
  readonly bodyBytes?: number;
}

export function addScheduledCommands(program: Command, context: CliContext): void {
  const scheduled = program
    .command("scheduled")
    .description("look at and cancel messages that wait for their --deliver-at time");
  addList(scheduled, context);
  addCancel(scheduled, context);
}

function addList(scheduled: Command, context: CliContext): void {
  const list = scheduled
    .command("ls <queue>")
    .alias("list")
    .description("list them, earliest first")
    .option("--limit <count>", "how many at most", wholeNumber(1), 20)
    .option("--body-bytes <count>", "how much of each body to show at most", wholeNumber(0));
  withCommonOptions(list).action(async (name: string, options: ListOptions) => {
    await context.withQueue(name, options, async (queue) => {
      const found = queue.listScheduledMessages({
        bodyBytesMax: options.bodyBytes,
        pageSize: Math.min(pageMax, options.limit),
      });
      const rows = firstRows(found, options.limit, scheduledRow);
      const count = await context.output.many(options.output, scheduledHeadings, rows);
      if (count === 0) context.output.note(`${name} has no scheduled messages.`);
    });
  });
}

function addCancel(scheduled: Command, context: CliContext): void {
  const cancel = scheduled
    .command("cancel <queue> <message-id...>")
    .description("remove them before they join the queue");
  withCommonOptions(cancel).action(async (name: string, ids: string[], options: CommonOptions) => {
    await context.withQueue(name, options, async (queue) => {
      async function* rows(): AsyncGenerator<Row> {
        for (const messageId of ids) {
          await queue.cancelScheduledMessage(messageId);
          yield { cells: { cancelled: messageId }, json: { messageId }, raw: messageId };
        }
      }
      await context.output.many(options.output, ["cancelled"], rows());
    });
  });
}
