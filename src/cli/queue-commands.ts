// `forebay queue …`: create, ls, info, set, rm, purge, pause, resume, and what hangs on queues: tags, sources, permissions.

import type { PermittedAction, Queue, QueueAttributes } from "@forebay/client";
import type { Command } from "commander";
import { confirm } from "./confirm.js";
import {
  type CliContext,
  type CommonOptions,
  oneOf,
  pair,
  repeated,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";
import type { Row } from "./output.js";
import { countsHeadings, countsRow, descriptionRow } from "./queue-rows.js";
import {
  needsCurrentSettings,
  resetName,
  type SettingFlags,
  settingsOf,
  withSettingOptions,
} from "./queue-settings.js";

interface CreateOptions extends CommonOptions {
  readonly fifo?: boolean;
  readonly paused?: boolean;
  readonly tag?: Readonly<Record<string, string>>;
}

interface EtagOptions extends CommonOptions {
  readonly etag?: string;
}

interface SetOptions extends EtagOptions {
  readonly reset?: readonly (keyof QueueAttributes)[];
}

export function addQueueCommands(program: Command, context: CliContext): void {
  const queue = program.command("queue").description("create, look at, change and remove queues");
  addCreate(queue, context);
  addList(queue, context);
  addInfo(queue, context);
  addSet(queue, context);
  addRemove(queue, context);
  addPurge(queue, context);
  addPausing(queue, context);
  addTagging(queue, context);
  addSources(queue, context);
  addPermissions(queue, context);
}

function addCreate(queue: Command, context: CliContext): void {
  const create = queue.command("create <queue>").description("create a queue, usable at once");
  withSettingOptions(create)
    .option("--fifo", "make it a FIFO queue; its name then ends in .fifo")
    .option("--paused", "deliver nothing before `queue resume`")
    .option("--tag <name=value>", "a tag; may be repeated", pair);
  withCommonOptions(create).action(async (name: string, options: CreateOptions & SettingFlags) => {
    const attributes = {
      ...(await settingsOf(context, options)),
      fifoQueue: options.fifo,
      deliveryPaused: options.paused,
    };
    await context.withClient(options, async (client) => {
      const { queue: made, created } = await client.createQueue(name, {
        attributes,
        tags: options.tag,
      });
      if (!created) context.output.note(`${name} exists already, with these settings.`);
      await context.output.one(options.output, descriptionRow(await made.attributes()));
    });
  });
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
        const headings = options.counts === true ? countsHeadings : ["queue"];
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
  withSettingOptions(set)
    .option(
      "--reset <option>",
      "put a setting back to its default: its option's name, or dead-letter-queue, retry, policy; may be repeated",
      resetName,
    )
    .option("--etag <etag>", "only if nothing changed since this etag was shown");
  withCommonOptions(set).action(async (name: string, options: SetOptions & SettingFlags) => {
    const resets = Object.fromEntries((options.reset ?? []).map((setting) => [setting, null]));
    await context.withQueue(name, options, async (found) => {
      const current = needsCurrentSettings(options) ? await found.attributes() : undefined;
      const settings = await settingsOf(context, options, current?.attributes);
      const changes = { ...settings, ...resets };
      if (Object.keys(changes).length === 0) {
        throw usageFailure(
          "Nothing to change was given.",
          "Name a setting, as in `--visibility 1m`.",
        );
      }
      // What was filled in must still be so.
      await found.setAttributes(changes, { etag: options.etag ?? current?.etag });
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
        const holding = await holdingOf(found);
        const deed = `deletes the queue ${name} with its ${holdingText(holding)}`;
        await confirm(context, { isConfirmed: options.yes === true, deed });
        await found.remove({ etag: options.etag });
        const json = { queue: name, deletedMessageCount: holding.stored + holding.scheduled };
        const cells = { queue: name, deleted: holdingText(holding) };
        await context.output.one(options.output, { cells, json, raw: name });
      });
    },
  );
}

function addPurge(queue: Command, context: CliContext): void {
  const purge = queue
    .command("purge <queue>")
    .description("remove every message sent so far, those with a time to come included")
    .option("--yes", "do not ask");
  withCommonOptions(purge).action(
    async (name: string, options: CommonOptions & { readonly yes?: boolean }) => {
      await context.withQueue(name, options, async (found) => {
        const deed = `removes ${holdingText(await holdingOf(found))} of ${name} for good`;
        await confirm(context, { isConfirmed: options.yes === true, deed });
        const purgedCount = await found.purge();
        const cells = { queue: name, purged: messages(purgedCount) };
        const json = { queue: name, purgedCount };
        await context.output.one(options.output, { cells, json, raw: String(purgedCount) });
      });
    },
  );
}

function addPausing(queue: Command, context: CliContext): void {
  const pause = queue
    .command("pause <queue>")
    .description("deliver nothing: sends are accepted, receives wait, leases held go on");
  withCommonOptions(pause).action(async (name: string, options: CommonOptions) => {
    await context.withQueue(name, options, async (found) => {
      await found.pause();
      await context.output.one(options.output, deliveryRow(name, true));
    });
  });
  const resume = queue.command("resume <queue>").description("deliver again");
  withCommonOptions(resume).action(async (name: string, options: CommonOptions) => {
    await context.withQueue(name, options, async (found) => {
      await found.resume();
      await context.output.one(options.output, deliveryRow(name, false));
    });
  });
}

function deliveryRow(queue: string, isPaused: boolean): Row {
  const delivery = isPaused ? "paused" : "running";
  return { cells: { queue, delivery }, json: { queue, deliveryPaused: isPaused }, raw: queue };
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

function addSources(queue: Command, context: CliContext): void {
  const sources = queue
    .command("dead-letter-sources <queue>")
    .description("list the queues whose dead letters come here");
  withCommonOptions(sources).action(async (name: string, options: CommonOptions) => {
    await context.withQueue(name, options, async (found) => {
      async function* rows(): AsyncGenerator<Row> {
        for await (const source of found.listDeadLetterSources()) {
          yield { cells: { queue: source }, json: { queue: source }, raw: source };
        }
      }
      const count = await context.output.many(options.output, ["queue"], rows());
      if (count === 0) context.output.note(`${name} is no queue's dead-letter queue.`);
    });
  });
}

/** What can be granted. */
const permittedActions = [
  "SendMessage",
  "ReceiveMessage",
  "DeleteMessage",
  "ChangeMessageVisibility",
  "GetQueueAttributes",
  "GetQueueUrl",
  "ListDeadLetterSourceQueues",
  "PurgeQueue",
  "PeekMessages",
  "*",
] as const satisfies readonly PermittedAction[];

interface AllowOptions extends CommonOptions {
  readonly principal: readonly string[];
  readonly action: readonly PermittedAction[];
}

function addPermissions(queue: Command, context: CliContext): void {
  const allow = queue
    .command("allow <queue> <label>")
    .description("let others use a queue: adds a statement to its policy (not enforced yet)")
    .requiredOption("--principal <principal>", "who; may be repeated", repeated)
    .requiredOption(
      "--action <action>",
      `what: ${permittedActions.join(", ")} (all of these); may be repeated`,
      (text, before: readonly PermittedAction[] = []) => [...before, oneOf(permittedActions)(text)],
    );
  withCommonOptions(allow).action(async (name: string, label: string, options: AllowOptions) => {
    await context.withQueue(name, options, async (found) => {
      const { principal: principals, action: actions } = options;
      await found.addPermission({ label, principals, actions });
      await printPermission(context, options, name, label);
    });
  });
  const disallow = queue
    .command("disallow <queue> <label>")
    .description("take such a permission back");
  withCommonOptions(disallow).action(
    async (name: string, label: string, options: CommonOptions) => {
      await context.withQueue(name, options, async (found) => {
        await found.removePermission(label);
        await printPermission(context, options, name, label);
      });
    },
  );
}

function printPermission(
  context: CliContext,
  options: CommonOptions,
  queue: string,
  label: string,
): Promise<void> {
  const row = { queue, label };
  return context.output.one(options.output, { cells: row, json: row, raw: label });
}

/** The messages of a queue, and those that wait for their time to join it: both go with a purge. */
interface Holding {
  readonly stored: number;
  readonly scheduled: number;
}

async function holdingOf(queue: Queue): Promise<Holding> {
  const { counters } = await queue.attributes();
  return { stored: counters.storedMessageCount, scheduled: counters.scheduledMessageCount };
}

function holdingText({ stored, scheduled }: Holding): string {
  return scheduled === 0 ? messages(stored) : `${messages(stored)} and ${scheduled} scheduled`;
}

function messages(count: number): string {
  return count === 1 ? "1 message" : `${count} messages`;
}
