// How long a stream that broke waits before it is opened anew, and when it is given up: a stream that only shows something, so that
// opening it again does no harm.

import { Backoff } from "./backoff.js";
import { nowMs } from "./clock.js";
import type { Connection } from "./connection.js";
import { ConnectionError, type ForebayError } from "./errors.js";

export class Patience {
  readonly #connection: Connection;
  #backoff: Backoff | undefined;
  #brokenSinceMs: number | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The server answered. */
  restore(): void {
    this.#connection.markReached();
    this.#backoff = undefined;
    this.#brokenSinceMs = undefined;
  }

  /** @throws the failure, if waiting cannot help or the server was never reached for long enough. */
  waitMsAfter(failure: ForebayError): number {
    const { retry, wasReached } = this.#connection;
    // Whoever was too slow goes on where he was; the gap, if there is one, says what he missed.
    const isPassing = failure.status === "UNAVAILABLE" || failure.reason === "SLOW_CONSUMER";
    if (!isPassing || retry === undefined) throw failure;
    this.#brokenSinceMs ??= nowMs();
    if (!wasReached && nowMs() - this.#brokenSinceMs >= retry.firstContactMs) throw failure;
    this.#backoff ??= new Backoff(retry);
    return Math.max(this.#backoff.next(), failure.retryAfterMs ?? 0);
  }
}

/** The failure of a stream that goes on for ever and was ended without one. */
export function endedByServer(endpoint: string, what: string): ForebayError {
  return new ConnectionError(endpoint, {
    reason: "CONNECTION_LOST",
    message: `The server at ${endpoint} ended the ${what}.`,
  });
}
