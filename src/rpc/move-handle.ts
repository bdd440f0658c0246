// Handles of move tasks: opaque, and under a keyed checksum, so that garbage and the handles of other things are told from a
// task that is no more without a look-up.

import { createHmac, timingSafeEqual } from "node:crypto";
import { queueNumber } from "../base/brands.js";
import type { MoveTaskId } from "../queue/move-task.js";

const version = 1;
const bodyBytes = 17;
const checksumBytes = 8;

export class MoveHandles {
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  encode({ source, number }: MoveTaskId): string {
    const body = Buffer.alloc(bodyBytes);
    body.writeUInt8(version);
    body.writeBigUInt64BE(BigInt(source), 1);
    body.writeBigUInt64BE(BigInt(number), 9);
    return Buffer.concat([body, this.#checksum(body)]).toString("base64url");
  }

  /** Undefined: not a handle of this store. */
  decode(text: string): MoveTaskId | undefined {
    const bytes = Buffer.from(text, "base64url");
    if (bytes.length !== bodyBytes + checksumBytes || bytes[0] !== version) return undefined;
    // Base64 tolerates other spellings of the same bytes; only the one that was handed out is a handle.
    if (bytes.toString("base64url") !== text) return undefined;
    const body = bytes.subarray(0, bodyBytes);
    if (!timingSafeEqual(this.#checksum(body), bytes.subarray(bodyBytes))) return undefined;
    return {
      source: queueNumber(Number(body.readBigUInt64BE(1))),
      number: Number(body.readBigUInt64BE(9)),
    };
  }

  #checksum(body: Buffer): Buffer {
    const hash = createHmac("sha256", this.#secret);
    return hash.update("move task ", "utf8").update(body).digest().subarray(0, checksumBytes);
  }
}
