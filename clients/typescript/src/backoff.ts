// How long to wait before trying again: decorrelated jitter. Each wait lies between the first wait and three times the one
// before, so that clients which failed together do not come back together.

import { between } from "./random.js";

/** The bounds of a sequence of waits. */
export interface BackoffBounds {
  /** The shortest wait and the first, in milliseconds. */
  readonly initialMs: number;
  /** The longest wait, in milliseconds. */
  readonly maxMs: number;
}

/** A sequence of waits. */
export class Backoff {
  readonly #bounds: BackoffBounds;
  #lastMs: number;

  constructor(bounds: BackoffBounds) {
    this.#bounds = bounds;
    this.#lastMs = bounds.initialMs;
  }

  /** The next wait in milliseconds. */
  next(): number {
    const { initialMs, maxMs } = this.#bounds;
    this.#lastMs = Math.min(maxMs, between(initialMs, Math.max(initialMs, this.#lastMs * 3)));
    return this.#lastMs;
  }

  /** Starts over after a success. */
  reset(): void {
    this.#lastMs = this.#bounds.initialMs;
  }
}
