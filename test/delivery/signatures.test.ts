// Signatures that code of others verifies: AWS's validator of SNS messages, the library of Standard Webhooks, and OpenSSL. Then our
// own verifiers, keys and certificates.

import { spawnSync } from "node:child_process";
import { createPrivateKey, createVerify, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpsServer, globalAgent, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import MessageValidator from "sns-validator";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { days, epochMs } from "../../src/base/brands.js";
import { systemRandom } from "../../src/base/ids.js";
import {
  confirmationEnvelope,
  type EnvelopeSignature,
  lambdaEvent,
  type NotificationContent,
  notificationEnvelope,
  type SignedContent,
  subscriptionConfirmation,
  unsubscribeConfirmation,
} from "../../src/delivery/envelopes.js";
import { hmacHeaders, secretProblem, secretText, verifyHmac } from "../../src/delivery/hmac.js";
import { signatureOf, textToSign, verifyEnvelope } from "../../src/delivery/signature.js";
import {
  certificateName,
  makeSigningIdentity,
  type SigningIdentity,
  signerOf,
  signingState,
} from "../../src/delivery/signing-identity.js";
import { goldenKey, goldenSignatures } from "./golden-signatures.js";
import { localCertificate } from "./receivers.js";

const now = epochMs(Date.UTC(2030, 0, 1));
const topicArn = "arn:forebay:topic:default:orders";

const notification: NotificationContent = {
  type: "Notification",
  messageId: "0190b6f2-0000-7000-8000-000000000001",
  sequenceNumber: undefined,
  topicArn,
  subject: "Grüße ☕",
  message: 'line one\nline "two" \\ \u{1F600}',
  publishedAt: epochMs(now + 7),
  attributes: [{ name: "a", dataType: "String", isText: true, value: Buffer.from("b") }],
  isReplayed: false,
};
const withoutSubject: NotificationContent = { ...notification, subject: undefined };
const request = {
  messageId: notification.messageId,
  token: "ab".repeat(32),
  topicArn,
  publicBaseUrl: "https://forebay.example",
  sentAt: now,
};
const confirmation = subscriptionConfirmation(request);
const ending = unsubscribeConfirmation(request, `${topicArn}:0190b6f2-0000-7000-8000-000000000002`);

let identity: SigningIdentity;
let served: Server;
let baseUrl: string;
const globalCa = globalAgent.options.ca;

beforeAll(async () => {
  identity = await makeSigningIdentity(now, systemRandom);
  const local = localCertificate("localhost");
  served = createHttpsServer({ cert: local.certificate, key: local.key }, (_, response) => {
    response.end(identity.certificate);
  });
  await new Promise<void>((resolve) => served.listen(0, "127.0.0.1", resolve));
  baseUrl = `https://localhost:${(served.address() as AddressInfo).port}`;
  // The validator fetches with Node's own agent and takes no other.
  globalAgent.options.ca = local.certificate;
});
afterAll(async () => {
  globalAgent.options.ca = globalCa;
  await new Promise((resolve) => served.close(resolve));
});

const signed = (content: SignedContent, version: 1 | 2): EnvelopeSignature => {
  const { key, certificateUrl } = signerOf(identity, baseUrl);
  return { version, signature: signatureOf(content, version, key), certificateUrl };
};

const envelopeOf = (content: SignedContent, version: 1 | 2): string =>
  content.type === "Notification"
    ? notificationEnvelope(content, "https://forebay.example/", signed(content, version))
    : confirmationEnvelope(content, signed(content, version));

/** What AWS's validator says of a message: undefined when it is good. */
const validated = (message: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    new MessageValidator(/^localhost:\d+$/).validate(message, (error) => resolve(error?.message));
  });

describe("AWS's validator, which fetches the certificate itself,", () => {
  const contents: readonly [string, SignedContent][] = [
    ["a notification", notification],
    ["a notification without a subject", withoutSubject],
    ["a confirmation", confirmation],
  ];
  test.each(contents)("takes %s, in both versions", async (_, content) => {
    expect(await validated(envelopeOf(content, 1))).toBeUndefined();
    expect(await validated(envelopeOf(content, 2))).toBeUndefined();
  });

  test("takes the event of a Lambda function", async () => {
    for (const content of [notification, withoutSubject]) {
      const event = lambdaEvent(content, "arn", "https://forebay.example/", signed(content, 2));
      const { Records } = JSON.parse(event) as { Records: { Sns: object }[] };
      expect(await validated(JSON.stringify(Records[0]?.Sns))).toBeUndefined();
    }
  });

  test.each(["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"])(
    "refuses a notification whose %s has one more byte",
    async (name) => {
      const envelope = JSON.parse(envelopeOf(notification, 2)) as Record<string, string>;
      const altered = JSON.stringify({ ...envelope, [name]: `${envelope[name]}!` });
      expect(await validated(altered)).toBe("The message signature is invalid.");
      expect(verifyEnvelope(altered, identity.certificate).kind).toBe("not_verified");
    },
  );
});

