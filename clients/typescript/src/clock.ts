// Time, read in one file: the wall clock for deadlines (grpc takes instants), and timers that an AbortSignal ends.

import { onAbort } from "./abort.js";

/** Milliseconds since 1970. */
export function nowMs(): number {
  return Date.now();
}

/** Calls `fire` once after `delayMs`, unless the returned function is called before. Does not keep the process alive. */
export function startTimer(delayMs: number, fire: () => void): () => void {
  const timer = setTimeout(fire, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Resolves after `delayMs`, keeping the process alive; rejects with the signal's reason as soon as it is aborted. */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, delayMs);
    const forget = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal?.reason);
    });
  });
}
