// What every client of a crash test's process has: its name, its choices, its queue by two clients of the library, and the
// history it writes.

import { setTimeout as sleep } from "node:timers/promises";
import type { Queue, ReceivedMessage } from "@forebay/client";
import type { Attempts } from "./attempts.js";
import { type Arrived, type History, hashOf, keyOf, nowMs } from "./history.js";
import type { ClientPlan } from "./plan.js";
import type { Random } from "./random.js";

export interface Client {
  readonly name: string;
  readonly plan: ClientPlan;
  readonly random: Random;
  readonly history: History;
  readonly attempts: Attempts;
  /** Each call once, alone. */
  readonly queue: Queue;
  /** Calls are joined, and repeated by the library. */
  readonly repeatingQueue: Queue;
  readonly cancelMove: (taskHandle: string) => Promise<number>;
  /** Aborted when nothing new is to be begun. */
  readonly stopping: AbortSignal;
}

export const isFifo = ({ plan }: Client): boolean => plan.queue.endsWith(".fifo");

export async function pause({ random, plan }: Client): Promise<void> {
  await sleep(random.between(0, plan.pauseMsMax));
}

/** What of a received message goes into a history. */
interface MessageSeen {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string | Uint8Array;
  readonly receiveCount: number | undefined;
  readonly queueReceiveCount: number | undefined;
  readonly originalMessageId: string | undefined;
  readonly groupId: string | undefined;
  readonly sequenceNumber: string | undefined;
  readonly visibleTime: ReceivedMessage["visibleTime"];
}

export function arrivalOf(
  queue: string,
  message: MessageSeen,
  startedMs: number,
  lease: Arrived["lease"],
): Arrived {
  const { groupId, sequenceNumber, originalMessageId, visibleTime } = message;
  return {
    kind: "arrived",
    queue,
    messageId: message.messageId,
    handle: message.receiptHandle,
    key: keyOf(message.body),
    bodyHash: hashOf(message.body),
    receiveCount: message.receiveCount ?? 0,
    queueReceiveCount: message.queueReceiveCount ?? 0,
    lease,
    startedMs,
    endedMs: nowMs(),
    ...(originalMessageId !== undefined && { originalMessageId }),
    ...(visibleTime !== undefined && { leasedUntilMs: visibleTime.getTime() }),
    ...(groupId !== undefined &&
      sequenceNumber !== undefined && {
        order: { group: groupId, sequence: Number(sequenceNumber) },
      }),
  };
}
