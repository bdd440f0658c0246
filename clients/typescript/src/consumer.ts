// Receiving over one Consume stream: the server sends messages as they come, within the credit it was given, and renews their
// leases; this side says what became of each.
//
// Credit stands for messages held: taken by every message that arrives, given back when it is acked, nacked or rejected. So
// at most `maxMessages` are held, and a caller who settles nothing gets nothing more. What was settled, and the credit for
// it, collects until the end of the current turn of the event loop and leaves in few requests.
//
// A stream that breaks is opened again, with growing waits, at whichever node leads by then; and asked first to hold what this
// side still has, for the leases of a server that died, or was restarted, go on. What is held after all goes on as if nothing had
// been: what was settled meanwhile is told, and what was not handed out yet is. What is not, because its lease ended or a broken
// connection gave it back, is lost. A consumer that ends while its stream is broken settles acks by deletes of their own, which
// their handles still allow.
//
// On a FIFO queue the server takes a group's later messages back together with one that is given back. Those that wait here
// are withheld from the moment somebody gives the earlier one back, so that none of them is handed out before the server has
// said so (group-hold.ts).

import type { ClientDuplexStream } from "@grpc/grpc-js";
import { DeleteOutcome as WireOutcomes } from "../gen/forebay/queue/v1/message.js";
import {
  type ConsumeRequest,
  type ConsumeResponse,
  type ConsumeResult,
  QueueServiceDefinition,
} from "../gen/forebay/queue/v1/queue_service.js";
import { onAbort } from "./abort.js";
import { partsOf, type Request, requestsFor } from "./consume-requests.js";
import {
  ConsumedMessage,
  type Settled,
  type Settlement,
  type Settler,
} from "./consumed-message.js";
import {
  endedByServer,
  endStream,
  inRange,
  LastAnswers,
  StreamPatience,
  TurnEnd,
} from "./consumer-stream.js";
import { dateOf, durationOf } from "./durations.js";
import type { ForebayError } from "./errors.js";
import { isFifo } from "./fifo.js";
import { GroupHold } from "./group-hold.js";
import { verifyBody } from "./md5.js";
import {
  type DeleteOutcome,
  type SystemAttributeName,
  systemAttributesToWire,
} from "./messages.js";
import type { QueueContext } from "./queue-calls.js";
import { errorOfStatus } from "./status-details.js";

const messagesDefault = 100;
const messagesMax = 100_000;
const bytesDefault = 67_108_864;
const bytesMax = 1_073_741_824;

export interface ConsumeOptions {
  /** Messages held and not yet acked, nacked or rejected at most. Range: 1 to 100000. Default: 100. */
  readonly maxMessages?: number | undefined;
  /** Their bytes at most; one message always comes. Range: 1 to 1073741824. Default: 67108864. */
  readonly maxBytes?: number | undefined;
  /** The lease the server keeps renewing, in milliseconds. Range: 1000 to 43200000. Default: the queue's. */
  readonly visibilityTimeoutMs?: number | undefined;
  /** What the server keeps for a message and should send along. Default: all. */
  readonly systemAttributeNames?: readonly SystemAttributeName[] | undefined;
  /** Ends the loop, quietly, as leaving it does. */
  readonly signal?: AbortSignal | undefined;
}

/** What a consumer needs from its queue. */
export interface ConsumedQueue {
  readonly name: string;
  delete(receiptHandle: string): Promise<DeleteOutcome>;
}

interface Unconfirmed {
  readonly message: ConsumedMessage;
  readonly settlement: Settlement;
  readonly resolve: (settled: Settled) => void;
  readonly reject: (error: unknown) => void;
}

type Stream = ClientDuplexStream<ConsumeRequest, ConsumeResponse>;
type Next = IteratorResult<ConsumedMessage, undefined>;

interface NextWaiter {
  readonly resolve: (next: Next) => void;
  readonly reject: (error: unknown) => void;
}

/** The messages of a queue, as they come. Read it with one `for await` loop. */
export class Consumer implements AsyncIterableIterator<ConsumedMessage, undefined>, Settler {
  readonly #queue: ConsumedQueue;
  readonly #context: QueueContext;
  readonly #options: ConsumeOptions;
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #forget: () => void;
  readonly #forgetSignal: () => void;
  #stream: Stream | undefined;
  /** Arrived and not handed out. */
  #ready: ConsumedMessage[] = [];
  /** Arrived and not handed out when the stream broke, by handle: it is not known whether they are still held. */
  readonly #doubtful = new Map<string, ConsumedMessage>();
  /** Arrived and not settled, by handle. */
  readonly #held = new Map<string, ConsumedMessage>();
  /** Settled and not confirmed, by handle. */
  #unconfirmed = new Map<string, Unconfirmed>();
  /** Handles that this stream was asked to hold, and has not answered. */
  readonly #claimed = new Set<string>();
  #outbox = new Map<string, Settlement>();
  readonly #hold = new GroupHold();
  #creditMessages = 0;
  #creditBytes = 0;
  readonly #turn = new TurnEnd(() => this.#flush());
  #nextWaiters: NextWaiter[] = [];
  #failure: unknown;
  readonly #patience: StreamPatience;
  readonly #answers = new LastAnswers();
  #closing: Promise<void> | undefined;

