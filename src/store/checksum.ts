// CRC-32 (that of zlib) over a row's kind, its key and its bytes.
//
// Most rows and nearly all keys are short. Entering native code takes as long as some 60 bytes do here, and needs a key as a buffer
// that is read as a text; so short runs are summed here (a row of 20 bytes: 65 ns against 260, measured).

import { crc32 } from "node:zlib";
import { frameHeaderBytes } from "./bytes.js";

/** Where native code begins to pay. */
const shortBytesMax = 80;

/** What each byte does to the sum; the polynomial of zlib, its bits reversed. */
const steps = Int32Array.from({ length: 256 }, (_, byte) => {
  let step = byte;
  for (let bit = 0; bit < 8; bit += 1)
    step = (step & 1) === 1 ? (step >>> 1) ^ 0xedb88320 : step >>> 1;
  return step;
});

/** The checksum of a framed row; a key is given as it is at hand. */
export function checksumOf(key: string | Buffer, framed: Buffer, kind: number): number {
  const ofKey = typeof key === "string" ? sumOfText(key, kind) : sumOfBytes(key, 0, kind);
  return framed.length > frameHeaderBytes + shortBytesMax
    ? crc32(framed.subarray(frameHeaderBytes), ofKey)
    : sumOfBytes(framed, frameHeaderBytes, ofKey);
}

/** Of the characters of a key, each of which is a byte. */
function sumOfText(text: string, from: number): number {
  let sum = ~from;
  for (let at = 0; at < text.length; at += 1) {
    sum = (steps[(sum ^ text.charCodeAt(at)) & 0xff] as number) ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}

function sumOfBytes(bytes: Buffer, begin: number, from: number): number {
  let sum = ~from;
  for (let at = begin; at < bytes.length; at += 1) {
    sum = (steps[(sum ^ (bytes[at] as number)) & 0xff] as number) ^ (sum >>> 8);
  }
  return ~sum >>> 0;
}
