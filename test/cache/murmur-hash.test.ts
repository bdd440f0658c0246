// The hash function of sketches, by what its author and others published of it.

import { expect, test } from "vitest";
import { murmurHash64 } from "../../src/cache/murmur-hash.js";

test("MurmurHash64A has the verification value that SMHasher lists for it", () => {
  // Keys 0; 0, 1; 0, 1, 2 ... of every length up to 255, under another seed each; the hash of their hashes says whether all are right.
  const hashes = Buffer.alloc(256 * 8);
  const key = Buffer.alloc(256);
  for (let length = 0; length < 256; length += 1) {
    key[length] = length;
    const { high, low } = murmurHash64(key.subarray(0, length), 256 - length);
    hashes.writeUInt32LE(low, length * 8);
    hashes.writeUInt32LE(high, length * 8 + 4);
  }
  expect(murmurHash64(hashes, 0).low.toString(16)).toBe("1f0d3804");
});

/** As the author wrote it, in whole numbers of 64 bits. */
function inBigInts(bytes: Buffer, seed: bigint): bigint {
  const factor = 0xc6a4a7935bd1e995n;
  const times = (value: bigint): bigint => BigInt.asUintN(64, value * factor);
  let hash = seed ^ times(BigInt(bytes.length));
  const wholeEnd = bytes.length - (bytes.length % 8);
  for (let at = 0; at < wholeEnd; at += 8) {
    const lane = times(bytes.readBigUInt64LE(at));
    hash = times(hash ^ times(lane ^ (lane >> 47n)));
  }
  const rest = bytes.subarray(wholeEnd);
  if (rest.length > 0) {
    let lane = 0n;
    for (const [at, byte] of rest.entries()) lane |= BigInt(byte) << BigInt(at * 8);
    hash = times(hash ^ lane);
  }
  hash = times(hash ^ (hash >> 47n));
  return hash ^ (hash >> 47n);
}

test("its halves make the same as 64 bits at once, whatever the bytes", () => {
  let state = 1;
  for (let length = 0; length < 300; length += 1) {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      bytes[at] = length % 3 === 0 ? 0xff : state >>> 24;
    }
    const seed = length % 2 === 0 ? 0xadc8_3b19 : state;
    const { high, low } = murmurHash64(bytes, seed);
    expect((BigInt(high) << 32n) | BigInt(low)).toBe(inBigInts(bytes, BigInt(seed)));
  }
});
