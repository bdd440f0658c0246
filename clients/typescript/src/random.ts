// Chance, in one file: request ids that nobody else makes, and the jitter of waits.

import { randomBytes } from "node:crypto";

/** 16 random bytes in hexadecimal: a request id. */
export function newRequestId(): string {
  return randomBytes(16).toString("hex");
}

/** A number between `low` and `high`, evenly spread. */
export function between(low: number, high: number): number {
  return low + Math.random() * (high - low);
}
