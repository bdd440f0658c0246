// What counts as delayed.

import type { Delivery, MessageTraits } from "./model.js";
import type { OpenQueue } from "./open-queue.js";

/**
 * Whether a message was never received, as far as anybody knows: a receive that was undone has left a delivery behind, for the
 * ordinal in it.
 */
export const isUntouched = (delivery: Delivery | undefined): boolean =>
  delivery === undefined ||
  (delivery.receiveCount === 0 &&
    delivery.origin === undefined &&
    delivery.state.kind === "returned");

/** Whether a message counts as delayed. On a FIFO queue one that was never received does from the mark of its delay on. */
export const isDelayed = (
  { queue, counters }: OpenQueue,
  message: Pick<MessageTraits, "sequence">,
  delivery: Delivery | undefined,
): boolean =>
  queue.isFifo && isUntouched(delivery)
    ? message.sequence >= counters.dueFrom
    : delivery?.state.kind === "delayed";
