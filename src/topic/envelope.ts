// The envelope that a message is delivered in unless its subscription asks for the message alone: SNS's JSON object, with its
// field names and their order (Amazon SNS developer guide, "Parsing Amazon SNS message formats").

import { uuidText } from "../base/ids.js";
import type { Topic, TopicMessage } from "./model.js";

/** The name of a topic where an ARN is expected. */
export const topicArn = ({ namespace, name }: Pick<Topic, "namespace" | "name">): string =>
  `arn:forebay:topic:${namespace}:${name}`;

/** Of a message and what of it is for this kind of target. */
export function envelopeOf(topic: Topic, message: TopicMessage, body: Buffer): string {
  const { attributes } = message;
  return JSON.stringify({
    Type: "Notification",
    MessageId: uuidText(message.messageId),
    SequenceNumber: topic.isFifo ? sequenceText(message.sequence) : undefined,
    TopicArn: topicArn(topic),
    Subject: message.subject,
    Message: body.toString(message.isText ? "utf8" : "base64"),
    Timestamp: new Date(message.publishedAt).toISOString(),
    MessageAttributes:
      attributes.length === 0
        ? undefined
        : Object.fromEntries(
            attributes.map(({ name, dataType, isText, value }) => [
              name,
              { Type: dataType, Value: value.toString(isText ? "utf8" : "base64") },
            ]),
          ),
  });
}

const sequenceText = (sequence: number): string => String(sequence).padStart(20, "0");
