// `forebay topic undeliverable`, `redrive` and `purge`: what a subscription could not deliver, and what waits for it.

import type { UndeliverableMessage } from "@forebay/client";
import type { Command } from "commander";
import { confirm } from "./confirm.js";
import {
  type CliContext,
  type CommonOptions,
  instant,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";
import { type Instant, timeOf } from "./instants.js";
import { attributesJson, bodyCell, bodyJson, choiceText } from "./message-rows.js";
import type { Row } from "./output.js";

export function addUndeliverableCommands(topic: Command, context: CliContext): void {
  addUndeliverable(topic, context);
  addRedrive(topic, context);
  addPurge(topic, context);
}

const headings = ["id", "message", "reason", "attempts", "given up", "why", "body"];

function addUndeliverable(topic: Command, context: CliContext): void {
  const list = topic
    .command("undeliverable <subscription>")
    .description(
      "list messages that were given up and that no dead-letter queue has; -o raw: their ids",
    );
  withCommonOptions(list).action(async (id: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      async function* rows(): AsyncGenerator<Row> {
        for await (const kept of client.subscription(id).undeliverable()) yield rowOf(kept);
      }
      const count = await context.output.many(options.output, headings, rows());
      if (count === 0 && options.output === "table") {
        context.output.note("Nothing was given up, or its dead-letter queue has it.");
      }
    });
  });
}

function rowOf(kept: UndeliverableMessage): Row {
  const { id, message, reason, lastError, attempts, firstAttemptTime, giveUpTime } = kept;
  return {
    cells: {
      id,
      message: message.messageId,
      reason: reason === undefined ? "?" : choiceText(reason),
      attempts: String(attempts),
      "given up": giveUpTime?.toISOString() ?? "",
      why: lastError,
      body: bodyCell(message.body),
    },
    json: {
      id,
      reason,
      lastError,
      attempts,
      firstAttemptTime,
      giveUpTime,
      message: {
        messageId: message.messageId,
        topic: message.topic,
        subject: message.subject,
        ...bodyJson(message.body),
        attributes: attributesJson(message.attributes),
        publishTime: message.publishTime,
        sequenceNumber: message.sequenceNumber,
        groupId: message.groupId,
        dedupId: message.dedupId,
      },
    },
    raw: id,
  };
}

interface RedriveOptions extends CommonOptions {
  readonly all?: boolean;
  readonly maxPerSecond?: number;
}

function addRedrive(topic: Command, context: CliContext): void {
  const redrive = topic
    .command("redrive <subscription> [id...]")
    .description("try undeliverable messages again, those named or --all; -o raw: how many")
    .option("--all", "all of them")
    .option("--max-per-second <count>", "how many a second at most (1 to 500)", wholeNumber(1));
  withCommonOptions(redrive).action(
    async (subscription: string, ids: readonly string[], options: RedriveOptions) => {
      if ((ids.length === 0) !== (options.all === true)) {
        throw usageFailure(
          "Name messages, or --all, not both.",
          "`forebay topic undeliverable <subscription>` lists them with their ids.",
        );
      }
      await context.withClient(options, async (client) => {
        const { maxPerSecond } = options;
        const which = ids.length === 0 ? {} : { ids };
        const count = await client.subscription(subscription).redrive({ ...which, maxPerSecond });
        if (count === 0) context.output.note("None of them is undeliverable, or not any more.");
        const cells = { subscription, redriven: String(count) };
        const json = { subscription, redriven: count };
        await context.output.one(options.output, { cells, json, raw: String(count) });
      });
    },
  );
}

interface PurgeOptions extends CommonOptions {
  readonly before?: Instant;
  readonly yes?: boolean;
}

function addPurge(topic: Command, context: CliContext): void {
  const purge = topic
    .command("purge <subscription>")
    .description("drop what waits for a subscription; no dead-letter queue gets it")
    .option("--before <time>", "only what was published before, as 2026-12-24T18:00:00Z", instant)
    .option("--yes", "do not ask");
  withCommonOptions(purge).action(async (id: string, options: PurgeOptions) => {
    await context.withClient(options, async (client) => {
      const subscription = client.subscription(id);
      const { counters, endpoint } = await subscription.describe();
      const before = options.before && timeOf(options.before, context.clock.now());
      const waiting = `${counters?.backlogCount ?? 0} messages waiting for ${endpoint}`;
      const deed =
        before === undefined
          ? `drops the ${waiting}`
          : `drops those of the ${waiting} that were published before ${before.toISOString()}`;
      await confirm(context, { isConfirmed: options.yes === true, deed });
      const count = await subscription.purge({ before });
      const cells = { subscription: id, purged: String(count) };
      const json = { subscription: id, purged: count };
      await context.output.one(options.output, { cells, json, raw: String(count) });
    });
  });
}
