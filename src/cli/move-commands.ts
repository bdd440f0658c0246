// `forebay move …`: taking messages out of a dead-letter queue, all or chosen ones, as they are or changed on the way.

import type { MovePreview, MoveTask, MoveTaskDescription } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, wholeNumber, withCommonOptions } from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure } from "./failure.js";
import { attributesJson, bodyJson, choiceText, peekedHeadings, peekedRow } from "./message-rows.js";
import { type MoveSelection, moveOf, withMoveOptions } from "./move-options.js";
import { firstRows, type Row } from "./output.js";

/** How often `--wait` looks: soon at first, as small moves end at once. */
const lookFirstMs = 50;
const lookMaxMs = 1_000;

export function addMoveCommands(program: Command, context: CliContext): void {
  const move = program
    .command("move")
    .description(
      "move messages out of a dead-letter queue, back to where they came from or elsewhere",
    );
  addStart(move, context);
  addPreview(move, context);
  addList(move, context);
  addCancel(move, context);
}

interface StartOptions extends CommonOptions, MoveSelection {
  readonly rate?: number;
  readonly wait?: boolean;
}

function addStart(move: Command, context: CliContext): void {
  const start = withMoveOptions(
    move
      .command("start <source>")
      .description("start moving: the server goes on by itself, also over restarts"),
  )
    .option("--rate <count>", "messages a second at most (1 to 500)", wholeNumber(1))
    .option("--wait", "wait until it ends, and fail unless it completed");
  withCommonOptions(start).action(async (source: string, options: StartOptions) => {
    const asked = await moveOf(context, options);
    await context.withQueue(source, options, async (queue) => {
      const task = await queue.startMove({ ...asked, maxPerSecond: options.rate });
      const description = options.wait === true ? await ended(context, task) : await task.status();
      await context.output.one(options.output, taskRow(description, task.taskHandle));
      if (options.wait === true) failUnlessMoved(description);
    });
  });
}

/** Looks at a task until it has ended, and says how far it is whenever that changed. */
async function ended(context: CliContext, task: MoveTask): Promise<MoveTaskDescription> {
  const { interrupted } = context;
  let told = "";
  for (let waitMs = lookFirstMs; ; waitMs = Math.min(waitMs * 2, lookMaxMs)) {
    const description = await task.status();
    const { status, movedMessageCount, toMoveMessageCount } = description;
    if (status !== "RUNNING" && status !== "CANCELLING") return description;
    const progress = `${movedMessageCount} of ${toMoveMessageCount} moved …`;
    if (progress !== told) context.output.note(progress);
    told = progress;
    await context.sleep(waitMs);
    if (!interrupted.aborted) continue;
    context.output.note(
      `The move goes on. Cancel it with \`forebay move cancel ${task.taskHandle}\`.`,
    );
    throw interrupted.reason;
  }
}

function failUnlessMoved({ status, failureReason = "", source }: MoveTaskDescription): void {
  if (status === "FAILED") {
    throw new CliFailure(`The move failed: ${failureReason}.`, {
      exitCode: exitCodes.failed.code,
      next: failureAdvice[failureReason] ?? `What was not moved is still in ${source}.`,
    });
  }
  if (status === "CANCELLED") {
    throw new CliFailure("The move was cancelled; what was moved stays moved.", {
      exitCode: exitCodes.failed.code,
    });
  }
}

const failureAdvice: Readonly<Record<string, string>> = {
  COULD_NOT_DETERMINE_SOURCE:
    "These messages were sent here, not dead-lettered: say where to move them, with --to.",
};

interface PreviewOptions extends CommonOptions, MoveSelection {
  readonly samples?: number;
  readonly bodyBytes?: number;
}

