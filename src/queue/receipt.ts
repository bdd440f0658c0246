// Receipt handles. A handle names one receive, not the message: it holds the queue's incarnation, the segment, the message's
// place and the ordinal of the receive, under a keyed checksum, so that garbage and forgeries are told from "gone" without a
// look-up. It carries no epoch: it survives a failover.

import { hash, timingSafeEqual } from "node:crypto";
import {
  type QueueNumber,
  queueNumber,
  type SegmentNumber,
  type Sequence,
  segmentNumber,
  sequence,
} from "../base/brands.js";
import { limits } from "./limits.js";

export interface Receipt {
  readonly queue: QueueNumber;
  readonly segment: SegmentNumber;
  readonly sequence: Sequence;
  readonly ordinal: number;
}

const version = 1;
const bodyBytes = 29;
// 64 bits: a forger would need 2^63 calls on average, and what he would gain is deleting a message he may receive anyway.
const checksumBytes = 8;

export class ReceiptCodec {
  /** What is hashed: secret, body, secret. The body in it is that of the last handle. */
  readonly #sealed: Buffer;
  readonly #bodyAt: number;

  constructor(secret: Buffer) {
    this.#bodyAt = secret.length;
    this.#sealed = Buffer.concat([secret, Buffer.alloc(bodyBytes), secret]);
  }

  encode(receipt: Receipt): string {
    const bytes = Buffer.allocUnsafe(bodyBytes + checksumBytes);
    bytes[0] = version;
    writeU64(bytes, receipt.queue, 1);
    writeU64(bytes, receipt.segment, 9);
    writeU64(bytes, receipt.sequence, 17);
    bytes.writeUInt32BE(receipt.ordinal, 25);
    bytes.write(this.#checksum(bytes), bodyBytes, "latin1");
    return bytes.toString("base64url");
  }

  /** Undefined: not a handle of this store. */
  decode(text: string): Receipt | undefined {
    if (text.length > limits.receiptHandleCharactersMax) return undefined;
    const bytes = Buffer.from(text, "base64url");
    if (bytes.length !== bodyBytes + checksumBytes || bytes[0] !== version) return undefined;
    // Base64 tolerates other spellings of the same bytes; only the one that was handed out is a handle.
    if (bytes.toString("base64url") !== text) return undefined;
    const checksum = Buffer.from(this.#checksum(bytes), "latin1");
    if (!timingSafeEqual(checksum, bytes.subarray(bodyBytes))) return undefined;
    return {
      queue: queueNumber(readU64(bytes, 1)),
      segment: segmentNumber(readU64(bytes, 9)),
      sequence: sequence(readU64(bytes, 17)),
      ordinal: bytes.readUInt32BE(25),
    };
  }

  // The secret on both sides of a fixed-length body: neither extension nor collision of the hash helps a forger. As latin1,
  // since a Buffer for each digest costs four times the hashing (1.2 against 0.3 us).
  #checksum(bytes: Buffer): string {
    bytes.copy(this.#sealed, this.#bodyAt, 0, bodyBytes);
    return hash("sha256", this.#sealed, "binary").slice(0, checksumBytes);
  }
}

function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 4_294_967_296), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}

const readU64 = (bytes: Buffer, at: number): number =>
  bytes.readUInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4);
