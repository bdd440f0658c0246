// What both kinds of consumers, of queues and of durable streams, do alike with the stream they read: collect what is told until the
// end of a turn, wait for the last answers before they leave, be patient with a server that is away, and say goodbye.

import { Backoff } from "./backoff.js";
import { nowMs, sleep, startTimer } from "./clock.js";
import type { Connection } from "./connection.js";
import { ConnectionError, type ForebayError } from "./errors.js";

/** How long leaving a loop waits for the server to confirm what was told, in milliseconds. */
const closeWaitMs = 5_000;

/** How long the server has to end a stream that this side ended, in milliseconds. */
const hangUpMs = 1_000;

/** What is told during a turn of the event loop leaves at its end, in few requests. */
export class TurnEnd {
  readonly #flush: () => void;
  #isAwaited = false;

  constructor(flush: () => void) {
    this.#flush = flush;
  }

  await(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    setImmediate(() => {
      this.#isAwaited = false;
      this.#flush();
    });
  }
}

/** Waits for the last answers, at most 5 s. */
export class LastAnswers {
  #wake: (() => void) | undefined;

  wait(): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer = startTimer(closeWaitMs, resolve);
      this.#wake = () => {
        stopTimer();
        resolve();
      };
    });
  }

  /** There are none to wait for any more. */
  arrived(): void {
    this.#wake?.();
  }
}

/** How long a consumer whose stream broke waits before it opens another one, and when it gives up. */
export class StreamPatience {
  readonly #connection: Connection;
  #brokenSinceMs: number | undefined;
  #backoff: Backoff | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Whether another stream is being waited for. */
  get isWaiting(): boolean {
    return this.#backoff !== undefined;
  }

  /** The server answered. */
  restore(): void {
    this.#connection.markReached();
    this.#backoff = undefined;
    this.#brokenSinceMs = undefined;
  }

  /** A server that was never reached is given up on, one that was is waited for as long as the loop runs. */
  isOver(failure: ForebayError): boolean {
    const { retry, wasReached } = this.#connection;
    if (failure.status !== "UNAVAILABLE" || retry === undefined) return true;
    this.#brokenSinceMs ??= nowMs();
    return !wasReached && nowMs() - this.#brokenSinceMs >= retry.firstContactMs;
  }

  /** Waits, longer each time, and at least as long as the server asks for. */
  async wait({ retryAfterMs = 0 }: ForebayError): Promise<void> {
    const { retry } = this.#connection;
    if (retry === undefined) return;
    this.#backoff ??= new Backoff(retry);
    await sleep(Math.max(this.#backoff.next(), retryAfterMs));
  }
}

/** What is left of a stream of calls for whoever ends it. */
interface EndableStream {
  on(event: "close", listener: () => void): unknown;
  resume(): unknown;
  end(): unknown;
  cancel(): void;
}

/** Says goodbye, and hangs up if that is not answered soon. */
export function endStream(stream: EndableStream): Promise<void> {
  return new Promise((resolve) => {
    const stopTimer = startTimer(hangUpMs, () => stream.cancel());
    stream.on("close", () => {
      stopTimer();
      resolve();
    });
    stream.resume();
    stream.end();
  });
}

export function endedByServer(endpoint: string): ForebayError {
  return new ConnectionError(endpoint, {
    reason: "CONNECTION_LOST",
    message: `The server at ${endpoint} ended the stream.`,
  });
}

/** @throws RangeError unless it is a whole number from 1 to `max`. */
export function inRange(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new RangeError(`${name} is ${value}; give 1 to ${max}.`);
}
