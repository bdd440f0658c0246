// Joins calls made at the same time into batches, so that many concurrent callers pay for few calls.
//
// Entries collect until the end of the current turn of the event loop, when everybody who was woken by the last answers has
// asked for more. A full batch then leaves at once while fewer than `batchesInFlightMax` are under way; one that is not full
// only while fewer than `partialBatchesInFlightMax` are, else it waits for more entries or for an answer (Nagle's idea: under
// load batches fill by themselves, and a lone caller never waits). Entries leave in the order they came. A call that cannot be
// joined may wait its turn among them, where the order counts.

import { onAbort } from "./abort.js";
import { nowMs, startTimer } from "./clock.js";
import { backlogError, DeadlineError } from "./errors.js";
import {
  batchBytesMax,
  batchEntriesMax,
  batchedBytesPendingMax,
  batchedEntriesPendingMax,
  batchesInFlightMax,
  partialBatchesInFlightMax,
} from "./limits.js";

/** What became of one entry. */
export type Settled<Result> =
  | { readonly kind: "done"; readonly result: Result }
  | { readonly kind: "failed"; readonly error: unknown };

/** Sends one batch and says what became of each entry, in their order. A rejection fails them all. */
export type SendBatch<Entry, Result> = (
  entries: readonly Entry[],
) => Promise<readonly Settled<Result>[]>;

export interface BatcherLimits {
  readonly batchesInFlightMax: number;
  readonly partialBatchesInFlightMax: number;
}

interface Waiting<Entry, Result> {
  readonly entry: Entry;
  readonly bytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

type Batch<Entry, Result> = Joined<Entry, Result> | Alone;

interface Joined<Entry, Result> {
  readonly kind: "joined";
  entries: Waiting<Entry, Result>[];
  bytes: number;
}

interface Alone {
  readonly kind: "alone";
  readonly call: () => Promise<void>;
  readonly bytes: number;
}

/** How long a call may wait for its turn, and how much waits with it. */
export interface Turn {
  readonly bytes: number;
  /** The time of the call, its wait included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export class Batcher<Entry, Result> {
  readonly #send: SendBatch<Entry, Result>;
  readonly #limits: BatcherLimits;
  /** Oldest first; only the last may have room. */
  readonly #batches: Batch<Entry, Result>[] = [];
  #pendingEntries = 0;
  #pendingBytes = 0;
  #inFlight = 0;
  #isTurnAwaited = false;
  #idle: (() => void)[] = [];

  constructor(
    send: SendBatch<Entry, Result>,
    limits: BatcherLimits = { batchesInFlightMax, partialBatchesInFlightMax },
  ) {
    this.#send = send;
    this.#limits = limits;
  }