test("the text to sign is SNS's, with unescaped values", () => {
  expect(textToSign(notification)).toBe(
    `Message\nline one\nline "two" \\ \u{1F600}\nMessageId\n${notification.messageId}\nSubject\nGrüße ☕\nTimestamp\n2030-01-01T00:00:00.007Z\nTopicArn\n${topicArn}\nType\nNotification\n`,
  );
  expect(textToSign(withoutSubject)).not.toContain("Subject");
  expect(textToSign(ending)).toBe(
    `Message\n${ending.message}\nMessageId\n${request.messageId}\nSubscribeURL\n${ending.subscribeUrl}\nTimestamp\n2030-01-01T00:00:00.000Z\nToken\n${request.token}\nTopicArn\n${topicArn}\nType\nUnsubscribeConfirmation\n`,
  );
});

test("a key that is known signs known messages with known bytes", () => {
  const key = createPrivateKey(goldenKey);
  for (const { name, version, signature } of goldenSignatures) {
    const content = { notification, withoutSubject, confirmation, ending }[name];
    expect(signatureOf(content, version, key), `${name} ${version}`).toBe(signature);
  }
});

test.each([
  ["a notification", notification],
  ["one without a subject", withoutSubject],
  ["a confirmation", confirmation],
  ["the confirmation of an end", ending],
])("our verifier takes %s as it was sent", (_, content) => {
  expect(verifyEnvelope(envelopeOf(content, 1), identity.certificate).kind).toBe("verified");
  expect(verifyEnvelope(envelopeOf(content, 2), identity.certificate).kind).toBe("verified");
});

test("our verifier refuses what is no signed message, and what another key signed", async () => {
  const envelope = envelopeOf(notification, 2);
  const other = await makeSigningIdentity(now, systemRandom);
  const without = (name: string): string => {
    const value = JSON.parse(envelope) as Record<string, unknown>;
    delete value[name];
    return JSON.stringify(value);
  };
  const bad = [
    "",
    "[]",
    "null",
    without("Signature"),
    without("SignatureVersion"),
    without("Type"),
  ];
  for (const text of bad) {
    expect(verifyEnvelope(text, identity.certificate).kind, text).toBe("not_verified");
  }
  expect(verifyEnvelope(envelope, other.certificate).kind).toBe("not_verified");
  // A version that was not signed with.
  const asOne = envelope.replace('"SignatureVersion":"2"', '"SignatureVersion":"1"');
  expect(verifyEnvelope(asOne, identity.certificate).kind).toBe("not_verified");
});

