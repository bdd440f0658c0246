// Closed-loop load: so many calls in flight, each answer asking for the next, until the time or the number is up. What is
// in flight then is waited for, and counted with the time it took, so that rounds neither overlap nor end empty. And paced load:
// a call every so often, whatever became of those before, so that a server that stands still is not spared the calls of that time.

export type Until =
  | { readonly kind: "time"; readonly forMs: number }
  | { readonly kind: "count"; readonly count: number };

export interface LoadResult {
  /** Messages, or whatever else the calls count for. */
  readonly count: number;
  /** From the first call to the last answer. */
  readonly elapsedMs: number;
  /** Of each call. */
  readonly latenciesMs: Float64Array;
}

/** Makes one call; `settle` is to be called with how many it counts for, or with what went wrong. */
export type StartCall = (settle: (answer: number | Error) => void) => void;

export function runLoad(start: StartCall, inFlight: number, until: Until): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = [];
    let count = 0;
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
    const finish = (): void => {
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      const elapsedMs = endedMs - startedMs;
      resolve({ count, elapsedMs, latenciesMs: Float64Array.from(latencies) });
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
          count += answer;
          latencies.push(endedMs - callStartedMs);
        }
        if (mayStart()) startOne();
        else if (openCount === 0) finish();
      });
    };
    for (let started = 0; started < inFlight && mayStart(); started += 1) startOne();
  });
}

export interface Pace {
  readonly everyMs: number;
  readonly forMs: number;
}

/** More unanswered calls than this, and the pace is more than the server can do. */
const pacedInFlightMax = 2_000;

/** Latencies are from when a call was due, not from when there was time to make it. */
export function runPaced(start: StartCall, { everyMs, forMs }: Pace): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = [];
    const startedMs = performance.now();
    let count = 0;
    let dueCount = 0;
    let openCount = 0;
    let failure: Error | undefined;

    const finishIfOver = (): void => {
      if (openCount > 0 || (failure === undefined && dueCount * everyMs < forMs)) return;
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      const elapsedMs = performance.now() - startedMs;
      resolve({ count, elapsedMs, latenciesMs: Float64Array.from(latencies) });
    };
    const startOne = (dueMs: number): void => {
      openCount += 1;
      if (openCount > pacedInFlightMax) failure ??= new Error("the server does not keep the pace");
      start((answer) => {
        openCount -= 1;
        if (answer instanceof Error) failure ??= answer;
        else {
          count += answer;
          latencies.push(performance.now() - dueMs);
        }
        finishIfOver();
      });
    };
    const startDue = (): void => {
      const untilMs = Math.min(performance.now() - startedMs, forMs);
      for (; failure === undefined && dueCount * everyMs < untilMs; dueCount += 1) {
        startOne(startedMs + dueCount * everyMs);
      }
      if (failure === undefined && dueCount * everyMs < forMs) setTimeout(startDue, everyMs);
    };
    startDue();
  });
}
