// `forebay queue …`: create, ls, info, set, rm, purge, tag, untag, tags.

import type { Queue, QueueAttributes, QueueDescription } from "@forebay/client";
import { type Command, Option } from "commander";
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
import { formatDuration } from "./durations.js";
import { usageFailure } from "./failure.js";
import type { Row } from "./output.js";

/** The settings of a queue as options: the flag, what it takes, its setting. The table of `set --reset` too. */
const attributeOptions = [
  [
    "--visibility <span>",
    "how long received messages stay invisible (0s to 12h)",
    duration,
    "visibilityTimeoutMs",
  ],
  [
    "--retention <span>",
    "how long messages are kept (60s to 14d)",
    duration,
    "messageRetentionPeriodMs",
  ],
  ["--delay <span>", "how long new messages stay invisible (0s to 15m)", duration, "delayMs"],
  [
    "--max-bytes <bytes>",
    "the largest message (1024 to 1048576)",
    wholeNumber(0),
    "maximumMessageBytes",
  ],
  [
    "--wait <span>",
    "how long receives wait for a message (0s to 20s)",
    duration,
    "receiveMessageWaitTimeMs",
  ],
  [
    "--max-in-flight <count>",
    "messages in flight at once (1 to 10000000)",
    wholeNumber(0),
    "maxInFlight",
  ],
  [
    "--receipt-policy <policy>",
    "what older receipt handles may do: lenient or strict",
    oneOf(["LENIENT", "STRICT"]),
    "receiptPolicy",
  ],
] as const satisfies readonly (readonly [
  string,
  string,
  (text: string) => unknown,
  keyof QueueAttributes,
])[];

type AttributeName = (typeof attributeOptions)[number][3];
type AttributeFlags = Readonly<Record<string, unknown>>;

interface CreateOptions extends CommonOptions {
  readonly tag?: Readonly<Record<string, string>>;
}

interface EtagOptions extends CommonOptions {
  readonly etag?: string;
}

interface SetOptions extends EtagOptions {
  readonly reset?: readonly AttributeName[];
}

export function addQueueCommands(program: Command, context: CliContext): void {
  const queue = program.command("queue").description("create, look at, change and remove queues");
  addCreate(queue, context);
  addList(queue, context);
  addInfo(queue, context);
  addSet(queue, context);
  addRemove(queue, context);
  addPurge(queue, context);
  addTagging(queue, context);
}

function addCreate(queue: Command, context: CliContext): void {
  const create = queue.command("create <queue>").description("create a queue, usable at once");
  withAttributeOptions(create).option("--tag <name=value>", "a tag; may be repeated", pair);
  withCommonOptions(create).action(
    async (name: string, options: CreateOptions & AttributeFlags) => {
      await context.withClient(options, async (client) => {
        const { queue: made, created } = await client.createQueue(name, {
          attributes: attributesOf(options),
          tags: options.tag,
        });
        if (!created) context.output.note(`${name} exists already, with these settings.`);
        await context.output.one(options.output, descriptionRow(await made.attributes()));
      });
    },
  );
}

function addList(queue: Command, context: CliContext): void {
  const list = queue
    .command("ls [prefix]")
    .description("list queues in name order")
    .option("--counts", "show how many messages each holds (one more call a queue)");
  withCommonOptions(list).action(
    async (prefix = "", options: CommonOptions & { readonly counts?: boolean }) => {
      await context.withClient(options, async (client) => {
        async function* rows(): AsyncGenerator<Row> {
          for await (const name of client.queues(prefix)) {
            if (options.counts === true) yield countsRow(await client.queue(name).attributes());
            else yield { cells: { queue: name }, json: { queue: name }, raw: name };
          }
        }
        const headings =
          options.counts === true
            ? ["queue", "visible", "in flight", "delayed", "bytes"]
            : ["queue"];
        const count = await context.output.many(options.output, headings, rows());
        if (count === 0 && options.output === "table") {
          context.output.note("There are no queues. Make one with `forebay queue create <name>`.");
        }
      });
    },
  );
}

function addInfo(queue: Command, context: CliContext): void {
  const info = queue
    .command("info <queue>")
    .description("show a queue's settings and exact counters");
  withCommonOptions(info).action(async (name: string, options: CommonOptions) => {
    await context.withQueue(name, options, async (found) => {
      await context.output.one(options.output, descriptionRow(await found.attributes()));
    });
  });
}

function addSet(queue: Command, context: CliContext): void {
  const set = queue
    .command("set <queue>")
    .description("change settings, all or none, acting at once");
  withAttributeOptions(set)
    .option(
      "--reset <option>",
      "put a setting back to its default, as in `--reset delay`; may be repeated",
      resetName,
    )
    .option("--etag <etag>", "only if nothing changed since this etag was shown");
  withCommonOptions(set).action(async (name: string, options: SetOptions & AttributeFlags) => {
    const resets = Object.fromEntries((options.reset ?? []).map((attribute) => [attribute, null]));
    const changes = { ...attributesOf(options), ...resets };
    if (Object.keys(changes).length === 0) {
      throw usageFailure(
        "Nothing to change was given.",
        "Name a setting, as in `--visibility 1m`.",
      );
    }
    await context.withQueue(name, options, async (found) => {
      await found.setAttributes(changes, { etag: options.etag });
      await context.output.one(options.output, descriptionRow(await found.attributes()));
    });
  });
}

