// Undeliverable messages are tried again: somebody orders it, and step after step hands them to their subscription by its own way, as
// if they were new for it. What a step takes away and what it hands on is one command, and the order is a row: a crash neither
// loses nor doubles one, and whoever decides next goes on.

import { type EpochMs, epochMs, type Sequence, sequence } from "../base/brands.js";
import { accept, type Decided } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { QueueDeliveries } from "./deliver-to-queue.js";
import type { ToSign } from "./envelope.js";
import { count, type Unsigned } from "./fan-out.js";
import type { Topic, TopicMessage } from "./model.js";
import { pushLimits } from "./push-limits.js";
import { refuse, type TopicDecided } from "./rejections.js";
import { openReplayTarget } from "./replay-target.js";
import {
  drainRefusal,
  type FoundSubscription,
  findSubscription,
  subscriptionNotFound,
} from "./topic-name.js";
import { removeUndeliverable, undeliverableLimits } from "./undeliverable.js";
import type { RedriveOrder, Undeliverable } from "./undeliverable-model.js";
import type { OrderedRedrive } from "./undeliverable-view.js";
import type { StateTransaction } from "./view.js";

export interface RedriveUndeliverable {
  readonly id: Buffer;
  /** Undefined: all of them. */
  readonly sequences: readonly Sequence[] | undefined;
  readonly perSecond: number | undefined;
}

/** How many are tried by this order; those of an earlier one are not counted again, and go on at the pace of this one. */
export function decideRedriveUndeliverable(
  { topics }: StateTransaction,
  { id, sequences, perSecond }: RedriveUndeliverable,
  { now }: Stamp,
): TopicDecided<{ readonly count: number }> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { topic } = found;
  const draining = drainRefusal(topic, { given: topic.name });
  if (draining !== undefined) return refuse(draining);
  const { undeliverables: kept } = topics;
  const record = kept.record(topic, id);
  if (record === undefined) return accept({ count: 0 });
  const earlier = kept.order(topic, id) ?? noOrder;
  const paced = { perSecond, nextAtUs: Math.max(earlier.nextAtUs, now * usPerMs) };
  if (sequences === undefined) {
    const { round, count: left } = record;
    kept.putOrder(topic, id, { ...paced, round, from: sequence(0), left });
    kept.putRecord(topic, id, { ...record, round: round + 1 });
    return accept({ count: left - earlier.left });
  }
  let marked = 0;
  for (const place of new Set(sequences)) {
    const row = kept.find(topic, id, place);
    if (row === undefined || kept.isMarked(topic, id, place)) continue;
    if (row.round <= earlier.round && place >= earlier.from) continue;
    kept.mark(topic, id, place);
    marked += 1;
  }
  const left = earlier.left + marked;
  if (left > 0) kept.putOrder(topic, id, { ...earlier, ...paced, left });
  return accept({ count: marked });
}

const noOrder: RedriveOrder = {
  round: 0,
  from: sequence(0),
  left: 0,
  perSecond: undefined,
  nextAtUs: 0,
};

const usPerMs = 1_000;

export type RedriveStepped =
  /** No order is left behind the one that was asked about. */
  | { readonly kind: "none" }
  | {
      readonly kind: "stepped";
      readonly order: OrderedRedrive;
      /** Undefined: nothing was handed on. */
      readonly topic: Pick<Topic, "namespace" | "name"> | undefined;
      /** When the next step of this order is due; undefined: now, or it is over. */
      readonly at: EpochMs | undefined;
    };

/** A step of the next order after one, round and round. */
export function decideRedriveStep(
  transaction: StateTransaction,
  last: OrderedRedrive | undefined,
  stamp: Stamp,
): Decided<RedriveStepped, Unsigned> {
  const { topics } = transaction;
  const [order] = topics.undeliverables.ordersAfter(last);
  if (order === undefined) return accept({ kind: "none" });
  const found = findSubscription(topics, order.subscription);
  if (found === undefined) {
    topics.undeliverables.removeOrder(order, order.subscription);
    return accept({ kind: "stepped", order, topic: undefined, at: undefined });
  }
  if (found.subscription.settings.isPaused) {
    return accept({ kind: "stepped", order, topic: undefined, at: lookAgain(stamp) });
  }
  return new RedriveStep(transaction, found, order, stamp).run();
}

const lookAgain = ({ now }: Stamp): EpochMs => epochMs(now + undeliverableLimits.lookAgainMs);

interface Batch {
  readonly rows: readonly Undeliverable[];
  /** Where the order goes on; undefined: with the next mark. */
  readonly cursor: Pick<RedriveOrder, "round" | "from"> | undefined;
}

class RedriveStep {
  readonly #transaction: StateTransaction;
  readonly #found: FoundSubscription;
  readonly #ordered: OrderedRedrive;
  readonly #stamp: Stamp;

  constructor(
    transaction: StateTransaction,
    found: FoundSubscription,
    ordered: OrderedRedrive,
    stamp: Stamp,
  ) {
    this.#transaction = transaction;
    this.#found = found;
    this.#ordered = ordered;
    this.#stamp = stamp;
  }

