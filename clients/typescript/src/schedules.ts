// Schedules: messages that the server sends to a queue by itself, again and again, at the times of a cron pattern or every so
// often. They belong to their queue and go with it; a purge leaves them. What is read keeps what was not set as undefined, so
// that putting it again changes nothing.

import {
  type GetScheduleResponse,
  MissedRuns as MissedRunsChoices,
  ScheduleServiceDefinition,
  type Schedule as WireSchedule,
  type ScheduledSend as WireSend,
  type ScheduleStatus as WireStatus,
} from "../gen/forebay/queue/v1/schedule_service.js";
import { type AttributesInput, attributesFromWire, attributesToWire } from "./attributes.js";
import { type Choice, choiceOf } from "./choices.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf, millisecondsOf, timestampOf } from "./durations.js";
import { type Body, bodyToWire } from "./outgoing.js";
import { pages } from "./pages.js";

const { methods } = ScheduleServiceDefinition;

/** When a schedule sends. */
export type ScheduleTiming =
  | {
      readonly kind: "cron";
      /**
       * 5 fields (minute, hour, day of month, month, day of week) or 6 (seconds first), with lists, ranges, steps, names, `L`,
       * `W` and `#`; with a day of month and a day of week, either will do. At most 128 characters. In a local time that a
       * change of clocks skips it runs at the first instant after; in one that comes twice it runs once. A pattern for every
       * hour goes by the clock: it runs in both of two equal hours, and in none that is skipped.
       */
      readonly pattern: string;
      /** The IANA zone the pattern is read in, such as `Europe/Berlin`. Default: UTC. */
      readonly timeZone?: string | undefined;
    }
  | {
      readonly kind: "interval";
      /**
       * Every so often, in milliseconds, counted from `startTime`, which is the first; without one, from when it was put, the
       * first after one interval. Range: 1000 to 31536000000.
       */
      readonly intervalMs: number;
    }
  /** In answers only: a timing that only a newer client can name. */
  | { readonly kind: "unknown" };

/**
 * What becomes of times that passed while the server was down or its storage full: SEND_ONE message for all of them, or SKIP
 * those more than 60 s ago.
 */
export type MissedRuns = Choice<typeof MissedRunsChoices>;

/**
 * What a schedule sends: a message as in `Queue.send`. On a FIFO queue its deduplication id is the schedule's name and the time
 * of the run.
 */
export interface ScheduledSend {
  /** Text or bytes, never empty. */
  readonly body: Body;
  /** As in `Queue.send`. */
  readonly attributes?: AttributesInput | undefined;
  /** As in `Queue.send`. FIFO queues: required. */
  readonly groupId?: string | undefined;
  /** As in `Queue.send`, in milliseconds. */
  readonly timeToLiveMs?: number | undefined;
  /** As in `Queue.send`. */
  readonly priority?: number | undefined;
}

/** When to send and what. */
export interface Schedule {
  /** 1 to 80 of `A-Za-z0-9_-`, distinct in its queue. */
  readonly name: string;
  readonly timing: ScheduleTiming;
  readonly message: ScheduledSend;
  /** The first instant it may run. Default: when it was put. */
  readonly startTime?: Date | undefined;
  /** It does not run after this instant, save for a time up to it that was missed. Default: no end. */
  readonly endTime?: Date | undefined;
  /** Whether it rests: it does not run and remembers no times it would have run at. Default: false. */
  readonly paused?: boolean | undefined;
  /** Default: SEND_ONE. */
  readonly missedRuns?: MissedRuns | undefined;
}

/** What a schedule has done and will do. */
export interface ScheduleStatus {
  /** When it runs next; undefined: never again, or it is paused. */
  readonly nextTime: Date | undefined;
  /** The time of its last run; of missed ones that one message was sent for, the first. Undefined: none yet. */
  readonly lastTime: Date | undefined;
  /** The id of the message of its last run that was accepted. */
  readonly lastMessageId: string | undefined;
  /** How often it ran, those runs included that sent nothing. */
  readonly runCount: number;
  /** Why the last run sent nothing, in UPPER_SNAKE; undefined: it did. The schedule goes on. */
  readonly lastFailureReason: string | undefined;
}

/** A schedule as the server describes it. What it gives as `schedule` may be changed and put again. */
export interface ScheduleDescription {
  readonly schedule: Schedule;
  readonly status: ScheduleStatus;
}

export interface ListSchedulesOptions extends CallOptions {
  /** Schedules asked for at a time. Range: 1 to 100, the default. */
  readonly pageSize?: number | undefined;
}

/** The schedules of a queue: `queue.schedules`. */
export class Schedules {
  readonly #queue: string;
  readonly #connection: Connection;

  constructor(queue: string, connection: Connection) {
    this.#queue = queue;
    this.#connection = connection;
  }

