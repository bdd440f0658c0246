// Schedules as messages of the contract.

import { uuidText } from "../base/ids.js";
import {
  type GetScheduleResponse,
  MissedRuns,
  type ScheduleStatus,
  type Schedule as WireSchedule,
  type ScheduledSend as WireSend,
} from "../gen/forebay/queue/v1/schedule_service.js";
import type {
  RunFailure,
  Schedule,
  ScheduledSend,
  ScheduleState,
} from "../queue/schedule-model.js";
import type { ScheduleReport } from "../queue/schedules.js";
import { duration, renderBody, renderMessageAttributes, timeOf } from "./render.js";

export const renderScheduleReport = ({ schedule, state }: ScheduleReport): GetScheduleResponse => ({
  schedule: renderSchedule(schedule),
  status: renderScheduleStatus(state),
});

/** As it was put, with what was left out at its default. */
function renderSchedule(schedule: Schedule): WireSchedule {
  const { name, timing, startAt, endAt, isPaused, missedRuns, message } = schedule;
  const isCron = timing.kind === "cron";
  return {
    name,
    timing: isCron
      ? { $case: "cron", value: timing.pattern }
      : { $case: "interval", value: duration(timing.intervalMs) },
    timeZone: isCron ? timing.timeZone : "",
    message: renderSend(message),
    startTime: timeOf(startAt),
    endTime: timeOf(endAt),
    paused: isPaused,
    missedRuns: missedRuns === "skip" ? MissedRuns.SKIP : MissedRuns.SEND_ONE,
  };
}

const renderSend = ({ content, timeToLiveMs, priority }: ScheduledSend): WireSend => ({
  body: renderBody(content.isText, content.body),
  attributes: renderMessageAttributes(content.attributes),
  groupId: content.groupId ?? "",
  timeToLive: timeToLiveMs === undefined ? undefined : duration(timeToLiveMs),
  priority,
});

export const renderScheduleStatus = (state: ScheduleState): ScheduleStatus => ({
  nextTime: timeOf(state.nextAt),
  lastTime: timeOf(state.lastAt),
  lastMessageId: state.lastMessageId === undefined ? "" : uuidText(state.lastMessageId),
  runCount: BigInt(state.runCount),
  lastFailureReason: state.failure === undefined ? "" : reasonOf(state.failure),
});

/** The reason that SendMessage would be answered with. */
const reasonOf = (failure: RunFailure): string =>
  failure === "parameter_needed" ? "MISSING_PARAMETER" : failure.toUpperCase();
