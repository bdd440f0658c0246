// `forebay message …`: one message and its life, and why it is not delivered.

import type { MessageEvent, MessageExplanation, Obstacle } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, wholeNumber, withCommonOptions } from "./context.js";
import { roughDuration } from "./instants.js";
import { choiceText, messageCells, peekedRow } from "./message-rows.js";
import type { Row } from "./output.js";

export function addMessageCommands(program: Command, context: CliContext): void {
  const message = program
    .command("message")
    .description("look into one message: what happened to it, why it is not delivered");
  addDescribe(message, context);
  addExplain(message, context);
}

interface DescribeOptions extends CommonOptions {
  readonly bodyBytes?: number;
}

function addDescribe(message: Command, context: CliContext): void {
  const describe = message
    .command("describe <queue> <message-id>")
    .description("show a stored or scheduled message and the events of its life")
    .option("--body-bytes <count>", "how much of the body to show at most", wholeNumber(0));
  withCommonOptions(describe).action(
    async (name: string, messageId: string, options: DescribeOptions) => {
      await context.withQueue(name, options, async (queue) => {
        const described = await queue.describeMessage(messageId, {
          bodyBytesMax: options.bodyBytes,
        });
        const { json, raw } = peekedRow(described.message);
        const events = described.events.map(eventRow);
        await context.output.one(options.output, {
          cells: messageCells(described.message),
          json: { message: json, events: events.map((row) => row.json) },
          raw,
        });
        if (options.output !== "table" || events.length === 0) return;
        await context.output.print("\n");
        await context.output.many("table", ["event", "at", "detail"], events);
      });
    },
  );
}

function eventRow({ kind, eventTime, queue, visibleTime, reason }: MessageEvent): Row {
  const details = [
    queue && `from ${queue}`,
    reason && `for ${reason}`,
    visibleTime && `until ${visibleTime.toISOString()}`,
  ];
  return {
    cells: {
      event: choiceText(kind),
      at: eventTime?.toISOString() ?? "",
      detail: details.filter((detail) => detail !== undefined && detail !== "").join(", "),
    },
    json: {
      kind,
      eventTime: eventTime?.toISOString(),
      queue,
      visibleTime: visibleTime?.toISOString(),
      reason,
    },
    raw: kind,
  };
}

function addExplain(message: Command, context: CliContext): void {
  const explain = message
    .command("explain <queue> <message-id>")
    .description("say why a message is not delivered now: every obstacle, and what to do about it");
  withCommonOptions(explain).action(
    async (name: string, messageId: string, options: CommonOptions) => {
      await context.withQueue(name, options, async (queue) => {
        const explanation = await queue.explainMessage(messageId);
        const { state, obstacles, aheadMessageCount } = explanation;
        if (options.output === "table") {
          const sentences = sentencesOf(name, messageId, explanation, context.clock.now());
          await context.output.print(`${sentences.join("\n")}\n`);
          return;
        }
        await context.output.one(options.output, {
          cells: {},
          json: {
            messageId,
            state,
            obstacles: obstacles.map((obstacle) => ({
              ...obstacle,
              untilTime: obstacle.untilTime?.toISOString(),
            })),
            aheadMessageCount,
          },
          raw: obstacles.map(({ kind }) => kind).join("\n"),
        });
      });
    },
  );
}

/** Why a message is not delivered, as a person would say it. */
function sentencesOf(
  queue: string,
  messageId: string,
  { state, obstacles, aheadMessageCount }: MessageExplanation,
  nowMs: number,
): string[] {
  const head =
    obstacles.length === 0
      ? `${messageId} is ${choiceText(state)}: the next receive may get it.`
      : `${messageId} is ${choiceText(state)} and is not delivered now:`;
  const reasons = obstacles.map((obstacle) => `- ${obstacleSentence(queue, obstacle, nowMs)}`);
  return [head, ...reasons, ...aheadSentence(aheadMessageCount)];
}

function obstacleSentence(queue: string, obstacle: Obstacle, nowMs: number): string {
  const { kind, untilTime, blockingMessageId, advice } = obstacle;
  const by = blockingMessageId === undefined ? "" : ` by ${blockingMessageId}`;
  const until = untilTime === undefined ? "" : `, until ${untilText(untilTime, nowMs)}`;
  const command = commandFor(queue, obstacle);
  const here = command === undefined ? "" : ` Here: \`${command}\`.`;
  return `${choiceText(kind)}${by}${until}: ${advice}${here}`;
}

/** The command that does something about an obstacle, where there is one; the server's advice speaks of calls. */
function commandFor(queue: string, { kind, blockingMessageId }: Obstacle): string | undefined {
  switch (kind) {
    case "PAUSED":
      return `forebay queue resume ${queue}`;
    case "GROUP_BLOCKED":
      return `forebay message explain ${queue} ${blockingMessageId ?? "<message-id>"}`;
    case "GROUP_LIMIT":
      return `forebay queue set ${queue} --max-in-flight-per-group <count>`;
    case "QUEUE_LIMIT":
      return `forebay queue set ${queue} --max-in-flight <count>`;
    case "SCHEDULED":
      return `forebay scheduled cancel ${queue} <message-id>`;
    default:
      return undefined;
  }
}

function untilText(untilTime: Date, nowMs: number): string {
  const leftMs = untilTime.getTime() - nowMs;
  const text = untilTime.toISOString();
  return leftMs > 0 ? `${text} (in ${roughDuration(leftMs)})` : text;
}

/** The contract counts no further. */
const aheadCountMax = 1_000;

function aheadSentence(count: number): string[] {
  if (count === 0) return [];
  if (count === 1) return ["1 message comes before it."];
  return [`${count >= aheadCountMax ? "At least " : ""}${count} messages come before it.`];
}
