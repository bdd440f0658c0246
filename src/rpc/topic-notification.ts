// A published message as those see it who read it from a stream. It is rendered once, however many read it.

import { uuidText } from "../base/ids.js";
import type { Notification } from "../gen/forebay/topic/v1/message.js";
import { bodyFor } from "../topic/message-for-target.js";
import type { Topic, TopicMessage } from "../topic/model.js";
import { renderBody, renderMessageAttributes, sequenceText, timestamp } from "./render.js";

const rendered = new WeakMap<TopicMessage, Notification>();

export function renderNotification({ name }: Pick<Topic, "name">, message: TopicMessage) {
  const known = rendered.get(message);
  if (known !== undefined) return known;
  const { isText, subject, groupId, dedupId, traceParent = "" } = message;
  const notification: Notification = {
    messageId: uuidText(message.messageId),
    topic: name,
    subject,
    body: renderBody(isText, bodyFor(message, "stream")),
    contentType: message.contentType,
    attributes: renderMessageAttributes(message.attributes),
    publishTime: timestamp(message.publishedAt),
    sequenceNumber: sequenceText(message.sequence),
    groupId,
    dedupId,
    isReplayed: message.replayId !== undefined,
    traceparent: traceParent,
  };
  rendered.set(message, notification);
  return notification;
}
