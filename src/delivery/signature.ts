// SNS's signature of envelopes, both versions ("Verifying the signatures of Amazon SNS messages"): RSA PKCS #1 v1.5 over certain
// fields of the message, name and value each on a line, in the order of their names. Version 1 hashes with SHA-1, for verifiers
// that know no other; version 2 with SHA-256.

import { type KeyObject, sign, verify, X509Certificate } from "node:crypto";
import { instantText } from "../base/dates.js";
import type { SignedContent } from "./envelopes.js";

export const hashes = { 1: "sha1", 2: "sha256" } as const;

/** What is signed: unescaped values, UTF-8. A subject that is absent has no lines. */
export function textToSign(content: SignedContent): string {
  return lines(
    content.type === "Notification"
      ? {
          Message: content.message,
          MessageId: content.messageId,
          Subject: content.subject,
          Timestamp: instantText(content.publishedAt),
          TopicArn: content.topicArn,
          Type: content.type,
        }
      : {
          Message: content.message,
          MessageId: content.messageId,
          SubscribeURL: content.subscribeUrl,
          Timestamp: instantText(content.sentAt),
          Token: content.token,
          TopicArn: content.topicArn,
          Type: content.type,
        },
  );
}

const lines = (fields: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(fields)
    .map(([name, value]) => (value === undefined ? "" : `${name}\n${value}\n`))
    .join("");

/** Base64. Takes about half a millisecond, and is the same for all targets of a message that get the same text. */
export function signatureOf(content: SignedContent, version: 1 | 2, key: KeyObject): string {
  return sign(hashes[version], Buffer.from(textToSign(content), "utf8"), key).toString("base64");
}

export type Verification =
  | { readonly kind: "verified" }
  | { readonly kind: "not_verified"; readonly why: string };

const signedFields = {
  Notification: ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
  SubscriptionConfirmation: [
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
  ],
} as const;

/**
 * Whether an envelope, as it came, was signed with the key of a certificate. Who calls it must know the certificate to be the
 * server's: an envelope names where it is served, and would name a forger's too.
 */
export function verifyEnvelope(body: string, certificatePem: string): Verification {
  const envelope = objectIn(body);
  if (envelope === undefined) return notVerified("it is no JSON object");
  const { Type: type, SignatureVersion: version, Signature: signature } = envelope;
  if (version !== "1" && version !== "2") {
    return notVerified("its SignatureVersion is neither 1 nor 2");
  }
  if (typeof signature !== "string") return notVerified("it has no Signature");
  const names =
    type === "Notification" ? signedFields.Notification : signedFields.SubscriptionConfirmation;
  const text = textOf(envelope, names);
  if (text === undefined) return notVerified("a field that is signed is absent or no text");
  const { publicKey } = new X509Certificate(certificatePem);
  const hash = hashes[version === "1" ? 1 : 2];
  const isGood = verify(
    hash,
    Buffer.from(text, "utf8"),
    publicKey,
    Buffer.from(signature, "base64"),
  );
  return isGood ? { kind: "verified" } : notVerified("the signature is not of this message");
}

const notVerified = (why: string): Verification => ({ kind: "not_verified", why });

type JsonObject = Readonly<Record<string, unknown>>;

function objectIn(body: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as JsonObject) : undefined;
  } catch {
    // Whoever asks whether a text is signed may have got any text.
    return undefined;
  }
}

function textOf(envelope: JsonObject, names: readonly string[]): string | undefined {
  let text = "";
  for (const name of names) {
    const value = envelope[name];
    if (value === undefined && name === "Subject") continue;
    if (typeof value !== "string") return undefined;
    text += `${name}\n${value}\n`;
  }
  return text;
}
