// What is sent for one leased message: the request to a webhook, the notification for a function, and the question for consent.

import { type DurationMs, type EpochMs, seconds } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import { functionDefaults } from "../topic/limits.js";
import { bodyFor } from "../topic/message-for-target.js";
import type { Subscription, Topic, TopicMessage } from "../topic/model.js";
import type { LeasedConfirmation } from "../topic/push-confirmations.js";
import type { LeasedPush } from "../topic/push-lease.js";
import { effectiveDeliveryPolicy } from "./delivery-policy.js";
import type { TargetTls } from "./dial.js";
import { type ReadEndpoint, readFunctionEndpoint, readWebhookEndpoint } from "./endpoint.js";
import {
  confirmationEnvelope,
  type EnvelopeSignature,
  lambdaEvent,
  type NotificationContent,
  notificationEnvelope,
  type SignedContent,
  subscriptionConfirmation,
  unsubscribeConfirmation,
  unsubscribeUrl,
} from "./envelopes.js";
import { deliveredNotification } from "./function-notification.js";
import { deliveryLimits } from "./limits.js";
import type { PushSignatures } from "./push-signatures.js";
import { arnPrefixDefault, subscriptionArnOf, topicArnOf } from "./resource-names.js";
import { signatureOf } from "./signature.js";
import type { Signer } from "./signing-identity.js";
import { userAgentDefault, type WebhookRequest, webhookRequest } from "./webhook-request.js";

/** Whom messages go to, as it stands at an attempt. */
export interface PushTarget {
  readonly topic: Topic;
  readonly subscription: Subscription;
}

export const topicArn = ({ namespace, name }: Topic): string =>
  topicArnOf(arnPrefixDefault, { namespace, topic: name });

const subscriptionArn = ({ topic, subscription }: PushTarget): string =>
  subscriptionArnOf(arnPrefixDefault, {
    namespace: topic.namespace,
    topic: topic.name,
    subscription: uuidText(subscription.id),
  });

export function endpointOf({
  kind,
  endpoint,
}: Pick<Subscription, "kind" | "endpoint">): ReadEndpoint {
  if (kind === "function") return readFunctionEndpoint(endpoint);
  if (kind === "http" || kind === "https") return readWebhookEndpoint(endpoint, kind);
  return { kind: "invalid", why: "nothing is pushed to it" };
}

export const policyOf = ({ topic, subscription }: PushTarget) =>
  effectiveDeliveryPolicy({
    kind: subscription.kind,
    topic: topic.settings.deliveryPolicy,
    subscription: subscription.settings.deliveryPolicy,
  });

export function tlsOf({ kind, settings }: Subscription): TargetTls {
  const given = (kind === "function" ? settings.function : settings.webhook) ?? {};
  return {
    caCertificates: given.caCertificates,
    certificate: given.clientCertificate,
    key: given.clientKey,
  };
}

/** As long as one attempt may take. */
export const attemptMsMax = ({ subscription }: PushTarget): DurationMs =>
  subscription.kind === "function"
    ? (subscription.settings.function?.timeoutMs ?? functionDefaults.timeoutMs)
    : seconds((deliveryLimits.headMsMax + deliveryLimits.bodyMsMax) / 1_000);

/** Undefined: the message goes alone, and is not signed. */
export type NeededSigner = Signer | undefined;

export const isSigned = ({ subscription }: PushTarget): boolean => {
  const { kind, settings } = subscription;
  return kind === "function" ? settings.function?.isLambdaEvent === true : !settings.isRaw;
};

const contentOf = (
  { topic, subscription }: PushTarget,
  message: TopicMessage,
): NotificationContent => ({
  type: "Notification",
  messageId: uuidText(message.messageId),
  sequenceNumber: undefined,
  topicArn: topicArn(topic),
  subject: message.subject,
  message: bodyFor(message, subscription.kind).toString(message.isText ? "utf8" : "base64"),
  publishedAt: message.publishedAt,
  attributes: message.attributes,
  isReplayed: message.replayId !== undefined,
});

