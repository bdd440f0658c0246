// A clock that stands still until a test moves it.
//
// Timers fire in the order of their time, those of one instant in the order they were set, each at exactly its instant. A
// timer set by a timer fires in the same move if it is due by its end. Work that a timer starts may need the real event loop
// (a commit on LMDB's thread, a socket), so `advance` lets that settle after every timer; `advanceAtOnce` does not, for
// tests that touch neither. Both reach the same instants in the same order.

import { type EpochMs, epochMs } from "../../src/base/brands.js";
import type { Clock, Timer } from "../../src/base/clock.js";

interface SetTimer {
  readonly dueMs: number;
  readonly fire: () => void;
}

/** Timers one move may fire: a timer that always sets itself anew at once is a mistake in what is tested. */
const timersFiredMax = 1_000_000;

export interface ManualClockOptions {
  /** Server time at the start; 2030-01-01 if not given. */
  readonly startAt?: EpochMs;
  /** Lets work outside the clock finish; if not given, a few turns of the event loop. */
  readonly settle?: () => Promise<void>;
}

export class ManualClock implements Clock {
  readonly #startMs: number;
  readonly #settle: () => Promise<void>;
  /** In the order they fire. */
  readonly #timers: SetTimer[] = [];
  #elapsedMs = 0;

  constructor(options: ManualClockOptions = {}) {
    this.#startMs = options.startAt ?? Date.UTC(2030, 0, 1);
    this.#settle = options.settle ?? eventLoopTurns;
  }

  now(): EpochMs {
    return epochMs(Math.floor(this.#startMs + this.#elapsedMs));
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer: SetTimer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), fire };
    // Behind every timer of the same instant.
    const at = this.#timers.findIndex(({ dueMs }) => dueMs > timer.dueMs);
    this.#timers.splice(at === -1 ? this.#timers.length : at, 0, timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index !== -1) this.#timers.splice(index, 1);
      },
    };
  }

  /** Timers set and neither fired nor cancelled. */
  get timerCount(): number {
    return this.#timers.length;
  }

  /** Moves time on, letting the rest of the process settle before, between and after the timers that fall due. */
  async advance(spanMs: number): Promise<void> {
    await this.#settle();
    for (const timer of this.#dueUntil(this.#elapsedMs + spanMs)) {
      timer.fire();
      await this.#settle();
    }
    await this.#settle();
  }

  /** Moves time on in one go; what timers start outside the clock has not happened yet when it returns. */
  advanceAtOnce(spanMs: number): void {
    for (const timer of this.#dueUntil(this.#elapsedMs + spanMs)) timer.fire();
  }

  /**
   * Time stands at the end at once, then what fell due fires: what a process sees that was stopped and continued. Also
   * the way to pass days without firing each timer of every second in them.
   */
  async skip(spanMs: number): Promise<void> {
    await this.#settle();
    this.#elapsedMs += spanMs;
    for (const timer of this.#dueUntil(this.#elapsedMs)) {
      timer.fire();
      await this.#settle();
    }
  }

  /** Time stands later, and nothing has fired yet: what is due fires with the next move. */
  leap(spanMs: number): void {
    this.#elapsedMs += spanMs;
  }

  *#dueUntil(endMs: number): Iterable<SetTimer> {
    for (let firedCount = 0; ; firedCount += 1) {
      const [timer] = this.#timers;
      if (timer === undefined || timer.dueMs > endMs) break;
      if (firedCount === timersFiredMax)
        throw new Error("Timers go on setting timers without end.");
      this.#timers.shift();
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
      yield timer;
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, endMs);
  }
}

const settleTurns = 8;

/** Enough turns for promises, immediates and sockets of this process that are ready; not for a disk. */
async function eventLoopTurns(): Promise<void> {
  for (let turn = 0; turn < settleTurns; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
