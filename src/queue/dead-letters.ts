// Dead letters. A message is delivered as often as the redrive policy says; the next receive that would select it moves it
// instead and goes on to others (queue.md 3.7). It keeps its id and all it was sent with, and what is known of its receives.
// Nothing is ever destroyed on the way: without its target a message stays and is delivered again.

import { uuidText } from "../base/ids.js";
import type { Delivery, Message, Queue } from "./model.js";
import type { OpenQueue } from "./open-queue.js";
import { findReceiver } from "./readable.js";
import { admit, remove } from "./stored-messages.js";
import type { QueueView } from "./view.js";

/** Whether the next delivery would be one too many. */
export const isOverLimit = ({ settings }: Queue, delivery: Delivery | undefined): boolean =>
  settings.redrive !== undefined &&
  delivery !== undefined &&
  delivery.receiveCount >= settings.redrive.receiveCountMax;

/**
 * The queue that dead letters go to, if it exists and can take them. One that cannot be read is as good as none: the messages
 * it should take must not hold up those behind them.
 */
export function deadLetterTarget(view: QueueView, queue: Queue): Queue | undefined {
  const { redrive } = queue.settings;
  return redrive && findReceiver(view, queue, redrive.deadLetterQueue);
}

export function moveToDeadLetters(
  open: OpenQueue,
  target: Queue,
  message: Message,
  delivery: Delivery,
  reason: "max_receives" | "rejected",
): void {
  const { queue, now, transaction } = open;
  remove(open, message, delivery);
  open.change({ deadLettered: 1 });
  const into = open.other(target);
  const { content } = message;
  admit(into, {
    messageId: message.messageId,
    // Standard: retention runs from the original send. FIFO: from the move (SQS developer guide).
    sentAt: target.isFifo ? now : message.sentAt,
    expiresAt: message.expiresAt,
    sizeBytes: message.sizeBytes,
    priority: message.priority,
    // Two messages of one id, sent at different times, are both kept.
    content: target.isFifo ? { ...content, dedupId: uuidText(message.messageId) } : content,
    dueAt: undefined,
    hasOldId: true,
    past: {
      earlierReceives: delivery.earlierReceives + delivery.receiveCount,
      firstReceivedAt: delivery.firstReceivedAt,
      rejection: delivery.rejection,
      undelivered: delivery.undelivered,
      origin: { at: now, deadLetter: { source: queue.name, reason } },
      attempts: delivery.attempts,
    },
  });
  into.change({ arrived: 1 });
  transaction.wake(target.number);
}
