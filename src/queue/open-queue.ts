// One queue under one command: its counters and groups as they change, written back once. Other queues that the command reaches, as a
// dead-letter queue, are opened through it, so that a queue that is its own dead-letter queue is open only once.

import type { EpochMs, Sequence } from "../base/brands.js";
import { sequence } from "../base/brands.js";
import { type CountersChange, type CountersDraft, changeCounters } from "./counters.js";
import type { Counters, Delivery, MessageTraits, Place, Queue } from "./model.js";
import { OpenGroups } from "./open-groups.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export class OpenQueue {
  readonly transaction: QueueTransaction;
  readonly queue: Queue;
  readonly stamp: Stamp;
  readonly groups: OpenGroups;
  /** The queues under this command, in the order they were opened. */
  readonly #opened: OpenQueue[];
  #counters: Counters;
  /** The same object as `#counters` once something was changed: until then they are those of the view. */
  #draft: CountersDraft | undefined;

  constructor(transaction: QueueTransaction, queue: Queue, stamp: Stamp, opened: OpenQueue[] = []) {
    this.transaction = transaction;
    this.queue = queue;
    this.stamp = stamp;
    this.#counters = transaction.counters(queue);
    this.groups = new OpenGroups(transaction, queue);
    this.#opened = opened;
    opened.push(this);
  }

  get now(): EpochMs {
    return this.stamp.now;
  }

  get counters(): Counters {
    return this.#counters;
  }

  get isChanged(): boolean {
    return this.#draft !== undefined || this.groups.isChanged;
  }

  change(change: CountersChange): void {
    changeCounters(this.#edit(), change);
  }

  #edit(): CountersDraft {
    if (this.#draft === undefined) {
      this.#draft = { ...this.#counters };
      this.#counters = this.#draft;
    }
    return this.#draft;
  }

  /** Writes a delivery, and keeps what the counters say of its index rows. */
  putDelivery(delivery: Delivery, previous: Delivery | undefined): void {
    this.transaction.putDelivery(this.queue, delivery, previous);
    const returned = this.#isReturned(delivery) - this.#isReturned(previous);
    if (returned !== 0) this.#edit().returned += returned;
    const { state } = delivery;
    if (state.kind !== "returned" && state.until < this.#counters.dueAt) {
      this.#edit().dueAt = state.until;
    }
  }

  removeDelivery(delivery: Delivery): void {
    this.transaction.removeDelivery(this.queue, delivery);
    if (this.#isReturned(delivery) === 1) this.#edit().returned -= 1;
  }

  #isReturned(delivery: Delivery | undefined): 0 | 1 {
    return delivery?.state.kind === "returned" &&
      delivery.groupId === undefined &&
      !this.queue.isFifo
      ? 1
      : 0;
  }

  /**
   * A number that nothing in this queue has had: a message's place, or a turn. `watched` says which of the two marks must not
   * pass it: `fresh` for a message that only `freshFrom` finds, `delayed` for one that only `dueFrom` knows to be delayed.
   */
  takeNumber(watched: "fresh" | "delayed" | "neither" = "neither"): Sequence {
    const draft = this.#edit();
    const taken = draft.nextSequence;
    const next = sequence(taken + 1);
    draft.nextSequence = next;
    // With nothing before it that a mark watches, later looks need not pass this number by.
    if (draft.freshFrom === taken && watched !== "fresh") draft.freshFrom = next;
    if (draft.dueFrom === taken && watched !== "delayed") draft.dueFrom = next;
    return taken;
  }

  /** As many numbers in a row, all for messages that only `freshFrom` finds; the first of them. */
  takeFreshNumbers(count: number): Sequence {
    const draft = this.#edit();
    const first = draft.nextSequence;
    const next = sequence(first + count);
    draft.nextSequence = next;
    if (draft.dueFrom === first) draft.dueFrom = next;
    return first;
  }

  /** Behind everything that is in the queue now. */
  placeAtBack(): Place {
    return { at: this.now, order: this.takeNumber() };
  }

  /** Another queue under the same command. */
  other(queue: Queue): OpenQueue {
    return (
      this.#opened.find((open) => open.queue.number === queue.number) ??
      new OpenQueue(this.transaction, queue, this.stamp, this.#opened)
    );
  }

  /** Before anybody reads groups from the view: they are there as this command has left them. */
  writeGroups(): void {
    this.groups.write((change) => this.change(change));
  }

  /** Writes the groups and counters of this queue and of all that were opened through it. */
  close(): void {
    for (const open of this.#opened) {
      open.writeGroups();
      if (open.#draft === undefined) continue;
      open.transaction.putCounters(open.queue, open.#counters);
      open.#draft = undefined;
    }
  }
}

/** The place of a message that never went to the back. */
export const ownPlace = (queue: Queue, message: MessageTraits): Place => ({
  at: urgentTime(queue, message.arrivedAt, message.priority),
  order: message.sequence,
});

/** A priority counts as so much waiting done already: whoever is passed over is so for a bounded time. */
const urgentTime = (queue: Queue, at: EpochMs, priority: number): EpochMs =>
  priority === 0 ? at : (Math.max(0, at - priority * queue.settings.priorityAgeingMs) as EpochMs);

/** Negative when the left one comes first. */
export const comparePlaces = (left: Place, right: Place): number =>
  left.at === right.at ? left.order - right.order : left.at - right.at;
