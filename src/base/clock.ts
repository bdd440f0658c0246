// The only reader of time and the only home of timers.
//
// Server time is the wall clock read once at start, never below the last stored time, then advanced by the monotonic clock
// and slewed toward the wall by at most 500 ppm (the rate NTP uses). A step of the wall clock while running therefore never
// acts at once: no lease ends early, nothing expires in a mass, and no instant handed out is earlier than one before it.

import { type EpochMs, epochMs } from "./brands.js";

/** Something that will happen; cancelling it twice, or after it happened, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Server time. Never goes back. */
  now(): EpochMs;
  /** Milliseconds of elapsed time from an arbitrary start, for measuring spans; fractions kept. */
  monotonicMs(): number;
  /** Calls `fire` once, about `delayMs` of elapsed time from now. Timers do not keep the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

const slewRate = 500e-6;
// Node turns longer delays into 1 ms; ours are clamped and their owners look again when they fire.
const timerDelayMaxMs = 2_147_483_647;

export interface SystemClockSources {
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
}

/** The wall clock as it is, steps and all: only for deadlines that somebody else keeps in wall time. */
export const wallMs = (): number => Date.now();

const systemSources: SystemClockSources = {
  wallMs,
  monotonicMs: () => performance.now(),
};

/** The clock of a running server. `notBefore` is the last stored time. */
export function createSystemClock(
  notBefore: EpochMs = epochMs(0),
  sources: SystemClockSources = systemSources,
): Clock {
  let time = Math.max(notBefore, sources.wallMs());
  let lastMonotonicMs = sources.monotonicMs();
  return {
    now: () => {
      const monotonicMs = sources.monotonicMs();
      const elapsedMs = monotonicMs - lastMonotonicMs;
      lastMonotonicMs = monotonicMs;
      const advanced = time + elapsedMs;
      const slewMaxMs = elapsedMs * slewRate;
      const offsetMs = sources.wallMs() - advanced;
      time = advanced + Math.min(slewMaxMs, Math.max(-slewMaxMs, offsetMs));
      return epochMs(Math.floor(time));
    },
    monotonicMs: sources.monotonicMs,
    setTimer: (delayMs, fire) => {
      const handle = setTimeout(fire, Math.min(Math.max(0, Math.ceil(delayMs)), timerDelayMaxMs));
      handle.unref();
      return { cancel: () => clearTimeout(handle) };
    },
  };
}

/** Resolves after about `delayMs` of the clock's time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(delayMs, resolve);
  });
}

/** Calls `act` every `periodMs`, first one period from now, until it is cancelled. */
export function repeat(clock: Pick<Clock, "setTimer">, periodMs: number, act: () => void): Timer {
  const next = (): Timer =>
    clock.setTimer(periodMs, () => {
      timer = next();
      act();
    });
  let timer = next();
  return { cancel: () => timer.cancel() };
}
