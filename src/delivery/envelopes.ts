// The messages as Amazon SNS writes them: a notification, and the two that ask an endpoint to confirm. JSON objects whose fields
// stand in SNS's order ("Parsing Amazon SNS message formats"), which tests of its users compare although they must not.
//
// Everything here is a value made of values. Who signs comes between: the text to sign is made of a message's content, the
// envelope of the content and the signature.

import type { EpochMs } from "../base/brands.js";
import { instantText } from "../base/dates.js";
import type { MessageAttribute } from "../queue/model.js";

/** What of a message every target gets alike. */
export interface NotificationContent {
  readonly type: "Notification";
  /** Canonical text of a UUID; the same on every attempt and in every replay. */
  readonly messageId: string;
  /** FIFO topics only: 20 digits. */
  readonly sequenceNumber: string | undefined;
  readonly topicArn: string;
  readonly subject: string | undefined;
  /** For this kind of target; bytes as base64. */
  readonly message: string;
  readonly publishedAt: EpochMs;
  readonly attributes: readonly MessageAttribute[];
  readonly isReplayed: boolean;
}

/** What asks an endpoint whether it wants messages, or whether it really wants no more. */
export interface ConfirmationContent {
  readonly type: "SubscriptionConfirmation" | "UnsubscribeConfirmation";
  readonly messageId: string;
  readonly token: string;
  readonly topicArn: string;
  /** For people. */
  readonly message: string;
  readonly subscribeUrl: string;
  readonly sentAt: EpochMs;
}

export type SignedContent = NotificationContent | ConfirmationContent;

/** Over the text that `textToSign` makes of the content. */
export interface EnvelopeSignature {
  readonly version: 1 | 2;
  /** Base64. */
  readonly signature: string;
  readonly certificateUrl: string;
}

/** Of notifications; those of FIFO topics go unsigned, as SNS's do. */
export function notificationEnvelope(
  content: NotificationContent,
  unsubscribeUrl: string,
  signature: EnvelopeSignature | undefined,
): string {
  return JSON.stringify({
    Type: content.type,
    MessageId: content.messageId,
    SequenceNumber: content.sequenceNumber,
    TopicArn: content.topicArn,
    Subject: content.subject,
    Message: content.message,
    Timestamp: instantText(content.publishedAt),
    ...signatureFields(signature),
    UnsubscribeURL: unsubscribeUrl,
    MessageAttributes: attributesObject(content.attributes),
    Replayed: content.isReplayed ? true : undefined,
  });
}

export function confirmationEnvelope(
  content: ConfirmationContent,
  signature: EnvelopeSignature,
): string {
  return JSON.stringify({
    Type: content.type,
    MessageId: content.messageId,
    Token: content.token,
    TopicArn: content.topicArn,
    Message: content.message,
    SubscribeURL: content.subscribeUrl,
    Timestamp: instantText(content.sentAt),
    ...signatureFields(signature),
  });
}

/**
 * The event that SNS gives a Lambda function. Its keys are not those of the envelope: `Url` in lower case, null for an absent
 * subject, and attributes that are always there.
 */
export function lambdaEvent(
  content: NotificationContent,
  subscriptionArn: string,
  unsubscribeUrl: string,
  signature: EnvelopeSignature | undefined,
): string {
  return JSON.stringify({
    Records: [
      {
        EventSource: "aws:sns",
        EventVersion: "1.0",
        EventSubscriptionArn: subscriptionArn,
        Sns: {
          Type: content.type,
          MessageId: content.messageId,
          SequenceNumber: content.sequenceNumber,
          TopicArn: content.topicArn,
          Subject: content.subject ?? null,
          Message: content.message,
          Timestamp: instantText(content.publishedAt),
          SignatureVersion: signature === undefined ? undefined : String(signature.version),
          Signature: signature?.signature,
          SigningCertUrl: signature?.certificateUrl,
          UnsubscribeUrl: unsubscribeUrl,
          MessageAttributes: attributesObject(content.attributes) ?? {},
          Replayed: content.isReplayed ? true : undefined,
        },
      },
    ],
  });
}

const signatureFields = (signature: EnvelopeSignature | undefined) => ({
  SignatureVersion: signature === undefined ? undefined : String(signature.version),
  Signature: signature?.signature,
  SigningCertURL: signature?.certificateUrl,
});

function attributesObject(
  attributes: readonly MessageAttribute[],
): Readonly<Record<string, { readonly Type: string; readonly Value: string }>> | undefined {
  if (attributes.length === 0) return undefined;
  return Object.fromEntries(
    attributes.map(({ name, dataType, isText, value }) => [
      name,
      { Type: dataType, Value: value.toString(isText ? "utf8" : "base64") },
    ]),
  );
}

/** Whom a confirmation is about, and where it is answered. */
export interface ConfirmationRequest {
  readonly messageId: string;
  readonly token: string;
  readonly topicArn: string;
  readonly publicBaseUrl: string;
  readonly sentAt: EpochMs;
}

export function subscriptionConfirmation(request: ConfirmationRequest): ConfirmationContent {
  const message =
    `You have chosen to subscribe to the topic ${request.topicArn}.\n` +
    "To confirm the subscription, visit the SubscribeURL included in this message.";
  return confirmation("SubscriptionConfirmation", request, message);
}

/** Its token takes the unsubscribing back. */
export function unsubscribeConfirmation(
  request: ConfirmationRequest,
  subscriptionArn: string,
): ConfirmationContent {
  const message =
    `You have chosen to deactivate subscription ${subscriptionArn}.\n` +
    "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message.";
  return confirmation("UnsubscribeConfirmation", request, message);
}

function confirmation(
  type: ConfirmationContent["type"],
  { publicBaseUrl, ...request }: ConfirmationRequest,
  message: string,
): ConfirmationContent {
  const { topicArn, token } = request;
  const subscribeUrl = confirmUrl(publicBaseUrl, topicArn, token);
  return { type, ...request, message, subscribeUrl };
}

export const confirmUrl = (publicBaseUrl: string, topicArn: string, token: string): string =>
  `${publicBaseUrl}/?Action=ConfirmSubscription&TopicArn=${inQuery(topicArn)}&Token=${inQuery(token)}`;

export const unsubscribeUrl = (publicBaseUrl: string, subscriptionArn: string): string =>
  `${publicBaseUrl}/?Action=Unsubscribe&SubscriptionArn=${inQuery(subscriptionArn)}`;

/** Colons stay as they are: SNS writes ARNs so, and a query may hold them. */
const inQuery = (text: string): string => encodeURIComponent(text).replaceAll("%3A", ":");