const signed = (
  content: SignedContent,
  { settings }: Topic,
  { key, certificateUrl }: Signer,
): EnvelopeSignature => {
  const version = settings.signatureVersion;
  return { version, signature: signatureOf(content, version, key), certificateUrl };
};

const secretsOf = ({ settings }: Subscription): readonly Buffer[] => {
  const secret = settings.webhook?.hmacSecret;
  return secret === undefined ? [] : [Buffer.from(secret, "base64")];
};

export interface RequestContext {
  readonly publicBaseUrl: string;
  readonly signer: NeededSigner;
  readonly signatures: PushSignatures;
  readonly now: EpochMs;
}

export async function notificationRequest(
  target: PushTarget,
  { message, attempt }: LeasedPush,
  { publicBaseUrl, signer, signatures, now }: RequestContext,
): Promise<WebhookRequest> {
  const { topic, subscription } = target;
  const { isRaw, webhook } = subscription.settings;
  const arn = subscriptionArn(target);
  const { contentType } = policyOf(target);
  const common = { subscriptionArn: arn, contentType };
  const content = contentOf(target, message);
  const body = isRaw
    ? bodyFor(message, subscription.kind)
    : Buffer.from(
        notificationEnvelope(
          content,
          unsubscribeUrl(publicBaseUrl, arn),
          signer &&
            (await signatures.signatureOf(content, topic.settings.signatureVersion, signer)),
        ),
        "utf8",
      );
  const attributes = webhook?.hasAttributeHeaders === true ? message.attributes : [];
  return webhookRequest({
    messageId: content.messageId,
    topicArn: content.topicArn,
    attempt,
    startedAt: now,
    body,
    hmacSecrets: secretsOf(subscription),
    traceParent: message.traceParent,
    userAgent: userAgentDefault,
    form: isRaw ? { kind: "raw", ...common, attributes } : { kind: "enveloped", ...common },
  });
}

export function confirmationRequest(
  { topic, subscription, confirmation }: LeasedConfirmation,
  { publicBaseUrl, now }: Pick<RequestContext, "publicBaseUrl" | "now">,
  signer: Signer,
): WebhookRequest {
  const arn = subscriptionArn({ topic, subscription });
  const request = {
    messageId: uuidText(confirmation.messageId),
    token: confirmation.token,
    topicArn: topicArn(topic),
    publicBaseUrl,
    sentAt: confirmation.createdAt,
  };
  const isSubscribe = confirmation.purpose === "subscribe";
  const content = isSubscribe
    ? subscriptionConfirmation(request)
    : unsubscribeConfirmation(request, arn);
  return webhookRequest({
    messageId: content.messageId,
    topicArn: content.topicArn,
    attempt: confirmation.failures + 1,
    startedAt: now,
    body: Buffer.from(confirmationEnvelope(content, signed(content, topic, signer)), "utf8"),
    hmacSecrets: secretsOf(subscription),
    traceParent: undefined,
    userAgent: userAgentDefault,
    form: isSubscribe
      ? { kind: "subscription_confirmation" }
      : { kind: "unsubscribe_confirmation", subscriptionArn: arn },
  });
}

export async function functionNotification(
  target: PushTarget,
  { message, attempt }: LeasedPush,
  { publicBaseUrl, signer, signatures }: RequestContext,
) {
  const { topic, subscription } = target;
  const content = contentOf(target, message);
  const arn = subscriptionArn(target);
  const event =
    subscription.settings.function?.isLambdaEvent === true
      ? lambdaEvent(
          content,
          arn,
          unsubscribeUrl(publicBaseUrl, arn),
          signer &&
            (await signatures.signatureOf(content, topic.settings.signatureVersion, signer)),
        )
      : undefined;
  return deliveredNotification({
    topic: topic.name,
    message,
    attempt,
    isReplayed: message.replayId !== undefined,
    lambdaEvent: event,
  });
}