  /**
   * Adds an entry of `bytes` to the next batch. A signal takes it back while it has not left, and afterwards ends only the
   * wait for its result.
   *
   * @throws ForebayError CLIENT_BACKLOG if too much waits already.
   */
  add(entry: Entry, bytes: number, signal?: AbortSignal): Promise<Result> {
    if (!this.#hasRoom(bytes)) return Promise.reject(backlogError());
    return new Promise((resolve, reject) => {
      const waiting = { entry, bytes, resolve, reject };
      this.#push(signal === undefined ? waiting : this.#abortable(waiting, signal));
      this.#awaitTurn();
    });
  }

  /**
   * Makes a call in its turn, as a batch of its own; it is told what is left of its time. A signal takes it back while it has
   * not left; afterwards it is the call's own business.
   *
   * @throws DeadlineError if its turn does not come in time; ForebayError CLIENT_BACKLOG.
   */
  alone<Answer>(
    call: (timeoutMs: number) => Promise<Answer>,
    { bytes, timeoutMs, signal }: Turn,
  ): Promise<Answer> {
    if (!this.#hasRoom(bytes)) return Promise.reject(backlogError());
    const deadlineMs = nowMs() + timeoutMs;
    return new Promise((resolve, reject) => {
      const takeBack = (reason: unknown): void => {
        stopWaiting();
        this.#remove(batch);
        reject(reason);
      };
      const stopTimer = startTimer(timeoutMs, () => takeBack(tooLate()));
      const forget = onAbort(signal, () => takeBack(signal?.reason));
      const stopWaiting = (): void => {
        stopTimer();
        forget();
      };
      const batch: Alone = {
        kind: "alone",
        bytes,
        call: async () => {
          stopWaiting();
          try {
            resolve(await call(Math.max(1, deadlineMs - nowMs())));
          } catch (error) {
            reject(error);
          }
        },
      };
      this.#batches.push(batch);
      this.#pendingEntries += 1;
      this.#pendingBytes += bytes;
      this.#awaitTurn();
    });
  }

  /** Resolves once nothing waits and nothing is in flight. */
  idle(): Promise<void> {
    if (this.#batches.length === 0 && this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #abortable(waiting: Waiting<Entry, Result>, signal: AbortSignal): Waiting<Entry, Result> {
    const abort = (): void => {
      this.#takeBack(abortable);
      waiting.reject(signal.reason);
    };
    const forget = onAbort(signal, abort);
    const abortable = {
      ...waiting,
      resolve: (result: Result): void => {
        forget();
        waiting.resolve(result);
      },
      reject: (error: unknown): void => {
        forget();
        waiting.reject(error);
      },
    };
    return abortable;
  }

  #hasRoom(bytes: number): boolean {
    return (
      this.#pendingEntries < batchedEntriesPendingMax &&
      this.#pendingBytes + bytes <= batchedBytesPendingMax
    );
  }

  #push(waiting: Waiting<Entry, Result>): void {
    const last = this.#batches.at(-1);
    if (last?.kind === "joined" && hasRoom(last, waiting.bytes)) {
      last.entries.push(waiting);
      last.bytes += waiting.bytes;
    } else {
      this.#batches.push({ kind: "joined", entries: [waiting], bytes: waiting.bytes });
    }
    this.#pendingEntries += 1;
    this.#pendingBytes += waiting.bytes;
  }

  #takeBack(waiting: Waiting<Entry, Result>): void {
    const batch = this.#batches.find(
      (other) => other.kind === "joined" && other.entries.includes(waiting),
    );
    if (batch?.kind !== "joined") return;
    if (batch.entries.length === 1) {
      this.#remove(batch);
      return;
    }
    batch.entries = batch.entries.filter((other) => other !== waiting);
    batch.bytes -= waiting.bytes;
    this.#pendingEntries -= 1;
    this.#pendingBytes -= waiting.bytes;
  }

  #remove(batch: Batch<Entry, Result>): void {
    const at = this.#batches.indexOf(batch);
    if (at < 0) return;
    this.#batches.splice(at, 1);
    this.#pendingEntries -= entryCount(batch);
    this.#pendingBytes -= batch.bytes;
    this.#tellIdle();
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (;;) {
      const [batch] = this.#batches;
      if (batch === undefined) return;
      // Behind another batch it will not grow any more.
      const isFull =
        this.#batches.length > 1 ||
        batch.kind === "alone" ||
        batch.entries.length >= batchEntriesMax;
      const { batchesInFlightMax, partialBatchesInFlightMax } = this.#limits;
      if (this.#inFlight >= (isFull ? batchesInFlightMax : partialBatchesInFlightMax)) return;
      this.#batches.shift();
      this.#pendingEntries -= entryCount(batch);
      this.#pendingBytes -= batch.bytes;
      void this.#flush(batch);
    }
  }

  async #flush(batch: Batch<Entry, Result>): Promise<void> {
    this.#inFlight += 1;
    await (batch.kind === "alone" ? batch.call() : this.#sendTogether(batch.entries));
    this.#inFlight -= 1;
    if (this.#batches.length > 0) this.#awaitTurn();
    this.#tellIdle();
  }

  /** Never rejects; what fails is told to those who wait for it. */
  async #sendTogether(batch: readonly Waiting<Entry, Result>[]): Promise<void> {
    try {
      const results = await this.#send(batch.map(({ entry }) => entry));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const settled = results[index];
        if (settled?.kind === "done") resolve(settled.result);
        else
          reject(settled?.error ?? new Error("The server's answer lacks an entry of the batch."));
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  #tellIdle(): void {
    if (this.#batches.length > 0 || this.#inFlight > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

function entryCount<Entry, Result>(batch: Batch<Entry, Result>): number {
  return batch.kind === "alone" ? 1 : batch.entries.length;
}

function tooLate(): DeadlineError {
  return new DeadlineError(
    "The deadline passed before the turn of the call came, behind earlier ones that are not answered yet. It was not made.",
    undefined,
  );
}

function hasRoom(
  batch: { readonly entries: readonly unknown[]; readonly bytes: number },
  bytes: number,
): boolean {
  return batch.entries.length < batchEntriesMax && batch.bytes + bytes <= batchBytesMax;
}
