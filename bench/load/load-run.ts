// Closed-loop load: so many calls in flight, each answer asking for the next, until the time or the number is up. What is
// counted is what was answered within the time; what is still in flight then is waited for, so that rounds do not overlap.

export type Until =
  | { readonly kind: "time"; readonly forMs: number }
  | { readonly kind: "count"; readonly count: number };

export interface LoadResult {
  /** Answered within `elapsedMs`. */
  readonly count: number;
  readonly elapsedMs: number;
  /** Answered in all, those after the time was up included: what the server worked for. */
  readonly totalCount: number;
  /** Of each call answered within the time. */
  readonly latenciesMs: Float64Array;
}

/** Makes one call; `settle` is to be called with how many it counts for, or with what went wrong. */
export type StartCall = (settle: (answer: number | Error) => void) => void;

export function runLoad(start: StartCall, inFlight: number, until: Until): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = [];
    let count = 0;
    let totalCount = 0;
    let startedCount = 0;
    let openCount = 0;
    let failure: Error | undefined;
    const startedMs = performance.now();
    let endedMs = startedMs;

    const mayStart = (): boolean =>
      failure === undefined &&
      (until.kind === "time"
        ? performance.now() - startedMs < until.forMs
        : startedCount < until.count);
    const isInTime = (nowMs: number): boolean =>
      until.kind === "count" || nowMs - startedMs <= until.forMs;
    const finish = (): void => {
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      const elapsedMs = until.kind === "time" ? until.forMs : endedMs - startedMs;
      resolve({ count, elapsedMs, totalCount, latenciesMs: Float64Array.from(latencies) });
    };
    const startOne = (): void => {
      startedCount += 1;
      openCount += 1;
      const callStartedMs = performance.now();
      start((answer) => {
        openCount -= 1;
        if (answer instanceof Error) failure ??= answer;
        else {
          endedMs = performance.now();
          totalCount += answer;
          if (isInTime(endedMs)) {
            count += answer;
            latencies.push(endedMs - callStartedMs);
          }
        }
        if (mayStart()) startOne();
        else if (openCount === 0) finish();
      });
    };
    for (let started = 0; started < inFlight && mayStart(); started += 1) startOne();
  });
}
