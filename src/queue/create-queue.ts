// CreateQueue. Creating a queue that exists is OK when every attribute given equals the current value (not the original
// one); tags play no part (SQS API reference, and recorded behaviour).

import { isDeepStrictEqual } from "node:util";
import { after, between, milliseconds } from "../base/brands.js";
import { newCounters } from "./counters.js";
import { defaultsOf, limits, type QueueSettings } from "./limits.js";
import type { Queue } from "./model.js";
import { findQueue, type QueueAddress } from "./queue-name.js";
import { linkDeadLetters, redriveRefusal } from "./redrive.js";
import { accept, type Decided, type QueueRejection, reject } from "./rejections.js";
import { slotOfName } from "./slots.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface CreateQueue {
  readonly address: QueueAddress;
  readonly isFifo: boolean;
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
  const whole = { ...defaultsOf(command.isFifo), ...settings };
  const refusal =
    conflictIn(address, whole) ??
    redriveRefusal(transaction, address, command.isFifo, settings.redrive);
  if (refusal !== undefined) return reject(refusal);
  const queue: Queue = {
    number: stamp.ids.queueNumber(stamp.now),
    segment: stamp.ids.segmentNumber(stamp.now),
    slot: slotOfName(address.namespace, address.name),
    namespace: address.namespace,
    name: address.name,
    isFifo: command.isFifo,
    settings: whole,
    tags,
    createdAt: stamp.now,
    updatedAt: stamp.now,
    purgedAt: undefined,
    revision: 1,
  };
  transaction.putQueue(queue);
  transaction.putCounters(queue, newCounters);
  linkDeadLetters(transaction, queue, undefined);
  return accept({ isNew: true });
}

/** Settings that are each good and not together (SQS API reference, SetQueueAttributes). */
export function conflictIn(
  address: QueueAddress,
  settings: QueueSettings,
): QueueRejection | undefined {
  return settings.fifoThroughput === "group" && settings.dedupScope === "queue"
    ? {
        kind: "attribute_conflict",
        queue: address.given,
        attribute: "fifo_throughput_limit",
        advice: "can be PER_MESSAGE_GROUP_ID only with deduplication_scope MESSAGE_GROUP",
      }
    : undefined;
}

/** The name on the wire of each setting, in the order they are compared. */
const settingNames = {
  visibilityTimeoutMs: "visibility_timeout",
  retentionMs: "message_retention_period",
  delayMs: "delay",
  messageBytesMax: "maximum_message_bytes",
  receiveWaitMs: "receive_message_wait_time",
  receiptPolicy: "receipt_policy",
  inFlightMax: "max_in_flight",
  redrive: "redrive_policy",
  redriveAllow: "redrive_allow_policy",
  policy: "policy",
  dedupWindowMs: "dedup_window",
  isContentDeduplicated: "content_based_deduplication",
  dedupScope: "deduplication_scope",
  fifoThroughput: "fifo_throughput_limit",
  isPaused: "delivery_paused",
  retry: "retry_policy",
  groupInFlightMax: "max_in_flight_per_group",
  priorityAgeingMs: "priority_ageing",
} as const satisfies Record<keyof QueueSettings, string>;

function differingSetting(
  current: QueueSettings,
  given: Partial<QueueSettings>,
): string | undefined {
  for (const name of Object.keys(settingNames) as (keyof QueueSettings)[]) {
    // Policies are objects; what is the same has the same parts.
    if (name in given && !isDeepStrictEqual(given[name], current[name])) return settingNames[name];
  }
  return undefined;
}
