// The receive as a command of the engine: shared by ReceiveMessage and the Consume stream.

import type { DurationMs } from "../base/brands.js";
import type { WaitingCommand } from "../engine/command.js";
import { decideOnceOrWait, type OnceOutcome, type RequestIdentity } from "../queue/once.js";
import { findQueue, notFound, type QueueAddress } from "../queue/queue-name.js";
import { isAttemptRemembered } from "../queue/receive-attempts.js";
import {
  decideReceiveMessages,
  decideUndoReceive,
  type NothingReceivable,
  receiveResultCodec,
} from "../queue/receive-messages.js";
import type { MessagesReceived } from "../queue/received.js";
import { accept, type QueueRejection } from "../queue/rejections.js";
import type { CommandRunner } from "./command-runner.js";

export interface ReceiveOrder {
  readonly address: QueueAddress;
  readonly countMax: number;
  readonly bytesMax: number;
  /** Undefined: the queue's. */
  readonly visibilityTimeoutMs: DurationMs | undefined;
  /** The shortest lease, where the queue's default is shorter. */
  readonly visibilityTimeoutMsMin?: DurationMs;
  /** Undefined: the queue's. */
  readonly waitMs: number | undefined;
  /** What of it is over already. */
  readonly waitedMs?: number;
  /** Server time by which to answer; undefined: only the wait counts. */
  readonly endsBy: number | undefined;
  readonly identity: RequestIdentity | undefined;
  /** FIFO: undefined, or the receive attempt id. */
  readonly attemptId: string | undefined;
}

/** Undefined: nothing came. */
export type ReceiveOutcome = OnceOutcome<MessagesReceived | undefined>;

export function receiveCommand(
  order: ReceiveOrder,
): WaitingCommand<ReceiveOutcome, QueueRejection> {
  const { address } = order;
  return {
    name: "ReceiveMessage",
    bytes: 256 * order.countMax,
    isGrowing: false,
    locate: (transaction, stamp) => {
      const queue = findQueue(transaction, address);
      if (queue === undefined) return notFound(address);
      // A repeat finds its kept result at once: it does not stand in line for what it was given before.
      const { identity } = order;
      const kept = identity === undefined ? undefined : transaction.requestResult(identity.key);
      const isRepeat =
        (kept !== undefined && kept.keepUntil > stamp.now) ||
        (order.attemptId !== undefined &&
          isAttemptRemembered(transaction, queue, order.attemptId, stamp.now));
      if (isRepeat) return accept({ queue: queue.number, waitMs: 0 });
      const waitMs = (order.waitMs ?? queue.settings.receiveWaitMs) - (order.waitedMs ?? 0);
      const leftMs = order.endsBy === undefined ? waitMs : order.endsBy - stamp.now;
      return accept({ queue: queue.number, waitMs: Math.max(0, Math.min(waitMs, leftMs)) });
    },
    decide: (transaction, stamp, waited) =>
      decideOnceOrWait<MessagesReceived | undefined, NothingReceivable>(
        transaction,
        stamp,
        order.identity,
        receiveResultCodec(transaction, address, stamp.now),
        () =>
          decideReceiveMessages(
            transaction,
            { ...order, isShortPoll: waited.waitMs === 0 },
            stamp,
            waited.queue,
          ),
      ),
    empty: () => ({ outcome: undefined, isReplayed: false }),
  };
}

/** Gives back what a receive leased and could not hand over. */
export async function undoReceive(
  engine: CommandRunner,
  address: QueueAddress,
  received: MessagesReceived,
  ids: { readonly requestKey?: string | undefined; readonly attemptId?: string | undefined } = {},
): Promise<void> {
  // A repeat of an attempt leased nothing.
  if (received.isRepeat === true) return;
  await engine.execute({
    name: "UndoReceive",
    bytes: 256 * received.messages.length,
    isGrowing: false,
    isOwed: true,
    decide: (transaction, stamp) =>
      decideUndoReceive(
        transaction,
        {
          address,
          number: received.queue.number,
          messages: received.messages,
          requestKey: ids.requestKey,
          attemptId: ids.attemptId,
        },
        stamp,
      ),
  });
}
