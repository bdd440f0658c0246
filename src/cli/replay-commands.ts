// `forebay topic archive`, `replay`, `replays`, `replay-info`, `replay-stop`, `snapshot`, `snapshots` and `snapshot-rm`: what was
// published, once more.

import type {
  ReplayDescription,
  ReplayPoint,
  ReplaySpeed,
  SnapshotDescription,
} from "@forebay/client";
import type { Command } from "commander";
import { confirm } from "./confirm.js";
import {
  type CliContext,
  type CommonOptions,
  duration,
  oneOf,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { parseDuration } from "./durations.js";
import { usageFailure } from "./failure.js";
import { parseInstant, timeOf } from "./instants.js";
import { choiceText } from "./message-rows.js";
import type { Row } from "./output.js";
import { topicRow } from "./topic-rows.js";

const dayMs = 86_400_000;

export function addReplayCommands(topic: Command, context: CliContext): void {
  addArchive(topic, context);
  addReplay(topic, context);
  addReplays(topic, context);
  addReplayInfo(topic, context);
  addReplayStop(topic, context);
  addSnapshots(topic, context);
}

function addArchive(topic: Command, context: CliContext): void {
  const archive = topic
    .command("archive <topic> <days>")
    .description("keep what is published for so many days (1 to 365) to replay it; 0 ends that")
    .option("--yes", "do not ask before an archive is deleted");
  withCommonOptions(archive).action(
    async (
      name: string,
      days: string,
      options: CommonOptions & { readonly yes?: boolean },
    ): Promise<void> => {
      const count = wholeNumber(0)(days);
      await context.withClient(options, async (client) => {
        const found = client.topic(name);
        const { counters, settings } = await found.describe();
        const isEnd = count === 0 && (settings.archiveRetentionMs ?? 0) > 0;
        if (isEnd) {
          const deed = `deletes the archive of ${name} with ${counters?.archivedCount ?? 0} messages`;
          await confirm(context, { isConfirmed: options.yes === true, deed });
        }
        const description = await found.keepArchive(count * dayMs, { confirmDeletion: isEnd });
        await context.output.one(options.output, topicRow(description));
      });
    },
  );
}

interface ReplayOptions extends CommonOptions {
  readonly from: string;
  readonly until?: string;
  readonly speed?: ReplaySpeed;
  readonly then?: "RESUME" | "PAUSE";
  readonly to?: string;
  readonly clamp?: boolean;
}

function addReplay(topic: Command, context: CliContext): void {
  const replay = topic
    .command("replay <subscription>")
    .description("deliver archived messages to a subscription once more, then what is published")
    .requiredOption(
      "--from <point>",
      "beginning, latest, an instant, a span as in 2h (so long ago), a message's number, or snapshot:NAME",
    )
    .option("--until <point>", "the same; the replay ends before it")
    .option(
      "--speed <speed>",
      "messages a second as in 100/s, or original, 10x (default: all at once)",
      speed,
    )
    .option(
      "--then <what>",
      "after an end: resume with what was missed, or pause (default: resume)",
      oneOf(["RESUME", "PAUSE"]),
    )
    .option("--to <subscription>", "deliver to another subscription of the topic")
    .option("--clamp", "begin at the beginning of the archive if --from is before it");
  withCommonOptions(replay).action(async (id: string, options: ReplayOptions) => {
    const now = context.clock.now();
    const from = pointOf(options.from, now);
    const until = options.until === undefined ? undefined : pointOf(options.until, now);
    await context.withClient(options, async (client) => {
      const started = await client.subscription(id).startReplay({
        from,
        until,
        speed: options.speed,
        pauseAfterwards: options.then === "PAUSE",
        to: options.to,
        clamp: options.clamp,
      });
      await context.output.one(options.output, replayRow(started));
    });
  });
}

function pointOf(text: string, now: number): ReplayPoint {
  if (text === "beginning" || text === "latest") return text;
  if (text.startsWith("snapshot:")) return { snapshot: text.slice("snapshot:".length) };
  if (/^\d{1,20}$/.test(text)) return { sequenceNumber: text };
  const instant = parseInstant(text);
  if (instant !== undefined) return timeOf(instant, now);
  const spanMs = parseDuration(text);
  if (spanMs !== undefined) return timeOf({ kind: "fromNow", spanMs: -spanMs }, now);
  throw usageFailure(
    `"${text}" is no place in an archive.`,
    "Write beginning, latest, an instant as in 2026-12-24T18:00:00Z, a span as in 2h, a message's number, or snapshot:NAME.",
  );
}

function speed(text: string): ReplaySpeed {
  const [, rate] = /^(\d+)\/s$/.exec(text) ?? [];
  if (rate !== undefined) return { messagesPerSecond: Number(rate) };
  if (text === "original") return { originalTimes: 1 };
  const [, times] = /^(\d+(?:\.\d+)?)x$/.exec(text) ?? [];
  if (times !== undefined) return { originalTimes: Number(times) };
  throw usageFailure(`"${text}" is no speed.`, "Write it as in 100/s, original, or 10x.");
}

function addReplays(topic: Command, context: CliContext): void {
  const replays = topic
    .command("replays <topic>")
    .description("list the replays of a topic's subscriptions, the last one of each");
  withCommonOptions(replays).action(async (name: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      async function* rows(): AsyncGenerator<Row> {
        for await (const description of client.topic(name).replays()) yield replayRow(description);
      }
      const count = await context.output.many(options.output, replayHeadings, rows());
      if (count === 0) context.output.note("Nothing was ever replayed.");
    });
  });
}