  /**
   * Creates a schedule, or replaces the one of this name; `created` is false then. An equal one keeps its next time, and
   * what a replaced one has done stays in its status.
   *
   * ```ts
   * await queue.schedules.put({
   *   name: "nightly",
   *   timing: { kind: "cron", pattern: "0 3 * * *", timeZone: "Europe/Berlin" },
   *   message: { body: "close the books" },
   * });
   * ```
   *
   * @throws ForebayError QUEUE_NOT_FOUND, INVALID_PARAMETER (its field violations say where in the pattern, or that its times
   * never come), MESSAGE_TOO_LONG, UNSUPPORTED_FOR_QUEUE_TYPE, SCHEDULE_LIMIT (1000 a queue); TypeError for a timing of kind
   * `unknown`.
   */
  async put(
    schedule: Schedule,
    options: CallOptions = {},
  ): Promise<{ readonly created: boolean; readonly status: ScheduleStatus }> {
    const request = { queue: this.#queue, schedule: scheduleToWire(schedule) };
    const response = await this.#connection.unary(methods.putSchedule, request, options);
    return { created: response.created, status: statusOf(response.status) };
  }

  /** A schedule with what it has done. @throws ForebayError QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  async get(name: string, options: CallOptions = {}): Promise<ScheduleDescription> {
    const request = { queue: this.#queue, name };
    return descriptionOf(await this.#connection.unary(methods.getSchedule, request, options));
  }

  /** All schedules of the queue, in name order, until the loop is left. @throws ForebayError QUEUE_NOT_FOUND. */
  list(options: ListSchedulesOptions = {}): AsyncGenerator<ScheduleDescription, void, undefined> {
    return pages(async (pageToken) => {
      const request = { queue: this.#queue, pageSize: options.pageSize, pageToken };
      const response = await this.#connection.unary(methods.listSchedules, request, options);
      return {
        items: response.schedules.map(descriptionOf),
        nextPageToken: response.nextPageToken,
      };
    });
  }

  /** Deletes a schedule; messages it has sent stay. @throws ForebayError QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    const request = { queue: this.#queue, name };
    await this.#connection.unary(methods.deleteSchedule, request, options);
  }
}

function scheduleToWire(schedule: Schedule): WireSchedule {
  const { timing } = schedule;
  return {
    name: schedule.name,
    timing: timingToWire(timing),
    timeZone: (timing.kind === "cron" && timing.timeZone) || "",
    message: sendToWire(schedule.message),
    startTime: timestampOf(schedule.startTime),
    endTime: timestampOf(schedule.endTime),
    paused: schedule.paused ?? false,
    missedRuns: MissedRunsChoices[schedule.missedRuns ?? "UNSPECIFIED"],
  };
}

function timingToWire(timing: ScheduleTiming): WireSchedule["timing"] {
  switch (timing.kind) {
    case "cron":
      return { $case: "cron", value: timing.pattern };
    case "interval":
      return { $case: "interval", value: durationOf(timing.intervalMs) };
    case "unknown":
      // Putting it would lose what this client could not read.
      throw new TypeError("This client does not know the schedule's timing. Give it another.");
  }
}

function sendToWire(send: ScheduledSend): WireSend {
  return {
    body: bodyToWire(send.body),
    attributes: attributesToWire(send.attributes),
    groupId: send.groupId ?? "",
    timeToLive: durationOf(send.timeToLiveMs),
    priority: send.priority,
  };
}

function descriptionOf({ schedule, status }: GetScheduleResponse): ScheduleDescription {
  if (schedule === undefined) throw new Error("The server's answer lacks the schedule.");
  return { schedule: scheduleOf(schedule), status: statusOf(status) };
}

function scheduleOf(wire: WireSchedule): Schedule {
  return {
    name: wire.name,
    timing: timingOf(wire),
    message: sendOf(wire.message),
    startTime: dateOf(wire.startTime),
    endTime: dateOf(wire.endTime),
    paused: wire.paused,
    missedRuns: choiceOf(MissedRunsChoices, wire.missedRuns),
  };
}

function timingOf({ timing, timeZone }: WireSchedule): ScheduleTiming {
  switch (timing?.$case) {
    case "cron":
      return { kind: "cron", pattern: timing.value, timeZone: timeZone || undefined };
    case "interval":
      return { kind: "interval", intervalMs: millisecondsOf(timing.value) };
    case undefined:
      return { kind: "unknown" };
  }
}

function sendOf(wire: WireSend | undefined): ScheduledSend {
  return {
    body: wire?.body?.value ?? "",
    attributes: attributesFromWire(wire?.attributes ?? new Map()),
    groupId: wire?.groupId || undefined,
    timeToLiveMs: millisecondsOf(wire?.timeToLive),
    priority: wire?.priority,
  };
}

function statusOf(wire: Partial<WireStatus> = {}): ScheduleStatus {
  return {
    nextTime: dateOf(wire.nextTime),
    lastTime: dateOf(wire.lastTime),
    lastMessageId: wire.lastMessageId || undefined,
    runCount: Number(wire.runCount ?? 0n),
    lastFailureReason: wire.lastFailureReason || undefined,
  };
}
