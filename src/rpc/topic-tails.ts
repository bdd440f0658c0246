// All tails of this node, topic by topic: what a publish has made durable is handed to them right from its command, so that a
// thousand tails cost the store nothing, and is kept for a while for those that come back.
//
// Commands tell their outcomes in the order in which they were decided (`Command.committed`). So a tail that asks for the place of
// the next message and joins when it is told misses none and gets none twice.

import type { SegmentNumber, Sequence } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import type { TopicSettings } from "../topic/limits.js";
import type { TopicMessage } from "../topic/model.js";
import type { StoredMessage } from "../topic/publish.js";
import { TailMemory } from "../topic/tail-buffer.js";
import { tailLimits } from "../topic/tail-limits.js";
import { TailWindow } from "../topic/tail-window.js";

/** A tail, as it is told of its topic. Neither may throw. */
export interface TailListener {
  /** With the settings of the topic as it was published. */
  published(message: TopicMessage, settings: TopicSettings): void;
  ended(): void;
}

/** A topic that is tailed, or was a moment ago. */
export interface TailChannel {
  readonly window: Pick<TailWindow, "first" | "next" | "get">;
  /** From the next message on. */
  listen(listener: TailListener): void;
  /** Of whoever joined, once. */
  leave(listener: TailListener): void;
}

export interface TailsOptions {
  /** Whether another node may have decided before this one, with memory of its own. */
  readonly isSuccessor?: boolean;
}

export class TopicTails {
  readonly memory = new TailMemory(tailLimits.memoryBytesMax);
  readonly #clock: Clock;
  /** Of topics in which was published since this node decides, the first message of these; undefined: it was always this one. */
  readonly #firsts: Map<SegmentNumber, Sequence> | undefined;
  readonly #channels = new Map<SegmentNumber, Channel>();
  #tailCount = 0;

  constructor(clock: Clock, { isSuccessor = false }: TailsOptions = {}) {
    this.#clock = clock;
    this.#firsts = isSuccessor ? new Map() : undefined;
  }

  /** Tails that are open. */
  get count(): number {
    return this.#tailCount;
  }

  /** False when there are too many. Each that was let in goes `out` again. */
  enter(): boolean {
    if (this.#tailCount >= tailLimits.tailsMax) return false;
    this.#tailCount += 1;
    return true;
  }

  exit(): void {
    this.#tailCount -= 1;
  }

  /** To be called as the place of the next message becomes known, in the very turn. */
  join(segment: SegmentNumber, next: Sequence): TailChannel {
    const known = this.#channels.get(segment);
    const channel =
      known ?? new Channel(next, this.memory, this.#clock, () => this.#channels.delete(segment));
    this.#channels.set(segment, channel);
    channel.join();
    this.#dropLeft();
    return channel;
  }

  /** Windows that nobody tails: the one that was made first goes first. */
  #dropLeft(): void {
    let left = this.#channels.size - tailLimits.tailsMax - tailLimits.windowsLeftMax;
    for (const channel of this.#channels.values()) {
      if (left <= 0) return;
      if (!channel.isLeft) continue;
      channel.drop();
      left -= 1;
    }
  }

  /** Messages that are durable now, in the order of their places. */
  published(stored: readonly StoredMessage[]): void {
    if (this.#firsts !== undefined) this.#noteFirsts(this.#firsts, stored);
    if (this.#channels.size === 0) return;
    for (const { topic, message } of stored) {
      this.#channels.get(topic.segment)?.published(message, topic.settings);
    }
  }

  #noteFirsts(firsts: Map<SegmentNumber, Sequence>, stored: readonly StoredMessage[]): void {
    for (const { topic, message } of stored) {
      const { segment } = topic;
      const isNoted = firsts.has(segment) || firsts.size >= tailLimits.topicsNotedMax;
      if (!isNoted) firsts.set(segment, message.sequence);
    }
  }

  /** Whether a message was published when another node decided, as far as is known. */
  isOfAnother(segment: SegmentNumber, place: Sequence): boolean {
    if (this.#firsts === undefined) return false;
    const first = this.#firsts.get(segment);
    if (first === undefined) return this.#firsts.size < tailLimits.topicsNotedMax;
    return place < first;
  }

  /** The topic was deleted. */
  ended(segment: SegmentNumber): void {
    this.#firsts?.delete(segment);
    this.#channels.get(segment)?.end();
  }

  /** Forgets what is kept for tails that come back. */
  stop(): void {
    for (const channel of [...this.#channels.values()]) channel.drop();
  }
}

class Channel implements TailChannel {
  readonly window: TailWindow;
  readonly #clock: Clock;
  readonly #gone: () => void;
  readonly #listeners = new Set<TailListener>();
  #joined = 0;
  #leaving: Timer | undefined;

  constructor(next: Sequence, memory: TailMemory, clock: Clock, gone: () => void) {
    const { windowMessagesMax: messagesMax, windowBytesMax: bytesMax } = tailLimits;
    this.window = new TailWindow(next, { messagesMax, bytesMax }, memory);
    this.#clock = clock;
    this.#gone = gone;
  }

  get isLeft(): boolean {
    return this.#joined === 0;
  }

  join(): void {
    this.#joined += 1;
    this.#leaving?.cancel();
    this.#leaving = undefined;
  }

  listen(listener: TailListener): void {
    this.#listeners.add(listener);
  }

  leave(listener: TailListener): void {
    this.#listeners.delete(listener);
    this.#joined -= 1;
    if (this.#joined > 0) return;
    this.#leaving = this.#clock.setTimer(tailLimits.windowKeptMs, () => this.drop());
  }

  published(message: TopicMessage, settings: TopicSettings): void {
    this.window.add(message);
    for (const listener of [...this.#listeners]) listener.published(message, settings);
  }

  end(): void {
    const listeners = [...this.#listeners];
    this.drop();
    for (const listener of listeners) listener.ended();
  }

  drop(): void {
    this.#leaving?.cancel();
    this.window.clear();
    this.#gone();
  }
}