  get #kept() {
    return this.#transaction.topics.undeliverables;
  }

  get #order(): RedriveOrder | undefined {
    return this.#kept.order(this.#found.topic, this.#found.subscription.id);
  }

  run(): Decided<RedriveStepped, Unsigned> {
    const room = this.#room();
    const paced = this.#paced();
    const countMax = Math.min(undeliverableLimits.stepCopiesMax, room, paced);
    if (countMax <= 0) return this.#stepped(false, room <= 0);
    const order = this.#order;
    if (order === undefined) return this.#stepped(false, false);
    const batch = this.#next(order, countMax);
    this.#pace(batch.rows.length);
    const messages = this.#take(batch.rows);
    this.#moveOn(batch);
    const unsigned = this.#handOn(messages);
    if (unsigned.length > 0) return { kind: "rejected", rejection: { kind: "unsigned", unsigned } };
    return this.#stepped(messages.length > 0, false);
  }

  #stepped(hasHandedOn: boolean, isFull: boolean): Decided<RedriveStepped, Unsigned> {
    const { namespace, name } = this.#found.topic;
    const order = this.#order;
    const now = this.#stamp.now * usPerMs;
    const isPaced = order?.perSecond !== undefined && order.nextAtUs > now;
    const at = isPaced ? epochMs(Math.ceil(order.nextAtUs / usPerMs)) : undefined;
    return accept({
      kind: "stepped",
      order: this.#ordered,
      topic: hasHandedOn ? { namespace, name } : undefined,
      at: isFull ? lookAgain(this.#stamp) : at,
    });
  }

  /** How many its backlog takes. */
  #room(): number {
    const { topic, subscription } = this.#found;
    const place = this.#transaction.topics.pushes.place(topic, subscription.id);
    if (place === undefined) return undeliverableLimits.stepCopiesMax;
    return pushLimits.pendingMax - place.leased - place.waiting;
  }

  /** How many may be handed on by now. */
  #paced(): number {
    const order = this.#order;
    if (order?.perSecond === undefined) return undeliverableLimits.stepCopiesMax;
    const lateUs = this.#stamp.now * usPerMs - order.nextAtUs;
    if (lateUs < 0) return 0;
    const madeGoodUs = Math.min(lateUs, undeliverableLimits.catchUpMs * usPerMs);
    return 1 + Math.floor((madeGoodUs * order.perSecond) / usPerSecond);
  }

  #pace(handedOn: number): void {
    const order = this.#order;
    if (order?.perSecond === undefined) return;
    const { topic, subscription } = this.#found;
    const earliest = (this.#stamp.now - undeliverableLimits.catchUpMs) * usPerMs;
    const from = Math.max(order.nextAtUs, earliest);
    const nextAtUs = from + Math.ceil((handedOn * usPerSecond) / order.perSecond);
    this.#kept.putOrder(topic, subscription.id, { ...order, nextAtUs });
  }

  /** The next ones that are ordered: all of a round from a place on, then those that are marked. */
  #next({ round, from }: RedriveOrder, countMax: number): Batch {
    const { topic, subscription } = this.#found;
    const rows: Undeliverable[] = [];
    let bytes = 0;
    const isFull = (): boolean =>
      rows.length >= countMax || bytes >= undeliverableLimits.stepBytesMax;
    if (round === 0) {
      for (const place of this.#kept.marks(topic, subscription.id)) {
        const row = this.#kept.find(topic, subscription.id, place);
        if (row !== undefined) rows.push(row);
        bytes += row?.bytes ?? 0;
        if (isFull()) break;
      }
      return { rows, cursor: undefined };
    }
    let examined = 0;
    for (const row of this.#kept.from(topic, subscription.id, from)) {
      if (isFull() || examined >= undeliverableLimits.stepExaminedMax) {
        return { rows, cursor: { round, from: row.sequence } };
      }
      examined += 1;
      if (row.round > round) continue;
      rows.push(row);
      bytes += row.bytes;
    }
    return { rows, cursor: { round: 0, from: sequence(0) } };
  }

  /** What is taken was counted off the order, which is gone with its last one. */
  #moveOn({ rows, cursor }: Batch): void {
    const order = this.#order;
    if (order === undefined) return;
    const { topic, subscription } = this.#found;
    if (cursor !== undefined) this.#kept.putOrder(topic, subscription.id, { ...order, ...cursor });
    // What is counted and not there cannot be read.
    else if (rows.length === 0) this.#kept.removeOrder(topic, subscription.id);
  }

  /** Takes them away; they are given up no more. */
  #take(rows: readonly Undeliverable[]): readonly TopicMessage[] {
    const { topics } = this.#transaction;
    const { topic, subscription } = this.#found;
    const messages: TopicMessage[] = [];
    for (const row of rows) {
      const message = this.#kept.message(topic, subscription.id, row.sequence);
      removeUndeliverable(this.#kept, topic, subscription.id, row);
      if (message !== undefined) messages.push(this.#asNew(message));
    }
    if (messages.length === 0) return messages;
    const deliveries = topics.deliveries(topic, subscription.id);
    const givenUp = Math.max(0, deliveries.givenUp - messages.length);
    topics.putDeliveries(topic, subscription.id, { ...deliveries, givenUp });
    return messages;
  }

  /** One whose time to live is over would only be given up again. */
  #asNew(message: TopicMessage): TopicMessage {
    const { expiresAt } = message;
    const isOver = expiresAt !== undefined && expiresAt <= this.#stamp.now;
    return isOver ? { ...message, expiresAt: undefined } : message;
  }

  /** Says what has to be signed first. */
  #handOn(messages: readonly TopicMessage[]): readonly ToSign[] {
    const { topics } = this.#transaction;
    const { topic, subscription } = this.#found;
    if (messages.length === 0) return [];
    if (topics.pushes.place(topic, subscription.id) !== undefined) {
      const target = openReplayTarget(this.#transaction, this.#found, this.#stamp);
      for (const message of messages) target.deliver(message);
      target.close();
      return [];
    }
    const deliveries = new QueueDeliveries(this.#transaction, topic, this.#stamp);
    let counted = topics.deliveries(topic, subscription.id);
    for (const message of messages) {
      counted = count(counted, deliveries.deliver(subscription, message));
    }
    deliveries.close();
    topics.putDeliveries(topic, subscription.id, counted);
    return deliveries.unsigned;
  }
}

const usPerSecond = 1_000_000;
