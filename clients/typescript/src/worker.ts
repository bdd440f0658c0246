// Processes the messages of a queue: receives, runs a handler for each, deletes what it returned from, gives back what it
// threw on.
//
// A worker receives and renews leases itself rather than over a Consume stream: a lease outlives a broken connection, so that
// what is in hand is finished and deleted afterwards, where a stream would hand it to somebody else at once. In return,
// messages of a worker that was killed come back only when their visibility timeout ends.
//
// A message is in one of these states:
//   waiting     FIFO: a message before it, of its group and of the same receive, is not settled yet; its lease is renewed
//   running     its handler runs; takes one of the `concurrency` slots; its lease is renewed
//   settling    the handler is done; it is being deleted or given back; still renewed, holds no slot
//   given back  the worker stopped before the handler was done, whose doings are not heard any more; or, while it waited, the
//               one before it was not processed, so that both come again in their order
//
// Messages of one group that come with different receives cannot run side by side: the server gives out nothing of a group
// behind a message that is leased.

import { onAbort } from "./abort.js";
import { Backoff, type BackoffBounds } from "./backoff.js";
import { nowMs, sleep, startTimer } from "./clock.js";
import { ForebayError } from "./errors.js";
import { isFifo } from "./fifo.js";
import { goneReasons, Heartbeat, type Lease, type LeasedQueue } from "./heartbeat.js";
import { batchEntriesMax, visibilityTimeoutMaxMs, waitTimeMaxMs } from "./limits.js";
import type { ReceivedMessage } from "./messages.js";
import { Reject, Retry } from "./outcomes.js";
import type { QueueContext, ReceiveOptions } from "./queue-calls.js";
import { between } from "./random.js";

/** What a handler is given beside the message. */
export interface HandlerContext {
  /** Aborted when the message is no longer this worker's: its lease was lost, or the worker stops and waited long enough. */
  readonly signal: AbortSignal;
}

/**
 * Processes one message. Returning deletes it; throwing gives it back (see `Retry` and `Reject`). On a FIFO queue the messages
 * of a group come one at a time and in order; when one is given back, those behind it are too.
 */
export type Handler = (message: ReceivedMessage, context: HandlerContext) => unknown;

export interface WorkerOptions {
  /**
   * Handlers that run at once at most. Range: 1 to 10000. Default: 10. On a FIFO queue as many groups; up to nine messages
   * more of each wait in hand.
   */
  readonly concurrency?: number | undefined;
  /** The lease of each message, renewed while its handler runs, in milliseconds. Range: 1000 to 43200000. Default: 30000. */
  readonly visibilityTimeoutMs?: number | undefined;
  /** How often leases are renewed, in milliseconds; at least 100. Default: a third of the visibility timeout. */
  readonly heartbeatMs?: number | undefined;
  /** How long a receive waits for messages, in milliseconds. Range: 100, lest an idle worker spins, to 20000, the default. */
  readonly waitTimeMs?: number | undefined;
  /**
   * How long a message whose handler threw stays invisible: from `initialMs`, doubled with every receive of the message, to
   * `maxMs`, with jitter. Default: 1000 to 300000. The queue's retry policy plays no part, as the worker names the time itself.
   */
  readonly backoff?: Partial<BackoffBounds> | undefined;
  /** How long `stop` waits for running handlers, in milliseconds. Default: 30000. */
  readonly stopTimeoutMs?: number | undefined;
  /** Stops the worker, as `stop` does. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with everything that goes wrong: with the message when its handler threw or it could not be settled, without when
   * a receive or a renewal failed (the worker goes on by itself). What it throws is ignored. Default: nothing is told.
   */
  readonly onError?: ((error: unknown, message: ReceivedMessage | undefined) => void) | undefined;
}

/** What a worker needs from its queue. */
export interface WorkedQueue extends LeasedQueue {
  readonly name: string;
  receive(options: ReceiveOptions): Promise<ReceivedMessage[]>;
}

interface Work extends Lease {
  readonly message: ReceivedMessage;
  readonly abort: AbortController;
  isGivenBack: boolean;
}

/** Receives in flight at most; more would only share what there is. */
const pollersMax = 16;
const receiveBackoff: BackoffBounds = { initialMs: 100, maxMs: 5_000 };

/** A running worker. Ends by `stop`, by its signal, or with its client. */
export class Worker implements AsyncDisposable {
  /** Resolves when the worker has stopped. Never rejects. */
  readonly stopped: Promise<void>;
  readonly #queue: WorkedQueue;
  readonly #handler: Handler;
  readonly #options: ReturnType<typeof withDefaults>;
  readonly #heartbeat: Heartbeat;
  readonly #inHand = new Set<Work>();
  readonly #polling = new AbortController();
  readonly #forget: () => void;
  readonly #forgetSignal: () => void;
  #freeSlots: number;
  #slotWaiters: (() => void)[] = [];
  #emptyWaker: (() => void) | undefined;
  #stopping: Promise<void> | undefined;
  #pollers: Promise<unknown>;
  #resolveStopped: () => void = () => undefined;

