// `forebay schedule …`: messages that the server sends by itself, again and again.

import type {
  Attributes,
  Body,
  MissedRuns,
  ScheduleDescription,
  ScheduleTiming,
} from "@forebay/client";
import type { Command } from "commander";
import {
  type CliContext,
  type CommonOptions,
  duration,
  instant,
  oneOf,
  pair,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { formatDuration } from "./durations.js";
import { usageFailure } from "./failure.js";
import { bodyOf, readInput } from "./input.js";
import { type Instant, timeOf } from "./instants.js";
import { attributeCells, attributesJson, bodyCell, bodyJson, choiceText } from "./message-rows.js";
import type { Row } from "./output.js";

export function addScheduleCommands(program: Command, context: CliContext): void {
  const schedule = program
    .command("schedule")
    .description("have the server send messages by itself, again and again");
  addPut(schedule, context);
  addList(schedule, context);
  addInfo(schedule, context);
  addRemove(schedule, context);
}

interface PutOptions extends CommonOptions {
  readonly cron?: string;
  readonly every?: number;
  readonly zone?: string;
  readonly file?: string;
  readonly binary?: boolean;
  readonly attribute?: Readonly<Record<string, string>>;
  readonly group?: string;
  readonly ttl?: number;
  readonly priority?: number;
  readonly start?: Instant;
  readonly end?: Instant;
  readonly paused?: boolean;
  readonly missedRuns?: MissedRuns;
}

const putHelp = `
Examples:
  forebay schedule put reports nightly 'yesterday' --cron '0 3 * * *' --zone Europe/Berlin
  forebay schedule put reports pulse 'now' --every 5m --start +1h`;

function addPut(schedule: Command, context: CliContext): void {
  const put = schedule
    .command("put <queue> <name> [body]")
    .description("create a schedule, or replace the one of this name")
    .option(
      "--cron <pattern>",
      "when: minute, hour, day of month, month, day of week; or seconds first",
    )
    .option("--every <span>", "when: every so often from --start on (1s to 365d)", duration)
    .option("--zone <zone>", "the zone of --cron, such as Europe/Berlin (default: UTC)")
    .option("--file <path>", "send what a file holds (-: all of stdin)")
    .option("--binary", "send the body as bytes, not as text")
    .option("--attribute <name=value>", "an attribute of type String; may be repeated", pair)
    .option("--group <id>", "the message group; FIFO queues need one")
    .option("--ttl <span>", "how long each message lives at most (1s to 14d)", duration)
    .option(
      "--priority <number>",
      "how urgent they are (0 to 9); not on FIFO queues",
      wholeNumber(0),
    )
    .option("--start <time>", "the first time it may run, as 2026-12-24T18:00:00Z or +2h", instant)
    .option("--end <time>", "it does not run after this time", instant)
    .option("--paused", "keep it, but do not run it")
    .option(
      "--missed-runs <what>",
      "for times that passed while the server was down: send-one, or skip (default: send-one)",
      oneOf(["SEND_ONE", "SKIP"]),
    )
    .addHelpText("after", putHelp);
  withCommonOptions(put).action(
    async (name: string, schedule: string, body: string | undefined, options: PutOptions) => {
      const timing = timingOf(options);
      const message = {
        body: await scheduledBody(context, body, options),
        attributes: options.attribute,
        groupId: options.group,
        timeToLiveMs: options.ttl,
        priority: options.priority,
      };
      const nowMs = context.clock.now();
      await context.withQueue(name, options, async ({ schedules }) => {
        const { created } = await schedules.put({
          name: schedule,
          timing,
          message,
          startTime: options.start && timeOf(options.start, nowMs),
          endTime: options.end && timeOf(options.end, nowMs),
          paused: options.paused,
          missedRuns: options.missedRuns,
        });
        if (!created) context.output.note(`${schedule} was there already and is now this.`);
        await context.output.one(options.output, scheduleRow(await schedules.get(schedule)));
      });
    },
  );
}

function timingOf({ cron, every, zone }: PutOptions): ScheduleTiming {
  if (cron !== undefined && every === undefined) {
    return { kind: "cron", pattern: cron, timeZone: zone };
  }
  if (every !== undefined && cron === undefined) {
    if (zone === undefined) return { kind: "interval", intervalMs: every };
    throw usageFailure("An interval knows no zone.", "Give --zone with --cron only.");
  }
  throw usageFailure(
    "Give --cron or --every, not both.",
    "As in `--cron '0 3 * * *'`, or `--every 5m`.",
  );
}

async function scheduledBody(
  context: CliContext,
  body: string | undefined,
  { file, binary }: PutOptions,
): Promise<Body> {
  if ((body === undefined) === (file === undefined)) {
    throw usageFailure(
      "Give a body, or --file, not both.",
      "As in `forebay schedule put reports nightly 'yesterday' --cron '0 3 * * *'`.",
    );
  }
  const content = file === undefined ? (body ?? "") : await readInput(context, file);
  return bodyOf(content, binary === true);
}

function addList(schedule: Command, context: CliContext): void {
  const list = schedule
    .command("ls <queue>")
    .alias("list")
    .description("list the schedules of a queue in name order");
  withCommonOptions(list).action(async (name: string, options: CommonOptions) => {
    await context.withQueue(name, options, async ({ schedules }) => {
      async function* rows(): AsyncGenerator<Row> {
        for await (const description of schedules.list()) yield listedRow(description);
      }
      const count = await context.output.many(options.output, listedHeadings, rows());
      if (count === 0) context.output.note(`${name} has no schedules.`);
    });
  });
}

function addInfo(schedule: Command, context: CliContext): void {
  const info = schedule
    .command("info <queue> <name>")
    .description("show a schedule, what it did, and when it runs next");
  withCommonOptions(info).action(async (name: string, schedule: string, options: CommonOptions) => {
    await context.withQueue(name, options, async ({ schedules }) => {
      await context.output.one(options.output, scheduleRow(await schedules.get(schedule)));
    });
  });
}

function addRemove(schedule: Command, context: CliContext): void {
  const remove = schedule
    .command("rm <queue> <name>")
    .description("delete a schedule; messages it has sent stay");
  withCommonOptions(remove).action(
    async (name: string, schedule: string, options: CommonOptions) => {
      await context.withQueue(name, options, async ({ schedules }) => {
        await schedules.delete(schedule);
        const row = { queue: name, schedule };
        await context.output.one(options.output, { cells: row, json: row, raw: schedule });
      });
    },
  );
}

const listedHeadings = ["schedule", "when", "next", "last", "runs", "failure"];

/** A schedule in a list. */
function listedRow(description: ScheduleDescription): Row {
  const { schedule, status } = description;
  return {
    cells: {
      schedule: schedule.name,
      when: timingText(schedule.timing),
      next: nextText(description),
      last: status.lastTime?.toISOString() ?? "",
      runs: String(status.runCount),
      failure: status.lastFailureReason ?? "",
    },
    json: descriptionJson(description),
    raw: schedule.name,
  };
}

/** A schedule in full. */
function scheduleRow(description: ScheduleDescription): Row {
  const { schedule, status } = description;
  const { message } = schedule;
  const lines: Record<string, string | number | undefined> = {
    schedule: schedule.name,
    when: timingText(schedule.timing),
    next: nextText(description),
    start: schedule.startTime?.toISOString(),
    end: schedule.endTime?.toISOString(),
    "missed runs": schedule.missedRuns && choiceText(schedule.missedRuns),
    runs: status.runCount,
    last: status.lastTime?.toISOString(),
    "last message": status.lastMessageId,
    "last failure": status.lastFailureReason,
    group: message.groupId,
    priority: message.priority,
    "time to live": message.timeToLiveMs && formatDuration(message.timeToLiveMs),
    ...attributeCells(attributesOf(description)),
    body: bodyCell(message.body),
  };
  const present = Object.entries(lines).filter(([, value]) => value !== undefined);
  return {
    cells: Object.fromEntries(present.map(([name, value]) => [name, `${value}`])),
    json: descriptionJson(description),
    raw: schedule.name,
  };
}

function attributesOf({ schedule }: ScheduleDescription): Attributes {
  // What the server gave always says its type.
  return (schedule.message.attributes ?? {}) as Attributes;
}

function timingText(timing: ScheduleTiming): string {
  switch (timing.kind) {
    case "cron":
      return `${timing.pattern} ${timing.timeZone ?? "UTC"}`;
    case "interval":
      return `every ${formatDuration(timing.intervalMs)}`;
    case "unknown":
      return "by a rule of a newer server";
  }
}

function nextText({ schedule, status }: ScheduleDescription): string {
  return status.nextTime?.toISOString() ?? (schedule.paused === true ? "paused" : "never");
}

function descriptionJson(description: ScheduleDescription): unknown {
  const { schedule, status } = description;
  const { message } = schedule;
  return {
    schedule: {
      ...schedule,
      message: {
        ...bodyJson(message.body),
        attributes: attributesJson(attributesOf(description)),
        groupId: message.groupId,
        timeToLiveMs: message.timeToLiveMs,
        priority: message.priority,
      },
    },
    status,
  };
}
