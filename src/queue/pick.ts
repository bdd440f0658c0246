// What a receive found: the messages it will lease, and what it met on the way. Picking only reads; the receive then writes.

import type { Sequence } from "../base/brands.js";
import { isOverLimit } from "./dead-letters.js";
import { limits } from "./limits.js";
import type { Delivery, Message, MessageTraits } from "./model.js";
import type { OpenQueue } from "./open-queue.js";
import { isExpired } from "./stored-messages.js";

export interface PickBounds {
  readonly countMax: number;
  /** Save that one message is always taken. */
  readonly bytesMax: number;
}

export interface PickWanted extends PickBounds {
  /** Whether messages that were delivered too often have somewhere to go. */
  readonly hasDeadLetterTarget: boolean;
}

export interface Picked {
  readonly messages: readonly {
    readonly message: Message;
    readonly previous: Delivery | undefined;
  }[];
  readonly expired: readonly MessageTraits[];
  readonly overLimit: readonly { readonly message: Message; readonly delivery: Delivery }[];
  readonly targetMissingCount: number;
  /** Standard: places before it need not be looked at again for fresh messages. */
  readonly freshFrom: Sequence;
  /** FIFO: no group has a turn before it. */
  readonly turnFrom: Sequence;
  /** Groups whose turn came though nothing of them can be delivered. */
  readonly staleGroups: readonly string[];
  /** True when it passed as much as one receive may; there may be messages behind. */
  readonly isCutShort: boolean;
}

/** A message whose turn it is, as far as is known without reading it. */
export interface Candidate {
  /** Undefined: a place that need not be looked at again. */
  readonly head: MessageTraits | undefined;
  /** The message itself; undefined when it cannot be read. */
  readonly read: () => Message | undefined;
  readonly delivery: Delivery | undefined;
}

/** Expired messages one receive removes on its way; the sweeper does the rest. */
const expiredInPassingMax = 100;
/** Places one receive looks at, delayed messages among fresh ones for the most part; some 20 ms. */
const passedMax = 10_000;

/** Sorts candidates one by one until it has enough. */
export class Picking {
  readonly messages: { message: Message; previous: Delivery | undefined }[] = [];
  readonly expired: MessageTraits[] = [];
  readonly overLimit: { message: Message; delivery: Delivery }[] = [];
  targetMissingCount = 0;
  readonly #open: OpenQueue;
  readonly #wanted: PickWanted;
  #bytes = 0;
  #clearedBytes = 0;
  #passedCount = 0;

  constructor(open: OpenQueue, wanted: PickWanted) {
    this.#open = open;
    this.#wanted = wanted;
  }

  get isCutShort(): boolean {
    return (
      this.expired.length === expiredInPassingMax ||
      this.overLimit.length === limits.settleMax ||
      this.#clearedBytes >= limits.settleBytesMax ||
      this.#passedCount >= passedMax
    );
  }

  get isDone(): boolean {
    return this.messages.length === this.#wanted.countMax || this.isCutShort;
  }

  /** Counts a place that was looked at and is not a candidate. */
  pass(): void {
    this.#passedCount += 1;
  }

  /** What became of it. `refused`: it is the one that would be too much; nothing after it may be taken either. */
  consider({ head, read, delivery }: Candidate): "taken" | "cleared" | "passed" | "refused" {
    this.#passedCount += 1;
    if (head === undefined) return "passed";
    const { queue, now } = this.#open;
    if (isExpired(head, queue.settings.retentionMs, now)) {
      this.expired.push(head);
      this.#clearedBytes += head.sizeBytes;
      return "cleared";
    }
    const isOver = delivery !== undefined && isOverLimit(queue, delivery);
    if (isOver && this.#wanted.hasDeadLetterTarget) {
      return this.#clearOverLimit(head, read, delivery);
    }
    if (this.messages.length > 0 && this.#bytes + head.sizeBytes > this.#wanted.bytesMax) {
      return "refused";
    }
    const message = read();
    if (message === undefined) return "passed";
    this.messages.push({ message, previous: delivery });
    // It has nowhere to go and is delivered again.
    if (isOver) this.targetMissingCount += 1;
    this.#bytes += message.sizeBytes;
    return "taken";
  }

  #clearOverLimit(
    head: MessageTraits,
    read: Candidate["read"],
    delivery: Delivery,
  ): "cleared" | "passed" {
    const message = read();
    if (message === undefined) return "passed";
    this.overLimit.push({ message, delivery });
    this.#clearedBytes += head.sizeBytes;
    return "cleared";
  }
}
