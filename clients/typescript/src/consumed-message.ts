// A message leased to a Consume stream, and the ways to part with it.

import type { Message as WireMessage } from "../gen/forebay/queue/v1/message.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { attributesBytes, bytesOf } from "./attributes.js";
import { durationOf } from "./durations.js";
import { type DeleteOutcome, Message } from "./messages.js";
import {
  type RejectOptions,
  type RejectOutcome,
  rejectionToWire,
  type WireRejection,
} from "./rejection.js";

/** What to do with a message. */
export type Settlement =
  | { readonly kind: "ack" }
  | { readonly kind: "nack"; readonly delay: Duration | undefined }
  | { readonly kind: "reject"; readonly rejection: WireRejection };

/** What became of it. */
export type Settled = { readonly kind: "deleted"; readonly outcome: DeleteOutcome } | RejectOutcome;

/** What a message needs from the consumer it came through. */
export interface Settler {
  settle(message: ConsumedMessage, settlement: Settlement): Promise<Settled>;
}

export interface GiveBackOptions {
  /**
   * How long it stays invisible, in milliseconds. Range: 0 to 43200000. Default: as the queue's retry policy says, without one
   * not at all.
   */
  readonly delayMs?: number | undefined;
}

/** A message from `Queue.consume`. Its lease is renewed while the stream lives, for up to 12 hours. */
export class ConsumedMessage extends Message {
  /** The handle of this receive. */
  readonly receiptHandle: string;
  /** What it takes of the stream's credit of bytes. */
  readonly creditBytes: number;
  readonly #settler: Settler;
  #isSettled = false;
  #isLost = false;

  constructor(wire: WireMessage, settler: Settler) {
    super(wire);
    this.receiptHandle = wire.receiptHandle;
    this.creditBytes = bytesOf(this.body) + attributesBytes(wire.attributes);
    this.#settler = settler;
  }

  /**
   * Whether the lease ended although the loop goes on: the message was deleted by somebody else, purged, expired, or held
   * for 12 hours; an earlier message of its FIFO group was given back, and this one with it, so that their order holds; or
   * the stream broke, and the next one found that the lease had ended meanwhile, or that the break had given it back. What is
   * done with it from now on is in vain, as it comes again.
   */
  get isLost(): boolean {
    return this.#isLost;
  }

  markLost(): void {
    this.#isLost = true;
  }

  /** Lets it be settled once more: the server refused to, and the stream holds it as before. */
  markHeld(): void {
    this.#isSettled = false;
  }

  /**
   * Deletes it: it was processed. Resolves once the server has confirmed: when the stream is broken, after it was opened again,
   * or by a call of its own if the loop has ended.
   *
   * @throws ForebayError as `Queue.delete`; Error if the message was settled before.
   */
  async ack(): Promise<DeleteOutcome> {
    const settled = await this.#settle({ kind: "ack" });
    return settled.kind === "deleted" ? settled.outcome : "ALREADY_GONE";
  }

  /**
   * Gives it back, visible after `delayMs`; on a FIFO queue at its place, and messages of its group that this consumer holds
   * behind it are given back too (they become `isLost`, or are not handed out). Returns when it becomes visible; undefined
   * if it was given back before, by the end of its stream or lease.
   *
   * @throws ForebayError as `Queue.changeVisibility`; Error if the message was settled before.
   */
  async nack(options: GiveBackOptions = {}): Promise<Date | undefined> {
    const settled = await this.#settle({ kind: "nack", delay: durationOf(options.delayMs) });
    return settled.kind === "returned" ? settled.visibleTime : undefined;
  }

  /**
   * Gives it back because it cannot be processed, with a reason that is kept with it: behind all others, on a FIFO queue as
   * `nack`; or, with `deadLetter`, to the dead-letter queue at once.
   *
   * @throws ForebayError as `Queue.reject`; Error if the message was settled before.
   */
  reject(rejection: RejectOptions): Promise<RejectOutcome>;
  /** The same with a reason, an error and a delay, one after another. */
  reject(reason: string, error?: unknown, options?: GiveBackOptions): Promise<RejectOutcome>;
  async reject(
    given: RejectOptions | string,
    error?: unknown,
    options: GiveBackOptions = {},
  ): Promise<RejectOutcome> {
    const rejection = typeof given === "string" ? { reason: given, error, ...options } : given;
    const settled = await this.#settle({
      kind: "reject",
      rejection: rejectionToWire(rejection),
    });
    return settled.kind === "deleted" ? { kind: "returned", visibleTime: undefined } : settled;
  }

  #settle(settlement: Settlement): Promise<Settled> {
    if (this.#isSettled) {
      throw new Error(`Message ${this.messageId} was acked, nacked or rejected before.`);
    }
    this.#isSettled = true;
    return this.#settler.settle(this, settlement);
  }
}
