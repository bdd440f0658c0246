// A message leased to a Consume stream, and the ways to part with it.

import type { Message as WireMessage } from "../gen/forebay/queue/v1/message.js";
import { attributesBytes, bytesOf } from "./attributes.js";
import { type DeleteOutcome, Message } from "./messages.js";

/** What to do with a message. */
export type Settlement =
  | { readonly kind: "ack" }
  | { readonly kind: "nack"; readonly delayMs: number }
  | {
      readonly kind: "reject";
      readonly reason: string;
      readonly error: string;
      readonly delayMs: number;
    };

/** What became of it. */
export type Settled =
  | { readonly kind: "deleted"; readonly outcome: DeleteOutcome }
  /** `visibleTime` is undefined when the message was given back by the end of its stream. */
  | { readonly kind: "returned"; readonly visibleTime: Date | undefined };

/** What a message needs from the consumer it came through. */
export interface Settler {
  settle(message: ConsumedMessage, settlement: Settlement): Promise<Settled>;
}

export interface GiveBackOptions {
  /** How long it stays invisible, in milliseconds. Range: 0 to 43200000. Default: 0, visible at once. */
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
   * Whether the lease ended although the stream lives: the message was deleted by somebody else, purged, expired, or held
   * for 12 hours; or the stream broke, which gave it back.
   */
  get isLost(): boolean {
    return this.#isLost;
  }

  markLost(): void {
    this.#isLost = true;
  }

  /**
   * Deletes it: it was processed. Resolves once the server has confirmed. Also after the stream broke: the delete is then a
   * call of its own.
   *
   * @throws ForebayError as `Queue.delete`; Error if the message was settled before.
   */
  async ack(): Promise<DeleteOutcome> {
    const settled = await this.#settle({ kind: "ack" });
    return settled.kind === "deleted" ? settled.outcome : "ALREADY_GONE";
  }

  /**
   * Gives it back, visible after `delayMs`. Returns when; undefined if the stream broke first, which gave it back at once.
   *
   * @throws ForebayError as `Queue.changeVisibility`; Error if the message was settled before.
   */
  async nack(options: GiveBackOptions = {}): Promise<Date | undefined> {
    const settled = await this.#settle({ kind: "nack", delayMs: options.delayMs ?? 0 });
    return settled.kind === "returned" ? settled.visibleTime : undefined;
  }

  /**
   * Gives it back because it cannot be processed, behind all others. The reason (1 to 128 characters, a stable word to group
   * by) and the error's text (cut to 4096 bytes) are kept with it. Returns as `nack`.
   *
   * @throws ForebayError as `Queue.changeVisibility`; Error if the message was settled before.
   */
  async reject(
    reason: string,
    error: unknown = "",
    options: GiveBackOptions = {},
  ): Promise<Date | undefined> {
    const settled = await this.#settle({
      kind: "reject",
      reason,
      error: errorText(error),
      delayMs: options.delayMs ?? 0,
    });
    return settled.kind === "returned" ? settled.visibleTime : undefined;
  }

  #settle(settlement: Settlement): Promise<Settled> {
    if (this.#isSettled) {
      throw new Error(`Message ${this.messageId} was acked, nacked or rejected before.`);
    }
    this.#isSettled = true;
    return this.#settler.settle(this, settlement);
  }
}

const errorBytesMax = 4_096;

/** The text of an error in at most 4096 bytes, cut at a character; the contract refuses more. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= errorBytesMax) return text;
  let end = errorBytesMax;
  // A byte of the form 10xxxxxx continues a character; cut before the character it belongs to.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