  /** Use `Queue.work`. */
  constructor(queue: WorkedQueue, handler: Handler, context: QueueContext, options: WorkerOptions) {
    this.#queue = queue;
    this.#handler = handler;
    this.#options = withDefaults(options);
    this.#freeSlots = this.#options.concurrency;
    this.#heartbeat = new Heartbeat(queue, {
      intervalMs: this.#options.heartbeatMs,
      visibilityTimeoutMs: this.#options.visibilityTimeoutMs,
      onError: (error) => this.#report(error, undefined),
    });
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.#forget = context.closeWithClient(this);
    const pollerCount = Math.min(
      pollersMax,
      Math.ceil(this.#options.concurrency / batchEntriesMax),
    );
    this.#pollers = Promise.all(Array.from({ length: pollerCount }, () => this.#poll()));
    this.#forgetSignal = onAbort(options.signal, () => void this.stop());
    if (options.signal?.aborted) void this.stop();
  }

  /** Messages received and neither deleted nor given back yet. */
  get inHandCount(): number {
    return this.#inHand.size;
  }

  /**
   * Receives nothing more, waits for running handlers up to `stopTimeoutMs`, gives the rest back at once, and resolves. A
   * second call returns the same promise.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #poll(): Promise<void> {
    const { visibilityTimeoutMs, waitTimeMs } = this.#options;
    const { signal } = this.#polling;
    const backoff = new Backoff(receiveBackoff);
    while (!signal.aborted) {
      const slots = await this.#takeSlots();
      let chains: readonly (readonly ReceivedMessage[])[] = [];
      try {
        signal.throwIfAborted();
        const messages = await this.#queue.receive({
          maxMessages: slots,
          visibilityTimeoutMs,
          waitTimeMs,
          signal,
        });
        backoff.reset();
        chains = this.#chainsOf(messages);
        for (const chain of chains) void this.#processInOrder(chain);
      } catch (error) {
        if (signal.aborted) return;
        this.#report(error, undefined);
        await sleep(backoff.next(), signal).catch(() => undefined);
      } finally {
        this.#releaseSlots(slots - chains.length);
      }
    }
  }

  /** Takes 1 to 10 slots, waiting until there is one. */
  async #takeSlots(): Promise<number> {
    while (this.#freeSlots === 0) {
      await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
      // Handlers that finish together are replaced together, by one receive.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const slots = Math.min(batchEntriesMax, this.#freeSlots);
    this.#freeSlots -= slots;
    return slots;
  }

  #releaseSlots(count: number): void {
    this.#freeSlots += count;
    if (count > 0) this.#slotWaiters.shift()?.();
  }

  /** What is processed one after another: the messages of a FIFO group; else every message for itself. */
  #chainsOf(messages: readonly ReceivedMessage[]): ReceivedMessage[][] {
    if (!isFifo(this.#queue.name)) return messages.map((message) => [message]);
    const groups = new Map<string | undefined, ReceivedMessage[]>();
    for (const message of messages) {
      const group = groups.get(message.groupId);
      if (group === undefined) groups.set(message.groupId, [message]);
      else group.push(message);
    }
    return [...groups.values()];
  }

  async #processInOrder(chain: readonly ReceivedMessage[]): Promise<void> {
    const waiting = chain.map((message) => this.#takeInHand(message));
    for (let work = waiting.shift(); work !== undefined; work = waiting.shift()) {
      const settle = await this.#run(work);
      // The next message goes on with the slot.
      if (waiting.length === 0) this.#releaseSlots(1);
      const isProcessed = await this.#settle(work, settle);
      this.#release(work);
      if (waiting.length > 0 && !(isProcessed && this.#goesOnWith(waiting[0]))) {
        const reason = new Error("A message before it, of its group, was not processed.");
        await this.#giveBack(waiting, reason);
        for (const other of waiting.splice(0)) this.#release(other);
        this.#releaseSlots(1);
      }
    }
  }

  #goesOnWith(work: Work | undefined): boolean {
    return this.#stopping === undefined && work?.abort.signal.aborted === false;
  }

  #takeInHand(message: ReceivedMessage): Work {
    const abort = new AbortController();
    const work: Work = {
      message,
      abort,
      receiptHandle: message.receiptHandle,
      isGivenBack: false,
      lose: (error) => abort.abort(error),
    };
    this.#inHand.add(work);
    this.#heartbeat.add(work);
    return work;
  }

  #release(work: Work): void {
    this.#heartbeat.delete(work);
    this.#inHand.delete(work);
    if (this.#inHand.size === 0) this.#emptyWaker?.();
  }

  /** Runs the handler and returns how to settle its message, which says whether the message has left the queue. */
  async #run({ message, abort }: Work): Promise<() => Promise<boolean>> {
    try {
      await this.#handler(message, { signal: abort.signal });
      return () => message.delete().then(() => true);
    } catch (error) {
      this.#report(error, message);
      if (error instanceof Reject) return () => this.#reject(message, error);
      const delayMs = error instanceof Retry ? error.delayMs : this.#backoffMs(message);
      return () => message.changeVisibility(delayMs).then(() => false);
    }
  }

  async #settle(work: Work, settle: () => Promise<boolean>): Promise<boolean> {
    if (work.isGivenBack) return false;
    try {
      return await settle();
    } catch (error) {
      // Already gone is what was wanted; anything else comes back by itself when its lease ends.
      if (!isGone(error)) this.#report(error, work.message);
      return false;
    }
  }

  async #reject(message: ReceivedMessage, { reason, cause, stack }: Reject): Promise<boolean> {
    const rejection = { reason, error: cause ?? stack };
    try {
      const { kind } = await message.reject({ ...rejection, deadLetter: true });
      return kind === "dead_lettered";
    } catch (error) {
      if (!(error instanceof ForebayError) || error.reason !== "DLQ_NOT_FOUND") throw error;
      await message.reject({ ...rejection, delayMs: this.#backoffMs(message) });
      return false;
    }
  }

  #backoffMs({ queueReceiveCount, receiveCount }: ReceivedMessage): number {
    const { initialMs, maxMs } = this.#options.backoff;
    // What it took in other queues, before it was moved here, says nothing about this one.
    const count = queueReceiveCount ?? receiveCount ?? 1;
    const fullMs = Math.min(maxMs, initialMs * 2 ** (count - 1));
    return Math.round(between(fullMs / 2, fullMs));
  }

  async #stop(): Promise<void> {
    const { stopTimeoutMs } = this.#options;
    this.#forgetSignal();
    const startedMs = nowMs();
    this.#polling.abort();
    for (const wake of this.#slotWaiters.splice(0)) wake();
    // Pollers that wait for a slot are woken with none; what they would take is not used any more.
    this.#freeSlots = Number.POSITIVE_INFINITY;
    await this.#pollers;
    await this.#handlersDone(stopTimeoutMs - (nowMs() - startedMs));
    const reason = new Error("The worker stopped before the handler was done.");
    await this.#giveBack([...this.#inHand], reason);
    this.#heartbeat.stop();
    this.#forget();
    this.#resolveStopped();
  }

  #handlersDone(timeoutMs: number): Promise<void> {
    if (this.#inHand.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const stopTimer = startTimer(Math.max(0, timeoutMs), resolve);
      this.#emptyWaker = () => {
        stopTimer();
        resolve();
      };
    });
  }

  async #giveBack(works: readonly Work[], reason: Error): Promise<void> {
    await Promise.all(
      works.map(async (work) => {
        if (work.isGivenBack) return;
        work.isGivenBack = true;
        this.#heartbeat.delete(work);
        work.abort.abort(reason);
        try {
          await work.message.changeVisibility(0);
        } catch (error) {
          if (!isGone(error)) this.#report(error, work.message);
        }
      }),
    );
  }

  #report(error: unknown, message: ReceivedMessage | undefined): void {
    try {
      this.#options.onError?.(error, message);
    } catch {
      // A hook that fails must not stop the work; its own errors are its own business.
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ForebayError && goneReasons.has(error.reason);
}

