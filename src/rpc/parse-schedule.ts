// A schedule as callers write it.

import type { EpochMs } from "../base/brands.js";
import { readCron } from "../base/cron.js";
import { findTimeZone } from "../base/time-zone.js";
import {
  MissedRuns,
  type Schedule as WireSchedule,
} from "../gen/forebay/queue/v1/schedule_service.js";
import { limits } from "../queue/limits.js";
import type { MessageAttribute } from "../queue/model.js";
import type { Schedule, ScheduledSend, ScheduleTiming } from "../queue/schedule-model.js";
import { comesToRun } from "../queue/schedule-times.js";
import { parseMessage } from "./parse-message.js";
import { parseDuration, parseEnum, parseInstant, type Violations } from "./violations.js";

const namePattern = new RegExp(`^[A-Za-z0-9_-]{1,${limits.scheduleNameCharactersMax}}$`);

/** The name of a schedule; whether it is good, `violations` say. */
export function checkScheduleName(violations: Violations, field: string, name: string): void {
  if (name === "") {
    violations.add("MISSING_PARAMETER", field, "the name of the schedule is needed");
  } else if (!namePattern.test(name)) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      `must be 1 to ${limits.scheduleNameCharactersMax} of A-Za-z0-9_-`,
    );
  }
}

/** Undefined when something is wrong, which `violations` then say. `now` decides whether there is still a time to run at. */
export function parseSchedule(
  violations: Violations,
  given: WireSchedule | undefined,
  { senderId, now }: { readonly senderId: string; readonly now: EpochMs },
): Schedule | undefined {
  if (given === undefined) {
    violations.add("MISSING_PARAMETER", "schedule", "the schedule is needed");
    return undefined;
  }
  checkScheduleName(violations, "schedule.name", given.name);
  const timing = parseTiming(violations, given);
  const message = parseSend(violations, given.message, senderId);
  const startAt = parseInstant(violations, "schedule.start_time", given.startTime);
  const endAt = parseInstant(violations, "schedule.end_time", given.endTime);
  if (startAt !== undefined && endAt !== undefined && endAt < startAt) {
    violations.add("INVALID_PARAMETER", "schedule.end_time", "must not be before start_time");
  }
  const missedRuns =
    parseEnum(violations, "schedule.missed_runs", given.missedRuns, MissedRuns) ?? "SEND_ONE";
  if (timing === undefined || message === undefined || !violations.isEmpty) return undefined;
  if (!comesToRun({ timing, startAt }, now)) {
    const field = timing.kind === "cron" ? "schedule.cron" : "schedule.start_time";
    violations.add(
      "INVALID_PARAMETER",
      field,
      "never comes: no time of the next centuries matches",
    );
    return undefined;
  }
  return {
    name: given.name,
    timing,
    startAt,
    endAt,
    isPaused: given.paused,
    missedRuns: missedRuns === "SKIP" ? "skip" : "send_one",
    message,
  };
}

function parseTiming(
  violations: Violations,
  { timing, timeZone }: WireSchedule,
): ScheduleTiming | undefined {
  if (timing === undefined) {
    violations.add("MISSING_PARAMETER", "schedule.cron", "one of cron and interval is needed");
    return undefined;
  }
  if (timing.$case === "interval") {
    if (timeZone !== "") {
      violations.add("INVALID_PARAMETER", "schedule.time_zone", "is for cron; leave it out");
    }
    const intervalMs = parseDuration(violations, "schedule.interval", timing.value, {
      minMs: limits.intervalMsMin,
      maxMs: limits.intervalMsMax,
    });
    return intervalMs && { kind: "interval", intervalMs };
  }
  const reading = readCron(timing.value);
  if (reading.kind === "unreadable") {
    violations.add("INVALID_PARAMETER", "schedule.cron", reading.problem);
  }
  const isZone = timeZone === "" || findTimeZone(timeZone) !== undefined;
  if (!isZone) {
    violations.add(
      "INVALID_PARAMETER",
      "schedule.time_zone",
      `${JSON.stringify(timeZone.slice(0, 64))} is no zone of the IANA database, such as Europe/Berlin`,
    );
  }
  return { kind: "cron", pattern: timing.value, timeZone };
}

const prefix = "schedule.message.";

function parseSend(
  violations: Violations,
  given: WireSchedule["message"],
  senderId: string,
): ScheduledSend | undefined {
  if (given === undefined) {
    violations.add("MISSING_PARAMETER", "schedule.message", "the message it sends is needed");
    return undefined;
  }
  // The trace of whoever puts a schedule is not that of its runs.
  const sender = { senderId, traceParent: undefined };
  const parsed = parseMessage(violations, prefix, { ...given, dedupId: "" }, sender);
  if (parsed === undefined) return undefined;
  const { content, sizeBytes, timeToLiveMs, priority } = parsed.entry;
  return {
    // In one order, so that an equal schedule is found equal.
    content: { ...content, attributes: [...content.attributes].sort(byName) },
    sizeBytes,
    timeToLiveMs,
    priority,
  };
}

const byName = (left: MessageAttribute, right: MessageAttribute): number =>
  left.name < right.name ? -1 : 1;
