// A message in its envelope, as queues get it: the form is that of every target (`delivery/envelopes.ts`). This release has no
// keys to sign with and no address of its own, so the envelope is unsigned and its link to unsubscribe has no host.

import { uuidText } from "../base/ids.js";
import { notificationEnvelope, unsubscribeUrl } from "../delivery/envelopes.js";
import type { Topic, TopicMessage } from "./model.js";

/** The name of a topic where an ARN is expected. */
const topicArn = ({ namespace, name }: Pick<Topic, "namespace" | "name">): string =>
  `arn:forebay:topic:${namespace}:${name}`;

export const subscriptionArn = (topic: Topic, id: Buffer): string =>
  `${topicArn(topic)}:${uuidText(id)}`;

/** Of a message and what of it is for this kind of target, to the subscription of this id. */
export function envelopeOf(topic: Topic, message: TopicMessage, body: Buffer, id: Buffer): string {
  const content = {
    type: "Notification",
    messageId: uuidText(message.messageId),
    sequenceNumber: topic.isFifo ? String(message.sequence).padStart(20, "0") : undefined,
    topicArn: topicArn(topic),
    subject: message.subject,
    message: body.toString(message.isText ? "utf8" : "base64"),
    publishedAt: message.publishedAt,
    attributes: message.attributes,
    isReplayed: message.replayId !== undefined,
  } as const;
  return notificationEnvelope(content, unsubscribeUrl("", subscriptionArn(topic, id)), undefined);
}
