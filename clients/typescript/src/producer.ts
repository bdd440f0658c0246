// Sending many messages over one Produce stream: no call per message, results in order, a promise for each.
//
// Messages collect until the end of the current turn of the event loop and leave in requests of up to 1000, as far as the
// window of unanswered messages and the transport's own back pressure allow; the rest waits here. Unlike a send, a
// message on a stream carries no request id: when the stream breaks, messages that were written and not answered fail with
// CONNECTION_LOST (stored or not, nobody can say), and those still waiting here leave over a new stream. A message with a
// deduplication id is stored once however often it is sent: it is sent again, before those that wait, so that a FIFO queue
// gets its messages in order and without gaps.

import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  type ProduceRequest,
  type ProduceResponse,
  QueueServiceDefinition,
} from "../gen/forebay/queue/v1/queue_service.js";
import { Backoff } from "./backoff.js";
import { nowMs, sleep } from "./clock.js";
import { backlogError, ConnectionError, closedError, type ForebayError } from "./errors.js";
import {
  batchedBytesPendingMax,
  batchedEntriesPendingMax,
  produceBytesMax,
  produceEntriesMax,
} from "./limits.js";
import { verifyBody } from "./md5.js";
import {
  type Body,
  type MessageOptions,
  type OutgoingMessage,
  outgoing,
  outgoingBytes,
  type SendResult,
  sendResultOf,
} from "./outgoing.js";
import type { QueueContext } from "./queue-calls.js";
import { errorOfStatus } from "./status-details.js";

const inFlightDefault = 2_000;
const bytesInFlightDefault = 8_388_608;

export interface ProducerOptions {
  /** Messages written and not answered at most. Range: 1 to 100000. Default: 2000. */
  readonly maxInFlight?: number | undefined;
  /** Their bytes at most; one message always goes. Default: 8388608. */
  readonly maxInFlightBytes?: number | undefined;
}

interface Waiting {
  readonly message: OutgoingMessage;
  readonly bytes: number;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: unknown) => void;
}

type Stream = ClientDuplexStream<ProduceRequest, ProduceResponse>;

