// What a move task would do with the messages of its source: one look, which only reads, shared by the task and its preview.

import type { Sequence } from "../base/brands.js";
import { isDelayed } from "./delay.js";
import { limits } from "./limits.js";
import type { Delivery, Message, Queue } from "./model.js";
import { type EditedContent, editContent, MoveSelection } from "./move-filter.js";
import type { MoveOrder } from "./move-task.js";
import type { OpenQueue } from "./open-queue.js";
import { findReceiver, orUnreadable } from "./readable.js";
import { isExpired } from "./stored-messages.js";
import type { PassedMessage } from "./view.js";

export type LookOrder = Pick<MoveOrder, "filter" | "edit" | "startedAt" | "upTo">;

export type Looked =
  /** Expired, or not to be read. */
  | { readonly kind: "gone" }
  /** Leased or delayed. */
  | { readonly kind: "unavailable"; readonly mayMatch: boolean }
  | { readonly kind: "left_out" }
  | ({ readonly kind: "matching" } & MatchingMessage);

export interface MatchingMessage {
  readonly message: Message;
  readonly delivery: Delivery | undefined;
  readonly fate:
    | { readonly kind: "moves"; readonly target: Queue; readonly edited: EditedContent }
    /** It has no queue to go to, or would not be a message any more. */
    | { readonly kind: "skipped"; readonly why: "sourceless" | "edit" };
}

/** A look over messages from a place on, as many as one command may look at. */
export class MoveLook {
  readonly #open: OpenQueue;
  readonly #order: LookOrder;
  readonly #target: Queue | undefined;
  readonly #selection: MoveSelection;
  #examinedCount = 0;
  #readBytes = 0;

  /** `target`: where the task moves to, if it says so. */
  constructor(open: OpenQueue, order: LookOrder, target: Queue | undefined) {
    this.#open = open;
    this.#order = order;
    this.#target = target;
    this.#selection = new MoveSelection(order);
  }

  /**
   * Looks at one message after the other until `take` refuses one, which is then the place to go on at. Undefined: all that
   * are part of the task were looked at. Nothing may be written meanwhile.
   */
  walk(
    from: Sequence,
    take: (looked: Looked, sequence: Sequence) => boolean,
  ): Sequence | undefined {
    const { transaction, queue } = this.#open;
    for (const passed of transaction.messageHeadsFrom(queue, from)) {
      const { sequence } = passed.head;
      if (sequence >= this.#order.upTo) return undefined;
      const isEnough =
        this.#examinedCount === limits.moveExaminedMax ||
        this.#readBytes >= limits.moveExaminedBytesMax;
      if (isEnough || !take(this.#look(passed), sequence)) return sequence;
    }
    return undefined;
  }

  #look(passed: PassedMessage): Looked {
    const { queue, now } = this.#open;
    const { head } = passed;
    this.#examinedCount += 1;
    if (isExpired(head, queue.settings.retentionMs, now)) return gone;
    const delivery = this.#delivery(head.sequence);
    if (delivery === "unreadable") return gone;
    const mayMatch = this.#selection.takesHead(head);
    if (delivery?.state.kind === "leased" || isDelayed(this.#open, head, delivery)) {
      return { kind: "unavailable", mayMatch };
    }
    if (!mayMatch || !this.#selection.takesDelivery(delivery)) return leftOut;
    this.#readBytes += head.sizeBytes;
    const message = passed.message ?? this.#open.transaction.readableMessage(queue, head.sequence);
    if (message === undefined) return gone;
    if (!this.#selection.takesContent(message.content)) return leftOut;
    return { kind: "matching", message, delivery, fate: this.#fate(message, delivery) };
  }

  /** Where a message stands whose delivery cannot be read is not known, so it stays there. */
  #delivery(sequence: Sequence): Delivery | undefined | "unreadable" {
    const { transaction, queue } = this.#open;
    const delivery = orUnreadable(() => transaction.delivery(queue, sequence));
    // Says so.
    if (delivery === "unreadable") transaction.readableDelivery(queue, sequence);
    return delivery;
  }

  #fate(message: Message, delivery: Delivery | undefined): MatchingMessage["fate"] {
    const target = this.#target ?? this.#recordedSource(delivery);
    if (target === undefined) return { kind: "skipped", why: "sourceless" };
    const edited = editContent(message.content, message.sizeBytes, this.#order.edit);
    return edited === undefined
      ? { kind: "skipped", why: "edit" }
      : { kind: "moves", target, edited };
  }

  /** The queue it was dead-lettered from. One that cannot be read must not hold up what goes to others. */
  #recordedSource(delivery: Delivery | undefined): Queue | undefined {
    const { transaction, queue } = this.#open;
    const recorded = delivery?.origin?.deadLetter?.source;
    return recorded && findReceiver(transaction, queue, recorded);
  }
}

const gone: Looked = { kind: "gone" };
const leftOut: Looked = { kind: "left_out" };
