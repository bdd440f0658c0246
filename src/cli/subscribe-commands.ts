// `forebay subscribe`, `confirm` and `unsubscribe`: who gets what is published to a topic.

import type { SubscriptionTarget, TargetKind } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, withCommonOptions } from "./context.js";
import { usageFailure } from "./failure.js";
import {
  type SubscriptionFlags,
  subscriptionSettingsOf,
  withSubscriptionSettings,
} from "./subscription-options.js";
import { subscriptionRow } from "./topic-rows.js";

export function addSubscribeCommands(parent: Command, context: CliContext): void {
  addSubscribe(parent, context);
  addConfirm(parent, context);
  addUnsubscribe(parent, context);
}

/** Those whose names would say too little without `topic` before them. */
export function addSubscriptionCommands(topic: Command, context: CliContext): void {
  addUpdate(topic, context);
  addToken(topic, context);
  const commands = [
    ["pause", true, "keep a subscription's messages until it is resumed, 14 days at most"],
    ["resume", false, "deliver a subscription's messages again, those that waited first"],
  ] as const;
  for (const [name, paused, description] of commands) {
    const command = topic.command(`${name} <subscription>`).description(description);
    withCommonOptions(command).action(async (id: string, options: CommonOptions) => {
      await context.withClient(options, async (client) => {
        const description = await client.subscription(id).set({ paused });
        await context.output.one(options.output, subscriptionRow(description));
      });
    });
  }
}

interface SubscribeOptions extends CommonOptions, SubscriptionFlags {
  readonly webhook?: string;
  readonly function?: string;
  readonly stream?: string;
  readonly paused?: boolean;
}

const subscribeHelp = `
One target:
  forebay subscribe news inbox                                a queue of the topic's namespace
  forebay subscribe news --webhook https://example.com/hook   asked first; pending until it confirms
  forebay subscribe news --function grpcs://example.com:443   a ReceiverService of yours (gRPC)
  forebay subscribe news --stream workers                     a backlog that \`forebay consume\` shares out`;

function addSubscribe(parent: Command, context: CliContext): void {
  const subscribe = parent
    .command("subscribe <topic> [queue]")
    .description("give a queue, webhook, function or stream what is published from now on")
    .option("--webhook <url>", "post to this URL, http:// or https://")
    .option("--function <endpoint>", "call the ReceiverService at grpc(s)://host:port")
    .option("--stream <name>", "keep for consumers who share it")
    .option("--paused", "keep the messages until the subscription is resumed")
    .addHelpText("after", subscribeHelp);
  withCommonOptions(withSubscriptionSettings(subscribe)).action(
    async (name: string, queue: string | undefined, options: SubscribeOptions) => {
      const target = targetOf(queue, options);
      const chosen = await subscriptionSettingsOf(context, kindOf(target), options);
      const settings = { ...chosen, paused: options.paused };
      await context.withClient(options, async (client) => {
        const { subscription, created } = await client.topic(name).subscribe(target, { settings });
        const { endpoint, state } = subscription;
        if (state === "PENDING") {
          context.output.note(
            `${endpoint} is asked to confirm, and gets nothing before it has: by visiting the SubscribeURL it is sent, or with \`forebay confirm ${name} <token>\`.`,
          );
        } else if (!created) {
          context.output.note(`${endpoint} is subscribed already, with these settings.`);
        }
        await context.output.one(options.output, subscriptionRow(subscription));
      });
    },
  );
}

function targetOf(queue: string | undefined, options: SubscribeOptions): SubscriptionTarget {
  const targets: SubscriptionTarget[] = [];
  if (queue !== undefined) targets.push({ queue });
  if (options.webhook !== undefined) targets.push({ webhook: options.webhook });
  if (options.function !== undefined) targets.push({ function: options.function });
  if (options.stream !== undefined) targets.push({ stream: options.stream });
  const [target] = targets;
  if (target !== undefined && targets.length === 1) return target;
  throw usageFailure(
    `Name one target, not ${targets.length === 0 ? "none" : targets.length}.`,
    "As in `forebay subscribe news inbox`, or with --webhook, --function or --stream.",
  );
}

function kindOf(target: SubscriptionTarget): TargetKind {
  if ("queue" in target) return "QUEUE";
  if ("function" in target) return "FUNCTION";
  if ("stream" in target) return "STREAM";
  return /^https:/i.test(target.webhook) ? "HTTPS" : "HTTP";
}

function addUpdate(topic: Command, context: CliContext): void {
  const update = topic
    .command("subscription-update <id>")
    .description("change settings of a subscription, those that are given")
    .option("--etag <etag>", "only if nobody changed it since: as `topic subscription` shows it");
  withCommonOptions(withSubscriptionSettings(update)).action(
    async (
      id: string,
      options: CommonOptions & SubscriptionFlags & { readonly etag?: string },
    ): Promise<void> => {
      await context.withClient(options, async (client) => {
        const found = client.subscription(id);
        const { kind, settings: current } = await found.describe();
        const settings = await subscriptionSettingsOf(context, kind, options, current);
        if (Object.keys(settings).length === 0) {
          throw usageFailure(
            "Name a setting to change.",
            "As in `forebay topic subscription-update <id> --retries 5`.",
          );
        }
        const description = await found.set(settings, { etag: options.etag });
        await context.output.one(options.output, subscriptionRow(description));
      });
    },
  );
}

function addToken(topic: Command, context: CliContext): void {
  const token = topic
    .command("token <subscription>")
    .description(
      "show the token that confirms a pending subscription: for tests; -o raw: it alone",
    );
  withCommonOptions(token).action(async (id: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      const pending = await client.subscription(id).pendingToken();
      const expires = pending.expireTime?.toISOString() ?? "";
      const cells = { token: pending.token, expires };
      await context.output.one(options.output, { cells, json: pending, raw: pending.token });
    });
  });
}

function addConfirm(parent: Command, context: CliContext): void {
  const confirm = parent
    .command("confirm <topic> <token>")
    .description("confirm a subscription with the token that its target was sent")
    .option("--authenticate-on-unsubscribe", "the link in its envelopes ends it no more");
  withCommonOptions(confirm).action(
    async (
      name: string,
      token: string,
      options: CommonOptions & { readonly authenticateOnUnsubscribe?: boolean },
    ): Promise<void> => {
      const { authenticateOnUnsubscribe } = options;
      await context.withClient(options, async (client) => {
        const subscription = await client.topic(name).confirm(token, { authenticateOnUnsubscribe });
        await context.output.one(options.output, subscriptionRow(subscription));
      });
    },
  );
}

function addUnsubscribe(parent: Command, context: CliContext): void {
  const unsubscribe = parent
    .command("unsubscribe <id>")
    .description("end a subscription; what waits for it is dropped");
  withCommonOptions(unsubscribe).action(async (id: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      const existed = await client.subscription(id).remove();
      if (!existed) context.output.note(`${id} had ended already, or never was.`);
      const cells = { subscription: id };
      await context.output.one(options.output, { cells, json: { ...cells, existed }, raw: id });
    });
  });
}
