// `forebay tail` and `forebay consume`: what is published, as it comes. Both print until they are stopped, a line for each message;
// a tail leaves no trace, a consumer takes what it acknowledges.

import type {
  FilterPolicyScope,
  StreamMessage,
  TailItem,
  TailSlowPolicy,
  TopicMessage,
} from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, duration, oneOf, wholeNumber } from "./context.js";
import { attributesJson, bodyCell, bodyJson } from "./message-rows.js";
import type { OutputFormat } from "./output.js";
import { printable } from "./printable.js";
import { Until, type UntilOptions, withUntil } from "./until.js";

interface TailCommandOptions extends UntilOptions {
  readonly filter?: string;
  readonly filterScope?: FilterPolicyScope;
  readonly after?: string;
  readonly buffer?: number;
  readonly bufferBytes?: number;
  readonly slow?: TailSlowPolicy;
  readonly heartbeat?: number;
}

export function addTailCommand(parent: Command, context: CliContext): void {
  const tail = parent
    .command("tail <topic>")
    .description("show what is published to a topic, as it is published; nothing is taken")
    .option("--filter <json>", 'only these messages, as {"kind":["weather"]}')
    .option(
      "--filter-scope <scope>",
      "what the filter looks at: message-attributes, message-body (default: message-attributes)",
      oneOf(["MESSAGE_ATTRIBUTES", "MESSAGE_BODY"]),
    )
    .option("--after <sequence>", "begin behind this message, as far as it is still kept")
    .option("--buffer <count>", "messages the server keeps for a slow reader", wholeNumber(1))
    .option("--buffer-bytes <bytes>", "bytes it keeps (65536 to 67108864)", wholeNumber(1))
    .option(
      "--slow <what>",
      "beyond that: drop-oldest, drop-newest, or disconnect and begin again (default: drop-oldest)",
      oneOf(["DROP_OLDEST", "DROP_NEWEST", "DISCONNECT"]),
    )
    .option("--heartbeat <span>", "how often the server says that it lives (5s to 5m)", duration);
  withUntil(tail).action(async (name: string, options: TailCommandOptions) => {
    await context.withClient(options, async (client) => {
      const ended = new Until(context, options);
      const items = client.topic(name).tail({
        filterPolicy: options.filter,
        filterPolicyScope: options.filterScope,
        after: options.after,
        bufferMessages: options.buffer,
        bufferBytes: options.bufferBytes,
        slowPolicy: options.slow,
        heartbeatMs: options.heartbeat,
        signal: ended.signal,
        onReady: () => ended.begin(() => context.output.note(`Tailing ${name}. Ctrl-C stops.`)),
      });
      for await (const item of items) {
        const isMessage = await show(context, options.output, item);
        if (context.output.isStdoutGone || (isMessage && ended.isEnoughAfterOne())) break;
      }
      ended.close();
    });
  });
}

interface ConsumeCommandOptions extends UntilOptions {
  readonly ack?: boolean;
}

export function addConsumeCommand(parent: Command, context: CliContext): void {
  const consume = parent
    .command("consume <subscription>")
    .description("take messages of a subscription of kind stream, shared with other consumers")
    .option("--ack", "they are done once printed; without it they come again");
  withUntil(consume).action(async (id: string, options: ConsumeCommandOptions) => {
    await context.withClient(options, async (client) => {
      // Says at once when there is none; later the loop waits for a server that is away.
      await client.subscription(id).describe();
      const ended = new Until(context, options);
      ended.begin(() => context.output.note(`Consuming ${id}. Ctrl-C stops.`));
      const maxMessages = Math.min(options.max ?? consumedAtOnce, consumedAtOnce);
      const messages = client.subscription(id).consume({ maxMessages, signal: ended.signal });
      for await (const message of messages) {
        await print(context, options.output, consumedOf(message));
        if (context.output.isStdoutGone) break;
        if (options.ack === true) await message.ack();
        if (ended.isEnoughAfterOne()) break;
      }
      ended.close();
      if (options.ack !== true) {
        context.output.note("Not acknowledged: they go to the next consumer. --ack takes them.");
      }
    });
  });
}

/** Without `--ack` this is how many a command holds before it gets no more. */
const consumedAtOnce = 1_000;

/** Prints an item of a tail; true for a message. */
async function show(context: CliContext, format: OutputFormat, item: TailItem): Promise<boolean> {
  if (item.kind === "message") {
    await print(context, format, publishedOf(item.message));
    return true;
  }
  const { skippedCount, lastShown, next, cause } = item;
  const many = skippedCount === undefined ? "Messages" : `${skippedCount} messages`;
  context.output.note(`${many} before ${next} were skipped: ${cause ?? "unknown"}.`);
  if (format === "json" || format === "jsonl") {
    const gap = { skippedCount, lastShown, next, cause };
    await context.output.print(`${JSON.stringify({ gap })}\n`);
  }
  return false;
}

interface Shown {
  readonly message: TopicMessage;
  readonly json: Readonly<Record<string, unknown>>;
}

const publishedOf = (message: TopicMessage): Shown => ({
  message,
  json: {
    messageId: message.messageId,
    topic: message.topic,
    subject: message.subject,
    ...bodyJson(message.body),
    attributes: attributesJson(message.attributes),
    publishTime: message.publishTime?.toISOString(),
    sequenceNumber: message.sequenceNumber,
    groupId: message.groupId,
    dedupId: message.dedupId,
    isReplayed: message.isReplayed,
    contentType: message.contentType || undefined,
    traceparent: message.traceparent || undefined,
  },
});

const consumedOf = (message: StreamMessage): Shown => ({
  message,
  json: { ...publishedOf(message).json, attempt: message.attempt },
});

/** A line for each: what comes for ever never makes a whole table, or a whole array. */
async function print(
  { output }: CliContext,
  format: OutputFormat,
  { message, json }: Shown,
): Promise<void> {
  if (format === "raw") {
    await output.many("raw", [], [{ cells: {}, json, raw: message.body }]);
  } else if (format === "table") {
    const at = message.publishTime?.toISOString() ?? "";
    await output.print(`${at}  ${message.sequenceNumber}  ${printable(bodyCell(message.body))}\n`);
  } else {
    await output.print(`${JSON.stringify(json)}\n`);
  }
}
