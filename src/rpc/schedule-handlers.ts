// Schedules at the wire: messages that the server sends by itself, again and again.

import type { EpochMs } from "../base/brands.js";
import type { ScheduleServiceDefinition } from "../gen/forebay/queue/v1/schedule_service.js";
import { limits } from "../queue/limits.js";
import {
  decideDeleteSchedule,
  decideGetSchedule,
  decideListSchedules,
  decidePutSchedule,
} from "../queue/schedules.js";
import type { ServiceHandlers } from "./call.js";
import {
  commandBytes,
  createTools,
  localCaller,
  outcomeOf,
  parsePageToken,
  type QueueHandlerParts,
  run,
} from "./handler-context.js";
import { checkScheduleName, parseSchedule } from "./parse-schedule.js";
import { renderScheduleReport, renderScheduleStatus } from "./render-schedule.js";
import { parseCount, Violations } from "./violations.js";

export interface ScheduleHandlerParts
  extends Pick<QueueHandlerParts, "engine" | "pageTokens" | "requestKeepMs"> {
  /** Runs what is put. */
  readonly scheduler: { lookAt(at: EpochMs): void };
}

export function createScheduleHandlers(
  parts: ScheduleHandlerParts,
): ServiceHandlers<typeof ScheduleServiceDefinition> {
  const { engine, pageTokens, scheduler } = parts;
  const { senderId } = localCaller;
  const { address } = createTools(parts);
  return {
    putSchedule: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const { now } = engine;
      const schedule = parseSchedule(violations, request.schedule, { senderId, now });
      if (schedule === undefined || !violations.isEmpty) throw violations.fault();
      const { isNew, state } = outcomeOf(
        await engine.execute({
          name: "PutSchedule",
          bytes: commandBytes + schedule.message.sizeBytes,
          isGrowing: true,
          decide: (transaction, stamp) =>
            decidePutSchedule(transaction, { address: target, schedule }, stamp),
        }),
      );
      if (state.nextAt !== undefined) scheduler.lookAt(state.nextAt);
      return { created: isNew, status: renderScheduleStatus(state) };
    },

    getSchedule: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const { name } = request;
      checkScheduleName(violations, "name", name);
      violations.throwIfAny();
      const report = await run(engine, "GetSchedule", (transaction) =>
        decideGetSchedule(transaction, { address: target, name }),
      );
      return renderScheduleReport(report);
    },

    listSchedules: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: limits.schedulePageMax,
        }) ?? limits.schedulePageMax;
      const scope = `schedules ${target.namespace}/${target.name}`;
      const afterName = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { schedules, next } = await run(engine, "ListSchedules", (transaction) =>
        decideListSchedules(transaction, {
          address: target,
          afterName,
          countMax,
          bytesMax: limits.replyBytesMax - countMax * scheduleOverheadBytes,
        }),
      );
      return {
        schedules: schedules.map(renderScheduleReport),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, next),
      };
    },

    deleteSchedule: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const { name } = request;
      checkScheduleName(violations, "name", name);
      violations.throwIfAny();
      await run(engine, "DeleteSchedule", (transaction) =>
        decideDeleteSchedule(transaction, { address: target, name }),
      );
      return {};
    },
  };
}

/** What a schedule may take beside body and attributes: names, pattern, zone, group, times and the framing of attributes. */
const scheduleOverheadBytes = 2_048;
