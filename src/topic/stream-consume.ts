// What consumers of a durable stream ask for: messages, and what is to become of them. Leases are those of the queue behind the
// stream (`stream-queue.ts`). What was delivered too often, came too late or was rejected is given up for the subscription, to
// its dead-letter queue in the form that the subscription's deliveries have.

import type { DurationMs, EpochMs, QueueNumber } from "../base/brands.js";
import { decideGiveBack, type GiveBackResult } from "../queue/change-visibility.js";
import type { Delivery, Message, Queue } from "../queue/model.js";
import { OpenQueue } from "../queue/open-queue.js";
import type { Receipt } from "../queue/receipt.js";
import { decideReceiveMessages, type NothingReceivable } from "../queue/receive-messages.js";
import type { ReceivedMessage } from "../queue/received.js";
import { accept, type Decided, type QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { remove } from "../queue/stored-messages.js";
import { type Failure, QueueDeliveries } from "./deliver-to-queue.js";
import type { TopicMessage } from "./model.js";
import { refuse, type TopicDecided, type TopicRejection } from "./rejections.js";
import { messageIn } from "./stream-content.js";
import { streamDefaults, streamLimits } from "./stream-limits.js";
import { addressOf, findStreamQueue } from "./stream-queue.js";
import { type FoundSubscription, findSubscription, subscriptionNotFound } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

/** A stream as a consumer begins with it. */
export interface StreamFound {
  readonly target: NonNullable<FoundSubscription["subscription"]["target"]>;
  readonly ackDeadlineMs: DurationMs;
}

export function decideFindStream(
  transaction: StateTransaction,
  id: Buffer,
): TopicDecided<StreamFound> {
  const found = findSubscription(transaction.topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const { kind, target, settings, endpoint } = found.subscription;
  if (kind !== "stream") return refuse({ kind: "not_a_stream", subscription: endpoint });
  const queue = findStreamQueue(transaction, found.subscription);
  if (target === undefined || queue === undefined) return subscriptionNotFound(id);
  const { ackDeadlineMs } = { ...streamDefaults, ...settings.stream };
  return accept({ target, ackDeadlineMs });
}

export interface ReceiveStream {
  readonly id: Buffer;
  readonly number: QueueNumber;
  readonly countMax: number;
  /** How often a message is delivered before it is given up, by the delivery policy of the subscription. */
  attemptsMaxOf(found: FoundSubscription): number;
}

export interface StreamMessage {
  readonly received: ReceivedMessage;
  readonly message: TopicMessage;
}

export interface StreamReceived {
  readonly topic: FoundSubscription["topic"];
  readonly queue: Queue;
  readonly messages: readonly StreamMessage[];
}

type StreamDecided<Outcome> = TopicDecided<Outcome> | Decided<Outcome>;

export function decideReceiveStream(
  transaction: StateTransaction,
  { id, number, countMax, attemptsMaxOf }: ReceiveStream,
  stamp: Stamp,
): StreamDecided<StreamReceived> | NothingReceivable {
  const found = findSubscription(transaction.topics, id);
  const target = found?.subscription.target;
  if (found === undefined || target === undefined || target.number !== number) {
    return subscriptionNotFound(id);
  }
  const command = {
    address: addressOf(target, found.subscription.endpoint),
    countMax: Math.min(countMax, streamLimits.receiveMessagesMax),
    bytesMax: streamLimits.receiveBytesMax,
    visibilityTimeoutMs: undefined,
    isShortPoll: false,
  };
  const attemptsMax = attemptsMaxOf(found);
  for (let round = 0; round < streamLimits.roundsMax; round += 1) {
    const decided = decideReceiveMessages(transaction, command, stamp, number);
    if (decided.kind !== "accepted") return decided;
    const { queue } = decided.outcome;
    const { messages: received } = decided.outcome;
    const messages = keepGood(transaction, found, { queue, received, attemptsMax }, stamp);
    if (messages.length > 0) return accept({ topic: found.topic, queue, messages });
  }
  return { kind: "nothing_yet", queue: number, until: stamp.now };
}

interface Picked {
  readonly queue: Queue;
  readonly received: readonly ReceivedMessage[];
  readonly attemptsMax: number;
}

/** Gives up what is not to be delivered any more; answers with the rest. */
function keepGood(
  transaction: StateTransaction,
  found: FoundSubscription,
  { queue, received, attemptsMax }: Picked,
  stamp: Stamp,
): readonly StreamMessage[] {
  const good: StreamMessage[] = [];
  const lost: Lost[] = [];
  for (const each of received) {
    const message = messageIn(each.message.content);
    const { delivery } = each;
    const failure = failureOf(message, delivery, attemptsMax, stamp.now);
    if (failure === undefined) good.push({ received: each, message });
    else {
      const failures = delivery.receiveCount - 1;
      lost.push({ stored: each.message, delivery, message, failure, failures });
    }
  }
  giveUp(transaction, found, queue, lost, stamp);
  return good;
}

function failureOf(
  { expiresAt }: TopicMessage,
  { receiveCount, rejection }: Delivery,
  attemptsMax: number,
  now: EpochMs,
): Failure | undefined {
  if (expiresAt !== undefined && expiresAt <= now) {
    return { reason: "EXPIRED", error: "Its time to live ended before it was delivered" };
  }
  if (receiveCount <= attemptsMax) return undefined;
  const error = rejection?.error ?? `It was delivered ${attemptsMax} times and not acknowledged`;
  return { reason: "RETRIES_EXHAUSTED", error };
}

interface Lost {
  readonly stored: Message;
  readonly delivery: Delivery;
  readonly message: TopicMessage;
  readonly failure: Failure;
  readonly failures: number;
}

function giveUp(
  transaction: StateTransaction,
  { topic, subscription }: FoundSubscription,
  queue: Queue,
  lost: readonly Lost[],
  stamp: Stamp,
): void {
  if (lost.length === 0) return;
  const { topics } = transaction;
  const open = new OpenQueue(transaction, queue, stamp);
  for (const { stored, delivery } of lost) {
    remove(open, stored, delivery);
    open.change({ deadLettered: 1 });
  }
  open.close();
  // What was behind them in their groups, or over the bound of what may be in flight, may go on.
  transaction.wake(queue.number);
  const deliveries = new QueueDeliveries(transaction, topic, stamp);
  const counted = { ...topics.deliveries(topic, subscription.id) };
  for (const { message, failure, failures, delivery } of lost) {
    const history = { failures, firstAttemptAt: delivery.firstReceivedAt };
    const outcome = deliveries.giveUp(subscription, message, failure, history);
    counted.failedAttempts += failures;
    if (outcome === "dead_lettered") counted.deadLettered += 1;
    else counted.givenUp += 1;
  }
  deliveries.close();
  topics.putDeliveries(topic, subscription.id, counted);
}

export interface RejectStream {
  readonly id: Buffer;
  readonly number: QueueNumber;
  readonly receipts: readonly (Receipt | undefined)[];
  /** As the consumer gave it. */
  readonly reason: string;
}

/** Gives messages up at once, each by itself; only the newest handle of a message may. */
export function decideRejectStream(
  transaction: StateTransaction,
  { id, number, receipts, reason }: RejectStream,
  stamp: Stamp,
): StreamDecided<readonly GiveBackResult[]> {
  const found = findSubscription(transaction.topics, id);
  const target = found?.subscription.target;
  if (found === undefined || target === undefined || target.number !== number) {
    return subscriptionNotFound(id);
  }
  const address = addressOf(target, found.subscription.endpoint);
  const decided = decideGiveBack(
    transaction,
    { address, receipts, delayMs: zero, rejected: undefined, isDeadLetter: false },
    stamp,
  );
  const queue = findStreamQueue(transaction, found.subscription);
  if (decided.kind === "rejected" || queue === undefined) return decided;
  const failure = { reason: "REJECTED", error: reason };
  const lost = decided.outcome.flatMap((result, index): readonly Lost[] => {
    const receipt = receipts[index];
    if (result.kind !== "changed" || receipt === undefined) return [];
    const delivery = transaction.delivery(queue, receipt.sequence);
    const stored = transaction.message(queue, receipt.sequence);
    if (delivery === undefined || stored === undefined) return [];
    const { receiveCount: failures } = delivery;
    return [{ stored, delivery, message: messageIn(stored.content), failure, failures }];
  });
  giveUp(transaction, found, queue, lost, stamp);
  return decided;
}

const zero = 0 as DurationMs;

export type StreamRejection = TopicRejection | QueueRejection;
