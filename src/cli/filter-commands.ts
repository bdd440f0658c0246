// `forebay filter test`: whether a filter takes a message, and why. Nothing is published.

import type { FilterKeyVerdict, FilterPolicyScope } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, oneOf, pair, withCommonOptions } from "./context.js";
import { numbered } from "./topic-attributes.js";

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
  const filter = parent.command("filter").description("try filters of subscriptions");
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

const keyText = ({ matched, explanation }: FilterKeyVerdict): string =>
  `${matched ? "yes" : "no"}: ${explanation}`;
