// Signatures with a secret that only the server and one endpoint know. They cover the body as it is sent, so raw deliveries too,
// which SNS leaves unsigned. Twice the same: as Forebay's own header, and as Standard Webhooks has it (standardwebhooks.com), for
// which receivers have libraries.

import { createHmac, timingSafeEqual } from "node:crypto";
import { deliveryLimits } from "./limits.js";

export interface HmacInput {
  readonly messageId: string;
  readonly body: Buffer;
  /** When the attempt began, in whole seconds since 1970: receivers refuse what is older than some minutes. */
  readonly unixSeconds: number;
  /** The newest first. While a secret is exchanged there are two, and a receiver may know either. */
  readonly secrets: readonly Uint8Array[];
}

/** None without a secret. */
export function hmacHeaders(input: HmacInput): Readonly<Record<string, string>> {
  const { messageId, body, unixSeconds, secrets } = input;
  if (secrets.length === 0) return {};
  const own = secrets.map((secret) => `v1=${ownSignature(secret, unixSeconds, body)}`);
  const standard = secrets.map(
    (secret) => `v1,${hmac(secret, [`${messageId}.${unixSeconds}.`, body]).toString("base64")}`,
  );
  return {
    "x-forebay-signature": [`t=${unixSeconds}`, ...own].join(","),
    "webhook-id": messageId,
    "webhook-timestamp": String(unixSeconds),
    "webhook-signature": standard.join(" "),
  };
}

/** A secret as users of Standard Webhooks are given it. */
export const secretText = (secret: Uint8Array): string =>
  `whsec_${Buffer.from(secret).toString("base64")}`;

export interface ReceivedSignature {
  /** Of `x-forebay-signature`. */
  readonly header: string;
  readonly body: Buffer;
  readonly nowUnixSeconds: number;
  readonly toleranceSeconds: number;
}

/** Whether a delivery was signed with the secret, and lately. What a receiver does. */
export function verifyHmac(secret: Uint8Array, received: ReceivedSignature): boolean {
  const fields = received.header.split(",").map((field) => field.trim().split("="));
  const time = fields.find(([name]) => name === "t")?.[1] ?? "";
  if (!/^\d{1,12}$/.test(time)) return false;
  if (Math.abs(received.nowUnixSeconds - Number(time)) > received.toleranceSeconds) return false;
  const expected = Buffer.from(ownSignature(secret, Number(time), received.body));
  return fields.some(([name, value = ""]) => {
    const given = Buffer.from(value);
    return name === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/** Undefined when a secret may be used. */
export function secretProblem(secret: Uint8Array): string | undefined {
  const { hmacSecretBytesMin: least, hmacSecretBytesMax: greatest } = deliveryLimits;
  const isGood = secret.length >= least && secret.length <= greatest;
  return isGood
    ? undefined
    : `is ${secret.length} bytes long, and it is from ${least} to ${greatest}`;
}

const ownSignature = (secret: Uint8Array, unixSeconds: number, body: Buffer): string =>
  hmac(secret, [`${unixSeconds}.`, body]).toString("hex");

function hmac(secret: Uint8Array, parts: readonly (string | Buffer)[]): Buffer {
  const digest = createHmac("sha256", secret);
  for (const part of parts) digest.update(part);
  return digest.digest();
}
