// Records that were acknowledged and then lost with their leader (acks `async`), kept in a file of their own where an operator
// finds them: `lost-<epoch>.bin` in the data directory.
//
// The file is a row of frames: length (u32), seq (u64), epoch (u64), CRC-32 (u32), chain (16 bytes), the encoded record. Frames
// are added at the end, so records may stand in it twice after a crash; a frame that a crash cut off is overwritten.

import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Epoch, LogSeq } from "../base/brands.js";
import type { LogEntry } from "./replica-disk.js";

const headBytes = 4 + 8 + 8 + 4 + 16;

export const lostName = (epoch: Epoch): string => `lost-${epoch}.bin`;

export async function appendLost(
  directory: string,
  epoch: Epoch,
  entries: readonly LogEntry[],
): Promise<void> {
  const file = await open(join(directory, lostName(epoch)), "a+");
  try {
    const { end } = await readFrames(file);
    await file.truncate(end);
    for (const entry of entries) await file.appendFile(frameOf(entry));
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(directory, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The records of such a file, in the order they were added. */
export async function readLost(path: string): Promise<readonly LogEntry[]> {
  const file = await open(path, "r");
  try {
    return (await readFrames(file)).entries;
  } finally {
    await file.close();
  }
}

function frameOf({ seq, epoch, crc32: checksum, chain, record }: LogEntry): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + record.length);
  frame.writeUInt32BE(record.length, 0);
  frame.writeBigUInt64BE(BigInt(seq), 4);
  frame.writeBigUInt64BE(BigInt(epoch), 12);
  frame.writeUInt32BE(checksum, 20);
  chain.copy(frame, 24, 0, 16);
  record.copy(frame, headBytes);
  return frame;
}

/** The whole frames of a file, and where they end. Rare and by far smaller than memory: what one leader had to itself. */
async function readFrames(
  file: FileHandle,
): Promise<{ readonly entries: readonly LogEntry[]; readonly end: number }> {
  const bytes = await file.readFile();
  const entries: LogEntry[] = [];
  let at = 0;
  while (at + headBytes <= bytes.length) {
    const end = at + headBytes + bytes.readUInt32BE(at);
    const record = bytes.subarray(at + headBytes, end);
    const checksum = bytes.readUInt32BE(at + 20);
    if (end > bytes.length || crc32(record) !== checksum) break;
    entries.push({
      seq: Number(bytes.readBigUInt64BE(at + 4)) as LogSeq,
      epoch: Number(bytes.readBigUInt64BE(at + 12)) as Epoch,
      crc32: checksum,
      chain: bytes.subarray(at + 24, at + headBytes),
      record,
    });
    at = end;
  }
  return { entries, end: at };
}
