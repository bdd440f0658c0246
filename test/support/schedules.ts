// Schedules in a test's words: put, looked at, listed.

import {
  MissedRuns,
  type ScheduleStatus,
} from "../../src/gen/forebay/queue/v1/schedule_service.js";
import type { Timestamp } from "../../src/gen/google/protobuf/timestamp.js";
import type { RequestPart, ResponseOf } from "./queue-client.js";
import { attributesOf, durationOf, msOf, type Scenario, type SendOptions } from "./scenario.js";

export interface ScheduleOptions {
  readonly queue?: string;
  /** `nightly` if not given. */
  readonly name?: string;
  readonly cron?: string;
  readonly intervalMs?: number;
  readonly zone?: string;
  readonly body?: string | Uint8Array;
  readonly attributes?: SendOptions["attributes"];
  readonly groupId?: string;
  readonly timeToLiveMs?: number;
  readonly priority?: number;
  readonly startAt?: number;
  readonly endAt?: number;
  readonly isPaused?: boolean;
  readonly missedRuns?: "send_one" | "skip";
}

export const timestampOf = (instant: number): Timestamp => durationOf(instant);
const optionalTimestamp = (instant: number | undefined): Timestamp | undefined =>
  instant === undefined ? undefined : timestampOf(instant);

const missedRunsOf = {
  unset: MissedRuns.UNSPECIFIED,
  send_one: MissedRuns.SEND_ONE,
  skip: MissedRuns.SKIP,
} as const;

/** The request that `putSchedule` sends. */
export function scheduleRequest(t: Scenario, options: ScheduleOptions): RequestPart<"putSchedule"> {
  const { cron, intervalMs, body = "run", timeToLiveMs } = options;
  return {
    queue: options.queue ?? t.queue,
    schedule: {
      name: options.name ?? "nightly",
      timing:
        cron !== undefined
          ? { $case: "cron", value: cron }
          : intervalMs !== undefined
            ? { $case: "interval", value: durationOf(intervalMs) }
            : undefined,
      timeZone: options.zone ?? "",
      message: {
        body:
          typeof body === "string"
            ? { $case: "text", value: body }
            : { $case: "data", value: body },
        attributes: attributesOf(options.attributes),
        groupId: options.groupId ?? "",
        timeToLive: timeToLiveMs === undefined ? undefined : durationOf(timeToLiveMs),
        priority: options.priority,
      },
      startTime: optionalTimestamp(options.startAt),
      endTime: optionalTimestamp(options.endAt),
      paused: options.isPaused ?? false,
      missedRuns: missedRunsOf[options.missedRuns ?? "unset"],
    },
  };
}

/** What a schedule has done and will do; NaN for what is unset. */
export interface Status {
  readonly nextAt: number;
  readonly lastAt: number;
  readonly messageId: string;
  readonly runs: number;
  readonly failure: string;
}

const statusOf = (status: ScheduleStatus | undefined): Status => ({
  nextAt: msOf(status?.nextTime),
  lastAt: msOf(status?.lastTime),
  messageId: status?.lastMessageId ?? "?",
  runs: Number(status?.runCount),
  failure: status?.lastFailureReason ?? "?",
});

export async function putSchedule(
  t: Scenario,
  options: ScheduleOptions,
): Promise<Status & { readonly created: boolean }> {
  const { created, status } = await t.call("putSchedule", scheduleRequest(t, options));
  return { created, ...statusOf(status) };
}

export const getSchedule = (
  t: Scenario,
  name = "nightly",
  queue = t.queue,
): Promise<ResponseOf<"getSchedule">> => t.call("getSchedule", { queue, name });

export async function scheduleStatus(
  t: Scenario,
  name = "nightly",
  queue = t.queue,
): Promise<Status> {
  return statusOf((await getSchedule(t, name, queue)).status);
}

/** The names of a queue's schedules, page after page. */
export async function scheduleNames(
  t: Scenario,
  { queue = t.queue, pageSize }: { readonly queue?: string; readonly pageSize?: number } = {},
): Promise<string[][]> {
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const page = await t.call("listSchedules", { queue, pageSize, pageToken });
    pages.push(page.schedules.map(({ schedule }) => schedule?.name ?? "?"));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return pages;
}

/** A request to delete one. */
export const deleteSchedule = (
  t: Scenario,
  name = "nightly",
  queue = t.queue,
): Promise<ResponseOf<"deleteSchedule">> => t.call("deleteSchedule", { queue, name });
