// Runs schedules when they are due: one timer for the first of all queues, and one command at a time.
//
// What a run does and when the next is due is decided by the rules (`queue/schedule-runs.ts`); here is only who asks, and when.
// A put tells it of a new time; a delete need not, since a time without a schedule only makes it look in vain.

import type { EpochMs } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import { limits } from "../queue/limits.js";
import {
  decidePassOverSchedule,
  decideRunSchedules,
  type SchedulesRun,
} from "../queue/schedule-runs.js";
import type { Stamp } from "../queue/stamp.js";
import type { QueueTransaction } from "../queue/view.js";
import type { Decision } from "./command.js";
import type { Engine } from "./engine.js";

/** Time is slewed by up to 30 ms a minute, so a later instant is looked at again on the way. */
const timerMsMax = 60_000;
/** Until the next try when the engine had no room, or the storage is full: the runs wait. */
const retryMs = 200;
/** Until the next try after two faults in a row, which are logged. */
const faultRetryMs = 1_000;

export interface SchedulerParts {
  readonly engine: Pick<Engine, "executeIfIdle">;
  readonly clock: Clock;
  /** A bug or a corrupt row; the schedules are tried again, and one that cannot be run is passed over. */
  readonly failed: (error: unknown) => void;
}

export class Scheduler {
  readonly #parts: SchedulerParts;
  #timer: { readonly at: EpochMs; readonly timer: Timer } | undefined;
  /** An instant heard of while a look was under way, which may have been decided before. */
  #heardOf: EpochMs | undefined;
  #isLooking = false;
  #isStopped = false;
  #look: Promise<void> = Promise.resolve();

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  /** Runs what was due while the server was down. */
  start(): void {
    this.#begin();
  }

  /** A schedule is to run at this instant. */
  lookAt(at: EpochMs): void {
    if (this.#isStopped) return;
    if (this.#isLooking) {
      if (this.#heardOf === undefined || at < this.#heardOf) this.#heardOf = at;
    } else if (this.#timer === undefined || at < this.#timer.at) this.#wait(at);
  }

  /** Resolves when the runs under way are done. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.timer.cancel();
    await this.#look;
  }

  #wait(at: EpochMs): void {
    this.#timer?.timer.cancel();
    const delayMs = Math.max(0, at - this.#parts.clock.now());
    const timer = this.#parts.clock.setTimer(Math.min(delayMs, timerMsMax), () => this.#begin());
    this.#timer = { at, timer };
  }

  #begin(): void {
    this.#timer = undefined;
    this.#isLooking = true;
    this.#look = this.#runDue().then((nextAt) => {
      this.#isLooking = false;
      const next = earlier(nextAt, this.#heardOf);
      this.#heardOf = undefined;
      if (next !== undefined && !this.#isStopped) this.#wait(next);
    });
  }

  /** When to look again; undefined: when something is put. Never fails. */
  async #runDue(): Promise<EpochMs | undefined> {
    const { clock } = this.#parts;
    let mode: Mode = "many";
    while (!this.#isStopped) {
      const outcome = await this.#step(mode);
      if (outcome === "no_room") return (clock.now() + retryMs) as EpochMs;
      if (outcome === "failed") {
        const next: Mode | undefined = afterFault[mode];
        if (next === undefined) return (clock.now() + faultRetryMs) as EpochMs;
        mode = next;
        continue;
      }
      const { nextAt } = outcome;
      if (nextAt === undefined || nextAt > clock.now()) return nextAt;
      mode = "many";
    }
    return undefined;
  }

  async #step(mode: Mode): Promise<SchedulesRun | "no_room" | "failed"> {
    const { engine, failed } = this.#parts;
    try {
      const decision = await engine.executeIfIdle({
        name: "RunSchedules",
        bytes: limits.scheduleRunBytesMax,
        isGrowing: true,
        decide: decisions[mode],
      });
      return decision?.kind === "accepted" ? decision.outcome : "no_room";
    } catch (error) {
      failed(error);
      return "failed";
    }
  }
}

/** One row that cannot be read fails the command that meets it. Tried one by one, it fails one schedule, which is passed over. */
type Mode = "many" | "one" | "none";

const afterFault: Readonly<Record<Mode, Mode | undefined>> = {
  many: "one",
  one: "none",
  none: undefined,
};

const decisions: Readonly<
  Record<Mode, (transaction: QueueTransaction, stamp: Stamp) => Decision<SchedulesRun, unknown>>
> = {
  many: (transaction, stamp) =>
    decideRunSchedules(transaction, { countMax: limits.scheduleRunsMax }, stamp),
  one: (transaction, stamp) => decideRunSchedules(transaction, { countMax: 1 }, stamp),
  none: decidePassOverSchedule,
};

const earlier = (left: EpochMs | undefined, right: EpochMs | undefined): EpochMs | undefined =>
  left === undefined || (right !== undefined && right < left) ? right : left;
