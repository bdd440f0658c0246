// Keeps the leases of messages in hand alive: every beat replaces what is left of each by a full visibility timeout.
//
// A beat that fails as a whole is reported and made up for by the next one, as a lease lasts three beats. A message whose
// lease is gone is told so through its signal and left out from then on.

import type { ForebayError } from "./errors.js";
import { batchEntriesMax } from "./limits.js";
import type { BatchResult } from "./queue-calls.js";

/** A lease to keep. */
export interface Lease {
  readonly receiptHandle: string;
  /** Called when the lease is gone. */
  lose(error: ForebayError): void;
}

/** What a heartbeat needs from the queue. */
export interface LeasedQueue {
  changeVisibilityBatch(
    changes: readonly { readonly receiptHandle: string; readonly visibilityTimeoutMs: number }[],
    options: { readonly timeoutMs: number },
  ): Promise<BatchResult<unknown>>;
}

export interface HeartbeatOptions {
  readonly intervalMs: number;
  readonly visibilityTimeoutMs: number;
  readonly onError: (error: unknown) => void;
}

export class Heartbeat {
  readonly #queue: LeasedQueue;
  readonly #options: HeartbeatOptions;
  readonly #leases = new Set<Lease>();
  readonly #timer: NodeJS.Timeout;
  #isBeating = false;

  constructor(queue: LeasedQueue, options: HeartbeatOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#timer = setInterval(() => void this.#beat(), options.intervalMs);
    this.#timer.unref();
  }

  add(lease: Lease): void {
    this.#leases.add(lease);
  }

  delete(lease: Lease): void {
    this.#leases.delete(lease);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #beat(): Promise<void> {
    // A beat that takes longer than its interval is waited for, not overtaken.
    if (this.#isBeating) return;
    this.#isBeating = true;
    const leases = [...this.#leases];
    const extensions: Promise<void>[] = [];
    for (let at = 0; at < leases.length; at += batchEntriesMax) {
      extensions.push(this.#extend(leases.slice(at, at + batchEntriesMax)));
    }
    await Promise.all(extensions);
    this.#isBeating = false;
  }

  async #extend(leases: readonly Lease[]): Promise<void> {
    const { visibilityTimeoutMs, intervalMs, onError } = this.#options;
    const changes = leases.map(({ receiptHandle }) => ({ receiptHandle, visibilityTimeoutMs }));
    try {
      const result = await this.#queue.changeVisibilityBatch(changes, { timeoutMs: intervalMs });
      for (const { id, error } of result.failed) this.#refused(leases[Number(id)], error);
    } catch (error) {
      onError(error);
    }
  }

  #refused(lease: Lease | undefined, error: ForebayError): void {
    if (lease === undefined || !this.#leases.has(lease)) return;
    if (goneReasons.has(error.reason)) {
      this.#leases.delete(lease);
      lease.lose(error);
    } else {
      this.#options.onError(error);
    }
  }
}

/** The refusals that mean that a message is no longer this receiver's, or, after 12 hours, will soon not be. */
export const goneReasons: ReadonlySet<string> = new Set([
  "MESSAGE_NOT_FOUND",
  "MESSAGE_NOT_IN_FLIGHT",
  "RECEIPT_HANDLE_EXPIRED",
  "RECEIPT_HANDLE_INVALID",
  "VISIBILITY_LIMIT_EXCEEDED",
]);
