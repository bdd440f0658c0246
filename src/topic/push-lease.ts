// The next messages of a pushed subscription: those whose next attempt is due, then those that nobody has looked at. Each is leased
// for as long as an attempt may take; what was not settled by then is given out again, by whoever leads then.

import { after, type DurationMs, type EpochMs, type Sequence, sequence } from "../base/brands.js";
import { accept, type Decided } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { Unsigned } from "./fan-out.js";
import { isFor } from "./filters.js";
import type { Subscription, Topic, TopicMessage } from "./model.js";
import { OpenPushes } from "./open-pushes.js";
import { pushLimits } from "./push-limits.js";
import type { PendingPush } from "./push-model.js";
import { findSubscription } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface LeasePushes {
  readonly id: Buffer;
  readonly countMax: number;
  readonly leaseMs: DurationMs;
}

/** A message to be delivered, before its lease ends. */
export interface LeasedPush {
  readonly sequence: Sequence;
  /** The end of the lease, which names it. */
  readonly until: EpochMs;
  /** From 1. */
  readonly attempt: number;
  readonly firstAttemptAt: EpochMs;
  /** Good for longer than the command. */
  readonly message: TopicMessage;
}

export type PushLeases =
  | {
      readonly kind: "leased";
      readonly topic: Topic;
      readonly subscription: Subscription;
      readonly leased: readonly LeasedPush[];
      /** About how many more could be leased now, at least one if any. */
      readonly readyCount: number;
      /** When another one is due; undefined: none waits. */
      readonly nextDueAt: EpochMs | undefined;
    }
  /** There is no such subscription, or it waits: for being confirmed or resumed. */
  | { readonly kind: "stopped" };

export function decideLeasePushes(
  transaction: StateTransaction,
  command: LeasePushes,
  stamp: Stamp,
): Decided<PushLeases, Unsigned> {
  const { topics } = transaction;
  const found = findSubscription(topics, command.id);
  const place = found && topics.pushes.place(found.topic, command.id);
  if (found === undefined || place === undefined || found.subscription.settings.isPaused) {
    return accept({ kind: "stopped" });
  }
  const open = new OpenPushes(transaction, found, place, stamp);
  const step = new LeaseStep(transaction, found.topic, open, command, stamp);
  step.leaseDue();
  step.leaseNew();
  const { unsigned } = open;
  if (unsigned.length > 0) return { kind: "rejected", rejection: { kind: "unsigned", unsigned } };
  open.close();
  const { topic, subscription } = found;
  return accept({
    kind: "leased",
    topic,
    subscription,
    leased: step.leased,
    readyCount: step.readyCount(),
    nextDueAt: step.nextDueAt(),
  });
}

class LeaseStep {
  readonly leased: LeasedPush[] = [];
  readonly #transaction: StateTransaction;
  readonly #topic: Topic;
  readonly #open: OpenPushes;
  readonly #command: LeasePushes;
  readonly #stamp: Stamp;
  #bytes = 0;

  constructor(
    transaction: StateTransaction,
    topic: Topic,
    open: OpenPushes,
    command: LeasePushes,
    stamp: Stamp,
  ) {
    this.#transaction = transaction;
    this.#topic = topic;
    this.#open = open;
    this.#command = command;
    this.#stamp = stamp;
  }

  get #isFull(): boolean {
    const { leaseMax, leaseBytesMax } = pushLimits;
    const countMax = Math.min(this.#command.countMax, leaseMax);
    return this.leased.length >= countMax || this.#bytes >= leaseBytesMax;
  }

  leaseDue(): void {
    for (const place of this.#dueNow()) {
      if (this.#isFull) return;
      const row = this.#open.pending(place);
      if (row === undefined) continue;
      const message = this.#open.messageOf(row);
      if (message === undefined) this.#open.remove(row);
      else if (this.#open.hasExpired(message, row)) this.#open.remove(row);
      else this.#lease(row, message);
    }
  }

  #dueNow(): readonly Sequence[] {
    const places: Sequence[] = [];
    const { pushes } = this.#transaction.topics;
    for (const { at, sequence: place } of pushes.due(this.#topic, this.#command.id)) {
      if (at > this.#stamp.now || places.length >= this.#command.countMax) break;
      places.push(place);
    }
    return places;
  }

  leaseNew(): void {
    // What is published waits for the end of a replay.
    if (this.#isReplaying) return;
    const { nextSequence, firstSequence } = this.#transaction.topics.counters(this.#topic);
    let place: number = Math.max(this.#open.place.next, Math.min(firstSequence, nextSequence));
    for (let left = pushLimits.examinedMax; left > 0 && place < nextSequence; left -= 1) {
      if (this.#isFull || this.#isOverfull) break;
      const message = this.#transaction.topics.message(this.#topic, sequence(place));
      if (message !== undefined && isFor(this.#open.subscription, message)) this.#take(message);
      place += 1;
      this.#open.moveTo(sequence(place));
    }
  }

  get #isReplaying(): boolean {
    return this.#open.subscription.standing.kind === "replaying";
  }

  /** With so much to try again, a target has enough to do. */
  get #isOverfull(): boolean {
    const { leased, waiting } = this.#open.place;
    return leased + waiting >= pushLimits.pendingMax;
  }

  #take(message: TopicMessage): void {
    const { deliverAt } = message;
    const fresh = {
      sequence: message.sequence,
      failures: 0,
      firstAttemptAt: undefined,
      lastError: "",
    };
    if (this.#open.hasExpired(message, fresh)) return;
    if (deliverAt !== undefined && deliverAt > this.#stamp.now) {
      this.#open.put({ ...fresh, isLeased: false, dueAt: deliverAt, message }, undefined);
      return;
    }
    this.#lease({ ...fresh, isLeased: false, dueAt: this.#stamp.now, message: undefined }, message);
  }

  /** Of a row, or of one that is not there yet. */
  #lease(row: PendingPush, message: TopicMessage): void {
    const { now } = this.#stamp;
    const until = after(now, this.#command.leaseMs);
    const firstAttemptAt = row.firstAttemptAt ?? now;
    const previous = this.#open.pending(row.sequence);
    this.#open.put({ ...row, isLeased: true, dueAt: until, firstAttemptAt }, previous);
    this.#bytes += message.sizeBytes;
    const attempt = row.failures + 1;
    const { sequence: place } = row;
    this.leased.push({
      sequence: place,
      until,
      attempt,
      firstAttemptAt,
      message: kept(message),
    });
  }

  readyCount(): number {
    const { nextSequence } = this.#transaction.topics.counters(this.#topic);
    const fresh = this.#isOverfull || this.#isReplaying ? 0 : nextSequence - this.#open.place.next;
    return fresh + this.#dueNow().length;
  }

  nextDueAt(): EpochMs | undefined {
    const { pushes } = this.#transaction.topics;
    for (const { at } of pushes.due(this.#topic, this.#command.id)) return at;
    return undefined;
  }
}

/** A copy: the bytes of a row that was read are good for this command only. */
const kept = (message: TopicMessage): TopicMessage => ({
  ...message,
  messageId: Buffer.from(message.messageId),
  body: Buffer.from(message.body),
  attributes: message.attributes.map((each) => ({ ...each, value: Buffer.from(each.value) })),
});
