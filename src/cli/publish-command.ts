// `forebay publish`: one message, a file, or a line of stdin each, ten to a call.

import { createInterface } from "node:readline";
import type { PublishOptions as MessageOptions, PublishResult, Topic } from "@forebay/client";
import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  duration,
  oneOf,
  pair,
  withCommonOptions,
} from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure, usageFailure } from "./failure.js";
import { bodyOf, readInput } from "./input.js";
import type { Row } from "./output.js";
import { numbered } from "./topic-attributes.js";

/** As many as a call takes. */
const batchMax = 10;

interface PublishOptions extends CommonOptions {
  readonly file?: string;
  readonly binary?: boolean;
  readonly contentType?: string;
  readonly subject?: string;
  readonly structure?: "json";
  readonly attribute?: Readonly<Record<string, string>>;
  readonly number?: Readonly<Record<string, string>>;
  readonly group?: string;
  readonly dedupId?: string;
  readonly delay?: number;
  readonly ttl?: number;
  readonly counts?: boolean;
}

export function addPublishCommand(program: Command, context: CliContext): void {
  const publish = program
    .command("publish <topic> [body]")
    .description(
      "publish a message to everybody who is subscribed; a body of `-` publishes every line of stdin as one",
    )
    .option("--file <path>", "publish what a file holds (-: all of stdin)")
    .option("--binary", "publish the body as bytes, not as text")
    .option("--content-type <type>", "with --binary: the media type, for subscribers")
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
    .option("--ttl <span>", "do not deliver later than so long from now (1s to 14d)", duration)
    .option("--counts", "say for how many subscriptions it is");
  withCommonOptions(publish).action(
    async (name: string, given: string | undefined, options: PublishOptions) => {
      if ((given === undefined) === (options.file === undefined)) {
        throw usageFailure(
          "Give a body, or --file, not both.",
          "As in `forebay publish news 'it rains'`, or `forebay publish news -` for the lines of stdin.",
        );
      }
      if (given === "-" && options.counts === true) {
        throw usageFailure("--counts is for a single message.");
      }
      await context.withClient(options, async (client) => {
        const topic = client.topic(name);
        if (given === "-") await publishLines(context, topic, options);
        else await publishOne(context, topic, given, options);
      });
    },
  );
}

const messageOf = (options: PublishOptions): MessageOptions => ({
  subject: options.subject,
  contentType: options.contentType,
  structure: options.structure,
  attributes: { ...options.attribute, ...numbered(options.number) },
  groupId: options.group,
  dedupId: options.dedupId,
  delayMs: options.delay,
  timeToLiveMs: options.ttl,
});

async function publishOne(
  context: CliContext,
  topic: Topic,
  given: string | undefined,
  options: PublishOptions,
): Promise<void> {
  const content =
    options.file === undefined ? (given ?? "") : await readInput(context, options.file);
  const result = await topic.publish(bodyOf(content, options.binary === true), {
    ...messageOf(options),
    wantCounts: options.counts,
  });
  if (result.duplicate) context.output.note("It repeats an earlier message and went to nobody.");
  const { matchedSubscriptionCount: matched, filteredSubscriptionCount: filtered } = result;
  const { cells, raw } = rowOf(result);
  await context.output.one(options.output, {
    cells: {
      ...cells,
      ...(matched !== undefined && { subscriptions: String(matched) }),
      ...(filtered !== undefined && { "kept back for": String(filtered) }),
    },
    json: result,
    raw,
  });
}

/** Ends with the first batch of which something was refused: the lines after it are not published. */
async function publishLines(
  context: CliContext,
  topic: Topic,
  options: PublishOptions,
): Promise<void> {
  let count = 0;
  let failure: CliFailure | undefined;
  async function* rows(): AsyncGenerator<Row> {
    for await (const lines of batchesOf(context)) {
      const messages = lines.map((line) => ({
        body: bodyOf(line, options.binary === true),
        ...messageOf(options),
      }));
      const { successful, failed } = await topic.publishBatch(messages);
      for (const result of successful) yield rowOf(result);
      const [first] = failed;
      if (first !== undefined) {
        const place = count + Number(first.id) + 1;
        failure = new CliFailure(`${first.reason}: message ${place}: ${first.message}`, {
          exitCode: exitCodes.usage.code,
          next: `Of messages ${count + 1} to ${count + lines.length} those shown are published, and none of the lines after them.`,
        });
        return;
      }
      count += lines.length;
    }
  }
  await context.output.many(options.output, ["message", "sequence"], rows());
  // After what was published is printed, whatever the format.
  if (failure !== undefined) throw failure;
}

/** Lines that are not empty: a message holds at least one character. */
async function* batchesOf(context: CliContext): AsyncGenerator<readonly string[]> {
  let batch: string[] = [];
  for await (const line of createInterface({ input: context.stdin, crlfDelay: Infinity })) {
    if (line === "") continue;
    batch.push(line);
    if (batch.length < batchMax) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

const rowOf = ({ messageId, sequenceNumber, ...rest }: PublishResult): Row => ({
  cells: { message: messageId, sequence: sequenceNumber },
  json: { messageId, sequenceNumber, ...rest },
  raw: messageId,
});
