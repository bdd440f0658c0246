// The end of a test with clients: everything that is stored comes to somebody and is deleted, and is written down as what any
// client does.

import type { Queue, ReceivedMessage } from "@forebay/client";
import { arrivalOf } from "./client.js";
import { type History, keyOf, nowMs } from "./history.js";

export interface DrainOptions {
  readonly isEnough: (deletedCount: number) => boolean;
  readonly withinMs: number;
}

/** Receives and deletes until nothing is stored, or until `isEnough`. */
export async function drainQueue(
  queue: Queue,
  history: History,
  { isEnough, withinMs }: DrainOptions,
): Promise<void> {
  const giveUpMs = performance.now() + withinMs;
  let deletedCount = 0;
  while (!isEnough(deletedCount)) {
    const startedMs = nowMs();
    const visibilityTimeoutMs = 30_000;
    const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 200, visibilityTimeoutMs });
    for (const message of messages) {
      const lease = { kind: "receive", visibilityTimeoutMs } as const;
      history.add(arrivalOf(queue.name, message, startedMs, lease));
    }
    if (messages.length > 0) deletedCount += await deleteAll(queue, history, messages);
    else if ((await queue.attributes()).counters.storedMessageCount === 0) break;
    if (performance.now() > giveUpMs) throw new Error(`Not drained within ${withinMs} ms.`);
  }
}

async function deleteAll(
  queue: Queue,
  history: History,
  messages: readonly ReceivedMessage[],
): Promise<number> {
  const startedMs = nowMs();
  const handles = messages.map(({ receiptHandle }) => receiptHandle);
  const { successful } = await queue.deleteBatch(handles);
  for (const { id, outcome } of successful) {
    const message = messages[Number(id)];
    history.add({
      kind: "deleted",
      messageId: message?.messageId ?? "",
      key: keyOf(message?.body ?? ""),
      handle: message?.receiptHandle ?? "",
      outcome: "ok",
      attemptCount: 1,
      hasRemoved: outcome === "DELETED",
      startedMs,
      endedMs: nowMs(),
    });
  }
  return successful.length;
}
