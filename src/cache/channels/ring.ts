// What was published last in a channel, kept in memory for subscribers that are slow or come back: all of them read from it, each
// at its own place, so a thousand slow ones keep no more than one.
//
// A ring forgets the oldest beyond a number of messages, beyond its bytes, and after a time. Beyond what all rings of a node may keep
// the oldest message of the node goes, whichever channel it is of: a channel that floods takes the room of others only by being
// newer than they are. The message that was just added always stays.

import { type EpochMs, type Sequence, sequence } from "../../base/brands.js";
import { channelLimits } from "./channel-limits.js";
import { type ChannelMessage, sizeOf } from "./channel-message.js";

/** Of a cache's settings. */
export interface Retention {
  readonly messagesMax: number;
  readonly keepMs: number;
}

/** A message in its ring, and in the order of all messages of the node. */
interface Retained {
  readonly message: ChannelMessage;
  readonly bytes: number;
  readonly ring: Ring;
  before: Retained | undefined;
  after: Retained | undefined;
}

/** What all rings of a node keep, in the order in which it was published. */
export class RingMemory {
  readonly #bytesMax: number;
  #oldest: Retained | undefined;
  #newest: Retained | undefined;
  #usedBytes = 0;

  constructor(bytesMax: number = channelLimits.memoryBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  add(retained: Retained): void {
    retained.before = this.#newest;
    if (this.#newest === undefined) this.#oldest = retained;
    else this.#newest.after = retained;
    this.#newest = retained;
    this.#usedBytes += retained.bytes;
    while (this.#usedBytes > this.#bytesMax && this.#oldest !== retained) {
      // Of its own ring it is the oldest, too.
      this.#oldest?.ring.dropOldest();
    }
  }

  remove(retained: Retained): void {
    const { before, after } = retained;
    if (before === undefined) this.#oldest = after;
    else before.after = after;
    if (after === undefined) this.#newest = before;
    else after.before = before;
    retained.before = undefined;
    retained.after = undefined;
    this.#usedBytes -= retained.bytes;
  }
}

export class Ring {
  readonly #memory: RingMemory;
  /** By their numbers, without a gap. */
  readonly #kept = new Map<Sequence, Retained>();
  /** Those that came with one, by their request ids. */
  readonly #byRequest = new Map<string, ChannelMessage>();
  #first = sequence(1);
  #bytes = 0;
  #keepMs = 0;
  #droppedPosition = 0;

  constructor(memory: RingMemory) {
    this.#memory = memory;
  }

  /** The number of the oldest message that it has, or of the next one if it has none. */
  get first(): Sequence {
    return this.#first;
  }

  /** The number of the next message. */
  get next(): Sequence {
    return sequence(this.#first + this.#kept.size);
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  /** The position of the last message that it forgot; 0: it has all. */
  get droppedPosition(): number {
    return this.#droppedPosition;
  }

  get(number: Sequence): ChannelMessage | undefined {
    return this.#kept.get(number)?.message;
  }

  ofRequest(requestId: string): ChannelMessage | undefined {
    return this.#byRequest.get(requestId);
  }

  /** Keeps the next message. */
  add(message: ChannelMessage, { messagesMax, keepMs }: Retention): void {
    this.#keepMs = keepMs;
    const bytes = sizeOf(message);
    const retained: Retained = { message, bytes, ring: this, before: undefined, after: undefined };
    this.#kept.set(message.sequence, retained);
    this.#bytes += bytes;
    if (message.requestId !== "") this.#byRequest.set(message.requestId, message);
    while (this.#isOver(messagesMax) && this.#kept.size > 1) this.dropOldest();
    this.#memory.add(retained);
  }

  #isOver(messagesMax: number): boolean {
    return this.#kept.size > messagesMax || this.#bytes > channelLimits.ringBytesMax;
  }

  /** Forgets what was kept for long enough. */
  expire(now: EpochMs): void {
    for (;;) {
      const oldest = this.#kept.get(this.#first);
      if (oldest === undefined || now < oldest.message.publishedAt + this.#keepMs) return;
      this.dropOldest();
    }
  }

  dropOldest(): void {
    const oldest = this.#kept.get(this.#first);
    if (oldest === undefined) return;
    const { message, bytes } = oldest;
    this.#kept.delete(this.#first);
    this.#first = sequence(this.#first + 1);
    this.#bytes -= bytes;
    this.#droppedPosition = message.position;
    if (message.requestId !== "") this.#byRequest.delete(message.requestId);
    this.#memory.remove(oldest);
  }

  /** Gives its memory back. */
  clear(): void {
    while (!this.isEmpty) this.dropOldest();
  }

  /** The first message after a position; the next one that is published, if there is none. */
  firstAfter(position: number): Sequence {
    let low: number = this.#first;
    let high: number = this.next;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.#kept.get(sequence(middle));
      if (found !== undefined && found.message.position <= position) low = middle + 1;
      else high = middle;
    }
    return sequence(low);
  }
}
