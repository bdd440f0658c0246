// What a test sends, as the rules want to have it: a queue by its name, a message by its body.

import type { Namespace, QueueName } from "../../src/base/brands.js";
import { epochMs, milliseconds } from "../../src/base/brands.js";
import type { QueueAddress } from "../../src/queue/queue-name.js";
import type { SendEntry } from "../../src/queue/send-message.js";

export interface Sent {
  readonly body: string;
  readonly delayMs?: number;
  /** Counted size, when it should differ from the body's. */
  readonly sizeBytes?: number;
  readonly groupId?: string;
  readonly dedupId?: string;
  readonly priority?: number;
  readonly deliverAt?: number;
  readonly timeToLiveMs?: number;
}

export const addressOf = (name: string): QueueAddress => ({
  namespace: "default" as Namespace,
  name: name as QueueName,
  given: name,
});

export function entryOf(sent: Sent): SendEntry {
  const { delayMs, deliverAt, timeToLiveMs } = sent;
  const bytes = Buffer.from(sent.body);
  return {
    content: {
      isText: true,
      body: bytes,
      bodyMd5: Buffer.alloc(16),
      attributes: [],
      senderId: "key:default:dev",
      groupId: sent.groupId,
      traceHeader: undefined,
      dedupId: sent.dedupId,
      originalMessageId: undefined,
    },
    sizeBytes: sent.sizeBytes ?? bytes.length,
    delayMs: delayMs === undefined ? undefined : milliseconds(delayMs),
    deliverAt: deliverAt === undefined ? undefined : epochMs(deliverAt),
    timeToLiveMs: timeToLiveMs === undefined ? undefined : milliseconds(timeToLiveMs),
    priority: sent.priority,
  };
}
