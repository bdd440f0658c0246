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
          const sentences = sentencesOf(messageId, explanation, context.clock.now());
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
  messageId: string,
  { state, obstacles, aheadMessageCount }: MessageExplanation,
  nowMs: number,
): string[] {
  const head =
    obstacles.length === 0
      ? `${messageId} is ${choiceText(state)}: the next receive may get it.`
      : `${messageId} is ${choiceText(state)} and is not delivered now:`;
  const reasons = obstacles.map((obstacle) => `- ${obstacleSentence(obstacle, nowMs)}`);
  return [head, ...reasons, ...aheadSentence(aheadMessageCount)];
}

function obstacleSentence(obstacle: Obstacle, nowMs: number): string {
  const { kind, untilTime, blockingMessageId, advice } = obstacle;
  const what = obstacleTexts[kind];
  const which = blockingMessageId === undefined ? "" : `, ${blockingMessageId}`;
  const until = untilTime === undefined ? "" : `, until ${untilText(untilTime, nowMs)}`;
  return `${what}${which}${until}. ${advice}`.trimEnd();
}

const obstacleTexts: Readonly<Record<Obstacle["kind"], string>> = {
  SCHEDULED: "Its time to join the queue has not come",
  DELAYED: "Its delay has not ended",
  BACKING_OFF: "It waits before it is tried again, as the retry settings of the queue say",
  IN_FLIGHT: "Somebody has received it and holds its lease",
  GROUP_BLOCKED: "An earlier message of its group is in flight or delayed",
  GROUP_LIMIT: "Its group has as many messages in flight as the queue allows",
  QUEUE_LIMIT: "The queue has as many messages in flight as it allows",
  PAUSED: "The queue is paused",
  NOISY_GROUP: "Its group is noisy, and messages of quiet groups come first",
  DEAD_LETTER_DUE:
    "It was delivered as often as the queue allows, and goes to the dead-letter queue",
  EXPIRED: "It has expired and waits to be removed",
  UNKNOWN: "Something is in its way that only a newer release of this command can name",
};

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
