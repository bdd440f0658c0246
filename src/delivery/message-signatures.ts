// Signatures of messages whose envelopes go to queues: made by other threads, kept for the steps that hand the messages on. Each
// covers the message and not its subscription, so that a thousand queues share one. What was forgotten is made again; two that
// differ are both good, since each names its certificate.

import { sign } from "node:crypto";
import type { EnvelopeParts, KeptSignature } from "../queue/stamp.js";
import type { ToSign } from "../topic/envelope.js";
import { deliveryLimits } from "./limits.js";
import { hashes, textToSign } from "./signature.js";
import type { Signer } from "./signing-identity.js";

export class MessageSignatures implements EnvelopeParts {
  readonly publicBaseUrl: string;
  /** In the order they were made. */
  readonly #kept = new Map<string, KeptSignature>();

  constructor(publicBaseUrl: string) {
    this.publicBaseUrl = publicBaseUrl;
  }

  signatureOf(key: string): KeptSignature | undefined {
    return this.#kept.get(key);
  }

  /** Resolves when all are there. */
  async sign(signer: Signer, unsigned: readonly ToSign[]): Promise<void> {
    const missing = unsigned.filter(({ key }) => !this.#kept.has(key));
    const next = missing.values();
    const signNext = async (): Promise<void> => {
      for (const each of next) this.#kept.set(each.key, await signatureBy(signer, each));
    };
    await Promise.all(Array.from({ length: deliveryLimits.signaturesAtOnceMax }, signNext));
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= deliveryLimits.signaturesKeptMax) break;
      this.#kept.delete(key);
    }
  }
}

const signatureBy = (
  { key, certificateUrl }: Signer,
  { content, version }: ToSign,
): Promise<KeptSignature> =>
  new Promise((resolve, reject) => {
    sign(hashes[version], Buffer.from(textToSign(content), "utf8"), key, (error, signature) => {
      if (error !== null) reject(error);
      else resolve({ version, signature: signature.toString("base64"), certificateUrl });
    });
  });