function withDefaults(options: WorkerOptions) {
  const visibilityTimeoutMs = inRange(
    "visibilityTimeoutMs",
    options.visibilityTimeoutMs ?? 30_000,
    1_000,
    visibilityTimeoutMaxMs,
  );
  const backoff = { initialMs: 1_000, maxMs: 300_000, ...options.backoff };
  return {
    concurrency: inRange("concurrency", options.concurrency ?? 10, 1, 10_000),
    visibilityTimeoutMs,
    heartbeatMs: inRange(
      "heartbeatMs",
      options.heartbeatMs ?? Math.max(100, visibilityTimeoutMs / 3),
      100,
      visibilityTimeoutMs,
    ),
    waitTimeMs: inRange("waitTimeMs", options.waitTimeMs ?? waitTimeMaxMs, 100, waitTimeMaxMs),
    backoff: {
      initialMs: inRange("backoff.initialMs", backoff.initialMs, 0, visibilityTimeoutMaxMs),
      maxMs: inRange("backoff.maxMs", backoff.maxMs, 0, visibilityTimeoutMaxMs),
    },
    stopTimeoutMs: inRange("stopTimeoutMs", options.stopTimeoutMs ?? 30_000, 0, 2 ** 31 - 1),
    onError: options.onError,
  };
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw new RangeError(`${name} is ${value}; give ${min} to ${max}.`);
}
