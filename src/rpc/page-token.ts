// Page tokens: opaque, bound to the list and filter they came from, checked before they are believed. A token of another
// list, another filter or another server is refused, not misread.

import { createHmac, timingSafeEqual } from "node:crypto";

const checksumBytes = 8;

export class PageTokens {
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** `scope` names the list and everything that filters it. */
  encode(scope: string, position: string): string {
    const body = Buffer.from(position, "utf8");
    return Buffer.concat([this.#checksum(scope, body), body]).toString("base64url");
  }

  /** The position; undefined when the token is not one of this scope. */
  decode(scope: string, token: string): string | undefined {
    const bytes = Buffer.from(token, "base64url");
    if (bytes.length < checksumBytes || bytes.toString("base64url") !== token) return undefined;
    const body = bytes.subarray(checksumBytes);
    return timingSafeEqual(this.#checksum(scope, body), bytes.subarray(0, checksumBytes))
      ? body.toString("utf8")
      : undefined;
  }

  #checksum(scope: string, body: Buffer): Buffer {
    const hash = createHmac("sha256", this.#secret);
    // The length keeps scope and body apart.
    hash.update(`page ${scope.length} ${scope}`, "utf8").update(body);
    return hash.digest().subarray(0, checksumBytes);
  }
}
