// A published message as it waits in the queue of a stream, and back. What a queue's message has no field for travels in one
// attribute, under a name that publishers cannot give.

import type { EpochMs, Sequence } from "../base/brands.js";
import type { MessageAttribute, MessageContent } from "../queue/model.js";
import { bodyFor } from "./message-for-target.js";
import type { TopicMessage } from "./model.js";

const carriedName = "Forebay.Message";

/** As JSON. */
interface Carried {
  /** Hexadecimal. */
  readonly id: string;
  readonly sequence: number;
  readonly publishedAt: number;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly senderId: string;
  readonly subject?: string | undefined;
  /** Only where an end of its time is told of, instead of being the queue's affair. */
  readonly expiresAt?: number | undefined;
  /** Of a message that is replayed. */
  readonly replayId?: string | undefined;
}

export interface CarriedHow {
  /** Who sends to the queue. */
  readonly senderId: string;
  readonly groupId: string | undefined;
  readonly dedupId: string | undefined;
  /** Whether the end of its time goes along. */
  readonly keepsExpiry: boolean;
}

export function carriedContent(
  message: TopicMessage,
  { senderId, groupId, dedupId, keepsExpiry }: CarriedHow,
): MessageContent {
  const carried: Carried = {
    id: message.messageId.toString("hex"),
    sequence: message.sequence,
    publishedAt: message.publishedAt,
    sizeBytes: message.sizeBytes,
    contentType: message.contentType,
    senderId: message.senderId,
    subject: message.subject,
    expiresAt: keepsExpiry ? message.expiresAt : undefined,
    replayId: message.replayId,
  };
  const attribute: MessageAttribute = {
    name: carriedName,
    dataType: "String",
    isText: true,
    value: Buffer.from(JSON.stringify(carried), "utf8"),
  };
  return {
    isText: message.isText,
    body: bodyFor(message, "stream"),
    bodyMd5: noHash,
    attributes: [attribute, ...message.attributes],
    senderId,
    groupId,
    dedupId,
    traceHeader: message.traceParent,
    originalMessageId: undefined,
  };
}

/** Nobody is shown the hash of a stream's body. */
const noHash = Buffer.alloc(16);

/** The message as it was published, with what of it was for streams. */
export function messageIn(content: MessageContent): TopicMessage {
  const [attribute, ...attributes] = content.attributes;
  const carried = JSON.parse(attribute?.value.toString("utf8") ?? "{}") as Carried;
  return {
    sequence: carried.sequence as Sequence,
    messageId: Buffer.from(carried.id, "hex"),
    publishedAt: carried.publishedAt as EpochMs,
    sizeBytes: carried.sizeBytes,
    isText: content.isText,
    isStructured: false,
    body: content.body,
    contentType: carried.contentType,
    subject: carried.subject,
    attributes,
    groupId: content.groupId,
    dedupId: content.dedupId,
    deliverAt: undefined,
    expiresAt: carried.expiresAt as EpochMs | undefined,
    senderId: carried.senderId,
    traceParent: content.traceHeader,
    replayId: carried.replayId,
  };
}
