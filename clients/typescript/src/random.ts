// Chance, in one file: request ids that nobody else makes, and the jitter of waits.

import { randomUUID } from "node:crypto";

/** A random UUID: a request id. */
export function newRequestId(): string {
  return randomUUID();
}

/** A number between `low` and `high`, evenly spread. */
export function between(low: number, high: number): number {
  return low + Math.random() * (high - low);
}
