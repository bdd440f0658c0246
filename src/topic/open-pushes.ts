// The backlog of one pushed subscription under one command: keeps its rows, its place and its numbers in step with each other.

import { type EpochMs, type Sequence, sequence } from "../base/brands.js";
import type { Stamp } from "../queue/stamp.js";
import { endOf, recordAttempt } from "./attempts.js";
import type { AttemptEnd } from "./attempts-model.js";
import { type DeliveryHistory, type Failure, QueueDeliveries } from "./deliver-to-queue.js";
import type { ToSign } from "./envelope.js";
import type { Deliveries, Subscription, Topic, TopicMessage } from "./model.js";
import type { PendingPush, PushPlace } from "./push-model.js";
import type { StateTransaction } from "./view.js";

export class OpenPushes {
  readonly subscription: Subscription;
  readonly #transaction: StateTransaction;
  readonly #topic: Topic;
  readonly #stamp: Stamp;
  /** As they are written. */
  readonly #storedPlace: PushPlace;
  readonly #storedDeliveries: Deliveries;
  #place: PushPlace;
  #deliveries: Deliveries;
  #deadLetters: QueueDeliveries | undefined;

  constructor(
    transaction: StateTransaction,
    found: { readonly topic: Topic; readonly subscription: Subscription },
    place: PushPlace,
    stamp: Stamp,
  ) {
    this.subscription = found.subscription;
    this.#transaction = transaction;
    this.#topic = found.topic;
    this.#stamp = stamp;
    this.#storedPlace = place;
    this.#place = place;
    this.#storedDeliveries = transaction.topics.deliveries(found.topic, found.subscription.id);
    this.#deliveries = this.#storedDeliveries;
  }

  get place(): PushPlace {
    return this.#place;
  }

  /** What dead letters went without that should be signed; whoever can have it signed rejects the command and tries again then. */
  get unsigned(): readonly ToSign[] {
    return this.#deadLetters?.unsigned ?? [];
  }

  /** Goes on at a place; what is before it has rows or is not for it. */
  moveTo(next: Sequence): void {
    this.#place = { ...this.#place, next };
  }

  /** Undefined: it does not fail. */
  failSince(failingSince: EpochMs | undefined): void {
    this.#place = { ...this.#place, failingSince };
  }

  count(change: Partial<Deliveries>): void {
    const all: Record<string, number> = { ...this.#deliveries };
    for (const [name, count] of Object.entries(change)) all[name] = (all[name] ?? 0) + count;
    this.#deliveries = { ...this.#deliveries, ...all };
  }

  pending(place: Sequence): PendingPush | undefined {
    return this.#transaction.topics.pushes.pending(this.#topic, this.subscription.id, place);
  }

  /** The message of a row: its own copy, or the topic's. */
  messageOf({ message, sequence: place }: PendingPush): TopicMessage | undefined {
    return message ?? this.#transaction.topics.message(this.#topic, place);
  }

  put(pending: PendingPush, previous: PendingPush | undefined): void {
    const { pushes } = this.#transaction.topics;
    pushes.putPending(this.#topic, this.subscription.id, pending, previous);
    this.#recount(pending, previous);
  }

  remove(pending: PendingPush): void {
    this.#transaction.topics.pushes.removePending(this.#topic, this.subscription.id, pending);
    this.#recount(undefined, pending);
  }

  #recount(now: PendingPush | undefined, before: PendingPush | undefined): void {
    const leased = Number(now?.isLeased ?? false) - Number(before?.isLeased ?? false);
    const rows = Number(now !== undefined) - Number(before !== undefined);
    const place = this.#place;
    this.#place = {
      ...place,
      leased: place.leased + leased,
      waiting: place.waiting + rows - leased,
    };
  }

  /** Gives a message up: to the dead-letter queue, or to nobody. */
  giveUp(
    message: TopicMessage,
    failure: Failure,
    history: DeliveryHistory,
  ): "dead_lettered" | "given_up" {
    this.#deadLetters ??= new QueueDeliveries(this.#transaction, this.#topic, this.#stamp);
    const outcome = this.#deadLetters.giveUp(this.subscription, message, failure, history);
    this.count(outcome === "dead_lettered" ? { deadLettered: 1 } : { givenUp: 1 });
    return outcome;
  }

  /** Whether the time to live of a message is over; then it is dealt with. */
  hasExpired(message: TopicMessage, history: DeliveryHistory): boolean {
    const { expiresAt } = message;
    if (expiresAt === undefined || expiresAt > this.#stamp.now) return false;
    const error = "Its time to live ended before it was delivered";
    if (this.subscription.settings.isExpiredToDeadLetters) {
      const end = endOf(this.giveUp(message, { reason: "EXPIRED", error }, history));
      this.#recordEnd(message, end, error);
    } else {
      this.count({ expired: 1 });
      this.#recordEnd(message, "expired", error);
    }
    return true;
  }

  /** Of a message that nobody tried to deliver in the end. */
  #recordEnd(message: TopicMessage, end: AttemptEnd, error: string): void {
    const { topics } = this.#transaction;
    const ended = { message, attempt: 0, end, error };
    recordAttempt(topics, this.#topic, this.subscription, ended, this.#stamp);
  }

  /** Drops what was published before a place; says how many messages that are. */
  dropTo(to: Sequence): number {
    const { pushes } = this.#transaction.topics;
    const rows: PendingPush[] = [];
    for (const row of pushes.pendingFrom(this.#topic, this.subscription.id, sequence(0))) {
      if (row.sequence >= to) break;
      rows.push(row);
    }
    for (const row of rows) this.remove(row);
    const { next } = this.#place;
    const passed = Math.max(0, to - next);
    if (passed > 0) this.moveTo(to);
    return rows.length + passed;
  }

  /** Writes what has changed. */
  close(): void {
    const { topics } = this.#transaction;
    const { id } = this.subscription;
    this.#deadLetters?.close();
    const place = { ...this.#place, floor: this.#floor() };
    if (!isSame(place, this.#storedPlace)) {
      topics.pushes.putPlace(this.#topic, id, place, this.#storedPlace);
    }
    if (this.#deliveries !== this.#storedDeliveries) {
      topics.putDeliveries(this.#topic, id, this.#deliveries);
    }
    this.#place = place;
  }

  /**
   * The first message that a row needs and the topic alone has. Rows with a copy are passed once: the floor goes back only where
   * a replay that was stopped has left its subscription.
   */
  #floor(): Sequence {
    const { next, floor, leased } = this.#place;
    if (leased === 0) return next;
    const { pushes } = this.#transaction.topics;
    const from = sequence(Math.min(floor, next));
    for (const row of pushes.pendingFrom(this.#topic, this.subscription.id, from)) {
      if (row.message === undefined) return sequence(Math.min(row.sequence, next));
    }
    return next;
  }
}

const isSame = (one: PushPlace, other: PushPlace): boolean =>
  one.next === other.next &&
  one.floor === other.floor &&
  one.leased === other.leased &&
  one.waiting === other.waiting &&
  one.failingSince === other.failingSince;
