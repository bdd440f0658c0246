// CreateQueue. Creating a queue that exists is OK when every attribute given equals the current value (not the original
// one); tags play no part (SQS API reference, and recorded behaviour).

import { after, between, milliseconds, sequence } from "../base/brands.js";
import { defaultSettings, limits, type QueueSettings } from "./limits.js";
import type { Counters, Queue } from "./model.js";
import { findQueue, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, reject } from "./rejections.js";
import { slotOfName } from "./slots.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface CreateQueue {
  readonly address: QueueAddress;
  readonly settings: Partial<QueueSettings>;
  readonly tags: ReadonlyMap<string, string>;
  /** `sqs_timing=strict`: a name is free again 60 s after its queue was deleted. */
  readonly isStrict: boolean;
}

export interface QueueCreated {
  readonly isNew: boolean;
}

export function decideCreateQueue(
  transaction: QueueTransaction,
  command: CreateQueue,
  stamp: Stamp,
): Decided<QueueCreated> {
  const { address, settings, tags } = command;
  const existing = findQueue(transaction, address);
  if (existing !== undefined) {
    const attribute = differingSetting(existing.settings, settings);
    return attribute === undefined
      ? accept({ isNew: false })
      : reject({ kind: "queue_already_exists", queue: address.given, attribute });
  }
  if (tags.size > limits.tagsMax) {
    return reject({
      kind: "tag_limit",
      queue: address.given,
      count: tags.size,
      limit: limits.tagsMax,
    });
  }
  if (command.isStrict) {
    const deletedAt = transaction.deletedAt(address.namespace, address.name);
    const retryAfterMs =
      deletedAt === undefined ? 0 : between(stamp.now, after(deletedAt, limits.strictWaitMs));
    if (retryAfterMs > 0) {
      return reject({
        kind: "queue_deleted_recently",
        queue: address.given,
        retryAfterMs: milliseconds(retryAfterMs),
      });
    }
  }
  const queue: Queue = {
    number: stamp.ids.queueNumber(stamp.now),
    segment: stamp.ids.segmentNumber(stamp.now),
    slot: slotOfName(address.namespace, address.name),
    namespace: address.namespace,
    name: address.name,
    settings: { ...defaultSettings, ...settings },
    tags,
    createdAt: stamp.now,
    updatedAt: stamp.now,
    purgedAt: undefined,
    revision: 1,
  };
  transaction.putQueue(queue);
  transaction.putCounters(queue, newCounters);
  return accept({ isNew: true });
}

const newCounters: Counters = {
  nextSequence: sequence(1),
  freshFrom: sequence(1),
  stored: 0,
  storedBytes: 0,
  inFlight: 0,
  delayed: 0,
  sent: 0,
  received: 0,
  deleted: 0,
  expired: 0,
  purged: 0,
};

/** The name on the wire of each setting, in the order they are compared. */
const settingNames = {
  visibilityTimeoutMs: "visibility_timeout",
  retentionMs: "message_retention_period",
  delayMs: "delay",
  messageBytesMax: "maximum_message_bytes",
  receiveWaitMs: "receive_message_wait_time",
  receiptPolicy: "receipt_policy",
  inFlightMax: "max_in_flight",
} as const satisfies Record<keyof QueueSettings, string>;

function differingSetting(
  current: QueueSettings,
  given: Partial<QueueSettings>,
): string | undefined {
  for (const name of Object.keys(settingNames) as (keyof QueueSettings)[]) {
    if (given[name] !== undefined && given[name] !== current[name]) return settingNames[name];
  }
  return undefined;
}
