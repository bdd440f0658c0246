// `forebay topic …` and `forebay publish`: topics, and what is published to them. The commands that are not about the topic itself
// are both there, as in `forebay topic publish`, and by themselves, as in `forebay publish`.

import type { Command } from "commander";
import { confirm } from "./confirm.js";
import {
  type CliContext,
  type CommonOptions,
  pair,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { addDeliveryCommands } from "./delivery-commands.js";
import { addFilterCommands } from "./filter-commands.js";
import { readInput } from "./input.js";
import type { Row } from "./output.js";
import { addProtectCommand } from "./protect-command.js";
import { addPublishCommand } from "./publish-command.js";
import { addReplayCommands } from "./replay-commands.js";
import { addSubscribeCommands, addSubscriptionCommands } from "./subscribe-commands.js";
import { addConsumeCommand, addTailCommand } from "./tail-commands.js";
import { addTopicAdministration } from "./topic-administration.js";
import {
  subscriptionHeadings,
  subscriptionInList,
  subscriptionRow,
  topicHeadings,
  topicInList,
  topicRow,
} from "./topic-rows.js";
import { type TopicFlags, topicSettingsOf, withTopicSettings } from "./topic-settings.js";
import { addUndeliverableCommands } from "./undeliverable-commands.js";

export function addTopicCommands(program: Command, context: CliContext): void {
  const topic = program.command("topic").description("look after topics and their subscriptions");
  addCreate(topic, context);
  addList(topic, context);
  addInfo(topic, context);
  addRemove(topic, context);
  addSubscriptions(topic, context);
  addProtectCommand(topic, context);
  addTopicAdministration(topic, context);
  addDeliveryCommands(topic, context);
  addUndeliverableCommands(topic, context);
  addReplayCommands(topic, context);
  addSubscriptionCommands(topic, context);
  for (const parent of [topic, program]) {
    addSubscribeCommands(parent, context);
    addPublishCommand(parent, context);
    addTailCommand(parent, context);
    addConsumeCommand(parent, context);
    addFilterCommands(parent, context);
  }
}

interface CreateOptions extends CommonOptions, TopicFlags {
  readonly archiveDays?: number;
  readonly tag?: Readonly<Record<string, string>>;
  readonly dataProtection?: string;
}

function addCreate(topic: Command, context: CliContext): void {
  const create = topic
    .command("create <topic>")
    .description("create a topic, usable at once; the name of a FIFO topic ends in .fifo")
    .option(
      "--archive-days <days>",
      "keep what is published for so many days to replay it (1 to 365)",
      wholeNumber(1),
    )
    .option("--tag <name=value>", "a tag; may be repeated", pair)
    .option(
      "--data-protection <file>",
      "what to look for in messages, as `topic protect` takes it",
    );
  withCommonOptions(withTopicSettings(create)).action(
    async (name: string, options: CreateOptions) => {
      const settings = {
        ...(await topicSettingsOf(context, options)),
        archiveRetentionMs: options.archiveDays && options.archiveDays * 86_400_000,
      };
      const { dataProtection: path } = options;
      const dataProtectionPolicy = path && String(await readInput(context, path));
      await context.withClient(options, async (client) => {
        const { created } = await client.createTopic(name, {
          settings,
          tags: options.tag,
          dataProtectionPolicy,
        });
        if (!created) context.output.note(`${name} exists already, with these settings.`);
        await context.output.one(options.output, topicRow(await client.topic(name).describe()));
      });
    },
  );
}

interface ListOptions extends CommonOptions {
  readonly tag?: Readonly<Record<string, string>>;
}

function addList(topic: Command, context: CliContext): void {
  const list = topic
    .command("ls [prefix]")
    .alias("list")
    .description("list topics in name order")
    .option("--tag <name=value>", "only topics with this tag; may be repeated", pair);
  withCommonOptions(list).action(async (prefix: string | undefined, options: ListOptions) => {
    await context.withClient(options, async (client) => {
      async function* rows(): AsyncGenerator<Row> {
        for await (const description of client.topics(prefix, { tags: options.tag })) {
          yield topicInList(description);
        }
      }
      const count = await context.output.many(options.output, topicHeadings, rows());
      if (count === 0 && options.output === "table") {
        context.output.note("There are no topics. Make one with `forebay topic create <name>`.");
      }
    });
  });
}

function addInfo(topic: Command, context: CliContext): void {
  const info = topic
    .command("info <topic>")
    .description("show a topic's settings and exact counters");
  withCommonOptions(info).action(async (name: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      await context.output.one(options.output, topicRow(await client.topic(name).describe()));
    });
  });
}

function addRemove(topic: Command, context: CliContext): void {
  const remove = topic
    .command("rm <topic>")
    .description("delete a topic with its subscriptions; messages in queues stay")
    .option("--drain", "deliver first what waits; until then nobody can publish or subscribe")
    .option("--yes", "do not ask");
  withCommonOptions(remove).action(
    async (
      name: string,
      options: CommonOptions & { readonly yes?: boolean; readonly drain?: boolean },
    ) => {
      await context.withClient(options, async (client) => {
        const found = client.topic(name);
        const { counters } = await found.describe();
        const count = counters?.subscriptionCount ?? 0;
        const held = count === 1 ? "1 subscription" : `${count} subscriptions`;
        const archived = counters?.archivedCount ?? 0;
        const archive = archived === 0 ? "" : ` and an archive of ${archived} messages`;
        const deed = `deletes the topic ${name} with ${held}${archive}`;
        await confirm(context, { isConfirmed: options.yes === true, deed });
        await found.remove({ force: true, drain: options.drain });
        const row = { topic: name };
        await context.output.one(options.output, { cells: row, json: row, raw: name });
      });
    },
  );
}

function addSubscriptions(topic: Command, context: CliContext): void {
  const list = topic
    .command("subscriptions [topic]")
    .description("list the subscriptions of a topic, or of all, oldest first");
  withCommonOptions(list).action(async (name: string | undefined, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      const found =
        name === undefined ? client.subscriptions() : client.topic(name).subscriptions();
      async function* rows(): AsyncGenerator<Row> {
        for await (const description of found) yield subscriptionInList(description);
      }
      const count = await context.output.many(options.output, subscriptionHeadings, rows());
      if (count === 0) context.output.note("There are no subscriptions.");
    });
  });
  const info = topic
    .command("subscription <id>")
    .description("show a subscription's settings and exact counters");
  withCommonOptions(info).action(async (id: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      const description = await client.subscription(id).describe();
      await context.output.one(options.output, subscriptionRow(description));
    });
  });
}
