// A subscription, as far as it has come. It keeps no messages: it knows of each channel in which something waits for it from which
// number on, and reads it from the channel's ring when its reader takes it.
//
// What waits is shown in the order in which it was published, over all channels. So one number, the position of what was shown last,
// says how far it has come in all of them. What a ring has forgotten before it was shown stands in that order as a gap. Whoever adds
// up what was shown and what was told to be missing has every message once.

import { type EpochMs, type Sequence, sequence } from "../../base/brands.js";
import type { ChannelMessage } from "./channel-message.js";
import type { Ring } from "./ring.js";

/** A channel, as whoever is subscribed to it knows it. */
export interface ReadChannel {
  readonly name: string;
  readonly stamp: string;
  readonly ring: Ring;
}

export type GapCause = "slow_subscriber" | "not_retained" | "renumbered";

export interface ChannelGap {
  readonly kind: "gap";
  /** Undefined: of any channel that a pattern matches. */
  readonly channel: string | undefined;
  /** The first one missed, in the numbering that the subscriber knows; 0: nobody knows. */
  readonly from: number;
  /** The last one, in the numbering of `stamp`; 0: none of it. */
  readonly to: number;
  /** Empty: the channel has no numbering. */
  readonly stamp: string;
  readonly cause: GapCause;
}

export type Shown =
  | { readonly kind: "item"; readonly channel: ReadChannel; readonly message: ChannelMessage }
  | ChannelGap;

/** What waits of one channel. */
interface Waiting {
  readonly channel: ReadChannel;
  /** The number that comes next. */
  next: Sequence;
  /** No message that waits is before it; what `next` has, unless the ring has forgotten that. */
  position: number;
  /** Why it is missing, if the ring has forgotten it. */
  cause: GapCause;
}

export class Subscription {
  readonly #wake: () => void;
  /** Told before anything else. */
  readonly #gaps: ChannelGap[] = [];
  /** A heap: the earliest first. */
  readonly #heap: Waiting[] = [];
  readonly #waiting = new Map<ReadChannel, Waiting>();
  #position: number;
  #offered = 0;

  /** It begins behind `position`. `wake`: called when there is something to take; must not throw. */
  constructor(position: number, wake: () => void) {
    this.#position = position;
    this.#wake = wake;
  }

  get isIdle(): boolean {
    return this.#gaps.length === 0 && this.#heap.length === 0;
  }

  /** What it has been shown, or told of, ends here. */
  get position(): number {
    return this.#position;
  }

  /** Nothing up to there is for it, beside what waits. */
  caughtUp(position: number): void {
    if (this.isIdle) this.#position = position;
  }

  /** A message that was just published; false: it has it already, since several of its patterns match. */
  offer(channel: ReadChannel, { sequence: next, position }: ChannelMessage): boolean {
    if (this.#offered === position) return false;
    this.#offered = position;
    if (!this.#waiting.has(channel)) {
      this.#push({ channel, next, position, cause: "slow_subscriber" });
    }
    this.#wake();
    return true;
  }

  /** Where it goes on; before it has anything to show. */
  startAt(position: number): void {
    this.#position = position;
  }

  /** To be shown before anything else. */
  tell(gap: ChannelGap): void {
    this.#gaps.push(gap);
  }

  /** Begins in a channel with a number that has been published. */
  beginAt(channel: ReadChannel, next: Sequence): void {
    const { ring } = channel;
    if (next >= ring.next || this.#waiting.has(channel)) return;
    const position = ring.get(next)?.position ?? 0;
    this.#push({ channel, next, position, cause: "not_retained" });
  }

  /** The next of what it is told before anything else: before these, it has not come as far as its position says. */
  takeGap(): ChannelGap | undefined {
    return this.#gaps.shift();
  }

  /** The number behind which it goes on in a channel. */
  placeIn(channel: ReadChannel): Sequence {
    return sequence((this.#waiting.get(channel)?.next ?? channel.ring.next) - 1);
  }

  /** Undefined: there is nothing to show. */
  take(now: EpochMs): Shown | undefined {
    const gap = this.takeGap();
    if (gap !== undefined) return gap;
    const [first] = this.#heap;
    if (first === undefined) return undefined;
    const { channel, next, cause } = first;
    const { ring } = channel;
    ring.expire(now);
    const message = ring.get(next);
    if (message === undefined) {
      const to = sequence(ring.first - 1);
      this.#advance(first, ring.first);
      // Nothing is left to show before what waits now.
      const behind = (this.#heap[0]?.position ?? Number.POSITIVE_INFINITY) - 1;
      this.#position = Math.max(this.#position, Math.min(behind, ring.droppedPosition));
      return { kind: "gap", channel: channel.name, from: next, to, stamp: channel.stamp, cause };
    }
    first.cause = "slow_subscriber";
    // Who goes on in one channel from before where he is in all the others does not go back in those.
    this.#position = Math.max(this.#position, message.position);
    this.#advance(first, sequence(next + 1));
    return { kind: "item", channel, message };
  }

  /** Of the first one. */
  #advance(first: Waiting, next: Sequence): void {
    const { ring } = first.channel;
    if (next >= ring.next) {
      this.#waiting.delete(first.channel);
      const last = this.#heap.pop();
      if (last === undefined || last === first) return;
      this.#heap[0] = last;
    } else {
      first.next = next;
      first.position = ring.get(next)?.position ?? first.position;
    }
    this.#sink();
  }

  #push(waiting: Waiting): void {
    this.#waiting.set(waiting.channel, waiting);
    let at = this.#heap.push(waiting) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above] as Waiting;
      if (parent.position <= waiting.position) break;
      this.#heap[at] = parent;
      at = above;
    }
    this.#heap[at] = waiting;
  }

  #sink(): void {
    const heap = this.#heap;
    const moved = heap[0] as Waiting;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = heap[left + 1];
      let below = heap[left];
      if (below === undefined) break;
      const isRight = right !== undefined && right.position < below.position;
      if (isRight) below = right;
      if (moved.position <= below.position) break;
      heap[at] = below;
      at = isRight ? left + 1 : left;
    }
    heap[at] = moved;
  }
}
