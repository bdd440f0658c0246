// What the rules of undeliverable messages read and record, beside what they may of topics: see `view.ts`.

import type { EpochMs, Sequence } from "../base/brands.js";
import type { Topic, TopicMessage } from "./model.js";
import type {
  RedriveOrder,
  Undeliverable,
  UndeliverableAmount,
  UndeliverableRecord,
} from "./undeliverable-model.js";

/** What the rows of a topic are found by; as in `view.ts`, which is made of this file. */
type Segment = Pick<Topic, "slot" | "segment">;

/** A message that may go now, or a subscription that has ended with all it has. */
export interface UndeliverableDue extends Segment {
  readonly at: EpochMs;
  readonly subscription: Buffer;
  /** Undefined: the subscription has ended. */
  readonly sequence: Sequence | undefined;
}

/** Where an order to try again is found. */
export interface OrderedRedrive extends Segment {
  readonly subscription: Buffer;
}

export interface UndeliverableView {
  /** Of a topic. */
  total(topic: Segment): UndeliverableAmount | undefined;
  /** Undefined: it has none. */
  record(topic: Segment, id: Buffer): UndeliverableRecord | undefined;
  find(topic: Segment, id: Buffer, sequence: Sequence): Undeliverable | undefined;
  /** One that cannot be read is reported and counts as gone. */
  message(topic: Segment, id: Buffer, sequence: Sequence): TopicMessage | undefined;
  /** In the order they were published, from a place on. */
  from(topic: Segment, id: Buffer, sequence: Sequence): Iterable<Undeliverable>;
  /** Of all topics, earliest first. */
  dues(): Iterable<UndeliverableDue>;
  order(topic: Segment, id: Buffer): RedriveOrder | undefined;
  /** Of all topics, strictly after the one given. */
  ordersAfter(last: OrderedRedrive | undefined): Iterable<OrderedRedrive>;
  isMarked(topic: Segment, id: Buffer, sequence: Sequence): boolean;
  /** In the order they were published. */
  marks(topic: Segment, id: Buffer): Iterable<Sequence>;
}

export interface UndeliverableChanges {
  putTotal(topic: Segment, total: UndeliverableAmount): void;
  putRecord(topic: Segment, id: Buffer, record: UndeliverableRecord): void;
  removeRecord(topic: Segment, id: Buffer): void;
  insert(topic: Segment, id: Buffer, kept: Undeliverable, message: TopicMessage): void;
  /** With its message, and its mark if it has one. */
  remove(topic: Segment, id: Buffer, kept: Undeliverable): void;
  removeDue(due: UndeliverableDue): void;
  putOrder(topic: Segment, id: Buffer, order: RedriveOrder): void;
  removeOrder(topic: Segment, id: Buffer): void;
  mark(topic: Segment, id: Buffer, sequence: Sequence): void;
}

export interface UndeliverableTransaction extends UndeliverableView, UndeliverableChanges {}
