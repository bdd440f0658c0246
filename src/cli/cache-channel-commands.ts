// `forebay cache publish` and `forebay cache subscribe`: what is said in the channels of a cache, as it is said. Nothing of it is
// stored, so a subscription prints until it is stopped, a line for each message.

import type { CacheValue, ChannelEvent, ChannelPlace } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, repeated, withCommonOptions } from "./context.js";
import { usageFailure } from "./failure.js";
import { readInput } from "./input.js";
import { bodyCell, bodyJson } from "./message-rows.js";
import type { OutputFormat } from "./output.js";
import { printable } from "./printable.js";
import { Until, type UntilOptions, withUntil } from "./until.js";

interface PublishFlags extends CommonOptions {
  readonly cache: string;
  readonly file?: string;
  readonly publisher?: string;
}

const withCache = (command: Command): Command =>
  command.option("-c, --cache <cache>", "the name of the cache", "default");

export function addCacheChannelCommands(cache: Command, context: CliContext): void {
  const publish = cache
    .command("publish <channel> [message]")
    .description("show a message to everybody who is subscribed to a channel now")
    .option("--file <path>", "the message from a file, or from stdin as -")
    .option("--publisher <name>", "what you call yourself");
  withCommonOptions(withCache(publish)).action(
    async (channel: string, text: string | undefined, flags: PublishFlags) => {
      const message = await givenMessage(context, text, flags);
      await context.withClient(flags, async (client) => {
        const { publisher } = flags;
        const made = await client.cache(flags.cache).publish(channel, message, { publisher });
        const { sequence, receivers, stamp } = made;
        await context.output.one(flags.output, {
          cells: { channel, sequence: String(sequence), receivers: String(receivers) },
          json: { channel, sequence, receivers, stamp },
          raw: String(sequence),
        });
      });
    },
  );
  addSubscribe(cache, context);
}

async function givenMessage(
  context: CliContext,
  text: string | undefined,
  { file }: PublishFlags,
): Promise<string | Buffer> {
  if ((text === undefined) === (file === undefined)) {
    throw usageFailure(
      "Give a message, or --file with where it is.",
      "As in `forebay cache publish news hello`.",
    );
  }
  return file === undefined ? (text ?? "") : await readInput(context, file);
}

interface SubscribeFlags extends UntilOptions {
  readonly cache: string;
  readonly pattern?: readonly string[];
  readonly after?: readonly string[];
}

function addSubscribe(cache: Command, context: CliContext): void {
  const subscribe = cache
    .command("subscribe [channel...]")
    .description("show what is published to channels, as it is published")
    .option(
      "--pattern <pattern>",
      "also channels like this, as 'news.*'; may be repeated",
      repeated,
    )
    .option(
      "--after <place>",
      "go on after a message, as news=12@STAMP with the stamp it was shown with; may be repeated",
      repeated,
    );
  withUntil(withCache(subscribe)).action(async (channels: string[], flags: SubscribeFlags) => {
    const { pattern: patterns = [], after = [] } = flags;
    if (channels.length === 0 && patterns.length === 0) {
      throw usageFailure("Name a channel, or give --pattern.");
    }
    const resumeAt = after.map(placeOf);
    const what = [...channels, ...patterns].join(", ");
    await context.withClient(flags, async (client) => {
      const ended = new Until(context, flags);
      const events = client.cache(flags.cache).subscribe({
        channels,
        patterns,
        resumeAt,
        signal: ended.signal,
        onReady: () =>
          ended.begin(() => context.output.note(`Listening to ${what}. Ctrl-C stops.`)),
      });
      for await (const event of events) {
        const isMessage = await show(context, flags.output, event);
        if (context.output.isStdoutGone || (isMessage && ended.isEnoughAfterOne())) break;
      }
      ended.close();
    });
  });
}

/** Names of channels may have any sign in them, so it is read from its end. */
function placeOf(text: string): ChannelPlace {
  const [, channel, sequence, stamp] = /^(.+)=(\d{1,15})@([^@]+)$/s.exec(text) ?? [];
  if (channel === undefined || sequence === undefined || stamp === undefined) {
    throw usageFailure(`"${text}" is no place.`, "As in `--after news=12@STAMP`.");
  }
  return { channel, sequence: Number(sequence), stamp };
}

/** Prints an event; true for a message. */
async function show(
  context: CliContext,
  format: OutputFormat,
  event: ChannelEvent,
): Promise<boolean> {
  const isJson = format === "json" || format === "jsonl";
  if (event.kind === "discontinuity") {
    const { kind, ...discontinuity } = event;
    context.output.note(lostText(event));
    if (isJson) await context.output.print(`${JSON.stringify({ [kind]: discontinuity })}\n`);
    return false;
  }
  const { channel, sequence, stamp, data, publisher } = event;
  const bytes = bytesOf(data);
  const at = event.publishedAt?.toISOString() ?? "";
  if (isJson) {
    const json = { channel, sequence, stamp, ...bodyJson(bytes), publisher, publishTime: at };
    await context.output.print(`${JSON.stringify(json)}\n`);
  } else if (format === "raw") {
    await context.output.many("raw", [], [{ cells: {}, json: {}, raw: data }]);
  } else {
    const line = `${at}  ${printable(channel)}  ${sequence}  ${printable(bodyCell(bytes))}\n`;
    await context.output.print(line);
  }
  return true;
}

const bytesOf = (data: CacheValue): Buffer => Buffer.from(data);

function lostText({
  channel,
  from,
  to,
  cause,
}: Extract<ChannelEvent, { kind: "discontinuity" }>): string {
  const what = channel === undefined ? "channels" : printable(channel);
  const which = `${from ?? "?"} to ${to ?? "?"}`;
  return `Of ${what} messages were missed, ${which}: ${cause.replaceAll("_", " ")}.`;
}
