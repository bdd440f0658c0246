// Many operations on one cache over one Pipeline stream: those of a turn of the event loop leave in one message, and many messages
// are under way at once. Nobody asks for it; calls on single keys go this way by themselves.
//
// When the stream breaks, operations that are safe to repeat, by their nature or because the server recognises their request id, leave
// over a new one until their time is up; others fail with CONNECTION_LOST, since whether they took effect nobody can say.

import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  type CacheOperation,
  type CacheResult,
  CacheServiceDefinition,
  type PipelinedOperation,
  type PipelineRequest,
  type PipelineResponse,
} from "../gen/forebay/cache/v1/cache_service.js";
import { onAbort } from "./abort.js";
import { Backoff } from "./backoff.js";
import { nowMs, sleep } from "./clock.js";
import type { CallOptions, Connection } from "./connection.js";
import { backlogError, ConnectionError, DeadlineError, type ForebayError } from "./errors.js";
import { errorOfStatus } from "./status-details.js";

/** The contract's bound for a message. */
const operationsPerMessage = 1_000;
/** About so many bytes of values go into a message; one operation always does. */
const bytesPerMessage = 1_048_576;
/** Operations that wait or are under way; one more is refused. */
const pendingMax = 100_000;
/** How often it is looked whether somebody's time is up. */
const sweepMs = 100;

export interface PipelineContext {
  readonly connection: Connection;
  readonly timeoutMs: number;
}

export type Operation = NonNullable<CacheOperation["operation"]>;

interface Waiting {
  readonly pipelined: PipelinedOperation;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly resolve: (result: NonNullable<CacheResult["result"]>) => void;
  readonly reject: (error: unknown) => void;
  /** Hears of the caller's signal no more. */
  forget: () => void;
  /** Whether it was answered, or given up while its answer may still come. */
  isOver: boolean;
}

type Stream = ClientDuplexStream<PipelineRequest, PipelineResponse>;

const noBytes = new Uint8Array(0);

