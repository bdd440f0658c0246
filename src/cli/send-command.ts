// `forebay send`: one message, many of the same, a file, or a line of stdin each.

import { createInterface } from "node:readline";
import type { Body, MessageOptions, Queue, SendResult } from "@forebay/client";
import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  duration,
  instant,
  pair,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";
import { bodyOf, readInput } from "./input.js";
import { type Instant, timeOf } from "./instants.js";
import { isFifoName } from "./message-rows.js";
import type { Row } from "./output.js";

/** Sends under way at most: enough to fill the batches they leave in, few enough to hold a file of any length. */
const sendsInFlightMax = 512;

interface SendOptions extends CommonOptions {
  readonly count: number;
  readonly file?: string;
  readonly binary?: boolean;
  readonly attribute?: Readonly<Record<string, string>>;
  readonly delay?: number;
  readonly deliverAt?: Instant;
  readonly ttl?: number;
  readonly priority?: number;
  readonly group?: string;
  readonly dedupId?: string;
  readonly traceHeader?: string;
}

export function addSendCommand(program: Command, context: CliContext): void {
  const send = program
    .command("send <queue> [body]")
    .description("send messages; a body of `-` sends every line of stdin as one")
    .option("--count <count>", "send each body so many times", wholeNumber(1), 1)
    .option("--file <path>", "send what a file holds as one message (-: all of stdin)")
    .option("--binary", "send bodies as bytes, not as text")
    .option("--attribute <name=value>", "an attribute of type String; may be repeated", pair)
    .option("--delay <span>", "how long the messages stay invisible (0s to 15m)", duration)
    .option(
      "--deliver-at <time>",
      "when they join the queue, as 2026-12-24T18:00:00Z or +2h",
      instant,
    )
    .option("--ttl <span>", "how long they live at most (1s to 14d)", duration)
    .option(
      "--priority <number>",
      "how urgent they are (0 to 9); not on FIFO queues",
      wholeNumber(0),
    )
    .option("--group <id>", "the message group; FIFO queues need one")
    .option(
      "--dedup-id <id>",
      "the deduplication id: a repeat within the queue's window is dropped",
    )
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
    deliverTime: options.deliverAt && timeOf(options.deliverAt, context.clock.now()),
    timeToLiveMs: options.ttl,
    priority: options.priority,
    groupId: options.group,
    dedupId: options.dedupId,
    traceHeader: options.traceHeader,
  };
  let count = 0;
  let duplicateCount = 0;
  async function* rows(): AsyncGenerator<Row> {
    for await (const result of sendEach(queue, bodies, message)) {
      count += 1;
      if (result.duplicate) duplicateCount += 1;
      yield sentRow(result);
    }
  }
  await context.output.many(options.output, sentHeadings(queue.name), rows());
  if (duplicateCount > 0) {
    context.output.note(`${duplicateCount} of ${count} dropped as duplicates.`);
  }
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
  const asAsked = (content: string | Buffer): Body => bodyOf(content, binary === true);
  if (body === "-") {
    for await (const line of createInterface({ input: context.stdin, crlfDelay: Infinity })) {
      // A body holds at least one character.
      if (line !== "") for (let sent = 0; sent < count; sent += 1) yield asAsked(line);
    }
    return;
  }
  const whole = asAsked(file === undefined ? (body ?? "") : await readInput(context, file));
  for (let sent = 0; sent < count; sent += 1) yield whole;
}

function sentHeadings(queue: string): readonly string[] {
  return isFifoName(queue) ? ["message", "sequence", "md5"] : ["message", "md5"];
}

function sentRow({ messageId, md5OfBody, sequenceNumber, duplicate }: SendResult): Row {
  return {
    cells: { message: messageId, sequence: sequenceNumber, md5: md5OfBody },
    json: {
      messageId,
      md5OfBody,
      ...(sequenceNumber !== "" && { sequenceNumber }),
      ...(duplicate && { duplicate }),
    },
    raw: messageId,
  };
}
