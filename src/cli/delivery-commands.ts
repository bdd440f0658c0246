// `forebay topic attempts` and `forebay topic explain`: what became of messages.

import type { DeliveryAttempt, DeliveryReport } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, withCommonOptions } from "./context.js";
import { formatDuration } from "./durations.js";
import { choiceText } from "./message-rows.js";
import type { Row } from "./output.js";

export function addDeliveryCommands(topic: Command, context: CliContext): void {
  addAttempts(topic, context);
  addExplain(topic, context);
}

const attemptHeadings = [
  "started",
  "message",
  "attempt",
  "result",
  "status",
  "took",
  "next",
  "why",
];

function addAttempts(topic: Command, context: CliContext): void {
  const attempts = topic
    .command("attempts <subscription>")
    .description("list attempts to deliver of the last day, newest first; -o raw: message ids")
    .option("--message <id>", "only those of this message");
  withCommonOptions(attempts).action(
    async (id: string, options: CommonOptions & { readonly message?: string }) => {
      await context.withClient(options, async (client) => {
        async function* rows(): AsyncGenerator<Row> {
          const { message: messageId } = options;
          for await (const attempt of client.subscription(id).attempts({ messageId })) {
            yield attemptRow(attempt);
          }
        }
        const count = await context.output.many(options.output, attemptHeadings, rows());
        if (count === 0 && options.output === "table") {
          context.output.note(
            "No attempt is recorded. All failures are, and successes as the topic samples them.",
          );
        }
      });
    },
  );
}

function attemptRow(attempt: DeliveryAttempt): Row {
  const { startTime, messageId, isSuccess, statusCode, durationMs, nextAttemptTime } = attempt;
  return {
    cells: {
      started: startTime?.toISOString() ?? "",
      message: messageId,
      attempt: String(attempt.attempt),
      result: isSuccess ? "delivered" : "failed",
      status: statusCode === undefined ? "" : String(statusCode),
      took: durationMs === undefined ? "" : formatDuration(durationMs),
      next: nextAttemptTime?.toISOString() ?? "",
      why: attempt.error,
    },
    json: attempt,
    raw: messageId,
  };
}

const reportHeadings = ["subscription", "state", "attempts", "next", "why"];

function addExplain(topic: Command, context: CliContext): void {
  const explain = topic
    .command("explain <topic> <message-id>")
    .description("say for every subscription what became of a message");
  withCommonOptions(explain).action(
    async (name: string, messageId: string, options: CommonOptions) => {
      await context.withClient(options, async (client) => {
        async function* rows(): AsyncGenerator<Row> {
          for await (const report of client.topic(name).explain(messageId)) yield reportRow(report);
        }
        const count = await context.output.many(options.output, reportHeadings, rows());
        if (count === 0 && options.output === "table") {
          context.output.note(`${name} has no subscriptions.`);
        }
      });
    },
  );
}

function reportRow(report: DeliveryReport): Row {
  const { subscription, state, attempts, nextAttemptTime, lastError } = report;
  return {
    cells: {
      subscription,
      state: state === undefined ? "?" : choiceText(state),
      attempts: String(attempts),
      next: nextAttemptTime?.toISOString() ?? "",
      why: lastError,
    },
    json: report,
    raw: subscription,
  };
}
