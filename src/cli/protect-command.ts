// `forebay topic protect`: what is looked for in a topic's messages and what is done about it.

import type { Command } from "commander";
import { type CliContext, type CommonOptions, withCommonOptions } from "./context.js";
import { usageFailure } from "./failure.js";
import { readInput } from "./input.js";

interface ProtectOptions extends CommonOptions {
  readonly policy?: string;
  readonly show?: boolean;
  readonly remove?: boolean;
}

const protectHelp = `
A policy that masks card numbers and denies private keys:
  {"Name": "payments", "Version": "2021-06-01", "Statement": [
    {"DataDirection": "Inbound", "Principal": ["*"], "DataIdentifier": ["CreditCardNumber"],
     "Operation": {"Deidentify": {"MaskConfig": {"MaskWithCharacter": "#"}}}},
    {"DataDirection": "Inbound", "Principal": ["*"], "DataIdentifier": ["PrivateKey"],
     "Operation": {"Deny": {}}}]}`;

export function addProtectCommand(topic: Command, context: CliContext): void {
  const protect = topic
    .command("protect <topic>")
    .description("set, show or remove what is looked for in messages, and what is done about it")
    .option("--policy <file>", "set the policy in this file; - reads it from stdin")
    .option("--show", "show the policy; so it does without an option")
    .option("--remove", "remove the policy")
    .addHelpText("after", protectHelp);
  withCommonOptions(protect).action(async (name: string, options: ProtectOptions) => {
    const { policy: path, show, remove } = options;
    const chosen = [path, show, remove].filter((option) => option !== undefined);
    if (chosen.length > 1) throw usageFailure("Take one of --policy, --show and --remove.");
    const text = path === undefined ? "" : String(await readInput(context, path));
    if (path !== undefined && text.trim() === "") {
      throw usageFailure(`${path} is empty. Take --remove to remove the policy.`);
    }
    await context.withClient(options, async (client) => {
      const found = client.topic(name);
      if (path !== undefined || remove === true) await found.protect(text);
      const policy = await found.protection();
      if (policy === "") context.output.note(`${name} has no data protection policy.`);
      await context.output.one(options.output, {
        cells: { topic: name, policy },
        json: { topic: name, dataProtectionPolicy: policy },
        raw: policy,
      });
    });
  });
}
