// The keys that envelopes are signed with, and the certificates that they are verified by. One key signs for a year; its
// certificate is served a month longer, since what was signed may be verified late. A certificate's place on the page server is
// made of its own bytes, so that it never changes and never names another.
//
// Whoever keeps the keys asks `signingState` what to do; nothing here stores or looks at a clock.

import { createHash, createPrivateKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { between, type EpochMs } from "../base/brands.js";
import type { Random } from "../base/ids.js";
import { createMessageCertificate } from "../security/certificates.js";
import { deliveryLimits } from "./limits.js";

/** As it is kept: the key is a secret. */
export interface SigningIdentity {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
  readonly madeAt: EpochMs;
}

const generate = promisify(generateKeyPair);

/** Takes some tenths of a second of another thread. */
export async function makeSigningIdentity(now: EpochMs, random: Random): Promise<SigningIdentity> {
  const keys = await generate("rsa", { modulusLength: deliveryLimits.signingKeyBits });
  const validDays = deliveryLimits.signingCertificateDays;
  const issuance = { now, validDays, random };
  const { certificate, key } = createMessageCertificate("Forebay messages", keys, issuance);
  return { certificate, key, madeAt: now };
}

export interface SigningState {
  /** Signs from now on; undefined when there is none yet. */
  readonly current: SigningIdentity | undefined;
  /** Whether a new one is to be made, after which the state is another. */
  readonly isRenewalDue: boolean;
  /** Those to be kept: the current one, and older ones as long as their certificates are served. */
  readonly served: readonly SigningIdentity[];
}

/** What becomes of the keys that are kept, in any order. */
export function signingState(kept: readonly SigningIdentity[], now: EpochMs): SigningState {
  const newestFirst = [...kept].sort((one, other) => other.madeAt - one.madeAt);
  const [current] = newestFirst;
  const served = newestFirst.filter((_, index) => {
    // It was retired when the next one was made.
    const successor = newestFirst[index - 1];
    if (successor === undefined) return true;
    return between(successor.madeAt, now) < deliveryLimits.retiredCertificateMs;
  });
  const isRenewalDue =
    current === undefined || between(current.madeAt, now) >= deliveryLimits.signingKeyMs;
  return { current, isRenewalDue, served };
}

const prefixDigits = 32;

/** The file name under which a certificate is served, in SNS's form. */
export function certificateName(certificatePem: string): string {
  const digest = createHash("sha256").update(certificatePem).digest("hex");
  return `SimpleNotificationService-${digest.slice(0, prefixDigits)}.pem`;
}

/** A key that is ready to sign with, and what envelopes say about it. */
export interface Signer {
  readonly key: KeyObject;
  readonly certificateUrl: string;
}

export const signerOf = (identity: SigningIdentity, certificateBaseUrl: string): Signer => ({
  key: createPrivateKey(identity.key),
  certificateUrl: `${certificateBaseUrl}/${certificateName(identity.certificate)}`,
});
