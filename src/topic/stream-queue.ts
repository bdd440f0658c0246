// The queue behind a durable stream. What waits for the consumers of a stream waits in a queue of its own, so leases, redelivery,
// order in groups and exact counters are those of queues. Fan-out feeds it like any other; it goes with its subscription.
//
// Its name begins with a character that no queue's name may have: nobody can name it, and lists end before it.

import { assert } from "../base/assert.js";
import type { QueueName } from "../base/brands.js";
import {
  decidePurgeQueue,
  decideReportQueue,
  decideSetQueueSettings,
  type QueueReport,
} from "../queue/administer-queue.js";
import { decideCreateQueue } from "../queue/create-queue.js";
import { limits, type QueueSettings } from "../queue/limits.js";
import type { Queue } from "../queue/model.js";
import { hiddenPrefix, type QueueAddress } from "../queue/queue-name.js";
import { orUnreadable } from "../queue/readable.js";
import type { Stamp } from "../queue/stamp.js";
import type { SubscriptionSettings } from "./limits.js";
import type { QueueTarget, Subscription, Topic } from "./model.js";
import { streamDefaults } from "./stream-limits.js";
import type { StateTransaction } from "./view.js";

export function addressOf({ namespace, name }: QueueTarget, given: string): QueueAddress {
  return { namespace, name, given };
}

const nameOf = (id: Buffer, isFifo: boolean): QueueName =>
  `${hiddenPrefix}${id.toString("hex")}${isFifo ? limits.fifoSuffix : ""}` as QueueName;

function settingsOf(isFifo: boolean, { stream, isPaused }: SubscriptionSettings) {
  const { ackDeadlineMs, inFlightMax } = { ...streamDefaults, ...stream };
  return {
    visibilityTimeoutMs: ackDeadlineMs,
    inFlightMax,
    isPaused,
    retentionMs: limits.retentionMsMax,
    receiptPolicy: "strict",
    // The topic has judged what is a repeat; what waited before it came here must not become one.
    dedupWindowMs: 0 as QueueSettings["dedupWindowMs"],
    groupInFlightMax: isFifo ? 1 : 0,
  } as const satisfies Partial<QueueSettings>;
}

export function createStreamQueue(
  transaction: StateTransaction,
  { namespace, isFifo }: Pick<Topic, "namespace" | "isFifo">,
  { id, settings }: Pick<Subscription, "id" | "settings">,
  stamp: Stamp,
): QueueTarget {
  const name = nameOf(id, isFifo);
  const address = { namespace, name, given: name };
  const decided = decideCreateQueue(
    transaction,
    {
      address,
      isFifo,
      settings: settingsOf(isFifo, settings),
      tags: new Map(),
      isStrict: false,
    },
    stamp,
  );
  const queue = transaction.findQueue(namespace, name);
  assert(decided.kind === "accepted" && queue !== undefined, "the queue of a stream can be made");
  return { namespace, name, number: queue.number };
}

/** Undefined: it is gone, or cannot be read. */
export function findStreamQueue(
  transaction: StateTransaction,
  { target }: Pick<Subscription, "target">,
): Queue | undefined {
  if (target === undefined) return undefined;
  const queue = orUnreadable(() => transaction.findQueue(target.namespace, target.name));
  return queue !== "unreadable" && queue?.number === target.number ? queue : undefined;
}

/** After the settings of the subscription have changed. */
export function adjustStreamQueue(
  transaction: StateTransaction,
  subscription: Subscription,
  stamp: Stamp,
): void {
  const queue = subscription.kind === "stream" && findStreamQueue(transaction, subscription);
  if (!queue) return;
  const { namespace, name, isFifo } = queue;
  const settings = settingsOf(isFifo, subscription.settings);
  const address = { namespace, name, given: subscription.endpoint };
  decideSetQueueSettings(transaction, { address, settings, etag: "" }, stamp);
}

/** With all that waits in it; its consumers are told. */
export function endStreamQueue(
  transaction: StateTransaction,
  subscription: Pick<Subscription, "kind" | "target">,
): void {
  const queue = subscription.kind === "stream" && findStreamQueue(transaction, subscription);
  if (!queue) return;
  transaction.removeQueue(queue);
  transaction.addGarbage({ slot: queue.slot, segment: queue.segment });
  transaction.wake(queue.number);
}

/** The numbers of what waits for consumers; undefined: it is no stream. */
export function reportStreamQueue(
  transaction: StateTransaction,
  subscription: Pick<Subscription, "kind" | "target" | "endpoint">,
  stamp: Stamp,
): QueueReport | undefined {
  const { kind, target, endpoint } = subscription;
  if (kind !== "stream" || target === undefined) return undefined;
  if (findStreamQueue(transaction, subscription) === undefined) return undefined;
  const decided = decideReportQueue(transaction, addressOf(target, endpoint), stamp);
  return decided.kind === "accepted" ? decided.outcome : undefined;
}

/** Drops what waits for consumers; says how many that were. */
export function purgeStreamQueue(
  transaction: StateTransaction,
  { kind, target, endpoint }: Pick<Subscription, "kind" | "target" | "endpoint">,
  stamp: Stamp,
): number {
  if (kind !== "stream" || target === undefined) return 0;
  const address = addressOf(target, endpoint);
  const decided = decidePurgeQueue(transaction, { address, isStrict: false }, stamp);
  return decided.kind === "accepted" ? decided.outcome.purgedCount : 0;
}
