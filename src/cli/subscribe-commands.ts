// `forebay subscribe`, `confirm` and `unsubscribe`: who gets what is published to a topic.

import { readFileSync } from "node:fs";
import type { FilterPolicyScope, SubscriptionSettings, SubscriptionTarget } from "@forebay/client";
import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  duration,
  oneOf,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";
import { subscriptionRow } from "./topic-rows.js";

export function addSubscribeCommands(parent: Command, context: CliContext): void {
  addSubscribe(parent, context);
  addConfirm(parent, context);
  addUnsubscribe(parent, context);
}

/** Those whose names would say too little without `topic` before them. */
export function addPauseCommands(topic: Command, context: CliContext): void {
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

interface SubscribeOptions extends CommonOptions {
  readonly webhook?: string;
  readonly function?: string;
  readonly stream?: string;
  readonly raw?: boolean;
  readonly deadLetterQueue?: string;
  readonly paused?: boolean;
  readonly filter?: string;
  readonly filterScope?: FilterPolicyScope;
  readonly retries?: number;
  readonly maxPerSecond?: number;
  readonly hmacSecret?: string;
  readonly caFile?: string;
  readonly batch?: number;
  readonly bearerTokenFile?: string;
  readonly ackDeadline?: number;
  readonly maxInFlight?: number;
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
    .option("--raw", "deliver the message alone, without the envelope")
    .option("--dead-letter-queue <queue>", "where messages go that cannot be delivered")
    .option("--paused", "keep the messages until the subscription is resumed")
    .option("--filter <json>", 'which messages are for it, as {"kind":["weather"]}')
    .option(
      "--filter-scope <scope>",
      "what the filter looks at: message-attributes, message-body (default: message-attributes)",
      oneOf(["MESSAGE_ATTRIBUTES", "MESSAGE_BODY"]),
    )
    .option("--retries <count>", "webhook, function: how often to try again", wholeNumber(0))
    .option("--max-per-second <count>", "deliveries a second at most", wholeNumber(1))
    .option("--hmac-secret <text>", "webhook: the secret of its HMAC headers (24 to 64 bytes)")
    .option("--ca-file <path>", "webhook, function: the certificates to trust there (PEM)")
    .option("--batch <count>", "function: messages a call carries at most", wholeNumber(1))
    .option("--bearer-token-file <path>", "function: a file with the token to send")
    .option("--ack-deadline <span>", "stream: how long a consumer has a message", duration)
    .option("--max-in-flight <count>", "stream: messages with its consumers", wholeNumber(1))
    .addHelpText("after", subscribeHelp);
  withCommonOptions(subscribe).action(
    async (name: string, queue: string | undefined, options: SubscribeOptions) => {
      const target = targetOf(queue, options);
      const settings = settingsOf(target, options);
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

function settingsOf(target: SubscriptionTarget, options: SubscribeOptions): SubscriptionSettings {
  const { retries, maxPerSecond } = options;
  const caCertificates = readPem(options.caFile);
  const hasPolicy = retries !== undefined || maxPerSecond !== undefined;
  return {
    rawMessageDelivery: options.raw,
    deadLetterQueue: options.deadLetterQueue,
    paused: options.paused,
    filterPolicy: options.filter,
    filterPolicyScope: options.filterScope,
    deliveryPolicy: hasPolicy ? { retries, maxReceivesPerSecond: maxPerSecond } : undefined,
    webhook:
      "webhook" in target
        ? {
            caCertificates,
            hmacSecret:
              options.hmacSecret === undefined
                ? undefined
                : Buffer.from(options.hmacSecret, "utf8"),
          }
        : undefined,
    function:
      "function" in target
        ? {
            caCertificates,
            batchMax: options.batch,
            bearerToken: readPem(options.bearerTokenFile)?.trim(),
          }
        : undefined,
    stream:
      "stream" in target
        ? { ackDeadlineMs: options.ackDeadline, maxInFlight: options.maxInFlight }
        : undefined,
  };
}

function readPem(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageFailure(`${path} cannot be read: ${why}`);
  }
}

function addConfirm(parent: Command, context: CliContext): void {
  const confirm = parent
    .command("confirm <topic> <token>")
    .description("confirm a subscription with the token that its target was sent");
  withCommonOptions(confirm).action(async (name: string, token: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      const subscription = await client.topic(name).confirm(token);
      await context.output.one(options.output, subscriptionRow(subscription));
    });
  });
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
