// Fresh identities: message ids, and the numbers of queues and segments.
//
// A message id is a UUID of version 7 (RFC 9562): 48 bits of time, 12 bits of a counter and 62 random bits, so ids made later
// sort later and a store's pages fill in order. Numbers are 53 bits: 41 of milliseconds since 2025 and 12 random, made
// strictly increasing, so that one is never handed out twice, not even after a restart.

import { randomFillSync } from "node:crypto";
import {
  type EpochMs,
  type QueueNumber,
  queueNumber,
  type SegmentNumber,
  segmentNumber,
} from "./brands.js";

/** Where randomness comes from. */
export interface Random {
  /** Fills the bytes with unpredictable values. */
  fill(bytes: Uint8Array): void;
}

export const systemRandom: Random = {
  fill: (bytes) => {
    randomFillSync(bytes);
  },
};

/** From 0 (inclusive) to 1 (exclusive), evenly: for waits that must not all end at once. */
export function fractionOf(random: Random): () => number {
  const bytes = Buffer.alloc(6);
  return () => {
    random.fill(bytes);
    return bytes.readUIntBE(0, 6) / 2 ** 48;
  };
}

export interface Ids {
  /** The 16 bytes of a new UUID. */
  messageId(now: EpochMs): Buffer;
  queueNumber(now: EpochMs): QueueNumber;
  segmentNumber(now: EpochMs): SegmentNumber;
  /** From 0 (inclusive) to 1 (exclusive), evenly: for ends that must not all be at once. */
  fraction(): number;
}

const numberEpochMs = Date.UTC(2025, 0, 1);
const randomPoolBytes = 4_096;

export function createIds(random: Random): Ids {
  const pool = Buffer.alloc(randomPoolBytes);
  let poolAt = randomPoolBytes;
  let lastNumber = 0;
  let counter = 0;
  let counterMs = -1;

  const take = (count: number): number => {
    if (poolAt + count > randomPoolBytes) {
      random.fill(pool);
      poolAt = 0;
    }
    const at = poolAt;
    poolAt += count;
    return at;
  };
  const nextNumber = (now: EpochMs): number => {
    const at = take(2);
    const fresh = Math.max(0, now - numberEpochMs) * 4_096 + (pool.readUInt16BE(at) & 0xfff);
    lastNumber = Math.max(lastNumber + 1, fresh);
    return lastNumber;
  };
  return {
    messageId: (now) => {
      if (now === counterMs) counter = (counter + 1) & 0xfff;
      else {
        counterMs = now;
        counter = 0;
      }
      const id = Buffer.allocUnsafe(16);
      id.writeUIntBE(now, 0, 6);
      id.writeUInt16BE(0x7000 | counter, 6);
      const at = take(8);
      pool.copy(id, 8, at, at + 8);
      id.writeUInt8(0x80 | (id.readUInt8(8) & 0x3f), 8);
      return id;
    },
    queueNumber: (now) => queueNumber(nextNumber(now)),
    segmentNumber: (now) => segmentNumber(nextNumber(now)),
    fraction: () => {
      const at = take(4);
      return pool.readUInt32BE(at) / 2 ** 32;
    },
  };
}

/** The canonical text of a UUID's 16 bytes. */
export function uuidText(id: Buffer): string {
  const hex = id.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const canonical = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The 16 bytes of a UUID's canonical text; undefined for any other text. */
export const uuidBytes = (text: string): Buffer | undefined =>
  canonical.test(text) ? Buffer.from(text.replaceAll("-", ""), "hex") : undefined;
