// Runs of schedules that are due. A run is a send by the rules of every send, and with it, in one step, the time of the next:
// after a crash a run has happened whole or not at all, so none is doubled and none is lost.
//
// The next time is later than the run's own and later than now: of the times that passed meanwhile, while the server was down or
// the storage full, one message is sent, or with `skip` none unless one of them is less than a minute old.

import { between, type EpochMs, epochMs } from "../base/brands.js";
import { limits } from "./limits.js";
import { findQueue } from "./queue-name.js";
import { accept, type Decided } from "./rejections.js";
import type { DueSchedule, RunFailure, Schedule, ScheduleState } from "./schedule-model.js";
import { nextTime } from "./schedule-times.js";
import { entryOf } from "./schedules.js";
import { decideSendMessages } from "./send-message.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface SchedulesRun {
  /** When there is something to run next; not later than now: there is more to run. Undefined: never. */
  readonly nextAt: EpochMs | undefined;
}

/** Runs those that are due, the longest due first, up to a bound. */
export function decideRunSchedules(
  transaction: QueueTransaction,
  { countMax }: { readonly countMax: number },
  stamp: Stamp,
): Decided<SchedulesRun> {
  const due: DueSchedule[] = [];
  for (const next of transaction.schedulesDue()) {
    if (next.nextAt > stamp.now || due.length === countMax) break;
    due.push(next);
  }
  let bytes = 0;
  for (const each of due) {
    if (bytes >= limits.scheduleRunBytesMax) break;
    bytes += run(transaction, each, stamp);
  }
  return accept({ nextAt: firstDue(transaction)?.nextAt });
}

/**
 * Passes the first one over that is due, because what its queue needs for the run cannot be read; it goes on with its next
 * time. Reads nothing of the queue.
 */
export function decidePassOverSchedule(
  transaction: QueueTransaction,
  { now }: Stamp,
): Decided<SchedulesRun> {
  const due = firstDue(transaction);
  if (due !== undefined && due.nextAt <= now) {
    const owner = { namespace: due.namespace, name: due.queue };
    const state = transaction.readableScheduleState(owner, due.name);
    const schedule = transaction.readableSchedule(owner, due.name);
    if (state?.nextAt !== due.nextAt) transaction.removeDueSchedule(due);
    else {
      const nextAt = schedule && nextTime(schedule, state.putAt, now);
      transaction.putScheduleState(
        owner,
        due.name,
        {
          ...state,
          nextAt,
          lastAt: due.nextAt,
          runCount: state.runCount + 1,
          failure: "record_corrupt",
        },
        state,
      );
    }
  }
  return accept({ nextAt: firstDue(transaction)?.nextAt });
}

function firstDue(transaction: QueueTransaction): DueSchedule | undefined {
  for (const first of transaction.schedulesDue()) return first;
  return undefined;
}

/** Runs one; says how many bytes it sent. */
function run(transaction: QueueTransaction, due: DueSchedule, stamp: Stamp): number {
  const { namespace, queue: owner, name } = due;
  const address = { namespace, name: owner, given: owner };
  const queue = findQueue(transaction, address);
  const state = queue && transaction.readableScheduleState(queue, name);
  if (queue === undefined || state?.nextAt !== due.nextAt) {
    transaction.removeDueSchedule(due);
    return 0;
  }
  const schedule = transaction.readableSchedule(queue, name);
  if (schedule === undefined) {
    const stopped = { ...state, nextAt: undefined, failure: "record_corrupt" } as const;
    transaction.putScheduleState(queue, name, stopped, state);
    return 0;
  }
  const time = timeToRun(schedule, state, due.nextAt, stamp.now);
  if (time === undefined || time > stamp.now) {
    transaction.putScheduleState(queue, name, { ...state, nextAt: time }, state);
    return 0;
  }
  const entry = entryOf(queue, schedule, time);
  const sent = decideSendMessages(transaction, { address, entries: [entry] }, stamp);
  const [result] = sent.kind === "accepted" ? sent.outcome : [];
  const messageId = result?.kind === "sent" ? result.messageId : undefined;
  let failure: RunFailure | undefined;
  if (sent.kind === "rejected") failure = sent.rejection.kind;
  else if (result?.kind === "refused") failure = result.rejection.kind;
  transaction.putScheduleState(
    queue,
    name,
    {
      ...state,
      nextAt: nextTime(schedule, state.putAt, stamp.now),
      lastAt: time,
      lastMessageId: messageId ?? state.lastMessageId,
      runCount: state.runCount + 1,
      failure,
    },
    state,
  );
  return messageId === undefined ? 0 : schedule.message.sizeBytes;
}

/** The time that is made up for: with `skip` the first that is not long ago, which may be yet to come. */
function timeToRun(
  schedule: Schedule,
  { putAt }: ScheduleState,
  dueAt: EpochMs,
  now: EpochMs,
): EpochMs | undefined {
  const isLongAgo = between(dueAt, now) > limits.missedRunMsMax;
  return schedule.missedRuns === "skip" && isLongAgo
    ? nextTime(schedule, putAt, epochMs(now - limits.missedRunMsMax - 1))
    : dueAt;
}
