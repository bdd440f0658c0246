// Receive attempt ids (FIFO): a receive repeated with its id within 5 minutes returns the same messages with the same handles,
// so that an answer lost on the way costs nobody a timeout (SQS API reference, ReceiveMessage). The messages are leased anew for
// the full timeout, and their counts do not rise.

import { after, type DurationMs, type EpochMs } from "../base/brands.js";
import { isRemembered } from "./deduplication.js";
import { limits } from "./limits.js";
import type { Delivery, Message, Queue } from "./model.js";
import type { OpenQueue } from "./open-queue.js";
import type { MessagesReceived, ReceivedMessage } from "./received.js";
import { accept, type Decided, reject } from "./rejections.js";
import { isExpired } from "./stored-messages.js";
import type { QueueView } from "./view.js";

export interface AttemptCommand {
  readonly attemptId: string;
  /** The queue's name as the caller gave it. */
  readonly given: string;
  readonly timeoutMs: DurationMs;
}

/** Whether a receive with this id would be a repeat. */
export function isAttemptRemembered(
  view: QueueView,
  queue: Queue,
  attemptId: string,
  now: EpochMs,
): boolean {
  const attempt = view.receiveAttempt(queue, attemptId);
  return attempt !== undefined && isRemembered(attempt, limits.attemptWindowMs, { now });
}

/** The answer of an attempt that is remembered; undefined: it is not. */
export function repeatAttempt(
  open: OpenQueue,
  { attemptId, given, timeoutMs }: AttemptCommand,
): Decided<MessagesReceived> | undefined {
  const { transaction, queue, now } = open;
  const attempt = transaction.receiveAttempt(queue, attemptId);
  if (attempt === undefined || !isRemembered(attempt, limits.attemptWindowMs, open)) {
    return undefined;
  }
  const held: { readonly message: Message; readonly delivery: Delivery }[] = [];
  for (const receive of attempt.receives) {
    const delivery = transaction.delivery(queue, receive.sequence);
    const message = transaction.message(queue, receive.sequence);
    const isAsLeft =
      message !== undefined &&
      delivery?.ordinal === receive.ordinal &&
      delivery.state.kind === "leased" &&
      delivery.state.until === receive.until &&
      receive.until > now &&
      !isExpired(message, queue.settings.retentionMs, now);
    if (!isAsLeft) return reject({ kind: "receive_attempt_stale", queue: given });
    held.push({ message, delivery });
  }
  const until = after(now, timeoutMs);
  const messages = held.map(({ message, delivery }): ReceivedMessage => {
    const renewed: Delivery = { ...delivery, state: { kind: "leased", until, leasedAt: now } };
    open.putDelivery(renewed, delivery);
    return { message, delivery: renewed, previous: delivery };
  });
  transaction.putReceiveAttempt(queue, attemptId, {
    ...attempt,
    wasRepeated: true,
    receives: attempt.receives.map((receive) => ({ ...receive, until })),
  });
  open.close();
  // They may end earlier than the waiters' timer knows.
  transaction.wake(queue.number);
  return accept({ queue, messages, isRepeat: true });
}

export function rememberAttempt(
  { transaction, queue, now }: OpenQueue,
  { attemptId }: AttemptCommand,
  messages: readonly ReceivedMessage[],
): void {
  const receives = messages.map(({ delivery: { sequence, ordinal, state } }) => ({
    sequence,
    ordinal,
    // With a timeout of nothing there is no lease to repeat: the attempt is stale at once.
    until: state.kind === "leased" ? state.until : now,
  }));
  transaction.putReceiveAttempt(queue, attemptId, {
    at: now,
    wasRepeated: false,
    receives,
  });
}

/** Frees the id of a receive that is undone. False when somebody repeated it: the messages are his. */
export function forgetAttempt({ transaction, queue }: OpenQueue, attemptId: string): boolean {
  const attempt = transaction.receiveAttempt(queue, attemptId);
  if (attempt?.wasRepeated === true) return false;
  if (attempt !== undefined) transaction.removeReceiveAttempt(queue, attemptId);
  return true;
}
