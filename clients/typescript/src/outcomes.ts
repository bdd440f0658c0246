// What a worker's handler throws to say more than "it failed".

/** Thrown by a handler: try this message again after `delayMs`, instead of after the worker's own backoff. */
export class Retry extends Error {
  override readonly name = "Retry";
  /** Range: 0 to 43200000 milliseconds. */
  readonly delayMs: number;

  constructor(delayMs: number, options?: ErrorOptions) {
    super(`try again in ${delayMs} ms`, options);
    this.delayMs = delayMs;
  }
}

/**
 * Thrown by a handler: this message cannot be processed, however often it is tried. The reason and the text of `cause` are
 * kept with it and shown by receives and peeks. It goes to the queue's dead-letter queue at once; where there is none, it
 * comes back after the worker's backoff.
 */
export class Reject extends Error {
  override readonly name = "Reject";
  /** A short, stable word to group by; 1 to 128 characters. */
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    super(`rejected: ${reason}`, options);
    this.reason = reason;
  }
}
