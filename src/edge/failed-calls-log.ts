// One structured line per failed call, at a level that says who should care, and bounded: a client in a loop must not fill
// the disk with what it did wrong. Beyond a hundred lines a second only their number is kept, and one line tells it.

import { status } from "@grpc/grpc-js";
import type { Clock } from "../base/clock.js";
import type { Log } from "../base/log.js";

export interface FailedCall {
  readonly service: string;
  readonly method: string;
  readonly code: status;
  readonly reason: string;
  readonly durationMs: number;
  /** Names this failure to the caller and in the log, where the caller is told nothing else. */
  readonly incident?: string;
  /** What was thrown, for failures of ours. */
  readonly error?: unknown;
}

export interface FailedCallsLog {
  write(call: FailedCall): void;
}

const failedCallLinesPerSecondMax = 100;

const windowMs = 1_000;

export function createFailedCallsLog(log: Log, clock: Clock): FailedCallsLog {
  let windowEndsAtMs = 0;
  let written = 0;
  let suppressed = 0;

  const summarise = (): void => {
    if (suppressed === 0) return;
    log.warn({ suppressedCount: suppressed }, "failed calls were not logged one by one");
    suppressed = 0;
  };
  return {
    write: (call) => {
      const level = levelOf(call.code);
      if (level === undefined) return;
      const nowMs = clock.monotonicMs();
      if (nowMs >= windowEndsAtMs) {
        summarise();
        windowEndsAtMs = nowMs + windowMs;
        written = 0;
      }
      if (written >= failedCallLinesPerSecondMax) {
        suppressed += 1;
        // Told when the window ends, even if nothing fails after it.
        if (suppressed === 1) clock.setTimer(windowEndsAtMs - nowMs, summarise);
        return;
      }
      written += 1;
      log[level](fieldsOf(call), "call failed");
    },
  };
}

/** error: a bug or damage, someone must act. warn: we are degraded. info: the caller's doing. */
function levelOf(code: status): "error" | "warn" | "info" | undefined {
  switch (code) {
    case status.INTERNAL:
    case status.UNKNOWN:
    case status.DATA_LOSS:
      return "error";
    case status.UNAVAILABLE:
    case status.RESOURCE_EXHAUSTED:
      return "warn";
    // A caller that stops waiting is daily life of long polls and streams; the counters tell how often.
    case status.CANCELLED:
    case status.DEADLINE_EXCEEDED:
      return undefined;
    default:
      return "info";
  }
}

function fieldsOf(call: FailedCall): object {
  const { code, durationMs, error, ...fields } = call;
  return {
    ...fields,
    code: status[code],
    durationMs: Math.round(durationMs * 1_000) / 1_000,
    ...(error === undefined ? {} : { err: error }),
  };
}
