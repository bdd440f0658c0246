// Messages as results of commands. Bodies are shown as text where they are UTF-8, else as base64, and JSON says which.

import type { Message, PeekedMessage, ReceivedMessage } from "@forebay/client";
import type { Row } from "./output.js";

const bodyCellCharactersMax = 100;

/** What all messages have in common. */
function messageJson(message: Message): Record<string, unknown> {
  return {
    messageId: message.messageId,
    ...bodyJson(message.body),
    attributes: Object.fromEntries(
      Object.entries(message.attributes).map(([name, { type, value }]) => {
        const { body, encoding } = bodyJson(value);
        return [
          name,
          encoding === "base64" ? { type, value: body, encoding } : { type, value: body },
        ];
      }),
    ),
    senderId: message.senderId,
    sendTime: message.sendTime?.toISOString(),
    receiveCount: message.receiveCount,
    firstReceiveTime: message.firstReceiveTime?.toISOString(),
    groupId: message.groupId,
    traceHeader: message.traceHeader,
    rejection: message.rejection && {
      reason: message.rejection.reason,
      error: message.rejection.error,
      rejectTime: message.rejection.rejectTime?.toISOString(),
    },
    visibleTime: message.visibleTime?.toISOString(),
    md5OfBody: message.md5OfBody,
  };
}

export const receivedHeadings = ["message", "sent", "receives", "body"];

export function receivedRow(message: ReceivedMessage): Row {
  return {
    cells: {
      message: message.messageId,
      sent: message.sendTime?.toISOString() ?? "",
      receives: String(message.receiveCount ?? ""),
      body: bodyCell(message.body),
    },
    json: { ...messageJson(message), receiptHandle: message.receiptHandle },
    raw: message.body,
  };
}

export const peekedHeadings = ["message", "state", "sent", "receives", "visible", "bytes", "body"];

export function peekedRow(message: PeekedMessage): Row {
  return {
    cells: {
      message: message.messageId,
      state: message.state.toLowerCase().replace("_", " "),
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

function bodyJson(body: string | Uint8Array): { body: string; encoding: "text" | "base64" } {
  const text = typeof body === "string" ? body : textOf(body);
  if (text !== undefined) return { body: text, encoding: "text" };
  return { body: Buffer.from(body).toString("base64"), encoding: "base64" };
}

function bodyCell(body: string | Uint8Array): string {
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
