// MurmurHash64A by Austin Appleby (public domain): 64 bits of good quality out of any bytes, as sketches need them. What it makes of
// an element is kept in stored sketches, so it must never change.
//
// In two halves of 32 bits, since JavaScript has 64 bits only as BigInt, which takes three times as long (measured, 32 bytes).

/** 64 bits, as two unsigned halves. */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

/** Its constant. */
const multiplier = { high: 0xc6a4a793, low: 0x5bd1e995 } as const;
const multiplierLowHalves = { high: 0x5bd1, low: 0xe995 } as const;

/** The low half of a product with the constant. */
const timesLow = (low: number): number => Math.imul(low, multiplier.low);

/** The high half, with what is carried out of the low one, worked out in halves of 16 bits. */
function timesHigh(high: number, low: number): number {
  const lowHigh = low >>> 16;
  const lowLow = low & 0xffff;
  const { high: factorHigh, low: factorLow } = multiplierLowHalves;
  // Below 2^34: exact in a double.
  const middle =
    lowLow * factorHigh + lowHigh * factorLow + Math.floor((lowLow * factorLow) / 65_536);
  const carried = lowHigh * factorHigh + Math.floor(middle / 65_536);
  return (carried + Math.imul(low, multiplier.high) + Math.imul(high, multiplier.low)) | 0;
}

/** Of bytes, with a seed of 32 bits. */
export function murmurHash64(bytes: Buffer, seed: number): Hash {
  const { length } = bytes;
  // h = seed ^ (length * m)
  let high = timesHigh(0, length);
  let low = timesLow(length) ^ seed;
  const wholeEnd = length - (length % 8);
  for (let at = 0; at < wholeEnd; at += 8) {
    const laneLow = bytes.readInt32LE(at);
    const laneHigh = timesHigh(bytes.readInt32LE(at + 4), laneLow);
    // k *= m; k ^= k >> 47; k *= m
    const shiftedLow = timesLow(laneLow) ^ (laneHigh >>> 15);
    high ^= timesHigh(laneHigh, shiftedLow);
    low ^= timesLow(shiftedLow);
    high = timesHigh(high, low);
    low = timesLow(low);
  }
  if (wholeEnd < length) {
    for (let at = wholeEnd; at < length; at += 1) {
      const place = at - wholeEnd;
      const byte = bytes[at] ?? 0;
      if (place < 4) low ^= byte << (place * 8);
      else high ^= byte << ((place - 4) * 8);
    }
    high = timesHigh(high, low);
    low = timesLow(low);
  }
  // h ^= h >> 47; h *= m; h ^= h >> 47
  low ^= high >>> 15;
  high = timesHigh(high, low);
  low = timesLow(low);
  low ^= high >>> 15;
  return { high: high >>> 0, low: low >>> 0 };
}
