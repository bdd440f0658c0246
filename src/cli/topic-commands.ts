// `forebay topic …` and `forebay publish`: topics, and what is published to them. The commands that are not about the topic itself
// are both there, as in `forebay topic publish`, and by themselves, as in `forebay publish`.

import type { FifoThroughputScope } from "@forebay/client";
import type { Command } from "commander";
import { confirm } from "./confirm.js";
import {
  type CliContext,
  type CommonOptions,
  duration,
  oneOf,
  pair,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { addDeliveryCommands } from "./delivery-commands.js";
import { usageFailure } from "./failure.js";
import { addFilterCommands } from "./filter-commands.js";
import { bodyOf, readInput } from "./input.js";
import type { Row } from "./output.js";
import { addProtectCommand } from "./protect-command.js";
import { addReplayCommands } from "./replay-commands.js";
import { addPauseCommands, addSubscribeCommands } from "./subscribe-commands.js";
import { addConsumeCommand, addTailCommand } from "./tail-commands.js";
import { numbered } from "./topic-attributes.js";
import {
  subscriptionHeadings,
  subscriptionInList,
  subscriptionRow,
  topicHeadings,
  topicInList,
  topicRow,
} from "./topic-rows.js";

export function addTopicCommands(program: Command, context: CliContext): void {
  const topic = program.command("topic").description("create, look at and remove topics");
  addCreate(topic, context);
  addList(topic, context);
  addInfo(topic, context);
  addRemove(topic, context);
  addSubscriptions(topic, context);
  addProtectCommand(topic, context);
  addDeliveryCommands(topic, context);
  addReplayCommands(topic, context);
  addPauseCommands(topic, context);
  for (const parent of [topic, program]) {
    addSubscribeCommands(parent, context);
    addPublish(parent, context);
    addTailCommand(parent, context);
    addConsumeCommand(parent, context);
    addFilterCommands(parent, context);
  }
}

interface CreateOptions extends CommonOptions {
  readonly displayName?: string;
  readonly maxMessageSize?: number;
  readonly contentDedup?: boolean;
  readonly dedupScope?: FifoThroughputScope;
  readonly archiveDays?: number;
  readonly tag?: Readonly<Record<string, string>>;
}

function addCreate(topic: Command, context: CliContext): void {
  const create = topic
    .command("create <topic>")
    .description("create a topic, usable at once; the name of a FIFO topic ends in .fifo")
    .option("--display-name <text>", "what people read")
    .option("--max-message-size <bytes>", "the largest message (1024 to 1048576)", wholeNumber(1))
    .option("--content-dedup", "FIFO: make deduplication ids of the messages")
    .option(
      "--dedup-scope <scope>",
      "FIFO: where deduplication ids are looked up: topic, message-group (default: topic)",
      oneOf(["TOPIC", "MESSAGE_GROUP"]),
    )
    .option(
      "--archive-days <days>",
      "keep what is published for so many days to replay it (1 to 365)",
      wholeNumber(1),
    )
    .option("--tag <name=value>", "a tag; may be repeated", pair);
  withCommonOptions(create).action(async (name: string, options: CreateOptions) => {
    const settings = {
      displayName: options.displayName,
      maximumMessageBytes: options.maxMessageSize,
      contentBasedDeduplication: options.contentDedup,
      fifoThroughputScope: options.dedupScope,
      archiveRetentionMs: options.archiveDays && options.archiveDays * 86_400_000,
    };
    await context.withClient(options, async (client) => {
      const { created } = await client.createTopic(name, { settings, tags: options.tag });
      if (!created) context.output.note(`${name} exists already, with these settings.`);
      await context.output.one(options.output, topicRow(await client.topic(name).describe()));
    });
  });
}

function addList(topic: Command, context: CliContext): void {
  const list = topic.command("ls [prefix]").alias("list").description("list topics in name order");
  withCommonOptions(list).action(async (prefix: string | undefined, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      async function* rows(): AsyncGenerator<Row> {
        for await (const description of client.topics(prefix)) yield topicInList(description);
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
    .option("--yes", "do not ask");
  withCommonOptions(remove).action(
    async (name: string, options: CommonOptions & { readonly yes?: boolean }) => {
      await context.withClient(options, async (client) => {
        const found = client.topic(name);
        const { counters } = await found.describe();
        const count = counters?.subscriptionCount ?? 0;
        const held = count === 1 ? "1 subscription" : `${count} subscriptions`;
        const archived = counters?.archivedCount ?? 0;
        const archive = archived === 0 ? "" : ` and an archive of ${archived} messages`;
        const deed = `deletes the topic ${name} with ${held}${archive}`;
        await confirm(context, { isConfirmed: options.yes === true, deed });
        await found.remove({ force: true });
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

interface PublishOptions extends CommonOptions {
  readonly file?: string;
  readonly binary?: boolean;
  readonly subject?: string;
  readonly structure?: "json";
  readonly attribute?: Readonly<Record<string, string>>;
  readonly number?: Readonly<Record<string, string>>;
  readonly group?: string;
  readonly dedupId?: string;
  readonly delay?: number;
  readonly ttl?: number;
}

function addPublish(program: Command, context: CliContext): void {
  const publish = program
    .command("publish <topic> [body]")
    .description("publish a message to everybody who is subscribed")
    .option("--file <path>", "publish what a file holds (-: all of stdin)")
    .option("--binary", "publish the body as bytes, not as text")
    .option("--subject <text>", "shown in the envelope (1 to 100 characters)")
    .option(
      "--structure <structure>",
      "json: the body has a text for each kind of target and a default",
      oneOf(["json"]),
    )
    .option("--attribute <name=value>", "an attribute of type String; may be repeated", pair)
    .option("--number <name=value>", "an attribute of type Number; may be repeated", pair)
    .option("--group <id>", "the message group; FIFO topics need one")
    .option("--dedup-id <id>", "FIFO: the deduplication id")
    .option("--delay <span>", "deliver no earlier than so long from now (0s to 12h)", duration)
    .option("--ttl <span>", "do not deliver later than so long from now (1s to 14d)", duration);
  withCommonOptions(publish).action(
    async (name: string, given: string | undefined, options: PublishOptions) => {
      if ((given === undefined) === (options.file === undefined)) {
        throw usageFailure(
          "Give a body, or --file, not both.",
          "As in `forebay publish news 'it rains'`.",
        );
      }
      const content =
        options.file === undefined ? (given ?? "") : await readInput(context, options.file);
      const body = bodyOf(content, options.binary === true);
      await context.withClient(options, async (client) => {
        const result = await client.topic(name).publish(body, {
          subject: options.subject,
          structure: options.structure,
          attributes: { ...options.attribute, ...numbered(options.number) },
          groupId: options.group,
          dedupId: options.dedupId,
          delayMs: options.delay,
          timeToLiveMs: options.ttl,
        });
        const { messageId, sequenceNumber, duplicate } = result;
        if (duplicate) context.output.note("It repeats an earlier message and went to nobody.");
        const cells = { message: messageId, sequence: sequenceNumber };
        await context.output.one(options.output, { cells, json: result, raw: messageId });
      });
    },
  );
}
