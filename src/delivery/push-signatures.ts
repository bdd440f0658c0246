// Signatures of pushed envelopes: made by other threads, so that the thread which serves calls does not stand still for them, and
// kept for a while, since each covers the message and not its subscription. Who asks for one that is being made waits for that one.

import { hash, sign } from "node:crypto";
import type { EnvelopeSignature, NotificationContent } from "./envelopes.js";
import { deliveryLimits } from "./limits.js";
import { hashes, textToSign } from "./signature.js";
import type { Signer } from "./signing-identity.js";

export class PushSignatures {
  /** By certificate and text, in the order they were begun; those that failed are not kept. */
  readonly #kept = new Map<string, Promise<EnvelopeSignature>>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  signatureOf(
    content: NotificationContent,
    version: 1 | 2,
    signer: Signer,
  ): Promise<EnvelopeSignature> {
    const text = textToSign(content);
    const key = `${signer.certificateUrl} ${version} ${content.messageId} ${hashOf(text)}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = this.#inTurn(() => signatureBy(signer, text, version));
    this.#kept.set(key, made);
    made.catch(() => this.#kept.delete(key));
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size > deliveryLimits.signaturesKeptMax) {
      this.#kept.delete(oldest);
    }
    return made;
  }

  /** Few at once over all targets: the store's commits need the same threads. */
  async #inTurn<Made>(make: () => Promise<Made>): Promise<Made> {
    if (this.#busy < deliveryLimits.signaturesAtOnceMax) this.#busy += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await make();
    } finally {
      const next = this.#waiting.shift();
      // The turn is handed on, not given back, so that nobody gets in between.
      if (next === undefined) this.#busy -= 1;
      else next();
    }
  }
}

/** Bodies of a message differ by the kind of their target, so that its id alone names no text. */
const hashOf = (text: string): string => hash("sha256", text, "base64");

const signatureBy = (
  { key, certificateUrl }: Signer,
  text: string,
  version: 1 | 2,
): Promise<EnvelopeSignature> =>
  new Promise((resolve, reject) => {
    sign(hashes[version], Buffer.from(text, "utf8"), key, (error, signature) => {
      if (error !== null) reject(error);
      else resolve({ version, signature: signature.toString("base64"), certificateUrl });
    });
  });
