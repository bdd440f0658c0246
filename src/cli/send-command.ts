// `forebay send`: one message, many of the same, a file, or a line of stdin each.

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Body, MessageOptions, Queue, SendResult } from "@forebay/client";
import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  duration,
  pair,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";
import type { Row } from "./output.js";

/** Sends under way at most: enough to fill the batches they leave in, few enough to hold a file of any length. */
const sendsInFlightMax = 512;

interface SendOptions extends CommonOptions {
  readonly count: number;
  readonly file?: string;
  readonly binary?: boolean;
  readonly attribute?: Readonly<Record<string, string>>;
  readonly delay?: number;
  readonly group?: string;
  readonly dedup?: string;
  readonly traceHeader?: string;
}

export function addSendCommand(program: Command, context: CliContext): void {
  const send = program
    .command("send <queue> [body]")
    .description("send messages; a body of `-` sends every line of stdin as one")
    .option("--count <count>", "send each body so many times", wholeNumber(1), 1)
    .option("--file <path>", "send what a file holds as one message")
    .option("--binary", "send bodies as bytes, not as text")
    .option("--attribute <name=value>", "an attribute of type String; may be repeated", pair)
    .option("--delay <span>", "how long the messages stay invisible (0s to 15m)", duration)
    .option("--group <id>", "the message group")
    .option("--dedup <id>", "the deduplication id, of FIFO queues")
    .option("--trace-header <text>", "a trace header carried with the messages");
  withCommonOptions(send).action(
    async (name: string, body: string | undefined, options: SendOptions) => {
      const bodies = bodiesOf(context, body, options);
      await context.withQueue(name, options, (queue) => sendAll(context, queue, bodies, options));
    },
  );
}

async function sendAll(
  context: CliContext,
  queue: Queue,
  bodies: AsyncIterable<Body>,
  options: SendOptions,
): Promise<void> {
  const startedMs = context.clock.monotonicMs();
  const message: MessageOptions = {
    attributes: options.attribute,
    delayMs: options.delay,
    groupId: options.group,
    dedupId: options.dedup,
    traceHeader: options.traceHeader,
  };
  let count = 0;
  async function* rows(): AsyncGenerator<Row> {
    for await (const result of sendEach(queue, bodies, message)) {
      count += 1;
      yield sentRow(result);
    }
  }
  await context.output.many(options.output, ["message", "md5"], rows());
  if (count > 1) {
    const seconds = (context.clock.monotonicMs() - startedMs) / 1_000;
    context.output.note(
      `${count} messages sent in ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} a second.`,
    );
  }
}

/** The results in the order of the bodies, a window of sends ahead. The first failure ends it. */
async function* sendEach(
  queue: Queue,
  bodies: AsyncIterable<Body>,
  options: MessageOptions,
): AsyncGenerator<SendResult> {
  const underWay: Promise<SendResult>[] = [];
  for await (const body of bodies) {
    const send = queue.send(body, options);
    // Whoever awaits it below hears of a failure; until then it must not count as unhandled.
    send.catch(() => undefined);
    underWay.push(send);
    if (underWay.length < sendsInFlightMax) continue;
    const oldest = underWay.shift();
    if (oldest !== undefined) yield await oldest;
  }
  for (const send of underWay) yield await send;
}

async function* bodiesOf(
  context: CliContext,
  body: string | undefined,
  { file, count, binary }: SendOptions,
): AsyncGenerator<Body> {
  if ((body === undefined) === (file === undefined)) {
    throw usageFailure(
      "Give a body, or --file, not both.",
      "As in `forebay send orders hello`, or `forebay send orders -` for the lines of stdin.",
    );
  }
  const asAsked = (text: string): Body => (binary === true ? Buffer.from(text, "utf8") : text);
  if (body === "-") {
    for await (const line of createInterface({ input: context.stdin, crlfDelay: Infinity })) {
      // A body holds at least one character.
      if (line !== "") for (let sent = 0; sent < count; sent += 1) yield asAsked(line);
    }
    return;
  }
  const whole = file === undefined ? asAsked(body ?? "") : await fileBody(file, binary === true);
  for (let sent = 0; sent < count; sent += 1) yield whole;
}

async function fileBody(path: string, isBinary: boolean): Promise<Body> {
  try {
    return isBinary ? await readFile(path) : await readFile(path, "utf8");
  } catch (error) {
    throw usageFailure(
      `${path} cannot be read: ${error instanceof Error ? error.message : error}.`,
    );
  }
}

function sentRow(result: SendResult): Row {
  return {
    cells: { message: result.messageId, md5: result.md5OfBody },
    json: { messageId: result.messageId, md5OfBody: result.md5OfBody },
    raw: result.messageId,
  };
}
