// A message in its envelope, as queues get it: the form is that of every target (`delivery/envelopes.ts`). Of a standard topic it is
// signed if this server has an address where the certificate can be had. A signature costs half a millisecond of another thread,
// so it is made before the command that needs it: a decision finds it or says that it is missing.

import { uuidText } from "../base/ids.js";
import {
  type NotificationContent,
  notificationEnvelope,
  unsubscribeUrl,
} from "../delivery/envelopes.js";
import type { EnvelopeParts } from "../queue/stamp.js";
import { bodyFor } from "./message-for-target.js";
import type { TargetKind, Topic, TopicMessage } from "./model.js";

/** The name of a topic where an ARN is expected. */
const topicArn = ({ namespace, name }: Pick<Topic, "namespace" | "name">): string =>
  `arn:forebay:topic:${namespace}:${name}`;

export const subscriptionArn = (topic: Topic, id: Buffer): string =>
  `${topicArn(topic)}:${uuidText(id)}`;

/** What is to be signed, and how. */
export interface ToSign {
  readonly key: string;
  readonly content: NotificationContent;
  readonly version: 1 | 2;
}

export interface Envelope {
  readonly text: string;
  /** The signature that it should have and has not; undefined when it is as it should be. */
  readonly missing: ToSign | undefined;
}

/** Whether envelopes of a topic are signed: those of FIFO topics are not, as SNS's are not. */
export const isSigning = (topic: Pick<Topic, "isFifo">, parts: EnvelopeParts | undefined) =>
  !topic.isFifo && parts !== undefined && parts.publicBaseUrl !== "";

/** Of a message to the subscription of this id. */
export function envelopeOf(
  topic: Topic,
  message: TopicMessage,
  { kind, id }: { readonly kind: TargetKind; readonly id: Buffer },
  parts: EnvelopeParts | undefined,
): Envelope {
  const body = bodyFor(message, kind);
  const content: NotificationContent = {
    type: "Notification",
    messageId: uuidText(message.messageId),
    sequenceNumber: topic.isFifo ? String(message.sequence).padStart(20, "0") : undefined,
    topicArn: topicArn(topic),
    subject: message.subject,
    message: body.toString(message.isText ? "utf8" : "base64"),
    publishedAt: message.publishedAt,
    attributes: message.attributes,
    isReplayed: message.replayId !== undefined,
  };
  const { signatureVersion: version } = topic.settings;
  const key = signatureKey(message, kind, version);
  const isSigned = isSigning(topic, parts);
  const signature = isSigned ? parts?.signatureOf(key) : undefined;
  const link = unsubscribeUrl(parts?.publicBaseUrl ?? "", subscriptionArn(topic, id));
  return {
    text: notificationEnvelope(content, link, signature),
    missing: isSigned && signature === undefined ? { key, content, version } : undefined,
  };
}

/** What a signature is found by. It is the same for all targets that get the same text. */
const signatureKey = (
  { messageId, isStructured }: Pick<TopicMessage, "messageId" | "isStructured">,
  kind: TargetKind,
  version: 1 | 2,
): string => `${messageId.toString("hex")} ${isStructured ? kind : "all"} ${version}`;
