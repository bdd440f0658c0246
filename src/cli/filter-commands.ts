// `forebay filter test` and `filter set`: whether a filter takes a message, and why, with nothing published; and another filter for
// a subscription.

import type { FilterKeyVerdict, FilterPolicyScope } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, oneOf, pair, withCommonOptions } from "./context.js";
import { numbered } from "./topic-attributes.js";
import { subscriptionRow } from "./topic-rows.js";

interface TestOptions extends CommonOptions {
  readonly scope?: FilterPolicyScope;
  readonly message?: string;
  readonly attribute?: Readonly<Record<string, string>>;
  readonly number?: Readonly<Record<string, string>>;
}

const testHelp = `
As in
  forebay filter test '{"price":[{"numeric":[">",100]}]}' --number price=120
  forebay filter test '{"kind":["order"]}' --scope message-body --message '{"kind":"order"}'`;

export function addFilterCommands(parent: Command, context: CliContext): void {
  const filter = parent.command("filter").description("try and set filters of subscriptions");
  addTest(filter, context);
  addSet(filter, context);
}

function addTest(filter: Command, context: CliContext): void {
  const tested = filter
    .command("test <filter>")
    .description("say whether a filter takes a message, key by key; -o raw: true or false")
    .option("--message <text>", "the message")
    .option("--attribute <name=value>", "an attribute of type String; may be repeated", pair)
    .option("--number <name=value>", "an attribute of type Number; may be repeated", pair)
    .option(
      "--scope <scope>",
      "what the filter looks at: message-attributes, message-body (default: message-attributes)",
      oneOf(["MESSAGE_ATTRIBUTES", "MESSAGE_BODY"]),
    )
    .addHelpText("after", testHelp);
  withCommonOptions(tested).action(async (filterPolicy: string, options: TestOptions) => {
    await context.withClient(options, async (client) => {
      const verdict = await client.testFilter({
        filterPolicy,
        filterPolicyScope: options.scope,
        message: options.message,
        attributes: { ...options.attribute, ...numbered(options.number) },
      });
      const { matched, keys } = verdict;
      await context.output.one(options.output, {
        cells: {
          message: matched ? "taken" : "not taken",
          ...Object.fromEntries(keys.map((key) => [key.path, keyText(key)])),
        },
        json: verdict,
        raw: String(matched),
      });
    });
  });
}

interface SetOptions extends CommonOptions {
  readonly scope?: FilterPolicyScope;
}

function addSet(filter: Command, context: CliContext): void {
  const set = filter
    .command("set <subscription> <filter>")
    .description("judge what is published from now on by another filter; {} takes everything")
    .option(
      "--scope <scope>",
      "what it looks at: message-attributes, message-body (default: as before)",
      oneOf(["MESSAGE_ATTRIBUTES", "MESSAGE_BODY"]),
    );
  withCommonOptions(set).action(async (id: string, filterPolicy: string, options: SetOptions) => {
    await context.withClient(options, async (client) => {
      const settings = { filterPolicy, filterPolicyScope: options.scope };
      const description = await client.subscription(id).set(settings);
      await context.output.one(options.output, subscriptionRow(description));
    });
  });
}

const keyText = ({ matched, explanation }: FilterKeyVerdict): string =>
  `${matched ? "yes" : "no"}: ${explanation}`;