function addPreview(move: Command, context: CliContext): void {
  const preview = withMoveOptions(
    move
      .command("preview <source>")
      .description("say what a move would do now, with samples, and move nothing"),
  )
    .option(
      "--samples <count>",
      "messages to show as they would arrive (0 to 10; default: 3)",
      wholeNumber(0),
    )
    .option("--body-bytes <count>", "how much of each body to show at most", wholeNumber(0));
  withCommonOptions(preview).action(async (source: string, options: PreviewOptions) => {
    const asked = await moveOf(context, options);
    await context.withQueue(source, options, async (queue) => {
      const found = await queue.previewMove({
        ...asked,
        sampleCount: options.samples,
        bodyBytesMax: options.bodyBytes,
      });
      const samples = found.samples.map(peekedRow);
      await context.output.one(options.output, previewRow(found, samples));
      if (options.output !== "table" || samples.length === 0) return;
      await context.output.print("\n");
      await context.output.many("table", peekedHeadings(source), samples);
    });
  });
}

function previewRow(preview: MovePreview, samples: readonly Row[]): Row {
  return {
    cells: {
      "would move": String(preview.matchingMessageCount),
      "left out": String(preview.otherMessageCount),
      "would be skipped": String(preview.skippedMessageCount),
      "in flight or delayed": String(preview.unavailableMessageCount),
      ...countCells("to", preview.destinationMessageCounts),
      ...countCells("rejected for", preview.rejectionReasonCounts),
    },
    json: { ...preview, samples: samples.map(({ json }) => json) },
    raw: String(preview.matchingMessageCount),
  };
}

function countCells(
  what: string,
  counts: Readonly<Record<string, number>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [`${what} ${name || "-"}`, String(count)]),
  );
}

interface ListOptions extends CommonOptions {
  readonly limit: number;
}

const listedHeadings = [
  "status",
  "to",
  "moved",
  "of",
  "skipped",
  "started",
  "ended",
  "failure",
  "task",
];

function addList(move: Command, context: CliContext): void {
  const list = move
    .command("ls <source>")
    .alias("list")
    .description("list the moves out of a queue, newest first; the handle is there while one runs")
    .option("--limit <count>", "how many at most", wholeNumber(1), 10);
  withCommonOptions(list).action(async (source: string, options: ListOptions) => {
    await context.withQueue(source, options, async (queue) => {
      const rows = firstRows(queue.listMoves(), options.limit, (task) => listedRow(task));
      const count = await context.output.many(options.output, listedHeadings, rows);
      if (count === 0) context.output.note(`Nothing was moved out of ${source} yet.`);
    });
  });
}

function addCancel(move: Command, context: CliContext): void {
  const cancel = move
    .command("cancel <task-handle>")
    .description("cancel a running move; what was moved stays moved");
  withCommonOptions(cancel).action(async (taskHandle: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      const movedMessageCount = await client.cancelMove(taskHandle);
      await context.output.one(options.output, {
        cells: { moved: String(movedMessageCount) },
        json: { taskHandle, movedMessageCount },
        raw: String(movedMessageCount),
      });
    });
  });
}

/** A task in a list. */
function listedRow(task: MoveTaskDescription): Row {
  return {
    cells: {
      status: choiceText(task.status),
      to: task.destination ?? "their sources",
      moved: String(task.movedMessageCount),
      of: String(task.toMoveMessageCount),
      skipped: String(task.skippedMessageCount),
      started: task.startTime?.toISOString() ?? "",
      ended: task.endTime?.toISOString() ?? "",
      failure: task.failureReason ?? "",
      task: task.taskHandle ?? "",
    },
    json: taskJson(task),
    raw: task.taskHandle ?? "",
  };
}

/** The task that was started, in full. */
function taskRow(task: MoveTaskDescription, taskHandle: string): Row {
  const { cells } = listedRow(task);
  const present = Object.entries({ ...cells, task: taskHandle }).filter(([, text]) => text !== "");
  return {
    cells: Object.fromEntries(present),
    json: { ...taskJson(task), taskHandle },
    raw: taskHandle,
  };
}

function taskJson(task: MoveTaskDescription) {
  return {
    ...task,
    edit: task.edit && {
      ...task.edit,
      setAttributes: task.edit.setAttributes && attributesJson(task.edit.setAttributes),
      ...(task.edit.body !== undefined && bodyJson(task.edit.body)),
    },
  };
}
