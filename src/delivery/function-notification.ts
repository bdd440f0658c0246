// A published message as a function gets it: the message of the contract, with what of it is for functions.

import { uuidText } from "../base/ids.js";
import type { DeliveredNotification } from "../gen/forebay/topic/v1/receiver_service.js";
import type { MessageAttribute } from "../queue/model.js";
import { bodyFor } from "../topic/message-for-target.js";
import type { TopicMessage } from "../topic/model.js";

export interface FunctionDelivery {
  /** The topic, as a receiver in the namespace of its subscription is told. */
  readonly topic: string;
  readonly message: TopicMessage;
  /** From 1. */
  readonly attempt: number;
  /** From the archive. */
  readonly isReplayed: boolean;
  /** Of `lambdaEvent`, for a subscription that asks for it. */
  readonly lambdaEvent: string | undefined;
}

export function deliveredNotification(delivery: FunctionDelivery): DeliveredNotification {
  const { topic, message, attempt, isReplayed, lambdaEvent = "" } = delivery;
  const { isText, subject, groupId, dedupId, traceParent = "" } = message;
  const body = bodyFor(message, "function");
  return {
    attempt,
    lambdaEvent,
    notification: {
      messageId: uuidText(message.messageId),
      topic,
      subject,
      body: isText
        ? { $case: "text", value: body.toString("utf8") }
        : { $case: "data", value: body },
      contentType: message.contentType,
      attributes: new Map(message.attributes.map((each) => [each.name, attributeValue(each)])),
      publishTime: {
        seconds: BigInt(Math.floor(message.publishedAt / 1_000)),
        nanos: (message.publishedAt % 1_000) * 1_000_000,
      },
      sequenceNumber: String(message.sequence).padStart(20, "0"),
      groupId,
      dedupId,
      isReplayed,
      traceparent: traceParent,
    },
  };
}

const attributeValue = ({ dataType, isText, value }: MessageAttribute) => ({
  dataType,
  value: isText
    ? ({ $case: "stringValue", value: value.toString("utf8") } as const)
    : ({ $case: "binaryValue", value } as const),
});