describe("the signing key", () => {
  test("has a certificate that is RSA, self-signed, and good from before it was made to after it is retired", () => {
    const certificate = new X509Certificate(identity.certificate);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2_048);
    expect(certificate.ca).toBe(false);
    expect(Date.parse(certificate.validFrom)).toBeLessThan(now);
    expect(Date.parse(certificate.validTo)).toBeGreaterThanOrEqual(now + days(365) + days(30));
    expect(certificate.checkPrivateKey(createPrivateKey(identity.key))).toBe(true);
  });

  test("has a certificate that OpenSSL verifies and reads the key from", () => {
    const folder = mkdtempSync(join(tmpdir(), "forebay-signing-"));
    const file = join(folder, "certificate.pem");
    writeFileSync(file, identity.certificate);
    const run = (...args: string[]) => spawnSync("openssl", args, { encoding: "utf8" });
    const at = String(now / 1_000);
    const verified = run("verify", "-attime", at, "-check_ss_sig", "-CAfile", file, file);
    const key = run("x509", "-in", file, "-noout", "-pubkey");
    rmSync(folder, { recursive: true });
    expect(verified.stdout).toContain(": OK");
    const verifier = createVerify("RSA-SHA256").update(textToSign(notification), "utf8");
    expect(verifier.verify(key.stdout, signed(notification, 2).signature, "base64")).toBe(true);
  });

  test("has a place that is made of its certificate", () => {
    const name = certificateName(identity.certificate);
    expect(name).toMatch(/^SimpleNotificationService-[0-9a-f]{32}\.pem$/);
    expect(signerOf(identity, "https://sns.example").certificateUrl).toBe(
      `https://sns.example/${name}`,
    );
    expect(certificateName(`${identity.certificate}\n`)).not.toBe(name);
  });

  const made = (atDays: number): SigningIdentity => ({
    certificate: `of day ${atDays}`,
    key: "",
    madeAt: epochMs(now + days(atDays)),
  });

  test("is to be made when there is none, and again after a year", () => {
    expect(signingState([], now)).toEqual({ current: undefined, isRenewalDue: true, served: [] });
    const first = made(0);
    const at = (atDays: number, plusMs = 0) => epochMs(now + days(atDays) + plusMs);
    expect(signingState([first], at(365, -1)).isRenewalDue).toBe(false);
    expect(signingState([first], at(365)).isRenewalDue).toBe(true);
  });

  test("is served 30 days after another took its place, and then no more", () => {
    const first = made(0);
    const second = made(365);
    const at = (atDays: number, plusMs = 0) => epochMs(now + days(atDays) + plusMs);
    const before = signingState([first, second], at(395, -1));
    expect(before.current).toBe(second);
    expect(before.served).toEqual([second, first]);
    expect(signingState([first, second], at(395)).served).toEqual([second]);
  });
});

describe("signatures with a secret", () => {
  const secret = Buffer.alloc(32, 7);
  const older = Buffer.alloc(24, 9);
  // The library reads the real clock, and takes five minutes either way.
  const unixSeconds = Math.floor(Date.now() / 1_000);
  const body = Buffer.from('{"a":"☕"}');
  const messageId = notification.messageId;
  const headers = hmacHeaders({ messageId, body, unixSeconds, secrets: [secret, older] });
  const webhook = (key: Uint8Array) => new Webhook(secretText(key));

  test("are taken by the library of Standard Webhooks, with either secret while it is exchanged", () => {
    expect(webhook(secret).verify(body.toString(), { ...headers })).toEqual({ a: "☕" });
    expect(webhook(older).verify(body.toString(), { ...headers })).toEqual({ a: "☕" });
    expect(() => webhook(Buffer.alloc(32, 8)).verify(body.toString(), { ...headers })).toThrow();
    expect(() => webhook(secret).verify(`${body} `, { ...headers })).toThrow();
  });

  test("of our own header are those of a known vector", () => {
    const known = hmacHeaders({
      messageId,
      body: Buffer.from("hello"),
      unixSeconds: 1_893_456_000,
      secrets: [Buffer.from("0123456789abcdef01234567")],
    });
    // printf '1893456000.hello' | openssl dgst -sha256 -hmac 0123456789abcdef01234567
    expect(known["x-forebay-signature"]).toBe(
      "t=1893456000,v1=01bdfd5e6b1d4cee6a24fe005030bd1f36e69f5ca4b210b17a7f337916a304ad",
    );
  });

  test("are taken by our own verifier within the tolerance, and not a second later", () => {
    const header = headers["x-forebay-signature"] ?? "";
    const at = (nowUnixSeconds: number) => ({
      header,
      body,
      nowUnixSeconds,
      toleranceSeconds: 300,
    });
    expect(verifyHmac(secret, at(unixSeconds + 300))).toBe(true);
    expect(verifyHmac(older, at(unixSeconds - 300))).toBe(true);
    expect(verifyHmac(secret, at(unixSeconds + 301))).toBe(false);
    expect(verifyHmac(Buffer.alloc(32, 8), at(unixSeconds))).toBe(false);
    expect(verifyHmac(secret, { ...at(unixSeconds), body: Buffer.from("{}") })).toBe(false);
    expect(verifyHmac(secret, { ...at(unixSeconds), header: "" })).toBe(false);
  });

  test("are absent without a secret", () => {
    expect(hmacHeaders({ messageId, body, unixSeconds, secrets: [] })).toEqual({});
  });

  test.each([
    [23, true],
    [24, false],
    [64, false],
    [65, true],
  ])("need a secret of 24 to 64 bytes: of %d it is a problem: %s", (length, isProblem) => {
    expect(secretProblem(Buffer.alloc(length)) !== undefined).toBe(isProblem);
  });
});