function addReplayInfo(topic: Command, context: CliContext): void {
  const info = topic
    .command("replay-info <subscription>")
    .description("show the replay of a subscription that is under way or ended last");
  withCommonOptions(info).action(async (id: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      await context.output.one(options.output, replayRow(await client.subscription(id).replay()));
    });
  });
}

function addReplayStop(topic: Command, context: CliContext): void {
  const stop = topic
    .command("replay-stop <subscription>")
    .description("end a replay; the subscription goes on with what is published from now on")
    .option("--from-position", "go on where the replay was instead");
  withCommonOptions(stop).action(
    async (id: string, options: CommonOptions & { readonly fromPosition?: boolean }) => {
      await context.withClient(options, async (client) => {
        const resumeFrom = options.fromPosition === true ? "position" : "now";
        const stopped = await client.subscription(id).stopReplay({ resumeFrom });
        if (stopped === undefined) context.output.note("No replay was under way.");
        else await context.output.one(options.output, replayRow(stopped));
      });
    },
  );
}

function addSnapshots(topic: Command, context: CliContext): void {
  const create = topic
    .command("snapshot <subscription> <name>")
    .description("give the place where a subscription is a name, to replay from")
    .option("--ttl <span>", "how long it stays (1h to the archive's retention)", duration);
  withCommonOptions(create).action(
    async (id: string, name: string, options: CommonOptions & { readonly ttl?: number }) => {
      await context.withClient(options, async (client) => {
        const subscription = client.subscription(id);
        const made = await subscription.createSnapshot(name, { timeToLiveMs: options.ttl });
        await context.output.one(options.output, snapshotRow(made));
      });
    },
  );
  const list = topic
    .command("snapshots <subscription>")
    .description("list the snapshots of a subscription in name order");
  withCommonOptions(list).action(async (id: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      async function* rows(): AsyncGenerator<Row> {
        for await (const made of client.subscription(id).snapshots()) yield snapshotRow(made);
      }
      const count = await context.output.many(options.output, snapshotHeadings, rows());
      if (count === 0) context.output.note("There are no snapshots.");
    });
  });
  const remove = topic
    .command("snapshot-rm <subscription> <name>")
    .description("delete a snapshot");
  withCommonOptions(remove).action(async (id: string, name: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      const existed = await client.subscription(id).removeSnapshot(name);
      if (!existed) context.output.note(`There is no snapshot ${name}.`);
      const cells = { snapshot: name };
      await context.output.one(options.output, { cells, json: { ...cells, existed }, raw: name });
    });
  });
}

const replayHeadings = ["subscription", "state", "position", "delivered", "filtered", "remaining"];

function replayRow(description: ReplayDescription): Row {
  const { subscription, state, failure, estimatedEndTime, replayId } = description;
  return {
    cells: {
      subscription,
      state: state === undefined ? "?" : choiceText(state),
      position: description.position,
      delivered: `${description.deliveredCount}`,
      filtered: `${description.filteredCount}`,
      remaining: `${description.remainingCount}`,
      ...(description.failedCount > 0 && { failed: `${description.failedCount}` }),
      ...(estimatedEndTime !== undefined && { "ends about": estimatedEndTime.toISOString() }),
      ...(failure !== "" && { failure }),
    },
    json: description,
    raw: replayId,
  };
}

const snapshotHeadings = ["snapshot", "position", "expires"];

function snapshotRow(description: SnapshotDescription): Row {
  const { name, sequenceNumber, expireTime } = description;
  const expires = expireTime?.toISOString() ?? "";
  return {
    cells: { snapshot: name, position: sequenceNumber, expires },
    json: description,
    raw: name,
  };
}
