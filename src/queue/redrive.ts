// Redrive policies: which queue takes whose dead letters, checked when a source sets its policy (SQS API reference,
// SetQueueAttributes), and kept the other way round, so that a dead-letter queue knows its sources.

import type { Namespace, QueueName } from "../base/brands.js";
import type { RedrivePolicy } from "./limits.js";
import type { Queue } from "./model.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided, type QueueRejection } from "./rejections.js";
import type { QueueTransaction, QueueView } from "./view.js";

/** Why a queue may not have this policy; a queue may name itself, also one that is only being created. */
export function redriveRefusal(
  view: QueueView,
  address: QueueAddress,
  isFifo: boolean,
  redrive: RedrivePolicy | undefined,
): QueueRejection | undefined {
  if (redrive === undefined) return undefined;
  const { deadLetterQueue } = redrive;
  if (deadLetterQueue === address.name) return undefined;
  const names = { queue: address.given, deadLetterQueue };
  const target = view.findQueue(address.namespace, deadLetterQueue);
  if (target === undefined) return { kind: "dead_letter_queue_not_found", ...names };
  if (target.isFifo !== isFifo) return { kind: "dead_letter_queue_type_mismatch", ...names };
  return isAllowed(target, address.name)
    ? undefined
    : { kind: "dead_letter_queue_not_allowed", ...names };
}

function isAllowed({ settings }: Queue, source: QueueName): boolean {
  const allow = settings.redriveAllow;
  switch (allow?.kind) {
    case undefined:
    case "all":
      return true;
    case "none":
      return false;
    case "by_queue":
      return allow.sources.includes(source);
  }
}

/** Keeps the list of a dead-letter queue's sources after `queue`'s settings were `before`; undefined: it is new. */
export function linkDeadLetters(
  transaction: QueueTransaction,
  queue: Queue,
  before: Queue["settings"] | undefined,
): void {
  const { namespace, name } = queue;
  const old = before?.redrive?.deadLetterQueue;
  const now = queue.settings.redrive?.deadLetterQueue;
  if (old === now) return;
  if (old !== undefined) transaction.removeDeadLetterSource(namespace, old, name);
  if (now !== undefined) transaction.putDeadLetterSource(namespace, now, name);
}

/** The queue is gone, and what it names with it. */
export function unlinkDeadLetters(transaction: QueueTransaction, queue: Queue): void {
  const named = queue.settings.redrive?.deadLetterQueue;
  if (named !== undefined) transaction.removeDeadLetterSource(queue.namespace, named, queue.name);
}

export interface ListSources {
  readonly address: QueueAddress;
  /** The last name of the page before; empty: from the start. */
  readonly afterName: string;
  readonly countMax: number;
}

export function decideListDeadLetterSources(
  transaction: QueueTransaction,
  { address, afterName, countMax }: ListSources,
): Decided<{ readonly names: readonly QueueName[]; readonly hasMore: boolean }> {
  if (findQueue(transaction, address) === undefined) return notFound(address);
  const names: QueueName[] = [];
  for (const name of transaction.deadLetterSources(address.namespace, address.name, afterName)) {
    if (names.length === countMax) return accept({ names, hasMore: true });
    names.push(name);
  }
  return accept({ names, hasMore: false });
}

/** Whether any queue sends its dead letters here. */
export function isDeadLetterQueue(view: QueueView, namespace: Namespace, name: QueueName): boolean {
  for (const _source of view.deadLetterSources(namespace, name, "")) return true;
  return false;
}
