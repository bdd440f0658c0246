// A message that a durable stream of a topic lent to this consumer, and the ways to part with it.

import type { ConsumedMessage as WireMessage } from "../gen/forebay/topic/v1/topic_service.js";
import { dateOf, durationOf } from "./durations.js";
import type { ConsumeCommand } from "./stream-requests.js";
import { TopicMessage } from "./topic-message.js";

/** What a message needs from the consumer it came through. */
export interface StreamSettler {
  /** Resolves with whether it was done; false: the message is not this consumer's any more. */
  tell(message: StreamMessage, command: ConsumeCommand): Promise<boolean>;
}

/** A message from `Subscription.consume`. Nothing renews its deadline but `extend`. */
export class StreamMessage extends TopicMessage {
  /** Which delivery of it this is, from 1. */
  readonly attempt: number;
  readonly #handle: string;
  readonly #settler: StreamSettler;
  #deadline: Date | undefined;
  #isSettled = false;
  #isLost = false;

  constructor(wire: WireMessage, settler: StreamSettler) {
    super(wire.notification ?? nothing);
    this.attempt = wire.attempt;
    this.#handle = wire.handle;
    this.#settler = settler;
    this.#deadline = dateOf(wire.ackDeadlineTime);
  }

  /** Names this delivery. */
  get handle(): string {
    return this.#handle;
  }

  /** Until when it is this consumer's. */
  get deadline(): Date | undefined {
    return this.#deadline;
  }

  /** Whether the connection broke while it was held: then it may be with another consumer already. */
  get isLost(): boolean {
    return this.#isLost;
  }

  markLost(): void {
    this.#isLost = true;
  }

  /** It was processed. Resolves with whether that is on disk; false: its deadline had passed, and it comes again. */
  ack(): Promise<boolean> {
    return this.#settle({ kind: "ack" });
  }

  /** Gives it back, to be delivered after `delayMs` (0 to 43200000), at once by default. */
  nack(options: { readonly delayMs?: number | undefined } = {}): Promise<boolean> {
    return this.#settle({ kind: "nack", delayMs: options.delayMs ?? 0 });
  }

  /** Gives it up: it goes to the subscription's dead-letter queue. The reason has at most 1024 bytes. */
  reject(reason: string): Promise<boolean> {
    return this.#settle({ kind: "reject", reason });
  }

  /** Keeps it for so long from now, 10000 to 600000 milliseconds. Resolves with whether it was still this consumer's. */
  async extend(deadlineMs: number): Promise<boolean> {
    if (this.#isSettled) throw settledBefore(this.messageId);
    // Said here, since a span that cannot be would end the stream.
    if (!(deadlineMs >= deadlineMsMin && deadlineMs <= deadlineMsMax)) {
      throw new RangeError(`${deadlineMs} ms: give ${deadlineMsMin} to ${deadlineMsMax}.`);
    }
    return this.#settler.tell(this, { kind: "extend", deadlineMs });
  }

  #settle(command: ConsumeCommand): Promise<boolean> {
    if (this.#isSettled) throw settledBefore(this.messageId);
    // Throws before it is too late where the delay is no span.
    if (command.kind === "nack") durationOf(command.delayMs);
    this.#isSettled = true;
    return this.#settler.tell(this, command);
  }
}

const deadlineMsMin = 10_000;
const deadlineMsMax = 600_000;

const settledBefore = (messageId: string): Error =>
  new Error(`Message ${messageId} was acked, nacked or rejected before.`);

/** The server always sends one; a message without it has nothing in it. */
const nothing = {
  messageId: "",
  topic: "",
  contentType: "",
  attributes: new Map(),
  sequenceNumber: "",
  isReplayed: false,
  traceparent: "",
};
