// "About the last minute", as the engine counts processing time: the current minute of the clock, and of the one before the part
// that is less than a minute ago.

const minuteMs = 60_000;

export interface BusyTime {
  readonly minute: number;
  readonly currentMs: number;
  readonly beforeMs: number;
}

export const noBusyTime: BusyTime = { minute: 0, currentMs: 0, beforeMs: 0 };

export function withBusyTime(busy: BusyTime, spentMs: number, now: number): BusyTime {
  const minute = Math.floor(now / minuteMs);
  const beforeMs =
    minute === busy.minute ? busy.beforeMs : minute === busy.minute + 1 ? busy.currentMs : 0;
  const currentMs = minute === busy.minute ? busy.currentMs : 0;
  return { minute, beforeMs, currentMs: currentMs + spentMs };
}

export function recentBusyMs(busy: BusyTime, now: number): number {
  const { currentMs, beforeMs } = withBusyTime(busy, 0, now);
  return currentMs + beforeMs * (1 - (now % minuteMs) / minuteMs);
}
