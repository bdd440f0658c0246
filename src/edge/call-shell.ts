// What happens around every call, whatever its kind: it is counted, timed and, when it fails, explained. Whatever a handler
// throws becomes a status here: a WireFault as it is, anything else INTERNAL with an incident number, its text in our log only.

import { status } from "@grpc/grpc-js";
import type { Clock } from "../base/clock.js";
import type { Log } from "../base/log.js";
import { statusObjectOf, WireFault } from "../rpc/status-details.js";
import type { CallSurroundings, GrpcCallContext } from "./call-context.js";
import { createFailedCallsLog, type FailedCallsLog } from "./failed-calls-log.js";
import type { MethodMeter, Metrics } from "./metrics.js";

export interface HandlerOptions {
  readonly clock: Clock;
  /** The wall clock, in which grpc-js keeps deadlines. */
  readonly wallMs: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Turns errors of the floors below, as a full disk, into what callers are told; undefined: a bug. */
  readonly translateError?: (error: unknown) => WireFault | undefined;
}

/** Counts, times and explains the calls of one method. */
export interface CallShell extends CallSurroundings {
  /** The monotonic time, for the duration. */
  begin(): number;
  succeeded(startedMs: number): void;
  /** Another node answered, with this code. */
  relayed(code: status, startedMs: number): void;
  /** Nobody waited for the answer. */
  abandoned(context: GrpcCallContext, startedMs: number): void;
  /** The status to answer with. */
  failed(
    error: unknown,
    context: GrpcCallContext,
    startedMs: number,
  ): ReturnType<typeof statusObjectOf>;
}

export class Outcomes {
  readonly #options: HandlerOptions;
  readonly #failedCalls: FailedCallsLog;
  #incidentCount = 0;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#failedCalls = createFailedCallsLog(options.log, options.clock);
  }

  shellOf(service: string, method: string): CallShell {
    const { clock, wallMs, metrics } = this.#options;
    const meter: MethodMeter = metrics.meter(service, method);
    return {
      clock,
      wallMs,
      begin: () => {
        meter.started();
        return clock.monotonicMs();
      },
      succeeded: (startedMs) => meter.finished("OK", "", clock.monotonicMs() - startedMs),
      // The node that refused has the reason in its metrics and its log.
      relayed: (code, startedMs) =>
        meter.finished(status[code] ?? "UNKNOWN", "", clock.monotonicMs() - startedMs),
      abandoned: (context, startedMs) => {
        meter.finished(endOf(context), "", clock.monotonicMs() - startedMs);
      },
      failed: (error, context, startedMs) => {
        const durationMs = clock.monotonicMs() - startedMs;
        const { fault, incident } = this.#faultOf(error);
        if (incident === undefined && context.isCancelled) {
          meter.finished(endOf(context), "", durationMs);
          return statusObjectOf(fault);
        }
        const { code, reason } = fault;
        meter.finished(status[code], reason, durationMs);
        const cause = incident === undefined ? fault.cause : error;
        this.#failedCalls.write({
          service,
          method,
          code,
          reason,
          durationMs,
          ...(incident === undefined ? {} : { incident }),
          ...(cause === undefined ? {} : { error: cause }),
        });
        return statusObjectOf(fault);
      },
      onBug: (error) => {
        this.#options.log.error({ service, method, err: error }, "a cancellation was not handled");
      },
    };
  }

  #faultOf(error: unknown): { readonly fault: WireFault; readonly incident?: string } {
    if (error instanceof WireFault) return { fault: error };
    const translated = this.#options.translateError?.(error);
    if (translated !== undefined) return { fault: translated };
    this.#incidentCount += 1;
    const second = Math.floor(this.#options.clock.now() / 1_000);
    const incident = `${second.toString(36)}-${this.#incidentCount.toString(36)}`;
    const fault = new WireFault({
      code: status.INTERNAL,
      reason: "INTERNAL_ERROR",
      message: `The server failed at this call; its log has the reason under incident ${incident}.`,
      metadata: { incident },
    });
    return { fault, incident };
  }
}

const endOf = (context: GrpcCallContext): string =>
  context.isExpired ? "DEADLINE_EXCEEDED" : "CANCELLED";
