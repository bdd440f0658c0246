// `forebay topic update`, `tag`, `untag`, `tags`, `allow` and `disallow`: what can be changed about a topic after it was created.

import type { PermittedTopicAction, Topic, TopicSettings } from "@forebay/client";
import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  oneOf,
  pair,
  repeated,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";
import { topicRow } from "./topic-rows.js";
import {
  type TopicFlags,
  topicReset,
  topicSettingsOf,
  withTopicSettings,
} from "./topic-settings.js";

export function addTopicAdministration(topic: Command, context: CliContext): void {
  addUpdate(topic, context);
  addTagging(topic, context);
  addPermissions(topic, context);
}

interface UpdateOptions extends CommonOptions, TopicFlags {
  readonly reset?: TopicSettings;
  readonly etag?: string;
}

function addUpdate(topic: Command, context: CliContext): void {
  const update = topic
    .command("update <topic>")
    .description("change settings of a topic, those that are given, for what is published next")
    .option(
      "--reset <setting>",
      "back to the default: display-name, max-message-size, policy, retries, signature-version, log; may be repeated",
      topicReset,
    )
    .option("--etag <etag>", "only if nobody changed it since: the etag that `topic info` shows");
  withCommonOptions(withTopicSettings(update)).action(
    async (name: string, options: UpdateOptions) => {
      await context.withClient(options, async (client) => {
        const found = client.topic(name);
        const { settings: current } = await found.describe();
        const given = await topicSettingsOf(context, options, current);
        const settings = { ...options.reset, ...withoutUnset(given) };
        if (Object.keys(settings).length === 0) {
          throw usageFailure(
            "Name a setting to change.",
            "As in `forebay topic update news --display-name 'The news'`; the archive has `forebay topic archive`.",
          );
        }
        const changed = await found.set(settings, { etag: options.etag });
        await context.output.one(options.output, topicRow(changed));
      });
    },
  );
}

const withoutUnset = (settings: TopicSettings): TopicSettings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

function addTagging(topic: Command, context: CliContext): void {
  const tag = topic
    .command("tag <topic> <name=value...>")
    .description("set tags, overwriting by name");
  withCommonOptions(tag).action(async (name: string, pairs: string[], options: CommonOptions) => {
    const tags = pairs.reduce<Record<string, string>>((before, text) => pair(text, before), {});
    await context.withClient(options, async (client) => {
      await client.topic(name).tag(tags);
      await printTags(context, options, client.topic(name));
    });
  });
  const untag = topic.command("untag <topic> <name...>").description("remove tags");
  withCommonOptions(untag).action(async (name: string, keys: string[], options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      await client.topic(name).untag(keys);
      await printTags(context, options, client.topic(name));
    });
  });
  const tags = topic.command("tags <topic>").description("show tags");
  withCommonOptions(tags).action(async (name: string, options: CommonOptions) => {
    await context.withClient(options, (client) => printTags(context, options, client.topic(name)));
  });
}

/** As JSON one object; else a row each. */
async function printTags(context: CliContext, options: CommonOptions, topic: Topic): Promise<void> {
  const tags = await topic.tags();
  if (options.output === "json") {
    await context.output.one("json", { cells: {}, json: tags, raw: "" });
    return;
  }
  const rows = Object.entries(tags).map(([tag, value]) => {
    const cells = { tag, value };
    return { cells, json: cells, raw: `${tag}=${value}` };
  });
  const count = await context.output.many(options.output, ["tag", "value"], rows);
  if (count === 0) context.output.note(`${topic.name} has no tags.`);
}

/** What can be granted. */
const permittedActions = [
  "GetTopic",
  "UpdateTopic",
  "AddPermission",
  "RemovePermission",
  "DeleteTopic",
  "Subscribe",
  "ListSubscriptionsByTopic",
  "Publish",
  "Receive",
] as const satisfies readonly PermittedTopicAction[];

interface AllowOptions extends CommonOptions {
  readonly principal: readonly string[];
  readonly action: readonly PermittedTopicAction[];
}

function addPermissions(topic: Command, context: CliContext): void {
  const allow = topic
    .command("allow <topic> <label>")
    .description("let others use a topic: adds a statement to its policy (not enforced yet)")
    .requiredOption("--principal <principal>", "who; may be repeated", repeated)
    .requiredOption(
      "--action <action>",
      `what: ${permittedActions.join(", ")}; may be repeated`,
      (text, before: readonly PermittedTopicAction[] = []) => [
        ...before,
        oneOf(permittedActions)(text),
      ],
    );
  withCommonOptions(allow).action(async (name: string, label: string, options: AllowOptions) => {
    await context.withClient(options, async (client) => {
      const { principal: principals, action: actions } = options;
      await client.topic(name).addPermission({ label, principals, actions });
      await printPermission(context, options, name, label);
    });
  });
  const disallow = topic
    .command("disallow <topic> <label>")
    .description("take such a permission back");
  withCommonOptions(disallow).action(
    async (name: string, label: string, options: CommonOptions) => {
      await context.withClient(options, async (client) => {
        await client.topic(name).removePermission(label);
        await printPermission(context, options, name, label);
      });
    },
  );
}

function printPermission(
  context: CliContext,
  options: CommonOptions,
  topic: string,
  label: string,
): Promise<void> {
  const row = { topic, label };
  return context.output.one(options.output, { cells: row, json: row, raw: label });
}
