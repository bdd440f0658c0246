// Calls that may be made in vain: made once, or over and over until they are answered, with what is known of their outcome.

import { setTimeout as sleep } from "node:timers/promises";
import { ForebayError } from "@forebay/client";
import { nowMs, type Outcome } from "./history.js";

export type Attempted<Value> =
  | { readonly outcome: "ok"; readonly value: Value; readonly attemptCount: number }
  | { readonly outcome: "refused" | "unknown"; readonly attemptCount: number };

/** How long a call is repeated; far longer than the server is ever away. */
const repeatForMs = 20_000;

/** Refusals that are part of the test. Anything else but a lost connection is a surprise. */
const expectedRefusals = new Set([
  "STORAGE_FULL",
  "COMMIT_BACKLOG",
  "MESSAGE_NOT_IN_FLIGHT",
  "MESSAGE_NOT_FOUND",
  // On FIFO queues: the lease ended while the server was away.
  "RECEIPT_HANDLE_EXPIRED",
  "RECEIVE_ATTEMPT_STALE",
  // A task that ended meanwhile, or one that had begun although nobody was told so.
  "MOVE_TASK_NOT_RUNNING",
  "MOVE_TASK_ALREADY_RUNNING",
  "IN_FLIGHT_LIMIT",
]);

export class Attempts {
  /** Told of every answer that no crash explains. */
  readonly surprise: (what: string) => void;

  constructor(surprise: (what: string) => void) {
    this.surprise = surprise;
  }

  /** Calls once and says what came of it. */
  async once<Value>(call: () => Promise<Value>): Promise<Attempted<Value>> {
    try {
      return { outcome: "ok", value: await call(), attemptCount: 1 };
    } catch (error) {
      return { outcome: this.outcomeOf(error), attemptCount: 1 };
    }
  }

  /** Calls until it is answered. A refusal after an attempt that nobody can tell the outcome of is unknown itself. */
  async repeated<Value>(call: () => Promise<Value>): Promise<Attempted<Value>> {
    const giveUpMs = nowMs() + repeatForMs;
    let isUnknown = false;
    for (let attemptCount = 1; ; attemptCount += 1) {
      const result = await this.once(call);
      if (result.outcome === "ok") return { ...result, attemptCount };
      if (result.outcome === "unknown") isUnknown = true;
      if (result.outcome === "refused" || nowMs() > giveUpMs) {
        return { outcome: isUnknown ? "unknown" : "refused", attemptCount };
      }
      await sleep(50 + 100 * Math.random());
    }
  }

  outcomeOf(error: unknown): Exclude<Outcome, "ok"> {
    if (error instanceof ForebayError) {
      if (error.status === "UNAVAILABLE" || error.status === "DEADLINE_EXCEEDED") return "unknown";
      if (expectedRefusals.has(error.reason)) return "refused";
    }
    this.surprise(String(error));
    return "unknown";
  }
}
