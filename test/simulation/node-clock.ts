// A node's clocks over the time of the world: one that only goes on, a little too fast or too slow, and one on the wall that is
// wrong and may be stepped. The first belongs to a process and starts anywhere.

import type { Timer } from "../../src/base/clock.js";
import type { MemberClock } from "../../src/replication/ports.js";
import type { EventQueue } from "./event-queue.js";

/** What the world's time is called by a clock that is right: 2030-01-01. */
const worldStartMs = Date.UTC(2030, 0, 1);

export class NodeClock implements MemberClock {
  readonly #events: EventQueue;
  readonly #rate: number;
  #wallOffsetMs: number;
  #monotonicOffsetMs = 0;

  /** `rate`: seconds it counts in a second. */
  constructor(
    events: EventQueue,
    options: { readonly rate: number; readonly wallOffsetMs: number },
  ) {
    this.#events = events;
    this.#rate = options.rate;
    this.#wallOffsetMs = options.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#events.nowMs * this.#rate + this.#monotonicOffsetMs;
  }

  wallMs(): number {
    return Math.floor(worldStartMs + this.#events.nowMs * this.#rate + this.#wallOffsetMs);
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    // Whole milliseconds, as timers of the system have them: a smaller step than a number can hold would never end.
    return this.#events.after(Math.ceil(Math.max(0, delayMs)) / this.#rate, fire);
  }

  /** The process, or the machine, starts anew: its monotonic clock shows another number. */
  restart(offsetMs: number): void {
    this.#monotonicOffsetMs = offsetMs - this.#events.nowMs * this.#rate;
  }

  /** The machine was suspended: this clock did not count. */
  stoodStill(spanMs: number): void {
    this.#monotonicOffsetMs -= spanMs * this.#rate;
  }

  setWallOffset(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs;
  }
}
