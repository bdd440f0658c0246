// Taking messages of a durable stream, which consumers share. Credit stands for messages held: at most `maxMessages` are, and each
// that is acked, nacked or rejected lets another come.
//
// A stream that breaks is opened again, with growing waits. What was held is then lost: the server has given it back, or does when
// its deadline passes. An ack that was not answered is told again, for a message whose deadline has not passed takes it over any
// stream; whatever else was not answered was in vain, as the message comes again anyway.

import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  type ConsumeRequest,
  type ConsumeResponse,
  type ConsumeResult,
  TopicServiceDefinition,
} from "../gen/forebay/topic/v1/topic_service.js";
import { onAbort } from "./abort.js";
import {
  endedByServer,
  endStream,
  inRange,
  LastAnswers,
  StreamPatience,
  TurnEnd,
} from "./consumer-stream.js";
import type { ForebayError } from "./errors.js";
import type { QueueContext } from "./queue-calls.js";
import { StreamMessage, type StreamSettler } from "./stream-message.js";
import { type ConsumeCommand, type StreamRequest, streamRequestsFor } from "./stream-requests.js";

const messagesDefault = 100;
const messagesMax = 10_000;

export interface StreamOptions {
  /** Messages held and not yet acked, nacked or rejected at most. Range: 1 to 10000. Default: 100. */
  readonly maxMessages?: number | undefined;
  /** Ends the loop, quietly, as leaving it does. */
  readonly signal?: AbortSignal | undefined;
}

interface Told {
  readonly handle: string;
  readonly command: ConsumeCommand;
  readonly resolve: (isDone: boolean) => void;
}

type Stream = ClientDuplexStream<ConsumeRequest, ConsumeResponse>;
type Next = IteratorResult<StreamMessage, undefined>;