function addRemove(queue: Command, context: CliContext): void {
  const remove = queue
    .command("rm <queue>")
    .description("delete a queue with all it holds")
    .option("--yes", "do not ask")
    .option("--etag <etag>", "only if its settings did not change since this etag was shown");
  withCommonOptions(remove).action(
    async (name: string, options: EtagOptions & { readonly yes?: boolean }) => {
      await context.withQueue(name, options, async (found) => {
        const count = await storedCount(found);
        const deed = `deletes the queue ${name} with its ${messages(count)}`;
        await confirm(context, { isConfirmed: options.yes === true, deed });
        await found.remove({ etag: options.etag });
        const json = { queue: name, deletedMessageCount: count };
        const cells = { queue: name, deleted: messages(count) };
        await context.output.one(options.output, { cells, json, raw: name });
      });
    },
  );
}

function addPurge(queue: Command, context: CliContext): void {
  const purge = queue
    .command("purge <queue>")
    .description("remove every message sent so far")
    .option("--yes", "do not ask");
  withCommonOptions(purge).action(
    async (name: string, options: CommonOptions & { readonly yes?: boolean }) => {
      await context.withQueue(name, options, async (found) => {
        const deed = `removes ${messages(await storedCount(found))} of ${name} for good`;
        await confirm(context, { isConfirmed: options.yes === true, deed });
        const purgedCount = await found.purge();
        const cells = { queue: name, purged: messages(purgedCount) };
        const json = { queue: name, purgedCount };
        await context.output.one(options.output, { cells, json, raw: String(purgedCount) });
      });
    },
  );
}

function addTagging(queue: Command, context: CliContext): void {
  const tag = queue
    .command("tag <queue> <name=value...>")
    .description("set tags, overwriting by name");
  withCommonOptions(tag).action(async (name: string, pairs: string[], options: CommonOptions) => {
    const tags = pairs.reduce<Record<string, string>>((before, text) => pair(text, before), {});
    await context.withQueue(name, options, async (found) => {
      await found.tag(tags);
      await printTags(context, options, found);
    });
  });
  const untag = queue.command("untag <queue> <name...>").description("remove tags");
  withCommonOptions(untag).action(async (name: string, keys: string[], options: CommonOptions) => {
    await context.withQueue(name, options, async (found) => {
      await found.untag(keys);
      await printTags(context, options, found);
    });
  });
  const tags = queue.command("tags <queue>").description("show tags");
  withCommonOptions(tags).action(async (name: string, options: CommonOptions) => {
    await context.withQueue(name, options, (found) => printTags(context, options, found));
  });
}

async function printTags(context: CliContext, options: CommonOptions, queue: Queue): Promise<void> {
  const tags = await queue.tags();
  const rows = Object.entries(tags).map(([name, value]) => ({
    cells: { tag: name, value },
    json: { tag: name, value },
    raw: `${name}=${value}`,
  }));
  if (options.output === "json") {
    await context.output.one("json", { cells: {}, json: tags, raw: "" });
  } else {
    await context.output.many(options.output, ["tag", "value"], rows);
  }
}

function withAttributeOptions(command: Command): Command {
  for (const [flags, description, parse] of attributeOptions) {
    command.addOption(new Option(flags, description).argParser<unknown>(parse));
  }
  return command;
}

/** The settings among a command's options. */
function attributesOf(options: AttributeFlags): QueueAttributes {
  const given = attributeOptions.flatMap(([flags, , , attribute]) => {
    const value = options[new Option(flags).attributeName()];
    return value === undefined ? [] : [[attribute, value]];
  });
  return Object.fromEntries(given);
}

function resetName(text: string, before: readonly AttributeName[] = []): AttributeName[] {
  const option = attributeOptions.find(([flags]) => new Option(flags).name() === text);
  if (option !== undefined) return [...before, option[3]];
  const names = attributeOptions.map(([flags]) => new Option(flags).name());
  throw usageFailure(`"${text}" is no setting.`, `Settings are ${names.join(", ")}.`);
}

function countsRow({ queue, counters }: QueueDescription): Row {
  return {
    cells: {
      queue,
      visible: String(counters.visibleMessageCount),
      "in flight": String(counters.inFlightMessageCount),
      delayed: String(counters.delayedMessageCount),
      bytes: String(counters.storedBytes),
    },
    json: { queue, counters },
    raw: queue,
  };
}

function descriptionRow(description: QueueDescription): Row {
  const { queue, attributes, counters, etag, createTime, updateTime } = description;
  const cells: Record<string, string> = { queue };
  for (const [name, value] of Object.entries({ ...attributes, ...counters })) {
    if (value === undefined) continue;
    const isSpan = name.endsWith("Ms") && typeof value === "number";
    cells[words(name)] = isSpan ? formatDuration(value) : textOf(value);
  }
  cells["created"] = createTime?.toISOString() ?? "";
  cells["updated"] = updateTime?.toISOString() ?? "";
  cells["etag"] = etag;
  return {
    cells,
    json: {
      queue,
      attributes,
      counters,
      etag,
      createTime: createTime?.toISOString(),
      updateTime: updateTime?.toISOString(),
    },
    raw: queue,
  };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value.toLowerCase();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `visibilityTimeoutMs` as people write it: `visibility timeout`. */
function words(name: string): string {
  return name.replace(/Ms$/, "").replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

async function storedCount(queue: Queue): Promise<number> {
  return (await queue.attributes()).counters.storedMessageCount;
}

function messages(count: number): string {
  return count === 1 ? "1 message" : `${count} messages`;
}
