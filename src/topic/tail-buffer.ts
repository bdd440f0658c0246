// What waits for a slow reader of a tail: messages up to a number and a number of bytes, and how many were skipped where.
//
// Every message that is offered is either taken later, in order, or counted in the one gap that stands where it would have
// been. So a reader that adds up what it was shown and what it was told of has exactly what was offered.

import type { Sequence } from "../base/brands.js";

/** What happens to a message that finds no room. */
export type SlowPolicy = "drop_oldest" | "drop_newest" | "disconnect";

export interface TailBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly policy: SlowPolicy;
}

/** Bytes that all tails of a node keep together, over-counted where several keep the same message. */
export class TailMemory {
  readonly #bytesMax: number;
  #usedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** False when there is no room for so many. */
  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#bytesMax) return false;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** What a tail shows: something with a place and a size. */
export interface TailMessage {
  readonly sequence: Sequence;
  readonly sizeBytes: number;
}

/** The next thing to show. */
export type TailItem<Message> =
  | { readonly kind: "message"; readonly message: Message }
  /** `skipped` messages were to be shown here; the last of them was at `last`. */
  | { readonly kind: "gap"; readonly skipped: number; readonly last: Sequence };

interface Gap {
  readonly skipped: number;
  readonly last: Sequence;
}

interface Kept<Message> {
  readonly message: Message;
  /** What was skipped right before it. */
  gap: Gap | undefined;
}

export class TailBuffer<Message extends TailMessage> {
  readonly #bounds: TailBounds;
  readonly #memory: TailMemory;
  /** Those before `#head` have been taken; the array is cut now and then, since shifting a long one costs its length. */
  #kept: Kept<Message>[] = [];
  #head = 0;
  #bytes = 0;
  /** Skipped behind all that is kept. */
  #lastGap: Gap | undefined;

  constructor(bounds: TailBounds, memory: TailMemory) {
    this.#bounds = bounds;
    this.#memory = memory;
  }

  get count(): number {
    return this.#kept.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.count === 0 && this.#lastGap === undefined;
  }

  /** False when there was no room and the policy is to end it all: then nothing was changed. */
  offer(message: Message): boolean {
    const { policy } = this.#bounds;
    if (policy === "drop_oldest" && message.sizeBytes <= this.#bounds.bytesMax) {
      while (this.count > 0 && !this.#hasOwnRoom(message)) this.#dropOldest();
      // With no room left by all tails together, what is oldest here is given up for what is new, as long as that helps.
      while (this.#hasOwnRoom(message) && !this.#memory.take(message.sizeBytes)) {
        if (this.count === 0) {
          this.#skip(message);
          return true;
        }
        this.#dropOldest();
      }
      this.#keep(message);
      return true;
    }
    if (this.#hasOwnRoom(message) && this.#memory.take(message.sizeBytes)) {
      this.#keep(message);
      return true;
    }
    if (policy === "disconnect") return false;
    this.#skip(message);
    return true;
  }

  #hasOwnRoom({ sizeBytes }: Message): boolean {
    const { messagesMax, bytesMax } = this.#bounds;
    return this.count < messagesMax && this.#bytes + sizeBytes <= bytesMax;
  }

  #keep(message: Message): void {
    this.#kept.push({ message, gap: this.#lastGap });
    this.#lastGap = undefined;
    this.#bytes += message.sizeBytes;
  }

  #skip({ sequence: last }: Message): void {
    this.#lastGap = { skipped: (this.#lastGap?.skipped ?? 0) + 1, last };
  }

  /** It and what was skipped before it are skipped before what comes next. */
  #dropOldest(): void {
    const oldest = this.#shift();
    if (oldest === undefined) return;
    const { gap, message } = oldest;
    const skipped = (gap?.skipped ?? 0) + 1;
    const next = this.#kept[this.#head];
    const following = next === undefined ? this.#lastGap : next.gap;
    const joined: Gap = {
      skipped: skipped + (following?.skipped ?? 0),
      last: following?.last ?? message.sequence,
    };
    if (next === undefined) this.#lastGap = joined;
    else next.gap = joined;
  }

  #shift(): Kept<Message> | undefined {
    const oldest = this.#kept[this.#head];
    if (oldest === undefined) return undefined;
    this.#head += 1;
    if (this.#head >= cutAfter && this.#head * 2 >= this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head);
      this.#head = 0;
    } else this.#kept[this.#head - 1] = taken as Kept<Message>;
    this.#bytes -= oldest.message.sizeBytes;
    this.#memory.give(oldest.message.sizeBytes);
    return oldest;
  }

  /** Undefined: there is nothing to show. */
  take(): TailItem<Message> | undefined {
    const oldest = this.#kept[this.#head];
    if (oldest === undefined) {
      const gap = this.#lastGap;
      this.#lastGap = undefined;
      return gap && { kind: "gap", ...gap };
    }
    const { gap, message } = oldest;
    if (gap !== undefined) {
      oldest.gap = undefined;
      return { kind: "gap", ...gap };
    }
    this.#shift();
    return { kind: "message", message };
  }

  /** Forgets everything: the tail is over. */
  clear(): void {
    this.#memory.give(this.#bytes);
    this.#kept = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#lastGap = undefined;
  }
}

const cutAfter = 64;
/** Stands where a message was, so that it is not kept alive. */
const taken: Kept<unknown> = { message: undefined, gap: undefined };
