// Messages as results of commands. Bodies are shown as text where they are UTF-8, else as base64, and JSON says which.

import type {
  Attributes,
  Message,
  PeekedMessage,
  ReceivedMessage,
  ScheduledMessage,
} from "@forebay/client";
import type { Row } from "./output.js";

const bodyCellCharactersMax = 100;

/** Attributes as JSON. */
export function attributesJson(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { type, value }]) => {
      const { body, encoding } = bodyJson(value);
      return [
        name,
        encoding === "base64" ? { type, value: body, encoding } : { type, value: body },
      ];
    }),
  );
}

/** What all messages have in common. */
function messageJson(message: Message): Record<string, unknown> {
  return {
    messageId: message.messageId,
    ...bodyJson(message.body),
    attributes: attributesJson(message.attributes),
    senderId: message.senderId,
    sendTime: message.sendTime?.toISOString(),
    receiveCount: message.receiveCount,
    queueReceiveCount: message.queueReceiveCount,
    firstReceiveTime: message.firstReceiveTime?.toISOString(),
    sequenceNumber: message.sequenceNumber,
    dedupId: message.dedupId,
    groupId: message.groupId,
    priority: message.priority,
    traceHeader: message.traceHeader,
    timeToLiveEndTime: message.timeToLiveEndTime?.toISOString(),
    rejection: message.rejection && {
      reason: message.rejection.reason,
      error: message.rejection.error,
      rejectTime: message.rejection.rejectTime?.toISOString(),
    },
    deadLetterSourceQueue: message.deadLetterSourceQueue,
    deadLetterReason: message.deadLetterReason,
    deadLetterTime: message.deadLetterTime?.toISOString(),
    deliveryFailure: message.deliveryFailure && {
      ...message.deliveryFailure,
      firstAttemptTime: message.deliveryFailure.firstAttemptTime?.toISOString(),
    },
    originalMessageId: message.originalMessageId,
    visibleTime: message.visibleTime?.toISOString(),
    md5OfBody: message.md5OfBody,
  };
}

/** Whether a queue is a FIFO queue, which its name says. There the group is what a message belongs to. */
export function isFifoName(queue: string): boolean {
  return queue.endsWith(".fifo");
}

export function receivedHeadings(queue: string): readonly string[] {
  return ["message", ...(isFifoName(queue) ? ["group"] : []), "sent", "receives", "body"];
}

export function receivedRow(message: ReceivedMessage): Row {
  return {
    cells: {
      message: message.messageId,
      group: message.groupId ?? "",
      sent: message.sendTime?.toISOString() ?? "",
      receives: String(message.receiveCount ?? ""),
      body: bodyCell(message.body),
    },
    json: { ...messageJson(message), receiptHandle: message.receiptHandle },
    raw: message.body,
  };
}

export function peekedHeadings(queue: string): readonly string[] {
  const group = isFifoName(queue) ? ["group"] : [];
  return ["message", "state", ...group, "sent", "receives", "visible", "bytes", "body"];
}

export function peekedRow(message: PeekedMessage): Row {
  return {
    cells: {
      message: message.messageId,
      state: choiceText(message.state),
      group: message.groupId ?? "",
      sent: message.sendTime?.toISOString() ?? "",
      receives: String(message.receiveCount ?? 0),
      visible: message.visibleTime?.toISOString() ?? "now",
      bytes: String(message.bodyBytes),
      body: bodyCell(message.body),
    },
    json: {
      ...messageJson(message),
      state: message.state,
      bodyBytes: message.bodyBytes,
      expireTime: message.expireTime?.toISOString(),
    },
    raw: message.body,
  };
}

/** Everything known of one message, a line each. */
export function messageCells(message: PeekedMessage): Record<string, string> {
  const { rejection } = message;
  const lines: Record<string, string | number | Date | undefined> = {
    message: message.messageId,
    state: choiceText(message.state),
    group: message.groupId,
    sequence: message.sequenceNumber,
    "dedup id": message.dedupId,
    priority: message.priority,
    sender: message.senderId,
    sent: message.sendTime,
    visible: message.visibleTime,
    expires: message.expireTime,
    "own life ends": message.timeToLiveEndTime,
    receives: message.receiveCount,
    "receives here": message.queueReceiveCount,
    "first received": message.firstReceiveTime,
    rejected: rejection?.rejectTime,
    "rejected for": rejection?.reason,
    "rejected with": rejection?.error,
    "dead letter of": message.deadLetterSourceQueue,
    "dead letter since": message.deadLetterTime,
    "dead letter for": message.deadLetterReason && choiceText(message.deadLetterReason),
    "not delivered from": message.deliveryFailure?.topic,
    "not delivered to": message.deliveryFailure?.subscription,
    "delivery attempts": message.deliveryFailure?.attempts,
    "first attempt": message.deliveryFailure?.firstAttemptTime,
    "was message": message.originalMessageId,
    trace: message.traceHeader,
    ...attributeCells(message.attributes),
    bytes: message.bodyBytes,
    body: bodyCell(message.body),
  };
  const present = Object.entries(lines).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(
    present.map(([name, value]) => [
      name,
      value instanceof Date ? value.toISOString() : `${value}`,
    ]),
  );
}

/** Attributes, a line each. */
export function attributeCells(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { value }]) => [`attribute ${name}`, bodyCell(value)]),
  );
}

export const scheduledHeadings = ["message", "joins", "sent", "bytes", "body"];

export function scheduledRow(message: ScheduledMessage): Row {
  const { messageId, deliverTime, sendTime, bodyBytes, groupId } = message;
  return {
    cells: {
      message: messageId,
      joins: deliverTime?.toISOString() ?? "",
      sent: sendTime?.toISOString() ?? "",
      bytes: String(bodyBytes),
      body: bodyCell(message.body),
    },
    json: {
      messageId,
      deliverTime: deliverTime?.toISOString(),
      sendTime: sendTime?.toISOString(),
      groupId,
      ...bodyJson(message.body),
      attributes: attributesJson(message.attributes),
      bodyBytes,
    },
    raw: message.body,
  };
}

/** A word of the contract as people write it: `IN_FLIGHT` is `in flight`. */
export function choiceText(choice: string): string {
  return choice.toLowerCase().replaceAll("_", " ");
}

/** A body as JSON, which says how it is written there. */
export function bodyJson(body: string | Uint8Array): { body: string; encoding: "text" | "base64" } {
  const text = typeof body === "string" ? body : textOf(body);
  if (text !== undefined) return { body: text, encoding: "text" };
  return { body: Buffer.from(body).toString("base64"), encoding: "base64" };
}

export function bodyCell(body: string | Uint8Array): string {
  const { body: text, encoding } = bodyJson(body);
  const shown = encoding === "base64" ? `base64:${text}` : text;
  return shown.length <= bodyCellCharactersMax
    ? shown
    : `${shown.slice(0, bodyCellCharactersMax)}…`;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Not UTF-8, which is an answer.
    return undefined;
  }
}
