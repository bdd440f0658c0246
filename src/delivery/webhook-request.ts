// What is posted to a webhook: the body and its headers, SNS's and ours. Made anew for each attempt, since the attempt, the time
// and the secrets are in the headers.

import type { EpochMs } from "../base/brands.js";
import type { MessageAttribute } from "../queue/model.js";
import { contentTypeDefault } from "./delivery-policy.js";
import { hmacHeaders } from "./hmac.js";
import { deliveryLimits } from "./limits.js";

export interface WebhookRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export const userAgentDefault = "Amazon Simple Notification Service Agent";

/** What all requests about one message to one subscription have in common. */
export interface WebhookMessage {
  readonly messageId: string;
  readonly topicArn: string;
  /** From 1. */
  readonly attempt: number;
  readonly startedAt: EpochMs;
  readonly body: Buffer;
  readonly hmacSecrets: readonly Uint8Array[];
  /** Of the publisher, W3C. */
  readonly traceParent: string | undefined;
  readonly userAgent: string;
  readonly form: WebhookForm;
}

export type WebhookForm =
  /** They have no subscription's name yet, and are always plain text. */
  | { readonly kind: "subscription_confirmation" }
  | { readonly kind: "unsubscribe_confirmation"; readonly subscriptionArn: string }
  | { readonly kind: "enveloped"; readonly subscriptionArn: string; readonly contentType: string }
  /** The message alone. */
  | {
      readonly kind: "raw";
      readonly subscriptionArn: string;
      readonly contentType: string;
      /** Those that are to go as headers; SNS sends none. */
      readonly attributes: readonly MessageAttribute[];
    };

const messageTypes = {
  subscription_confirmation: "SubscriptionConfirmation",
  unsubscribe_confirmation: "UnsubscribeConfirmation",
  enveloped: "Notification",
  raw: "Notification",
} as const;

export function webhookRequest(message: WebhookMessage): WebhookRequest {
  const { messageId, topicArn, attempt, startedAt, body, form, traceParent } = message;
  const unixSeconds = Math.floor(startedAt / 1_000);
  const headers: Record<string, string> = {
    "content-type": "contentType" in form ? form.contentType : contentTypeDefault,
    "content-length": String(body.length),
    "user-agent": message.userAgent,
    "accept-encoding": "gzip,deflate",
    "x-amz-sns-message-type": messageTypes[form.kind],
    "x-amz-sns-message-id": messageId,
    "x-amz-sns-topic-arn": topicArn,
    ...("subscriptionArn" in form ? { "x-amz-sns-subscription-arn": form.subscriptionArn } : {}),
    ...(form.kind === "raw" ? { "x-amz-sns-rawdelivery": "true" } : {}),
    "x-forebay-attempt": String(attempt),
    ...(traceParent === undefined ? {} : { traceparent: traceParent }),
    ...hmacHeaders({ messageId, body, unixSeconds, secrets: message.hmacSecrets }),
    ...(form.kind === "raw" ? attributeHeaders(form.attributes) : {}),
  };
  return { headers, body };
}

/**
 * Attributes as headers: bytes in base64, and of texts every byte that is no visible ASCII, and the percent sign, as %XX. Those
 * that would make the head too long are left out and counted. Names differ in case only where a receiver could not tell them
 * apart, so of such the last one is sent.
 */
function attributeHeaders(attributes: readonly MessageAttribute[]): Record<string, string> {
  const headers: Record<string, string> = {};
  let bytesLeft: number = deliveryLimits.attributeHeaderBytesMax;
  let omitted = 0;
  for (const { name, isText, value } of attributes) {
    const text = isText ? escaped(value) : value.toString("base64");
    const bytes = name.length + text.length;
    if (bytes > bytesLeft) {
      omitted += 1;
      continue;
    }
    bytesLeft -= bytes;
    headers[`x-forebay-attr-${name.toLowerCase()}`] = text;
  }
  if (omitted > 0) headers["x-forebay-attributes-omitted"] = String(omitted);
  return headers;
}

function escaped(value: Buffer): string {
  let text = "";
  for (const byte of value) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x25;
    text += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
