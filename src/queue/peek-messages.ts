// PeekMessages: looks without touching. No lease, no count, no handle; a bounded number of messages is examined a page.

import {
  after,
  type EpochMs,
  type SegmentNumber,
  type Sequence,
  sequence,
} from "../base/brands.js";
import { isUntouched } from "./delay.js";
import { limits } from "./limits.js";
import type { Counters, Delivery, Message, MessageTraits, Queue } from "./model.js";
import { OpenQueue } from "./open-queue.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided } from "./rejections.js";
import { letJoin } from "./scheduled-messages.js";
import type { Stamp } from "./stamp.js";
import { backoffMs, expiryOf, isExpired } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

export type PeekedState = "visible" | "in_flight" | "delayed";

/** A place in a queue as it was when the page was read: a purge in between ends the listing. */
export interface PeekPosition {
  readonly segment: SegmentNumber;
  readonly sequence: Sequence;
}

export interface PeekMessages {
  readonly address: QueueAddress;
  /** Empty: all. */
  readonly states: ReadonlySet<PeekedState>;
  /** Empty: any. */
  readonly groupId: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Empty: any. */
  readonly bodyContains: Buffer;
  readonly countMax: number;
  readonly bytesMax: number;
  /** Bytes of each body that will be returned; what counts toward `bytesMax`. */
  readonly bodyBytesMax: number;
  /** Where to go on; undefined: at the start. */
  readonly from: PeekPosition | undefined;
}

export interface PeekedMessage {
  readonly message: Message;
  readonly delivery: Delivery | undefined;
  readonly state: PeekedState;
  /** Undefined when visible. */
  readonly visibleAt: EpochMs | undefined;
  readonly expiresAt: EpochMs;
}

export interface MessagesPeeked {
  readonly queue: Queue;
  readonly messages: readonly PeekedMessage[];
  /** Undefined: nothing is left. */
  readonly next: PeekPosition | undefined;
}

export function decidePeekMessages(
  transaction: QueueTransaction,
  command: PeekMessages,
  stamp: Stamp,
): Decided<MessagesPeeked> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  // A purge in between started a new segment: of the one that was listed nothing is left.
  const { from } = command;
  if (from !== undefined && from.segment !== queue.segment) {
    return accept({ queue, messages: [], next: undefined });
  }
  const open = new OpenQueue(transaction, queue, stamp);
  // One whose time has come is no longer in the list of those to come, so it must be here.
  letJoin(open);
  open.close();
  const { counters } = open;
  const messages: PeekedMessage[] = [];
  let examined = 0;
  let examinedBytes = 0;
  let bytes = 0;
  for (const passed of transaction.messageHeadsFrom(queue, from?.sequence ?? sequence(0))) {
    const { head } = passed;
    const next = { segment: queue.segment, sequence: head.sequence };
    const isEnough =
      examined === limits.peekExaminedMax ||
      examinedBytes >= limits.peekExaminedBytesMax ||
      messages.length === command.countMax;
    if (isEnough) return accept({ queue, messages, next });
    examined += 1;
    if (isExpired(head, queue.settings.retentionMs, stamp.now)) continue;
    const delivery = transaction.readableDelivery(queue, head.sequence);
    const standing = standingOf(queue, counters, head, delivery, stamp.now);
    if (command.states.size > 0 && !command.states.has(standing.state)) continue;
    const message = passed.message ?? transaction.readableMessage(queue, head.sequence);
    examinedBytes += head.sizeBytes;
    if (message === undefined || !matches(message, command)) continue;
    const size = head.sizeBytes - Math.max(0, message.content.body.length - command.bodyBytesMax);
    if (messages.length > 0 && bytes + size > command.bytesMax) {
      return accept({ queue, messages, next });
    }
    bytes += size;
    const expiresAt = expiryOf(queue, head);
    messages.push({ message, delivery, expiresAt, ...standing });
  }
  return accept({ queue, messages, next: undefined });
}

export interface Standing {
  readonly state: PeekedState;
  readonly visibleAt: EpochMs | undefined;
}

/** By the time it is: a lease or delay that has ended is over, whether or not it was settled, and a backoff has begun. */
export function standingOf(
  queue: Queue,
  { dueFrom }: Counters,
  message: MessageTraits,
  delivery: Delivery | undefined,
  now: EpochMs,
): Standing {
  if (delivery === undefined || (queue.isFifo && isUntouched(delivery))) {
    const dueAt = after(message.arrivedAt, queue.settings.delayMs);
    const isDelayed = queue.isFifo && message.sequence >= dueFrom && dueAt > now;
    return isDelayed ? { state: "delayed", visibleAt: dueAt } : visible;
  }
  const { state, receiveCount } = delivery;
  if (state.kind === "returned") return visible;
  const { until } = state;
  if (state.kind === "delayed")
    return until > now ? { state: "delayed", visibleAt: until } : visible;
  if (until > now) return { state: "in_flight", visibleAt: until };
  const backsOffUntil = after(until, backoffMs(queue, receiveCount));
  return backsOffUntil > now ? { state: "delayed", visibleAt: backsOffUntil } : visible;
}

const visible: Standing = { state: "visible", visibleAt: undefined };

function matches({ content }: Message, command: PeekMessages): boolean {
  if (command.groupId !== "" && content.groupId !== command.groupId) return false;
  for (const [name, value] of command.attributes) {
    const attribute = content.attributes.find((candidate) => candidate.name === name);
    if (attribute?.isText !== true || attribute.value.toString("utf8") !== value) return false;
  }
  return command.bodyContains.length === 0 || content.body.includes(command.bodyContains);
}
