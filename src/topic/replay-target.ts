// Where a replay hands messages to: the queue of a subscription, or the backlog of one whose messages are pushed. What becomes of
// them there is as with every message; none of them counts as taken off the subscription's way through the topic.

import type { Stamp } from "../queue/stamp.js";
import { QueueDeliveries } from "./deliver-to-queue.js";
import type { ToSign } from "./envelope.js";
import { count } from "./fan-out.js";
import type { Deliveries, TopicMessage } from "./model.js";
import { OpenPushes } from "./open-pushes.js";
import { pushLimits } from "./push-limits.js";
import type { PushPlace } from "./push-model.js";
import type { FoundSubscription } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface ReplayTarget {
  /** `full`: it has too much to do, and the message was not taken. */
  deliver(message: TopicMessage): "delivered" | "failed" | "full";
  /** What was handed to it and is to be signed first. */
  readonly unsigned: readonly ToSign[];
  /** Whether what was handed to it needs nothing more of the subscription. */
  isDone(): boolean;
  /** Writes what has changed; says how many deliveries were counted, or will be. */
  close(): number;
}

export function openReplayTarget(
  transaction: StateTransaction,
  found: FoundSubscription,
  stamp: Stamp,
): ReplayTarget {
  const place = transaction.topics.pushes.place(found.topic, found.subscription.id);
  return place === undefined
    ? new QueueReplay(transaction, found, stamp)
    : new PushReplay(transaction, found, place, stamp);
}

class QueueReplay implements ReplayTarget {
  readonly #transaction: StateTransaction;
  readonly #found: FoundSubscription;
  readonly #deliveries: QueueDeliveries;
  #counted: Deliveries;
  #handed = 0;

  constructor(transaction: StateTransaction, found: FoundSubscription, stamp: Stamp) {
    this.#transaction = transaction;
    this.#found = found;
    this.#deliveries = new QueueDeliveries(transaction, found.topic, stamp);
    this.#counted = transaction.topics.deliveries(found.topic, found.subscription.id);
  }

  deliver(message: TopicMessage): "delivered" | "failed" {
    const outcome = this.#deliveries.deliver(this.#found.subscription, message);
    this.#counted = count(this.#counted, outcome);
    this.#handed += 1;
    return outcome === "delivered" ? "delivered" : "failed";
  }

  get unsigned(): readonly ToSign[] {
    return this.#deliveries.unsigned;
  }

  isDone(): boolean {
    return true;
  }

  close(): number {
    this.#deliveries.close();
    if (this.#handed > 0) {
      const { topic, subscription } = this.#found;
      this.#transaction.topics.putDeliveries(topic, subscription.id, this.#counted);
    }
    return this.#handed;
  }
}

class PushReplay implements ReplayTarget {
  /** Whoever sends signs. */
  readonly unsigned: readonly ToSign[] = [];
  readonly #open: OpenPushes;
  readonly #stamp: Stamp;
  #handed = 0;

  constructor(
    transaction: StateTransaction,
    found: FoundSubscription,
    place: PushPlace,
    stamp: Stamp,
  ) {
    this.#open = new OpenPushes(transaction, found, place, stamp);
    this.#stamp = stamp;
  }

  deliver(message: TopicMessage): "delivered" | "failed" | "full" {
    const { leased, waiting } = this.#open.place;
    if (leased + waiting >= pushLimits.pendingMax) return "full";
    const { sequence, deliverAt } = message;
    // It is on its way already, or waits to be tried again.
    if (this.#open.pending(sequence) !== undefined) return "delivered";
    const fresh = { sequence, failures: 0, firstAttemptAt: undefined, lastError: "" };
    this.#handed += 1;
    if (this.#open.hasExpired(message, fresh)) return "failed";
    const { now } = this.#stamp;
    const dueAt = deliverAt !== undefined && deliverAt > now ? deliverAt : now;
    // With a copy: the archive may lose the message before it is delivered.
    this.#open.put({ ...fresh, isLeased: false, dueAt, message }, undefined);
    return "delivered";
  }

  isDone(): boolean {
    const { leased, waiting } = this.#open.place;
    return leased + waiting === 0;
  }

  close(): number {
    this.#open.close();
    return this.#handed;
  }
}
