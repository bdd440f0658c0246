// PeekMessages: looks without touching. No lease, no count, no handle; a bounded number of messages is examined a page.

import { after, type EpochMs, type Sequence, sequence } from "../base/brands.js";
import { limits } from "./limits.js";
import type { Delivery, Message, Queue } from "./model.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import { accept, type Decided } from "./rejections.js";
import { isExpired } from "./settle.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export type PeekedState = "visible" | "in_flight" | "delayed";

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
  /** The place to go on from; with the queue's segment, so that a purge in between ends the listing. */
  readonly from: Sequence;
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
  readonly next: Sequence | undefined;
}

export function decidePeekMessages(
  transaction: QueueTransaction,
  command: PeekMessages,
  stamp: Stamp,
): Decided<MessagesPeeked> {
  const queue = findQueue(transaction, command.address);
  if (queue === undefined) return notFound(command.address);
  const messages: PeekedMessage[] = [];
  let examined = 0;
  let bytes = 0;
  for (const message of transaction.messagesFrom(queue, command.from)) {
    if (examined === limits.peekExaminedMax || messages.length === command.countMax) {
      return accept({ queue, messages, next: message.sequence });
    }
    examined += 1;
    if (isExpired(message, queue.settings.retentionMs, stamp.now)) continue;
    const delivery = transaction.readableDelivery(queue, message.sequence);
    const peeked = describe(queue, message, delivery, stamp.now);
    if (!matches(peeked, command)) continue;
    const size = Math.min(
      message.sizeBytes,
      message.sizeBytes - message.content.body.length + command.bodyBytesMax,
    );
    if (messages.length > 0 && bytes + size > command.bytesMax) {
      return accept({ queue, messages, next: message.sequence });
    }
    bytes += size;
    messages.push(peeked);
  }
  return accept({ queue, messages, next: undefined });
}

function describe(
  queue: Queue,
  message: Message,
  delivery: Delivery | undefined,
  now: EpochMs,
): PeekedMessage {
  const common = {
    message,
    delivery,
    expiresAt: after(message.sentAt, queue.settings.retentionMs),
  };
  // A lease or delay that has ended is visible, whether or not it was settled.
  if (delivery === undefined || delivery.state.kind === "returned" || delivery.state.until <= now) {
    return { ...common, state: "visible", visibleAt: undefined };
  }
  return {
    ...common,
    state: delivery.state.kind === "leased" ? "in_flight" : "delayed",
    visibleAt: delivery.state.until,
  };
}

function matches({ message, state }: PeekedMessage, command: PeekMessages): boolean {
  const { content } = message;
  if (command.states.size > 0 && !command.states.has(state)) return false;
  if (command.groupId !== "" && content.groupId !== command.groupId) return false;
  for (const [name, value] of command.attributes) {
    const attribute = content.attributes.find((candidate) => candidate.name === name);
    if (attribute?.isText !== true || attribute.value.toString("utf8") !== value) return false;
  }
  return command.bodyContains.length === 0 || content.body.includes(command.bodyContains);
}

/** The first place of a queue. */
export const firstPlace: Sequence = sequence(0);