  /** Use `Queue.consume`. */
  constructor(queue: ConsumedQueue, context: QueueContext, options: ConsumeOptions) {
    this.#queue = queue;
    this.#context = context;
    this.#patience = new StreamPatience(context.connection);
    this.#options = options;
    this.#maxMessages = inRange("maxMessages", options.maxMessages ?? messagesDefault, messagesMax);
    this.#maxBytes = inRange("maxBytes", options.maxBytes ?? bytesDefault, bytesMax);
    this.#forget = context.closeWithClient(this);
    this.#forgetSignal = onAbort(options.signal, () => void this.close());
    if (options.signal?.aborted) void this.close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The next message.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, INVALID_PARAMETER; CONNECTION_FAILED if the server was never reached.
   */
  next(): Promise<Next> {
    const message = this.#ready.shift();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) return this.return();
    return new Promise((resolve, reject) => {
      this.#nextWaiters.push({ resolve, reject });
      if (this.#stream === undefined && !this.#patience.isWaiting) this.#open();
    });
  }

  /** Leaves the loop: what `break` calls. */
  async return(): Promise<Next> {
    await this.close();
    return ended;
  }

  /** Waits for acks under way to be confirmed, at most 5 s, and closes the stream; unsettled messages are visible again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Used by the messages. */
  async settle(message: ConsumedMessage, settlement: Settlement): Promise<Settled> {
    const handle = message.receiptHandle;
    if (!this.#held.delete(handle)) return this.#settleAfterEnd(handle, settlement);
    this.#returnCredit(message);
    if (message.isLost && settlement.kind !== "ack") return givenBackBefore;
    this.#withholdGroup(message, settlement);
    this.#outbox.set(handle, settlement);
    return new Promise((resolve, reject) => {
      this.#unconfirmed.set(handle, { message, settlement, resolve, reject });
    });
  }

  async #close(): Promise<void> {
    this.#forgetSignal();
    this.#ready = [];
    this.#doubtful.clear();
    if (this.#unconfirmed.size > 0 && this.#stream !== undefined) {
      await this.#answers.wait();
    }
    const stream = this.#stream;
    this.#abandonStream();
    if (stream !== undefined) await endStream(stream);
    this.#forget();
    for (const { resolve } of this.#nextWaiters.splice(0)) resolve(ended);
  }

  /** Gives back the credit a message took, with the next requests. */
  #returnCredit({ creditBytes }: ConsumedMessage): void {
    this.#creditMessages += 1;
    this.#creditBytes += creditBytes;
    this.#turn.await();
  }

  /** Hands out nothing more of a FIFO group until it is clear what became of its earlier message. */
  #withholdGroup({ receiptHandle, groupId }: ConsumedMessage, settlement: Settlement): void {
    if (settlement.kind === "ack" || groupId === undefined) return;
    if (!isFifo(this.#queue.name)) return;
    const waiting = [...this.#doubtful.values(), ...this.#ready].filter(
      (message) => message.groupId === groupId,
    );
    if (waiting.length > 0) this.#ready = this.#ready.filter((other) => !waiting.includes(other));
    for (const other of waiting) this.#doubtful.delete(other.receiptHandle);
    this.#hold.begin(groupId, receiptHandle, waiting);
  }

  #open(): void {
    const { connection } = this.#context;
    const { visibilityTimeoutMs } = this.#options;
    const stream = connection.duplex(QueueServiceDefinition.methods.consume);
    this.#stream = stream;
    stream.on("data", (response) => {
      if (stream === this.#stream) this.#receive(response);
    });
    stream.on("error", (failure) => this.#broke(stream, connection.errorOf(failure)));
    stream.on("end", () => this.#broke(stream, endedByServer(connection.endpoint)));
    const { messages, bytes } = this.#freeCredit();
    // Of no bytes at all, a start would make the default.
    const credit = bytes > 0 ? { messages, bytes: BigInt(bytes) } : undefined;
    this.#creditMessages = credit === undefined ? messages : 0;
    this.#creditBytes = Math.min(0, bytes);
    this.#tell({
      $case: "start",
      value: {
        queue: this.#queue.name,
        visibilityTimeout: durationOf(visibilityTimeoutMs),
        credit,
        systemAttributeNames: systemAttributesToWire(this.#systemAttributeNames()),
        // All of them, because the credit a message takes counts its attributes, and it is given back by what arrived.
        messageAttributeNames: ["All"],
        keepLeases: true,
      },
    });
    this.#claim();
    this.#flush();
  }

  /** What may be held beside what is. */
  #freeCredit(): { readonly messages: number; readonly bytes: number } {
    let bytes = this.#maxBytes;
    for (const { creditBytes } of this.#held.values()) bytes -= creditBytes;
    return { messages: Math.max(0, this.#maxMessages - this.#held.size), bytes };
  }

  /** Asks a stream that has just begun to hold what an earlier one brought. An ack needs no lease, what gives back does. */
  #claim(): void {
    for (const message of this.#held.values()) {
      if (!message.isLost) this.#claimed.add(message.receiptHandle);
    }
    for (const { message, settlement } of this.#unconfirmed.values()) {
      const isNeeded = settlement.kind !== "ack" && !message.isLost;
      if (isNeeded) this.#claimed.add(message.receiptHandle);
    }
    for (const receiptHandles of partsOf([...this.#claimed])) {
      this.#tell({ $case: "hold", value: { receiptHandles } });
    }
  }

  #systemAttributeNames(): readonly SystemAttributeName[] {
    const names = this.#options.systemAttributeNames ?? ["ALL"];
    // Without it nothing could be withheld.
    return isFifo(this.#queue.name) ? [...names, "GROUP_ID"] : names;
  }

  #receive({ response }: ConsumeResponse): void {
    this.#patience.restore();
    switch (response?.$case) {
      case "messages":
        for (const wire of response.value.messages) this.#take(new ConsumedMessage(wire, this));
        break;
      case "results":
        for (const result of response.value.results) {
          // Of one handle, the answer to the claim comes first.
          if (this.#claimed.delete(result.receiptHandle)) this.#learn(result);
          else this.#confirm(result);
        }
        break;
      case "lost":
        for (const handle of response.value.receiptHandles) this.#lose(handle);
        break;
      case undefined:
        // Something a newer server says; what it says beside, we understand.
        break;
    }
  }

  #take(message: ConsumedMessage): void {
    this.#held.set(message.receiptHandle, message);
    if (this.#closing !== undefined) return;
    if (this.#context.isMd5Verified) {
      try {
        verifyBody(message.body, message.md5OfBody, message.messageId);
      } catch (error) {
        this.#fail(error);
        return;
      }
    }
    if (!this.#hold.withhold(message)) this.#handOut(message);
  }

  /** Whether the new stream holds what an earlier one brought. */
  #learn({ receiptHandle, result }: ConsumeResult): void {
    if (result?.$case === "error") {
      this.#lose(receiptHandle);
      return;
    }
    const message = this.#doubtful.get(receiptHandle);
    if (message === undefined) return;
    this.#doubtful.delete(receiptHandle);
    this.#handOut(message);
  }

  #handOut(message: ConsumedMessage): void {
    const waiter = this.#nextWaiters.shift();
    if (waiter !== undefined) waiter.resolve({ done: false, value: message });
    else this.#ready.push(message);
  }

  #confirm({ receiptHandle, result }: ConsumeResult): void {
    const unconfirmed = this.#unconfirmed.get(receiptHandle);
    if (unconfirmed === undefined) return;
    this.#unconfirmed.delete(receiptHandle);
    this.#settled(unconfirmed, result);
    const { groupId = "" } = unconfirmed.message;
    for (const message of this.#hold.answered(groupId, receiptHandle)) this.#handOut(message);
    if (this.#unconfirmed.size === 0) this.#answers.arrived();
  }

  #settled(unconfirmed: Unconfirmed, result: ConsumeResult["result"]): void {
    switch (result?.$case) {
      case "deleted":
        unconfirmed.resolve({
          kind: "deleted",
          outcome: result.value === WireOutcomes.DELETED ? "DELETED" : "ALREADY_GONE",
        });
        break;
      case "error":
        this.#refused(unconfirmed, errorOfStatus(result.value));
        break;
      case "visibleTime":
        unconfirmed.resolve({ kind: "returned", visibleTime: dateOf(result.value) });
        break;
      case "deadLetterQueue":
        unconfirmed.resolve({ kind: "dead_lettered", deadLetterQueue: result.value });
        break;
      case undefined:
        // Done, in a way that only a newer server can say.
        unconfirmed.resolve(givenBackBefore);
        break;
    }
  }

  #refused({ message, settlement, resolve, reject }: Unconfirmed, error: ForebayError): void {
    const isGone = leaseGoneReasons.has(error.reason);
    if (message.isLost && isGone && settlement.kind !== "ack") {
      resolve(givenBackBefore);
      return;
    }
    if (!message.isLost && !isGone) {
      // The stream holds it as before, so it takes its credit again, and may be settled in another way.
      this.#held.set(message.receiptHandle, message);
      this.#creditMessages -= 1;
      this.#creditBytes -= message.creditBytes;
      message.markHeld();
    }
    reject(error);
  }

  #lose(handle: string): void {
    // What is being given back need not be any more.
    this.#unconfirmed.get(handle)?.message.markLost();
    const message = this.#held.get(handle);
    if (message === undefined) return;
    message.markLost();
    const at = this.#ready.indexOf(message);
    if (at >= 0) this.#ready.splice(at, 1);
    else if (!this.#doubtful.delete(handle) && !this.#hold.forget(message)) return;
    // Nobody has seen it yet, so nobody will settle it.
    this.#held.delete(handle);
    this.#returnCredit(message);
  }

  #flush(): void {
    if (this.#stream === undefined) return;
    for (const request of requestsFor(this.#outbox)) this.#tell(request);
    this.#outbox.clear();
    // Credit goes back in halves: fewer requests, and never so late that the server runs out while messages are settled.
    const isDue =
      this.#creditMessages * 2 >= this.#maxMessages || this.#creditBytes * 2 >= this.#maxBytes;
    if (!isDue || this.#closing !== undefined) return;
    // What a refused message took again may be more than was given back since.
    const messages = Math.max(0, this.#creditMessages);
    const bytes = Math.max(0, this.#creditBytes);
    this.#tell({ $case: "credit", value: { messages, bytes: BigInt(bytes) } });
    this.#creditMessages -= messages;
    this.#creditBytes -= bytes;
  }

  #tell(request: Request): void {
    // Nothing here waits for `drain`: what can be written is bounded by the messages held.
    this.#stream?.write({ request });
  }

  #broke(stream: Stream, error: ForebayError): void {
    if (stream !== this.#stream) return;
    if (this.#closing !== undefined) {
      this.#abandonStream();
      return;
    }
    if (this.#patience.isOver(error)) {
      this.#abandonStream();
      this.#fail(error);
      return;
    }
    this.#suspendStream();
    void this.#reopen(error);
  }

  async #reopen(failure: ForebayError): Promise<void> {
    await this.#patience.wait(failure);
    if (this.#closing === undefined) this.#open();
  }

  /** The stream broke; another will be opened. Until it has answered, nobody knows what is still held. */
  #suspendStream(): void {
    this.#stream = undefined;
    this.#claimed.clear();
    for (const message of this.#ready) this.#doubtful.set(message.receiptHandle, message);
    this.#ready = [];
    // What was told and not answered is told again: each of them, done twice, is done once.
    for (const [handle, { settlement }] of this.#unconfirmed) this.#outbox.set(handle, settlement);
  }

  /** Forgets a stream that is over, after which there is no other. */
  #abandonStream(): void {
    this.#stream = undefined;
    for (const message of this.#held.values()) message.markLost();
    this.#held.clear();
    this.#hold.clear();
    this.#claimed.clear();
    this.#doubtful.clear();
    this.#ready = [];
    this.#outbox.clear();
    const unconfirmed = this.#unconfirmed;
    this.#unconfirmed = new Map();
    for (const [handle, { settlement, resolve, reject }] of unconfirmed) {
      this.#settleAfterEnd(handle, settlement).then(resolve, reject);
    }
    this.#answers.arrived();
  }

  async #settleAfterEnd(handle: string, settlement: Settlement): Promise<Settled> {
    if (settlement.kind !== "ack") return givenBackBefore;
    return { kind: "deleted", outcome: await this.#queue.delete(handle) };
  }

  #fail(error: unknown): void {
    this.#failure = error;
    for (const { reject } of this.#nextWaiters.splice(0)) reject(error);
    void this.close();
  }
}

const ended: Next = { done: true, value: undefined };
const givenBackBefore: Settled = { kind: "returned", visibleTime: undefined };

/** The refusals that mean that the stream does not hold the message any more. */
const leaseGoneReasons: ReadonlySet<string> = new Set([
  "MESSAGE_NOT_FOUND",
  "MESSAGE_NOT_IN_FLIGHT",
  "RECEIPT_HANDLE_EXPIRED",
  "RECEIPT_HANDLE_INVALID",
]);