/** Sends many messages over one stream. Close it when done, or declare it with `await using`. */
export class Producer implements AsyncDisposable {
  readonly #queue: string;
  readonly #context: QueueContext;
  readonly #maxInFlight: number;
  readonly #maxInFlightBytes: number;
  readonly #forget: () => void;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Written and not answered, in order; the stream answers in order too. */
  #unanswered: Waiting[] = [];
  #unansweredBytes = 0;
  #stream: Stream | undefined;
  #isTurnAwaited = false;
  #isWritable = true;
  #isReconnecting = false;
  #backoff: Backoff | undefined;
  /** Since when nothing was answered although the connection was tried. */
  #brokenSinceMs: number | undefined;
  #wakers: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  /** Use `Queue.producer`. */
  constructor(queue: string, context: QueueContext, options: ProducerOptions) {
    this.#queue = queue;
    this.#context = context;
    this.#maxInFlight = options.maxInFlight ?? inFlightDefault;
    this.#maxInFlightBytes = options.maxInFlightBytes ?? bytesInFlightDefault;
    if (!(this.#maxInFlight >= 1 && this.#maxInFlight <= batchedEntriesPendingMax)) {
      throw new RangeError(
        `maxInFlight is ${this.#maxInFlight}; give 1 to ${batchedEntriesPendingMax}.`,
      );
    }
    this.#forget = context.closeWithClient(this);
  }

  /**
   * Sends one message; resolves once it is flushed to disk. Messages leave in the order of these calls. Wait for `ready()`
   * between calls, or what is sent faster than the server stores it piles up here. When the connection breaks, a message
   * with a `dedupId` is sent again; others that may have arrived fail with CONNECTION_LOST.
   *
   * @throws ForebayError as `Queue.send`; CONNECTION_LOST; CLIENT_BACKLOG if 100000 messages or 256 MiB wait here.
   */
  async send(body: Body, options: MessageOptions = {}): Promise<SendResult> {
    if (this.#closing !== undefined) throw closedError("producer");
    const message = outgoing(body, options);
    const bytes = outgoingBytes(message);
    if (
      this.#waiting.length >= batchedEntriesPendingMax ||
      this.#waitingBytes + bytes > batchedBytesPendingMax
    ) {
      throw backlogError();
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, bytes, resolve, reject });
      this.#waitingBytes += bytes;
      this.#awaitTurn();
    });
  }

  /** Resolves when the next message can leave at once: fewer than `maxInFlight` are waiting or unanswered. */
  async ready(): Promise<void> {
    while (
      this.pendingCount >= this.#maxInFlight ||
      this.#waitingBytes + this.#unansweredBytes >= this.#maxInFlightBytes
    ) {
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  /** Messages that wait or are not answered yet. */
  get pendingCount(): number {
    return this.#waiting.length + this.#unanswered.length;
  }

  /** Sends what waits, waits for all results, and closes the stream. Later sends are refused with CLIENT_CLOSED. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    while (this.pendingCount > 0) {
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
    this.#stream?.end();
    this.#stream = undefined;
    this.#forget();
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#write();
    });
  }

  #write(): void {
    while (this.#waiting.length > 0 && this.#isWritable && !this.#isReconnecting) {
      const entries = this.#takeRequest();
      if (entries.length === 0) return;
      const stream = this.#stream ?? this.#open();
      // The contract wants the name in the first request and takes it in every one.
      this.#isWritable = stream.write({
        queue: this.#queue,
        entries: entries.map(({ message }) => message),
      });
    }
  }

  /** As many waiting messages as one request and the window take, moved to the unanswered. */
  #takeRequest(): Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const waiting of this.#waiting) {
      if (count >= produceEntriesMax || this.#unanswered.length + count >= this.#maxInFlight) break;
      const isFirst = this.#unanswered.length + count === 0;
      const windowBytes = this.#unansweredBytes + bytes + waiting.bytes;
      if (!isFirst && windowBytes > this.#maxInFlightBytes) break;
      if (count > 0 && bytes + waiting.bytes > produceBytesMax) break;
      count += 1;
      bytes += waiting.bytes;
    }
    const taken = this.#waiting.splice(0, count);
    this.#waitingBytes -= bytes;
    for (const waiting of taken) this.#unanswered.push(waiting);
    this.#unansweredBytes += bytes;
    return taken;
  }

  #open(): Stream {
    const stream = this.#context.connection.duplex(QueueServiceDefinition.methods.produce);
    this.#stream = stream;
    this.#isWritable = true;
    stream.on("data", (response) => this.#settle(stream, response));
    stream.on("drain", () => {
      this.#isWritable = true;
      this.#write();
    });
    stream.on("error", (failure) => this.#broke(stream, failure));
    stream.on("end", () => this.#broke(stream, undefined));
    return stream;
  }

  #settle(stream: Stream, { results }: ProduceResponse): void {
    if (stream !== this.#stream) return;
    this.#context.connection.markReached();
    this.#backoff = undefined;
    this.#brokenSinceMs = undefined;
    const answered = this.#unanswered.splice(0, results.length);
    for (const [index, waiting] of answered.entries()) {
      this.#unansweredBytes -= waiting.bytes;
      this.#settleOne(waiting, results[index]?.result);
    }
    this.#write();
    this.#wake();
  }

  #settleOne(waiting: Waiting, result: ProduceResponse["results"][number]["result"]): void {
    if (result?.$case !== "sent") {
      const status = result?.value ?? { code: 13, message: "The answer is empty.", details: [] };
      waiting.reject(errorOfStatus(status));
      return;
    }
    try {
      if (this.#context.isMd5Verified) {
        verifyBody(waiting.message.body.value, result.value.md5OfBody, result.value.messageId);
      }
      waiting.resolve(sendResultOf(result.value));
    } catch (error) {
      waiting.reject(error);
    }
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
              "The server ended the stream. Whether unanswered messages were stored is unknown.",
          })
        : connection.errorOf(failure);
    this.#dropUnanswered(error);
    if (isPassing(error) && connection.retry !== undefined) void this.#reconnect(error);
    else this.#failWaiting(error);
    this.#wake();
  }

  #dropUnanswered(error: ForebayError): void {
    const unanswered = this.#unanswered;
    this.#unanswered = [];
    this.#unansweredBytes = 0;
    // Without a connection nothing has left.
    const mayLeaveAgain = ({ message }: Waiting): boolean =>
      error.reason === "CONNECTION_FAILED" || message.dedupId !== "";
    const again = unanswered.filter(mayLeaveAgain);
    this.#waiting = [...again, ...this.#waiting];
    this.#waitingBytes += again.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const waiting of unanswered) if (!mayLeaveAgain(waiting)) waiting.reject(error);
  }

  async #reconnect(error: ForebayError): Promise<void> {
    const { connection, timeoutMs } = this.#context;
    const { retry } = connection;
    this.#brokenSinceMs ??= nowMs();
    const givesUpAfterMs = connection.wasReached ? timeoutMs : (retry?.firstContactMs ?? 0);
    if (retry === undefined || nowMs() - this.#brokenSinceMs >= givesUpAfterMs) {
      this.#failWaiting(error);
      return;
    }
    this.#backoff ??= new Backoff(retry);
    this.#isReconnecting = true;
    await sleep(this.#backoff.next());
    this.#isReconnecting = false;
    this.#write();
  }

  #failWaiting(error: ForebayError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#brokenSinceMs = undefined;
    for (const { reject } of waiting) reject(error);
    this.#wake();
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}

/** Whether a new stream may fare better: the connection broke, or the server is stopping or full for a moment. */
function isPassing(error: ForebayError): boolean {
  return error instanceof ConnectionError || error.status === "UNAVAILABLE";
}
