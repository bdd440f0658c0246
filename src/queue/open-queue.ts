// One queue under one command: its counters as they change, written back once. Other queues that the command reaches, as a
// dead-letter queue, are opened through it, so that a queue that is its own dead-letter queue is open only once.

import type { EpochMs, QueueNumber, Sequence } from "../base/brands.js";
import { sequence } from "../base/brands.js";
import { type CountersChange, changeCounters } from "./counters.js";
import type { Counters, MessageTraits, Place, Queue } from "./model.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export class OpenQueue {
  readonly transaction: QueueTransaction;
  readonly queue: Queue;
  readonly stamp: Stamp;
  readonly #opened: Map<QueueNumber, OpenQueue>;
  #counters: Counters;
  #isChanged = false;

  constructor(
    transaction: QueueTransaction,
    queue: Queue,
    stamp: Stamp,
    opened = new Map<QueueNumber, OpenQueue>(),
  ) {
    this.transaction = transaction;
    this.queue = queue;
    this.stamp = stamp;
    this.#counters = transaction.counters(queue);
    this.#opened = opened;
    opened.set(queue.number, this);
  }

  get now(): EpochMs {
    return this.stamp.now;
  }

  get counters(): Counters {
    return this.#counters;
  }

  get isChanged(): boolean {
    return this.#isChanged;
  }

  change(change: CountersChange): void {
    this.#counters = changeCounters(this.#counters, change);
    this.#isChanged = true;
  }

  /**
   * A number that nothing in this queue has had: a message's place, or a turn. `watched` says which of the two marks must not
   * pass it: `fresh` for a message that only `freshFrom` finds, `delayed` for one that only `dueFrom` knows to be delayed.
   */
  takeNumber(watched: "fresh" | "delayed" | "neither" = "neither"): Sequence {
    const taken = this.#counters.nextSequence;
    const next = sequence(taken + 1);
    const { freshFrom, dueFrom } = this.#counters;
    // With nothing before it that a mark watches, later looks need not pass this number by.
    this.change({
      nextSequence: next,
      freshFrom: freshFrom === taken && watched !== "fresh" ? next : freshFrom,
      dueFrom: dueFrom === taken && watched !== "delayed" ? next : dueFrom,
    });
    return taken;
  }

  /** Behind everything that is in the queue now. */
  placeAtBack(): Place {
    return { at: this.now, order: this.takeNumber() };
  }

  /** Another queue under the same command. */
  other(queue: Queue): OpenQueue {
    return (
      this.#opened.get(queue.number) ??
      new OpenQueue(this.transaction, queue, this.stamp, this.#opened)
    );
  }

  /** Writes the counters of this queue and of all that were opened through it. */
  close(): void {
    for (const open of this.#opened.values()) {
      if (!open.#isChanged) continue;
      open.transaction.putCounters(open.queue, open.#counters);
      open.#isChanged = false;
    }
  }
}

/** The place of a message that never went to the back. */
export const ownPlace = (queue: Queue, message: MessageTraits): Place => ({
  at: urgentTime(queue, message.arrivedAt, message.priority),
  order: message.sequence,
});

/** A priority counts as so much waiting done already: whoever is passed over is so for a bounded time. */
export const urgentTime = (queue: Queue, at: EpochMs, priority: number): EpochMs =>
  priority === 0 ? at : (Math.max(0, at - priority * queue.settings.priorityAgeingMs) as EpochMs);

/** Negative when the left one comes first. */
export const comparePlaces = (left: Place, right: Place): number =>
  left.at === right.at ? left.order - right.order : left.at - right.at;
