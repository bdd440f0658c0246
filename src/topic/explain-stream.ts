// Where a message is that went on to the queue behind a stream: whether it waits there, is with a consumer, or was taken.

import { epochMs } from "../base/brands.js";
import { OpenQueue } from "../queue/open-queue.js";
import { type Standing, standingOf } from "../queue/peek-messages.js";
import { firstArrivedAfter } from "../queue/settle.js";
import type { Stamp } from "../queue/stamp.js";
import type { Subscription } from "./model.js";
import { messageIn } from "./stream-content.js";
import { findStreamQueue } from "./stream-queue.js";
import type { StateTransaction } from "./view.js";

/** Messages looked through, from the first that came when this one was published. */
const lookedAtMax = 1_000;

export interface InStream {
  readonly standing: Standing;
  /** How often it was with a consumer. */
  readonly receives: number;
}

/** Undefined: it is not there, or behind more than are looked through. */
export function findInStream(
  transaction: StateTransaction,
  subscription: Subscription,
  messageId: Buffer,
  stamp: Stamp,
): InStream | undefined {
  const queue = findStreamQueue(transaction, subscription);
  if (queue === undefined) return undefined;
  const open = new OpenQueue(transaction, queue, stamp);
  // The id holds the time of the publish, and nothing came before it was published.
  const from = firstArrivedAfter(open, epochMs(messageId.readUIntBE(0, 6) - 1));
  if (from === undefined) return undefined;
  let left = lookedAtMax;
  for (const { head, message } of transaction.messageHeadsFrom(queue, from)) {
    if (left === 0) return undefined;
    left -= 1;
    const whole = message ?? transaction.readableMessage(queue, head.sequence);
    if (whole === undefined || !messageIn(whole.content).messageId.equals(messageId)) continue;
    const delivery = transaction.readableDelivery(queue, head.sequence);
    return {
      standing: standingOf(queue, open.counters, head, delivery, stamp.now),
      receives: delivery?.receiveCount ?? 0,
    };
  }
  return undefined;
}