/** The messages of a stream, as they come. Read it with one `for await` loop. */
export class StreamConsumer
  implements AsyncIterableIterator<StreamMessage, undefined>, StreamSettler
{
  readonly #subscription: string;
  readonly #context: QueueContext;
  readonly #maxMessages: number;
  readonly #forget: () => void;
  readonly #forgetSignal: () => void;
  #stream: Stream | undefined;
  /** Arrived and not handed out. */
  #ready: StreamMessage[] = [];
  /** Arrived and not settled, by handle. */
  readonly #held = new Map<string, StreamMessage>();
  /** Not told yet, and told but not answered, in order. */
  #outbox: Told[] = [];
  #unanswered: Told[] = [];
  #credit = 0;
  readonly #turn = new TurnEnd(() => this.#flush());
  #waiters: {
    readonly resolve: (next: Next) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  #failure: unknown;
  readonly #patience: StreamPatience;
  readonly #answers = new LastAnswers();
  #closing: Promise<void> | undefined;

  /** Use `Subscription.consume`. */
  constructor(subscription: string, context: QueueContext, options: StreamOptions) {
    const { maxMessages = messagesDefault, signal } = options;
    this.#subscription = subscription;
    this.#context = context;
    this.#patience = new StreamPatience(context.connection);
    this.#maxMessages = inRange("maxMessages", maxMessages, messagesMax);
    this.#forget = context.closeWithClient(this);
    this.#forgetSignal = onAbort(signal, () => void this.close());
    if (signal?.aborted) void this.close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The next message.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, NOT_A_STREAM, SUBSCRIPTION_PENDING; CONNECTION_FAILED if the server was never
   * reached.
   */
  next(): Promise<Next> {
    const message = this.#ready.shift();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) return this.return();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#stream === undefined && !this.#patience.isWaiting) this.#open();
    });
  }

  /** Leaves the loop: what `break` calls. */
  async return(): Promise<Next> {
    await this.close();
    return ended;
  }

  /** Waits for what was told to be confirmed, at most 5 s, and closes the stream; what is held goes to other consumers. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Used by the messages. */
  tell({ handle }: StreamMessage, command: ConsumeCommand): Promise<boolean> {
    const isOver = this.#closing !== undefined && this.#stream === undefined;
    if (isOver) return Promise.resolve(false);
    if (command.kind !== "extend" && this.#held.delete(handle)) this.#credit += 1;
    return new Promise((resolve) => {
      this.#outbox.push({ handle, command, resolve });
      this.#turn.await();
    });
  }

  async #close(): Promise<void> {
    this.#forgetSignal();
    this.#ready = [];
    const stream = this.#stream;
    if (stream !== undefined && this.#outbox.length + this.#unanswered.length > 0) {
      await this.#answers.wait();
    }
    this.#loseAll();
    this.#stream = undefined;
    for (const { resolve } of [...this.#unanswered, ...this.#outbox]) resolve(false);
    this.#unanswered = [];
    this.#outbox = [];
    if (stream !== undefined) await endStream(stream);
    this.#forget();
    for (const { resolve } of this.#waiters.splice(0)) resolve(ended);
  }

  #open(): void {
    const { connection } = this.#context;
    const stream = connection.duplex(TopicServiceDefinition.methods.consume);
    this.#stream = stream;
    stream.on("data", (response) => {
      if (stream === this.#stream) this.#receive(response);
    });
    stream.on("error", (failure) => this.#broke(stream, connection.errorOf(failure)));
    stream.on("end", () => this.#broke(stream, endedByServer(connection.endpoint)));
    this.#credit = 0;
    const value = { subscription: this.#subscription, credit: this.#maxMessages };
    stream.write({ command: { $case: "start", value } });
    this.#flush();
  }

  #receive({ item }: ConsumeResponse): void {
    this.#patience.restore();
    if (item?.$case === "message") this.#take(new StreamMessage(item.value, this));
    else if (item?.$case === "result") this.#answered(item.value);
  }

  #take(message: StreamMessage): void {
    this.#held.set(message.handle, message);
    if (this.#closing !== undefined) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#ready.push(message);
    else waiter.resolve({ done: false, value: message });
  }

  /** Answers come in the order of what was told, of each handle. */
  #answered({ handles, isDone }: ConsumeResult): void {
    for (const handle of handles) {
      const at = this.#unanswered.findIndex((told) => told.handle === handle);
      const [told] = at < 0 ? [] : this.#unanswered.splice(at, 1);
      told?.resolve(isDone);
    }
    if (this.#unanswered.length + this.#outbox.length === 0) this.#answers.arrived();
  }

  #flush(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const tell = (command: StreamRequest): void => void stream.write({ command });
    for (const request of streamRequestsFor(this.#outbox)) tell(request);
    this.#unanswered.push(...this.#outbox);
    this.#outbox = [];
    // In halves: fewer requests, and never so late that the server runs out while messages are settled.
    if (this.#closing !== undefined || this.#credit * 2 < this.#maxMessages) return;
    tell({ $case: "credit", value: { messages: this.#credit } });
    this.#credit = 0;
  }

  #broke(stream: Stream, error: ForebayError): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    this.#loseAll();
    if (this.#patience.isOver(error)) {
      if (this.#closing === undefined) this.#fail(error);
      this.#answers.arrived();
      return;
    }
    if (this.#closing !== undefined) {
      this.#answers.arrived();
      return;
    }
    void this.#reopen(error);
  }

  async #reopen(failure: ForebayError): Promise<void> {
    await this.#patience.wait(failure);
    if (this.#closing === undefined) this.#open();
  }

  /** The stream is over: what it brought is not ours any more, and of what was not answered only acks are worth repeating. */
  #loseAll(): void {
    for (const message of this.#held.values()) message.markLost();
    this.#held.clear();
    this.#ready = [];
    const unsure = [...this.#unanswered, ...this.#outbox];
    this.#unanswered = [];
    this.#outbox = unsure.filter(({ command }) => command.kind === "ack");
    for (const { command, resolve } of unsure) if (command.kind !== "ack") resolve(false);
  }

  #fail(error: unknown): void {
    this.#failure = error;
    for (const { reject } of this.#waiters.splice(0)) reject(error);
    void this.close();
  }
}

const ended: Next = { done: true, value: undefined };
