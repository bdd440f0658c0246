// A lease that is kept while its holder works: renewed three times within its span, until it is stopped or lost.

import { nowMs, sleep } from "./clock.js";
import { ForebayError } from "./errors.js";

/** How often within its span a lease is renewed: two renewals may fail before it ends. */
const renewalsInSpan = 3;

export class LeaseRenewal {
  readonly #stopped = new AbortController();
  readonly #lost = new AbortController();
  readonly #done: Promise<void>;

  constructor(leaseMs: number, renew: () => Promise<unknown>) {
    this.#done = this.#run(leaseMs, renew);
  }

  /** Aborted when the lease is somebody else's, or may be, since nobody could be asked until its end. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Renews no more; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }

  async #run(leaseMs: number, renew: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#stopped;
    let renewedMs = nowMs();
    while (!signal.aborted) {
      try {
        await sleep(leaseMs / renewalsInSpan, signal);
      } catch {
        // It was stopped.
        return;
      }
      const askedMs = nowMs();
      try {
        await renew();
        renewedMs = askedMs;
      } catch (error) {
        const isLost = error instanceof ForebayError && error.reason === "LEASE_LOST";
        // Any other failure may pass before the lease ends.
        if (!isLost && nowMs() - renewedMs < leaseMs) continue;
        this.#lost.abort(error);
        return;
      }
    }
  }
}
