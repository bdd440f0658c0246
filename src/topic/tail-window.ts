// What was published last in a topic that is tailed, kept in memory for tails that come back: a message that everybody has is
// removed from the store at once, so without this a tail that lost its connection for a second would have a gap.

import { type Sequence, sequence } from "../base/brands.js";
import type { TopicMessage } from "./model.js";
import type { TailMemory } from "./tail-buffer.js";

export interface WindowBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

export class TailWindow {
  readonly #bounds: WindowBounds;
  readonly #memory: TailMemory;
  /** In the order of their places, without a gap. */
  readonly #messages = new Map<number, TopicMessage>();
  #bytes = 0;
  #first: Sequence;

  /** `next` is the place of the first message that it will be given. */
  constructor(next: Sequence, bounds: WindowBounds, memory: TailMemory) {
    this.#first = next;
    this.#bounds = bounds;
    this.#memory = memory;
  }

  /** The first place from which on it has everything. */
  get first(): Sequence {
    return this.#first;
  }

  /** The place of the next message it is given. */
  get next(): Sequence {
    return sequence(this.#first + this.#messages.size);
  }

  get(place: Sequence): TopicMessage | undefined {
    return this.#messages.get(place);
  }

  /** Keeps a message and forgets as many of the oldest as that takes; one too long for the window empties it. */
  add(message: TopicMessage): void {
    // After a gap nothing before it is of use.
    if (message.sequence !== this.next) this.#restart(message.sequence);
    while (this.#messages.size > 0 && !this.#hasRoom(message)) this.#forgetOldest();
    while (!this.#memory.take(message.sizeBytes)) {
      if (this.#messages.size === 0) {
        this.#restart(sequence(message.sequence + 1));
        return;
      }
      this.#forgetOldest();
    }
    this.#messages.set(message.sequence, message);
    this.#bytes += message.sizeBytes;
  }

  #hasRoom({ sizeBytes }: TopicMessage): boolean {
    const { messagesMax, bytesMax } = this.#bounds;
    return this.#messages.size < messagesMax && this.#bytes + sizeBytes <= bytesMax;
  }

  #forgetOldest(): void {
    const oldest = this.#messages.get(this.#first);
    this.#messages.delete(this.#first);
    this.#first = sequence(this.#first + 1);
    if (oldest === undefined) return;
    this.#bytes -= oldest.sizeBytes;
    this.#memory.give(oldest.sizeBytes);
  }

  #restart(next: Sequence): void {
    this.clear();
    this.#first = next;
  }

  /** Gives its memory back. */
  clear(): void {
    this.#first = this.next;
    this.#messages.clear();
    this.#memory.give(this.#bytes);
    this.#bytes = 0;
  }
}
