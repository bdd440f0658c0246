// Signatures of pushed envelopes: good ones, one for all targets that get the same text, and another for another text.

import { generateKeyPairSync, verify } from "node:crypto";
import { expect, test } from "vitest";
import { epochMs } from "../../src/base/brands.js";
import type { NotificationContent } from "../../src/delivery/envelopes.js";
import { PushSignatures } from "../../src/delivery/push-signatures.js";
import { textToSign } from "../../src/delivery/signature.js";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const signer = { key: privateKey, certificateUrl: "https://forebay.test/certificate.pem" };

const contentOf = (messageId: string, message: string): NotificationContent => ({
  type: "Notification",
  messageId,
  sequenceNumber: undefined,
  topicArn: "arn:forebay:topic:default:orders",
  subject: "",
  message,
  publishedAt: epochMs(1_000),
  attributes: [],
  isReplayed: false,
});

test("signatures that are asked for together are each of their own text and version", async () => {
  const signatures = new PushSignatures();
  const contents = Array.from({ length: 9 }, (_, index) => contentOf(`m${index}`, `${index}`));
  const made = await Promise.all(
    contents.map((content, index) => signatures.signatureOf(content, index === 0 ? 1 : 2, signer)),
  );
  for (const [index, { signature, version, certificateUrl }] of made.entries()) {
    const content = contents[index];
    if (content === undefined) throw new Error("There is a signature of nothing.");
    const hash = version === 1 ? "sha1" : "sha256";
    const text = Buffer.from(textToSign(content), "utf8");
    expect(verify(hash, text, publicKey, Buffer.from(signature, "base64"))).toBe(true);
    expect(certificateUrl).toBe(signer.certificateUrl);
  }
  expect(made.map(({ version }) => version)).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 2]);
});

test("the same text is signed once, and another text of the same message again", async () => {
  const signatures = new PushSignatures();
  const [one, same, other] = await Promise.all([
    signatures.signatureOf(contentOf("m", "for all"), 2, signer),
    signatures.signatureOf(contentOf("m", "for all"), 2, signer),
    signatures.signatureOf(contentOf("m", "for functions"), 2, signer),
  ]);
  expect(same).toBe(one);
  expect(other?.signature).not.toBe(one?.signature);
});
