// What a test sends, as the rules want to have it: a queue by its name, a message by its body.

import type { Namespace, QueueName } from "../../src/base/brands.js";
import { milliseconds } from "../../src/base/brands.js";
import type { QueueAddress } from "../../src/queue/queue-name.js";
import type { SendEntry } from "../../src/queue/send-message.js";

export interface Sent {
  readonly body: string;
  readonly delayMs?: number;
  /** Counted size, when it should differ from the body's. */
  readonly sizeBytes?: number;
}

export const addressOf = (name: string): QueueAddress => ({
  namespace: "default" as Namespace,
  name: name as QueueName,
  given: name,
});

export function entryOf({ body, delayMs, sizeBytes }: Sent): SendEntry {
  const bytes = Buffer.from(body);
  return {
    content: {
      isText: true,
      body: bytes,
      bodyMd5: Buffer.alloc(16),
      attributes: [],
      senderId: "key:default:dev",
      groupId: undefined,
      traceHeader: undefined,
      dedupId: undefined,
      originalMessageId: undefined,
    },
    sizeBytes: sizeBytes ?? bytes.length,
    delayMs: delayMs === undefined ? undefined : milliseconds(delayMs),
  };
}