/** The pipeline of one cache. */
export class CachePipeline {
  readonly #cache: string;
  readonly #context: PipelineContext;
  #waiting: Waiting[] = [];
  /** Written and not answered, in order; the stream answers in order too. */
  #unanswered: Waiting[] = [];
  /** Those at the front of `#unanswered` that were answered: taken away together. */
  #answered = 0;
  #stream: Stream | undefined;
  #isTurnAwaited = false;
  #isWritable = true;
  #isReconnecting = false;
  #backoff: Backoff | undefined;
  #sweep: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(cache: string, context: PipelineContext) {
    this.#cache = cache;
    this.#context = context;
  }

  get #pendingCount(): number {
    return this.#waiting.length + this.#unanswered.length - this.#answered;
  }

  /** Carries out one operation; `requestId` empty: it is safe to repeat as it is. */
  run(
    operation: Operation,
    { bytes, requestId }: { readonly bytes: number; readonly requestId: string | undefined },
    options: CallOptions,
  ): Promise<NonNullable<CacheResult["result"]>> {
    options.signal?.throwIfAborted();
    if (this.#pendingCount >= pendingMax) throw backlogError();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        pipelined: { opaque: noBytes, operation: { operation }, requestId: requestId ?? "" },
        bytes,
        deadlineMs: nowMs() + (options.timeoutMs ?? this.#context.timeoutMs),
        resolve,
        reject,
        forget: () => undefined,
        isOver: false,
      };
      waiting.forget = onAbort(options.signal, () => this.#giveUp(waiting, options.signal?.reason));
      this.#waiting.push(waiting);
      this.#awaitTurn();
    });
  }

  #giveUp(waiting: Waiting, error: unknown): void {
    if (waiting.isOver) return;
    waiting.isOver = true;
    waiting.forget();
    waiting.reject(error);
    // One that was not written need not be; the answer of another one comes, and nobody hears it.
    const at = this.#waiting.indexOf(waiting);
    if (at !== -1) this.#waiting.splice(at, 1);
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#write();
    });
    this.#sweep ??= setTimeout(() => this.#sweepLate(), sweepMs).unref();
  }

  #write(): void {
    while (this.#waiting.length > 0 && this.#isWritable && !this.#isReconnecting) {
      let stream: Stream;
      try {
        stream = this.#stream ?? this.#open();
      } catch (error) {
        this.#fail(this.#context.connection.errorOf(error));
        return;
      }
      const taken = this.#takeMessage();
      for (const waiting of taken) this.#unanswered.push(waiting);
      this.#isWritable = stream.write({
        cache: this.#cache,
        operations: taken.map(({ pipelined }) => pipelined),
      });
    }
  }

  #takeMessage(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (
        count === operationsPerMessage ||
        (count > 0 && bytes + waiting.bytes > bytesPerMessage)
      ) {
        break;
      }
      bytes += waiting.bytes;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  #open(): Stream {
    const stream = this.#context.connection.duplex(CacheServiceDefinition.methods.pipeline);
    this.#stream = stream;
    this.#isWritable = true;
    stream.on("data", (response: PipelineResponse) => this.#settle(stream, response));
    stream.on("drain", () => {
      this.#isWritable = true;
      this.#write();
    });
    stream.on("error", (failure: Error) => this.#broke(stream, failure));
    stream.on("end", () => this.#broke(stream, undefined));
    return stream;
  }

  #settle(stream: Stream, { results, position }: PipelineResponse): void {
    if (stream !== this.#stream) return;
    this.#context.connection.markReached();
    this.#context.connection.notePosition(position);
    this.#backoff = undefined;
    const again: Waiting[] = [];
    for (const { result } of results) {
      const waiting = this.#unanswered[this.#answered];
      if (waiting === undefined) break;
      this.#answered += 1;
      if (waiting.isOver) continue;
      const answer = result?.result;
      if (answer?.$case === "error" && hadNoRoom(answer.value)) {
        again.push(waiting);
        continue;
      }
      waiting.isOver = true;
      waiting.forget();
      if (answer === undefined) waiting.reject(emptyAnswer());
      else if (answer.$case === "error") waiting.reject(errorOfStatus(answer.value));
      else waiting.resolve(answer);
    }
    if (this.#answered === this.#unanswered.length) this.#unanswered = [];
    else this.#unanswered.splice(0, this.#answered);
    this.#answered = 0;
    if (again.length > 0) {
      this.#waiting = [...again, ...this.#waiting];
      this.#awaitTurn();
    }
    this.#reportIdle();
  }

  #broke(stream: Stream, failure: Error | undefined): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    const { connection } = this.#context;
    const error =
      failure === undefined
        ? new ConnectionError(connection.endpoint, {
            reason: "CONNECTION_LOST",
            message:
              "The server ended the stream. Whether unanswered operations took effect is unknown.",
          })
        : connection.errorOf(failure);
    const again = this.#unanswered.filter(({ isOver }) => !isOver);
    this.#unanswered = [];
    this.#answered = 0;
    // Every operation is one that may be repeated: by its nature, or by its request id.
    this.#waiting = [...again, ...this.#waiting];
    if (this.#waiting.length === 0) {
      this.#reportIdle();
      return;
    }
    if (isPassing(error) && connection.retry !== undefined) void this.#reconnect(error);
    else this.#fail(error);
  }

  async #reconnect(error: ForebayError): Promise<void> {
    const { retry, wasReached } = this.#context.connection;
    if (retry === undefined || (!wasReached && this.#isFirstContactOver(retry.firstContactMs))) {
      this.#fail(error);
      return;
    }
    this.#backoff ??= new Backoff(retry);
    this.#isReconnecting = true;
    await sleep(Math.max(this.#backoff.next(), error.retryAfterMs ?? 0));
    this.#isReconnecting = false;
    this.#write();
  }

  #isFirstContactOver(firstContactMs: number): boolean {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return true;
    return nowMs() - (oldest.deadlineMs - this.#context.timeoutMs) >= firstContactMs;
  }

  #fail(error: ForebayError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) this.#giveUp(each, error);
    this.#reportIdle();
  }

  /** One timer for all: a timer for each operation would cost more than the operation. */
  #sweepLate(): void {
    this.#sweep = undefined;
    const now = nowMs();
    for (const waiting of [...this.#unanswered, ...this.#waiting]) {
      if (waiting.deadlineMs > now || waiting.isOver) continue;
      const { endpoint } = this.#context.connection;
      this.#giveUp(
        waiting,
        new DeadlineError(
          `The server at ${endpoint} did not answer before the deadline. Whether the operation took effect is unknown.`,
          undefined,
        ),
      );
    }
    this.#reportIdle();
    if (this.#pendingCount > 0) {
      this.#sweep = setTimeout(() => this.#sweepLate(), sweepMs).unref();
    }
  }

  #reportIdle(): void {
    if (this.#waiting.length > 0 || this.#unanswered.some(({ isOver }) => !isOver)) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const react of idle) react();
  }

  /** Resolves once everything is answered or given up, with the stream closed. */
  async close(): Promise<void> {
    if (this.#waiting.length > 0 || this.#unanswered.some(({ isOver }) => !isOver)) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    const stream = this.#stream;
    this.#stream = undefined;
    clearTimeout(this.#sweep);
    stream?.on("error", () => undefined);
    stream?.end();
  }
}

/** Whether an operation was not carried out, since the answers before it filled what its message may be answered with. */
const hadNoRoom = (status: Parameters<typeof errorOfStatus>[0]): boolean =>
  errorOfStatus(status).reason === "ANSWER_TOO_LARGE";

const emptyAnswer = () => errorOfStatus({ code: 13, message: "The answer is empty.", details: [] });

/** Whether a new stream may fare better: the connection broke, or the server is stopping or not leading for a moment. */
const isPassing = (error: ForebayError): boolean =>
  error instanceof ConnectionError || error.status === "UNAVAILABLE";
