// What is logged of an attempt to deliver: the record of SNS's delivery status logs, with our field for the subscription beside it.

import { hash } from "node:crypto";
import { instantText } from "../base/dates.js";
import { uuidText } from "../base/ids.js";
import { cutTo, isSampled } from "../topic/attempts.js";
import { bodyFor } from "../topic/message-for-target.js";
import type { LeasedPush } from "../topic/push-lease.js";
import type { PushAttempt } from "../topic/push-settle.js";
import { type PushTarget, topicArn } from "./push-requests.js";

/** SNS's is not bounded; ours keeps a line of the log short. */
const responseBytesMax = 1_024;

/** Whether the topic wants this attempt logged. Failures are unless it says otherwise. */
export function isLogged(
  { topic, subscription }: PushTarget,
  { messageId }: LeasedPush["message"],
  isSuccess: boolean,
): boolean {
  const wanted = topic.settings.deliveryLogging.find(({ kind }) => kind === subscription.kind);
  return isSuccess
    ? isSampled(messageId, wanted?.successSamplePercent ?? 0)
    : (wanted?.areFailuresLogged ?? true);
}

/** `error` is empty for a success. */
export function deliveryRecord(
  { topic, subscription }: PushTarget,
  { message, attempt, firstAttemptAt }: LeasedPush,
  { startedAt, durationMs, statusCode, response, error }: PushAttempt,
) {
  const isSuccess = error === "";
  const subscriptionId = uuidText(subscription.id);
  const messageId = uuidText(message.messageId);
  return {
    notification: {
      messageMD5Sum: hash("md5", bodyFor(message, subscription.kind), "hex"),
      messageId,
      topicArn: topicArn(topic),
      timestamp: instantText(message.publishedAt),
    },
    delivery: {
      deliveryId: deliveryId(`${subscriptionId} ${messageId} ${attempt} ${startedAt}`),
      subscription: subscriptionId,
      destination: masked(subscription.endpoint),
      providerResponse: cutTo(response === "" ? error : response, responseBytesMax),
      dwellTimeMs: durationMs,
      sinceFirstAttemptMs: startedAt + durationMs - firstAttemptAt,
      attempts: attempt,
      statusCode: statusCode ?? 0,
    },
    status: isSuccess ? "SUCCESS" : "FAILURE",
  } as const;
}

/** A UUID made of what it names (version 8), so that nothing need keep it. */
function deliveryId(name: string): string {
  const bytes = Buffer.from(hash("sha256", name, "hex"), "hex").subarray(0, 16);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  return uuidText(bytes);
}

/** Names and passwords stay out of logs. */
const masked = (endpoint: string): string => endpoint.replace(/\/\/[^/?#]*@/, "//***@");
