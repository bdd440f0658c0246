// Verifies requests to a webhook by their certificate, as SNS has it, both versions.
//
//   node verify.mjs <address of the server's pages> <file of receiver.mjs> ...

import { createVerify } from "node:crypto";
import { readFileSync } from "node:fs";

const notification = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const confirmation = [
  ...["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
];

/** Whether the server signed this body. `pages` is where its certificates are: an envelope may name anybody's. */
async function isSigned(body, pages) {
  const envelope = JSON.parse(body);
  if (!envelope.SigningCertURL.startsWith(`${pages}/SimpleNotificationService-`)) return false;
  const certificate = await (await fetch(envelope.SigningCertURL)).text();
  const names = envelope.Type === "Notification" ? notification : confirmation;
  const text = names
    .filter((name) => envelope[name] !== undefined)
    .map((name) => `${name}\n${envelope[name]}\n`)
    .join("");
  const hash = envelope.SignatureVersion === "1" ? "sha1" : "sha256";
  return createVerify(hash).update(text).verify(certificate, envelope.Signature, "base64");
}

const [pages, ...paths] = process.argv.slice(2);
for (const path of paths) {
  const { body } = JSON.parse(readFileSync(path, "utf8"));
  const changed = body.replace('"Message":"', '"Message":"!');
  const isGood = (await isSigned(body, pages)) && !(await isSigned(changed, pages));
  console.log(`${path}: ${isGood ? "signed" : "NOT SIGNED"}`);
  if (!isGood) process.exitCode = 1;
}
